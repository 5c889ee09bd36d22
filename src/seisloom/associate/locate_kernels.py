"""Compiled location: after the search, robust least squares by Levenberg and Marquardt."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.locate_search import Search, search_event
from seisloom.associate.plane import epicentral
from seisloom.traveltime import TravelTimes, travel_time

Array = npt.NDArray[np.float64]

BIWEIGHT = 4.685
"""Residual over its scale at which a pick loses all weight: 95 % efficiency for normal errors (Beaton & Tukey 1974)."""
MEAN_WEIGHT = 0.9149
"""Mean biweight of normal errors."""
MEAN_WEIGHTED_SQUARE = 0.7567
"""Mean of biweight times squared error, for normal errors of variance 1."""
_MAX_SCALE = 4.0


class Errors(NamedTuple):
    """Standard errors of the picks."""

    sigma_s: Array
    """(pick,)"""
    fraction: float
    """Error of the velocity model as a fraction of the travel time, added in quadrature."""


@njit(cache=True, nogil=True, error_model="numpy")
def misfit(
    times: TravelTimes,
    x: Array,
    y: Array,
    time: Array,
    station: npt.NDArray[np.int32],
    phase: npt.NDArray[np.int8],
    sigma: Array,
    fraction: float,
    state: Array,
    scale: float,
    work: Array,
) -> float:
    """Biweight misfit at a hypocentre; fills the rows of ``work`` (pick, 7).

    Columns: residual (s), its standard error (s), weight, and the derivatives of the predicted time by x, y, depth
    (s/km) and by origin time.
    """
    total = 0.0
    for i in range(len(time)):
        distance, by_x, by_y = epicentral(state[0], state[1], x[station[i]], y[station[i]])
        travel, by_distance, by_depth = travel_time(times, phase[i], station[i], distance, state[2])
        row = work[i]
        row[0] = time[i] - state[3] - travel
        row[1] = math.sqrt(sigma[i] ** 2 + (fraction * travel) ** 2)
        u = row[0] / (BIWEIGHT * scale * row[1])
        inside = max(1.0 - u * u, 0.0)
        row[2] = inside * inside
        total += 1.0 - inside * row[2]
        row[3], row[4], row[5], row[6] = by_distance * by_x, by_distance * by_y, by_depth, 1.0
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def normal_equations(work: Array, matrix: Array, gradient: Array) -> None:
    """Weighted normal matrix (4, 4) and right-hand side (4,) of the rows of ``work``."""
    matrix[:] = 0.0
    gradient[:] = 0.0
    for i in range(len(work)):
        row = work[i]
        w = row[2] / (row[1] * row[1])
        for a in range(4):
            gradient[a] += w * row[3 + a] * row[0]
            for b in range(a + 1):
                matrix[a, b] += w * row[3 + a] * row[3 + b]
    for a in range(4):
        for b in range(a):
            matrix[b, a] = matrix[a, b]


@njit(cache=True, nogil=True, error_model="numpy")
def solve(matrix: Array, rhs: Array, damping: float, fixed: npt.NDArray[np.bool_], out: Array) -> None:
    """Solve (A + damping diag A) x = b by Cholesky's decomposition with some unknowns held at zero."""
    root = np.zeros((4, 4))
    for a in range(4):
        for b in range(a + 1):
            value = 0.0 if fixed[a] or fixed[b] else matrix[a, b]
            if a == b:
                value = 1.0 if fixed[a] else value * (1.0 + damping) + 1e-9
            for k in range(b):
                value -= root[a, k] * root[b, k]
            root[a, b] = math.sqrt(max(value, 1e-12)) if a == b else value / root[b, b]
    for a in range(4):
        value = 0.0 if fixed[a] else rhs[a]
        for k in range(a):
            value -= root[a, k] * out[k]
        out[a] = value / root[a, a]
    for a in range(3, -1, -1):
        value = out[a]
        for k in range(a + 1, 4):
            value -= root[k, a] * out[k]
        out[a] = value / root[a, a]


@njit(cache=True, nogil=True, error_model="numpy")
def descend(
    times: TravelTimes,
    x: Array,
    y: Array,
    time: Array,
    station: npt.NDArray[np.int32],
    phase: npt.NDArray[np.int8],
    sigma: Array,
    fraction: float,
    low: Array,
    high: Array,
    scale: float,
    state: Array,
    work: Array,
) -> bool:
    """Levenberg-Marquardt with biweights at a fixed scale, x, y and depth within [low, high].

    ``state`` and ``work`` are left at the best point; returns whether the last step fell below 10 m.
    """
    matrix, gradient, step, trial = np.empty((4, 4)), np.empty(4), np.empty(4), np.empty(4)
    fixed = np.zeros(4, np.bool_)
    damping = 1e-3
    value = misfit(times, x, y, time, station, phase, sigma, fraction, state, scale, work)
    for _ in range(30):
        normal_equations(work, matrix, gradient)
        for a in range(3):  # a coordinate at its limit that would leave is held
            fixed[a] = (state[a] <= low[a] and gradient[a] < 0) or (state[a] >= high[a] and gradient[a] > 0)
        better, size = False, 0.0
        while damping < 1e6 and not better:
            solve(matrix, gradient, damping, fixed, step)
            for a in range(3):
                trial[a] = min(max(state[a] + step[a], low[a]), high[a])
            trial[3] = state[3] + step[3]
            size = max(abs(trial[0] - state[0]), abs(trial[1] - state[1]), abs(trial[2] - state[2]))
            tried = misfit(times, x, y, time, station, phase, sigma, fraction, trial, scale, work)
            better = tried < value or size < 1e-3
            damping = max(damping / 5.0, 1e-6) if better else damping * 8.0
        if not better or tried >= value:
            misfit(times, x, y, time, station, phase, sigma, fraction, state, scale, work)
            return True
        state[:] = trial
        value = tried
        if size < 1e-2:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def residual_scale(work: Array) -> float:
    """Spread of the residuals in units of their standard errors, from their median, between 1 and 4."""
    n = len(work)
    spread = 1.4826 * np.median(np.abs(work[:, 0] / work[:, 1]))
    return min(max(spread * math.sqrt(n / max(n - 4.0, 1.0)), 1.0), _MAX_SCALE)


@njit(cache=True, nogil=True, error_model="numpy")
def locate_range(
    times: TravelTimes,
    x: Array,
    y: Array,
    search: Search,
    time: Array,
    station: npt.NDArray[np.int32],
    phase: npt.NDArray[np.int8],
    errors: Errors,
    offsets: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64],
    first: int,
    last: int,
    state: Array,
    matrix: Array,
    converged: npt.NDArray[np.bool_],
    detail: Array,
) -> None:
    """Locate events first to last - 1.

    ``state`` (event, 4) holds starting points, NaN where the search is to find one, and receives x, y, depth, origin
    time; ``matrix`` (event, 4, 4) the weighted normal matrix; ``detail`` (member, 3) residual, standard error, weight.
    """
    gradient = np.empty(4)
    for event in range(first, last):
        here = members[offsets[event] : offsets[event + 1]]
        if len(here) == 0:
            continue
        t, s, p, sigma = time[here], station[here], phase[here], errors.sigma_s[here]
        origin = t[0]  # times of day in double precision are good to a microsecond; from the first pick they are better
        t -= origin
        work = np.empty((len(here), 7))
        scale = _MAX_SCALE
        if np.isnan(state[event, 0]):
            cutoff = search_event(times, x, y, search, t, s, p, sigma, state[event])
            scale = max(cutoff / (BIWEIGHT * np.mean(sigma)), 2.0)
        else:
            state[event, 3] -= origin
        for _ in range(3):
            converged[event] = descend(
                times, x, y, t, s, p, sigma, errors.fraction, search.low, search.high, scale, state[event], work
            )
            scale = residual_scale(work)
        normal_equations(work, matrix[event], gradient)
        state[event, 3] += origin
        detail[offsets[event] : offsets[event + 1]] = work[:, :3]
