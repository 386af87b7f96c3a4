package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// cgroupRoot is where Linux distributions mount the cgroup file systems.
const cgroupRoot = "/sys/fs/cgroup"

// Bounds of an environment besides its memory.
const (
	maxProcesses = 1024    // docs quota: processes and threads of an environment
	cpuPeriod    = 100_000 // microseconds
)

// cgroups makes the resource groups of environments, in one v2 tree or in the
// v1 hierarchies of a hybrid host. All of one Host lie in a folder of its own;
// those of supervisors that have died are cleared by the next.
type cgroups struct {
	v2                bool
	memory, cpu, pids string // parent folders; equal on v2; empty = not available
}

// cgroup holds the limits of one environment.
type cgroup struct {
	parent *cgroups
	name   string
	peak   *os.File // high-water mark of memory; nil without a memory controller
}

func newCgroups() (*cgroups, error) {
	clearCgroups()
	c := &cgroups{}
	if controllers, err := os.ReadFile(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil && bytes.Contains(controllers, []byte("memory")) {
		c.v2 = true
		folder, err := os.MkdirTemp(cgroupRoot, cgroupPrefix())
		if err != nil {
			return nil, err
		}
		for _, parent := range []string{cgroupRoot, folder} {
			if err := write(parent, "cgroup.subtree_control", "+memory +cpu +pids"); err != nil {
				return nil, err
			}
		}
		c.memory, c.cpu, c.pids = folder, folder, folder
		return c, nil
	}
	for controller, folder := range map[string]*string{"memory": &c.memory, "cpu": &c.cpu, "pids": &c.pids} {
		path, err := os.MkdirTemp(filepath.Join(cgroupRoot, controller), cgroupPrefix())
		if err != nil {
			continue // a host without this controller
		}
		*folder = path
	}
	return c, nil
}

// cgroupPrefix begins the names of all groups of this process.
func cgroupPrefix() string { return fmt.Sprintf("lambkin-%d-", os.Getpid()) }

// clearCgroups removes what supervisors that are no more left behind.
func clearCgroups() {
	for _, pattern := range []string{"lambkin-*", "*/lambkin-*"} {
		left, _ := filepath.Glob(filepath.Join(cgroupRoot, pattern)) // the only error is a malformed pattern
		for _, folder := range left {
			var pid int
			if _, err := fmt.Sscanf(filepath.Base(folder), "lambkin-%d-", &pid); err != nil || unix.Kill(pid, 0) != unix.ESRCH {
				continue
			}
			groups, _ := filepath.Glob(filepath.Join(folder, "env-*"))
			for _, group := range append(groups, folder) {
				os.Remove(group) // fails while a process of it dies; the next start tries again
			}
		}
	}
}

func (c *cgroups) folders() []string {
	seen := map[string]bool{"": true}
	var folders []string
	for _, folder := range []string{c.memory, c.cpu, c.pids} {
		if !seen[folder] {
			seen[folder] = true
			folders = append(folders, folder)
		}
	}
	return folders
}

// add makes the group of an environment. CPU is not limited until limitCPU:
// AWS too gives initialisation more than the function's share.
func (c *cgroups) add(name string, memoryMB int, off protections) (*cgroup, error) {
	g := &cgroup{parent: c, name: name}
	for _, folder := range c.folders() {
		if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil {
			return nil, errors.Join(err, g.remove())
		}
	}
	if err := g.limit(memoryMB, off); err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

func (g *cgroup) limit(memoryMB int, off protections) error {
	memory, pids := filepath.Join(g.parent.memory, g.name), filepath.Join(g.parent.pids, g.name)
	if g.parent.pids != "" && !off.pids {
		if err := write(pids, "pids.max", strconv.Itoa(maxProcesses)); err != nil {
			return err
		}
	}
	if g.parent.memory == "" {
		return nil
	}
	bytes := strconv.Itoa(memoryMB << 20)
	limits, peak := [][2]string{{"memory.limit_in_bytes", bytes}, {"memory.memsw.limit_in_bytes", bytes}}, "memory.max_usage_in_bytes"
	if g.parent.v2 {
		limits, peak = [][2]string{{"memory.max", bytes}, {"memory.swap.max", "0"}, {"memory.oom.group", "1"}}, "memory.peak"
	}
	if off.memory {
		limits = nil
	}
	for i, l := range limits {
		// Kernels without swap accounting lack all but the first.
		if err := write(memory, l[0], l[1]); err != nil && (i == 0 || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	var err error
	g.peak, err = os.Open(filepath.Join(memory, peak))
	if errors.Is(err, fs.ErrNotExist) { // memory.peak came with Linux 5.19
		return nil
	}
	return err
}

// attach moves a process and what it will fork into the group.
func (g *cgroup) attach(pid int) error {
	for _, folder := range g.parent.folders() {
		if err := write(filepath.Join(folder, g.name), "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// limitCPU gives the group its share: one vCPU for each 1,769 MB.
func (g *cgroup) limitCPU(memoryMB int) error {
	if g.parent.cpu == "" {
		return nil
	}
	return g.writeCPU(strconv.Itoa(max(1000, cpuPeriod*memoryMB/limit.MBPerVCPU)))
}

// freeCPU lifts the limit: a thousand processes die slowly on 7 % of a core.
func (g *cgroup) freeCPU() {
	unlimited := "-1"
	if g.parent.v2 {
		unlimited = "max"
	}
	if g.parent.cpu != "" {
		g.writeCPU(unlimited) // without effect the processes still die, later
	}
}

func (g *cgroup) writeCPU(quota string) error {
	folder := filepath.Join(g.parent.cpu, g.name)
	if g.parent.v2 {
		return write(folder, "cpu.max", quota+" "+strconv.Itoa(cpuPeriod))
	}
	return write(folder, "cpu.cfs_quota_us", quota)
}

// peakBytes is the most memory that the group ever held.
func (g *cgroup) peakBytes() int64 {
	if g.peak == nil {
		return 0
	}
	var text [24]byte
	n, _ := g.peak.ReadAt(text[:], 0)
	value, _ := strconv.ParseInt(string(bytes.TrimSpace(text[:n])), 10, 64)
	return value
}

// outOfMemory tells whether the kernel killed a process for the memory limit.
func (g *cgroup) outOfMemory() bool {
	file := "memory.oom_control"
	if g.parent.v2 {
		file = "memory.events"
	}
	data, err := os.ReadFile(filepath.Join(g.parent.memory, g.name, file))
	if err != nil {
		return false
	}
	for line := range bytes.Lines(data) {
		if count, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			return string(bytes.TrimSpace(count)) != "0"
		}
	}
	return false
}

// remove deletes the group; its processes must be gone.
func (g *cgroup) remove() error {
	if g.peak != nil {
		g.peak.Close()
	}
	var all error
	for _, folder := range g.parent.folders() {
		if err := os.Remove(filepath.Join(folder, g.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

func (c *cgroups) close() error {
	var all error
	for _, folder := range c.folders() {
		all = errors.Join(all, os.Remove(folder))
	}
	return all
}

func write(folder, file, text string) error {
	f, err := os.OpenFile(filepath.Join(folder, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
