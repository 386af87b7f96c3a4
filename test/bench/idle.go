package main

import (
	"context"
	"fmt"
	"os"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// smallest is the least MemorySize of a function.
const smallest = 128

// idleEnvironments holds many environments of one function ready and adds up
// their memory. One that is missing is an error of the run.
func (b *bench) idleEnvironments(ctx context.Context, p *platform.Platform) error {
	if b.idle == 0 {
		fmt.Fprintln(os.Stderr, "  SKIPPED: idle environments (ask with -idle 1000)")
		return nil
	}
	before, err := serving(p)
	if err != nil {
		return err
	}
	f := trivial("idle")
	f.MemoryMB = smallest
	if _, err := provision(ctx, p, f, b.idle, event()); err != nil {
		return err
	}
	after, err := serving(p)
	if err != nil {
		return err
	}
	var total int64
	for pid := range before {
		delete(after, pid)
	}
	for pid := range after {
		pss, err := procKiB(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss")
		if err != nil {
			return err
		}
		total += pss
	}
	if len(after) < b.idle {
		return fmt.Errorf("%d environments asked for, %d found", b.idle, len(after))
	}
	size := float64(total) / (1 << 20)
	goal := goalIdleGiB * float64(b.idle) / 1000
	b.add(row{what: fmt.Sprintf("%d idle environments, none failed, PSS together", len(after)), lambkin: fmt.Sprintf("%.2f GiB", size),
		goal: atMost(size, goal, fmt.Sprintf("%.2f GiB", goal))})
	return nil
}

// serving are the processes below the supervisor that run a function.
func serving(p *platform.Platform) (map[int]bool, error) {
	pids, err := descendants(p.PID())
	found := map[int]bool{}
	for _, pid := range pids[min(1, len(pids)):] {
		if serves(pid) {
			found[pid] = true
		}
	}
	return found, err
}
