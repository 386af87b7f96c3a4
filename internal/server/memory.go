package server

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/hostmemory"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// How the memory of a machine is shared out unless that is told.
const (
	budgetPercent    = 75        // of the machine's memory, for execution environments
	leastBudget      = 256 << 20 // a runtime with some environments
	leastEnvironment = 4 << 20   // what the smallest environment holds
	descriptorsEach  = 14        // of an environment, at most: sockets, pipes, namespace, cgroup
	spareDescriptors = 1024      // of the server itself
	spareUsers       = 1000      // user ids of environments that are no function's: parked, compiling
)

// MemoryPlan is what execution environments may use of this machine together.
type MemoryPlan struct {
	Total        int64 `json:"total_bytes"`   // of the machine, or of the control group of this process
	Budget       int64 `json:"budget_bytes"`  // of all environments together, what is kept ready for them included
	Ceiling      int64 `json:"ceiling_bytes"` // where the kernel ends one of them, should they grow faster than the budget is kept
	Environments int   `json:"environments"`  // alive at once
}

// PlanMemory works out a plan from what a user asked for: a budget as ParseBudget
// reads it or "", a number of environments or 0.
func PlanMemory(budget string, environments int) (MemoryPlan, error) {
	var p MemoryPlan
	var err error
	if p.Total, err = hostmemory.Total(); err != nil {
		return p, fmt.Errorf("read the memory of this machine: %w", err)
	}
	p.Budget = max(leastBudget, p.Total/100*budgetPercent)
	if budget != "" {
		if p.Budget, err = ParseBudget(budget, p.Total); err != nil {
			return p, err
		}
	}
	p.Ceiling = p.Budget + (p.Total-p.Budget)/2
	most := sandbox.MaxEnvironments - spareUsers
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return p, fmt.Errorf("read the limit of open files: %w", err)
	}
	if files.Cur < uint64(most*descriptorsEach+spareDescriptors) {
		most = max(1, (int(files.Cur)-spareDescriptors)/descriptorsEach)
	}
	if environments < 0 || environments > most {
		return p, fmt.Errorf("%d environments: want 1 to %d (%d open files are allowed, an environment takes %d)", environments, most, files.Cur, descriptorsEach)
	}
	p.Environments = environments
	if environments == 0 {
		p.Environments = int(min(int64(most), p.Budget/leastEnvironment))
	}
	return p, nil
}

// String is the plan in a sentence.
func (p MemoryPlan) String() string {
	return fmt.Sprintf("environments may use %s of %s together, %d of them at once", readable(p.Budget), readable(p.Total), p.Environments)
}

// readable is a size for people.
func readable(bytes int64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

// ParseBudget reads a size ("8GiB", "1500M", "2147483648") or a share of the
// machine's memory ("60%").
func ParseBudget(text string, total int64) (int64, error) {
	share, isShare := strings.CutSuffix(strings.TrimSpace(text), "%")
	value, valid := parseSize(share)
	if isShare {
		var percent float64
		percent, valid = parseNumber(share)
		value = whole(percent * float64(total) / 100)
	}
	if !valid {
		return 0, fmt.Errorf("memory budget %q: want a size such as 8GiB, or a share of the machine's memory such as 60%%", text)
	}
	if value < leastBudget {
		return 0, fmt.Errorf("memory budget %q: want at least %d MiB", text, leastBudget>>20)
	}
	if value > total {
		return 0, fmt.Errorf("memory budget %q: this machine has %s", text, readable(total))
	}
	return value, nil
}

// parseSize reads a size. K, M, G and T are powers of 1024, as in MemorySize.
func parseSize(text string) (bytes int64, valid bool) {
	number := strings.TrimRight(text, "KMGTkmgtiIbB ")
	unit := strings.ToUpper(strings.TrimSpace(text[len(number):]))
	value, valid := parseNumber(number)
	factor, known := factors[strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")]
	if !valid || !known || unit == "I" || unit == "IB" {
		return 0, false
	}
	return whole(value * factor), true
}

// whole is a size in bytes; one that is larger than any disk is cut.
func whole(bytes float64) int64 { return int64(min(bytes, 1<<60)) }

// parseNumber reads a number without sign or exponent.
func parseNumber(text string) (value float64, valid bool) {
	value, err := strconv.ParseFloat(text, 64)
	return value, err == nil && strings.Trim(text, "0123456789.") == ""
}

// factors of the units, by their first letter.
var factors = map[string]float64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
