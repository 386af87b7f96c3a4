package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// API is an interface of our own beside those of AWS. It comes as far as AWS's
// operations do: the caller is known and the signature was verified over the
// whole body. It is for people at their terminals: web pages of any origin and
// functions (see intake.FromFunctions) are refused. An error that it returns before it
// wrote anything is answered as that of a rest-json operation.
type API struct {
	Service   string // signing name that requests must carry
	BodyBytes int64  // the largest body
	// Unsigned takes requests without a signature too, in development mode and
	// from this machine: where any key is accepted unproven, one more adds nothing.
	Unsigned bool
	Serve    func(ctx context.Context, call *wire.Call, w http.ResponseWriter, body []byte) error
}

// handler is the API as a mount.
func (a *API) handler(g *Gateway) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.requests.Add(1)
		e := g.newExchange(w, r)
		e.dest = destination{protocol: shape.RestJSON, signing: a.Service}
		defer e.recover()
		if err := e.serveAPI(a); err != nil {
			e.fail(err)
		}
	})
}

func (g *Gateway) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	e := &exchange{gateway: g, w: writer{ResponseWriter: w}, r: r}
	e.call = wire.Call{RequestID: ids.UUID(), Account: identity.DefaultAccount, Endpoint: endpoint(r), Function: intake.FromFunction(r.Context()), Request: r, Header: http.Header{}}
	e.Exchange.Call = &e.call
	return e
}

// The refusals of an API of our own.
const (
	refusedPage     = "Requests of web pages are not allowed here."
	refusedFunction = "Functions are not allowed here."
)

func (e *exchange) serveAPI(a *API) error {
	if err := e.admit(a); err != nil {
		return err
	}
	body, err := e.gateway.room.Read(&e.w, e.r, a.BodyBytes)
	if errors.Is(err, intake.ErrTooLarge) {
		return e.dest.tooLarge(bodyLimit{bytes: a.BodyBytes})
	}
	if err == nil {
		err = e.verify(body)
	}
	if err != nil {
		return e.unreadable(err)
	}
	e.read = true
	e.w.Header().Set("X-Amzn-Requestid", e.call.RequestID)
	return a.Serve(e.r.Context(), &e.call, &e.w, body)
}

// admit finds out who calls, by the request's head.
func (e *exchange) admit(a *API) error {
	claim, err := sigv4.Parse(e.r)
	e.claim, e.signed = claim, err == nil
	e.aim()
	switch {
	case e.r.Header.Get("Origin") != "":
		return e.dest.fault(accessDenied, refusedPage)
	case intake.FromFunction(e.r.Context()):
		return e.dest.fault(accessDenied, refusedFunction)
	case a.Unsigned && isMissing(err) && e.gateway.identity.AllowsUnknown() && fromHere(e.r):
		return e.admitUnsigned()
	case err != nil:
		return e.dest.refuse(err)
	case claim.Service != a.Service:
		return e.dest.refuse(&sigv4.Error{Kind: sigv4.Mismatch, Message: fmt.Sprintf("Credential should be scoped to correct service: '%s'.", a.Service)})
	}
	return e.identify()
}

// admitUnsigned keeps the rules of browser.go for a caller without a name.
func (e *exchange) admitUnsigned() error {
	switch {
	case !e.gateway.allowedHost(e.r.Host):
		return e.dest.fault(accessDenied, refusedHost)
	case crossSite(e.r):
		return e.dest.fault(accessDenied, refusedSite)
	}
	e.call.Region = defaultRegion
	return nil
}

// fromHere tells whether a request comes from this machine.
func fromHere(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && at.Addr().Unmap().IsLoopback()
}
