"""The job: day by day, records of all channels to correlations of all pairs, resumable at any point.

What is done is what the store says: a day is finished when its mark ``done/DAY.json`` exists, which is written after all
of its correlations. A killed run loses at most its unfinished day, which the next run computes again to the same bytes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import threadpoolctl

from seisloom import __version__
from seisloom.config import CorrelationSettings, write_params_csv
from seisloom.errors import InputError, NoDataError, SourceError, WorkspaceError
from seisloom.memory import keep_freed_memory
from seisloom.noise.archive import CORRELATIONS, ArchiveWriter, create_archive, extend_times, held_times, open_archive
from seisloom.noise.correlate import (
    Inverse,
    Rows,
    SpectraStack,
    correlate_pairs,
    correlate_windows,
    window_counts,
)
from seisloom.noise.pairs import channel_pairs, pair_table
from seisloom.noise.plan import WindowPlan, make_plan
from seisloom.noise.preprocess import day_series
from seisloom.noise.report import DayReport, Problem, Summary, part_of_day
from seisloom.noise.response import Responses
from seisloom.noise.spectra import channel_spectra, correlation_scale
from seisloom.stations import channel_ids, validate, write_stations
from seisloom.storage import Storage
from seisloom.waveforms.base import DAY_NS, Source

if TYPE_CHECKING:
    from obspy import Inventory

UNITS = {"DISP": "m**2", "VEL": "m**2 s**-2", "ACC": "m**2 s**-4", "none": "count**2"}

# So many channels failing one after another, from the first on, stop a run.
OUTAGE = 10


@dataclass(frozen=True)
class Progress:
    """Where a run stands: days finished of all, and within the day channels read and pairs made."""

    day: str
    days_done: int
    days: int
    channels_done: int
    channels: int
    pairs_done: int
    pairs: int


Reporter = Callable[[Progress], None]


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
    job = Job(channels, settings, source, responses, Storage(workspace, create=True), memory_gb * 1e9, device)
    return job.run(days, workers or os.cpu_count() or 1, progress or (lambda _: None))


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
    from seisloom.waveforms.base import ChannelQuery

    network, station, channel = (",".join(sorted(set(table[c]))) for c in ("network", "station", "channel"))
    try:
        found = source.channels(ChannelQuery(network, station, channel=channel))
    except SourceError:
        return pd.DataFrame()
    return found.assign(id=channel_ids(found)).drop_duplicates("id").set_index("id")


@dataclass
class Job:
    """Everything that is the same on all days of a run."""

    channels: pd.DataFrame
    settings: CorrelationSettings
    source: Source
    responses: Responses
    storage: Storage
    memory_bytes: float = 6e9
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.device != "cpu":
            from seisloom.noise.engine_torch import open_device

            open_device(self.device)  # refuse what is not there before any work
        self.ids = channel_ids(self.channels)
        self.plan: WindowPlan = make_plan(self.settings)
        self.pairs = channel_pairs(self.channels, self.settings)
        self.groups = window_groups(self.settings, self.plan)
        rows = self.plan.n_windows * (2 if self.settings.measure == "pcc" else 1)
        two_sided = self.settings.measure == "deconvolution"
        shape = (len(self.plan.weight), len(self.ids), self.plan.n_windows, rows)
        needed = shape[0] * shape[1] * rows * 8 * (2 if two_sided else 1)
        if needed > 0.9 * self.memory_bytes:
            raise InputError(
                f"the spectra of {len(self.ids)} channels take {needed / 1e9:.2g} GB, the memory limit is "
                f"{self.memory_bytes / 1e9:.2g} GB: raise --memory, or use fewer channels, a narrower band or longer steps"
            )
        self.stack = SpectraStack.empty(*shape, two_sided)

    def run(self, days: pd.DatetimeIndex, workers: int, progress: Reporter) -> Summary:
        """Compute the days that are not done, and report on all."""
        keep_freed_memory()
        first = self._claim(days)
        with (
            threadpoolctl.threadpool_limits(1),
            _pool(max(workers, self.source.parallel)) as readers,
            _pool(workers) as computers,
        ):
            for number, day in enumerate(days):
                name = f"{day:%Y-%m-%d}"
                if self.storage.get(f"done/{name}.json") is not None:
                    continue
                counters = _Counters(name, number, len(days), len(self.ids), len(self.pairs), progress)
                group = self._archive(first, days[-1])
                report = self._day(day, group, (day - first).days, readers, computers, counters)
                self._mark(report)
        return self._summary(days)

    def _day(
        self,
        day: pd.Timestamp,
        group: Any,
        index: int,
        readers: ThreadPoolExecutor,
        computers: ThreadPoolExecutor,
        counters: _Counters,
    ) -> DayReport:
        began = time.perf_counter()
        report = DayReport(counters.day)
        self._read(day, readers, report, counters)
        counts = self._counts()
        report.pairs = int((counts.sum(axis=1) > 0).sum())
        report.windows = int(counts.sum())
        place = slice(index * len(self.groups), (index + 1) * len(self.groups))
        if report.pairs or group["count"][:, place].any():  # what an incomplete run left is written over
            writer = ArchiveWriter(group, place)
            for first, block in self._blocks(computers):
                n = counts[first : first + len(block)].astype(np.float32)[:, :, None]
                with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, which is what no window means
                    np.divide(block, n, out=block)
                writer.append(block)
                counters.pairs(first + len(block))
            writer.flush()
            group["count"][:, place] = counts
        report.seconds = round(time.perf_counter() - began, 3)
        return report

    def _read(self, day: pd.Timestamp, readers: ThreadPoolExecutor, report: DayReport, counters: _Counters) -> None:
        """Fill the spectra of all channels; what cannot be used leaves zeros."""
        self.stack.valid[:] = False

        def one(c: int) -> list[Problem]:
            problems = self._prepare(c, day.value)
            counters.channel()
            return problems

        for number, problems in enumerate(readers.map(one, range(len(self.ids))), start=1):
            report.problems += problems
            # Nothing but failures from the start is an outage: waiting it out for every channel and day helps nobody.
            if number == min(OUTAGE, len(self.ids)) and sum(p.failed for p in report.problems) == number:
                first = report.problems[0].message
                raise SourceError(f"{report.day}: {self.source.spec} failed for the first {number} channels: {first}")
        report.channels = int(self.stack.valid.any(axis=1).sum())

    def _prepare(self, c: int, day_ns: int) -> list[Problem]:
        """Records of one channel-day to its spectra; the problems on the way."""
        channel_id = self.ids[c]
        unused = Problem(channel_id, "", unused=True)
        notes: list[str] = []
        try:
            record = self.source.fetch(channel_id, day_ns, day_ns + DAY_NS)
            epochs = self.responses.epochs(channel_id, day_ns, day_ns + DAY_NS)
            series, notes = day_series(record, day_ns, self.settings, self.plan, epochs)
            spectra, more = channel_spectra(series, self.settings, self.plan)
            notes += more
        except NoDataError:
            spectra, unused.message = None, "no data: the source has none for this day"
        except SourceError as error:
            spectra, unused.message, unused.failed = None, str(error), not error.lasting
        except InputError as error:
            spectra, unused.message = None, str(error)
        if spectra is None:
            self.stack.right[:, c] = self.stack.left[:, c] = 0
            unused.message = unused.message or "; ".join(notes)
            return [unused]
        self.stack.right[:, c] = spectra.right.T
        if self.stack.left is not self.stack.right:
            self.stack.left[:, c] = spectra.left.T
        self.stack.valid[c] = spectra.valid
        return [Problem(channel_id, note) for note in [*notes, *part_of_day(series, self.plan)]]

    def _counts(self) -> npt.NDArray[np.int32]:
        """Windows of every pair in every group, (pair, group)."""
        if self.settings.keep == "window":
            a, b = self.pairs.T
            return (self.stack.valid[a] & self.stack.valid[b]).astype(np.int32)
        counts = [window_counts(self.stack.valid[:, g], self.pairs) for g in self.groups]
        return np.stack(counts, axis=1)

    def _blocks(self, pool: ThreadPoolExecutor) -> Any:
        scale = correlation_scale(self.settings, self.plan)
        inverse = Inverse.from_plan(self.plan, scale)
        if self.device != "cpu":
            from seisloom.noise.engine_torch import correlate_pairs_torch

            groups = self._row_groups()
            return correlate_pairs_torch(self.stack, self.pairs, inverse, groups, self.device, self.memory_bytes)
        if self.settings.keep == "window":
            return correlate_windows(self.stack, self.pairs, inverse, pool, self.memory_bytes)
        return correlate_pairs(self.stack, self.pairs, inverse, self._row_groups(), pool, self.memory_bytes)

    def _row_groups(self) -> list[Rows]:
        """The rows of the spectra that each group of windows has."""
        n = self.plan.n_windows
        if self.stack.right.shape[2] == n:
            return list(self.groups)
        if len(self.groups) == 1:
            return [slice(0, 2 * n)]
        rows = np.arange(n)
        return [np.concatenate([rows[g], rows[g] + n]) for g in self.groups]

    def _claim(self, days: pd.DatetimeIndex) -> pd.Timestamp:
        """The workspace's first day; WorkspaceError where it is another job's or begins later than these days."""
        card = self._card(days[0])
        if self.storage.put_new("job.json", json.dumps(card, indent=1).encode()):
            self.storage.put("stations.csv", write_stations(self.channels).encode())
            self.storage.put("params.csv", write_params_csv(self.settings).encode())
        held = self.storage.get_json("job.json")
        _same_job(held, card, self.storage.url)
        first = pd.Timestamp(held["first_day"])
        if days[0] < first:
            raise WorkspaceError(
                f"{self.storage.url}: begins on {first.date()}; use another workspace for earlier days"
            )
        return first

    def _archive(self, first: pd.Timestamp, last: pd.Timestamp) -> Any:
        """The archive for writing, made or lengthened where it is not there yet or ends before ``last``.

        Asked for every day anew, because another process at the same job may just have made it, with an earlier end.
        """
        group: Any = open_archive(self.storage, CORRELATIONS)
        if group is None:
            group = self._create(pd.date_range(first, last, unit="ns"))
        shortest, longest = (n // len(self.groups) for n in held_times(group, self._time_name))
        n_days = max(longest, (last - first).days + 1)
        if shortest < n_days:
            extend_times(group, self._times(pd.date_range(first, periods=n_days, unit="ns")), self._time_name)
        return group

    def _create(self, days: pd.DatetimeIndex) -> Any:
        lag = np.arange(-self.plan.n_half_lag, self.plan.n_half_lag + 1) / self.settings.fs
        s = self.settings
        raw = s.measure == "cc" and s.whiten == "none" and s.time_norm in ("none", "clip")
        return create_archive(
            self.storage,
            CORRELATIONS,
            pair_table(self.channels, self.pairs),
            lag,
            self._times(days),
            self._time_name,
            len(self.groups),
            {"settings": s.model_dump_json()},
            UNITS[s.response] if raw else "1",
        )

    @property
    def _time_name(self) -> str:
        return "day" if self.settings.keep == "day" else "time"

    def _times(self, days: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Start of every group of windows on every day."""
        if self.settings.keep == "day":
            return days
        first = np.array([g.start for g in self.groups]) * round(self.settings.cc_step * 1e9)
        return pd.DatetimeIndex((days.asi8[:, None] + first).ravel())

    def _card(self, first_day: pd.Timestamp) -> dict[str, Any]:
        return {
            "seisloom": __version__,
            "settings": self.settings.model_dump(),
            "digest": self.settings.digest(),
            "channels": self.ids,
            "source": self.source.spec,
            "first_day": f"{first_day:%Y-%m-%d}",
        }

    def _mark(self, report: DayReport) -> None:
        """Say that a day is done; where the source failed for a channel it is not, and the next run tries again."""
        text = json.dumps(report.to_json()).encode()
        if report.failed:
            self.storage.put(f"incomplete/{report.day}.json", text)
        else:
            self.storage.put_new(f"done/{report.day}.json", text)
            self.storage.delete([f"incomplete/{report.day}.json"])

    def _summary(self, days: pd.DatetimeIndex) -> Summary:
        reports = []
        for day in days:
            name = f"{day:%Y-%m-%d}.json"
            held = self.storage.get_json(f"done/{name}") or self.storage.get_json(f"incomplete/{name}")
            reports.append(DayReport.from_json(held))
        summary = Summary(self.storage.url, reports)
        self.storage.put("summary.json", json.dumps(summary.to_json(), indent=1).encode())
        self.storage.put("problems.csv", summary.problems().to_csv(index=False).encode())
        return summary


def window_groups(settings: CorrelationSettings, plan: WindowPlan) -> list[slice]:
    """Windows that are averaged together: all of the day, those that start in each sub-stack, or each alone."""
    if settings.keep == "day":
        return [slice(0, plan.n_windows)]
    if settings.keep == "window":
        return [slice(w, w + 1) for w in range(plan.n_windows)]
    start_s = np.arange(plan.n_windows) * settings.cc_step
    number = (start_s / settings.substack_len + 1e-9).astype(int)
    edges = np.flatnonzero(np.diff(number, prepend=-1, append=number[-1] + 1))
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def _same_job(held: dict[str, Any], card: dict[str, Any], where: str) -> None:
    if lacking := sorted(set(card) - set(held or ())):
        raise WorkspaceError(f"{where}/job.json: damaged, it lacks {', '.join(lacking)}; use another workspace")
    if held["digest"] == card["digest"] and held["channels"] == card["channels"]:
        return
    faults = [
        f"{name} is {held['settings'].get(name)!r} there and {value!r} now"
        for name, value in card["settings"].items()
        if held["settings"].get(name) != value
    ]
    gone, new = set(held["channels"]) - set(card["channels"]), set(card["channels"]) - set(held["channels"])
    faults += [f"{len(gone)} channels there are missing now, e.g. {min(gone)}"] if gone else []
    faults += [f"{len(new)} channels are new, e.g. {min(new)}"] if new else []
    listing = "\n".join(f"  - {fault}" for fault in faults)
    raise WorkspaceError(f"{where}: holds another job; use another workspace, or the same settings:\n{listing}")


@contextmanager
def _pool(n: int) -> Any:
    pool = ThreadPoolExecutor(n)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing that has not begun begins


class _Counters:
    """Counts channels and pairs of a day and passes them on."""

    def __init__(self, day: str, number: int, days: int, channels: int, pairs: int, reporter: Reporter) -> None:
        self.day, self._number, self._days, self._reporter = day, number, days, reporter
        self._channels, self._pairs, self._read = channels, pairs, 0

    def channel(self) -> None:
        self._read += 1
        self._report(0)

    def pairs(self, done: int) -> None:
        self._report(done)

    def _report(self, pairs_done: int) -> None:
        self._reporter(
            Progress(self.day, self._number, self._days, self._read, self._channels, pairs_done, self._pairs)
        )
