"""Tiles as tasks: a worker computes one, writes its shards and its mark, and ends the day whose last tile it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from seisloom.noise.archive import ArchiveWriter
from seisloom.noise.channel_day import Preparation
from seisloom.noise.correlate import pair_counts
from seisloom.noise.day_task import DayJob, worker_pools
from seisloom.noise.progress import Counters
from seisloom.noise.report import DayReport
from seisloom.noise.span_stacks import SpanStacks
from seisloom.noise.spectra_store import SpectraStore
from seisloom.noise.tile_marks import TileMark, TileMarks, joined
from seisloom.noise.tile_spectra import TileSpectra
from seisloom.noise.tile_work import TileWork
from seisloom.noise.tiles import Tile

TilePlace = tuple[str, int]
"""A day (YYYY-MM-DD) and the number of a tile of it."""


@contextmanager
def tile_task(
    job: DayJob, counters: Callable[[str], Counters] | None = None
) -> Iterator[Callable[[TilePlace], DayReport | None]]:
    """What does a tile, to its mark in the workspace; it gives the report of the day if that has ended with it.

    ``counters`` gives those of a day, None for none. Raises WorkspaceError where the workspace is not within reach.
    """
    with worker_pools(job) as (readers, computers):
        worker = TileWorker(job, readers, computers)

        def task(place: TilePlace) -> DayReport | None:
            day, number = place
            count = (
                counters(day)
                if counters
                else Counters(day, 0, 1, len(job.ids), len(worker.books.pairs), lambda _: None)
            )
            return worker.do(day, job.tiling.tiles[number], count)

        yield task


class TileWorker:
    """What is the same for all tiles of a job."""

    def __init__(self, job: DayJob, readers: ThreadPoolExecutor, computers: ThreadPoolExecutor) -> None:
        self.job, self.books = job, job.ledger
        self._pools = (readers, computers)
        books = job.ledger
        self._preparation = Preparation(job.ids, books.settings, job.source, job.responses, books.plan)
        self._spans = SpanStacks(books, job.first, job.last)
        self._work = TileWork(self._preparation, books.pairs, books.groups, job.size, job.tiling, job.device)

    def do(self, name: str, tile: Tile, counters: Counters) -> DayReport | None:
        """Compute a tile if it is not done, and end the day if no tile is left."""
        marks = TileMarks(self.books.storage, name)
        store = SpectraStore(self.books.storage, name)
        if not self.books.is_done(name):
            if not marks.has(tile):
                marks.put(self._computed(name, tile, store, counters))
            if (all_of_it := marks.all(self.job.tiling.tiles)) is None:
                return None
            report = self._end(name, all_of_it)
            self._spans.after(name)
            kept = [mark.tile for mark in all_of_it if not mark.failed] if report.failed else []
        else:
            report, kept = self.books.report(name), []
        store.remove()
        marks.remove(kept)
        return report

    def _computed(self, name: str, tile: Tile, store: SpectraStore, counters: Counters) -> TileMark:
        """Compute a tile and write its shards."""
        began = time.perf_counter()
        counters.begin(tile.first)
        day, days = pd.Timestamp(name), self.job.spectra_days
        shared = store if days and store.opened(days) else None
        spectra = TileSpectra(self._preparation, day, shared, counters, tile.first == 0)
        sums = self._work.correlate(tile, spectra, *self._pools)
        counts = pair_counts(spectra.valid, self.books.pairs[tile.first : tile.stop], self.books.groups)
        # Asked for anew, because another run with an earlier end may just have made it.
        group = self.job.ledger.archive(self.job.first, self.job.last)
        place = self.place(name)
        if counts.any() or group["count"][tile.first : tile.stop, place].any():
            with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, which is what no window means
                np.divide(sums, counts.astype(np.float32)[:, :, None], out=sums)
            writer = ArchiveWriter(group, place, tile.first // self.job.size.shard_pairs)
            writer.append(sums)
            writer.close()
        counters.pairs(tile.stop)
        return TileMark(tile, spectra.valid, spectra.problems(), round(time.perf_counter() - began, 3))

    def _end(self, name: str, marks: list[TileMark]) -> DayReport:
        """Write the counts and the mark of a day whose tiles are done."""
        report, counts = joined(name, marks, self.books.pairs, self.books.groups, self.job.ids)
        group: Any = self.books.archive(self.job.first, self.job.last)
        place = self.place(name)
        if report.pairs or group["count"][:, place].any():
            group["count"][:, place] = counts
        self.books.mark(report)
        return report

    def place(self, name: str) -> slice:
        """Where a day is on the axis of times."""
        n, index = len(self.books.groups), (pd.Timestamp(name) - self.job.first).days
        return slice(index * n, (index + 1) * n)
