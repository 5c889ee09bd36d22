"""What all picks together show, however many there are: counts, length, and how often a channel has others about a pick."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from seisloom.associate.noise_rates import WINDOW_S, chance_total, noise_rates
from seisloom.associate.parts import PickSource, span_of
from seisloom.associate.pick_model import by_channel

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_BLOCK = 250_000  # picks that are held at once
_CLASS_BITS = 44  # of a number, below those that tell its class: classes are 1/256 of an octave wide


@dataclass(frozen=True)
class Overview:
    """Numbers of all picks."""

    total: Integers
    """(channel,): picks, as ``noise_rates`` takes them."""
    span_s: float
    """Length, one second at least."""
    rate: float
    """Median rate of other picks of the channel about a pick, 1/s; see ``noise_rates``."""

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """(channel,): which have picks."""
        return self.total > 0


def overview(source: PickSource, n_stations: int) -> Overview:
    """Go through all picks of a source, of which there must be some."""
    span, total = span_of(source.time_s), np.zeros(2 * n_stations, np.int64)
    for first_s, last_s in _blocks(source.time_s):
        picks, _ = source.between(first_s, last_s)
        channel = 2 * picks.station.astype(np.int64) + picks.phase
        total += chance_total(channel, np.ones(len(channel)), len(total))

    def rates() -> Iterator[Array]:
        for first_s, last_s in _blocks(source.time_s):
            picks, _ = source.between(first_s - WINDOW_S, last_s + WINDOW_S)
            channels = by_channel(picks, n_stations)
            rate = noise_rates(channels, np.ones(len(picks.time_s)), span, total)
            yield rate[(channels.time_s >= first_s) & (channels.time_s < last_s)]

    return Overview(total, span, median(rates))


def median(blocks: Callable[[], Iterator[Array]]) -> float:
    """Median of positive numbers that come in blocks, each time they are asked for; NaN where there are none."""
    counts = np.zeros(1 << (63 - _CLASS_BITS), np.int64)
    for values in blocks():  # the bits of positive numbers are in their order
        counts += np.bincount(values.view(np.int64) >> _CLASS_BITS, minlength=len(counts))
    n, last = int(counts.sum()), np.cumsum(counts)
    if not n:
        return math.nan
    ranks = np.array([(n - 1) // 2, n // 2])
    classes = np.searchsorted(last, ranks, side="right")
    chosen = [values[np.isin(values.view(np.int64) >> _CLASS_BITS, classes)] for values in blocks()]
    before = last[classes[0]] - counts[classes[0]]
    return float(np.mean(np.sort(np.concatenate(chosen))[ranks - before]))


def _blocks(time_s: Array) -> Iterator[tuple[float, float]]:
    """Stretches that hold so many picks, and a few more where these come at one time."""
    borders = [-math.inf, *(float(time_s[at]) for at in range(_BLOCK, len(time_s), _BLOCK)), math.inf]
    yield from pairwise(borders)
