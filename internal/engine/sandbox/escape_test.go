package sandbox

import (
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
)

// attempt is one try to leave the sandbox. Its body runs in a handler with the
// modules below imported and `host` bound to a folder of the host; it returns a
// true value if it escaped and raises or returns a false one if it did not.
type attempt struct {
	name string
	body string
	off  protections // what must be switched off for it to succeed
	// unproven says why the attempt cannot be shown to succeed unprotected.
	unproven string
	victim   string // handler body of another environment that lives meanwhile
	memoryMB int    // 0: what buys one vCPU
}

const escapeProlog = `
import ctypes, errno, glob, mmap, os, resource, signal, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def syscall(*arguments):
    result = libc.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def handler(event, context):
    host = event["host"]
    try:
        return bool(attempt(host))
    except Exception as error:
        print("denied:", error)
        return False
def attempt(host):
`

var (
	asRoot  = protections{uid: true, seccomp: true, landlock: true}
	noCalls = protections{seccomp: true}
)

var attempts = []attempt{
	{name: "write the package", body: `open("/var/task/app.py", "a").write("# changed"); return True`, off: protections{uid: true, landlock: true, readOnly: true}},
	{name: "write the runtime", body: `open("/var/runtime/bootstrap.py", "a"); return True`, unproven: "the tree is read-only for the zygote too, which nothing switches off"},
	{name: "write /usr", body: `open("/usr/bin/evil", "w"); return True`, unproven: "the tree is read-only for the zygote too, which nothing switches off"},
	{name: "write the root", body: `os.mkdir("/evil"); return True`, unproven: "the root is read-only for the zygote too, which nothing switches off"},
	{name: "read a folder of the host", body: `return os.listdir(host)`, unproven: "the host's tree is not mounted; nothing switches that off"},
	{name: "read the host's shadow file", body: `return open("/etc/shadow").read()`, unproven: "the host's /etc is not mounted; nothing switches that off"},
	{name: "see other processes", body: `return [p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]`, unproven: "the PID namespace is part of the fork"},
	{name: "read kernel symbols", body: `return os.path.exists("/proc/kallsyms")`, off: protections{procfs: true}},
	{name: "read kernel settings", body: `return os.listdir("/proc/sys/kernel")`, off: protections{procfs: true}},
	{name: "become root", body: `os.setuid(0); return os.getuid() == 0`, off: asRoot},
	{name: "hold capabilities", body: `return int([l for l in open("/proc/self/status") if l.startswith("CapEff")][0].split()[1], 16)`, off: asRoot},
	{name: "gain rights by a setuid file", body: `
    os.system("cp /bin/sh /tmp/sh && chmod 4755 /tmp/sh")
    return subprocess.run(["/bin/su", "-c", "id -u"], stdin=subprocess.DEVNULL, capture_output=True).stdout.strip() == b"0"`, unproven: "su asks for a password unless the caller is root, and nosuid mounts stand in every case"},
	{name: "mount", body: `return libc.mount(b"x", b"/tmp", b"tmpfs", 0, b"") == 0`, off: asRoot},
	{name: "unmount", body: `return libc.umount2(b"/tmp", 2) == 0`, off: asRoot},
	{name: "make a user namespace", body: `return libc.unshare(0x10000000) == 0`, off: noCalls},
	{name: "clone into a namespace", body: `
    pid = syscall(56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0: os._exit(0)
    return pid > 0`, off: noCalls},
	{name: "enter a namespace", body: `return libc.setns(os.open("/proc/self/ns/uts", os.O_RDONLY), 0) == 0`, off: asRoot},
	{name: "change the root", body: `os.chroot("/tmp"); return True`, off: asRoot},
	{name: "make a device", body: `os.mknod("/tmp/disk", 0o60600, os.makedev(254, 0)); return True`, off: asRoot},
	{name: "set the host name", body: `return libc.sethostname(b"evil", 4) == 0`, off: asRoot},
	{name: "trace a child", body: `
    pid = os.fork()
    if pid == 0: time.sleep(60); os._exit(0)
    return libc.ptrace(16, pid, 0, 0) == 0`, off: noCalls},
	{name: "use the kernel keyring", body: `return syscall(250, 0, -3, 1) >= 0`, off: noCalls},
	{name: "load a bpf program", body: `return syscall(321, 0, ctypes.create_string_buffer(struct.pack("=IIIII", 2, 4, 4, 1, 0) + bytes(100)), 72) >= 0`, off: asRoot},
	{name: "set up io_uring", body: `return syscall(425, 4, ctypes.create_string_buffer(120)) >= 0`, off: noCalls},
	{name: "open a performance counter", body: `return syscall(298, ctypes.create_string_buffer(struct.pack("=IIQ", 1, 112, 0) + bytes(100)), 0, -1, -1, 0) >= 0`, off: asRoot},
	{name: "use userfaultfd", body: `return syscall(323, 1) >= 0`, off: noCalls},
	{name: "open a raw socket", body: `socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); return True`, off: asRoot},
	{name: "open a packet socket", body: `socket.socket(socket.AF_PACKET, socket.SOCK_RAW); return True`, off: asRoot},
	{name: "reach a server on the host's loopback", body: `
    socket.create_connection(("127.0.0.1", event_port), 2).close(); return True`, off: protections{network: true}},
	{name: "send UDP out", body: `
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
    s.connect(("127.0.0.1", event_port)); s.send(b"ping"); return s.recv(8) == b"pong"`, off: protections{network: true}},
	{name: "fill /tmp beyond its size", body: `
    with open("/tmp/big", "wb") as f:
        os.posix_fallocate(f.fileno(), 0, 600 << 20)
    return True`, unproven: "the size is part of the mount"},
	{name: "make endless files in /tmp", body: `
    for i in range(140_000): os.close(os.open("/tmp/%d" % i, os.O_CREAT))
    return True`, unproven: "the number is part of the mount"},
	{name: "make endless processes", body: `
    made = 0
    try:
        while made < 1100:
            if os.fork() == 0: time.sleep(60); os._exit(0)
            made += 1
    finally:
        pass
    return made >= 1100`, off: protections{pids: true, uid: true, memory: true}},
	{name: "open endless descriptors", body: `return [os.open("/dev/null", os.O_RDONLY) for _ in range(2000)]`, unproven: "the limit is set for every child"},
	{name: "raise a resource limit", body: `resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)); return True`, unproven: "even root lacks CAP_SYS_RESOURCE on some machines"},
	{name: "hold more memory than allowed", body: `return len(b"x" * (2 << 30))`, off: protections{memory: true}},
	{name: "inherit a descriptor of the supervisor", body: `
    return [fd for fd in os.listdir("/proc/self/fd") if int(fd) > 4 and os.path.exists("/proc/self/fd/" + fd) and "/proc" not in os.readlink("/proc/self/fd/" + fd)]`, unproven: "close_range is part of the fork"},
	{name: "make a device file through landlock", body: `os.mkfifo("/dev/evil"); return True`, unproven: "/dev is read-only for the zygote too"},
	{name: "signal the zygote", body: `
    return os.getppid() != 0 or os.kill(os.getppid(), 0) is None and False`, unproven: "the PID namespace is part of the fork"},
	{name: "find a process of another environment", victim: "pass", body: `
    found = []
    for pid in range(1, 5000):
        try: os.kill(pid, 0)
        except ProcessLookupError: continue
        except PermissionError: pass
        found.append(pid)
    return found != [os.getpid()]`, unproven: "the PID namespace is part of the fork"},
	{name: "reach a port of another environment", victim: `
    s = socket.create_server(("127.0.0.1", 47811)); keep.append(s)`, body: `
    socket.create_connection(("127.0.0.1", 47811), 2).close(); return True`, off: protections{network: true}},
	{name: "reach an abstract socket of another environment", victim: `
    s = socket.socket(socket.AF_UNIX); s.bind(b"\0lambkin-escape-test"); s.listen(); keep.append(s)`, body: `
    socket.socket(socket.AF_UNIX).connect(b"\0lambkin-escape-test"); return True`, off: protections{network: true, landlock: true}},
	{name: "read a file in another environment's /tmp", victim: `
    open("/tmp/secret", "w").write("x")`, body: `return os.path.exists("/tmp/secret")`, unproven: "/tmp is mounted for each environment"},
	{name: "attach another environment's shared memory", victim: `
    assert libc.shmget(4242, 4096, 0o1666) >= 0`, body: `return libc.shmget(4242, 4096, 0) >= 0`, unproven: "the IPC namespace is part of the fork"},
	{name: "read another environment's memory", victim: "pass", body: `
    base = ctypes.create_string_buffer(8)
    for pid in list(range(2, 500)):
        local = struct.pack("=QQ", ctypes.addressof(base), 8)
        if libc.process_vm_readv(pid, local, 1, local, 1, 0) > 0: return True
    return False`, unproven: "the PID namespace is part of the fork"},
	{name: "read a child's memory", body: `
    data = ctypes.create_string_buffer(b"secret")
    pid = os.fork()
    if pid == 0: time.sleep(60); os._exit(0)
    where = struct.pack("=QQ", ctypes.addressof(data), 6)
    return libc.process_vm_readv(pid, where, 1, where, 1, 0) == 6`, off: noCalls},
	{name: "change a kernel setting", body: `
    with open("/proc/sys/kernel/domainname", "w") as f: f.write("evil")
    return True`, off: protections{procfs: true, uid: true, landlock: true}},
	{name: "escape the out-of-memory killer", body: `
    with open("/proc/self/oom_score_adj", "w") as f: f.write("-500")
    return True`, unproven: "even root lacks CAP_SYS_RESOURCE on some machines"},
	{name: "read the kernel's log", body: `return libc.klogctl(10, None, 0) >= 0`, off: asRoot},
	{name: "load a kernel module", body: `
    libc.syscall(175, b"", 0, b"")
    return ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS)`, unproven: "some kernels have no modules"},
	{name: "switch address randomisation off", body: `return syscall(135, 0x0040000) >= 0`, off: noCalls},
	{name: "name a file by handle", body: `
    handle, mount = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0) + bytes(128)), ctypes.c_int()
    return syscall(303, -100, b"/tmp", handle, ctypes.byref(mount), 0) == 0`, off: noCalls},
	{name: "clone into a namespace by clone3", body: `
    pid = syscall(435, struct.pack("=8Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64)
    if pid == 0: os._exit(0)
    return pid > 0`, off: noCalls},
	{name: "use more CPU than the memory size buys", memoryMB: 128, body: `
    end = time.monotonic() + 8
    while time.monotonic() < end:
        wall, cpu = time.monotonic(), time.process_time()
        while time.monotonic() < wall + 1: pass
        if time.process_time() - cpu > 0.16 * (time.monotonic() - wall): return True
    return False`, off: protections{cpu: true}},
	{name: "call the cloud's metadata address", body: `
    s = socket.create_connection(("169.254.169.254", 80), 3); s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    return len(s.recv(1))`, unproven: "no such service answers on this machine; TestEgress shows that the policy decides"},
	{name: "type into a terminal", body: `
    import fcntl; fcntl.ioctl(0, 0x5412, b"x"); return True`, unproven: "an environment has no terminal to type into"},
}

// TestEscape runs every attempt in a protected environment, where it must fail,
// and with its protection switched off, where it must succeed: an attempt that
// fails both ways would prove nothing.
func TestEscape(t *testing.T) {
	port := listen(t)
	secret := t.TempDir()
	if err := os.WriteFile(filepath.Join(secret, "secret"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	protected := newHost(t, Config{})
	hosts := map[protections]*Host{}
	for _, a := range attempts {
		if a.unproven == "" && hosts[a.off] == nil {
			hosts[a.off] = newHost(t, Config{off: a.off, Parked: -1})
		}
	}
	var proven atomic.Int32
	t.Run("attempts", func(t *testing.T) {
		for _, a := range attempts {
			t.Run(strings.ReplaceAll(a.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				try(t, a, protected, hosts[a.off], fmt.Sprintf("event_port = %d\n", port)+escapeProlog+"    "+a.body+"\n", secret, &proven)
			})
		}
	})
	t.Logf("%d attempts, %d of them shown to succeed without their protection", len(attempts), proven.Load())
}

func try(t *testing.T, a attempt, protected, bare *Host, source, secret string, proven *atomic.Int32) {
	t.Helper()
	if strings.Contains(a.body, "syscall(") && runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: its system calls are numbered as on amd64")
	}
	if escaped(t, protected, a, source, secret) {
		t.Error("ESCAPED from the full sandbox")
	}
	if a.unproven != "" {
		t.Logf("not shown to succeed without protection: %s", a.unproven)
		return
	}
	if !escaped(t, bare, a, source, secret) {
		t.Errorf("fails even with %+v off: the attempt proves nothing", a.off)
	}
	proven.Add(1)
}

// escaped runs the attempt in an environment of its own. An environment that is
// killed for it did not let it escape.
func escaped(t *testing.T, h *Host, a attempt, source, secret string) bool {
	t.Helper()
	if a.victim != "" {
		defer startVictim(t, h, a.victim).Close()
	}
	spec, collected := specOf(t, source)
	spec.MemoryMB = limit.MBPerVCPU
	if a.memoryMB != 0 {
		spec.MemoryMB = a.memoryMB
	}
	e, init, err := h.Start(t.Context(), spec)
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

// listen opens servers on the host's loopback that nobody may reach: TCP, and
// UDP on the same port.
func listen(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	port := listener.Addr().(*net.TCPAddr).Port
	packets, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	go func() { // ends when packets is closed
		for {
			_, from, err := packets.ReadFromUDPAddrPort(make([]byte, 8))
			if err != nil {
				return
			}
			packets.WriteToUDPAddrPort([]byte("pong"), from)
		}
	}()
	return port
}
