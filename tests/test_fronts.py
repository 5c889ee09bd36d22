"""Waves from far away and bursts fall; local events stay."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate.fronts import best_front
from seisloom.associate.fronts import no_fronts as _no_fronts
from seisloom.associate.hypothesis import EVIDENCE, RADIUS, RADIUS_S, TIME, Evidence, explain
from seisloom.associate.pick_model import density_at
from seisloom.associate.scan import make_grid, scan
from seisloom.associate.search import Needed, accept
from tests.hypotheses import BOX, NOISE, evidence, known, planted

_, TIMES, MODEL = known()
N = len(MODEL.x_km)
GRID = make_grid(TIMES, MODEL, BOX.low, BOX.high, 6.0)
LOCAL = st.tuples(st.floats(-25, 25), st.floats(-25, 25), st.floats(1, 19))


NEEDED = Needed(8.0, 5.0)


def no_fronts(data: Evidence, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The events that stand beside fronts, and the rate of picks by fronts."""
    rate = np.zeros(len(data.noise))
    return events[_no_fronts(TIMES, data, MODEL, BOX, NEEDED, events, rate)], rate


def events_of(data: Evidence) -> np.ndarray:
    """What the search takes for events."""
    found = scan(data, MODEL, GRID, 0.0, 200.0, 3.0)
    return accept(TIMES, data, MODEL, BOX, NEEDED, found, 3.0, float(GRID.spread_s[0]))


def plane_wave(azimuth_deg: float, slowness_s_km: float, phase: int, rng: np.random.Generator) -> Evidence:
    """A wave from far away, picked with errors of 0.15 s at nine of ten stations."""
    angle = math.radians(azimuth_deg)
    time = 100 + slowness_s_km * (MODEL.x_km * math.sin(angle) + MODEL.y_km * math.cos(angle))
    seen = np.flatnonzero(rng.random(N) < 0.9)
    return evidence(MODEL, time[seen] + rng.normal(0, 0.15, len(seen)), 2 * seen + phase)


def test_plane_waves_are_no_events(rng: np.random.Generator) -> None:
    """An event may stand by chance, if it is weak: twelve stations tell it from a wave by little."""
    standing = []
    for _ in range(150):
        data = plane_wave(rng.uniform(0, 360), rng.uniform(0, 0.09), int(rng.integers(2)), rng)
        left, _ = no_fronts(data, events_of(data))
        standing.extend(left[:, EVIDENCE])
        assert len(left) or np.all(data.explained < 1e-6), "its picks are not free again"
    assert len(standing) <= 3
    assert max(standing, default=0.0) < 15.0


@pytest.mark.parametrize("slowness_s_km", [0.0, 0.03, 0.06, 0.09])
def test_plane_waves_look_like_events(slowness_s_km: float) -> None:
    rng = np.random.default_rng(5)
    found = [len(events_of(plane_wave(azimuth, slowness_s_km, 0, rng))) for azimuth in range(0, 360, 60)]
    assert max(found) > 0, "the tests above test nothing"


@given(LOCAL, st.integers(0, 2**32 - 1))
def test_a_local_event_stays(place: tuple[float, float, float], seed: int) -> None:
    truth = np.array([*place, 100.0, 6.0, 0.0, 6.0])
    data = planted(MODEL, [truth], np.random.default_rng(seed), 100)
    events = events_of(data)
    explained = data.explained.copy()
    kept, rate = no_fronts(data, events)
    assert np.any(np.abs(kept[:, TIME] - 100.0) < 1.0)
    if len(kept) == len(events) and not rate.any():
        assert data.explained == pytest.approx(explained, rel=1e-6, abs=1e-9)


def test_evidence_of_a_front_is_that_of_the_definition() -> None:
    # All stations at one instant, without errors: the best front is the one that is flat, and 0.9 the best share.
    data = evidence(MODEL, np.full(N, 100.0), 2 * np.arange(N))
    event = np.array([0.0, 0.0, 10.0, 98.0, len(MODEL.radius_km) - 1, 0.0, len(MODEL.radius_km) - 1])
    best = N * math.log(0.1 + 0.9 * 0.5 * density_at(MODEL, 0.0) / 0.2 / NOISE)
    # Times of fronts are tried every 0.15 s.
    worst = N * math.log(0.1 + 0.9 * 0.5 * density_at(MODEL, 0.075 / 0.2) / 0.2 / NOISE)
    assert worst - 1e-9 <= best_front(TIMES, data, MODEL, event).evidence <= best + 1e-9


def test_a_phase_that_an_event_has_not_makes_no_front() -> None:
    data = evidence(MODEL, np.full(N, 100.0), 2 * np.arange(N))
    event = np.array([0.0, 0.0, 10.0, 98.0, 0.0, 0.0, 0.0])
    assert best_front(TIMES, data, MODEL, event).evidence == 0.0


def test_events_of_much_evidence_are_not_asked(rng: np.random.Generator) -> None:
    data = plane_wave(30.0, 0.0, 0, rng)
    event = events_of(data)[:1]
    event[0, EVIDENCE] = 101.0
    event[0, [RADIUS, RADIUS_S]] = len(MODEL.radius_km) - 1
    assert len(no_fronts(data, event)[0]) == 1


def test_an_event_that_comes_with_a_burst_stays() -> None:
    rng = np.random.default_rng(8)
    truth = np.array([5.0, -8.0, 9.0, 100.0, 6.0, 0.0, 6.0])
    kept_with, kept_alone = 0, 0
    for _ in range(20):
        alone = planted(MODEL, [truth], rng, 0)
        burst = np.flatnonzero(rng.random(N) < 0.9)
        time = np.concatenate([alone.picks.time_s, 101.0 + rng.normal(0, 0.02, len(burst))])
        channel = np.concatenate([alone.picks.channel, 2 * burst])
        data = evidence(MODEL, time, channel)
        event = truth[None].copy()
        event[0, EVIDENCE] = 20.0
        explain(TIMES, data, MODEL, event[0], 1.0)
        kept, rate = no_fronts(data, event)
        assert rate[np.isin(data.picks.time_s, time[-len(burst) :])].min() > NOISE, "the burst is not seen"
        kept_with += len(kept)
        # The burst by itself, with an event that has nothing but its picks.
        data = evidence(MODEL, time[-len(burst) :], channel[-len(burst) :])
        event = truth[None].copy()
        event[0, EVIDENCE] = 20.0
        kept_alone += len(no_fronts(data, event)[0])
    assert (kept_with, kept_alone) == (20, 0)
