"""Sources, channels and their availability over the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from obspy import Inventory, Stream, Trace, UTCDateTime

from seisloom.errors import InputError
from seisloom.jobs import Sources
from seisloom.stations import COLUMNS, channel_ids, validate
from seisloom.waveforms import ChannelQuery
from seisloom.waveforms.query import parse_query, select, widening
from seisloom.waveforms.synthetic import SyntheticSource
from seisloom.web.api.tables import columns, rows_json
from seisloom.web.services import Services
from tests.fdsn_server import Fault, FdsnServer
from tests.web_support import api_client

NETWORK = SyntheticSource("stations=3,rate=1,components=ZNE")
ROW = {"network", "station", "location", "channel", "latitude", "longitude", "elevation_m", "depth_m", "azimuth_deg"}
ROW |= {"dip_deg", "sample_rate_hz", "sensor", "site", "start", "end", "id"}


def inventory() -> Inventory:
    return NETWORK.inventory(NETWORK.ids, 0, 1)


@pytest.fixture
def api(tmp_path: Path) -> TestClient:
    return api_client(Services(str(tmp_path), Sources({"ours": "synthetic:stations=2,rate=1"}, allow_private=True)))


def found(api: TestClient, **query: Any) -> list[dict[str, Any]]:
    answer = api.get("/channels", params={"source": "demo"} | query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == len(answer.json()["channels"])
    rows: list[dict[str, Any]] = answer.json()["channels"]
    return rows


def refused(api: TestClient, status: int, **query: Any) -> str:
    answer = api.get("/channels", params={"source": "demo"} | query)
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["detail"]
    return detail


def test_sources(api: TestClient) -> None:
    told = api.get("/sources").json()
    assert [source["name"] for source in told[:2]] == ["ours", "demo"]
    assert {"name", "kind", "title", "address", "default"} == set(told[0])
    assert any(source["name"] == "fdsn:SCEDC" for source in told)


def test_rows(api: TestClient) -> None:
    rows = found(api)
    assert len(rows) == 12
    assert set(rows[0]) == ROW
    first = rows[0]
    assert (first["id"], first["start"], first["end"]) == ("SY.S01.00.BHZ", "2000-01-01T00:00:00Z", None)
    assert (first["sample_rate_hz"], first["dip_deg"], first["depth_m"]) == (20.0, -90.0, 0.0)


def test_columns_say_the_same(api: TestClient) -> None:
    answer = api.get("/channels", params={"source": "demo", "form": "columns"}).json()
    names = answer["columns"]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*names.values(), strict=True)]
    assert rows == found(api)
    assert answer["count"] == 12


@pytest.mark.parametrize(
    ("query", "stations"),
    [
        ({"station": "S01"}, ["S01"]),
        ({"station": "S0?,S12", "network": "SY,XX"}, [f"S{i:02d}" for i in (1, 2, 3, 4, 5, 6, 7, 8, 9, 12)]),
        ({"station": " S01 , S02 "}, ["S01", "S02"]),
        ({"station": "", "location": "", "channel": "*Z", "network": ""}, [f"S{i:02d}" for i in range(1, 13)]),
        ({"start": "1990-01-01", "end": "2000-01-01", "station": "S01"}, ["S01"]),  # a day that is named is included
        ({"start": "2010-05-05T12:00:00Z", "station": "S01"}, ["S01"]),
    ],
)
def test_codes_and_times(api: TestClient, query: dict[str, str], stations: list[str]) -> None:
    assert [row["station"] for row in found(api, **query)] == stations


def test_box(api: TestClient) -> None:
    everything = found(api)
    west = sorted(row["longitude"] for row in everything)[6]
    inside = {row["id"] for row in everything if row["longitude"] >= west}
    assert {row["id"] for row in found(api, west=west)} == inside
    assert {row["id"] for row in found(api, west=west, east=west - 20)} == inside  # across the date line
    assert len(found(api, west=-180, south=-90, east=180, north=90)) == len(found(api, west=0, east=360)) == 12


def test_box_across_the_date_line() -> None:
    table = validate(pd.DataFrame({"network": "XX", "station": ["A", "B", "C", "D"], "channel": "BHZ",
                                   "latitude": -17.0, "longitude": [179.0, -179.0, 0.0, np.nan]}))  # fmt: skip
    assert list(select(table, parse_query(bbox=(170, -20, -170, 0)))["station"]) == ["A", "B"]
    assert list(select(table, parse_query(bbox=(170, -20, 190, 0)))["station"]) == ["A", "B"]
    assert list(select(table, parse_query(bbox=(-190, -20, -170, 0)))["station"]) == ["A", "B"]
    assert list(select(table, parse_query(bbox=(-170, -20, 170, 0)))["station"]) == ["C"]
    assert list(select(table, parse_query(bbox=(0, -20, 360, 0)))["station"]) == ["A", "B", "C"]


def test_empty_location() -> None:
    table = validate(pd.DataFrame({"network": "XX", "station": "A", "location": ["", "00"], "channel": "BHZ"}))
    assert list(select(table, parse_query(location="--"))["location"]) == [""]
    assert list(select(table, parse_query(location="00,--"))["location"]) == ["", "00"]
    assert len(select(table, parse_query(location=""))) == 2


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"network": "S[Y]"}, "network 'S[Y]': codes are letters and digits, with * and ?"),
        ({"station": "S01;S02"}, "station 'S01;S02'"),
        ({"channel": "../x"}, "channel '../x'"),
        ({"start": "yesterday"}, "start 'yesterday' is not a date: write it as 2019-02-03"),
        ({"end": "2019-02-30"}, "end '2019-02-30' is not a date"),
        ({"start": "1066-10-14"}, "is not a date"),
        ({"start": "2020-01-02", "end": "2020-01-01"}, "end 2020-01-01 is not after start 2020-01-02"),
        ({"south": "50", "north": "40"}, "south 50 and north 40: latitudes must rise from -90 to 90"),
        ({"north": "91"}, "latitudes must rise"),
        ({"west": "-361"}, "longitudes are from -180 to 180"),
        ({"west": "nan"}, "west: input should be a finite number"),
        ({"east": "far"}, "east: input should be a valid number"),
        ({"stations": "S01"}, "stations: extra inputs are not permitted"),
        ({"form": "xml"}, "form: input should be 'rows' or 'columns'"),
        ({"source": "sds:/etc"}, "source 'sds:/etc' is not allowed here"),
        ({"source": "fdsn:NOWHERE"}, "no data centre is called 'NOWHERE'"),
        ({"source": ""}, "no source is named"),
    ],
)
def test_what_cannot_be_asked(api: TestClient, query: dict[str, str], words: str) -> None:
    assert words in refused(api, 422, **query)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"network": "XX"}, "try fewer or wider codes (network XX)"),
        ({"network": "sy"}, "codes in capital letters"),
        ({"north": "-80"}, "a larger box"),
        ({"end": "1980-01-01", "station": "S*"}, "try fewer or wider codes (station S*) or other dates"),
    ],
)
def test_nothing_found_says_what_to_widen(api: TestClient, query: dict[str, str], words: str) -> None:
    assert words in refused(api, 404, **query)


def test_nothing_to_widen() -> None:
    assert widening(ChannelQuery()) == "the source holds no channels"


def test_more_than_can_be_shown(monkeypatch: pytest.MonkeyPatch, api: TestClient) -> None:
    monkeypatch.setattr("seisloom.web.api.channels.MOST", 5)
    assert "12 channels match, at most 5 can be shown: ask for less" in refused(api, 422)
    with FdsnServer(inventory()) as server:
        assert "at most 5 can be shown" in refused(api, 422, source=f"fdsn:{server.url}")


def test_long_answers_are_packed(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = api.get("/channels", params={"source": "demo"}, headers={"Accept-Encoding": "identity"})
    monkeypatch.setattr("seisloom.web.api.channels.WORTH_PACKING", 1000)
    packed = api.get("/channels", params={"source": "demo"}, headers={"Accept-Encoding": "gzip"})
    unpacked = api.get("/channels", params={"source": "demo"}, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 4
    assert packed.json() == plain.json() == unpacked.json()
    assert not {"content-encoding"} & (set(plain.headers) | set(unpacked.headers))


def test_a_data_centre_is_asked_once(api: TestClient) -> None:
    with FdsnServer(inventory()) as server:
        source = f"fdsn:{server.url}"
        rows = found(api, source=source, channel="LH?")
        assert found(api, source=source, channel="LH?") == rows
        assert len(rows) == 9
        assert [row["id"] for row in rows] == channel_ids(NETWORK.table)
        assert server.count("station/1/query") == 1


def test_a_data_centre_that_fails(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with FdsnServer(inventory()) as server:
        server.faults = [Fault("station/1/query", 9, status=500)]
        assert "HTTP 500, the server failed: try again later" in refused(api, 502, source=f"fdsn:{server.url}")
        assert server.count("station/1/query") == 2


def test_unknown_numbers_are_null() -> None:
    table = validate(pd.DataFrame({"network": ["XX"], "station": "A", "channel": "BHZ", "site": 'É "1"\t<b>'}))
    told = columns(table)
    assert set(told) == ROW
    assert all(told[name] == [None] for name in ("latitude", "elevation_m", "sample_rate_hz", "start", "end"))
    assert told["site"] == ['É "1" <b>']
    assert b"NaN" not in rows_json(table)


def test_times_are_exact() -> None:
    stamps = ["2019-02-03T00:00:00", "2019-02-03T23:59:59.999999", "", "2019-02-03T00:00:00+02:00"]
    table = validate(pd.DataFrame({"network": "XX", "station": "A", "channel": "BHZ", "start": stamps}))
    assert columns(table)["start"] == [
        "2019-02-03T00:00:00Z",
        "2019-02-03T23:59:59.999999Z",
        None,
        "2019-02-02T22:00:00Z",
    ]
    again = validate(pd.DataFrame(columns(table)))
    pd.testing.assert_frame_equal(again[COLUMNS], table[COLUMNS])


@given(st.text(max_size=30), st.text(max_size=30), st.floats(), st.floats())
def test_any_text_is_a_query_or_is_refused_in_words(code: str, time: str, west: float, south: float) -> None:
    try:
        query = parse_query(code, start=time, bbox=(west, south, 0.0, 90.0))
    except InputError:
        return
    assert query.bbox is not None
    assert -180 <= query.bbox[0] <= 180
    assert query.network


class TestAvailability:
    def records(self) -> Stream:
        """Two hours from 0, 5 and 12 o'clock of one channel."""
        begins = (UTCDateTime(2024, 1, 1, hour) for hour in (0, 5, 12))
        codes = dict(zip(("network", "station", "location", "channel"), NETWORK.ids[0].split("."), strict=True))
        return Stream([Trace(np.arange(7201, dtype=np.int32), {"starttime": t, **codes}) for t in begins])

    def test_told_by_a_data_centre(self, api: TestClient) -> None:
        ids = [NETWORK.ids[0], "XX.NONE..BHZ"]
        with FdsnServer(inventory(), self.records()) as server:
            asked = {"source": f"fdsn:{server.url}", "ids": ids, "start": "2024-01-01", "end": "2024-01-01"}
            told = api.post("/availability", json=asked).json()
            again = api.get("/availability", params=asked | {"ids": ",".join(ids)}).json()
            assert server.count("availability") == 1
        assert told == again
        assert told["told"]
        first, none = told["channels"]
        assert first["spans"] == [
            ["2024-01-01T00:00:00Z", "2024-01-01T02:00:00Z"],
            ["2024-01-01T05:00:00Z", "2024-01-01T07:00:00Z"],
            ["2024-01-01T12:00:00Z", "2024-01-01T14:00:00Z"],
        ]
        assert (first["percent"], first["first"], first["last"]) == (25.0, first["spans"][0][0], first["spans"][2][1])
        assert none == {"id": ids[1], "first": None, "last": None, "percent": 0.0, "spans": []}

    def test_nothing_at_all(self, api: TestClient) -> None:
        with FdsnServer(inventory(), self.records()) as server:
            asked = {"source": f"fdsn:{server.url}", "ids": NETWORK.ids[0], "start": "2030-01-01", "end": "2030-01-01"}
            told = api.get("/availability", params=asked).json()
        assert (told["told"], told["channels"][0]["percent"]) == (True, 0.0)

    @pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
    def test_a_data_centre_without_the_service_does_not_tell(self, api: TestClient, status: int) -> None:
        with FdsnServer(inventory()) as server:
            server.faults = [Fault("availability", 9, status=status)]
            asked = {"source": f"fdsn:{server.url}", "ids": NETWORK.ids[0], "start": "2024-01-01", "end": "2024-01-01"}
            answer = api.get("/availability", params=asked)
        assert (answer.status_code, answer.json()) == (200, {"told": False, "channels": []})

    def test_an_answer_that_is_none(self, api: TestClient) -> None:
        with FdsnServer(inventory(), self.records()) as server:
            server.faults = [Fault("availability", 9, body=b"<html>Welcome</html>")]
            asked = {"source": f"fdsn:{server.url}", "ids": NETWORK.ids[0], "start": "2024-01-01", "end": "2024-01-01"}
            assert api.get("/availability", params=asked).json() == {"told": False, "channels": []}

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"ids": "../../etc"}, "is no channel: write NET.STA.LOC.CHA"),
            ({"ids": "A.B.C"}, "'A.B.C' is no channel"),
            ({"ids": "A.B.C/D.E"}, "is no channel"),
            ({"ids": ""}, "0 channels: name from 1 to 2000"),
            ({"end": "2023-01-01"}, "the later one second"),
            ({"end": ""}, "give two times"),
            ({"start": "x"}, "start 'x' is not a date"),
            ({"more": "1"}, "more: extra inputs are not permitted"),
        ],
    )
    def test_what_cannot_be_asked(self, api: TestClient, changed: dict[str, str], words: str) -> None:
        asked = {"source": "demo", "ids": "SY.S01.00.BHZ", "start": "2024-01-01", "end": "2024-01-02"} | changed
        answer = api.get("/availability", params=asked)
        assert answer.status_code == 422
        assert words in answer.json()["detail"]
