// Package cgroup makes the resource groups of environments, in one cgroup v2
// tree or in the v1 hierarchies of a hybrid host.
//
// It promises: a group holds every process of its environment, those that are
// forked later included; groups of a supervisor that died are cleared, with
// their processes, by the next New. A controller that the host lacks is told by
// Tree.Missing and its limits are not kept. A Group has one owner, a Tree may be
// used concurrently. One goroutine while moves are expected; its lock,
// expectation.mu, is a leaf. Start reading at New.
package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// root is where Linux distributions mount the cgroup file systems.
const root = "/sys/fs/cgroup"

// cpuPeriod is the span, in microseconds, over which a CPU share is kept.
const cpuPeriod = 100_000

// All environments together weigh as much as eight processes: by default it
// would be one, and whatever else this machine did would come before them.
const (
	weightV2 = "800"
	sharesV1 = "8192"
)

// Tree is the place of all groups of one Host: a folder of its own below each
// controller.
type Tree struct {
	v2                bool
	memory, cpu, pids string // parent folders; equal on v2; empty = not available
	freezer           freezer
	expected          expectation
}

// Group holds the limits of one environment.
type Group struct {
	tree  *Tree
	name  string
	peak  *os.File // high-water mark of memory; nil without a memory controller
	state *os.File // of the freezer; nil without one
}

// New clears what dead supervisors left and makes this process's folders. The
// first of freezers that this host gives is used; none named: the best.
func New(freezers ...Freezer) (*Tree, error) {
	clear()
	t := &Tree{expected: expectation{stop: make(chan struct{})}}
	if controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")); err == nil && bytes.Contains(controllers, []byte("memory")) {
		t.v2 = true
		folder, err := os.MkdirTemp(root, prefix())
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
			return t, nil // without the right to use them: Missing tells
		}
		if err != nil {
			return nil, err
		}
		for _, parent := range []string{root, folder} {
			if err := write(parent, "cgroup.subtree_control", "+memory +cpu +pids"); err != nil {
				return nil, err
			}
		}
		t.memory, t.cpu, t.pids = folder, folder, folder
		t.freezer = freezerOf(folder)
		return t, write(folder, "cpu.weight", weightV2)
	}
	for controller, folder := range map[string]*string{"memory": &t.memory, "cpu": &t.cpu, "pids": &t.pids} {
		path, err := os.MkdirTemp(filepath.Join(root, controller), prefix())
		if err != nil {
			continue // a host without this controller, or without the right to use it: Missing tells
		}
		*folder = path
	}
	if t.cpu != "" {
		if err := write(t.cpu, "cpu.shares", sharesV1); err != nil {
			return nil, err
		}
	}
	t.freezer = findFreezer(freezers)
	return t, nil
}

// LimitsMemory tells whether LimitMemory has an effect.
func (t *Tree) LimitsMemory() bool { return t.memory != "" }

// Missing names the controllers that this host does not give.
func (t *Tree) Missing() []string {
	var missing []string
	for controller, folder := range map[string]string{"memory": t.memory, "cpu": t.cpu, "pids": t.pids} {
		if folder == "" {
			missing = append(missing, controller)
		}
	}
	slices.Sort(missing)
	return missing
}

// prefix begins the names of all groups of this process. Its start is part of
// it: the number alone may soon be another's.
func prefix() string {
	return fmt.Sprintf("lambkin-%d-%d-", os.Getpid(), startOf(os.Getpid()))
}

// startOf is when a process started, in ticks since the boot; 0 if there is none.
func startOf(pid int) uint64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	const startField = 19 // after the name in parentheses, which may hold anything
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= startField {
		return 0
	}
	start, _ := strconv.ParseUint(string(fields[startField]), 10, 64) // the kernel writes a number
	return start
}

// abandoned tells whether the process that made a folder is no more.
func abandoned(folder string) bool {
	var pid int
	var start uint64
	_, err := fmt.Sscanf(filepath.Base(folder), "lambkin-%d-%d-", &pid, &start)
	return err == nil && start != 0 && startOf(pid) != start
}

// clear removes what supervisors that are no more left behind. Their
// environments die with them; one that is still there is killed.
func clear() {
	for _, pattern := range []string{"lambkin-*", "*/lambkin-*"} {
		left, _ := filepath.Glob(filepath.Join(root, pattern)) // the only error is a malformed pattern
		for _, folder := range left {
			if !abandoned(folder) {
				continue
			}
			groups, _ := filepath.Glob(filepath.Join(folder, "env-*"))
			for _, group := range groups {
				killAll(group)
				thaw(group)
			}
			for _, group := range append(groups, folder) {
				os.Remove(group) // fails while a process of it dies; Close and the next start try again
			}
		}
	}
}

// killAll kills the processes of an abandoned group.
func killAll(group string) {
	members, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return
	}
	for _, member := range strings.Fields(string(members)) {
		if pid, err := strconv.Atoi(member); err == nil && pid > 0 {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func (t *Tree) folders() []string {
	var folders []string
	for _, folder := range []string{t.memory, t.cpu, t.pids, t.freezer.folder} {
		if folder != "" && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return folders
}

// Add makes a group that allows so many processes (0: no limit). Memory and CPU
// are not limited until LimitMemory and LimitCPU.
func (t *Tree) Add(name string, processes int) (*Group, error) {
	g := &Group{tree: t, name: name}
	for _, folder := range t.folders() {
		if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil {
			return nil, errors.Join(err, g.Remove())
		}
	}
	if t.pids != "" && processes > 0 {
		if err := write(filepath.Join(t.pids, name), "pids.max", strconv.Itoa(processes)); err != nil {
			return nil, errors.Join(err, g.Remove())
		}
	}
	if t.memory != "" {
		var err error
		g.peak, err = os.Open(filepath.Join(t.memory, name, t.memoryFile("memory.peak", "memory.max_usage_in_bytes")))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // memory.peak came with Linux 5.19
			return nil, errors.Join(err, g.Remove())
		}
	}
	if t.freezer.folder != "" {
		var err error
		if g.state, err = os.OpenFile(filepath.Join(t.freezer.folder, name, t.freezer.file), os.O_WRONLY, 0); err != nil {
			return nil, errors.Join(err, g.Remove())
		}
	}
	return g, nil
}

func (t *Tree) memoryFile(v2, v1 string) string {
	if t.v2 {
		return v2
	}
	return v1
}

// LimitMemory bounds the memory of the group, swap included; the kernel kills
// a process when it is exceeded.
func (g *Group) LimitMemory(megabytes int) error {
	if g.tree.memory == "" {
		return nil
	}
	bytes := strconv.Itoa(megabytes << 20)
	limits := [][2]string{{"memory.limit_in_bytes", bytes}, {"memory.memsw.limit_in_bytes", bytes}}
	if g.tree.v2 {
		limits = [][2]string{{"memory.max", bytes}, {"memory.swap.max", "0"}, {"memory.oom.group", "1"}}
	}
	for i, l := range limits {
		// Kernels without swap accounting lack all but the first.
		if err := write(filepath.Join(g.tree.memory, g.name), l[0], l[1]); err != nil && (i == 0 || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

// Attach moves a process and what it will fork into the group.
func (g *Group) Attach(pid int) error {
	for _, folder := range g.tree.folders() {
		if err := write(filepath.Join(folder, g.name), "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// LimitCPU gives the group its share: one vCPU for each 1,769 MB.
func (g *Group) LimitCPU(memoryMB int) error {
	if g.tree.cpu == "" {
		return nil
	}
	return g.writeCPU(strconv.Itoa(max(1000, cpuPeriod*memoryMB/limit.MBPerVCPU)))
}

// FreeCPU lifts the limit: a thousand processes die slowly on 7 % of a core.
func (g *Group) FreeCPU() {
	unlimited := "-1"
	if g.tree.v2 {
		unlimited = "max"
	}
	if g.tree.cpu != "" {
		g.writeCPU(unlimited) // without effect the processes still die, later
	}
}

func (g *Group) writeCPU(quota string) error {
	folder := filepath.Join(g.tree.cpu, g.name)
	if g.tree.v2 {
		return write(folder, "cpu.max", quota+" "+strconv.Itoa(cpuPeriod))
	}
	return write(folder, "cpu.cfs_quota_us", quota)
}

// PeakBytes is the most memory that the group ever held.
func (g *Group) PeakBytes() int64 {
	if g.peak == nil {
		return 0
	}
	var text [24]byte
	n, _ := g.peak.ReadAt(text[:], 0)
	value, _ := strconv.ParseInt(string(bytes.TrimSpace(text[:n])), 10, 64)
	return value
}

// OutOfMemory tells whether the kernel killed a process for the memory limit.
func (g *Group) OutOfMemory() bool {
	data, err := os.ReadFile(filepath.Join(g.tree.memory, g.name, g.tree.memoryFile("memory.events", "memory.oom_control")))
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

// Remove deletes the group; its processes must be gone.
func (g *Group) Remove() error {
	if g.peak != nil {
		g.peak.Close()
	}
	if g.state != nil {
		g.state.Close()
	}
	var all error
	for _, folder := range g.tree.folders() {
		if err := os.Remove(filepath.Join(folder, g.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// Close removes the folders; every group must be gone.
func (t *Tree) Close() error {
	t.expected.close()
	clear()
	var all error
	for _, folder := range t.folders() {
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

// Processes lists the processes that are in the group now.
func (g *Group) Processes() ([]int, error) {
	folders := g.tree.folders()
	if len(folders) == 0 {
		return nil, errors.New("this host has no cgroups")
	}
	members, err := os.ReadFile(filepath.Join(folders[0], g.name, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, member := range strings.Fields(string(members)) {
		pid, err := strconv.Atoi(member)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
