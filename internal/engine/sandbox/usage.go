package sandbox

import (
	"maps"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/cgroup"
)

// Weighable is an Environment that tells how many bytes of memory it holds now,
// which its end would give back. It may be asked from any goroutine, costs some
// 50 µs and does not disturb the environment. False: not known, or it has ended.
type Weighable interface{ MemoryBytes() (int64, bool) }

var _ Weighable = (*env)(nil)

// MemoryBytes is what the environment holds; see Weighable.
func (e *env) MemoryBytes() (int64, bool) {
	if !e.host.cgroups.LimitsMemory() {
		held := cgroup.PrivateBytes(e.pid) // of the first process: no more is known of the others
		return held, held > 0
	}
	held, known := e.group.UsageBytes()
	return held + e.before.Load(), known
}

// weighBefore notes what a child of z holds when it comes into its group: the
// kernel leaves that with the group of the zygote. All children of a kind have
// the same, so it is read once.
func (z *zygote) weighBefore(e *env, kind parkKind) {
	if e.custom != nil {
		return // it gives all up when it is executed
	}
	before := &z.before[kind]
	if before.Load() == 0 {
		before.Store(cgroup.PrivateBytes(e.pid))
	}
	e.before.Store(before.Load())
}

// SpareBytes is what the host itself holds for functions: zygotes, parked
// environments, templates and clones that wait.
func (h *Host) SpareBytes() int64 {
	total := int64(0)
	for _, z := range h.readyZygotes() {
		total += cgroup.ResidentBytes(z.cmd.Process.Pid)
		for _, e := range append(z.parking.list(), z.templates()...) {
			held, _ := e.MemoryBytes() // one that ends meanwhile holds nothing
			total += held
		}
	}
	h.waiting.Range(func(clone, _ any) bool {
		held, _ := clone.(*env).MemoryBytes()
		total += held
		return true
	})
	return total
}

// SetTight tells whether memory is short: what is parked is given up then, and
// starts fork what they need.
func (h *Host) SetTight(tight bool) {
	if h.tight.Swap(tight) == tight {
		return
	}
	for _, z := range h.readyZygotes() {
		if tight {
			z.parking.trim()
		} else {
			z.parking.refill()
		}
	}
}

func (h *Host) readyZygotes() []*zygote {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := slices.Collect(maps.Values(h.zygotes))
	return slices.DeleteFunc(all, func(z *zygote) bool { return !z.ready() })
}

// list copies what is parked.
func (p *parking) list() []*env {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.idle)
}

// templates are the zygote's children that make clones.
func (z *zygote) templates() (all []*env) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, child := range z.children {
		if child.template {
			all = append(all, child)
		}
	}
	return all
}
