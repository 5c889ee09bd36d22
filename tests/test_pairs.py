"""Which channels are paired, in what order, and where the two ends lie to one another."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError
from seisloom.geo import destination, distance_azimuth
from seisloom.noise.pairs import ENDS, channel_pairs, pair_table
from seisloom.stations import channel_ids, validate


def channels(ids: list[str], places: dict[str, tuple[float, float]] | None = None) -> pd.DataFrame:
    """A channel table sorted by id; ``places`` gives latitude and longitude by NET.STA."""
    rows = []
    for channel_id in sorted(ids):
        network, station, location, channel = channel_id.split(".")
        latitude, longitude = (places or {}).get(f"{network}.{station}", (np.nan, np.nan))
        rows.append((network, station, location, channel, latitude, longitude))
    return validate(pd.DataFrame(rows, columns=["network", "station", "location", "channel", "latitude", "longitude"]))


def names(table: pd.DataFrame, **settings) -> list[str]:
    """The pairs as A_B."""
    ids = channel_ids(table)
    return [f"{ids[a]}_{ids[b]}" for a, b in channel_pairs(table, CorrelationSettings(**settings))]


THREE = [f"XX.{station}..BH{c}" for station in "ABC" for c in "ENZ"]


# --- counts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 3 * 3),  # pairs of stations times components
        ({"components": "ZZ"}, 3),
        ({"components": "all"}, 3 * 9),
        ({"autocorrelations": True}, 3 * 3 + 9),
        ({"components": "ZZ", "autocorrelations": True}, 3 + 3),
        ({"components": "all", "autocorrelations": True}, 9 * 10 // 2),
    ],
)
def test_counts(settings: dict, count: int) -> None:
    pairs = channel_pairs(channels(THREE), CorrelationSettings(**settings))
    assert pairs.shape == (count, 2)
    assert pairs.dtype == np.int64


def test_order_is_that_of_the_sorted_list() -> None:
    assert names(channels(["YY.A..BHZ", "XX.B..BHZ", "XX.A..BHZ"]), autocorrelations=True) == [
        "XX.A..BHZ_XX.A..BHZ",
        "XX.A..BHZ_XX.B..BHZ",
        "XX.A..BHZ_YY.A..BHZ",
        "XX.B..BHZ_XX.B..BHZ",
        "XX.B..BHZ_YY.A..BHZ",
        "YY.A..BHZ_YY.A..BHZ",
    ]


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        ("BHZ", "BHZ", True),
        ("BHZ", "HHZ", True),  # the band does not matter, the component does
        ("BHN", "BH1", True),
        ("BHE", "BH2", True),
        ("BHZ", "BH3", True),
        ("BH1", "BH1", True),
        ("BHN", "BH2", False),
        ("BHE", "BH1", False),
        ("BHE", "BHZ", False),
    ],
)
def test_horizontals_named_by_number_stand_in_for_north_and_east(a: str, b: str, alike: bool) -> None:
    table = channels([f"XX.A..{a}", f"XX.B..{b}", "XX.C..LHX", "XX.D..LHX"])
    assert (f"XX.A..{a}_XX.B..{b}" in names(table)) == alike
    assert f"XX.A..{a}_XX.B..{b}" in names(table, components="all")


def test_vertical_pairs_include_channels_named_3() -> None:
    table = channels(["XX.A..BH1", "XX.A..BH3", "XX.B..BHZ", "XX.B..BHN"])
    assert names(table, components="ZZ") == ["XX.A..BH3_XX.B..BHZ"]


def test_sensors_of_one_station_are_not_paired_with_one_another() -> None:
    table = channels(["XX.A.00.BHZ", "XX.A.10.BHZ", "XX.A.00.HHZ", "YY.A..BHZ"])
    to_the_other = [f"XX.A.{c}_YY.A..BHZ" for c in ("00.BHZ", "00.HHZ", "10.BHZ")]
    assert names(table) == to_the_other  # YY.A is another station, though its code is the same
    each_itself = [f"{c}_{c}" for c in channel_ids(table)]
    assert sorted(names(table, autocorrelations=True)) == sorted(to_the_other + each_itself)


# --- distances ----------------------------------------------------------------------------------------------

LINE = {
    f"XX.{station}": (0.0, lon) for station, lon in zip("ABCD", (0.0, 0.1, 0.3, 1.0), strict=True)
}  # 111.32 km a degree
ON_LINE = channels([f"{station}..BHZ" for station in LINE], LINE)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"min_distance_km": 12}, {"AC", "AD", "BC", "BD", "CD"}),
        ({"max_distance_km": 34}, {"AB", "AC", "BC"}),
        ({"min_distance_km": 12, "max_distance_km": 100}, {"AC", "BC", "CD"}),
        ({"min_distance_km": 11.1319490, "max_distance_km": 11.1319491}, {"AB"}),
        ({"min_distance_km": 111.3194908}, set()),
    ],
)
def test_distance_limits(limits: dict[str, float], expected: set[str]) -> None:
    if not expected:
        with pytest.raises(InputError, match="no pairs left"):
            names(ON_LINE, **limits)
        return
    assert {pair[3] + pair[13] for pair in names(ON_LINE, **limits)} == expected


def test_distance_limits_leave_autocorrelations_alone() -> None:
    found = names(ON_LINE, min_distance_km=1000, autocorrelations=True)
    assert found == [f"{c}_{c}" for c in channel_ids(ON_LINE)]


def test_distance_limits_over_the_date_line() -> None:
    table = channels(["XX.A..BHZ", "XX.B..BHZ"], {"XX.A": (-17.0, 179.95), "XX.B": (-17.0, -179.95)})
    assert names(table, max_distance_km=11) == ["XX.A..BHZ_XX.B..BHZ"]


def test_distance_limits_need_coordinates() -> None:
    table = channels(["XX.A..BHZ", "XX.B..BHZ", "XX.C..BHZ"], {"XX.A": (0.0, 0.0), "XX.C": (1.0, 1.0)})
    assert len(names(table)) == 3
    for limits in ({"min_distance_km": 1}, {"max_distance_km": 1}):
        with pytest.raises(InputError, match=r"distance limits need coordinates, and XX\.B\.\.BHZ has none"):
            names(table, **limits)


@pytest.mark.parametrize(
    ("ids", "settings"),
    [
        (["XX.A..BHZ"], {}),
        (["XX.A..BHZ", "XX.A..BHN"], {"components": "all"}),
        (["XX.A..BHZ", "XX.B..BHN"], {}),
        (["XX.A..BHN", "XX.B..BHN"], {"components": "ZZ", "autocorrelations": True}),
    ],
)
def test_no_pairs_left_says_what_was_asked_for(ids: list[str], settings: dict) -> None:
    with pytest.raises(InputError, match="no pairs left") as caught:
        names(channels(ids), **settings)
    for words in (f"{len(ids)} channels", repr(settings.get("components", "same")), "0 to inf km"):
        assert words in str(caught.value)


# --- against brute force ------------------------------------------------------------------------------------


@st.composite
def networks(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, tuple[float, float]]]:
    stations = draw(st.lists(st.sampled_from(["XX.A", "XX.B", "XX.C", "YY.A", "YY.B"]), min_size=1, unique=True))
    places = {station: (draw(st.floats(-60, 60)), draw(st.floats(-180, 180))) for station in stations}
    codes = st.lists(st.sampled_from(["BHE", "BHN", "BHZ", "BH1", "BH2", "HHZ", "BH3"]), min_size=1, unique=True)
    ids = [f"{station}.{location}.{code}" for station in stations for location in ("", "10")[: draw(st.integers(1, 2))]
           for code in draw(codes)]  # fmt: skip
    return channels(ids, places), places


@given(
    networks(),
    st.sampled_from(["same", "ZZ", "all"]),
    st.booleans(),
    st.floats(0, 5000),
    st.none() | st.floats(5000, 15_000),
)
def test_pairs_are_those_of_the_plain_rule(
    network: tuple[pd.DataFrame, dict[str, tuple[float, float]]],
    components: str,
    autocorrelations: bool,
    nearest: float,
    farthest: float | None,
) -> None:
    table, places = network
    component = {"1": "N", "2": "E", "3": "Z"}
    expected = []
    for a, b in combinations_with_replacement(channel_ids(table), 2):
        station_a, station_b = a.rsplit(".", 2)[0], b.rsplit(".", 2)[0]
        letters = {component.get(c[-1], c[-1]) for c in (a, b)}
        wanted = {"same": len(letters) == 1, "ZZ": letters == {"Z"}, "all": True}[components]
        if station_a == station_b:
            kept = autocorrelations and wanted and (a == b or components == "all")
        else:
            distance = distance_azimuth(*places[station_a], *places[station_b])[0]
            kept = wanted and nearest <= distance <= (farthest or np.inf)
        if kept:
            expected.append(f"{a}_{b}")
    settings = {
        "components": components,
        "autocorrelations": autocorrelations,
        "min_distance_km": nearest,
        "max_distance_km": farthest,
    }
    if expected:
        assert names(table, **settings) == expected
    else:
        with pytest.raises(InputError, match="no pairs left"):
            names(table, **settings)


def test_a_thousand_channels() -> None:
    table = channels([f"XX.S{i:03d}..BHZ" for i in range(1000)])
    pairs = channel_pairs(table, CorrelationSettings())
    assert len(pairs) == 1000 * 999 // 2
    assert len(pair_table(table, pairs)) == len(pairs)


# --- the table of pairs -------------------------------------------------------------------------------------


def test_places_and_directions_of_both_ends() -> None:
    lat_b, lon_b = destination(34.0, -117.0, 60.0, 150.0)
    table = channels(["XX.A..BHN", "XX.B.00.BH1"], {"XX.A": (34.0, -117.0), "XX.B": (float(lat_b), float(lon_b))})
    table = table.assign(elevation_m=[100.0, -20.0], azimuth_deg=[0.0, 33.0], dip_deg=[0.0, 1.0])
    pairs = pair_table(table, channel_pairs(table, CorrelationSettings(autocorrelations=True)))
    assert pairs["pair"].tolist() == [
        "XX.A..BHN_XX.A..BHN",
        "XX.A..BHN_XX.B.00.BH1",
        "XX.B.00.BH1_XX.B.00.BH1",
    ]
    row = pairs.iloc[1]
    assert (row["channel_a"], row["channel_b"]) == ("XX.A..BHN", "XX.B.00.BH1")
    for end, number in (("a", 0), ("b", 1)):
        for column, name in ENDS.items():
            assert row[name.format(end)] == table[column].iloc[number]
    assert row["distance_km"] == pytest.approx(150.0, abs=1e-9)
    assert row["azimuth_deg"] == pytest.approx(60.0, abs=1e-9)
    # The meridians close up by Δλ sin φ between the two, so the way back is not simply 240°.
    middle = np.radians((34.0 + lat_b) / 2)
    assert row["back_azimuth_deg"] == pytest.approx(240.0 + (lon_b + 117.0) * np.sin(middle), abs=0.01)
    assert pairs["distance_km"].tolist()[::2] == [0.0, 0.0]


def test_reversed_names_reverse_the_azimuths() -> None:
    here, there = (34.0, -117.0), (35.5, -116.0)
    forward = channels(["XX.A..BHZ", "XX.B..BHZ"], {"XX.A": here, "XX.B": there})
    backward = channels(["XX.A..BHZ", "XX.B..BHZ"], {"XX.A": there, "XX.B": here})
    one, other = (pair_table(t, channel_pairs(t, CorrelationSettings())).iloc[0] for t in (forward, backward))
    assert one["distance_km"] == pytest.approx(other["distance_km"], rel=1e-12)
    assert one["azimuth_deg"] == pytest.approx(other["back_azimuth_deg"], abs=1e-9)
    assert one["back_azimuth_deg"] == pytest.approx(other["azimuth_deg"], abs=1e-9)


def test_unknown_places_stay_unknown() -> None:
    table = channels(["XX.A..BHZ", "XX.B..BHZ"])
    row = pair_table(table, channel_pairs(table, CorrelationSettings())).iloc[0]
    assert row[["distance_km", "azimuth_deg", "latitude_a"]].isna().all()
