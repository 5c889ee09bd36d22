"""The FDSN source against a real server on the loopback interface, through ObsPy's client."""

from __future__ import annotations

import io
import math
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import Inventory, Stream, Trace, UTCDateTime, read_inventory
from obspy.clients.fdsn import Client
from obspy.core.inventory import Channel, Network, Response, Station

from seisloom.errors import InputError, NoDataError, SourceError
from seisloom.waveforms import Source, fdsn_client, open_source
from seisloom.waveforms.base import NS_PER_S, ChannelQuery, Record
from seisloom.waveforms.fdsn import FdsnSource, _boxes
from seisloom.waveforms.fdsn_client import TRIES
from tests.fdsn_holdings import Wanted
from tests.fdsn_server import Fault, FdsnServer
from tests.job_workers import until

START = UTCDateTime(2019, 7, 4)
T0 = START.ns
HOUR = 3600 * NS_PER_S
RATE = 10.0
GLOBE = (-180.0, -90.0, 180.0, 90.0)
# network, station, location, latitude, longitude
SITES = [
    ("AA", "S1", "", 10.0, 20.0),
    ("AA", "S2", "00", 11.0, 21.0),
    ("AA", "T3", "10", -17.0, 179.5),
    ("BB", "S1", "", -18.0, -179.25),
    ("BB", "S9", "", 40.0, -100.0),
]


def _channel(code: str, site: tuple, azimuth: float, dip: float, start: UTCDateTime, end=None) -> Channel:
    _, station, location, latitude, longitude = site
    # Each channel has a gain of its own, so that a swapped response shows.
    gain = 1e9 * (1 + len(station) + ord(code[-1]) / 100 + latitude / 1000)
    pole = -4.4 + 4.4j
    response = Response.from_paz([0, 0], [pole, pole.conjugate()], gain, input_units="M/S")
    return Channel(
        code,
        location,
        latitude=latitude,
        longitude=longitude,
        elevation=123.5,
        depth=2.0,
        azimuth=azimuth,
        dip=dip,
        sample_rate=RATE,
        start_date=start,
        end_date=end,
        response=response,
    )


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    networks: dict[str, Network] = {}
    for site in SITES:
        code, station, _, latitude, longitude = site
        begin, change = UTCDateTime(2010, 1, 1), UTCDateTime(2015, 6, 1, 12)
        channels = [
            _channel("BHZ", site, 0.0, -90.0, begin, change),
            _channel("BHZ", site, 0.0, -90.0, change),
            _channel("BH1", site, 33.5, 0.0, begin),
            _channel("LHZ", site, 0.0, -90.0, begin),
        ]
        place = Station(station, latitude, longitude, 123.5, channels=channels, start_date=begin)
        networks.setdefault(code, Network(code, stations=[])).stations.append(place)
    buffer = io.BytesIO()
    Inventory(list(networks.values()), source="test").write(buffer, format="STATIONXML")
    return read_inventory(io.BytesIO(buffer.getvalue()), format="STATIONXML")


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.random.default_rng(1).integers(-5000, 5000, int(2 * 3600 * RATE)).astype(np.int32)


@pytest.fixture(scope="module")
def stream(samples: np.ndarray) -> Stream:
    """Two hours of AA.S1..BHZ, and AA.S2.00.BHZ with a gap of ten minutes in the second hour."""
    header = {"network": "AA", "sampling_rate": RATE, "channel": "BHZ", "starttime": START}
    gap = slice(int(4200 * RATE), int(4800 * RATE))
    later = header | {"starttime": START + 4800}
    return Stream(
        [
            Trace(samples, header | {"station": "S1"}),
            Trace(samples[: gap.start] + 1, header | {"station": "S2", "location": "00"}),
            Trace(samples[gap.stop :] + 1, later | {"station": "S2", "location": "00"}),
        ]
    )


@pytest.fixture
def server(inventory: Inventory, stream: Stream) -> Iterator[FdsnServer]:
    Client._Client__service_discovery_cache.clear()
    with FdsnServer(inventory, stream) as running:
        yield running


@pytest.fixture
def sleeps() -> list[float]:
    return []


@pytest.fixture
def source(server: FdsnServer, sleeps: list[float]) -> FdsnSource:
    return FdsnSource(f"{server.url}?parallel=3&timeout=60", np.random.default_rng(2), sleeps.append)


def on_grid(record: Record, n: int) -> np.ndarray:
    """Samples of a record on the sampling grid from T0, NaN where there are none."""
    grid = np.full(n, np.nan)
    for segment in record.segments:
        assert segment.rate_hz == RATE
        first = round((segment.start_ns - T0) * RATE / NS_PER_S)
        assert T0 + round(first * NS_PER_S / RATE) == segment.start_ns
        grid[first : first + len(segment.data)] = segment.data
    return grid


# The server itself: what follows is worth nothing if ObsPy does not take it for a real one.


def test_obspy_takes_the_server_for_a_real_one(server: FdsnServer, samples: np.ndarray) -> None:
    client = Client(server.url)
    assert {"dataselect", "station"} <= set(client.services)
    assert client.get_webservice_version("station") == [1, 1, 1]
    trace = client.get_waveforms("AA", "S1", "", "BHZ", START + 60, START + 120)[0]
    np.testing.assert_array_equal(trace.data, samples[600:1201])
    bulk = client.get_waveforms_bulk([("*", "S?", "*", "B*", START, START + 60)])
    assert {t.id for t in bulk} == {"AA.S1..BHZ", "AA.S2.00.BHZ"}


@pytest.mark.parametrize("level", ["network", "station", "channel", "response"])
def test_station_levels(server: FdsnServer, level: str) -> None:
    got = Client(server.url).get_stations(network="AA", station="S1,T*", level=level)
    contents = got.get_contents()
    stations = {"AA.S1", "AA.T3"} if level != "network" else set()
    assert set(contents["networks"]) == {"AA"}
    assert {s.split(" ")[0] for s in contents["stations"]} == stations
    assert len(contents["channels"]) == (8 if level in ("channel", "response") else 0)


def test_availability_shows_the_gap(server: FdsnServer) -> None:
    def ask(resource: str) -> list[list[str]]:
        url = f"{server.url}/fdsnws/availability/1/{resource}?net=AA&sta=S2"
        with urllib.request.urlopen(url) as answer:
            return [line.split() for line in answer.read().decode().splitlines()[1:]]

    spans = [[UTCDateTime(t) - START for t in row[-2:]] for row in ask("query")]
    assert spans == [[0.0, 4199.9], [4800.0, 7199.9]]
    (extent,) = ask("extent")
    assert extent[:4] == ["AA", "S2", "00", "BHZ"]
    assert [UTCDateTime(t) - START for t in extent[-2:]] == [0.0, 7199.9]


# Records


def test_source_protocol(server: FdsnServer) -> None:
    source = open_source(f"fdsn:{server.url}")
    assert isinstance(source, Source)
    assert source.spec == f"fdsn:{server.url}"


def test_records_are_those_served(source: FdsnSource, samples: np.ndarray) -> None:
    record = source.fetch("AA.S1..BHZ", T0, T0 + 2 * HOUR)
    assert record.problems == []
    np.testing.assert_array_equal(on_grid(record, len(samples)), samples)


def test_end_is_exclusive(source: FdsnSource, server: FdsnServer, stream: Stream) -> None:
    """A request that ends where a record begins does not bring that record."""
    second = server.holdings.records[("AA", "S2", "00", "BHZ")][1]
    record = source.fetch("AA.S2.00.BHZ", T0, second.start.ns)
    assert max(s.end_ns for s in record.segments) == second.start.ns


def test_no_data(source: FdsnSource, server: FdsnServer, sleeps: list[float]) -> None:
    with pytest.raises(NoDataError, match=r"127.0.0.1:\d+: AA.S1..BHZ from 2019-07-05.*no data"):
        source.fetch("AA.S1..BHZ", T0 + 24 * HOUR, T0 + 48 * HOUR)
    assert server.requests[-1].status == 204
    assert sleeps == []


@pytest.mark.parametrize(
    ("status", "requests", "error", "words"),
    [
        (204, 1, NoDataError, "no data"),
        (404, 1, NoDataError, "no data"),
        (400, 1, SourceError, "HTTP 400, the request is refused as malformed.*planted fault 400"),
        (401, 1, SourceError, "HTTP 401, access is restricted: set FDSN_USER"),
        (403, 1, SourceError, "HTTP 403, access is restricted: set FDSN_USER"),
        (418, 1, SourceError, "HTTP 418, which no FDSN service gives"),
        (429, TRIES, SourceError, "HTTP 429, too many requests, even after waiting"),
        (500, TRIES, SourceError, "HTTP 500, the server failed: try again later.*planted fault 500"),
        (501, 1, SourceError, "HTTP 501, the server failed"),
        (502, TRIES, SourceError, "HTTP 502"),
        (503, TRIES, SourceError, "HTTP 503"),
        (504, TRIES, SourceError, "HTTP 504"),
    ],
)
def test_each_status(source, server, sleeps, status, requests, error, words) -> None:
    server.faults = [Fault("dataselect/1/query", math.inf, status=status)]
    with pytest.raises(error, match=rf"^{server.url[7:]}: AA.S1..BHZ from .*: {words}") as caught:
        source.fetch("AA.S1..BHZ", T0, T0 + HOUR)
    assert isinstance(caught.value, NoDataError) == (error is NoDataError)
    assert server.count("dataselect/1/query") == requests
    assert len(sleeps) == requests - 1


def test_waits_double_with_jitter(source, server, sleeps, samples) -> None:
    server.faults = [Fault("dataselect/1/query", TRIES - 1, status=503)]
    record = source.fetch("AA.S1..BHZ", T0, T0 + 2 * HOUR)
    np.testing.assert_array_equal(on_grid(record, len(samples)), samples)
    jitter = np.array(sleeps) / 2.0 ** np.arange(TRIES - 1)
    assert np.all((jitter >= 0.5) & (jitter <= 1.5))
    assert len(set(jitter)) == TRIES - 1


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(source, server, sleeps, as_date) -> None:
    later = datetime.now(UTC) + timedelta(seconds=40)
    header = {"Retry-After": format_datetime(later, usegmt=True) if as_date else "40"}
    server.faults = [Fault("dataselect/1/query", status=429, headers=header)]
    source.fetch("AA.S1..BHZ", T0, T0 + HOUR)
    assert sleeps == [pytest.approx(40, abs=2)]


def test_retry_after_too_long_gives_up(source, server, sleeps) -> None:
    server.faults = [Fault("dataselect/1/query", status=503, headers={"Retry-After": "7200"})]
    with pytest.raises(SourceError, match="asks to come back in 7200 s"):
        source.fetch("AA.S1..BHZ", T0, T0 + HOUR)
    assert sleeps == []


def test_cut_body_is_seen_and_repeated(source, server, sleeps, samples) -> None:
    server.faults = [Fault("dataselect/1/query", 1, cut=5000)]
    record = source.fetch("AA.S1..BHZ", T0, T0 + 2 * HOUR)
    np.testing.assert_array_equal(on_grid(record, len(samples)), samples)
    assert len(sleeps) == 1
    server.faults = [Fault("dataselect/1/query", math.inf, cut=5000)]
    with pytest.raises(SourceError, match=r"the answer broke off.*5000 bytes read"):
        source.fetch("AA.S1..BHZ", T0, T0 + 2 * HOUR)


def test_file_cut_within_a_record(source, server, samples) -> None:
    """The server's own file is short: whole records are used, the damage is named."""
    server.faults = [Fault("dataselect/1/query", keep=2 * 4096 + 100)]
    record = source.fetch("AA.S1..BHZ", T0, T0 + 2 * HOUR)
    (problem,) = record.problems
    assert "AA.S1..BHZ from 127.0.0.1" in problem
    got = on_grid(record, len(samples))
    held = server.holdings.records[("AA", "S1", "", "BHZ")]
    n = round((held[2].start - START) * RATE)
    np.testing.assert_array_equal(got[:n], samples[:n])
    assert np.all(np.isnan(got[n:]))


def test_answer_that_is_not_miniseed(source, server) -> None:
    server.faults = [Fault("dataselect/1/query", body=b"<html><body>Please log in</body></html>")]
    with pytest.raises(SourceError, match=r"AA.S1..BHZ: the answer is not MiniSEED, it starts with b'<html>"):
        source.fetch("AA.S1..BHZ", T0, T0 + HOUR)


def test_empty_answer_is_no_data(source, server) -> None:
    server.faults = [Fault("dataselect/1/query", body=b"")]
    with pytest.raises(NoDataError):
        source.fetch("AA.S1..BHZ", T0, T0 + HOUR)


def test_slow_answer(server, sleeps) -> None:
    late = threading.Event()
    source = FdsnSource(f"{server.url}?timeout=2", np.random.default_rng(2), sleeps.append)
    server.faults = [Fault("dataselect/1/query", 1, held=late)]
    assert source.fetch("AA.S1..BHZ", T0, T0 + HOUR).segments
    assert len(sleeps) == 1
    source = FdsnSource(f"{server.url}?timeout=0.2", sleep=sleeps.append)
    server.faults = [Fault("dataselect/1/query", math.inf, held=late)]
    with pytest.raises(SourceError, match=r"no answer within 0.2 s.*\?timeout="):
        source.fetch("AA.S1..BHZ", T0, T0 + HOUR)
    late.set()


def test_connection_dropped_without_an_answer(source, server, sleeps) -> None:
    server.faults = [Fault("dataselect/1/query", 2, drop=True)]
    assert source.fetch("AA.S1..BHZ", T0, T0 + HOUR).segments
    assert len(sleeps) == 2


def test_too_large_is_asked_for_in_halves(inventory, stream, samples, sleeps) -> None:
    with FdsnServer(inventory, stream, max_span_s=1800) as server:
        source = FdsnSource(server.url, sleep=sleeps.append)
        whole = on_grid(source.fetch("AA.S1..BHZ", T0, T0 + 2 * HOUR), len(samples))
        np.testing.assert_array_equal(whole, samples)
        statuses = [r.status for r in server.requests if r.path.endswith("dataselect/1/query")]
        assert sorted(statuses) == [200] * 4 + [413] * 3
        gappy = on_grid(source.fetch("AA.S2.00.BHZ", T0, T0 + 2 * HOUR), len(samples))
        gap = slice(int(4200 * RATE), int(4800 * RATE))
        assert np.all(np.isnan(gappy[gap]))
        np.testing.assert_array_equal(np.delete(gappy, gap), np.delete(samples + 1, gap))
        # A half without data does not hide the other.
        late = source.fetch("AA.S1..BHZ", T0, T0 + 4 * HOUR)
        np.testing.assert_array_equal(on_grid(late, len(samples)), samples)
        with pytest.raises(NoDataError):
            source.fetch("AA.S1..BHZ", T0 + 24 * HOUR, T0 + 26 * HOUR)
    assert sleeps == []


def test_too_large_however_small(inventory, stream) -> None:
    with FdsnServer(inventory, stream, max_span_s=1) as server:
        with pytest.raises(SourceError, match="HTTP 413, the request is refused as too large"):
            FdsnSource(server.url).fetch("AA.S1..BHZ", T0, T0 + HOUR)
        assert server.count("dataselect/1/query") < 10


def test_never_more_at_once_than_parallel(source, server, monkeypatch) -> None:
    made = []
    monkeypatch.setattr(fdsn_client, "Client", lambda *a, **k: made.append(Client(*a, **k)) or made[-1])
    enough = threading.Event()
    server.faults = [Fault("dataselect/1/query", math.inf, delay_s=0.2, held=enough)]
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(source.fetch, "AA.S1..BHZ", T0, T0 + HOUR) for _ in range(12)]
        until(lambda: server.active == source.parallel, "as many at once as may be")
        enough.set()
        records = [one.result() for one in asked]
    assert all(r.segments for r in records)
    assert server.peak == source.parallel == 3
    assert server.count("dataselect/1/query") == 12
    assert len(made) == 1
    assert server.count("application.wadl") == 2, "station and dataselect, once"


def test_waiting_keeps_its_place(server: FdsnServer) -> None:
    """While one request waits to be repeated, its place is not given to another."""
    waiting, go_on = threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        waiting.set()
        go_on.wait(60)

    source = FdsnSource(f"{server.url}?parallel=1", sleep=sleep)
    server.faults = [Fault("dataselect/1/query", 1, status=429)]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(source.fetch, "AA.S1..BHZ", T0, T0 + HOUR)
        assert waiting.wait(60)
        second = pool.submit(source.fetch, "AA.S1..BHZ", T0, T0 + HOUR)
        time.sleep(0.1)
        assert server.count("dataselect/1/query") == 1
        go_on.set()
        assert first.result(60).segments
        assert second.result(60).segments


# Reaching the server


def test_connection_refused(sleeps: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SourceError, match=r"cannot be reached \(Connection refused\): check the address"):
        FdsnSource(url, sleep=sleeps.append).fetch("AA.S1..BHZ", T0, T0 + HOUR)
    assert len(sleeps) == TRIES - 1


def test_host_unknown(monkeypatch: pytest.MonkeyPatch, sleeps: list[float]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceError, match=r"data.example: .*\(Name or service not known\)"):
        FdsnSource("http://data.example", sleep=sleeps.append).fetch("AA.S1..BHZ", T0, T0 + HOUR)


def test_server_goes_away(inventory, stream, sleeps) -> None:
    with FdsnServer(inventory, stream) as server:
        source = FdsnSource(server.url, sleep=sleeps.append)
        source.fetch("AA.S1..BHZ", T0, T0 + HOUR)
    with pytest.raises(SourceError, match=r"cannot be reached \(Connection refused\)"):
        source.fetch("AA.S1..BHZ", T0, T0 + HOUR)


def test_services_come_up_late(source, server, sleeps) -> None:
    server.faults = [Fault("application.wadl", 2, status=503), Fault("1/version", 1, status=503)]
    assert source.fetch("AA.S1..BHZ", T0, T0 + HOUR).segments
    assert len(sleeps) == 1


def test_address_without_a_service(server, sleeps) -> None:
    with pytest.raises(SourceError, match=r"no FDSN web service at http.*/nothing .*404.*check the address"):
        FdsnSource(f"{server.url}/nothing", sleep=sleeps.append).fetch("AA.S1..BHZ", T0, T0 + HOUR)
    assert sleeps == []


def test_service_that_is_not_offered(server) -> None:
    server.faults = [Fault("station/1/application.wadl", math.inf, status=404)]
    with pytest.raises(SourceError, match="does not have a station service"):
        FdsnSource(server.url).channels(ChannelQuery())


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("SCDEC", "no data centre is called 'SCDEC'; known: .*SCEDC"),
        ("nonsense", "known: .*GEOFON.*or give a URL"),
        ("ftp://host", "not an http or https address"),
        ("http://", "not an http or https address"),
        ("SCEDC?timeout=soon", "option timeout=soon; timeout=SECONDS and parallel=N"),
        ("SCEDC?threads=3", "option threads=3"),
        ("SCEDC?parallel=0", "must be above 0"),
    ],
)
def test_bad_names(rest: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        FdsnSource(rest)


@pytest.mark.parametrize("name", ["SCEDC", "scedc", "https://service.scedc.caltech.edu/fdsnws/"])
def test_names_and_urls_lead_to_one_host(name: str) -> None:
    assert FdsnSource(name).host == "service.scedc.caltech.edu"


def test_restricted_data(inventory, stream, monkeypatch) -> None:
    with FdsnServer(inventory, stream, restricted=["AA"], credentials=("ada", "secret")) as server:
        with pytest.raises(SourceError, match="HTTP 403, access is restricted: set FDSN_USER"):
            FdsnSource(server.url).fetch("AA.S1..BHZ", T0, T0 + HOUR)
        monkeypatch.setenv("FDSN_USER", "ada")
        monkeypatch.setenv("FDSN_PASSWORD", "secret")
        assert FdsnSource(server.url).fetch("AA.S1..BHZ", T0, T0 + HOUR).segments
        monkeypatch.setenv("FDSN_PASSWORD", "wrong")
        with pytest.raises(SourceError, match="HTTP 401, access is restricted"):
            FdsnSource(server.url).fetch("AA.S1..BHZ", T0, T0 + HOUR)


# Channels


def test_channel_table(source: FdsnSource) -> None:
    table = source.channels(ChannelQuery("A?", "S1,S2", "--,00", "BH?", T0, T0 + HOUR))
    rows = list(table[["network", "station", "location", "channel"]].itertuples(index=False, name=None))
    assert sorted(rows) == [
        ("AA", "S1", "", "BH1"),
        ("AA", "S1", "", "BHZ"),
        ("AA", "S2", "00", "BH1"),
        ("AA", "S2", "00", "BHZ"),
    ]
    row = table[(table.station == "S2") & (table.channel == "BH1")].iloc[0]
    numbers = [row.latitude, row.longitude, row.elevation_m, row.depth_m, row.azimuth_deg, row.dip_deg]
    assert [*numbers, row.sample_rate_hz] == [11.0, 21.0, 123.5, 2.0, 33.5, 0.0, RATE]
    assert str(row.start) == "2010-01-01 00:00:00+00:00"


def test_epochs_by_time(source: FdsnSource) -> None:
    before = UTCDateTime(2012, 1, 1).ns
    query = ChannelQuery("AA", "S1", channel="BHZ")
    assert len(source.channels(query)) == 2
    (epoch,) = source.channels(ChannelQuery("AA", "S1", "*", "BHZ", before, before + HOUR)).itertuples()
    assert str(epoch.end) == "2015-06-01 12:00:00+00:00"


def test_box_across_the_date_line(source: FdsnSource, server: FdsnServer) -> None:
    found = source.channels(ChannelQuery(channel="LHZ", bbox=(170.0, -20.0, -170.0, 0.0)))
    assert sorted(found.station + found.network) == ["S1BB", "T3AA"]
    assert server.count("station/1/query") == 2
    near = source.channels(ChannelQuery(channel="LHZ", bbox=(19.0, 9.0, 22.0, 10.5)))
    assert list(near.station) == ["S1"]
    assert server.count("station/1/query") == 3
    one_side = source.channels(ChannelQuery(channel="LHZ", bbox=(179.9, -20.0, -170.0, 0.0)))
    assert list(one_side.network) == ["BB"]
    # A data centre that gives a station on the meridian to both halves: it is listed once.
    text = server.holdings.station([Wanted(("BB", "S1", "*", "LHZ"), START, START)], GLOBE, "channel", True)
    server.faults = [Fault("station/1/query", 2, body=text)]
    assert len(source.channels(ChannelQuery(bbox=(170.0, -20.0, -170.0, 0.0)))) == 1


@given(
    west=st.floats(-180, 180),
    east=st.floats(-180, 180),
    longitude=st.floats(-180, 180),
)
def test_boxes_cover_what_the_query_means(west: float, east: float, longitude: float) -> None:
    inside = west <= longitude <= east if west <= east else longitude >= west or longitude <= east
    boxes = _boxes((west, -10.0, east, 10.0))
    assert all(b["minlongitude"] <= b["maxlongitude"] for b in boxes), "services refuse it otherwise"
    assert any(b["minlongitude"] <= longitude <= b["maxlongitude"] for b in boxes) == inside


def test_no_channel(source: FdsnSource, server: FdsnServer) -> None:
    with pytest.raises(NoDataError, match=r"no channel matches ZZ\.\*\.\*\.\* in the box"):
        source.channels(ChannelQuery("ZZ", bbox=(170.0, -20.0, -170.0, 0.0)))
    server.faults = [Fault("station/1/query", body=b"#Network | Station | Location | Channel\n")]
    with pytest.raises(NoDataError, match="no channel matches"):
        source.channels(ChannelQuery("AA"))


# Responses


def _responses(inventory: Inventory) -> dict[str, Response]:
    return {f"{n.code}.{s.code}.{c.location_code}.{c.code}": c.response for n in inventory for s in n for c in s}


IDS = [f"{n}.{s}.{loc}.{cha}" for n, s, loc, _, _ in SITES for cha in ("BHZ", "BH1", "LHZ")]


@pytest.fixture
def current(inventory: Inventory) -> dict[str, Response]:
    return _responses(inventory.select(time=START))


def test_responses_are_those_served(source, server, current, monkeypatch) -> None:
    monkeypatch.setattr("seisloom.waveforms.fdsn.CHUNK", 4)
    got = _responses(source.inventory(IDS, T0, T0 + HOUR))
    assert got == current
    posts = [r for r in server.requests if r.lines]
    assert sorted(len(r.lines) for r in posts) == [3, 4, 4, 4]
    assert server.peak <= source.parallel


def test_channels_without_responses_are_left_out(source, current) -> None:
    got = _responses(source.inventory(["ZZ.NO..BHZ", "AA.S1..BHZ"], T0, T0 + HOUR))
    assert got == {"AA.S1..BHZ": current["AA.S1..BHZ"]}
    assert source.inventory(["ZZ.NO..BHZ"], T0, T0 + HOUR) is None


@pytest.mark.parametrize(
    "fault",
    [Fault(status=500), Fault(status=400), Fault(status=413), Fault(body=b"<FDSNStationXML")],
    ids=["500", "400", "413", "not XML"],
)
def test_one_bad_channel_does_not_lose_the_others(source, server, current, caplog, fault) -> None:
    fault.match, fault.times = "AA S2 00 BHZ", math.inf
    server.faults = [fault]
    got = _responses(source.inventory(IDS, T0, T0 + HOUR))
    assert got == {k: v for k, v in current.items() if k != "AA.S2.00.BHZ"}
    assert "AA.S2.00.BHZ is left out" in caplog.text
    # Halving 15 channels takes at most 4 steps: 2 requests each that fail, and a good one beside them.
    assert server.count("station/1/query") <= TRIES + 4 * 3


def test_server_that_is_down_is_not_asked_channel_by_channel(source, server) -> None:
    server.faults = [Fault("station/1/query", math.inf, status=503)]
    with pytest.raises(SourceError, match=r"responses of AA.S1..BH1 … BB.S9..LHZ \(15\): HTTP 503"):
        source.inventory(IDS, T0, T0 + HOUR)
    assert server.count("station/1/query") == TRIES


# Real records, where they are at hand


def test_real_day(real_data: Path) -> None:
    folder = real_data / "noisepy_ci"
    inventory = read_inventory(str(folder / "CI_CCA.xml"))
    day = UTCDateTime(2022, 1, 2).ns
    with FdsnServer(inventory, (folder / "CICCA__BHN___2022002.ms").read_bytes()) as server:
        record = FdsnSource(server.url).fetch("CI.CCA..BHN", day, day + 24 * HOUR)
    (segment,) = record.segments
    assert len(segment.data) == 3_456_000
    assert segment.start_ns - day == 19_538_000
