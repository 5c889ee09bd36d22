"""Waves from far away, and bursts at one instant: what looks like an event, and crosses the network as a plane.

A front arrives at time t + p · (x - x0), its slowness p no larger than that of waves which come up steeply from a distance
of some thousand kilometres; it is picked at some of the stations, under either label. Where it has more evidence than
an event that it meets, its picks are taken for its own, and the event falls if it no longer stands: in a dense sequence an
earthquake may come with a burst.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.hypothesis import (
    DEPTH,
    EVIDENCE,
    RADIUS,
    RADIUS_S,
    ROW,
    TIME,
    Box,
    Evidence,
    X,
    Y,
    explain,
    fit,
    glance,
    largest_km,
)
from seisloom.associate.pick_model import RESIDUAL_MAX, PickModel, density_at, first_slot
from seisloom.associate.plane import epicentral_km
from seisloom.associate.search import Needed
from seisloom.traveltime import TravelTimes, travel_time

Array = npt.NDArray[np.float64]

_SLOWNESS = (0.0, 0.03, 0.06, 0.09)  # s/km; P beyond 20 degrees has 0.1 at most
_AZIMUTHS = 8
_EARLY_S, _LATE_S, _STEP_S = 1.5, 4.5, 0.15  # a front meets stations later or earlier than the event its epicentre
_SHARES = (0.3, 0.6, 0.9)  # of the stations that pick it
_SIGMA_S = 0.2  # least error of an emergent arrival
_STRONG = 200.0  # evidence of events that no front matches
_SMALL, _LARGE = 1e-100, 1e100  # between them there is room for one more factor
_STEPS = 3
_AROUND = 1.2  # radii of the event, out to which stations are asked
_BESIDE_S = 30.0  # an event may share picks with a front so much earlier or later than waves take, and with no others


class Front(NamedTuple):
    """A plane wave, or a burst at one instant."""

    evidence: float
    time_s: float
    """At the epicentre of the event that it was looked for around."""
    east_s_km: float
    """Slowness."""
    north_s_km: float
    share: float
    """Of the stations that pick it."""


@njit(cache=True, nogil=True, error_model="numpy")
def no_fronts(
    times: TravelTimes, data: Evidence, model: PickModel, box: Box, needed: Needed, events: Array, fronts: Array
) -> npt.NDArray[np.bool_]:
    """Which events stand beside fronts, (event,); the picks of the others are free again.

    Densities of picks by fronts are added to ``fronts`` (slot,) and to the noise. An event that meets a front is
    fitted again, in place.
    """
    kept, rows = np.ones(len(events), np.bool_), np.empty((2 * len(model.x_km), ROW))
    met_s = [0.0 for _ in range(0)]
    for i in np.argsort(events[:, EVIDENCE]):
        if events[i, EVIDENCE] > _STRONG:
            break
        met = _is_near(times, model, events[i], met_s)
        explain(times, data, model, events[i], -1.0)
        now = glance(times, data, model, events[i].copy(), 0.0, rows) if met else events[i, EVIDENCE]
        front = best_front(times, data, model, events[i], now)
        if front.evidence > now:
            _explain_front(data, model, events[i], front, fronts)
            own = fit(times, data, model, box, events[i], _STEPS, 0.0, rows)
            kept[i] = events[i, EVIDENCE] >= needed.evidence and own >= needed.picks
            met_s.append(events[i, TIME])
        elif met:
            kept[i] = now >= needed.evidence
        if kept[i]:
            explain(times, data, model, events[i], 1.0)
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def _is_near(times: TravelTimes, model: PickModel, event: Array, met_s: list[float]) -> bool:
    """Whether an event may share picks with one that met a front."""
    far = 0.0
    for s in range(len(model.x_km) if len(met_s) > 0 else 0):
        far = max(far, epicentral_km(event[X], event[Y], model.x_km[s], model.y_km[s]))
    within = travel_time(times, 1, 0, far, event[DEPTH])[0] + _BESIDE_S
    for time in met_s:  # noqa: SIM110 - compiled code has no generators
        if abs(time - event[TIME]) < within:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _explain_front(data: Evidence, model: PickModel, event: Array, front: Front, fronts: Array) -> None:
    """Add the density of picks by a front at the stations around an event."""
    sigma = front_sigma_s(model)
    for s in _stations(model, event):
        arrival = front.time_s + front.east_s_km * (model.x_km[s] - event[X])
        arrival += front.north_s_km * (model.y_km[s] - event[Y])
        for channel in (2 * s, 2 * s + 1):
            slot, last = (
                first_slot(data.picks, channel, arrival - RESIDUAL_MAX * sigma),
                data.picks.offsets[channel + 1],
            )
            while slot < last and data.picks.time_s[slot] < arrival + RESIDUAL_MAX * sigma:
                u = abs(data.picks.time_s[slot] - arrival) / sigma
                density = 0.5 * front.share * density_at(model, u) / sigma
                fronts[slot] += density
                data.noise[slot] += density
                slot += 1


@njit(cache=True, nogil=True, error_model="numpy")
def front_sigma_s(model: PickModel) -> float:
    """Standard error of the picks of a front."""
    return max(_SIGMA_S, model.sigma_s[0])


class _Near(NamedTuple):
    """Stations about an event that have picks which a front could explain."""

    east_km: Array
    """(station,): from the epicentre."""
    north_km: Array
    weight: Array
    offsets: npt.NDArray[np.int64]
    """(station + 1,): of their picks."""
    time_s: Array
    """(pick,)"""
    worth: Array
    """(pick,): probability of the label over rate by chance and standard error."""
    silent: Array
    """(share,): evidence of the stations that have none."""


@njit(cache=True, nogil=True, error_model="numpy")
def best_front(times: TravelTimes, data: Evidence, model: PickModel, event: Array, beyond: float = 0.0) -> Front:
    """The front with most evidence about the arrivals of an event, among the stations around it.

    One without evidence if none has more than ``beyond``.
    """
    stations = _stations(model, event)
    sigma = front_sigma_s(model)
    best = Front(0.0, 0.0, 0.0, 0.0, 0.0)
    for phase in range(2):
        if event[RADIUS if phase == 0 else RADIUS_S] == 0:
            continue  # the event has no such picks
        travel, _, _ = travel_time(times, phase, stations[0], 0.0, event[DEPTH])
        first = event[TIME] + travel - _EARLY_S
        near = _picks_near(data, model, event, stations, first, sigma)
        if _most(near, model) <= beyond:
            continue
        for speed in range(len(_SLOWNESS)):
            for turn in range(1 if speed == 0 else _AZIMUTHS):
                angle = 2.0 * math.pi * turn / _AZIMUTHS
                east, north = _SLOWNESS[speed] * math.sin(angle), _SLOWNESS[speed] * math.cos(angle)
                for step in range(int((_EARLY_S + _LATE_S) / _STEP_S) + 1):
                    time = first + step * _STEP_S
                    evidence, share = _sum(near, model, time, east, north, sigma)
                    if evidence > max(best.evidence, beyond):
                        best = Front(evidence, time, east, north, share)
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def _stations(model: PickModel, event: Array) -> npt.NDArray[np.int64]:
    """Stations about an event, the nearest first."""
    far = np.empty(len(model.x_km))
    for s in range(len(far)):
        far[s] = math.hypot(
            epicentral_km(event[X], event[Y], model.x_km[s], model.y_km[s]), event[DEPTH] - model.depth_km[s]
        )
    order = np.argsort(far)
    return order[: max(int(np.count_nonzero(far <= _AROUND * largest_km(model, event))), 1)]


@njit(cache=True, nogil=True, error_model="numpy")
def _picks_near(
    data: Evidence, model: PickModel, event: Array, stations: npt.NDArray[np.int64], first: float, sigma: float
) -> _Near:
    """What can come within reach of fronts that pass the epicentre from a time on."""
    n, count = 0, 0
    east, north, weight = np.empty(len(stations)), np.empty(len(stations)), np.empty(len(stations))
    offsets, silent = np.zeros(len(stations) + 1, np.int64), np.zeros(len(_SHARES))
    slots = [0 for _ in range(0)]
    for s in stations:
        east[n], north[n], weight[n] = model.x_km[s] - event[X], model.y_km[s] - event[Y], model.weight[s]
        within = RESIDUAL_MAX * sigma + _SLOWNESS[-1] * math.hypot(east[n], north[n])
        for channel in (2 * s, 2 * s + 1):
            slot, last = first_slot(data.picks, channel, first - within), data.picks.offsets[channel + 1]
            while slot < last and data.picks.time_s[slot] < first + _EARLY_S + _LATE_S + within:
                slots.append(slot)
                slot += 1
        if len(slots) > count:
            n, count = n + 1, len(slots)
            offsets[n] = count
        else:
            for k in range(len(_SHARES)):
                silent[k] += model.weight[s] * math.log(1.0 - _SHARES[k])
    time, worth = np.empty(count), np.empty(count)
    for i in range(count):
        time[i] = data.picks.time_s[slots[i]]
        worth[i] = 0.5 / (sigma * (data.noise[slots[i]] + data.explained[slots[i]]))
    return _Near(east[:n], north[:n], weight[:n], offsets[: n + 1], time, worth, silent)


@njit(cache=True, nogil=True, error_model="numpy")
def _most(near: _Near, model: PickModel) -> float:
    """More evidence than any front can have: as if it met every pick."""
    best, peak = -math.inf, density_at(model, 0.0)
    for k in range(len(_SHARES)):
        total = near.silent[k]
        for s in range(len(near.weight)):
            ratio = peak * np.sum(near.worth[near.offsets[s] : near.offsets[s + 1]])
            total += near.weight[s] * math.log(1.0 - _SHARES[k] + _SHARES[k] * ratio)
        best = max(best, total)
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def _sum(near: _Near, model: PickModel, start: float, east: float, north: float, sigma: float) -> tuple[float, float]:
    """Evidence of a front that passes the epicentre at a time with a slowness, for the best of the shares; that share."""
    best, best_share = -math.inf, 0.0
    ratio = np.zeros(len(near.weight))
    for s in range(len(near.weight)):
        arrival = start + east * near.east_km[s] + north * near.north_km[s]
        for i in range(near.offsets[s], near.offsets[s + 1]):
            u = abs(near.time_s[i] - arrival) / sigma
            if u < RESIDUAL_MAX:
                ratio[s] += near.worth[i] * density_at(model, u)
    for k in range(len(_SHARES)):
        total, product = near.silent[k], 1.0
        for s in range(len(ratio)):
            likelier = 1.0 - _SHARES[k] + _SHARES[k] * ratio[s]
            if near.weight[s] != 1.0:
                total += near.weight[s] * math.log(likelier)
                continue
            product *= likelier  # one logarithm for many stations
            if not _SMALL < product < _LARGE:
                total += math.log(product)
                product = 1.0
        if total + math.log(product) > best:
            best, best_share = total + math.log(product), _SHARES[k]
    return best, best_share
