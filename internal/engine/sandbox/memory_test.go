package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// maxOwnMemory is the budget, in KiB, of what a warm environment of a small
// function holds for itself; the rest is its zygote's.
const maxOwnMemory = 3072

// TestAWarmEnvironmentIsSmall: an environment shares the interpreter with its
// zygote, also after calls and garbage collections.
func TestAWarmEnvironmentIsSmall(t *testing.T) {
	const count = 8
	h := newHost(t, Config{Parked: -1})
	spec, _ := specOf(t, "import gc, json\ndef handler(event, context):\n    gc.collect()\n    return {'statusCode': 200, 'body': json.dumps(event)}\n")
	var all []*env
	for range count {
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for range 3 {
			if _, err := invoke(t, e, `{"n": 1}`, 30*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, e.(*env))
	}
	sum := 0
	for _, e := range all {
		sum += ownMemory(t, e.pid)
	}
	t.Logf("%d environments hold %d KiB each", count, sum/count)
	if sum/count > maxOwnMemory {
		t.Errorf("an environment holds %d KiB, over %d", sum/count, maxOwnMemory)
	}
}

// ownMemory is what a process alone holds, in KiB.
func ownMemory(t *testing.T, pid int) int {
	t.Helper()
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Skipf("SKIPPED: the kernel does not tell the share of memory: %v", err)
	}
	_, rest, _ := strings.Cut(string(rollup), "\nPrivate_Dirty:")
	value, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return value
}
