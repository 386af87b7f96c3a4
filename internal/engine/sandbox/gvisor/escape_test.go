package gvisor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/test/neighbour"
)

// attempts are tries to leave the sandbox; each body returns a true value if it
// did. They are those of the first tier that matter most, and those that are about
// gVisor.
var attempts = []struct {
	name, body string
	memoryMB   int // 0: that of specOf
}{
	{name: "see the host's kernel", body: `return os.uname().release == host["kernel"]`},
	{name: "read a private file of the supervisor", body: `return open(host["folder"] + "/private").read()`},
	{name: "write a file of the host", body: `open(host["folder"] + "/public", "a").write("x"); return True`},
	{name: "write the package", body: `open(os.environ["LAMBDA_TASK_ROOT"] + "/app.py", "a").write("# changed"); return True`},
	{name: "write /usr", body: `open("/usr/bin/lambkin-escape", "w").close(); os.unlink("/usr/bin/lambkin-escape"); return True`},
	{name: "read the host's shadow file", body: `return open("/etc/shadow").read()`},
	{name: "connect to a socket file of the host", body: `socket.socket(socket.AF_UNIX).connect(host["folder"] + "/socket"); return True`},
	{name: "connect to an abstract socket of the host", body: `socket.socket(socket.AF_UNIX).connect("\0" + host["folder"]); return True`},
	{name: "reach a server on the host's loopback", body: `
    with socket.create_connection(("127.0.0.1", host["port"]), 3) as s: return s.recv(4) == b"host"`},
	{name: "reach a server on the host's own address", body: `
    with socket.create_connection((host["address"], host["port"]), 3) as s: return s.recv(4) == b"host"`},
	{name: "send UDP to the host", body: `
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
    s.connect((host["address"], host["port"])); s.send(b"ping"); return s.recv(4) == b"pong"`},
	{name: "open a packet socket", body: `socket.socket(socket.AF_PACKET, socket.SOCK_RAW); return True`},
	{name: "open a raw socket", body: `socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); return True`},
	{name: "see the supervisor's process", body: `return os.path.exists("/proc/%d" % host["pid"]) and open("/proc/%d/cmdline" % host["pid"]).read() == host["command"]`},
	{name: "signal the supervisor", body: `os.kill(host["pid"], 0); return open("/proc/%d/cmdline" % host["pid"]).read() == host["command"]`},
	{name: "become root", body: `os.setuid(0); return os.getuid() == 0`},
	{name: "hold capabilities", body: `return int([l for l in open("/proc/self/status") if l.startswith("CapEff")][0].split()[1], 16)`},
	{name: "mount", body: `
    if libc.mount(b"x", host["folder"].encode() if os.path.exists(host["folder"]) else b"/tmp", b"tmpfs", 0, b"") != 0: return False
    libc.umount2(host["folder"].encode(), 2); return True`},
	{name: "read the host's kernel log by a device of one's own", body: `
    os.mknod("/tmp/lambkin-escape-log", 0o20600, os.makedev(1, 11))
    try: return os.read(os.open("/tmp/lambkin-escape-log", os.O_RDONLY | os.O_NONBLOCK), 8192)
    finally: os.unlink("/tmp/lambkin-escape-log")`},
	{name: "load a bpf program", body: `return libc.syscall(321, 0, ctypes.create_string_buffer(struct.pack("=IIIII", 2, 4, 4, 1, 0) + bytes(100)), 72) >= 0`},
	{name: "gain rights by a setuid file", body: `return subprocess.run([os.environ["LAMBDA_TASK_ROOT"] + "/id", "-u"], stdout=subprocess.PIPE).stdout.strip() == b"0"`},
	{name: "fill /tmp beyond its size", body: `
    with open("/tmp/lambkin-escape-big", "wb") as f:
        try:
            for _ in range(600): f.write(bytes(1 << 20))
        finally: os.unlink("/tmp/lambkin-escape-big")
    return True`, memoryMB: 1769},
	{name: "hold more memory than allowed", body: `return len(b"x" * (300 << 20))`, memoryMB: 128},
	{name: "hold more memory than allowed in /tmp", body: `
    with open("/tmp/lambkin-escape-big", "wb") as f:
        try:
            for _ in range(300): f.write(bytes(1 << 20))
        finally: os.unlink("/tmp/lambkin-escape-big")
    return True`, memoryMB: 128},
}

const attemptSource = `
import ctypes, json, os, socket, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def handler(event, context):
    try:
        return bool(attempt(event))
    except Exception as error:
        print("denied:", error)
        return False
def attempt(host):
    `

// TestEscape runs every attempt under runsc, where it must fail, and in a plain
// process of root, where it must succeed: one that fails both ways proves nothing.
func TestEscape(t *testing.T) {
	h := newHost(t, Config{})
	victim := newVictim(t)
	for _, a := range attempts {
		t.Run(strings.ReplaceAll(a.name, " ", "-"), func(t *testing.T) {
			spec, collected := specOf(t, attemptSource+a.body+"\n")
			copySetuid(t, spec.TaskDir)
			spec.MemoryMB = cmp.Or(a.memoryMB, spec.MemoryMB)
			e := started(t, h, spec, collected)
			result, err := invoke(t, e, victim, patience)
			if err == nil && string(result.Payload) == "true" {
				t.Error("ESCAPED")
			}
			if err != nil {
				t.Logf("killed: %v", err)
			}
			if out, err := plain(t, h, spec, victim); err != nil || !strings.HasSuffix(strings.TrimSpace(out), "True") {
				t.Errorf("fails in a plain process too, so it proves nothing: %v\n%s", err, out)
			}
		})
	}
}

// plain runs a function as an ordinary process of root.
func plain(t *testing.T, h *Host, spec *sandbox.Spec, event string) (string, error) {
	t.Helper()
	runtime, err := h.runtimes.Resolve(t.Context(), spec.Runtime)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(runtime.Prefix, runtime.Python), "-B", "-c", "import app, json, sys; print(app.handler(json.loads(sys.argv[1]), None))", event)
	cmd.Dir, cmd.Env = spec.TaskDir, []string{"PYTHONPATH=" + spec.TaskDir, "LAMBDA_TASK_ROOT=" + spec.TaskDir, "PATH=/usr/bin:/bin", "LD_LIBRARY_PATH=" + filepath.Join(runtime.Prefix, "lib")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func copySetuid(t *testing.T, folder string) {
	t.Helper()
	program, err := os.ReadFile("/usr/bin/id")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "id")
	if err := errors.Join(os.WriteFile(path, program, 0o755), os.Chmod(path, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
}

// newVictim is what the host has that nobody may reach, as an event.
func newVictim(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "lambkin-escape-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := errors.Join(os.Chmod(folder, 0o755), os.WriteFile(filepath.Join(folder, "private"), []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(folder, "public"), nil, 0o666), os.Chmod(filepath.Join(folder, "public"), 0o666)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(folder, "socket"), "@" + folder} {
		listener, err := net.Listen("unix", name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
	}
	if err := os.Chmod(filepath.Join(folder, "socket"), 0o777); err != nil {
		t.Fatal(err)
	}
	command, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	port, address := neighbour.Everywhere(t)
	event, err := json.Marshal(map[string]any{"folder": folder, "port": port, "address": address, "kernel": hostRelease(t), "pid": os.Getpid(), "command": string(command)})
	if err != nil {
		t.Fatal(err)
	}
	return string(event)
}

// TestTheEgressPolicyHolds: what is listed is reached by TCP, what is not is
// refused, and a function narrows it for itself.
func TestTheEgressPolicyHolds(t *testing.T) {
	port, address := neighbour.Everywhere(t)
	h := newHost(t, Config{EgressList: []string{address}})
	if err := h.networks.EgressError(); err != nil || net.ParseIP(address).IsLoopback() {
		t.Skipf("SKIPPED: it needs nftables (%v) and an address besides loopback", err)
	}
	const source = `
import socket
def reached(event):
    try:
        with socket.create_connection((event["address"], event["port"]), 20) as s: return s.recv(4) == b"host"
    except OSError: return False
def handler(event, context): return reached(event)
`
	for value, want := range map[string]string{"": "true", "deny": "false"} {
		spec, collected := specOf(t, source)
		spec.Environ = append(spec.Environ, "LAMBKIN_EGRESS="+value)
		e := started(t, h, spec, collected)
		if result, err := invoke(t, e, fmt.Sprintf(`{"address": %q, "port": %d}`, address, port), patience); err != nil || string(result.Payload) != want {
			t.Errorf("%q: %v, reached %s, want %s; log %s", value, err, result.Payload, want, collected.text())
		}
		if result, err := invoke(t, e, `{"address": "169.254.169.254", "port": 80}`, patience); err != nil || string(result.Payload) != "false" {
			t.Errorf("%q: %v, metadata: %+v", value, err, result)
		}
	}
}

// TestALateAnswerReachesNobody: the environment of a call that timed out is gone
// before the caller is told, and the next one is another.
func TestALateAnswerReachesNobody(t *testing.T) {
	h := newHost(t, Config{})
	const source = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"
	spec, collected := specOf(t, source)
	late := started(t, h, spec, collected)
	if result, err := invoke(t, late, "2", time.Second); !errors.Is(err, sandbox.ErrTimeout) {
		t.Fatalf("%+v, %v", result, err)
	}
	gone(t, late.(*env))
	spec, collected = specOf(t, source)
	next := started(t, h, spec, collected)
	if result, err := invoke(t, next, "0", patience); err != nil || string(result.Payload) != "0" {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestNoProcessHasARightOnTheHost looks at all processes of an environment from
// outside: the user of each, and its user namespace.
func TestNoProcessHasARightOnTheHost(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := specOf(t, "import subprocess\nkeep = subprocess.Popen(['sleep', '600'])\ndef handler(event, context): return 1\n")
	e := started(t, h, spec, collected).(*env)
	pids, err := e.group.Processes()
	if err != nil || len(pids) < 4 { // runsc, its kernel, the server of its files, the function
		t.Fatalf("%v: processes %v", err, pids)
	}
	for _, pid := range pids {
		if err := e.checkUser(pid); err != nil {
			t.Error(err)
		}
	}
	if err := e.checkRights(); err != nil {
		t.Error(err)
	}
	// What the checks are there for.
	if err := e.checkUser(os.Getpid()); err == nil {
		t.Error("the supervisor passes for a process of the environment")
	}
	stranger := exec.CommandContext(t.Context(), "sleep", "600")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()
	defer stranger.Process.Kill()
	if err := e.group.Attach(stranger.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := e.checkRights(); err == nil {
		t.Error("a process of root in the environment is not noticed")
	}
}
