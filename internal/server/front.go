package server

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/front/backend"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	urlserver "github.com/lambkin-dev/lambkin/internal/front/functionurl"
	apiserver "github.com/lambkin-dev/lambkin/internal/front/httpapi"
	"github.com/lambkin-dev/lambkin/internal/front/roles"
	socketserver "github.com/lambkin-dev/lambkin/internal/front/websocket"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/internal/wire/outbound"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// urlServer is what serves function URLs.
func (s *Server) urlServer(keys *identity.Keys) *urlserver.Server {
	return &urlserver.Server{URLs: s.urls, Policies: s.registry, Functions: s.called(), Callers: s.callers(keys), Logger: s.config.Logger, May: s.mayCallURL()}
}

// called is what front doors call functions by.
func (s *Server) called() *functions.Functions {
	return &functions.Functions{Registry: s.registry, Invoker: s.invoker, RoleMay: s.roleMayInvoke()}
}

// Bounds of the answers of HTTP integrations and issuers of tokens.
const (
	outsideHeader = 64 << 10
	outsideIdle   = 16 // connections that wait for the next request, a host
)

// openHTTPAPIs reads the APIs of API Gateway's second version, and the domain names. Requests come after all
// is built, which serves them.
func (s *Server) openHTTPAPIs(state *localstore.Store) (*httpapi.APIs, error) {
	apis, err := httpapi.New(httpapi.Config{Store: state, Clock: clock.System,
		Made: func(id string) { s.apis.Enter(id, s.httpFront) },
		Gone: func(id string) { s.apis.Remove(id); s.httpFront.Forget(id); s.sockets.Forget(id) },
		// Stages of HTTP APIs have nothing open.
		StageGone: func(api, stage string) { s.sockets.ForgetStage(api, stage) },
	})
	if err != nil {
		return nil, err
	}
	return apis, s.openNames(state, apis)
}

// openNames reads the domain names of users, which lead to APIs of all kinds.
func (s *Server) openNames(state *localstore.Store, apis *httpapi.APIs) (err error) {
	s.names, err = domain.Open(context.Background(), domain.Config{Store: state, Clock: clock.System,
		Find: func(ctx context.Context, scope domain.Scope, id, stage string) (domain.Kind, error) {
			if api, err := s.restAPIs.Get(restapi.ID{Scope: restapi.Scope(scope), ID: id}); err == nil {
				if stage != "" && api.Stages[stage] == nil {
					return "", domain.ErrNoStage
				}
				return domain.REST, nil
			}
			api, err := apis.Get(ctx, httpapi.Scope(scope), id)
			if httpapi.IsMissing(err) {
				return "", domain.ErrNoAPI
			} else if err != nil {
				return "", err
			}
			_, err = apis.Stage(ctx, httpapi.Scope(scope), id, stage)
			if httpapi.IsMissing(err) {
				return "", domain.ErrNoStage
			}
			return domain.Kind(api.ProtocolType), err
		}})
	return err
}

// buildHTTPAPIs makes what serves them; services are those that integrations call.
func (s *Server) buildHTTPAPIs(apis *httpapi.APIs, keys *identity.Keys, services []*wire.Service) error {
	border, err := s.border()
	if err != nil {
		return err
	}
	limits := outbound.Limits{HeaderBytes: outsideHeader, IdlePerHost: outsideIdle}
	outside, forFunctions := border.Client(limits, false), border.Client(limits, true)
	s.closers = append(s.closers, func() error { outside.CloseIdleConnections(); forFunctions.CloseIdleConnections(); return nil })
	may := s.mayCallAPI()
	assumed := &roles.Roles{Assume: s.apisMayAssume()}
	s.sockets = socketserver.New(socketserver.Config{APIs: apis, Functions: s.called(), Callers: s.callers(keys), Outside: outside, ForFunctions: forFunctions,
		Services: backend.Services{Local: local.New(services), Forward: s.forward}, Roles: assumed, May: may, Logs: s.logs, Clock: clock.System, Logger: s.config.Logger})
	s.httpFront = apiserver.New(apiserver.Config{APIs: apis, Functions: s.called(), Services: local.New(queryFirst(services)), Roles: assumed, Callers: s.callers(keys),
		Outside: outside, ForFunctions: forFunctions, May: may, Sockets: s.sockets.Serve, Logs: s.logs, Clock: clock.System, Logger: s.config.Logger})
	all, err := apis.All(context.Background())
	for i := range all {
		s.apis.Enter(all[i].ID, s.httpFront)
	}
	return err
}

// queryFirst puts the services of the query protocol first: of one that is there in two
// protocols, integrations of HTTP APIs speak that.
func queryFirst(services []*wire.Service) []*wire.Service {
	var first, rest []*wire.Service
	for _, service := range services {
		if service.Model.Protocols[0] == shape.Query {
			first = append(first, service)
		} else {
			rest = append(rest, service)
		}
	}
	return append(first, rest...)
}
