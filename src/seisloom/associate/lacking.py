"""What a hypothesis of an event has, and what it lacks to be one."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seisloom.associate import trust
from seisloom.associate.assign import assign
from seisloom.associate.explain_words import utc, why_no_event
from seisloom.associate.fronts import best_front, no_fronts
from seisloom.associate.gather import LEAST_ODDS, Cells, Pairs, odds_of, pairs
from seisloom.associate.hypothesis import DEPTH, EVIDENCE, ROW, TIME, Box, Evidence, X, Y, explain, fit, reach_of
from seisloom.associate.pick_model import Channels, PickModel, seismicity_at
from seisloom.associate.state import State
from seisloom.traveltime import PHASES

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_EXPECTED = 0.5  # probability of detection from which a missing pick is named
_STEPS = 8


@dataclass(frozen=True)
class Hypothesis:
    """An event that might be; numbers of picks are those of the pick file, places those of the best fit."""

    time_ns: int
    latitude: float
    longitude: float
    depth_km: float
    reach_km: float
    """Distance (hypocentral) up to which stations are expected to pick it."""
    evidence: float
    """Logarithm of the likelihood ratio, of what the events of the catalogue leave."""
    evidence_alone: float
    """As if there were no other event."""
    needed: float
    given: tuple[int, int, int]
    """Picks, P and S picks that it would be given beside the events of the catalogue."""
    least: tuple[int, int, int]
    """That an event must be given."""
    own: float
    """Expected number of picks that are its own."""
    needed_own: float
    picks: list[int]
    """That fit it, whether or not events have them."""
    for_it: float
    """Evidence of stations and phases with a pick."""
    against_it: float
    """Of those without (negative)."""
    for_place: float
    """Logarithm of how usual events are at such a place, over the mean."""
    missing: list[str]
    """Stations and phases without a pick that are expected to have one."""
    shared: dict[int, int]
    """Of its picks, how many each event has, by event_id."""
    front: float
    """Evidence of a wave from far away, or a burst at one instant, if it explains the picks better; else 0."""
    beyond_km: float
    """How far its epicentre lies beyond where events are looked for; 0 inside."""
    false_probability: float
    false_per_day: float
    """Of as much evidence, expected by chance."""

    @property
    def has_evidence(self) -> bool:
        return self.evidence >= self.needed

    @property
    def lives_on_events(self) -> bool:
        """Would be an event if others had not its picks."""
        return not self.has_evidence and self.evidence_alone >= self.needed and bool(self.shared)

    @property
    def reason(self) -> str:
        """Why it is no event."""
        return why_no_event(self)

    def to_json(self) -> dict[str, Any]:
        """All fields, the time as text, and the reason."""
        return {"time": utc(self.time_ns)} | asdict(self) | {"reason": self.reason}


class Stretch(NamedTuple):
    """The picks about some origin times, and the events that could have them."""

    left: Evidence
    """With what the events of the catalogue explain."""
    alone: Evidence
    """With nothing explained."""
    slot: Integers
    """(slot here,): slot of the state."""
    events: Array
    """Of the catalogue, and their numbers:"""
    number: Integers


def stretch(state: State, first_s: float, last_s: float) -> Stretch:
    """Picks from ``first_s`` to ``last_s`` and what is known of them."""
    data, events = state.judged.data, state.judged.events
    picks = data.picks
    slot = np.flatnonzero((picks.time_s >= first_s) & (picks.time_s < last_s))
    channel = picks.channel[slot]
    offsets = np.searchsorted(channel, np.arange(len(picks.offsets))).astype(np.int64)
    mine = Channels(offsets, picks.time_s[slot], channel, picks.pick[slot])
    # Whether a wave from far away takes them is asked for each hypothesis by itself.
    noise, explained = (data.noise - state.judged.front_rate)[slot], data.explained[slot]
    owners = np.unique(state.judged.assignment.event[slot])
    owners = owners[owners >= 0]
    return Stretch(
        Evidence(mine, noise, explained), Evidence(mine, noise, np.zeros(len(slot))), slot, events[owners], owners
    )


def weigh(state: State, data: Evidence, box: Box, event: Array, n: int, spread_s: float = 0.0) -> float:
    """Move an event (in place) to where it has most evidence; no step: weigh it where it is. Returns picks of its own."""
    rows = np.empty((2 * len(state.judged.model.x_km), ROW))
    return float(fit(state.times, data, state.judged.model, box, event, n, spread_s, rows))


def describe(state: State, here: Stretch, event: Array) -> Hypothesis:
    """What a hypothesis (7,) has, and what it lacks."""
    judged, network = state.judged, state.network
    beyond = _leave_box(state, here.alone, event)
    left, alone = event.copy(), event.copy()
    weigh(state, here.alone, judged.box, alone, 0)
    own = weigh(state, here.left, judged.box, left, 0)
    found, cells = pairs(state.times, here.alone, judged.model, alone[None])
    worth, has = _say(state, here.alone, found, cells)
    expected = judged.model.detection[cells.channel] * cells.near >= _EXPECTED
    slots = _picks(here.alone, judged.model, found, cells)
    owner = judged.assignment.event[here.slot[slots]]
    latitude, longitude = network.geographic(event[[X]], event[[Y]])
    false = trust.false_probability(
        (judged.falsehood, judged.mixtures), np.append(judged.events[:, EVIDENCE], left[EVIDENCE]), state.span_s
    )
    return Hypothesis(
        time_ns=state.reference_ns + round(event[TIME] * 1e9),
        latitude=float(latitude[0]),
        longitude=float(longitude[0]),
        depth_km=float(event[DEPTH]),
        reach_km=float(reach_of(judged.model, event)),
        evidence=float(left[EVIDENCE]),
        evidence_alone=float(alone[EVIDENCE]),
        needed=judged.needed.evidence,
        given=_given(state, here, left),
        least=judged.least,
        own=own,
        needed_own=judged.needed.picks,
        picks=sorted(state.pick_index[here.slot[slots]].tolist()),
        for_it=float(worth[has].sum()),
        against_it=float(worth[~has].sum()),
        for_place=float(seismicity_at(judged.model, alone[X], alone[Y], alone[DEPTH])),
        missing=[f"{network.ids[c // 2]} {PHASES[c % 2]}" for c in cells.channel[expected & ~has]],
        shared={int(state.located.event_id[e]): n for e, n in Counter(owner[owner >= 0].tolist()).most_common()},
        front=_front(state, here.left, left),
        beyond_km=beyond,
        false_probability=float(false[-1]),
        false_per_day=trust.DAY_S * judged.falsehood.rate_above(float(left[EVIDENCE])),
    )


def _front(state: State, left: Evidence, event: Array) -> float:
    """Evidence of the front by which a hypothesis falls; 0 if it stands."""
    if not event[EVIDENCE] >= state.judged.needed.evidence:
        return 0.0
    model, box, needed = state.judged.model, state.judged.box, state.judged.needed
    data = left._replace(noise=left.noise.copy(), explained=left.explained.copy())
    explain(state.times, data, model, event, 1.0)
    stands = no_fronts(state.times, data, model, box, needed, event[None].copy(), np.zeros(len(data.noise)))[0]
    return 0.0 if stands else best_front(state.times, left, model, event).evidence


def _leave_box(state: State, data: Evidence, event: Array) -> float:
    """How far (km) a hypothesis lies beyond where events are looked for; one at the edge is fitted again without it."""
    box = state.judged.box
    on_edge = np.any((event[:2] == box.low[:2]) | (event[:2] == box.high[:2]))
    if on_edge:
        weigh(state, data, state.wide_box, event, _STEPS)
    return beyond_km(state, event[X], event[Y])


def _say(state: State, data: Evidence, found: Pairs, cells: Cells) -> tuple[Array, npt.NDArray[np.bool_]]:
    """(cell,): evidence of each channel of one event, and whether it has a pick that is likelier than chance."""
    model = state.judged.model
    p = model.detection[cells.channel] * cells.near
    ratio = np.bincount(found.cell, found.density / (data.noise + data.explained)[found.slot], len(p))
    return model.weight[cells.channel // 2] * np.log(1.0 - p + ratio), ratio > p


def _picks(data: Evidence, model: PickModel, found: Pairs, cells: Cells) -> Integers:
    """Slots of the picks of one event: in each channel the likeliest, if it has the odds that it takes."""
    odds = odds_of(found, cells, data, model)
    order = np.lexsort((found.slot, -odds))
    order = order[odds[order] > LEAST_ODDS]
    _, first = np.unique(found.cell[order], return_index=True)
    return np.unique(found.slot[order[first]])


def _given(state: State, here: Stretch, event: Array) -> tuple[int, int, int]:
    """Picks, P and S picks of a hypothesis if it were an event beside the others."""
    together = np.concatenate([here.events, event[None]])
    shared = assign(state.times, here.left, state.judged.model, together, (0, 0, 0))
    phase = shared.phase[shared.event == len(here.events)]
    return len(phase), int(np.count_nonzero(phase == 0)), int(np.count_nonzero(phase == 1))


def beyond_km(state: State, x_km: float, y_km: float) -> float:
    """How far a place lies outside where events are looked for; 0 inside."""
    box, place = state.judged.box, np.array([x_km, y_km])
    return float(np.hypot(*np.maximum(np.maximum(box.low[:2] - place, place - box.high[:2]), 0.0)))
