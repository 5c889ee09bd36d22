"""Saved channels: added, merged, bounded, downloaded; each session sees its own."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from seisloom.jobs import Limits
from seisloom.stations import parse_stations
from seisloom.web.api.saved import saved_channels, saved_query
from seisloom.web.services import Services
from seisloom.web.session import COOKIE
from tests.web_support import TestClient, api_client


def row(station: str, **more: Any) -> dict[str, Any]:
    place = {"latitude": 42.5, "longitude": -179.25, "elevation_m": 812.0, "sample_rate_hz": 100.0}
    codes = {"network": "XX", "station": station, "location": "00", "channel": "HHZ"}
    return codes | place | {"start": "2019-01-01T00:00:00Z", "end": None, "sensor": "STS-2", "site": "Somewhere"} | more


def body(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"source": "demo", "start": "2019-02-03", "end": "2019-02-05", "channels": list(rows)} | more


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(str(tmp_path), limits=Limits(channels=5))


@pytest.fixture
def client(services: Services) -> TestClient:
    return api_client(services)


def test_added_channels_come_back_with_the_query(client: TestClient) -> None:
    assert client.get("/saved").json() == {"source": None, "start": None, "end": None, "count": 0, "channels": []}
    assert client.post("/saved", json=body(row("AA"), row("BB"))).json() == {"count": 2, "added": 2}
    told = client.get("/saved").json()
    assert [told[name] for name in ("source", "start", "end", "count")] == ["demo", "2019-02-03", "2019-02-05", 2]
    first = told["channels"][0]
    assert first == row("AA") | {"id": "XX.AA.00.HHZ", "depth_m": None, "azimuth_deg": None, "dip_deg": None}


def test_duplicates_are_merged_and_the_later_row_counts(client: TestClient) -> None:
    client.post("/saved", json=body(row("AA"), row("BB")))
    later = client.post("/saved", json=body(row("BB", latitude=43.0), row("CC"), row("CC"), start="2020-01-01"))
    assert later.json() == {"count": 3, "added": 1}
    told = client.get("/saved").json()
    assert {c["station"]: c["latitude"] for c in told["channels"]} == {"AA": 42.5, "BB": 43.0, "CC": 42.5}
    assert told["start"] == "2020-01-01"


def test_epochs_of_a_channel_are_kept_and_count_once(client: TestClient) -> None:
    epochs = [row("AA", end="2019-06-01T00:00:00Z"), row("AA", start="2019-06-01T00:00:00Z")]
    assert client.post("/saved", json=body(*epochs)).json()["count"] == 1
    assert len(client.get("/saved").json()["channels"]) == 2


def test_each_session_sees_its_own(services: Services) -> None:
    one, other = api_client(services), api_client(services)
    one.post("/saved", json=body(row("AA")))
    other.post("/saved", json=body(row("BB")))
    assert [c["station"] for c in one.get("/saved").json()["channels"]] == ["AA"]
    assert [c["station"] for c in other.get("/saved").json()["channels"]] == ["BB"]
    one.delete("/saved")
    assert one.get("/saved").json()["count"] == 0
    assert other.get("/saved").json()["count"] == 1
    assert one.cookies[COOKIE] not in "".join(services.storage.keys(""))


def test_other_routes_read_the_same(services: Services, client: TestClient) -> None:
    client.get("/saved")
    session = client.cookies[COOKIE]
    assert saved_channels(services, session).empty
    assert saved_query(services, session) == (None, None, None)
    client.post("/saved", json=body(row("AA"), row("BB"), end=None))
    table = saved_channels(services, session)
    assert list(table["station"]) == ["AA", "BB"]
    assert table["longitude"].tolist() == [-179.25, -179.25]
    assert str(table["start"].dtype) == "datetime64[ns, UTC]"
    assert saved_query(services, session) == ("demo", "2019-02-03", None)


def test_some_are_removed(client: TestClient) -> None:
    client.post("/saved", json=body(row("AA"), row("BB"), row("CC")))
    assert client.delete("/saved", params={"id": ["XX.AA.00.HHZ", "XX.CC.00.HHZ", "no.such..one"]}).status_code == 204
    assert [c["station"] for c in client.get("/saved").json()["channels"]] == ["BB"]
    client.delete("/saved", params={"id": "XX.BB.00.HHZ"})
    assert client.get("/saved").json()["source"] is None  # nothing is left, so neither is the query


def test_more_than_the_limit_is_refused_with_the_numbers(client: TestClient) -> None:
    client.post("/saved", json=body(*(row(f"S{i}") for i in range(4))))
    refused = client.post("/saved", json=body(row("T1"), row("T2")))
    assert refused.status_code == 422
    assert "6 channels (at most 5)" in refused.json()["detail"]
    assert client.get("/saved").json()["count"] == 4


def test_channels_of_another_source_replace_or_are_refused(services: Services, client: TestClient) -> None:
    client.post("/saved", json=body(row("AA")))
    refused = client.post("/saved", json=body(row("BB"), source="fdsn:INGV"))
    assert refused.status_code == 409
    assert "from demo" in refused.json()["detail"]
    assert client.post("/saved", json=body(row("BB"), source="fdsn:INGV", replace=True)).json()["count"] == 1
    assert client.get("/saved").json()["source"] == "fdsn:INGV"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "files:/etc"}, "source 'files:/etc' is not allowed"),
        ({"start": "yesterday"}, "start 'yesterday' is not a date"),
        ({"channels": []}, "channels"),
        ({"channels": [row("AA", latitude=91)]}, "latitudes are within ±90°"),
        ({"channels": [row("../x")]}, "letters, digits"),
        ({"channels": [row("-2+3")]}, "letters"),
        ({"channels": [row("-A")]}, "begins with a sign"),
        ({"channels": [row("AA", start="never")]}, "2019-02-03T00:00:00"),
    ],
)
def test_what_cannot_be_saved_is_refused_in_words(client: TestClient, change: dict[str, Any], words: str) -> None:
    refused = client.post("/saved", json=body(row("AA")) | change)
    assert refused.status_code == 422
    assert words in refused.json()["detail"]
    assert client.get("/saved").json()["count"] == 0


def test_download_is_the_file_that_jobs_read(client: TestClient) -> None:
    assert client.get("/saved/stations.csv").status_code == 404
    client.post("/saved", json=body(row("AA"), row("BB", location="", end="2020-01-01T00:00:00.500Z")))
    answer = client.get("/saved/stations.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="stations.csv"'
    assert answer.text.splitlines()[0].startswith("Network,Station,Location,Channel,Latitude,Longitude,Elevation")
    table = parse_stations(answer.text, "download")
    assert list(table["station"]) == ["AA", "BB"]
    assert list(table["location"]) == ["00", ""]
    assert str(table["end"][1]) == "2020-01-01 00:00:00.500000+00:00"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x","y")'])
def test_no_cell_becomes_a_formula(client: TestClient, text: str) -> None:
    client.post("/saved", json=body(row("AA", site=text, sensor=text, longitude=-10.5)))
    (cells,) = csv.DictReader(io.StringIO(client.get("/saved/stations.csv").text))
    assert cells["Site"] == cells["Sensor"] == f"'{text}"
    assert cells["Longitude"] == "-10.5"  # a number stays one


def test_two_tabs_that_add_at_once_both_count(services: Services, client: TestClient) -> None:
    client.get("/saved")
    session = {COOKIE: client.cookies[COOKIE]}

    def add(i: int) -> int:
        tab = api_client(services)
        tab.cookies.update(session)
        return tab.post("/saved", json=body(row(f"S{i}"))).status_code

    with ThreadPoolExecutor(5) as tabs:
        assert set(tabs.map(add, range(5))) == {200}
    assert client.get("/saved").json()["count"] == 5
