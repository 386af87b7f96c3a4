package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
)

// floorWorkers is the number of Python processes behind the floor's server:
// one a core of the reference machine.
const floorWorkers = 2

// floorBodyBytes bounds what the floor's server reads of a request.
const floorBodyBytes = 6 << 20

// floorScript is the least that runs a Python handler for a frame: read a
// length, parse, call, answer.
const floorScript = `
import json, socket, struct, sys
s = socket.socket(fileno=3)
def handler(event, context):
    return event
def read(n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data
while True:
    (n,) = struct.unpack(">I", read(4))
    body = json.dumps(handler(json.loads(read(n)), None)).encode()
    s.sendall(struct.pack(">I", len(body)) + body)
`

// floorWorker is one Python process with its socket.
type floorWorker struct {
	conn   net.Conn
	reader *bufio.Reader
}

// serveFloor is the floor: any POST body goes to a free Python process and its
// answer comes back. It prints its address and ends with ctx.
func serveFloor(ctx context.Context, out io.Writer) error {
	idle := make(chan *floorWorker, floorWorkers)
	for range floorWorkers {
		w, err := startFloorWorker(ctx)
		if err != nil {
			return err
		}
		idle <- w
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, floorBodyBytes))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		w := <-idle
		reply, err := w.call(body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		idle <- w
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Content-Length", strconv.Itoa(len(reply)))
		rw.Write(reply)
	})}
	context.AfterFunc(ctx, func() { server.Close() })
	fmt.Fprintln(out, listener.Addr())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func startFloorWorker(ctx context.Context) (*floorWorker, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.CommandContext(ctx, "python3", "-c", floorScript)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, err
	}
	return &floorWorker{conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (w *floorWorker) call(body []byte) ([]byte, error) {
	frame := make([]byte, 4+len(body))
	binary.BigEndian.PutUint32(frame, uint32(len(body)))
	copy(frame[4:], body)
	if _, err := w.conn.Write(frame); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(w.reader, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > floorBodyBytes {
		return nil, fmt.Errorf("frame of %d bytes", n)
	}
	reply := make([]byte, n)
	_, err := io.ReadFull(w.reader, reply)
	return reply, err
}
