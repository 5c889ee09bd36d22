"""Delays of channels: constants of the ground, and wrong clocks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.sparse.linalg import LinearOperator, cg

from seisloom.associate.observations import FARTHEST_S, Observations
from seisloom.associate.pick_model import RESIDUAL_MAX, PickModel, density_at
from seisloom.associate.residuals import DELAY_S, Shares, nearness_of, unexplained

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_STEP_S = 0.1
_SHIFTS_S = _STEP_S * np.arange(-round(FARTHEST_S / _STEP_S), round(FARTHEST_S / _STEP_S) + 1)
_WITHIN = 2.0  # standard errors that a delay is wrong by without being looked for here
_IMPROBABLE = 8.0  # logarithm: one station in 50 has such a delay, and it could be any of 60
_FAIR_DETECTION = 0.4  # of a channel whose delay is looked for: a wrong one leaves it without picks


def learn_jumps(model: PickModel, seen: Observations) -> tuple[PickModel, Observations]:
    """Delays that are wrong by more than residuals reach, such as a clock's: of P and S alike, or of one of them.

    A new delay, with a fair share of events picked, must explain more than the present one does with the share as
    learned, and more than if all picks came by chance, by more than it is improbable beforehand.
    """
    near = np.abs(_SHIFTS_S) <= max(_WITHIN * np.max(model.sigma_s), _STEP_S)
    present = np.maximum(_evidence(model, seen, model.detection)[:, near].max(axis=1), 0.0)
    shifted = _evidence(model, seen, np.maximum(model.detection, _FAIR_DETECTION))
    gain = np.where(near, 0.0, shifted - present[:, None]).reshape(-1, 2, len(_SHIFTS_S))
    change, best = np.zeros((len(gain), 2)), np.full(len(gain), _IMPROBABLE)
    for jumps in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)):
        total = np.einsum("spj,p->sj", gain, jumps)
        most = total.max(axis=1)
        better = most > best
        best[better] = most[better]
        change[better] = np.outer(_SHIFTS_S[np.argmax(total[better], axis=1)], jumps)
    return _moved(model, seen, model.delay_s + change.ravel(), change.ravel()[seen.channel])


def learn_delays(model: PickModel, seen: Observations, share: Shares) -> tuple[PickModel, Observations, Shares]:
    """Delays of all channels, and what they leave of the residuals once the events have moved.

    Least squares for delays and locations together, the locations eliminated (Pavlis and Booker 1980, J. Geophys. Res.
    85), by conjugate gradients. A prior of Student's t (3 degrees of freedom) draws delays to zero.
    """
    n = len(model.delay_s)
    weight = share.weight / share.sigma_s**2
    prior = 4.0 / (3.0 * DELAY_S**2 + model.delay_s**2)

    def normal(change: Array) -> Array:
        left = unexplained(seen.event, seen.slope, share.pull, change.ravel()[seen.channel])
        return np.asarray(np.bincount(seen.channel, weight * left, n) + prior * change.ravel())

    residual = unexplained(seen.event, seen.slope, share.pull, share.residual_s)
    wanted = np.bincount(seen.channel, weight * residual, n) - prior * model.delay_s
    diagonal = np.bincount(seen.channel, weight, n) + prior
    scale = LinearOperator((n, n), lambda v: v.ravel() / diagonal)
    change, _ = cg(LinearOperator((n, n), normal), wanted, rtol=1e-4, maxiter=100, M=scale)
    left = residual - unexplained(seen.event, seen.slope, share.pull, change[seen.channel])
    model, seen = _moved(model, seen, model.delay_s + change, share.residual_s - left)
    return model, seen, share._replace(residual_s=left)


def _moved(model: PickModel, seen: Observations, delay: Array, change: Array) -> tuple[PickModel, Observations]:
    """With new delays, less their median over P, or S where nobody picks P: origin times take up a common delay.

    ``change`` (cell,) is taken off the residuals.
    """
    used = np.zeros(len(delay), bool)
    used[seen.channel] = True
    phase = 0 if np.any(used[::2]) else 1
    common = np.median(delay[phase::2][used[phase::2]])
    return model._replace(delay_s=np.where(used, delay - common, 0.0)), seen._replace(
        residual_s=seen.residual_s - change[seen.cell]
    )


def _evidence(model: PickModel, seen: Observations, detection: Array) -> Array:
    """(channel, shift): sum of log(1 - p + p Q) over the events, if the delay of the channel changes by a shift."""
    phase = seen.channel % 2
    sigma = np.sqrt(model.sigma_s[phase] ** 2 + (model.model_error * seen.travel_s) ** 2 + (0.5 * _STEP_S) ** 2)
    p = detection[seen.channel] * nearness_of(model, seen)
    missed = np.bincount(seen.channel, np.log1p(-p), len(detection))
    total: Array = np.repeat(missed.astype(float), len(_SHIFTS_S)).reshape(-1, len(_SHIFTS_S))
    rows = seen.right
    _add_gains(model, seen.channel, p, sigma, seen.cell[rows], seen.residual_s[rows], seen.background[rows], total)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _add_gains(
    model: PickModel,
    channel: Integers,
    p: Array,
    sigma: Array,
    cell: Integers,
    residual: Array,
    background: Array,
    gain: Array,
) -> None:
    """Add log(1 - p + p Q) - log(1 - p) of every cell for every shift; rows come by cell."""
    ratio = np.empty(len(_SHIFTS_S))
    first = 0
    while first < len(cell):
        c = cell[first]
        ratio[:] = 0.0
        last = first
        while last < len(cell) and cell[last] == c:
            from_first, reach = residual[last] - _SHIFTS_S[0], RESIDUAL_MAX * sigma[c]
            begin = max(math.ceil((from_first - reach) / _STEP_S), 0)
            end = min(math.floor((from_first + reach) / _STEP_S) + 1, len(ratio))
            for j in range(begin, end):
                u = abs(residual[last] - _SHIFTS_S[j]) / sigma[c]
                ratio[j] += density_at(model, u) / (sigma[c] * background[last])
            last += 1
        odds = p[c] / (1.0 - p[c])
        for j in range(len(ratio)):
            if ratio[j] > 0.0:
                gain[channel[c], j] += math.log(1.0 + odds * ratio[j])
        first = last
