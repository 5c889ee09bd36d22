"""The scorer against counts by hand and a plain definition; the ceiling against assignments that are plain to see."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate.scenario import Scenario
from seisloom.associate.score import ceiling, ideal_assignment, match_events, score
from seisloom.associate.simulate import simulate
from seisloom.errors import InputError
from tests.association import geodesics, ring_network, uniform_times

labels = st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=60)
EXACT = Scenario(
    duration_s=1200, events_per_hour=30, error_p_s=1e-3, error_s_s=1e-3, falloff=0, outlier_share=0, station_term_p_s=0,
    station_term_s_s=0, model_error=0, swap_share=0, duplicate_share=0, radius_min_km=60,
)  # fmt: skip


def events_of(*sizes: tuple[int, int]) -> np.ndarray:
    """Event numbers of picks: (event, how many) in order."""
    return np.concatenate([np.full(n, event) for event, n in sizes])


def test_counts_by_hand() -> None:
    # Event 0: 10 picks, 7 of them found as 5, which also holds 2 noise picks (7 of 9): a match.
    # Event 1: 6 picks, split 3 and 3: no match. Noise: 2 in event 5, 1 in none.
    true = events_of((0, 10), (1, 6), (-1, 3))
    found = events_of((5, 7), (-1, 3), (6, 3), (7, 3), (5, 2), (-1, 1))
    result = score(found, true)
    assert (result.true_events, result.found_events, result.matched_events) == (2, 3, 1)
    assert (result.true_picks, result.found_picks, result.right_picks) == (16, 15, 7)
    assert result.event_precision == pytest.approx(1 / 3)
    assert result.event_recall == pytest.approx(1 / 2)
    assert result.event_f1 == pytest.approx(2 / 5)
    assert result.pick_precision == pytest.approx(7 / 15)
    assert result.pick_recall == pytest.approx(7 / 16)
    assert result.pick_f1 == pytest.approx(14 / 31)
    assert str(result).startswith("events: precision 0.333, recall 0.500, F1 0.400; picks: precision 0.467")


@pytest.mark.parametrize(
    ("held", "of_event", "of_others", "matches"),
    [(6, 10, 4, 1), (5, 10, 0, 0), (6, 10, 5, 0), (6, 11, 0, 0), (3, 5, 2, 1)],
)
def test_sixty_percent_both_ways(held: int, of_event: int, of_others: int, matches: int) -> None:
    true = events_of((0, of_event), (-1, of_others))
    found = events_of((2, held), (-1, of_event - held), (2, of_others))
    assert score(found, true).matched_events == matches


def test_small_events_are_neither_missed_nor_false() -> None:
    true = events_of((0, 8), (1, 7), (2, 3))
    found = events_of((0, 8), (1, 7), (-1, 3))
    result = score(found, true, n_min_picks=8)
    assert (result.true_events, result.found_events, result.matched_events) == (1, 1, 1)
    assert (result.true_picks, result.found_picks, result.right_picks) == (8, 8, 8)
    assert score(found, true).event_recall == pytest.approx(2 / 3)


def test_an_event_made_of_two_small_ones_is_false() -> None:
    true = events_of((0, 8), (1, 5), (2, 5))
    found = events_of((0, 8), (1, 10))
    assert score(found, true, n_min_picks=8).event_precision == pytest.approx(1 / 2)


def test_ignored_events_do_not_count() -> None:
    true = events_of((0, 8), (1, 9), (2, 9))
    found = events_of((0, 8), (1, 9), (-1, 9))
    result = score(found, true, ignored_events=[1, 2])
    assert (result.true_events, result.found_events, result.event_f1, result.pick_f1) == (1, 1, 1.0, 1.0)


def test_splitting_loses_the_event_and_merging_one_of_two() -> None:
    true = events_of((0, 10), (1, 10))
    split = events_of((0, 5), (1, 5), (2, 10))
    result = score(split, true)
    assert (result.matched_events, result.found_events) == (1, 3)
    merged = score(np.zeros(20, int), true)
    assert (merged.matched_events, merged.found_events, merged.right_picks) == (0, 1, 0)
    uneven = score(np.zeros(15, int), events_of((0, 10), (1, 5)))  # two thirds of the merged event
    assert (uneven.matched_events, uneven.right_picks) == (1, 10)


def test_nothing_found_and_nothing_there() -> None:
    result = score(np.full(5, -1), np.zeros(5, int))
    assert (result.event_recall, result.event_f1) == (0.0, 0.0)
    assert math.isnan(result.event_precision)
    assert math.isnan(score(np.full(5, -1), np.full(5, -1)).event_f1)
    assert score(np.zeros(5, int), np.full(5, -1)).event_f1 == 0.0
    assert score(np.zeros(0, int), np.zeros(0, int)).true_events == 0


def test_lengths_must_agree() -> None:
    with pytest.raises(InputError, match=r"shapes \(3,\) and \(4,\)"):
        score(np.zeros(3, int), np.zeros(4, int))


@given(labels)
def test_against_the_definition(pairs: list[tuple[int, int]]) -> None:
    found, true = np.array(pairs).T
    expected = set()
    for f in set(found[found >= 0].tolist()):
        for t in set(true[true >= 0].tolist()):
            shared = int(np.sum((found == f) & (true == t)))
            if 10 * shared >= 6 * np.sum(found == f) and 10 * shared >= 6 * np.sum(true == t):
                expected.add((f, t, shared))
    rows = match_events(found, true)
    assert set(zip(*(row.tolist() for row in rows), strict=True)) == expected
    assert len(set(rows[0].tolist())) == len(set(rows[1].tolist())) == len(rows[0])  # one-to-one
    assert score(found, true).right_picks == sum(shared for _, _, shared in expected)


@given(labels, st.permutations(range(5)), st.randoms(use_true_random=False))
def test_numbers_of_events_and_order_of_picks_mean_nothing(pairs, relabelled, random) -> None:  # type: ignore[no-untyped-def]
    found, true = np.array(pairs).T
    renamed = np.where(found >= 0, 1000 * np.array(relabelled)[np.maximum(found, 0)], -7)
    order = random.sample(range(len(found)), len(found))
    assert score(renamed[order], true[order], 3) == score(found, true, 3)


@given(st.lists(st.integers(-1, 6), min_size=1, max_size=50))
def test_the_truth_scores_one(events: list[int]) -> None:
    result = score(np.array(events), np.array(events))
    if max(events) >= 0:
        assert (result.event_f1, result.pick_f1) == (1.0, 1.0)


@given(labels)
def test_found_and_true_are_symmetric(pairs: list[tuple[int, int]]) -> None:
    found, true = np.array(pairs).T
    one, other = score(found, true), score(true, found)
    assert np.array_equal([one.event_precision, one.pick_recall], [other.event_recall, other.pick_precision], True)


def test_the_ceiling_of_exact_picks_is_one(rng: np.random.Generator) -> None:
    network = ring_network()
    times = uniform_times(network)
    simulation = simulate(replace(EXACT, noise_ratio=0), network, times, rng)
    result = ceiling(simulation, EXACT, network, times)
    # Ten events in twenty minutes: a pick can only fit another event by rare chance, and with errors of 1 ms none does.
    assert (result.true_events, result.event_f1, result.pick_f1) == (10, 1.0, 1.0)


def test_ideal_assignment_is_one_pick_per_phase_the_best_one(rng: np.random.Generator) -> None:
    network = ring_network()
    times = uniform_times(network)
    scenario = replace(
        EXACT, error_p_s=0.1, error_s_s=0.2, noise_ratio=3, events_per_hour=600, duplicate_share=0.5, radius_min_km=20
    )
    simulation = simulate(scenario, network, times, rng)
    found = ideal_assignment(simulation, scenario, network, times)
    rows = found >= 0
    keys = np.stack([found, simulation.picks.station, simulation.picks.phase])[:, rows]
    assert len(np.unique(keys, axis=1).T) == rows.sum()
    assert rows.sum() > 0.5 * np.sum(simulation.event >= 0)
    distance, depth = _geometry(simulation, network, found)
    # Only at stations that could pick the event: without falloff, those within its radius.
    assert np.all(np.hypot(distance, depth)[rows] <= simulation.events["radius_km"].to_numpy()[found[rows]])
    travel = np.hypot(distance, depth) / np.where(simulation.picks.phase == 0, 6.0, 3.5)
    origin = simulation.events["time_s"].to_numpy()[found]
    sigma = np.where(simulation.picks.phase == 0, 0.1, 0.2)
    misfit = (np.abs(simulation.picks.time_s - origin - travel) / sigma)[rows]
    assert misfit.max() <= 4.0 + 1e-4  # slowness is stored in single precision
    assert np.median(misfit) < 1.0


def _geometry(simulation, network, event):  # type: ignore[no-untyped-def]
    x, y, z = (simulation.events[c].to_numpy()[event] for c in ("x_km", "y_km", "depth_km"))
    s = simulation.picks.station
    return geodesics(network, x, y)[0][np.arange(len(s)), s], z + network.elevation_km[s]


def test_ideal_assignment_drops_what_stays_small(rng: np.random.Generator) -> None:
    network = ring_network()
    times = uniform_times(network)
    scenario = replace(EXACT, radius_min_km=25)
    simulation = simulate(scenario, network, times, rng)
    found = ideal_assignment(simulation, scenario, network, times, n_min_picks=12)
    sizes = np.unique(found[found >= 0], return_counts=True)[1]
    assert sizes.min() >= 12
    assert len(sizes) < np.sum(simulation.events["n_picks"] > 0)


def test_the_ceiling_falls_as_events_crowd(rng: np.random.Generator) -> None:
    network = ring_network()
    times = uniform_times(network)
    picks_f1 = []
    for rate in (50, 1000, 8000):
        scenario = Scenario(events_per_hour=rate, duration_s=3.6e5 / rate)
        simulation = simulate(scenario, network, times, rng)
        picks_f1.append(ceiling(simulation, scenario, network, times, 8).pick_f1)
    assert picks_f1[0] > 0.93
    assert picks_f1[0] > picks_f1[1] + 0.03 > picks_f1[2] + 0.06
