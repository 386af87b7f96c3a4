package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

func TestWeakIsolationIsRefusedUnlessAskedFor(t *testing.T) {
	full := sandbox.Protection{Name: "users", On: true, Detail: "each has its own"}
	less := sandbox.Protection{Name: "cpu", Detail: "not shared", Fix: "mount cgroups"}
	weak := sandbox.Protection{Name: "memory", Weak: true, Detail: "not bounded", Fix: "run as root"}
	tests := []struct {
		isolation   string
		protections []sandbox.Protection
		refused     bool
		warns       []string
	}{
		{"", []sandbox.Protection{full}, false, nil},
		{"", []sandbox.Protection{full, less}, false, []string{"cpu"}},
		{"", []sandbox.Protection{less, weak}, true, nil},
		{WeakIsolation, []sandbox.Protection{less, weak}, false, []string{"cpu", "memory"}},
	}
	for _, test := range tests {
		var log bytes.Buffer
		s := &Server{config: Config{Isolation: test.isolation, Logger: slog.New(slog.NewTextHandler(&log, nil))}}
		err := s.checkIsolation(sandbox.Isolation{Protections: test.protections})
		if (err != nil) != test.refused {
			t.Errorf("%+v: %v", test, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "memory: not bounded (run as root)") || !strings.Contains(err.Error(), "--isolation=weak")) {
			t.Errorf("the refusal does not say what to do: %v", err)
		}
		if strings.Count(log.String(), "level=WARN") != len(test.warns) {
			t.Errorf("%+v: log %s", test, log.String())
		}
		for _, name := range test.warns {
			if !strings.Contains(log.String(), "protection="+name) {
				t.Errorf("no warning of %s: %s", name, log.String())
			}
		}
	}
}
