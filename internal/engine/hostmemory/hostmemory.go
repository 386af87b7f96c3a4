// Package hostmemory tells how much memory this process may use and whether it
// runs short, so that idle environments are given up before the kernel kills
// something.
//
// It promises to read the kernel's own estimates each time it is asked: what
// other programs take is included, and so are the limits of the control groups
// that this process is in (a container, a service). No state, no goroutines, no
// locks. Start reading at Total and Lack.
package hostmemory

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// What shall stay available: a share of all memory, within bounds. It must last
// for the environments that start before idle ones are gone.
const (
	reserveShare = 20 // a twentieth of all memory
	minReserve   = 256 << 20
	maxReserve   = 2 << 30
)

// Total is how many bytes this process may use: the machine's memory, or less
// where a control group allows less.
func Total() (int64, error) { return kernel{"/proc", "/sys/fs/cgroup"}.total() }

// Lack is how many bytes are missing to what shall stay available; zero when
// there is enough.
func Lack() (int64, error) { return kernel{"/proc", "/sys/fs/cgroup"}.lack() }

// kernel is where the kernel tells.
type kernel struct{ proc, groups string }

// supply is some memory and how much of it can be had.
type supply struct{ total, available int64 }

func (s supply) lack() int64 {
	reserve := min(max(s.total/reserveShare, minReserve), maxReserve)
	return max(0, reserve-s.available)
}

func (k kernel) total() (int64, error) {
	machine, err := k.machine()
	total := machine.total
	for _, s := range k.limits() {
		total = min(total, s.total)
	}
	return total, err
}

func (k kernel) lack() (int64, error) {
	machine, err := k.machine()
	lack := machine.lack()
	for _, s := range k.limits() {
		if s.total < machine.total { // v1 has a number where there is no limit
			lack = max(lack, s.lack())
		}
	}
	return lack, err
}

// machine is the memory of the whole machine.
func (k kernel) machine() (supply, error) {
	text, err := os.ReadFile(filepath.Join(k.proc, "meminfo"))
	if err != nil {
		return supply{}, err
	}
	total, available := field(text, "MemTotal:"), field(text, "MemAvailable:")
	if total < 0 || available < 0 {
		return supply{}, fmt.Errorf("the kernel does not tell MemTotal and MemAvailable")
	}
	return supply{total << 10, available << 10}, nil
}

// limits are those of the control groups of this process, from its own up to
// the root that it sees. A group that does not tell has none.
func (k kernel) limits() (all []supply) {
	membership, _ := os.ReadFile(filepath.Join(k.proc, "self/cgroup")) // without control groups there are no limits
	for line := range strings.Lines(string(membership)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		limit, usage, cache, mount := "memory.max", "memory.current", "inactive_file", k.groups
		if parts[1] != "" {
			limit, usage, cache, mount = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", filepath.Join(k.groups, "memory")
		}
		if parts[1] != "" && !strings.Contains(","+parts[1]+",", ",memory,") {
			continue
		}
		for group := filepath.Join("/", parts[2]); ; group = filepath.Dir(group) {
			folder := filepath.Join(mount, group)
			if s, ok := groupSupply(folder, limit, usage, cache); ok {
				all = append(all, s)
			}
			if group == "/" {
				break
			}
		}
	}
	return all
}

// groupSupply is what one group may use. Files that were read and not lately
// used are given back when memory is needed.
func groupSupply(folder, limit, usage, cache string) (supply, bool) {
	total, known := number(filepath.Join(folder, limit))
	used, told := number(filepath.Join(folder, usage))
	if !known || !told {
		return supply{}, false
	}
	stat, _ := os.ReadFile(filepath.Join(folder, "memory.stat")) // unknown: nothing is given back
	return supply{total, total - used + max(0, field(stat, cache+" "))}, true
}

// number is the content of a file that holds one; "max" is none.
func number(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	return n, err == nil
}

// field is the number after a name at the begin of a line, -1 if there is none.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte(name))
		if !found {
			continue
		}
		words := bytes.Fields(rest)
		if len(words) == 0 {
			return -1
		}
		n, err := strconv.ParseInt(string(words[0]), 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	return -1
}
