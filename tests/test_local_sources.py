"""Local archives and loose files: what is fetched is what was written, and what is broken is named."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from obspy import Trace, UTCDateTime, read
from pymseed import MS3Record

from seisloom.errors import InputError, NoDataError, SourceError
from seisloom.stations import channel_ids
from seisloom.waveforms import Source, local, open_source
from seisloom.waveforms.base import DAY_NS, NS_PER_S, ChannelQuery, Record
from seisloom.waveforms.local import FilesSource, SdsSource, sds_path

DAY0 = UTCDateTime(2020, 12, 31)  # the day after is in another year
RATE = 1.0
N_DAY = 86_400
CHANNEL = "XX.ABC.00.BHZ"
CODES = ("network", "station", "location", "channel")


def day_ns(day: int) -> int:
    return DAY0.ns + day * DAY_NS


def fetch_day(source: Source, day: int, channel: str = CHANNEL) -> Record:
    return source.fetch(channel, day_ns(day), day_ns(day + 1))


def series(record: Record, start_ns: int, n: int, rate: float = RATE) -> np.ndarray:
    """The samples from ``start_ns`` on, NaN where there are none."""
    out = np.full(n, np.nan)
    for segment in record.segments:
        assert segment.rate_hz == rate
        first = round((segment.start_ns - start_ns) * rate / NS_PER_S)
        for i, value in enumerate(segment.data, start=first):
            if 0 <= i < n:
                out[i] = value
    return out


def counts(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, n).astype(np.int32)


def trace(data: np.ndarray, channel: str = CHANNEL, start: UTCDateTime = DAY0, rate: float = RATE) -> Trace:
    codes = dict(zip(CODES, channel.split("."), strict=True))
    return Trace(data, codes | {"sampling_rate": rate, "starttime": start})


def mseed(data: np.ndarray, channel: str = CHANNEL, start: UTCDateTime = DAY0, rate: float = RATE) -> bytes:
    buffer = io.BytesIO()
    trace(data, channel, start, rate).write(buffer, format="MSEED", reclen=512)
    return buffer.getvalue()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def codes_of(source: Source, **query: str) -> set[str]:
    return set(channel_ids(source.channels(ChannelQuery(**query))))


# --- SeisComP archives --------------------------------------------------------------------------------------


def put_sds(root: Path, data: bytes) -> None:
    """Every record into the file of the day in which it starts, as archives are written."""
    offset, days = 0, {}
    for record in MS3Record.from_buffer(data):
        network, station, location, *channel = record.sourceid.removeprefix("FDSN:").split("_")
        path = sds_path(root, ".".join([network, station, location, "".join(channel)]), record.starttime)
        days[path] = days.get(path, b"") + data[offset : offset + record.reclen]
        offset += record.reclen
    for path, part in days.items():
        put(path, part)


THREE_DAYS = counts(1, 3 * N_DAY)


@pytest.fixture
def sds(tmp_path: Path) -> Path:
    """Three days of one channel whose records cross both midnights, and some others."""
    put_sds(tmp_path, mseed(THREE_DAYS))
    put_sds(tmp_path, mseed(counts(2, 500), "XX.ABC.00.BHN", DAY0 + 86_400))
    put_sds(tmp_path, mseed(counts(3, 500), "XX.ABD..HHZ", DAY0))
    put_sds(tmp_path, mseed(counts(4, 500), "YY.ABC.10.BHZ", DAY0))
    put(tmp_path / "2020" / "readme.txt", b"an archive")
    return tmp_path


def test_sds_path() -> None:
    assert sds_path("/a", "XX.ABC..BHZ", UTCDateTime(2020, 2, 1, 23).ns) == Path(
        "/a/2020/XX/ABC/BHZ.D/XX.ABC..BHZ.D.2020.032"
    )
    assert sds_path("a", CHANNEL, day_ns(0) + DAY_NS - 1).name == "XX.ABC.00.BHZ.D.2020.366"
    assert sds_path("a", CHANNEL, day_ns(1)) == Path("a/2021/XX/ABC/BHZ.D/XX.ABC.00.BHZ.D.2021.001")


@pytest.mark.parametrize("day", [0, 1, 2])
def test_sds_day_is_whole_though_records_cross_midnight(sds: Path, day: int) -> None:
    record = fetch_day(open_source(f"sds:{sds}"), day)
    np.testing.assert_array_equal(series(record, day_ns(day), N_DAY), THREE_DAYS[day * N_DAY : (day + 1) * N_DAY])
    assert record.problems == []
    # The case is there: the first record of the day's own file starts after midnight.
    own = min(r.starttime for r in MS3Record.from_buffer(sds_path(sds, CHANNEL, day_ns(day)).read_bytes()))
    assert (own > day_ns(day)) == (day > 0)


def test_sds_span_of_several_days_and_of_a_minute(sds: Path) -> None:
    source = SdsSource(str(sds))
    start = day_ns(0) + 3600 * NS_PER_S
    record = source.fetch(CHANNEL, start, day_ns(2) + DAY_NS // 2)
    np.testing.assert_array_equal(series(record, start, 2 * N_DAY), THREE_DAYS[3600 : 3600 + 2 * N_DAY])
    minute = source.fetch(CHANNEL, start, start + 60 * NS_PER_S)
    np.testing.assert_array_equal(series(minute, start, 60), THREE_DAYS[3600:3660])
    assert sum(len(s.data) for s in minute.segments) < 2000


def test_sds_of_nothing(sds: Path) -> None:
    source = SdsSource(str(sds))
    for channel, day in [(CHANNEL, -5), (CHANNEL, 5), ("XX.ABC.00.BHE", 0), ("XX.ABC..BHZ", 0)]:
        with pytest.raises(NoDataError, match=f"{channel}: no file in"):
            fetch_day(source, day, channel)


def test_sds_the_day_after_the_last_holds_only_what_crosses_midnight(tmp_path: Path) -> None:
    put_sds(tmp_path, mseed(THREE_DAYS[: N_DAY + 10]))
    sds_path(tmp_path, CHANNEL, day_ns(1)).unlink(missing_ok=True)
    record = fetch_day(SdsSource(str(tmp_path)), 1)
    np.testing.assert_array_equal(series(record, day_ns(1), 10), THREE_DAYS[N_DAY : N_DAY + 10])


@pytest.mark.parametrize("content", [b"", b"not a record " * 50, b"damaged"])
def test_sds_what_is_wrong_with_the_eve_is_no_concern_of_the_day(sds: Path, content: bytes) -> None:
    eve = sds_path(sds, CHANNEL, day_ns(0))
    eve.write_bytes(eve.read_bytes()[:-700] + b"x" if content == b"damaged" else content)
    record = fetch_day(SdsSource(str(sds)), 1)
    assert record.problems == []
    assert np.isfinite(series(record, day_ns(1), N_DAY)[600:]).all()
    (problem,) = fetch_day(SdsSource(str(sds)), 0).problems
    assert str(eve) in problem


def test_sds_eve_that_cannot_be_read_does_not_lose_the_day(sds: Path) -> None:
    eve = sds_path(sds, CHANNEL, day_ns(0))
    eve.unlink()
    eve.mkdir()
    assert np.isfinite(series(fetch_day(SdsSource(str(sds)), 1), day_ns(1), N_DAY)[600:]).all()
    with pytest.raises(SourceError, match=r"XX\.ABC\.00\.BHZ\.D\.2020\.366: cannot be read: Is a directory"):
        fetch_day(SdsSource(str(sds)), 0)


def test_sds_file_that_holds_nothing_usable_is_named_and_the_others_are_used(sds: Path) -> None:
    path = sds_path(sds, CHANNEL, day_ns(1))
    path.write_bytes(b"not a record " * 50)
    record = SdsSource(str(sds)).fetch(CHANNEL, day_ns(0), day_ns(3))
    found = series(record, day_ns(0), 3 * N_DAY)
    np.testing.assert_array_equal(found[:N_DAY], THREE_DAYS[:N_DAY])
    assert np.isfinite(found[2 * N_DAY + 600 :]).all()
    assert np.isnan(found[N_DAY + 600 : 2 * N_DAY]).all()
    assert record.problems == [f"{path}: not MiniSEED, or damaged from the first record on"]


def test_sds_file_of_the_wrong_channel(sds: Path) -> None:
    path = sds_path(sds, CHANNEL, day_ns(0))
    path.write_bytes(mseed(counts(5, 400), "XX.ABC.00.BHE"))
    record = fetch_day(SdsSource(str(sds)), 0)
    assert record == Record(problems=[f"{path}: no records of {CHANNEL} in it"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {CHANNEL, "XX.ABC.00.BHN", "XX.ABD..HHZ", "YY.ABC.10.BHZ"}),
        ({"channel": "BH?"}, {CHANNEL, "XX.ABC.00.BHN", "YY.ABC.10.BHZ"}),
        ({"channel": "HHZ,BHN"}, {"XX.ABC.00.BHN", "XX.ABD..HHZ"}),
        ({"location": "--"}, {"XX.ABD..HHZ"}),
        ({"location": "--, 10"}, {"XX.ABD..HHZ", "YY.ABC.10.BHZ"}),
        ({"network": "X*", "station": "AB?", "channel": "*Z"}, {CHANNEL, "XX.ABD..HHZ"}),
        ({"station": "ABD"}, {"XX.ABD..HHZ"}),
    ],
)
def test_queries_with_wildcards(sds: Path, query: dict[str, str], expected: set[str]) -> None:
    assert codes_of(SdsSource(str(sds)), **query) == expected
    assert codes_of(FilesSource(str(sds)), **query) == expected


@pytest.mark.parametrize("kind", ["sds", "files"])
def test_queries_without_an_answer(sds: Path, kind: str) -> None:
    source = open_source(f"{kind}:{sds}")
    with pytest.raises(NoDataError, match="no channel matches the query"):
        source.channels(ChannelQuery(network="ZZ"))
    assert source.inventory([CHANNEL], day_ns(0), day_ns(1)) is None


@pytest.mark.parametrize("kind", ["sds", "files"])
def test_days(sds: Path, tmp_path: Path, kind: str) -> None:
    assert open_source(f"{kind}:{sds}").days() == ("2020-12-31", "2021-01-02")
    (tmp_path / "empty").mkdir()
    assert open_source(f"{kind}:{tmp_path / 'empty'}").days() is None


@pytest.mark.parametrize("kind", ["sds", "files"])
@pytest.mark.parametrize("name", ["", "nowhere", "file"])
def test_directories_that_are_none(tmp_path: Path, kind: str, name: str) -> None:
    put(tmp_path / "file", b"")
    path = tmp_path / name if name else ""
    with pytest.raises(InputError, match=f"source {kind}:.*{name}: no such directory"):
        open_source(f"{kind}:{path}")


# --- files in any layout ------------------------------------------------------------------------------------


def put_sac(path: Path, made: Trace, **header: float | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made.stats.sac = {"stla": 34.5, "stlo": -116.25, "stel": 959.0} | header
    made.write(str(path), format="SAC")
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder as people keep them."""
    put(tmp_path / "CIHEC__BHN.ms", mseed(THREE_DAYS[:N_DAY], "CI.HEC..BHN") + mseed(counts(6, 900), "CI.HEC..BHZ"))
    put(tmp_path / "more" / "part2", mseed(THREE_DAYS[N_DAY : 2 * N_DAY], "CI.HEC..BHN", DAY0 + 86_400))
    for day in range(2):
        data = THREE_DAYS[day * N_DAY : (day + 1) * N_DAY].astype(np.float32)
        put_sac(tmp_path / "KANSAS" / f"{day}.SAC", trace(data, "KS.A7K2.00.LHN", DAY0 + day * 86_400))
    put_sac(tmp_path / "no-suffix", trace(counts(7, 100).astype(np.float32), "KS.B4Q8.00.LHN"))
    put(tmp_path / "notes.txt", b"the instrument was moved in May\n" * 100)
    put(tmp_path / "map.png", b"\x89PNG\r\n\x1a\n" + bytes(3000))
    put(tmp_path / "short", b"abc")
    return tmp_path


def test_files_of_all_kinds_are_found(files: Path) -> None:
    source = open_source(f"files:{files}")
    table = source.channels(ChannelQuery())
    assert channel_ids(table) == ["CI.HEC..BHN", "CI.HEC..BHZ", "KS.A7K2.00.LHN", "KS.B4Q8.00.LHN"]
    assert table.loc[2, ["latitude", "longitude", "elevation_m"]].tolist() == [34.5, -116.25, 959.0]
    assert table.loc[:1, ["latitude", "longitude", "elevation_m"]].isna().all(axis=None)


@pytest.mark.parametrize("channel", ["CI.HEC..BHN", "KS.A7K2.00.LHN"])
@pytest.mark.parametrize("day", [0, 1])
def test_files_day_is_read_from_the_files_of_that_day(files: Path, channel: str, day: int) -> None:
    record = fetch_day(FilesSource(str(files)), day, channel)
    assert record.problems == []
    (segment,) = record.segments
    assert segment.start_ns == day_ns(day)
    np.testing.assert_array_equal(segment.data, THREE_DAYS[day * N_DAY : (day + 1) * N_DAY])


@pytest.mark.parametrize("channel", ["CI.HEC..BHN", "KS.A7K2.00.LHN", "KS.B4Q8.00.LHE", "CI.HEC.00.BHN"])
def test_files_of_nothing(files: Path, channel: str) -> None:
    source = FilesSource(str(files))
    for day in (-1, 2):
        with pytest.raises(NoDataError, match=f"{channel}: no file below"):
            fetch_day(source, day, channel)


def test_files_span_over_midnight(files: Path) -> None:
    start = day_ns(1) - 600 * NS_PER_S
    for channel in ("CI.HEC..BHN", "KS.A7K2.00.LHN"):
        record = FilesSource(str(files)).fetch(channel, start, start + 1200 * NS_PER_S)
        np.testing.assert_array_equal(series(record, start, 1200), THREE_DAYS[N_DAY - 600 : N_DAY + 600])


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0, 3.0, 7.0, 10.0, 20.0, 31.25, 40.0, 62.5, 100.0, 250.0, 128.0, 1000.0])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sac_rates_are_exact_though_the_interval_is_single_precision(
    tmp_path: Path, rate: float, byteorder: str
) -> None:
    start, data = DAY0 + 0.019_538, counts(8, 1000).astype(np.float32)
    trace(data, "XX.ABC..LHZ", start, rate).write(str(tmp_path / "a.sac"), format="SAC", byteorder=byteorder)
    (segment,) = FilesSource(str(tmp_path)).fetch("XX.ABC..LHZ", day_ns(0), day_ns(2)).segments
    assert segment.rate_hz == rate
    assert segment.start_ns == start.ns
    np.testing.assert_array_equal(segment.data, data)
    assert segment.data.dtype == np.dtype(np.float32)


def test_sac_interval_that_is_no_common_rate(tmp_path: Path) -> None:
    trace(counts(8, 100).astype(np.float32), "XX.ABC..LHZ", DAY0, 10.000_37).write(
        str(tmp_path / "a.sac"), format="SAC"
    )
    (segment,) = FilesSource(str(tmp_path)).fetch("XX.ABC..LHZ", day_ns(0), day_ns(1)).segments
    assert segment.rate_hz == pytest.approx(10.000_37, rel=6e-8)


def test_files_that_cannot_be_used_are_named_where_they_may_belong(files: Path) -> None:
    put(files / "HEC.BHN.empty", b"")
    put(files / "HEC.BHN.cut.ms", mseed(counts(9, 400), "CI.HEC..BHN")[:300])
    put(files / "HEC.BHN.text.sac", b"not SAC at all" * 100)
    whole = put_sac(files / "HEC.BHN.cut.sac", trace(counts(9, 400).astype(np.float32), "CI.HEC..BHN"))
    whole.write_bytes(whole.read_bytes()[:1000])
    unnamed = put_sac(files / "HEC.BHN.unnamed.sac", trace(counts(9, 400).astype(np.float32), "...BHN"))
    undated = put_sac(files / "HEC.BHN.undated.sac", trace(counts(9, 400).astype(np.float32), "CI.HEC..BHN"))
    header = bytearray(undated.read_bytes())
    header[280:304] = np.full(6, -12345, "<i4").tobytes()  # year to millisecond of the reference time
    undated.write_bytes(header)
    source = FilesSource(str(files))
    record = fetch_day(source, 0, "CI.HEC..BHN")
    np.testing.assert_array_equal(series(record, day_ns(0), N_DAY), THREE_DAYS[:N_DAY])
    expected = {
        "HEC.BHN.empty": "the file is empty",
        "HEC.BHN.cut.ms": "no whole record in it",
        "HEC.BHN.text.sac": "not readable as SAC",
        "HEC.BHN.cut.sac": "not readable as SAC",
        "HEC.BHN.unnamed.sac": "Network is ''",
        "HEC.BHN.undated.sac": "no time or no sampling interval",
    }
    found = {name: p for name in expected for p in record.problems if p.startswith(f"{files / name}")}
    assert len(record.problems) == len(found) == len(expected), record.problems
    for name, words in expected.items():
        assert words in found[name]
    assert unnamed.exists()
    assert fetch_day(source, 0, "KS.A7K2.00.LHN").problems == []


def test_file_whose_first_record_is_damaged_is_known_by_its_name(tmp_path: Path) -> None:
    whole = mseed(THREE_DAYS[:N_DAY], "CI.HEC..BHN")
    path = put(tmp_path / "HEC.MSEED", bytes(512) + whole[512:])
    source = FilesSource(str(tmp_path))
    assert codes_of(source) == {"CI.HEC..BHN"}
    record = fetch_day(source, 0, "CI.HEC..BHN")
    lost = next(MS3Record.from_buffer(whole)).samplecnt
    np.testing.assert_array_equal(series(record, day_ns(0), N_DAY)[lost:], THREE_DAYS[lost:N_DAY])
    assert record.problems == [f"{path}: 512 of {len(whole)} bytes are damaged; what is whole is used"]


def test_file_that_may_not_be_read_does_not_lose_the_others(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(files / "HEC.BHN.secret", b"x" * 1000)
    opened = Path.open

    def refuse(path: Path, *args, **kwargs):
        if path.name == "HEC.BHN.secret":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    record = fetch_day(FilesSource(str(files)), 0, "CI.HEC..BHN")
    assert record.segments
    assert record.problems == [f"{files / 'HEC.BHN.secret'}: cannot be read: Permission denied"]


def test_file_that_vanishes_between_index_and_fetch(files: Path) -> None:
    source = FilesSource(str(files))
    source.days()
    shutil.rmtree(files / "KANSAS")
    with pytest.raises(SourceError, match=r"0\.SAC: cannot be read"):
        fetch_day(source, 0, "KS.A7K2.00.LHN")
    assert fetch_day(source, 0, "CI.HEC..BHN").segments


def test_index_is_made_once_by_many_threads(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned: Counter[Path] = Counter()
    scan = local._scan

    def counting(path: Path):
        scanned[path] += 1
        return scan(path)

    monkeypatch.setattr(local, "_scan", counting)
    source = FilesSource(str(files))
    jobs = [("CI.HEC..BHN", 0), ("CI.HEC..BHN", 1), ("KS.A7K2.00.LHN", 0), ("KS.A7K2.00.LHN", 1)] * 8
    with ThreadPoolExecutor(16) as pool:
        records = list(pool.map(lambda job: fetch_day(source, job[1], job[0]), jobs))
    assert set(scanned.values()) == {1}
    assert len(scanned) == sum(path.is_file() for path in files.rglob("*"))
    for (_, day), record in zip(jobs, records, strict=True):
        np.testing.assert_array_equal(record.segments[0].data, THREE_DAYS[day * N_DAY : (day + 1) * N_DAY])


# --- real records -------------------------------------------------------------------------------------------


def test_kansas_sac_set(real_data: Path) -> None:
    folder = real_data / "fastxc_kansas"
    source = open_source(f"files:{folder}")
    table = source.channels(ChannelQuery(channel="*Z"))
    assert channel_ids(table) == [f"KS.{station}.00.LHZ" for station in ("A7K2", "B4Q8", "C9M3", "D2X6")]
    with (folder / "station_geo.tsv").open() as file:
        places = {row["station"]: row for row in csv.DictReader(file, delimiter="\t")}
    for _, row in table.iterrows():
        place = places[row["station"]]
        assert row["latitude"] == pytest.approx(float(place["latitude"]), abs=1e-5)
        assert row["longitude"] == pytest.approx(float(place["longitude"]), abs=1e-5)
    assert source.days() == ("2022-05-17", "2022-05-23")
    day = UTCDateTime(2022, 5, 18)
    (segment,) = source.fetch("KS.B4Q8.00.LHN", day.ns, day.ns + DAY_NS).segments
    reference = read(str(folder / "B4Q8" / "2022" / "B4Q8.2022.138.0000.N.sac"))[0]
    assert (segment.start_ns, segment.rate_hz) == (reference.stats.starttime.ns, 1.0)
    np.testing.assert_array_equal(segment.data, reference.data)


def test_california_day(real_data: Path) -> None:
    folder = real_data / "noisepy_ci"
    source = open_source(f"files:{folder}")
    assert codes_of(source) == {"CI.CCA..BHN", "CI.HEC..BHN"}
    assert source.days() == ("2022-01-02", "2022-01-02")
    start = UTCDateTime(2022, 1, 2, 12)
    record = source.fetch("CI.CCA..BHN", start.ns, (start + 600).ns)
    reference = read(str(folder / "CICCA__BHN___2022002.ms")).slice(start, start + 600)[0]
    (segment,) = record.segments
    offset = round((reference.stats.starttime.ns - segment.start_ns) * 40 / NS_PER_S)
    np.testing.assert_array_equal(segment.data[offset : offset + reference.stats.npts], reference.data)
    assert 24_000 <= reference.stats.npts <= len(segment.data) < 30_000
    assert record.problems == []
