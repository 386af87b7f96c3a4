package gvisor

import (
	"slices"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// Isolation is what environments of this host are protected by.
func (h *Host) Isolation() sandbox.Isolation {
	all := []sandbox.Protection{
		{Name: "kernel", On: true, Detail: "a function's system calls are answered by gVisor: " + h.config.Runsc.String()},
		{Name: "namespaces", On: true, Detail: "each environment has its own users, mounts, processes, IPC, host name and network"},
		{Name: "users", On: true, Detail: "all processes of an environment, gVisor's too, have a user id of its own without rights on the host"},
		{Name: "files", On: true, Detail: "only /tmp can be written; code and runtime are read-only mounts"},
	}
	all = append(all, sandbox.LimitProtections(h.cgroups.Missing(), "mount -t cgroup2 none /sys/fs/cgroup, or boot with systemd.unified_cgroup_hierarchy=1")...)
	all = append(all, sandbox.NetworkProtection(h.networks))
	all = append(all, sandbox.Protection{Name: "idle functions", Detail: "not frozen in this tier: threads of a function run on between its events, within its share of CPU"})
	complete := !slices.ContainsFunc(all, func(p sandbox.Protection) bool { return !p.On })
	return sandbox.Isolation{Complete: complete, Protections: all}
}
