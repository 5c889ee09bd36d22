"""What is taken for known of picks and stations while events are looked for; all of it is learned from the picks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.picks import PickArrays

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

RESIDUAL_MAX = 8.0
"""Largest residual of a pick, in standard errors."""
_PER_SIGMA = 50
WIDE = 5.0
"""Standard error of outliers over that of other picks."""
_PER_RADIUS = 100
FARTHEST = 4.0
"""Distance over radius of detection beyond which nothing is picked."""
_NORMAL = 1.0 / math.sqrt(2.0 * math.pi)
NO_SEISMICITY = np.zeros((1, 1, 1))
"""The table of a model that knows nothing of places."""


class Channels(NamedTuple):
    """Picks by channel (2 station + phase), in each by time. A *slot* is a place in these arrays."""

    offsets: Integers
    """(channel + 1,)"""
    time_s: Array
    """(slot,)"""
    channel: Integers
    """(slot,)"""
    pick: Integers
    """(slot,): position in PickArrays."""


class PickModel(NamedTuple):
    """How the picks of an event behave.

    A station at hypocentral distance d, of sensitivity g, picks an event of radius R in a channel with probability
    ``detection[channel]`` times :func:`detection_table` at d / (g R). The residual is normal, with standard errors of the pick and
    of the travel time added in squares; a share of outliers has five times that.
    """

    x_km: Array
    """(station,)"""
    y_km: Array
    depth_km: Array
    weight: Array
    """(station,): what its picks count; less than 1 where stations share a place, and with it their noise."""
    sensitivity: Array
    """(station,): radius of detection over the usual one."""
    detection: Array
    """(channel,): probability of a pick near the event; 0 leaves the channel out."""
    delay_s: Array
    """(channel,)"""
    sigma_s: Array
    """(2,): standard error of P and S picks."""
    model_error: float
    """Error of travel times as a fraction of them."""
    wrong_label: float
    """Share of picks that are named after the other phase."""
    density: Array
    """Density of a residual in standard errors, at steps of 1/50."""
    nearness: Array
    """Share of detection, as :func:`detection_table` makes it, at steps of 1/100 of the radius."""
    radius_km: Array
    """(class,): radii of detection that events may have."""
    radius_prior: Array
    """(class,): logarithm of their probability."""
    seismicity: Array
    """(x, y, depth): logarithm of the density of sources over its mean at the middle of cells, or ``NO_SEISMICITY``."""
    seismicity_km: Array
    """(2, 3): where the first cell of that table begins, and the sides of the cells, along x, y, depth."""


def by_channel(picks: PickArrays, n_stations: int) -> Channels:
    """Picks in the order of channel, then time."""
    channel = 2 * picks.station.astype(np.int64) + picks.phase
    order = np.lexsort((picks.time_s, channel))
    offsets = np.searchsorted(channel[order], np.arange(2 * n_stations + 1)).astype(np.int64)
    return Channels(offsets, picks.time_s[order], channel[order], order)


def residual_density(outlier_share: float) -> Array:
    """Table of the density of absolute residuals in standard errors, zero at the largest."""
    u = np.arange(RESIDUAL_MAX * _PER_SIGMA + 1) / _PER_SIGMA
    core, wide = np.exp(-(u**2) / 2), np.exp(-((u / WIDE) ** 2) / 2) / WIDE
    table = _NORMAL * ((1.0 - outlier_share) * core + outlier_share * wide)
    table[-1] = 0.0
    return table


def detection_table(falloff: float, by_logarithm: bool = False) -> Array:
    """Table of the share of stations that detect an event, by distance over radius of detection v.

    1 / (1 + exp((v - 1) / falloff)), or 1 / (1 + v^(1 / falloff)): amplitudes fall with a power of distance, and what is
    detected is told by their logarithm (a logistic curve in it, as in Schorlemmer & Woessner 2008, BSSA 98).
    """
    v = np.arange(FARTHEST * _PER_RADIUS + 2) / _PER_RADIUS
    beyond = np.log(np.maximum(v, 1.0 / _PER_RADIUS)) if by_logarithm else v - 1.0
    table = 1.0 / (1.0 + np.exp(beyond / falloff))
    table[-1] = 0.0
    return table


@njit(cache=True, nogil=True, error_model="numpy")
def density_at(model: PickModel, u: float) -> float:
    """Density of an absolute residual of u standard errors."""
    a = u * _PER_SIGMA
    i = int(a)
    if i >= len(model.density) - 1:
        return 0.0
    return model.density[i] + (a - i) * (model.density[i + 1] - model.density[i])


@njit(cache=True, nogil=True, error_model="numpy")
def nearness_at(model: PickModel, v: float) -> float:
    """Share of detection at a distance of v radii."""
    a = v * _PER_RADIUS
    i = int(a)
    if i >= len(model.nearness) - 1:
        return 0.0
    return model.nearness[i] + (a - i) * (model.nearness[i + 1] - model.nearness[i])


@njit(cache=True, nogil=True, error_model="numpy")
def seismicity_at(model: PickModel, x_km: float, y_km: float, depth_km: float) -> float:
    """Logarithm of the density of sources at a place over its mean: trilinear, and beyond the table as at its edge."""
    table = model.seismicity
    if table.size == 1:
        return 0.0
    low, side = model.seismicity_km[0], model.seismicity_km[1]
    i, u = _between((x_km - low[0]) / side[0], table.shape[0])
    j, v = _between((y_km - low[1]) / side[1], table.shape[1])
    k, w = _between((depth_km - low[2]) / side[2], table.shape[2])
    value = 0.0
    for a in range(2):
        for b in range(2):
            for c in range(2):
                share = (u if a else 1.0 - u) * (v if b else 1.0 - v) * (w if c else 1.0 - w)
                if share > 0.0:
                    value += share * table[i + a, j + b, k + c]
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def _between(at: float, n: int) -> tuple[int, float]:
    """Of n cells: the one whose middle is the last before a place (in cells), and the share of the way to the next."""
    inside = min(max(at - 0.5, 0.0), n - 1.0)
    first = min(int(inside), max(n - 2, 0))
    return first, inside - first


@njit(cache=True, nogil=True, error_model="numpy")
def first_slot(picks: Channels, channel: int, time: float) -> int:
    """The first slot of a channel whose pick is not before a time."""
    low, high = picks.offsets[channel], picks.offsets[channel + 1]
    while low < high:
        middle = (low + high) // 2
        if picks.time_s[middle] < time:
            low = middle + 1
        else:
            high = middle
    return low
