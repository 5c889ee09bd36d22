"""All pairs at matrix-product speed.

The stack over windows w of conj(A) B is, at one frequency, one entry of the product conj(X) Xᵀ of the spectra
X (channel, window): a complex matrix product gives it for all pairs at once, and one inverse transform a pair leads
back to lag. Spectra stand as (frequency, channel, window), so that each frequency is one block for BLAS, and only
the pass band is kept. Work goes by bands of rows (channels as A), so that memory stays within a stated budget; only
the upper triangle is computed, the diagonal block by halves.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seisloom.noise.plan import WindowPlan

Spectra = npt.NDArray[np.complex64]
# Which rows (windows) of the spectra are summed.
Rows = slice | npt.NDArray[np.int64]
FREQUENCY_BLOCK = 32
INVERSE_BATCH = 16
LEAF = 24
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
        """``cross`` (frequency, pair) to ``out`` (pair, lag), in ``buffers`` as :meth:`buffers` makes them."""
        import ducc0

        n_frequencies, n = cross.shape
        half = self.n_half_lag
        spectrum, lags = (b[:n] for b in buffers)
        spectrum[:, self.first_bin : self.first_bin + n_frequencies] = cross.T
        ducc0.fft.c2r(spectrum, axes=(1,), lastsize=self.nfft, forward=False, inorm=0, out=lags)
        np.multiply(lags[:, -half:], np.float32(self.scale), out=out[:, :half])
        np.multiply(lags[:, : half + 1], np.float32(self.scale), out=out[:, half:])


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
    return (v @ v.T)[pairs[:, 0], pairs[:, 1]].astype(np.int32)


def rectangles(first: int, stop: int, n: int) -> Iterator[tuple[slice, slice]]:
    """Blocks (rows, columns) that cover row < stop of the upper triangle of an n × n matrix, from row ``first``."""
    if stop < n:
        yield slice(first, stop), slice(stop, n)
    yield from _diagonal(first, stop)


def _diagonal(first: int, stop: int) -> Iterator[tuple[slice, slice]]:
    if stop - first <= LEAF:
        yield slice(first, stop), slice(first, stop)
        return
    middle = (first + stop) // 2
    yield slice(first, middle), slice(middle, stop)
    yield from _diagonal(first, middle)
    yield from _diagonal(middle, stop)


def band_height(stack: SpectraStack, values_a_pair: int, memory_bytes: float) -> int:
    """How many channels as A make a band.

    Cross-spectra of some CROSS_BYTES, or of MIN_HEIGHT channels where that is more: touching fresh memory costs as much
    as the product of few channels, and products of very few run far below the speed of the machine. At most what fits a
    memory budget beside the spectra: cross-spectra and correlations once.
    """
    n_frequencies, n = stack.right.shape[:2]
    spectra = stack.right.nbytes * (1 if stack.left is stack.right else 2)
    wanted = max(MIN_HEIGHT, CROSS_BYTES // (n * 8 * n_frequencies))
    fits = (memory_bytes - spectra) // (n * (8 * n_frequencies + 4 * values_a_pair))
    return int(np.clip(min(wanted, fits), 1, min(n, MAX_HEIGHT)))


def product(stack: SpectraStack, first: int, stop: int, rows: Rows, pool: ThreadPoolExecutor, cross: Spectra) -> None:
    """Sum over ``rows`` of conj(left) right for channels first..stop against first..n, upper triangle.

    ``cross`` (frequency, stop - first, n - first) is written; below the diagonal its values mean nothing.
    """
    blocks = list(rectangles(first, stop, stack.n_channels))

    def one(f0: int) -> None:
        f = slice(f0, f0 + FREQUENCY_BLOCK)
        a = stack.left[f, first:stop, rows].conj()
        for i, j in blocks:
            target = cross[f, i.start - first : i.stop - first, j.start - first : j.stop - first]
            b = stack.right[f, j, rows].transpose(0, 2, 1)
            np.matmul(a[:, i.start - first : i.stop - first], b, out=target)

    list(pool.map(one, range(0, len(cross), FREQUENCY_BLOCK)))


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
    done = 0
    for first, stop, wanted in bands:
        cross = _shaped(cross_space, (len(stack.right), stop - first, n - first))
        block = _shaped(block_space, (len(wanted), len(groups), n_lag))
        for g, rows in enumerate(groups if len(wanted) else []):
            product(stack, first, stop, rows, pool, cross)
            _invert(cross, wanted - first, inverse, pool, block[:, g])
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


def _shaped(space: npt.NDArray, shape: tuple[int, ...]) -> npt.NDArray:
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
    folds = stack.right.shape[2] // n_windows  # rows that add up to a window

    def one(pair: npt.NDArray[np.int64], out: npt.NDArray[np.float32]) -> None:
        cross = stack.left[:, pair[0]].conj() * stack.right[:, pair[1]]
        cross = cross.reshape(len(cross), folds, n_windows).sum(axis=1)
        inverse.transform(cross, out, inverse.buffers(n_windows))

    for first in range(0, len(pairs), step):
        some = pairs[first : first + step]
        block = np.empty((len(some), n_windows, n_lag), np.float32)
        list(pool.map(one, some, block))
        yield first, block


def _invert(
    cross: Spectra,
    wanted: npt.NDArray[np.int64],
    inverse: Inverse,
    pool: ThreadPoolExecutor,
    out: npt.NDArray[np.float32],
) -> None:
    """Inverse transforms of the wanted entries of ``cross`` (frequency, A, B) into ``out`` (pair, lag)."""

    flat = cross.reshape(len(cross), -1)
    columns = wanted[:, 0] * cross.shape[2] + wanted[:, 1]

    def one(batches: list[int]) -> None:
        buffers = inverse.buffers(INVERSE_BATCH)
        for start in batches:
            here = slice(start, start + INVERSE_BATCH)
            inverse.transform(flat.take(columns[here], axis=1), out[here], buffers)

    starts = list(range(0, len(wanted), INVERSE_BATCH))
    workers = min(len(starts), pool._max_workers)
    list(pool.map(one, [starts[k::workers] for k in range(workers)]))
