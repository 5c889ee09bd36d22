"""Locations against planted hypocentres: place, time, uncertainty, and what wrong picks may do."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate import uncertainty
from seisloom.associate.clusters import Clusters, make_clusters
from seisloom.associate.locate import Located, locate, to_catalog
from seisloom.associate.locate_search import agreement
from seisloom.associate.network import Network
from seisloom.errors import InputError
from seisloom.geo import distance_azimuth
from seisloom.picks import PickArrays
from seisloom.traveltime import TravelTimes
from tests.association import VP, VS, geodesics, ring_network, uniform_times

Array = npt.NDArray[np.float64]
SIGMA = (0.1, 0.2)


class Planted(NamedTuple):
    network: Network
    times: TravelTimes
    picks: PickArrays
    clusters: Clusters
    truth: Array
    """(event, 4): x, y, depth, origin time."""
    wrong: npt.NDArray[np.bool_]
    """(pick,): moved at random."""


@cache
def planted(
    n_events: int = 300, n_picks: int = 20, wrong: float = 0.0, seed: int = 1, radius_km: float = 25.0
) -> Planted:
    """Events among 30 stations over 50 km, picked with errors of 0.1 (P) and 0.2 s (S) at stations near by."""
    rng = np.random.default_rng(seed)
    network = ring_network(30, radius_km)
    truth = np.column_stack([
        rng.uniform(-20, 20, n_events), rng.uniform(-20, 20, n_events), rng.uniform(2, 15, n_events),
        30.0 + 60.0 * np.arange(n_events) + rng.uniform(0, 1, n_events),
    ])  # fmt: skip
    station, phase, time, bad = [], [], [], []
    for x, y, z, t0 in truth:
        distance = np.hypot(geodesics(network, x, y)[0][0], z + network.elevation_km)
        near = np.repeat(np.exp(-distance / 30.0), 2)
        channel = rng.choice(60, n_picks, replace=False, p=near / near.sum())
        s, p = channel // 2, channel % 2
        t = t0 + distance[s] / np.where(p == 0, VP, VS) + rng.normal(0, np.array(SIGMA)[p])
        off = rng.random(n_picks) < wrong
        station.append(s), phase.append(p), bad.append(off)
        time.append(np.where(off, t0 + rng.uniform(0, 20, n_picks), t))
    times = np.concatenate(time)
    order = np.argsort(times)
    picks = PickArrays(
        times[order], np.concatenate(station)[order].astype(np.int32), np.concatenate(phase)[order].astype(np.int8),
        np.ones(len(order), np.float32), order.astype(np.int64), 1_476_403_200_000_000_000,
    )  # fmt: skip
    event = order // n_picks
    clusters = make_clusters([np.flatnonzero(event == k) for k in range(n_events)])
    return Planted(network, uniform_times(network), picks, clusters, truth, np.concatenate(bad)[order])


def located(case: Planted, **options: object) -> Located:
    return locate(case.picks, case.clusters, case.network, case.times, **options)


def epicentre_error(result: Located, case: Planted) -> Array:
    return np.hypot(result.x_km - case.truth[:, 0], result.y_km - case.truth[:, 1])


@pytest.mark.parametrize(("wrong", "km", "seconds"), [(0.0, 0.5, 0.08), (0.2, 0.6, 0.10)])
def test_local_events_are_found_where_they_were(wrong: float, km: float, seconds: float) -> None:
    case = planted(wrong=wrong)
    result = located(case)
    assert np.median(epicentre_error(result, case)) < km
    assert np.percentile(epicentre_error(result, case), 95) < 4 * km
    assert np.median(np.abs(result.time_s - case.truth[:, 3])) < seconds
    assert np.median(np.abs(result.depth_km - case.truth[:, 2])) < 1.0


def test_uncertainties_hold_68_percent() -> None:
    case = planted(1000, 16, seed=4)
    result = located(case)
    error = result.hypocentres - case.truth
    flat = result.covariance[:, :2, :2]
    distance = np.einsum("ni,nij,nj->n", error[:, :2], np.linalg.inv(flat), error[:, :2])
    radius = result.freedom * (0.3173 ** (-2 / result.freedom) - 1)
    sigma = np.sqrt(np.einsum("nii->ni", result.covariance))
    shares = [np.mean(distance < radius), *np.mean(np.abs(error) < sigma, axis=0)]
    # 1000 events: one standard error of a share is 0.015
    np.testing.assert_allclose(shares, 0.6827, atol=0.045)


def test_uncertainty_grows_where_the_network_says_less() -> None:
    """Stations to one side: the gap is large, flagged, and the ellipse points at the event."""
    case = planted(50, 20, seed=2)
    far = case.truth.copy()
    near = located(case)
    east = case.network.x_km > -5.0
    keep = [group[east[case.picks.station[group]]] for group in map(case.clusters.group, range(50))]
    west = np.flatnonzero(far[:, 0] < -12.0)
    one_sided = locate(case.picks, make_clusters([keep[k] for k in west]), case.network, case.times)
    assert (one_sided.gap_deg > 150).all()
    major, minor, azimuth = uncertainty.ellipse(one_sided.covariance, one_sided.freedom)
    assert np.median(major) > 1.5 * np.median(uncertainty.ellipse(near.covariance, near.freedom)[0][west])
    assert (major >= minor).all()
    assert ((azimuth >= 0) & (azimuth < 180)).all()
    flagged = one_sided.flags & uncertainty.OUTSIDE_NETWORK > 0
    np.testing.assert_array_equal(flagged, one_sided.gap_deg > 180)


def test_ellipse_of_a_known_covariance() -> None:
    """Half axes 3 and 1 km (standard errors) turned to azimuth 30 degrees, with so many degrees of freedom that
    the squared radius is that of chi squared, 2.296."""
    along = np.array([np.sin(np.radians(30)), np.cos(np.radians(30))])
    across = np.array([along[1], -along[0]])
    matrix = np.zeros((1, 4, 4))
    matrix[0, :2, :2] = 9 * np.outer(along, along) + np.outer(across, across)
    major, minor, azimuth = uncertainty.ellipse(matrix, np.array([1e7]))
    np.testing.assert_allclose([major[0], minor[0], azimuth[0]], [3 * 1.5152, 1.5152, 30.0], rtol=1e-3)


@pytest.mark.parametrize(
    ("azimuths", "gap"),
    [([], 360), ([10], 360), ([350, 10], 340), ([0, 90, 180, 270], 90), ([5, 5, 185], 180), ([359, 1, 100, 220], 139)],
)
def test_azimuthal_gap(azimuths: list[float], gap: float) -> None:
    beside = [0.0, 120.0, 240.0]  # of another event, in between
    azimuth = np.array([*azimuths, *beside], float)
    event = np.repeat([0, 1], [len(azimuths), 3])
    np.testing.assert_allclose(uncertainty.azimuthal_gap(azimuth, event, 2), [gap, 120.0])


@given(
    st.lists(st.tuples(st.floats(-20, 20), st.floats(0.2, 3)), min_size=1, max_size=12),
    st.floats(0.2, 5),
    st.randoms(),
)
def test_agreement_is_that_of_the_best_run(picks: list[tuple[float, float]], cutoff: float, random: object) -> None:
    """Against every run of sorted onsets that is as long as the cutoff lets it be when its last pick is added."""
    onset, weight = np.array([p[0] for p in picks]), np.array([p[1] for p in picks])
    order = np.arange(len(picks))
    random.shuffle(order)  # type: ignore[attr-defined]
    sorted_onset = onset[order].copy()
    value, mean = agreement(sorted_onset, order, weight, cutoff)
    assert (np.diff(sorted_onset) >= 0).all()
    np.testing.assert_array_equal(sorted_onset, onset[order])
    best = -1.0
    for last in onset:
        run = (onset <= last) & (onset >= last - 2 * cutoff - 1e-12)
        middle = np.average(onset[run], weights=weight[run])
        best = max(best, float(np.sum(weight[run] * (1 - ((onset[run] - middle) / cutoff) ** 2))))
    assert value >= best - 1e-6
    run = np.abs(onset - mean) <= 2 * cutoff
    assert value <= weight[run].sum() + 1e-9


def test_order_of_clusters_and_threads_change_nothing() -> None:
    case = planted(60, 12, wrong=0.2, seed=3)
    once = located(case)
    backwards = make_clusters([case.clusters.group(k) for k in range(59, -1, -1)])
    again = locate(case.picks, backwards, case.network, case.times, n_threads=2)
    np.testing.assert_array_equal(once.hypocentres, again.hypocentres[::-1])
    np.testing.assert_array_equal(once.covariance, again.covariance[::-1])


def test_a_shift_of_all_times_shifts_the_origins() -> None:
    case = planted(40, 15, seed=5)
    later = case.picks._replace(time_s=case.picks.time_s + 250_000.0)
    moved = locate(later, case.clusters, case.network, case.times)
    result = located(case)
    np.testing.assert_allclose(moved.time_s - result.time_s, 250_000.0, atol=1e-6)
    np.testing.assert_allclose(moved.hypocentres[:, :3], result.hypocentres[:, :3], atol=1e-4)


def test_a_start_leads_to_the_same_place() -> None:
    case = planted(200, 20, seed=6)
    result = located(case)
    again = located(case, start=result.hypocentres + np.array([1.0, -1.0, 1.0, 0.1]))
    assert np.mean(np.hypot(*(again.hypocentres - result.hypocentres)[:, :2].T) < 0.05) > 0.97


def test_exact_picks_give_exact_hypocentres_and_derived_values() -> None:
    case = planted(30, 20, seed=7)
    event = np.repeat(np.arange(30), case.clusters.sizes)
    member = case.clusters.members
    station, phase = case.picks.station[member], case.picks.phase[member]
    distance, azimuth = (found[event, station] for found in geodesics(case.network, *case.truth.T[:2]))
    straight = np.hypot(distance, case.truth[event, 2] + case.network.elevation_km[station])
    time = case.picks.time_s.copy()
    time[member] = case.truth[event, 3] + straight / np.where(phase == 0, VP, VS)
    exact = case._replace(picks=case.picks._replace(time_s=time))
    result = located(exact)
    np.testing.assert_allclose(result.hypocentres, case.truth, atol=0.02)
    np.testing.assert_allclose(result.residual_s, 0.0, atol=0.005)
    np.testing.assert_allclose(result.distance_km, distance, atol=0.03)
    turned = np.radians(result.azimuth_deg - azimuth)
    np.testing.assert_allclose(np.sin(turned) * distance, 0.0, atol=0.03)
    assert (np.cos(turned[distance > 1.0]) > 0).all()
    assert result.n_p.sum() == np.sum(case.picks.phase == 0)
    assert result.n_stations[3] == len(np.unique(case.picks.station[case.clusters.group(3)]))
    nearest = min(result.distance_km[case.clusters.offsets[3] : case.clusters.offsets[4]])
    assert result.nearest_station_km[3] == nearest


def test_limits_are_kept_and_flagged() -> None:
    """Events 15 km below the region and 40 km beside it end at the limits, and say so."""
    case = planted(2, 20, seed=8)
    network, box = case.network, case.network.box_km
    beyond = np.array([[0.0, 0.0, 35.0, 30.0], [box[1] + 40.0, 0.0, 10.0, 90.0]])
    event = np.repeat([0, 1], case.clusters.sizes)
    member = case.clusters.members
    station, phase = case.picks.station[member], case.picks.phase[member]
    t0 = beyond[event, 3]
    straight = np.hypot(
        geodesics(network, *beyond.T[:2])[0][event, station], beyond[event, 2] + network.elevation_km[station]
    )
    time = case.picks.time_s.copy()
    time[member] = t0 + straight / np.where(phase == 0, VP, VS)
    moved = case._replace(picks=case.picks._replace(time_s=time))
    result = located(moved, margin_km=20.0)
    assert result.depth_km[0] == network.region.z_max
    assert result.flags[0] & uncertainty.DEPTH_AT_LIMIT
    assert result.x_km[1] == pytest.approx(box[1] + 20.0, abs=0.01)
    assert result.flags[1] & uncertainty.OUTSIDE_REGION
    assert result.flags[1] & uncertainty.OUTSIDE_NETWORK


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_picks_are_no_error(n: int) -> None:
    case = planted(1, 20, seed=9)
    result = locate(case.picks, make_clusters([case.clusters.group(0)[:n]]), case.network, case.times)
    assert result.flags[0] & uncertainty.TOO_FEW_PICKS
    assert np.isfinite(result.time_s[0]) == (n > 0)
    major, _, _ = uncertainty.ellipse(result.covariance, result.freedom)
    if n < 3:
        assert major[0] > 5.0


def test_wrong_sigmas_are_refused() -> None:
    case = planted(1, 20, seed=9)
    with pytest.raises(InputError, match="shape \\(3,\\)"):
        located(case, sigma_s=np.ones(3))
    with pytest.raises(InputError, match="positive"):
        located(case, sigma_s=(0.1, 0.0))


def test_an_error_of_the_model_counts_against_far_picks() -> None:
    case = planted(50, 20, seed=1)
    plain, rough = located(case), located(case, model_error=0.05)
    assert np.median(rough.covariance[:, 0, 0]) > 1.3 * np.median(plain.covariance[:, 0, 0])


def test_catalogue_tables() -> None:
    case = planted(12, 20, seed=10)
    groups = [case.clusters.group(k) for k in (7, 3, 11)]
    clusters = make_clusters([*groups, []])
    result = locate(case.picks, clusters, case.network, case.times)
    pick_index = 1000 + np.arange(len(case.picks.time_s))
    events, assignments = to_catalog(result, clusters, case.picks, case.network, pick_index)
    assert events["event_id"].tolist() == [1, 2, 3]
    assert events["time"].is_monotonic_increasing
    assert str(events["time"].dt.tz) == "UTC"
    seconds = (events["time"] - pd.Timestamp("2016-10-14", tz="UTC")).dt.total_seconds()
    np.testing.assert_allclose(seconds, case.truth[[3, 7, 11], 3], atol=0.5)
    lat, lon = case.network.geographic(case.truth[[3, 7, 11], 0], case.truth[[3, 7, 11], 1])
    far = distance_azimuth(lat, lon, events["latitude"], events["longitude"])[0]
    assert (far < 2.0).all()
    assert assignments.groupby("event_id").size().tolist() == events["n_picks"].tolist()
    first = assignments[assignments["event_id"] == 1]["pick_index"].to_numpy()
    np.testing.assert_array_equal(first, pick_index[case.picks.row[groups[1]]])
    assert set(events["quality"]) <= set("ABCD")
    assert (events["ellipse_minor_km"] <= events["horizontal_uncertainty_km"]).all()


@pytest.mark.parametrize(
    ("change", "letter"),
    [({}, "A"), ({"rms_s": 0.4}, "B"), ({"gap_deg": 200.0}, "C"), ({"n_picks": 5}, "D"), ({"flags": 1}, "C"),
     ({"horizontal_km": 2.0}, "B"), ({"depth_km": 20.0}, "D"), ({"ratio": 2.0}, "B")],
)  # fmt: skip
def test_quality_letters(change: dict[str, float], letter: str) -> None:
    good = {
        "rms_s": 0.1,
        "gap_deg": 80.0,
        "n_picks": 20,
        "horizontal_km": 0.5,
        "depth_km": 1.0,
        "ratio": 0.5,
        "flags": 0,
    }
    values = {name: np.array([value]) for name, value in (good | change).items()}
    assert uncertainty.quality(**values).tolist() == [letter]
