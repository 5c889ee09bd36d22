"""Figures hold what the data say; the datasets are made by hand, with known arrivals."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner

from seisloom.errors import InputError, WorkspaceError
from seisloom.geo import distance_azimuth
from seisloom.noise.archive import CORRELATIONS, ArchiveWriter, create_archive
from seisloom.noise.select import from_source, mean_over_time, reverse, select_pair
from seisloom.plot import basemap, correlogram, record_section, save, station_map, virtual_shot
from seisloom.plot.correlations import time_grid
from seisloom.plot.mapaxes import degree_step, degrees, extent, map_ratio, within
from seisloom.plot.marks import amplitude_scale, spread
from seisloom.plot.style import MISSING
from seisloom.plot.traces import Treatment, gather_bins
from seisloom.storage import Storage

SPEED_KM_S = 3.0
MAXLAG_S, RATE_HZ = 100.0, 5.0
LAG = np.arange(-500, 501) / RATE_HZ
DAY = np.timedelta64(1, "D")


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def pulse(times: np.ndarray) -> np.ndarray:
    """A wavelet of unit height about zero, 0.4 s wide."""
    return np.exp(-((times / 0.4) ** 2))


def network(
    names: list[str],
    lat: list[float] | np.ndarray,
    lon: list[float] | np.ndarray,
    days: int = 3,
    codes: str = "Z",
    autos: bool = False,
) -> xr.Dataset:
    """Correlations with an arrival of height 1 from A to B at 3 km/s, and one of height -0.5 from B to A."""
    sensors = [(f"{n}..BH{c}", y, x) for n, y, x in zip(names, lat, lon, strict=True) for c in codes]
    sensors.sort()
    pairs = [(p, q) for i, p in enumerate(sensors) for q in sensors[i:] if autos or p[0][:-1] != q[0][:-1]]
    a, b = zip(*pairs, strict=True)
    ends = {s: {k: np.array([row[j] for row in side]) for j, k in enumerate("cyx")} for s, side in (("a", a), ("b", b))}
    distance, azimuth, back = distance_azimuth(ends["a"]["y"], ends["a"]["x"], ends["b"]["y"], ends["b"]["x"])
    one = pulse(LAG - distance[:, None] / SPEED_KM_S) - 0.5 * pulse(LAG + distance[:, None] / SPEED_KM_S)
    ccf = np.repeat(one[:, None], days, axis=1).astype("f4")
    coords = {"lag": LAG, "day": np.datetime64("2019-02-03", "ns") + DAY * np.arange(days)}
    coords["pair"] = [f"{p}_{q}" for p, q in zip(ends["a"]["c"], ends["b"]["c"], strict=True)]
    for side, columns in ends.items():
        coords[f"channel_{side}"] = ("pair", columns["c"])
        coords[f"latitude_{side}"] = ("pair", columns["y"])
        coords[f"longitude_{side}"] = ("pair", columns["x"])
        coords[f"elevation_{side}_m"] = ("pair", np.arange(len(pairs)) + (100.0 if side == "a" else 900.0))
    coords["distance_km"] = ("pair", distance)
    coords["azimuth_deg"], coords["back_azimuth_deg"] = ("pair", azimuth), ("pair", back)
    data = {"ccf": (("pair", "day", "lag"), ccf), "count": (("pair", "day"), np.full(ccf.shape[:2], 100))}
    return xr.Dataset(data, coords, {"settings": json.dumps({"measure": "cc"})})


def grid(n: int, nets: tuple[str, ...] = ("AZ", "CI"), seed: int = 1, spread_deg: float = 0.6) -> tuple:
    """n stations about 34°N 117°W."""
    rng = np.random.default_rng(seed)
    names = [f"{nets[i % len(nets)]}.S{i:03d}" for i in range(n)]
    return names, 34 + spread_deg * rng.uniform(-1, 1, n), -117 + spread_deg * rng.uniform(-1, 1, n)


@pytest.fixture(scope="module")
def twelve() -> xr.Dataset:
    return network(*grid(12))


def wiggles(figure: Figure) -> np.ndarray:
    """The traces of the first axes as (trace, sample, (lag, distance))."""
    (lines,) = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    return np.array(lines.get_segments())


def png(figure: Figure) -> Image.Image:
    """The figure as it is saved."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    return Image.open(buffer)


# --- choosing pairs ---------------------------------------------------------------------------------------


def test_a_pair_is_found_by_channels_or_stations_in_either_order(twelve):
    forward = select_pair(twelve, "AZ.S000_CI.S001")
    assert forward["pair"].values == ["AZ.S000..BHZ_CI.S001..BHZ"]
    backward = select_pair(twelve, "CI.S001..BHZ_AZ.S000..BHZ")
    assert backward["pair"].values == ["CI.S001..BHZ_AZ.S000..BHZ"]
    np.testing.assert_array_equal(backward["ccf"].values, forward["ccf"].values[..., ::-1])
    for name in ("latitude", "longitude", "channel"):
        assert backward[f"{name}_a"].values == forward[f"{name}_b"].values
        assert backward[f"{name}_b"].values == forward[f"{name}_a"].values
    assert backward["elevation_a_m"].values == forward["elevation_b_m"].values
    assert backward["azimuth_deg"].values == forward["back_azimuth_deg"].values
    assert set(backward.coords) == set(forward.coords)


def test_arrivals_from_a_are_at_positive_lag_in_both_orders(twelve):
    for name, positive in (("AZ.S000_CI.S001", True), ("CI.S001_AZ.S000", False)):
        one = select_pair(twelve, name)
        peak = float(one["lag"][int(np.argmax(one["ccf"].values[0, 0]))])
        assert peak == pytest.approx((1 if positive else -1) * float(one["distance_km"][0]) / SPEED_KM_S, abs=0.1)


def test_reversing_twice_is_the_identity(twelve):
    xr.testing.assert_identical(reverse(reverse(twelve)), twelve)


def test_every_pair_of_a_source_starts_at_it(twelve):
    shots = from_source(twelve, "CI.S005")
    assert shots.sizes["pair"] == 11
    assert set(shots["channel_a"].values) == {"CI.S005..BHZ"}
    for k in range(11):
        original = select_pair(twelve, "_".join(shots["pair"].values[k].split("_")[::-1]))
        np.testing.assert_array_equal(shots["ccf"].values[k], original["ccf"].values[0, :, ::-1])


def test_codes_may_hold_underscores():
    ds = network(["X_.A_B", "X_.C"], [34.0, 34.3], [-117.0, -117.2])
    assert select_pair(ds, "X_.C_X_.A_B")["channel_a"].values == ["X_.C..BHZ"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AZ.S000_CI.S01", "unknown 'CI.S01', did you mean CI.S01"),
        ("S000_CI.S001", "unknown 'S000', did you mean AZ.S000"),
        ("AZ.S000", "not two names joined by an underscore"),
        ("AZ.S000_AZ.S000", "were not correlated with each other"),
    ],
)
def test_unknown_pairs_name_what_is_near(twelve, name, words):
    with pytest.raises(InputError, match=words):
        select_pair(twelve, name)


def test_unknown_sources_name_what_is_near(twelve):
    with pytest.raises(InputError, match=r"did you mean CI\.S005"):
        from_source(twelve, "S005")


def test_the_sign_of_mixed_radial_components_turns_with_the_pair():
    ds = network(["AZ.A", "CI.B"], [34.0, 34.3], [-117.0, -117.2], codes="RTZ")
    for component, sign in (("ZZ", 1), ("RR", 1), ("RT", 1), ("TT", 1), ("RZ", -1), ("ZT", -1)):
        back = select_pair(ds, "CI.B_AZ.A", component)
        ahead = select_pair(ds, "AZ.A_CI.B", component[::-1])
        np.testing.assert_array_equal(back["ccf"].values, sign * ahead["ccf"].values[..., ::-1])


def test_deconvolutions_are_not_turned_round(twelve):
    ds = twelve.assign_attrs(settings=json.dumps({"measure": "deconvolution"}))
    assert select_pair(ds, "AZ.S000_CI.S001").sizes["pair"] == 1
    with pytest.raises(InputError, match=r"BHZ is a deconvolution by its first channel"):
        select_pair(ds, "CI.S001_AZ.S000")


def test_mean_over_time_weighs_by_windows_and_leaves_out_what_is_missing(rng):
    ds = network(*grid(4), days=5)
    ccf = rng.standard_normal(ds["ccf"].shape)
    count = rng.integers(1, 50, ccf.shape[:2])
    ccf[0, 1], ccf[2], count[3, 2] = np.nan, np.nan, 0
    ds["ccf"], ds["count"] = (("pair", "day", "lag"), ccf.astype("f4")), (("pair", "day"), count)
    mean = mean_over_time(ds)
    expected = np.average(ccf[0, [0, 2, 3, 4]], axis=0, weights=count[0, [0, 2, 3, 4]])
    np.testing.assert_allclose(mean["ccf"].values[0], expected, atol=1e-6)
    np.testing.assert_allclose(mean["ccf"].values[1], np.average(ccf[1], axis=0, weights=count[1]), atol=1e-6)
    assert np.isnan(mean["ccf"].values[2]).all()
    assert mean["count"].values.tolist()[2:4] == [0, count[3].sum()]
    assert "day" not in mean.variables


# --- the base map -----------------------------------------------------------------------------------------


def on_land(lon: float, lat: float, box: tuple[float, float, float, float]) -> bool:
    """Even-odd rule over the rings that the reader gives for a box."""
    inside = False
    for ring in basemap.land(box):
        (x, y), (x2, y2) = ring[:-1].T, ring[1:].T
        crosses = (y > lat) != (y2 > lat)
        at = x + (lat - y) / np.where(crosses, y2 - y, 1.0) * (x2 - x)
        inside ^= bool(np.sum(crosses & (at > lon)) % 2)
    return inside


@pytest.mark.parametrize(
    ("place", "lon", "lat", "land"),
    [
        ("Kansas", -98.5, 38.5, True),
        ("off California", -121.0, 32.0, False),
        ("Umbria", 12.6, 42.9, True),
        ("Adriatic", 15.5, 43.0, False),
        ("South Pole", 30.0, -89.0, True),
        ("Caspian Sea", 51.0, 41.0, False),
        ("Chukotka, east of the date line", -175.0, 67.0, True),
        ("Fiji, Viti Levu", 178.0, -17.8, True),
    ],
)
@pytest.mark.parametrize("half", [1.0, 20.0])
def test_land_is_where_it_is(place, lon, lat, land, half):
    assert on_land(lon, lat, (lon - half, max(lat - half, -90), lon + half, min(lat + half, 90))) is land, place
    assert on_land(lon, lat, (-180.0, -90.0, 180.0, 90.0)) is land, place


def test_no_line_crosses_the_map():
    world = (-180.0, -90.0, 180.0, 90.0)
    for line in basemap.coasts(world) + basemap.borders(world):
        assert np.abs(np.diff(line[:, 0])).max() < 30  # the longest is the 49th parallel
    assert not any((np.abs(line[:, 0]) > 179.99).all() or (line[:, 1] < -89.9).any() for line in basemap.coasts(world))


def test_boxes_across_the_date_line_are_continuous():
    west_to_east = basemap.coasts((170.0, 60.0, -165.0, 72.0))
    assert west_to_east[0][:, 0].min() >= 150
    points = np.concatenate(west_to_east)
    assert (points[:, 0] < 180).any()
    assert (points[:, 0] > 180).any()
    shifted = basemap.coasts((-190.0, 60.0, -165.0, 72.0))
    np.testing.assert_allclose(np.sort(np.concatenate(shifted)[:, 0] + 360), np.sort(points[:, 0]), atol=1e-9)


def test_borders_run_between_countries_only():
    assert basemap.borders((5.0, 45.0, 10.0, 48.0))  # Switzerland
    assert not basemap.borders((-100.0, 38.0, -97.0, 40.0))  # Kansas
    assert basemap.state_lines((-103.0, 36.5, -94.0, 40.5))


@given(arrays(float, st.tuples(st.integers(3, 12), st.just(2)), elements=st.floats(-5, 5)))
def test_clipping_keeps_the_area_inside_the_box(points):
    """Clipping to two halves of the plane and adding the areas gives the whole."""

    def area(ring: np.ndarray) -> float:
        x, y = ring.T if len(ring) else np.zeros((2, 1))
        return 0.5 * float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))

    ring = np.concatenate([points, points[:1]])
    west = basemap.clip_ring(ring, (-9.0, -9.0, 1.0, 9.0))
    east = basemap.clip_ring(ring, (1.0, -9.0, 9.0, 9.0))
    assert area(west) + area(east) == pytest.approx(area(ring), abs=1e-9)
    if len(west):
        assert west[:, 0].max() <= 1.0


# --- maps -------------------------------------------------------------------------------------------------


def table(names: list[str], lat: np.ndarray | list[float], lon: np.ndarray | list[float]) -> pd.DataFrame:
    codes = [n.split(".") for n in names]
    columns = {"network": [c[0] for c in codes], "station": [c[1] for c in codes]}
    return pd.DataFrame(columns | {"latitude": lat, "longitude": lon})


LAYOUTS = {
    "local": table(*grid(12)),
    "three": table(["KS.A", "KS.B", "KS.C"], [38.4999, 38.4990, 38.4999], [-98.60, -98.53, -98.46]),
    "array": table(*grid(20, ("XA",), spread_deg=0.004)),
    "dense": table(*grid(300, ("CI",), spread_deg=1.5)),
    "one": table(["NO.OSL"], [59.9], [10.7]),
    "date line": table(["IU.A", "II.T", "NZ.U", "G.S"], [-17.5, -21.0, -38.0, -15.0], [178.0, -175.2, 176.0, 167.0]),
    "global": table(
        [f"N{i % 11}.G{i:02d}" for i in range(40)], np.linspace(-89, 88, 40), (np.arange(40) * 137.5) % 360 - 180
    ),
    "pole": table(["IU.Q", "AI.B", "AW.V", "G.D"], [-89.93, -77.87, -70.68, -66.66], [144.4, -34.6, -8.3, 140.0]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_map_holds_all_stations_where_they_are(layout):
    stations = LAYOUTS[layout]
    figure = station_map(stations)
    ax = figure.axes[0]
    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    drawn = {c.get_label().split(" ")[0]: np.asarray(c.get_offsets()) for c in ax.collections if " (" in c.get_label()}
    assert set(drawn) == set(stations["network"])
    for code, rows in stations.groupby("network"):
        points = drawn[str(code)]
        assert ((points[:, 0] >= west) & (points[:, 0] <= east)).all()
        assert ((points[:, 1] >= south) & (points[:, 1] <= north)).all()
        turns = (points[:, 0] - rows.sort_values("station")["longitude"].to_numpy()) / 360
        np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    assert -90 <= south < north <= 90
    assert 0 < east - west <= 360


def test_a_degree_of_longitude_is_as_long_as_the_latitude_makes_it():
    """One kilometre east and one kilometre north take the same number of pixels in the middle of the map."""
    figure = station_map(LAYOUTS["local"])
    ax = figure.axes[0]
    lat, lon = np.mean(ax.get_ylim()), np.mean(ax.get_xlim())
    east, north = lon + 0.1, lat + 0.1
    km = [float(distance_azimuth(lat, lon, *end)[0]) for end in ((lat, east), (north, lon))]
    origin, to_east, to_north = ax.transData.transform([(lon, lat), (east, lat), (lon, north)])
    pixels = [to_east[0] - origin[0], to_north[1] - origin[1]]
    assert pixels[0] / km[0] == pytest.approx(pixels[1] / km[1], rel=0.005)


def test_the_scale_bar_is_as_long_as_it_says():
    figure = station_map(LAYOUTS["local"])
    ax = figure.axes[0]
    (bar,) = [line for line in ax.lines if len(line.get_xdata()) == 4]
    (text,) = [t.get_text() for t in ax.texts if t.get_text().endswith(" km")]
    x, lat = bar.get_xdata(), np.mean(ax.get_ylim())
    km = float(distance_azimuth(lat, x[0], lat, x[-1])[0])
    assert km == pytest.approx(float(text.removesuffix(" km")), rel=0.005)


def visible_texts(ax) -> list:
    return [t for t in ax.texts if t.get_text()]


@pytest.mark.parametrize("layout", ["local", "three", "array", "one", "date line", "global", "pole"])
def test_names_cover_neither_one_another_nor_a_station(layout):
    stations = LAYOUTS[layout]
    figure = station_map(stations)
    ax = figure.axes[0]
    boxes = [t.get_window_extent() for t in visible_texts(ax)]
    names = {t.get_text() for t in visible_texts(ax)}
    assert len(names & set(stations["station"])) >= 0.9 * len(stations)
    frame = ax.get_window_extent()
    insets = [child.get_window_extent() for child in ax.child_axes]
    points = ax.transData.transform(
        np.column_stack([within(stations["longitude"], ax.viewLim.extents), stations["latitude"]])
    )
    for k, box in enumerate(boxes):
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert not any(box.overlaps(other) for other in boxes[k + 1 :] + insets)
        assert not any(box.contains(*point) for point in points)


def test_degrees_are_written_as_on_maps():
    assert degrees(-116.5, "EW", 1) == "116.5°W"
    assert degrees(190.0, "EW") == "170°W"
    assert degrees(180.0, "EW") == "180°"
    assert degrees(360.0, "EW") == "0°"
    assert degrees(-34.0, "NS") == "34°S"
    assert degrees(-0.04, "NS", 1) == "0.0°"
    assert degree_step(360, 6) == 60
    assert degree_step(4.0, 5) == 1.0
    assert degree_step(0.013, 5) == pytest.approx(0.005)


@given(
    st.lists(st.tuples(st.floats(-80, 80), st.floats(-180, 180)), min_size=1, max_size=8),
    st.sampled_from([(0.5, 1.55), (1.3, 1.3)]),
)
def test_extents_hold_their_points_in_a_proper_shape(points, ratio):
    lat, lon = np.array(points).T
    west, south, east, north = box = extent(lat, lon, ratio)
    inside = within(lon, box)
    assert (inside <= east + 1e-9).all()
    assert ((lat >= south) & (lat <= north)).all()
    assert -180 <= west < east <= west + 360
    if south > -89 and north < 89 and east - west < 300:
        # The middle parallel of the points is that of the box unless a pole is near.
        assert ratio[0] - 0.01 <= map_ratio(box) <= ratio[1] + 0.01


def test_stations_without_coordinates_are_left_out_and_counted():
    stations = LAYOUTS["three"].copy()
    stations.loc[1, "latitude"] = np.nan
    figure = station_map(stations)
    assert "1 without coordinates not shown" in figure.axes[0].get_title(loc="left")
    with pytest.raises(InputError, match="none of the 3 stations has coordinates"):
        station_map(stations.assign(latitude=np.nan))
    with pytest.raises(InputError, match="no column latitude"):
        station_map(stations.drop(columns="latitude"))


# --- correlogram ------------------------------------------------------------------------------------------


def test_the_image_is_the_data_and_missing_days_are_gaps(rng):
    ds = select_pair(network(*grid(3), days=9), "AZ.S000_CI.S001")
    values = rng.standard_normal(ds["ccf"].shape).astype("f4")
    values[0, 4] = np.nan
    ds["ccf"] = ds["ccf"].dims, values
    ds = ds.isel(day=[0, 1, 4, 5, 8])
    figure = correlogram(ds)
    image = figure.axes[1].images[0]
    drawn = np.ma.filled(image.get_array(), np.nan)
    repeats = len(drawn) // 9
    drawn = drawn.reshape(9, repeats, -1)
    expected = np.full((9, len(LAG)), np.nan)
    expected[[0, 1, 5, 8]] = values[0, [0, 1, 5, 8]]
    np.testing.assert_allclose(drawn, np.repeat(expected[:, None], repeats, axis=1), rtol=1e-6)
    left, right, bottom, top = image.get_extent()
    assert (left, right) == pytest.approx((-100.1, 100.1))
    assert (bottom - top, top) == (9.0, (np.datetime64("2019-02-03") - np.datetime64("1970-01-01")) / DAY)
    stack = figure.axes[0].lines[0]
    np.testing.assert_allclose(stack.get_ydata(), np.nanmean(values[0, [0, 1, 5, 8]], axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(stack.get_xdata(), LAG)
    low, high = image.get_clim()
    assert low == -high


def test_the_stack_peaks_at_distance_over_velocity_where_a_line_marks_it(twelve):
    one = select_pair(twelve, "CI.S001_AZ.S000")
    figure = correlogram(one, velocities=(SPEED_KM_S,), lag=(-80.0, 60.0))
    lags, stack = figure.axes[0].lines[0].get_data()
    assert (lags[0], lags[-1]) == (-80.0, 60.0)
    peak = lags[np.argmax(stack)]
    marks = sorted(
        line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and line.get_xdata()[0]
    )
    assert marks[0] == pytest.approx(-float(one["distance_km"][0]) / SPEED_KM_S)
    assert peak == pytest.approx(marks[0], abs=0.1)


def test_amplitudes_say_their_power_of_ten_and_unit(twelve):
    small = (select_pair(twelve, "AZ.S000_CI.S001") * 2e-6).assign_attrs(units="m2/s2")
    figure = correlogram(small)
    assert figure.axes[0].get_ylabel() == "Stack (10⁻⁶ m2/s2)"
    assert np.max(figure.axes[0].lines[0].get_ydata()) == pytest.approx(2.0, rel=0.05)
    assert amplitude_scale([0.4], "1") == (1.0, "Correlation")
    assert amplitude_scale([5e4], "") == (1e-3, "Correlation (10³)")


def test_rows_are_scaled_each_to_its_peak(twelve):
    one = select_pair(twelve, "AZ.S000_CI.S001").copy(deep=True)
    one["ccf"][0, 1] *= 100
    drawn = correlogram(one, scale_rows=True).axes[1].images[0].get_array()
    np.testing.assert_allclose(np.abs(drawn).max(axis=1), 1.0)


def test_months_are_contiguous_and_a_missing_one_is_a_gap():
    months = np.array(["2019-01", "2019-02", "2019-03", "2019-05", "2019-06"], "datetime64[M]").astype("datetime64[ns]")
    edges, row_of = time_grid(months)
    assert np.diff(edges) == pytest.approx(1.0)
    lengths = [int(np.sum(row_of == k)) for k in range(-1, 5)]
    assert lengths == [30, 31, 28, 31, 31, 31]  # April is missing; June counts as long as most
    assert row_of[0] == 0


def test_one_day_is_one_row():
    edges, row_of = time_grid(np.array(["2019-02-03"], "datetime64[ns]"))
    assert np.diff(edges).tolist() == [1.0]
    assert row_of.tolist() == [0]


def test_a_correlogram_says_what_it_cannot_draw(twelve):
    with pytest.raises(InputError, match="one pair, not 66"):
        correlogram(twelve)
    one = select_pair(twelve, "AZ.S000_CI.S001")
    with pytest.raises(InputError, match="no data"):
        correlogram(one * np.nan)
    with pytest.raises(InputError, match="no such dimension"):
        correlogram(mean_over_time(one))
    with pytest.raises(InputError, match=r"band 0.1–3 Hz: use 0 < low < high < 2.5 Hz"):
        correlogram(one, band=(0.1, 3.0))
    with pytest.raises(InputError, match="reach from -100 to 100 s"):
        correlogram(one, lag=(150.0, 200.0))


# --- sections ---------------------------------------------------------------------------------------------


def test_traces_peak_at_distance_over_velocity(twelve):
    traces = wiggles(record_section(twelve))
    assert len(traces) == 66
    base = np.median(traces[:, :, 1], axis=1)
    np.testing.assert_allclose(base, np.sort(twelve["distance_km"].values), atol=0.2)
    peaks = LAG[np.argmax(traces[:, :, 1], axis=1)]
    np.testing.assert_allclose(peaks, base / SPEED_KM_S, atol=0.2)


def test_sides_fold_or_leave_out_negative_lags(twelve):
    one = select_pair(twelve, "AZ.S000_CI.S001")
    d = float(one["distance_km"][0])
    values = one["ccf"].values[0, 0].astype(float)
    folded, lag = Treatment(sides="folded")(values, LAG)
    np.testing.assert_allclose(folded, (values[500:] + values[500::-1]) / 2)
    assert lag[0] == 0
    assert folded.max() == pytest.approx(0.25, abs=0.03)  # 1 and -0.5 averaged
    causal, lag = Treatment(lag=90.0, sides="causal")(values, LAG)
    np.testing.assert_allclose(causal, values[500:951])
    assert wiggles(record_section(one, sides="causal"))[0, :, 0].min() == 0
    assert lag[np.argmax(causal)] == pytest.approx(d / SPEED_KM_S, abs=0.1)


def test_the_filter_keeps_phase_and_removes_what_is_outside_the_band():
    wave = np.cos(2 * np.pi * 0.3 * LAG) + np.cos(2 * np.pi * 1.5 * LAG)
    filtered, _ = Treatment(band=(0.1, 0.6))(wave, LAG)
    middle = np.abs(LAG) < 60
    np.testing.assert_allclose(filtered[middle], np.cos(2 * np.pi * 0.3 * LAG)[middle], atol=0.02)


def test_velocity_lines_are_where_their_labels_say(twelve):
    figure = record_section(twelve, velocities=(2.5, 4.0))
    ax = figure.axes[0]
    slopes = sorted(np.ptp(line.get_ydata()) / np.ptp(line.get_xdata()) for line in ax.lines)
    assert slopes == pytest.approx([2.5, 2.5, 4.0, 4.0])
    assert {t.get_text() for t in ax.texts} == {"4", "2.5 km/s"}


def test_many_pairs_become_an_image_of_bins(rng):
    names, lat, lon = grid(30)
    ds = network(names, lat, lon, days=1)
    figure = record_section(ds)
    image = figure.axes[0].images[0]
    left, right, low, high = image.get_extent()
    rows = np.ma.filled(image.get_array(), np.nan)
    distance = low + (np.arange(len(rows)) + 0.5) * (high - low) / len(rows)
    filled = np.flatnonzero(np.isfinite(rows).all(axis=1))
    peaks = LAG[np.argmax(rows[filled], axis=1)]
    # A row may repeat one up to 1/100 of the whole away.
    np.testing.assert_allclose(peaks, distance[filled] / SPEED_KM_S, atol=(high - low) / 90 / SPEED_KM_S + 0.3)
    assert len(filled) > 0.8 * len(rows)
    assert (left, right) == pytest.approx((-100.1, 100.1))


def test_bins_average_scaled_traces(twelve):
    bins = gather_bins(twelve, Treatment(), 40.0)
    distance = twelve["distance_km"].values
    rows = (distance // 40).astype(int)
    ccf = twelve["ccf"].values[:, 0].astype(float)
    scaled = ccf / np.abs(ccf).max(axis=1, keepdims=True)
    for k in range(len(bins.pairs)):
        assert bins.pairs[k] == np.sum(rows == k)
        if bins.pairs[k]:
            np.testing.assert_allclose(bins.data[k], scaled[rows == k].mean(axis=0), atol=1e-5)
    assert len(wiggles(record_section(twelve, bin_km=40.0))) == np.sum(bins.pairs > 0)
    with pytest.raises(InputError, match="use a width from"):
        record_section(twelve, bin_km=-1.0)


def test_pairs_without_data_or_distance_are_left_out(twelve):
    ds = twelve.copy(deep=True)
    ds["ccf"][3] = np.nan
    ds["distance_km"][5] = np.nan
    figure = record_section(ds)
    assert len(wiggles(figure)) == 64
    assert "64 of 66 pairs" in figure.axes[0].get_title(loc="left")
    with pytest.raises(InputError, match="none of the 66 pairs has data"):
        record_section(ds.assign(ccf=ds["ccf"] * np.nan))
    with pytest.raises(InputError, match="the stations have no coordinates"):
        record_section(ds.drop_vars("distance_km"))
    for options, words in ((({"sides": "left"}), "use both"), ({"kind": "dots"}, "use auto")):
        with pytest.raises(InputError, match=words):
            record_section(twelve, **options)


def test_components_are_not_mixed():
    ds = network(["AZ.A", "CI.B"], [34.0, 34.3], [-117.0, -117.2], codes="NZ")
    with pytest.raises(InputError, match="of components NN, NZ, ZN, ZZ: choose one"):
        record_section(ds)
    assert "ZN" in virtual_shot(ds, "CI.B", component="ZN").get_suptitle()


def test_a_virtual_shot_turns_round_the_pairs_that_end_at_its_source(twelve):
    """All arrivals of height 1 travel from A to B; for the last station, always B, they arrive at negative lag."""
    first, last = "AZ.S000", "CI.S011"
    for source, sign in ((first, 1), (last, -1)):
        traces = wiggles(virtual_shot(twelve, source))
        base = np.median(traces[:, :, 1], axis=1)
        peaks = LAG[np.argmax(traces[:, :, 1], axis=1)]
        np.testing.assert_allclose(peaks, sign * base / SPEED_KM_S, atol=0.2)


@pytest.mark.parametrize("colour", ["distance", "amplitude"])
def test_receivers_and_traces_share_their_colours(twelve, colour):
    ds = twelve.copy(deep=True)
    silent = "AZ.S000..BHZ_CI.S003..BHZ"
    ds["ccf"].loc[{"pair": silent}] = np.nan
    figure = virtual_shot(ds, "AZ.S000", colour=colour)
    section, receivers = figure.axes[:2]
    traces = next(c for c in section.collections if isinstance(c, LineCollection))
    points = {
        tuple(np.round(p, 6)): tuple(c)
        for scatter in receivers.collections
        if hasattr(scatter, "get_sizes") and len(scatter.get_sizes())
        for p, c in zip(
            scatter.get_offsets(), np.resize(scatter.get_facecolors(), (len(scatter.get_offsets()), 4)), strict=True
        )
    }
    shots = from_source(ds, "AZ.S000")
    order = np.argsort(shots["distance_km"].values)
    where = np.round(np.column_stack([shots["longitude_b"], shots["latitude_b"]]), 6)
    drawn = [k for k in order if shots["pair"].values[k] != silent]
    assert [points[tuple(where[k])] for k in drawn] == [tuple(c) for c in traces.get_colors()]
    drawn_once = sum(len(c.get_offsets()) for c in receivers.collections if not isinstance(c, LineCollection))
    assert len(points) == drawn_once == 11
    assert points[tuple(where[list(shots["pair"].values).index(silent)])] == to_rgba(MISSING)
    star = receivers.lines[-1] if receivers.lines[-1].get_marker() == "*" else receivers.lines[0]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == pytest.approx(
        (float(shots["longitude_a"][0]), float(shots["latitude_a"][0]))
    )
    assert "10 of 11 receivers" in figure.get_suptitle()


@pytest.mark.parametrize(
    "make",
    [
        lambda: correlogram(network(["AZ.A"], [34.0], [-117.0], autos=True)),
        lambda: record_section(network(["AZ.A"], [34.0], [-117.0], autos=True)),
        lambda: virtual_shot(network(["AZ.A"], [34.0], [-117.0], autos=True), "AZ.A"),
        lambda: correlogram(network(["AZ.A", "CI.B"], [34.0, 34.2], [-117.0, -117.0], days=1)),
        lambda: record_section(network(["AZ.A", "CI.B"], [34.0, 34.2], [-117.0, -117.0], days=1), kind="image"),
        lambda: virtual_shot(network(*LAYOUT_ARGUMENTS["global"], days=1), "N1.G12"),
        lambda: virtual_shot(network(*LAYOUT_ARGUMENTS["date line"]), "NZ.U", sides="folded"),
    ],
    ids=["auto gram", "auto section", "auto shot", "one day", "one pair image", "global shot", "date line shot"],
)
def test_unusual_cases_are_drawn(make):
    assert len(np.unique(np.asarray(png(make()).convert("L")))) > 10


LAYOUT_ARGUMENTS = {
    name: ((t["network"] + "." + t["station"]).tolist(), t["latitude"].to_numpy(), t["longitude"].to_numpy())
    for name, t in LAYOUTS.items()
}


@given(arrays(float, 6, elements=st.floats(0, 50)), arrays(float, 6, elements=st.floats(1, 20)))
def test_labels_move_apart_no_farther_than_their_crowd(middle, size):
    moved = spread(middle, size)
    order = np.argsort(middle, kind="stable")
    starts, ends = (moved - size / 2)[order], (moved + size / 2)[order]
    assert (starts[1:] >= ends[:-1] - 1e-9).all()
    apart = (middle - size / 2)[order][1:] >= (middle + size / 2)[order][:-1]
    if apart.all():
        np.testing.assert_allclose(moved, middle, atol=1e-9)
    assert moved.mean() == pytest.approx(middle.mean())


# --- files and commands -----------------------------------------------------------------------------------


def test_figures_are_saved_in_the_format_of_their_ending(tmp_path, twelve):
    figure = record_section(twelve.isel(pair=slice(0, 3)))
    for ending, head in ((".png", b"\x89PNG"), (".pdf", b"%PDF-"), (".svg", b"<?xml")):
        first, again = (save(figure, tmp_path / f"{name}{ending}", dpi=100).read_bytes() for name in "ab")
        assert first.startswith(head)
        assert first == again, "the same figure gives the same bytes"
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == tuple(np.round(figure.get_size_inches() * 100).astype(int))
    with pytest.raises(InputError, match=r"\.png, \.pdf, \.svg"):
        save(figure, tmp_path / "a.jpeg")
    with pytest.raises(InputError, match="there is no folder"):
        save(figure, tmp_path / "no" / "a.png")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, twelve) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    pairs = twelve[[c for c in twelve.coords if twelve[c].dims == ("pair",)]].to_dataframe().reset_index()
    for column in pairs.select_dtypes(exclude="number"):
        pairs[column] = pairs[column].astype(object)
    times = pd.DatetimeIndex(twelve["day"].values, tz="UTC")
    group = create_archive(Storage(folder), CORRELATIONS, pairs, LAG, times, attributes=twelve.attrs)
    for day in range(len(times)):
        writer = ArchiveWriter(group, slice(day, day + 1))
        writer.append(twelve["ccf"].values[:, day : day + 1])
        writer.close()
    group["count"][:] = twelve["count"].values
    return folder


def command(*arguments: object):
    from seisloom.cli.plot import app

    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_commands_write_figures_of_a_workspace(tmp_path, workspace):
    for ending, arguments in (
        ("png", ("correlogram", workspace, "--pair", "CI.S001_AZ.S000", "--lag", "-20,60", "--band", "0.1,1")),
        ("pdf", ("record-section", workspace, "--velocities", "2.5,3", "--sides", "folded", "--bin-km", 10)),
        ("svg", ("virtual-shot", workspace, "--station", "CI.S003", "--colour", "amplitude", "--component", "zz")),
        ("png", ("stations", workspace, "--title", "Network")),
    ):
        out = tmp_path / f"{arguments[0]}.{ending}"
        result = command(*arguments, "-o", out, "--dpi", 60)
        assert result.exit_code == 0, result.exception
        assert str(out) in result.stdout
        assert out.stat().st_size > 5000


def test_stations_are_drawn_from_a_table(tmp_path):
    path = tmp_path / "stations.csv"
    path.write_text(
        "Network,Station,Channel,Latitude,Longitude\nCI,A,BHZ,34,-117\nCI,A,BHN,34,-117\nCI,B,BHZ,34.2,-117.3\n"
    )
    assert command("stations", path, "-o", tmp_path / "map.png").exit_code == 0
    assert isinstance(command("stations", tmp_path / "no.csv", "-o", tmp_path / "map.png").exception, InputError)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("record-section", "--lag", "1,2,3"), "--lag '1,2,3'"),
        (("record-section", "--band", "0.1"), "lowest and the highest frequency"),
        (("record-section", "--velocities", "2,x"), "separated by commas"),
        (("record-section", "--velocities", "0"), "positive numbers"),
        (("record-section", "--component", "RT"), "no pair of component 'RT'; there are ZZ"),
        (("record-section", "--stack", "pws_all"), "pws_all"),
        (("correlogram", "--pair", "AZ.S000_CI.S999"), "unknown 'CI.S999'"),
        (("virtual-shot", "--station", "XX.Y"), "no pair of 'XX.Y'"),
    ],
)
def test_commands_say_what_is_wrong(tmp_path, workspace, arguments, words):
    error = command(arguments[0], workspace, *arguments[1:], "-o", tmp_path / "a.png").exception
    assert isinstance(error, InputError | WorkspaceError)
    assert words in str(error)


def test_the_target_is_checked_before_anything_is_read(tmp_path):
    error = command("record-section", tmp_path / "nothing", "-o", tmp_path / "a.tiff").exception
    assert "a.tiff: figures are written as .png, .pdf, .svg" in str(error)
