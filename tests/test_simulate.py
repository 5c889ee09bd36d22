"""The scenario generator: what comes out is what the settings say, measured against closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisloom.associate.network import Network
from seisloom.associate.scenario import CASES, Scenario
from seisloom.associate.simulate import REFERENCE_NS, Simulation, pick_table, simulate
from seisloom.associate.synthetic import CRUST, KINDS, synthetic_network, synthetic_sites, synthetic_times
from seisloom.errors import InputError, SettingsError
from seisloom.picks import pick_arrays
from seisloom.traveltime import travel_time
from tests.association import VP, VS, geodesics, ring_network, uniform_times

NETWORK = ring_network()
TIMES = uniform_times(NETWORK)
CLEAN = Scenario(
    duration_s=7200, events_per_hour=600, noise_ratio=0, error_p_s=0, error_s_s=0, outlier_share=0, station_term_p_s=0,
    station_term_s_s=0, model_error=0, swap_share=0, duplicate_share=0, radius_min_km=60,
)  # fmt: skip


def run(seed: int = 5, **settings: Any) -> Simulation:
    return simulate(replace(CLEAN, **settings), NETWORK, TIMES, np.random.default_rng(seed))


def geometry(simulation: Simulation, network: Network = NETWORK) -> tuple[np.ndarray, np.ndarray]:
    """(event, station): hypocentral distance in km and straight-ray travel time of P."""
    e = simulation.events
    z = e["depth_km"].to_numpy()[:, None]
    distance = np.hypot(geodesics(network, e["x_km"], e["y_km"])[0], z + network.elevation_km)
    return distance, distance / VP


def residuals(simulation: Simulation) -> tuple[np.ndarray, np.ndarray]:
    """Of event picks: observed minus predicted time, and predicted travel time, in a uniform medium."""
    picks, event = simulation.picks, simulation.event
    rows = event >= 0
    travel = geometry(simulation)[0][event[rows], picks.station[rows]] / np.where(picks.phase[rows] == 0, VP, VS)
    return picks.time_s[rows] - simulation.events["time_s"].to_numpy()[event[rows]] - travel, travel


def test_errorless_picks_arrive_when_the_closed_form_says() -> None:
    simulation = run()
    residual, travel = residuals(simulation)
    assert len(residual) > 10_000
    assert np.abs(residual / travel).max() < 1e-6  # single precision of the stored slowness


@pytest.mark.parametrize("scenario", [CLEAN, Scenario(duration_s=1800, burst_share=0.5, dead_share=0.2)])
def test_the_same_seed_gives_the_same_picks(scenario: Scenario) -> None:
    one, same, other = (simulate(scenario, NETWORK, TIMES, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for a, b in zip([*one.picks[:5], one.event], [*same.picks[:5], same.event], strict=True):
        assert np.array_equal(a, b)
    assert one.events.equals(same.events)
    assert not np.array_equal(one.events["x_km"], other.events["x_km"])


def test_one_generator_goes_on_from_one_stream_to_the_next() -> None:
    rng = np.random.default_rng(1)
    first, second = (simulate(CLEAN, NETWORK, TIMES, rng) for _ in range(2))
    assert not np.array_equal(first.events["x_km"], second.events["x_km"])


def test_layout_of_what_is_returned() -> None:
    picks, event, events = run(noise_ratio=1.0)
    assert np.all(np.diff(picks.time_s) >= 0)
    assert [a.dtype for a in (*picks[:5], event)] == [np.float64, np.int32, np.int8, np.float32, np.int64, np.int32]
    assert picks.time_s[0] >= 0
    assert picks.reference_ns == REFERENCE_NS
    assert np.array_equal(picks.row, np.arange(len(event)))
    assert np.array_equal(events["event_id"], np.arange(len(events)))
    assert np.all(np.diff(events["time_s"]) >= 0)
    assert np.array_equal(np.bincount(event[event >= 0], minlength=len(events)), events["n_picks"])
    x, y = NETWORK.geographic(events["x_km"], events["y_km"])
    assert np.array_equal(events["latitude"], x)
    assert np.array_equal(events["longitude"], y)


def test_rates() -> None:
    assert len(run(events_per_hour=50, duration_s=1800).events) == 25
    train = run(separation_s=12.0, duration_s=61.0).events["time_s"]
    assert train.to_list() == [0.0, 12.0, 24.0, 36.0, 48.0, 60.0]
    quiet = run(events_per_hour=0)
    assert (len(quiet.events), len(quiet.event)) == (0, 0)


def test_every_event_has_its_own_hypocentre_in_the_region() -> None:
    events = run().events
    places = events[["x_km", "y_km", "depth_km"]].to_numpy()
    assert len(np.unique(places, axis=0)) == len(events)
    x_min, x_max, y_min, y_max = NETWORK.box_km
    low, high = np.array([x_min, y_min, 0.0]), np.array([x_max, y_max, 20.0])
    fraction = (places - low) / (high - low)
    assert fraction.min() >= 0
    assert fraction.max() <= 1
    # Uniform: mean 1/2 and standard deviation 1/sqrt(12) along each axis (four standard errors).
    assert np.abs(fraction.mean(axis=0) - 0.5).max() < 4 * np.sqrt(1 / 12 / len(events))
    assert np.abs(fraction.std(axis=0) - np.sqrt(1 / 12)).max() < 0.03


def test_pick_errors_by_phase() -> None:
    simulation = run(error_p_s=0.1, error_s_s=0.2)
    residual, _ = residuals(simulation)
    phase = simulation.picks.phase[simulation.event >= 0]
    for code, sigma in ((0, 0.1), (1, 0.2)):
        n = np.sum(phase == code)
        assert residual[phase == code].std() == pytest.approx(sigma, abs=4 * sigma / np.sqrt(2 * n))


def test_outliers() -> None:
    residual, _ = residuals(run(outlier_share=0.1, outlier_s=0.5))
    out = np.abs(residual) > 1e-3
    n = len(residual)
    assert out.mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.1 * 0.9 / n))
    assert residual[out].std() == pytest.approx(0.5, rel=0.1)


def test_station_terms_are_constant_by_station_and_phase() -> None:
    simulation = run(station_term_p_s=0.3, station_term_s_s=0.6)
    residual, _ = residuals(simulation)
    rows = simulation.event >= 0
    channel = 2 * simulation.picks.station[rows] + simulation.picks.phase[rows]
    terms = np.array([residual[channel == c] for c in range(2 * NETWORK.n_stations)], object)
    assert max(np.ptp(t) for t in terms) < 1e-4
    means = np.array([t.mean() for t in terms])
    assert len(np.unique(means.round(6))) == len(means)
    # 24 normal deviates: their rms is within 50 % of the standard deviation (four standard errors of 1/sqrt(24)).
    assert 0.5 < np.sqrt(np.mean(means[::2] ** 2)) / 0.3 < 1.6
    assert 0.5 < np.sqrt(np.mean(means[1::2] ** 2)) / 0.6 < 1.6


def test_model_error_is_a_smooth_field_shared_by_p_and_s() -> None:
    relative = []
    for seed in range(20):  # one field has few independent parts
        simulation = run(seed, model_error=0.02, duration_s=600)
        residual, travel = residuals(simulation)
        relative.append(residual / travel)
    rows = simulation.event >= 0
    path = simulation.event[rows] * NETWORK.n_stations + simulation.picks.station[rows]
    ordered = np.lexsort((simulation.picks.phase[rows], path))
    same = path[ordered][1:] == path[ordered][:-1]
    assert same.sum() > 100
    assert np.abs(np.diff(relative[-1][ordered])[same]).max() < 1e-5
    assert np.sqrt(np.mean(np.concatenate(relative) ** 2)) == pytest.approx(0.02, rel=0.25)
    # The field is read at the middle of the path: paths with one middle share it, wherever their ends are.
    e = simulation.events.loc[simulation.event]
    station = simulation.picks.station
    middle = np.stack([e["x_km"] + NETWORK.x_km[station], e["y_km"] + NETWORK.y_km[station]], axis=1) / 2
    apart = np.linalg.norm(middle[:, None] - middle, axis=2)
    close = (apart < 0.3) & (station[:, None] != station)
    assert close.sum() > 20
    assert np.abs(relative[-1][:, None] - relative[-1])[close].max() < 0.1 * relative[-1].std()
    tight = run(model_error=0.02, sequence_share=1.0, sequence_sigma_km=0.1)
    values = np.divide(*residuals(tight))
    station = tight.picks.station
    assert max(np.std(values[station == s]) for s in range(NETWORK.n_stations)) < 1e-3  # neighbours share it


def test_detection_falls_off_with_distance() -> None:
    simulation = run(radius_min_km=30, radius_max_km=30, falloff=0.2, detection=0.8, s_detection=0.5, duration_s=36000)
    distance, _ = geometry(simulation)
    for code, share in ((0, 0.8), (1, 0.4)):
        picked = np.zeros(distance.shape, bool)
        rows = simulation.picks.phase == code
        picked[simulation.event[rows], simulation.picks.station[rows]] = True
        for low in range(10, 60, 5):
            inside = (distance >= low) & (distance < low + 5)
            expected = np.mean(share / (1 + np.exp((distance[inside] - 30) / 6)))
            assert picked[inside].mean() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / inside.sum()))


def test_without_falloff_the_radius_is_sharp() -> None:
    simulation = run(radius_min_km=12, radius_max_km=40, falloff=0, detection=1, s_detection=1)
    within = geometry(simulation)[0] <= simulation.events["radius_km"].to_numpy()[:, None]
    picked = np.zeros((2, *within.shape), bool)
    picked[simulation.picks.phase, simulation.event, simulation.picks.station] = True
    assert np.array_equal(picked, np.stack([within, within]))


def test_magnitudes_and_radii() -> None:
    events = run(duration_s=36_000, b_value=0.8, magnitude_min=1.0, magnitude_max=6.0, radius_max_km=600).events
    magnitude, radius = events["magnitude"].to_numpy(), events["radius_km"].to_numpy()
    # Aki (1965): b = log10(e) / (mean magnitude - smallest); its relative standard error is 1/sqrt(n).
    b = np.log10(np.e) / (magnitude.mean() - 1.0)
    assert b == pytest.approx(0.8, rel=4 / np.sqrt(len(events)))
    assert np.allclose(radius, 60 * 10 ** ((magnitude - 1.0) / 5.0))  # from 60 km at 1 to 600 km at 6


def test_noise_picks() -> None:
    simulation = run(noise_ratio=1.5, noise_s_share=0.3, noise_spread=0.0)
    noise = simulation.event < 0
    expected = 1.5 * np.sum(~noise)
    assert noise.sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert simulation.picks.phase[noise].mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / expected))
    by_station = np.bincount(simulation.picks.station[noise], minlength=NETWORK.n_stations)
    assert np.abs(by_station - expected / NETWORK.n_stations).max() < 5 * np.sqrt(expected / NETWORK.n_stations)
    uneven = run(noise_ratio=1.5, noise_spread=1.0)
    counts = np.bincount(uneven.picks.station[uneven.event < 0], minlength=NETWORK.n_stations)
    assert 0.5 < np.log(counts).std() < 1.6


def test_noise_picks_by_station_and_hour() -> None:
    simulation = run(events_per_hour=0, noise_per_station_hour=50)
    expected = 50 * 2 * NETWORK.n_stations
    assert len(simulation.event) == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert simulation.picks.time_s.max() > 7000


def test_bursts_hold_their_share_of_the_noise() -> None:
    settings = {"events_per_hour": 0, "noise_per_station_hour": 2000, "burst_s": 5, "bursts_per_hour": 10}
    all_in = run(**settings, burst_share=1.0)
    gaps = np.flatnonzero(np.diff(all_in.picks.time_s) > 5) + 1
    spans = [part[-1] - part[0] for part in np.split(all_in.picks.time_s, gaps)]
    assert len(spans) <= 20
    assert sum(spans) <= 20 * 7.5  # bursts less than 5 s apart count with the gap between them
    sizes = np.diff([0, *gaps, len(all_in.picks.time_s)])
    assert sizes.std() > 0.5 * sizes.mean()  # some bursts are much larger than others
    assert all(len(np.unique(part)) > 6 for part in np.split(all_in.picks.station, gaps) if len(part) > 100)
    half = run(**settings, burst_share=0.5)
    filled = np.histogram(half.picks.time_s, np.arange(0, 7205, 5))[0] > 60  # a bin of noise alone holds 16.7
    assert 0 < filled.mean() < 0.05
    n_filled = np.isin((half.picks.time_s // 5).astype(int), np.flatnonzero(filled)).mean()
    assert n_filled == pytest.approx(0.5, abs=0.08)


def test_true_picks_have_the_higher_probabilities() -> None:
    simulation = run(noise_ratio=1.0)
    true = simulation.picks.probability[simulation.event >= 0]
    noise = simulation.picks.probability[simulation.event < 0]
    assert min(true.min(), noise.min()) >= 0.3
    assert max(true.max(), noise.max()) <= 1.0
    assert true.mean() == pytest.approx(0.3 + 0.7 * 3 / 4, abs=0.01)  # mean of u^(1/3) is 3/4
    assert noise.mean() == pytest.approx(0.3 + 0.7 * 1 / 4, abs=0.01)


def test_swapped_labels() -> None:
    simulation = run(swap_share=0.1)
    residual, _ = residuals(simulation)
    wrong = np.abs(residual) > 1e-3
    assert wrong.mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / len(wrong)))
    travel = residual[wrong] + geometry(simulation)[0][simulation.event, simulation.picks.station][wrong] / np.where(
        simulation.picks.phase[wrong] == 0, VP, VS
    )
    speed = np.where(simulation.picks.phase[wrong] == 0, VS, VP)  # of the phase that it was
    distance = geometry(simulation)[0][simulation.event, simulation.picks.station][wrong]
    assert np.allclose(travel, distance / speed, rtol=1e-5)


def test_duplicates_follow_the_same_arrival() -> None:
    simulation = run(duplicate_share=0.2)
    residual, _ = residuals(simulation)
    late = residual > 1e-3
    assert late.sum() / (~late).sum() == pytest.approx(0.2, abs=0.02)
    assert residual[late].min() >= 0.05 - 1e-4
    assert residual[late].max() <= 0.5 + 1e-4


def test_dead_stations_have_no_picks() -> None:
    simulation = run(dead_share=0.25, noise_ratio=2.0)
    assert len(np.unique(simulation.picks.station)) == 9
    assert len(np.unique(run(dead_share=1.0).picks.station)) == 1


def test_events_outside_and_in_sequence() -> None:
    events = run(outside_share=0.3, sequence_share=0.5, sequence_sigma_km=2.0, duration_s=36_000).events
    x_min, x_max, y_min, y_max = NETWORK.box_km
    x, y = events["x_km"].to_numpy(), events["y_km"].to_numpy()
    outside = (x < x_min) | (x > x_max) | (y < y_min) | (y > y_max)
    assert outside.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / len(events)))
    assert x.min() >= x_min - (x_max - x_min) / 2
    assert y.max() <= y_max + (y_max - y_min) / 2
    # The frame is twice the region each way: a third of its area is north or south of it, a third east or west.
    beside = outside & (y >= y_min) & (y <= y_max)
    assert beside.sum() / outside.sum() == pytest.approx(1 / 3, abs=0.05)
    centre = np.median(events[["x_km", "y_km"]].to_numpy()[~outside], axis=0)
    near = np.hypot(x - centre[0], y - centre[1]) < 7.0
    assert near.mean() == pytest.approx(0.5, abs=0.05)


@settings(max_examples=15)
@given(
    st.integers(0, 2**32),
    st.builds(
        Scenario,
        duration_s=st.floats(10, 2000),
        events_per_hour=st.floats(0, 2000),
        noise_ratio=st.floats(0, 3),
        burst_share=st.floats(0, 1),
        dead_share=st.floats(0, 1),
        falloff=st.floats(0, 1),
        swap_share=st.floats(0, 1),
        outside_share=st.floats(0, 0.5),
        sequence_share=st.floats(0, 0.5),
    ),
)
def test_any_scenario_gives_a_sound_stream(seed: int, scenario: Scenario) -> None:
    picks, event, events = simulate(scenario, NETWORK, TIMES, np.random.default_rng(seed))
    assert all(np.isfinite(a).all() for a in (picks.time_s, picks.probability))
    assert np.all(np.diff(picks.time_s) >= 0)
    assert set(np.unique(picks.phase)) <= {0, 1}
    assert np.all((picks.station >= 0) & (picks.station < NETWORK.n_stations))
    assert np.all((event >= -1) & (event < len(events)))
    assert events.notna().all(axis=None)


def test_the_table_is_the_arrays() -> None:
    simulation = run(noise_ratio=1.0)
    table = pick_table(simulation.picks, NETWORK)
    back = pick_arrays(table, list(NETWORK.ids))
    start = (simulation.picks.reference_ns - back.reference_ns) / 1e9
    assert np.abs(back.time_s - start - simulation.picks.time_s).max() < 2e-9
    for name in ("station", "phase", "probability", "row"):
        assert np.array_equal(getattr(back, name), getattr(simulation.picks, name)), name


def test_settings_that_cannot_be_are_all_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Scenario(
            duration_s=0, noise_ratio=float("nan"), swap_share=2, falloff=-1, magnitude_max=0, radius_max_km=1,
            separation_s=0, events_per_hour=float("inf"), outside_share=0.6, sequence_share=0.6,
        )  # fmt: skip
    text = str(caught.value)
    for name in (
        "duration_s", "noise_ratio", "swap_share", "falloff", "magnitude_max", "radius_max_km", "separation_s",
        "events_per_hour", "outside_share",
    ):  # fmt: skip
        assert f"- {name} is " in text
    assert len(caught.value.faults) == 9


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_networks(kind: str) -> None:
    layout = KINDS[kind]
    sites = synthetic_sites(kind, None, np.random.default_rng(3))
    assert len(sites) == sites["station"].nunique() == layout.n_stations
    assert sites["elevation_m"].between(0, layout.elevation_max_m).all()
    network = synthetic_network(kind, np.random.default_rng(3))
    azimuth = np.radians(layout.azimuth_deg)
    along = network.x_km * np.sin(azimuth) + network.y_km * np.cos(azimuth)
    assert 0.8 * layout.length_km < np.ptp(along) <= 1.01 * layout.length_km
    apart = np.hypot(*(v[:, None] - v for v in (network.x_km, network.y_km))) + 1e9 * np.eye(len(sites))
    # No clumps: the closest pair is not far below the spacing of a regular grid.
    assert apart.min() > 0.25 * np.sqrt(layout.length_km * layout.width_km / len(sites))
    x_min, x_max, _, _ = network.box_km
    assert x_min + 0.9 * layout.margin_km < network.x_km.min()
    assert network.x_km.max() < x_max - 0.9 * layout.margin_km


def test_times_of_a_synthetic_network_reach_all_of_its_region() -> None:
    network = synthetic_network("subduction", np.random.default_rng(3))
    times = synthetic_times(network)
    x_min, x_max, y_min, y_max = network.box_km
    corners = [geodesics(network, x, y)[0].max() for x in (x_min, x_max) for y in (y_min, y_max)]
    assert max(corners) <= times.distance_km[-1] + 0.1
    assert times.depth_km[-1] >= network.region.z_max
    # Straight down under a station the time is the integral of slowness from it to the source.
    z = np.linspace(-network.elevation_km[7], 40.0, 100_001)
    expected = np.mean(1 / CRUST.velocity("P", 0.5 * (z[1:] + z[:-1]))) * (z[-1] - z[0])
    assert travel_time(times, 0, 7, 0.0, 40.0)[0] == pytest.approx(expected, abs=0.01)


def test_number_of_synthetic_stations_and_unknown_kinds() -> None:
    assert len(synthetic_sites("local", 7, np.random.default_rng(3))) == 7
    with pytest.raises(InputError, match=r"'loca'; there are local, regional"):
        synthetic_sites("loca", None, np.random.default_rng(3))


@pytest.mark.parametrize("name", CASES)
def test_cases_have_events_to_find(name: str) -> None:
    kind, scenario = CASES[name]
    network = synthetic_network(kind, np.random.default_rng(1))
    simulation = simulate(replace(scenario, duration_s=1800), network, uniform_times(network), np.random.default_rng(2))
    assert simulation.events["n_picks"].median() >= 8
