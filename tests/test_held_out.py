"""The held-out generator and the twists of recordings: what was asked for is there, and the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from benchmarks import cases, twists
from benchmarks.held_out import networks
from benchmarks.held_out.amplitudes import DETECTED, radiation, signal_to_noise
from benchmarks.held_out.earth import Arrivals, arrivals, draw_earth
from benchmarks.held_out.generator import SPREAD_OF_ERRORS, pick_errors, record
from benchmarks.held_out.noise import draw_noise
from benchmarks.held_out.sources import MAGNITUDE_MIN, MAINSHOCK_S, Conditions
from benchmarks.recording import Recording

QUICK = Conditions(duration_s=900.0)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record("hills", QUICK, np.random.default_rng(5))


def one_event(depth_km: float, magnitude: float, n: int = 1, apart_s: float = 0.0) -> pd.DataFrame:
    columns = {"time_s": apart_s * np.arange(n), "latitude": 38.6, "longitude": 38.2, "depth_km": depth_km}
    columns |= {"magnitude": magnitude, "strike_deg": 30.0, "dip_deg": 60.0, "rake_deg": 20.0}
    return pd.DataFrame(columns, index=np.arange(n))


def around(n: int, distance_km: float, time_s: np.ndarray) -> Arrivals:
    shape = (len(time_s), n)
    azimuth = np.broadcast_to(np.linspace(0.0, 360.0, n, endpoint=False), shape)
    both = time_s[:, None, None] + np.broadcast_to([4.0, 7.0], (*shape, 2))
    return Arrivals(np.full(shape, distance_km), azimuth, both)


@pytest.mark.parametrize("name", networks.LAYOUTS)
def test_networks_have_their_stations_within_the_region(name: str) -> None:
    table = networks.sites(name, np.random.default_rng(7))
    box, layout = networks.region(name, table), networks.LAYOUTS[name]
    assert len(table) == layout.n_stations
    assert table["station"].is_unique
    assert table["latitude"].between(box.lat_min, box.lat_max).all()
    assert table["longitude"].between(box.lon_min, box.lon_max).all()
    assert (table["depth_m"] > 0).sum() == layout.boreholes


def test_a_recording_is_sorted_and_the_same_for_the_same_seed(recording: Recording) -> None:
    again = record("hills", QUICK, np.random.default_rng(5))
    pd.testing.assert_frame_equal(recording.picks, again.picks)
    assert not record("hills", QUICK, np.random.default_rng(6)).picks.equals(recording.picks)
    assert recording.picks["time_s"].is_monotonic_increasing
    assert recording.picks["probability"].between(0.3, 1.0).all()


def test_stations_and_earth_stay_the_same_from_seed_to_seed() -> None:
    one, other = (record("valley", QUICK, np.random.default_rng(seed)) for seed in (1, 2))
    pd.testing.assert_frame_equal(one.sites, other.sites)


def test_an_event_has_one_pick_of_a_station_and_phase_at_most(recording: Recording) -> None:
    true = recording.picks[recording.picks["event"] >= 0]
    labels_right = record("hills", replace(QUICK, label_error=0.0), np.random.default_rng(5)).picks.query("event >= 0")
    assert not labels_right.duplicated(["event", "station", "phase"]).any()
    assert true.groupby(["event", "station"]).size().max() == 2


def test_picks_lie_about_their_true_arrivals(recording: Recording) -> None:
    true = recording.picks[recording.picks["event"] >= 0]
    channel = 2 * true["station"] + true["phase"]
    error = true["time_s"].to_numpy() - recording.predicted_s[true["event"], channel]
    sigma = recording.sigma_s[true["event"], channel]
    assert np.nanmean(np.abs(error) < 3.0 * sigma) > 0.9


def test_shares_of_labels_and_noise_are_those_asked_for() -> None:
    asked = replace(QUICK, label_error=0.1, noise_ratio=2.0, events_per_hour=400)
    counts = []
    for seed in range(2):
        picks = record("hills", asked, np.random.default_rng(seed)).picks
        right = record("hills", replace(asked, label_error=0.0), np.random.default_rng(seed)).picks
        true = (picks["event"] >= 0).sum()
        swapped = (
            picks.query("event >= 0").sort_values(["event", "station", "time_s"])["phase"].to_numpy()
            != right.query("event >= 0").sort_values(["event", "station", "time_s"])["phase"].to_numpy()
        ).mean()
        counts.append((swapped, (len(picks) - true) / true))
    assert np.mean(counts, axis=0) == pytest.approx([0.1, 2.0], rel=0.15)


def test_the_smallest_event_is_half_detected_at_the_reach_of_the_network(rng: np.random.Generator) -> None:
    there = around(4000, 28.0, np.zeros(1))
    snr = signal_to_noise(one_event(0.5, MAGNITUDE_MIN), there, 28.0, 3600.0, rng)
    # The mean of the logarithm of the radiation pattern is what the median lies below.
    pattern, _ = radiation(one_event(0.5, MAGNITUDE_MIN), there, np.full((1, 1), 0.5))
    assert np.median(snr[..., 0] - np.log10(pattern)) == pytest.approx(DETECTED, abs=0.2)


def test_radiation_has_the_mean_squares_of_a_double_couple() -> None:
    # Stations evenly over the lower half of the focal sphere: cos(takeoff) uniform.
    n = 20_000
    cosine = (np.arange(n) + 0.5) / n
    distance = 10.0 * np.sqrt(1 - cosine**2) / cosine
    azimuth = (np.arange(n) * 137.50776) % 360.0
    there = Arrivals(distance[None], azimuth[None], np.zeros((1, n, 2)))
    p, s = radiation(one_event(10.0, 1.0), there, np.full((1, 1), 10.0))
    assert np.mean(p**2) == pytest.approx(1.0, abs=0.03)  # what fills the nodes adds a little
    assert np.mean(s**2) == pytest.approx(1.0, abs=0.03)


def test_coda_hides_small_events_and_then_lets_them_through(rng: np.random.Generator) -> None:
    events = one_event(5.0, MAGNITUDE_MIN + 1.0, n=3, apart_s=20.0)
    events.loc[0, "magnitude"] += 2.0
    events["time_s"] = [0.0, 8.0, 120.0]
    snr = signal_to_noise(events, around(500, 15.0, events["time_s"].to_numpy()), 28.0, 3600.0, rng)
    hidden, free = (np.median(snr[k, :, 0]) for k in (1, 2))
    assert hidden < DETECTED < free


def test_pick_errors_are_late_rather_than_early_and_have_outliers(rng: np.random.Generator) -> None:
    scale = np.full(200_000, 0.1)
    plain = pick_errors(scale, 0.0, rng)
    assert np.mean(plain) > 0.02
    assert np.mean(plain > 0.3) > 1.5 * np.mean(plain < -0.3)
    # The central part is what the ceiling takes it for.
    assert np.percentile(np.abs(plain), 68) == pytest.approx(SPREAD_OF_ERRORS * 0.1, rel=0.25)
    far = [np.mean(np.abs(pick_errors(scale, share, rng)) > 0.6) for share in (0.0, 0.08)]
    assert far[1] - far[0] == pytest.approx(0.08 * np.exp(-0.3 / 0.9), rel=0.1)


def test_arrivals_keep_the_mean_of_the_layered_model(rng: np.random.Generator) -> None:
    """Away from stations' delays and the source's side, slowness is the model's on average over the network."""
    table = networks.sites("hills", np.random.default_rng(7))
    earth = draw_earth("hills", len(table), np.random.default_rng(8))._replace(delay_s=np.zeros((2, len(table))))
    events = pd.concat([one_event(0.3, 1.0)] * 300, ignore_index=True)
    events["latitude"] += rng.uniform(-0.27, 0.27, 300)
    events["longitude"] += rng.uniform(-0.34, 0.34, 300)
    flat = earth._replace(gradient=np.zeros(2), basins=np.zeros((0, 3)), basin_mean=0.0)
    ratio = arrivals(events, table, earth, rng).time_s / arrivals(events, table, flat, rng).time_s
    assert np.median(ratio[..., 0]) == pytest.approx(1.0, abs=0.015)
    assert np.std(ratio[..., 0]) > 0.005


def test_noise_comes_in_two_orders_of_magnitude_from_station_to_station(rng: np.random.Generator) -> None:
    table = networks.sites("basin", rng)
    asked = Conditions(burst_share=0.0)
    noise = draw_noise(50_000, 3600.0, table, rng.uniform(0, 100, (100, 2)), asked, rng)
    counts = np.bincount(noise["station"], minlength=100)
    assert len(noise) == pytest.approx(50_000, rel=0.1)
    assert 60 < counts.max() / counts.min() < 2000


def test_a_mainshock_is_followed_by_more_events_at_first_than_later() -> None:
    made = record("hills", Conditions(events_per_hour=300, mainshock=True), np.random.default_rng(1))
    after = made.events["time_s"] - MAINSHOCK_S
    assert after.min() == 0.0
    assert made.events["magnitude"].idxmax() == 0
    assert (after < 300).sum() > 2 * (after > 2000).sum()


@pytest.mark.parametrize("generator", cases.GENERATORS)
def test_every_case_is_there_and_its_ceiling_is_high(generator: str) -> None:
    assert {*cases.NAMED, *cases.SIZES} <= set(cases.available(generator))
    made = cases.make("labels_100", generator, 1, 600.0)
    assert made.ceiling(8, made.outside).event_f1 > 0.95


def test_clock_of_one_station_is_late(recording: Recording, rng: np.random.Generator) -> None:
    late = twists.clock_error(recording, rng)
    before, after = (table.picks.groupby("station")["time_s"].mean() for table in (recording, late))
    shifted = (after - before)[(after - before).abs() > 1e-9]
    assert shifted.tolist() == [pytest.approx(twists.CLOCK_ERROR_S)]


def test_silent_stations_stay_in_the_inventory(recording: Recording, rng: np.random.Generator) -> None:
    quiet = twists.silent_stations(recording, rng)
    assert len(quiet.sites) == 30
    assert quiet.picks["station"].nunique() == 24


def test_duplicates_have_the_picks_of_their_twins(recording: Recording, rng: np.random.Generator) -> None:
    twice = twists.duplicate_stations(recording, rng)
    assert len(twice.sites) == 36
    assert twice.predicted_s.shape == (len(twice.events), 72)
    twin = int(twice.sites.index[twice.sites["station"] == f"{twice.sites['station'].iloc[30][:-1]}"][0])
    original = np.sort(twice.picks.loc[twice.picks["station"] == twin, "time_s"])
    again = twice.picks.loc[twice.picks["station"] == 30, "time_s"].to_numpy()
    assert 0.75 * len(original) < len(again) < len(original)
    assert np.abs(again[:, None] - original).min(axis=1).max() < 0.2


def test_only_one_label_is_left(recording: Recording, rng: np.random.Generator) -> None:
    for phase in (0, 1):
        left = twists.only(phase)(recording, rng)
        assert set(left.picks["phase"]) == {phase}
        assert left.ceiling(6).event_f1 > 0.9
