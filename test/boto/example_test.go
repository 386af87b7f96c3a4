package boto

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// TestExampleOfAQueueAndItsWorker runs the script of examples/worker as a user
// does, twice: the second time over what the first has made.
func TestExampleOfAQueueAndItsWorker(t *testing.T) {
	t.Parallel()
	server := servers.borrow(t)
	for range 2 {
		runExample(t, server, []string{"worker/setup.py"}, "17 orders were handled, such as order ", "in the dead-letter queue: orders 0, 7, 14\n")
	}
}

// TestExampleOfAPipeline does so with docs/pipeline.md: an object, a queue, a
// topic and a schedule. Then it is taken down, twice.
func TestExampleOfAPipeline(t *testing.T) {
	t.Parallel()
	server := servers.borrow(t)
	for _, report := range []string{"the report: 25 orders, 155.00\n", "the report: 50 orders, 310.00\n"} {
		runExample(t, server, []string{"pipeline/setup.py"}, "25 orders were priced, such as {'order': '1', 'item': 'tea', ", "in the dead-letter queue: orders 26, 27\n", report)
	}
	for range 2 {
		runExample(t, server, []string{"pipeline/setup.py", "--remove"}, "all of the pipeline is removed\n")
	}
}

// runExample runs a script of examples/ with its arguments against a server and
// expects these parts in what it prints.
func runExample(t *testing.T, server *platform.Platform, command []string, wanted ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	defer cancel()
	script := exec.CommandContext(ctx, installed.Python, append([]string{"../../examples/" + command[0]}, command[1:]...)...)
	script.Env, script.WaitDelay = environ(t, server), 10*time.Second
	out, err := script.CombinedOutput()
	for _, want := range wanted {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("%v\n%s\nwanted %q; the server's log:\n%s", err, out, want, server.Log())
		}
	}
}
