package server

import (
	"context"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/api/eventsapi"
	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/functionurl"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/front/caller"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/guard"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// The values of Config.IAM.
const (
	OffIAM     = "off"
	EnforceIAM = "enforce"
)

// buildGuard makes what enforces permissions, if that is asked for.
func (s *Server) buildGuard() (err error) {
	if s.config.IAM != EnforceIAM {
		return nil
	}
	s.guard, err = guard.New(guard.Config{IAM: s.iam, Functions: s.registry, Mappings: s.mappings, Queues: s.queues, Topics: s.topics, Buses: s.buses,
		Objects: s.objects, Secrets: s.secrets, Clock: clock.System})
	return err
}

// guarded are the services with their operations under guard. Whatever calls an
// operation, the gateway or a part of this process, has to call these.
func (s *Server) guarded(services ...*wire.Service) ([]*wire.Service, error) {
	if s.guard == nil {
		return services, nil
	}
	return s.guard.Wrap(services)
}

// permit decides about the messages of the outbox, which is made before the guard.
func (s *Server) permit(ctx context.Context, m *delivery.Message) error {
	if s.guard == nil {
		return nil
	}
	return s.guard.Permit(ctx, m)
}

// permitPolling decides about the queues of event source mappings.
func (s *Server) permitPolling(ctx context.Context, roleARN, queueARN string) error {
	if s.guard == nil {
		return nil
	}
	return s.guard.PermitPolling(ctx, roleARN, queueARN)
}

// mayPutEvents decides about events that come as CloudEvents.
func (s *Server) mayPutEvents(ctx context.Context, call *wire.Call, busARN string) error {
	if s.guard == nil {
		return nil
	}
	return s.guard.Check(ctx, call, eventsapi.Model, "events:PutEvents", busARN)
}

// developing lets nobody change functions by the API for development who may not
// change the code of every function.
func (s *Server) developing(serve func(context.Context, *wire.Call, http.ResponseWriter, []byte) error) func(context.Context, *wire.Call, http.ResponseWriter, []byte) error {
	return func(ctx context.Context, call *wire.Call, w http.ResponseWriter, body []byte) error {
		if s.guard != nil {
			if err := s.guard.Check(ctx, call, lambdaapi.Model, "lambda:UpdateFunctionCode", "*"); err != nil {
				return err
			}
		}
		return serve(ctx, call, w, body)
	}
}

// callers finds out who signed a request at a front door.
func (s *Server) callers(keys *identity.Keys) *caller.Callers {
	c := caller.New(keys, clock.System, s.iam.Used)
	c.Enforced = s.guard != nil
	return c
}

// mayCallURL decides about who signed a request to a function URL; nil where
// permissions are not enforced.
//
// AWS: both permissions are needed,
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
func (s *Server) mayCallURL() func(*http.Request, *identity.Key, function.Target) (bool, error) {
	if s.guard == nil {
		return nil
	}
	return func(r *http.Request, who *identity.Key, t function.Target) (bool, error) {
		call := &wire.Call{Account: who.Account, Region: t.Scope.Region, AccessKeyID: who.AccessKeyID, CallerARN: who.ARN, UserID: who.UserID, Session: who.Session, Request: r}
		return s.guard.Allows(r.Context(), call, []string{"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}, t.ARN(),
			map[string][]string{"lambda:functionurlauthtype": {functionurl.AuthIAM}, "lambda:invokedviafunctionurl": {"true"}})
	}
}

// mayCallAPI decides about who signed a request to a route with IAM authorization,
// or one about connections; nil where permissions are not enforced.
func (s *Server) mayCallAPI() func(r *http.Request, who *identity.Key, region, action, resource string) (bool, error) {
	if s.guard == nil {
		return nil
	}
	return func(r *http.Request, who *identity.Key, region, action, resource string) (bool, error) {
		call := &wire.Call{Account: who.Account, Region: region, AccessKeyID: who.AccessKeyID, CallerARN: who.ARN, UserID: who.UserID, Session: who.Session, Request: r}
		return s.guard.Allows(r.Context(), call, []string{action}, resource, nil)
	}
}

// roleMayInvoke decides about functions that API Gateway invokes in the name of a role.
func (s *Server) roleMayInvoke() func(ctx context.Context, roleARN, functionARN string) (bool, error) {
	if s.guard == nil {
		return nil
	}
	return func(ctx context.Context, roleARN, functionARN string) (bool, error) {
		return s.guard.RoleMay(ctx, functions.APIGateway, roleARN, "lambda:InvokeFunction", functionARN)
	}
}

// apisMayAssume decides which roles API Gateway may act by.
func (s *Server) apisMayAssume() func(ctx context.Context, roleARN string) (bool, error) {
	if s.guard == nil {
		return nil
	}
	return func(ctx context.Context, roleARN string) (bool, error) {
		return s.guard.Trusts(ctx, roleARN, functions.APIGateway)
	}
}
