"""Functions on many items by threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def each(function: Callable[[Item], Done], items: Sequence[Item], n_threads: int = 1) -> Iterator[Done]:
    """What ``function`` makes of every item, in the order of the items.

    Threads: for functions that spend their time in compiled code that lets others run. The first error ends it; items
    that were not begun are left.
    """
    if n_threads == 1 or len(items) < 2:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(min(n_threads, len(items))) as pool:
        waiting = [pool.submit(function, item) for item in items]
        try:
            for one in waiting:
                yield one.result()
        finally:
            for one in waiting:
                one.cancel()
