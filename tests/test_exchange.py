"""Exchange of events: mixtures give way to what they were mixed of, and nothing gets less likely."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from seisloom.associate.exchange import exchange, odds
from seisloom.associate.hypothesis import N_COLUMNS, RADIUS, RADIUS_S, ROW, TIME, Evidence, fit
from seisloom.associate.search import Needed, explain_all
from seisloom.traveltime import TravelTimes
from tests.hypotheses import BOX, RADIUS_KM, formula, hypothesis, known, planted

Array = npt.NDArray[np.float64]
_, TIMES, MODEL = known()
NEEDED = Needed(10.0, 7.0)
STEP = BOX._replace(step=np.array([6.0, 6.0, 6.0, 2.0]))


def fitted(data: Evidence, event: Array, times: TravelTimes = TIMES) -> Array:
    """The event where its evidence is largest."""
    new = event.copy()
    fit(times, data, MODEL, STEP, new, 8, 0.0, np.empty((2 * len(MODEL.x_km), ROW)))
    return new


def likelihood(data: Evidence, events: Array) -> float:
    """Of all picks, in logarithm."""
    together = np.zeros(len(data.noise))
    return sum(odds(TIMES, data, MODEL, event, 1.0, together) for event in events)


def candidates(events: list[Array]) -> Array:
    return np.array([[*event[:4], 20.0] for event in events])


def exchanged(data: Evidence, events: Array, pool: Array, strongest: float = 1e9) -> Array:
    explain_all(TIMES, data, MODEL, events)
    return exchange(TIMES, data, MODEL, STEP, NEEDED, events, pool, 0.3, strongest)[0]


def is_found(event: Array, among: Array) -> bool:
    return bool(np.any((np.abs(among[:, TIME] - event[TIME]) < 0.3) & (np.hypot(*(among[:, :2] - event[:2]).T) < 3.0)))


def two_at_once(rng: np.random.Generator) -> tuple[list[Array], Evidence]:
    """Events half a second and some 14 km apart, and their picks."""
    true = [hypothesis(-6.0, -4.0, 8.0, 50.0), hypothesis(6.0, 4.0, 8.0, 50.5)]
    return true, planted(MODEL, true, rng, n_noise=40)


@pytest.mark.parametrize("seed", range(5))
def test_a_mixture_gives_way_to_its_two_events(seed: int) -> None:
    true, data = two_at_once(np.random.default_rng(seed))
    between = fitted(data, hypothesis(0.0, 0.0, 8.0, 50.25))
    # Whatever the fit makes of it, the mixture alone stands where both were.
    found = exchanged(data, between[None], candidates(true))
    assert len(found) == 2
    assert all(is_found(event, found) for event in true)


@pytest.mark.parametrize("seed", range(5))
def test_events_that_hold_half_of_each_others_picks_change_places(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true, data = two_at_once(rng)
    wrong = np.array([hypothesis(-6.0, 4.0, 8.0, 50.1), hypothesis(6.0, -4.0, 8.0, 50.4)])
    found = exchanged(data, wrong, candidates(true))
    assert all(is_found(event, found) for event in true)
    assert likelihood(data, found) > likelihood(data, wrong)


@pytest.mark.parametrize("seed", range(5))
def test_true_events_stay_whatever_the_candidates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true, data = two_at_once(rng)
    events = np.array([fitted(data, event) for event in true])
    others = [hypothesis(*rng.uniform(-20, 20, 2), 8.0, rng.uniform(48.0, 52.0)) for _ in range(30)]
    found = exchanged(data, events, candidates(others))
    assert all(is_found(event, found) for event in true)


def test_strong_events_are_not_challenged() -> None:
    true, data = two_at_once(np.random.default_rng(1))
    between = hypothesis(0.0, 0.0, 8.0, 50.25)
    between[5] = 40.0
    found = exchanged(data, between[None], candidates(true), strongest=39.0)
    assert np.array_equal(found, between[None])


@pytest.mark.parametrize("seed", range(8))
def test_likelihood_never_falls_and_a_second_exchange_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = [hypothesis(*rng.uniform(-15, 15, 2), rng.uniform(2, 15), rng.uniform(48.0, 53.0)) for _ in range(4)]
    data = planted(MODEL, true, rng, n_noise=60)
    start = np.array([hypothesis(*rng.uniform(-15, 15, 2), 8.0, rng.uniform(48.0, 53.0)) for _ in range(3)])
    start = np.array([fitted(data, event) for event in start])
    pool = candidates([*true, *(hypothesis(*rng.uniform(-20, 20, 2), 8.0, rng.uniform(47, 54)) for _ in range(20))])
    first = exchanged(data, start, pool)
    price = 4.0
    assert likelihood(data, first) - price * len(first) >= likelihood(data, start) - price * len(start) - 1e-6
    found = first
    for _ in range(6):
        again = exchanged(data, found, pool)
        if np.array_equal(np.sort(again, axis=0), np.sort(found, axis=0)):
            return
        assert likelihood(data, again) - price * len(again) > likelihood(data, found) - price * len(found)
        found = again
    raise AssertionError("it goes on")


def test_explained_follows(rng: np.random.Generator) -> None:
    true, data = two_at_once(rng)
    found = exchanged(data, fitted(data, hypothesis(0.0, 0.0, 8.0, 50.25))[None], candidates(true))
    left = data.explained.copy()
    explain_all(TIMES, data, MODEL, found)
    np.testing.assert_allclose(left, data.explained, atol=1e-9)


def test_worth_of_one_event_is_its_evidence(rng: np.random.Generator) -> None:
    """Where no channel has two picks near, the two are one formula."""
    event = hypothesis(3.0, -2.0, 7.0, 50.0, radius=8)
    data = planted(MODEL, [event], rng)
    together = np.zeros(len(data.noise))
    expected, _ = formula(MODEL, data, event)
    worth = odds(TIMES, data, MODEL, event, 1.0, together)
    assert worth == pytest.approx(expected, abs=0.02)
    assert odds(TIMES, data, MODEL, event, -1.0, together) == pytest.approx(worth)
    np.testing.assert_allclose(together, 0.0, atol=1e-12)


def test_no_events_and_no_candidates(rng: np.random.Generator) -> None:
    true, data = two_at_once(rng)
    assert exchanged(data, np.empty((0, N_COLUMNS)), candidates(true)).shape == (0, N_COLUMNS)
    alone = fitted(data, true[0])
    alone[RADIUS] = alone[RADIUS_S] = np.argmin(np.abs(np.log(RADIUS_KM / 60.0)))
    kept = exchanged(data, alone[None], np.empty((0, 5)))
    assert len(kept) == 1
    assert math.isclose(kept[0, TIME], alone[TIME], abs_tol=0.2)
