// Package restapi serves the requests to REST APIs of API Gateway: it finds the
// method, checks who calls and what is sent, calls what the method is integrated
// with, and answers.
//
// It promises: a request is served from the snapshot that its stage has, never from
// half of a change; nothing runs without the permissions that AWS wants; every
// answer that is not the integration's is a gateway response of its type, with AWS's
// status and text; sizes and times are bounded as AWS bounds them.
//
// Server.mu guards the deployments and counters in memory and is never held over
// I/O or a call. No goroutines. Start reading at Server.Serve and exchange.run.
package restapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/caller"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/internal/wire/outbound"
)

// Limits. AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
const (
	MaxPayloadBytes = 10 << 20
	maxHeadBytes    = 10_240
	maxDeployments  = 256     // that are kept ready
	maxAnswers      = 10_000  // of authorizers that are remembered
	maxBuckets      = 100_000 // of throttles
	defaultTimeout  = 29 * time.Second
	maxHTTPHeader   = 64 << 10
	idlePerHost     = 16
)

// Config is what a Server works with.
type Config struct {
	APIs      *restapi.APIs
	Functions *functions.Functions
	Callers   *caller.Callers
	Outbound  *outbound.Guard
	Local     *local.Caller // calls the operations of our own services
	// Forward serves a request to one of our own services in somebody's name.
	Forward func(w http.ResponseWriter, r *http.Request, who local.Identity, service string) error
	// Permit tells whether a caller may call the method of that ARN; nil: every one may.
	Permit func(ctx context.Context, call *wire.Call, method string) error
	// Assume tells whether an integration may act by a role; nil: by every one.
	Assume func(ctx context.Context, roleARN string) (bool, error)
	Logs   telemetry.LogSink
	Clock  clock.Clock
	Logger *slog.Logger
}

// Server serves all REST APIs.
type Server struct {
	config       Config
	client       *http.Client
	forFunctions *http.Client // for APIs that functions had a part in

	mu          sync.Mutex
	deployments map[deploymentID]*deployment
	answers     map[string]remembered // of authorizers
	buckets     map[string]*bucket
}

// deploymentID names a snapshot.
type deploymentID struct {
	restapi.ID
	deployment string
}

// New only builds.
func New(c Config) *Server {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	s := &Server{config: c, deployments: map[deploymentID]*deployment{}, answers: map[string]remembered{}, buckets: map[string]*bucket{}}
	limits := outbound.Limits{HeaderBytes: maxHTTPHeader, IdlePerHost: idlePerHost}
	s.client, s.forFunctions = c.Outbound.Client(limits, false), c.Outbound.Client(limits, true)
	return s
}

// Close gives the connections back that wait for the next request.
func (s *Server) Close() { s.client.CloseIdleConnections(); s.forFunctions.CloseIdleConnections() }

// find is the deployment of a stage, made ready.
func (s *Server) find(ctx context.Context, id restapi.ID, name string) (*deployment, error) {
	key := deploymentID{id, name}
	s.mu.Lock()
	found := s.deployments[key]
	s.mu.Unlock()
	if found != nil {
		return found, nil
	}
	snapshot, err := s.config.APIs.Snapshot(ctx, id, name)
	if err != nil {
		return nil, err
	}
	found = newDeployment(id, snapshot)
	s.mu.Lock()
	defer s.mu.Unlock()
	for old := range s.deployments {
		if len(s.deployments) < maxDeployments {
			break
		}
		delete(s.deployments, old)
	}
	s.deployments[key] = found
	return found, nil
}

// errForbidden is the answer to who calls what is not there.
var errForbidden = &refusal{kind: restapi.Default4XX, status: http.StatusForbidden, errorType: "ForbiddenException", message: "Forbidden"}

// Serve answers one request to an API by its own host name or path.
func (s *Server) Serve(w http.ResponseWriter, r *front.Request, id restapi.ID) {
	stage, rest := firstSegment(r.Path)
	api, err := s.config.APIs.Get(id)
	if err == nil && api.DisableExecuteApiEndpoint {
		api = nil
	}
	s.serve(s.newExchange(w, r, id, rest), api, stage)
}

// ServeMapped answers one request to a domain name.
func (s *Server) ServeMapped(w http.ResponseWriter, r *front.Request, lead *domain.Lead) {
	id, stage, rest := restapi.ID{Scope: restapi.Scope(lead.Scope), ID: lead.Mapping.API}, lead.Mapping.Stage, lead.Rest
	e := s.newExchange(w, r, id, rest)
	if e.base = strings.TrimSuffix(r.Path, rest); rest == "/" {
		e.base = strings.TrimSuffix(r.Path, "/")
	}
	if stage == "" {
		stage, e.path = firstSegment(rest)
		e.base += "/" + stage
	}
	api, err := s.config.APIs.Get(id)
	if err != nil {
		api = nil
	}
	s.serve(e, api, stage)
}

func (s *Server) newExchange(w http.ResponseWriter, r *front.Request, id restapi.ID, path string) *exchange {
	return &exchange{server: s, id: id, w: w, r: r, path: path, received: r.Received, traceID: r.TraceID(), extendedID: front.ExtendedID()}
}

// serve answers one request; api is nil if there is none.
func (s *Server) serve(e *exchange, api *restapi.API, stage string) {
	if front.HeadSize(e.r.Request)-len(e.r.Method)-len(e.r.RequestURI) > maxHeadBytes {
		e.write(plainAnswer(http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("HTTP header is larger than %d bytes.", maxHeadBytes)))
		return
	}
	if api == nil || api.Stages[stage] == nil {
		e.deployed = newDeployment(e.id, &restapi.Snapshot{})
		e.stage = &restapi.Stage{StageName: stage}
		e.write(e.refuse(errForbidden))
		return
	}
	e.api, e.stage = api, api.Stages[stage]
	e.chooseCanary()
	var err error
	if e.deployed, err = s.find(e.r.Context(), e.id, e.stage.DeploymentId); err != nil {
		s.config.Logger.Error("a deployment cannot be read", "api", e.id.ID, "deployment", e.stage.DeploymentId, "err", err)
		e.deployed = newDeployment(e.id, &restapi.Snapshot{})
		e.write(e.refuse(errInternal))
		return
	}
	answer, err := e.run()
	switch {
	case errors.Is(err, intake.ErrTooLarge):
		intake.Drain(e.w, e.r.Request)
		answer = plainAnswer(http.StatusRequestEntityTooLarge, fmt.Sprintf("HTTP content length exceeded %d bytes.", MaxPayloadBytes))
	case err != nil:
		answer = e.refuse(err)
	}
	e.write(answer)
	e.log()
}

// plainAnswer is one that AWS gives before it looks which API is meant: it is no
// gateway response. AWS: the texts are those that clients report.
func plainAnswer(status int, text string) *proxy.Answer {
	return &proxy.Answer{Status: status, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte(text)}
}

// chooseCanary lets a share of the requests meet the canary of the stage.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/canary-release.html
func (e *exchange) chooseCanary() {
	c := e.stage.CanarySettings
	if c == nil || c.DeploymentId == "" || rand.Float64()*100 >= c.PercentTraffic {
		return
	}
	stage := *e.stage
	stage.DeploymentId, stage.Variables = c.DeploymentId, c.Effective(e.stage.Variables)
	e.stage, e.canary = &stage, true
}

// refused tells whether an error is an answer.
func refused(err error) (*refusal, bool) {
	var r *refusal
	return r, errors.As(err, &r)
}
