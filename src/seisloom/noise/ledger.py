"""What a workspace knows of a correlation job: whose it is, the archive, which days are done, what was left out.

A day is finished when its mark ``done/DAY.json`` exists, which is written after all of its correlations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import __version__
from seisloom.config import CorrelationSettings, write_params_csv
from seisloom.errors import WorkspaceError
from seisloom.noise.archive import create_archive, extend_times, held_times, open_archive
from seisloom.noise.by_pair import forget
from seisloom.noise.formats import CORRELATIONS, DAYS, FIRST, STACKED, check_format, held_settings
from seisloom.noise.pairs import pair_table
from seisloom.noise.plan import WindowPlan
from seisloom.noise.report import DayReport, Problem, Summary
from seisloom.stations import channel_ids, write_stations
from seisloom.storage import Storage
from seisloom.words import counted

UNITS = {"DISP": "m**2", "VEL": "m**2 s**-2", "ACC": "m**2 s**-4", "none": "count**2"}


@dataclass
class Ledger:
    """The books of one job; ``pairs`` are row numbers (pair, 2) of ``channels``, ``groups`` the windows of a mean."""

    storage: Storage
    channels: pd.DataFrame
    settings: CorrelationSettings
    source: str
    plan: WindowPlan
    pairs: npt.NDArray[np.int64]
    groups: list[slice]

    def claim(self, days: pd.DatetimeIndex) -> pd.Timestamp:
        """The workspace's first day; WorkspaceError where it is another job's or begins later than these days."""
        card = self._card(days[0])
        self.storage.put_new("job.json", json.dumps(card, indent=1).encode())
        first = self._first_day(self.storage.get_json("job.json"), card)
        # Whoever made the card may have been killed before it came to these.
        self.storage.put_new("stations.csv", write_stations(self.channels).encode())
        self.storage.put_new("params.csv", write_params_csv(self.settings).encode())
        return first

    def _first_day(self, held: dict[str, Any], card: dict[str, Any]) -> pd.Timestamp:
        """That of a workspace which holds this job and begins early enough; WorkspaceError for others."""
        _same_job(held, card, self.storage.url)
        first = pd.Timestamp(held["first_day"])
        if pd.Timestamp(card["first_day"]) < first:
            raise WorkspaceError(
                f"{self.storage.url}: begins on {first.date()}; use another workspace for earlier days"
            )
        return first

    def claimed(self) -> bool:
        """Whether the workspace, as this process sees it, holds a job."""
        return self.storage.get("job.json") is not None

    def _check_claimed(self) -> None:
        """WorkspaceError where the folder was moved away since: a mark in a new one would speak for days that it has not."""
        if not self.claimed():
            raise WorkspaceError(f"{self.storage.url}: was moved or removed meanwhile; run the same command again")

    def archive(self, first: pd.Timestamp, last: pd.Timestamp, mend: bool = False) -> Any:
        """The archive that days are written to, made or lengthened where it is not there yet or ends before ``last``.

        Asked for every day anew, because another process at the same job may just have made it, with an earlier end.
        """
        path, name = (CORRELATIONS, self._time_name) if self.settings.keep != "stack" else (DAYS, "day")

        def times(n: int) -> pd.DatetimeIndex:
            return self._times(pd.date_range(first, periods=n, unit="ns"))

        return self._reach(path, name, times, (last - first).days + 1, len(self.groups), mend)

    def stacks(self, first: pd.Timestamp, last: pd.Timestamp, mend: bool = False) -> Any:
        """The same for the means of several days (``keep`` stack)."""
        n_days = self.settings.stack_days

        def times(n: int) -> pd.DatetimeIndex:
            return pd.date_range(first, periods=n, freq=f"{n_days}D", unit="ns")

        return self._reach(CORRELATIONS, "time", times, (last - first).days // n_days + 1, 1, mend)

    def settle(self, first: pd.Timestamp) -> None:
        """Have the archives reach the last day that is done, whoever did it.

        Of two runs that lengthen them at once the one with the earlier end may have written over what the other had.
        """
        if done := self.done():
            self.archive(first, pd.Timestamp(max(done)), mend=True)
            if self.settings.keep == "stack":
                self.stacks(first, pd.Timestamp(max(done)), mend=True)

    def _reach(
        self, path: str, name: str, times: Callable[[int], pd.DatetimeIndex], n: int, rows: int, mend: bool
    ) -> Any:
        """An archive of at least n steps of so many ``rows``; ``times`` gives those of any number of steps."""
        group: Any = open_archive(self.storage, path)
        if group is None:
            self._check_claimed()
            group = self._create(path, name, times(n), rows)
        shortest, longest = (held // rows for held in held_times(group, name))
        if mend or shortest < max(longest, n):
            extend_times(group, times(max(longest, n)), name)
        return group

    def _create(self, path: str, time_name: str, times: pd.DatetimeIndex, times_a_shard: int) -> Any:
        lag = np.arange(-self.plan.n_half_lag, self.plan.n_half_lag + 1) / self.settings.fs
        s = self.settings
        raw = s.measure == "cc" and s.whiten == "none" and s.time_norm in ("none", "clip")
        return create_archive(
            self.storage,
            path,
            pair_table(self.channels, self.pairs),
            lag,
            times,
            time_name,
            times_a_shard,
            {"settings": s.model_dump_json(), "format": self._format},
            UNITS[s.response] if raw else "1",
        )

    @property
    def _format(self) -> int:
        return STACKED if self.settings.keep == "stack" else FIRST

    @property
    def _time_name(self) -> str:
        return "day" if self.settings.keep == "day" else "time"

    def _times(self, days: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Start of every group of windows on every day."""
        if self.settings.keep in ("day", "stack"):
            return days
        first = np.array([g.start for g in self.groups]) * round(self.settings.cc_step * 1e9)
        return pd.DatetimeIndex((days.asi8[:, None] + first).ravel())

    def _card(self, first_day: pd.Timestamp) -> dict[str, Any]:
        return {
            "seisloom": __version__,
            "format": self._format,
            "settings": self.settings.model_dump(),
            "digest": self.settings.digest(),
            "channels": channel_ids(self.channels),
            "source": self.source,
            "first_day": f"{first_day:%Y-%m-%d}",
        }

    def is_done(self, day: str) -> bool:
        """Whether a day (YYYY-MM-DD) is finished."""
        return self.storage.get(f"done/{day}.json") is not None

    def finished(self, days: pd.DatetimeIndex) -> set[str]:
        """Days (YYYY-MM-DD) that are finished, found without writing anything; WorkspaceError as for :meth:`claim`."""
        held = self.storage.get_json("job.json")
        if held is None:
            return set()
        self._first_day(held, self._card(days[0]))
        return self.done()

    def reports(self, days: Iterable[str]) -> list[DayReport]:
        """Those of days that there is a report of."""
        return [self.report(day) for day in days]

    def done(self) -> set[str]:
        """The days that are finished."""
        return {key.rpartition("/")[2].removesuffix(".json") for key in self.storage.keys("done")}

    def mark(self, report: DayReport) -> None:
        """Say that a day is done; where the source failed for a channel it is not, and the next run tries again."""
        text = json.dumps(report.to_json()).encode()
        self._check_claimed()
        forget(self.storage, report.day)
        if report.failed:
            self.storage.put(f"incomplete/{report.day}.json", text, durable=True)
        else:
            self.storage.put_new(f"done/{report.day}.json", text)
            self.storage.delete([f"incomplete/{report.day}.json"])

    def give_up(self, day: str, words: str) -> None:
        """Say that a day could not be done; the next run tries it again."""
        self.mark(DayReport(day, problems=[Problem("*", f"not done: {words}", unused=True, failed=True)]))

    def summary(self, days: pd.DatetimeIndex) -> Summary:
        """The reports of ``days`` that have one; summary.json and problems.csv are written for all days of the workspace."""
        held: dict[str, DayReport] = {}
        while held.keys() != set(names := self.reported()):  # other runs may have marked days meanwhile
            held = {name: self.report(name) for name in names}
            everything = Summary(self.storage.url, list(held.values()))
            self.storage.put("summary.json", json.dumps(everything.to_json(), indent=1).encode())
            self.storage.put("problems.csv", everything.problems().to_csv(index=False).encode())
        names = [f"{day:%Y-%m-%d}" for day in days]
        return Summary(self.storage.url, [held[name] for name in names if name in held])

    def reported(self) -> list[str]:
        """Days, finished or not, that there is a report of."""
        keys = [*self.storage.keys("done"), *self.storage.keys("incomplete")]
        return sorted({key.rpartition("/")[2].removesuffix(".json") for key in keys})

    def report(self, day: str) -> DayReport:
        """That of a day (YYYY-MM-DD) which has one."""
        held = self.storage.get_json(f"done/{day}.json") or self.storage.get_json(f"incomplete/{day}.json")
        return DayReport.from_json(held)


def _same_job(held: dict[str, Any], card: dict[str, Any], where: str) -> None:
    if lacking := sorted(set(card) - {"format"} - set(held or ())):
        raise WorkspaceError(f"{where}/job.json: damaged, it lacks {', '.join(lacking)}; use another workspace")
    check_format(held, f"{where}/job.json")
    settings = held_settings(held, f"{where}/job.json")
    if settings.digest() == card["digest"] and held["channels"] == card["channels"]:
        return
    faults = [
        f"{name} is {value!r} there and {card['settings'][name]!r} now"
        for name, value in settings.model_dump().items()
        if card["settings"][name] != value
    ]
    gone, new = set(held["channels"]) - set(card["channels"]), set(card["channels"]) - set(held["channels"])
    faults += [f"missing now: {counted(len(gone), 'channel')}, e.g. {min(gone)}"] if gone else []
    faults += [f"new: {counted(len(new), 'channel')}, e.g. {min(new)}"] if new else []
    listing = "\n".join(f"  - {fault}" for fault in faults)
    raise WorkspaceError(f"{where}: holds another job; use another workspace, or the same settings:\n{listing}")
