"""False events: their number by evidence, the evidence that is asked for, and the doubt of each event."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seisloom.associate.hypothesis import Evidence
from seisloom.associate.trust import (
    FLOOR,
    Falsehood,
    false_probability,
    fit_falsehood,
    needed_evidence,
    shaken,
    times_shaken,
)
from tests.hypotheses import evidence, known

DAY_S = 86_400.0
SIGMA_S = 0.25
MODEL = known()[2]
EVIDENCES = arrays(np.float64, st.integers(1, 60), elements=st.floats(FLOOR, 500.0))


@pytest.mark.parametrize(("slope", "n"), [(0.4, 3000), (1.0, 3000), (1.3, 400)])
def test_rate_and_slope_of_false_events_are_found(rng: np.random.Generator, slope: float, n: int) -> None:
    found = fit_falsehood(FLOOR + rng.exponential(1 / slope, n), DAY_S)
    # The upper half tells of the slope, with a relative standard error of 1 / sqrt(n / 2).
    assert found.slope == pytest.approx(slope, rel=4 / np.sqrt(n / 2))
    for quantile in (0.5, 0.2, 0.05):
        value = FLOOR - np.log(quantile) / slope
        assert DAY_S * found.rate_above(value) == pytest.approx(n * quantile, rel=0.15 if n > 1000 else 0.4)


def test_what_lies_below_the_floor_does_not_count() -> None:
    above = FLOOR + np.arange(4.0)
    assert fit_falsehood(np.concatenate([above, [0.0, 4.9]]), DAY_S) == fit_falsehood(above, DAY_S)


def test_no_false_event_in_a_longer_time_means_a_lower_rate() -> None:
    short, long = fit_falsehood(np.zeros(0), 3600.0), fit_falsehood(np.zeros(0), 36_000.0)
    assert short.rate_s == pytest.approx(10 * long.rate_s)
    assert 0 < 3600.0 * short.rate_s <= 1.0


@given(st.floats(0.2, 3.0), st.floats(0.1, 1e4), st.floats(0.01, 100.0))
def test_false_events_above_the_threshold_come_at_the_wanted_rate(slope: float, per_day: float, wanted: float) -> None:
    falsehood = Falsehood(FLOOR, per_day / DAY_S, slope, 10, DAY_S)
    least = falsehood.threshold(np.zeros(0), wanted / DAY_S, 0.0, DAY_S)
    assert least >= FLOOR
    assert DAY_S * falsehood.rate_above(least) == pytest.approx(min(wanted, per_day))


@given(EVIDENCES, st.floats(0.2, 3.0), st.floats(0.1, 1e4))
def test_threshold_by_share_keeps_false_events_to_a_share(evidence: np.ndarray, slope: float, per_day: float) -> None:
    falsehood = Falsehood(FLOOR, per_day / DAY_S, slope, 10, DAY_S)
    least = falsehood.threshold(evidence, 1.0 / DAY_S, 0.05, DAY_S)
    above = np.count_nonzero(evidence >= least)
    assert DAY_S * falsehood.rate_above(least) <= max(1.0, 0.05 * above) * (1 + 1e-9)
    assert least <= falsehood.threshold(evidence, 1.0 / DAY_S, 0.0, DAY_S)


@given(EVIDENCES, st.floats(0.2, 3.0), st.floats(0.0, 1e6))
def test_false_probability_is_one_and_never_rises_with_evidence(
    evidence: np.ndarray, slope: float, per_day: float
) -> None:
    doubt = false_probability([Falsehood(FLOOR, per_day / DAY_S, slope, 10, DAY_S)], evidence, DAY_S)
    assert doubt.shape == evidence.shape
    assert np.all((doubt >= 0.0) & (doubt <= 1.0))
    order = np.argsort(evidence, kind="stable")
    assert np.all(np.diff(doubt[order]) <= 0.0)
    same = np.diff(evidence[order]) == 0.0
    assert np.all(np.diff(doubt[order])[same] == 0.0)


def test_false_probabilities_add_up_to_the_false_events(rng: np.random.Generator) -> None:
    false, true = 8.0 + rng.exponential(1.0, 300), 8.0 + rng.gamma(3.0, 8.0, 1000)
    falsehood = Falsehood(8.0, 300 / DAY_S, 1.0, 300, DAY_S)
    doubt = false_probability([falsehood], np.concatenate([false, true]), DAY_S)
    assert doubt.sum() == pytest.approx(300, rel=0.25)
    assert doubt[:300].mean() > 5 * doubt[300:].mean()
    assert false_probability([falsehood], np.zeros(0), DAY_S).shape == (0,)


def many(rng: np.random.Generator) -> Evidence:
    """2000 picks by chance in an hour at 24 channels."""
    return evidence(MODEL, rng.uniform(0, 3600, 2000), rng.integers(0, 24, 2000), 2000 / 3600 / 24)


def test_shaken_picks_are_moved_and_none_is_lost(rng: np.random.Generator) -> None:
    data = many(rng)
    moved = shaken(data, np.ones(2000), 3600.0, SIGMA_S, rng)
    assert np.array_equal(moved.picks.offsets, data.picks.offsets)
    assert np.array_equal(moved.picks.channel, data.picks.channel)
    assert sorted(moved.picks.pick) == list(range(2000))
    for c in range(24):
        assert np.all(np.diff(moved.picks.time_s[data.picks.offsets[c] : data.picks.offsets[c + 1]]) >= 0.0)
    # Times stay, and picks go to about where they were moved: some picks more or fewer than expected lie on the way.
    assert np.array_equal(np.sort(moved.picks.time_s), np.sort(data.picks.time_s))
    before, after = np.empty(2000), np.empty(2000)
    before[data.picks.pick], after[moved.picks.pick] = data.picks.time_s, moved.picks.time_s
    way = np.abs(after - before)
    assert np.mean(way < 8 * SIGMA_S) < 0.2
    assert np.quantile(way, 0.95) <= 48 * SIGMA_S + 3.0
    assert np.median(way) == pytest.approx(32 * SIGMA_S, rel=0.25)
    assert abs((after - before).mean()) < 4 * 8 / np.sqrt(2000)
    assert np.all(moved.explained == 0.0)
    assert np.median(moved.noise) == pytest.approx(2000 / 3600 / 24, rel=0.1)


def test_picks_of_events_are_not_shaken(rng: np.random.Generator) -> None:
    data = many(rng)
    data.explained[:1000] = 1e6
    data.explained[1000:] = data.noise[1000:]
    kept = shaken(data, np.ones(2000), 3600.0, SIGMA_S, rng).picks.pick
    slot = np.empty(2000, int)
    slot[data.picks.pick] = np.arange(2000)
    assert np.count_nonzero(slot[kept] < 1000) == 0
    assert np.count_nonzero(slot[kept] >= 1000) == pytest.approx(500, abs=4 * np.sqrt(250))


def test_what_probabilities_are_worth_moves_with_the_picks(rng: np.random.Generator) -> None:
    data, worth = many(rng), rng.uniform(0.2, 5.0, 2000)
    plain, weighed = (shaken(data, w, 3600.0, SIGMA_S, np.random.default_rng(2)) for w in (np.ones(2000), worth))
    by_pick = np.empty(2000)
    by_pick[data.picks.pick] = worth
    assert weighed.noise == pytest.approx(plain.noise / by_pick[plain.picks.pick])


def test_bursts_stay_bursts_when_shaken_and_their_stations_are_mixed(rng: np.random.Generator) -> None:
    quiet, burst = rng.uniform(0, 3600, 1900), 1800 + 0.1 * rng.random(100)
    channel = np.concatenate([rng.integers(0, 24, 1900), np.arange(100) % 12])
    data = evidence(MODEL, np.concatenate([quiet, burst]), channel, 2000 / 3600 / 24)
    moved = shaken(data, np.ones(2000), 3600.0, SIGMA_S, rng).picks
    there = (moved.time_s >= 1800) & (moved.time_s <= 1800.1)
    assert np.count_nonzero(there) >= 100
    # Of the picks about it most were its own; some come from the channels that it had none of.
    assert 0 < np.count_nonzero(moved.channel[there] >= 12) < 40


@given(st.integers(0, 10**7))
def test_few_picks_are_shaken_several_times(n: int) -> None:
    times = times_shaken(n)
    assert 1 <= times <= 4
    assert times == 4 or times * n >= 40_000


@given(EVIDENCES, st.floats(0.2, 3.0), st.floats(0.1, 1e4), st.floats(0.01, 100.0))
def test_evidence_needed_leaves_the_false_events_that_are_wanted(
    evidence: np.ndarray, slope: float, per_day: float, wanted: float
) -> None:
    falsehood = Falsehood(FLOOR, per_day / DAY_S, slope, 10, DAY_S)
    least = needed_evidence(falsehood, evidence, wanted, DAY_S)
    assert DAY_S * falsehood.rate_above(least) <= wanted * (1 + 1e-9)
    # As many as three trials a second would make, whatever the picks showed.
    assert least >= np.log(3 * DAY_S / wanted) - 1e-9
    by_share = needed_evidence(falsehood, evidence, None, DAY_S)
    assert DAY_S * falsehood.rate_above(by_share) <= max(1.0, 0.01 * len(evidence)) * (1 + 1e-9)
