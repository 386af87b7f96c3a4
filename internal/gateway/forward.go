package gateway

import (
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// ServeAs answers a request that the platform itself makes of one of its services, in
// the name of who it acts for: an integration of an API that speaks the service's own
// protocol. There is no signature, as nothing crosses a network; what wraps the
// operations decides as it does for requests of clients. The error is one of writing.
func (g *Gateway) ServeAs(w http.ResponseWriter, r *http.Request, who local.Identity, service string) error {
	g.requests.Add(1)
	e := g.newExchange(w, r)
	defer e.recover()
	e.signed, e.claim = true, sigv4.Claim{Service: service, Region: who.Region}
	e.key = identity.Key{AccessKeyID: who.AccessKeyID, Account: who.Account, ARN: who.CallerARN, UserID: who.UserID, Session: who.Session}
	e.call.Account, e.call.Region, e.call.AccessKeyID, e.call.CallerARN, e.call.UserID, e.call.Session = who.Account, who.Region, who.AccessKeyID, who.CallerARN, who.UserID, who.Session
	e.call.Function = who.Function
	dest, unknown := g.tables.route(r, service)
	e.dest = dest
	e.aim()
	if dest.op == nil && unknown != "" {
		e.fail(dest.fault(unknownOperation, unknown))
		return nil
	}
	out, err := e.answer()
	if err != nil {
		e.fail(err)
		return nil
	}
	return e.codec().Encode(&e.w, &e.Exchange, out)
}
