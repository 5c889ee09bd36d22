"""Cores of this machine."""

from __future__ import annotations

import os


def cores() -> int:
    """Cores that this process may use, which a batch system may have made fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
