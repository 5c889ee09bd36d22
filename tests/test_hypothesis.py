"""One hypothesis of an event: its evidence against the definition, its fit, and what it explains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate.hypothesis import (
    EVIDENCE,
    RADIUS,
    RADIUS_S,
    ROW,
    Evidence,
    evidence_by_radius,
    explain,
    fit,
    glance,
    look,
)
from seisloom.associate.pick_model import (
    RESIDUAL_MAX,
    by_channel,
    density_at,
    detection_table,
    first_slot,
    nearness_at,
    residual_density,
)
from seisloom.picks import PickArrays
from tests.hypotheses import (
    BOX,
    OUTLIERS,
    RADIUS_KM,
    arrivals_s,
    evidence,
    formula,
    hypothesis,
    known,
    paths_km,
    planted,
    share_near,
)

_, TIMES, MODEL = known()
ROWS = np.empty((2 * len(MODEL.x_km), ROW))
TRUTH = hypothesis(7.0, -11.0, 9.0, 40.0, 7)
PLACES = st.tuples(st.floats(-40, 40), st.floats(-40, 40), st.floats(0.5, 19.5))


def start(event: np.ndarray, *moved: float) -> np.ndarray:
    """An event some km and seconds away, of a middling radius."""
    there = event.copy()
    there[:4] += moved
    there[[RADIUS, RADIUS_S]] = 6.0
    return there


def clean(event: np.ndarray) -> Evidence:
    """Every arrival of an event, picked without error."""
    return evidence(MODEL, arrivals_s(MODEL, event), np.arange(len(MODEL.detection)))


def detected(event: np.ndarray) -> np.ndarray:
    """(channel,): probability of a pick."""
    path = paths_km(MODEL, event)
    near = [share_near(path, RADIUS_KM[int(event[column])]) for column in (RADIUS, RADIUS_S)]
    return MODEL.detection * np.column_stack(near).ravel()


@given(PLACES, st.integers(0, 2**32 - 1))
def test_evidence_is_that_of_the_definition(place: tuple[float, float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    event = hypothesis(*place, 40.0)
    detection = MODEL.detection * rng.uniform(0.3, 1.05, len(MODEL.detection))
    detection[rng.integers(len(detection), size=3)] = 0.0
    model = MODEL._replace(
        detection=detection,
        wrong_label=0.05,
        weight=rng.choice([1.0, 0.5], len(MODEL.x_km)),
        delay_s=rng.normal(0, 0.2, len(detection)),
    )
    data = planted(model, [event], rng, 300, 80.0)
    data = data._replace(
        noise=rng.uniform(1e-4, 1e-1, len(data.noise)), explained=rng.exponential(0.1, len(data.noise))
    )
    n = look(TIMES, data, model, event, 0.0, 1e9, ROWS)
    best = 0.0
    for phase in (0, 1):
        values = evidence_by_radius(model, ROWS, n, phase, len(RADIUS_KM))
        wanted = [formula(model, data, hypothesis(*place, 40.0, k), (phase,))[0] for k in range(len(RADIUS_KM))]
        assert values == pytest.approx(wanted, abs=0.02)
        best += max(wanted)
    assert glance(TIMES, data, model, event, 0.0, ROWS) == pytest.approx(best, abs=0.04)
    assert formula(model, data, event)[0] == pytest.approx(best, abs=0.04)  # it has set the radii


def test_own_picks_are_the_sum_of_their_probabilities(rng: np.random.Generator) -> None:
    data = planted(MODEL, [TRUTH], rng, 400)
    event = TRUTH.copy()
    own = fit(TIMES, data, MODEL, BOX, event, 0, 0.0, ROWS)
    assert event[:4].tolist() == TRUTH[:4].tolist()  # no step, no change
    evidence_there, own_there = formula(MODEL, data, event)
    assert event[EVIDENCE] == pytest.approx(evidence_there, abs=0.02)
    assert own == pytest.approx(own_there, abs=0.01)


def test_very_large_and_small_ratios_keep_their_logarithms() -> None:
    # 24 channels of a ratio beyond 1e20 each: their product is not a number.
    data = clean(TRUTH)._replace(noise=np.full(24, 1e-20))
    n = look(TIMES, data, MODEL, TRUTH, 0.0, 1e9, ROWS)
    wanted = [formula(MODEL, data, TRUTH, (phase,))[0] for phase in (0, 1)]
    assert min(wanted) > 12 * 40
    assert [evidence_by_radius(MODEL, ROWS, n, phase, 8)[7] for phase in (0, 1)] == pytest.approx(wanted, abs=0.05)


@given(PLACES, st.floats(-5, 5), st.floats(-5, 5), st.floats(-4, 4), st.floats(-0.7, 0.7))
def test_a_fit_finds_the_source(
    place: tuple[float, float, float], east: float, north: float, down: float, late: float
) -> None:
    true = hypothesis(*place, 40.0)
    event = start(true, east, north, down, late)
    event[2] = min(max(event[2], 0.3), 20.0)  # at the surface times do not change with depth: no way down
    own = fit(TIMES, clean(true), MODEL, BOX, event, 16, 0.6, ROWS)
    assert event[:2] == pytest.approx(true[:2], abs=0.1)
    assert event[2] == pytest.approx(true[2], abs=1.0)  # outside the stations depth and time are badly known
    assert event[EVIDENCE] > formula(MODEL, clean(true), true)[0] - 0.1
    assert event[3] == pytest.approx(true[3], abs=0.05)
    assert own > 20


def test_wrong_picks_hardly_move_a_fit(rng: np.random.Generator) -> None:
    off = []
    for _ in range(20):
        data = planted(MODEL, [TRUTH], rng, 600)  # three times as many picks by chance as of the event a minute
        late = data.picks.time_s.copy()
        own = np.flatnonzero(abs(late - arrivals_s(MODEL, TRUTH)[data.picks.channel]) < 0.5)
        late[rng.choice(own, 3, replace=False)] += 1.5
        order = np.lexsort((late, data.picks.channel))
        data = evidence(MODEL, late[order], data.picks.channel[order], data.noise[0])
        event = start(TRUTH, 3.0, -3.0, 2.0, 0.3)
        fit(TIMES, data, MODEL, BOX, event, 8, 0.5, ROWS)
        off.append(np.hypot(*(event[:2] - TRUTH[:2])))
    assert np.median(off) < 0.5
    assert max(off) < 1.5


def test_a_source_beyond_the_box_is_put_at_its_side() -> None:
    beyond = hypothesis(75.0, 5.0, 9.0, 40.0, 11)
    event = start(beyond, -20.0, 0.0, 0.0, 0.0)
    fit(TIMES, clean(beyond), MODEL, BOX, event, 16, 0.5, ROWS)
    assert event[0] == BOX.high[0]
    assert np.isfinite(event).all()


@pytest.mark.parametrize("station", [0, 11])
def test_a_start_at_a_station_itself(station: int) -> None:
    # There the travel time has a cusp: no derivative by place.
    place = [MODEL.x_km[station], MODEL.y_km[station], max(MODEL.depth_km[station], 0.0)]
    true = hypothesis(place[0] + 2.0, place[1] - 1.0, 4.0, 40.0)
    event = hypothesis(*place, 40.0)
    fit(TIMES, clean(true), MODEL, BOX, event, 16, 0.6, ROWS)
    assert event[:2] == pytest.approx(true[:2], abs=0.5)


def test_without_picks_every_channel_speaks_against() -> None:
    event = TRUTH.copy()
    own = fit(TIMES, evidence(MODEL, [], []), MODEL, BOX, event, 3, 0.0, ROWS)
    assert own == 0.0
    assert event[:4] == pytest.approx(TRUTH[:4], abs=0)
    assert event[RADIUS] == event[RADIUS_S] == 0  # the smallest radius expects least
    assert event[EVIDENCE] == pytest.approx(formula(MODEL, evidence(MODEL, [], []), event)[0], abs=0.02)
    stays = hypothesis(*TRUTH[:4], 8)
    n = look(TIMES, evidence(MODEL, [], []), MODEL, stays, 0.0, 1e9, ROWS)
    against = formula(MODEL, evidence(MODEL, [], []), stays)[0]
    assert against < -20
    assert sum(evidence_by_radius(MODEL, ROWS, n, phase, 9)[8] for phase in (0, 1)) == pytest.approx(against, abs=0.02)


def test_the_second_of_two_equal_events_has_no_evidence() -> None:
    data, first = clean(TRUTH), TRUTH.copy()
    fit(TIMES, data, MODEL, BOX, first, 3, 0.0, ROWS)
    explain(TIMES, data, MODEL, first, 1.0)
    second = first.copy()
    fit(TIMES, data, MODEL, BOX, second, 3, 0.0, ROWS)
    assert first[EVIDENCE] > 100
    # A pick that another event of the same arrival explains counts log(1 - p + p f/(b + p f)), at most log(2 - p).
    p = detected(second)
    assert second[EVIDENCE] < np.sum(np.log(2 - p))
    assert second[EVIDENCE] < 12


@given(st.lists(PLACES, min_size=1, max_size=4), st.sampled_from([0.0, 0.05]))
def test_what_is_explained_can_be_taken_back(places: list[tuple[float, float, float]], wrong_label: float) -> None:
    model = MODEL._replace(wrong_label=wrong_label)
    events = [hypothesis(*place, 40.0 + 0.2 * k) for k, place in enumerate(places)]
    data = planted(model, events, np.random.default_rng(1), 100)
    for event in events:
        explain(TIMES, data, model, event, 1.0)
    assert data.explained.max() > 1.0
    for event in events:
        explain(TIMES, data, model, event, -1.0)
    assert data.explained == pytest.approx(np.zeros(len(data.explained)), abs=1e-12)
    assert data.explained.min() >= 0.0


def test_explained_density_is_detection_times_density_of_the_residual() -> None:
    data = evidence(MODEL, arrivals_s(MODEL, TRUTH)[[0]] + 0.05, [0])
    explain(TIMES, data, MODEL, TRUTH, 1.0)
    travel = arrivals_s(MODEL, TRUTH)[0] - TRUTH[3]
    sigma = np.hypot(0.1, 0.005 * travel)
    u = 0.05 / sigma
    f = ((1 - OUTLIERS) * np.exp(-(u**2) / 2) + OUTLIERS / 5 * np.exp(-(u**2) / 50)) / np.sqrt(2 * np.pi) / sigma
    assert data.explained[0] == pytest.approx(detected(TRUTH)[0] * f, rel=1e-3)


@given(st.floats(0, 12), st.floats(0.01, 0.3))
def test_tables_hold_their_curves(at: float, share: float) -> None:
    model = MODEL._replace(density=residual_density(share), nearness=detection_table(0.2))
    curve = ((1 - share) * np.exp(-(at**2) / 2) + share / 5 * np.exp(-(at**2) / 50)) / np.sqrt(2 * np.pi)
    if abs(at - RESIDUAL_MAX) > 0.02:
        assert density_at(model, at) == pytest.approx(curve if at < RESIDUAL_MAX else 0.0, abs=1e-4)
    if abs(at - 3.0) > 0.02:
        assert nearness_at(model, at) == pytest.approx(1 / (1 + np.exp((at - 1) / 0.2)) if at < 3 else 0.0, abs=1e-3)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 3), st.integers(0, 1)), max_size=40), st.floats(-1, 101))
def test_picks_by_channel(rows: list[tuple[float, int, int]], at: float) -> None:
    rows = sorted(rows)
    time, station, phase = (np.array([row[k] for row in rows]) for k in range(3))
    picks = PickArrays(
        time.astype(float),
        station.astype(np.int32),
        phase.astype(np.int8),
        np.ones(len(rows), np.float32),
        np.arange(len(rows)),
        0,
    )
    found = by_channel(picks, 4)
    assert sorted(found.pick.tolist()) == list(range(len(rows)))
    for c in range(8):
        here = slice(found.offsets[c], found.offsets[c + 1])
        assert found.time_s[here].tolist() == [row[0] for row in rows if 2 * row[1] + row[2] == c]
        assert set(found.channel[here]) <= {c}
        assert first_slot(found, c, at) == found.offsets[c] + np.searchsorted(found.time_s[here], at)
