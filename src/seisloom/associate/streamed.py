"""From pick files of any length to the files of a catalogue, in memory that does not grow with them.

Picks are put down in the order of time; numbers of all of them and a sample of their parts teach what there is to learn; parts are
searched one by one; sections of many parts are judged, located and written. It is the catalogue of ``associate_picks``, to the
last byte, wherever there is a quiet moment in each part at the end of a section.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from seisloom.associate.by_likelihood import likelihood_settings, notes
from seisloom.associate.hypothesis import EVIDENCE, TIME
from seisloom.associate.job import make_study
from seisloom.associate.judged import Judged
from seisloom.associate.learned import learned
from seisloom.associate.likelihood import Search, begin
from seisloom.associate.magnitude_relations import NONE, Relation, choose_relation
from seisloom.associate.outputs import EVIDENCE as EVIDENCE_FILE
from seisloom.associate.outputs import write_report
from seisloom.associate.parts import NO_PICKS, Part, Parts
from seisloom.associate.report import AssociationReport
from seisloom.associate.result import JobSettings, Progress
from seisloom.associate.scratch import Ledger, Shelf, key_of, scratch_folder
from seisloom.associate.sectioned import SectionedCatalog, Written
from seisloom.associate.sections_state import write_sections_state
from seisloom.associate.settle import Searched, Verdict, searched, section_borders, settle
from seisloom.associate.study import Study, check_stations
from seisloom.catalog import Catalog
from seisloom.picks.pieces import PickPieces, pick_files
from seisloom.picks.spool import Spool, spool_picks
from seisloom.traveltime import VelocityModel

SECTION_PARTS = 10
"""Parts that are judged and located together."""
_NEAR_S = 3600.0  # fronts of parts so near a section may be fronts of its picks


@dataclass(frozen=True)
class Streamed:
    """What an association of files came to; the rest is in its folder."""

    report: AssociationReport
    study: Study
    largest: Catalog
    """The events with most picks, and these."""
    largest_picks: pd.DataFrame


def associate_files(
    picks: Path,
    sites: pd.DataFrame,
    velocity: VelocityModel,
    settings: JobSettings,
    folder: Path,
    *,
    min_probability: float = 0.0,
    station_models: Mapping[str, VelocityModel] | None = None,
    progress: Progress | None = None,
) -> Streamed:
    """Write the catalogue of the picks of files to a folder, by likelihood; goes on where an earlier call was interrupted.

    ``picks`` is a file, or a folder of files, which may overlap: their picks are numbered anew. Other arguments are as for
    :func:`seisloom.associate.job.associate_picks`. Raises InputError for what cannot be used.
    """
    study = make_study(sites, velocity, settings.region, settings.earth, station_models)
    with scratch_folder(folder) as scratch:
        spool = spool_picks(
            PickPieces(pick_files(picks), str(picks), min_probability), study.network.ids, scratch / "picks"
        )
        run = Run(study, spool, settings, scratch, progress)
        relation = run.relation()  # what is wrong with it is known before the work begins
        return run.write(*run.judged(), relation, folder)


def begin_search(
    spool: Spool, study: Study, settings: JobSettings, n_threads: int, progress: Progress | None = None
) -> Search:
    """A search that has learned nothing yet. InputError where no event can have the picks that it needs."""
    search = begin(spool, study.network, study.times, likelihood_settings(settings), n_threads, progress)
    stations = search.overview.seen.reshape(-1, 2).sum(axis=0)
    check_stations(stations, settings.min_picks, settings.min_p, settings.min_s)
    return search


@dataclass(frozen=True)
class Run:
    """One association: what is done of it, step by step."""

    study: Study
    spool: Spool
    settings: JobSettings
    scratch: Path
    progress: Progress | None

    def judged(self) -> tuple[Search, list[Searched], Iterator[Verdict]]:
        """What was learned, what parts have found, and what comes of them together, section by section."""
        ledger = Ledger(self.scratch / "searched", self._key())
        noted = ledger.read()
        if noted:
            search, parts = noted[0]
        else:
            search, parts = self._learned()
            ledger.note((search.alone(), replace(parts, source=NO_PICKS)))
        search, parts = self._mine(search), replace(parts, source=self.spool)
        if len(parts) == 1:
            search.rounds([whole := parts[0]], learning=False)
            found = [searched(whole)]
            return search, found, self._told(settle(search.rules, [whole], [whole.events], judged=True), 1)
        done = {one.first_s for one in noted[1:]}
        left = [number for number in range(len(parts)) if parts.borders[number] not in done]
        for one in search.search(parts, left, self.settings.compute):
            ledger.note(one)
            noted.append(one)
        found = sorted((one for one in noted if isinstance(one, Searched)), key=lambda one: one.first_s)
        return search, found, self._settled(search, found)

    def relation(self) -> Relation | None:
        """That of magnitudes, where picks have amplitudes and they are wanted."""
        amplitudes = pd.DataFrame({name: [1.0] for name in self.spool.amplitudes})
        wanted = self.settings.magnitude
        return None if wanted == NONE else choose_relation(amplitudes, wanted)

    def write(
        self,
        search: Search,
        found: Sequence[Searched],
        verdicts: Iterator[Verdict],
        relation: Relation | None,
        folder: Path,
    ) -> Streamed:
        """Put the catalogue of all verdicts into a folder."""
        catalog = SectionedCatalog(search, self.spool, self.study, self.scratch, self.settings.n_threads)
        for verdict in verdicts:
            catalog.add(verdict)
        events = np.concatenate(catalog.events)
        doubt = search.doubt(events[:, EVIDENCE])
        written = catalog.write(folder, relation, doubt)
        fallen = sum(one.fallen for one in found) + catalog.fallen
        judged = replace(search.judged(verdict, doubt), events=events, fronts=fallen)
        write_sections_state(
            judged, self.study, self.spool, catalog.columns, written.located, self.scratch, folder / EVIDENCE_FILE
        )
        report = self._report(judged, catalog, written)
        write_report(report, folder)
        return Streamed(report, self.study, written.largest, written.largest_picks)

    def _learned(self) -> tuple[Search, Parts]:
        """A search that has learned what there is to learn, and the parts that it was made for."""
        search = begin_search(self.spool, self.study, self.settings, self.settings.n_threads, self.progress)
        parts = search.parts()
        search.study(parts.sample())
        return search, parts

    def _mine(self, search: Search) -> Search:
        """A search that works for this run."""
        search = copy(search)
        search.source, search.progress, search.n_threads = self.spool, self.progress, self.settings.n_threads
        return search

    def _settled(self, search: Search, found: list[Searched]) -> Iterator[Verdict]:
        """Verdicts on sections of the picks."""
        events = np.concatenate([one.events for one in found])
        sections: Shelf[Part] = Shelf(self.scratch / "sections")
        of_section = []
        for first_s, last_s in pairwise(section_borders(found, SECTION_PARTS)):
            near = [one for one in found if one.last_s >= first_s - _NEAR_S and one.first_s < last_s + _NEAR_S]
            sections.append(search.section(first_s, last_s, near))
            of_section.append(events[(events[:, TIME] >= first_s) & (events[:, TIME] < last_s)])
        return self._told(settle(search.rules, sections, of_section), len(sections))

    def _told(self, verdicts: Iterator[Verdict], n: int) -> Iterator[Verdict]:
        """The same, of which progress is told."""
        for done, verdict in enumerate(verdicts):
            if self.progress:
                self.progress("events", done, n)
            yield verdict

    def _key(self) -> str:
        """A text that is another one for other picks, stations, travel times or settings."""
        study, wanted = self.study, likelihood_settings(self.settings)
        return key_of(self.spool.folder / "picks", study.network, study.times, wanted)

    def _report(self, judged: Judged, catalog: SectionedCatalog, written: Written) -> AssociationReport:
        spool = self.spool
        return AssociationReport(
            spool.report, spool.unknown, catalog.fates(), int(np.count_nonzero(written.located.event_id > 0)), written.qualities,
            written.rms_s, [*notes(judged, self.study), *written.notes], learned(judged, self.study.network.ids),
            written.magnitudes,
        )  # fmt: skip
