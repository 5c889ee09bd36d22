"""How well events were found: against the truth, and against what known hypocentres would allow.

A found event *matches* a true one when at least 60 % of its picks are of that event and it holds at least 60 % of that
event's picks. As both shares are above one half, a match is one-to-one by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

from seisloom.associate.network import Network
from seisloom.associate.plane import epicentral_km
from seisloom.errors import InputError
from seisloom.traveltime import TravelTimes, travel_time

if TYPE_CHECKING:
    from seisloom.associate.scenario import Scenario
    from seisloom.associate.simulate import Simulation

Integers = npt.NDArray[np.integer]

MATCH_SHARE = 0.6
# In the ceiling, a pick is an event's within so many standard deviations, at stations where picking it is so likely.
CEILING_SIGMAS = 4.0
CEILING_DETECTION = 0.02


@dataclass(frozen=True)
class Score:
    """Counts of events and picks; precision, recall and F1 follow (NaN where there is nothing to count)."""

    true_events: int
    found_events: int
    matched_events: int
    true_picks: int
    found_picks: int
    right_picks: int
    """Picks of a true event in the found event that matches it."""

    @property
    def event_precision(self) -> float:
        return _ratio(self.matched_events, self.found_events)

    @property
    def event_recall(self) -> float:
        return _ratio(self.matched_events, self.true_events)

    @property
    def event_f1(self) -> float:
        return _ratio(2 * self.matched_events, self.found_events + self.true_events)

    @property
    def pick_precision(self) -> float:
        return _ratio(self.right_picks, self.found_picks)

    @property
    def pick_recall(self) -> float:
        return _ratio(self.right_picks, self.true_picks)

    @property
    def pick_f1(self) -> float:
        return _ratio(2 * self.right_picks, self.found_picks + self.true_picks)

    def __str__(self) -> str:
        events = f"precision {self.event_precision:.3f}, recall {self.event_recall:.3f}, F1 {self.event_f1:.3f}"
        picks = f"precision {self.pick_precision:.3f}, recall {self.pick_recall:.3f}, F1 {self.pick_f1:.3f}"
        return f"events: {events}; picks: {picks}"


def score(
    found_event_of_pick: Integers,
    true_event_of_pick: Integers,
    n_min_picks: int = 1,
    ignored_events: npt.ArrayLike = (),
) -> Score:
    """Score of an assignment; both arrays hold an event number for each pick, negative for none.

    True events with fewer than ``n_min_picks`` picks, or among ``ignored_events`` (say those outside the region), do not
    count: they are not missed, nor are the found events that match them false.
    """
    if np.shape(found_event_of_pick) != np.shape(true_event_of_pick):
        shapes = f"{np.shape(found_event_of_pick)} and {np.shape(true_event_of_pick)}"
        raise InputError(
            f"score: found and true events of the picks have shapes {shapes}; one of each a pick is expected"
        )
    true_ids, true_sizes = _sizes(true_event_of_pick)
    found_ids, found_sizes = _sizes(found_event_of_pick)
    counts = (true_sizes >= n_min_picks) & ~np.isin(true_ids, ignored_events)
    found, true, shared = match_events(found_event_of_pick, true_event_of_pick)
    right = counts[np.searchsorted(true_ids, true)]
    aside = np.searchsorted(found_ids, found[~right])
    return Score(
        true_events=int(counts.sum()),
        found_events=len(found_ids) - len(aside),
        matched_events=int(right.sum()),
        true_picks=int(true_sizes[counts].sum()),
        found_picks=int(found_sizes.sum() - found_sizes[aside].sum()),
        right_picks=int(shared[right].sum()),
    )


def match_events(
    found_event_of_pick: Integers, true_event_of_pick: Integers
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Found events, the true events that they match, and how many picks each pair shares: arrays of one length."""
    found, true = np.asarray(found_event_of_pick, np.int64), np.asarray(true_event_of_pick, np.int64)
    (found_ids, found_sizes), (true_ids, true_sizes) = _sizes(found), _sizes(true)
    both = (found >= 0) & (true >= 0)
    f, t = np.searchsorted(found_ids, found[both]), np.searchsorted(true_ids, true[both])
    pairs, shared = np.unique(f * max(len(true_ids), 1) + t, return_counts=True)
    f, t = np.divmod(pairs, max(len(true_ids), 1))
    match = (shared >= MATCH_SHARE * found_sizes[f]) & (shared >= MATCH_SHARE * true_sizes[t])
    return found_ids[f[match]], true_ids[t[match]], shared[match]


def ceiling(
    simulation: Simulation,
    scenario: Scenario,
    network: Network,
    times: TravelTimes,
    n_min_picks: int = 1,
    ignored_events: npt.ArrayLike = (),
) -> Score:
    """Score of the assignment that knows all hypocentres and origin times, but no delays of stations: what associating
    could reach, but for what it learns of stations by the way."""
    found = ideal_assignment(simulation, scenario, network, times, n_min_picks)
    return score(found, simulation.event, n_min_picks, ignored_events)


def ideal_assignment(
    simulation: Simulation, scenario: Scenario, network: Network, times: TravelTimes, n_min_picks: int = 1
) -> npt.NDArray[np.int32]:
    """(pick,): the event whose prediction fits each pick best, -1 for none: ``best_assignment`` of ``predictions``."""
    predicted, sigma = predictions(simulation.events, scenario, network, times)
    picks = simulation.picks
    return best_assignment(picks.time_s, 2 * picks.station + picks.phase, predicted, sigma, n_min_picks)


def predictions(
    events: pd.DataFrame, scenario: Scenario, network: Network, times: TravelTimes
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Arrivals predicted for known hypocentres and their standard deviations, (event, channel), in s since time 0.

    A channel is 2 station + phase; NaN stands where a pick is unlikely. The standard deviation is that of pick error,
    station term and model error of the scenario.
    """
    return _predict(
        times, network.x_km, network.y_km, network.elevation_km,
        *(events[name].to_numpy() for name in ("time_s", "x_km", "y_km", "depth_km", "radius_km")),
        np.array([scenario.error_p_s, scenario.error_s_s]),
        np.array([scenario.station_term_p_s, scenario.station_term_s_s]),
        scenario.model_error, 1.0 + scenario.falloff * math.log(1.0 / CEILING_DETECTION - 1.0),
    )  # fmt: skip


def best_assignment(
    time_s: npt.NDArray[np.float64],
    channel: Integers,
    predicted_s: npt.NDArray[np.float64],
    sigma_s: npt.NDArray[np.float64],
    n_min_picks: int = 1,
    log_odds: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.int32]:
    """(pick,): the event whose prediction on the pick's channel fits it best, -1 for none.

    ``predicted_s`` and ``sigma_s`` are (event, channel), NaN where an event has no picks. ``log_odds`` of the same shape is
    the logarithm of the odds that a pick at the predicted time is the event's; they fall by half the squared residual
    over its standard deviation and must stay positive. Without it residuals up to 4 standard deviations fit. One pick for
    each event and channel, one event for each pick, best odds first. Events that get fewer than ``n_min_picks`` are dropped.
    """
    if log_odds is None:
        log_odds = np.full(predicted_s.shape, 0.5 * CEILING_SIGMAS**2)
    n_events, n_channels = predicted_s.shape
    order = np.lexsort((time_s, channel))
    offsets = np.searchsorted(np.asarray(channel)[order], np.arange(n_channels + 1))
    event, of_channel, position, misfit = _candidates(time_s[order], offsets, predicted_s, sigma_s, log_odds)
    best_first = np.argsort(misfit, kind="stable")
    found = np.full(len(order), -1, np.int32)
    found[order] = _assign(
        event[best_first], of_channel[best_first], position[best_first], len(order), (n_events, n_channels)
    )
    sizes = np.bincount(found[found >= 0], minlength=n_events)
    return np.where((found >= 0) & (sizes[found] >= n_min_picks), found, -1).astype(np.int32)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _sizes(event_of_pick: Integers) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers of the events, ascending, and how many picks each has."""
    event = np.asarray(event_of_pick, np.int64)
    return np.unique(event[event >= 0], return_counts=True)


@njit(cache=True)
def _predict(
    times: TravelTimes,
    station_x_km: npt.NDArray[np.float64],
    station_y_km: npt.NDArray[np.float64],
    elevation_km: npt.NDArray[np.float64],
    origin_s: npt.NDArray[np.float64],
    x_km: npt.NDArray[np.float64],
    y_km: npt.NDArray[np.float64],
    depth_km: npt.NDArray[np.float64],
    radius_km: npt.NDArray[np.float64],
    error_s: npt.NDArray[np.float64],
    term_s: npt.NDArray[np.float64],
    model_error: float,
    reach: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    predicted = np.full((len(origin_s), 2 * len(station_x_km)), np.nan)
    sigma = np.full(predicted.shape, np.nan)
    for k in range(len(origin_s)):
        for c in range(predicted.shape[1]):
            s, phase = c // 2, c % 2
            distance = epicentral_km(x_km[k], y_km[k], station_x_km[s], station_y_km[s])
            if math.hypot(distance, depth_km[k] + elevation_km[s]) > reach * radius_km[k]:
                continue
            travel, _, _ = travel_time(times, phase, s, distance, depth_km[k])
            predicted[k, c] = origin_s[k] + travel
            sigma[k, c] = math.sqrt(error_s[phase] ** 2 + term_s[phase] ** 2 + (model_error * travel) ** 2)
    return predicted, sigma


@njit(cache=True)
def _candidates(
    pick_s: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.int64],
    predicted_s: npt.NDArray[np.float64],
    sigma_s: npt.NDArray[np.float64],
    log_odds: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """(event, channel, position in ``pick_s``, odds against it) of all picks that fit a prediction.

    ``pick_s`` is sorted within each channel, which holds ``offsets[c] : offsets[c + 1]``.
    """
    rows = [(0, 0, 0, 0.0) for _ in range(0)]
    for k in range(len(predicted_s)):
        for c in range(len(offsets) - 1):
            predicted, sigma = predicted_s[k, c], sigma_s[k, c]
            if math.isnan(predicted) or log_odds[k, c] <= 0.0:
                continue
            tolerance = math.sqrt(2.0 * log_odds[k, c]) * sigma
            here = pick_s[offsets[c] : offsets[c + 1]]
            for i in range(np.searchsorted(here, predicted - tolerance), len(here)):
                if here[i] > predicted + tolerance:
                    break
                misfit = (here[i] - predicted) / max(sigma, 1e-9)
                rows.append((k, c, offsets[c] + i, 0.5 * misfit * misfit - log_odds[k, c]))
    indices, misfit = np.empty((3, len(rows)), np.int64), np.empty(len(rows))
    for i, (k, c, place, value) in enumerate(rows):
        indices[0, i], indices[1, i], indices[2, i], misfit[i] = k, c, place, value
    return indices[0], indices[1], indices[2], misfit


@njit(cache=True)
def _assign(
    event: npt.NDArray[np.int64],
    channel: npt.NDArray[np.int64],
    position: npt.NDArray[np.int64],
    n_picks: int,
    shape: tuple[int, int],
) -> npt.NDArray[np.int32]:
    """Event of each pick: candidates in order, each if its pick and its event's channel are still free."""
    found, taken = np.full(n_picks, -1, np.int32), np.zeros(shape, np.bool_)
    for i in range(len(event)):
        if found[position[i]] < 0 and not taken[event[i], channel[i]]:
            found[position[i]] = event[i]
            taken[event[i], channel[i]] = True
    return found
