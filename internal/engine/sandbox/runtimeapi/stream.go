package runtimeapi

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// Headers and trailers of a streamed response.
const (
	responseMode     = "Lambda-Runtime-Function-Response-Mode"
	errorTypeTrailer = "Lambda-Runtime-Function-Error-Type"
	errorBodyTrailer = "Lambda-Runtime-Function-Error-Body" // base64
)

// pieceBytes is how much of a streamed response is read at once.
const pieceBytes = 64 << 10

// pieces carry a streamed response from the handler of the runtime's request to
// the goroutine of Invoke, which alone may call the receiver: it is gone when
// Invoke has returned.
type pieces struct {
	to   func([]byte)
	next chan []byte   // unbuffered: a piece is taken when the one before it is done with
	over chan struct{} // closed when Invoke returns
}

func newPieces(to func([]byte)) *pieces {
	if to == nil {
		return nil
	}
	return &pieces{to: to, next: make(chan []byte), over: make(chan struct{})}
}

func (p *pieces) end() {
	if p != nil {
		close(p.over)
	}
}

// relay passes pieces on until the answer comes.
func (p *pieces) relay(ctx context.Context, answers <-chan *Answer) (*Answer, error) {
	var next chan []byte // of nobody, if nothing is to be streamed
	if p != nil {
		next = p.next
	}
	for {
		select {
		case piece := <-next:
			p.to(piece)
		case answer := <-answers:
			return answer, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// send waits until the piece is taken; false if nobody will.
func (p *pieces) send(piece []byte) bool {
	select {
	case p.next <- piece:
		return true
	case <-p.over:
		return false
	}
}

// streaming returns where a response goes piece by piece; nil if the runtime
// does not stream, or the caller wants the whole.
func (a *API) streaming(r *http.Request) *pieces {
	if r.Header.Get(responseMode) == "" {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pieces
}

// stream takes a streamed response. What has gone out cannot be taken back: one
// that is cut off or too long ends the event with an error, as in AWS's emulator.
func (a *API) stream(w http.ResponseWriter, r *http.Request, p *pieces) {
	var buffers [2][pieceBytes]byte // one is filled while the other is in use
	room := limit.StreamBytes
	for turn := 0; ; turn ^= 1 {
		n, err := r.Body.Read(buffers[turn][:])
		if fits := min(n, room); fits > 0 && !p.send(buffers[turn][:fits]) {
			return // the environment is being killed
		}
		switch room -= n; {
		case room < 0:
			a.finish(&Answer{TooLarge: true, ErrorType: responseTooLarge})
			io.CopyN(io.Discard, r.Body, drainBytes)
			writeTooLarge(w, limit.StreamBytes)
			return
		case errors.Is(err, io.EOF):
			a.finish(streamed(r, &Answer{ContentType: r.Header.Get("Content-Type")}))
			writeAccepted(w)
			return
		case err != nil:
			a.finish(&Answer{Truncated: true, ErrorType: responseTruncated, ContentType: "application/json",
				Payload: []byte(`{"errorType":"` + responseTruncated + `","errorMessage":"The runtime ended its response before it was complete"}`)})
			writeError(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
			return
		}
	}
}

// streamed turns a streamed response that failed on its way, which the runtime
// tells in trailers, into the error.
func streamed(r *http.Request, answer *Answer) *Answer {
	kind := r.Trailer.Get(errorTypeTrailer)
	if kind == "" {
		return answer
	}
	body, err := base64.StdEncoding.DecodeString(r.Trailer.Get(errorBodyTrailer))
	if err != nil {
		body = nil
	}
	return &Answer{Payload: body, ContentType: "application/json", ErrorType: errorType(kind)}
}
