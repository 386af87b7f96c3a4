"""Keeps what the zygote holds shared with the environments that are forked from it.

A page is copied as soon as one side writes to it. Start reading at share.
"""

import gc
import sys
from typing import List

# How the interpreter's allocator cuts its memory: Objects/obmalloc.c.
STEP, LARGEST = 16, 512
POOL = 16 << 10 if sys.version_info >= (3, 10) else 4 << 10
POOL_HEADER = 48
BYTES_HEADER = sys.getsizeof(b"")
MOST = 256 << 10  # bytes of gaps of one size that are looked for

fillers: List[bytes] = []


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
