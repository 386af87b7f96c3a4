package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/extension"
)

// extensionClient is the smallest extension; what it does with its events is
// put after it. Each line of its output is one write, so that lines of several
// processes do not mix.
const extensionClient = `
import http.client, json, os, sys, threading, time
name = os.path.basename(sys.argv[0])
def call(method, path, body=None, **headers):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
    reply = api.getresponse()
    return reply, reply.read().decode()
def say(*words):
    os.write(1, (name + ": " + " ".join(map(str, words)) + "\n").encode())
def register(*events):
    global identifier
    reply, text = call("POST", "/2020-01-01/extension/register", json.dumps({"events": events}), Lambda_Extension_Name=name)
    assert reply.status == 200, (reply.status, text)
    identifier = reply.headers["Lambda-Extension-Identifier"]
    return text
def next_event():
    reply, text = call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=identifier)
    assert reply.status == 200, (reply.status, text)
    return json.loads(text)
def subscribe(port, *types):
    reply, text = call("PUT", "/2022-07-01/telemetry", json.dumps({"schemaVersion": "2022-12-13", "types": types, "buffering": {"timeoutMs": 25, "maxItems": 1000},
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:%d" % port}}), Lambda_Extension_Identifier=identifier)
    assert reply.status == 200, (reply.status, text)
`

// extended is a Python function with extensions: their names and what they do.
func extended(t testing.TB, source string, extensions map[string]string) (*Spec, *logs) {
	t.Helper()
	runtime, err := hostPython{}.Resolve(t.Context(), "python3.11")
	if err != nil {
		t.Fatal(err)
	}
	spec, collected := specOf(t, source)
	spec.OptDir = t.TempDir()
	if err := os.Mkdir(filepath.Join(spec.OptDir, "extensions"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, program := range extensions {
		if !strings.HasPrefix(program, "#!") {
			program = "#!/var/lang/" + runtime.Python + " -I\n" + extensionClient + program
		}
		if err := os.WriteFile(filepath.Join(spec.OptDir, "extensions", name), []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(spec.OptDir, 0o755); err != nil {
		t.Fatal(err)
	}
	spec.InitTimeout, spec.Extensions = 60*time.Second, true
	spec.Environ = append(append([]string{}, functionEnviron...), "AWS_LAMBDA_RUNTIME_API="+RuntimeAPIAddress, "_HANDLER=app.handler", "LD_LIBRARY_PATH=/var/lang/lib",
		"PYTHONPATH=/var/runtime", "MINE=1")
	return spec, collected
}

const everyEvent = `
say("registered", register("INVOKE", "SHUTDOWN"))
while True:
    event = next_event()
    say(event["eventType"], event.get("requestId"), event.get("invokedFunctionArn"), event.get("shutdownReason"))
    if event["eventType"] == "SHUTDOWN":
        say("left", 0 < event["deadlineMs"] - time.time() * 1000 <= 2000)
        sys.exit(0)
`

func TestAnExtensionLivesBesideItsFunction(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := extended(t, `
import os, signal, sys
def leave(number, frame):
    print("runtime: SIGTERM")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("runtime: init", __name__)
def handler(event, context):
    print("runtime: called")
    return {"n": event["n"] + 1, "id": context.aws_request_id, "version": context.function_version, "mine": os.environ["MINE"], "task": os.environ["LAMBDA_TASK_ROOT"]}
`, map[string]string{"outer": `
say("started", os.getcwd(), os.getuid() >= 700000, os.environ["MINE"], sorted(set(os.environ) & {"LAMBDA_TASK_ROOT", "_HANDLER", "AWS_EXECUTION_ENV"}))
` + everyEvent})
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v; init %s %s; log %s", err, init.ErrorType, init.ErrorBody, collected.text())
	}
	defer e.Close()
	if want := []extension.Info{{Name: "outer", State: extension.Ready, Events: []string{"INVOKE", "SHUTDOWN"}}}; !reflect.DeepEqual(init.Extensions, want) {
		t.Errorf("told %+v", init.Extensions)
	}
	for range 2 {
		r, err := invoke(t, e, `{"n":1}`, 60*time.Second)
		if err != nil || r.Failed != nil {
			t.Fatalf("%v %+v; log %s", err, r, collected.text())
		}
		if got := string(r.Payload); got != `{"n": 2, "id": "id-1", "version": "$LATEST", "mine": "1", "task": "/var/task"}` {
			t.Errorf("payload %s", got)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	ofOuter, ofRuntime := split(collected.text(), "outer: "), split(collected.text(), "runtime: ")
	if want := []string{"started / True 1 []", `registered {"functionName":"f","functionVersion":"$LATEST","handler":"app.handler"}`, "", "INVOKE id-1 arn:f None", "INVOKE id-1 arn:f None", "SHUTDOWN None None spindown", "left True"}; !reflect.DeepEqual(ofOuter, want) {
		t.Errorf("the extension: %q", ofOuter)
	}
	if want := []string{"init app", "called", "called", "SIGTERM"}; !reflect.DeepEqual(ofRuntime, want) {
		t.Errorf("the runtime: %q", ofRuntime)
	}
	if strings.Index(collected.text(), "registered") > strings.Index(collected.text(), "runtime: init") {
		t.Errorf("the runtime was started before the extension had registered:\n%s", collected.text())
	}
}

// split takes the lines that begin with a prefix, without it. The body of a
// registration ends with a line of its own.
func split(text, prefix string) (lines []string) {
	mine := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		rest, begins := strings.CutPrefix(line, prefix)
		if begins || (mine && line == "") {
			lines = append(lines, rest)
		}
		mine = begins
	}
	return lines
}

func TestAnExtensionBesideACustomRuntime(t *testing.T) {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skipf("SKIPPED: a custom runtime here needs the machine's own Python in /usr: %v", err)
	}
	h := newHost(t, Config{})
	spec, collected := extended(t, "", map[string]string{"outer": "#!/usr/bin/python3 -I\n" + extensionClient + everyEvent})
	bootstrap := "#!/usr/bin/python3 -I\n" + customLoop + `
def handle(id, event):
    call("POST", "invocation/%s/response" % id, event + b"!")
serve()
`
	if err := os.WriteFile(filepath.Join(spec.TaskDir, "bootstrap"), []byte(bootstrap), 0o755); err != nil {
		t.Fatal(err)
	}
	spec.Runtime = "provided.al2023"
	e, _, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatalf("%v; log %s", err, collected.text())
	}
	defer e.Close()
	if r, err := invoke(t, e, `{"n":1}`, 60*time.Second); err != nil || string(r.Payload) != `{"n":1}!` {
		t.Fatalf("%v %+v; log %s", err, r, collected.text())
	}
	if err := e.Close(); err != nil || !strings.Contains(collected.text(), "SHUTDOWN None None spindown") {
		t.Errorf("%v; log %s", err, collected.text())
	}
}

// TestExtensionsThatFail: types and texts are AWS's, see words.go of core/invoke
// for how they show.
func TestExtensionsThatFail(t *testing.T) {
	h := newHost(t, Config{})
	const fine = "def handler(event, context): return 1\n"
	many := map[string]string{}
	for i := range extension.Most + 1 {
		many[fmt.Sprintf("e%02d", i)] = "register()\nnext_event()"
	}
	tests := []struct {
		name       string
		source     string
		extensions map[string]string
		limit      time.Duration
		want       string // type and message
		state      extension.State
	}{
		{name: "exit at init", extensions: map[string]string{"x": "sys.exit(3)"}, want: "Extension.Crash exit status 3", state: extension.Started},
		{name: "exit zero at init", extensions: map[string]string{"x": "register('SHUTDOWN')"}, want: "Extension.Crash exit code 0", state: extension.Registered},
		{name: "signal", extensions: map[string]string{"x": "os.kill(os.getpid(), 9)"}, want: "Extension.Crash signal: killed", state: extension.Started},
		{name: "init error", extensions: map[string]string{"x": `
register("INVOKE")
assert call("POST", "/2020-01-01/extension/init/error", "{}", Lambda_Extension_Identifier=identifier, Lambda_Extension_Function_Error_Type="Extension.Mine")[0].status == 202
sys.exit(0)`}, want: "Extension.InitError exit code 0", state: extension.InitError},
		{name: "not executable", extensions: map[string]string{"x": "#!/nothing"}, want: "Extension.LaunchError fork/exec /opt/extensions/x: no such file or directory", state: extension.LaunchError},
		{name: "too many", extensions: many, want: "Extension.LaunchError ErrTooManyExtensions"},
		{name: "never registers", extensions: map[string]string{"x": "time.sleep(600)"}, limit: 2 * time.Second, want: ErrTimeout.Error(), state: extension.Started},
		{name: "never asks", extensions: map[string]string{"x": "register()\ntime.sleep(600)"}, limit: 5 * time.Second, want: ErrTimeout.Error(), state: extension.Registered},
		{name: "garbage", extensions: map[string]string{"x": `
import socket
for junk in (b"\0" * 100000, b"GET / HTTP/9.9\r\n\r\n", b"POST /2020-01-01/extension/register HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n{", b"\xff" * 10):
    s = socket.create_connection(("169.254.100.1", 9001)); s.sendall(junk)
time.sleep(600)`}, limit: 2 * time.Second, want: ErrTimeout.Error(), state: extension.Started},
		{name: "the runtime exits at init", source: "import os\nos._exit(4)\n", extensions: map[string]string{"x": everyEvent}, want: "Runtime exited with error: exit status 4"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // most of it waits
			source := test.source
			if source == "" {
				source = fine
			}
			spec, collected := extended(t, source, test.extensions)
			if test.limit != 0 {
				spec.InitTimeout = test.limit
			}
			e, init, err := h.Start(t.Context(), spec)
			if e == nil || err == nil {
				t.Fatalf("environment %v, error %v; log %s", e, err, collected.text())
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			got := err.Error()
			var fault *ExtensionError
			if errors.As(err, &fault) {
				got = fault.Type + " " + fault.Message
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s; log %s", got, test.want, collected.text())
			}
			if test.state != "" && (len(init.Extensions) != 1 || init.Extensions[0].State != test.state) {
				t.Errorf("told %+v, want %s", init.Extensions, test.state)
			}
			if init.Duration == 0 {
				t.Error("no duration: it would be taken for an error of the host")
			}
		})
	}
}

func TestWhatAnExtensionThatFailsDoesToACall(t *testing.T) {
	h := newHost(t, Config{})
	const fine = "def handler(event, context): return 1\n"
	tests := []struct {
		name, source, extension string
		limit                   time.Duration
		want                    string // error of Invoke
		failed                  string // Result.Failed
		reason                  string
	}{
		{name: "crash in the call", source: "import time\ndef handler(event, context): time.sleep(600)\n", extension: "register('INVOKE')\nnext_event()\nsys.exit(5)", want: "exit status 5"},
		{name: "crash after the answer", source: fine, extension: "register('INVOKE')\nnext_event()\ntime.sleep(2)\nsys.exit(5)", failed: "exit status 5"},
		{name: "exit error", source: "import time\ndef handler(event, context): time.sleep(600)\n", extension: `
register("INVOKE")
next_event()
assert call("POST", "/2020-01-01/extension/exit/error", "{}", Lambda_Extension_Identifier=identifier, Lambda_Extension_Function_Error_Type="Extension.Mine")[0].status == 202
sys.exit(1)`, want: "exit status 1"},
		{name: "over time after the answer", source: fine, extension: strings.Replace(everyEvent, "    if event", "    if event['eventType'] == 'INVOKE': time.sleep(60)\n    if event", 1), limit: 6 * time.Second, failed: ErrTimeout.Error()},
		{name: "function over time", source: "import time\ndef handler(event, context): time.sleep(600)\n", extension: everyEvent, limit: 4 * time.Second, want: ErrTimeout.Error(), reason: "timeout"},
		{name: "runtime exits", source: "import os\ndef handler(event, context): os._exit(9)\n", extension: everyEvent, want: "Runtime exited with error: exit status 9", reason: "failure"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // most of it waits
			spec, collected := extended(t, test.source, map[string]string{"x": test.extension})
			e, _, err := h.Start(t.Context(), spec)
			if err != nil {
				t.Fatalf("%v; log %s", err, collected.text())
			}
			defer e.Close()
			limit := test.limit
			if limit == 0 {
				limit = 60 * time.Second
			}
			r, err := invoke(t, e, "{}", limit)
			failed := ""
			if err == nil && r.Failed != nil {
				failed = r.Failed.Error()
			}
			if (err == nil) != (test.want == "") || (err != nil && err.Error() != test.want) || failed != test.failed {
				t.Errorf("error %v, then %q; want %q, then %q; log %s", err, failed, test.want, test.failed, collected.text())
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			if test.reason != "" && !strings.Contains(collected.text(), "SHUTDOWN None None "+test.reason) {
				t.Errorf("not told %s; log %s", test.reason, collected.text())
			}
		})
	}
}

func TestTheWrapperOfARuntime(t *testing.T) {
	h := newHost(t, Config{})
	const source = "import os, sys\ndef handler(event, context): return [os.environ.get('ADDED'), os.environ['_HANDLER'], sys.argv, sys.flags.dev_mode]\n"
	runtime, err := hostPython{}.Resolve(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, script string
		mode         os.FileMode
		want         string
	}{
		{"arguments and environment", "#!/bin/sh\necho wrapped \"$@\"\nexport ADDED=yes\nprogram=$1; shift\nexec \"$program\" -X dev \"$@\"\n", 0o755, `["yes", "app.handler", ["/var/runtime/bootstrap.py"], true]`},
		{"another handler", "#!/bin/sh\nexport _HANDLER=other.handler\nexec \"$@\"\n", 0o755, `"other"`},
		{"missing", "", 0, "Runtime exited with error: exit status 127"},
		{"not executable", "#!/bin/sh\n", 0o644, "Runtime exited with error: exit status 126"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec, collected := extended(t, source, nil)
			if err := os.WriteFile(filepath.Join(spec.TaskDir, "other.py"), []byte("def handler(event, context): return 'other'\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if test.script != "" {
				if err := os.WriteFile(filepath.Join(spec.OptDir, "wrapper"), []byte(test.script), test.mode); err != nil {
					t.Fatal(err)
				}
			}
			spec.Environ = append(spec.Environ, "AWS_LAMBDA_EXEC_WRAPPER=/opt/wrapper")
			got := ""
			e, init, err := h.Start(t.Context(), spec)
			if err != nil {
				got = err.Error()
			} else {
				defer e.Close()
				r, err := invoke(t, e, "{}", 60*time.Second)
				if err != nil {
					t.Fatalf("%v; init %+v; log %s", err, init, collected.text())
				}
				got = string(r.Payload)
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s; log %s", got, test.want, collected.text())
			}
			wantLog := map[string]string{"missing": "/opt/wrapper: does not exist\n", "not executable": "/opt/wrapper: is not an executable\n",
				"arguments and environment": "wrapped /var/lang/" + runtime.Python + " /var/runtime/bootstrap.py\n"}[test.name]
			if !strings.Contains(collected.text(), wantLog) {
				t.Errorf("log %s, want %s", collected.text(), wantLog)
			}
		})
	}
}

func TestAnInternalExtension(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := extended(t, extensionClient+`
import signal
name = "inner"
def leave(number, frame):
    print("SIGTERM", flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
def watch():
    register("INVOKE")
    ready.set()
    while True:
        say(next_event()["requestId"])
ready = threading.Event()
threading.Thread(target=watch, daemon=True).start()
ready.wait()
def handler(event, context): return 1
`, nil)
	if err := os.WriteFile(filepath.Join(spec.OptDir, "wrapper"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	spec.Environ = append(spec.Environ, "AWS_LAMBDA_EXEC_WRAPPER=/opt/wrapper")
	// A busy machine may not run the handler of the signal within the time that a
	// shutdown has, so there is more than one.
	for left := 5; ; left-- {
		before := len(collected.text())
		e, init, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatalf("%v; log %s", err, collected.text())
		}
		defer e.Close()
		if want := []extension.Info{{Name: "inner", State: extension.Ready, Events: []string{"INVOKE"}}}; !reflect.DeepEqual(init.Extensions, want) {
			t.Errorf("told %+v", init.Extensions)
		}
		if r, err := invoke(t, e, "{}", 60*time.Second); err != nil || string(r.Payload) != "1" {
			t.Fatalf("%v; log %s", err, collected.text())
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		got := collected.text()[before:]
		if got == "inner: id-1\nSIGTERM\n" {
			return
		}
		if got != "inner: id-1\n" || left == 0 {
			t.Fatalf("log %q", got)
		}
	}
}

func TestTelemetryReachesAnExtension(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := extended(t, "print('from the init')\ndef handler(event, context):\n    print('from the call')\n    return 1\n", map[string]string{"outer": `
import http.server
class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            events.append(event)
            if event["type"] == "platform.runtimeDone": done.set()
        self.send_response(200)
        self.end_headers()
    def log_message(self, *ignored): pass
events, done = [], threading.Event()
server = http.server.ThreadingHTTPServer(("sandbox.localdomain", 8080), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
register("INVOKE", "SHUTDOWN")
subscribe(8080, "platform", "function")
while True:
    if next_event()["eventType"] == "SHUTDOWN":
        say(json.dumps([[event["type"], event["record"]] for event in events]))
        sys.exit(0)
    done.wait()
`})
	spec.InitStarted = func() []byte {
		return []byte(`{"time":"t","type":"platform.initStart","record":"first"}`)
	}
	e, init, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatalf("%v; log %s", err, collected.text())
	}
	defer e.Close()
	if len(init.Subscriptions) != 1 || init.Subscriptions[0].Name != "outer" || init.Subscriptions[0].State != "Subscribed" {
		t.Errorf("told %+v", init.Subscriptions)
	}
	audience := e.(Audience)
	if !audience.Listening() {
		t.Error("nobody listens")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	deadline, _ := ctx.Deadline()
	told := 0
	r, err := e.Invoke(ctx, &Event{RequestID: "id-1", Deadline: deadline, Payload: []byte("{}"), RuntimeDone: func(r *Result) {
		told++
		audience.Tell("platform.runtimeDone", []byte(`{"time":"t","type":"platform.runtimeDone","record":"`+string(r.Payload)+`"}`))
	}})
	if err != nil || r.Failed != nil || told != 1 {
		t.Fatalf("%v %+v, told %d times; log %s", err, r, told, collected.text())
	}
	audience.Tell("platform.report", []byte(`{"time":"t","type":"platform.report","record":"last"}`))
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	var got []any
	ofOuter := split(collected.text(), "outer: ")
	if len(ofOuter) != 1 || json.Unmarshal([]byte(ofOuter[0]), &got) != nil {
		t.Fatalf("log %s", collected.text())
	}
	// The function's output goes its own way, so the subscription stands before or behind what its init says.
	subscription := []any{"platform.telemetrySubscription", map[string]any{"name": "outer", "state": "Subscribed", "types": []any{"platform", "function"}}}
	subscribed := slices.IndexFunc(got, func(event any) bool { return reflect.DeepEqual(event, subscription) })
	if subscribed < 1 {
		t.Fatalf("got %v", got)
	}
	want := []any{[]any{"platform.initStart", "first"}, []any{"function", "from the init\n"}, []any{"function", "from the call\n"}, []any{"platform.runtimeDone", "1"}, []any{"platform.report", "last"}}
	if got := slices.Delete(got, subscribed, subscribed+1); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestTheKeeperIsNoWayOut: the first process of an environment with extensions is
// our own program, so it must have no more rights than the function, in none of
// its threads, and give nothing of itself away.
func TestTheKeeperIsNoWayOut(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := extended(t, `
import os, signal
def tried(attempt):
    try:
        return attempt()
    except OSError as error:
        return error.strerror
def handler(event, context):
    signals = [tried(lambda number=number: os.kill(1, number)) for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)]
    return [signals, tried(lambda: os.listdir("/proc/1")), tried(lambda: open("/proc/1/mem", "r+b") and "open"), os.getppid()]
`, map[string]string{"outer": everyEvent})
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v; init %s; log %s", err, init.ErrorBody, collected.text())
	}
	defer e.Close()
	r, err := invoke(t, e, "{}", 60*time.Second)
	if err != nil || r.Failed != nil {
		t.Fatalf("%v %+v; log %s", err, r, collected.text())
	}
	// Hidden by hidepid, since it is not dumpable; parent of the runtime.
	if got, want := string(r.Payload), `[[null, null, null, null, null, null], "No such file or directory", "No such file or directory", 1]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	inner := e.(*env)
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", inner.pid))
	if err != nil || len(tasks) < 2 {
		t.Fatalf("threads %v: %v", tasks, err)
	}
	own := strings.Repeat(fmt.Sprintf("\t%d", inner.uid), 4)
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"Uid:" + own, "Gid:" + own, "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(string(status), "\n"+line+"\n") {
				t.Errorf("%s has no line %q:\n%s", task, line, status)
			}
		}
	}
	if _, err := invoke(t, e, "{}", 60*time.Second); err != nil {
		t.Errorf("the signals reached the keeper: %v", err)
	}
}

// hostile are extensions that do harm, most of all when they are to end.
var hostile = map[string]string{
	"ends well": everyEvent,
	"hangs in the shutdown": `
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
register("INVOKE", "SHUTDOWN")
while next_event()["eventType"] != "SHUTDOWN": pass
time.sleep(600)`,
	"forks": `
for number in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: time.sleep(600)
        os._exit(0)
register("INVOKE")
while True: next_event()`,
	"asks no more": "register('INVOKE', 'SHUTDOWN')\nnext_event()\ntime.sleep(600)",
	"stops itself": "import signal\nregister('INVOKE', 'SHUTDOWN')\nthreading.Timer(0.2, os.kill, (os.getpid(), signal.SIGSTOP)).start()\nnext_event()\ntime.sleep(600)",
	"floods telemetry": `
import socket
silent = socket.create_server(("127.0.0.1", 8080))
register("INVOKE", "SHUTDOWN")
subscribe(8080, "platform", "function", "extension")
while next_event()["eventType"] != "SHUTDOWN":
    for number in range(20_000): os.write(1, b"x" * 200 + b"\n")
sys.exit(0)`,
	"answers without end": `
import socket
def answer():
    while True:
        conn, _ = server.accept()
        try:
            conn.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000)
            while True: conn.sendall(b"x" * 100_000)
        except OSError: pass
server = socket.create_server(("127.0.0.1", 8080))
threading.Thread(target=answer, daemon=True).start()
register("INVOKE", "SHUTDOWN")
subscribe(8080, "platform", "function", "extension")
while next_event()["eventType"] != "SHUTDOWN": say("on")
sys.exit(0)`,
	"holds connections": `
import socket
held = [socket.create_connection(("169.254.100.1", 9001)) for _ in range(60)]
register("INVOKE", "SHUTDOWN")
while next_event()["eventType"] != "SHUTDOWN": pass
time.sleep(600)`,
	"crashes": "register('INVOKE')\nnext_event()\nos._exit(1)",
}

// TestNothingIsLeftOfHostileExtensions: Close returns in time and everything is
// gone, whatever the extensions do.
func TestNothingIsLeftOfHostileExtensions(t *testing.T) {
	h := newHost(t, Config{Parked: -1})
	go discard(h) // ends with the host
	const fine = "import os\ndef handler(event, context):\n    os.write(1, b'line\\n' * 1000)\n    return 1\n"
	round := func(t *testing.T, program string) {
		spec, collected := extended(t, fine, map[string]string{"x": program})
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatalf("%v; log %.2000s", err, collected.text())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		deadline, _ := ctx.Deadline()
		e.Invoke(ctx, &Event{RequestID: "id", Deadline: deadline, Payload: []byte("{}")})
		begin := time.Now()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 30*time.Second { // AWS allows 2 s; the rest is for a slow machine
			t.Errorf("took %v to close", took)
		}
	}
	fillPool(t, h, len(hostile)+1)
	round(t, everyEvent)
	before := holdings(t, h)
	t.Run("hostile", func(t *testing.T) {
		for name, program := range hostile {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // most of it waits
				round(t, program)
			})
		}
	})
	compare(t, "after the extensions", before, holdings(t, h))
}

// TestAnExecutedRuntimeStreams: what a handler yields arrives as from a forked
// one, in pieces for who takes a stream and whole for who does not.
func TestAnExecutedRuntimeStreams(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := extended(t, `
def pieces(last):
    yield "one "
    yield b"two "
    if last is None: raise ValueError("broken")
    yield last * 1
def handler(event, context):
    return pieces("x" * event if event else None)
`, map[string]string{"outer": everyEvent})
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v; init %s; log %s", err, init.ErrorBody, collected.text())
	}
	defer e.Close()
	tests := []struct {
		name, event string
		stream      bool
		want, kind  string // of the pieces or the payload
	}{
		{"streamed", "3", true, "one two xxx", ""},
		{"whole", "3", false, "one two xxx", ""},
		{"streamed and broken", "0", true, "one two ", "Runtime.Unknown"},
		{"whole and broken", "0", false, "", "Runtime.Unknown"},
		{"too large for an answer", "7000000", false, "", ResponseTooLarge},
		{"and again", "1", true, "one two x", ""},
	}
	for i, test := range tests {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		deadline, _ := ctx.Deadline()
		event := &Event{RequestID: fmt.Sprint("id-", i), Deadline: deadline, Payload: []byte(test.event)}
		var got []byte
		if test.stream {
			event.Stream = func(chunk []byte) { got = append(got, chunk...) }
		}
		r, err := e.Invoke(ctx, event)
		cancel()
		if err != nil || r.Failed != nil {
			t.Fatalf("%s: %v %+v; log %.3000s", test.name, err, r, collected.text())
		}
		if !test.stream && r.ErrorType == "" {
			got = r.Payload
		}
		if string(got) != test.want || r.ErrorType != test.kind {
			t.Errorf("%s: %.100q, %s; want %q, %s", test.name, got, r.ErrorType, test.want, test.kind)
		}
		if test.kind == "Runtime.Unknown" && !strings.Contains(string(r.Payload), `"errorMessage": "broken", "errorType": "ValueError"`) {
			t.Errorf("%s: error body %s", test.name, r.Payload)
		}
	}
}
