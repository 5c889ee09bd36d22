"""All pairs at matrix-product speed.

The stack over windows w of conj(A) B is, at one frequency, one entry of the product conj(X) Xᵀ of the spectra
X (channel, window): a complex matrix product gives it for all pairs at once, and one inverse transform a pair leads
back to lag. Spectra stand as (frequency, channel, window), so that each frequency is one block for BLAS, and only
the pass band is kept. Work goes by bands of rows (channels as A), so that memory stays within a stated budget; only
the upper triangle is computed, the diagonal blocks by halves.

Libraries round the same sum differently in arrays of different shapes. So products are made in the squares of a fixed grid
(see :mod:`seisloom.noise.product`), and transforms INVERSE_BATCH at a time: a correlation has the same bits however a day is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seisloom.noise.plan import WindowPlan
from seisloom.noise.product import GRID, Rows, Spectra, product

INVERSE_BATCH = 16
MIN_HEIGHT, MAX_HEIGHT, CROSS_BYTES = 96, 192, 384_000_000


@dataclass(frozen=True)
class SpectraStack:
    """Spectra of all channels of a day: ``left`` and ``right`` (frequency, channel, row), ``valid`` (channel, window).

    ``left`` is ``right`` except for deconvolution. There are as many rows as windows, or twice as many.
    """

    left: Spectra
    right: Spectra
    valid: npt.NDArray[np.bool_]

    @property
    def n_channels(self) -> int:
        return self.right.shape[1]

    @classmethod
    def empty(cls, n_frequencies: int, n_channels: int, n_windows: int, rows: int, two_sided: bool) -> SpectraStack:
        """All zero and not valid, to be filled channel by channel."""
        right = np.zeros((n_frequencies, n_channels, rows), np.complex64)
        left = np.zeros_like(right) if two_sided else right
        return cls(left, right, np.zeros((n_channels, n_windows), bool))


@dataclass(frozen=True)
class Inverse:
    """From a cross-spectrum in the pass band to the correlation at lags -n_half..n_half."""

    first_bin: int
    nfft: int
    n_half_lag: int
    scale: float

    @classmethod
    def from_plan(cls, plan: WindowPlan, scale: float) -> Inverse:
        return cls(plan.first_bin, plan.nfft_out, plan.n_half_lag, scale)

    def buffers(self, n_pairs: int) -> tuple[Spectra, npt.NDArray[np.float32]]:
        """Working space for n_pairs at once: a zeroed half spectrum, of which only the pass band is written, and lags."""
        return np.zeros((n_pairs, self.nfft // 2 + 1), np.complex64), np.empty((n_pairs, self.nfft), np.float32)

    def transform(
        self, cross: Spectra, out: npt.NDArray[np.float32], buffers: tuple[Spectra, npt.NDArray[np.float32]]
    ) -> None:
        """``cross`` (frequency, pair) to ``out`` (pair, lag), in ``buffers`` as :meth:`buffers` makes them, of as many pairs or more.

        All of the buffers is transformed, so that neither the number of pairs nor the place of one matters to its bits.
        """
        import ducc0

        n_frequencies, n = cross.shape
        half = self.n_half_lag
        spectrum, lags = buffers
        spectrum[:n, self.first_bin : self.first_bin + n_frequencies] = cross.T
        ducc0.fft.c2r(spectrum, axes=(1,), lastsize=self.nfft, forward=False, inorm=0, out=lags)
        np.multiply(lags[:n, -half:], np.float32(self.scale), out=out[:, :half])
        np.multiply(lags[:n, : half + 1], np.float32(self.scale), out=out[:, half:])


class Scratch:
    """Memory of the largest band, kept from one day to the next: fresh memory costs as much as the work in it."""

    def __init__(self) -> None:
        self._cross: Spectra = np.empty(0, np.complex64)
        self._block: npt.NDArray[np.float32] = np.empty(0, np.float32)

    def cross(self, size: int) -> Spectra:
        """Room for ``size`` values of cross-spectra."""
        if len(self._cross) < size:
            self._cross = np.empty(size, np.complex64)
        return self._cross

    def block(self, size: int) -> npt.NDArray[np.float32]:
        """Room for ``size`` values of correlations."""
        if len(self._block) < size:
            self._block = np.empty(size, np.float32)
        return self._block


def window_counts(valid: npt.NDArray[np.bool_], pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Windows that both channels of each pair have: ``valid`` (channel, window), ``pairs`` (pair, 2) -> (pair,)."""
    v = valid.astype(np.float32)
    first, stop = (int(pairs[:, 0].min()), int(pairs[:, 0].max()) + 1) if len(pairs) else (0, 0)
    return (v[first:stop] @ v.T)[pairs[:, 0] - first, pairs[:, 1]].astype(np.int32)


def pair_counts(
    valid: npt.NDArray[np.bool_], pairs: npt.NDArray[np.int64], groups: list[slice]
) -> npt.NDArray[np.int32]:
    """Windows that both channels of each pair have in each group of windows: (pair, group)."""
    if all(g.stop - g.start == 1 for g in groups):
        a, b = pairs.T
        some = np.concatenate([np.arange(g.start, g.stop) for g in groups])
        return (valid[a][:, some] & valid[b][:, some]).astype(np.int32)
    return np.stack([window_counts(valid[:, g], pairs) for g in groups], axis=1)


def group_rows(groups: list[slice], n_windows: int, n_rows: int) -> list[Rows]:
    """The rows of spectra that each group of windows has: those of its windows, or of both rows of each."""
    if n_rows == n_windows:
        return list(groups)
    if len(groups) == 1:
        return [slice(0, n_rows)]
    rows = np.arange(n_windows)
    return [np.concatenate([rows[g], rows[g] + n_windows]) for g in groups]


def band_height(stack: SpectraStack, values_a_pair: int, memory_bytes: float) -> int:
    """How many channels as A make a band.

    Cross-spectra of some CROSS_BYTES, or of MIN_HEIGHT channels where that is more: touching fresh memory costs as much
    as the product of few channels, and products of very few run far below the speed of the machine. At most what fits a
    memory budget beside the spectra: cross-spectra and correlations once. Whole cells of the grid, but for budgets
    that do not hold one.
    """
    n_frequencies, n = stack.right.shape[:2]
    spectra = stack.right.nbytes * (1 if stack.left is stack.right else 2)
    wanted = max(MIN_HEIGHT, CROSS_BYTES // (n * 8 * n_frequencies))
    fits = (memory_bytes - spectra) // (n * (8 * n_frequencies + 4 * values_a_pair))
    height = int(np.clip(min(wanted, fits), 1, MAX_HEIGHT))
    return min(n, height // GRID * GRID or height)


def correlate_pairs(
    stack: SpectraStack,
    pairs: npt.NDArray[np.int64],
    inverse: Inverse,
    groups: list[Rows],
    pool: ThreadPoolExecutor,
    memory_bytes: float = 4e9,
    scratch: Scratch | None = None,
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Correlations of ``pairs`` (pair, 2), A <= B and sorted by A then B, summed over each group of rows.

    Yields (index of the first pair, block (pairs, groups, lag)) in order; a block is valid until the next one is
    asked for. Divide by the window counts for the mean.
    """
    n, n_lag = stack.n_channels, 2 * inverse.n_half_lag + 1
    bands = list(row_bands(stack, pairs, n_lag * len(groups), memory_bytes))
    scratch = scratch or Scratch()
    cross_space = scratch.cross(len(stack.right) * (bands[0][1] - bands[0][0]) * n)
    block_space = scratch.block(max(len(wanted) for _, _, wanted in bands) * len(groups) * n_lag)
    numbers, done = np.arange(n), 0
    for first, stop, wanted in bands:
        cross = shaped(cross_space, (len(stack.right), stop - first, n - first))
        block = shaped(block_space, (len(wanted), len(groups), n_lag))
        a = slice(first, stop)
        for g, rows in enumerate(groups if len(wanted) else []):
            product(stack.left[:, a], numbers[a], stack.right[:, first:], numbers[first:], n, rows, pool, cross)
            invert(cross, wanted - first, inverse, pool, block[:, g])
        yield done, block
        done += len(wanted)


def row_bands(
    stack: SpectraStack, pairs: npt.NDArray[np.int64], values_a_pair: int, memory_bytes: float
) -> Iterator[tuple[int, int, npt.NDArray[np.int64]]]:
    """Bands of channels as A, [first, stop), that fit the memory budget, each with its part of ``pairs``."""
    height = band_height(stack, values_a_pair, memory_bytes)
    for first in range(0, stack.n_channels, height):
        stop = min(first + height, stack.n_channels)
        yield first, stop, pairs[slice(*np.searchsorted(pairs[:, 0], [first, stop]))]


def shaped(space: npt.NDArray, shape: tuple[int, ...]) -> npt.NDArray:
    """The first values of a flat array in a shape."""
    return space[: int(np.prod(shape))].reshape(shape)


def correlate_windows(
    stack: SpectraStack,
    pairs: npt.NDArray[np.int64],
    inverse: Inverse,
    pool: ThreadPoolExecutor,
    memory_bytes: float = 4e9,
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """As :func:`correlate_pairs` with every window on its own: blocks (pairs, windows, lag)."""
    n_windows = stack.valid.shape[1]
    n_lag = 2 * inverse.n_half_lag + 1
    step = int(np.clip(memory_bytes / 4 // (4 * n_windows * n_lag), 1, 64))
    for first in range(0, len(pairs), step):
        some = pairs[first : first + step]
        block = np.empty((len(some), n_windows, n_lag), np.float32)
        windows(stack.left, stack.right, some, inverse, pool, block, np.arange(len(some)))
        yield first, block


def windows(
    left: Spectra,
    right: Spectra,
    wanted: npt.NDArray[np.int64],
    inverse: Inverse,
    pool: ThreadPoolExecutor,
    out: npt.NDArray[np.float32],
    places: npt.NDArray[np.int64],
) -> None:
    """Every window of the ``wanted`` pairs (places in ``left``, in ``right``) to their ``places`` in ``out`` (pair, window, lag)."""
    n_windows = out.shape[1]
    folds = right.shape[2] // n_windows  # rows that add up to a window

    def one(pair: npt.NDArray[np.int64], place: np.int64) -> None:
        cross = left[:, pair[0]].conj() * right[:, pair[1]]
        cross = cross.reshape(len(cross), folds, n_windows).sum(axis=1)
        inverse.transform(cross, out[place], inverse.buffers(n_windows))

    list(pool.map(one, wanted, places))


def invert(
    cross: Spectra,
    wanted: npt.NDArray[np.int64],
    inverse: Inverse,
    pool: ThreadPoolExecutor,
    out: npt.NDArray[np.float32],
    places: npt.NDArray[np.int64] | None = None,
) -> None:
    """Inverse transforms of the ``wanted`` entries of ``cross`` (frequency, A, B) into ``out`` (pair, lag), or to ``places`` in it."""

    flat = cross.reshape(len(cross), -1)
    columns = wanted[:, 0] * cross.shape[2] + wanted[:, 1]

    def one(batches: list[int]) -> None:
        buffers = inverse.buffers(INVERSE_BATCH)
        for start in batches:
            here = slice(start, min(start + INVERSE_BATCH, len(wanted)))
            made = out[here] if places is None else np.empty((here.stop - here.start, out.shape[1]), np.float32)
            inverse.transform(flat.take(columns[here], axis=1), made, buffers)
            if places is not None:
                out[places[here]] = made

    starts = list(range(0, len(wanted), INVERSE_BATCH))
    workers = min(len(starts), pool._max_workers)
    list(pool.map(one, [starts[k::workers] for k in range(workers)]))
