"""The scan of places and origin times: its sums against the definition, its maxima against brute force."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seisloom.associate import scan as module
from seisloom.associate.hypothesis import Evidence
from seisloom.associate.scan import make_grid, peaks, scan
from tests.hypotheses import BOX, NOISE, arrivals_s, evidence, hypothesis, known, planted

_, TIMES, MODEL = known()
GRID = make_grid(TIMES, MODEL, BOX.low, BOX.high, 8.0)


def node_near(x: float, y: float, depth: float) -> int:
    return int(np.argmin(np.sum((GRID.place_km - [x, y, depth]) ** 2, axis=1)))


def on_grid(node: int, time: float, channels: npt.NDArray[np.int64]) -> Evidence:
    """Arrivals of an event at a node, each picked when the grid expects it."""
    return evidence(MODEL, time + GRID.travel_s[node, channels], channels)


def definition(node: int, ratio_of: dict[int, float]) -> float:
    """Largest sum over radii of log(1 - p) and, where there is a pick, of log(1 + p/(1 - p) f/b), for P and S."""
    total = 0.0
    for phase in (0, 1):
        p = MODEL.detection[phase::2]
        said = np.log(1 - p) + np.array(
            [np.log1p(p[s] / (1 - p[s]) * ratio_of.get(2 * s + phase, 0.0)) for s in range(len(p))]
        )
        total += max(0.0, *(said[GRID.distance_km[node] <= r].sum() for r in GRID.radius_km))
    return total


def density(channel: int, travel: float) -> float:
    """Of a residual of zero, 1/s: pick, travel time and the distance to the next node have their errors."""
    errors = MODEL.sigma_s[channel % 2], MODEL.model_error * travel, GRID.spread_s[channel % 2]
    return float(1 / np.sqrt(2 * np.pi * np.sum(np.square(errors))))


@pytest.mark.parametrize("place", [(5.0, -10.0, 8.0), (-35.0, 20.0, 2.0)])
@pytest.mark.parametrize("left_out", [0, 5])
def test_the_sum_at_a_source_is_that_of_the_definition(place: tuple[float, float, float], left_out: int) -> None:
    node, bin_s = node_near(*place), 300 * GRID.step_s
    picked = np.arange(left_out, len(MODEL.detection))
    found = scan(on_grid(node, bin_s, picked), MODEL, GRID, 0.0, 400 * GRID.step_s, 3.0)
    best = found[np.argmax(found[:, 4])]
    assert best[:3].tolist() == GRID.place_km[node].tolist()
    assert best[3] == pytest.approx(bin_s, abs=1e-6)
    wanted = definition(node, {int(c): density(c, GRID.travel_s[node, c]) / NOISE for c in picked})
    assert best[4] == pytest.approx(wanted, rel=0.02)


def test_what_is_explained_counts_no_more() -> None:
    node = node_near(5.0, -10.0, 8.0)
    data = on_grid(node, 100.0, np.arange(len(MODEL.detection)))
    before = scan(data, MODEL, GRID, 90.0, 110.0, 3.0)[:, 4].max()
    data.explained[:] = 5.0
    after = scan(data, MODEL, GRID, 90.0, 110.0, 3.0)
    assert before > 80
    assert not len(after) or after[:, 4].max() < 12


def test_sources_between_nodes_are_found_near_them(rng: np.random.Generator) -> None:
    near = []
    for _ in range(40):
        true = hypothesis(*rng.uniform([-25, -25, 2], [25, 25, 18]), rng.uniform(60, 120))
        found = scan(planted(MODEL, [true], rng, 300), MODEL, GRID, 40.0, 140.0, 3.0)
        best = found[np.argmax(found[:, 4])]
        near.append(np.hypot(*(best[:2] - true[:2])) < 12.0 and abs(best[3] - true[3]) < 2.0)
    assert np.mean(near) > 0.9


@pytest.mark.parametrize("block", [1, 700 * 150, 10**9])
def test_blocks_make_no_difference(block: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    events = [hypothesis(*rng.uniform([-30, -30, 2], [30, 30, 18]), t) for t in rng.uniform(0, 200, 20)]
    data = planted(MODEL, events, rng, 500)
    whole = scan(data, MODEL, GRID, -20.0, 200.0, 5.0)
    monkeypatch.setattr(module, "_BLOCK", block)
    parts = scan(data, MODEL, GRID, -20.0, 200.0, 5.0)
    assert len(whole) > 20
    order, other = (np.lexsort(rows.T[:4].round(6)) for rows in (whole, parts))
    assert parts[other] == pytest.approx(whole[order], rel=1e-4, abs=1e-3)


def test_a_shift_of_all_picks_shifts_what_is_found(rng: np.random.Generator) -> None:
    data = planted(MODEL, [hypothesis(3.0, 4.0, 8.0, 90.0)], rng, 300)
    late = data._replace(picks=data.picks._replace(time_s=data.picks.time_s + 5000.0))
    one, other = (scan(d, MODEL, GRID, t, t + 200.0, 3.0) for d, t in ((data, 0.0), (late, 5000.0)))
    assert other - one == pytest.approx(np.tile([0.0, 0, 0, 5000.0, 0], (len(one), 1)), abs=1e-3)


def test_stations_without_detection_say_nothing(rng: np.random.Generator) -> None:
    silent = MODEL._replace(detection=np.where(np.arange(24) // 2 < 4, 0.0, MODEL.detection))
    data = planted(silent, [hypothesis(3.0, 4.0, 8.0, 90.0)], rng, 300)
    kept = data.picks.channel // 2 >= 4
    without = evidence(MODEL, data.picks.time_s[kept], data.picks.channel[kept], data.noise[0])
    found = scan(data, silent, GRID, 0.0, 200.0, 3.0)
    assert len(found)
    assert scan(without, silent, GRID, 0.0, 200.0, 3.0).tolist() == found.tolist()


def test_late_stations_are_waited_for(rng: np.random.Generator) -> None:
    # Station terms of either sign, larger than the travel times to the nearest stations.
    model = MODEL._replace(delay_s=np.where(np.arange(24) % 4 < 2, 2.5, -2.5))
    grid = make_grid(TIMES, model, BOX.low, BOX.high, 8.0)
    true = hypothesis(model.x_km[0], model.y_km[0], 1.0, 90.0)
    found = scan(planted(model, [true], rng), model, grid, 40.0, 140.0, 3.0)
    best = found[np.argmax(found[:, 4])]
    assert best[4] > 50
    assert best[3] == pytest.approx(90.0, abs=1.0)


@pytest.mark.parametrize("shift", [False, True])
def test_nodes_fill_the_box_and_their_stations_come_by_distance(shift: bool) -> None:
    grid = make_grid(TIMES, MODEL, BOX.low, BOX.high, 8.0, shift)
    nx, ny, nz = grid.shape
    assert len(grid.place_km) == nx * ny * nz
    cell = (BOX.high - BOX.low) / (np.array(grid.shape) - shift)
    edge = np.abs(np.stack([grid.place_km.min(0) - BOX.low, BOX.high - grid.place_km.max(0)]))
    assert edge == pytest.approx(np.tile(0.0 * cell if shift else cell / 2, (2, 1)))
    assert grid.place_km[1] - grid.place_km[0] == pytest.approx([cell[0], 0, 0])
    assert np.all(np.diff(np.take_along_axis(grid.distance_km, grid.order.astype(int), 1), axis=1) >= 0)
    wanted = arrivals_s(MODEL, hypothesis(*grid.place_km[7], 0.0))
    assert grid.travel_s[7] == pytest.approx(wanted, abs=1e-4)


SCORES = hnp.arrays(np.float32, st.tuples(st.just(24), st.integers(3, 7)), elements=st.integers(0, 4).map(float))


@given(SCORES, st.sampled_from([(4, 3, 2), (24, 1, 1), (2, 2, 6)]))
def test_maxima_are_what_no_neighbour_exceeds(score: npt.NDArray[np.float32], shape: tuple[int, int, int]) -> None:
    nx, ny, _ = shape
    place = np.array([(n % nx, n // nx % ny, n // (nx * ny)) for n in range(24)])
    wanted = set()
    for n in range(24):
        near = np.flatnonzero(np.abs(place - place[n]).max(axis=1) <= 1)
        for i in range(1, score.shape[1] - 1):
            around = {(m, j): score[m, j] for m in near for j in (i - 1, i, i + 1)}
            # Of equals the first counts: by node, then by time.
            before = [v for key, v in around.items() if key < (n, i)]
            after = [v for key, v in around.items() if key > (n, i)]
            if score[n, i] >= 2 and all(v < score[n, i] for v in before) and all(v <= score[n, i] for v in after):
                wanted.add((n, i, float(score[n, i])))
    assert {tuple(row) for row in peaks(score, shape, np.float32(2.0)).tolist()} == wanted


def test_nothing_to_scan() -> None:
    assert scan(evidence(MODEL, [], []), MODEL, GRID, 0.0, 100.0, 3.0).shape == (0, 5)
    assert scan(evidence(MODEL, [], []), MODEL, GRID, 0.0, 0.0, 3.0).shape == (0, 5)


def test_time_without_picks_costs_nothing_and_changes_nothing(rng: np.random.Generator) -> None:
    """Two events ten years apart are found as each by itself."""
    _, times, model = known()
    grid = make_grid(times, model, BOX.low, BOX.high, 6.0)
    years_s = 10 * 365.25 * 86_400.0
    early, late = (hypothesis(3.0, -4.0, 8.0, at) for at in (100.0, 100.0 + years_s))
    data = planted(model, [early, late], rng)
    found = scan(data, model, grid, 0.0, years_s + 400.0, 8.0)
    best = [found[np.abs(found[:, 3] - at) < 60.0][:, 4].max() for at in (100.0, 100.0 + years_s)]
    assert min(best) > 30.0
    assert np.all(np.abs(found[:, 3] % years_s - 100.0) < 60.0)


def test_only_what_can_have_changed_is_scanned_again(rng: np.random.Generator) -> None:
    events = [hypothesis(*rng.uniform([-30, -30, 2], [30, 30, 18]), t) for t in np.arange(20.0, 2000.0, 40.0)]
    data = planted(MODEL, events, rng, 500)
    before = scan(data, MODEL, GRID, 0.0, 2000.0, 5.0)
    only = np.abs(data.picks.time_s - 1000.0) < 10.0
    data.noise[only] *= 0.2
    whole, again = scan(data, MODEL, GRID, 0.0, 2000.0, 5.0), scan(data, MODEL, GRID, 0.0, 2000.0, 5.0, only)
    near = np.abs(again[:, 3] - 1000.0) < 100.0
    assert 10 < len(again) < len(whole) / 4
    assert near.all()
    rows = [{tuple(row) for row in found.round(3).tolist()} for found in (before, whole, again)]
    assert len(rows[1] - rows[0]) > 5
    assert rows[1] - rows[0] <= rows[2] <= rows[1]
