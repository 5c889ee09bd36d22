"""One tile of a day: the spectra of its rows are held, those of its columns pass by, the correlations of its pairs are kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from seisloom.noise.channel_day import Preparation
from seisloom.noise.correlate import Inverse, group_rows, invert, shaped, windows
from seisloom.noise.day import check_device
from seisloom.noise.product import GRID, Spectra, product
from seisloom.noise.spectra import correlation_scale
from seisloom.noise.tile_spectra import Changed, TileSpectra, finish
from seisloom.noise.tiles import DaySize, Tile, Tiling, passes

if TYPE_CHECKING:
    from seisloom.noise.engine_torch import DeviceRows

Numbers = npt.NDArray[np.int64]


class TileWork:
    """Computes tiles; its memory is that of the largest, and is used again for every tile."""

    def __init__(
        self,
        preparation: Preparation,
        pairs: Numbers,
        groups: list[slice],
        size: DaySize,
        tiling: Tiling,
        device: str = "cpu",
    ) -> None:
        check_device(device)
        self.pairs, self.groups, self._size, self._device = pairs, groups, size, device
        plan = preparation.plan
        self._inverse = Inverse.from_plan(plan, correlation_scale(preparation.settings, plan))
        self._group_rows = group_rows(groups, plan.n_windows, size.rows)
        rows = max(tile.rows for tile in tiling.tiles)
        most = max(tile.stop - tile.first for tile in tiling.tiles)
        n_lag = size.values_a_pair // size.n_groups
        self._rows: Spectra = np.empty((size.n_frequencies, rows, size.rows), np.complex64)
        self._columns: Spectra = np.empty((2, size.n_frequencies, tiling.columns, size.rows), np.complex64)
        on_device = device != "cpu"
        n_cross = 0 if size.windows or on_device else size.n_frequencies * GRID * tiling.columns
        self._cross: Spectra = np.empty(n_cross, np.complex64)
        self._out = np.empty((most, size.n_groups, n_lag), np.float32)

    def correlate(
        self, tile: Tile, spectra: TileSpectra, readers: ThreadPoolExecutor, computers: ThreadPoolExecutor
    ) -> npt.NDArray[np.float32]:
        """Sums of the correlations (pair, group, lag) of a tile; they are valid until the next one."""
        own = np.unique(self.pairs[tile.first : tile.stop])
        # The first tile tells of all channels, also of those that are in no pair.
        all_of_it = np.arange(self._size.n_channels) if tile.first == 0 else own
        spectra.share(all_of_it, readers, tile.first)
        while True:
            try:
                for place, part in passes(tile, self.pairs):
                    self._pass(part, self._out[place : place + len(part)], spectra, readers, computers)
                spectra.listen(all_of_it.tolist(), readers)
            except Changed:
                spectra.forget()
            else:
                return self._out[: tile.stop - tile.first]

    def _pass(
        self,
        pairs: Numbers,
        out: npt.NDArray[np.float32],
        spectra: TileSpectra,
        readers: ThreadPoolExecutor,
        computers: ThreadPoolExecutor,
    ) -> None:
        """All columns against the rows of some pairs."""
        rows = np.unique(pairs[:, 0])
        finish([readers.submit(self._put_row, k, int(c), spectra) for k, c in enumerate(rows)])
        on_device = self._on_device(len(rows))
        chunks = column_chunks(np.unique(pairs[:, 1]), self._columns.shape[2])
        number = np.concatenate([np.full(len(chunk), k) for k, chunk in enumerate(chunks)])
        chunk_of = number[np.searchsorted(np.concatenate(chunks), pairs[:, 1])]
        for k, columns in enumerate(self._passing(chunks, rows, spectra, readers)):
            places = np.flatnonzero(chunk_of == k)
            ends = (np.searchsorted(rows, pairs[places, 0]), np.searchsorted(chunks[k], pairs[places, 1]))
            local = np.stack(ends, axis=1)
            if on_device:
                on_device.correlate(columns, local, self._inverse, self._group_rows, out, places)
            elif self._size.windows:
                windows(self._rows, columns, local, self._inverse, computers, out, places)
            else:
                self._chunk(rows, columns, chunks[k], local, out, places, computers)

    def _on_device(self, n_rows: int) -> DeviceRows | None:
        """The rows on a GPU, None where that is not asked for."""
        if self._device == "cpu":
            return None
        from seisloom.noise.engine_torch import DeviceRows

        return DeviceRows(self._rows[:, :n_rows], self._device)

    def _passing(
        self, chunks: list[Numbers], rows: Numbers, spectra: TileSpectra, readers: ThreadPoolExecutor
    ) -> Iterator[Spectra]:
        """The spectra of columns, chunk after chunk, each being read while the one before is at work."""

        def begin(k: int) -> list[Future[None]]:
            target = self._columns[k % 2]
            return [
                readers.submit(self._put_column, target[:, i], int(c), rows, spectra) for i, c in enumerate(chunks[k])
            ]

        ahead = begin(0)
        try:
            for k in range(len(chunks)):
                finish(ahead)
                ahead = begin(k + 1) if k + 1 < len(chunks) else []
                yield self._columns[k % 2][:, : len(chunks[k])]
        finally:
            wait(ahead)  # they write where others will

    def _put_row(self, k: int, c: int, spectra: TileSpectra) -> None:
        found = spectra.get(c)
        self._rows[:, k] = 0 if found is None else found.left.T

    def _put_column(self, target: Spectra, c: int, rows: Numbers, spectra: TileSpectra) -> None:
        """Spectra of a channel as B, which may be held as those of a row."""
        if self._size.sides == 1 and (k := int(np.searchsorted(rows, c))) < len(rows) and rows[k] == c:
            target[:] = self._rows[:, k]
            return
        found = spectra.get(c)
        target[:] = 0 if found is None else found.right.T

    def _chunk(
        self,
        rows: Numbers,
        columns: Spectra,
        chunk: Numbers,
        local: Numbers,
        out: npt.NDArray[np.float32],
        places: Numbers,
        pool: ThreadPoolExecutor,
    ) -> None:
        """Pairs of a row and a column of a chunk (``local`` places of both) to their ``places`` in ``out``, a cell of rows at a time."""
        cell = rows[local[:, 0]] // GRID
        for number in np.unique(cell):
            some = cell == number
            held = slice(int(local[some, 0].min()), int(local[some, 0].max()) + 1)
            cross = shaped(self._cross, (self._size.n_frequencies, held.stop - held.start, len(chunk)))
            wanted = local[some] - [held.start, 0]
            for g, group in enumerate(self._group_rows):
                product(self._rows[:, held], rows[held], columns, chunk, self._size.n_channels, group, pool, cross)
                invert(cross, wanted, self._inverse, pool, out[:, g], places[some])


def column_chunks(channels: Numbers, most: int) -> list[Numbers]:
    """Channels in parts of at most ``most``, each within a cell of the grid."""
    cells = np.split(channels, np.flatnonzero(np.diff(channels // GRID)) + 1)
    return [cell[first : first + most] for cell in cells for first in range(0, len(cell), most)]
