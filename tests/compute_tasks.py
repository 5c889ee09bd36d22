"""Tasks that tests give to engines: they are imported by the workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seisloom.errors import InputError

BAD = 2
"""The item that fails."""


@contextmanager
def squares() -> Iterator[Callable[[int], int]]:
    yield lambda k: k * k


@contextmanager
def failing() -> Iterator[Callable[[int], int]]:
    def task(k: int) -> int:
        return 1 // (k - BAD)

    yield task


@contextmanager
def refusing() -> Iterator[Callable[[int], int]]:
    def task(k: int) -> int:
        if k == BAD:
            raise InputError("item 2 cannot be used: leave it out")
        return k

    yield task


@contextmanager
def dying(folder: str, times: int = 99) -> Iterator[Callable[[int], int]]:
    """The worker that has the bad item is killed, so often; files in a folder say how often it was."""

    def task(k: int) -> int:
        tries = Path(folder)
        if k == BAD and len(list(tries.glob("*"))) < times:
            (tries / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return k * k

    yield task


@contextmanager
def numbered() -> Iterator[Callable[[int], tuple[int, int]]]:
    """Which process does an item, and how many it has done with the same task."""
    count = 0

    def task(k: int) -> tuple[int, int]:
        nonlocal count
        count += 1
        time.sleep(0.05)
        return os.getpid(), count

    yield task


@contextmanager
def noted(folder: str, seconds: float = 0.1) -> Iterator[Callable[[int], None]]:
    """An item leaves a file in a folder and takes a while."""

    def task(k: int) -> None:
        (Path(folder) / str(k)).touch()
        time.sleep(seconds)

    yield task


@contextmanager
def raising(error: Exception) -> Iterator[Callable[[int], None]]:
    def task(k: int) -> None:
        raise error

    yield task
