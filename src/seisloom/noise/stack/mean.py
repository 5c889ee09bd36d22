"""Stacks that average rows sample by sample: linear, n-th root, selective."""

from __future__ import annotations

import numpy as np

from seisloom.noise.stack.rows import (
    Array,
    Float64,
    dots,
    energies,
    equal_weights,
    lag_window,
    row_blocks,
    unit,
    weighted_sum,
)


def linear(rows: Array, weights: Float64, lag: Float64 | None) -> Float64:
    """Weighted mean: the sum over j of w_j s_j(t), with weights that add up to one."""
    return weighted_sum(rows, weights)


def nroot(rows: Array, weights: Float64, lag: Float64 | None, *, root: float) -> Float64:
    """N-th root stack, m |m|^(N-1) with m the mean of sign(s_j) |s_j|^(1/N) (Muirhead 1968, Nature 217, 533–534).

    Large values that a few rows alone have are held down, at the price of a distorted waveform.
    """
    mean = np.zeros((rows.shape[0], rows.shape[2]))
    for part in row_blocks(rows.shape):
        size = np.abs(rows[:, part])
        size = np.sqrt(size, out=size) if root == 2 else np.power(size, 1 / root, out=size)
        mean += weighted_sum(np.copysign(size, rows[:, part], out=size), weights[:, part])
    return mean * np.abs(mean) ** (root - 1)


def selective(
    rows: Array,
    weights: Float64,
    lag: Float64 | None,
    *,
    threshold: float,
    max_iterations: int,
    lag_min: float | None,
    lag_max: float | None,
) -> Float64:
    """Mean of the rows whose correlation coefficient with that mean is at least ``threshold``.

    Starts from all rows and is repeated until the same rows are kept (Yang et al. 2023, Geophys. J. Int. 232, 1600–1618).
    A constant row correlates with nothing. NaN where no row is kept.
    """
    valid = weights > 0
    inside = rows[..., lag_window(lag, lag_min, lag_max)]
    sums = inside.sum(axis=-1, dtype=np.float64)
    spread = np.sqrt(np.maximum(energies(inside) - sums**2 / inside.shape[-1], 0))
    kept = valid
    for _ in range(max_iterations):
        beam = weighted_sum(inside, equal_weights(kept))
        beam, length = unit(beam - beam.mean(axis=-1, keepdims=True))
        chosen = valid & (spread > 0) & (length > 0) & (dots(inside, beam) >= threshold * spread)
        if (chosen == kept).all():
            break
        kept = chosen
    stack = weighted_sum(rows, equal_weights(kept))
    stack[~kept.any(axis=-1)] = np.nan
    return stack
