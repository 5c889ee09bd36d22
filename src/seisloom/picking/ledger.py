"""What a folder knows of a picking: whose it is, the picks of every station's day that is done, what was left out.

A station's day is done when its file ``picking/NET.STA/DAY.json`` exists and covers the time that is wanted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seisloom import __version__
from seisloom.errors import WorkspaceError
from seisloom.noise.report import Problem, problem_lines
from seisloom.picking.picker import Onset
from seisloom.picks import AMPLITUDES, COLUMNS, write_picks
from seisloom.storage import Storage
from seisloom.target import write_whole
from seisloom.words import counted

PICKS, PROBLEMS, SUMMARY, STATIONS = "picks.csv", "problems.csv", "summary.json", "stations.csv"
FOLDER = "picking"
_JOB = f"{FOLDER}/job.json"
_OF_PICK = ("time_ns", "phase", "probability", "duration_s", "velocity_m_s", "amplitude_m")


@dataclass
class StationDay:
    """What became of a station's day, or of the part from ``start_ns`` to ``end_ns`` of it."""

    station: str
    day_ns: int
    start_ns: int
    end_ns: int
    channels: list[str] = field(default_factory=list)
    """Channels that had data."""
    picks: list[tuple[Any, ...]] = field(default_factory=list)
    """Time in ns, phase, probability, duration in s, peak velocity in m/s and Wood-Anderson amplitude in m or None."""
    problems: list[Problem] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, time_ns: int, onset: Onset, motion: tuple[float, float]) -> None:
        """Note a pick and (velocity, amplitude) after it."""
        known = [None if np.isnan(value) else float(f"{value:.6g}") for value in motion]
        self.picks.append((time_ns, onset.phase, round(onset.probability, 4), round(onset.duration_s, 3), *known))

    @property
    def day(self) -> str:
        return f"{pd.Timestamp(self.day_ns):%Y-%m-%d}"

    @property
    def failed(self) -> bool:
        """Whether the source failed, so that another run may find more."""
        return any(problem.failed for problem in self.problems)

    def covers(self, start_ns: int, end_ns: int) -> bool:
        """Whether there is nothing left to do in [start, end)."""
        return self.start_ns <= start_ns and end_ns <= self.end_ns and not self.failed

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"problems": [vars(problem) for problem in self.problems]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> StationDay:
        return cls(**data | {"problems": [Problem(**problem) for problem in data["problems"]]})


@dataclass(frozen=True)
class PickSummary:
    """All that a folder holds, what earlier runs made included; ``str()`` is for people."""

    folder: Path
    days: list[StationDay]

    def table(self) -> pd.DataFrame:
        """The picks in order of time, columns of :mod:`seisloom.picks` with amplitudes."""
        rows = [(report.station, *pick) for report in self.days for pick in report.picks]
        table = pd.DataFrame(rows, columns=["station", *_OF_PICK])
        table = table.astype(dict.fromkeys(["probability", "duration_s", *AMPLITUDES], float))
        table = table.sort_values(["time_ns", "station", "phase"], kind="stable").reset_index(drop=True)
        times = pd.to_datetime(table["time_ns"].astype(np.int64), utc=True)
        return table.assign(time=times, pick_index=np.arange(len(table)))[[*COLUMNS, *AMPLITUDES]]

    def problems(self) -> pd.DataFrame:
        """One row a problem: day, channel, message, unused, failed."""
        rows = [{"day": report.day} | vars(problem) for report in self.days for problem in report.problems]
        return pd.DataFrame(rows, columns=["day", "channel", "message", "unused", "failed"])

    def totals(self) -> dict[str, float]:
        """Stations, days, station-days with data, picks of P and S, picks with ground motion, seconds of work."""
        picks = [pick for report in self.days for pick in report.picks]
        return {
            "stations": len({report.station for report in self.days}),
            "days": len({report.day_ns for report in self.days}),
            "station_days": sum(bool(report.channels) for report in self.days),
            "p": sum(pick[1] == "P" for pick in picks),
            "s": sum(pick[1] == "S" for pick in picks),
            "with_ground_motion": sum(pick[4] is not None for pick in picks),
            "seconds": round(sum(report.seconds for report in self.days), 3),
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        t = self.totals()
        yield (
            f"{t['p']:,} P and {t['s']:,} S picks of {counted(t['stations'], 'station')} on {counted(t['days'], 'day')}, in "
            f"{self.folder / PICKS}"
        )
        if 0 < t["p"] + t["s"] != t["with_ground_motion"]:
            yield (
                f"ground motion is known of {t['with_ground_motion']:,} picks: the others have no instrument response, or "
                "another pick follows at once"
            )
        yield from problem_lines(self.problems())


class PickLedger:
    """The books of one picking in a folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._storage = Storage(self.folder, create=True)

    def claim(self, source: str, picker: str) -> None:
        """WorkspaceError where the folder holds the picks of another picker or source."""
        card = {"seisloom": __version__, "source": source, "picker": picker}
        self._storage.put_new(_JOB, json.dumps(card, indent=1).encode())
        held = self._storage.get_json(_JOB)
        for name in ("source", "picker"):
            if held.get(name) != card[name]:
                raise WorkspaceError(
                    f"{self.folder}: holds picks of another {name}, {held.get(name)!r}, and {card[name]!r} is asked for: use "
                    "another folder"
                )

    def get(self, station: str, day_ns: int) -> StationDay | None:
        """What is known of a station's day."""
        held = self._storage.get_json(self._key(station, day_ns))
        return StationDay.from_json(held) if held else None

    def put(self, report: StationDay) -> None:
        """Keep a station's day."""
        self._storage.put(self._key(report.station, report.day_ns), json.dumps(report.to_json()).encode())

    def _key(self, station: str, day_ns: int) -> str:
        return f"{FOLDER}/{station}/{pd.Timestamp(day_ns):%Y-%m-%d}.json"

    def summary(self) -> PickSummary:
        """All that the folder holds; picks.csv, problems.csv and summary.json are written."""
        made = PickSummary(self.folder, list(self._days()))
        write_picks(made.table(), self.folder / PICKS)
        write_whole(self.folder / PROBLEMS, made.problems().to_csv(index=False, lineterminator="\n"))
        write_whole(self.folder / SUMMARY, json.dumps(made.totals(), indent=1) + "\n")
        return made

    def _days(self) -> Iterable[StationDay]:
        for key in self._storage.keys(FOLDER):
            if key != _JOB:
                yield StationDay.from_json(self._storage.get_json(key))
