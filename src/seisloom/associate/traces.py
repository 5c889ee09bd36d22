"""What the picks of every channel say of arrivals at even times: traces, which a search for events shifts and adds."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.pick_model import Channels, PickModel, first_slot

Array = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

LANES = np.uint64(32)
"""Bins that are added at once: a loop of known length, of whole registers."""
_NORMAL = 0.39894
_LEAST = 0.2  # evidence of one pick below which it is not looked at
_WIDTH = 0.3  # with it, a parabola of half width sqrt(2 (L + 0.3)) standard errors is close to log(1 + q exp(-u²/2))
_TABLE_FROM, _TABLE_STEP = -2.0, 0.05
_LOG_RATIO = np.arange(_TABLE_FROM, 16.0, _TABLE_STEP)
_GAIN = np.log1p(np.exp(_LOG_RATIO)).astype(np.float32)
_CLASS = 0.1  # logarithm of the ratio of standard errors that are taken for one
_REACH = np.sqrt(2.0 * (_GAIN + _WIDTH)).astype(np.float32)


class Errors(NamedTuple):
    """Standard errors of arrivals in classes, by travel time."""

    sigma_s: Array
    """(class, phase)"""
    of_travel: Integers
    """(half second of travel time,)"""
    shortest_s: float
    """Travel time; negative where a station term is."""
    longest_s: float


class Traces(NamedTuple):
    """What the picks of a channel say of arrivals at even times, for each class of standard errors."""

    value: Singles
    """(class, channel, bin)"""
    blocks: Integers
    """(block,): first of the bins, ``LANES`` each, outside of which nothing is said."""
    offsets: Integers
    """(channel + 1,): of its blocks."""


def error_classes(model: PickModel, spread_s: Array, shortest_s: float, longest_s: float) -> Errors:
    """Classes so narrow that a standard error is off by a few per cent, for travel times (s) from the shortest to the longest.

    ``spread_s`` (2,) is the error of P and S arrivals because sources lie between nodes.
    """
    travel = np.arange(int((longest_s - shortest_s) * 2) + 2) * 0.5 + shortest_s
    sigma = np.sqrt(model.sigma_s**2 + (model.model_error * travel[:, None]) ** 2 + spread_s**2)
    growth = np.log(np.maximum.accumulate(sigma) / sigma[0]).max(axis=1)
    of_travel = (growth / _CLASS).astype(np.int64)
    of_travel = np.searchsorted(np.unique(of_travel), of_travel)
    middle = [np.exp(np.log(sigma[of_travel == k]).mean(axis=0)) for k in range(of_travel[-1] + 1)]
    return Errors(np.array(middle), of_travel, shortest_s, longest_s)


@njit(cache=True, nogil=True, error_model="numpy")
def draw(
    picks: Channels, log_noise: Array, model: PickModel, step_s: float, errors: Errors, start: float, n_bins: int
) -> Traces:
    """Traces from the first arrival of an origin time of ``start`` to the last one of ``n_bins`` later.

    Every pick is a parabola; where two overlap, the nearer one speaks.
    """
    n_channels, n_classes, lanes = len(model.detection), len(errors.sigma_s), int(LANES)
    start += errors.shortest_s
    length = n_bins + int((errors.longest_s - errors.shortest_s) / step_s) + 3
    value = np.zeros((n_classes, n_channels, length + 2 * lanes), np.float32)
    offsets = np.zeros(n_channels + 1, np.int64)
    blocks = [0 for _ in range(0)]
    widest = _REACH[-1] * np.max(errors.sigma_s)
    for c in range(n_channels):
        p, free = model.detection[c], 0
        first = first_slot(picks, c, start - widest)
        last = first_slot(picks, c, start + length * step_s + widest)
        for slot in range(first, last if p > 0.0 else first):
            left, right = length, -1
            for k in range(n_classes):
                sigma = errors.sigma_s[k, c % 2]
                gain = math.log(p / (1.0 - p) * _NORMAL / sigma) - log_noise[slot]
                i0, i1 = _parabola(
                    picks, c, slot, gain, sigma, model.weight[c // 2], start, step_s, value[k, c, :length]
                )
                left, right = min(left, i0), max(right, i1)
            # Between bins traces are straight lines, so that each bin is heard from the one before.
            at = max(left - 1, free)
            while at <= right:
                blocks.append(at)
                free = at = at + lanes
        offsets[c + 1] = len(blocks)
    return Traces(value, np.array(blocks, np.int64), offsets)


@njit(cache=True, nogil=True, error_model="numpy")
def _parabola(
    picks: Channels,
    channel: int,
    slot: int,
    gain: float,
    sigma: float,
    weight: float,
    start: float,
    step_s: float,
    trace: Singles,
) -> tuple[int, int]:
    """Draw what a pick says, as far as it is nearer than its neighbours; returns its first bin and its last one."""
    row = min(int((gain - _TABLE_FROM) / _TABLE_STEP), len(_GAIN) - 1)
    if row < 0 or _GAIN[row] < _LEAST:
        return len(trace), -1
    at = picks.time_s[slot]
    width = sigma * _REACH[row]
    left, right = at - width, at + width
    if slot > picks.offsets[channel]:
        left = max(left, 0.5 * (at + picks.time_s[slot - 1]))
    if slot < picks.offsets[channel + 1] - 1:
        right = min(right, 0.5 * (at + picks.time_s[slot + 1]))
    i0 = max(math.floor((left - start) / step_s) + 1, 0)
    i1 = min(math.floor((right - start) / step_s), len(trace) - 1)
    lost = (step_s / width) ** 2 / 6.0  # in the mean over places between bins, which are read by straight lines
    for i in range(i0, i1 + 1):
        r = (start + i * step_s - at) / width
        trace[i] += weight * _GAIN[row] * (1.0 - r * r + lost)
    return i0, i1
