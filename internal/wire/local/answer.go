package local

import (
	"bytes"
	"context"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// Answer is a reply of a service as its clients get it.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Answer calls an operation as Call does, and words its reply, or an error of the API,
// by the codec of the service's protocol.
func (c *Caller) Answer(ctx context.Context, who Identity, codec wire.Codec, service, action string, input map[string]any) (*Answer, error) {
	s, op, err := c.Operation(service, action)
	if err != nil {
		return nil, err
	}
	call, err := who.call(ctx)
	if err != nil {
		return nil, err
	}
	out, err := do(s.Model, op, call, input)
	w := &recorder{status: http.StatusOK, header: http.Header{}}
	x := &wire.Exchange{Service: s.Model, Operation: s.Model.Operation(op.Model.Name), Call: call} // the model's own: it knows its protocol
	if f := fault.From(err); f != nil {
		codec.EncodeFault(w, x, f)
	} else if err != nil {
		return nil, err
	} else if err := codec.Encode(w, x, out); err != nil {
		return nil, err
	}
	return &Answer{Status: w.status, Header: w.header, Body: w.body.Bytes()}, nil
}

// recorder keeps what a codec writes.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header            { return r.header }
func (r *recorder) WriteHeader(status int)         { r.status = status }
func (r *recorder) Write(text []byte) (int, error) { return r.body.Write(text) }
