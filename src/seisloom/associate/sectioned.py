"""The catalogue of picks that are gone through in sections: what each section gives, and all of them as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.associate.by_likelihood import FATES, fates, judged_catalog
from seisloom.associate.likelihood import Search
from seisloom.associate.magnitude import MagnitudeReport, fit_magnitudes, measured
from seisloom.associate.magnitude_relations import Relation
from seisloom.associate.scratch import Columns, Shelf
from seisloom.associate.settle import Verdict
from seisloom.associate.state import Located
from seisloom.associate.study import PickSet, Study
from seisloom.catalog import Catalog
from seisloom.catalog.clock import nanoseconds
from seisloom.catalog.files import CatalogFiles
from seisloom.picks.spool import Spool

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

OF_PICKS: dict[str, type[np.generic]] = {
    "event": np.int32, "phase": np.int8, "posterior": np.float32, "noise": np.float32, "front_rate": np.float32, "fate": np.int8,
}  # fmt: skip
"""Columns with a row for every pick: the event that it is of, counted from 1 in the order of their origin times (0: none), the
phase that it is taken for (1, 2; 0: none), and what else ``state`` keeps of it."""
_DRAWN = 3
_BLOCK = 250_000  # picks that are held at once


@dataclass(frozen=True)
class _Section:
    """The catalogue of a section; ``false_probability`` holds the numbers of the events by origin time."""

    catalog: Catalog
    picks: pd.DataFrame
    """Those that are assigned."""


@dataclass(frozen=True)
class Written:
    """What became of the events of all sections."""

    located: Located
    """Rows of the catalogue by origin time."""
    qualities: dict[str, int]
    rms_s: float
    """Median over events."""
    magnitudes: MagnitudeReport | None
    notes: list[str]
    largest: Catalog
    """The events with most picks, and these."""
    largest_picks: pd.DataFrame


class SectionedCatalog:
    """Takes the verdicts of sections one by one, and writes the files of all of them."""

    def __init__(self, search: Search, spool: Spool, study: Study, scratch: Path, n_threads: int) -> None:
        self._search, self._spool, self._study, self._n_threads = search, spool, study, n_threads
        self._sections: Shelf[_Section] = Shelf(scratch / "catalogues")
        self.columns = Columns(scratch / "columns", len(spool), OF_PICKS)
        self.events: list[Array] = []
        """Of each section, as they were judged."""
        self._first_ns: list[int] = []
        self.fallen = 0

    def add(self, verdict: Verdict) -> None:
        """Locate the events of a section, and keep what there is to say of its picks."""
        section, before = verdict.section, sum(map(len, self.events))
        numbers = before + np.arange(len(verdict.events))
        # What is false, all events together decide: until then each has its number in that column.
        judged = self._search.judged(verdict, numbers.astype(float))
        picks, first = self._spool.between(section.first_s - section.halo_s, section.last_s + section.halo_s)
        table = self._spool.table(first, first + len(picks.time_s))
        chosen = PickSet(table, pd.DataFrame(), None, self._study.network, picks)
        catalog = judged_catalog(judged, chosen, self._study, self._n_threads)
        assigned = table[table["pick_index"].isin(catalog.assignments["pick_index"])].reset_index(drop=True)
        self._sections.append(_Section(catalog, assigned))
        time = catalog.events["time"]
        self._first_ns.append(int(nanoseconds(time).min()) if len(time) else np.iinfo(np.int64).max)
        self.events.append(verdict.events)
        self.fallen += verdict.fallen
        self._keep(verdict, before, fates(judged, self._study), first)

    def _keep(self, verdict: Verdict, before: int, fate: Integers, first: int) -> None:
        """Columns of a section: of its own picks, and of those of its neighbours that its events have."""
        section, given = verdict.section, verdict.assignment
        order = np.argsort(section.data.picks.pick)
        n, taken, own = len(order), (given.event >= 0)[order], section.own[order]
        values = {
            "event": (taken, given.event[order] + before + 1), "phase": (taken, given.phase[order] + 1),
            "posterior": (taken, given.posterior[order]), "noise": (own, section.data.noise[order]),
            "front_rate": (own, section.fronts[order]),
        }  # fmt: skip
        for name, (mine, value) in values.items():
            there = self.columns.read(name, first, n)
            there[mine] = value[mine]
            self.columns.write(name, first, there)
        self.columns.write("fate", first, np.maximum(self.columns.read("fate", first, n), fate[order]))

    def fates(self) -> dict[str, int]:
        """Picks by what became of them."""
        counts = np.zeros(len(FATES), np.int64)
        for first in range(0, len(self._spool), _BLOCK):
            counts += np.bincount(self.columns.read("fate", first, _BLOCK), minlength=len(FATES))
        return dict(zip(FATES, counts.tolist(), strict=True))

    def write(self, folder: Path, relation: Relation | None, false_probability: Array) -> Written:
        """The files of the catalogue, its events numbered in the order of their times."""
        sites, stations = self._study.sites, list(self._study.network.ids)
        found = [measured(one.catalog, one.picks, sites, relation) for one in self._numbered()] if relation else []
        magnitudes = fit_magnitudes(found, relation) if relation and found else None
        n = len(false_probability)
        event_id, rms = np.full(n, -1, np.int64), [np.zeros(0)]
        place = {name: np.full(n, np.nan) for name in ("latitude", "longitude", "depth_km")}
        time_ns, qualities = np.zeros(n, np.int64), dict.fromkeys("ABCD", 0)
        largest: list[_Section] = []
        with CatalogFiles(folder, stations) as files:
            for one in self._numbered():
                events = one.catalog.events
                number = events["false_probability"].to_numpy().astype(np.int64)
                catalog = replace(one.catalog, events=events.assign(false_probability=false_probability[number]))
                catalog = catalog if magnitudes is None else magnitudes.put(catalog)
                files.add(catalog, one.picks)
                event_id[number], time_ns[number] = events["event_id"], nanoseconds(events["time"])
                for name, values in place.items():
                    values[number] = events[name]
                rms.append(events["rms_s"].to_numpy())
                for letter, count in events["quality"].value_counts().items():
                    qualities[str(letter)] = qualities.get(str(letter), 0) + int(count)
                largest = [_largest([*largest, replace(one, catalog=catalog)])]
        top = largest[0]
        return Written(
            Located(event_id, time_ns, **place), {letter: qualities[letter] for letter in "ABCD"},
            float(pd.Series(np.concatenate(rms)).median()), None if magnitudes is None else magnitudes.report, files.notes,
            top.catalog, top.picks,
        )  # fmt: skip

    def _numbered(self) -> Iterator[_Section]:
        """Catalogues of the sections, their events numbered in the order of all events.

        An event may be located before the last of the section before: what is later than any event to come waits.
        """
        n, later = 0, np.minimum.accumulate([np.iinfo(np.int64).max, *self._first_ns[::-1]])[::-1]
        waiting: list[_Section] = []
        for number in range(len(self._sections)):
            here = _joined([*waiting, self._sections[number]])
            ready = nanoseconds(here.catalog.events["time"]) < later[number + 1]
            done, rest = _of_events(here, ready, n + 1), _of_events(here, ~ready)
            n, waiting = n + int(np.count_nonzero(ready)), [rest] if len(rest.catalog.events) else []
            yield done


def _joined(sections: Sequence[_Section]) -> _Section:
    """Sections as one, its events in the order of their times."""
    if len(sections) == 1:
        return sections[0]
    ends = np.cumsum([0, *(len(one.catalog.events) for one in sections)]).tolist()
    moved = [
        _of_events(one, np.ones(len(one.catalog.events), bool), end + 1)
        for one, end in zip(sections, ends, strict=False)
    ]
    events = pd.concat([one.catalog.events for one in moved]).sort_values("time", kind="stable")
    assignments = pd.concat([one.catalog.assignments for one in moved])
    return _Section(Catalog(events, assignments), pd.concat([one.picks for one in moved], ignore_index=True))


def _of_events(section: _Section, kept: npt.NDArray[np.bool_], first_id: int = 1) -> _Section:
    """Some events of a section, numbered anew in their order."""
    events, assignments = section.catalog.events[kept], section.catalog.assignments
    number = pd.Series(np.arange(first_id, first_id + len(events)), index=events["event_id"].to_numpy())
    assignments = assignments.assign(event_id=assignments["event_id"].map(number)).dropna(subset="event_id")
    catalog = Catalog(events.assign(event_id=number.to_numpy()), assignments.sort_values("event_id", kind="stable"))
    picks = section.picks[section.picks["pick_index"].isin(catalog.assignments["pick_index"])]
    return _Section(catalog, picks.reset_index(drop=True))


def _largest(sections: Sequence[_Section]) -> _Section:
    """The few events of all with most picks, of equal ones the earlier."""
    events = pd.concat([one.catalog.events for one in sections])
    events = events.sort_values(["n_picks", "event_id"], ascending=[False, True], kind="stable").head(_DRAWN)
    assignments = pd.concat([one.catalog.assignments for one in sections])
    assignments = assignments[assignments["event_id"].isin(events["event_id"])]
    picks = pd.concat([one.picks for one in sections], ignore_index=True)
    picks = picks[picks["pick_index"].isin(assignments["pick_index"])].reset_index(drop=True)
    return _Section(Catalog(events, assignments), picks)
