"""Clones of an initialised function, for SnapStart.

A template has initialised the function and makes one clone of itself for each
request of the supervisor. A clone begins in namespaces of its own, in which the
supervisor puts everything in place from outside, gives up what the new user
namespace gave it, and goes on as an environment like any other. Nothing here is
trusted: it runs beside the function's code. Start reading at serve_clones.
"""

import ctypes
import json
import os
import platform
import random
import signal
import sys
import tempfile
from typing import Any, Callable, Dict, List, Tuple

from . import memory
from .lambda_runtime_client import LambdaRuntimeClient

# All kinds but cgroups and time; the filter of a template allows exactly this.
CLONE_FLAGS = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x00200000, 0x01000000
PR_GET_TID_ADDRESS = 40
SYS_CLONE = {"x86_64": 56}.get(platform.machine(), 220)

# PyDLL, so that the interpreter stays as it is between the hooks of a fork.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _clone() -> int:
    """Fork into new namespaces; 0 in the child, a negative error number if it failed.

    os.fork cannot ask for namespaces, so this does what it does: the hooks of the
    interpreter, and the thread id where the C library keeps it."""
    thread_id = ctypes.c_void_p()
    if _libc.prctl(PR_GET_TID_ADDRESS, ctypes.byref(thread_id), 0, 0, 0) != 0:
        return -ctypes.get_errno()
    flags = CLONE_FLAGS | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | signal.SIGCHLD
    tail = [thread_id.value, 0] if platform.machine() == "x86_64" else [0, thread_id.value]
    arguments = [ctypes.c_long(value or 0) for value in [SYS_CLONE, flags, 0, 0, *tail]]
    api = ctypes.pythonapi
    api.PyOS_BeforeFork()
    pid: int = _libc.syscall(*arguments)
    error = ctypes.get_errno()
    if pid == 0:
        api.PyOS_AfterFork_Child()
    else:
        api.PyOS_AfterFork_Parent()
    return pid if pid >= 0 else -error


def settle() -> None:
    """Make the initialised function one thread whose memory its clones can share.

    A library that survives a fork with threads of its own ends them before one and
    makes them again when it needs them (OpenBLAS, which numpy brings, does), so one
    fork is made for its handlers' sake alone."""
    if len(os.listdir("/proc/self/task")) > 1:
        pid = _libc.fork()
        if pid == 0:
            os._exit(0)
        if pid > 0:
            os.waitpid(pid, 0)
    memory.share()


def serve_clones(client: LambdaRuntimeClient, confine: Callable[[int], None]) -> Dict[str, Any]:
    """Make clones for ever; returns in each of them, with what it is to become."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for clones here
    while True:
        fds = client.wait_clone()
        pid = _clone()
        if pid == 0:
            break
        for fd in fds:
            os.close(fd)
        client.report_cloned(pid)
    signal.signal(signal.SIGCHLD, before)
    confine(client.move_to(*fds))
    refresh()
    rehearse()
    return client.wait_bind()


def refresh() -> None:
    """Make anew what must not be the same in two clones."""
    random.seed()
    tempfile._name_sequence = None  # type: ignore[attr-defined]
    ssl = sys.modules.get("ssl")
    if ssl is not None:
        # The generator notices a fork by the process id, which is 1 in each clone.
        ssl.RAND_add(os.urandom(64), 64.0)
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()


def rehearse() -> None:
    """Write to what a restoration and a call will write to, so that these pages
    are this process's own before anybody waits for it."""
    environ = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    json.dumps(json.loads('{"key": ["value", 1, 2.5, null, true]}'))


Registered = Tuple[Callable[..., Any], Tuple[Any, ...], Dict[str, Any]]


def _registered(name: str) -> List[Registered]:
    # A function that imports it has hooks; no other can.
    module = sys.modules.get("snapshot_restore_py")
    return getattr(module, name)() if module is not None else []


def started_anew() -> bool:
    """Tell whether this is an ordinary environment of a function with SnapStart:
    it runs the hooks, too, one after the other."""
    return os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"


def run_before_snapshot() -> None:
    """AWS: the last that was registered comes first."""
    hooks = _registered("get_before_snapshot")
    while hooks:
        hook, arguments, options = hooks.pop()
        hook(*arguments, **options)


def run_after_restore() -> None:
    """AWS: in the order of their registration."""
    for hook, arguments, options in _registered("get_after_restore"):
        hook(*arguments, **options)
