"""What a run made and what it had to leave out, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from seisloom.noise.plan import WindowPlan
from seisloom.noise.preprocess import DaySeries
from seisloom.noise.spectra import covered_windows
from seisloom.words import counted

# Lines of problems that the printed summary holds at most.
LINES = 40
# From so many channels on, one line stands for all that have the same problem on the same days.
SHARED = 4


@dataclass
class Problem:
    """Something about one channel on one day that the user should know."""

    channel: str
    message: str
    unused: bool = False
    """True where the channel gave nothing that day."""
    failed: bool = False
    """True where the source failed, so that another run may succeed."""


def part_of_day(series: DaySeries, plan: WindowPlan) -> list[str]:
    """What to say of a channel-day whose data begin after its first window or end before its last."""

    def clock(sample: int) -> str:
        return f"{pd.Timestamp(round(sample / plan.rate), unit='s'):%H:%M:%S}"

    covered = np.flatnonzero(covered_windows(series.ranges, plan))
    first, stop = min(a for a, _ in series.ranges), max(b for _, b in series.ranges)
    late = [f"part of a day: usable data begin at {clock(first)}"] if covered[0] > 0 else []
    early = [f"part of a day: usable data end at {clock(stop)}"] if covered[-1] < plan.n_windows - 1 else []
    return late + early


@dataclass
class DayReport:
    """What became of one day."""

    day: str
    pairs: int = 0
    windows: int = 0
    channels: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(p.failed for p in self.problems)

    def to_json(self) -> dict[str, Any]:
        out = dict(vars(self))
        out["problems"] = [vars(p) for p in self.problems]
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DayReport:
        known = {k: data[k] for k in cls.__dataclass_fields__ if k in data}
        names = Problem.__dataclass_fields__
        known["problems"] = [Problem(**{k: p[k] for k in names if k in p}) for p in data.get("problems", [])]
        return cls(**known)


@dataclass
class Summary:
    """All days of a run, those of earlier runs included."""

    workspace: str
    days: list[DayReport]
    notes: list[str] = field(default_factory=list)
    """How this run was done, where that is worth knowing."""

    def problems(self) -> pd.DataFrame:
        """One row a problem: day, channel, message, unused, failed."""
        rows = [{"day": day.day} | vars(p) for day in self.days for p in day.problems]
        return pd.DataFrame(rows, columns=["day", "channel", "message", "unused", "failed"])

    def to_json(self) -> dict[str, Any]:
        return {
            "totals": self.totals(),
            "days": [d.to_json() for d in self.days],
        }

    def totals(self) -> dict[str, float]:
        """Days, pairs (at most on a day), windows of pairs, channel-days used, and seconds of work."""
        return {
            "days": len(self.days),
            "days_without_pairs": sum(d.pairs == 0 for d in self.days),
            "pairs": max((d.pairs for d in self.days), default=0),
            "windows": sum(d.windows for d in self.days),
            "channel_days": sum(d.channels for d in self.days),
            "seconds": round(sum(d.seconds for d in self.days), 3),
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterable[str]:
        t = self.totals()
        yield (
            f"{counted(t['pairs'], 'pair')} on {counted(t['days'], 'day')}, {counted(t['windows'], 'pair window')} from "
            f"{counted(t['channel_days'], 'channel-day')}, in {self.workspace}"
        )
        yield from self.notes
        yield from problem_lines(self.problems())


def problem_lines(problems: pd.DataFrame) -> Iterator[str]:
    """What to print of problems (columns of :meth:`Summary.problems`): similar ones share a line; nothing for none."""
    if problems.empty:
        return
    yield "Left out or worth knowing (every case is in problems.csv):"
    lines = list(dict.fromkeys(_told(problems)))
    yield from lines[:LINES]
    if len(lines) > LINES:
        yield f"  ... and {counted(len(lines) - LINES, 'more line')}"


def _told(problems: pd.DataFrame) -> Iterator[str]:
    """A line for every kind of problem of a channel; channels that share the same words on the same days share it."""
    problems = problems.assign(kind=problems["message"].str.split(": ").str[0])
    by_words: dict[tuple[str, str], list[str]] = {}
    for (channel, _, unused), cases in problems.groupby(["channel", "kind", "unused"], sort=True):
        days = cases["day"].nunique()
        when = cases["day"].iloc[0] if days == 1 else f"{days} days from {cases['day'].min()}"
        example = "e.g. " if cases["message"].nunique() > 1 else ""
        words = f"{'NOT USED, ' if unused else ''}{example}{cases['message'].iloc[0]}"
        by_words.setdefault((when, words), []).append(str(channel))
    for (when, words), channels in by_words.items():
        shared = len(channels) >= SHARED
        for who in [f"{len(channels)} channels"] if shared else channels:
            yield f"  {who:<18} {when:<23} {words}{f' ({channels[0]}, ...)' if shared else ''}"
