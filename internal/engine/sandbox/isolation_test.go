package sandbox

import (
	"strings"
	"testing"
)

func TestIsolationTellsEveryProtection(t *testing.T) {
	h := newHost(t, Config{})
	told := h.Isolation()
	var names []string
	for _, p := range told.Protections {
		names = append(names, p.Name)
		if p.Detail == "" || (p.Fix == "") != p.On {
			t.Errorf("%+v: a protection that is off needs a reason and a fix, one that is on needs none", p)
		}
		if !p.On && told.Complete {
			t.Errorf("complete without %s", p.Name)
		}
	}
	if got := strings.Join(names, ","); got != "namespaces,users,system calls,files,memory,cpu,pids,network,idle functions" {
		t.Errorf("told %s", got)
	}
}
