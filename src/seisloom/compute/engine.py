"""Engines run a task on many items, and bear what happens to the workers that do it.

A task is made ready once in every worker: ``prepare`` is a picklable function without arguments that gives a context manager,
and what that gives does one item. So a worker builds what all items need once and keeps it for the next. Engines give
(item, result) as results come, in any order.

- An error that a user can resolve (SeisloomError) ends the run: it would come again for the other items.
- Any other error, and the loss of a worker, has the item tried again, TRIES times in all. After that its result is
  :class:`Failed`, and the others go on.
- Whoever stops taking results, by Ctrl-C or an error of his own, ends the run: nothing new begins.
"""

from __future__ import annotations

import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from seisloom.errors import SeisloomError, described

TRIES = 3
"""How often an item is tried before it is given up."""

Item = TypeVar("Item")
Done = TypeVar("Done")
Prepare = Callable[[], AbstractContextManager[Callable[[Item], Done]]]
_log = logging.getLogger(__name__)


class ComputeError(SeisloomError):
    """What was to do the work cannot be had, or is gone."""


@dataclass(frozen=True)
class Failed:
    """The result of an item that failed at every try; ``words`` say how it did at the last."""

    words: str
    tries: int

    def __str__(self) -> str:
        return f"given up after {self.tries} tries: {self.words}"


class Engine(Protocol):
    """What runs tasks; used within ``with``, which ends its workers."""

    def run(self, prepare: Prepare[Item, Done], items: Sequence[Item]) -> Iterator[tuple[Item, Done | Failed]]:
        """Results of all items as they come. Raises the SeisloomError of a task, ComputeError where all workers are gone."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *_: object) -> None: ...


@dataclass(frozen=True)
class Answer:
    """What a try of an item came to: a ``result``, an error that ends the run (``stop``), or ``words`` of what went wrong."""

    result: Any = None
    stop: tuple[type[SeisloomError], str] | None = None
    words: str = ""
    trace: str = ""
    lost: bool = False
    """Whether the worker is no more."""

    def check(self) -> None:
        """Raise the error that ends the run."""
        if self.stop:
            kind, words = self.stop
            raise kind.__new__(kind, words)  # some of them are made of other things than words


class Kept:
    """A task as a worker has it: made ready for the first item, kept for the next."""

    def __init__(self, prepare: Prepare[Any, Any]) -> None:
        self._prepare, self._open = prepare, ExitStack()
        self._task: Callable[[Any], Any] | None = None

    def answer(self, item: Any) -> Answer:
        """Try an item."""
        try:
            if self._task is None:
                self._task = self._open.enter_context(self._prepare())
            return Answer(self._task(item))
        except SeisloomError as error:
            return Answer(stop=(type(error), str(error)))
        except Exception as error:
            return Answer(words=described(error), trace=traceback.format_exc())

    def close(self) -> None:
        """Give back what the task holds."""
        self._open.close()
        self._task = None


class Tries:
    """Which items wait, by number, and how often each was tried."""

    def __init__(self, n_items: int) -> None:
        self.waiting = deque(range(n_items))
        self._tried = [0] * n_items

    def take(self, suspects: Set[int], alone: bool) -> list[int]:
        """The items to begin now: all but suspects and, where there are no others, one of these if it is alone."""
        numbers = [number for number in self.waiting if number not in suspects] or list(self.waiting)[: int(alone)]
        taken = set(numbers)
        self.waiting = deque(number for number in self.waiting if number not in taken)
        return numbers

    def ended(self, number: int, answer: Answer) -> Any | None:
        """The result of an item after a try, wrapped in a tuple; None where it waits to be tried again."""
        answer.check()
        if not answer.words:
            return (answer.result,)
        self._tried[number] += 1
        if self._tried[number] >= TRIES:
            if answer.trace:
                _log.warning("given up after %d tries:\n%s", TRIES, answer.trace)
            return (Failed(answer.words, self._tried[number]),)
        self.waiting.append(number)
        return None


class Serial:
    """In this process, one item after another; a task may use threads of its own."""

    def run(self, prepare: Prepare[Item, Done], items: Sequence[Item]) -> Iterator[tuple[Item, Done | Failed]]:
        """Results in the order of the items, but for those that are tried again."""
        tries, kept = Tries(len(items)), Kept(prepare)
        try:
            while tries.waiting:
                number = tries.waiting.popleft()
                if ended := tries.ended(number, kept.answer(items[number])):
                    yield items[number], ended[0]
        finally:
            kept.close()

    def __enter__(self) -> Serial:
        return self

    def __exit__(self, *_: object) -> None:
        pass
