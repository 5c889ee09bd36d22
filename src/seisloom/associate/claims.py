"""Which events predict an arrival near a pick, and why each has it or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seisloom.associate.gather import LEAST_ODDS, odds_of, pairs
from seisloom.associate.hypothesis import DEPTH, TIME, X, Y, largest_km, radius_km, reach_of
from seisloom.associate.pick_model import RESIDUAL_MAX, PickModel
from seisloom.associate.plane import distances_km
from seisloom.associate.state import State
from seisloom.traveltime import PHASES, travel_times

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Shares = dict[tuple[int, int], tuple[float, float]]
"""Odds and posterior of a pick, by event and phase."""

_NEAR_S = 3.0
_MOST = 10


@dataclass(frozen=True)
class Claim:
    """An arrival that an event predicts at the station of a pick."""

    event_id: int
    phase: str
    """Of the arrival."""
    residual_s: float
    """Of the pick: positive if it came late."""
    standard_errors: float
    """The residual in these."""
    distance_km: float
    """Hypocentral."""
    reach_km: float
    """Distance up to which the event is picked."""
    odds: float
    """That the pick is of this event against that it came by chance; 0 for what is too far in time or space."""
    posterior: float
    """Probability that the pick is of this event."""
    has_it: bool
    why: str
    """Why it has the pick, or not."""


class Arrivals(NamedTuple):
    """What all events predict at one station, (2 event,): P of all events, then S of all."""

    event: Integers
    phase: Integers
    time_s: Array
    sigma_s: Array
    distance_km: Array
    """Hypocentral."""
    reach_km: Array


def arrivals_at(state: State, station: int) -> Arrivals:
    """P and S of every event at a station, also those that it is too far to pick."""
    model, events = state.judged.model, state.judged.events
    far = distances_km(events[:, X], events[:, Y], model.x_km[[station]], model.y_km[[station]])[:, 0]
    reach = np.array([[_reach_km(model, event, code) for event in events] for code in (0, 1)]).ravel()
    reach *= model.sensitivity[station]
    phase = np.repeat([0, 1], len(events))
    travel = travel_times(state.times, phase, station, np.tile(far, 2), np.tile(events[:, DEPTH], 2))
    return Arrivals(
        np.tile(np.arange(len(events)), 2), phase,
        np.tile(events[:, TIME], 2) + travel + model.delay_s[2 * station + phase],
        np.hypot(model.sigma_s[phase], model.model_error * travel),
        np.tile(np.hypot(far, events[:, DEPTH] - model.depth_km[station]), 2), reach,
    )  # fmt: skip


def _reach_km(model: PickModel, event: Array, phase: int) -> float:
    """Distance up to which an event is picked by a phase."""
    return float(reach_of(model, event) * radius_km(model, event, phase) / largest_km(model, event))


def claims_on(state: State, slot: int) -> tuple[list[Claim], Claim | None]:
    """Arrivals near a pick, the one that has it and the likeliest first; and the nearest of all that events predict."""
    picks = state.judged.data.picks
    there = arrivals_at(state, int(picks.channel[slot]) // 2)
    if not len(there.event):
        return [], None
    residual = picks.time_s[slot] - there.time_s
    late = np.abs(residual) / there.sigma_s
    heard = there.distance_km <= there.reach_km
    near = np.flatnonzero((late < RESIDUAL_MAX) | (heard & (np.abs(residual) < _NEAR_S)))
    nearest = int(np.argmin(np.abs(residual)))
    shares = _shares(state, slot, np.unique(there.event[near]))
    claims = {int(k): _claim(state, slot, there, int(k), shares) for k in np.union1d(near, nearest)}
    ordered = sorted(
        (claims[int(k)] for k in near),
        key=lambda one: (not one.has_it, -one.odds, abs(one.standard_errors)),
    )
    return ordered[:_MOST], claims[nearest]


def _shares(state: State, slot: int, events: Integers) -> Shares:
    """As they are when picks are shared out."""
    judged = state.judged
    found, cells = pairs(state.times, judged.data, judged.model, judged.events[events])
    mine = np.flatnonzero(found.slot == slot)
    odds = odds_of(found, cells, judged.data, judged.model)[mine]
    total = 1.0 + float(odds.sum())
    keys = zip(events[found.event[mine]].tolist(), (cells.channel[found.cell[mine]] % 2).tolist(), strict=True)
    return {key: (one, one / total) for key, one in zip(keys, odds.tolist(), strict=True)}


def _claim(state: State, slot: int, there: Arrivals, k: int, shares: Shares) -> Claim:
    event, phase, given = int(there.event[k]), int(there.phase[k]), state.judged.assignment
    odds, posterior = shares.get((event, phase), (0.0, 0.0))
    residual = float(state.judged.data.picks.time_s[slot] - there.time_s[k])
    errors = residual / float(there.sigma_s[k])
    return Claim(
        int(state.located.event_id[event]), PHASES[phase], residual, errors, float(there.distance_km[k]),
        float(there.reach_km[k]), odds, posterior, bool(given.event[slot] == event and given.phase[slot] == phase),
        _why(state, slot, there, k, errors, odds),
    )  # fmt: skip


def _why(state: State, slot: int, there: Arrivals, k: int, errors: float, odds: float) -> str:
    """The reason in words, in the order in which picks are lost."""
    given, channel = state.judged.assignment, int(state.judged.data.picks.channel[slot])
    event, phase, owner = int(there.event[k]), int(there.phase[k]), int(given.event[slot])
    if owner == event:
        if given.phase[slot] != phase:
            return f"the event has it as its {PHASES[given.phase[slot]]}"
        return "the event has it" + (
            f", as {PHASES[phase]}: the label is taken for wrong" if phase != channel % 2 else ""
        )
    if abs(errors) >= RESIDUAL_MAX:
        return f"too {'late' if errors > 0 else 'early'}"
    if odds <= LEAST_ODDS:
        if there.distance_km[k] > there.reach_km[k]:
            return (
                f"the station is too far: {PHASES[phase]} of the event is not picked beyond {there.reach_km[k]:.0f} km"
            )
        if odds <= 0.0:
            return f"{PHASES[phase]} is not looked for at this station, which has no such picks"
        return "likelier by chance"
    if owner >= 0:
        return f"event {state.located.event_id[owner]} has it, which it fits better"
    better = _holder(state, channel // 2, event, phase)
    return f"pick {state.pick_index[better]} of this station and phase fits the event better"


def _holder(state: State, station: int, event: int, phase: int) -> int:
    """The slot that an event has of a station and phase."""
    given, offsets = state.judged.assignment, state.judged.data.picks.offsets
    first, last = offsets[2 * station], offsets[2 * station + 2]
    held = np.flatnonzero((given.event[first:last] == event) & (given.phase[first:last] == phase))
    return int(first + held[0])
