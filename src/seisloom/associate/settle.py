"""The end of a search: events of all parts judged together, and every pick given to one event at most.

The picks may be too many to be held at once. They are gone through in sections then, each with what its neighbours lend, several
times: the means of all picks by chance, which are in every rate, are known after one round and used in the next. Borders of
sections lie where no event is for a while, so that the events are those which one section of all picks has, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from seisloom.associate.assign import Assignment, assign
from seisloom.associate.fronts import no_fronts
from seisloom.associate.hypothesis import DEPTH, TIME, Box, X, Y
from seisloom.associate.learn import Known
from seisloom.associate.noise_rates import chance_total
from seisloom.associate.parts import Part
from seisloom.associate.pick_model import PickModel
from seisloom.associate.search import Needed, explain_all, sweep
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_SWEEPS = 2


class Rules(NamedTuple):
    """What events are judged by."""

    times: TravelTimes
    model: PickModel
    known: Known
    box: Box
    needed: Needed
    least: tuple[int, int, int]
    """Picks, P picks and S picks that an event must be given."""


class Searched(NamedTuple):
    """What the search of a part has found."""

    first_s: float
    last_s: float
    events: Array
    """Of its own."""
    front_pick: Integers
    """Picks, by place among all, that waves from far away and bursts explain."""
    front_rate: Array
    """(front_pick,): their density, 1/s."""
    fallen: int


class Sections(Protocol):
    """Sections by number; a section that was changed is kept by setting it again."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Part: ...

    def __setitem__(self, number: int, section: Part) -> None: ...


@dataclass(frozen=True)
class Verdict:
    """The events of a section, and its picks."""

    section: Part
    events: Array
    """(event, 7), columns as in ``hypothesis``, by origin time."""
    assignment: Assignment
    """Of the section's slots, to these events."""
    fallen: int
    """Hypotheses that were fronts."""


def searched(part: Part) -> Searched:
    """What is needed of a part that was searched."""
    slots = np.flatnonzero(part.fronts)
    return Searched(
        part.first_s,
        part.last_s,
        part.events[part.owns(part.events)],
        part.pick[slots],
        part.fronts[slots],
        part.fallen,
    )


def take_fronts(section: Part, found: Sequence[Searched]) -> None:
    """Fronts that parts have found, of picks of a section."""
    place = np.argsort(section.pick)
    ordered = section.pick[place]
    for one in found:
        at = np.searchsorted(ordered, one.front_pick)
        there = at < len(ordered)
        there[there] = ordered[at[there]] == one.front_pick[there]
        slots = place[at[there]]
        section.fronts[slots] = np.maximum(section.fronts[slots], one.front_rate[there])


def settle(rules: Rules, sections: Sections, events: list[Array], *, judged: bool = False) -> Iterator[Verdict]:
    """Judge all ``events`` anew, those of each section, and share the picks out; verdicts in the order of the sections.

    ``judged``: rates are those that go with the events, as they are where the one section was searched as a whole.
    """
    total = None if judged else _round(rules, sections, events)
    for _ in range(_SWEEPS):
        total = _round(rules, sections, events, total, sweeping=True)
    taken = np.zeros(0, np.int64)
    for number in range(len(sections)):
        section = sections[number]
        verdict = _verdict(rules, section, _at_hand(section, events, number), total, taken)
        taken = section.pick[verdict.assignment.event >= 0]
        yield verdict


def _round(
    rules: Rules, sections: Sections, events: list[Array], total: Integers | None = None, sweeping: bool = False
) -> Integers:
    """Judge the events of all sections once if ``sweeping``; picks by chance then, (channel,)."""
    made, found = np.zeros(len(rules.model.detection), np.int64), list[Array]()
    for number in range(len(sections)):
        section = sections[number]
        at_hand = _at_hand(section, events, number)
        explain_all(rules.times, section.data, rules.model, at_hand)
        if total is not None:
            section.renew_noise(rules.known, total)
        if sweeping:
            at_hand = sweep(rules.times, section.data, rules.model, rules.box, rules.needed, at_hand)
        sections[number] = section
        own = section.own
        made += chance_total(section.data.picks.channel[own], section.chance[own], len(made))
        found.append(at_hand[_inside(at_hand, section.first_s, section.last_s)])
    events[:] = found
    return made


def _at_hand(section: Part, events: list[Array], number: int) -> Array:
    """Events of a section, and those of its neighbours that are near."""
    near = np.concatenate(events[max(number - 1, 0) : number + 2])
    return near[_inside(near, section.first_s - section.halo_s, section.last_s + section.halo_s)]


def _inside(events: Array, first_s: float, last_s: float) -> npt.NDArray[np.bool_]:
    return np.asarray((events[:, TIME] >= first_s) & (events[:, TIME] < last_s))


def _verdict(rules: Rules, section: Part, events: Array, total: Integers | None, taken: Integers) -> Verdict:
    """What stands of events, and whose picks are whose; picks that are ``taken`` are those of the section before."""
    data = section.data
    explain_all(rules.times, data, rules.model, events)
    section.renew_noise(rules.known, total)
    kept = no_fronts(rules.times, data, rules.model, rules.box, rules.needed, events, section.fronts)
    own = _inside(events, section.first_s, section.last_s)
    events, fallen = events[kept], int(np.count_nonzero(own & ~kept))
    events = events[np.lexsort((events[:, DEPTH], events[:, Y], events[:, X], events[:, TIME]))]
    given = assign(rules.times, data, rules.model, events, rules.least)
    explain_all(rules.times, data, rules.model, events[given.stands])
    mine = given.stands & _inside(events, section.first_s, section.last_s)
    given, standing = _only(given, mine, np.isin(section.pick, taken), rules.least)
    return Verdict(section, events[standing], given, fallen)


def _only(
    given: Assignment, mine: npt.NDArray[np.bool_], lost: npt.NDArray[np.bool_], least: tuple[int, int, int]
) -> tuple[Assignment, npt.NDArray[np.bool_]]:
    """The assignment to events that are ``mine`` (event,), slots ``lost`` left out, and which of these have enough picks still."""
    slots = np.flatnonzero((given.event >= 0) & ~lost)
    slots = slots[mine[given.event[slots]]]
    event, phase = given.event[slots], given.phase[slots]
    n_p, n_s = (np.bincount(event[phase == code], minlength=len(mine)) for code in (0, 1))
    standing = mine & (n_p + n_s >= least[0]) & (n_p >= least[1]) & (n_s >= least[2])
    slots = slots[standing[event]]
    owner, named, posterior = np.full_like(given.event, -1), np.full_like(given.phase, -1), np.zeros(len(lost))
    owner[slots] = (np.cumsum(standing) - 1)[given.event[slots]]
    named[slots], posterior[slots] = given.phase[slots], given.posterior[slots]
    return Assignment(owner, named, posterior, standing[standing]), standing


def section_borders(found: Sequence[Searched], n_parts: int) -> list[float]:
    """Where sections of about ``n_parts`` parts begin and end (s): in the longest time without an event in a part."""
    last = [one for one in found[n_parts - 1 :: n_parts] if math.isfinite(one.last_s)]
    if 0 < len(found) % n_parts <= n_parts // 2:  # too few for a section of their own
        last = last[:-1]
    return [-math.inf, *map(_quiet_s, last), math.inf]


def n_sections(n_found: int, n_parts: int) -> int:
    """How many sections :func:`section_borders` makes of so many parts."""
    few = n_found > n_parts and 0 < n_found % n_parts <= n_parts // 2
    return 1 + (n_found - 1) // n_parts - few


def _quiet_s(part: Searched) -> float:
    """The middle of the longest time of a part in which no event begins."""
    start = part.first_s if math.isfinite(part.first_s) else part.last_s - 1.0
    at = np.concatenate([[start], np.sort(part.events[:, TIME]), [part.last_s]])
    at = np.clip(at, start, part.last_s)
    longest = int(np.argmax(np.diff(at)))
    return float(0.5 * (at[longest] + at[longest + 1]))
