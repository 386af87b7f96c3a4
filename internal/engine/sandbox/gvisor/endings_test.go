package gvisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// customSpec is a function with a runtime of its own: the Python of the machine's
// runtimes is shown as /opt, so nothing of ours takes part inside.
func customSpec(t testing.TB, h *Host, bootstrap string) (*sandbox.Spec, *logs) {
	t.Helper()
	runtime, err := h.runtimes.Resolve(t.Context(), "python3.14")
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
	spec.Environ = []string{"AWS_LAMBDA_RUNTIME_API=" + sandbox.RuntimeAPIAddress, "LD_LIBRARY_PATH=/opt/lib", "PATH=/usr/bin:/bin", "HOME=/tmp"}
	return spec, collected
}

// customLoop is the smallest custom runtime; handle(id, event) is put behind it.
const customLoop = `
import http.client, os, signal, sys, time
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
	spec, collected := customSpec(t, h, customLoop+`
def handle(id, event):
    print("seen", event.decode(), sys.stdin.read(), flush=True)
    reply, text = call("POST", "invocation/%s/response" % id, b'{"uid": %d, "pid": %d, "cwd": "%s"}' % (os.getuid(), os.getpid(), os.getcwd().encode()))
    assert reply.status == 202 and text == b'{"status":"OK"}\n', (reply.status, text)
serve()
`)
	e := started(t, h, spec, collected)
	for range 2 {
		r, err := invoke(t, e, `{"n":1}`, patience)
		if err != nil {
			t.Fatalf("%v; log %s", err, collected.text())
		}
		if got, want := string(r.Payload), `{"uid": 1051, "pid": 1, "cwd": "/var/task"}`; got != want {
			t.Errorf("payload %s, want %s", got, want)
		}
	}
	if got := collected.text(); got != strings.Repeat("seen {\"n\":1} \n", 2) {
		t.Errorf("log %q", got)
	}
}

// TestEveryIrregularEndDestroysTheEnvironment: what the caller is told, and that
// nothing is left that could answer again.
func TestEveryIrregularEndDestroysTheEnvironment(t *testing.T) {
	h := newHost(t, Config{})
	tests := []struct {
		name, bootstrap string
		wantInit        string // type and body
		wantErr         string // of Start or Invoke
		wantType        string // of the result, after which the environment lives on
		limit           time.Duration
		mode            os.FileMode
	}{
		{name: "no bootstrap", wantInit: `Runtime.InvalidEntrypoint {"errorMessage":"Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]","errorType":"Runtime.InvalidEntrypoint"}`},
		{name: "not executable", bootstrap: "pass", mode: 0o644, wantInit: `Runtime.InvalidEntrypoint {"errorMessage":"fork/exec /var/task/bootstrap: permission denied","errorType":"Runtime.InvalidEntrypoint"}`},
		{name: "init error", bootstrap: customLoop + `
call("POST", "init/error", b'{"errorMessage":"no","errorType":"E"}', {"Lambda-Runtime-Function-Error-Type": "Function.Broken"})
time.sleep(600)`, wantInit: `Function.Broken {"errorMessage":"no","errorType":"E"}`},
		{name: "exit at init", bootstrap: "raise SystemExit(7)", wantErr: "Runtime exited with error: exit status 7"},
		{name: "exit as runsc does", bootstrap: "raise SystemExit(128)", wantErr: "Runtime exited with error: exit status 128"},
		{name: "init timeout", bootstrap: "import time; time.sleep(600)", limit: time.Second, wantErr: sandbox.ErrTimeout.Error()},
		{name: "exit", bootstrap: customLoop + "def handle(id, event): os._exit(3)\nserve()", wantErr: "Runtime exited with error: exit status 3"},
		{name: "exit zero", bootstrap: customLoop + "def handle(id, event): os._exit(0)\nserve()", wantErr: "Runtime exited without providing a reason"},
		{name: "crash", bootstrap: customLoop + "def handle(id, event): os.kill(os.getpid(), signal.SIGSEGV)\nserve()", wantErr: "Runtime exited with error: signal: segmentation fault"},
		{name: "timeout", bootstrap: customLoop + "def handle(id, event): time.sleep(600)\nserve()", limit: 3 * time.Second, wantErr: sandbox.ErrTimeout.Error()},
		{name: "memory", bootstrap: customLoop + "def handle(id, event): b'x' * (1 << 30)\nserve()", wantErr: "Runtime exited with error: signal: killed"},
		{name: "error", bootstrap: customLoop + "def handle(id, event): call('POST', 'invocation/%s/error' % id, b'{}', {'Lambda-Runtime-Function-Error-Type': 'Function.Mine'})\nserve()", wantType: "Function.Mine"},
		{name: "too large", bootstrap: customLoop + "def handle(id, event):\n    assert call('POST', 'invocation/%s/response' % id, bytes(7 << 20))[0].status == 413\nserve()", wantType: sandbox.ResponseTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec, collected := customSpec(t, h, test.bootstrap)
			if test.mode != 0 {
				if err := os.Chmod(filepath.Join(spec.TaskDir, "bootstrap"), test.mode); err != nil {
					t.Fatal(err)
				}
			}
			limit := cmp.Or(test.limit, patience)
			if test.name == "init timeout" {
				spec.InitTimeout = limit
			}
			e, begun, err := h.Start(t.Context(), spec)
			if err == nil {
				defer e.Close()
				if got := strings.TrimSpace(begun.ErrorType + " " + string(begun.ErrorBody)); got != test.wantInit {
					t.Fatalf("init %s\nwant %s; log %s", got, test.wantInit, collected.text())
				}
				if test.wantInit != "" {
					return
				}
				var r *sandbox.Result
				r, err = invoke(t, e, "{}", limit)
				if err == nil && r.ErrorType != test.wantType {
					t.Errorf("result %+v, want type %s", r, test.wantType)
				}
			}
			if (err == nil) != (test.wantErr == "") || (err != nil && !strings.Contains(err.Error(), test.wantErr)) {
				t.Errorf("error %v, want %s; log %s", err, test.wantErr, collected.text())
			}
			if e != nil && err != nil {
				gone(t, e.(*env))
				if r, again := invoke(t, e, "{}", patience); again == nil {
					t.Errorf("it answers again: %+v", r)
				}
			}
			if exit := (*sandbox.ExitError)(nil); errors.As(err, &exit) && exit.OutOfMemory != (test.name == "memory") {
				t.Errorf("out of memory: %t", exit.OutOfMemory)
			}
		})
	}
}

// gone checks that no process of an environment is left.
func gone(t *testing.T, e *env) {
	t.Helper()
	select {
	case <-e.done:
	default:
		t.Error("the environment lives on")
	}
	if pids, err := e.group.Processes(); err != nil || len(pids) > 0 {
		t.Errorf("%v: processes %v are left", err, pids)
	}
}

func TestACancelledCallEndsTheEnvironment(t *testing.T) {
	h := newHost(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	spec, _ := customSpec(t, h, customLoop+"def handle(id, event):\n    print('begun', flush=True)\n    time.sleep(600)\nserve()")
	spec.Log = func(sandbox.LogRecord) { cancel() }
	e, _, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Invoke(ctx, &sandbox.Event{RequestID: "id"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	gone(t, e.(*env))
}

// TestAStreamComesPieceByPiece: the second piece is made only after the first one
// was taken.
func TestAStreamComesPieceByPiece(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := specOf(t, `
def handler(event, context):
    yield "one"
    open("/tmp/went on", "w").close()
    yield "two"
`)
	e := started(t, h, spec, collected)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	deadline, _ := ctx.Deadline()
	var streamed []string
	result, err := e.Invoke(ctx, &sandbox.Event{RequestID: "id", Deadline: deadline, Payload: []byte("{}"), Stream: func(chunk []byte) { streamed = append(streamed, string(chunk)) }})
	if err != nil || result.ErrorType != "" || strings.Join(streamed, "") != "onetwo" {
		t.Errorf("%v %+v %q; log %s", err, result, streamed, collected.text())
	}
}

func TestWhatTheTierLacksIsRefused(t *testing.T) {
	h := newHost(t, Config{})
	spec, _ := specOf(t, "def handler(event, context): pass\n")
	debugged := *spec
	debugged.Debug = &sandbox.Debug{}
	extended := *spec
	extended.Extensions, extended.OptDir = true, t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(extended.OptDir, "extensions"), 0o755), os.WriteFile(filepath.Join(extended.OptDir, "extensions", "watcher"), nil, 0o755)); err != nil {
		t.Fatal(err)
	}
	for want, refused := range map[string]*sandbox.Spec{"a debugger": &debugged, "an external extension": &extended} {
		e, init, err := h.Start(t.Context(), refused)
		if err != nil {
			t.Fatal(err)
		}
		if init.ErrorType != notSupported || !strings.Contains(string(init.ErrorBody), want+" ") || !strings.Contains(string(init.ErrorBody), "--isolation=gvisor") {
			t.Errorf("%s: init %s %s", want, init.ErrorType, init.ErrorBody)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAWrapperStartsTheRuntime: AWS_LAMBDA_EXEC_WRAPPER works in this tier.
func TestAWrapperStartsTheRuntime(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := specOf(t, "import os\ndef handler(event, context): return os.environ['WRAPPED']\n")
	if err := os.WriteFile(filepath.Join(spec.TaskDir, "wrapper"), []byte("#!/bin/sh\nWRAPPED=yes exec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	spec.Environ = append(spec.Environ, wrapperVariable+"=/var/task/wrapper")
	e := started(t, h, spec, collected)
	if result, err := invoke(t, e, "{}", patience); err != nil || string(result.Payload) != `"yes"` {
		t.Errorf("%v %+v; log %s", err, result, collected.text())
	}
}

// TestNothingIsLeft ends environments in many ways and looks for what they held.
func TestNothingIsLeft(t *testing.T) {
	h := newHost(t, Config{})
	sources := []string{
		"def handler(event, context): return 1",
		"import os\ndef handler(event, context): os._exit(1)",
		"import os\nos._exit(2)",
		"def handler(event, context): b'x' * (1 << 30)",
		"import os, time\ndef handler(event, context):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0: time.sleep(600)\n        os._exit(0)\n    return 1",
		"import subprocess, threading, time\ndef handler(event, context):\n    threading.Thread(target=time.sleep, args=(600,), daemon=True).start(); subprocess.Popen(['sleep', '600'])\n    return 1",
	}
	run := func() {
		for _, source := range sources {
			spec, _ := specOf(t, source)
			e, _, err := h.Start(t.Context(), spec)
			if err != nil {
				continue
			}
			invoke(t, e, "{}", patience)
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	run()
	before := holdings(t, h)
	run()
	if after := holdings(t, h); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

// holdings counts what environments take of the host.
func holdings(t *testing.T, h *Host) string {
	t.Helper()
	count := func(pattern string) int {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	children := 0
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range statuses {
		status, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", os.Getpid())) {
			children++
		}
	}
	return fmt.Sprintf("%d descriptors, %d mounts, %d cgroups, %d children, %d free users, %d environments", count("/proc/self/fd/*"), strings.Count(string(mounts), "\n"),
		count("/sys/fs/cgroup/*/lambkin-"+fmt.Sprint(os.Getpid())+"-*/env-*")+count("/sys/fs/cgroup/lambkin-"+fmt.Sprint(os.Getpid())+"-*/env-*"), children, len(h.uids), len(h.envs))
}
