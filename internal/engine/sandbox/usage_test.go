package sandbox

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// withMemoryGroups is a host that has a memory controller.
func withMemoryGroups(t *testing.T, config Config) *Host {
	t.Helper()
	h := newHost(t, config)
	if !h.cgroups.LimitsMemory() {
		t.Skip("SKIPPED: no memory controller")
	}
	return h
}

// TestAnEnvironmentTellsWhatItHolds: its processes' own memory and files in
// /tmp, now and not at most; not what it has only read.
func TestAnEnvironmentTellsWhatItHolds(t *testing.T) {
	const mib = 1 << 20
	h := withMemoryGroups(t, Config{Parked: -1})
	spec, _ := specOf(t, `import mmap
kept = []
def handler(event, context):
    n = event["n"] << 20
    if event["do"] == "keep": kept.append(b"x" * n)
    if event["do"] == "drop": kept.clear()
    if event["do"] == "file": open("/tmp/f", "wb").write(b"x" * n)
    if event["do"] == "read": return len(open("/var/task/large", "rb").read(n)) and None
`)
	if err := os.WriteFile(spec.TaskDir+"/large", make([]byte, 40*mib), 0o644); err != nil {
		t.Fatal(err)
	}
	environment, _, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer environment.Close()
	e := environment.(*env)
	do := func(what string, n int) int64 {
		t.Helper()
		r, err := invoke(t, e, fmt.Sprintf(`{"do": %q, "n": %d}`, what, n), 30*time.Second)
		if err != nil || r.ErrorType != "" {
			t.Fatalf("%s: %+v, %v", what, r, err)
		}
		held, known := e.MemoryBytes()
		if !known {
			t.Fatal("not known")
		}
		return held
	}
	first := do("nothing", 0)
	if own := int64(ownMemory(t, e.pid)) << 10; first < own-mib || first > own+3*mib { // the kernel's own part comes on top
		t.Errorf("it tells %d KiB, its process holds %d KiB alone", first>>10, own>>10)
	}
	for _, step := range []struct {
		what string
		n    int
		want int64
	}{{"keep", 50, 50 * mib}, {"file", 30, 80 * mib}, {"drop", 0, 30 * mib}, {"read", 40, 30 * mib}, {"file", 0, 0}} {
		if more := do(step.what, step.n) - first; more < step.want-2*mib || more > step.want+6*mib {
			t.Errorf("after %s %d it holds %d MiB more, want %d", step.what, step.n, more/mib, step.want/mib)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if held, known := e.MemoryBytes(); known {
		t.Errorf("one that is gone holds %d", held)
	}
}

// TestSpareMemoryIsToldToo: zygotes and what is parked.
func TestSpareMemoryIsToldToo(t *testing.T) {
	h := withMemoryGroups(t, Config{Parked: 2})
	if spare := h.SpareBytes(); spare != 0 {
		t.Errorf("%d bytes before anything was started", spare)
	}
	if err := h.Warm(t.Context(), "python3.11", ""); err != nil {
		t.Fatal(err)
	}
	waitParked(t, h, "python3.11", 2)
	if spare := h.SpareBytes(); spare < 10<<20 || spare > 100<<20 {
		t.Errorf("a Python and two parked environments hold %d KiB", spare>>10)
	}
}

// TestTheCeilingEndsAnEnvironmentBeforeTheMachineSuffers: though none of them has
// exceeded its own limit.
func TestTheCeilingEndsAnEnvironmentBeforeTheMachineSuffers(t *testing.T) {
	h := withMemoryGroups(t, Config{Parked: -1, MemoryCeiling: 200 << 20})
	spec, _ := specOf(t, "kept = []\ndef handler(event, context):\n    kept.append(b'x' * (150 << 20))\n")
	var group sync.WaitGroup
	var mu sync.Mutex
	killed, answered := 0, 0
	for range 2 {
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		group.Go(func() {
			_, err := invoke(t, e, `{}`, 60*time.Second)
			var exit *ExitError
			mu.Lock()
			defer mu.Unlock()
			if errors.As(err, &exit) && exit.OutOfMemory {
				killed++
			} else if err == nil {
				answered++
			}
		})
	}
	group.Wait()
	if killed != 1 || answered != 1 {
		t.Errorf("%d were killed, %d answered; want one each", killed, answered)
	}
}
