"""The job: all stations and days of a span of time to one pick file, resumable at any point."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING

import pandas as pd
import threadpoolctl

from seisloom.errors import InputError, SeisloomError, SourceError
from seisloom.memory import keep_freed_memory
from seisloom.noise.pipeline import complete_channels
from seisloom.noise.response import Responses
from seisloom.picking.ledger import STATIONS, PickLedger, PickSummary, StationDay
from seisloom.picking.picker import Picker
from seisloom.picking.records import DayRecords, instruments
from seisloom.picking.station import StationWork
from seisloom.stations import channel_ids, validate, write_stations
from seisloom.target import write_whole
from seisloom.waveforms.base import DAY_NS, Source

if TYPE_CHECKING:
    from obspy import Inventory

Reporter = Callable[[int, int], None]
"""Told station-days done and all of them."""
# So many stations' days failing, from the first on, stop a run: waiting an outage out for every one helps nobody.
OUTAGE = 10


def pick_records(
    channels: pd.DataFrame,
    picker: Picker,
    source: Source,
    folder: str | Path,
    start_ns: int,
    end_ns: int,
    inventory: Inventory | None = None,
    workers: int | None = None,
    places: bool = False,
    progress: Reporter | None = None,
) -> PickSummary:
    """Pick the records of all stations of a channel table in [start, end), times in ns since 1970.

    ``folder`` receives picks.csv, problems.csv, summary.json and stations.csv; station-days that it holds are not done again.
    Of the instruments of a station the first of a fixed order that has data on a day is used. ``inventory`` gives responses
    and missing coordinates; without it the source is asked. ``places`` refuses stations without coordinates. Problems of single channels and days are collected in the
    summary and never stop the others.

    Raises InputError for unusable arguments, WorkspaceError where the folder holds other picks, SourceError where the source
    fails for every station.
    """
    if end_ns <= start_ns:
        raise InputError(
            f"the span of time ends at {pd.Timestamp(end_ns)}, not after it begins, {pd.Timestamp(start_ns)}"
        )
    keep_freed_memory()
    channels = validate(channels)
    responses = Responses(_responses(channels, source, start_ns, end_ns) if inventory is None else inventory)
    channels = complete_channels(channels, responses, source)
    if places:
        _check_places(channels, source)
    stations = instruments(channels, picker.components)
    if not stations:
        raise InputError(
            f"no channel is a component {' or '.join(picker.components)}: choose others, such as --channel 'HH?'"
        )
    ledger = PickLedger(folder)
    ledger.claim(source.spec, picker.identity)
    write_whole(ledger.folder / STATIONS, write_stations(channels))
    works = [StationWork(name, held, picker, responses) for name, held in stations.items()]
    _Run(works, source, ledger, start_ns, end_ns, progress or (lambda done, total: None)).run(
        workers or os.cpu_count() or 1
    )
    return ledger.summary()


def _check_places(channels: pd.DataFrame, source: Source) -> None:
    lost = channels[channels["latitude"].isna() | channels["longitude"].isna()]
    if len(lost):
        names = sorted(set(lost["network"] + "." + lost["station"]))
        raise InputError(
            f"{source.spec}: no coordinates of {len(names)} stations, {', '.join(names[:5])}: give --inventory FILE or a folder "
            "of StationXML, or leave them out with --station"
        )


def _responses(channels: pd.DataFrame, source: Source, start_ns: int, end_ns: int) -> Inventory | None:
    """What the source knows of instruments; nothing where it fails, as picks do not need it."""
    try:
        return source.inventory(sorted(set(channel_ids(channels))), start_ns, end_ns)
    except SeisloomError:
        return None


class _Run:
    """Stations side by side, each day after day."""

    def __init__(
        self,
        works: list[StationWork],
        source: Source,
        ledger: PickLedger,
        start_ns: int,
        end_ns: int,
        progress: Reporter,
    ) -> None:
        self._works, self._source, self._ledger, self._progress = works, source, ledger, progress
        self._start_ns, self._end_ns = start_ns, end_ns
        self._days = range(start_ns // DAY_NS * DAY_NS, end_ns, DAY_NS)
        self._stop, self._lock = Event(), Lock()
        self._done = self._failed = self._tried = 0

    def run(self, workers: int) -> None:
        """All that is not done; Ctrl-C and errors let the days that are under way end, and begin no other."""
        pool = ThreadPoolExecutor(max(workers, min(self._source.parallel, len(self._works))))
        try:
            with threadpoolctl.threadpool_limits(1):
                for ended in as_completed([pool.submit(self._station, work) for work in self._works]):
                    ended.result()
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)

    def _station(self, work: StationWork) -> None:
        known = {day_ns: self._ledger.get(work.station, day_ns) for day_ns in self._days}
        todo = {day_ns for day_ns, held in known.items() if not (held and held.covers(*self._span(day_ns, None)))}
        whole = {day_ns for day_ns in todo if self._span(day_ns, known[day_ns]) == (day_ns, day_ns + DAY_NS)}
        records = DayRecords(self._source, work.margin_ns, whole.__contains__)
        for day_ns in self._days:
            if self._stop.is_set():
                return
            if day_ns in todo:
                report = work.day(records, day_ns, *self._span(day_ns, known[day_ns]))
                self._ledger.put(report)
                self._check_outage(report)
            with self._lock:
                self._done += 1
                self._progress(self._done, len(self._works) * len(self._days))

    def _span(self, day_ns: int, held: StationDay | None) -> tuple[int, int]:
        """The part of a day that is wanted, together with what has been picked of it."""
        start_ns, end_ns = max(day_ns, self._start_ns), min(day_ns + DAY_NS, self._end_ns)
        return (min(start_ns, held.start_ns), max(end_ns, held.end_ns)) if held else (start_ns, end_ns)

    def _check_outage(self, report: StationDay) -> None:
        with self._lock:
            self._tried += 1
            self._failed += report.failed and not report.channels
            limit = min(OUTAGE, len(self._works) * len(self._days))
            if self._tried == self._failed == limit:
                first = next(problem.message for problem in report.problems if problem.failed)
                raise SourceError(f"{self._source.spec} failed for the first {limit} days of stations: {first}")
