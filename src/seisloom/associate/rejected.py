"""The best hypotheses of some origin times that are no events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seisloom import geo
from seisloom.associate.hypothesis import DEPTH, EVIDENCE, N_COLUMNS, RADIUS, RADIUS_S, TIME, Box, Evidence, X, Y
from seisloom.associate.lacking import Hypothesis, Stretch, beyond_km, describe, stretch, weigh
from seisloom.associate.plane import distances_km
from seisloom.associate.scan import Grid, scan
from seisloom.associate.score import MATCH_SHARE
from seisloom.associate.state import State
from seisloom.errors import InputError
from seisloom.traveltime import travel_times

Array = npt.NDArray[np.float64]

_LOOKED_AT = 3.0  # evidence on the grid
_LEAST = 1.0  # that a fitted hypothesis must have
_FEWEST = 3  # picks that agree are worth a word
_FITTED = 20  # places of the grid at most
_SHOWN = 3
_STEPS, _MORE_STEPS = 8, 3
_HALO_S = 15.0
_NEAR_PLACE_KM = 30.0


def rejected(
    state: State,
    first_s: float,
    last_s: float,
    place: tuple[float, float] | None = None,
    listed: npt.ArrayLike = (),
) -> list[Hypothesis]:
    """The three best hypotheses with origin times from ``first_s`` to ``last_s`` (since ``state.reference_ns``), best first.

    ``place`` is a latitude and longitude within 30 km of which they lie; without it those far outside of where events
    are looked for come too, if they have the evidence of an event. Left out are events of the catalogue, what has most of
    its picks from those that are ``listed`` (rows of ``Judged.events``), or from a better hypothesis.
    """
    span = (first_s, last_s)
    here = stretch(state, first_s - _HALO_S, last_s + state.wide_grid.longest_s + _HALO_S)
    if place is not None:
        box = _about(state, place)
        grid = state.nodes(box)
        fitted = [event for data in here[:2] for event in _fitted(state, data, grid, box, span)]
    else:
        box = state.judged.box
        fitted = [event for data in here[:2] for event in _fitted(state, data, state.grid, box, span)]
        outside = _fitted(state, here.alone, state.wide_grid, state.wide_box, span)
        needed = state.judged.needed.evidence
        fitted += [e for e in outside if beyond_km(state, e[X], e[Y]) > 0.0 and e[EVIDENCE] >= needed]
    return _different(state, here, fitted, listed)


def rejected_with(state: State, slot: int) -> Hypothesis | None:
    """The best hypothesis that a pick would be of, with what the events of the catalogue leave."""
    time = float(state.judged.data.picks.time_s[slot])
    span = (time - state.grid.longest_s, time)
    here = stretch(state, span[0] - _HALO_S, span[1] + state.grid.longest_s + _HALO_S)
    fitted = _fitted(state, here.left, state.grid, state.judged.box, span, slot)
    pick = int(state.pick_index[slot])
    return next((one for one in _different(state, here, fitted) if pick in one.picks), None)


def _different(state: State, here: Stretch, fitted: list[Array], listed: npt.ArrayLike = ()) -> list[Hypothesis]:
    """The best that have not most of their picks in common with others or with events; one that lives on events at most."""
    ignored = set(state.located.event_id[np.asarray(listed, np.int64)].tolist())
    found: list[Hypothesis] = []
    for one in sorted((describe(state, here, event) for event in fitted), key=lambda one: -one.evidence):
        most = len(one.picks) / 2
        repeats = any(n > most for number, n in one.shared.items() if number in ignored)
        repeats |= any(len(set(one.picks) & set(other.picks)) > most for other in found)
        repeats |= one.lives_on_events and any(other.lives_on_events for other in found)
        worth_it = (one.evidence >= _LEAST or one.lives_on_events) and len(one.picks) >= _FEWEST
        if worth_it and not repeats and not _is_event(state, one):
            found.append(one)
        if len(found) == _SHOWN:
            break
    return found


def _about(state: State, place: tuple[float, float]) -> Box:
    """The box about a place."""
    box = state.judged.box
    low, high, middle = box.low.copy(), box.high.copy(), in_plane(state, place)
    low[:2], high[:2] = middle - _NEAR_PLACE_KM, middle + _NEAR_PLACE_KM
    return box._replace(low=low, high=high)


def in_plane(state: State, place: tuple[float, float]) -> Array:
    """x and y (km) of a latitude and longitude; InputError for one that is none."""
    if not (-90 <= place[0] <= 90 and -180 <= place[1] <= 360):
        raise InputError(
            f"place {place[0]:g} {place[1]:g}: latitude (-90 to 90) and longitude (-180 to 360) are expected"
        )
    return np.array(geo.to_plane(*place, state.network.lat0, state.network.lon0)).ravel()


def _fitted(
    state: State, data: Evidence, grid: Grid, box: Box, span_s: tuple[float, float], with_slot: int | None = None
) -> list[Array]:
    """Hypotheses (7,) where evidence on the grid is largest, each moved to its best place; with what each has by itself."""
    if not len(data.picks.time_s):
        return []
    found = scan(data, state.judged.model, grid, span_s[0], span_s[1] + grid.step_s, _LOOKED_AT)
    if with_slot is not None:
        found = found[_predicts(state, grid, found, with_slot)]
    fitted = []
    for place in found[np.argsort(-found[:, 4], kind="stable")][:_FITTED]:
        event = np.empty(N_COLUMNS)
        event[:4] = place[:4]
        event[[RADIUS, RADIUS_S]] = len(state.judged.model.radius_km) // 2
        weigh(state, data, box, event, _STEPS, float(grid.spread_s[0]))
        weigh(state, data, box, event, _MORE_STEPS)
        inside = span_s[0] - grid.step_s <= event[TIME] <= span_s[1] + grid.step_s
        if inside and event[EVIDENCE] >= _LEAST:
            fitted.append(event)
    return fitted


def _predicts(state: State, grid: Grid, found: Array, slot: int) -> npt.NDArray[np.bool_]:
    """(candidate,): whether P or S would come about the time of a pick."""
    model, picks = state.judged.model, state.judged.data.picks
    station = int(picks.channel[slot]) // 2
    far = distances_km(found[:, X], found[:, Y], model.x_km[[station]], model.y_km[[station]])
    travel = travel_times(state.times, [0, 1], station, far, found[:, [DEPTH]])
    arrival = found[:, [TIME]] + travel + model.delay_s[2 * station : 2 * station + 2]
    return np.any(np.abs(arrival - picks.time_s[slot]) < 3.0 * (grid.spread_s + model.sigma_s), axis=1)


def _is_event(state: State, one: Hypothesis) -> bool:
    """Whether a hypothesis is an event of the catalogue: they have most of their picks in common."""
    for number, n in one.shared.items():
        event = int(np.flatnonzero(state.located.event_id == number)[0])
        total = np.count_nonzero(state.judged.assignment.event == event)
        if n >= MATCH_SHARE * total and n >= MATCH_SHARE * len(one.picks):
            return True
    return False
