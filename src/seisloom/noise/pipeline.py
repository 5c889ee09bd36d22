"""The job: day by day, records of all channels to correlations of all pairs, resumable at any point.

What is done is what the store says (see :mod:`seisloom.noise.ledger`). A killed run loses at most its unfinished day, which
the next run computes again to the same bytes.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import threadpoolctl

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError, SourceError
from seisloom.memory import keep_freed_memory
from seisloom.noise.archive import ArchiveWriter
from seisloom.noise.day import DayWork
from seisloom.noise.ledger import Ledger
from seisloom.noise.pairs import channel_pairs
from seisloom.noise.plan import make_plan, window_groups
from seisloom.noise.progress import Counters, Progress, Reporter
from seisloom.noise.report import DayReport, Summary
from seisloom.noise.response import Responses
from seisloom.stations import channel_ids, validate
from seisloom.storage import Storage
from seisloom.waveforms.base import DAY_NS, ChannelQuery, Source

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
) -> Summary:
    """Correlate all pairs of ``channels`` on every day from ``start`` to ``end`` (the last day, included).

    Results go to ``workspace`` (a folder or s3:// URL) and are opened with ``open_correlations``. Days that are
    done already are not done again. Problems of single channels and days are collected in the Summary and never stop
    the others. ``inventory`` gives instrument responses and missing coordinates; without it the source is asked.
    ``memory_gb`` bounds spectra and cross-spectra; ``device`` "cuda" uses the GPU engine.

    Raises InputError for unusable arguments, WorkspaceError where the workspace belongs to another job, SourceError
    where the source fails for every channel.
    """
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
    work = DayWork(ids, settings, source, responses, plan, pairs, groups, memory_gb * 1e9, device)
    ledger = Ledger(Storage(workspace, create=True), channels, settings, source.spec, plan, pairs, groups)
    return _run(work, ledger, days, workers or os.cpu_count() or 1, progress or (lambda _: None))


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


def _run(work: DayWork, ledger: Ledger, days: pd.DatetimeIndex, workers: int, progress: Reporter) -> Summary:
    """Compute the days that are not done, and report on all."""
    keep_freed_memory()
    first = ledger.claim(days)
    with (
        threadpoolctl.threadpool_limits(1),
        _pool(max(workers, work.source.parallel)) as readers,
        _pool(workers) as computers,
    ):
        for number, day in enumerate(days):
            name = f"{day:%Y-%m-%d}"
            if ledger.is_done(name):
                continue
            counters = Counters(name, number, len(days), len(work.ids), len(work.pairs), progress)
            group = ledger.archive(first, days[-1])
            ledger.mark(_day(work, day, group, (day - first).days, readers, computers, counters))
    return ledger.summary(days)


def _day(
    work: DayWork,
    day: pd.Timestamp,
    group: Any,
    index: int,
    readers: ThreadPoolExecutor,
    computers: ThreadPoolExecutor,
    counters: Counters,
) -> DayReport:
    """Read and correlate a day and write it to its place, number ``index``, in the archive."""
    began = time.perf_counter()
    report = DayReport(counters.day)
    work.read(day, readers, report, counters)
    counts = work.counts()
    report.pairs = int((counts.sum(axis=1) > 0).sum())
    report.windows = int(counts.sum())
    place = slice(index * len(work.groups), (index + 1) * len(work.groups))
    if report.pairs or group["count"][:, place].any():  # what an incomplete run left is written over
        writer = ArchiveWriter(group, place)
        for first, block in work.blocks(computers):
            n = counts[first : first + len(block)].astype(np.float32)[:, :, None]
            with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, which is what no window means
                np.divide(block, n, out=block)
            writer.append(block)
            counters.pairs(first + len(block))
        writer.flush()
        group["count"][:, place] = counts
    report.seconds = round(time.perf_counter() - began, 3)
    return report


@contextmanager
def _pool(n: int) -> Any:
    pool = ThreadPoolExecutor(n)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing that has not begun begins
