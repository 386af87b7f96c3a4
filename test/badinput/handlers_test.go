package badinput

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// hostile is a handler and what AWS answers for it. ID stands for the request id.
// Source of the bodies: recorded AWS replies and the runtime interface emulator
// (see docs/lambda-errors in the Lambda developer guide, "Understanding function errors").
type hostile struct {
	name     string
	source   string
	handler  string
	timeout  int
	memoryMB int
	body     string // exact; empty means only that it is a function error
	success  bool   // the call succeeds with body
	then     string // body of a second, benign call {"benign": true}; empty = same function answers "fine"
}

const benign = `
    if event.get("benign"):
        return "fine"
`

func handler(lines ...string) string {
	return "import os, sys, time, ctypes, subprocess\ndef handler(event, context):" + benign + "    " + strings.Join(lines, "\n    ") + "\n"
}

var hostiles = []hostile{
	{name: "raises", source: handler(`raise ValueError("no")`),
		body: `{"errorMessage": "no", "errorType": "ValueError", "requestId": "ID", "stackTrace": ["  File \"/var/task/app.py\", line 5, in handler\n    raise ValueError(\"no\")\n"]}`},
	{name: "never-returns", source: handler("while True: time.sleep(1)"), timeout: 1,
		body: `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 1.00 seconds"}`},
	{name: "spins", source: handler("while True: pass"), timeout: 1,
		body: `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 1.00 seconds"}`},
	{name: "exits-zero", source: handler("sys.exit()"),
		body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited without providing a reason"}`},
	{name: "exits-seven", source: handler("os._exit(7)"),
		body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 7"}`},
	{name: "segfaults", source: handler("ctypes.string_at(0)"),
		body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: signal: segmentation fault"}`},
	{name: "eats-memory", source: handler("return len(b'x' * (1 << 30))"), memoryMB: 128,
		body: `{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: ID Error: Runtime exited with error: signal: killed"}`},
	{name: "returns-a-set", source: handler("return {1}"),
		body: `{"errorMessage": "Unable to marshal response: Object of type set is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "ID", "stackTrace": []}`},
	{name: "returns-too-much", source: handler("return 'x' * (6 * 1024 * 1024 + 99)"),
		body: `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`},
	{name: "returns-just-enough", source: handler("return 'x' * (6 * 1024 * 1024 + 98)"), success: true,
		body: `"` + strings.Repeat("x", 6*1024*1024+98) + `"`},
	{name: "no-module", source: handler("return 1"), handler: "nothing.handler",
		body: `{"errorMessage": "Unable to import module 'nothing': No module named 'nothing'", "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": []}`, then: "-"},
	{name: "no-attribute", source: handler("return 1"), handler: "app.nothing",
		body: `{"errorMessage": "Handler 'nothing' missing on module 'app'", "errorType": "Runtime.HandlerNotFound", "requestId": "", "stackTrace": []}`, then: "-"},
	{name: "exits-at-import", source: "import sys\nsys.exit(3)\n",
		body: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 3"}`, then: "-"},
	{name: "closes-our-sockets", source: handler("os.closerange(3, 4096)", "return 1")},
	{name: "forges-a-frame", source: handler(
		"frame = b'\\x13\\0\\0\\0' + (0).to_bytes(4, 'big') + (2).to_bytes(4, 'big') + b'42'",
		"for fd in range(3, 64):",
		"    try: os.write(fd, frame)",
		"    except OSError: pass",
		"return 1")},
	{name: "writes-garbage-to-our-sockets", source: handler(
		"for fd in range(3, 64):",
		"    try: os.write(fd, b'\\xff' * 65536)",
		"    except OSError: pass",
		"return 1")},
	{name: "forks-and-both-return", source: handler("pid = os.fork()", "return 'parent' if pid else 'child'"), success: true, body: `"parent"`},
	{name: "fork-bomb", source: handler(
		"made = 0",
		"try:",
		"    while True:",
		"        if os.fork() == 0: time.sleep(600); os._exit(0)",
		"        made += 1",
		"except OSError: pass",
		"return made <= 1024"), memoryMB: 2048, success: true, body: "true"},
	{name: "leaves-a-child", source: handler("subprocess.Popen(['sleep', '600'])", "return 'left'"), success: true, body: `"left"`},
	{name: "stops-itself", source: handler("os.kill(os.getpid(), 19)", "time.sleep(600)"), timeout: 1},
	{name: "recurses", source: handler("f = lambda f: f(f)", "f(f)")},
	{name: "raises-without-a-text", source: handler("class Odd(BaseException):", "    def __str__(self): raise RuntimeError", "raise Odd()")},
	{name: "raises-odd-exception", source: handler("class Odd(Exception):", "    def __str__(self): raise RuntimeError('worse')", "raise Odd()")},
	{name: "replaces-stdout", source: handler("sys.stdout = sys.stderr = None", "os.closerange(1, 3)", "return 'quiet'"), success: true, body: `"quiet"`},
}

func TestHostileHandlersAreAnsweredAsAWSAnswers(t *testing.T) {
	for _, h := range hostiles {
		t.Run(h.name, func(t *testing.T) {
			name := "hostile-" + h.name
			err := server.Deploy(t.Context(), platform.Function{Name: name, Files: map[string]string{"app.py": h.source},
				Handler: h.handler, Timeout: h.timeout, MemoryMB: h.memoryMB})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second call shows what the first left behind
				checkHostile(t, name, h)
			}
			alive(t)
			if h.then == "-" {
				return
			}
			got, err := server.Invoke(t.Context(), name, []byte(`{"benign": true}`))
			if err != nil || string(got) != `"fine"` {
				t.Errorf("the next, benign call got %.300s, %v", got, err)
			}
		})
	}
}

func checkHostile(t *testing.T, name string, h hostile) {
	t.Helper()
	reply, err := server.Call(t.Context(), "POST", platform.InvokePath(name), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if reply.Status != http.StatusOK {
		t.Fatalf("status %d: %.500s", reply.Status, reply.Body)
	}
	if got := reply.Header.Get("X-Amz-Function-Error"); (got == "Unhandled") == h.success {
		t.Errorf("X-Amz-Function-Error = %q, want success %v; body %.500s", got, h.success, reply.Body)
	}
	want := strings.ReplaceAll(h.body, "ID", reply.Header.Get("X-Amzn-Requestid"))
	if h.body != "" && string(reply.Body) != want {
		t.Errorf("body %.700s\nwant %.700s", reply.Body, want)
	}
	if !h.success && !json.Valid(reply.Body) {
		t.Errorf("the error body is not JSON: %.300s", reply.Body)
	}
}

// gigabyte is what the noisy handler prints.
const gigabyte = 1 << 30

// memoryGrowthKiB bounds what a gigabyte of log may cost the supervisor.
const memoryGrowthKiB = 192 << 10

func TestAGigabyteOfOutputDoesNotGrowTheServer(t *testing.T) {
	source := "import os\nline = b'x' * 1023 + b'\\n'\ndef handler(event, context):\n    block = line * 1024\n" +
		fmt.Sprintf("    for _ in range(%d):\n        os.write(1, block)\n    return 'done'\n", gigabyte>>20)
	if err := server.Deploy(t.Context(), platform.Function{Name: "noisy", Files: map[string]string{"app.py": source}, Timeout: 300}); err != nil {
		t.Fatal(err)
	}
	before := residentKiB(t)
	got, err := server.Invoke(t.Context(), "noisy", []byte("{}"))
	if err != nil || string(got) != `"done"` {
		t.Fatalf("got %.300s, %v", got, err)
	}
	if grown := residentKiB(t) - before; grown > memoryGrowthKiB {
		t.Errorf("a gigabyte of output grew the supervisor by %d KiB, want at most %d", grown, memoryGrowthKiB)
	}
	alive(t)
}

func residentKiB(t *testing.T) int {
	t.Helper()
	return residentOf(t, server)
}

func residentOf(t *testing.T, server *platform.Platform) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", server.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
