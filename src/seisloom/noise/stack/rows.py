"""What the stacking methods share: sums over rows, blocks that fit the cache, windows of the lag axis.

Everywhere ``rows`` is (pair, n, lag) in float32 or float64 with the rows that do not count set to zero, and ``weights``
is (pair, n) in float64, zero for those rows and otherwise summing to one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Float64 = npt.NDArray[np.float64]

# Samples that are worked on at once: 64 rows of 8192. Several arrays of that size stay in the cache, and sums over so few
# rows lose nothing in float32; between blocks they are carried on in float64.
BLOCK_SAMPLES = 2**19


def pair_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of the pair axis of (pair, n, lag) that hold about BLOCK_SAMPLES (one pair where that alone is more)."""
    step = max(1, BLOCK_SAMPLES // max(1, shape[1] * shape[2]))
    return (slice(i, i + step) for i in range(0, shape[0], step))


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of the row axis of (pair, n, lag), over all its pairs, that hold about BLOCK_SAMPLES."""
    step = max(1, BLOCK_SAMPLES // max(1, shape[0] * shape[2]))
    return (slice(i, i + step) for i in range(0, shape[1], step))


def weighted_sum(rows: Array, weights: Float64) -> Float64:
    """Sum over n of weights (pair, n) times rows (pair, n, lag), as (pair, lag) in float64."""
    total = np.zeros((rows.shape[0], rows.shape[2]))
    factors = weights.astype(rows.dtype)[:, None, :]
    for part in row_blocks(rows.shape):
        total += np.matmul(factors[:, :, part], rows[:, part])[:, 0]
    return total


def dots(rows: Array, beam: Float64) -> Float64:
    """Scalar products of rows (pair, n, lag) with a beam of unit length (pair, lag), as (pair, n) in float64."""
    return np.vecdot(rows, beam.astype(rows.dtype)[:, None, :]).astype(np.float64)


def energies(rows: Array) -> Float64:
    """Sums of squares along the lags, as (pair, n); in float64, since squares of small amplitudes underflow in float32."""
    total = np.empty(rows.shape[:2])
    for part in row_blocks(rows.shape):
        wide = rows[:, part].astype(np.float64)
        total[:, part] = np.vecdot(wide, wide)
    return total


def unit(beam: Float64) -> tuple[Float64, Float64]:
    """Beams (pair, lag) scaled to unit length, and the lengths (pair, 1); zeros stay zeros."""
    length = np.linalg.norm(beam, axis=-1, keepdims=True)
    return beam / np.where(length > 0, length, 1.0), length


def equal_weights(valid: npt.NDArray[np.bool_]) -> Float64:
    """One over the number of valid rows for each of them; zero throughout where there are none."""
    count = valid.sum(axis=-1, keepdims=True)
    return valid / np.maximum(count, 1)


def lag_window(lag: Float64 | None, lag_min: float | None, lag_max: float | None) -> slice | npt.NDArray[np.bool_]:
    """Index of the samples at lag_min <= |lag| <= lag_max (seconds; None = open end) on the lag axis."""
    if lag is None or (lag_min is None and lag_max is None):
        return slice(None)
    return (np.abs(lag) >= (lag_min or 0.0)) & (np.abs(lag) <= (np.inf if lag_max is None else lag_max))
