"""Keeping freed memory for the next use."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

# mallopt parameters of glibc (malloc.h) and the sizes they are set to, in bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEEP, LARGEST = 1 << 30, 1 << 28


@cache
def keep_freed_memory() -> None:
    """Let this process reuse large blocks that it frees, up to a gigabyte, instead of asking the system anew.

    By default glibc returns every freed block of more than some megabytes, and each page of the next one costs a fault:
    a third of the time of reading records. Other C libraries are left as they are.
    """
    if sys.platform.startswith("linux"):
        library = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):
            library.mallopt(_MMAP_THRESHOLD, LARGEST)
            library.mallopt(_TRIM_THRESHOLD, KEEP)
