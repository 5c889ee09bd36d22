"""How often picks come by chance, at every pick: of its channel, at its time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.pick_model import Channels

Array = npt.NDArray[np.float64]

WINDOW_S = 15.0
"""Picks so far either side tell of the rate of a channel, half as far of that of the network."""
_PRIOR_PICKS = 3.0
_LEAST = 1e-5
# Probabilities are added up as whole numbers of this: a sum is then the same in any order, and so are rates of a stretch of
# the picks and of all of them.
_UNIT = 2.0**-36

Integers = npt.NDArray[np.int64]


def noise_rates(picks: Channels, chance: Array, span_s: float, total: Integers | None = None) -> Array:
    """Rate (1/s) of picks by chance about every pick, (slot,), without that pick itself.

    ``chance`` (slot,) is the probability that a pick came by chance. A gamma prior worth three picks draws the local
    rate of a channel to its mean over ``span_s`` times the network's rate at that time over its mean, so that bursts
    are seen at once, at all stations. Of a stretch of the picks ``span_s`` and ``total``, see :func:`chance_total`, are those of all.
    """
    rate, units = np.empty(len(picks.time_s)), _units(chance)
    total = chance_total(picks.channel, chance, len(picks.offsets) - 1) if total is None else total
    _rates(picks, units, np.argsort(picks.time_s, kind="stable"), max(span_s, 4 * WINDOW_S), total, rate)
    return np.maximum(rate, _LEAST)


def chance_total(channel: Integers, chance: Array, n_channels: int) -> Integers:
    """(channel,): picks by chance of each, the sum of their probabilities, in the whole numbers that such sums can be added in."""
    total = np.zeros(n_channels, np.int64)
    np.add.at(total, channel, _units(chance))
    return total


def _units(chance: Array) -> Integers:
    return np.rint(chance / _UNIT).astype(np.int64)


@njit(cache=True, nogil=True, error_model="numpy")
def _rates(picks: Channels, chance: Integers, by_time: Integers, span_s: float, total: Integers, rate: Array) -> None:
    n = len(by_time)
    half = 0.5 * WINDOW_S
    usual = np.sum(total) * _UNIT / span_s * 2.0 * half + 1.0
    low = high = 0
    inside = 0
    for q in range(n):
        k = by_time[q]
        while high < n and picks.time_s[by_time[high]] <= picks.time_s[k] + half:
            inside += chance[by_time[high]]
            high += 1
        while picks.time_s[by_time[low]] < picks.time_s[k] - half:
            inside -= chance[by_time[low]]
            low += 1
        rate[k] = ((inside - chance[k]) * _UNIT + 1.0) / usual
    for c in range(len(picks.offsets) - 1):
        first, last = picks.offsets[c], picks.offsets[c + 1]
        if first == last:
            continue
        mean = (total[c] * _UNIT + 0.5) / span_s
        low = high = first
        inside = 0
        for k in range(first, last):
            while high < last and picks.time_s[high] <= picks.time_s[k] + WINDOW_S:
                inside += chance[high]
                high += 1
            while picks.time_s[low] < picks.time_s[k] - WINDOW_S:
                inside -= chance[low]
                low += 1
            there = (inside - chance[k]) * _UNIT + _PRIOR_PICKS
            rate[k] = there / (2.0 * WINDOW_S + _PRIOR_PICKS / (mean * rate[k]))
