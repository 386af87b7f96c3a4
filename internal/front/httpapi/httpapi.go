// Package httpapi serves the HTTP APIs of API Gateway: it finds the stage and the
// route of a request, checks who calls, has its integration answer, and logs.
//
// It promises: a request meets one stage as it is at that moment, whole; routes
// are compiled once for each deployment of a stage, and finding one does not
// depend on how many there are; nothing runs for a caller whom the route's
// authorizer or the function's policy refuses; bodies, headers, answers and times
// are bounded as AWS's are. What goes wrong behind is told in AWS's words and never
// in ours.
//
// Server.mu guards the table of compiled stages; an authorizer's mu what it
// remembers. No goroutines of its own. Start reading at Server.ServeFront.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/caller"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/front/roles"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// Limits of HTTP APIs. AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
const (
	maxBody    = 10 << 20
	maxHeaders = 10240 // the request line and all headers
)

// APIs knows the stages; *httpapi.APIs is one.
type APIs interface {
	Live(ctx context.Context, id string, names ...string) (*httpapi.Live, error)
	Definition(ctx context.Context, s httpapi.Scope, api, deployment string) (*httpapi.Definition, error)
}

// Config is what a Server is made of; all but Clock are required.
type Config struct {
	APIs      APIs
	Functions *functions.Functions
	Services  *local.Caller // what integrations with a subtype call
	Roles     *roles.Roles  // by which they may
	Callers   *caller.Callers
	Outside   *http.Client // calls what users may have called
	// ForFunctions calls what functions may call, for what they configured.
	ForFunctions *http.Client
	// May decides about a caller who signed, by its policies; nil: permissions are not
	// enforced.
	May func(r *http.Request, who *identity.Key, region, action, resource string) (bool, error)
	// Sockets serves the stages of WebSocket APIs; path is what follows the stage.
	Sockets func(w http.ResponseWriter, r *front.Request, live *httpapi.Live, path string)
	Logs    telemetry.LogSink
	Clock   clock.Clock
	Logger  *slog.Logger
}

// Server serves all HTTP APIs.
type Server struct {
	config Config
	tokens map[bool]*issuers // by whether a function configured them
	mu     sync.RWMutex
	stages map[stageKey]*compiled
}

type stageKey struct{ api, stage string }

// New only builds.
func New(c Config) *Server {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	return &Server{config: c, tokens: map[bool]*issuers{false: newIssuers(c.Outside, c.Clock), true: newIssuers(c.ForFunctions, c.Clock)}, stages: map[stageKey]*compiled{}}
}

// Forget drops what is compiled of an API that is gone.
func (s *Server) Forget(api string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.stages {
		if key.api == api {
			delete(s.stages, key)
		}
	}
}

// exchange is one request on its way.
type exchange struct {
	server *Server
	r      *front.Request
	id     string // the request's, as clients see it
	live   *httpapi.Live
	stage  *compiled
	route  *route
	path   string // escaped, without the stage: what routes are about
	full   string // escaped, with the stage
	values map[string]string
	body   []byte
	// mapping is the key of a domain's mapping, when the request came by one.
	mapping *domain.Mapping

	authorized authorized
	answer     *proxy.Answer
	failure    failure
	// Of the integration, for the access log.
	integrated struct {
		status  int
		latency time.Duration
		err     string
		id      string
	}
}

// failure is an answer of ours in the place of the integration's.
type failure struct {
	kind   string // $context.error.responseType
	status int
	text   string
	header http.Header
}

// The failures. AWS: seen, and partly in
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
var (
	notFound       = failure{kind: "NOT_FOUND", status: http.StatusNotFound, text: "Not Found"}
	forbidden      = failure{kind: "ACCESS_DENIED", status: http.StatusForbidden, text: "Forbidden"}
	unauthorized   = failure{kind: "UNAUTHORIZED", status: http.StatusUnauthorized, text: "Unauthorized"}
	throttled      = failure{kind: "THROTTLED", status: http.StatusTooManyRequests, text: "Too Many Requests"}
	tooLarge       = failure{kind: "REQUEST_TOO_LARGE", status: http.StatusRequestEntityTooLarge, text: "Request Entity Too Large"}
	headTooLarge   = failure{kind: "BAD_REQUEST", status: http.StatusRequestHeaderFieldsTooLarge, text: "Request Header Fields Too Large"}
	badRequest     = failure{kind: "BAD_REQUEST", status: http.StatusBadRequest, text: "Bad Request"}
	internalError  = failure{kind: "INTEGRATION_FAILURE", status: http.StatusInternalServerError, text: "Internal Server Error"}
	authorizerFail = failure{kind: "AUTHORIZER_FAILURE", status: http.StatusInternalServerError, text: "Internal Server Error"}
	unavailable    = failure{kind: "INTEGRATION_TIMEOUT", status: http.StatusServiceUnavailable, text: "Service Unavailable"}
)

// ServeFront answers a request for an API by its id.
//
// AWS: the path begins with the name of a stage, or the stage is $default.
func (s *Server) ServeFront(w http.ResponseWriter, r *front.Request) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	names := []string{httpapi.DefaultStage}
	if name != "" && (name != httpapi.DefaultStage || r.ByPath) {
		names = []string{name, httpapi.DefaultStage}
	}
	x := &exchange{server: s, r: r, id: front.ExtendedID(), path: r.Path, full: r.Path}
	live, err := s.config.APIs.Live(r.Context(), r.ID, names...)
	switch {
	case httpapi.IsMissing(err) && live.API.ProtocolType == httpapi.WebSocket:
		front.Refuse(w, http.StatusForbidden, "ForbiddenException", "Forbidden") // AWS: so for a stage that there is not
		return
	case httpapi.IsMissing(err):
		x.refuse(w, notFound)
		return
	case err != nil:
		s.internal(w, x, err)
		return
	case live.API.DisableExecuteAPIEndpoint:
		x.refuse(w, notFound)
		return
	}
	if live.Stage.Name == name {
		x.path = "/" + rest
	}
	if live.Stage.Name == httpapi.DefaultStage {
		x.full = x.path
	}
	x.live = live
	s.serve(w, x)
}

// ServeMapped answers a request for a domain name of a user.
func (s *Server) ServeMapped(w http.ResponseWriter, r *front.Request, lead *domain.Lead) {
	x := &exchange{server: s, r: r, id: front.ExtendedID(), full: r.Path, path: lead.Rest, mapping: &lead.Mapping}
	var err error
	x.live, err = s.config.APIs.Live(r.Context(), lead.Mapping.API, lead.Mapping.Stage)
	switch {
	case httpapi.IsMissing(err):
		x.refuse(w, notFound)
	case err != nil:
		s.internal(w, x, err)
	default:
		s.serve(w, x)
	}
}

func (s *Server) serve(w http.ResponseWriter, x *exchange) {
	if x.live.API.ProtocolType == httpapi.WebSocket {
		s.config.Sockets(w, x.r, x.live, x.path)
		return
	}
	var err error
	if x.stage, err = s.compiled(x.r.Context(), x.live); err != nil {
		if httpapi.IsMissing(err) { // a stage without a deployment
			x.refuse(w, notFound)
			return
		}
		s.internal(w, x, err)
		return
	}
	if x.stage.cors != nil && front.IsPreflight(x.r.Request) {
		w.Header().Set("Apigw-Requestid", x.id)
		x.stage.cors.Preflight(w, x.r.Request, http.StatusNoContent)
		x.log(http.StatusNoContent, 0)
		return
	}
	x.failure = x.run(w)
	x.write(w)
}

// internal answers trouble of ours.
func (s *Server) internal(w http.ResponseWriter, x *exchange, err error) {
	if x.r.Context().Err() == nil {
		s.config.Logger.Error("internal error", "request_id", x.id, "api", x.r.ID, "err", err)
	}
	x.refuse(w, internalError)
}

// compiled is the stage made ready, from memory if it did not change.
func (s *Server) compiled(ctx context.Context, live *httpapi.Live) (*compiled, error) {
	key := stageKey{live.API.ID, live.Stage.Name}
	s.mu.RLock()
	c := s.stages[key]
	s.mu.RUnlock()
	if c != nil && c.version == live.Version {
		return c, nil
	}
	if live.Stage.DeploymentID == "" {
		return nil, &httpapi.Error{Kind: httpapi.NotFound, Message: "the stage has no deployment"}
	}
	d, err := s.config.APIs.Definition(ctx, live.API.Scope, live.API.ID, live.Stage.DeploymentID)
	if err != nil {
		return nil, err
	}
	c = compile(live, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.stages[key]; now != nil && now.version == c.version {
		return now, nil // another request was faster: there is one memory of authorizers
	}
	s.stages[key] = c
	return c, nil
}

// run is the order of steps; the zero failure means that there is an answer.
func (x *exchange) run(w http.ResponseWriter) failure {
	if front.HeadSize(x.r.Request) > maxHeaders {
		return headTooLarge
	}
	if x.route, x.values = x.stage.table.find(x.r.Method, x.path); x.route == nil {
		return notFound
	}
	if !x.route.limit.Take(x.server.config.Clock.Now()) {
		return throttled
	}
	var err error
	if x.body, err = x.r.Read(w, maxBody); errors.Is(err, intake.ErrTooLarge) {
		intake.Drain(w, x.r.Request)
		return tooLarge
	} else if err != nil {
		return badRequest
	}
	if f := x.authorize(); f.status != 0 {
		return f
	}
	if x.route.integration == nil {
		return internalError
	}
	began := x.server.config.Clock.Now()
	f := x.integrate()
	x.integrated.latency = x.server.config.Clock.Now().Sub(began)
	if f.status == 0 {
		f = x.rewriteAnswer()
	}
	return f
}

// refuse answers a request that is for no stage: there is nothing to log to.
func (x *exchange) refuse(w http.ResponseWriter, f failure) {
	w.Header().Set("Apigw-Requestid", x.id)
	front.Refuse(w, f.status, "", f.text)
}

// write sends the answer, or the failure in its place, and logs it.
func (x *exchange) write(w http.ResponseWriter) {
	a := x.answer
	if x.failure.status != 0 {
		a = &proxy.Answer{Status: x.failure.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: front.Message(x.failure.text)}
		for name, values := range x.failure.header {
			a.Header[name] = values
		}
	}
	if x.stage.cors != nil {
		x.stage.cors.Set(a.Header, x.r.Request)
	}
	a.Header.Set("Apigw-Requestid", x.id)
	x.r.Answer(w, a)
	x.log(a.Status, len(a.Body))
}

// fail logs trouble of ours behind an answer.
func (x *exchange) fail(what string, err error) {
	if x.r.Context().Err() != nil {
		return
	}
	x.integrated.err = err.Error()
	if fault.From(err) == nil {
		x.server.config.Logger.Debug(what, "request_id", x.id, "api", x.live.API.ID, "route", x.route.Key, "err", err)
	}
}

// proxyRequest is the request as events tell it.
//
// AWS: HTTP APIs decode the path of events.
func (x *exchange) proxyRequest() *proxy.Request {
	full := x.full
	if plain, err := url.PathUnescape(full); err == nil {
		full = plain
	}
	api := x.live.API
	p := &proxy.Request{HTTP: x.r.Request, Body: x.body, Path: full, PathParameters: x.values, StageVariables: x.stage.stage.Variables, Context: proxy.Context{
		AccountID: api.Scope.Account, APIID: api.ID, Stage: x.stage.stage.Name, RouteKey: x.route.Key, Resource: x.resource(), FullPath: full,
		DomainName: x.domain(), DomainPrefix: x.domainPrefix(), RequestID: x.id, ExtendedRequestID: x.id, Received: x.r.Received, SourceIP: x.r.SourceIP,
		TraceID: x.r.TraceID(), Forwarded: true, Identity: x.authorized.identity,
	}}
	return p
}

// resource is the path of the route, as payload 1.0 names it.
func (x *exchange) resource() string {
	if x.route.path == "" {
		return httpapi.DefaultRoute
	}
	return x.route.path
}

// domain is the host as events tell it.
func (x *exchange) domain() string {
	if x.r.ByPath {
		return x.live.API.ID + "." + hosts.APILabel + "." + x.live.API.Scope.Region + ".localhost"
	}
	return x.r.Domain
}

func (x *exchange) domainPrefix() string {
	prefix, _, _ := strings.Cut(x.domain(), ".")
	return prefix
}

// source is the ARN of what the request is for, as policies name it.
//
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
func (x *exchange) source(path string) string {
	api := x.live.API
	arn := "arn:aws:execute-api:" + api.Scope.Region + ":" + api.Scope.Account + ":" + api.ID + "/" + x.stage.stage.Name + "/"
	if x.route.method == "" {
		return arn + httpapi.DefaultRoute
	}
	return arn + x.r.Method + path
}

// Address is the URL by which clients of a server at endpoint (scheme://host:port)
// reach an API.
func Address(endpoint, id, region string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return hosts.Address(u, hosts.APILabel, hosts.APIPath, id, region)
}
