package boto

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// TestFunctionsShareAMemoryBudgetByWhatTheyHold runs a server that may use
// little: functions of a large MemorySize that hold little run side by side, and
// make room for one that holds much.
func TestFunctionsShareAMemoryBudgetByWhatTheyHold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := platform.Start(ctx, binary, t.TempDir(), "--memory-budget", "512MiB")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if log := p.Log(); !strings.Contains(log, "environments may use 512 MiB of ") {
		t.Errorf("the log does not tell the budget: %s", log)
	}
	const small = "import time, uuid\nown = str(uuid.uuid4())\ndef handler(event, context):\n    time.sleep(event)\n    return own\n"
	const large = "import uuid\nown = str(uuid.uuid4())\nkept = []\ndef handler(event, context):\n    kept.append(b'x' * (150 << 20))\n    return own\n"
	for name, source := range map[string]string{"small": small, "large": large} {
		if err := p.Deploy(ctx, platform.Function{Name: name, Files: map[string]string{"app.py": source}, MemoryMB: 3008}); err != nil {
			t.Fatal(err)
		}
	}
	atOnce := func(name, event string, n int) map[string]bool {
		environments := map[string]bool{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for range n {
			group.Go(func() {
				reply, err := p.Call(ctx, "POST", platform.InvokePath(name), []byte(event))
				mu.Lock()
				defer mu.Unlock()
				if err != nil || reply.Status != http.StatusOK || strings.Contains(string(reply.Body), "error") {
					t.Errorf("%s: %+v, %v", name, reply, err)
					return
				}
				environments[string(reply.Body)] = true
			})
		}
		group.Wait()
		return environments
	}
	atOnce("small", "0", 1) // teaches what it holds
	before := atOnce("small", "2", 20)
	if len(before) < 10 { // by MemorySize one would have room, by a guess three
		t.Errorf("%d environments served 20 calls at once", len(before))
	}
	if larges := atOnce("large", "0", 1); len(larges) != 1 {
		t.Errorf("large was served by %v", larges)
	}
	// Two of it are more than is left: idle ones of small go, or its own second call waits.
	atOnce("large", "0", 2)
	atOnce("small", "2", 20)
}
