package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/cgroup"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/logpipe"
)

// peerOf makes an environment whose processes are this test: what it returns is
// the hostile end of its data socket.
func peerOf(t testing.TB) (*env, *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "data")
		conn, err := net.FileConn(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = conn.(*net.UnixConn)
	}
	log, pipe, err := logpipe.New()
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(pipe)
	e := &env{host: &Host{logger: slog.New(slog.DiscardHandler)}, group: &cgroup.Group{}, idle: &idleness{over: true}, pidfd: -1, conn: ends[0], reader: bufio.NewReaderSize(ends[0], 64<<10),
		log: log, done: make(chan struct{})}
	close(e.done) // its processes end whenever they are asked to
	return e, ends[1]
}

func (e *env) closePeer(peer *net.UnixConn) {
	e.conn.Close()
	e.log.Close()
	peer.Close()
}

// answerWith sends an answer, and descriptors, to the next event.
func answerWith(peer *net.UnixConn, answer, descriptors []byte) {
	if _, err := frame.Read(peer); err == nil {
		peer.WriteMsgUnix(answer, descriptors, nil) // an error shows in the event
	}
}

// FuzzAHostilePeer answers an event with anything, in two pieces, and hangs up.
// The caller must get the answer to its own event, as it was sent, or an error,
// and get it at once.
func FuzzAHostilePeer(f *testing.F) {
	good := encoded(frame.Result, "mine\x00application/json", `{"n": 1}`)
	f.Add(good, 5)
	f.Add(append(bytes.Clone(good), good...), len(good))
	f.Add(encoded(frame.Error, "mine\x00Exception", `{}`), 0)
	f.Add(encoded(frame.TooLarge, "mine\x007000000", ""), 12)
	f.Add(encoded(frame.Result, "another's\x00", "{}"), 3)
	f.Add(encoded(frame.Ready, "", ""), 3)
	f.Add([]byte{19, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 4)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if len(data) > 128<<10 {
			return // it fits the socket's buffer
		}
		e, peer := peerOf(t)
		defer e.closePeer(peer)
		cut = max(0, min(cut, len(data)))
		go func() { // ends when all is sent or the environment is closed
			io.CopyN(io.Discard, peer, frame.HeaderBytes)
			peer.Write(data[:cut])
			peer.Write(data[cut:])
			peer.CloseWrite()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		result, err := e.Invoke(ctx, &Event{RequestID: "mine"})
		if errors.Is(err, ErrTimeout) {
			t.Fatalf("%x: the caller waited until its time was up", data)
		}
		if err != nil {
			return
		}
		sent, parseErr := frame.Read(bytes.NewReader(data))
		if parseErr != nil || !bytes.HasPrefix(sent.Meta, []byte("mine\x00")) || (sent.Kind != frame.TooLarge && !bytes.Equal(sent.Payload, result.Payload)) {
			t.Errorf("%x gave %+v", data, result)
		}
	})
}

// TestASecondAnswerReachesNobody sends two answers to one event in one write: the
// second is there before the next event is sent, and must not answer it, whatever
// request it names.
func TestASecondAnswerReachesNobody(t *testing.T) {
	for _, id := range []string{"first", "second"} {
		e, peer := peerOf(t)
		answers := append(encoded(frame.Result, "first\x00", "1"), encoded(frame.Result, id+"\x00", "2")...)
		go answerWith(peer, answers, nil) // ends with the event, or with the peer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if r, err := e.Invoke(ctx, &Event{RequestID: "first"}); err != nil || string(r.Payload) != "1" {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := e.Invoke(ctx, &Event{RequestID: "second"}); !errors.Is(err, frame.ErrProtocol) {
			t.Errorf("an answer to %q that was sent before the event gave %+v, %v", id, r, err)
		}
		cancel()
		e.closePeer(peer)
	}
}

// TestTricklingBytesDoNotMoveTheDeadline: a peer that sends a byte now and then
// is cut off at the event's time, not later.
func TestTricklingBytesDoNotMoveTheDeadline(t *testing.T) {
	e, peer := peerOf(t)
	defer e.closePeer(peer)
	go func() { // ends when the environment is closed
		for {
			if _, err := peer.Write([]byte{0}); err != nil {
				return
			}
			<-time.After(20 * time.Millisecond)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if r, err := e.Invoke(ctx, &Event{RequestID: "mine"}); err == nil {
		t.Errorf("got %+v", r)
	}
}

// TestDescriptorsSentWithAFrameAreClosed: a peer may pass descriptors over a
// unix socket; they must not fill the supervisor's table.
func TestDescriptorsSentWithAFrameAreClosed(t *testing.T) {
	e, peer := peerOf(t)
	defer e.closePeer(peer)
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before := count()
	for range 100 {
		go answerWith(peer, encoded(frame.Result, "mine\x00", "1"), unix.UnixRights(0, 0, 0, 0)) // ends with the event, or with the peer
		if _, err := e.Invoke(ctx, &Event{RequestID: "mine"}); err != nil {
			t.Fatal(err)
		}
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors, before it were %d", after, before)
	}
}

func encoded(kind byte, meta, payload string) []byte {
	return frame.Append(nil, kind, meta, []byte(payload))
}

func TestAResultOfAnotherRequestIsAViolation(t *testing.T) {
	for _, f := range []frame.Frame{{Kind: frame.Result, Meta: []byte("other\x00")}, {Kind: frame.Result, Meta: []byte("mine")}, {Kind: frame.Ready, Meta: []byte("mine\x00")}} {
		if r, err := decodeResult(f, "mine"); !errors.Is(err, frame.ErrProtocol) {
			t.Errorf("frame %d %q gave %+v, %v", f.Kind, f.Meta, r, err)
		}
	}
}
