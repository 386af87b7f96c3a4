package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func snapshotOf(t testing.TB, h *Host, source string) (*Template, *Spec, *logs) {
	t.Helper()
	spec, collected := specOf(t, source)
	template, init, err := h.Snapshot(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v %s; log %s", err, init.ErrorBody, collected.text())
	}
	t.Cleanup(func() {
		if err := template.Close(); err != nil {
			t.Error(err)
		}
	})
	return template, spec, collected
}

// Clone makes an environment at once.
func (t *Template) Clone(spec *Spec) (Environment, Init, error) {
	clone, err := t.Fork()
	if err != nil {
		return nil, Init{}, err
	}
	return clone.Bind(spec)
}

func cloneOf(t testing.TB, template *Template, spec *Spec) Environment {
	t.Helper()
	e, init, err := template.Clone(spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v %s", err, init.ErrorBody)
	}
	return e
}

func TestACloneIsTheInitialisedFunctionInASandboxOfItsOwn(t *testing.T) {
	h := newHost(t, Config{})
	template, spec, collected := snapshotOf(t, h, `
import os, socket
open("/tmp/made", "w").write("at init")
os.makedirs("/tmp/a/b")
os.symlink("../made", "/tmp/a/link")
os.mkfifo("/tmp/pipe")
n = 1
def handler(event, context):
    global n
    n += 1
    print("seen", n)
    open("/tmp/%d" % os.getuid(), "w").close()
    listener = socket.create_server(("127.0.0.1", 8000))
    return [n, os.getpid(), sorted(os.listdir("/tmp")), open("/tmp/a/link").read(), os.environ["WHO"], [p for p in os.listdir("/proc") if p.isdigit()],
            os.stat("/tmp/made").st_uid == os.getuid(), os.statvfs("/tmp").f_blocks * 4096 >> 20]
`)
	if h.cgroups.Freezer() != "" {
		waitFrozen(t, h, template.env) // as it is when nobody asks for a clone
	}
	for range 3 {
		own := *spec
		own.Environ = []string{"WHO=me"}
		e := cloneOf(t, template, &own)
		defer e.Close() // they live side by side
		r, err := invoke(t, e, "{}", 30*time.Second)
		if err != nil {
			t.Fatalf("%v; log %s", err, collected.text())
		}
		want := fmt.Sprintf(`[2, 1, ["%d", "a", "made"], "at init", "me", ["1"], true, 512]`, e.(*env).uid)
		if string(r.Payload) != want || r.ErrorType != "" {
			t.Errorf("got %s, want %s", r.Payload, want)
		}
	}
	if got := collected.text(); got != "seen 2\nseen 2\nseen 2\n" {
		t.Errorf("log %q", got)
	}
}

// AWS: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks.html
// and the order in its runtime interface client: last registered first before a
// snapshot, in order of registration after it.
func TestHooksRunInOrder(t *testing.T) {
	const hooks = `
import sys, types
hooks = types.ModuleType("snapshot_restore_py")
before, after = [], []
hooks.get_before_snapshot, hooks.get_after_restore = lambda: before, lambda: after
sys.modules["snapshot_restore_py"] = hooks
seen = []
for name in "ab":
    before.append((seen.append, ("before " + name,), {}))
    after.append((seen.append, ("after " + name,), {}))
def handler(event, context):
    return seen
`
	h := newHost(t, Config{})
	template, spec, _ := snapshotOf(t, h, hooks)
	for range 2 {
		e := cloneOf(t, template, spec)
		defer e.Close()
		r, err := invoke(t, e, "{}", 30*time.Second)
		if want := `["before b", "before a", "after a", "after b"]`; err != nil || string(r.Payload) != want {
			t.Errorf("got %+v, %v, want %s", r, err, want)
		}
	}
	t.Run("before fails", func(t *testing.T) {
		spec, _ := specOf(t, hooks+"before.append((lambda: 1 / 0, (), {}))\n")
		template, init, err := h.Snapshot(t.Context(), spec)
		if template != nil || err != nil || init.ErrorType != "Runtime.BeforeSnapshotError" || !strings.Contains(string(init.ErrorBody), "division by zero") {
			t.Errorf("%v, %v, %s %s", template, err, init.ErrorType, init.ErrorBody)
		}
	})
	t.Run("after fails", func(t *testing.T) {
		template, spec, _ := snapshotOf(t, h, hooks+"after.append((lambda: 1 / 0, (), {}))\n")
		e, init, err := template.Clone(spec)
		if err != nil || init.ErrorType != "Runtime.AfterRestoreError" || !strings.Contains(string(init.ErrorBody), "division by zero") {
			t.Fatalf("%v, %s %s", err, init.ErrorType, init.ErrorBody)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("after takes too long", func(t *testing.T) {
		template, spec, _ := snapshotOf(t, h, hooks+"import time\nafter.append((time.sleep, (600,), {}))\n")
		own := *spec
		own.InitTimeout = time.Second
		if _, _, err := template.Clone(&own); !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v", err)
		}
	})
}

// A function with SnapStart that cannot be cloned has hooks all the same.
func TestAnOrdinaryEnvironmentOfSnapStartRunsTheHooks(t *testing.T) {
	h := newHost(t, Config{})
	for kind, want := range map[string]string{"snap-start": `["before", "after"]`, "on-demand": `[]`} {
		spec, _ := specOf(t, `
import sys, types
hooks = types.ModuleType("snapshot_restore_py")
seen = []
hooks.get_before_snapshot, hooks.get_after_restore = lambda: before, lambda: after
before, after = [(seen.append, ("before",), {})], [(seen.append, ("after",), {})]
sys.modules["snapshot_restore_py"] = hooks
def handler(event, context):
    return seen
`)
		spec.Environ = append(spec.Environ, "AWS_LAMBDA_INITIALIZATION_TYPE="+kind)
		e, init, err := h.Start(t.Context(), spec)
		if err != nil || init.ErrorType != "" {
			t.Fatalf("%v %s", err, init.ErrorBody)
		}
		defer e.Close()
		if r, err := invoke(t, e, "{}", 30*time.Second); err != nil || string(r.Payload) != want {
			t.Errorf("%s: got %+v, %v, want %s", kind, r, err, want)
		}
	}
}

// OpenBLAS, which numpy brings, starts threads when it is loaded and ends them
// before a fork; the stand-in does the same.
func TestThreadsThatEndBeforeAForkAreNoObstacle(t *testing.T) {
	h := newHost(t, Config{})
	template, spec, _ := snapshotOf(t, h, `
import ctypes, threading
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
@ctypes.CFUNCTYPE(None)
def prepare():
    stop.set()
    thread.join()
ctypes.CDLL(None).__register_atfork(prepare, None, None, None)
def handler(event, context):
    return threading.active_count()
`)
	e := cloneOf(t, template, spec)
	defer e.Close()
	if r, err := invoke(t, e, "{}", 30*time.Second); err != nil || string(r.Payload) != "1" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestAnInitialisationEndsWithItsContext(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := specOf(t, "import time\nprint('begun', flush=True)\ntime.sleep(600)\ndef handler(event, context): pass\n")
	spec.InitTimeout = 10 * time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	begun := spec.Log
	spec.Log = func(r LogRecord) { begun(r); cancel() }
	if template, _, err := h.Snapshot(ctx, spec); template != nil || err == nil {
		t.Errorf("got %v, %v; log %s", template, err, collected.text())
	}
}

func TestWhatCannotBeClonedIsToldApart(t *testing.T) {
	h := newHost(t, Config{})
	for what, source := range map[string]string{
		"1 threads":       "import threading\nstop = threading.Event()\nthreading.Thread(target=stop.wait).start()\n",
		"child processes": "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n",
		"1 open sockets":  "import socket\ns = socket.socket()\n",
		"eventpoll":       "import select\ne = select.epoll()\n",
	} {
		spec, _ := specOf(t, source+"def handler(event, context): pass\n")
		if template, _, err := h.Snapshot(t.Context(), spec); template != nil || !errors.Is(err, ErrNoSnapshot) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got %v, %v", what, template, err)
		}
	}
}

func TestTheEndOfACloneIsToldAndTakesNothingAlong(t *testing.T) {
	h := newHost(t, Config{})
	template, spec, _ := snapshotOf(t, h, "import os, ctypes, sys\ndef handler(event, context):\n    return eval(event['do'])\n")
	for do, want := range map[string]string{
		"sys.exit(3)": "exit status 3", "os._exit(0)": "without providing a reason", "ctypes.string_at(0)": "segmentation fault", "len(b'x' * (1 << 30))": "signal: killed",
	} {
		e := cloneOf(t, template, spec)
		_, err := invoke(t, e, fmt.Sprintf(`{"do": %q}`, do), 30*time.Second)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", do, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	e := cloneOf(t, template, spec)
	defer e.Close()
	if r, err := invoke(t, e, `{"do": "'alive'"}`, 30*time.Second); err != nil || string(r.Payload) != `"alive"` {
		t.Errorf("%+v, %v", r, err)
	}
	if err := template.Close(); err != nil {
		t.Error(err)
	}
	<-e.Done() // a clone does not outlive its template
	if _, _, err := template.Clone(spec); err == nil {
		t.Error("a template that has ended made a clone")
	}
}

// What must be random is so in each clone, also where the template has already
// drawn from it. AWS: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
func TestNoTwoClonesDrawTheSame(t *testing.T) {
	clones := 50
	if *long {
		clones = 1000
	}
	h := newHost(t, Config{})
	template, spec, _ := snapshotOf(t, h, `
import os, random, secrets, ssl, tempfile, uuid
def draw():
    client, server = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(server, client, server_hostname="localhost")
    try: tls.do_handshake()
    except ssl.SSLWantReadError: pass
    hello = client.read()
    return {"uuid4": str(uuid.uuid4()), "random": random.random(), "randbytes": random.getrandbits(128), "secrets": secrets.token_hex(), "urandom": os.urandom(16).hex(),
            "openssl": ssl.RAND_bytes(16).hex(), "client random": hello[11:43].hex(), "session": hello[44:76].hex(), "tempfile": tempfile.mktemp()}
draw()
def handler(event, context):
    return draw()
`)
	seen := map[string]bool{}
	for range clones {
		e := cloneOf(t, template, spec)
		r, err := invoke(t, e, "{}", 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var drawn map[string]any
		if err := json.Unmarshal(r.Payload, &drawn); err != nil || len(drawn) != 9 {
			t.Fatalf("%v, %s", err, r.Payload)
		}
		for what, value := range drawn {
			key := fmt.Sprint(what, " ", value)
			if seen[key] {
				t.Errorf("two clones drew the same %s", key)
			}
			seen[key] = true
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

var limited = regexp.MustCompile("more|endless")

// TestEscapeFromAClone runs every attempt in a clone: there it must fail as in
// any environment. TestEscape shows that each can succeed.
func TestEscapeFromAClone(t *testing.T) {
	h := newHost(t, Config{})
	victim := newVictim(t)
	var templates sync.Map
	defer templates.Range(func(template, _ any) bool { return template.(*Template).Close() == nil })
	start := func(ctx context.Context, spec *Spec) (Environment, Init, error) {
		template, init, err := h.Snapshot(ctx, spec)
		if err != nil || init.ErrorType != "" {
			return nil, init, err
		}
		templates.Store(template, nil)
		return template.Clone(spec)
	}
	t.Run("attempts", func(t *testing.T) {
		for _, a := range attempts {
			t.Run(strings.ReplaceAll(a.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				if !*long && limited.MatchString(a.name) {
					t.Skip("LEFT TO -long: it takes seconds, and a clone's cgroup and /tmp are made as any other's")
				}
				if a.victim != "" {
					defer startVictim(t, h, a.victim).Close()
				}
				if escapedFrom(t, start, a, victim.facts+escapeProlog+"    "+a.body+"\n", victim.folder) {
					t.Error("ESCAPED from a clone")
				}
			})
		}
	})
}

// A template runs the function's code under a filter with an exception, and may
// use it: what that gives must be worth nothing.
func TestATemplateGainsNothingByCloningItself(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := specOf(t, `
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
CLONE = 0x7E020000 - 0x02000000 + 17 | 0x01200000
def say(text): os.write(1, text.encode() + b"\n") # two processes write
def refused(what, call):
    try: result = call()
    except OSError: return
    if result is None or result >= 0: say("GAINED " + what)
for flags in (0x10000000, 0x40000000, 0x20000000 | 17, CLONE & ~0x40000000, CLONE | 0x02000000, CLONE | 0x8000):
    refused("clone %#x" % flags, lambda: libc.syscall(56, flags, 0, 0, 0, 0))
pid = libc.syscall(56, CLONE, 0, 0, 0, 0)
if pid == 0:
    say("root of nothing %d" % ("CapEff:\t0000000000000000" not in open("/proc/thread-self/status").read()))
    refused("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close())
    refused("netfilter", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12).close())
    refused("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())
    refused("packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close())
    refused("iptables", lambda: socket.socket().setsockopt(0, 64, bytes(100)))
    refused("mount", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
    refused("unshare", lambda: libc.unshare(0x20000))
    refused("setns", lambda: libc.setns(os.open("/proc", os.O_RDONLY), 0))
    refused("fsopen", lambda: libc.syscall(430, b"tmpfs", 0))
    refused("bpf", lambda: libc.syscall(321, 0, 0, 0))
    refused("chroot", lambda: os.chroot("/tmp"))
    refused("write the package", lambda: os.open("/var/task/app.py", os.O_WRONLY))
    refused("write the runtime", lambda: os.open("/var/runtime/bootstrap.py", os.O_WRONLY))
    refused("mknod", lambda: os.mknod("/tmp/null", 0o20666, 0x103))
    refused("hostname", lambda: socket.sethostname("x"))
    os._exit(0)
say("cloned %s" % (pid > 0))
os.waitpid(pid, 0)
def handler(event, context): pass
`)
	template, init, err := h.Snapshot(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v %s", err, init.ErrorBody)
	}
	defer template.Close()
	cloneOf(t, template, spec).Close()
	if got := collected.text(); strings.Contains(got, "GAINED") || !strings.Contains(got, "cloned True") || !strings.Contains(got, "root of nothing 1") {
		t.Errorf("log:\n%s", got)
	}
}

// A template that lies in the place of its clone is not believed.
func TestALyingTemplateMakesNoEnvironment(t *testing.T) {
	h := newHost(t, Config{})
	for name, lie := range map[string]string{
		"no clone":                "return 7",
		"the template speaks":     "import struct; os.write(fds[0], struct.pack('>B3xII', 16, 0, 0)); return 7",
		"an ordinary child":       "return os.fork()",
		"a child of a child":      "import time; pid = os.fork()\n    if pid: return pid\n    return real() or time.sleep(600)",
		"it keeps its rights":     "snapshot_confine[0] = lambda uid: None; return real()",
		"it keeps root":           "snapshot_confine[0] = lambda uid: os.setresgid(uid, uid, uid); return real()",
		"another kind of message": "os.write(fds[0], b'x' * 12); return real()",
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			template, spec, _ := snapshotOf(t, h, `
import os
from awslambdaric import snapshot, lambda_runtime_client as client
real, serve, wait = snapshot._clone, snapshot.serve_clones, client.LambdaRuntimeClient.wait_clone
fds, snapshot_confine = [], [None]
def serving(c, confine):
    snapshot_confine[0] = confine
    return serve(c, lambda uid: snapshot_confine[0](uid))
def waiting(self):
    fds[:] = wait(self)
    return list(fds)
def lying():
    `+lie+`
snapshot.serve_clones, snapshot._clone, client.LambdaRuntimeClient.wait_clone = serving, lying, waiting
def handler(event, context): return "here"
`)
			if e, init, err := template.Clone(spec); err == nil {
				t.Errorf("got an environment: %+v, %s", init, init.ErrorBody)
				e.Close()
			} else {
				t.Log(err)
			}
		})
	}
}
