"""Windows of picks: what is possible against closed forms, membership against a plain loop, features against theirs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisloom.associate.network import Network, Region, make_network
from seisloom.associate.windows import (
    FEATURES,
    FeatureKind,
    Windows,
    features,
    labels,
    pair_limits,
    root_windows,
    station_map,
    window_sizes,
)
from seisloom.errors import InputError
from seisloom.picks.arrays import PickArrays, pick_arrays
from tests.association import VP, VS, geodesics, ring_network, ring_sites, uniform_times

Array = npt.NDArray[np.float64]
NETWORK = ring_network()
LIMITS = pair_limits(NETWORK, uniform_times(NETWORK), 200.0)
N = NETWORK.n_stations
P_CHANNELS, S_CHANNELS = np.arange(0, 2 * N, 2), np.arange(1, 2 * N, 2)


def random_sources(network: Network, n: int, seed: int = 1) -> Array:
    x0, x1, y0, y1 = network.box_km
    r = network.region
    return np.random.default_rng(seed).uniform((x0, y0, r.z_min), (x1, y1, r.z_max), (n, 3))


def arrivals(network: Network, sources: Array, max_distance_km: float) -> Array:
    """Exact times in the uniform medium, (source, channel), NaN beyond the reach."""
    station = np.column_stack([network.x_km, network.y_km, -network.elevation_km])
    distance = np.linalg.norm(sources[:, None] - station, axis=-1)
    distance[distance > max_distance_km] = np.nan
    return (distance[..., None] / np.array([VP, VS])).reshape(len(sources), -1)


def random_picks(n: int, span_s: float, seed: int = 2, n_stations: int = N) -> PickArrays:
    """Picks at whole thousandths of a second in binary, so that a shift of time changes no digit."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, int(span_s * 1024), n)) / 1024
    station, phase = rng.integers(0, n_stations, n).astype(np.int32), rng.integers(0, 2, n).astype(np.int8)
    return PickArrays(time, station, phase, rng.random(n, np.float32), np.arange(n), 0)


def test_times_between_stations_never_exceed_the_way_between_them() -> None:
    station = np.column_stack([NETWORK.x_km, NETWORK.y_km, -NETWORK.elevation_km])
    apart = np.linalg.norm(station[:, None] - station, axis=-1)
    p = LIMITS[np.ix_(P_CHANNELS, P_CHANNELS)]
    assert (p[..., 1] <= apart / VP + 1e-4).all()
    # Reached by a source at the earlier station: the first one lies at the top of the region.
    assert NETWORK.elevation_km[0] == NETWORK.region.z_min
    assert p[0, :, 1] == pytest.approx(apart[0] / VP, abs=1e-4)


def test_s_after_p_at_one_station_spans_the_distances_of_the_region() -> None:
    x0, x1, y0, y1 = NETWORK.box_km
    corners = geodesics(NETWORK, [x0, x0, x1, x1], [y0, y1, y0, y1])[0]
    farthest = np.hypot(corners.max(axis=0), NETWORK.region.z_max + NETWORK.elevation_km)
    delay = 1 / VS - 1 / VP  # the nearest source lies right below the station, at depth 0
    same = LIMITS[P_CHANNELS, S_CHANNELS]
    assert same[:, 0] == pytest.approx(NETWORK.elevation_km * delay, abs=1e-4)
    assert same[:, 1] == pytest.approx(farthest * delay, abs=1e-4)


@pytest.mark.parametrize("max_distance_km", [25.0, 60.0, 200.0])
def test_limits_hold_every_source_and_little_more(max_distance_km: float) -> None:
    spacing = 4.0
    found = pair_limits(NETWORK, uniform_times(NETWORK), max_distance_km, spacing)
    t = arrivals(NETWORK, random_sources(NETWORK, 200_000), max_distance_km)
    diagonal = spacing * 1.5
    slowness = np.tile([1 / VP, 1 / VS], N)
    for a in range(2 * N):
        difference = t - t[:, a : a + 1]
        seen = np.isfinite(difference).any(axis=0)
        assert np.isfinite(found[a, seen]).all()
        least, greatest = np.nanmin(difference[:, seen], axis=0), np.nanmax(difference[:, seen], axis=0)
        assert (found[a, seen, 0] <= least + 0.03).all()
        assert (found[a, seen, 1] >= greatest - 0.03).all()
        # 1.2 km: random sources do not come closer to the extremes than that.
        excess = (slowness[a] + slowness[seen]) * (diagonal + 1.2)
        assert (found[a, seen, 0] >= least - excess).all()
        assert (found[a, seen, 1] <= greatest + excess).all()


def test_limits_of_a_pair_backwards_are_those_forwards_reversed() -> None:
    np.testing.assert_array_equal(LIMITS[..., 0], -LIMITS[..., 1].T)


def test_pairs_that_no_source_reaches_are_nan() -> None:
    found = pair_limits(NETWORK, uniform_times(NETWORK), 8.0)
    apart = np.hypot(np.subtract.outer(NETWORK.x_km, NETWORK.x_km), np.subtract.outer(NETWORK.y_km, NETWORK.y_km))
    far = np.kron(apart > 2 * (8.0 + 6.0), np.ones((2, 2), bool))
    assert far.any()
    np.testing.assert_array_equal(np.isnan(found[..., 0]) | np.isnan(found[..., 1]), np.isnan(found[..., 0]))
    assert np.isnan(found[far]).all()


@pytest.mark.filterwarnings("error")
def test_a_station_out_of_reach_has_windows_of_its_root_alone() -> None:
    sites = ring_sites(3, 10.0)
    sites.loc[2, "latitude"] += 5.0
    network = make_network(sites, Region(42.8, 43.2, 12.8, 13.2))
    found = pair_limits(network, uniform_times(network), 50.0)
    picks = random_picks(300, 100.0, n_stations=3)
    windows = root_windows(picks, found, 1.0, 60.0, 100)
    assert (windows.sizes[picks.station[windows.roots] == 2] == 1).all()
    assert (windows.sizes[picks.station[windows.roots] != 2] > 1).any()
    assert not (picks.station[windows.members[windows.sizes.cumsum() - 1]] == 2)[windows.sizes > 1].any()


def naive_windows(
    picks: PickArrays, limits: Array | None, slack_s: float, t_win: float, n_max_picks: int
) -> list[list[int]]:
    out = []
    channel = 2 * picks.station + picks.phase
    for i, start in enumerate(picks.time_s):
        window = [i]
        for j in range(i + 1, len(picks.time_s)):
            dt = picks.time_s[j] - start
            ok = dt <= t_win
            if limits is not None:
                low, high = limits[channel[i], channel[j]]
                ok = ok and channel[i] != channel[j] and low - slack_s <= dt <= high + slack_s
            if ok and len(window) < n_max_picks:
                window.append(j)
        out.append(window)
    return out


@given(
    seed=st.integers(0, 1000),
    n=st.integers(0, 60),
    span_s=st.sampled_from([1.0, 10.0, 60.0]),
    slack_s=st.sampled_from([0.0, 0.5, 2.0]),
    t_win=st.sampled_from([0.0, 3.0, 30.0]),
    n_max_picks=st.integers(1, 20),
    pruned=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_windows_are_those_of_a_plain_loop(
    seed: int, n: int, span_s: float, slack_s: float, t_win: float, n_max_picks: int, pruned: bool
) -> None:
    picks = random_picks(n, span_s, seed)
    limits = LIMITS if pruned else None
    windows = root_windows(picks, limits, slack_s, t_win, n_max_picks)
    expected = naive_windows(picks, limits, slack_s, t_win, n_max_picks)
    assert [w.tolist() for w in np.split(windows.members, windows.offsets[1:-1])][: len(expected)] == expected
    assert windows.roots.tolist() == list(range(n))
    np.testing.assert_array_equal(window_sizes(picks, limits, slack_s, t_win, n_max_picks), windows.sizes)


def test_windows_in_parts_are_the_whole() -> None:
    picks = random_picks(500, 200.0)
    whole = root_windows(picks, LIMITS, 1.0, 40.0, 50)
    parts = [root_windows(picks, LIMITS, 1.0, 40.0, 50, a, b) for a, b in ((0, 1), (1, 1), (1, 260), (260, 500))]
    np.testing.assert_array_equal(np.concatenate([part.members for part in parts]), whole.members)
    np.testing.assert_array_equal(np.concatenate([part.roots for part in parts]), whole.roots)
    for kind in FEATURES:
        columns = [features(picks, NETWORK, LIMITS, part, kind, 1.0, 40.0) for part in (*parts, whole)]
        np.testing.assert_array_equal(np.concatenate(columns[:-1]), columns[-1])


def test_every_true_pick_of_an_event_stays_in_its_windows() -> None:
    sources = random_sources(NETWORK, 200, seed=5)
    for number, t in enumerate(arrivals(NETWORK, sources, 200.0)):
        order = np.argsort(t)
        channel = order.astype(np.int32)
        picks = PickArrays(
            t[order], channel // 2, (channel % 2).astype(np.int8), np.ones(2 * N, np.float32), channel, 0
        )
        sizes = root_windows(picks, LIMITS, 0.03, 60.0, 100).sizes
        assert sizes.tolist() == list(range(2 * N, 0, -1)), number


@pytest.mark.parametrize("kind", FEATURES)
def test_shifting_all_times_changes_nothing(kind: FeatureKind) -> None:
    picks = random_picks(300, 100.0)
    later = picks._replace(time_s=picks.time_s + 86400.0 * 365)
    a, b = (root_windows(p, LIMITS, 1.0, 40.0, 50) for p in (picks, later))
    np.testing.assert_array_equal(a.members, b.members)
    np.testing.assert_array_equal(
        features(picks, NETWORK, LIMITS, a, kind, 1.0, 40.0), features(later, NETWORK, LIMITS, b, kind, 1.0, 40.0)
    )


def test_the_order_of_the_pick_table_means_nothing() -> None:
    picks = random_picks(300, 100.0)
    table = pd.DataFrame(
        {
            "station": [NETWORK.ids[s] for s in picks.station],
            "phase": np.array(["P", "S"])[picks.phase],
            "time": pd.to_datetime(np.round(picks.time_s, 1), unit="s", utc=True),  # many at one instant
            "probability": picks.probability,
        }
    )
    made = []
    for rows in (np.arange(300), np.random.default_rng(3).permutation(300)):
        arrays = pick_arrays(table.iloc[rows], list(NETWORK.ids))
        windows = root_windows(arrays, LIMITS, 1.0, 40.0, 50)
        made.append((rows[arrays.row[windows.members]], features(arrays, NETWORK, LIMITS, windows, "relative", 1, 40)))
    np.testing.assert_array_equal(made[0][0], made[1][0])
    np.testing.assert_array_equal(made[0][1], made[1][1])


def test_published_columns_are_those_of_the_published_scripts() -> None:
    from obspy.geodetics import gps2dist_azimuth

    sites = ring_sites(8)
    network = make_network(sites, Region(42.6, 43.5, 12.3, 13.7))  # its middle is not the stations'
    lat, lon = sites["latitude"].to_numpy(), sites["longitude"].to_numpy()
    lat0, lon0 = (lat.min() + lat.max()) / 2, (lon.min() + lon.max()) / 2
    x = np.array([gps2dist_azimuth(lat0, v, lat0, lon0)[0] * (-1 if v < lon0 else 1) for v in lon])
    y = np.array([gps2dist_azimuth(v, lon0, lat0, lon0)[0] * (-1 if v < lat0 else 1) for v in lat])
    picks = random_picks(40, 30.0, n_stations=8)
    windows = root_windows(picks, None, 0.0, 12.0, 25)
    found = features(picks, network, None, windows, "published", 0.0, 12.0)
    for k, root in enumerate(windows.roots):
        rows = found[windows.offsets[k] : windows.offsets[k + 1]]
        members = np.flatnonzero((picks.time_s - picks.time_s[root] <= 12.0) & (np.arange(40) >= root))[:25]
        station = picks.station[members]
        assert rows[:, 0] == pytest.approx(((x - x.min()) / np.ptp(x))[station], abs=1e-5)
        assert rows[:, 1] == pytest.approx(((y - y.min()) / np.ptp(y))[station], abs=1e-5)
        assert rows[:, 2] == pytest.approx((picks.time_s[members] - picks.time_s[root]) / 12.0, abs=1e-6)
        np.testing.assert_array_equal(rows[:, 3], picks.phase[members])
        np.testing.assert_array_equal(rows[:, 4], 1.0)


def test_relative_columns() -> None:
    picks = PickArrays(
        np.array([5.0, 7.0, 8.5]),
        np.array([0, 0, 3], np.int32),
        np.array([0, 1, 0], np.int8),
        np.array([0.5, 0.25, 0.75], np.float32),
        np.arange(3),
        0,
    )
    windows = Windows(np.array([0]), np.array([0, 3]), np.array([0, 1, 2]))
    row = features(picks, NETWORK, LIMITS, windows, "relative", 1.0, 60.0)
    named = dict(zip(FEATURES["relative"], row.T, strict=True))
    east, north = NETWORK.x_km[3] - NETWORK.x_km[0], NETWORK.y_km[3] - NETWORK.y_km[0]
    assert named["phase"].tolist() == [0, 1, 0]
    assert named["root_phase"].tolist() == [0, 0, 0]
    assert named["probability"].tolist() == [0.5, 0.25, 0.75]
    assert named["time"] == pytest.approx([0.0, 0.2, 0.35])
    assert named["east"] == pytest.approx([0, 0, east / 50])
    assert named["north"] == pytest.approx([0, 0, north / 50])
    assert named["distance"] == pytest.approx([0, 0, np.hypot(east, north) / 50])
    low, high = LIMITS[0, 6]
    assert named["width"] == pytest.approx([0, np.ptp(LIMITS[0, 1]) / 10, (high - low) / 10])
    assert named["place"][2] == pytest.approx(-1 + 2 * (3.5 - (low - 1)) / (high - low + 2), abs=1e-5)
    np.testing.assert_allclose(row[:, :2], station_map(NETWORK)[picks.station], atol=1e-6)


def test_columns_are_finite_and_of_order_one() -> None:
    picks = random_picks(2000, 300.0)
    for slack_s in (0.0, 1.0):
        windows = root_windows(picks, LIMITS, slack_s, 60.0, 500)
        for kind, names in FEATURES.items():
            found = features(picks, NETWORK, LIMITS, windows, kind, slack_s, 60.0)  # type: ignore[arg-type]
            assert found.dtype == np.float32
            assert found.shape == (len(windows.members), len(names))
            assert np.isfinite(found).all()
            assert np.abs(found).max() < 4
    place = FEATURES["relative"].index("place")
    assert np.abs(found[:, place]).max() <= 1 + 1e-5
    assert np.abs(found[:, place]).max() > 0.99  # windows reach to the limits


def test_stations_on_one_meridian() -> None:
    sites = ring_sites(4)
    sites["longitude"] = 13.0
    network = make_network(sites, Region(42.5, 43.5, 12.3, 13.7))
    np.testing.assert_allclose(station_map(network)[:, 0], 0.0, atol=1e-9)
    assert np.ptp(station_map(network)[:, 1]) == pytest.approx(1.0)


def test_labels() -> None:
    event = np.array([4, -1, 4, 2, -1, 2], np.int32)
    windows = Windows(np.array([0, 1, 3]), np.array([0, 4, 6, 9]), np.array([0, 1, 2, 3, 1, 4, 3, 4, 5]))
    assert labels(event, windows).tolist() == [1, 0, 1, 0, 1, 0, 1, 0, 1]


def test_relative_columns_without_limits() -> None:
    picks = random_picks(5, 5.0)
    windows = root_windows(picks, None, 0.0, 5.0, 5)
    with pytest.raises(InputError, match="pair_limits"):
        features(picks, NETWORK, None, windows, "relative", 0.0, 5.0)
