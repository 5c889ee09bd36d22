"""Quick items put together to tasks that are worth handing out: a task costs Dask tens of milliseconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from seisloom.compute.engine import Done, Engine, Failed, Item, Prepare

SHORTEST_S, AIM_S = 5.0, 10.0
"""Items that take less than the first are put together to tasks of about the second."""
TASKS_A_WORKER = 4
"""At least, where there are so many items: nobody is left waiting for another's long task."""


def items_a_task(item_s: float, n_items: int, n_workers: int) -> int:
    """How many items of ``item_s`` seconds each to put into a task, one at least."""
    if item_s >= SHORTEST_S:
        return 1
    wanted = math.ceil(AIM_S / max(item_s, 1e-3))
    return max(1, min(wanted, n_items // (TASKS_A_WORKER * n_workers)))


def run_together(
    engine: Engine, prepare: Prepare[Item, Done], items: Sequence[Item], together: int
) -> Iterator[tuple[Item, Done | Failed]]:
    """Results of ``engine.run(prepare, items)`` with ``together`` consecutive items a task.

    Where a task fails for good, its items are tried one by one, so that none is given up for what another did.
    """
    if together == 1:
        yield from engine.run(prepare, items)
        return
    batches = [tuple(items[first : first + together]) for first in range(0, len(items), together)]
    left: list[Item] = []
    for batch, results in engine.run(partial(_several, prepare), batches):
        if isinstance(results, Failed):
            left += batch
        else:
            yield from zip(batch, results, strict=True)
    if left:
        yield from engine.run(prepare, left)


@contextmanager
def _several(prepare: Prepare[Item, Done]) -> Iterator[Callable[[Sequence[Item]], list[Done]]]:
    """What does some items one after another."""
    with prepare() as task:
        yield lambda items: [task(item) for item in items]
