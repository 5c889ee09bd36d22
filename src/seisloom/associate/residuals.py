"""Whose the picks near arrivals are, and what their residuals tell of the errors of picks and travel times."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.observations import Observations
from seisloom.associate.pick_model import RESIDUAL_MAX, WIDE, PickModel, nearness_at

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DELAY_S = 0.15
"""What delays of channels are like before they are learned."""
_NORMAL = 1.0 / math.sqrt(2.0 * math.pi)
_SIGMA_S = (0.005, 2.0)
_RATIO = np.array([1.0, 1.8])  # of the errors of P and S picks, usually
# Errors of travel times that stations about an event share are taken up by its location, so that few events far from few
# stations show nothing of them. Velocity models are not better than this.
_MODEL_ERROR = (0.005, 0.05)
_USUAL_MODEL_ERROR = 0.01
_SURE = 20.0  # residuals that what is usual counts as
_LEAST_WEIGHT = 0.05
_MOST_PAIRS = 10_000_000
_LOOSE = 1e-4  # 1/km² and 1/s²: how far events are known beforehand


class Shares(NamedTuple):
    """How far picks are those of the events that predict them."""

    own: Array
    """(row,): probability that the pick is the event's own."""
    core: Array
    """(row,): probability that it is no outlier, if so."""
    ratio: Array
    """(cell,): likelihood ratio of the channel's picks, Q of ``hypothesis``."""
    sigma_s: Array
    """(cell,): standard error of the arrival."""
    weight: Array
    """(cell,): probability that the likeliest pick is the event's own, of the right name and no outlier."""
    residual_s: Array
    """(cell,): its residual."""
    pull: Array
    """(cell, 4): by how much a residual moves the event: km, km, km and s for a second."""


def nearness_of(model: PickModel, seen: Observations) -> Array:
    """(cell,): share of detection at its distance."""
    return _nearness(model, seen.distance_km / model.radius_km[seen.radius[seen.event, seen.channel % 2]])


def shares(model: PickModel, seen: Observations, outlier_share: float) -> Shares:
    """Probabilities of the picks near arrivals, by the model as it is."""
    sigma = np.hypot(model.sigma_s[seen.channel % 2], model.model_error * seen.travel_s)
    p = model.detection[seen.channel] * nearness_of(model, seen)
    u = np.minimum(np.abs(seen.residual_s) / sigma[seen.cell], RESIDUAL_MAX)
    core, wide = (1.0 - outlier_share) * np.exp(-0.5 * u**2), outlier_share / WIDE * np.exp(-0.5 * (u / WIDE) ** 2)
    label = np.where(seen.right, 1.0 - model.wrong_label, model.wrong_label)
    density = np.where(u < RESIDUAL_MAX, _NORMAL * label * (core + wide), 0.0) / sigma[seen.cell]
    one = density / seen.background
    ratio = np.bincount(seen.cell, one, len(seen.event)).astype(float)
    own = (p / (1.0 - p + p * ratio))[seen.cell] * one
    core = core / (core + wide)
    weight, residual = _likeliest(seen.cell, seen.right * own * core, seen.residual_s, len(seen.event))
    return Shares(
        own, core, ratio, sigma, weight, residual, _pulls(seen.event, seen.slope, weight / sigma**2, len(seen.radius))
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _nearness(model: PickModel, far: Array) -> Array:
    """``nearness_at`` of many distances."""
    found = np.empty(len(far))
    for i in range(len(far)):
        found[i] = nearness_at(model, far[i])
    return found


@njit(cache=True, nogil=True)
def _likeliest(cell: Integers, weight: Array, residual: Array, n_cells: int) -> tuple[Array, Array]:
    """Weight and residual of the row of every cell whose weight is largest; zeros for none."""
    most, its = np.zeros(n_cells), np.zeros(n_cells)
    for i in range(len(cell)):
        if weight[i] > most[cell[i]]:
            most[cell[i]], its[cell[i]] = weight[i], residual[i]
    return most, its


def learn_errors(model: PickModel, seen: Observations, share: Shares) -> PickModel:
    """Standard errors of picks and travel times: components of variance (Rao 1971, J. Multivar. Anal. 1).

    Errors e of the picks of an event leave residuals r = M e in its location, M = 1 - hat matrix. Squares of residuals,
    and products of P and S at one station, whose travel times share their error, are linear in the variances.
    """
    told = share.weight > _LEAST_WEIGHT
    _, size = np.unique(seen.event[told], return_counts=True)
    step = -(-int(np.sum(size**2)) // _MOST_PAIRS)
    matrix, right = _components(
        np.concatenate([[0], np.cumsum(size)]), max(step, 1), seen.channel[told], seen.slope[told], share.pull[told],
        seen.travel_s[told], share.sigma_s[told], share.weight[told],
        (share.residual_s / np.sqrt(_left_by_delays(model, seen, share)))[told],
    )  # fmt: skip
    usual = np.append(_usual_sigma(model.sigma_s, seen, share), _USUAL_MODEL_ERROR) ** 2
    sure = 0.5 * _SURE / np.append(model.sigma_s, _USUAL_MODEL_ERROR) ** 4
    matrix += np.diag(sure)
    right += sure * usual
    error = float(np.sqrt(np.clip(np.linalg.solve(matrix, right)[2], *np.square(_MODEL_ERROR))))
    sigma = np.linalg.solve(matrix[:2, :2], right[:2] - matrix[:2, 2] * error**2)
    return model._replace(sigma_s=np.sqrt(np.clip(sigma, *np.square(_SIGMA_S))), model_error=error)


def _left_by_delays(model: PickModel, seen: Observations, share: Shares) -> Array:
    """(cell,): share of the variance that is left once delays were learned from the same residuals."""
    count = np.bincount(seen.channel, share.weight, len(model.delay_s))
    prior = (model.sigma_s[np.arange(len(count)) % 2] / DELAY_S) ** 2
    return np.asarray(1.0 - share.weight / np.maximum(count + prior, 1.0)[seen.channel]).clip(0.1)


def _usual_sigma(present: Array, seen: Observations, share: Shares) -> Array:
    """Standard errors in their usual ratio, as large as the present ones: few stations hardly tell P from S."""
    count = np.bincount(seen.channel % 2, share.weight, 2) + 1e-9
    return np.sqrt(np.sum(count * (present / _RATIO) ** 2) / count.sum()) * _RATIO


@njit(cache=True, nogil=True, error_model="numpy")
def _pulls(event: Integers, slope: Array, weight: Array, n_events: int) -> Array:
    """Gauss-Newton: (G' W G)^-1 G' W of every event, transposed, (cell, 4)."""
    normal = np.zeros((n_events, 4, 4))
    pull, by = np.empty((len(event), 4)), np.ones(4)
    for c in range(len(event)):
        by[:3] = slope[c]
        for a in range(4):
            for b in range(4):
                normal[event[c], a, b] += weight[c] * by[a] * by[b]
    for e in range(n_events):
        for a in range(4):
            normal[e, a, a] += _LOOSE
        normal[e] = np.linalg.inv(normal[e])
    for c in range(len(event)):
        by[:3] = slope[c]
        for a in range(4):
            pull[c, a] = 0.0
            for b in range(4):
                pull[c, a] += normal[event[c], a, b] * by[b] * weight[c]
    return pull


@njit(cache=True, nogil=True, error_model="numpy")
def unexplained(event: Integers, slope: Array, pull: Array, delay: Array) -> Array:
    """What delays of arrivals leave as residuals: the event moves towards them. (cell,)"""
    left, move = np.empty(len(event)), np.zeros(4)
    first = 0
    while first < len(event):
        last = first
        move[:] = 0.0
        while last < len(event) and event[last] == event[first]:
            for a in range(4):
                move[a] += pull[last, a] * delay[last]
            last += 1
        for c in range(first, last):
            left[c] = delay[c] - move[3]
            for a in range(3):
                left[c] -= slope[c, a] * move[a]
        first = last
    return left


@njit(cache=True, nogil=True, error_model="numpy")
def _components(
    first: Integers,
    step: int,
    channel: Integers,
    slope: Array,
    pull: Array,
    travel: Array,
    sigma: Array,
    weight: Array,
    residual: Array,
) -> tuple[Array, Array]:
    """Normal equations for the variances of P and S and the squared relative error of travel times."""
    matrix, right, row = np.zeros((3, 3)), np.zeros(3), np.empty(3)
    for e in range(0, len(first) - 1, step):
        n = first[e + 1] - first[e]
        for i in range(n):
            for j in range(i, min(i + 2, n)):
                ci, cj = first[e] + i, first[e] + j
                trust = weight[ci] * weight[cj]
                if channel[ci] // 2 != channel[cj] // 2:
                    continue
                row[:] = 0.0
                mi_t, mj_t = 0.0, 0.0
                for k in range(n):
                    ck = first[e] + k
                    mi, mj = 1.0 * (i == k) - pull[ck, 3], 1.0 * (j == k) - pull[ck, 3]
                    for a in range(3):
                        mi -= slope[ci, a] * pull[ck, a]
                        mj -= slope[cj, a] * pull[ck, a]
                    row[channel[ck] % 2] += mi * mj
                    mi_t += mi * travel[ck]
                    mj_t += mj * travel[ck]
                    if k + 1 == n or channel[ck + 1] // 2 != channel[ck] // 2:
                        row[2] += mi_t * mj_t
                        mi_t, mj_t = 0.0, 0.0
                trust /= (sigma[ci] * sigma[cj]) ** 2 * (2.0 if i == j else 1.0)
                for a in range(3):
                    right[a] += trust * row[a] * residual[ci] * residual[cj]
                    for b in range(3):
                        matrix[a, b] += trust * row[a] * row[b]
    return matrix, right
