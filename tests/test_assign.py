"""Every pick to one event at most, and in an event one pick for each station and phase."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate.assign import Assignment, assign
from seisloom.associate.hypothesis import Evidence
from tests.hypotheses import FALLOFF, OUTLIERS, RADIUS_KM, arrivals_s, evidence, known, paths_km, planted, travel_s

_, TIMES, MODEL = known()
N_CHANNELS = len(MODEL.detection)
FAR = float(len(RADIUS_KM) - 1)
ANY = (0, 0, 0)


def event(x: float, y: float, depth: float, time: float) -> np.ndarray:
    """Picked everywhere."""
    return np.array([x, y, depth, time, FAR, 0.0, FAR])


def owners(data: Evidence, given_to: Assignment, n: int) -> np.ndarray:
    """Event of every pick in the order in which picks were given."""
    found = np.empty(n, int)
    found[data.picks.pick] = given_to.event
    return found


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.0, 0.05]))
def test_one_event_a_pick_and_one_pick_a_station_and_phase(seed: int, n: int, wrong_label: float) -> None:
    rng = np.random.default_rng(seed)
    model = MODEL._replace(wrong_label=wrong_label)
    truth = [event(*rng.uniform(-25, 25, 2), rng.uniform(2, 18), rng.uniform(90, 100)) for _ in range(n)]
    data = planted(model, truth, rng, 400)
    events = np.array([*truth, truth[0], event(0, 0, 5, 30.0)])  # one twice, one of no picks but by chance
    least = (8, 3, 3)
    found = assign(TIMES, data, model, events, least)
    taken = found.event >= 0
    channel = data.picks.channel
    cell = found.event[taken] * N_CHANNELS + channel[taken] // 2 * 2 + found.phase[taken]
    assert len(np.unique(cell)) == len(cell)
    assert np.array_equal(taken, found.phase >= 0)
    assert np.array_equal(taken, found.posterior > 0.0)
    assert found.posterior.max() <= 1.0
    if wrong_label == 0.0:
        assert np.array_equal(found.phase[taken], channel[taken] % 2)
    for number in range(len(events)):
        phases = found.phase[found.event == number]
        enough = len(phases) >= 8 and np.sum(phases == 0) >= 3 and np.sum(phases == 1) >= 3
        assert found.stands[number] == enough
        assert enough or len(phases) == 0
    # The same event twice: the second has nothing but what the first has better picks for.
    first, again = (set((cell[found.event[taken] == number] % N_CHANNELS).tolist()) for number in (0, n))
    assert again <= first


def test_picks_of_events_that_fall_are_free_for_others() -> None:
    # Two events at one place, half a second apart: the later fits half of the picks better and has too few of them.
    one, other = event(3, 4, 8, 50.0), event(3, 4, 8, 50.5)
    time, late = arrivals_s(MODEL, one), arrivals_s(MODEL, other)
    time[:6] = late[:6] - 0.1
    data = evidence(MODEL, time, np.arange(N_CHANNELS))
    shared = assign(TIMES, data, MODEL, np.array([one, other]), ANY)
    assert np.count_nonzero(shared.event == 1) == 6
    alone = assign(TIMES, data, MODEL, np.array([one, other]), (8, 0, 0))
    assert alone.stands.tolist() == [True, False]
    assert np.count_nonzero(alone.event == 0) > N_CHANNELS - 6
    assert np.count_nonzero(alone.event == 1) == 0


def test_the_pick_that_fits_better_is_taken() -> None:
    one = event(-5, 9, 6, 40.0)
    time = arrivals_s(MODEL, one)
    again = np.concatenate([time, time[:4] + np.array([0.15, -0.15, 0.2, -0.2])])
    data = evidence(MODEL, again, np.concatenate([np.arange(N_CHANNELS), np.arange(4)]))
    found = owners(data, assign(TIMES, data, MODEL, one[None], ANY), len(again))
    assert found.tolist() == [0] * N_CHANNELS + [-1] * 4


def test_picks_likelier_by_chance_are_left() -> None:
    one = event(0, 0, 8, 40.0)
    late = np.where(np.arange(N_CHANNELS) == 2, 3.0, 0.0)  # within reach of outliers, which chance beats
    data = evidence(MODEL, arrivals_s(MODEL, one) + late, np.arange(N_CHANNELS), noise=0.5)
    assert np.flatnonzero(assign(TIMES, data, MODEL, one[None], ANY).event < 0).tolist() == [2]


@pytest.mark.parametrize("residual_s", [0.0, 0.1, -0.3])
def test_posterior_is_the_share_of_the_event_in_what_could_make_the_pick(residual_s: float) -> None:
    one, c, noise = event(5, 5, 10, 40.0), 4, 0.02
    data = evidence(MODEL, [arrivals_s(MODEL, one)[c] + residual_s], [c], noise)
    found = assign(TIMES, data, MODEL, one[None], ANY)
    sigma = math.hypot(MODEL.sigma_s[0], MODEL.model_error * travel_s(MODEL, one)[c])
    u = residual_s / sigma
    normal = (1 - OUTLIERS) * math.exp(-(u**2) / 2) + OUTLIERS / 5 * math.exp(-((u / 5) ** 2) / 2)
    p = MODEL.detection[c] / (1 + math.exp((paths_km(MODEL, one)[c // 2] / RADIUS_KM[-1] - 1) / FALLOFF))
    density = p * normal / math.sqrt(2 * math.pi) / sigma
    odds = density / ((1 - p) * noise)
    assert found.posterior[0] == pytest.approx(odds / (1 + odds), rel=0.01)


def test_a_wrong_label_is_seen_where_labels_can_be_wrong() -> None:
    one = event(5, -8, 10, 40.0)
    channel = np.arange(N_CHANNELS)
    channel[[3, 8]] ^= 1  # an S that is called P, a P that is called S
    keep = ~np.isin(np.arange(N_CHANNELS), [2, 9])  # the true picks of these channels are missing
    data = evidence(MODEL, arrivals_s(MODEL, one)[keep], channel[keep])
    for share, wrong in ((0.0, []), (0.02, [(2, 1), (9, 0)])):
        found = assign(TIMES, data, MODEL._replace(wrong_label=share), one[None], ANY)
        of, phase = data.picks.channel, found.phase
        other = (phase >= 0) & (phase != of % 2)
        assert list(zip(of[other].tolist(), phase[other].tolist(), strict=True)) == wrong


def test_no_events() -> None:
    data = evidence(MODEL, [1.0, 2.0], [0, 1])
    found = assign(TIMES, data, MODEL, np.empty((0, 7)), (8, 0, 0))
    assert found.event.tolist() == found.phase.tolist() == [-1, -1]
    assert len(found.stands) == 0
