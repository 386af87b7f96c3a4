package boto

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestExampleOfAQueueAndItsWorker runs the script of examples/worker as a user
// does, twice: the second time over what the first has made.
func TestExampleOfAQueueAndItsWorker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	defer cancel()
	for range 2 {
		command := exec.CommandContext(ctx, installed.Python, "../../examples/worker/setup.py")
		command.Env, command.WaitDelay = environ(t, server), 10*time.Second
		out, err := command.CombinedOutput()
		for _, want := range []string{"17 orders were handled, such as order ", "in the dead-letter queue: orders 0, 7, 14\n"} {
			if err != nil || !strings.Contains(string(out), want) {
				t.Fatalf("%v\n%s\nwanted %q; the server's log:\n%s", err, out, want, server.Log())
			}
		}
	}
}
