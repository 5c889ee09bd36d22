"""The picks that events could have: every one of them, as the definition says; and one owner at most."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate.gather import pairs, share_out
from seisloom.associate.hypothesis import N_COLUMNS, RADIUS, Evidence
from seisloom.associate.pick_model import NO_SEISMICITY, WIDE, Channels, PickModel, detection_table, residual_density
from tests.association import VP, VS, geodesics, ring_network, uniform_times

FALLOFF, OUTLIERS, WRONG = 0.1, 0.04, 0.05
NETWORK = ring_network(8)
TIMES = uniform_times(NETWORK)
RNG = np.random.default_rng(7)
MODEL = PickModel(
    NETWORK.x_km, NETWORK.y_km, -NETWORK.elevation_km, np.ones(8), np.ones(8), np.tile([0.9, 0.6], 8), RNG.normal(0.0, 0.1, 16),
    np.array([0.1, 0.2]), 0.01, WRONG, residual_density(OUTLIERS), detection_table(FALLOFF), np.array([15.0, 40.0]),
    np.zeros(2), NO_SEISMICITY, np.ones((2, 3)),
)  # fmt: skip
MODEL.detection[5] = 0.0


def stream() -> Evidence:
    """Picks at random, so many that every arrival has some."""
    channel = np.sort(RNG.integers(0, 16, 900))
    offsets = np.searchsorted(channel, np.arange(17)).astype(np.int64)
    time = np.concatenate([np.sort(RNG.uniform(0.0, 60.0, n)) for n in np.diff(offsets)])
    return Evidence(Channels(offsets, time, channel, np.arange(900)), np.full(900, 0.1), np.zeros(900))


def some_events() -> np.ndarray:
    events = np.zeros((3, N_COLUMNS))
    events[:, :4] = [[3.0, -8.0, 7.0, 12.0], [-11.0, 4.0, 2.0, 30.0], [15.0, 20.0, 14.0, 31.0]]
    events[:, RADIUS:] = [[0], [1], [1]]
    return events


@pytest.mark.parametrize(("least_s", "beyond"), [(0.0, 1.0), (3.0, 1.0), (0.0, 1.5)])
def test_pairs_are_those_of_the_definition(least_s: float, beyond: float) -> None:
    data, events = stream(), some_events()
    found, cells = pairs(TIMES, data, MODEL, events, least_s, beyond)
    reach = beyond * (1.0 + FALLOFF * math.log(99.0))  # where detection falls to one in a hundred
    expected, n_cells = {}, 0
    for e, event in enumerate(events):
        radius = MODEL.radius_km[int(event[RADIUS])]
        away = geodesics(NETWORK, event[0], event[1])[0][0]
        for c in range(16):
            far = math.hypot(away[c // 2], event[2] - MODEL.depth_km[c // 2])
            if far > reach * radius or MODEL.detection[c] == 0.0:
                assert abs(far - reach * radius) > 0.02 * radius or MODEL.detection[c] == 0.0
                continue
            near, travel = 1 / (1 + math.exp((far / radius - 1) / FALLOFF)), far / (VP, VS)[c % 2]
            sigma = math.hypot(MODEL.sigma_s[c % 2], 0.01 * travel)
            mine = np.flatnonzero((cells.event == e) & (cells.channel == c))
            assert len(mine) == 1
            assert cells.distance_km[mine[0]] == pytest.approx(far, rel=1e-3)
            assert cells.travel_s[mine[0]] == pytest.approx(travel, rel=1e-3)
            assert cells.sigma_s[mine[0]] == pytest.approx(sigma, rel=1e-3)
            assert cells.near[mine[0]] == pytest.approx(near, abs=2e-3)
            n_cells += 1
            for other, share in ((c, 1 - WRONG), (c ^ 1, WRONG)):
                for slot in range(data.picks.offsets[other], data.picks.offsets[other + 1]):
                    residual = data.picks.time_s[slot] - event[3] - travel - MODEL.delay_s[c]
                    if abs(residual) < max(8 * sigma, least_s):
                        u = abs(residual) / sigma
                        f = (1 - OUTLIERS) * math.exp(-(u**2) / 2) + OUTLIERS / WIDE * math.exp(-((u / WIDE) ** 2) / 2)
                        f *= (u < 8) * share * MODEL.detection[c] * near / sigma / math.sqrt(2 * math.pi)
                        expected[e, int(mine[0]), slot] = f, residual
    assert len(cells.event) == n_cells
    rows = {(e, c, s): k for k, (e, c, s) in enumerate(zip(*(column.tolist() for column in found[:3]), strict=True))}
    edge = {key for key, (_, r) in expected.items() if abs(abs(r) - max(8 * cells.sigma_s[key[1]], least_s)) < 2e-3}
    assert set(rows) ^ set(expected) <= edge
    for key in set(rows) & set(expected):
        density, residual = expected[key]
        assert found.density[rows[key]] == pytest.approx(density, rel=0.02, abs=3e-4)
        assert found.residual_s[rows[key]] == pytest.approx(residual, abs=2e-3)


def test_slopes_are_derivatives_of_travel_times() -> None:
    events = some_events()
    slope = pairs(TIMES, stream(), MODEL, events)[1].slope
    for axis in range(3):
        there = []
        for step in (-0.01, 0.01):
            moved = events.copy()
            moved[:, axis] += step
            there.append(pairs(TIMES, stream(), MODEL, moved, beyond=2.0)[1])
        one, other = ({(e, c): t for e, c, t in zip(s.event, s.channel, s.travel_s, strict=True)} for s in there)
        cells = pairs(TIMES, stream(), MODEL, events)[1]
        change = [(other[key] - one[key]) / 0.02 for key in zip(cells.event, cells.channel, strict=True)]
        assert slope[:, axis] == pytest.approx(change, abs=2e-3)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 9)), max_size=40))
def test_picks_are_shared_out_first_come_first_served(rows: list[tuple[int, int, int]]) -> None:
    event, cell, slot = np.array(rows, np.int64).reshape(-1, 3).T.copy()
    owner, row = share_out(event, cell, slot, 10, 7)
    taken_slots, taken_cells, expected = set(), set(), {}
    for k, (_, c, s) in enumerate(rows):
        if s not in taken_slots and c not in taken_cells:
            taken_slots.add(s)
            taken_cells.add(c)
            expected[s] = k
    assert {s: int(row[s]) for s in range(10) if row[s] >= 0} == expected
    assert owner.tolist() == [rows[expected[s]][0] if s in expected else -1 for s in range(10)]


def test_no_events_have_no_pairs() -> None:
    found, cells = pairs(TIMES, stream(), MODEL, np.empty((0, N_COLUMNS)))
    assert len(found.event) == len(cells.event) == 0
    assert cells.slope.shape == (0, 3)
