"""Why a pick is, or is not, of an event; and why a time has no event."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.associate.by_likelihood import FATES
from seisloom.associate.claims import Claim, claims_on
from seisloom.associate.explain_words import pick_in_words, time_in_words, utc
from seisloom.associate.gather import LEAST_ODDS
from seisloom.associate.hypothesis import EVIDENCE
from seisloom.associate.lacking import Hypothesis, beyond_km
from seisloom.associate.learn import worth_of_probability
from seisloom.associate.noise_rates import WINDOW_S
from seisloom.associate.rejected import in_plane, rejected, rejected_with
from seisloom.associate.state import State
from seisloom.errors import InputError
from seisloom.traveltime import PHASES

Array = npt.NDArray[np.float64]

WITHIN_S = 5.0
"""Origin times so far from the one asked for are looked at."""
_SECOND_NS = 1_000_000_000
_HOUR_S = 3600.0


@dataclass(frozen=True)
class NoiseAbout:
    """Picks by chance about a pick; events' picks left out."""

    per_hour: float
    """Of its station and phase, about its time."""
    usual_per_hour: float
    """The same over all the time."""
    network: float
    """Picks of all stations within 7.5 s over what is usual."""


@dataclass(frozen=True)
class PickExplanation:
    """What became of a pick; ``str()`` is for people."""

    pick_index: int
    station: str
    phase: str
    time_ns: int
    probability: float
    worth: float
    """How much likelier picks with this probability are of an event than others."""
    fate: str
    event_id: int | None
    noise: NoiseAbout
    claims: list[Claim]
    """Events that predict an arrival near it, the likeliest first."""
    nearest: Claim | None
    """The nearest arrival that any event predicts at its station."""
    hypothesis: Hypothesis | None
    """The best one that would have it, where no event has."""

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        hypothesis = self.hypothesis.to_json() if self.hypothesis else None
        return {"time": utc(self.time_ns)} | asdict(self) | {"hypothesis": hypothesis}

    def __str__(self) -> str:
        return pick_in_words(self)


@dataclass(frozen=True)
class EventAt:
    """An event of the catalogue."""

    event_id: int
    time_ns: int
    latitude: float
    longitude: float
    depth_km: float
    n_picks: int
    evidence: float
    false_probability: float


@dataclass(frozen=True)
class TimeExplanation:
    """What is known of events at a time; ``str()`` is for people."""

    time_ns: int
    within_s: float
    place: tuple[float, float] | None
    """Latitude and longitude near which hypotheses lie."""
    beyond_km: float
    """How far that is outside where events are looked for."""
    events: list[EventAt]
    """Of the catalogue, with origin times there."""
    picks: int
    """From the first of these origin times to the last arrival that they may have."""
    used: dict[int, int]
    """How many of them each event has, by event_id."""
    hypotheses: list[Hypothesis]
    """The best others, best first."""

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        events = [{"time": utc(event.time_ns)} | asdict(event) for event in self.events]
        hypotheses = [one.to_json() for one in self.hypotheses]
        return {"time": utc(self.time_ns)} | asdict(self) | {"events": events, "hypotheses": hypotheses}

    def __str__(self) -> str:
        return time_in_words(self)


def explain_pick(state: State, pick_index: int) -> PickExplanation:
    """What became of a pick of the pick file, and why; InputError for one that was not associated."""
    slot = _slot(state, pick_index)
    judged, picks = state.judged, state.judged.data.picks
    channel, time = int(picks.channel[slot]), float(picks.time_s[slot])
    near, nearest = claims_on(state, slot)
    probability = state.probability[slot : slot + 1]
    worth = float(worth_of_probability(judged.known, np.array([channel % 2]), probability)[0])
    event = int(judged.assignment.event[slot])
    hypothesis = None if event >= 0 else rejected_with(state, slot)
    return PickExplanation(
        pick_index, state.network.ids[channel // 2], PHASES[channel % 2], _ns(state, time), float(probability[0]), worth,
        FATES[_fate(near, event)], int(state.located.event_id[event]) if event >= 0 else None,
        _noise(state, slot, worth), near, nearest, hypothesis,
    )  # fmt: skip


def explain_time(
    state: State, time_ns: int, place: tuple[float, float] | None = None, within_s: float = WITHIN_S
) -> TimeExplanation:
    """Events with origin times about an instant, and the best hypotheses that are none.

    ``time_ns`` is in nanoseconds since 1970, ``place`` a latitude and longitude that hypotheses must be near. InputError
    for a time outside the picks.
    """
    time = (time_ns - state.reference_ns) / _SECOND_NS
    picks = state.judged.data.picks.time_s
    longest = state.grid.longest_s
    if not picks.min() - longest - within_s <= time <= picks.max() + within_s:
        first, last = (utc(_ns(state, float(end))) for end in (picks.min(), picks.max()))
        raise InputError(f"time {utc(time_ns)}: no event there could have a pick; the picks run from {first} to {last}")
    inside = np.flatnonzero((picks >= time - within_s) & (picks < time + within_s + longest))
    owner = state.judged.assignment.event[inside]
    used = dict(Counter(state.located.event_id[owner[owner >= 0]].tolist()).most_common())
    late_ns = np.abs(state.located.time_ns - time_ns)
    events = np.flatnonzero((state.located.event_id >= 0) & (late_ns <= within_s * _SECOND_NS))
    return TimeExplanation(
        time_ns, within_s, place, beyond_km(state, *in_plane(state, place)) if place else 0.0, [_event(state, int(e)) for e in events], len(inside), used,
        rejected(state, time - within_s, time + within_s, place, events),
    )  # fmt: skip


def _ns(state: State, time_s: float) -> int:
    return state.reference_ns + round(time_s * _SECOND_NS)


def _slot(state: State, pick_index: int) -> int:
    found = np.flatnonzero(state.pick_index == pick_index)
    if not len(found):
        raise InputError(
            f"pick {pick_index}: not one of the {len(state.pick_index)} picks that were associated, whose numbers "
            f"(pick_index) run from {state.pick_index.min()} to {state.pick_index.max()}; picks of unknown stations, repeats "
            "and those below the least probability are left out before: see report.txt"
        )
    return int(found[0])


def _fate(near: list[Claim], event: int) -> int:
    """An index of FATES."""
    best = max((claim.odds for claim in near), default=0.0)
    return 3 if event >= 0 else 2 if best > LEAST_ODDS else 1 if best > 0.0 else 0


def _noise(state: State, slot: int, worth: float) -> NoiseAbout:
    data = state.judged.data
    chance = data.noise / (data.noise + data.explained)
    first, last = data.picks.offsets[(channel := data.picks.channel[slot])], data.picks.offsets[channel + 1]
    about = np.abs(data.picks.time_s - data.picks.time_s[slot]) <= 0.5 * WINDOW_S
    return NoiseAbout(
        _HOUR_S * float(data.noise[slot]) * worth,
        _HOUR_S * float(chance[first:last].sum()) / state.span_s,
        float(chance[about].sum() / (chance.sum() * min(WINDOW_S / state.span_s, 1.0))),
    )


def _event(state: State, event: int) -> EventAt:
    located, judged = state.located, state.judged
    return EventAt(
        int(located.event_id[event]), int(located.time_ns[event]), float(located.latitude[event]),
        float(located.longitude[event]), float(located.depth_km[event]),
        int(np.count_nonzero(judged.assignment.event == event)), float(judged.events[event, EVIDENCE]),
        float(judged.false_probability[event]),
    )  # fmt: skip
