"""The channel table: the station files that users have, what they spell differently, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import Inventory, UTCDateTime
from obspy.core.inventory import Channel, Equipment, Network, Site, Station

from seisloom.errors import InputError
from seisloom.stations import (
    CODES,
    COLUMNS,
    NUMBERS,
    TEXTS,
    TIMES,
    channel_ids,
    from_inventory,
    parse_stations,
    read_stations,
    validate,
    write_stations,
)

XCOR = """Network,Station,Location,Channel,StartDate,EndDate
CI,HEC,,BHN,1999-08-06T00:00:00,2599-12-31T23:59:59
CI,CCA,--,BHN,2018-05-01,
IU,ANMO,00,LHZ,1989-08-29 12:30:00,1995-07-14T00:00:00Z
"""
FDSN = """#Network | Station | Location | Channel | Latitude | Longitude | Elevation | Depth | Azimuth | Dip | \
SensorDescription | Scale | ScaleFrequency | ScaleUnits | SampleRate | StartTime | EndTime
CI|HEC||BHN|34.8294|-116.335|959.0|0.5|0|0|STS-2, 1.5" "gen 3|6.2E8|0.03|M/S|40|1999-08-06T00:00:00|3000-01-01T00:00:00
IU | ANMO | 10 | BH1 | 34.94598 | -106.45713 | 1767 | 57 | 328 | 0 | | | | | 40 | 2018-07-09T20:45:00.0500 |
"""
UTC = "UTC"


def stamp(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz=UTC)


def one(header: str, row: str) -> pd.Series:
    """The only row of a table."""
    table = parse_stations(f"{header}\n{row}\n", "list.csv")
    assert len(table) == 1
    return table.iloc[0]


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_stations(text, "list.csv")
    return str(caught.value)


# --- stations.csv -------------------------------------------------------------------------------------------


def test_the_apps_file_without_coordinates() -> None:
    table = parse_stations(XCOR, "list.csv")
    assert channel_ids(table) == ["CI.HEC..BHN", "CI.CCA..BHN", "IU.ANMO.00.LHZ"]
    assert table["start"].tolist() == [stamp("1999-08-06"), stamp("2018-05-01"), stamp("1989-08-29T12:30")]
    assert table["end"].isna().tolist() == [True, True, False]
    assert table["end"].iloc[2] == stamp("1995-07-14")
    assert table[NUMBERS].isna().all(axis=None)


def test_every_column_is_there_and_typed() -> None:
    table = parse_stations(XCOR, "list.csv")
    assert list(table.columns) == COLUMNS
    assert all(table[column].map(type).eq(str).all() for column in CODES + TEXTS)
    assert all(table[column].dtype == np.float64 for column in NUMBERS)
    assert all(str(table[column].dtype) == "datetime64[ns, UTC]" for column in TIMES)
    assert table.index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Network,Station,Location,Channel,Latitude,Longitude,Elevation", "CI,HEC,,BHN,34.8294,-116.335,959"),
        ("elevation , LONGITUDE,latitude,channel,location,station,network", "959, -116.335 ,34.8294,BHN,,HEC,CI"),
        ("Net,Sta,Loc,Chan,Lat,Lon,Elev", "CI,HEC,--,BHN,34.8294,243.665,959.0"),
        ("network,name,location_code,cha,LAT,long,Elevation (m)", "CI,HEC,nan,BHN,+34.8294,-1.16335e2,959"),
        ("Network\tStation\tLocation\tChannel\tLatitude\tLongitude\tElevation_m", "CI\tHEC\t\tBHN\t34.8294\t-116.335\t959"),
        ("Network;Station;Location;Channel;Latitude;Longitude;Elevation", "CI;HEC;;BHN;34.8294;-116.335;959"),
        ("# Network,Station,Channel,Latitude,Longitude,Elevation,Remark", "CI,HEC,BHN,34.8294,-116.335,959,good one"),
        ("Network,Station,Name,Channel,Lat,Lon,Elev", "CI,HEC,Hector,BHN,34.8294,-116.335,959"),
        ("Network,Station,Channel,Latitude,Longitude,Elevation", 'CI,"HEC",BHN,"34.8294",-116.335,959,,,'),
    ],
)  # fmt: skip
def test_spellings_of_one_channel(header: str, row: str) -> None:
    channel = one(header, row)
    assert channel[CODES].tolist() == ["CI", "HEC", "", "BHN"]
    assert channel[["latitude", "longitude", "elevation_m"]].tolist() == pytest.approx([34.8294, -116.335, 959.0])


@pytest.mark.parametrize("text", ["", "--", "nan", "NaN", " ", "None", '""', "null"])
def test_empty_location(text: str) -> None:
    assert one("Network,Station,Location,Channel", f"CI,HEC,{text},BHN")["location"] == ""


@pytest.mark.parametrize(
    ("column", "value"),
    [("Location", "00"), ("Location", "01"), ("Location", "0"), ("Station", "0012"), ("Station", "1234"), ("Network", "7A"),
     ("Network", "1E"), ("Station", "1E5"), ("Network", "NA"), ("Station", "NULL2"), ("Station", "TRUE")],
)  # fmt: skip
def test_codes_that_look_like_something_else_stay_text(column: str, value: str) -> None:
    row = {"Network": "CI", "Station": "HEC", "Location": "00", "Channel": "BHN"} | {column: value}
    assert one(",".join(row), ",".join(row.values()))[column.lower()] == value


def test_all_rows_numeric_looking_keep_their_zeros() -> None:
    table = parse_stations("network,station,location,channel\n01,0001,00,001\n02,0010,10,010\n", "list.csv")
    assert channel_ids(table) == ["01.0001.00.001", "02.0010.10.010"]


@pytest.mark.parametrize("text", [XCOR.replace("\n", "\r\n"), "\ufeff" + XCOR, "\n\n" + XCOR + "\n\n", XCOR.rstrip()])
def test_line_endings_byte_order_mark_and_blank_lines(tmp_path: Path, text: str) -> None:
    path = tmp_path / "stations.csv"
    path.write_bytes(text.encode())
    pd.testing.assert_frame_equal(read_stations(path), parse_stations(XCOR, "list.csv"))


def test_comment_lines_are_passed_over() -> None:
    text = "# written by hand\n# second line\n" + XCOR.replace("CI,CCA", "# CI,XYZ,,BHN\nCI,CCA")
    pd.testing.assert_frame_equal(parse_stations(text, "list.csv"), parse_stations(XCOR, "list.csv"))


@pytest.mark.parametrize(
    "end", ["", "2599-12-31T23:59:59", "3000-01-01", "9999-12-31T23:59:59Z", "2999/12/31", "12/31/2599", "NaT", "null"]
)
def test_open_ends(end: str) -> None:
    assert one("Network,Station,Channel,EndDate", f"CI,HEC,BHN,{end}")["end"] is pd.NaT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-02-03", "2019-02-03"),
        ("2019-02-03T04:05:06.789012345", "2019-02-03T04:05:06.789012345"),
        ("2019-02-03T04:05:06+02:00", "2019-02-03T02:05:06"),
        ("2019-02-03 04:05Z", "2019-02-03T04:05"),
    ],
)
def test_start_is_utc_to_the_nanosecond(text: str, expected: str) -> None:
    assert one("Network,Station,Channel,StartDate", f"CI,HEC,BHN,{text}")["start"] == stamp(expected)


@pytest.mark.parametrize(
    ("written", "read"),
    [(180.0, 180.0), (-180.0, -180.0), (-0.1, -0.1), (180.5, -179.5), (243.665, -116.335), (360.0, 0.0), (-190, 170)],
)
def test_longitudes(written: float, read: float) -> None:
    longitude = one("Network,Station,Channel,Longitude", f"CI,HEC,BHN,{written}")["longitude"]
    assert longitude == pytest.approx(read, abs=1e-12)
    if abs(written) <= 180:
        assert longitude == written  # not touched, not even in the last digit


# --- FDSN text and StationXML -------------------------------------------------------------------------------


def test_fdsn_text() -> None:
    table = parse_stations(FDSN, "answer")
    assert channel_ids(table) == ["CI.HEC..BHN", "IU.ANMO.10.BH1"]
    assert table.loc[0, NUMBERS].tolist() == [34.8294, -116.335, 959.0, 0.5, 0.0, 0.0, 40.0]
    assert table.loc[1, NUMBERS].tolist() == [34.94598, -106.45713, 1767.0, 57.0, 328.0, 0.0, 40.0]
    assert table["sensor"].tolist() == ['STS-2, 1.5" "gen 3', ""]
    assert table["start"].tolist() == [stamp("1999-08-06"), stamp("2018-07-09T20:45:00.05")]
    assert table["end"].isna().all()


def inventory() -> Inventory:
    start, change = UTCDateTime(2010, 1, 1), UTCDateTime(2020, 6, 1, 12)
    place = {"latitude": 34.5, "longitude": -116.25, "elevation": 959.0, "depth": 2.5}
    sensor = Equipment(description="STS-2", type="Broadband")
    channels = [
        Channel("BHZ", "00", **place, azimuth=0, dip=-90, sample_rate=40, sensor=sensor, start_date=start, end_date=change),
        Channel("BHZ", "00", **place, azimuth=0, dip=-90, sample_rate=100, start_date=change),
        Channel("BH1", "", **place),
    ]  # fmt: skip
    site = Site(name="Hector Mine, California")
    return Inventory([Network("CI", [Station("HEC", 34.5, -116.25, 959.0, channels, site=site)])], "test")


def test_inventory() -> None:
    table = from_inventory(inventory())
    assert channel_ids(table) == ["CI.HEC.00.BHZ", "CI.HEC.00.BHZ", "CI.HEC..BH1"]
    assert table.loc[0, NUMBERS].tolist() == [34.5, -116.25, 959.0, 2.5, 0.0, -90.0, 40.0]
    assert table["sample_rate_hz"].iloc[1] == 100.0
    assert table.loc[2, ["azimuth_deg", "dip_deg", "sample_rate_hz"]].isna().all()
    assert table["sensor"].tolist() == ["STS-2", "", ""]
    assert set(table["site"]) == {"Hector Mine, California"}
    assert table["start"].iloc[1] == table["end"].iloc[0] == stamp("2020-06-01T12:00")
    assert table["end"].iloc[1] is pd.NaT


def test_stationxml_file_equals_its_inventory(tmp_path: Path) -> None:
    path = tmp_path / "stations.xml"
    inventory().write(str(path), format="STATIONXML")
    pd.testing.assert_frame_equal(read_stations(path), from_inventory(inventory()))


def test_real_stationxml(real_data: Path) -> None:
    table = read_stations(real_data / "noisepy_ci" / "CI_HEC.xml")
    row = table[[name == "CI.HEC..BHN" for name in channel_ids(table)]].iloc[0]
    assert (row["latitude"], row["longitude"]) == pytest.approx((34.829, -116.335), abs=2e-3)
    assert row["sample_rate_hz"] == 40.0


def test_stationxml_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answer.xml"
    path.write_text("<html><body>503 Service Unavailable</body>")
    with pytest.raises(InputError, match=r"answer\.xml: not readable as StationXML"):
        read_stations(path)
    buffer = io.BytesIO()
    Inventory([Network("CI", [Station("HEC", 34.5, -116.25, 959.0)])], "test").write(buffer, format="STATIONXML")
    path.write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"answer\.xml: no channels in it; ask for level=channel"):
        read_stations(path)


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("Latitude", "91", "line 2: Latitude is '91'; latitudes are within ±90°"),
        ("Latitude", "-90.001", "line 2: Latitude is '-90.001'"),
        ("Latitude", "34,8", "line 2: 5 cells, and the header has 4"),
        ("Latitude", "34°N", "line 2: Latitude is '34°N'; a number is expected"),
        ("Latitude", "inf", "line 2: Latitude is 'inf'; a finite number"),
        ("LON", "-361", "line 2: Longitude is '-361'; longitudes are within"),
        ("elev", "high", "line 2: Elevation is 'high'"),
        ("StartDate", "31.31.2019", "line 2: StartDate is '31.31.2019'; write it as 2019-02-03T00:00:00"),
        ("EndDate", "12:00", "line 2: EndDate is '12:00'"),
        ("EndDate", "now", "line 2: EndDate is 'now'"),
        ("Location", "0 0", "line 2: Location is '0 0'; 1 to 8 letters"),
        ("Lat,LAT", "1,1", "more than one column for Latitude: Lat, LAT"),
        ("Latitude,latitude", "1,1", "more than one column for Latitude: Latitude, latitude"),
    ],
)
def test_refusals_name_the_file_the_line_and_the_value(header: str, row: str, message: str) -> None:
    refused = refusal(f"Network,Station,Channel,{header}\nCI,HEC,BHN,{row}\n")
    assert refused.startswith("list.csv")
    assert message in refused


@pytest.mark.parametrize("code", ["", "B.N", "BH Z", "ABCDEFGHI", "é", "../x"])
def test_codes_that_no_file_can_hold(code: str) -> None:
    assert f"line 3: Channel is {code!r}; 1 to 8 letters" in refusal(
        f"Network,Station,Channel\nCI,HEC,BHZ\nCI,HEC,{code}\n"
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_numbers_count_what_is_passed_over(newline: str) -> None:
    lines = [
        "",
        "# list",
        "Network,Station,Channel,Latitude,Site",
        "",
        'CI,HEC,BHN,1,"two',
        'lines"',
        "# off",
        "",
        "CI,CCA,BHN,x,",
    ]
    assert "line 9: Latitude is 'x'" in refusal(newline.join(lines))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("Network,Station,Channel\n", "no channels in it"),
        ("Network,Station\nCI,HEC\n", "no column Channel; the header has: network, station"),
        ("a,b\n1,2\n", "no column Network, Station, Channel; the header has: a, b"),
        ("CI,HEC,,BHN\n", "no c"),  # no header at all
        ("Network,Station,Channel\nCI,HEC\n", "line 2: Channel is ''"),
        ("Network,Station,Channel\nCI,HEC,BHN,34.1\n", "line 2: 4 cells, and the header has 3"),
    ],
)
def test_lists_that_are_not_channel_lists(text: str, message: str) -> None:
    assert message in refusal(text)


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot read the channel list"):
        read_stations(tmp_path / "nowhere.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"Network\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.csv: cannot read the channel list"):
        read_stations(binary)
    with pytest.raises(InputError, match="cannot write the channel list"):
        write_stations(parse_stations(XCOR, "list.csv"), binary / "below" / "stations.csv")


def test_validate_takes_typed_tables() -> None:
    table = pd.DataFrame(
        {
            "network": ["CI", "CI"],
            "station": [1234, 5],
            "location": [None, np.nan],
            "channel": "BHZ",
            "latitude": [1, None],
        }
    )
    out = validate(table.set_index(pd.Index([7, 9])), "made here")
    assert channel_ids(out) == ["CI.1234..BHZ", "CI.5..BHZ"]
    assert out["latitude"].iloc[0] == 1.0
    assert np.isnan(out["latitude"].iloc[1])
    with pytest.raises(InputError, match=r"made here, line 3: Latitude is '-91.5'"):
        validate(table.assign(latitude=[0.0, -91.5]), "made here")


# --- round trips --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [XCOR, FDSN])
def test_written_file_reads_the_same(tmp_path: Path, text: str) -> None:
    table = parse_stations(text, "list")
    path = tmp_path / "stations.csv"
    written = write_stations(table, path)
    assert written.startswith("Network,Station,Location,Channel,Latitude,Longitude,Elevation,")
    assert path.read_text() == written
    pd.testing.assert_frame_equal(read_stations(path), table)


def finite(low: float, high: float) -> st.SearchStrategy[float]:
    return st.just(float("nan")) | st.floats(low, high)


code = st.text("ABCXYZ0189_-", min_size=1, max_size=5)
words = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=8), max_size=3).map(
    " ".join
)
instant = st.none() | st.integers(-2_000_000_000_000_000_000, 7_000_000_000_000_000_000)
row = st.tuples(
    code, code, st.just("") | st.text("0189AB", min_size=1, max_size=2), code,
    finite(-90, 90), finite(-180, 180), finite(-1e4, 1e4), finite(0, 1e4), finite(0, 360), finite(-90, 90), finite(0, 1e3),
    words, words, instant, instant,
)  # fmt: skip


@given(st.lists(row, min_size=1, max_size=5))
def test_any_table_survives_being_written_and_read(rows: list[tuple]) -> None:
    table = validate(pd.DataFrame(rows, columns=COLUMNS).assign(**{
        column: pd.to_datetime([r[COLUMNS.index(column)] for r in rows], unit="ns", utc=True) for column in TIMES
    }))  # fmt: skip
    pd.testing.assert_frame_equal(parse_stations(write_stations(table), "list"), table, check_exact=True)
