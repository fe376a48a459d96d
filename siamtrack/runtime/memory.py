"""Memory of the C library: the buffers that a network frees between two layers are used again, not given back."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameters of glibc's `mallopt` (malloc.h)."""
KEPT = 128 << 20
"""Bytes at the end of the heap that stay with the process when they are free."""
LARGEST = 32 << 20
"""Blocks up to this size are of the heap; glibc allows no greater one. Larger ones come from the system every time."""
ARENAS = 2
"""Heaps that all threads share. By default each thread has its own, up to eight a core, and what one of them freed
serves no other: a server, whose threads come and go, grew by 200 MB in five minutes."""
VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
"""By which a user decides this for a process."""


def keep_freed_memory() -> bool:
    """Let the process keep up to `KEPT` bytes of freed memory, in `ARENAS` heaps at most from now on, where the C
    library is glibc and nobody decided else.

    By default glibc returns blocks of some megabytes to the system when they are freed, and gets them again, page by
    page, in the next frame: up to 2,800 page faults and 11 ms of system time a frame (siamtrack-lite), as chance lays
    out the heap.

    Returns:
        Whether it does so now.
    """
    if sys.platform != "linux" or any(os.environ.get(name) for name in VARIABLES):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):  # musl
        return False
    settings = {M_MMAP_THRESHOLD: LARGEST, M_TRIM_THRESHOLD: KEPT, M_ARENA_MAX: ARENAS}
    return all(library.mallopt(parameter, value) for parameter, value in settings.items())


def give_back_freed_memory() -> None:
    """Return to the system what the process keeps of freed memory, where `keep_freed_memory` may decide that; takes
    milliseconds.

    For when much was freed that will not be needed soon: when a page of a server has left, not between frames.
    """
    if sys.platform != "linux" or any(os.environ.get(name) for name in VARIABLES):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
