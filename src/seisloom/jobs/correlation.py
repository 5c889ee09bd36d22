"""Jobs of the kind "correlation": a request and a place to work in to a finished noise workspace."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from seisloom.compute import Slice
from seisloom.errors import NoDataError
from seisloom.jobs.limits import Limits
from seisloom.jobs.requests import CorrelationRequest
from seisloom.jobs.sources import Sources
from seisloom.noise.pipeline import Progress, correlate, day_range
from seisloom.noise.report import DayReport, Summary
from seisloom.noise.span_stacks import shared
from seisloom.storage import Storage
from seisloom.words import counted

NAMED = 3
"""Channels and days that a message names at most."""


def run(
    storage: Storage,
    job_id: str,
    request: CorrelationRequest,
    claim: int,
    sources: Sources,
    limits: Limits,
    threads: int,
    memory_gb: float,
    report: Callable[[dict[str, Any]], None],
    compute: str = "serial",
    part: Slice | None = None,
) -> dict[str, Any]:
    """Do the job, or what is left of it, in ``processed/ID`` of the workspace; returns the result.

    ``claim`` is the number of the claim's event. ``report`` is called with how far the work is, from one thread or
    another, often. The result is what the summary counts, ``problems`` (their number), and a ``message`` where days
    stay incomplete. With ``part`` only that slice of the days is done, and the result is how many are ``left``, as long as
    there are any. ``compute`` is what the days are done by. Raises LimitError for a job that is too large, SourceError where the source fails for every channel,
    NoDataError where nothing could be correlated.
    """
    request.check(limits)
    folder = f"processed/{job_id}"
    span = day_range(request.start, request.end)
    days, own = ([f"{day:%Y-%m-%d}" for day in some] for some in (span, shared(span, part, request.settings)))
    done = {key.rpartition("/")[2].removesuffix(".json") for key in storage.keys(f"{folder}/done")}
    pace = Pace(own, done)
    report({"stage": "metadata", "days_done": len(done.intersection(days)), "days": len(days), "elapsed_s": 0.0})
    source = sources.open(request.source)
    teller = _Teller(
        storage, folder, limits, pace, report if part is None else _of_all(report, storage, folder, len(days))
    )
    summary = correlate(
        request.channels,
        request.settings,
        source,
        f"{storage.url.rstrip('/')}/{folder}",
        request.start,
        request.end,
        workers=None if "=" in compute else threads,  # a running scheduler has workers of its own
        memory_gb=memory_gb,
        progress=teller.show,
        compute=compute,
        part=part,
    )
    teller.end(len(days))
    if part:
        reports = day_reports(storage, folder, days)
        if left := len(days) - len(reports):
            return {"left": left}
        summary = Summary(summary.workspace, reports)
    return _result(summary)


def day_reports(storage: Storage, folder: str, days: list[str]) -> list[DayReport]:
    """What became of days, as far as anybody has done them."""
    found = {day: _report_of(storage, folder, day) for day in days}
    return [DayReport.from_json(held[1]) for held in found.values() if held]


def _report_of(storage: Storage, folder: str, day: str) -> tuple[str, dict[str, Any]] | None:
    """How a day ended, done or incomplete, and its report; None where nobody has done it."""
    for state in ("done", "incomplete"):
        if held := storage.get_json(f"{folder}/{state}/{day}.json"):
            return state, held
    return None


def _of_all(
    report: Callable[[dict[str, Any]], None], storage: Storage, folder: str, n_days: int
) -> Callable[[dict[str, Any]], None]:
    """Reports of a share, with the days of the whole job: others do theirs at the same time."""
    place: tuple[Any, ...] = ()
    done = 0

    def told(progress: dict[str, Any]) -> None:
        nonlocal place, done
        if (now := (progress.get("day"), progress.get("days_done"))) != place:
            place, done = now, len(storage.keys(f"{folder}/done"))
        report(progress | {"days_done": done, "days": n_days})

    return told


@dataclass
class Pace:
    """Rate and time left, from what this run has done so far."""

    days: list[str]
    done: set[str]
    """Days that were done before it."""
    began: float = field(default_factory=time.monotonic)
    finished: int = 0
    """Days that this run has finished."""
    _day: str = ""
    _before: float = 0.0

    def at(self, p: Progress) -> dict[str, float | None]:
        """``elapsed_s``, ``rate_pairs_s`` (None before the first pair), ``seconds_left`` (None where nothing is known)."""
        now = time.monotonic()
        # Until a whole day tells better, reading and correlating are taken to be half of it each.
        within = 0.5 * p.channels_done / p.channels + 0.5 * p.pairs_done / p.pairs
        if not self._day:  # what came before the first report, the metadata, says nothing of the days
            self.began, self._before = now, within
        elif p.day != self._day:
            self.finished += 1
        self._day = p.day
        elapsed, made = now - self.began, self.finished + within - self._before
        to_come = sum(day not in self.done for day in self.days[p.days_done + 1 :]) + 1 - within
        pairs = self.finished * p.pairs + p.pairs_done
        return {
            "elapsed_s": round(elapsed, 1),
            "rate_pairs_s": round(pairs / elapsed, 1) if pairs and elapsed > 0 else None,
            "seconds_left": round(elapsed / made * to_come, 1) if made > 0 else None,
        }


@dataclass
class _Teller:
    """Passes on how far the run is, and writes a line to the log (stderr) for every day that ended."""

    storage: Storage
    folder: str
    limits: Limits
    pace: Pace
    report: Callable[[dict[str, Any]], None]
    _last: Progress | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def show(self, p: Progress) -> None:
        """Called by the run at every step, from several threads."""
        with self._lock:
            if self._last is None or p.day != self._last.day:
                self.limits.check(pairs=p.pairs)  # where coordinates were missing, they are known only now
                self._log_day()
            self._last = p
            stage = "correlation" if p.channels_done == p.channels else "records"
            self.report({"stage": stage, **vars(p), **self.pace.at(p)})

    def end(self, days: int) -> None:
        """The run has ended."""
        self._log_day()
        told: dict[str, Any] = {"days": days, "elapsed_s": 0.0}
        if p := self._last:
            told = vars(p) | self.pace.at(p) | {"channels_done": p.channels, "pairs_done": p.pairs}
        self.report({"stage": "correlation", **told, "days_done": days, "seconds_left": 0.0})

    def _log_day(self) -> None:
        """Log what became of the day that was at hand."""
        if self._last and (held := _report_of(self.storage, self.folder, self._last.day)):
            state, report = held
            print(_line(DayReport.from_json(report), state), file=sys.stderr, flush=True)


def _line(day: DayReport, state: str) -> str:
    unused = [p.channel for p in day.problems if p.unused]
    notes = [f"not used: {_some(unused)}"] if unused else []
    notes += ["incomplete, the source failed"] if state == "incomplete" else []
    return "; ".join(
        [
            f"{day.day}: {counted(day.pairs, 'pair')} of {counted(day.channels, 'channel')}, {counted(day.windows, 'window')}, "
            f"{day.seconds:g} s",
            *notes,
        ]
    )


def _result(summary: Summary) -> dict[str, Any]:
    totals, problems = summary.totals(), summary.problems()
    if not totals["pairs"]:
        reasons = _some(list(dict.fromkeys(problems["channel"] + ": " + problems["message"])), "; ")
        raise NoDataError(f"nothing was correlated: {reasons or 'no two channels had data at the same time'}")
    result: dict[str, Any] = {**totals, "problems": len(problems)}
    failed = problems[problems["failed"]]
    if len(failed):
        days, channels = sorted(set(failed["day"])), sorted(set(failed["channel"]))
        result["message"] = (
            f"days left incomplete: {len(days):,} of {totals['days']:,} ({_some(days)}), because the source failed for "
            f"{_some(channels)} ({failed['message'].iloc[0]}); retry tries these days again"
        )
    return result


def _some(names: list[str], between: str = ", ") -> str:
    more = len(names) - NAMED
    return between.join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
