package cgroup

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// UsageBytes is what the group holds and would give back with its end: its
// processes, what they wrote to memory file systems, the kernel's own for them.
// Files that were only read are the kernel's cache, for everybody, and are not
// counted. False: there is no memory controller, or the group is gone.
func (g *Group) UsageBytes() (int64, bool) {
	if g.tree.memory == "" {
		return 0, false
	}
	folder := filepath.Join(g.tree.memory, g.name)
	usage, err := os.ReadFile(filepath.Join(folder, g.tree.memoryFile("memory.current", "memory.usage_in_bytes")))
	if err != nil {
		return 0, false
	}
	stat, err := os.ReadFile(filepath.Join(folder, "memory.stat"))
	held, err2 := strconv.ParseInt(string(bytes.TrimSpace(usage)), 10, 64)
	if err != nil || err2 != nil {
		return 0, false
	}
	return max(0, held-sum(stat, "active_file ", "inactive_file ")), true
}

// LimitAll bounds what all groups hold together: beyond it the kernel kills one
// of their processes rather than any other of the machine. 0: no bound.
func (t *Tree) LimitAll(bytes int64) error {
	if t.memory == "" || bytes == 0 {
		return nil
	}
	return write(t.memory, t.memoryFile("memory.max", "memory.limit_in_bytes"), strconv.FormatInt(bytes, 10))
}

// PrivateBytes is what a process holds alone, 0 if it is gone. The kernel walks
// through its pages for that: 0.2 ms for a small one.
func PrivateBytes(pid int) int64 {
	rollup, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) // gone: nothing
	return sum(rollup, "Private_Clean:", "Private_Dirty:") << 10
}

// ResidentBytes is what a process holds, shared or not, 0 if it is gone.
func ResidentBytes(pid int) int64 {
	statm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)) // gone: nothing
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64) // the kernel writes a number
	return pages * int64(os.Getpagesize())
}

// sum adds up the numbers of the lines that begin with one of the names.
func sum(text []byte, names ...string) (total int64) {
	for line := range bytes.Lines(text) {
		for _, name := range names {
			rest, found := bytes.CutPrefix(line, []byte(name))
			if words := bytes.Fields(rest); found && len(words) > 0 {
				n, _ := strconv.ParseInt(string(words[0]), 10, 64) // the kernel writes a number
				total += n
			}
		}
	}
	return total
}
