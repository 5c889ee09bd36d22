"""The object-store source against an S3 server on the loopback interface."""

from __future__ import annotations

import io
import math
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from obspy import Inventory, Trace, UTCDateTime
from obspy.core.inventory import Channel, Network, Response, Station
from pymseed import MS3Record

from seisloom.errors import InputError, NoDataError, SourceError
from seisloom.waveforms import Source, open_source, s3
from seisloom.waveforms.base import DAY_NS, NS_PER_S, ChannelQuery, Record
from seisloom.waveforms.s3 import S3Source

DAY0 = UTCDateTime(2022, 12, 31)  # the day after is in another year
T0 = DAY0.ns
RATE = 0.5
DAY_SAMPLES = int(86_400 * RATE)


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.random.default_rng(3).integers(-900, 900, 2 * DAY_SAMPLES).astype(np.int32)


def mseed(channel_id: str, data: np.ndarray, start: UTCDateTime = DAY0) -> bytes:
    network, station, location, channel = channel_id.split(".")
    header = {"network": network, "station": station, "location": location, "channel": channel}
    buffer = io.BytesIO()
    trace = Trace(data, header | {"sampling_rate": RATE, "starttime": start})
    trace.write(buffer, format="MSEED", reclen=512)
    return buffer.getvalue()


def stationxml(network: str, station: str, latitude: float, longitude: float) -> bytes:
    response = Response.from_paz([0, 0], [-4.4 + 4.4j, -4.4 - 4.4j], 1e9 + longitude, input_units="M/S")
    begin, change = UTCDateTime(2010, 1, 1), UTCDateTime(2020, 1, 1)
    epochs = [("BHZ", begin, change), ("BHZ", change, None), ("BHN", begin, None)]
    place = {"latitude": latitude, "longitude": longitude, "elevation": 10.0, "depth": 0.0}
    details = place | {"azimuth": 0.0, "dip": -90.0, "sample_rate": RATE, "response": response}
    channels = [Channel(c, "", start_date=start, end_date=end, **details) for c, start, end in epochs]
    inventory = Inventory([Network(network, [Station(station, latitude, longitude, 10.0, channels)])], "test")
    buffer = io.BytesIO()
    inventory.write(buffer, format="STATIONXML")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(scope="module")
def objects(samples: np.ndarray) -> dict[str, dict[str, bytes]]:
    """Contents of the buckets under keys written out as the data centres document them."""
    first, second = samples[:DAY_SAMPLES], samples[DAY_SAMPLES:]
    # SDS: MiniSEED records are filed under the day in which they begin, so one may cross midnight.
    whole = mseed("XX.ABC.00.BHZ", samples)
    records = [whole[i : i + 512] for i in range(0, len(whole), 512)]
    starts = [record.starttime for record in MS3Record.from_buffer(whole)]
    before = sum(start < T0 + DAY_NS for start in starts)
    assert starts[before] > T0 + DAY_NS, "a record has to cross midnight"
    return {
        "south": {
            "continuous_waveforms/2022/2022_365/CICCA__BHN___2022365.ms": mseed("CI.CCA..BHN", first),
            "continuous_waveforms/2023/2023_001/CICCA__BHN___2023001.ms": mseed("CI.CCA..BHN", second, DAY0 + 86_400),
            "continuous_waveforms/2022/2022_365/CILONGXHHZ10_2022365.ms": mseed("CI.LONGX.10.HHZ", first),
            "continuous_waveforms/2022/2022_365/CIBAD__BHZ___2022365.ms": b"<html>not seismology</html>" * 40,
            "continuous_waveforms/2022/2022_365/CICUT__BHZ___2022365.ms": mseed("CI.CUT..BHZ", first)[:-300],
            "FDSNstationXML/CI/CI_CCA.xml": stationxml("CI", "CCA", 35.0, -118.0),
            "FDSNstationXML/CI/CI_HEC.xml": stationxml("CI", "HEC", 34.8, -116.3),
            "FDSNstationXML/CI/CI_BAD.xml": b"<FDSNStationXML",
            "FDSNstationXML/unauthoritative-XML/NC_PAGB.xml": stationxml("NC", "PAGB", 35.6, 179.9),
            "FDSNstationXML/unauthoritative-XML/CI_CCA.xml": stationxml("CI", "CCA", -1.0, -1.0),
        },
        "north": {
            "continuous_waveforms/NC/2022/2022.365/KBG.NC.HHZ..D.2022.365": mseed("NC.KBG..HHZ", first),
            "continuous_waveforms/BK/2022/2022.365/MERC.BK.HNZ.00.D.2022.365": mseed("BK.MERC.00.HNZ", first),
            "FDSNstationXML/NC/NC.KBG.xml": stationxml("NC", "KBG", 39.0, -123.0),
        },
        "archive": {
            "my/sds/2022/XX/ABC/BHZ.D/XX.ABC.00.BHZ.D.2022.365": b"".join(records[:before]),
            "my/sds/2023/XX/ABC/BHZ.D/XX.ABC.00.BHZ.D.2023.001": b"".join(records[before:]),
        },
    }


CLOSED = "continuous_waveforms/BK/2022/2022.365/SHUT.BK.HNZ.00.D.2022.365"


@pytest.fixture(scope="module")
def buckets(server: str, objects: dict[str, dict[str, bytes]]) -> str:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=server, **keys)
    for bucket, contents in objects.items():
        client.create_bucket(Bucket=bucket, ACL="public-read")
        for key, data in contents.items():
            client.put_object(Bucket=bucket, Key=key, Body=data, ACL="public-read")
    client.create_bucket(Bucket="closed")
    client.put_object(Bucket="closed", Key=CLOSED, Body=b"secret" * 100)
    return server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variables of the machine, and no long waits."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("SEISLOOM_STORE_PATIENCE", "0")


@pytest.fixture
def at(buckets: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL", buckets)
    return S3Source


def on_grid(record: Record, start_ns: int, n: int) -> np.ndarray:
    grid = np.full(n, np.nan)
    for segment in record.segments:
        first = round((segment.start_ns - start_ns) * RATE / NS_PER_S)
        keep = slice(max(0, -first), n - first)
        data = segment.data[keep]
        grid[max(0, first) : max(0, first) + len(data)] = data
    return grid


def test_protocol_and_both_spellings(at: Any) -> None:
    for spec in ("s3:s3://south?layout=scedc", "s3://south?layout=scedc"):
        source = open_source(spec)
        assert isinstance(source, Source)
        assert source.spec == "s3:s3://south?layout=scedc"


@pytest.mark.parametrize(
    ("rest", "channel_id"),
    [
        ("s3://south?layout=scedc", "CI.CCA..BHN"),
        ("s3://south?layout=scedc", "CI.LONGX.10.HHZ"),
        ("s3://north?layout=ncedc", "NC.KBG..HHZ"),
        ("s3://north?layout=ncedc", "BK.MERC.00.HNZ"),
        ("s3://archive/my/sds/?layout=sds", "XX.ABC.00.BHZ"),
    ],
)
def test_a_day(at: Any, samples: np.ndarray, rest: str, channel_id: str) -> None:
    record = at(rest).fetch(channel_id, T0, T0 + DAY_NS)
    assert record.problems == []
    np.testing.assert_array_equal(on_grid(record, T0, DAY_SAMPLES), samples[:DAY_SAMPLES])


@pytest.mark.parametrize(
    ("rest", "variables", "signed"),
    [
        ("scedc", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), False),
        ("s3://south?layout=scedc", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), True),
        ("s3://south?layout=scedc", (), False),
    ],
)
def test_what_is_signed(samples, monkeypatch, rest, variables, signed) -> None:
    """Never the requests to public buckets, which may refuse strangers' credentials."""
    for name in variables:
        monkeypatch.setenv(name, "mine")
    with Faulty(mseed("CI.CCA..BHN", samples[:DAY_SAMPLES]), 0, 200) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        monkeypatch.setitem(s3.PUBLIC, "scedc", ("south", store.url))
        S3Source(rest).fetch("CI.CCA..BHN", T0, T0 + DAY_NS)
    assert store.signed == [signed]


def test_who_pays(samples: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the requester, unless told; who has no account cannot."""
    with Faulty(mseed("CI.CCA..BHN", samples[:DAY_SAMPLES]), 0, 200) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        with pytest.raises(InputError, match=r"source s3:s3://south\?layout=scedc&requester=pays: .*credentials"):
            S3Source("s3://south?layout=scedc&requester=pays")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
        for option in ("", "&requester=pays"):
            S3Source(f"s3://south?layout=scedc{option}").fetch("CI.CCA..BHN", T0, T0 + DAY_NS)
    assert store.payers == [None, "requester"]
    assert store.signed == [True, True]


@pytest.mark.parametrize(("name", "channel_id"), [("scedc", "CI.CCA..BHN"), ("ncedc", "NC.KBG..HHZ")])
def test_public_buckets_are_not_led_astray(buckets, samples, monkeypatch, name, channel_id) -> None:
    """An endpoint and credentials in the environment are for other buckets."""
    assert s3.PUBLIC["scedc"] == ("scedc-pds", "https://s3.us-west-2.amazonaws.com")
    assert s3.PUBLIC["ncedc"] == ("ncedc-pds", "https://s3.us-east-2.amazonaws.com")
    bucket = {"scedc": "south", "ncedc": "north"}[name]
    monkeypatch.setitem(s3.PUBLIC, name, (bucket, buckets))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    record = S3Source(name).fetch(channel_id, T0, T0 + DAY_NS)
    np.testing.assert_array_equal(on_grid(record, T0, DAY_SAMPLES), samples[:DAY_SAMPLES])


def test_across_midnight_and_new_year(at: Any, samples: np.ndarray) -> None:
    start = T0 + 20 * 3600 * NS_PER_S
    record = at("s3://south?layout=scedc").fetch("CI.CCA..BHN", start, start + DAY_NS)
    skipped = int(20 * 3600 * RATE)
    np.testing.assert_array_equal(on_grid(record, start, DAY_SAMPLES), samples[skipped : skipped + DAY_SAMPLES])


def test_one_of_two_days_is_there(at: Any, samples: np.ndarray) -> None:
    record = at("s3://north?layout=ncedc").fetch("NC.KBG..HHZ", T0, T0 + 2 * DAY_NS)
    got = on_grid(record, T0, 2 * DAY_SAMPLES)
    np.testing.assert_array_equal(got[:DAY_SAMPLES], samples[:DAY_SAMPLES])
    assert np.all(np.isnan(got[DAY_SAMPLES:]))


def test_record_that_crosses_midnight(at: Any, samples: np.ndarray) -> None:
    """In SDS the samples just after midnight are in the last record of the day before."""
    record = at("s3://archive/my/sds?layout=sds").fetch("XX.ABC.00.BHZ", T0 + DAY_NS, T0 + 2 * DAY_NS)
    assert record.problems == []
    np.testing.assert_array_equal(on_grid(record, T0 + DAY_NS, DAY_SAMPLES), samples[DAY_SAMPLES:])


def test_no_file(at: Any) -> None:
    with pytest.raises(NoDataError, match=r"s3://south/continuous_waveforms/2023/2023_002/CICCA__BHN___2023002.ms"):
        at("s3://south?layout=scedc").fetch("CI.CCA..BHN", T0 + 2 * DAY_NS, T0 + 3 * DAY_NS)


def test_damaged_files(at: Any, samples: np.ndarray) -> None:
    source = at("s3://south?layout=scedc")
    bad = source.fetch("CI.BAD..BHZ", T0, T0 + DAY_NS)
    assert bad.segments == []
    assert "s3://south/continuous_waveforms/2022/2022_365/CIBAD__BHZ___2022365.ms" in bad.problems[0]
    cut = source.fetch("CI.CUT..BHZ", T0, T0 + DAY_NS)
    assert len(cut.problems) == 1
    got = on_grid(cut, T0, DAY_SAMPLES)
    n = int(np.isfinite(got).sum())
    assert 0.95 * DAY_SAMPLES < n < DAY_SAMPLES
    np.testing.assert_array_equal(got[:n], samples[:n])


def test_access_denied(at: Any) -> None:
    with pytest.raises(SourceError, match=r"SHUT.*: access denied: the credentials do not") as caught:
        at("s3://closed?layout=ncedc").fetch("BK.SHUT.00.HNZ", T0, T0 + DAY_NS)
    assert not isinstance(caught.value, NoDataError)


def test_credentials_are_used_where_there_are_some(at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    record = at("s3://closed?layout=ncedc").fetch("BK.SHUT.00.HNZ", T0, T0 + DAY_NS)
    assert "not MiniSEED" in record.problems[0]


def test_half_of_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    with pytest.raises(InputError, match=r"source s3:s3://south.*SecretAccessKey: check the AWS_ variables"):
        S3Source("s3://south?layout=scedc")


def test_no_such_bucket(at: Any) -> None:
    source = at("s3://elsewhere?layout=scedc")
    for ask in (
        lambda: source.fetch("CI.CCA..BHN", T0, T0 + DAY_NS),
        lambda: source.channels(ChannelQuery()),
    ):
        with pytest.raises(SourceError, match="there is no such bucket") as caught:
            ask()
        assert not isinstance(caught.value, NoDataError)


def test_store_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="the store cannot be reached: check the endpoint"):
        S3Source("s3://south?layout=scedc").fetch("CI.CCA..BHN", T0, T0 + DAY_NS)


class Faulty:
    """A store that fails ``times`` times, by a status or by closing in mid-body, and then gives ``data``."""

    def __init__(self, data: bytes, times: float, status: int, cut: bool = False) -> None:
        self.requests = 0
        self.signed: list[bool] = []
        self.payers: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                outer.signed.append("Authorization" in self.headers)
                outer.payers.append(self.headers["x-amz-request-payer"])
                failing = outer.requests <= times
                self.send_response(status if failing else 200)
                body = b"<Error><Code>SlowDown</Code></Error>" if failing and not cut else data
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Last-Modified", "Sun, 01 Jan 2023 00:00:00 GMT")
                self.send_header("ETag", '"1"')
                self.end_headers()
                self.wfile.write(body[:1000] if failing else body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self) -> Faulty:
        loop = {"poll_interval": 0.02}
        threading.Thread(target=self.http.serve_forever, kwargs=loop, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()


def test_throttling(samples: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    data = mseed("CI.CCA..BHN", samples[:DAY_SAMPLES])
    with Faulty(data, 2, 503) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        record = S3Source("s3://south?layout=scedc").fetch("CI.CCA..BHN", T0, T0 + DAY_NS)
        np.testing.assert_array_equal(on_grid(record, T0, DAY_SAMPLES), samples[:DAY_SAMPLES])
        assert store.requests == 3
    with Faulty(data, math.inf, 503) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        with pytest.raises(SourceError, match="the store limits requests, even after waiting"):
            S3Source("s3://south?layout=scedc").fetch("CI.CCA..BHN", T0, T0 + DAY_NS)
        assert store.requests == 4


def test_connection_cut_in_mid_body(samples: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    with Faulty(mseed("CI.CCA..BHN", samples[:DAY_SAMPLES]), math.inf, 200, cut=True) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        with pytest.raises(SourceError, match=r"CICCA__BHN___2022365.ms: "):
            S3Source("s3://south?layout=scedc").fetch("CI.CCA..BHN", T0, T0 + DAY_NS)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "iris",
        "s3://bucket",
        "s3://bucket?layout=mine",
        "https://bucket?layout=scedc",
        "s3://?layout=sds",
        "s3://bucket?layout=sds&requester=me",
        "s3://bucket?layout=sds&requestr=pays",
    ],
)
def test_bad_specs(rest: str) -> None:
    with pytest.raises(InputError, match=r"use s3:scedc, s3:ncedc or s3://bucket/prefix\?layout=scedc\|ncedc\|sds"):
        S3Source(rest)


def test_channels(at: Any, caplog: pytest.LogCaptureFixture) -> None:
    source = at("s3://south?layout=scedc")
    table = source.channels(ChannelQuery(channel="BHZ", start_ns=T0, end_ns=T0 + DAY_NS))
    assert sorted(table.network + "." + table.station) == ["CI.CCA", "CI.HEC", "NC.PAGB"]
    assert set(table.start.astype(str)) == {"2020-01-01 00:00:00+00:00"}
    assert "CI_BAD.xml" in caplog.text
    # The network's own file wins over the copy that is not authoritative.
    assert float(table[table.station == "CCA"].latitude.iloc[0]) == 35.0
    assert list(source.channels(ChannelQuery("CI", "H*,ZZ", "--", "BHN")).station) == ["HEC"]
    across = source.channels(ChannelQuery(channel="BHN", bbox=(170.0, 30.0, -117.0, 40.0)))
    assert sorted(across.station) == ["CCA", "PAGB"]
    with pytest.raises(NoDataError):
        source.channels(ChannelQuery("CI", "CCA", "*", "BHZ", bbox=(-117.0, 30.0, -116.0, 40.0)))
    with pytest.raises(NoDataError):
        source.channels(ChannelQuery("ZZ"))


def test_inventory(at: Any, objects: dict[str, dict[str, bytes]]) -> None:
    source = at("s3://south?layout=scedc")
    got = source.inventory(["CI.CCA..BHN", "NC.PAGB..BHZ", "CI.NONE..BHZ", "CI.BAD..BHZ"], T0, T0 + DAY_NS)
    gains = {
        f"{n.code}.{s.code}..{c.code} {c.start_date.year}": c.response.response_stages[0].stage_gain
        for n in got
        for s in n
        for c in s
    }
    assert gains == {
        "CI.CCA..BHN 2010": 1e9 - 118.0,
        "NC.PAGB..BHZ 2010": 1e9 + 179.9,
        "NC.PAGB..BHZ 2020": 1e9 + 179.9,
    }
    assert source.inventory(["CI.NONE..BHZ"], T0, T0 + DAY_NS) is None
    assert at("s3://archive/my/sds?layout=sds").inventory(["XX.ABC.00.BHZ"], T0, T0 + DAY_NS) is None
