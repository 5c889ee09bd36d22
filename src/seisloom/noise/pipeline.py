"""The job: day by day, records of all channels to correlations of all pairs, resumable at any point.

What is done is what the store says (see :mod:`seisloom.noise.ledger`). A killed run loses at most its unfinished day, which
the next run computes again to the same bytes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seisloom.compute import Compute, Slice, open_engine, parse_compute
from seisloom.compute.batches import run_together
from seisloom.compute.crew import Crew
from seisloom.config import CorrelationSettings
from seisloom.errors import InputError, SourceError
from seisloom.noise.day import check_device
from seisloom.noise.day_task import DayJob, day_task
from seisloom.noise.job_pace import Pacing, days_a_task
from seisloom.noise.ledger import Ledger
from seisloom.noise.pairs import channel_pairs
from seisloom.noise.plan import make_plan, window_groups
from seisloom.noise.progress import Counters, Progress, Reporter
from seisloom.noise.report import Summary
from seisloom.noise.response import Responses
from seisloom.noise.span_stacks import SpanStacks, shared
from seisloom.noise.tile_run import clean, decide, run_tiles
from seisloom.noise.tile_time import best_cut, forget_cut, held_cut, hold_cut
from seisloom.noise.tiles import DaySize, Tiling, cut, days_stored
from seisloom.stations import channel_ids, validate
from seisloom.storage import Storage
from seisloom.waveforms.base import DAY_NS, ChannelQuery, Source
from seisloom.words import counted

if TYPE_CHECKING:
    from obspy import Inventory

__all__ = ["Progress", "complete_channels", "correlate", "day_range"]


def correlate(
    channels: pd.DataFrame,
    settings: CorrelationSettings,
    source: Source,
    workspace: str | Path,
    start: str | pd.Timestamp,
    end: str | pd.Timestamp | None = None,
    inventory: Inventory | None = None,
    workers: int | None = None,
    memory_gb: float = 6.0,
    device: str = "cpu",
    progress: Reporter | None = None,
    compute: str = "serial",
    threads: int | None = None,
    part: Slice | None = None,
    spectra_gb: float | None = None,
) -> Summary:
    """Correlate all pairs of ``channels`` on every day from ``start`` to ``end`` (the last day, included).

    Results go to ``workspace`` (a folder or s3:// URL) and are opened with ``open_correlations``. Days that are
    done already are not done again. Problems of single channels and days are collected in the Summary and never stop
    the others. ``inventory`` gives instrument responses and missing coordinates; without it the source is asked.
    ``memory_gb`` bounds spectra and cross-spectra: days that do not fit are cut into tiles, which share spectra through the workspace
    where that is cheaper, ``spectra_gb`` of them at most (None: of the days that workers are at). Days that are too few for the workers are
    cut, too, where that ends the job sooner. ``device`` "cuda" uses the GPU engine.

    ``compute`` is "serial" (this process, ``workers`` threads), "processes", "dask" or "dask=ADDRESS": there ``workers``
    processes with ``threads`` each do a day at a time, each within ``memory_gb``. ``part`` is the slice of the days, or
    where these are fewer than slices of their tiles, that this run does. The result depends on none of these.

    Raises InputError for unusable arguments, WorkspaceError where the workspace belongs to another job, SourceError
    where the source fails for every channel, ComputeError where what was to do the work is gone.
    """
    how = parse_compute(compute, workers, threads, memory_gb)
    days = day_range(start, end)
    channels = validate(channels)
    if inventory is None and settings.response != "none":
        span = (days[0].value, days[-1].value + DAY_NS)
        inventory = source.inventory(sorted(set(channel_ids(channels))), *span)
        if inventory is None:
            raise InputError(
                f"{source.spec} holds no instrument responses: give an inventory (--inventory FILE|DIR of StationXML), "
                "or set response to none to correlate raw counts"
            )
    responses = Responses(inventory)
    channels = complete_channels(channels, responses, source)
    plan, pairs = make_plan(settings), channel_pairs(channels, settings)
    groups = window_groups(settings, plan)
    ids = channel_ids(channels)
    size = DaySize.of(len(ids), len(pairs), settings, source.parallel, how.n_threads)
    tiling = cut(size, pairs, memory_gb * 1e9)
    if not how.remote:
        check_device(device)
    ledger = Ledger(Storage(workspace, create=True), channels, settings, source.spec, plan, pairs, groups)
    first = ledger.claim(days)
    ledger.archive(first, days[-1])  # whole before any worker begins, so that no two are at its making
    # Fewer days than slices: then these share out tiles.
    by_tile = part if part and not tiling.whole and len(days) < part.of else None
    last = days[-1]
    days = days if by_tile else shared(days, part, settings)
    names = [f"{day:%Y-%m-%d}" for day in days]
    to_do = [name for name in names if not ledger.is_done(name)]
    crew = Crew.of(how, None if to_do else 1)  # where nothing is left, nobody is asked for
    if not part:
        tiling = _tiling(ledger, Pacing(channels, settings, source.spec, size, crew, spectra_gb=spectra_gb), to_do)
    job = DayJob(ids, source, responses, ledger, first, last, how.n_threads, memory_gb * 1e9, device, size, tiling)
    clean(ledger.storage, tiling, to_do)
    tell = progress or (lambda _: None)
    spans, notes = SpanStacks(ledger, first, last), []
    spans.begin(to_do)
    if tiling.whole:
        _run(job, names, to_do, how, days_a_task(ledger, size, len(to_do), crew), tell)
    elif to_do:
        # Slices side by side store the spectra of days of their own.
        most = days_stored(tiling, spectra_gb, crew.workers * (part.of if part else 1))
        spectra = decide(job, to_do[0], most)
        notes = [f"days are cut into {counted(len(tiling.tiles), 'tile')}; {spectra}"]
        job = replace(job, spectra_days=spectra.days if spectra.stored else 0)
        notes += run_tiles(job, names, to_do, how, tell, by_tile)
    if not part and ledger.done().issuperset(names):
        forget_cut(ledger.storage)
    ledger.settle(first)
    spans.finish()
    return replace(ledger.summary(days), notes=notes)


def _tiling(ledger: Ledger, pacing: Pacing, to_do: list[str]) -> Tiling:
    """How days are cut: as another run of this workspace has settled, or so that its workers are done first."""
    memory, pairs = pacing.crew.memory_bytes, ledger.pairs
    most_pairs = held_cut(ledger.storage)
    if most_pairs is None:
        best = best_cut(pacing, pairs, len(to_do))
        if best == cut(pacing.size, pairs, memory):  # as any other run would find without measuring
            return best
        most_pairs = hold_cut(ledger.storage, best, len(pairs))
    return cut(pacing.size, pairs, memory, most_pairs)


def day_range(start: str | pd.Timestamp, end: str | pd.Timestamp | None) -> pd.DatetimeIndex:
    """Midnights (UTC) of all days from start to end, both included; end None means one day."""
    try:
        first, last = (_midnight(day) for day in (start, start if end is None else end))
        days = pd.date_range(first, last, freq="D", unit="ns")
    except (ValueError, TypeError) as error:
        raise InputError(f"start {start!r}, end {end!r}: write days as 2019-02-03") from error
    if last < first:
        raise InputError(f"the last day {last.date()} is before the first {first.date()}")
    return days


def _midnight(day: str | pd.Timestamp) -> pd.Timestamp:
    stamp = pd.Timestamp(day)
    if pd.isna(stamp):
        raise ValueError(day)
    return (stamp if stamp.tz is None else stamp.tz_convert(None)).normalize()


def complete_channels(channels: pd.DataFrame, responses: Responses, source: Source) -> pd.DataFrame:
    """One row a channel, sorted by id, places and orientations filled in from metadata or, failing that, the source."""
    table = channels.assign(id=channel_ids(channels)).drop_duplicates("id").sort_values("id").reset_index(drop=True)
    places = ["latitude", "longitude", "elevation_m", "azimuth_deg", "dip_deg"]
    epochs = [responses.all_epochs(channel_id) for channel_id in table["id"]]
    for name in places:
        known = [getattr(held[-1], name) if held else np.nan for held in epochs]
        table[name] = table[name].fillna(pd.Series(known, index=table.index))
    if table["latitude"].isna().any():
        found = _source_places(table, source)
        for name in places if len(found) else []:
            table[name] = table[name].fillna(table["id"].map(found[name]))
    return table.drop(columns="id")


def _source_places(table: pd.DataFrame, source: Source) -> pd.DataFrame:
    network, station, channel = (",".join(sorted(set(table[c]))) for c in ("network", "station", "channel"))
    try:
        found = source.channels(ChannelQuery(network, station, channel=channel))
    except SourceError:
        return pd.DataFrame()
    return found.assign(id=channel_ids(found)).drop_duplicates("id").set_index("id")


def _run(job: DayJob, names: list[str], to_do: list[str], compute: Compute, together: int, progress: Reporter) -> None:
    """Compute the days ``to_do`` of those named, ``together`` so many a task."""
    number = {name: n for n, name in enumerate(names)}
    n_channels, n_pairs = len(job.ids), len(job.ledger.pairs)

    def counters(name: str) -> Counters:
        return Counters(name, number[name], len(names), n_channels, n_pairs, progress)

    # In this process every step within a day is told; of days that are done elsewhere, their end.
    prepare = partial(day_task, job) if compute.remote else partial(day_task, job, counters)
    with open_engine(compute) as engine:
        made = run_together(engine, prepare, to_do, together)
        for done, (name, failed) in enumerate(made, len(names) - len(to_do)):
            if failed:
                job.ledger.give_up(name, str(failed))
            if compute.remote:
                progress(Progress(name, done, len(names), n_channels, n_channels, n_pairs, n_pairs))
