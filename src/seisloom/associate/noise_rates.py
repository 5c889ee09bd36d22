"""How often picks come by chance, at every pick: of its channel, at its time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.pick_model import Channels

Array = npt.NDArray[np.float64]

WINDOW_S = 15.0
"""Picks so far either side tell of the rate of a channel, half as far at most of that of the network."""
_PRIOR_PICKS = 3.0
_NETWORK_PICKS = 40.0  # as many, in the mean, tell of the rate of the network at a time: bursts are short
_SHORTEST_S = 0.75
_LEAST = 1e-5
# Probabilities are added up as whole numbers of this: a sum is then the same in any order, and so are rates of a stretch of
# the picks and of all of them.
_UNIT = 2.0**-36

Integers = npt.NDArray[np.int64]


def noise_rates(picks: Channels, chance: Array, span_s: float, total: Integers | None = None) -> Array:
    """Rate (1/s) of picks by chance about every pick, (slot,), without that pick itself.

    ``chance`` (slot,) is the probability that a pick came by chance. The rate is that of the channel about that time, as if the
    network were as busy as usual, times how busy the network is at that moment: so bursts are seen at once, at all stations.
    How busy it was while the picks of the channel were counted is allowed for, and a gamma prior worth three picks draws
    the rate of the channel to its mean over ``span_s``. Of a stretch of the picks ``span_s`` and ``total``, see
    :func:`chance_total`, are those of all.
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
    network = max(np.sum(total) * _UNIT, 0.5) / span_s
    half = min(max(0.5 * _NETWORK_PICKS / network, _SHORTEST_S), 0.5 * WINDOW_S)
    exposure, inside = np.empty(len(by_time)), np.empty(len(by_time), np.int64)
    _count(picks.time_s, chance, by_time, WINDOW_S, inside)
    for k in range(len(by_time)):
        exposure[k] = max(inside[k] * _UNIT / network, 0.5 * WINDOW_S)
    _count(picks.time_s, chance, by_time, half, inside)
    for k in range(len(by_time)):
        rate[k] = (inside[k] * _UNIT + 1.0) / (network * 2.0 * half + 1.0)
    for c in range(len(picks.offsets) - 1):
        own = np.arange(picks.offsets[c], picks.offsets[c + 1])
        _count(picks.time_s, chance, own, WINDOW_S, inside)
        mean = (total[c] * _UNIT + 0.5) / span_s
        for k in own:
            rate[k] *= (inside[k] * _UNIT + _PRIOR_PICKS) / (exposure[k] + _PRIOR_PICKS / mean)


@njit(cache=True, nogil=True, error_model="numpy")
def _count(time_s: Array, chance: Integers, by_time: Integers, within_s: float, inside: Integers) -> None:
    """Chance of the others of these slots, which come in the order of time, within a time of each; set in ``inside``."""
    low = high = 0
    there = 0
    for k in by_time:
        while high < len(by_time) and time_s[by_time[high]] <= time_s[k] + within_s:
            there += chance[by_time[high]]
            high += 1
        while time_s[by_time[low]] < time_s[k] - within_s:
            there -= chance[by_time[low]]
            low += 1
        inside[k] = there - chance[k]
