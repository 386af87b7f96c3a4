package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// customSpec is a function whose bootstrap is a Python program: the machine's
// interpreter is shown as /opt, so nothing of the Python runtime takes part.
func customSpec(t testing.TB, bootstrap string) (*Spec, *logs) {
	t.Helper()
	runtime, err := hostPython{}.Resolve(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	spec, collected := specOf(t, "")
	if bootstrap != "" {
		if err := os.WriteFile(filepath.Join(spec.TaskDir, "bootstrap"), []byte("#!/opt/"+runtime.Python+" -I\n"+bootstrap), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	spec.Runtime, spec.OptDir = "provided.al2023", runtime.Prefix
	spec.Environ = []string{"AWS_LAMBDA_RUNTIME_API=" + RuntimeAPIAddress, "LD_LIBRARY_PATH=/opt/lib", "PATH=/usr/bin:/bin", "HOME=/tmp"}
	return spec, collected
}

// customLoop is the smallest custom runtime; handle(event) is put in front.
const customLoop = `
import http.client, os, sys
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    api.request(method, "/2018-06-01/runtime/" + path, body, headers)
    reply = api.getresponse()
    return reply, reply.read()
def serve():
    while True:
        reply, event = call("GET", "invocation/next")
        handle(reply.headers["Lambda-Runtime-Aws-Request-Id"], event)
`

func TestACustomRuntimeAnswers(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := customSpec(t, customLoop+`
def handle(id, event):
    print("seen", event.decode(), sys.stdin.read(), flush=True)
    reply, text = call("POST", "invocation/%s/response" % id, b'{"uid": %d, "pid": %d, "cwd": "%s"}' % (os.getuid(), os.getpid(), os.getcwd().encode()))
    assert reply.status == 202 and text == b'{"status":"OK"}\n', (reply.status, text)
serve()
`)
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v; init %s %s; log %s", err, init.ErrorType, init.ErrorBody, collected.text())
	}
	defer e.Close()
	for range 2 {
		r, err := invoke(t, e, `{"n":1}`, 30*time.Second)
		if err != nil {
			t.Fatalf("%v; log %s", err, collected.text())
		}
		if got := string(r.Payload); !strings.HasPrefix(got, `{"uid": 70`) || !strings.HasSuffix(got, `"pid": 1, "cwd": "/var/task"}`) {
			t.Errorf("payload %s", got)
		}
	}
	if got := collected.text(); got != strings.Repeat("seen {\"n\":1} \n", 2) {
		t.Errorf("log %q", got)
	}
}

func TestACustomRuntimeThatFails(t *testing.T) {
	h := newHost(t, Config{})
	tests := []struct {
		name, bootstrap string
		wantInit        string // type and body
		wantErr         string // of Start or Invoke
		wantType        string // of the result
		limit           time.Duration
	}{
		{name: "no bootstrap", wantInit: `Runtime.InvalidEntrypoint {"errorMessage":"Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]","errorType":"Runtime.InvalidEntrypoint"}`},
		{name: "init error", bootstrap: customLoop + `
call("POST", "init/error", b'{"errorMessage":"no","errorType":"E"}', {"Lambda-Runtime-Function-Error-Type": "Function.Broken"})
import time; time.sleep(600)`, wantInit: `Function.Broken {"errorMessage":"no","errorType":"E"}`},
		{name: "exit at init", bootstrap: "raise SystemExit(7)", wantErr: "Runtime exited with error: exit status 7"},
		{name: "init timeout", bootstrap: "import time; time.sleep(600)", limit: time.Second, wantErr: ErrTimeout.Error()},
		{name: "exit", bootstrap: customLoop + "def handle(id, event): os._exit(3)\nserve()", wantErr: "Runtime exited with error: exit status 3"},
		{name: "exit zero", bootstrap: customLoop + "def handle(id, event): os._exit(0)\nserve()", wantErr: "Runtime exited without providing a reason"},
		{name: "timeout", bootstrap: customLoop + "def handle(id, event):\n    import time; time.sleep(600)\nserve()", limit: 3 * time.Second, wantErr: ErrTimeout.Error()},
		{name: "memory", bootstrap: customLoop + "def handle(id, event): b'x' * (1 << 30)\nserve()", wantErr: "Runtime exited with error: signal: killed"},
		{name: "error", bootstrap: customLoop + "def handle(id, event): call('POST', 'invocation/%s/error' % id, b'{}', {'Lambda-Runtime-Function-Error-Type': 'Function.Mine'})\nserve()", wantType: "Function.Mine"},
		{name: "too large", bootstrap: customLoop + "def handle(id, event):\n    assert call('POST', 'invocation/%s/response' % id, bytes(7 << 20))[0].status == 413\nserve()", wantType: ResponseTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			spec, collected := customSpec(t, test.bootstrap)
			limit := 30 * time.Second
			spec.InitTimeout = limit
			if test.limit != 0 {
				limit = test.limit
			}
			if test.name == "init timeout" {
				spec.InitTimeout = limit
			}
			e, init, err := h.Start(t.Context(), spec)
			if err == nil {
				defer e.Close()
				if got := strings.TrimSpace(init.ErrorType + " " + string(init.ErrorBody)); got != test.wantInit {
					t.Fatalf("init %s\nwant %s; log %s", got, test.wantInit, collected.text())
				}
				if test.wantInit != "" {
					return
				}
				var r *Result
				r, err = invoke(t, e, "{}", limit)
				if err == nil && r.ErrorType != test.wantType {
					t.Errorf("result %+v, want type %s", r, test.wantType)
				}
			}
			if (err == nil) != (test.wantErr == "") || (err != nil && !strings.Contains(err.Error(), test.wantErr)) {
				t.Errorf("error %v, want %s; log %s", err, test.wantErr, collected.text())
			}
		})
	}
}

func TestACancelledCallEndsACustomRuntime(t *testing.T) {
	h := newHost(t, Config{})
	spec, _ := customSpec(t, customLoop+"def handle(id, event):\n    print('begun', flush=True)\n    import time; time.sleep(600)\nserve()")
	ctx, cancel := context.WithCancel(t.Context())
	spec.Log = func(LogRecord) { cancel() }
	e, _, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Invoke(ctx, &Event{RequestID: "id"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-e.Done():
	case <-time.After(30 * time.Second):
		t.Error("the environment lives on")
	}
}

// interfaceClient is the folder with the official runtime interface client.
var interfaceClient = sync.OnceValues(func() (string, error) {
	cache, err := filepath.Abs("../../../.cache")
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "awslambdaric-4.0.1")
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(cache, "awslambdaric-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	out, err := exec.Command("python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", temporary, "awslambdaric==4.0.1").CombinedOutput()
	if err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	if err := os.Rename(temporary, folder); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return folder, nil
})

// TestTheOfficialClientRunsUnmodified runs the same handlers under awslambdaric,
// on our Runtime API, and under our own bootstrap: what the caller gets must be
// equal byte for byte.
func TestTheOfficialClientRunsUnmodified(t *testing.T) {
	client, err := interfaceClient()
	if err != nil {
		if os.Getenv("LAMBKIN_CHECK") == "1" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED: the official runtime interface client cannot be installed: %v", err)
	}
	h := newHost(t, Config{})
	tests := []struct{ name, source, event string }{
		{"echo", "def handler(event, context):\n    return [event, context.aws_request_id, context.invoked_function_arn, context.memory_limit_in_mb]\n", `{"u": "é", "n": 1.50}`},
		{"error", "def handler(event, context):\n    raise ValueError('broken')\n", `{}`},
		{"nested error", "def inner():\n    return {}['k']\ndef handler(event, context):\n    return inner()\n", `{}`},
		{"marshal error", "def handler(event, context):\n    return {1, 2}\n", `{}`},
		{"decimal and named tuple", "import collections, decimal\nP = collections.namedtuple('P', 'a b')\ndef handler(event, context):\n    return {'d': decimal.Decimal('1.10'), 'p': P(1, 2), 'nan': float('nan')}\n", `{}`},
		{"bytes", "def handler(event, context):\n    return b'raw'\n", `{}`},
		{"none", "def handler(event, context):\n    return None\n", `null`},
		{"bad event", "def handler(event, context):\n    return 1\n", `{"a"`},
		{"import error", "import nothing_of_that_name\n", `{}`},
		{"handler missing", "other = 1\n", `{}`},
		{"syntax error", "def handler(:\n", `{}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := outcome(t, h, officialSpec(t, client, test.source), test.event)
			spec, _ := specOf(t, test.source)
			spec.Environ = functionEnviron
			if got := outcome(t, h, spec, test.event); got != want {
				t.Errorf("our bootstrap:\n%s\nthe official client:\n%s", got, want)
			}
		})
	}
}

var functionEnviron = []string{"AWS_LAMBDA_FUNCTION_NAME=f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
	"AWS_EXECUTION_ENV=AWS_Lambda_python3.11", "LAMBDA_TASK_ROOT=/var/task", "LANG=C.UTF-8", "PATH=/usr/bin:/bin"}

func officialSpec(t *testing.T, client, source string) *Spec {
	t.Helper()
	spec, _ := customSpec(t, "")
	runtime, err := hostPython{}.Resolve(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	// As the client's own documentation has it.
	script := "#!/bin/sh\nexport PYTHONPATH=/var/task/client\nexec /opt/" + runtime.Python + " -m awslambdaric app.handler\n"
	if err := os.WriteFile(filepath.Join(spec.TaskDir, "bootstrap"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(spec.TaskDir, "client"), os.DirFS(client)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(spec.TaskDir, "app.py"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	spec.Environ = append(spec.Environ, functionEnviron...)
	return spec
}

// outcome is what a caller sees of one call.
func outcome(t *testing.T, h *Host, spec *Spec, event string) string {
	t.Helper()
	spec.InitTimeout = 30 * time.Second
	collected := &logs{}
	spec.Log = collected.add
	e, init, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatalf("%v; log %s", err, collected.text())
	}
	defer e.Close()
	if init.ErrorType != "" {
		return "init " + string(init.ErrorBody)
	}
	r, err := invoke(t, e, event, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("failed: %t; %s %s", r.ErrorType != "", r.ContentType, r.Payload)
}
