"""Memory of the whole process: how often Python looks for garbage, and what becomes of what is freed."""

from __future__ import annotations

import gc
import sys
from functools import cache

# mallopt parameters of glibc (malloc.h) and the sizes they are set to, in bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEEP, LARGEST = 1 << 30, 1 << 28


def collect_rarely() -> None:
    """Let Python look for garbage less often than it does by default.

    The imports of a command make many objects that stay: looking for garbage among them takes a tenth of a second.
    """
    gc.set_threshold(50_000, 20, 20)


@cache
def keep_freed_memory() -> None:
    """Let this process reuse large blocks that it frees, up to a gigabyte, instead of asking the system anew.

    By default glibc returns every freed block of more than some megabytes, and each page of the next one costs a fault:
    a third of the time of reading records. Other C libraries are left as they are.
    """
    import ctypes

    if sys.platform.startswith("linux"):
        library = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):
            library.mallopt(_MMAP_THRESHOLD, LARGEST)
            library.mallopt(_TRIM_THRESHOLD, KEEP)
