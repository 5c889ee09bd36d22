"""Stretches of picks, searched on their own: each with its neighbours on both sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seisloom.associate.hypothesis import N_COLUMNS, TIME, Evidence
from seisloom.associate.learn import Known, worth_of_probability
from seisloom.associate.noise_rates import WINDOW_S, noise_rates
from seisloom.associate.pick_model import Channels, by_channel
from seisloom.picks import PickArrays

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_PART_PICKS = 10_000
_SAMPLE_PICKS = 40_000
_CHANGED = 0.1  # of the logarithm of the rate against a pick, from which on a scan may see something else
_BORDER_S = 3.0  # origin times may move so far across the border of two parts while their neighbours are unknown
_OWNED_BY_CHANCE = 0.05  # least that a pick counts towards the rate of picks by chance


@dataclass
class Part:
    """A stretch of the picks, of which [first_s, last_s) is its own; the others are its neighbours'."""

    first_s: float
    last_s: float
    data: Evidence
    span_s: float
    """Length of all its picks."""
    probability: Array
    """(slot,): the picker's."""
    events: Array = field(default_factory=lambda: np.empty((0, N_COLUMNS)))
    candidates: Array = field(default_factory=lambda: np.empty((0, 5)))
    """What scans have found, columns as there."""
    settled: bool = False
    """Nothing is added by another round."""
    exchanged: bool = False
    """Weaker events were challenged."""
    scanned: dict[int, Array] = field(default_factory=dict)
    """(slot,): logarithm of the rate against each pick when a grid was scanned last, by the number of the grid."""
    fronts: Array = field(init=False)
    """(slot,): density of picks by waves from far away and bursts, 1/s; part of the noise."""
    fallen: int = 0
    """Hypotheses of its own that were fronts."""
    halo_s: float = 0.0
    """So far its neighbours' picks go."""
    first_pick: int = 0
    """Where its picks begin among those of all parts; ``data.picks.pick`` counts from there."""

    def __post_init__(self) -> None:
        self.fronts = np.zeros(len(self.data.noise))

    @property
    def chance(self) -> Array:
        """(slot,): probability that a pick came by chance."""
        return np.maximum(self.data.noise / (self.data.noise + self.data.explained), _OWNED_BY_CHANCE)

    def renew_noise(self, known: Known, total: Integers | None = None) -> None:
        """Rates of picks by chance, what events explain left out; ``total`` as for :func:`noise_rates`."""
        rates = noise_rates(self.data.picks, self.chance, self.span_s, total)
        self.data.noise[:] = rates / self.worth(known) + self.fronts

    def worth(self, known: Known) -> Array:
        """(slot,): how much likelier a pick of its probability is of an event than by chance."""
        return worth_of_probability(known, self.data.picks.channel % 2, self.probability)

    @property
    def pick(self) -> Integers:
        """(slot,): place among the picks of all parts."""
        return self.first_pick + self.data.picks.pick

    @property
    def own(self) -> npt.NDArray[np.bool_]:
        """(slot,): not a neighbour's."""
        return (self.data.picks.time_s >= self.first_s) & (self.data.picks.time_s < self.last_s)

    def owns(self, events: Array) -> npt.NDArray[np.bool_]:
        """Which origin times lie in it, or hardly beyond."""
        return (events[:, TIME] >= self.first_s - _BORDER_S) & (events[:, TIME] < self.last_s + _BORDER_S)

    def changed(self, grid: int) -> npt.NDArray[np.bool_] | None:
        """(slot,): against which picks more, or less, speaks than in the last scan of this grid; None if there was none."""
        before, now = self.scanned.get(grid), np.log(self.data.noise + self.data.explained)
        self.scanned[grid] = now
        return None if before is None else np.abs(now - before) > _CHANGED


class PickSource(Protocol):
    """Picks in the order of time, of which stretches are read."""

    @property
    def time_s(self) -> Array:
        """(pick,)"""
        ...

    def between(self, first_s: float, last_s: float) -> tuple[PickArrays, int]:
        """Picks from ``first_s`` on and before ``last_s``, and the place of their first among all."""
        ...


@dataclass(frozen=True)
class HeldPicks:
    """Picks that are all in memory."""

    picks: PickArrays

    @property
    def time_s(self) -> Array:
        """(pick,)"""
        return self.picks.time_s

    def between(self, first_s: float, last_s: float) -> tuple[PickArrays, int]:
        """A stretch of them."""
        first, last = np.searchsorted(self.picks.time_s, [first_s, last_s])
        return self.picks.stretch(first, last), int(first)


NO_PICKS = HeldPicks(
    PickArrays(
        np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int8), np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    )
)


@dataclass(frozen=True)
class Parts(Sequence[Part]):
    """Stretches of 10,000 picks or more, and much longer than arrivals take; each is made when it is asked for."""

    source: PickSource
    n_stations: int
    borders: list[float]
    known: Known
    halo_s: float
    kept: dict[int, Part] = field(default_factory=dict)
    """Parts that were worked on, and are given as they are."""

    def __len__(self) -> int:
        return len(self.borders) - 1

    def __getitem__(self, number: Any) -> Any:
        number = range(len(self))[number]
        if number in self.kept:
            return self.kept[number]
        first_s, last_s = self.borders[number : number + 2]
        return read_part(self.source, self.n_stations, first_s, last_s, self.known, self.halo_s)

    def n_picks(self, number: int) -> int:
        """Picks of a part and those that its neighbours lend."""
        ends = self.borders[number] - self.halo_s, self.borders[number + 1] + self.halo_s
        return int(np.diff(np.searchsorted(self.source.time_s, ends))[0])

    def sample(self) -> list[Part]:
        """Parts to learn from, which are kept: all, or some that are spread over them."""
        step = math.ceil(sum(map(self.n_picks, range(len(self)))) / _SAMPLE_PICKS)
        for number in range(len(self))[step // 2 :: step] or [0]:
            self.kept[number] = self[number]
        return list(self.kept.values())


def make_parts(source: PickSource, n_stations: int, longest_s: float, known: Known) -> Parts:
    """Parts of picks whose arrivals take ``longest_s`` at most."""
    return Parts(source, n_stations, part_borders(source.time_s, longest_s), known, halo_of(longest_s))


def halo_of(longest_s: float) -> float:
    """So far neighbours' picks are needed: two events that share picks, and rates there."""
    return 2.0 * longest_s + WINDOW_S


def part_borders(time: Array, longest_s: float) -> list[float]:
    """Where the parts of picks at such times, in their order, begin and end (s)."""
    least_s = 20.0 * longest_s
    borders, at = [-math.inf], 0
    while True:
        at = max(at + _PART_PICKS, int(np.searchsorted(time, time[min(at, len(time) - 1)] + least_s)))
        if at + _PART_PICKS // 2 >= len(time) or time[-1] - time[at] < least_s:
            break
        borders.append(float(time[at]))
    borders.append(math.inf)
    return borders


def read_part(
    source: PickSource,
    n_stations: int,
    first_s: float,
    last_s: float,
    known: Known,
    halo_s: float,
    *,
    span_s: float | None = None,
    total: Integers | None = None,
) -> Part:
    """A stretch of the picks of a source and, so far on both sides, what its neighbours lend; see :func:`make_part`."""
    picks, first_pick = source.between(first_s - halo_s, last_s + halo_s)
    part = make_part(picks, by_channel(picks, n_stations), first_s, last_s, known, halo_s, span_s=span_s, total=total)
    part.first_pick = first_pick
    return part


def make_part(
    picks: PickArrays,
    channels: Channels,
    first_s: float,
    last_s: float,
    known: Known,
    halo_s: float = 0.0,
    *,
    span_s: float | None = None,
    total: Integers | None = None,
) -> Part:
    """Picks from ``first_s`` to ``last_s`` and on both sides of them.

    ``span_s`` and ``total``, as for :func:`noise_rates`, are those of these picks unless they are given.
    """
    inside = (channels.time_s >= first_s - halo_s) & (channels.time_s < last_s + halo_s)
    channel = channels.channel[inside]
    offsets = np.searchsorted(channel, np.arange(len(channels.offsets))).astype(np.int64)
    mine = Channels(offsets, channels.time_s[inside], channel, channels.pick[inside])
    span = span_of(mine.time_s) if span_s is None else span_s
    probability = picks.probability[mine.pick].astype(float)
    worth = worth_of_probability(known, channel % 2, probability)
    noise = noise_rates(mine, np.ones(len(channel)), span, total) / worth
    return Part(first_s, last_s, Evidence(mine, noise, np.zeros(len(channel))), span, probability, halo_s=halo_s)


def span_of(time_s: Array) -> float:
    """Length of picks, s."""
    return max(float(time_s.max() - time_s.min()), 1.0)
