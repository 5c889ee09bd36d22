"""Sources and answers of the last minutes, so that nobody asks a data centre twice for what it has just said."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
KEEP_S = 600.0


@dataclass
class _Entry(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    held: tuple[float, T] | None = None
    """When it was made, by the clock, and what."""


class Recent(Generic[T]):
    """At most ``size`` values, each for ``keep_s`` seconds; what several ask for at once is made once.

    Values are shared: nobody may change them.
    """

    def __init__(self, size: int, keep_s: float = KEEP_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.size, self.keep_s, self._clock = size, keep_s, clock
        self._entries: OrderedDict[Hashable, _Entry[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, from ``make`` where there is none that is recent; its errors pass and are not kept."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)
        with entry.lock:
            if entry.held is None or self._clock() - entry.held[0] > self.keep_s:
                value = make()
                entry.held = self._clock(), value
            return entry.held[1]
