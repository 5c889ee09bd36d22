"""Exchange of events: what the order of acceptance, best first, gets wrong.

A mixture of two events that has more picks than either is taken before them, and then neither is left with enough. So the
weaker events are challenged, each by itself and with the event next to it in time: without them, what else explains the
picks? Whatever makes all picks likelier takes their place, be it two events for one (split), one for two (merge), or two
for two. As the likelihood rises with every exchange, none undoes another.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.hypothesis import (
    DEPTH,
    EVIDENCE,
    N_COLUMNS,
    RADIUS,
    RADIUS_S,
    ROW,
    TIME,
    Box,
    Evidence,
    X,
    Y,
    arrival_at,
    away_from,
    explain,
    fit,
    glance,
    largest_km,
    picks_near,
    reach_of,
)
from seisloom.associate.pick_model import RESIDUAL_MAX, PickModel, density_at, seismicity_at
from seisloom.associate.search import Needed
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]

_STEPS = 8
# Candidates so far away in time are looked at: a share of what P takes to the radius of detection, or this.
_BESIDE_KM_S, _BESIDE_S = 20.0, 2.0
_NEXT_S = 3.0  # an event and the next one are challenged together if no more apart
_CONTESTED = 2.0  # evidence that a candidate gains when events are left out, if it wants the same picks
_WORTH_A_LOOK = 0.5  # evidence of a candidate on the grid, over what is needed
_TRIED, _FITTED = 8, 24  # hypotheses that are tried in the place of an event, candidates that are fitted for that
_MOST = 4  # events that may take the place of one or two
_SAME_S, _SAME_KM = 0.3, 2.0
_PRICE = 4.0  # logarithm of the likelihood that one more event must be worth: it has four numbers of its own
_GAIN = 0.5  # less is not worth an exchange


class _At(NamedTuple):
    """What hypotheses are judged by."""

    times: TravelTimes
    data: Evidence
    model: PickModel
    box: Box
    needed: Needed
    spread_s: float
    together: Array
    """(slot,): see ``odds``."""
    rows: Array


def exchange(
    times: TravelTimes,
    data: Evidence,
    model: PickModel,
    box: Box,
    needed: Needed,
    events: Array,
    candidates: Array,
    spread_s: float,
    strongest: float,
) -> tuple[Array, int]:
    """The events once those with evidence up to ``strongest`` were challenged, and the number of exchanges.

    ``candidates`` (candidate, 5) are x, y, depth (km), origin time (s) and evidence, as ``scan`` finds them;
    ``data.explained`` follows the exchanges.
    """
    order = np.lexsort((*candidates[:, :3].T, candidates[:, 3]))
    rows = np.empty((2 * len(model.x_km), ROW))
    at = _At(times, data, model, box, needed, spread_s, np.zeros(len(data.noise)), rows)
    return _exchange(at, events, candidates[order], strongest)


@njit(cache=True, nogil=True, error_model="numpy")
def _exchange(at: _At, events: Array, candidates: Array, strongest: float) -> tuple[Array, int]:
    now, n, made = np.empty((2 * len(events) + 2 * _MOST, N_COLUMNS)), len(events), 0
    stands = np.zeros(len(now), np.bool_)
    now[:n], stands[:n] = events, True
    for i in range(n):
        odds(at.times, at.data, at.model, now[i], 1.0, at.together)
    for w in np.argsort(events[:, EVIDENCE]):
        if now[w, EVIDENCE] > strongest:
            break
        if not stands[w]:
            continue
        around = _around(at, now[w], candidates)
        for beside in _companions(now[:n], stands, w):
            if not stands[w] or n + _MOST > len(now):
                break
            group = np.array([w, beside])[: 1 if beside < 0 else 2]
            worth = 0.0
            for i in group:
                worth += _put(at, now[i], -1.0) - _PRICE
            new = _instead(at, now[group], around, worth + _GAIN)
            if len(new) == 0:
                for i in group:
                    _put(at, now[i], 1.0)
                continue
            stands[group] = False
            made += 1
            for i in range(len(new)):
                _put(at, new[i], 1.0)
                now[n], stands[n] = new[i], True
                n += 1
    return now[stands], made


@njit(cache=True, nogil=True, error_model="numpy")
def _put(at: _At, event: Array, sign: float) -> float:
    """Add an event (1) or take it away (-1); what it is worth beside the others."""
    explain(at.times, at.data, at.model, event, sign)
    return odds(at.times, at.data, at.model, event, sign, at.together)


@njit(cache=True, nogil=True, error_model="numpy")
def _companions(events: Array, stands: npt.NDArray[np.bool_], w: int) -> list[int]:
    """-1 for none, and the rows of the events next before and next after that of row ``w``."""
    before, after = -1, -1
    for i in range(len(events)):
        apart = events[i, TIME] - events[w, TIME]
        if i == w or not stands[i] or abs(apart) > _NEXT_S:
            continue
        if apart < 0.0 and (before < 0 or events[i, TIME] > events[before, TIME]):
            before = i
        if apart >= 0.0 and (after < 0 or events[i, TIME] < events[after, TIME]):
            after = i
    found = [-1]
    if before >= 0:
        found.append(before)
    if after >= 0:
        found.append(after)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _around(at: _At, event: Array, candidates: Array) -> Array:
    """Candidates near an event in time, with the evidence that is left to them; (candidate, 7)."""
    within = max(largest_km(at.model, event) / _BESIDE_KM_S, _BESIDE_S)
    first = np.searchsorted(candidates[:, 3], event[TIME] - within)
    last = np.searchsorted(candidates[:, 3], event[TIME] + within)
    found = np.empty((last - first, N_COLUMNS))
    for k in range(len(found)):
        found[k, :4] = candidates[first + k, :4]
        found[k, EVIDENCE] = glance(at.times, at.data, at.model, found[k], at.spread_s, at.rows)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _instead(at: _At, group: Array, around: Array, least: float) -> Array:
    """Events in the place of a group that was taken away, if they are worth more than ``least``; else none."""
    rivals, n_rivals = np.empty((len(around) + len(group), N_COLUMNS)), 0
    for k in range(len(around)):
        rival = rivals[n_rivals]
        rival[:] = around[k]
        rival[EVIDENCE] = glance(at.times, at.data, at.model, rival, at.spread_s, at.rows)
        n_rivals += rival[EVIDENCE] > max(_WORTH_A_LOOK * at.needed.evidence, around[k, EVIDENCE] + _CONTESTED)
    rivals[n_rivals : n_rivals + len(group)] = group
    rivals = rivals[: n_rivals + len(group)]
    tried, n = np.empty((_TRIED + len(group), N_COLUMNS)), 0
    if len(group) == 1:
        tried[0], n = group[0], 1
    best, chosen = least, np.empty((0, N_COLUMNS))
    for k in np.argsort(-rivals[:, EVIDENCE])[:_FITTED]:
        if n == len(tried):
            break
        tried[n] = rivals[k]
        if not _stands(at, tried[n], at.spread_s if k < n_rivals else 0.0) or _known(tried, n):
            continue
        new, worth = _with_followers(at, tried[n], rivals, n_rivals)
        if worth > best:
            best, chosen = worth, new
        n += 1
    return chosen


@njit(cache=True, nogil=True, error_model="numpy")
def _stands(at: _At, event: Array, spread_s: float) -> bool:
    """Fit a candidate (in place); whether it has what an event needs."""
    event[RADIUS] = event[RADIUS_S] = len(at.model.radius_km) // 2
    own = fit(at.times, at.data, at.model, at.box, event, _STEPS, spread_s, at.rows)
    return bool(event[EVIDENCE] >= at.needed.evidence and own >= at.needed.picks)


@njit(cache=True, nogil=True, error_model="numpy")
def _known(tried: Array, n: int) -> bool:
    """Whether row ``n`` is one of those before it."""
    for i in range(n):
        apart = math.sqrt(np.sum((tried[i, :TIME] - tried[n, :TIME]) ** 2))
        if abs(tried[i, TIME] - tried[n, TIME]) < _SAME_S and apart < _SAME_KM:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _with_followers(at: _At, leader: Array, rivals: Array, n_rivals: int) -> tuple[Array, float]:
    """An event and those that stand beside it, best first, and what they are worth together; nothing is kept.

    Rivals from ``n_rivals`` on are events that were fitted.
    """
    new = np.empty((_MOST, N_COLUMNS))
    new[0] = leader
    n, worth = 1, _put(at, leader, 1.0) - _PRICE
    most = rivals[:, EVIDENCE].copy()  # the more is explained, the less is left
    most[n_rivals:] = math.inf
    while n < _MOST:
        found, best = at.needed.evidence, -1
        for k in range(len(rivals)):
            if most[k] <= found:
                continue
            new[n] = rivals[k]
            most[k] = glance(at.times, at.data, at.model, new[n], at.spread_s if k < n_rivals else 0.0, at.rows)
            if most[k] > found:
                found, best = most[k], k
        if best < 0:
            break
        new[n] = rivals[best]
        if not _stands(at, new[n], at.spread_s if best < n_rivals else 0.0):
            break
        worth += _put(at, new[n], 1.0) - _PRICE
        n += 1
    for i in range(n):
        _put(at, new[i], -1.0)
    return new[:n].copy(), worth


@njit(cache=True, nogil=True, error_model="numpy")
def odds(times: TravelTimes, data: Evidence, model: PickModel, event: Array, sign: float, together: Array) -> float:
    """What an event adds to the logarithm of the likelihood of all picks, beside the events in ``together``.

    That likelihood is the product of 1 - p over the channels and events, and of 1 + Σ p / (1 - p) f(r) / b over the picks,
    where the sum goes over the events (symbols as in ``hypothesis``). ``together`` (slot,) holds the sum of
    p / (1 - p) f(r), to which the event is added (sign 1) or from which it is taken (-1).
    """
    value = model.radius_prior[int(event[RADIUS])] + model.radius_prior[int(event[RADIUS_S])]
    value += seismicity_at(model, event[X], event[Y], event[DEPTH])
    reach = reach_of(model, event)
    for s in range(len(model.x_km)):
        away = away_from(model, event, s)
        if away.far_km > reach:
            continue
        for phase in range(2):
            one = arrival_at(times, model, event, s, phase, away)
            if one.p <= 0.0:
                continue
            value += model.weight[s] * math.log(1.0 - one.p)
            for wrong in range(2):
                first, last, share = picks_near(
                    data.picks, model, 2 * s + phase, wrong, one.time_s, RESIDUAL_MAX * one.sigma_s
                )
                for slot in range(first, last):
                    u = abs(data.picks.time_s[slot] - one.time_s) / one.sigma_s
                    density = one.p / (1.0 - one.p) * share * density_at(model, u) / one.sigma_s
                    before, noise = together[slot], data.noise[slot]
                    together[slot] = max(before + sign * density, 0.0)
                    value += sign * model.weight[s] * math.log((noise + together[slot]) / (noise + before))
    return value
