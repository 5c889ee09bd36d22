"""What a workspace knows of a correlation job: whose it is, the archive, which days are done, what was left out.

A day is finished when its mark ``done/DAY.json`` exists, which is written after all of its correlations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import __version__
from seisloom.config import CorrelationSettings, write_params_csv
from seisloom.errors import WorkspaceError
from seisloom.noise.archive import CORRELATIONS, create_archive, extend_times, held_times, open_archive
from seisloom.noise.pairs import pair_table
from seisloom.noise.plan import WindowPlan
from seisloom.noise.report import DayReport, Summary
from seisloom.stations import channel_ids, write_stations
from seisloom.storage import Storage

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

    def archive(self, first: pd.Timestamp, last: pd.Timestamp) -> Any:
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
            "channels": channel_ids(self.channels),
            "source": self.source,
            "first_day": f"{first_day:%Y-%m-%d}",
        }

    def is_done(self, day: str) -> bool:
        """Whether a day (YYYY-MM-DD) is finished."""
        return self.storage.get(f"done/{day}.json") is not None

    def mark(self, report: DayReport) -> None:
        """Say that a day is done; where the source failed for a channel it is not, and the next run tries again."""
        text = json.dumps(report.to_json()).encode()
        if report.failed:
            self.storage.put(f"incomplete/{report.day}.json", text)
        else:
            self.storage.put_new(f"done/{report.day}.json", text)
            self.storage.delete([f"incomplete/{report.day}.json"])

    def summary(self, days: pd.DatetimeIndex) -> Summary:
        """The reports of ``days``; summary.json and problems.csv are written for all days of the workspace."""
        held = {name: self._report(name) for name in self._days()}
        everything = Summary(self.storage.url, list(held.values()))
        self.storage.put("summary.json", json.dumps(everything.to_json(), indent=1).encode())
        self.storage.put("problems.csv", everything.problems().to_csv(index=False).encode())
        return Summary(self.storage.url, [held[f"{day:%Y-%m-%d}"] for day in days])

    def _days(self) -> list[str]:
        """Days, finished or not, that there is a report of."""
        keys = [*self.storage.keys("done"), *self.storage.keys("incomplete")]
        return sorted({key.rpartition("/")[2].removesuffix(".json") for key in keys})

    def _report(self, day: str) -> DayReport:
        held = self.storage.get_json(f"done/{day}.json") or self.storage.get_json(f"incomplete/{day}.json")
        return DayReport.from_json(held)


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
