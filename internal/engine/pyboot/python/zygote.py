"""The zygote: a warm interpreter that forks sandboxed execution environments.

It runs as root in its own PID and mount namespaces, holds no tenant's code or
data, and is single-threaded. Each message on the control socket is one fork
request (JSON) with its descriptors; each answer is a type byte and two numbers
(see sandbox/zygote.go). A child drops every right before it parks, and the
supervisor checks that it did. Start reading at main.
"""

import sys

# -S leaves out the site module; this folder is the only addition to the path.
sys.path.insert(0, "/var/runtime")

from awslambdaric import memory

QUIET = memory.QuietForks()
with QUIET:
    import ctypes
    import errno
    import fcntl
    import importlib.util
    import json
    import marshal
    import os
    import random
    import resource
    import select
    import signal
    import socket
    import struct
    import time
    from typing import Any, Dict, List, NoReturn, Set

    from awslambdaric import bootstrap

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MOVE_MOUNT_F_EMPTY_PATH = 4
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SECUREBITS_NO_ROOT = 0x2F  # NOROOT, NO_SETUID_FIXUP and their locks, KEEP_CAPS locked off

# Numbers of system calls that are the same on every architecture since Linux 5.1.
SYS_MOVE_MOUNT = 429
SYS_CLOSE_RANGE = 436
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446

MAX_MESSAGE = 64 << 10
MAX_DESCRIPTORS = 8
LAST_CAPABILITY = 63

# Descriptors of a child after they are put in order.
DATA_FD, LOG_FD = 3, 4

# Limits of an environment; the numbers AWS documents (1,024 descriptors, 1,024
# processes and threads) or shows in an environment.
LIMITS = (
    (resource.RLIMIT_NOFILE, 1024),
    (resource.RLIMIT_NPROC, 1024),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_MEMLOCK, 65536),
)

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
# Found here once, instead of by each child.
CALLS = (libc.setns, libc.unshare, libc.mount, libc.prctl, libc.capset)

# What lies under signal's functions: those make enumerations of what they return,
# which costs a child 25 pages.
raw_signal: Any = sys.modules["_signal"]
SIGCHLD, SIG_DFL = int(signal.SIGCHLD), int(signal.SIG_DFL)


def check(result: int, what: str) -> int:
    """Turn a failed C call into an OSError that names the step."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (what, os.strerror(number)))
    return result


def prctl(option: int, *arguments: Any) -> None:
    padded = list(arguments) + [0] * (4 - len(arguments))
    check(libc.prctl(option, *(ctypes.c_void_p(a) if isinstance(a, int) else a for a in padded)), "prctl %d" % option)


def mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    check(libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()), "mount " + target)


def drop_capabilities() -> None:
    """Make root no more than its user namespace's owner, also after exec."""
    prctl(PR_SET_SECUREBITS, SECUREBITS_NO_ROOT)
    header = struct.pack("=Ii", 0x20080522, 0)
    check(libc.capset(header, bytes(24)), "drop capabilities")


class Filter:
    """A seccomp program, kept in the form the kernel wants."""

    class _Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    def __init__(self, program: bytes) -> None:
        self._program = self._Program(len(program) // 8, program)

    def load(self) -> None:
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(self._program))


class Landlock:
    """File rights that remain whatever the mounts allow; confine/files.go has the table."""

    RULE_PATH_BENEATH = 1

    def __init__(self, ruleset: bytes, below: List[Dict[str, Any]]) -> None:
        self.ruleset = ruleset
        self.below = below

    def restrict(self) -> None:
        if not self.ruleset:
            return  # a kernel without landlock
        ruleset = check(libc.syscall(SYS_LANDLOCK_CREATE_RULESET, self.ruleset, len(self.ruleset), 0), "landlock ruleset")
        for rule in self.below:
            fd = os.open(rule["path"], os.O_PATH | os.O_CLOEXEC)
            allowed = struct.pack("=Qi", rule["rights"], fd)
            check(libc.syscall(SYS_LANDLOCK_ADD_RULE, ruleset, self.RULE_PATH_BENEATH, allowed, 0), "landlock rule for " + rule["path"])
            os.close(fd)
        check(libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0), "landlock")
        os.close(ruleset)


def rehearse_environ() -> None:
    """What a bind does with the environment; nothing of it stays. The zygote does
    it too, once: what is made or adapted the first time is shared then."""
    environ = dict(os.environ)
    os.environ.clear()
    os.environ.update(("LAMBKIN_REHEARSAL_%d" % number, "value") for number in range(30))
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()


def rehearse() -> None:
    """Do what a bind and a call will do, so that the pages that they write to are
    this process's own before anybody waits for it. Nothing of it stays."""
    path = list(sys.path)
    rehearse_environ()
    random.seed()
    for name, data in REHEARSAL_FILES.items():
        os.makedirs(os.path.dirname(name), exist_ok=True)
        fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, data)
        os.close(fd)
    sys.path.insert(0, "/tmp")
    importlib.import_module("lambkin_rehearsal").handler(json.loads('{"key": ["value", 1, 2.5, null, true]}'), None)
    for name in REHEARSAL_FILES:
        os.unlink(name)
    os.rmdir(os.path.dirname(name))
    del sys.modules["lambkin_rehearsal"]
    sys.path[:] = path
    del sys.path_importer_cache["/tmp"]
    for fd in (1, 2):
        open(fd, "w", encoding="utf-8", closefd=False).flush()


REHEARSAL = """
import json
import os


def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""


def compiled(path: str, source: str) -> Dict[str, bytes]:
    """A module as functions have theirs: compiled when they were deployed. The
    compiler would leave an environment 20 pages that it does not need."""
    flags = struct.pack("=I", 1)  # by hash, which is not looked at
    code = marshal.dumps(compile(source, path, "exec"))
    return {path: source.encode(), importlib.util.cache_from_source(path): importlib.util.MAGIC_NUMBER + flags + bytes(8) + code}


REHEARSAL_FILES = compiled("/tmp/lambkin_rehearsal.py", REHEARSAL)


def drop_bounding_set() -> None:
    for capability in range(LAST_CAPABILITY + 1):
        if libc.prctl(PR_CAPBSET_DROP, ctypes.c_void_p(capability), 0, 0, 0) != 0:
            break  # past the kernel's last capability


class Zygote:
    filter: Filter
    landlock: Landlock
    template_filter: Filter
    template_landlock: Landlock

    def __init__(self, control: int, off: List[str]) -> None:
        self.control = socket.socket(fileno=control)
        self.off: Set[str] = set(off)  # by the escape suite only
        self.pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.children: Dict[int, int] = {}  # pid -> fork id

    def run(self) -> None:
        """Serve fork requests until the supervisor closes the control socket."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda number, stack: None)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        poller.register(read_end, select.POLLIN)
        self.send(b"R", 0, 0)
        while True:
            for fd, _ in poller.poll():
                if fd == read_end:
                    os.read(read_end, 4096)
                    self.reap()
                elif not self.serve():
                    return

    def send(self, kind: bytes, first: int, second: int) -> None:
        self.control.send(struct.pack(">cII", kind, first, second))

    def reap(self) -> None:
        while self.children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            fork_id = self.children.pop(pid, None)
            if fork_id is not None:
                self.send(b"X", fork_id, status)

    def serve(self) -> bool:
        space = socket.CMSG_SPACE(MAX_DESCRIPTORS * 4)
        message, ancillary, _, _ = self.control.recvmsg(MAX_MESSAGE, space, socket.MSG_CMSG_CLOEXEC)
        if not message:
            return False
        fds: List[int] = []
        for _, _, data in ancillary:
            fds.extend(struct.unpack("%di" % (len(data) // 4), data))
        request = json.loads(message)
        try:
            self.fork(request, fds)
        except OSError as error:
            print("lambkin: fork an environment:", error, file=sys.stderr, flush=True)
            self.send(b"F", request["id"], error.errno or 1)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def fork(self, request: Dict[str, Any], fds: List[int]) -> None:
        if "pidns" not in self.off:
            check(libc.unshare(CLONE_NEWPID), "unshare the PID namespace")
        try:
            pid = QUIET.fork()
        except OSError:
            pid = -1
        if pid == 0:
            self.child(request, fds)
        check(libc.setns(self.pid_namespace, CLONE_NEWPID), "return to the PID namespace")
        if pid < 0:
            raise OSError(errno.EAGAIN, "no process can be made")
        self.children[pid] = request["id"]

    def child(self, request: Dict[str, Any], fds: List[int]) -> NoReturn:
        """Become a sandboxed environment. Whatever fails ends the process."""
        try:
            raw_signal.set_wakeup_fd(-1)
            raw_signal.signal(SIGCHLD, SIG_DFL)
            self.isolate(request, fds)
            if request["rehearse"]:
                rehearse()
            bootstrap.run(DATA_FD, LOG_FD, self.confine_clone if request["template"] else None)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(70)

    def isolate(self, request: Dict[str, Any], fds: List[int]) -> None:
        data, log, network = fds[:3]
        check(libc.setns(network, CLONE_NEWNET), "enter the network namespace")
        check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | (0 if "ipc" in self.off else CLONE_NEWIPC)), "unshare")
        if "tmp" not in self.off:
            options = "mode=1777,size=%d,nr_inodes=%d" % (request["tmp_bytes"], request["tmp_inodes"])
            mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "" if "procfs" in self.off else "subset=pid,hidepid=2")
        for tree, target in zip(fds[3:], ["/var/task", "/opt"] if len(fds) > 4 else ["/var/task"]):
            check(libc.syscall(SYS_MOVE_MOUNT, tree, b"", -100, target.encode(), MOVE_MOUNT_F_EMPTY_PATH), "mount " + target)
        self.order_descriptors(data, log)
        for limit, value in () if "limits" in self.off else LIMITS:
            resource.setrlimit(limit, (value, value))
        self.drop_rights(request["uid"], request["template"])

    def order_descriptors(self, data: int, log: int) -> None:
        """Keep the data socket, the log pipe and a null input; close all else."""
        null = os.open("/dev/null", os.O_RDONLY)
        # Move out of the way first: the targets may be among the sources.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in (data, log, null)]
        os.dup2(high[2], 0, inheritable=True)
        os.dup2(high[0], DATA_FD, inheritable=False)
        os.dup2(high[1], LOG_FD, inheritable=False)
        # Standard error stays the zygote's until here, for messages of a failed step.
        os.dup2(high[1], 1, inheritable=True)
        os.dup2(high[1], 2, inheritable=True)
        if "descriptors" not in self.off:
            check(libc.syscall(SYS_CLOSE_RANGE, LOG_FD + 1, 0x7FFFFFFF, 0), "close_range")

    def drop_rights(self, uid: int, template: bool) -> None:
        os.setsid()
        os.umask(0o022)
        if "uid" not in self.off:
            drop_bounding_set()
            if uid == 0:  # the only user of a user namespace, which has one group as well
                drop_capabilities()
            else:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
        # The change of user hid /proc/self from its owner; /dev/stdout needs it.
        prctl(PR_SET_DUMPABLE, 1)
        if "setuid" not in self.off:
            prctl(PR_SET_NO_NEW_PRIVS, 1)
        if "landlock" not in self.off:
            (self.template_landlock if template else self.landlock).restrict()
        if "seccomp" not in self.off:
            (self.template_filter if template else self.filter).load()

    def confine_clone(self, uid: int) -> None:
        """Drop what a clone is given by its user namespace, in which it is root
        until it takes its own user id, and the exceptions of its template."""
        os.setsid()
        drop_bounding_set()
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        prctl(PR_SET_DUMPABLE, 1)
        if "landlock" not in self.off:
            self.landlock.restrict()
        if "seccomp" not in self.off:
            self.filter.load()


def main() -> None:
    import base64

    configuration = json.loads(sys.argv[1])
    zygote = Zygote(configuration["control"], configuration["off"] or [])
    zygote.filter, zygote.template_filter = (Filter(base64.b64decode(configuration[name])) for name in ("filter", "template_filter"))
    zygote.landlock, zygote.template_landlock = (
        Landlock(base64.b64decode(rules["ruleset"] or ""), rules["below"]) for rules in (configuration["landlock"], configuration["template_landlock"])
    )
    with QUIET:
        bootstrap.preload(configuration["preload"])
    rehearse_environ()
    memory.share()
    try:
        zygote.run()
    except ConnectionError:
        pass  # the supervisor was killed: end as quietly as it did


if __name__ == "__main__":
    main()
