package websocket

import (
	"context"
	"net/http"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// exchange is one event of a connection on its way, and what became of it.
type exchange struct {
	*connection
	stage *compiled // as it is now
	route *route    // nil: none
	event *proxy.SocketEvent
	trace string

	status     int
	refused    *refusal // nil: there is an answer
	integrated struct {
		status  int
		latency time.Duration
		err     string
	}
	notes []string // for the execution log
}

// exchange begins one.
func (c *connection) exchange(stage *compiled, kind string) *exchange {
	e := &proxy.SocketEvent{Socket: c.socket, Kind: kind, RequestID: front.ExtendedID(), Received: c.server.config.Clock.Now()}
	return &exchange{connection: c, stage: stage, event: e, trace: invoke.TraceHeader("", e.Received)}
}

// now is the stage as it is now, or as it was if it is gone.
func (c *connection) now() *compiled {
	live, err := c.server.config.APIs.Live(c.context, c.socket.APIID, c.socket.Stage)
	if err != nil {
		return c.stage
	}
	stage, err := c.server.compiled(c.context, live)
	if err != nil {
		return c.stage
	}
	return stage
}

// route chooses that of a message; nil if none takes it.
func (c *compiled) route(message []byte) *route {
	key := c.selection.Key(message)
	if r := c.routes[key]; r != nil && key != httpapi.ConnectRoute && key != httpapi.DisconnectRoute {
		return r
	}
	return c.routes[httpapi.DefaultRoute]
}

// answer has the route of a message answer it.
func (x *exchange) answer(message []byte) {
	x.event.Body, x.event.MessageID = string(message), connectionID()
	body, refused := x.message(message)
	if refused != nil {
		x.status, x.refused = refused.status, refused
		body = encode(note{&refused.text, x.event.ConnectionID, x.event.RequestID}) // AWS: in this form
	}
	if len(body) > 0 {
		if err := x.send(body); err != nil {
			x.server.config.Logger.Debug("a client could not be told", "request_id", x.event.RequestID, "api", x.event.APIID, "err", err)
		}
	}
	x.log()
}

// message is what the client gets for a message, nothing if its route is for one way.
func (x *exchange) message(message []byte) ([]byte, *refusal) {
	if x.route = x.stage.route(message); x.route == nil {
		return nil, forbidden
	}
	x.event.RouteKey = x.route.Key
	switch {
	case !x.route.limit.Take(x.event.Received):
		return nil, throttled
	case x.route.integration == nil:
		return nil, failed
	}
	if refused := x.validate(); refused != nil {
		return nil, refused
	}
	answer, err := x.integrate(x.context)
	switch {
	case err != nil, x.route.answers && len(answer.Body) > maxMessage:
		return nil, failed
	case x.route.answers:
		return answer.Body, nil
	}
	return nil, nil
}

// integrate has the integration of the route answer the event. An error is logged.
func (x *exchange) integrate(ctx context.Context) (*proxy.Answer, error) {
	clock := x.server.config.Clock
	began := clock.Now()
	answer, err := x.answerOf(ctx, x.route.integration)
	x.integrated.latency = clock.Now().Sub(began)
	if err != nil {
		x.integrated.err = err.Error()
		x.note("Execution failed: " + err.Error())
		x.server.config.Logger.Debug("an integration failed", "request_id", x.event.RequestID, "api", x.event.APIID, "route", x.route.Key, "err", err)
		return nil, err
	}
	x.status = answer.Status
	return answer, nil
}

// disconnected calls $disconnect, whatever the limits of the stage are: nothing else
// tells that the client is gone. AWS: the headers are those of its example.
func (x *exchange) disconnected(how ending) {
	x.event.RouteKey, x.event.StatusCode, x.event.Reason = httpapi.DisconnectRoute, how.code, how.reason
	x.event.Headers = map[string]string{"Host": x.host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
	x.status = http.StatusOK
	if x.route = x.stage.routes[httpapi.DisconnectRoute]; x.route != nil && x.route.integration != nil {
		// Nobody is there to be told of an error; integrate has logged it.
		if _, err := x.integrate(x.context); err != nil {
			x.status, x.refused = failed.status, failed
		}
	}
	x.log()
}
