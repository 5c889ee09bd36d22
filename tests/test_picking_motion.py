"""The classical picker on arrivals that are known, ground motion after a pick, and the earthquakes of the synthetic network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seisloom.noise.response import Responses
from seisloom.picking.amplitude import ground_motion, padding
from seisloom.picking.classical import ClassicalPicker
from seisloom.stations import channel_ids
from seisloom.waveforms.base import DAY_NS, NS_PER_S
from seisloom.waveforms.synthetic import SyntheticSource
from seisloom.waveforms.synthetic.quakes import VP_KM_S, VS_KM_S, quakes_of

DAY = pd.Timestamp("2024-03-01").value
RATE = 100.0


# --- the classical picker -----------------------------------------------------------------------------------


def burst(n: int, at: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Band-limited noise that begins at a sample and fades in three seconds."""
    t = np.arange(n - at) / rate
    return np.concatenate([np.zeros(at), rng.normal(size=n - at) * np.exp(-t / 3)])


@pytest.mark.parametrize("s_minus_p_s", [2.0, 8.0, 20.0])
def test_onsets_are_found_where_signals_begin(s_minus_p_s: float, rng: np.random.Generator) -> None:
    picker = ClassicalPicker()
    n, p = round(200 * picker.rate_hz), round(100 * picker.rate_hz)
    s = p + round(s_minus_p_s * picker.rate_hz)
    data = rng.normal(size=(3, n))
    data[0] += 40 * burst(n, p, picker.rate_hz, rng) + 60 * burst(n, s, picker.rate_hz, rng)
    for row in data[1:]:
        row += 15 * burst(n, p, picker.rate_hz, rng) + 150 * burst(n, s, picker.rate_hz, rng)
    found = sorted(picker.pick(data, 0))
    assert [onset.phase for onset in found] == ["P", "S"]
    np.testing.assert_allclose([onset.sample for onset in found], [p, s], atol=0.1 * picker.rate_hz)
    assert all(0.5 <= onset.probability < 1 for onset in found)
    assert ClassicalPicker(threshold=0.9999999).pick(data, 0) == []


def test_steady_noise_offsets_and_drifts_trigger_nothing(rng: np.random.Generator) -> None:
    picker = ClassicalPicker()
    n = round(600 * picker.rate_hz)
    data = rng.normal(size=(3, n)) + 1e6 + np.linspace(0, 500, n)
    assert picker.pick(data, 0) == []
    assert picker.pick(np.zeros((3, n)), 0) == []


def test_a_vertical_alone_gives_p(rng: np.random.Generator) -> None:
    picker = ClassicalPicker()
    n, p = round(100 * picker.rate_hz), round(60 * picker.rate_hz)
    data = np.zeros((3, n))
    data[0] = rng.normal(size=n) + 40 * burst(n, p, picker.rate_hz, rng)
    (onset,) = picker.pick(data, 0)
    assert onset.phase == "P"
    assert onset.sample == pytest.approx(p, abs=0.1 * picker.rate_hz)


# --- ground motion ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    return SyntheticSource("stations=4,rate=50,components=ZNE,quakes=400,seed=2")


@pytest.mark.parametrize("frequency", [1.0, 2.0, 5.0])
def test_ground_motion_of_a_wave_of_known_amplitude(frequency: float, source: SyntheticSource) -> None:
    ids = source.ids[:3]
    epochs = [Responses(source.inventory(ids, DAY, DAY + DAY_NS)).all_epochs(name)[0] for name in ids]
    rate, at = 50.0, padding(50.0)[0]
    t = np.arange(sum(padding(rate))) / rate
    wave = np.where(t > 8, np.sin(2 * np.pi * frequency * t), 0.0)  # m/s on each component times these
    strength = np.array([3e-6, 2e-6, 1e-6])
    counts = strength[:, None] * wave * abs(source.instruments[0].evaluate(np.array(frequency)))
    velocity, amplitude = ground_motion(counts, at, round(5 * rate), rate, rate / 2, epochs)
    s, corner = 2j * np.pi * frequency, 2 * np.pi / 0.8
    traced = abs(s / (s**2 + 2 * 0.7 * corner * s + corner**2))  # displacement of the mass for 1 m/s of ground velocity
    assert velocity == pytest.approx(3e-6, rel=0.03)
    assert amplitude == pytest.approx(2e-6 * traced, rel=0.03)


def test_ground_motion_that_cannot_be_known_is_nan(source: SyntheticSource) -> None:
    data = np.ones((3, 2000)) * np.arange(2000)
    assert np.isnan(ground_motion(data, 1000, 500, 50.0, 25.0, [None] * 3)).all()
    epoch = Responses(source.inventory(source.ids[:1], DAY, DAY + DAY_NS)).all_epochs(source.ids[0])[0]
    assert np.isnan(ground_motion(data, 1000, 5, 50.0, 25.0, [epoch] * 3)).all()
    velocity, amplitude = ground_motion(data, 1000, 500, 50.0, 25.0, [epoch, None, None])
    assert velocity > 0
    assert np.isnan(amplitude)


# --- earthquakes in the synthetic network -------------------------------------------------------------------


def test_arrivals_come_with_the_velocities_of_the_half_space(source: SyntheticSource) -> None:
    day = DAY // DAY_NS
    quakes = quakes_of(day, source.settings)
    place = source.field.geometry
    elevation_km = source.table["elevation_m"].to_numpy() / 1000
    checked = 0
    apart_s = np.diff(quakes.time_s, prepend=-np.inf, append=np.inf)
    for number in np.flatnonzero(np.minimum(apart_s[1:], apart_s[:-1]) > 130)[:4]:
        first = round((day * 86_400 + np.floor(quakes.time_s[number]) - 30) * 50)
        counts = np.zeros((len(source.ids), 120 * 50), np.float32)
        source._add_quakes(counts, first)
        begun = 30 + quakes.time_s[number] % 1
        east, north = place.east_km - quakes.east_km[number], place.north_km - quakes.north_km[number]
        distance_km = np.sqrt(east**2 + north**2 + (quakes.depth_km[number] + elevation_km) ** 2)
        for size, km, vertical in zip(np.abs(counts), distance_km, place.vertical, strict=True):
            p, s = (round((begun + km / velocity) * 50) for velocity in (VP_KM_S, VS_KM_S))
            assert size[: p - 25].max() < 0.05 * size[p - 2 : s - 25].max()  # but for the ringing of the digitiser
            checked += 1
            if not vertical:
                assert size[s - 3 :].max() > 1.3 * size[: s - 3].max()
    assert checked >= 24


def test_earthquakes_do_not_depend_on_how_records_are_asked_for() -> None:
    day = DAY // DAY_NS
    whole, parts = (SyntheticSource("stations=2,rate=10,components=ZNE,quakes=300,seed=5") for _ in range(2))
    name = whole.ids[1]
    late = whole.fetch(name, DAY, DAY + DAY_NS).segments[0].data
    for hour in (0, 7, 23):
        begin = DAY + hour * 3600 * NS_PER_S
        part = parts.fetch(name, begin, begin + 1800 * NS_PER_S).segments[0].data
        np.testing.assert_array_equal(part, late[hour * 36_000 : hour * 36_000 + 18_000])
    # One that begins before midnight goes on after it.
    counts = np.zeros((6, 864_000 * 2), np.float32)
    whole._add_quakes(counts, (day - 1) * 864_000)
    halves = np.zeros_like(counts)
    for half, view in enumerate((halves[:, :864_000], halves[:, 864_000:])):
        whole._add_quakes(view, (day - 1 + half) * 864_000)
    np.testing.assert_allclose(halves, counts, rtol=1e-4, atol=1e-3)


def test_a_network_without_earthquakes_is_noise_as_before() -> None:
    noise, shaken = (SyntheticSource(f"stations=2,rate=10,seed=5,quakes={n}") for n in (0, 100))
    a, b = (s.fetch(s.ids[0], DAY, DAY + 3600 * NS_PER_S).segments[0].data.astype(float) for s in (noise, shaken))
    difference = np.abs(a - b)
    assert (difference > 0).any()
    assert np.median(difference) == 0
    assert channel_ids(noise.table) == channel_ids(shaken.table)
