"""What picks say for an event: a likelihood ratio against chance.

A channel (station and phase) that would see an event with probability p, and holds a pick with residual r where picks
come by chance at a rate b, says log(1 - p + p f(r) / b) for the event; one without a pick says log(1 - p). f is
Student's density with 5 degrees of freedom. The evidence is the sum over the stations nearest to the event, out to the
distance that makes it largest: the event's radius of detection.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.network import Network
from seisloom.associate.plane import epicentral, epicentral_km
from seisloom.picks import PickArrays
from seisloom.traveltime import TravelTimes, travel_time

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_STUDENT = 0.379607  # density of Student's t with 5 degrees of freedom at 0
_GIVE_UP = 25.0  # stations beyond which the sum lies so far below its best are not looked at
_RATE_WINDOW_S = 20.0
_BURST_S = 10.0  # either side of an arrival, where picks that do not fit tell of a burst
_BURST_DOUBT = 3.0  # picks


class Channels(NamedTuple):
    """Picks by channel (2 station + phase), in each by time. A *slot* is a place in these arrays."""

    offsets: Integers
    """(channel + 1,)"""
    time_s: Array
    """(slot,)"""
    rate: Array
    """(slot,): picks by chance in 1/s, about the time of this one."""
    mean_rate: Array
    """(channel,): picks by chance in 1/s, at all times."""
    worth: Array
    """(slot,): how much likelier a pick like this is of an event than by chance, whatever its time."""
    pick: Integers
    """(slot,): position in PickArrays."""
    x_km: Array
    """(station,)"""
    y_km: Array


class PickModel(NamedTuple):
    """How picks of an event behave."""

    sigma_s: Array
    """(2,): standard error of P and S."""
    model_error: float
    """Error of travel times as a fraction of them."""
    detection: Array
    """(channel,): probability of a pick within the radius of detection; 0 leaves the channel out."""
    tolerance: float
    """Largest residual in standard errors."""
    max_residual_s: Array
    """(2,): largest residual of P and S in s, whatever the standard error."""


def channels(picks: PickArrays, network: Network, worth: Array, chance: Array) -> Channels:
    """Picks by channel. ``chance`` (pick,) is how much each counts towards the rate of picks that come by chance."""
    channel = 2 * picks.station.astype(np.int64) + picks.phase
    order = np.lexsort((picks.time_s, channel))
    offsets = np.searchsorted(channel[order], np.arange(2 * network.n_stations + 1))
    time = picks.time_s[order]
    rate, mean = np.empty(len(order)), np.zeros(len(offsets) - 1)
    _chance_rates(offsets, time, chance[order], _RATE_WINDOW_S, rate, mean)
    return Channels(offsets, time, rate, mean, worth[order], order, network.x_km, network.y_km)


@njit(cache=True, nogil=True, error_model="numpy")
def _chance_rates(offsets: Integers, time: Array, chance: Array, window_s: float, rate: Array, mean: Array) -> None:
    """Other picks of the channel within the window either side, drawn half-way to the channel's mean rate."""
    span = max(time.max() - time.min(), 600.0) if len(time) > 0 else 600.0
    for c in range(len(offsets) - 1):
        first, last = offsets[c], offsets[c + 1]
        mean[c] = max(np.sum(chance[first:last]), 1.0) / span
        low = high = first
        inside = 0.0
        for k in range(first, last):
            while high < last and time[high] - time[k] <= window_s:
                inside += chance[high]
                high += 1
            while time[k] - time[low] > window_s:
                inside -= chance[low]
                low += 1
            rate[k] = 0.5 * (max(inside - chance[k], 0.0) / (2.0 * window_s) + mean[c])


@njit(cache=True, nogil=True, error_model="numpy")
def prediction(
    times: TravelTimes, index: Channels, model: PickModel, channel: int, hypocentre: Array, covariance: Array
) -> tuple[float, float]:
    """Arrival time in a channel and its standard error (s): of the pick, the model and the hypocentre."""
    station, phase = channel // 2, channel % 2
    distance, by_x, by_y = epicentral(hypocentre[0], hypocentre[1], index.x_km[station], index.y_km[station])
    travel, by_distance, by_depth = travel_time(times, phase, station, distance, hypocentre[2])
    a, b, c = by_distance * by_x, by_distance * by_y, by_depth
    v = covariance
    located = (
        a * a * v[0, 0] + b * b * v[1, 1] + c * c * v[2, 2] + v[3, 3]
        + 2.0 * (a * b * v[0, 1] + a * c * v[0, 2] + a * v[0, 3] + b * c * v[1, 2] + b * v[1, 3] + c * v[2, 3])
    )  # fmt: skip
    variance = model.sigma_s[phase] ** 2 + (model.model_error * travel) ** 2 + max(located, 0.0)
    return hypocentre[3] + travel, math.sqrt(variance)


@njit(cache=True, nogil=True, error_model="numpy")
def student(residual: float, sigma: float) -> float:
    """Density (1/s) of a residual."""
    inverse = 1.0 / (1.0 + (residual / sigma) ** 2 / 5.0)
    return _STUDENT / sigma * inverse * inverse * inverse


@njit(cache=True, nogil=True, error_model="numpy")
def first_slot(index: Channels, channel: int, time: float) -> int:
    """The first slot of a channel whose pick is not before a time."""
    low, high = index.offsets[channel], index.offsets[channel + 1]
    while low < high:
        middle = (low + high) // 2
        if index.time_s[middle] < time:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True, error_model="numpy")
def nearest_first(index: Channels, hypocentre: Array, order: Integers, distance: Array) -> None:
    """Stations in the order of their distance from the epicentre."""
    for s in range(len(order)):
        far = epicentral_km(hypocentre[0], hypocentre[1], index.x_km[s], index.y_km[s])
        k = s
        while k > 0 and distance[k - 1] > far:
            distance[k] = distance[k - 1]
            order[k] = order[k - 1]
            k -= 1
        distance[k] = far
        order[k] = s


@njit(cache=True, nogil=True, error_model="numpy")
def best_slot(
    index: Channels,
    model: PickModel,
    owner: Integers,
    event: int,
    channel: int,
    arrival: float,
    sigma: float,
    burst: float,
) -> tuple[int, float, int]:
    """The slot of the likeliest pick for an arrival (-1: none), its likelihood ratio, and how many others are about.

    Picks by chance come ``burst`` times as often as usual.
    """
    within = min(model.tolerance * sigma, model.max_residual_s[channel % 2])
    slot = first_slot(index, channel, arrival - max(_BURST_S, within))
    best, ratio, others = -1, 0.0, 0
    while slot < index.offsets[channel + 1] and index.time_s[slot] <= arrival + max(_BURST_S, within):
        if owner[slot] < 0 or owner[slot] == event:
            residual = index.time_s[slot] - arrival
            if abs(residual) <= within:
                rate = max(index.rate[slot], burst * index.mean_rate[channel])
                one = index.worth[slot] * student(residual, sigma) / rate
                if one > ratio:
                    best, ratio = slot, one
            else:
                others += 1
        slot += 1
    return best, ratio, others


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(
    times: TravelTimes,
    index: Channels,
    model: PickModel,
    owner: Integers,
    event: int,
    hypocentre: Array,
    covariance: Array,
    order: Integers,
    distance: Array,
    chosen: Integers,
) -> tuple[float, int]:
    """Evidence of an event, and how many of the nearest stations it takes in.

    Uses picks that no event, or this one, owns; ``chosen`` (channel,) gets the slot of the best pick or -1, for the
    stations taken in. A second pass knows of bursts: how many picks about the arrivals do not fit, against the usual.
    """
    nearest_first(index, hypocentre, order, distance)
    burst, best, reach = 1.0, 0.0, 0
    for _ in range(2):
        total, best, reach = 0.0, 0.0, 0
        others, usual, burst_here = 0.0, 0.0, burst
        for rank in range(len(order)):
            for phase in range(2):
                channel = 2 * order[rank] + phase
                chosen[channel] = -1
                p = model.detection[channel]
                if p <= 0.0:
                    continue
                arrival, sigma = prediction(times, index, model, channel, hypocentre, covariance)
                slot, ratio, n = best_slot(index, model, owner, event, channel, arrival, sigma, burst_here)
                chosen[channel] = slot
                others += n
                usual += 2.0 * _BURST_S * index.mean_rate[channel]
                total += math.log(1.0 - p + p * ratio)
            if total > best:
                best, reach = total, rank + 1
                burst = max((others + _BURST_DOUBT) / (usual + _BURST_DOUBT), 1.0)
            elif total < best - _GIVE_UP:
                break
        if burst <= 1.0 or reach == 0:
            break
    return best, reach
