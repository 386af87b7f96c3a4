package websocket

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/caller"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// maxHeaders bounds the request line and all headers. AWS: the page of limits.
const maxHeaders = 10240

// refusal is why there is no connection.
type refusal struct {
	status int
	kind   string // X-Amzn-ErrorType
	text   string
	detail string // for logs
}

// The refusals. AWS: seen; the codes of status are in
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-websocket-api-troubleshooting.html
var (
	forbidden     = &refusal{status: http.StatusForbidden, kind: "ForbiddenException", text: "Forbidden"}
	unauthorized  = &refusal{status: http.StatusUnauthorized, kind: "UnauthorizedException", text: "Unauthorized"}
	denied        = &refusal{status: http.StatusForbidden, kind: "AccessDeniedException", text: "User is not authorized to access this resource"}
	deniedByName  = &refusal{status: http.StatusForbidden, kind: "AccessDeniedException", text: "User is not authorized to access this resource with an explicit deny"}
	badAuthorizer = &refusal{status: http.StatusInternalServerError, kind: "AuthorizerConfigurationException"}
	badGateway    = &refusal{status: http.StatusBadGateway, kind: "InternalServerErrorException", text: "Internal server error"}
	tooMany       = &refusal{status: http.StatusTooManyRequests, kind: "LimitExceededException", text: "Limit Exceeded"}
	throttled     = &refusal{status: http.StatusTooManyRequests, kind: "LimitExceededException", text: "Too Many Requests"}
	headTooLarge  = &refusal{status: http.StatusRequestHeaderFieldsTooLarge, kind: "BadRequestException", text: "Request Header Fields Too Large"}
	noUpgrade     = &refusal{status: http.StatusUpgradeRequired, text: "Upgrade Required"}
	failed        = &refusal{status: http.StatusInternalServerError, kind: "InternalServerErrorException", text: "Internal server error"} // of a message
)

// note is what a client is told of an error, in an answer or a message.
type note struct {
	Message      *string `json:"message"`
	ConnectionID string  `json:"connectionId"`
	RequestID    string  `json:"requestId"`
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("it must be writable as JSON: " + err.Error())
	}
	return text
}

func (n *refusal) write(w http.ResponseWriter, e *proxy.SocketEvent) {
	w.Header().Set("Content-Type", "application/json")
	if n.kind != "" {
		w.Header().Set("X-Amzn-Errortype", n.kind)
	}
	w.WriteHeader(n.status)
	told := note{&n.text, e.ConnectionID, e.RequestID}
	if n.text == "" {
		told.Message = nil
	}
	_, _ = w.Write(encode(told)) // a client that has gone needs no answer
}

// upgrader makes connections. Every origin may connect, as on AWS: who connects is
// the authorizer's business. The buffers for writing are shared; the library has
// no compression switched on, as AWS has none.
var upgrader = websocket.Upgrader{
	ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &buffers,
	CheckOrigin: func(*http.Request) bool { return true },
	Error:       func(http.ResponseWriter, *http.Request, int, error) {}, // checked before
}

// handshake makes a connection.
func (s *Server) handshake(w http.ResponseWriter, r *front.Request, stage *compiled) {
	now := s.config.Clock.Now()
	c := &connection{server: s, stage: stage, context: r.Context(), host: r.Host, socket: &proxy.Socket{
		APIID: stage.api.ID, Stage: stage.stage.Name, DomainName: domain(r, stage), ConnectionID: connectionID(), Connected: now, SourceIP: r.SourceIP,
		UserAgent: r.UserAgent(), StageVariables: stage.stage.Variables}}
	x := c.exchange(stage, proxy.SocketConnect)
	x.event.RouteKey, x.trace = httpapi.ConnectRoute, r.TraceID()
	x.event.Handshake = &proxy.Request{HTTP: r.Request, Context: proxy.Context{SourceIP: r.SourceIP, TraceID: x.trace, Forwarded: true}}
	header, refused := x.connect(r)
	if refused != nil {
		if refused == noUpgrade {
			w.Header().Set("Upgrade", "websocket")
		}
		refused.write(w, x.event)
		x.status, x.refused = refused.status, refused
		x.log()
		return
	}
	x.log()
	// What was taken into account is not held: the goroutine of the request ends.
	meter := &meteredWriter{ResponseWriter: w}
	socket, err := upgrader.Upgrade(meter, r.Request, header)
	if err != nil {
		s.config.Logger.Debug("a handshake failed", "request_id", x.event.RequestID, "api", stage.api.ID, "err", err)
		return
	}
	c.begin(socket)
}

// isHandshake tells what the library would take.
func isHandshake(r *http.Request) bool {
	return websocket.IsWebSocketUpgrade(r) && r.Method == http.MethodGet && r.Header.Get("Sec-Websocket-Version") == "13" && len(r.Header.Get("Sec-Websocket-Key")) == 24
}

// connectionID is of the form of AWS's, and needs no escape in a path.
func connectionID() string {
	return strings.NewReplacer("+", "-", "/", "_").Replace(front.ExtendedID())
}

// domain is the host as events tell it.
func domain(r *front.Request, stage *compiled) string {
	if r.ByPath {
		return stage.api.ID + "." + hosts.APILabel + "." + stage.api.Scope.Region + ".localhost"
	}
	return r.Domain
}

// connect asks the authorizer and the integration of $connect; the header is for
// the answer.
func (x *exchange) connect(r *front.Request) (http.Header, *refusal) {
	x.status = http.StatusOK
	switch {
	case !isHandshake(r.Request):
		return nil, noUpgrade
	case x.server.full(): // before $connect is called for nothing
		return nil, tooMany
	case front.HeadSize(r.Request) > maxHeaders:
		return nil, headTooLarge
	}
	if x.route = x.stage.routes[httpapi.ConnectRoute]; x.route == nil {
		return nil, nil
	}
	if !x.route.limit.Take(x.event.Received) {
		return nil, throttled
	}
	if refused := x.authorize(r, x.route, x.event); refused != nil {
		return nil, refused
	}
	if name := x.lacking(); name != "" {
		// AWS: in the words of REST APIs.
		return nil, &refusal{status: http.StatusBadRequest, kind: "BadRequestException", text: "Missing required request parameters: [" + name + "]"}
	}
	if x.route.integration == nil {
		return nil, badGateway
	}
	answer, err := x.integrate(r.Context())
	switch {
	case err != nil:
		return nil, badGateway
	case answer.Status < http.StatusOK || answer.Status >= http.StatusMultipleChoices:
		// AWS: the client gets the status of the integration, and no body of it.
		return nil, &refusal{status: answer.Status, text: http.StatusText(answer.Status)}
	}
	header := http.Header{}
	if protocol := answer.Header.Get("Sec-Websocket-Protocol"); protocol != "" {
		header.Set("Sec-Websocket-Protocol", protocol)
	}
	return header, nil
}

// arn is that of a route of the stage, as policies name it.
func (c *compiled) arn(path string) string {
	return "arn:aws:execute-api:" + c.api.Scope.Region + ":" + c.api.Scope.Account + ":" + c.api.ID + "/" + c.stage.Name + "/" + path
}

// The actions of policies.
const (
	signingName  = "execute-api"
	invokeAction = "execute-api:Invoke"
	manageAction = "execute-api:ManageConnections"
)

// authorize finds out whether the client may connect.
func (c *connection) authorize(r *front.Request, route *route, e *proxy.SocketEvent) *refusal {
	switch route.AuthorizationType {
	case httpapi.AuthNone, "":
		return nil
	case httpapi.AuthIAM:
		key, refused := c.server.identify(r, nil, c.stage, invokeAction, c.stage.arn(httpapi.ConnectRoute))
		if refused == nil {
			c.socket.Identity = proxy.Identity{AccessKey: key.AccessKeyID, AccountID: key.Account, CallerID: key.UserID, UserARN: key.ARN, UserID: key.UserID}
		}
		return refused
	}
	if route.authorizer == nil {
		return badAuthorizer
	}
	for _, source := range route.authorizer.IdentitySource {
		if c.source(r, source) == "" {
			return unauthorized // AWS: without asking the function
		}
	}
	return c.ask(r, route.authorizer, e)
}

// identify finds the caller who signed a request, if it may do the action.
func (s *Server) identify(r *front.Request, body []byte, stage *compiled, action, resource string) (*identity.Key, *refusal) {
	key, err := s.config.Callers.Identify(r.Request, signingName, body)
	var unknown *caller.Refusal
	switch {
	case errors.As(err, &unknown):
		return nil, &refusal{status: http.StatusForbidden, kind: unknown.Code, text: unknown.Message}
	case err == nil && key.Account != stage.api.Scope.Account:
		return nil, forbidden
	}
	permitted := true
	if err == nil && s.config.May != nil {
		permitted, err = s.config.May(r.Request, key, stage.api.Scope.Region, action, resource)
	}
	switch {
	case err != nil:
		s.config.Logger.Error("the permissions of a caller could not be read", "request_id", r.RequestID, "err", err)
		return nil, badGateway
	case !permitted:
		return nil, &refusal{status: http.StatusForbidden, kind: "AccessDeniedException", text: "User: " + key.ARN + " is not authorized to perform: " + action + " on resource: " + masked(resource)}
	}
	return key, nil
}

// shownDigits are the digits of the account that AWS shows in a refusal.
const shownDigits = 4

// masked is a resource as AWS shows it in a refusal: without most of the account,
// and without the id of a connection.
func masked(resource string) string {
	fields := strings.SplitN(resource, ":", 6)
	if len(fields) == 6 && len(fields[4]) > shownDigits {
		hidden := len(fields[4]) - shownDigits
		fields[4] = strings.Repeat("*", hidden) + fields[4][hidden:]
	}
	if before, _, found := strings.Cut(fields[len(fields)-1], connectionsPath); found {
		fields[len(fields)-1] = before + connectionsPath + "{connectionId}"
	}
	return strings.Join(fields, ":")
}

// source is the value of an identity source.
func (c *connection) source(r *front.Request, source string) string {
	switch {
	case strings.HasPrefix(source, "route.request.header."):
		name := strings.TrimPrefix(source, "route.request.header.")
		if strings.EqualFold(name, "host") {
			return r.Host
		}
		return r.Header.Get(name)
	case strings.HasPrefix(source, "route.request.querystring."):
		name := strings.TrimPrefix(source, "route.request.querystring.")
		for _, p := range proxy.Query(r.URL.RawQuery) {
			if p.Name == name {
				return p.Value
			}
		}
		return ""
	case strings.HasPrefix(source, "stageVariables."):
		return c.stage.stage.Variables[strings.TrimPrefix(source, "stageVariables.")]
	}
	values := (&proxy.SocketEvent{Socket: c.socket, Kind: proxy.SocketConnect, RouteKey: httpapi.ConnectRoute, Received: c.socket.Connected}).Values()
	return contextValue(values, strings.TrimPrefix(source, "context."))
}

// maxContextBytes bounds what an authorizer tells.
const maxContextBytes = 8192

// ask has the authorizer's function decide.
func (c *connection) ask(r *front.Request, a *httpapi.Authorizer, e *proxy.SocketEvent) *refusal {
	failed := func(err error) *refusal {
		c.server.config.Logger.Debug("an authorizer failed", "request_id", e.RequestID, "api", c.stage.api.ID, "authorizer", a.Name, "err", err)
		return badAuthorizer
	}
	target, err := functions.Parse(httpapi.StageVariables(a.URI, c.stage.stage.Variables))
	if err != nil {
		return failed(err)
	}
	api, arn := c.stage.api, c.stage.arn(httpapi.ConnectRoute)
	call := &functions.Call{Target: target, Service: functions.APIGateway, RequestID: ids.UUID(), TraceID: r.TraceID(), Payload: e.AuthorizerJSON(arn),
		Source: "arn:aws:execute-api:" + api.Scope.Region + ":" + api.Scope.Account + ":" + api.ID + "/authorizers/" + a.ID}
	if a.CredentialsARN != "" {
		call.Service, call.Role = "", a.CredentialsARN // the role's permissions count, where permissions are enforced
	}
	response, err := c.server.config.Functions.InvokeWithin(r.Context(), call, authorizeFor)
	if err != nil {
		return failed(err)
	}
	if response.FunctionError != "" {
		var told struct {
			ErrorMessage string `json:"errorMessage"`
		}
		if json.Unmarshal(response.Payload, &told) == nil && told.ErrorMessage == "Unauthorized" {
			return unauthorized // AWS: how an authorizer asks for 401
		}
		return failed(errors.New(response.FunctionError))
	}
	var told struct {
		PrincipalID    *string         `json:"principalId"`
		PolicyDocument json.RawMessage `json:"policyDocument"`
		Context        map[string]any  `json:"context"`
	}
	if err := json.Unmarshal(response.Payload, &told); err != nil || told.PrincipalID == nil {
		return failed(errors.Join(err, errors.New("the authorizer's answer has no principalId")))
	}
	rules, err := policy.Compile(string(told.PolicyDocument))
	if err != nil {
		return failed(err)
	}
	context := map[string]any{"principalId": *told.PrincipalID}
	for name, value := range told.Context {
		switch value.(type) {
		case map[string]any, []any:
			return failed(errors.New("the authorizer's context has an object or a list")) // AWS: not allowed
		}
		context[name] = value
	}
	if len(encode(context)) > maxContextBytes {
		return failed(errors.New("the authorizer's context is too large"))
	}
	switch rules.Evaluate(&policy.Request{Action: invokeAction, Resource: arn}) {
	case policy.Granted:
		c.socket.Authorizer = context
		return nil
	case policy.Refused:
		return deniedByName
	}
	return denied
}
