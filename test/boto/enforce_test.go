package boto

import (
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// enforcing is the suite of a server that enforces permissions.
const enforcing = "test_enforce"

func TestPermissionsAreEnforced(t *testing.T) {
	t.Parallel()
	enforced, err := platform.Start(t.Context(), binary, t.TempDir(), "--retry-speed=120", "--iam=enforce")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := enforced.Stop(); err != nil {
			t.Error(err)
		}
		if log := enforced.Log(); strings.Contains(log, "panic") || strings.Contains(log, "level=ERROR") {
			t.Errorf("log of the server:\n%s", log)
		}
	}()
	runSuite(t, enforced, enforcing)
	// The roles that the examples make allow what their functions do.
	runExample(t, enforced, []string{"worker/setup.py"}, "in the dead-letter queue: orders 0, 7, 14\n")
	runExample(t, enforced, []string{"pipeline/setup.py"}, "in the dead-letter queue: orders 26, 27\n", "the report: 25 orders, 155.00\n")
	runExample(t, enforced, []string{"pipeline/setup.py", "--remove"}, "all of the pipeline is removed\n")
}
