package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/test/neighbour"
)

// TestEscape runs every attempt in a protected environment, where it must fail,
// and with its protection switched off, where it must succeed: an attempt that
// fails both ways would prove nothing.
func TestEscape(t *testing.T) {
	protected := newHost(t, Config{})
	victim := newVictim(t)
	hosts := map[protections]*Host{}
	for _, a := range attempts {
		if hosts[a.off] == nil {
			hosts[a.off] = newHost(t, Config{off: a.off, Parked: -1})
		}
	}
	var proven atomic.Int32
	t.Run("attempts", func(t *testing.T) {
		for _, a := range attempts {
			t.Run(strings.ReplaceAll(a.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				if try(t, a, protected, hosts[a.off], victim) {
					proven.Add(1)
				}
			})
		}
	})
	t.Logf("%d attempts, %d of them shown to succeed without their protection", len(attempts), proven.Load())
}

// try tells whether the attempt was shown to succeed without protection.
func try(t *testing.T, a attempt, protected, bare *Host, victim hostVictim) bool {
	t.Helper()
	if (strings.Contains(a.body, "syscall(") || strings.Contains(a.body, "int 0x80")) && runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: its system calls are numbered as on amd64")
	}
	source := victim.facts + escapeProlog + "    " + a.body + "\n"
	if escaped(t, protected, a, source, victim.folder) {
		t.Error("ESCAPED from the full sandbox")
	}
	switch {
	case escaped(t, bare, a, source, victim.folder):
		return true
	case a.kernel != "":
		t.Logf("NOT SHOWN to succeed without protection: this machine lacks %s", a.kernel)
	default:
		t.Errorf("fails even with %+v off: the attempt proves nothing", a.off)
	}
	return false
}

// escaped runs the attempt in an environment of its own. An environment that is
// killed for it did not let it escape.
func escaped(t *testing.T, h *Host, a attempt, source, secret string) bool {
	t.Helper()
	if a.victim != "" {
		defer startVictim(t, h, a.victim).Close()
	}
	return escapedFrom(t, h.Start, a, source, secret)
}

// starter makes the environment of an attempt.
type starter func(context.Context, *Spec) (Environment, Init, error)

func escapedFrom(t *testing.T, start starter, a attempt, source, secret string) bool {
	t.Helper()
	spec, collected := specOf(t, source)
	spec.MemoryMB = limit.MBPerVCPU
	if a.memoryMB != 0 {
		spec.MemoryMB = a.memoryMB
	}
	if strings.Contains(a.body, "/var/task/id") {
		copySetuid(t, "/usr/bin/id", filepath.Join(spec.TaskDir, "id"))
	}
	e, init, err := start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	if init.ErrorType != "" {
		t.Fatalf("the attempt does not load: %s", init.ErrorBody)
	}
	result, err := invoke(t, e, fmt.Sprintf(`{"host": %q}`, secret), escapeTimeout)
	if err != nil {
		t.Logf("killed: %v; log %s", err, collected.text())
		return false
	}
	t.Logf("answered %s; log %s", result.Payload, collected.text())
	return string(result.Payload) == "true"
}

// startVictim runs a handler in an environment that stays.
func startVictim(t *testing.T, h *Host, body string) Environment {
	t.Helper()
	spec, collected := specOf(t, "keep = []\n"+strings.Replace(escapeProlog, "def attempt(host):\n", "def attempt(host):\n    "+body+"\n    return True\n", 1))
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v, %s", err, init.ErrorBody)
	}
	if result, err := invoke(t, e, `{"host": ""}`, escapeTimeout); err != nil || string(result.Payload) != "true" {
		t.Fatalf("the victim does not work: %v, log %s", err, collected.text())
	}
	return e
}

// escapeTimeout bounds one attempt.
const escapeTimeout = 30 * time.Second

func copySetuid(t *testing.T, from, to string) {
	t.Helper()
	program, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
}

// hostVictim is what the host has that nobody may reach: servers, and a folder
// with a private and a public part.
type hostVictim struct {
	folder string
	facts  string // for the attempts, in Python
}

func newVictim(t *testing.T) hostVictim {
	t.Helper()
	folder, err := os.MkdirTemp("", "lambkin-escape-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	for _, made := range []struct {
		name string
		mode os.FileMode
	}{{"", 0o755}, {"private", 0o700}, {"public", 0o755}} {
		name := filepath.Join(folder, made.name)
		if err := errors.Join(os.MkdirAll(name, made.mode), os.Chmod(name, made.mode)); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(folder, "public", "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	key, file := filepath.Join(folder, "private", "key"), filepath.Join(folder, "public", "file")
	if err := errors.Join(os.WriteFile(key, []byte("secret"), 0o600), os.WriteFile(file, nil, 0o666), os.Chmod(file, 0o666), os.Chmod(socket, 0o777)); err != nil {
		t.Fatal(err)
	}
	port, address := neighbour.Everywhere(t) // on loopback only the attempt cannot be shown to succeed
	return hostVictim{folder: folder, facts: fmt.Sprintf("event_port, host_address, free_port = %d, %q, %d\n", port, address, callForever(t))}
}

// callForever calls a free port of the host again and again, as a neighbour
// would, and returns its number.
func callForever(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr()
	listener.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() { // ends when stop is closed
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-stop:
				return
			}
			if conn, err := net.Dial("tcp4", address.String()); err == nil {
				conn.Close()
			}
		}
	}()
	return address.(*net.TCPAddr).Port
}

// TestNothingIsFoundOfTheFormerTenant runs two functions one after the other in
// environments with the same user id: the second must find nothing of the first,
// and must find it where /tmp and IPC objects are shared.
func TestNothingIsFoundOfTheFormerTenant(t *testing.T) {
	user, next := tenants(t, newHost(t, Config{Parked: -1}))
	if user != next {
		t.Errorf("the tenant with user id %s left %s", user, next)
	}
	if _, next := tenants(t, newHost(t, Config{Parked: -1, off: protections{tmp: true, ipc: true}})); next != `["left", "shared memory", "semaphores"]` {
		t.Errorf("without protection the next tenant finds %s: the test proves nothing", next)
	}
}

// tenants tells the user id of the first and what the second finds, its own user
// id if that is nothing.
func tenants(t *testing.T, h *Host) (user, next string) {
	t.Helper()
	for len(h.uids) > 1 {
		<-h.uids
	}
	const names = `
import ctypes, glob, os, socket
libc = ctypes.CDLL(None)
`
	user = tenant(t, h, names+`
def handler(event, context):
    open("/tmp/left", "w").write("secret")
    assert libc.shmget(77, 4096, 0o1600) >= 0 and libc.semget(77, 1, 0o1600) >= 0
    s = socket.socket(socket.AF_UNIX); s.bind(b"\0left"); s.listen()
    socket.create_server(("127.0.0.1", 47812))
    if os.fork() == 0:
        os.setsid()
        import time; time.sleep(600)
    return os.getuid()
`)
	next = tenant(t, h, names+`
def handler(event, context):
    found = os.listdir("/tmp") + [p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]
    if libc.shmget(77, 4096, 0) >= 0: found.append("shared memory")
    if libc.semget(77, 1, 0) >= 0: found.append("semaphores")
    for family, address in ((socket.AF_UNIX, b"\0left"), (socket.AF_INET, ("127.0.0.1", 47812))):
        try: socket.socket(family).connect(address); found.append("a server")
        except OSError: pass
    return found or os.getuid()
`)
	return user, next
}

// tenant runs a function in an environment that lives for it only.
func tenant(t *testing.T, h *Host, source string) string {
	t.Helper()
	result, collected, err := run(t, h, source)
	if err != nil || result.ErrorType != "" {
		t.Fatalf("%+v, %v; log %s", result, err, collected.text())
	}
	return string(result.Payload)
}
