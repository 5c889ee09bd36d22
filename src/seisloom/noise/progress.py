"""How far a run is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run stands: days finished of all, and within the day channels read and pairs made."""

    day: str
    days_done: int
    days: int
    channels_done: int
    channels: int
    pairs_done: int
    pairs: int


Reporter = Callable[[Progress], None]


class Counters:
    """Counts channels and pairs of a day and passes them on."""

    def __init__(self, day: str, number: int, days: int, channels: int, pairs: int, reporter: Reporter) -> None:
        self.day, self._number, self._days, self._reporter = day, number, days, reporter
        self._channels, self._pairs, self._read = channels, pairs, 0

    def channel(self) -> None:
        self._read += 1
        self._report(0)

    def pairs(self, done: int) -> None:
        self._report(done)

    def _report(self, pairs_done: int) -> None:
        self._reporter(
            Progress(self.day, self._number, self._days, self._read, self._channels, pairs_done, self._pairs)
        )
