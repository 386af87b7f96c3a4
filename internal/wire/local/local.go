// Package local calls the operations of the platform's own services inside the
// process, for what acts on a user's behalf: a schedule's universal target, a
// resource of CloudFormation, an integration of an API.
//
// It promises that such a call meets the same checks as one by HTTP (the
// constraints of the model, and whatever wraps the operation), and that values
// travel unchanged: input and output are maps by the member names of the API
// model, whose values are nil, bool, string, json.Number (or any number of Go),
// []byte, time.Time, []any and map[string]any.
//
// A Caller never changes; no goroutines, no locks. Start reading at Caller.Call.
package local

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/session"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/query"
	"github.com/lambkin-dev/lambkin/internal/wire/restbind"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Identity is on whose behalf a call is made.
type Identity struct {
	Account, Region string
	AccessKeyID     string // empty: the platform's own
	CallerARN       string // of a user, the root or the session of a role
	UserID          string
	Function        bool             // a function began it: what it may not call is not called for it
	Session         *session.Session // of temporary credentials: what restricts them restricts the call
	Token           string           // of a call that may be made again: see ids.WithToken
	Endpoint        string           // scheme://host:port, where the result has addresses of this server; empty: ownEndpoint
}

// ownEndpoint is the address in results for nobody's eyes.
const ownEndpoint = "http://127.0.0.1"

// Caller knows the services.
type Caller struct{ services map[string]*wire.Service }

// New serves the operations of the services, by the names that AWS has for each:
// that of its signatures, of its host names, and its ID in small letters without
// blanks. Of a service that is there in two protocols the first counts.
func New(services []*wire.Service) *Caller {
	c := &Caller{services: map[string]*wire.Service{}}
	for _, s := range services {
		for _, name := range []string{s.Model.SigningName, s.Model.EndpointPrefix, strings.ToLower(strings.ReplaceAll(s.Model.ID, " ", ""))} {
			if c.services[name] == nil {
				c.services[name] = s
			}
		}
	}
	return c
}

// Operation finds an operation; the error says what is not there. The first
// letter of action may be small.
func (c *Caller) Operation(service, action string) (*wire.Service, *wire.Operation, error) {
	s := c.services[strings.ToLower(service)]
	if s == nil {
		return nil, nil, fmt.Errorf("this platform does not have the service %s", service)
	}
	if action == "" {
		return nil, nil, fmt.Errorf("no operation of the service %s is named", service)
	}
	op, found := s.Operations[strings.ToUpper(action[:1])+action[1:]]
	if !found {
		return nil, nil, fmt.Errorf("the service %s has no operation %s", service, action)
	}
	return s, &op, nil
}

// Call calls an operation. An error of the API, and one of an input that does not
// fit the model, is a *fault.Fault.
func (c *Caller) Call(ctx context.Context, who Identity, service, action string, input map[string]any) (map[string]any, error) {
	s, op, err := c.Operation(service, action)
	if err != nil {
		return nil, err
	}
	call, err := who.call(ctx)
	if err != nil {
		return nil, err
	}
	out, err := do(s.Model, op, call, input)
	if err != nil || op.Model.Output == shape.None {
		return map[string]any{}, err
	}
	return read(s.Model, op.Model.Output, out), nil
}

// Speaks tells whether a service is here and speaks one of the protocols.
func (c *Caller) Speaks(service string, protocols ...shape.Protocol) bool {
	s := c.services[strings.ToLower(service)]
	return s != nil && slices.ContainsFunc(protocols, func(p shape.Protocol) bool { return slices.Contains(s.Model.Protocols, p) })
}

// Form calls the operation that a form of the query protocol names, with the members as
// the form has them (MessageAttribute.1.Name).
func (c *Caller) Form(ctx context.Context, who Identity, service string, form url.Values) (map[string]any, error) {
	s, op, err := c.Operation(service, form.Get("Action"))
	if err != nil {
		return nil, err
	}
	call, err := who.call(ctx)
	if err != nil {
		return nil, err
	}
	in, err := query.Codec{}.Decode(&wire.Exchange{Service: s.Model, Operation: s.Model.Operation(op.Model.Name), Call: call, Body: []byte(form.Encode())})
	if err == nil {
		err = shape.Validate(s.Model, op.Model.Input, in)
	}
	if err != nil {
		return nil, err
	}
	out, err := op.Do(call.Request.Context(), call, in)
	if err != nil || op.Model.Output == shape.None {
		return map[string]any{}, err
	}
	return read(s.Model, op.Model.Output, out), nil
}

// call is a call in the name of an identity.
func (who Identity) call(ctx context.Context) (*wire.Call, error) {
	if who.Endpoint == "" {
		who.Endpoint = ownEndpoint
	}
	if who.Token != "" {
		ctx = ids.WithToken(ctx, who.Token)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, who.Endpoint+"/", http.NoBody)
	if err != nil {
		return nil, err
	}
	request.TLS = &tls.ConnectionState{} // it crosses no network: aws:SecureTransport is true, as for calls between services of AWS
	return &wire.Call{RequestID: ids.UUID(), Account: who.Account, Region: who.Region, AccessKeyID: who.AccessKeyID,
		CallerARN: who.CallerARN, UserID: who.UserID, Function: who.Function, Session: who.Session, Endpoint: who.Endpoint, Request: request, Header: http.Header{}}, nil
}

// do calls the operation.
func do(model *shape.Service, op *wire.Operation, call *wire.Call, input map[string]any) (any, error) {
	in := op.Model.NewInput()
	if op.Model.Input != shape.None {
		if err := fill(model, op.Model.Input, input, in); err != nil {
			return nil, &fault.Fault{Code: "ValidationException", Status: http.StatusBadRequest, Sender: true, Message: err.Error()}
		}
		if err := shape.Validate(model, op.Model.Input, in); err != nil {
			return nil, err
		}
	}
	carry(model, op.Model.Input, in, call.Request)
	return op.Do(call.Request.Context(), call, in) // which has the token of who calls
}

// carry gives the request what a client's would have in its headers and, of an
// operation with a payload of any length, its body: S3 reads them there.
func carry(model *shape.Service, input shape.Index, in any, request *http.Request) {
	if input == shape.None {
		return
	}
	v := reflect.ValueOf(in).Elem()
	restbind.Headers(model, input, request.Header, v)
	members := model.Shapes[input].Members
	for i := range members {
		if body, ok := v.Field(i).Interface().(io.ReadCloser); ok && members[i].Streaming && body != nil {
			request.Body, request.ContentLength = body, -1
			if p, ok := body.(payload); ok {
				request.ContentLength = p.Size()
			}
		}
	}
}
