package server

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	urlserver "github.com/lambkin-dev/lambkin/internal/front/functionurl"
	apiserver "github.com/lambkin-dev/lambkin/internal/front/httpapi"
	socketserver "github.com/lambkin-dev/lambkin/internal/front/websocket"
	"github.com/lambkin-dev/lambkin/internal/wire/outbound"
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

// buildHTTPAPIs makes the APIs of API Gateway's second version and what serves them.
func (s *Server) buildHTTPAPIs(state *localstore.Store, keys *identity.Keys) (*httpapi.APIs, error) {
	border, err := s.border()
	if err != nil {
		return nil, err
	}
	limits := outbound.Limits{HeaderBytes: outsideHeader, IdlePerHost: outsideIdle}
	outside, forFunctions := border.Client(limits, false), border.Client(limits, true)
	s.closers = append(s.closers, func() error { outside.CloseIdleConnections(); forFunctions.CloseIdleConnections(); return nil })
	var server *apiserver.Server
	may := s.mayCallAPI()
	apis, err := httpapi.New(httpapi.Config{Store: state, Clock: clock.System,
		Made:    func(id string) { s.apis.Enter(id, server) },
		Gone:    func(id string) { s.apis.Remove(id); server.Forget(id); s.sockets.Forget(id) },
		Named:   func(name string) bool { return s.apis.EnterName(name, front.HandlerFunc(server.ServeName)) },
		Unnamed: s.apis.RemoveName,
	})
	if err != nil {
		return nil, err
	}
	s.sockets = socketserver.New(socketserver.Config{APIs: apis, Functions: s.called(), Callers: s.callers(keys), May: may, Clock: clock.System, Logger: s.config.Logger})
	server = apiserver.New(apiserver.Config{APIs: apis, Functions: s.called(), Callers: s.callers(keys),
		Outside: outside, ForFunctions: forFunctions, May: may, Sockets: s.sockets.Serve, Logs: s.logs, Clock: clock.System, Logger: s.config.Logger})
	all, err := apis.All(context.Background())
	if err != nil {
		return nil, err
	}
	for i := range all {
		s.apis.Enter(all[i].ID, server)
	}
	names, err := apis.Names(context.Background())
	for _, name := range names {
		s.apis.EnterName(name, front.HandlerFunc(server.ServeName))
	}
	return apis, err
}
