"""Parts of the picks as tasks, for threads and for workers in other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from seisloom.associate.parts import Part
from seisloom.associate.settle import Searched, searched
from seisloom.compute import Compute, ComputeError, Failed, each, open_engine

_AT_ONCE = 200  # parts that an engine is given: some engines hold all that they are given


class Searcher(Protocol):
    """A search that has learned what it could; picklable."""

    def rounds(self, parts: list[Part], learning: bool) -> None:
        """Search parts until nothing is added."""
        ...


@dataclass(frozen=True)
class _Some(Sequence[Part]):
    """Some of the parts, made when they are asked for."""

    parts: Sequence[Part]
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: Any) -> Any:
        return self.parts[self.numbers[place]]


@contextmanager
def part_task(search: Searcher) -> Iterator[Callable[[Part], Searched]]:
    """What searches one part through all rounds."""

    def task(part: Part) -> Searched:
        search.rounds([part], learning=False)
        return searched(part)

    yield task


def search_parts(
    search: Searcher, parts: Sequence[Part], numbers: Sequence[int], compute: Compute | None, n_threads: int
) -> Iterator[Searched]:
    """Results of some of the parts as they come: by threads of this process, or the workers of an engine.

    Nothing is learned between rounds, so that parts, unlike those of a study, have nothing to do with one another.
    """
    some = _Some(parts, numbers)
    if compute is None or not compute.remote:
        with part_task(search) as task:
            yield from each(lambda place: task(some[place]), range(len(some)), n_threads)
        return
    with open_engine(compute) as engine:
        for first in range(0, len(numbers), _AT_ONCE):
            for part, found in engine.run(partial(part_task, search), _Some(parts, numbers[first : first + _AT_ONCE])):
                if isinstance(found, Failed):
                    raise ComputeError(f"picks from {part.first_s:.0f} to {part.last_s:.0f} s: {found}")
                yield found
