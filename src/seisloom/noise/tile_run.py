"""A run whose days are cut into tiles: which spectra are shared, tiles to engines, and what is left removed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from seisloom.compute import Compute, Failed, Slice, open_engine
from seisloom.noise.channel_day import Preparation
from seisloom.noise.day_task import DayJob
from seisloom.noise.progress import Counters, Progress, Reporter
from seisloom.noise.spectra_store import FOLDER as SPECTRA
from seisloom.noise.spectra_store import SpectraStore
from seisloom.noise.tile_marks import FOLDER as TILES
from seisloom.noise.tile_marks import TileMarks
from seisloom.noise.tile_task import tile_task
from seisloom.noise.tiles import Sharing, SharingRates, Tiling, sharing
from seisloom.storage import Storage
from seisloom.words import counted

TRIED = 5
"""Channels that are tried at most for one whose spectra tell what they cost."""


def run_tiles(
    job: DayJob, names: list[str], to_do: list[str], compute: Compute, progress: Reporter, part: Slice | None = None
) -> list[str]:
    """Compute the days ``to_do`` of those named, tile by tile, all tiles of a day one after the other; returns what is worth knowing.

    With ``part`` only that slice of all tiles is done, and a day may wait for those of others.
    """
    number = {name: n for n, name in enumerate(names)}
    n_channels, n_pairs = len(job.ids), len(job.ledger.pairs)

    def counters(name: str) -> Counters:
        return Counters(name, number[name], len(names), n_channels, n_pairs, progress)

    prepare = partial(tile_task, job) if compute.remote else partial(tile_task, job, counters)
    tiles = job.tiling.tiles
    items = [(name, n) for name in to_do for n in range(len(tiles))][part.places if part else slice(None)]
    left = Counter(name for name, _ in items)
    made = dict.fromkeys(to_do, 0)
    with open_engine(compute) as engine:
        for (name, n), result in engine.run(prepare, items):
            left[name] -= 1
            made[name] += tiles[n].stop - tiles[n].first
            if isinstance(result, Failed):
                job.ledger.give_up(name, str(result))
            # Of tiles that are done elsewhere, those of the first day that is at work are told.
            if compute.remote and not any(left[day] for day in to_do[: to_do.index(name)]):
                done = len(names) - sum(n > 0 for n in left.values())
                progress(Progress(name, done, len(names), n_channels, n_channels, made[name], n_pairs))
    clean(job.ledger.storage, job.tiling, to_do)
    waiting = set(to_do).difference(job.ledger.reported())
    if part and waiting:
        return [f"{counted(len(waiting), 'day')} not ended yet: tiles of other slices are not done"]
    for name in waiting:
        job.ledger.give_up(name, "another run, with another --memory, has removed tiles of it")
    return []


def decide(job: DayJob, day: str, days: int) -> Sharing:
    """How tiles come by their spectra, from what a channel of a day costs to compute, to store and to read back."""
    rates = _measured(job, day) if days else None
    return sharing(job.tiling, len(job.ids), rates or SharingRates.guessed(job.size), days)


def _measured(job: DayJob, day: str) -> SharingRates | None:
    """Of the first channel that has spectra on a day, None where the first few have none."""
    books = job.ledger
    preparation = Preparation(job.ids, books.settings, job.source, job.responses, books.plan)
    store = SpectraStore(books.storage, day)
    day_ns = pd.Timestamp(day).value
    for c, channel in enumerate(job.ids[:TRIED]):
        prepared = preparation.prepare(c, day_ns)  # the first time, its response is made too
        if prepared.spectra is not None:
            channel_s = _timed(partial(preparation.prepare, c, day_ns))
            write_s, read_s = _timed(partial(store.put, channel, prepared)), _timed(partial(store.get, channel))
            store.remove()
            return SharingRates(channel_s, write_s, read_s)
    return None


def _timed(act: Callable[[], object]) -> float:
    """Seconds of the quicker of two calls."""

    def once() -> float:
        began = time.perf_counter()
        act()
        return time.perf_counter() - began

    return min(once(), once())


def clean(storage: Storage, tiling: Tiling, to_do: Sequence[str]) -> None:
    """Remove what killed runs have left: tiles and spectra of days that are done, and of days to do, marks of tiles cut otherwise.

    Of other days nothing is touched: another run may be at them.
    """
    for day in storage.folders(SPECTRA) | storage.folders(TILES):
        done = storage.get(f"done/{day}.json") is not None
        if done or (day in to_do and tiling.whole):
            SpectraStore(storage, day).remove()
        if done or day in to_do:
            TileMarks(storage, day).remove(() if done else tiling.tiles)
