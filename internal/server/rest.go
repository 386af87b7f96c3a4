package server

import (
	"context"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	restserver "github.com/lambkin-dev/lambkin/internal/front/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// openREST reads the REST APIs.
func (s *Server) openREST(ctx context.Context, state store.Store) (err error) {
	s.restAPIs, err = restapi.Open(ctx, restapi.Config{Store: state, Clock: clock.System,
		Entered: s.enterREST, Removed: func(id restapi.ID) { s.apis.Remove(id.ID) },
		Leading: func(id restapi.ID) string { return s.names.Leading(domain.Scope(id.Scope), id.ID) }})
	return err
}

// buildREST makes what serves REST APIs; services are those that integrations call.
func (s *Server) buildREST(keys *identity.Keys, services []*wire.Service) error {
	border, err := s.border()
	if err != nil {
		return err
	}
	s.restFront = restserver.New(restserver.Config{
		APIs: s.restAPIs, Functions: &functions.Functions{Registry: s.registry, Invoker: s.invoker}, Callers: s.callers(keys),
		Outbound: border, Local: local.New(services), Forward: s.forward, Permit: s.mayInvokeAPI, Assume: s.apisMayAssume(), Logs: s.logs, Clock: clock.System, Logger: s.config.Logger,
	})
	s.closers = append(s.closers, func() error { s.restFront.Close(); return nil })
	return nil
}

// forward serves a request that an API makes of one of our services. Requests come after
// all is built.
func (s *Server) forward(w http.ResponseWriter, r *http.Request, who local.Identity, service string) error {
	return s.gateway.ServeAs(w, r, who, service)
}

// enterREST opens the door for an API. Requests come after all is built.
func (s *Server) enterREST(id restapi.ID) {
	s.apis.Enter(id.ID, restDoor{s, id})
}

// restDoor is the door of a REST API.
type restDoor struct {
	server *Server
	id     restapi.ID
}

func (d restDoor) ServeFront(w http.ResponseWriter, r *front.Request) {
	d.server.restFront.Serve(w, r, d.id)
}

func (d restDoor) ServeMapped(w http.ResponseWriter, r *front.Request, lead *domain.Lead) {
	d.server.restFront.ServeMapped(w, r, lead)
}

// mayInvokeAPI decides whether a caller may call a method with IAM authorization.
func (s *Server) mayInvokeAPI(ctx context.Context, call *wire.Call, method string) error {
	if s.guard == nil {
		return nil
	}
	return s.guard.Check(ctx, call, apigatewayapi.Model, "execute-api:Invoke", method)
}

// mayPassToAPIs decides whether a caller may hand a role to API Gateway.
func (s *Server) mayPassToAPIs(ctx context.Context, call *wire.Call, roleARN string) error {
	if s.guard == nil {
		return nil
	}
	return s.guard.Pass(ctx, call, apigatewayapi.Model, roleARN, functions.APIGateway)
}
