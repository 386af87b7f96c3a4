package server

import (
	"fmt"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// WeakIsolation is the Isolation that serves on a host that isolates weakly.
const WeakIsolation = "weak"

// checkIsolation refuses to serve functions that are protected less than the
// documentation promises, unless that was asked for, and tells of all that is off.
func (s *Server) checkIsolation(told sandbox.Isolation) error {
	if weak := told.Weak(); len(weak) > 0 && s.config.Isolation != WeakIsolation {
		reasons := make([]string, len(weak))
		for i, p := range weak {
			reasons[i] = fmt.Sprintf("\n  %s: %s (%s)", p.Name, p.Detail, p.Fix)
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
