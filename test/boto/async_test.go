package boto

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// patience bounds the wait for what must happen after a restart.
const patience = 2 * time.Minute

// TestAcceptedEventsSurviveAKill accepts events while the function may not run,
// kills the server, and lets the function run after the restart.
func TestAcceptedEventsSurviveAKill(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := platform.Start(ctx, binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	source := "def handler(event, context):\n    print('ran', context.aws_request_id, len(event))\n"
	if err := p.Deploy(ctx, platform.Function{Name: "later", Files: map[string]string{"app.py": source}}); err != nil {
		t.Fatal(err)
	}
	const concurrency = "/2017-10-31/functions/later/concurrency"
	call(t, p, "lambda", "PUT", concurrency, nil, `{"ReservedConcurrentExecutions": 0}`, http.StatusOK)
	want := map[string]bool{}
	for range 20 {
		reply := call(t, p, "lambda", "POST", platform.InvokePath("later"), http.Header{"X-Amz-Invocation-Type": {"Event"}},
			`"`+strings.Repeat("x", 600_000)+`"`, http.StatusAccepted)
		want[fmt.Sprintf("ran %s 600000", reply.Header.Get("X-Amzn-Requestid"))] = true
	}
	p.Kill()
	if err := p.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	call(t, p, "lambda", "DELETE", concurrency, nil, "", http.StatusNoContent)
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"Logs_20140328.FilterLogEvents"}}
	for ctx.Err() == nil {
		reply, err := p.CallService(ctx, "logs", "POST", "/", header, []byte(`{"logGroupName": "/aws/lambda/later", "filterPattern": "ran"}`))
		if err != nil {
			t.Fatal(err)
		}
		for line := range want {
			if strings.Contains(string(reply.Body), line) {
				delete(want, line)
			}
		}
		if len(want) == 0 {
			return
		}
		pause(ctx)
	}
	t.Errorf("%d of the accepted events did not run", len(want))
}

// pause spares the processor between two looks at a server.
func pause(ctx context.Context) {
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func call(t *testing.T, p *platform.Platform, service, method, path string, header http.Header, body string, status int) *platform.Reply {
	t.Helper()
	reply, err := p.CallService(t.Context(), service, method, path, header, []byte(body))
	if err != nil || reply.Status != status {
		t.Fatalf("%s %s: %+v, %v", method, path, reply, err)
	}
	return reply
}
