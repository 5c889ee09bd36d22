"""The product of the spectra of channels with one another, in the squares of a fixed grid.

Libraries round the same sum differently in products of different shapes. So every channel has a place in a grid of GRID channels
a cell, and two channels are multiplied in the square of their cells, by a matrix product of the same shape whichever channels are at
hand: those that are not stand as zeros. Where the library is seen to round squares and parts of them alike, what is
not at hand is left out, in steps of UNIT. Either way a product has the same bits in one piece, in bands and in tiles of a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Spectra = npt.NDArray[np.complex64]
# Which rows (windows) of the spectra are summed.
Rows = slice | npt.NDArray[np.int64]
FREQUENCY_BLOCK = 32
GRID, LEAF, UNIT = 48, 24, 8


@dataclass(frozen=True)
class Cell:
    """Channels that are held of a cell of the grid: their places among all that are held, and in the ``size`` channels that are
    multiplied for them, which are the cell or, if ``cut``, a part of it."""

    number: int
    held: slice
    inside: npt.NDArray[np.int64]
    size: int
    cut: bool

    @property
    def full(self) -> bool:
        return len(self.inside) == self.size

    def operand(self, spectra: Spectra) -> Spectra:
        """Spectra (frequency, held, row) of the channels that are held as those of all that are multiplied, zero for the others."""
        if self.full:
            return spectra
        out = np.zeros((len(spectra), self.size, spectra.shape[2]), np.complex64)
        out[:, self.inside] = spectra
        return out


def cells(channels: npt.NDArray[np.int64], n_channels: int, may_cut: bool = False) -> list[Cell]:
    """The cells of the grid over ``n_channels`` in which some of ``channels`` (sorted numbers) lie."""
    numbers = channels // GRID
    edges = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1))
    found = []
    for first, stop in pairwise(edges.tolist()):
        number = int(numbers[first])
        inside = channels[first:stop] - number * GRID
        size = _cell_size(number, n_channels)
        begin, end = int(inside[0]) // UNIT * UNIT, -(int(-inside[-1] - 1) // UNIT) * UNIT
        cut = may_cut and size == GRID and end - begin < GRID
        found.append(
            Cell(number, slice(first, stop), inside - begin * cut, end - begin if cut else size, cut),
        )
    return found


def _cell_size(number: int, n_channels: int) -> int:
    """Channels of a cell. Not one: libraries go about a vector in ways that depend on how it lies in memory."""
    return max(2, min(GRID, n_channels - number * GRID))


@lru_cache
def parts_agree(n_rows: int, size: int) -> bool:
    """Whether parts of a product of GRID by ``size`` channels, summed over so many rows, have the bits of the whole; seen from numbers."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((2, n, n_rows, 2)).astype(np.float32).view(np.complex64)[..., 0] for n in (GRID, size))
    whole = np.matmul(a, b.transpose(0, 2, 1))
    steps = range(0, GRID + 1, UNIT)
    spans = [slice(first, stop) for first in steps for stop in steps if stop > first]
    for high in spans:
        for wide in spans if size == GRID else [slice(0, size)]:
            out = np.zeros_like(whole)[:, high, wide]
            np.matmul(a[:, high], b[:, wide].transpose(0, 2, 1), out=out)
            if (out != whole[:, high, wide]).any():
                return False
    return True


def squares(size: int, diagonal: bool) -> Iterator[tuple[slice, slice]]:
    """Blocks (rows, columns) that cover a square of the grid or, on the ``diagonal``, its upper triangle and little more."""
    yield from _diagonal(0, size) if diagonal else [(slice(None), slice(None))]


def _diagonal(first: int, stop: int) -> Iterator[tuple[slice, slice]]:
    if stop - first <= LEAF:
        yield slice(first, stop), slice(first, stop)
        return
    middle = (first + stop) // 2
    yield slice(first, middle), slice(middle, stop)
    yield from _diagonal(first, middle)
    yield from _diagonal(middle, stop)


def product(
    left: Spectra,
    a: npt.NDArray[np.int64],
    right: Spectra,
    b: npt.NDArray[np.int64],
    n_channels: int,
    rows: Rows,
    pool: ThreadPoolExecutor,
    cross: Spectra,
) -> None:
    """Sum over ``rows`` of conj(left) right for channels ``a`` against ``b`` (sorted numbers below ``n_channels``).

    ``left`` (frequency, a, row) and ``right`` (frequency, b, row) hold the spectra of these channels. ``cross`` (frequency, a, b) is
    written; where the number of A is above that of B its values mean nothing.
    """
    n_rows, last = right[:1, :1, rows].shape[2], _cell_size((n_channels - 1) // GRID, n_channels)
    may_cut = parts_agree(n_rows, GRID) and parts_agree(n_rows, last)
    a_cells, b_cells = cells(a, n_channels, may_cut), cells(b, n_channels, may_cut)

    def one(f0: int) -> None:
        f = slice(f0, f0 + FREQUENCY_BLOCK)
        columns = [(j, j.operand(right[f, j.held, rows]).transpose(0, 2, 1)) for j in b_cells]
        for i in a_cells:
            conjugate = i.operand(left[f, i.held, rows].conj())
            for j, column in columns:
                if j.number >= i.number:
                    _square(conjugate, column, i, j, cross[f, i.held, j.held])

    list(pool.map(one, range(0, len(cross), FREQUENCY_BLOCK)))


def _square(conjugate: Spectra, column: Spectra, i: Cell, j: Cell, target: Spectra) -> None:
    """The product of a square of the grid, of which ``target`` (frequency, held, held) takes what is held."""
    whole = i.full and j.full
    out = target if whole else np.empty((len(target), i.size, j.size), np.complex64)
    for high, wide in squares(i.size, i.number == j.number and not (i.cut or j.cut)):
        np.matmul(conjugate[:, high], column[:, :, wide], out=out[:, high, wide])
    if not whole:
        target[:] = out[:, i.inside[:, None], j.inside]
