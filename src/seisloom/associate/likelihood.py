"""Association by likelihood: hypotheses of events scored by what picks, and missing picks, say for them.

Stretches of the picks are searched on their own: a scan of sources and origin times gives candidates, the best are
accepted and explain their picks away, all are judged anew, and what they teach about picks and stations is used in the
next round. At the end all events are judged together, and every pick goes to one event at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seisloom.associate import trust
from seisloom.associate.exchange import exchange
from seisloom.associate.first_guess import first_model, search_box, spacing_km
from seisloom.associate.fronts import no_fronts
from seisloom.associate.hypothesis import EVIDENCE, Box, Evidence
from seisloom.associate.judged import Judged
from seisloom.associate.learn import Known, join, learn, observe
from seisloom.associate.likelihood_settings import LikelihoodSettings
from seisloom.associate.network import Network
from seisloom.associate.overview import Overview, overview
from seisloom.associate.part_task import search_parts
from seisloom.associate.parts import (
    NO_PICKS,
    HeldPicks,
    Part,
    Parts,
    PickSource,
    halo_of,
    make_part,
    make_parts,
    read_part,
)
from seisloom.associate.pick_model import PickModel, by_channel
from seisloom.associate.rehearsal import mixtures, picks_like
from seisloom.associate.scan import Grid, make_grid, scan
from seisloom.associate.search import Needed, accept, explain_all, sweep
from seisloom.associate.seismicity import learn_seismicity
from seisloom.associate.settle import Rules, Searched, Verdict, searched, settle, take_fronts
from seisloom.compute import Compute, each
from seisloom.picks import PickArrays
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]

_FEW = 0.01  # of the events, that a round adds at the end
_CANDIDATE = 4.0  # evidence on the grid from which a place is looked at
_SWEEPS = 2
_RIVAL = 8.0  # evidence on the grid of places that may take that of an event
_WEAK = 5.0  # evidence of events that are challenged, over what is needed


class Lessons(NamedTuple):
    """What picks have taught, for other picks of the same stations."""

    model: PickModel
    known: Known
    needed: Needed
    falsehood: trust.Falsehood
    mixtures: trust.Falsehood
    spacing_km: float


def associate_likelihood(
    picks: PickArrays,
    network: Network,
    times: TravelTimes,
    settings: LikelihoodSettings | None = None,
    *,
    n_threads: int = 1,
    progress: Progress | None = None,
    lessons: Lessons | None = None,
    compute: Compute | None = None,
    preview: Callable[[Search, Searched], None] | None = None,
) -> Judged:
    """Events of picks. The result depends neither on the order of picks nor on the number of threads.

    Nothing is learned from these picks where there are ``lessons``. With ``compute`` other processes search the parts.
    ``preview`` is told of each part, where there are several, what was found there.
    """
    search = begin(HeldPicks(picks), network, times, settings or LikelihoodSettings(), n_threads, progress, lessons)
    parts = search.parts()
    if lessons is None:
        search.study(parts.sample())
    return search.together(parts, compute, preview)


def learn_lessons(
    picks: PickArrays, network: Network, times: TravelTimes, settings: LikelihoodSettings, *, n_threads: int = 1
) -> Lessons:
    """What picks teach: that with which :func:`associate_likelihood` would look for events in them."""
    search = begin(HeldPicks(picks), network, times, settings, n_threads)
    search.study(search.parts().sample())
    return Lessons(search.model, search.known, search.needed, search.falsehood, search.mixtures, search.spacing_km)


def begin(
    source: PickSource,
    network: Network,
    times: TravelTimes,
    settings: LikelihoodSettings,
    n_threads: int,
    progress: Progress | None = None,
    lessons: Lessons | None = None,
) -> Search:
    """A search that begins with what there is to know before any event, or with lessons."""
    box, found = search_box(network, settings.margin), overview(source, network.n_stations)
    if lessons is None:
        model, known = first_model(found.seen, network)
        spacing = settings.spacing_km or spacing_km(found, network, box)
    else:
        model, known, spacing = lessons.model, lessons.known, lessons.spacing_km
    box = box._replace(step=np.array([1.5 * spacing, 1.5 * spacing, 2.2 * spacing, 2.0]))
    search = Search(times, model, known, box, spacing, settings, n_threads, progress, source, found)
    if lessons is not None:
        search.needed, search.falsehood, search.mixtures = lessons.needed, lessons.falsehood, lessons.mixtures
    return search


@dataclass
class Search:
    """One run: what is the same for all parts, and what was learned so far."""

    times: TravelTimes
    model: PickModel
    known: Known
    box: Box
    spacing_km: float
    settings: LikelihoodSettings
    n_threads: int
    progress: Progress | None
    source: PickSource
    overview: Overview

    def __post_init__(self) -> None:
        given = self.settings.min_evidence
        self.needed = Needed(self.settings.first_evidence if given is None else given, self.settings.min_picks - 1.0)
        self.falsehood = self.mixtures = trust.fit_falsehood(np.zeros(0), trust.DAY_S)

    def grid(self, shift: bool = False) -> Grid:
        """Nodes; ``shift``: half a cell away, to see what lies between the others."""
        return make_grid(self.times, self.model, self.box.low, self.box.high, self.spacing_km, shift)

    def parts(self) -> Parts:
        """Stretches of the picks."""
        return make_parts(self.source, len(self.model.x_km), self.grid().longest_s, self.known)

    def study(self, parts: list[Part]) -> None:
        """Learn from these parts, and choose the evidence that events need."""
        self.rounds(parts, learning=self.settings.learn)
        self.choose_threshold(parts)
        self.rehearse(parts[len(parts) // 2])

    def rounds(self, parts: list[Part], learning: bool) -> None:
        """Search the parts until nothing is added."""
        for part in parts:
            part.settled = part.exchanged = False
            part.scanned.clear()
            part.fronts[:] = part.fallen = 0
            part.renew_noise(self.known)
        for number in range(self.settings.n_rounds):
            busy = [part for part in parts if not part.settled]
            if not busy:
                break
            one = partial(self.round, grid=self.grid(shift=number % 2 == 1), number=number)
            self._tell(f"round {number + 1}", 0, len(busy))
            for done, _ in enumerate(each(one, busy, self.n_threads), 1):
                self._tell(f"round {number + 1}", done, len(busy))
            if learning:
                self.learn(parts)

    def search(self, parts: Parts, numbers: Sequence[int], compute: Compute | None = None) -> Iterator[Searched]:
        """Results of some of the parts, as they come, with nothing to learn."""
        search = self.alone()
        self._tell("parts", 0, len(numbers))
        for done, one in enumerate(search_parts(search, parts, numbers, compute, self.n_threads), 1):
            self._tell("parts", done, len(numbers))
            yield one

    def alone(self) -> Search:
        """A copy that knows nothing but what it has learned."""
        search = copy(self)
        search.progress, search.n_threads, search.source = None, 1, NO_PICKS
        return search

    def round(self, part: Part, grid: Grid, number: int) -> None:
        """Scan a part, accept what is new, and judge all again."""
        data = part.data
        first, last = float(data.picks.time_s.min()), float(data.picks.time_s.max())
        found = scan(data, self.model, grid, first - grid.longest_s, last, _CANDIDATE, part.changed(number % 2))
        new = accept(self.times, data, self.model, self.box, self.needed, found, _CANDIDATE, float(grid.spread_s[0]))
        events = np.concatenate([part.events, new])
        for _ in range(_SWEEPS):
            events = sweep(self.times, data, self.model, self.box, self.needed, events)
            part.renew_noise(self.known)
        part.events, part.settled = events, len(new) <= _FEW * len(events)
        part.candidates = np.concatenate([part.candidates, found[found[:, 4] >= _RIVAL]])
        if part.settled and not part.exchanged:
            fallen = self.no_fronts(part)
            part.events, made = self.exchange(part, float(grid.spread_s[0]))
            part.exchanged, part.settled = True, fallen + made <= _FEW * len(events)

    def no_fronts(self, part: Part) -> int:
        """Take the picks of waves from far away and bursts for what they are; how many hypotheses fell."""
        events = part.events
        kept = no_fronts(self.times, part.data, self.model, self.box, self.needed, events, part.fronts)
        part.events = events[kept]
        part.fallen += int(np.count_nonzero(part.owns(events) & ~kept))
        return len(events) - len(part.events)

    def exchange(self, part: Part, spread_s: float) -> tuple[Array, int]:
        """Events after the weaker ones were challenged by all that scans have found, and how many exchanges were made."""
        new, made = exchange(
            self.times, part.data, self.model, self.box, self.needed, part.events, part.candidates, spread_s,
            _WEAK * self.needed.evidence,
        )  # fmt: skip
        return sweep(self.times, part.data, self.model, self.box, self.needed, new), made

    def learn(self, parts: list[Part]) -> None:
        """What all parts teach; what their events explain follows it."""
        seen = [
            observe(self.times, part.data, self.model, part.events, part.probability)
            for part in parts
            if len(part.events)
        ]
        if not seen:
            return
        model, known = learn(self.model, join(seen), self.known)
        events = np.concatenate([part.events[part.owns(part.events)] for part in parts])
        self.model, self.known = learn_seismicity(model, known, events, self.box, self.spacing_km)
        for part in parts:
            explain_all(self.times, part.data, self.model, part.events)
            part.renew_noise(self.known)
            part.scanned.clear()

    def choose_threshold(self, parts: list[Part]) -> None:
        """The evidence that leaves the wanted number of false events, from picks shaken so that no event is left."""
        grid, rng = self.grid(), np.random.default_rng(self.settings.seed)
        # Of an S arrival after half of the longest travel time.
        sigma_s = float(np.hypot(self.model.sigma_s[1], self.model.model_error * 0.5 * grid.longest_s))
        times = trust.times_shaken(sum(len(part.data.noise) for part in parts))
        shaken = [
            trust.shaken(part.data, part.worth(self.known), part.span_s, sigma_s, rng)
            for part in parts
            for _ in range(times)
        ]
        needed = self.needed._replace(evidence=trust.FLOOR)

        def false(data: Evidence) -> Array:
            first, last = float(data.picks.time_s.min()), float(data.picks.time_s.max())
            found = scan(data, self.model, grid, first - grid.longest_s, last, _CANDIDATE)
            spread = float(grid.spread_s[0])
            return accept(self.times, data, self.model, self.box, needed, found, _CANDIDATE, spread)[:, EVIDENCE]

        there = [data for data in shaken if len(data.picks.time_s)]
        evidence = np.concatenate([np.zeros(0), *each(false, there, self.n_threads)])
        span = sum(part.span_s for part in parts)
        self.falsehood = trust.fit_falsehood(evidence, times * span)
        if self.settings.min_evidence is None:
            found = np.concatenate([part.events[:, EVIDENCE] for part in parts])
            wanted = self.settings.false_events_per_day
            self.needed = self.needed._replace(evidence=trust.needed_evidence(self.falsehood, found, wanted, span))

    def rehearse(self, part: Part) -> None:
        """How often mixtures are taken for events: from picks like those of a part, of which the truth is known."""
        if not len(part.events):
            return
        rng = np.random.default_rng(self.settings.seed)
        longest_s = self.grid().longest_s
        picks, event = picks_like(self.times, part, self.model, self.known.outlier_share, longest_s, rng)
        channels = by_channel(picks, len(self.model.x_km))
        trial = make_part(picks, channels, -math.inf, math.inf, self.known)
        self.rounds([trial], learning=False)
        evidence = mixtures(self.times, trial, self.model, self.least, event[channels.pick])
        self.mixtures = trust.fit_falsehood(evidence, part.span_s, self.needed.evidence)

    @property
    def least(self) -> tuple[int, int, int]:
        """Picks, P picks and S picks of an event."""
        return self.settings.min_picks, self.settings.min_p, self.settings.min_s

    def together(
        self, parts: Parts, compute: Compute | None, preview: Callable[[Search, Searched], None] | None = None
    ) -> Judged:
        """Events of all parts judged as one, and their picks; all picks are held at once."""
        if len(parts) == 1:
            self.rounds([whole := parts[0]], learning=False)
            found, events = [searched(whole)], whole.events
        else:
            found = []
            for one in self.search(parts, range(len(parts)), compute):
                found.append(one)
                if preview:
                    preview(self, one)
            found.sort(key=lambda one: one.first_s)
            whole = self.section(-math.inf, math.inf, found)
            events = np.concatenate([one.events for one in found])
        [verdict] = settle(self.rules, [whole], [events], judged=len(parts) == 1)
        return self.judged(verdict, self.doubt(verdict.events[:, EVIDENCE]), sum(one.fallen for one in found))

    def judged(self, verdict: Verdict, false_probability: Array, fallen: int = 0) -> Judged:
        """A verdict with all that it rests on; ``fallen`` hypotheses were fronts before."""
        section = verdict.section
        return Judged(
            verdict.events, verdict.assignment, false_probability, self.model, self.known, section.data, self.box, self.needed,
            self.falsehood, self.mixtures, self.spacing_km, float(self.grid().spread_s[0]), self.least,
            fallen + verdict.fallen, section.fronts,
        )  # fmt: skip

    def apart(self, one: Searched) -> tuple[Judged, PickArrays]:
        """What there would be of a part if the others found nothing, and the picks that it counts by."""
        section = self.section(one.first_s, one.last_s, [one])
        [verdict] = settle(self.rules, [section], [one.events])
        picks, _ = self.source.between(section.first_s - section.halo_s, section.last_s + section.halo_s)
        return self.judged(verdict, self.doubt(verdict.events[:, EVIDENCE])), picks

    def section(self, first_s: float, last_s: float, found: Sequence[Searched]) -> Part:
        """A stretch of the picks that is judged together, with the fronts that searches of parts have found."""
        section = read_part(
            self.source, len(self.model.x_km), first_s, last_s, self.known, 2.0 * halo_of(self.grid().longest_s),
            span_s=self.overview.span_s, total=self.overview.total,
        )  # fmt: skip
        take_fronts(section, found)
        return section

    def doubt(self, evidence: Array) -> Array:
        """(event,): probability that events are false."""
        return trust.false_probability((self.falsehood, self.mixtures), evidence, self.overview.span_s)

    @property
    def rules(self) -> Rules:
        """What events are judged by at the end."""
        return Rules(self.times, self.model, self.known, self.box, self.needed, self.least)

    def _tell(self, stage: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(stage, done, total)
