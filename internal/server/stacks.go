package server

import (
	"maps"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/sam"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/control"
	"github.com/lambkin-dev/lambkin/internal/core/stack/engine"
	"github.com/lambkin-dev/lambkin/internal/core/stack/macros"
	"github.com/lambkin-dev/lambkin/internal/core/stack/mailbox"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudcontrol"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/builtin"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/source"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/world"
	"github.com/lambkin-dev/lambkin/internal/svc/resource"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// buildStacks makes the engine of CloudFormation, which deploys by calls of the
// other services.
func (s *Server) buildStacks(state *localstore.Store, secret []byte, caller *local.Caller) (services []*wire.Service, answers http.Handler, err error) {
	types := stack.Table(resource.New(caller))
	boxes, err := mailbox.New(state, secret, clock.System)
	if err != nil {
		return nil, nil, err
	}
	named := macros.New(state)
	maps.Copy(types, builtin.Types(caller, boxes, named, invoke.DefaultEndpoint))
	templates := source.New(caller)
	asked := &world.World{Calls: caller, Source: templates, Macros: named, Transformers: map[string]world.Transformer{sam.Name: world.Serverless(clock.System)}}
	s.stacks, err = engine.New(engine.Config{Store: state, Secret: secret, Clock: clock.System, Logger: s.config.Logger, Outbox: s.outbox, Types: types,
		Fetch: asked.Fetch, Stored: asked.Stored, Lookup: asked.Lookup, Transform: asked.Transform, Role: asked.Role})
	if err != nil {
		return nil, nil, err
	}
	s.control, err = control.New(control.Config{Store: state, Secret: secret, Clock: clock.System, Logger: s.config.Logger, Types: types, Role: asked.Role})
	if err != nil {
		return nil, nil, err
	}
	services, err = s.guarded(cloudformation.Service(s.stacks, templates, boxes), cloudcontrol.Service(s.control))
	return services, builtin.Handler(boxes), err
}
