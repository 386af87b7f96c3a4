"""Keeps what the zygote holds shared with the environments that are forked from it.

A page is copied as soon as one side writes to it. Start reading at share.
"""

import gc
import os
import sys
from typing import Any, Callable, List

# How the interpreter's allocator cuts its memory: Objects/obmalloc.c.
STEP, LARGEST = 16, 512
POOL = 16 << 10 if sys.version_info >= (3, 10) else 4 << 10
POOL_HEADER = 48
BYTES_HEADER = sys.getsizeof(b"")
MOST = 256 << 10  # bytes of gaps of one size that are looked for

fillers: List[bytes] = []


# Modules that reset themselves in a child: locks that were held, threads that are
# gone, a random sequence. A zygote has one thread, holds no lock when it forks,
# and its children seed what is random; the reset alone costs each of them 100 pages.
RESETTING = frozenset(("concurrent.futures.thread", "logging", "random", "threading"))


class QuietForks:
    """Lets a zygote fork without the resets of those modules that are imported
    while it is entered. Other forks, those of functions too, are as ever."""

    def __init__(self) -> None:
        self.forking = False  # the zygote is, right now
        self._register: Callable[..., None] = os.register_at_fork

    def __enter__(self) -> "QuietForks":
        os.register_at_fork = self._quiet
        return self

    def __exit__(self, *exc_info: Any) -> None:
        os.register_at_fork = self._register

    def _quiet(self, **resets: Callable[[], Any]) -> None:
        if sys._getframe(1).f_globals.get("__name__") in RESETTING:
            resets = {when: self._unless_forking(reset) for when, reset in resets.items()}
        self._register(**resets)

    def _unless_forking(self, reset: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> None:
            if not self.forking:
                reset()

        return run

    def fork(self) -> int:
        """os.fork for the zygote."""
        self.forking = True
        try:
            pid = os.fork()
        finally:
            self.forking = False
        if pid == 0:
            threading: Any = sys.modules["threading"]
            threading.main_thread()._set_native_id()
        return pid


def share() -> None:
    """Called once, when all is loaded and before the first fork."""
    gc.collect()
    fill_gaps()
    gc.freeze()


def fill_gaps() -> None:
    """Fill the gaps between the objects that are there: what an environment makes
    would go there, which costs it a copy of each page. A whole pool that is handed
    out in one piece is a new one, so there were no gaps of that size left."""
    for size in range(STEP, LARGEST + 1, STEP):
        if size <= BYTES_HEADER:
            continue
        run, last = 0, 0
        for _ in range(MOST // size):
            filler = bytes(size - BYTES_HEADER)
            fillers.append(filler)
            run = run + 1 if id(filler) == last + size else 1
            last = id(filler)
            if run == (POOL - POOL_HEADER) // size:
                break
