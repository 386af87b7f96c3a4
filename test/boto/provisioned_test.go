package boto

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// TestProvisionedConcurrencySurvivesAKill kills the server with provisioned
// environments and expects them ready, and serving, after the restart.
func TestProvisionedConcurrencySurvivesAKill(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := platform.Start(ctx, binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	source := "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n"
	if err := p.Deploy(ctx, platform.Function{Name: "kept", Files: map[string]string{"app.py": source}}); err != nil {
		t.Fatal(err)
	}
	const config = "/2019-09-30/functions/kept/provisioned-concurrency?Qualifier=1"
	call(t, p, "lambda", "POST", "/2015-03-31/functions/kept/versions", nil, "{}", http.StatusCreated)
	call(t, p, "lambda", "PUT", config, nil, `{"ProvisionedConcurrentExecutions": 3}`, http.StatusAccepted)
	ready := func() {
		t.Helper()
		var last string
		for ctx.Err() == nil {
			if last = string(call(t, p, "lambda", "GET", config, nil, "", http.StatusOK).Body); strings.Contains(last, `"Status":"READY"`) {
				break
			}
			pause(ctx)
		}
		if !strings.Contains(last, `"AllocatedProvisionedConcurrentExecutions":3`) {
			t.Fatalf("not ready: %s", last)
		}
		reply := call(t, p, "lambda", "POST", platform.InvokePath("kept")+"?Qualifier=1", nil, "", http.StatusOK)
		if string(reply.Body) != `"provisioned-concurrency"` {
			t.Errorf("served by %s", reply.Body)
		}
	}
	ready()
	p.Kill()
	if err := p.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	ready()
}
