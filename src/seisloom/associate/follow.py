"""Events from picks as they arrive.

At steady times of the picks' own clock the last minutes are associated anew, with what earlier picks have taught; what is
taught is renewed as picks come. The wall clock plays no part, so a stream of picks gives the same events at any speed.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.associate.by_likelihood import judged_catalog, likelihood_settings
from seisloom.associate.follow_events import Found, Statement, Tracker, found_events
from seisloom.associate.job import JobSettings
from seisloom.associate.likelihood import Lessons, associate_likelihood, learn_lessons
from seisloom.associate.magnitude import with_magnitudes
from seisloom.associate.study import PickSet, Study, aperture_km
from seisloom.catalog import Catalog
from seisloom.catalog.clock import nanoseconds
from seisloom.errors import SettingsError
from seisloom.picks import AMPLITUDES, pick_arrays
from seisloom.picks.match import station_finder
from seisloom.picks.read import repeated
from seisloom.traveltime import travel_times

_SECOND = 1_000_000_000
_AHEAD_S = 600.0  # a pick that runs so far ahead of all others may have a wrong time
_UNCONFIRMED = 100  # such picks that are remembered
_LEAST_WINDOW_S, _LEAST_OPEN_S = 300.0, 120.0
_HALO_S = 15.0
_FIRST_LESSON = 500  # picks
_HANDOVER_S = 300.0  # of the picks' clock, while lessons are learned beside the looks
_REACH = 1.5  # distance over aperture that arrivals come from


@dataclass(frozen=True)
class Pace:
    """How often events are looked for, when they are said, and how many picks teach. Raises SettingsError."""

    every_s: float = 10.0
    """Time between two looks."""
    latency_s: float = 0.0
    """An event is not said before so long after its origin time."""
    history_s: float = 86_400.0
    history_picks: int = 30_000

    def __post_init__(self) -> None:
        faults = [] if self.every_s >= 0.1 else [f"every_s is {self.every_s}; give 0.1 s or more"]
        faults += [] if self.latency_s >= 0.0 else [f"latency_s is {self.latency_s}; it must not be negative"]
        if faults:
            raise SettingsError(faults, "following")


class Clock:
    """Time of a stream of picks: that of its latest pick.

    A pick ten minutes ahead of all others counts only when another station has one about that time: clocks go wrong,
    but those of two stations hardly alike.
    """

    def __init__(self) -> None:
        self.now_ns: int | None = None
        self._ahead: list[tuple[int, str]] = []

    def see(self, time_ns: int, station: str) -> int | None:
        """The time after a pick; None until two stations agree on it."""
        limit = int(_AHEAD_S * _SECOND)
        if self.now_ns is not None and time_ns <= self.now_ns + limit:
            self.now_ns = max(self.now_ns, time_ns)
            return self.now_ns
        near = [other for other, name in self._ahead if name != station and abs(other - time_ns) <= limit]
        if near:
            self.now_ns, self._ahead = max(*near, time_ns), []
        else:
            self._ahead = [*self._ahead[1 - _UNCONFIRMED :], (time_ns, station)]
        return self.now_ns


class Follower:
    """Picks in, statements about events out."""

    def __init__(self, study: Study, settings: JobSettings, pace: Pace, tracker: Tracker | None = None) -> None:
        self.study, self.settings, self.pace = study, settings, pace
        longest = _longest_s(study)
        self.open_s = max(longest + 60.0, _LEAST_OPEN_S)
        """So long after its origin time an event may be revised."""
        self.window_s = max(self.open_s + 2.0 * longest + _HALO_S, _LEAST_WINDOW_S)
        self.tracker = tracker or Tracker()
        self.clock = Clock()
        self.lessons: Lessons | None = None
        self.unknown: Counter[str] = Counter()
        """Picks of stations that are not in the list."""
        self.late = 0
        """Picks that came when no look reached back to them."""
        self.slowest_s = 0.0
        """Longest time that a look took."""
        self._find = station_finder(list(study.network.ids))
        self._recent = pd.DataFrame()
        self._times = np.zeros(0, np.int64)
        self._received, self._next_lesson = 0, _FIRST_LESSON
        self._next_look: int | None = None
        self._seen = np.zeros(0, np.int64)
        self._found: list[Found] = []
        self._learning: Future[Lessons] | None = None
        self._handover = 0
        self._pool = ThreadPoolExecutor(1)

    def add(self, picks: pd.DataFrame) -> Iterator[list[Statement]]:
        """Take picks (columns of ``seisloom.picks``) in the order of their arrival; what each look has to say."""
        picks = self._known(picks)
        times, first = nanoseconds(picks["time"]), 0
        for row, (arrival, station) in enumerate(zip(times.tolist(), picks["station"], strict=True)):
            now = self.clock.see(arrival, station)
            if now is None:
                continue
            if self._next_look is None:
                self._next_look = self._boundary(min(arrival, now))
            if now >= self._next_look:
                self._keep(picks.iloc[first : row + 1], times[first : row + 1])
                first = row + 1
                yield from self.look_until(now)
        self._keep(picks.iloc[first:], times[first:])

    def recall(self, picks: pd.DataFrame) -> None:
        """Take picks of an earlier run: they are known and have taught, and nothing more is said of them."""
        picks = self._known(picks)
        times = nanoseconds(picks["time"])
        for arrival, station in zip(times.tolist(), picks["station"], strict=True):
            self.clock.see(arrival, station)
        self._keep(picks, times)
        if self.clock.now_ns is None:
            return
        self._next_look = self._boundary(self.clock.now_ns)
        self._forget(self._next_look)
        if self._received >= _FIRST_LESSON:
            self._next_lesson = self._received + self._until_next()
            self.lessons = self._learn(self._before(self._next_look, math.inf))

    def look_until(self, now_ns: int) -> Iterator[list[Statement]]:
        """Take all looks up to a time: that of the picks, or what it must be by now if none came since."""
        while self._next_look is not None and self._next_look <= now_ns:
            at = self._next_look
            began = time.perf_counter()
            window = self._before(at, self.window_s)
            said = self._look(window, at)
            later = self._times[self._times >= at]
            quiet = not len(window) and len(later) > 0
            self._next_look = max(at + self._every, self._boundary(int(later.min())) if quiet else 0)
            self._forget(at)
            self.slowest_s = max(self.slowest_s, time.perf_counter() - began)
            yield said

    def finish(self) -> Iterator[list[Statement]]:
        """All looks that the picks allow: nothing more will come."""
        there = self._times[self._times <= (self.clock.now_ns or 0)]
        if len(there):
            yield from self.look_until(int(there.max()) + self._every + int(self.pace.latency_s * _SECOND))

    def close(self) -> None:
        """Stop what is being learned."""
        self._pool.shutdown(cancel_futures=True)

    @property
    def _every(self) -> int:
        return round(self.pace.every_s * _SECOND)

    def _boundary(self, time_ns: int) -> int:
        """The first look after a time."""
        return (time_ns // self._every + 1) * self._every

    def _known(self, picks: pd.DataFrame) -> pd.DataFrame:
        """Picks at stations of the list, under their names there."""
        names = {name: self._find(name)[0] for name in picks["station"].unique()}
        self.unknown.update(name for name in picks["station"] if not names[name])
        station = picks["station"].map(names)
        return picks.assign(station=station)[station != ""]

    def _keep(self, picks: pd.DataFrame, times: npt.NDArray[np.int64]) -> None:
        if not len(picks):
            return
        if self._next_look is not None:
            self.late += int(np.sum(times < self._next_look - self._every - int(self.window_s * _SECOND)))
        self._recent = pd.concat([self._recent, picks]) if len(self._recent) else picks
        self._times = np.concatenate([self._times, times])
        self._received += len(picks)

    def _forget(self, at_ns: int) -> None:
        """Picks older than all that may be asked for, and those of clocks that have gone wrong."""
        since, most = int(self.pace.history_s * _SECOND), self.pace.history_picks
        kept = (self._times >= at_ns - since) & (self._times <= (self.clock.now_ns or 0) + int(_AHEAD_S * _SECOND))
        if np.count_nonzero(kept) > 1.2 * most:
            least = np.partition(self._times[kept], -most)[-most]
            kept &= self._times >= min(least, at_ns - int(self.window_s * _SECOND))
        if not kept.all():
            self._recent, self._times = self._recent[kept], self._times[kept]

    def _before(self, at_ns: int, length_s: float) -> pd.DataFrame:
        """Picks of so long a time before another, each but once."""
        since = at_ns - int(min(length_s, self.pace.history_s) * _SECOND)
        inside = (self._times >= since) & (self._times < at_ns)
        picks = self._recent[inside]
        return picks[~repeated(picks)].reset_index(drop=True) if len(picks) else picks

    def _look(self, window: pd.DataFrame, at_ns: int) -> list[Statement]:
        """Events of a window, told apart from those already said; what has not changed is not associated again."""
        numbers = window["pick_index"].to_numpy(np.int64) if len(window) else np.zeros(0, np.int64)
        if not np.isin(numbers, self._seen).all():
            self._study(at_ns)
            self._found = self._events(window)
        self._seen = numbers
        opened = at_ns - int(self.open_s * _SECOND)
        due = at_ns - int(self.pace.latency_s * _SECOND)
        return self.tracker.update(self._found, at_ns, opened, due)

    def _study(self, at_ns: int) -> None:
        """Take lessons over when it is time, and begin others."""
        if self._learning is not None and at_ns >= self._handover:
            self.lessons, self._learning = self._learning.result(), None
        if self._learning is None and self._received >= self._next_lesson:
            self._learning = self._pool.submit(self._learn, self._before(at_ns, math.inf))
            self._handover = at_ns + int(_HANDOVER_S * _SECOND)
            self._next_lesson = self._received + self._until_next()

    def _until_next(self) -> int:
        """Picks until lessons are renewed: as many as there were, half of the most that teach at last."""
        return min(self._received, self.pace.history_picks // 2)

    def _learn(self, picks: pd.DataFrame) -> Lessons:
        """What a stretch of picks teaches."""
        network, wanted = self.study.network, likelihood_settings(self.settings)
        arrays = pick_arrays(picks, list(network.ids))
        return learn_lessons(arrays, network, self.study.times, wanted, n_threads=self.settings.n_threads)

    def _events(self, picks: pd.DataFrame) -> list[Found]:
        """The events of a window."""
        if len(picks) < self.settings.min_picks:
            return []
        chosen = PickSet(picks, pd.DataFrame(), None, self.study.network)
        wanted = likelihood_settings(self.settings)
        if self.lessons is None:  # minutes of picks teach nothing, and do not show what chance makes of them
            wanted = replace(wanted, learn=False, min_evidence=wanted.min_evidence or wanted.first_evidence)
        judged = associate_likelihood(
            chosen.arrays, self.study.network, self.study.times, wanted, lessons=self.lessons
        )  # fmt: skip
        return found_events(self._with_magnitudes(judged_catalog(judged, chosen, self.study), picks))

    def _with_magnitudes(self, catalog: Catalog, picks: pd.DataFrame) -> Catalog:
        measured = [name for name in AMPLITUDES if name in picks and picks[name].notna().any()]
        if self.settings.magnitude == "none" or not measured or not len(catalog.events):
            return catalog
        unused = [name for name in AMPLITUDES if name in picks and name not in measured]
        return with_magnitudes(catalog, picks.drop(columns=unused), self.study.sites, self.settings.magnitude)[0]


def _longest_s(study: Study) -> float:
    """Time that S waves need from the farthest events."""
    n = study.network.n_stations
    far, middle = _REACH * aperture_km(study.network), 0.5 * study.network.region.z_max
    station, phase = np.arange(n), np.ones(n, np.int64)
    return float(np.max(travel_times(study.times, phase, station, np.full(n, far), np.full(n, middle))))
