package invoke

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/test/realhost"
)

func TestMain(m *testing.M) {
	sandbox.Child()
	os.Exit(m.Run())
}

// onHost is an Invoker over real environments of the embedded Python.
func onHost(t testing.TB) (*Invoker, *recorder) {
	t.Helper()
	host, logger := realhost.New(t, sandbox.Config{})
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
func realVersion(t testing.TB, source string) *function.Version {
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

// realBench calls functions on the host.
type realBench struct {
	*Invoker
	log *recorder
}

func (b *realBench) call(t *testing.T, v *function.Version) *Response {
	t.Helper()
	request := requestOf(v)
	request.LogTail = true
	r, err := b.Invoke(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// matches compares a log with patterns, one or more lines each.
func matches(t *testing.T, text []byte, patterns ...string) {
	t.Helper()
	if !regexp.MustCompile("^(?s)" + strings.Join(patterns, "\n") + "\n$").Match(text) {
		t.Errorf("log:\n%s", text)
	}
}

// Patterns of the platform's lines.
const (
	initPattern   = "INIT_START Runtime Version: python:3.14.lambkin.v1\tRuntime Version ARN: arn:[^\n]*"
	startPattern  = "START RequestId: " + requestID + " Version: \\$LATEST"
	endPattern    = "END RequestId: " + requestID
	reportPattern = "REPORT RequestId: " + requestID + "\tDuration: [0-9.]+ ms\tBilled Duration: [0-9]+ ms\tMemory Size: 256 MB\tMax Memory Used: [1-9][0-9]* MB"
)

func TestOnTheHost(t *testing.T) {
	i, log := onHost(t)
	b := &realBench{i, log}
	t.Run("a call and its context", b.callAndContext)
	t.Run("an import that fails", b.importFails)
	t.Run("a timeout", b.timeout)
	t.Run("endings", b.endings)
	t.Run("calls at once", b.callsAtOnce)
}

func (b *realBench) callAndContext(t *testing.T) {
	v := realVersion(t, `import os
def handler(event, context):
    print("hello")
    return {"context": [context.aws_request_id, context.function_name, context.memory_limit_in_mb, context.log_stream_name, context.invoked_function_arn],
        "trace": os.environ["_X_AMZN_TRACE_ID"]}
`)
	r := b.call(t, v)
	matches(t, r.LogTail, initPattern, startPattern, "hello", endPattern, reportPattern+"\tInit Duration: [0-9.]+ ms\t")
	var got struct {
		Context []string `json:"context"`
		Trace   string   `json:"trace"`
	}
	if err := json.Unmarshal(r.Payload, &got); err != nil {
		t.Fatalf("%v: %s", err, r.Payload)
	}
	diff(t, "context", got.Context, []string{requestID, v.Name, "256", b.log.order[0].Stream, v.ARN()})
	if got.Trace != r.TraceID {
		t.Errorf("trace %q inside, %q outside", got.Trace, r.TraceID)
	}
	matches(t, b.call(t, v).LogTail, startPattern, "hello", endPattern, reportPattern+"\t")
}

func (b *realBench) importFails(t *testing.T) {
	r := b.call(t, realVersion(t, "print('importing')\nimport nothing_of_that_name\n"))
	if r.FunctionError != "Unhandled" || !strings.Contains(string(r.Payload), `"errorType": "Runtime.ImportModuleError", "requestId": ""`) {
		t.Errorf("payload %s", r.Payload)
	}
	const attempt = "importing\n.*\\[ERROR\\] Runtime.ImportModuleError: Unable to import module 'app'.*"
	const failed = "Status: error\tError Type: Runtime.ImportModuleError"
	matches(t, r.LogTail, initPattern, attempt+"\nINIT_REPORT Init Duration: [0-9.]+ ms\tPhase: init\t"+failed,
		attempt+"\nINIT_REPORT Init Duration: [0-9.]+ ms\tPhase: invoke\t"+failed, startPattern, endPattern, reportPattern+"\t"+failed)
}

func (b *realBench) timeout(t *testing.T) {
	v := realVersion(t, "import time\ndef handler(event, context):\n    print('sleepy')\n    time.sleep(60)\n")
	v.Timeout = 2 * time.Second
	r := b.call(t, v)
	diff(t, "payload", string(r.Payload), `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: `+requestID+` Error: Task timed out after 2.00 seconds"}`)
	matches(t, r.LogTail, initPattern, startPattern, "sleepy", endPattern, "REPORT RequestId: "+requestID+
		"\tDuration: 2000.00 ms\tBilled Duration: [0-9]+ ms\tMemory Size: 256 MB\tMax Memory Used: [1-9][0-9]* MB\tInit Duration: [0-9.]+ ms\tStatus: timeout")
}

func (b *realBench) endings(t *testing.T) {
	for _, test := range []struct{ name, source, kind, message string }{
		{"exit", "import sys\ndef handler(event, context):\n    sys.exit(3)\n", "Runtime.ExitError", "Runtime exited with error: exit status 3"},
		{"exit at import", "import os\nos._exit(0)\n", "Runtime.ExitError", "Runtime exited without providing a reason"},
		{"too much memory", "def handler(event, context):\n    return len(b'x' * (1 << 30))\n", "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := b.call(t, realVersion(t, test.source))
			diff(t, "payload", string(r.Payload), `{"errorType":"`+test.kind+`","errorMessage":"RequestId: `+requestID+` Error: `+test.message+`"}`)
		})
	}
}

func (b *realBench) callsAtOnce(t *testing.T) {
	v := realVersion(t, "def handler(event, context):\n    return event\n")
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			for range 10 {
				if r, err := b.Invoke(t.Context(), requestOf(v)); err != nil || r.FunctionError != "" || string(r.Payload) != `{"n": 1}` {
					t.Errorf("got %+v, %v", r, err)
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkWarmCallOnHost is a warm call without the API in front.
func BenchmarkWarmCallOnHost(b *testing.B) {
	i, _ := onHost(b)
	i.config.AccountConcurrency = benchConcurrency
	i.config.Logs = discardLog{}
	i.config.Reported = func(telemetry.Report) {}
	v := realVersion(b, "def handler(event, context):\n    return event\n")
	v.MemoryMB = limit.MBPerVCPU // less has less than a core, and is held to it
	request := requestOf(v)
	if _, err := i.Invoke(b.Context(), request); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Invoke(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
}
