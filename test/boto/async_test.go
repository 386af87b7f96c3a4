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

// TestAcceptedEventsSurviveAKill accepts events while the function has no place to run in,
// kills the server, and lets the function run after the restart.
func TestAcceptedEventsSurviveAKill(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := platform.Start(ctx, binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	source := "import time\ndef handler(event, context):\n    if event == 'hold':\n        print('holds')\n        time.sleep(900)\n" +
		"    print('ran', context.aws_request_id, len(event))\n"
	if err := p.Deploy(ctx, platform.Function{Name: "later", Files: map[string]string{"app.py": source}, Timeout: 900}); err != nil {
		t.Fatal(err)
	}
	const concurrency = "/2017-10-31/functions/later/concurrency"
	call(t, p, "lambda", "PUT", concurrency, nil, `{"ReservedConcurrentExecutions": 1}`, http.StatusOK)
	go p.Call(ctx, "POST", platform.InvokePath("later"), []byte(`"hold"`)) // ends with the server
	if !logged(ctx, t, p, map[string]bool{"holds": true}) {
		t.Fatal("the only place of the function is not taken")
	}
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
	if !logged(ctx, t, p, want) {
		t.Errorf("%d of the accepted events did not run", len(want))
	}
}

// logged waits until the log of the function has all the words; it removes what
// was found from want.
func logged(ctx context.Context, t *testing.T, p *platform.Platform, want map[string]bool) bool {
	t.Helper()
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"Logs_20140328.FilterLogEvents"}}
	for ctx.Err() == nil {
		reply, err := p.CallService(ctx, "logs", "POST", "/", header, []byte(`{"logGroupName": "/aws/lambda/later", "filterPattern": "?ran ?holds"}`))
		if err != nil {
			t.Fatal(err)
		}
		for words := range want {
			if strings.Contains(string(reply.Body), words) {
				delete(want, words)
			}
		}
		if len(want) == 0 {
			return true
		}
		pause(ctx)
	}
	return false
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
