package server

import (
	"context"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// snapshot makes a template of a function for the invoker.
func (s *Server) snapshot(ctx context.Context, spec *sandbox.Spec) (invoke.Template, sandbox.Init, error) {
	host, ok := s.host.(*sandbox.Host)
	if !ok {
		return nil, sandbox.Init{}, fmt.Errorf("%w: environments are isolated by gVisor", sandbox.ErrNoSnapshot)
	}
	t, init, err := host.Snapshot(ctx, spec)
	if t == nil {
		return nil, init, err
	}
	return template{t}, init, err
}

type template struct{ *sandbox.Template }

func (t template) Fork() (invoke.Clone, error) {
	clone, err := t.Template.Fork()
	if err != nil {
		return nil, err
	}
	return clone, nil
}

// restoreSnapshots makes the snapshots again that ended with the server before.
func (s *Server) restoreSnapshots(ctx context.Context) {
	versions, err := s.registry.SnapStarted(ctx)
	if err != nil && ctx.Err() == nil {
		s.config.Logger.Warn("the versions with SnapStart could not be listed", "err", err)
	}
	for _, v := range versions {
		code, err := s.invoker.Snapshot(ctx, v)
		if ctx.Err() != nil {
			return
		}
		if err != nil || code != "" {
			s.config.Logger.Warn("a snapshot could not be made again; calls start the function anew", "function", v.Name, "version", v.Version, "code", code, "err", err)
		}
	}
}
