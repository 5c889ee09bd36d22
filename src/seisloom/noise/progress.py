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
        self._channels, self._pairs, self._read, self._made = channels, pairs, 0, 0

    def begin(self, pairs: int) -> None:
        """A part of the day that begins after so many pairs; in all but the first the channels have been read."""
        self._read, self._made = (self._channels if pairs else 0), pairs

    def channel(self) -> None:
        self._read = min(self._read + 1, self._channels)
        self._report()

    def pairs(self, done: int) -> None:
        self._made = done
        self._report()

    def _report(self) -> None:
        self._reporter(
            Progress(self.day, self._number, self._days, self._read, self._channels, self._made, self._pairs)
        )
