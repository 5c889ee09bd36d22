"""What runs in the workers of a Dask cluster (:mod:`seisloom.compute.on_dask`)."""

from __future__ import annotations

import pickle
import threading
from typing import Any

from seisloom import __version__
from seisloom.compute.engine import Answer, ComputeError, Kept

_lock = threading.Lock()
_idle: dict[str, list[Kept]] = {}
"""Tasks that are ready and not at work, by their run. A worker of several threads has as many as it does items at once."""


def same(data: bytes) -> bytes:
    """The task of a run, as a task of Dask's."""
    return data


def answer(run: str, version: str, task: bytes, item: Any) -> Answer:
    """Try an item of a run that was begun by a version of seisloom."""
    if version != __version__:
        words = f"a worker has seisloom {__version__}, and this is {version}: install the same everywhere"
        return Answer(stop=(ComputeError, words))
    with _lock:
        idle = _idle.setdefault(run, [])
        kept = idle.pop() if idle else Kept(lambda: pickle.loads(task)())
    try:
        return kept.answer(item)
    finally:
        with _lock:
            _idle.setdefault(run, []).append(kept)


async def forget(run: str) -> None:
    """Give back what the tasks of a run hold."""
    with _lock:
        ended = _idle.pop(run, [])
    for kept in ended:
        kept.close()
