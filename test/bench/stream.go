package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// What is streamed: so many pieces of so many bytes, and how often.
const (
	streamPieces     = 512
	streamPieceBytes = 64 << 10
	streams          = 10
)

// stream measures a warm function's response stream: its first byte and its speed.
func (b *bench) stream(ctx context.Context, p *platform.Platform) error {
	f := trivial("stream")
	f.Files = map[string]string{"app.py": fmt.Sprintf("def handler(event, context):\n    for _ in range(%d):\n        yield bytes(%d)\n", streamPieces, streamPieceBytes)}
	if err := p.Deploy(ctx, f); err != nil {
		return err
	}
	raw, err := signed(ctx, p.Address, "/2021-11-15/functions/stream/response-streaming-invocations", event())
	if err != nil {
		return err
	}
	var first, whole []time.Duration
	for i := range streams + 1 {
		begun, ended, err := streamOnce(p.Address, raw)
		if err != nil {
			return err
		}
		if i > 0 { // the first one starts the environment
			first, whole = append(first, begun), append(whole, ended)
		}
	}
	slices.Sort(first)
	slices.Sort(whole)
	size := float64(streamPieces*streamPieceBytes) / 1e6
	b.add(row{what: fmt.Sprintf("response stream, warm, first byte, p50 of %d", streams), lambkin: milliseconds(percentile(first, 0.5))})
	b.add(row{what: fmt.Sprintf("response stream of %.1f MB, median speed", size), lambkin: fmt.Sprintf("%.0f MB/s", size/percentile(whole, 0.5).Seconds())})
	return nil
}

// streamOnce tells when a stream's first byte came and when its last.
func streamOnce(address string, raw []byte) (first, whole time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	begin := time.Now()
	if _, err := conn.Write(raw); err != nil {
		return 0, 0, err
	}
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, 0, err
	}
	defer reply.Body.Close()
	if _, err := io.ReadFull(reply.Body, make([]byte, 1)); err != nil {
		return 0, 0, err
	}
	first = time.Since(begin)
	n, err := io.Copy(io.Discard, reply.Body)
	if err == nil && (reply.StatusCode != http.StatusOK || n < streamPieces*streamPieceBytes) {
		err = fmt.Errorf("status %d, a stream of %d bytes", reply.StatusCode, n)
	}
	return first, time.Since(begin), err
}
