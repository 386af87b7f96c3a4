package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/gvisor"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
)

// WeakIsolation is the Isolation that serves on a host that isolates weakly.
const WeakIsolation = "weak"

// tier makes the environments of functions.
type tier interface {
	sandbox.Starter
	Endpoint() net.Listener
	SecureEndpoint() net.Listener
	Warm(ctx context.Context, runtime, preload string) error
	Isolation() sandbox.Isolation
	SpareBytes() int64
	SetTight(tight bool)
	Close() error
}

// openTier makes the tier that was asked for.
func (s *Server) openTier(ctx context.Context) (tier, error) {
	mode := netns.Mode(s.config.Egress)
	if s.config.Isolation != gvisor.Isolation {
		return sandbox.New(sandbox.Config{Egress: mode, EgressList: s.config.EgressAllow, MemoryCeiling: s.memory.Ceiling, Names: s.insideFor, TrustDir: s.trust}, s.runtimes, s.config.Logger)
	}
	runsc, err := gvisor.Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("isolation by gVisor: %w", err)
	}
	host, err := gvisor.New(gvisor.Config{Runsc: runsc, Egress: mode, EgressList: s.config.EgressAllow, MemoryCeiling: s.memory.Ceiling, Names: s.insideFor, TrustDir: s.trust}, s.runtimes, s.config.Logger)
	if err != nil {
		return nil, err
	}
	if err := host.Probe(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("isolation by gVisor: %w", err), host.Close())
	}
	return host, nil
}

// checkIsolation refuses to serve functions that are protected less than the
// documentation promises, unless that was asked for, and tells of all that is off.
func (s *Server) checkIsolation(told sandbox.Isolation) error {
	if weak := told.Weak(); len(weak) > 0 && s.config.Isolation != WeakIsolation {
		reasons := make([]string, len(weak))
		for i, p := range weak {
			reasons[i] = fmt.Sprintf("\n  %s: %s (%s)", p.Name, p.Detail, p.Fix)
		}
		if s.config.Isolation == gvisor.Isolation {
			return fmt.Errorf("isolation by gVisor is weak on this host:%s", strings.Join(reasons, ""))
		}
		return fmt.Errorf("isolation is weak on this host:%s\nAdd --isolation=weak (LAMBKIN_ISOLATION) if you trust all functions; lambkin doctor tells more", strings.Join(reasons, ""))
	}
	for _, p := range told.Protections {
		if !p.On {
			s.config.Logger.Warn("isolation is not complete", "protection", p.Name, "because", p.Detail, "fix", p.Fix)
		}
	}
	return nil
}
