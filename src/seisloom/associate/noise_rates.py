"""How often picks come by chance, at every pick: of its channel, at its time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.pick_model import Channels

Array = npt.NDArray[np.float64]

WINDOW_S = 15.0
"""Picks so far either side tell of the rate of a channel; of that of the network, half as far at most."""
_PRIOR_PICKS = 3.0
_NETWORK_PICKS = 40.0  # so many, as a rule, tell how busy the network is: no more than it takes, for bursts are short
_NEAREST_S = 0.75  # so far either side at least
_LEAST = 1e-5
# Probabilities are added up as whole numbers of this: a sum is then the same in any order, and so are rates of a stretch of
# the picks and of all of them.
_UNIT = 2.0**-36

Integers = npt.NDArray[np.int64]


def noise_rates(picks: Channels, chance: Array, span_s: float, total: Integers | None = None) -> Array:
    """Rate (1/s) of picks by chance about every pick, (slot,), without that pick itself.

    ``chance`` (slot,) is the probability that a pick came by chance. The rate is what the channel has about that time when
    the network is as busy as usual, times how busy the network is at that moment: so bursts are seen at once, at all stations.
    The picks of a channel are counted against those of the network, as so many usual seconds, and a gamma prior worth
    three picks draws their rate to the channel's mean over ``span_s``. Of a stretch of the picks ``span_s`` and ``total``,
    see :func:`chance_total`, are those of all.
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
    usual = max(np.sum(total) * _UNIT, 0.5) / span_s
    near_s = min(max(0.5 * _NETWORK_PICKS / usual, _NEAREST_S), 0.5 * WINDOW_S)
    exposure_s, inside = np.empty(len(by_time)), np.empty(len(by_time), np.int64)
    _count(picks.time_s, chance, by_time, WINDOW_S, inside)
    for k in range(len(by_time)):
        exposure_s[k] = max(inside[k] * _UNIT / usual, 0.5 * WINDOW_S)
    _count(picks.time_s, chance, by_time, near_s, inside)
    for k in range(len(by_time)):
        rate[k] = (inside[k] * _UNIT + 1.0) / (usual * 2.0 * near_s + 1.0)
    for c in range(len(picks.offsets) - 1):
        own = np.arange(picks.offsets[c], picks.offsets[c + 1])
        _count(picks.time_s, chance, own, WINDOW_S, inside)
        mean = (total[c] * _UNIT + 0.5) / span_s
        for k in own:
            rate[k] *= (inside[k] * _UNIT + _PRIOR_PICKS) / (exposure_s[k] + _PRIOR_PICKS / mean)


@njit(cache=True, nogil=True, error_model="numpy")
def _count(time_s: Array, chance: Integers, slots: Integers, within_s: float, inside: Integers) -> None:
    """Set in ``inside`` (slot,), for each of ``slots``, which come by time: picks by chance among the others within a time."""
    low = high = 0
    there = 0
    for k in slots:
        while high < len(slots) and time_s[slots[high]] <= time_s[k] + within_s:
            there += chance[slots[high]]
            high += 1
        while time_s[slots[low]] < time_s[k] - within_s:
            there -= chance[slots[low]]
            low += 1
        inside[k] = there - chance[k]
