"""Figures of catalogues hold what the tables say: places, depths, times, residuals made by hand."""

from __future__ import annotations

import re
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from obspy import Stream, Trace, UTCDateTime

from seisloom.associate.network import Region
from seisloom.errors import InputError
from seisloom.geo import destination, distance_azimuth
from seisloom.plot import depth_section, event_section, save, seismicity_map, separation_figure, timeline
from seisloom.plot.eventsection import PHASES
from seisloom.plot.hypocentres import bulk
from seisloom.plot.profile import project
from seisloom.plot.timeline import main_axis, rate_bins
from tests.association import VP, VS, ring_sites

LAT0, LON0 = 43.0, 13.0
START = pd.Timestamp("2016-10-14T06:00:00", tz="UTC")


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def cloud(n: int, seed: int = 1, strike: float = 150.0, length_km: float = 20.0, lon0: float = LON0) -> pd.DataFrame:
    """Events in a band along a strike, deeper to its right, over two days."""
    rng = np.random.default_rng(seed)
    along, across = rng.uniform(-length_km / 2, length_km / 2, n), rng.uniform(-3, 3, n)
    lat, lon = destination(LAT0, lon0, strike, along)
    lat, lon = destination(lat, lon, strike + 90.0, across)
    return pd.DataFrame(
        {
            "event_id": np.arange(n),
            "time": START + pd.to_timedelta(rng.uniform(0, 2 * 86400, n), unit="s"),
            "latitude": lat,
            "longitude": lon,
            "depth_km": 6.0 + across,
        }
    )


def dots(figure: Figure, axes: int) -> np.ndarray:
    """Positions (n, 2) of the events in one of the axes, in the order of drawing."""
    found = [c for c in figure.axes[axes].collections if isinstance(c, PathCollection) and c.get_array() is not None]
    return np.asarray(found[0].get_offsets())


def sorted_rows(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.T)]


def words(figure: Figure) -> str:
    """All that stands over the figure."""
    over = figure.get_suptitle() or figure.axes[0].get_title(loc="left")
    return str(over)


# --- the map ----------------------------------------------------------------------------------------------


def sizes(figure: Figure, axes: int) -> dict[tuple[float, ...], float]:
    """Place -> size of the events in one of the axes."""
    found = [c for c in figure.axes[axes].collections if isinstance(c, PathCollection) and c.get_array() is not None]
    area = np.broadcast_to(found[0].get_sizes(), len(found[0].get_offsets()))
    return {tuple(place): float(size) for place, size in zip(np.asarray(found[0].get_offsets()), area, strict=True)}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_larger_magnitudes_have_wider_dots():
    events = cloud(60).assign(magnitude=np.linspace(0.0, 3.0, 60))
    events.loc[0, "magnitude"] = np.nan
    figure = seismicity_map(events, ring_sites())
    for axes, names in ((0, ("longitude", "latitude")), (1, ("longitude", "depth_km")), (2, ("depth_km", "latitude"))):
        drawn = sizes(figure, axes)
        area = np.array([drawn[place] for place in events[list(names)].itertuples(index=False, name=None)])
        assert (np.diff(area[1:]) >= 0).all()
        assert area[0] == area.min()
        # Ten times the area for 2.5 magnitudes, of what neither end has cut off.
        middle = events["magnitude"].between(1.0, 2.9)
        np.testing.assert_allclose(
            np.polyfit(events["magnitude"][middle], np.log10(area[middle]), 1)[0], 0.4, atol=1e-6
        )
    assert legend(figure)[:-1] == ["M 0", "M 1", "M 2", "M 3"]


@pytest.mark.parametrize("magnitude", [None, np.nan])
def test_without_magnitudes_all_dots_are_the_same(magnitude: float | None):
    events = cloud(60) if magnitude is None else cloud(60).assign(magnitude=magnitude)
    figure = seismicity_map(events, ring_sites())
    assert len(set(sizes(figure, 0).values())) == 1
    assert legend(figure)[0] == "event"


def test_events_are_where_the_table_says_in_map_and_sections():
    events = cloud(200)
    figure = seismicity_map(events, ring_sites())
    lon, lat, depth = (events[name].to_numpy() for name in ("longitude", "latitude", "depth_km"))
    for axes, pair in enumerate(((lon, lat), (lon, depth), (depth, lat))):
        np.testing.assert_allclose(sorted_rows(dots(figure, axes)), sorted_rows(np.column_stack(pair)), atol=1e-9)
    assert words(figure) == "200 events"


def test_sections_are_aligned_with_the_map_and_depth_increases_away_from_it():
    ax, below, beside, key = seismicity_map(cloud(50), ring_sites()).axes[:4]
    assert ax.get_xlim() == below.get_xlim()
    assert ax.get_ylim() == beside.get_ylim()
    where, under, right, bar = (panel.get_window_extent() for panel in (ax, below, beside, key))
    np.testing.assert_allclose(
        [under.x0, under.x1, right.y0, right.y1], [where.x0, where.x1, where.y0, where.y1], atol=0.5
    )
    np.testing.assert_allclose([bar.y0, bar.y1], [under.y0, under.y1], atol=0.5)
    assert under.y1 < where.y0
    assert right.x0 > where.x1
    assert below.get_ylim() == key.get_ylim() == beside.get_xlim()[::-1]
    assert below.get_ylim()[0] > below.get_ylim()[1]  # depth increases downwards
    assert beside.get_xlim()[1] > beside.get_xlim()[0]  # and to the right


@pytest.mark.parametrize(("length_km", "deepest"), [(30.0, 12.0), (900.0, 30.0), (6.0, 60.0)])
def test_the_scale_of_the_sections_is_what_they_state(length_km, deepest):
    events = cloud(100, strike=10.0, length_km=length_km)
    events["depth_km"] *= deepest / events["depth_km"].max()
    ax, below = seismicity_map(events, ring_sites()).axes[:2]
    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    middle = (south + north) / 2
    width_km = distance_azimuth(middle, west, middle, east)[0]
    across, down = (
        ax.get_window_extent().width / width_km,
        below.get_window_extent().height / abs(np.diff(below.get_ylim())),
    )
    stated = re.search(r"depth scale ([\d.]+) ×", below.get_xlabel())
    assert float(down[0] / across) == pytest.approx(float(stated[1]) if stated else 1.0, rel=0.06)
    assert bool(stated) == (length_km != 30.0)


def test_shallow_events_lie_over_deep_ones():
    depth = dots(seismicity_map(cloud(300), ring_sites()), 1)[:, 1]
    assert (np.diff(depth) <= 0).all()


def test_a_few_events_far_away_do_not_shrink_the_map():
    events = cloud(1000)
    events.loc[[3, 4], "latitude"] += 8.0
    events.loc[5, "depth_km"] = 300.0
    events.loc[6, "depth_km"] = np.nan
    figure = seismicity_map(events, ring_sites())
    assert words(figure) == "996 events (3 outside the figure, 1 without a location not shown)"
    assert np.ptp(figure.axes[0].get_ylim()) < 0.5
    assert figure.axes[1].get_ylim()[0] < 12


def test_a_region_bounds_map_and_depths():
    events = cloud(400)
    figure = seismicity_map(events, ring_sites(), region=Region(42.9, 43.0, 12.5, 13.5, 0.0, 6.0))
    inside = (events["latitude"].between(42.9, 43.0)) & (events["depth_km"] <= 6.0)
    assert len(dots(figure, 0)) == inside.sum() > 20
    assert figure.axes[0].get_xlim() == (12.5, 13.5)
    assert figure.axes[0].get_ylim()[1] == 43.0
    assert f"{400 - inside.sum()} outside the figure" in words(figure)
    with pytest.raises(InputError, match=r"none of the 400 is in the region \(latitude 10 to 11.*give a region"):
        seismicity_map(events, ring_sites(), region=Region(10, 11, 12.5, 13.5))


def test_a_sequence_on_both_sides_of_the_date_line_stays_together():
    events = cloud(100, lon0=180.0)
    assert (events["longitude"] < 0).any()
    assert (events["longitude"] > 0).any()
    figure = seismicity_map(events, ring_sites(lon0=180.0))
    assert len(dots(figure, 0)) == 100
    assert np.ptp(dots(figure, 0)[:, 0]) < 0.5


def test_stations_and_faults_in_view_are_drawn_and_counted():
    faults = [np.array([[12.9, 42.9], [13.0, 43.1]]), np.array([[-117.0, 34.0], [-116.0, 35.0]])]
    sites = pd.concat([ring_sites(5, 8.0), ring_sites(2, 8.0, lat0=10.0)], ignore_index=True)
    figure = seismicity_map(cloud(50), sites, faults=faults)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["event", "5 of 7 stations", "fault"]
    drawn = [c.get_segments() for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert any(len(lines) == 1 and np.array_equal(lines[0], faults[0]) for lines in drawn)
    shifted = seismicity_map(cloud(50), sites, faults=[faults[0] + [360.0, 0.0]])
    drawn = [c.get_segments() for c in shifted.axes[0].collections if isinstance(c, LineCollection)]
    assert any(len(lines) == 1 and np.allclose(lines[0], faults[0]) for lines in drawn)


def test_dense_clouds_are_images_in_vector_files(tmp_path):
    figure = seismicity_map(cloud(10_000), ring_sites())
    for ending in ("pdf", "svg"):
        assert save(figure, tmp_path / f"map.{ending}").stat().st_size < 2e6
    assert b"<image" in (tmp_path / "map.svg").read_bytes()
    line = np.column_stack([np.linspace(12.9, 13.1, 30_000), np.full(30_000, 43.0)])
    for faults, expected in (([line], False), ([line, line], True)):
        few = seismicity_map(cloud(500), ring_sites(), faults=faults)
        assert any(c.get_rasterized() for c in few.axes[0].collections) is expected


@pytest.mark.parametrize(
    "draw", [lambda e: seismicity_map(e, ring_sites()), timeline, lambda e: depth_section(e, (42, 13), (43, 13), 9)]
)
def test_no_events_is_an_error_that_says_what_to_do(draw):
    with pytest.raises(
        InputError, match=r"no events to draw: the table has no rows; .*lower thresholds.*larger region"
    ):
        draw(cloud(3).iloc[:0])
    with pytest.raises(InputError, match=r"no events to draw: none of the 3 events has latitude"):
        draw(cloud(3).assign(depth_km=np.nan))
    with pytest.raises(
        InputError, match=r"the table of events has no column latitude, depth_km; its columns are: time, longitude"
    ):
        draw(cloud(3)[["time", "longitude"]])


def test_the_bulk_leaves_out_only_the_far_few():
    values = np.random.default_rng(2).normal(size=1000)
    assert bulk(values).all()
    assert bulk(np.append(values, 60.0)).tolist() == [True] * 1000 + [False]
    assert bulk([5.0]).all()
    assert bulk([0.0, 1000.0]).all()


# --- a profile --------------------------------------------------------------------------------------------


@given(azimuth=st.floats(0, 359.9), along=st.floats(0, 50), across=st.floats(-20, 20))
def test_projection_recovers_distances_along_and_across(azimuth, along, across):
    lat, lon = destination(LAT0, LON0, azimuth, 50.0)
    turn, far = np.degrees(np.arctan2(across, along)), np.hypot(along, across)
    event_lat, event_lon = destination(LAT0, LON0, azimuth + turn, far)
    events = pd.DataFrame({"latitude": [float(event_lat)], "longitude": [float(event_lon)]})
    x, y, length, _ = project(events, (LAT0, LON0), (float(lat), float(lon)))
    assert length == pytest.approx(50.0, abs=1e-6)
    assert x[0] == pytest.approx(along, abs=1e-3)
    assert y[0] == pytest.approx(across, abs=1e-3)


def test_a_section_across_a_dipping_band_shows_its_dip():
    events = cloud(200, strike=150.0)  # deeper to the right of N150E, at 45 degrees
    ends = [tuple(float(v) for v in destination(LAT0, LON0, azimuth, 10.0)) for azimuth in (60.0, 240.0)]
    figure = depth_section(events, ends[0], ends[1], 10.0, sites=ring_sites())
    x, depth = dots(figure, 0).T
    assert 60 < len(x) < 140  # about half of the band of 20 km
    np.testing.assert_allclose(depth - 6.0, x - 10.0, atol=0.02)
    assert f"{len(x)} events in a band 10 km wide" == words(figure)
    ax = figure.axes[0]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert "N240°E" in ax.get_xlabel()
    pixels = ax.get_window_extent()
    assert pixels.width / np.ptp(ax.get_xlim()) == pytest.approx(pixels.height / np.ptp(ax.get_ylim()), rel=1e-3)


def test_profiles_that_hold_nothing():
    events = cloud(20)
    with pytest.raises(InputError, match="start and end are the same place"):
        depth_section(events, (43, 13), (43, 13), 5)
    with pytest.raises(InputError, match="width_km is 0; give the full width"):
        depth_section(events, (43, 13), (43.1, 13), 0)
    with pytest.raises(InputError, match=r"none of the 20 lies in the band of 2 km .*the nearest is \d+ km"):
        depth_section(events, (44, 13), (44, 13.5), 2)


# --- the time line ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strike", [20.0, 80.0, 150.0])
def test_the_main_axis_is_the_strike(strike):
    events = cloud(500, strike=strike)
    distance, label = main_axis(events)
    assert float(re.search(r"N(\d+)°E", label)[1]) == pytest.approx(strike, abs=3)
    assert np.ptp(distance) == pytest.approx(20.0, abs=1.0)


@given(st.lists(st.floats(0, 4000), min_size=1, max_size=50))
def test_rate_bins_hold_every_event_and_start_at_round_times(days):
    days = np.sort(np.array(days))
    edges, name = rate_bins(days)
    assert np.histogram(days, edges)[0].sum() == len(days)
    assert 2 <= len(edges) <= 103
    if name in ("hour", "day"):
        step = {"hour": 24, "day": 1}[name]
        np.testing.assert_allclose(edges * step, np.round(edges * step), atol=1e-6)


def test_a_time_line_holds_times_places_and_counts():
    events = cloud(300)
    figure = timeline(events.sample(frac=1.0, random_state=1), along="latitude")
    rate, ax = figure.axes[:2]
    days = events["time"].to_numpy("datetime64[ns]").astype(np.int64) / 86400e9
    np.testing.assert_allclose(
        sorted_rows(dots(figure, 1)), sorted_rows(np.column_stack([days, events["latitude"]])), atol=1e-9
    )
    assert rate.get_ylabel() == "Events per hour"
    counts = rate.patches[0].get_data()
    assert counts.values.sum() == 300
    assert counts.edges[0] == pytest.approx(float(np.floor(days.min() * 24) / 24))
    total = next(other for other in figure.axes if other.get_ylabel() == "Cumulative number")
    x, y = total.lines[0].get_data()
    np.testing.assert_array_equal(x[:-1], np.sort(days))
    np.testing.assert_array_equal(y[:-1], np.arange(1, 301))
    assert rate.get_xlim() == ax.get_xlim()
    assert words(figure).startswith("300 events, 2016-10-14 06:")
    with pytest.raises(InputError, match="along is 'east': use axis or latitude"):
        timeline(events, along="east")


def test_one_event_has_a_time_line_and_a_map():
    figure = timeline(cloud(1))
    assert np.ptp(figure.axes[0].get_xlim()) == pytest.approx(1 / 24)
    assert words(seismicity_map(cloud(1), ring_sites())) == "1 event"


# --- one event --------------------------------------------------------------------------------------------


def one_event(n: int = 10, seed: int = 4) -> tuple[pd.Series, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """An event 8 km deep with exact times in a uniform medium plus known residuals, among the picks of another."""
    rng, sites = np.random.default_rng(seed), ring_sites(n)
    event = pd.Series({"event_id": 7, "time": START, "latitude": 43.02, "longitude": 13.05, "depth_km": 8.0})
    distance, _, _ = distance_azimuth(event.latitude, event.longitude, sites["latitude"], sites["longitude"])
    table = pd.DataFrame(
        {"station": np.repeat(sites["station"], 2), "phase": ["P", "S"] * n, "distance_km": np.repeat(distance, 2)}
    )
    table["residual_s"] = rng.normal(0, 0.2, 2 * n)
    speed = table["phase"].map({"P": VP, "S": VS})
    table["time_s"] = np.hypot(table["distance_km"], event.depth_km) / speed
    table["time"] = START + pd.to_timedelta(table["time_s"] + table["residual_s"], unit="s")
    table["pick_index"] = 100 + rng.permutation(2 * n)
    foreign = table.assign(pick_index=table["pick_index"] + 500, time=table["time"] + pd.Timedelta(seconds=3))
    picks = pd.concat([foreign, table]).sample(frac=1.0, random_state=2)[["pick_index", "station", "phase", "time"]]
    assignments = pd.concat([foreign.assign(event_id=8), table.assign(event_id=7)])[
        ["pick_index", "event_id", "residual_s"]
    ]
    return event, assignments, picks, sites.assign(distance_km=distance)


def marks(figure: Figure, axes: int, phase: str, marker: str) -> np.ndarray:
    """Positions (n, 2) of the marks of a phase."""
    colour = PHASES[phase][0]
    (line,) = [
        x
        for x in figure.axes[axes].lines
        if x.get_marker() == marker and to_rgba(x.get_color()) == to_rgba(colour) and len(x.get_xdata())
    ]
    return np.column_stack(line.get_data())


def test_picks_predictions_and_residuals_are_where_they_should_be():
    event, assignments, picks, sites = one_event()
    figure = event_section(event, assignments, picks, sites)
    distance = sites["distance_km"].to_numpy()
    for phase, speed in (("P", VP), ("S", VS)):
        picked = marks(figure, 0, phase, "|")
        np.testing.assert_allclose(np.sort(picked[:, 1]), np.sort(distance), atol=1e-9)
        residual = marks(figure, 1, phase, PHASES[phase][1])
        exact = np.hypot(picked[:, 1], event.depth_km) / speed
        np.testing.assert_allclose(picked[:, 0] - exact, residual[:, 0], atol=1e-6)
        np.testing.assert_array_equal(picked[:, 1], residual[:, 1])
        (curve,) = [
            x for x in figure.axes[0].lines if x.is_dashed() and to_rgba(x.get_color()) == to_rgba(PHASES[phase][0])
        ]
        time, far = curve.get_data()
        np.testing.assert_allclose(time, np.hypot(far, event.depth_km) / speed, atol=1e-6)
        assert (np.diff(far) > 0).all()
    assert "10 P, 10 S, rms residual" in words(figure)
    assert "2016-10-14 06:00:00.00 UTC   43.020°N 13.050°E, 8.0 km deep" in words(figure)
    assert {t.get_text() for t in figure.axes[0].texts} == set(sites["station"])


def test_predictions_may_be_curves_or_times_of_stations():
    event, assignments, picks, sites = one_event()
    grid = np.linspace(0, 40, 81)
    curves = pd.concat(
        [
            pd.DataFrame({"phase": p, "distance_km": grid, "time_s": np.hypot(grid, 8.0) / v})
            for p, v in (("P", VP), ("S", VS))
        ]
    )
    stations = pd.concat(
        [
            pd.DataFrame({"phase": p, "station": sites["station"], "time_s": np.hypot(sites["distance_km"], 8.0) / v})
            for p, v in (("P", VP), ("S", VS))
        ]
    )
    for table, n in ((curves, 81), (stations, 10)):
        figure = event_section(event, assignments, picks, sites, predictions=table)
        drawn = [x for x in figure.axes[0].lines if x.is_dashed()]
        assert len(drawn) == 2
        for line, speed in zip(drawn, (VP, VS), strict=True):
            time, far = line.get_data()
            assert len(far) == n
            np.testing.assert_allclose(time, np.hypot(far, 8.0) / speed, atol=1e-9)
    with pytest.raises(InputError, match="the table of predictions, without distance_km, has no column station"):
        event_section(event, assignments, picks, sites, predictions=curves[["phase", "time_s"]])


def test_stations_as_listed():
    event, assignments, picks, sites = one_event()
    order = assignments[assignments["event_id"] == 7].sample(frac=1.0, random_state=5)
    figure = event_section(event, order, picks, sites, sort=False)
    listed = list(dict.fromkeys(order.merge(picks, on="pick_index")["station"]))
    named = {t.get_text(): t.xy[1] for t in figure.axes[0].texts}
    assert sorted(named, key=named.get) == listed
    low, high = figure.axes[0].get_ylim()
    assert low > high  # the first at the top
    times = {row.station: row for row in order.merge(picks, on="pick_index").query("phase == 'P'").itertuples()}
    for x, y in marks(figure, 0, "P", "|"):
        assert x == pytest.approx((times[listed[int(y)]].time - START).total_seconds())
    circles = [x for x in figure.axes[0].lines if x.get_marker() == "o"]
    for line, speed in zip(circles, (VP, VS), strict=True):
        far = sites.set_index("station").loc[listed, "distance_km"]
        np.testing.assert_allclose(line.get_xdata(), np.hypot(far, 8.0) / speed, atol=1e-6)


def pulses(event: pd.Series, sites: pd.DataFrame, rate: float = 50.0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A 5 Hz wavelet at each station's P time, on an offset, of very different size."""
    time = np.arange(-10, 30, 1 / rate)
    out = {}
    for k, row in enumerate(sites.itertuples()):
        t = time - np.hypot(row.distance_km, event.depth_km) / VP
        out[row.station] = (time, 1e3 + 10.0 ** (k - 4) * np.cos(2 * np.pi * 5 * t) * np.exp(-((t / 0.15) ** 2)))
    return out


def waves(figure: Figure) -> list[np.ndarray]:
    """The waveforms drawn, each (n, 2)."""
    return [
        line
        for c in figure.axes[0].collections
        if isinstance(c, LineCollection)
        for line in c.get_segments()
        if len(line) > 2
    ]


def test_waveforms_stand_at_their_distances_scaled_alike_with_the_pulse_at_the_pick():
    event, assignments, picks, sites = one_event()
    drawn = waves(event_section(event, assignments, picks, sites, waveforms=pulses(event, sites)))
    assert len(drawn) == 10
    heights = [np.ptp(line[:, 1]) for line in drawn]
    np.testing.assert_allclose(heights, heights[0], rtol=0.05)
    for line in drawn:
        far = float(np.median(line[:, 1]))
        assert np.abs(sites["distance_km"] - far).min() < 0.05
        peak = line[np.argmax(np.abs(line[:, 1] - far)), 0]
        assert peak == pytest.approx(np.hypot(far, event.depth_km) / VP, abs=0.03)


def test_a_stream_gives_the_same_traces_and_verticals_go_first():
    event, assignments, picks, sites = one_event()
    rows = pulses(event, sites)
    stream = Stream()
    for station, (time, samples) in rows.items():
        for channel, data in (("HHE", np.full(500, 9.0)), ("HHZ", samples)):
            net, sta = station.split(".")
            header = {
                "network": net,
                "station": sta,
                "channel": channel,
                "sampling_rate": 50.0,
                "starttime": UTCDateTime(START.to_pydatetime()) + time[0],
            }
            stream.append(Trace(data, header))
    from_rows = waves(event_section(event, assignments, picks, sites, waveforms=rows))
    from_stream = waves(event_section(event, assignments, picks, sites, waveforms=stream))
    for one, other in zip(
        sorted(from_rows, key=lambda x: x[0, 1]), sorted(from_stream, key=lambda x: x[0, 1]), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_gaps_part_a_trace_and_a_low_sampling_rate_lowers_the_band():
    event, assignments, picks, sites = one_event()
    rows = pulses(event, sites, rate=20.0)  # Nyquist frequency 10 Hz, below the band's 15 Hz
    station = sites["station"][0]
    rows[station][1][320:340] = np.nan
    drawn = waves(event_section(event, assignments, picks, sites, waveforms=rows))
    assert len(drawn) == 11
    assert all(np.isfinite(line).all() for line in drawn)
    with pytest.raises(InputError, match=r"waveform of XX\.S00: times \(3,\) and samples \(4,\)"):
        event_section(event, assignments, picks, sites, waveforms={station: (np.arange(3), np.arange(4))})
    with pytest.raises(InputError, match="band 9–9 Hz"):
        event_section(event, assignments, picks, sites, waveforms=rows, band=(9.0, 15.0))


def test_picks_of_no_event_are_grey_ticks_of_the_time_and_distance_drawn():
    event, assignments, picks, sites = one_event()
    far = pd.DataFrame({"station": ["XX.FAR"], "latitude": [46.0], "longitude": [13.0]})
    silent = pd.DataFrame({"station": ["XX.NEAR"], "latitude": [43.1], "longitude": [13.0]})
    stations, seconds = ["XX.S03", "XX.FAR", "XX.NEAR", "XX.S03", "XX.LOST"], [2.0, 2.5, 3.0, 900.0, 1.0]
    others = pd.DataFrame(
        {"pick_index": range(5), "station": stations, "phase": "P", "time": START + pd.to_timedelta(seconds, unit="s")}
    )
    figure = event_section(event, assignments, picks, pd.concat([sites, far, silent]), unassociated=others)
    (grey,) = [x for x in figure.axes[0].lines if x.get_marker() == "|" and x.get_color() == "#8a8a8a"]
    np.testing.assert_allclose(grey.get_xdata(), [2.0, 3.0])
    near = distance_azimuth(event.latitude, event.longitude, 43.1, 13.0)[0]
    np.testing.assert_allclose(grey.get_ydata(), [sites["distance_km"][3], near])
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels[-1] == "pick of no event"
    without = event_section(event, assignments, picks, sites)
    assert "pick of no event" not in [t.get_text() for t in without.legends[0].get_texts()]


def test_events_that_cannot_be_drawn():
    event, assignments, picks, sites = one_event()
    with pytest.raises(InputError, match="event 9: no picks are assigned to it"):
        event_section(event.replace({7: 9}), assignments, picks, sites)
    own = assignments.loc[assignments["event_id"] == 7, "pick_index"]
    with pytest.raises(
        InputError, match=rf"event 7: 1 of its picks are not in the table of picks \(pick_index {own.iloc[0]}\)"
    ):
        event_section(event, assignments, picks[picks["pick_index"] != own.iloc[0]], sites)
    with pytest.raises(InputError, match=r"event 7: the table of stations has no coordinates of XX\.S00"):
        event_section(event, assignments, picks, sites.iloc[1:])
    with pytest.raises(InputError, match="the table of assignments has no column residual_s"):
        event_section(event, assignments[["pick_index", "event_id"]], picks, sites)


def test_names_of_many_stations_do_not_overlap():
    figure = event_section(*one_event(56))
    figure.draw_without_rendering()
    # Of the text alone: an annotation's own extent holds the line that leads to it, too.
    boxes = sorted((Text.get_window_extent(t) for t in figure.axes[0].texts), key=lambda box: box.y0)
    assert len(boxes) == 56
    assert all(upper.y0 > lower.y1 - 1.5 for lower, upper in pairwise(boxes))


# --- scores by separation ---------------------------------------------------------------------------------


def test_scores_are_drawn_by_series_in_the_order_of_separation():
    table = pd.DataFrame({"separation_s": [12.0, 2.0, 40.0] * 2, "series": ["a"] * 3 + ["b"] * 3})
    table["f1"], table["precision"], table["recall"] = np.arange(6) / 10, np.arange(6) / 20, np.arange(6) / 30
    figure = separation_figure(table, mark_s=12.0)
    for ax, score in zip(figure.axes, ("f1", "precision", "recall"), strict=True):
        for line, first in zip(ax.lines, (0, 3), strict=False):
            x, y = line.get_data()
            np.testing.assert_array_equal(x, [2.0, 12.0, 40.0])
            np.testing.assert_array_equal(y, table[score].to_numpy()[[first + 1, first, first + 2]])
        assert ax.get_xscale() == "log"
        np.testing.assert_array_equal(ax.lines[-1].get_xdata(), [12.0, 12.0])
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["a", "b"]
    single = separation_figure(table[table["series"] == "a"].iloc[:1])
    assert single.axes[0].get_xscale() == "linear"
    assert single.axes[0].get_legend() is None


def test_scores_that_cannot_be_drawn():
    with pytest.raises(
        InputError, match="the table of scores has no column precision, recall; its columns are: separation_s, f1"
    ):
        separation_figure(pd.DataFrame({"separation_s": [1.0], "f1": [1.0]}))
    with pytest.raises(InputError, match="the table of scores has no rows; score catalogues"):
        separation_figure(pd.DataFrame(columns=["separation_s", "f1", "precision", "recall"]))


# --- real events ------------------------------------------------------------------------------------------


def test_the_map_of_central_italy(real_data, tmp_path):
    folder = real_data / "italy_20161014"
    catalog, stations = pd.read_csv(folder / "catalog.csv"), pd.read_csv(folder / "stations.csv")
    events = catalog.rename(columns={"lat": "latitude", "lon": "longitude"})
    events["time"] = pd.to_datetime(events["time"], unit="s", utc=True)
    figure = seismicity_map(events, stations.rename(columns={"lat": "latitude", "lon": "longitude"}))
    assert words(figure) == "151 events"
    assert save(figure, tmp_path / "italy.pdf").stat().st_size < 3e5
    _, label = main_axis(events)
    assert 130 < float(re.search(r"N(\d+)°E", label)[1]) < 180  # the strike of the Apennines
