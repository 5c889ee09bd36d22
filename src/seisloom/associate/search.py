"""Which hypotheses are events: the best first, each judged against what the others explain, and judged again."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.hypothesis import (
    EVIDENCE,
    N_COLUMNS,
    RADIUS,
    RADIUS_S,
    ROW,
    Box,
    Evidence,
    explain,
    fit,
    glance,
)
from seisloom.associate.pick_model import PickModel
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]

_FIRST_STEPS = 8
_STEPS = 3


class Needed(NamedTuple):
    """What an event must have."""

    evidence: float
    """Logarithm of the likelihood ratio."""
    picks: float
    """Expected number of picks of its own."""


_PASSES = (20.0, 8.0, -1e9)  # evidence of candidates on the grid, of those that are looked at together


@njit(cache=True, nogil=True, error_model="numpy")
def accept(
    times: TravelTimes,
    data: Evidence,
    model: PickModel,
    box: Box,
    needed: Needed,
    candidates: Array,
    threshold: float,
    spread_s: float,
) -> Array:
    """Events among candidates (x, y, depth, time, evidence), (event, 7); what they explain is added to ``data``.

    Candidates, the strong ones of the grid first, are fitted if they still stand; then the best is taken, and what is
    left of the others is judged anew when their turn comes, so that a candidate that repeats an event, or lives on its
    picks, falls.
    """
    rows = np.empty((2 * len(model.x_km), ROW))
    events, taken = np.empty((len(candidates), N_COLUMNS)), np.empty((len(candidates), N_COLUMNS))
    n, above = 0, 1e9
    for least in _PASSES:
        heap = [(0.0, 0) for _ in range(0)]
        for i in range(len(candidates)):
            if not least <= candidates[i, 4] < above:
                continue
            events[i, :4] = candidates[i, :4]
            events[i, RADIUS] = events[i, RADIUS_S] = len(model.radius_km) // 2
            # Strong ones stand as the grid says until something new is explained; weak ones are too many for that.
            if (n > 0 or least < 0.0) and glance(times, data, model, events[i], spread_s, rows) < threshold:
                continue
            own = fit(times, data, model, box, events[i], _FIRST_STEPS, spread_s, rows)
            if events[i, EVIDENCE] >= needed.evidence and own >= needed.picks:
                heap.append((-events[i, EVIDENCE], i))
        heapq.heapify(heap)
        while len(heap) > 0:
            before, i = heapq.heappop(heap)
            own = fit(times, data, model, box, events[i], _STEPS, 0.0, rows)
            now = events[i, EVIDENCE]
            if now < needed.evidence or own < needed.picks:
                continue
            if len(heap) > 0 and now < -heap[0][0] - 1e-3 and now < -before - 0.5:
                heapq.heappush(heap, (-now, i))
                continue
            explain(times, data, model, events[i], 1.0)
            taken[n] = events[i]
            n += 1
        above = least
    return taken[:n].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def sweep(times: TravelTimes, data: Evidence, model: PickModel, box: Box, needed: Needed, events: Array) -> Array:
    """The events that stand when each is fitted again against all others, the weakest first; rebuilds ``explained``."""
    rows = np.empty((2 * len(model.x_km), ROW))
    kept = np.zeros(len(events), np.bool_)
    for i in np.argsort(events[:, EVIDENCE]):
        explain(times, data, model, events[i], -1.0)
        own = fit(times, data, model, box, events[i], _STEPS, 0.0, rows)
        if events[i, EVIDENCE] >= needed.evidence and own >= needed.picks:
            explain(times, data, model, events[i], 1.0)
            kept[i] = True
    standing = events[kept]
    explain_all(times, data, model, standing)
    return standing


@njit(cache=True, nogil=True, error_model="numpy")
def explain_all(times: TravelTimes, data: Evidence, model: PickModel, events: Array) -> None:
    """Make ``explained`` anew, free of what rounding leaves behind."""
    data.explained[:] = 0.0
    for i in range(len(events)):
        explain(times, data, model, events[i], 1.0)
