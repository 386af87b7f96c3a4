package boto

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// TestSnapshotsAreMadeAgainAfterAKill kills the server with a snapshot and expects
// the version to be served from a new one after the restart.
func TestSnapshotsAreMadeAgainAfterAKill(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := platform.Start(ctx, binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	source := "import os, uuid\nidentity = str(uuid.uuid4())\ndef handler(event, context):\n    return identity + ' ' + os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n"
	if err := p.Deploy(ctx, platform.Function{Name: "snap", Files: map[string]string{"app.py": source}}); err != nil {
		t.Fatal(err)
	}
	call(t, p, "lambda", "PUT", "/2015-03-31/functions/snap/configuration", nil, `{"SnapStart": {"ApplyOn": "PublishedVersions"}}`, http.StatusOK)
	if err := p.WaitActive(ctx, "snap"); err != nil {
		t.Fatal(err)
	}
	call(t, p, "lambda", "POST", "/2015-03-31/functions/snap/versions", nil, "{}", http.StatusCreated)
	for ctx.Err() == nil {
		reply := call(t, p, "lambda", "GET", "/2015-03-31/functions/snap/configuration?Qualifier=1", nil, "", http.StatusOK)
		if strings.Contains(string(reply.Body), `"OptimizationStatus":"On"`) {
			break
		}
		pause(ctx)
	}
	ask := func() string {
		t.Helper()
		header := http.Header{"X-Amz-Log-Type": {"Tail"}}
		reply := call(t, p, "lambda", "POST", platform.InvokePath("snap")+"?Qualifier=1", header, "", http.StatusOK)
		identity, kind, _ := strings.Cut(strings.Trim(string(reply.Body), `"`), " ")
		if kind != "snap-start" {
			t.Errorf("served by %s", reply.Body)
		}
		return identity
	}
	before := ask()
	p.Kill()
	if err := p.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if after := ask(); after == before || after != ask() {
		t.Errorf("the initialisation before the restart was %s, after it %s", before, after)
	}
}
