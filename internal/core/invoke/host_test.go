package invoke

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

func TestMain(m *testing.M) {
	sandbox.Child()
	os.Exit(m.Run())
}

// onHost is an Invoker over real environments of the embedded Python.
func onHost(t *testing.T) (*Invoker, *recorder) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: environments need root; run the tests as root")
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	runtimes, err := pyboot.New(pyboot.Config{Folder: t.TempDir(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	host, err := sandbox.New(sandbox.Config{}, runtimes, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Errorf("close the host: %v", err)
		}
	})
	log := &recorder{streams: map[telemetry.LogStream][]telemetry.LogEvent{}}
	i, err := New(Config{Starter: host, Logger: logger, Logs: log, Reported: log.reported,
		Credentials: func(_, _, _ string) Credentials { return Credentials{"ASIAEXAMPLE", "secret", "token"} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := i.Close(ctx); err != nil {
			t.Errorf("close the invoker: %v", err)
		}
	})
	return i, log
}

// realVersion is a function of one source file.
func realVersion(t *testing.T, source string) *function.Version {
	t.Helper()
	v := versionOf("real-" + ids.Hex(4))
	v.Runtime, v.Timeout, v.MemoryMB = "python3.14", 20*time.Second, 256
	v.TaskDir = t.TempDir()
	if err := os.Chmod(v.TaskDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.TaskDir, "app.py"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOnTheHost(t *testing.T) {
	i, log := onHost(t)
	call := func(t *testing.T, v *function.Version) *Response {
		t.Helper()
		request := requestOf(v)
		request.LogTail = true
		r, err := i.Invoke(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	matches := func(t *testing.T, text string, patterns ...string) {
		t.Helper()
		if !regexp.MustCompile("^(?s)" + strings.Join(patterns, "\n") + "\n$").MatchString(text) {
			t.Errorf("log:\n%s", text)
		}
	}
	start, end := regexp.QuoteMeta(startLine), regexp.QuoteMeta(endLine)
	report := "REPORT RequestId: " + requestID + "\tDuration: [0-9.]+ ms\tBilled Duration: [0-9]+ ms\tMemory Size: 256 MB\tMax Memory Used: [1-9][0-9]* MB"

	t.Run("a call and its context", func(t *testing.T) {
		v := realVersion(t, `import os
def handler(event, context):
    print("hello")
    return {"event": event, "context": [context.aws_request_id, context.function_name, context.memory_limit_in_mb, context.log_stream_name, context.invoked_function_arn],
        "environ": sorted(os.environ), "trace": os.environ["_X_AMZN_TRACE_ID"]}
`)
		r := call(t, v)
		matches(t, string(r.LogTail), "INIT_START Runtime Version: python:3.14.lambkin.v1\tRuntime Version ARN: arn:[^\n]*", start, "hello", end, report+"\tInit Duration: [0-9.]+ ms\t")
		var got struct {
			Context []string `json:"context"`
			Trace   string   `json:"trace"`
		}
		if err := json.Unmarshal(r.Payload, &got); err != nil {
			t.Fatalf("%v: %s", err, r.Payload)
		}
		diff(t, "context", got.Context, []string{requestID, v.Name, "256", log.order[0].Stream, v.ARN()})
		if got.Trace != r.TraceID {
			t.Errorf("trace %q inside, %q outside", got.Trace, r.TraceID)
		}
		matches(t, string(call(t, v).LogTail), start, "hello", end, report+"\t")
	})
	t.Run("an import that fails", func(t *testing.T) {
		r := call(t, realVersion(t, "print('importing')\nimport nothing_of_that_name\n"))
		if r.FunctionError != "Unhandled" || !strings.Contains(string(r.Payload), `"errorType": "Runtime.ImportModuleError", "requestId": ""`) {
			t.Errorf("payload %s", r.Payload)
		}
		attempt := "importing\n.*\\[ERROR\\] Runtime.ImportModuleError: Unable to import module 'app'.*"
		matches(t, string(r.LogTail), "INIT_START [^\n]*", attempt+"\nINIT_REPORT Init Duration: [0-9.]+ ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError",
			attempt+"\nINIT_REPORT Init Duration: [0-9.]+ ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ImportModuleError", start, end, report+"\tStatus: error\tError Type: Runtime.ImportModuleError")
	})
	t.Run("a timeout", func(t *testing.T) {
		v := realVersion(t, "import time\ndef handler(event, context):\n    print('sleepy')\n    time.sleep(60)\n")
		v.Timeout = time.Second
		r := call(t, v)
		diff(t, "payload", string(r.Payload), `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: `+requestID+` Error: Task timed out after 1.00 seconds"}`)
		matches(t, string(r.LogTail), "INIT_START [^\n]*", start, "sleepy", end,
			"REPORT RequestId: "+requestID+"\tDuration: 1000.00 ms\tBilled Duration: 1[0-9]{3} ms\tMemory Size: 256 MB\tMax Memory Used: [1-9][0-9]* MB\tInit Duration: [0-9.]+ ms\tStatus: timeout")
	})
	t.Run("an exit", func(t *testing.T) {
		r := call(t, realVersion(t, "import sys\ndef handler(event, context):\n    sys.exit(3)\n"))
		diff(t, "payload", string(r.Payload), `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: `+requestID+` Error: Runtime exited with error: exit status 3"}`)
	})
	t.Run("an exit at import", func(t *testing.T) {
		r := call(t, realVersion(t, "import os\nos._exit(0)\n"))
		diff(t, "payload", string(r.Payload), `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: `+requestID+` Error: Runtime exited without providing a reason"}`)
	})
	t.Run("too much memory", func(t *testing.T) {
		r := call(t, realVersion(t, "def handler(event, context):\n    return len(b'x' * (1 << 30))\n"))
		diff(t, "payload", string(r.Payload), `{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: `+requestID+` Error: Runtime exited with error: signal: killed"}`)
	})
	t.Run("calls at once", func(t *testing.T) {
		v := realVersion(t, "import os\ndef handler(event, context):\n    return [event, os.getpid()]\n")
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				for range 10 {
					if r, err := i.Invoke(t.Context(), requestOf(v)); err != nil || r.FunctionError != "" {
						t.Errorf("got %+v, %v", r, err)
					}
				}
			})
		}
		group.Wait()
	})
}
