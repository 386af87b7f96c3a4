package sandbox

// attempt is one try to leave the sandbox. Its body runs in a handler with the
// modules below imported and `host` bound to a folder of the host; it returns a
// true value if it escaped and raises or returns a false one if it did not.
type attempt struct {
	name string
	body string
	off  protections // what must be switched off for it to succeed
	// kernel says what not every machine has: without it the attempt fails
	// unprotected too, and that is told loudly.
	kernel   string
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
def other_processes():
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]
def processes_by_signal():
    found = []
    for pid in range(1, 2000):
        try: os.kill(pid, 0)
        except ProcessLookupError: continue
        except PermissionError: pass
        found.append(pid)
    return [pid for pid in found if pid != os.getpid()]
def on_the_host(path):
    return [p for p in (path, "/old" + path) if os.path.exists(p)][0]
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
	// other processes are in sight, and may be looked into
	together = protections{pidns: true, procfs: true, uid: true, seccomp: true, landlock: true}
	writable = protections{uid: true, landlock: true, readOnly: true}
	bare     = protections{root: true, uid: true, seccomp: true, landlock: true, readOnly: true}
)

var attempts = []attempt{
	{name: "write the package", body: `open("/var/task/app.py", "a").write("# changed"); return True`, off: writable},
	{name: "write the runtime", body: `open("/var/runtime/bootstrap.py", "a"); return True`, off: writable},
	{name: "write /usr", body: `os.open("/usr/bin", os.O_TMPFILE | os.O_RDWR); return True`, off: writable, kernel: "files without a name on the file system of /usr"},
	{name: "write the root", body: `os.mkdir("/evil"); os.rmdir("/evil"); return True`, off: writable},
	{name: "write /var/tmp", body: `os.makedirs("/var/tmp/evil"); os.removedirs("/var/tmp/evil"); return True`, off: writable},
	{name: "read a folder of the host", body: `return os.listdir(on_the_host(host))`, off: protections{root: true}},
	{name: "read a private file of the supervisor", body: `return open(on_the_host(host + "/private/key")).read()`, off: bare},
	{name: "write a file of the host", body: `open(on_the_host(host + "/public/file"), "a").write("x"); return True`, off: protections{root: true, landlock: true}},
	{name: "connect to a socket file of the host", body: `socket.socket(socket.AF_UNIX).connect(on_the_host(host + "/public/socket")); return True`, off: protections{root: true}},
	{name: "read the homes of the host", body: `return os.listdir("/old/root")`, off: bare},
	{name: "read the host's shadow file", body: `return [path for path in ("/etc/shadow", "/old/etc/shadow") if os.path.exists(path) and open(path).read()]`, off: bare},
	{name: "see other processes", body: `return other_processes()`, off: protections{pidns: true, procfs: true}},
	{name: "read kernel symbols", body: `return os.path.exists("/proc/kallsyms")`, off: protections{procfs: true}},
	{name: "read kernel settings", body: `return os.listdir("/proc/sys/kernel")`, off: protections{procfs: true}},
	{name: "become root", body: `os.setuid(0); return os.getuid() == 0`, off: asRoot},
	{name: "hold capabilities", body: `return int([l for l in open("/proc/self/status") if l.startswith("CapEff")][0].split()[1], 16)`, off: asRoot},
	{name: "gain rights by a setuid file", body: `return subprocess.run(["/var/task/id", "-u"], stdout=subprocess.PIPE).stdout.strip() == b"0"`, off: protections{setuid: true, seccomp: true, landlock: true}},
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
    os.unlink("/tmp/big")
    return True`, off: protections{tmp: true}},
	{name: "make endless files in /tmp", body: `
    for i in range(140_000): os.close(os.open("/tmp/%d" % i, os.O_CREAT))
    for i in range(140_000): os.unlink("/tmp/%d" % i)
    return True`, off: protections{tmp: true}},
	{name: "make endless processes", body: `
    made = 0
    while made < 1100:
        if os.fork() == 0: time.sleep(60); os._exit(0)
        made += 1
    return True`, off: protections{pids: true, limits: true, memory: true}},
	{name: "make endless threads", body: `
    threading.stack_size(32 << 10)
    for _ in range(1100): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return True`, off: protections{pids: true, limits: true, memory: true}},
	{name: "open endless descriptors", body: `
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return [os.open("/dev/null", os.O_RDONLY) for _ in range(2000)]`, off: protections{limits: true}},
	{name: "raise a resource limit", body: `resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)); return True`, off: protections{limits: true}},
	{name: "lock memory", body: `
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    area = mmap.mmap(-1, 1 << 20)
    return libc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(area))), ctypes.c_size_t(1 << 20)) == 0`, off: protections{limits: true}},
	{name: "hold more memory than allowed", memoryMB: 128, body: `return len(b"x" * (300 << 20))`, off: protections{memory: true}},
	{name: "hold more memory than allowed in /tmp", memoryMB: 128, body: `
    with open("/tmp/big", "wb") as f:
        for _ in range(300): f.write(bytes(1 << 20))
    return True`, off: protections{memory: true}},
	{name: "hold more memory than allowed in an unnamed file", memoryMB: 128, body: `
    fd = os.memfd_create("big")
    return sum(os.write(fd, bytes(1 << 20)) for _ in range(300)) == 300 << 20`, off: protections{memory: true}},
	{name: "hold more memory than allowed in shared memory", memoryMB: 128, body: `
    libc.shmat.restype = ctypes.c_void_p
    area = libc.shmat(libc.shmget(1, ctypes.c_size_t(300 << 20), 0o1600), None, 0)
    ctypes.memset(area, 1, 300 << 20)
    return True`, off: protections{memory: true}},
	{name: "hold more memory than allowed in many processes", memoryMB: 128, body: `
    done, begun = os.pipe()
    os.set_blocking(done, False)
    for _ in range(6):
        if os.fork() == 0:
            held = b"x" * (50 << 20); os.write(begun, b"x"); time.sleep(600); os._exit(0)
    held = 0
    while held < 6:
        if os.waitpid(-1, os.WNOHANG)[0]: return False
        try: held += len(os.read(done, 6))
        except BlockingIOError: time.sleep(0.01)
    return True`, off: protections{memory: true}},
	{name: "inherit a descriptor of the zygote", body: `
    own = os.open("/proc/self/fd", os.O_RDONLY)
    return [fd for fd in os.listdir(own) if int(fd) > 4 and int(fd) != own and os.path.lexists("/proc/self/fd/" + fd)]`, off: protections{descriptors: true}},
	{name: "make a file in /dev", body: `os.mkfifo("/dev/evil"); os.unlink("/dev/evil"); return True`, off: writable},
	{name: "signal the zygote", body: `
    parent = os.getppid()
    return parent != 0 and os.kill(parent, 0) is None`, off: protections{pidns: true, uid: true, landlock: true}},
	{name: "trace the zygote", body: `return libc.ptrace(0x4206, os.getppid(), 0, 0) == 0`, off: together},
	{name: "read the zygote's memory", body: `
    base = ctypes.create_string_buffer(8)
    where = struct.pack("=QQ", ctypes.addressof(base), 8)
    return libc.process_vm_readv(os.getppid(), where, 1, where, 1, 0) == 8`, off: together},
	{name: "take a descriptor of the zygote", body: `return syscall(438, os.pidfd_open(os.getppid()), 3, 0) >= 0`, off: together},
	{name: "find a process of another environment", victim: "pass", body: `return processes_by_signal()`, off: protections{pidns: true}},
	{name: "read another function's package", victim: "pass", body: `
    own = os.stat("/var/task/app.py").st_ino
    return [pid for pid in other_processes() if pid != "1" and os.stat("/proc/%s/root/var/task/app.py" % pid).st_ino != own]`, off: together},
	{name: "stop another environment", victim: "pass", body: `
    return [os.kill(pid, signal.SIGCONT) for pid in processes_by_signal() if pid > 2]`, off: protections{pidns: true, uid: true, landlock: true}},
	{name: "reach a port of another environment", victim: `
    s = socket.create_server(("127.0.0.1", 47811)); keep.append(s)`, body: `
    socket.create_connection(("127.0.0.1", 47811), 2).close(); return True`, off: protections{network: true}},
	{name: "reach an abstract socket of another environment", victim: `
    s = socket.socket(socket.AF_UNIX); s.bind(b"\0lambkin-escape-test"); s.listen(); keep.append(s)`, body: `
    socket.socket(socket.AF_UNIX).connect(b"\0lambkin-escape-test"); return True`, off: protections{network: true, landlock: true}},
	{name: "read a file in another environment's /tmp", victim: `
    open("/tmp/secret", "w").write("x")`, body: `return os.path.exists("/tmp/secret")`, off: protections{tmp: true}},
	{name: "reach another environment's /tmp through /proc", victim: `
    open("/tmp/secret", "w").write("x")`, body: `return [pid for pid in other_processes() if os.path.exists("/proc/%s/root/tmp/secret" % pid)]`, off: together},
	{name: "attach another environment's shared memory", victim: `
    assert libc.shmget(4242, 4096, 0o1666) >= 0`, body: `return libc.shmget(4242, 4096, 0) >= 0`, off: protections{ipc: true}},
	{name: "read another environment's memory", victim: "pass", body: `
    base = ctypes.create_string_buffer(8)
    where = struct.pack("=QQ", ctypes.addressof(base), 8)
    return [pid for pid in processes_by_signal() if pid > 2 and libc.process_vm_readv(pid, where, 1, where, 1, 0) > 0]`, off: together},
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
    return True`, off: protections{uid: true}, kernel: "CAP_SYS_RESOURCE in the tests"},
	{name: "read the kernel's log", body: `return libc.klogctl(10, None, 0) >= 0`, off: asRoot},
	{name: "load a kernel module", body: `
    libc.syscall(175, b"", 0, b"")
    return ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS)`, off: asRoot, kernel: "modules"},
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
    return len(s.recv(1))`, off: protections{egress: true}, kernel: "a service at the metadata address"},
	{name: "type into a terminal", body: `
    import fcntl
    try: fcntl.ioctl(0, 0x5412, b"x")
    except OSError as error: return error.errno == errno.ENOTTY # the call went through: only the terminal is missing
    return True`, off: noCalls},
	{name: "reach a server on the host's loopback by IPv6", body: `
    socket.create_connection(("::1", event_port), 2).close(); return True`, off: protections{network: true}, kernel: "IPv6 on the loopback device"},
	{name: "reach a server on the host by its own address", body: `
    s = socket.create_connection((host_address, event_port), 10); return s.recv(4) == b"host"`, off: protections{egress: true}, kernel: "an address besides loopback, and nftables"},
	{name: "open a port that others reach", body: `
    s = socket.create_server(("0.0.0.0", free_port)); s.settimeout(5); s.accept(); return True`, off: protections{network: true}},
	{name: "change the root by pivot_root", body: `os.chdir("/tmp"); return syscall(155, b".", b".") == 0`, off: asRoot},
	{name: "copy a mount", body: `return syscall(428, -100, b"/tmp", 1) >= 0`, off: asRoot},
	{name: "open a file system", body: `return syscall(430, b"tmpfs", 0) >= 0`, off: asRoot},
	{name: "make a time namespace", body: `return libc.unshare(0x80) == 0`, off: asRoot},
	{name: "make a cgroup namespace", body: `return libc.unshare(0x02000000) == 0`, off: asRoot},
	{name: "open a socket to the kernel's ciphers", body: `socket.socket(38, socket.SOCK_SEQPACKET); return True`, off: noCalls, kernel: "AF_ALG"},
	{name: "open a socket to the hypervisor", body: `socket.socket(40, socket.SOCK_STREAM); return True`, off: noCalls, kernel: "AF_VSOCK"},
	{name: "open a socket to the packet filter", body: `socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12); return True`, off: noCalls, kernel: "netfilter"},
	{name: "open a socket to the audit log", body: `socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9); return True`, off: noCalls, kernel: "audit"},
	{name: "call by the numbers of another instruction set", body: `
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3") # mov eax, 20 (getpid); int 0x80; ret
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    return call() == os.getpid()`, off: noCalls, kernel: "32-bit programs"},
	{name: "compare kernel objects", body: `return syscall(312, os.getpid(), os.getpid(), 0, 0, 0) >= 0`, off: noCalls},
	{name: "take a child's descriptor", body: `
    pid = os.fork()
    if pid == 0: time.sleep(60); os._exit(0)
    return syscall(438, os.pidfd_open(pid), 0, 0) >= 0`, off: noCalls},
	{name: "write a child's memory", body: `
    data = ctypes.create_string_buffer(b"secret")
    pid = os.fork()
    if pid == 0: time.sleep(60); os._exit(0)
    where = struct.pack("=QQ", ctypes.addressof(data), 6)
    return libc.process_vm_writev(pid, where, 1, where, 1, 0) == 6`, off: noCalls},
	{name: "make a message queue", body: `return syscall(240, b"evil", os.O_CREAT | os.O_RDWR, 0o600, None) >= 0`, off: noCalls, kernel: "POSIX message queues"},
	{name: "watch the file system", body: `return syscall(300, 0, 0) >= 0`, off: asRoot},
	{name: "open a file by handle", body: `
    libc.syscall(304, -100, ctypes.create_string_buffer(struct.pack("=Ii", 8, 1) + bytes(8)), 0)
    return ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS)`, off: asRoot},
	{name: "raise its priority", body: `return os.nice(-5) < 0`, off: protections{uid: true}},
	{name: "run in real time", body: `os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)); return True`, off: asRoot, kernel: "real time in this cgroup"},
	{name: "use input and output ports", body: `return syscall(173, 0x80, 1, 1) == 0`, off: asRoot, kernel: "ioperm"},
	{name: "read the kernel's memory", body: `return os.open("/proc/kcore", os.O_RDONLY) >= 0`, off: protections{procfs: true, uid: true}, kernel: "/proc/kcore"},
	{name: "press the magic key", body: `open("/proc/sysrq-trigger", "w"); return True`, off: protections{procfs: true, uid: true, landlock: true}, kernel: "sysrq"},
	{name: "switch off swap", body: `
    libc.syscall(168, b"/nothing")
    return ctypes.get_errno() == errno.ENOENT`, off: asRoot},
	{name: "keep capabilities over a change of user", body: `return libc.prctl(28, 1 << 4, 0, 0, 0) == 0`, off: asRoot},
}
