package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/gvisor"
	"github.com/lambkin-dev/lambkin/test/platform"
)

// gvisorStarts is how many cold starts of the second tier are measured.
const gvisorStarts = 15

// gvisor measures the second tier, where runsc is installed, beside the first.
func (b *bench) gvisor(ctx context.Context, first *platform.Platform) error {
	runsc, err := gvisor.Find(ctx)
	if err != nil {
		b.add(row{what: "second tier (gVisor): NOT MEASURED", lambkin: err.Error()})
		return nil
	}
	folder, err := os.MkdirTemp("", "lambkin-bench-gvisor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	second, err := platform.Start(ctx, b.binary, folder, "--isolation="+gvisor.Isolation, "--account-concurrency", "100000")
	if err != nil {
		return err
	}
	defer second.Stop()
	tier := fmt.Sprintf("second tier (gVisor, %s)", runsc.Platform)
	cold, err := b.firstCalls(ctx, second, trivial("gvisor"), gvisorStarts)
	if err != nil {
		return err
	}
	b.add(row{what: fmt.Sprintf("%s: cold start, p50 of %d", tier, gvisorStarts), lambkin: milliseconds(percentile(cold, 0.5))})
	b.add(row{what: tier + ": cold start, the slowest", lambkin: milliseconds(percentile(cold, 1))})
	if err := b.gvisorMemory(second, tier); err != nil {
		return err
	}
	var tested []answered
	for _, p := range []*platform.Platform{first, second} {
		if err := p.Deploy(ctx, trivial("tiers")); err != nil {
			return err
		}
		raw, err := signed(ctx, p.Address, platform.InvokePath("tiers"), event())
		if err != nil {
			return err
		}
		tested = append(tested, answered{"tiers", target{p.Address, raw, p.PID()}, event()})
	}
	medians, err := b.inTurn(1, tested...)
	if err != nil {
		return err
	}
	f, s := medians[0], medians[1]
	times := func(second, first time.Duration) string {
		return fmt.Sprintf("%.1f times the first tier", float64(second)/float64(first))
	}
	b.add(row{what: tier + ": warm call, 1 client, p50", lambkin: milliseconds(s.p50), ratio: times(s.p50, f.p50)})
	b.add(row{what: tier + ": warm call, 1 client, p99", lambkin: milliseconds(s.p99), ratio: times(s.p99, f.p99)})
	return nil
}

// gvisorMemory is the proportional set size of an environment with all that runsc
// runs for it.
func (b *bench) gvisorMemory(p *platform.Platform, tier string) error {
	pids, err := descendants(p.PID())
	if err != nil {
		return err
	}
	environments, total := 0, int64(0)
	for _, pid := range pids[1:] {
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // it has ended
		}
		if strings.HasPrefix(string(command), "runsc-sandbox") {
			environments++
		}
		if pss, err := procKiB(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss"); err == nil {
			total += pss
		}
	}
	if environments == 0 {
		return fmt.Errorf("no environment found below process %d", p.PID())
	}
	b.add(row{what: fmt.Sprintf("%s: memory of a warm environment with its kernel, PSS, of %d", tier, environments), lambkin: fmt.Sprintf("%.1f MiB", float64(total)/float64(environments)/1024)})
	return nil
}
