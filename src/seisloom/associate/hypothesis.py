"""One event as a hypothesis: its likelihood ratio against chance and other events, its best place, what it explains.

A channel (station and phase) that sees the event with probability p says log(1 - p + p Q) for it, where Q is the sum over
its picks of f(r) / (b + e): f the density of the residual, b the rate of picks by chance, e the density of picks that
other events explain. A channel without a pick says log(1 - p). The evidence is the sum over all channels, with the
logarithms of how usual its radii and its place are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.locate_kernels import solve
from seisloom.associate.pick_model import (
    RESIDUAL_MAX,
    Channels,
    PickModel,
    density_at,
    first_slot,
    nearness_at,
    seismicity_at,
)
from seisloom.associate.plane import epicentral
from seisloom.traveltime import TravelTimes, travel_time

Array = npt.NDArray[np.float64]

X, Y, DEPTH, TIME, RADIUS, EVIDENCE, RADIUS_S = range(7)
"""Columns of an event: km, km, km, s, class of the radius of detection of P, logarithm of the likelihood ratio, class of
the radius of S, which is its own because sources send out P and S in different directions."""
N_COLUMNS = 7
_RATIO, _FAR, _DETECTION, _WEIGHT, _ARRIVAL, _SIGMA, _RESIDUAL, _PULL, _BY_X, _BY_Y, _BY_DEPTH = range(11)
ROW = 11
"""Columns of the working array that has a row a channel, P and S in turn."""
_FAR_PULL = 0.05  # what picks beyond three standard errors pull at a location
_LEAST_DETECTION = 0.01
_SMALL, _LARGE = 1e-100, 1e100  # between them there is room for one more factor
_WIDEST_CHOICE = 2.5  # radii of detection that are tried go to so many times the present one


class Box(NamedTuple):
    """Where events may lie, and how far one step may go."""

    low: Array
    """(3,): x, y, depth (km)."""
    high: Array
    step: Array
    """(4,): x, y, depth (km), time (s)."""


class Evidence(NamedTuple):
    """The picks at hand and what speaks against each."""

    picks: Channels
    noise: Array
    """(slot,): rate of picks by chance, 1/s, over how much likelier a pick like this is of an event."""
    explained: Array
    """(slot,): density of picks here by the events accepted so far, 1/s."""


class Away(NamedTuple):
    """A station as an event sees it."""

    distance_km: float
    """Epicentral."""
    far_km: float
    """Hypocentral, over the sensitivity of the station."""
    by_x: float
    """Derivatives of the epicentral distance."""
    by_y: float


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def away_from(model: PickModel, event: Array, s: int) -> Away:
    """Where a station is from an event."""
    distance, by_x, by_y = epicentral(event[X], event[Y], model.x_km[s], model.y_km[s])
    height = event[DEPTH] - model.depth_km[s]
    return Away(distance, math.sqrt(distance * distance + height * height) / model.sensitivity[s], by_x, by_y)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def hear(data: Evidence, model: PickModel, station: int, rows: Array, n: int) -> None:
    """What the picks of a station say of P (row n) and of S (row n + 1), whose arrivals and standard errors stand there."""
    first, last = math.inf, -math.inf
    for i in range(n, n + 2):
        rows[i, _RATIO] = rows[i, _RESIDUAL] = rows[i, _PULL] = 0.0
        first = min(first, rows[i, _ARRIVAL] - RESIDUAL_MAX * rows[i, _SIGMA])
        last = max(last, rows[i, _ARRIVAL] + RESIDUAL_MAX * rows[i, _SIGMA])
    for label in range(2):
        slot = first_slot(data.picks, 2 * station + label, first)
        end = data.picks.offsets[2 * station + label + 1]
        while slot < end and data.picks.time_s[slot] < last:
            rate = data.noise[slot] + data.explained[slot]
            for phase in range(2):
                sigma = rows[n + phase, _SIGMA]
                residual = data.picks.time_s[slot] - rows[n + phase, _ARRIVAL]
                if abs(residual) < RESIDUAL_MAX * sigma:
                    share = 1.0 - model.wrong_label if label == phase else model.wrong_label
                    one = share * density_at(model, abs(residual) / sigma) / (sigma * rate)
                    weight = one if abs(residual) < 3.0 * sigma else _FAR_PULL * one
                    rows[n + phase, _RATIO] += one
                    rows[n + phase, _PULL] += weight
                    rows[n + phase, _RESIDUAL] += weight * residual
            slot += 1
    for i in range(n, n + 2):
        if rows[i, _PULL] > 0.0:
            rows[i, _RESIDUAL] /= rows[i, _PULL]


@njit(cache=True, nogil=True, error_model="numpy")
def look(
    times: TravelTimes, data: Evidence, model: PickModel, event: Array, spread_s: float, reach_km: float, rows: Array
) -> int:
    """What P and S of each station within reach say of an event, a row each; returns how many rows.

    ``spread_s`` is added to the standard error of P arrivals, and more to that of S: for places not yet fitted.
    """
    n = 0
    for s in range(len(model.x_km)):
        if model.detection[2 * s] <= 0.0 and model.detection[2 * s + 1] <= 0.0:
            continue
        away = away_from(model, event, s)
        if away.far_km > reach_km:
            continue
        for phase in range(2):
            travel, slope, by_depth = travel_time(times, phase, s, away.distance_km, event[DEPTH])
            extra = spread_s * (1.0 + 0.7 * phase)
            row = rows[n + phase]
            row[_FAR], row[_DETECTION], row[_WEIGHT] = away.far_km, model.detection[2 * s + phase], model.weight[s]
            row[_SIGMA] = math.sqrt(model.sigma_s[phase] ** 2 + (model.model_error * travel) ** 2 + extra * extra)
            row[_ARRIVAL] = event[TIME] + travel + model.delay_s[2 * s + phase]
            row[_BY_X], row[_BY_Y], row[_BY_DEPTH] = slope * away.by_x, slope * away.by_y, by_depth
        hear(data, model, s, rows, n)
        n += 2
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def evidence_by_radius(model: PickModel, rows: Array, n: int, phase: int, n_classes: int) -> Array:
    """Sum over the channels of a phase for each of the first classes of radius, (class,)."""
    total, product, likelier = model.radius_prior[:n_classes].copy(), np.ones(n_classes), np.empty(n_classes)
    per_km = 1.0 / model.radius_km[:n_classes]
    most, least = 1.0, 1.0
    for i in range(phase, n, 2):
        excess = rows[i, _DETECTION] * (rows[i, _RATIO] - 1.0)
        for k in range(n_classes):
            likelier[k] = 1.0 + excess * nearness_at(model, rows[i, _FAR] * per_km[k])
        if rows[i, _WEIGHT] != 1.0:
            total += rows[i, _WEIGHT] * np.log(likelier)
            continue
        most, least = most * max(1.0 + excess, 1.0), least * min(1.0 + excess, 1.0)
        if most > _LARGE or least < _SMALL:  # one logarithm for many channels
            total += np.log(product)
            product[:] = 1.0
            most, least = max(1.0 + excess, 1.0), min(1.0 + excess, 1.0)
        for k in range(n_classes):
            product[k] *= likelier[k]
    return total + np.log(product)


@njit(cache=True, nogil=True, error_model="numpy")
def choose_radii(model: PickModel, rows: Array, n: int, event: Array) -> float:
    """Set the radii of an event to those with most evidence, up to 2.5 times the present larger one or a middling one; that evidence."""
    farthest = _WIDEST_CHOICE * max(largest_km(model, event), model.radius_km[len(model.radius_km) // 2])
    n_classes = np.searchsorted(model.radius_km, farthest, side="right")
    by_p = evidence_by_radius(model, rows, n, 0, n_classes)
    by_s = evidence_by_radius(model, rows, n, 1, n_classes)
    event[RADIUS], event[RADIUS_S] = np.argmax(by_p), np.argmax(by_s)
    return by_p.max() + by_s.max() + seismicity_at(model, event[X], event[Y], event[DEPTH])


@njit(cache=True, nogil=True, error_model="numpy")
def radius_km(model: PickModel, event: Array, phase: int) -> float:
    """Radius of detection of an event."""
    return model.radius_km[int(event[RADIUS if phase == 0 else RADIUS_S])]


@njit(cache=True, nogil=True, error_model="numpy")
def largest_km(model: PickModel, event: Array) -> float:
    """The larger of its radii of detection."""
    return model.radius_km[int(max(event[RADIUS], event[RADIUS_S]))]


@njit(cache=True, nogil=True, error_model="numpy")
def _step(model: PickModel, rows: Array, n: int, box: Box, event: Array) -> None:
    """One Gauss-Newton step, picks weighted by the probability that they are of this event."""
    matrix, gradient, by, change = np.zeros((4, 4)), np.zeros(4), np.empty(4), np.empty(4)
    for i in range(n):
        row = rows[i]
        if row[_PULL] <= 0.0:
            continue
        p = row[_DETECTION] * nearness_at(model, row[_FAR] / radius_km(model, event, i % 2))
        if p < _LEAST_DETECTION:
            continue
        w = row[_WEIGHT] * p * row[_PULL] / (1.0 - p + p * row[_RATIO]) / (row[_SIGMA] * row[_SIGMA])
        by[0], by[1], by[2], by[3] = row[_BY_X], row[_BY_Y], row[_BY_DEPTH], 1.0
        for a in range(4):
            gradient[a] += w * by[a] * row[_RESIDUAL]
            for b in range(a + 1):
                matrix[a, b] += w * by[a] * by[b]
    for a in range(4):
        matrix[a, a] += 1.0 / (box.step[a] * box.step[a])
    solve(matrix, gradient, 0.0, np.zeros(4, np.bool_), change)
    for a in range(4):
        event[a] += min(max(change[a], -box.step[a]), box.step[a])
    for a in range(3):
        event[a] = min(max(event[a], box.low[a]), box.high[a])


@njit(cache=True, nogil=True, error_model="numpy")
def reach_of(model: PickModel, event: Array) -> float:
    """Distance (km) beyond which an event is hardly picked."""
    last = len(model.nearness) - 1
    while last > 0 and model.nearness[last] < _LEAST_DETECTION:
        last -= 1
    return largest_km(model, event) * (last + 1) / 100.0


@njit(cache=True, nogil=True, error_model="numpy")
def fit(
    times: TravelTimes,
    data: Evidence,
    model: PickModel,
    box: Box,
    event: Array,
    n_iterations: int,
    spread_s: float,
    rows: Array,
) -> float:
    """Move an event (in place) to where its evidence is largest; returns how many picks it expects to be its own.

    The spread shrinks to zero by the last steps. Radii are chosen half-way and at the end.
    """
    for i in range(n_iterations):
        choose = i == n_iterations // 2
        reach = reach_of(model, event) if not choose else 1.5 * model.radius_km[-1]
        spread = spread_s * (1.0 - i / n_iterations) if i < n_iterations - 1 else 0.0
        n = look(times, data, model, event, spread, reach, rows)
        if choose:
            choose_radii(model, rows, n, event)
        _step(model, rows, n, box, event)
    n = look(times, data, model, event, 0.0, 1.5 * model.radius_km[-1], rows)
    event[EVIDENCE] = choose_radii(model, rows, n, event)
    own = 0.0
    for i in range(n):
        p = rows[i, _DETECTION] * nearness_at(model, rows[i, _FAR] / radius_km(model, event, i % 2))
        own += p * rows[i, _RATIO] / (1.0 - p + p * rows[i, _RATIO])
    return own


@njit(cache=True, nogil=True, error_model="numpy")
def glance(times: TravelTimes, data: Evidence, model: PickModel, event: Array, spread_s: float, rows: Array) -> float:
    """Evidence of an event where it is, for the best radii, which are set."""
    n = look(times, data, model, event, spread_s, model.radius_km[-1] * 1.5, rows)
    event[RADIUS] = event[RADIUS_S] = len(model.radius_km) - 1
    return choose_radii(model, rows, n, event)


class Arrival(NamedTuple):
    """What an event predicts for a channel; where ``p`` is 0, nothing."""

    p: float
    """Probability of detection."""
    near: float
    """Detection over that near the event."""
    time_s: float
    sigma_s: float
    """Standard error of the time."""
    travel_s: float
    slope: float
    """Derivatives of the travel time by epicentral distance and depth, s/km."""
    by_depth: float


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def arrival_at(times: TravelTimes, model: PickModel, event: Array, s: int, phase: int, away: Away) -> Arrival:
    """The arrival of a phase of an event at a station."""
    channel = 2 * s + phase
    near = nearness_at(model, away.far_km / radius_km(model, event, phase))
    p = model.detection[channel] * near
    if p <= 0.0:
        return Arrival(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    travel, slope, by_depth = travel_time(times, phase, s, away.distance_km, event[DEPTH])
    sigma = math.sqrt(model.sigma_s[phase] ** 2 + (model.model_error * travel) ** 2)
    return Arrival(p, near, event[TIME] + travel + model.delay_s[channel], sigma, travel, slope, by_depth)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def picks_near(
    picks: Channels, model: PickModel, channel: int, wrong: int, time_s: float, within_s: float
) -> tuple[int, int, float]:
    """The picks about an arrival that have its label (``wrong`` 0), or that of the other phase (1): slots from, slots to.

    With them the share of the picks of events that are so labelled; where there are none such, there are no slots.
    """
    share = model.wrong_label if wrong else 1.0 - model.wrong_label
    if share <= 0.0:
        return 0, 0, 0.0
    labelled = channel ^ wrong
    first = last = first_slot(picks, labelled, time_s - within_s)
    end = picks.offsets[labelled + 1]
    while last < end and picks.time_s[last] < time_s + within_s:
        last += 1
    return first, last, share


@njit(cache=True, nogil=True, error_model="numpy")
def explain(times: TravelTimes, data: Evidence, model: PickModel, event: Array, sign: float) -> None:
    """Add (sign 1) or take away (-1) the density of picks that an event explains."""
    reach = reach_of(model, event)
    for s in range(len(model.x_km)):
        away = away_from(model, event, s)
        if away.far_km > reach:
            continue
        for phase in range(2):
            one = arrival_at(times, model, event, s, phase, away)
            if one.p <= 0.0:
                continue
            for wrong in range(2):
                first, last, share = picks_near(
                    data.picks, model, 2 * s + phase, wrong, one.time_s, RESIDUAL_MAX * one.sigma_s
                )
                for slot in range(first, last):
                    u = abs(data.picks.time_s[slot] - one.time_s) / one.sigma_s
                    density = sign * one.p * share * density_at(model, u) / one.sigma_s
                    data.explained[slot] = max(data.explained[slot] + density, 0.0)
