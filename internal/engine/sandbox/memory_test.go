package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// maxIdlePSS is the budget of a warm environment's own share of memory.
const maxIdlePSS = 3.5 * 1024 // KiB

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
		sum += pss(t, e.pid)
	}
	t.Logf("%d environments hold %d KiB each", count, sum/count)
	if float64(sum/count) > maxIdlePSS {
		t.Errorf("an environment holds %d KiB, over %d", sum/count, int(maxIdlePSS))
	}
}

// pss is a process's share of memory in KiB.
func pss(t *testing.T, pid int) int {
	t.Helper()
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Skipf("SKIPPED: the kernel does not tell the share of memory: %v", err)
	}
	_, rest, _ := strings.Cut(string(rollup), "\nPss:")
	value, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return value
}
