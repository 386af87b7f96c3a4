package sandbox

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/confine"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
)

// Protection is one part of the isolation and whether this host gives it.
type Protection struct {
	Name   string `json:"name"`
	On     bool   `json:"on"`
	Weak   bool   `json:"weak,omitempty"` // it is off, and without it a hostile function can do harm to others
	Detail string `json:"detail"`         // what it keeps, or why it is off
	Fix    string `json:"fix,omitempty"`  // command that would switch it on
}

// Isolation is what this host's environments are protected by.
type Isolation struct {
	// Complete tells that every protection is on. The kernel is shared in any
	// case: strong, but not a virtual machine.
	Complete    bool         `json:"complete"`
	Protections []Protection `json:"protections"`
}

// Weak lists what is off and must not be where functions do not trust each other.
func (i Isolation) Weak() []Protection {
	var weak []Protection
	for _, p := range i.Protections {
		if p.Weak {
			weak = append(weak, p)
		}
	}
	return weak
}

// Isolation tells what protects environments on this host. It tries what can be
// tried.
func (h *Host) Isolation() Isolation {
	all := []Protection{
		{Name: "namespaces", On: true, Detail: "each environment has its own mounts, processes, IPC, host name and network"},
		h.userProtection(),
		seccompProtection(),
		landlockProtection(),
	}
	fix := "mount -t cgroup2 none /sys/fs/cgroup, or boot with systemd.unified_cgroup_hierarchy=1"
	if h.oneUser {
		fix = runAsRoot
	}
	all = append(all, LimitProtections(h.cgroups.Missing(), fix)...)
	all = append(all, NetworkProtection(h.networks), h.idleProtection())
	complete := !slices.ContainsFunc(all, func(p Protection) bool { return !p.On })
	return Isolation{Complete: complete, Protections: all}
}

// LimitProtections are the limits that cgroups keep, of which some controllers are
// missing.
func LimitProtections(missing []string, fix string) []Protection {
	var all []Protection
	for _, limited := range []struct{ controller, detail, without string }{
		{"memory", "memory is bounded by MemorySize", "only each process of a function is bounded by MemorySize, not its files and not all together"},
		{"cpu", "CPU is shared by MemorySize", "a function can use all CPUs"},
		{"pids", "processes are bounded", "all functions share one bound of processes"},
	} {
		p := Protection{Name: limited.controller, On: true, Detail: limited.detail}
		if slices.Contains(missing, limited.controller) {
			p.On, p.Weak, p.Fix = false, limited.controller != "cpu", fix
			p.Detail = "the cgroup controller " + limited.controller + " is not mounted or not writable: " + limited.without
		}
		all = append(all, p)
	}
	return all
}

const runAsRoot = "run as root: sudo lambkin serve"

func (h *Host) userProtection() Protection {
	p := Protection{Name: "users", On: true, Detail: "each environment has a user id of its own and no capabilities"}
	if h.oneUser {
		p.On, p.Weak, p.Detail, p.Fix = false, true, "all environments have your own user id, without capabilities: only namespaces keep them from each other and from your files", runAsRoot
	}
	return p
}

func seccompProtection() Protection {
	p := Protection{Name: "system calls", On: true, Detail: "only listed system calls are allowed (seccomp)"}
	if _, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil {
		p.On, p.Detail, p.Fix = false, "the kernel has no seccomp: environments do not start", "use a kernel with CONFIG_SECCOMP_FILTER=y"
	}
	return p
}

func landlockProtection() Protection {
	version := confine.LandlockVersion()
	p := Protection{Name: "files", On: true, Detail: fmt.Sprintf("only /tmp can be written, also if a mount allowed more (landlock version %d)", version)}
	if version == 0 {
		p.On, p.Detail, p.Fix = false, "the kernel has no landlock: read-only mounts alone keep files", "boot with lsm=landlock added to the kernel's list (Linux 5.13 or newer)"
	}
	return p
}

// NetworkProtection tells what functions reach. Less than configured is off.
func NetworkProtection(networks *netns.Pool) Protection {
	p := Protection{Name: "network", On: true, Detail: networks.Reach()}
	if err := networks.EgressError(); err != nil {
		p.On, p.Detail, p.Fix = false, fmt.Sprintf("functions reach the platform only: %v", err), "modprobe -a nf_tables nft_chain_nat nft_redir"
	}
	return p
}

// idleProtection tells whether the time of idle functions stands still.
//
// There is no second best: SIGSTOP would show (a parent sees its child stop) and
// a function could have its other processes continue.
func (h *Host) idleProtection() Protection {
	p := Protection{Name: "idle functions", On: true, Detail: fmt.Sprintf("frozen %v after an answer, until the next event (freezer of %s)", freezeAfter, h.cgroups.Freezer())}
	if h.cgroups.Freezer() == "" {
		p.On, p.Detail, p.Fix = false, "neither cgroup v2 nor the freezer of v1 is mounted and writable: threads of a function run on between its events",
			"mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"
		if h.oneUser {
			p.Fix = runAsRoot
		}
	}
	return p
}
