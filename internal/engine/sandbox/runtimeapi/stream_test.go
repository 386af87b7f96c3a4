package runtimeapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// post streams a body as the response to event one and returns the status.
func (r *runtime) post(body io.Reader, trailer http.Header) (int, error) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), "POST", r.server.URL+version+"/runtime/invocation/one/response", struct{ io.Reader }{body})
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set(responseMode, "streaming")
	request.Trailer = trailer
	reply, err := r.server.Client().Do(request)
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()
	return reply.StatusCode, nil
}

func TestPiecesArriveWhileTheRuntimeStreams(t *testing.T) {
	api, r := newRuntime(t)
	arrived := make(chan string)
	answers := begin(t, api, &Event{RequestID: "one", Stream: func(piece []byte) { arrived <- string(piece) }})
	r.do("GET", "/runtime/invocation/next", nil)
	body, writer := io.Pipe()
	status := make(chan int, 1)
	go func() { // ends with the response
		code, err := r.post(body, http.Header{errorTypeTrailer: {"Function.Late"}, errorBodyTrailer: {"eyJlIjoxfQ=="}})
		if err != nil {
			t.Error(err)
		}
		status <- code
	}()
	for _, want := range []string{"one", "two"} { // each is there before the next is written
		if _, err := io.WriteString(writer, want); err != nil {
			t.Fatal(err)
		}
		if got := <-arrived; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	r.want(403, transition(response, response), "POST", "/runtime/invocation/one/response", "second", responseMode, "streaming")
	r.want(403, transition(response, errorResponse), "POST", "/runtime/invocation/one/error", "{}")
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if a := <-answers; a.ErrorType != "Function.Late" || string(a.Payload) != `{"e":1}` || <-status != 202 {
		t.Errorf("answer %+v", a)
	}
}

func TestAStreamIsLimitedToTheByte(t *testing.T) {
	for _, more := range []int64{0, 1} {
		api, r := newRuntime(t)
		got := 0
		answers := begin(t, api, &Event{RequestID: "one", Stream: func(piece []byte) { got += len(piece) }})
		r.do("GET", "/runtime/invocation/next", nil)
		status, err := r.post(io.LimitReader(zeros{}, limit.StreamBytes+more), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := <-answers; a.TooLarge != (more > 0) || got != limit.StreamBytes || status != map[int64]int{0: 202, 1: 413}[more] {
			t.Errorf("%d bytes more: status %d, %d bytes arrived, %+v", more, status, got, a)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAStreamThatIsCutOffIsAnError(t *testing.T) {
	api, r := newRuntime(t)
	got := ""
	answers := begin(t, api, &Event{RequestID: "one", Stream: func(piece []byte) { got += string(piece) }})
	r.do("GET", "/runtime/invocation/next", nil)
	if _, err := r.post(io.MultiReader(strings.NewReader("half"), broken{}), nil); err == nil {
		t.Error("the request did not fail")
	}
	if a := <-answers; !a.Truncated || a.ErrorType != "Runtime.TruncatedResponse" || got != "half" {
		t.Errorf("%+v after %q", a, got)
	}
	next := begin(t, api, &Event{RequestID: "two"}) // a runtime may go on after that
	r.do("GET", "/runtime/invocation/next", nil)
	r.want(202, accepted, "POST", "/runtime/invocation/two/response", `2`)
	<-next
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestNobodyIsCalledAfterInvoke: the receiver of a stream is gone with Invoke.
func TestNobodyIsCalledAfterInvoke(t *testing.T) {
	api, r := newRuntime(t)
	ctx, cancel := context.WithCancel(t.Context())
	returned, over := make(chan struct{}), false
	go func() { // ends when ctx does
		defer close(returned)
		_, err := api.Invoke(ctx, &Event{RequestID: "one", Stream: func([]byte) {
			if over {
				t.Error("called after Invoke")
			}
			cancel()
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		over = true
	}()
	r.do("GET", "/runtime/invocation/next", nil)
	r.post(io.LimitReader(zeros{}, 1<<20), nil) // ends although nobody takes it
	<-returned
}
