// Package wire joins a service's behaviour to its generated API model: a
// Service is the model plus the operations that are really implemented.
//
// The codecs (restjson, json, query, restxml, cbor) turn HTTP into the generated
// input structs and outputs into HTTP; they know no service. The gateway picks
// the service, the operation and the codec. Nothing here starts goroutines or
// holds locks. Start reading at Service.
package wire

import (
	"context"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/base/session"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Service is what a svc package hands to the gateway.
type Service struct {
	Model      *shape.Service
	Operations map[string]Operation // by name; those missing are answered as not implemented
}

// Operation is one implemented operation. Made by the generated Handle… functions.
type Operation struct {
	Model *shape.Operation
	Do    func(ctx context.Context, call *Call, in any) (out any, err error)
}

// NewService collects the operations of one API. Registering an operation
// twice is a programming error and panics at start.
func NewService(model *shape.Service, operations ...Operation) *Service {
	s := &Service{Model: model, Operations: make(map[string]Operation, len(operations))}
	for _, op := range operations {
		if _, twice := s.Operations[op.Model.Name]; twice {
			panic("wire: operation registered twice: " + model.ID + "." + op.Model.Name)
		}
		s.Operations[op.Model.Name] = op
	}
	return s
}

// Call is what an operation may know of the request besides its input.
type Call struct {
	RequestID   string
	Account     string // 12 digits
	Region      string
	AccessKeyID string           // empty for an unsigned request
	CallerARN   string           // of the user, root or assumed-role session; empty for an unsigned request
	UserID      string           // the caller's unique id, as GetCallerIdentity tells it
	Session     *session.Session // of temporary credentials, nil for others
	Endpoint    string           // scheme://host:port by which the client reached us
	Function    bool             // it came out of a sandbox
	Form        bool             // it came as the form of a web page: the length of its body is not known
	Request     *http.Request
	Header      http.Header // extra response headers; the codec's own win
	Status      int         // of the reply, set by an operation whose model leaves it open; 0: the model's
}

// Translated is do with its errors worded by translate, which is asked about errors only.
func Translated[In, Out any](do func(context.Context, *Call, *In) (*Out, error), translate func(error) error) func(context.Context, *Call, *In) (*Out, error) {
	return func(ctx context.Context, call *Call, in *In) (*Out, error) {
		out, err := do(ctx, call, in)
		if err != nil {
			return nil, translate(err)
		}
		return out, nil
	}
}

// Handle makes an Operation from a typed function. Generated code calls it with
// the operation's own input and output types, so a mismatch does not compile.
func Handle[In, Out any](model *shape.Operation, do func(context.Context, *Call, *In) (*Out, error)) Operation {
	return Operation{Model: model, Do: func(ctx context.Context, call *Call, in any) (any, error) {
		out, err := do(ctx, call, in.(*In))
		if err != nil {
			return nil, err
		}
		return out, nil
	}}
}
