"""How fast this machine associates picks: some of them are gone through from beginning to end, in a folder of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from seisloom.associate.by_likelihood import likelihood_settings
from seisloom.associate.likelihood import Search, begin
from seisloom.associate.parts import Parts
from seisloom.associate.result import JobSettings
from seisloom.associate.settle import searched, settle
from seisloom.associate.streamed import Run
from seisloom.associate.study import Study
from seisloom.picks.spool import Spool

TRIED, WARM = 4000, 800
"""Picks that are tried, and before them, so that compiled code is at hand."""
Array = npt.NDArray[np.float64]
Done = TypeVar("Done")


@dataclass(frozen=True)
class Trial:
    """CPU seconds of an association of ``n_picks``."""

    n_picks: int
    learning_s: float
    rehearsing_s: float
    """Trying out how often false events come."""
    searching_s: float
    judging_s: float
    writing_s: float
    """Locating, and the files of the catalogue; without ``files_s``."""
    files_s: float
    """Files of a catalogue without events."""
    written_bytes: int
    """Without ``files_bytes``."""
    files_bytes: int
    n_files: int

    @property
    def pick_s(self) -> float:
        """Of a pick, all stages together."""
        stages = self.learning_s + self.rehearsing_s + self.searching_s + self.judging_s + self.writing_s
        return stages / self.n_picks


@dataclass(frozen=True)
class Pace:
    """A trial, of which time, and what compiled code took to be there."""

    trial: Trial
    first_s: float
    last_s: float
    loading_s: float


def measure_pace(
    search: Search, parts: Parts, spool: Spool, study: Study, settings: JobSettings, scratch: Path
) -> Pace:
    """That of picks as dense as half of all, on the grid of ``search``, in some seconds."""
    settings = replace(settings, spacing_km=search.spacing_km, n_threads=1, compute=None)
    first, last = typical_stretch(spool.time_s, parts.borders, TRIED)
    few = min(WARM, last - first)
    cold_s, _ = _timed(
        lambda: _tried(spool.cut(first, first + few, scratch / "few"), study, settings, scratch / "cold")
    )
    trial = _tried(spool.cut(first, last, scratch / "some"), study, settings, scratch / "warm")
    loading_s = max(0.0, cold_s - few * trial.pick_s - trial.files_s)
    return Pace(trial, float(spool.time_s[first]), float(spool.time_s[last - 1]), loading_s)


def typical_stretch(time_s: Array, borders: list[float], most: int) -> tuple[int, int]:
    """First place, and that behind the last, of so many picks at most, in the middle of a part that is as dense as half of all."""
    ends = np.searchsorted(time_s, borders)
    first, last = ends[:-1], ends[1:]
    rate = (last - first) / np.maximum(time_s[last - 1] - time_s[first], 1.0)
    order = np.argsort(rate, kind="stable")
    part = order[np.searchsorted(np.cumsum((last - first)[order]), len(time_s) / 2)]
    begin = max(int(first[part]), int(first[part] + last[part] - most) // 2)
    return begin, min(begin + most, int(last[part]))


def _tried(spool: Spool, study: Study, settings: JobSettings, scratch: Path) -> Trial:
    """What the picks of a spool take, from beginning to end and as one part."""
    scratch.mkdir()
    run = Run(study, spool, settings, scratch, None)
    search = begin(spool, study.network, study.times, likelihood_settings(settings), 1)
    [part] = search.parts().sample()
    rounds_s, _ = _timed(lambda: search.rounds([part], settings.learn))
    threshold_s, _ = _timed(lambda: search.choose_threshold([part]))
    rehearsing_s, _ = _timed(lambda: search.rehearse(part))
    searching_s, _ = _timed(lambda: search.rounds([part], learning=False))
    judging_s, verdicts = _timed(lambda: list(settle(search.rules, [part], [part.events])))
    found, nothing = [searched(part)], settle(search.rules, [part], [part.events[:0]])
    writing_s, _ = _timed(lambda: run.write(search, found, iter(verdicts), run.relation(), scratch / "all"))
    files_s, _ = _timed(lambda: run.write(search, found, nothing, run.relation(), scratch / "none"))
    written, files = (sum(path.stat().st_size for path in (scratch / name).iterdir()) for name in ("all", "none"))
    return Trial(
        len(spool), rounds_s + threshold_s, rehearsing_s, searching_s, judging_s, max(0.0, writing_s - files_s), files_s,
        max(0, written - files), files, len(list((scratch / "all").iterdir())),
    )  # fmt: skip


def _timed(run: Callable[[], Done]) -> tuple[float, Done]:
    """CPU seconds of a call, and what it gives."""
    began = time.process_time()
    done = run()
    return time.process_time() - began, done
