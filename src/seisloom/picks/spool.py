"""Picks in a folder, in the order of time: stretches of them are read, and all of them are never held.

Pieces of a pick file are sorted by themselves, put down one after another (*runs*) and then merged, as in any external sort
(Knuth, The Art of Computer Programming 3, 5.4): of each run as much is held as is before the next time that all agree on.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import InputError
from seisloom.picks.amplitudes import AMPLITUDES
from seisloom.picks.arrays import PickArrays
from seisloom.picks.match import no_station, station_finder
from seisloom.picks.pieces import PickPieces
from seisloom.picks.read import PickReport

Records = npt.NDArray[np.void]
Integers = npt.NDArray[np.int64]

_RECORD = np.dtype(
    [("time_ns", "i8"), ("row", "i8"), ("pick_index", "i8"), ("probability", "f8"), *((name, "f8") for name in AMPLITUDES),
     ("name", "i4"), ("station", "i4"), ("phase", "i1")]
)  # fmt: skip
_HELD, _LEAST_HELD = 500_000, 1000  # records of all runs, and of one
_RUNS, _PICKS, _TIMES = "runs", "picks", "times"
_PHASES = np.array(["P", "S"], object)
_SECOND = 1_000_000_000


@dataclass(frozen=True)
class Spool:
    """Picks at the stations of a list, by time (then station, phase, probability), each but once."""

    folder: Path
    stations: tuple[str, ...]
    reference_ns: int
    """A whole second, not after the first pick."""
    amplitudes: tuple[str, ...]
    """Columns of amplitudes that the picks have."""
    unknown: list[tuple[str, int, str]]
    """Stations that are not in the list: name, picks, reason."""
    report: PickReport

    def __len__(self) -> int:
        return len(self.time_s)

    @cached_property
    def time_s(self) -> npt.NDArray[np.float64]:
        """(pick,): seconds since the reference; stays in its file."""
        return np.memmap(self.folder / _TIMES, np.float64, "r")

    def between(self, first_s: float, last_s: float) -> tuple[PickArrays, int]:
        """Picks from ``first_s`` on and before ``last_s``, ``row`` counting from 0, and the place of their first among all."""
        first, last = np.searchsorted(self.time_s, [first_s, last_s]).tolist()
        return self.stretch(first, last), first

    def stretch(self, first: int, last: int) -> PickArrays:
        """Picks from one place on and before another, ``row`` counting from 0."""
        found = self._records(first, last)
        return PickArrays(
            _seconds(found, self.reference_ns), found["station"].copy(), found["phase"].copy(),
            found["probability"].astype(np.float32), np.arange(len(found)), self.reference_ns,
        )  # fmt: skip

    def table(self, first: int, last: int) -> pd.DataFrame:
        """Picks from one place on and before another, with the columns of ``seisloom.picks`` (``duration_s`` is not kept)."""
        found = self._records(first, last)
        columns = {
            "pick_index": found["pick_index"], "station": np.array(self.stations, object)[found["station"]],
            "phase": _PHASES[found["phase"]], "time": pd.to_datetime(found["time_ns"], unit="ns", utc=True),
            "probability": found["probability"], "duration_s": np.full(len(found), np.nan),
        }  # fmt: skip
        return pd.DataFrame(columns | {name: found[name] for name in self.amplitudes})

    def cut(self, first: int, last: int, folder: Path) -> Spool:
        """Picks from one place on and before another, put down in a folder of their own."""
        folder.mkdir()
        self._records(first, last).tofile(folder / _PICKS)
        self.time_s[first:last].tofile(folder / _TIMES)
        return replace(self, folder=folder)

    def _records(self, first: int, last: int) -> Records:
        return np.fromfile(self.folder / _PICKS, _RECORD, last - first, offset=first * _RECORD.itemsize)


def spool_picks(pieces: PickPieces, stations: Sequence[str], folder: Path) -> Spool:
    """Put the picks of files down in a folder. InputError where they cannot be used, or none is at a station of the list."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = _Runs(folder / _RUNS, stations)
    with runs.path.open("wb") as file:
        for table in pieces:
            runs.add(table, file)
    of_name, kept, amplitudes = np.zeros(len(runs.names), np.int64), 0, 0
    measured = set[str]()
    with (folder / _PICKS).open("wb") as picks, (folder / _TIMES).open("wb") as times:
        for block in runs.merged():
            single = block[_once(block)]
            kept += len(single)
            amplitudes += int(np.any([np.isfinite(single[name]) for name in AMPLITUDES], axis=0).sum())
            of_name += np.bincount(single["name"], minlength=len(of_name))
            ordered = _in_order(single[single["station"] >= 0], runs.reference_ns)
            measured |= {name for name in AMPLITUDES if np.isfinite(ordered[name]).any()}
            ordered.tofile(picks)
            _seconds(ordered, runs.reference_ns).tofile(times)
    runs.path.unlink()
    report = pieces.report(kept, runs.ends[-1] - kept, amplitudes)
    if not kept:
        raise InputError(f"no pick is left to work with: {report}")
    if max(runs.station_of) < 0:
        raise no_station(kept, runs.names, stations)
    if not runs.ascending:
        _check_numbers(folder / _PICKS, report.origin)
    columns = () if pieces.stray.many else tuple(name for name in AMPLITUDES if name in measured)
    return Spool(folder, tuple(stations), runs.reference_ns, columns, runs.unknown(of_name), report)


class _Runs:
    """Pieces that are in the order of time, one after another in a file."""

    def __init__(self, path: Path, stations: Sequence[str]) -> None:
        self.path = path
        self.names: dict[str, int] = {}
        """Stations as the files name them, numbered as they come."""
        self.station_of: list[int] = []
        """Of each name the place in the list of stations; -1 where it is not there."""
        self.ends, self._firsts = [0], list[int]()
        self.reference_ns = 0
        self.ascending = True
        """Picks are numbered upwards, so that no number comes twice."""
        self._last_index: int | None = None
        self._find = station_finder(stations)
        self._place = {name: place for place, name in enumerate(stations)}

    def add(self, table: pd.DataFrame, file: IO[bytes]) -> None:
        """Add the picks of a piece."""
        if not len(table):
            return
        for name in table["station"].unique():
            if name not in self.names:
                self.names[name] = len(self.names)
                self.station_of.append(self._place.get(self._find(name)[0], -1))
        records = np.zeros(len(table), _RECORD)
        for column in ("pick_index", "probability", *AMPLITUDES):
            records[column] = table.get(column, np.nan)
        records["time_ns"], records["phase"] = table["time"], table["phase"] == _PHASES[1]
        records["row"] = self.ends[-1] + np.arange(len(table))
        records["name"] = table["station"].map(self.names)
        records["station"] = np.array(self.station_of)[records["name"]]
        self._note_numbers(records["pick_index"])
        self._note_times(records["time_ns"][records["station"] >= 0])
        records = records[np.argsort(records["time_ns"], kind="stable")]
        records.tofile(file)
        self._firsts.append(int(records["time_ns"][0]))
        self.ends.append(self.ends[-1] + len(records))

    def _note_numbers(self, index: Integers) -> None:
        first = self._last_index is None or index[0] > self._last_index
        self.ascending &= bool(first and (np.diff(index) > 0).all())
        self._last_index = int(index[-1])

    def _note_times(self, time_ns: Integers) -> None:
        if len(time_ns):
            second = int(time_ns.min()) // _SECOND * _SECOND
            self.reference_ns = min(self.reference_ns or second, second)

    def unknown(self, count: Integers) -> list[tuple[str, int, str]]:
        """Names that are no stations of the list, those with most picks first, with their number of picks and the reason."""
        left = [(name, int(count[k]), self._find(name)[1]) for name, k in self.names.items() if self.station_of[k] < 0]
        return sorted((one for one in left if one[1]), key=lambda one: -one[1])

    def merged(self) -> Iterator[Records]:
        """All records in blocks of later and later time; what is of one time is in one block."""
        waiting = deque(int(run) for run in np.argsort(self._firsts, kind="stable"))
        held = max(_HELD // max(len(waiting), 1), _LEAST_HELD)
        open_runs: list[_Run] = []
        while waiting or open_runs:
            now = min((run.seconds[0] for run in open_runs), default=math.inf)
            while waiting and (math.isinf(now) or self._first_s(waiting[0]) <= now):
                number = waiting.popleft()
                open_runs.append(_Run(self.path, self.ends[number], self.ends[number + 1], self.reference_ns, held))
                now = min(now, open_runs[-1].seconds[0])
            ends = [run.seconds[-1] for run in open_runs if run.has_more]
            border = min([*ends, *(self._first_s(number) for number in itertools.islice(waiting, 1))], default=math.inf)
            taken = [run.take(border) for run in open_runs]
            if any(map(len, taken)):
                yield np.concatenate(taken)
            else:  # all that is held is of one time
                for run in open_runs:
                    run.fill()
            open_runs = [run for run in open_runs if len(run.seconds)]

    def _first_s(self, number: int) -> float:
        return (self._firsts[number] - self.reference_ns) / _SECOND


class _Run:
    """What is held of a run."""

    def __init__(self, path: Path, at: int, end: int, reference_ns: int, held: int) -> None:
        self._path, self._at, self._end, self._reference, self._held = path, at, end, reference_ns, held
        self._records = np.zeros(0, _RECORD)
        self.seconds = np.zeros(0)
        self.fill()

    @property
    def has_more(self) -> bool:
        """Whether there are records that are not held."""
        return self._at < self._end

    def fill(self) -> None:
        """Hold more."""
        n = min(self._held, self._end - self._at)
        more = np.fromfile(self._path, _RECORD, n, offset=self._at * _RECORD.itemsize)
        self._at += n
        self._records = np.concatenate([self._records, more])
        self.seconds = _seconds(self._records, self._reference)

    def take(self, before_s: float) -> Records:
        """Records before a time; they are not held any longer."""
        n = int(np.searchsorted(self.seconds, before_s))
        taken, self._records, self.seconds = self._records[:n], self._records[n:], self.seconds[n:]
        if not len(self.seconds) and self.has_more:
            self.fill()
        return taken


def _seconds(records: Records, reference_ns: int) -> npt.NDArray[np.float64]:
    return np.asarray((records["time_ns"] - reference_ns) / _SECOND)


def _once(records: Records) -> Integers:
    """Places of records, of those that say the same pick the most probable one (of equals the first)."""
    keys = [records[name] for name in ("time_ns", "name", "phase")]
    order = np.lexsort((records["row"], -records["probability"], *keys))
    new = np.ones(len(order), bool)
    new[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    return order[new]


def _in_order(records: Records, reference_ns: int) -> Records:
    """Records in the order of ``pick_arrays``."""
    likely = records["probability"].astype(np.float32)
    keys = records["row"], likely, records["phase"], records["station"], _seconds(records, reference_ns)
    return np.asarray(records[np.lexsort(keys)])


def _check_numbers(path: Path, origin: str) -> None:
    """InputError for a pick number that comes twice."""
    index = np.sort(np.memmap(path, _RECORD, "r")["pick_index"])
    if len(twice := index[1:][np.diff(index) == 0]):
        raise InputError(
            f"{origin}: pick_index {twice[0]} comes more than once: whole numbers, each but once, are expected"
        )
