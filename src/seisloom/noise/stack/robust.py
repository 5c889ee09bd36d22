"""Robust stack: rows that do not look like the stack count little (Pavlis & Vernon 2010, Comput. Geosci. 36, 910)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seisloom.noise.stack.rows import Array, Float64, dots, energies, equal_weights, lag_window, unit, weighted_sum

# Lags whose median is taken at once (so many columns of 500 rows stay in the cache).
MEDIAN_LAGS = 256
# Squared residual, relative to the row, below which it is computed sample by sample: the short form is then the
# difference of two nearly equal numbers.
CLOSE = 1e-2
# A row counts as no nearer to the stack than this (residual relative to the row): equal rows get equal, finite weights.
NEAREST = 1e-6


def robust(
    rows: Array,
    weights: Float64,
    lag: Float64 | None,
    *,
    tolerance: float,
    max_iterations: int,
    unit_beam: bool,
    lag_min: float | None,
    lag_max: float | None,
) -> Float64:
    """Sum over j of w_j s_j with the weights of :func:`robust_weights`."""
    window = lag_window(lag, lag_min, lag_max)
    return weighted_sum(rows, robust_weights(rows, weights > 0, window, tolerance, max_iterations, unit_beam))


def robust_weights(
    rows: Array,
    valid: npt.NDArray[np.bool_],
    window: slice | npt.NDArray[np.bool_],
    tolerance: float,
    max_iterations: int,
    unit_beam: bool,
) -> Float64:
    """Weights (pair, n) that add up to one and are proportional to |d·b| / (‖d‖ ‖d − (d·b) b‖).

    d is a row and b the stack made with the weights before (at first the median over rows), both inside the lag
    window. b is scaled to unit length, so that the weights do not depend on the unit of the data;
    ``unit_beam=False`` leaves it as it is, which is what NoisePy and StackMaster compute. Iterated until
    ‖change of the stack‖₁ / (n ‖stack‖₂) is at most ``tolerance``, for each pair on its own.
    """
    weights, count = equal_weights(valid), valid.sum(axis=-1)
    beam = _median(rows, valid)
    inside = rows[..., window]
    energy = energies(inside)
    live = np.arange(len(rows))
    for _ in range(max_iterations):
        weights[live] = _similarity(inside, energy, beam[:, window], unit_beam)
        stack = weighted_sum(rows, weights[live])
        change = np.abs(stack - beam).sum(axis=-1)
        going = change > tolerance * count[live] * np.linalg.norm(stack, axis=-1)
        if not going.any():
            break
        if not going.all():
            live, rows, inside, energy, stack = (a[going] for a in (live, rows, inside, energy, stack))
        beam = stack
    return weights


def _similarity(rows: Array, energy: Float64, beam: Float64, unit_beam: bool) -> Float64:
    """|d·b| / (‖d‖ ‖d − (d·b) b‖) of every row, divided by its sum over rows; energy is ‖d‖²."""
    direction, length = unit(beam)
    gain = np.ones_like(length) if unit_beam else length**2
    projection = dots(rows, direction)
    residual = energy - projection**2 * gain * (2.0 - gain)
    for pair, row in np.argwhere(residual < CLOSE * energy):
        d = rows[pair, row].astype(np.float64)
        residual[pair, row] = np.sum((d - gain[pair] * (d @ direction[pair]) * direction[pair]) ** 2)
    scale = np.sqrt(energy * np.maximum(residual, NEAREST**2 * energy))
    weights = np.abs(projection) / np.where(scale > 0, scale, 1.0)
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def _median(rows: Array, valid: npt.NDArray[np.bool_]) -> Float64:
    """Median over the valid rows of (pair, n, lag), as (pair, lag); every pair has at least one."""
    median = np.empty((rows.shape[0], rows.shape[2]))
    count = valid.sum(axis=-1)[:, None, None]
    missing = ~valid[:, None, :]
    for start in range(0, rows.shape[2], MEDIAN_LAGS):
        # Sorting whole columns is faster than np.median, which selects the two middle values.
        columns = rows[:, :, start : start + MEDIAN_LAGS].transpose(0, 2, 1).copy()
        np.copyto(columns, np.inf, where=missing)
        columns.sort(axis=-1)
        middle = [np.take_along_axis(columns, (count - k) // 2, axis=-1)[..., 0] for k in (1, 0)]
        median[:, start : start + MEDIAN_LAGS] = (middle[0].astype(np.float64) + middle[1]) / 2
    return median
