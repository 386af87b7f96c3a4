package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
)

// call runs source once for a caller who takes a stream.
func call(t *testing.T, h *Host, source string, patience time.Duration, take func(chunk []byte)) (*Result, *logs, error) {
	t.Helper()
	spec, collected := specOf(t, source)
	return callSpec(t, h, spec, collected, patience, take)
}

func callSpec(t *testing.T, h *Host, spec *Spec, collected *logs, patience time.Duration, take func(chunk []byte)) (*Result, *logs, error) {
	t.Helper()
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v; init %s; log %s", err, init.ErrorBody, collected.text())
	}
	defer e.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	deadline, _ := ctx.Deadline()
	r, err := e.Invoke(ctx, &Event{RequestID: "id-1", Deadline: deadline, Payload: []byte(`{"n": 1}`), Stream: take})
	return r, collected, err
}

const ample = 60 * time.Second

func TestAGeneratorStreamsWhatItYields(t *testing.T) {
	h := newHost(t, Config{})
	tests := []struct{ name, source, want, wantLog string }{
		{"a generator", "def handler(event, context):\n    yield b'one'\n    yield ''\n    yield 'zwö'\n    yield bytearray(b'3')\n    yield memoryview(b'4')\n    print('end')\n", "one|zwö|3|4|", "end\n"},
		{"an iterator", "def handler(event, context):\n    return iter(['a', 'b'])\n", "a|b|", ""},
		{"nothing", "def handler(event, context):\n    return iter(())\n", "", ""},
		{"a large piece", "def handler(event, context):\n    yield b'x' * (3 * 262144 + 1)\n", strings.Repeat(strings.Repeat("x", limit.StreamChunkBytes)+"|", 3) + "x|", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got strings.Builder
			r, collected, err := call(t, h, test.source, ample, func(chunk []byte) { got.Write(append(chunk, '|')) })
			if err != nil || r.ErrorType != "" || len(r.Payload) != 0 || r.ContentType != "application/octet-stream" {
				t.Fatalf("%+v, %v; log %s", r, err, collected.text())
			}
			if got.String() != test.want || collected.text() != test.wantLog {
				t.Errorf("streamed %.200q, log %q", got.String(), collected.text())
			}
		})
	}
}

func TestACallerWhoTakesNoStreamGetsTheWhole(t *testing.T) {
	h := newHost(t, Config{})
	r, _, err := call(t, h, "def handler(event, context):\n    yield b'one'\n    yield 'two'\n", ample, nil)
	if err != nil || string(r.Payload) != "onetwo" || r.ContentType != "application/octet-stream" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, _, err = call(t, h, "def handler(event, context):\n    yield 'one'\n    raise KeyError('gone')\n", ample, nil); err != nil || r.ErrorType != "KeyError" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAStreamThatFailsOnItsWay(t *testing.T) {
	h := newHost(t, Config{})
	const begin = "import ctypes, os, sys, time\ndef handler(event, context):\n    yield b'begun'\n    "
	tests := []struct {
		name, body string
		patience   time.Duration
		wantType   string
		wantErr    string
	}{
		{name: "raise", body: "raise KeyError('gone')", wantType: "KeyError"},
		{name: "neither bytes nor str", body: "yield 7", wantType: "Runtime.MarshalError"},
		{name: "exit", body: "sys.exit(3)", wantErr: "exit status 3"},
		{name: "crash", body: "ctypes.string_at(0)", wantErr: "segmentation fault"},
		{name: "memory", body: "yield b'x' * (1 << 30)", wantErr: "signal: killed"},
		// The piece came although the function never ends: it was not kept back.
		{name: "timeout", body: "time.sleep(600)", patience: 3 * time.Second, wantErr: ErrTimeout.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.patience == 0 {
				test.patience = ample
			}
			got := ""
			r, _, err := call(t, h, begin+test.body+"\n", test.patience, func(chunk []byte) { got += string(chunk) })
			if got != "begun" {
				t.Errorf("streamed %q", got)
			}
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Errorf("%+v, %v", r, err)
				}
				return
			}
			if err != nil || r.ErrorType != test.wantType || !strings.Contains(string(r.Payload), `"errorType": "`+test.wantType+`"`) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// TestASlowReaderHoldsTheFunctionBack: a reader who takes nothing more keeps the
// function from going on, and the time limit from nothing.
func TestASlowReaderHoldsTheFunctionBack(t *testing.T) {
	h := newHost(t, Config{})
	endless := "def handler(event, context):\n    while True:\n        print('made', flush=True)\n        yield b'x' * 65536\n"
	bootstrap := customLoop + `
def handle(id, event):
    api.putrequest("POST", "/2018-06-01/runtime/invocation/%s/response" % id)
    api.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
    api.putheader("Transfer-Encoding", "chunked")
    api.endheaders()
    while True:
        print('made', flush=True)
        api.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
serve()
`
	for name, spec := range map[string]func() (*Spec, *logs){
		"python": func() (*Spec, *logs) { return specOf(t, endless) },
		"custom": func() (*Spec, *logs) { return customSpec(t, bootstrap) },
	} {
		t.Run(name, func(t *testing.T) {
			s, collected := spec()
			e, _, err := h.Start(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			deadline, _ := ctx.Deadline()
			_, err = e.Invoke(ctx, &Event{RequestID: "id-1", Deadline: deadline, Payload: []byte("1"), Stream: func([]byte) {
				select {
				case <-e.Done(): // killed although we sit on its response
				case <-time.After(ample):
					t.Error("the time limit waits for the reader")
				}
			}})
			if !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v", err)
			}
			// What fits between the two: socket buffers and one piece on each side.
			const most = 8 << 20
			if made := strings.Count(collected.text(), "made") * 65536; made == 0 || made > most {
				t.Errorf("the function made %d bytes that nobody took", made)
			}
		})
	}
}

func TestPayloadLimitsToTheByte(t *testing.T) {
	h := newHost(t, Config{})
	source := func(n int) string {
		return fmt.Sprintf("def handler(event, context):\n    piece = b'x' * (1 << 20)\n    for _ in range(%d): yield piece\n    yield piece[:%d]\n    while True: yield b''\n", n>>20, n&(1<<20-1))
	}
	ending := func(n int) string { return strings.Replace(source(n), "    while True: yield b''\n", "", 1) }
	for _, test := range []struct {
		name, source string
		stream       bool
		want         int // bytes that arrive
		wantType     string
	}{
		{"whole", ending(limit.ResponseBytes), false, limit.ResponseBytes, ""},
		{"whole and one more", source(limit.ResponseBytes + 1), false, 0, ResponseTooLarge},
		{"streamed", ending(limit.StreamBytes), true, limit.StreamBytes, ""},
		{"streamed and one more", source(limit.StreamBytes + 1), true, limit.StreamBytes, ResponseTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec, collected := specOf(t, test.source)
			got := 0
			var take func([]byte)
			if test.stream {
				take = func(chunk []byte) { got += len(chunk) }
			}
			r, _, err := callSpec(t, h, spec, collected, 2*ample, take)
			if err != nil {
				t.Fatal(err)
			}
			if got += len(r.Payload); got != test.want || r.ErrorType != test.wantType {
				t.Errorf("%d bytes, type %q; want %d, %q", got, r.ErrorType, test.want, test.wantType)
			}
		})
	}
}

// TestHostileStreams: frames that a function forges on the data socket.
func TestHostileStreams(t *testing.T) {
	h := newHost(t, Config{})
	const forge = `
import os, struct, time
def frame(kind, meta, payload, claimed=None):
    data = struct.pack(">B3xII", kind, len(meta), len(payload) if claimed is None else claimed) + meta + payload
    while data: data = data[os.write(3, data):]
def handler(event, context):
    id = context.aws_request_id.encode()
    `
	tests := []struct {
		name, body string
		whole      bool // the caller takes no stream
	}{
		{name: "a chunk to a caller who waits for the whole", body: "frame(22, id, b'x')", whole: true},
		{name: "a chunk of another request", body: "frame(22, b'other', b'x')"},
		{name: "a chunk over the limit", body: "frame(22, id, b'', 262145)"},
		{name: "a chunk that claims 4 GB", body: "frame(22, id, b'', 0xffffffff)"},
		{name: "a result with bytes after the chunks", body: "frame(22, id, b'x'); frame(19, id + b'\\0text/plain', b'more')"},
		{name: "another kind between the chunks", body: "frame(22, id, b'x'); frame(17, id, b'')"},
		{name: "an end of another request", body: "frame(22, id, b'x'); frame(19, b'other\\0text/plain', b'')"},
		{name: "more than the limit", body: "while True: frame(22, id, bytes(262144))"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := 0
			take := func(chunk []byte) { got += len(chunk) }
			if test.whole {
				take = nil
			}
			r, _, err := call(t, h, forge+test.body+"\n    time.sleep(600)\n", 2*ample, take)
			if !errors.Is(err, frame.ErrProtocol) {
				t.Errorf("%+v, %v", r, err)
			}
			if got > limit.StreamBytes {
				t.Errorf("%d bytes arrived", got)
			}
		})
	}
	t.Run("a stream without an end", func(t *testing.T) {
		if r, _, err := call(t, h, forge+"while True: frame(22, id, b'')\n", 3*time.Second, func([]byte) {}); !errors.Is(err, ErrTimeout) {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("chunks after the end", func(t *testing.T) {
		spec, _ := specOf(t, forge+"frame(22, id, b'x'); frame(19, id + b'\\0', b''); frame(22, id, b'late')\n    time.sleep(600)\n")
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		ctx, cancel := context.WithTimeout(t.Context(), ample)
		defer cancel()
		take := func(chunk []byte) {
			if string(chunk) != "x" {
				t.Errorf("got %q", chunk)
			}
		}
		if _, err := e.Invoke(ctx, &Event{RequestID: "id-1", Payload: []byte("1"), Stream: take}); err != nil {
			t.Fatal(err)
		}
		if r, err := e.Invoke(ctx, &Event{RequestID: "id-2", Payload: []byte("1"), Stream: take}); !errors.Is(err, frame.ErrProtocol) {
			t.Errorf("the next caller got %+v, %v", r, err)
		}
	})
}

// FuzzStream feeds what a hostile function may write after the first chunk.
func FuzzStream(f *testing.F) {
	f.Add(encoded(frame.Chunk, "id", "more"))
	f.Add(append(encoded(frame.Chunk, "id", ""), encoded(frame.Result, "id\x00text/plain", "")...))
	f.Add(append(encoded(frame.Chunk, "id", "x"), encoded(frame.Result, "id\x00text/plain", "more")...))
	f.Add(encoded(frame.Chunk, "other", "x"))
	f.Add(encoded(frame.TooLarge, "id\x0077", ""))
	f.Add([]byte{frame.Chunk, 0, 0, 0, 0, 0, 0, 2, 0, 4, 0, 1, 'i', 'd'})
	f.Fuzz(func(t *testing.T, data []byte) {
		e := &env{pidfd: -1, reader: bufio.NewReader(bytes.NewReader(data))}
		streamed := 0
		take := func(chunk []byte) {
			if streamed += len(chunk); len(chunk) > limit.StreamChunkBytes {
				t.Errorf("a chunk of %d bytes", len(chunk))
			}
		}
		last, err := e.stream(t.Context(), &Event{RequestID: "id", Stream: take}, frame.Frame{Kind: frame.Chunk, Meta: []byte("id"), Payload: []byte("x")})
		if streamed > len(data)+1 {
			t.Errorf("%d bytes in, %d streamed", len(data), streamed)
		}
		if err == nil && (last.Kind == frame.Chunk || last.Kind == frame.Result && len(last.Payload) > 0) {
			t.Errorf("a stream ends with %+v", last)
		}
	})
}

func TestACustomRuntimeStreams(t *testing.T) {
	h := newHost(t, Config{})
	const begin = customLoop + `
import time
def handle(id, event):
    api.putrequest("POST", "/2018-06-01/runtime/invocation/%s/response" % id)
    for name, value in [("Lambda-Runtime-Function-Response-Mode", "streaming"), ("Transfer-Encoding", "chunked"), ("Content-Type", "text/plain"),
            ("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body")]:
        api.putheader(name, value)
    api.endheaders()
    api.send(b"5\r\nbegun\r\n")
    `
	tests := []struct {
		name, body string
		patience   time.Duration
		want       string
		wantErr    string
	}{
		{name: "to its end", body: `api.send(b"4\r\nmore\r\n0\r\n\r\n"); api.getresponse().read()`, want: "begunmore text/plain  "},
		{name: "an error in the trailers", body: `api.send(b"0\r\nLambda-Runtime-Function-Error-Type: Function.Broken\r\nLambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n\r\n"); api.getresponse().read()`,
			want: `begun application/json Function.Broken {"e":1}`},
		{name: "cut off", body: `api.close(); time.sleep(600)`,
			want: `begun application/json Runtime.TruncatedResponse {"errorType":"Runtime.TruncatedResponse","errorMessage":"The runtime ended its response before it was complete"}`},
		// 64 MiB are more than sockets buffer: the first piece was taken by then, however soon the exit is seen.
		{name: "exit", body: `api.send(b"4000000\r\n"); [api.send(bytes(1 << 20)) for _ in range(64)]; os._exit(3)`, wantErr: "exit status 3"},
		{name: "timeout", body: "time.sleep(600)", patience: 3 * time.Second, wantErr: ErrTimeout.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.patience == 0 {
				test.patience = ample
			}
			spec, collected := customSpec(t, begin+test.body+"\nserve()\n")
			spec.InitTimeout = ample
			var pieces strings.Builder
			r, _, err := callSpec(t, h, spec, collected, test.patience, func(chunk []byte) { pieces.Write(chunk) })
			streamed := pieces.String()
			got := ""
			if err == nil {
				got = strings.Join([]string{streamed, r.ContentType, r.ErrorType, string(r.Payload)}, " ")
			} else if !strings.HasPrefix(streamed, "begun") {
				t.Errorf("streamed %q", streamed)
			}
			// The end of the process and the end of its request race: either is the truth.
			truncated := test.name == "exit" && strings.Contains(got, "Runtime.TruncatedResponse")
			if !truncated && (got != test.want || (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr)) {
				t.Errorf("%q, %v; log %s", got, err, collected.text())
			}
		})
	}
}
