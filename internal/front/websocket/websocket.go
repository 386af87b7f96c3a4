// Package websocket serves the WebSocket APIs of API Gateway: the handshake with
// its $connect route and authorizer, messages and their routes, what functions
// send to connections by the @connections API, and $disconnect.
//
// It promises: no connection is made that the $connect route or its authorizer
// refuses; a connection that waits costs one goroutine and about two small buffers;
// messages, what waits to be sent to one client, messages at work and connections
// are bounded, and a client that does not read is cut off; a connection ends after
// 10 minutes without a sign of its client or after 2 hours, as on AWS; when the
// server stops, all connections are closed and $disconnect is called for each, as
// far as the time suffices. Connections do not outlive the process.
//
// Each connection has one goroutine that reads, and one for each message at work
// (at most maxAtWork); they end with the connection. Server.mu guards the tables of
// connections and of compiled stages, connection.writing the sending side.
// Start reading at Server.Serve, then connection.run.
package websocket

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/accesslog"
	"github.com/lambkin-dev/lambkin/internal/front/backend"
	"github.com/lambkin-dev/lambkin/internal/front/caller"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/roles"
	"github.com/lambkin-dev/lambkin/internal/front/schema"
	"github.com/lambkin-dev/lambkin/internal/front/throttle"
)

// Limits of AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
const (
	maxMessage   = 128 << 10
	maxFrame     = 32 << 10
	idleTime     = 10 * time.Minute
	longestTime  = 2 * time.Hour
	authorizeFor = 10 * time.Second
)

// Limits of ours.
const (
	maxConnections = 20_000
	maxAtWork      = 16       // messages of one connection
	bytesAtWork    = 64 << 20 // messages of all connections
	maxWaiting     = 16       // what waits to be sent to one connection
	writeTime      = 10 * time.Second
	sweepEvery     = 10 * time.Second
	endAtOnce      = 256
)

// APIs knows the deployments; *httpapi.APIs is one.
type APIs interface {
	Live(ctx context.Context, id string, names ...string) (*httpapi.Live, error)
	Definition(ctx context.Context, s httpapi.Scope, api, deployment string) (*httpapi.Definition, error)
}

// Config is what a Server is made of; Clock, Logs and May may be missing.
type Config struct {
	APIs      APIs
	Functions *functions.Functions
	Callers   *caller.Callers
	// Outside calls the endpoints of integrations, ForFunctions those that a function
	// configured; Services are called in the name of Roles.
	Outside, ForFunctions *http.Client
	Services              backend.Services
	Roles                 *roles.Roles
	// May decides about a caller who signed, by its policies; nil: permissions are not
	// enforced.
	May    func(r *http.Request, who *identity.Key, region, action, resource string) (bool, error)
	Logs   telemetry.LogSink // of stages; nil: they are not kept
	Clock  clock.Clock
	Logger *slog.Logger
}

// Server serves all WebSocket APIs.
type Server struct {
	config  Config
	work    *semaphore.Weighted // bytes of messages at work
	wake    chan struct{}       // tells Run of a first connection
	running sync.WaitGroup      // connections until their $disconnect has ended

	mu          sync.Mutex
	stages      map[stageKey]*compiled
	connections map[string]*connection
	stopped     bool
}

type stageKey struct{ api, stage string }

// New only builds.
func New(c Config) *Server {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Server{config: c, work: semaphore.NewWeighted(bytesAtWork), wake: make(chan struct{}, 1), stages: map[stageKey]*compiled{}, connections: map[string]*connection{}}
}

// compiled is a stage made ready; it never changes.
type compiled struct {
	version      store.Version
	api          *httpapi.API
	stage        *httpapi.Stage
	selection    *httpapi.Selection
	routes       map[string]*route
	integrations map[string]*integration
	log          *accesslog.Log
	models       schema.Models
}

type route struct {
	httpapi.Route
	integration *integration
	authorizer  *httpapi.Authorizer
	limit       *throttle.Rate
	model       *httpapi.TemplateSelection // nil: messages are not validated
	answers     bool                       // the client gets what the integration answers
}

// settings are the logging settings of a route: its own, or the stage's.
func (c *compiled) settings(key string) httpapi.Settings {
	out := httpapi.Settings{}
	if c.stage.Settings != nil {
		out = *c.stage.Settings
	}
	if own, found := c.stage.RouteSettings[key]; found {
		if own.LoggingLevel != nil {
			out.LoggingLevel = own.LoggingLevel
		}
		if own.DataTraceEnabled != nil {
			out.DataTraceEnabled = own.DataTraceEnabled
		}
	}
	return out
}

type integration struct {
	httpapi.Integration
	target                    function.Target // of a function
	service, resource, region string          // of an operation of a service
	broken                    error           // why it cannot answer
	selection                 *httpapi.TemplateSelection
	responses                 []*response
}

// uriFields are those of arn:aws:apigateway:REGION:SERVICE:action/NAME.
const uriFields = 6

func newIntegration(row *httpapi.Integration, responses []httpapi.IntegrationResponse, variables map[string]string) *integration {
	i := &integration{Integration: *row}
	i.selection, i.broken = httpapi.ParseTemplateSelection(row.TemplateSelectionExpression, false)
	uri := httpapi.StageVariables(row.URI, variables)
	switch {
	case row.Type == httpapi.LambdaProxy, row.Type == httpapi.AWS && httpapi.IsFunction(uri):
		i.target, i.broken = functions.Parse(uri)
	case row.Type == httpapi.AWS:
		fields := strings.SplitN(uri, ":", uriFields)
		if len(fields) < uriFields {
			i.broken = fmt.Errorf("%q names no operation of a service", uri)
			break
		}
		i.region, i.service, i.resource = fields[3], fields[4], fields[5]
	}
	for _, r := range responses {
		made, err := newResponse(r)
		if err != nil {
			i.broken = err
		}
		i.responses = append(i.responses, made)
	}
	return i
}

func compile(live *httpapi.Live, d *httpapi.Definition) (*compiled, error) {
	c := &compiled{version: live.Version, api: live.API, stage: live.Stage, log: accesslog.New(live.Stage.AccessLog), routes: map[string]*route{}, integrations: map[string]*integration{}}
	var err error
	if c.selection, err = httpapi.ParseSelection(d.Selection); err != nil {
		return nil, err
	}
	c.models.Text = func(name string) string { return d.Models[name] }
	for id := range d.Integrations {
		row := d.Integrations[id]
		c.integrations[id] = newIntegration(&row, d.Responses[id], c.stage.Variables)
	}
	for n := range d.Routes {
		row := d.Routes[n]
		// AWS: a route answers if it has a route response and a selection for it.
		selected := row.RouteResponseSelectionExpression != nil && *row.RouteResponseSelectionExpression != ""
		r := &route{Route: row, limit: throttle.Of(c.stage, row.Key), answers: d.Answers[row.ID] && selected, integration: c.integrations[strings.TrimPrefix(row.Target, "integrations/")]}
		if a, found := d.Authorizers[row.AuthorizerID]; found {
			r.authorizer = &a
		}
		if e := row.ModelSelectionExpression; e != nil && *e != "" {
			if r.model, err = httpapi.ParseTemplateSelection(e, false); err != nil {
				return nil, err
			}
		}
		c.routes[row.Key] = r
	}
	return c, nil
}

// compiled is the stage made ready, from memory if it did not change.
func (s *Server) compiled(ctx context.Context, live *httpapi.Live) (*compiled, error) {
	key := stageKey{live.API.ID, live.Stage.Name}
	s.mu.Lock()
	c := s.stages[key]
	s.mu.Unlock()
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
	if c, err = compile(live, d); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.stages[key]; now != nil && now.version == c.version {
		return now, nil // another event was faster: there is one count of each rate
	}
	s.stages[key] = c
	return c, nil
}

// Forget closes the connections of an API that is gone.
func (s *Server) Forget(api string) { s.forget(func(key stageKey) bool { return key.api == api }) }

// ForgetStage closes the connections of a stage that is gone.
func (s *Server) ForgetStage(api, stage string) {
	s.forget(func(key stageKey) bool { return key == stageKey{api, stage} })
}

func (s *Server) forget(fits func(key stageKey) bool) {
	s.mu.Lock()
	maps.DeleteFunc(s.stages, func(key stageKey, _ *compiled) bool { return fits(key) })
	s.mu.Unlock()
	s.end(func(c *connection) bool { return fits(stageKey{c.socket.APIID, c.socket.Stage}) })
}

// end closes the connections that fit, many at once: one whose client does not read
// takes a moment.
func (s *Server) end(fits func(*connection) bool) {
	var group errgroup.Group
	group.SetLimit(endAtOnce)
	for _, c := range s.all() {
		if fits(c) {
			group.Go(func() error { c.close(goingAway, "Going away"); return nil }) // ends when the client is told, or closeWithin is over
		}
	}
	_ = group.Wait() // there are no errors
}

func (s *Server) all() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*connection, 0, len(s.connections))
	for _, c := range s.connections {
		all = append(all, c)
	}
	return all
}

// Serve answers a request for a stage of a WebSocket API; path is what follows the
// stage, "/" or "/@connections/ID".
func (s *Server) Serve(w http.ResponseWriter, r *front.Request, live *httpapi.Live, path string) {
	stage, err := s.compiled(r.Context(), live)
	switch {
	case httpapi.IsMissing(err):
		front.Refuse(w, http.StatusForbidden, "ForbiddenException", "Forbidden")
	case err != nil:
		s.config.Logger.Error("internal error", "request_id", r.RequestID, "api", r.ID, "err", err)
		front.Refuse(w, http.StatusInternalServerError, "InternalServerErrorException", "Internal server error")
	case strings.HasPrefix(path, connectionsPath):
		s.manage(w, r, stage, strings.TrimPrefix(path, connectionsPath))
	case path != "/" && path != "":
		front.Refuse(w, http.StatusForbidden, "ForbiddenException", "Forbidden")
	default:
		s.handshake(w, r, stage)
	}
}

// Run ends connections whose time is over, until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if !s.sweep() {
			select { // nothing to watch: no timer runs
			case <-s.wake:
			case <-ctx.Done():
			}
			continue
		}
		// Only ctx can end the wait early.
		_ = s.config.Clock.Sleep(ctx, sweepEvery)
	}
	return nil
}

// sweep closes what has been idle or open for too long; it tells whether there are
// connections.
func (s *Server) sweep() bool {
	now := s.config.Clock.Now()
	s.end(func(c *connection) bool {
		return now.Sub(c.active()) >= idleTime || now.Sub(c.socket.Connected) >= longestTime
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.connections) > 0
}

// Stop closes all connections; there are no new ones.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.end(func(*connection) bool { return true })
}

// Wait is Stop that returns when the $disconnect of all connections has ended, or
// with ctx.
func (s *Server) Wait(ctx context.Context) {
	s.Stop()
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }() // ends with the last connection
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// enter makes a connection known; false if there are too many or the server stops.
func (s *Server) enter(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.connections) >= maxConnections {
		return false
	}
	s.connections[c.socket.ConnectionID] = c
	s.running.Add(1)
	select {
	case s.wake <- struct{}{}:
	default: // it is told already
	}
	return true
}

// full tells that there is no room for one more connection.
func (s *Server) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped || len(s.connections) >= maxConnections
}

func (s *Server) leave(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c.socket.ConnectionID)
}

// find is an open connection of a stage, or nil.
func (s *Server) find(stage *compiled, id string) *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.connections[id]
	if c == nil || c.stage.api.ID != stage.api.ID || c.stage.stage.Name != stage.stage.Name {
		return nil
	}
	return c
}
