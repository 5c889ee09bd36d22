"""What was made is kept for the next who asks, up to so many bytes; what several ask for at once is made once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
Key = tuple[Hashable, ...]


class Cache:
    """Values by key, those used longest ago dropped first. Used from several threads."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._held: OrderedDict[Key, tuple[Any, int]] = OrderedDict()
        self._making: dict[Key, Future[Any]] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of a key, made if it is not held (errors are passed on, and not kept)."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                held: T = self._held[key][0]
                return held
            other = self._making.get(key)
            mine: Future[T] = Future()
            if other is None:
                self._making[key] = mine
        if other is not None:
            made: T = other.result()
            return made
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            mine.set_exception(error)
            raise
        self._keep(key, value, size(value))
        mine.set_result(value)
        return value

    def has(self, key: Key) -> bool:
        """Whether a value is held, or being made."""
        with self._lock:
            return key in self._held or key in self._making

    def put(self, key: Key, value: Any, size: int) -> None:
        """Hold a value that was made on the way to another."""
        self._keep(key, value, size)

    def forget(self, first: Hashable, but: Hashable = None) -> None:
        """Drop all values whose key begins with ``first``, unless ``but`` follows on it."""
        with self._lock:
            for key in [key for key in self._held if key[0] == first and key[1] != but]:
                del self._held[key]

    def _keep(self, key: Key, value: Any, size: int) -> None:
        with self._lock:
            self._making.pop(key, None)
            if size > self.most_bytes:
                return
            self._held[key] = (value, size)
            while sum(n for _, n in self._held.values()) > self.most_bytes:
                self._held.popitem(last=False)
