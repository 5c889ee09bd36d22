"""MiniSEED bytes to segments: whole, cut short and damaged, against what was encoded."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime, read
from pymseed import DataEncoding, MS3Record

from seisloom.errors import InputError
from seisloom.waveforms.base import NS_PER_S, Record
from seisloom.waveforms.mseed import decode, is_mseed, spans

T0 = UTCDateTime(2020, 1, 1)
RATE = 10.0
RECLEN = 512
CHANNEL = "XX.ABC.00.BHZ"
COUNTS = np.random.default_rng(5).integers(-5000, 5000, 6000).astype(np.int32)


def mseed2(data: np.ndarray, channel: str = CHANNEL, start: UTCDateTime = T0, rate: float = RATE, **options) -> bytes:
    codes = dict(zip(("network", "station", "location", "channel"), channel.split("."), strict=True))
    buffer = io.BytesIO()
    trace = Trace(data, codes | {"sampling_rate": rate, "starttime": start})
    trace.write(buffer, format="MSEED", **{"reclen": RECLEN} | options)
    return buffer.getvalue()


def mseed3(data: np.ndarray, source: str = "FDSN:XX_ABC_00_B_H_Z", rate: float = RATE) -> bytes:
    record = MS3Record()
    record.sourceid, record.samprate, record.starttime = source, rate, T0.ns
    record.formatversion, record.reclen, record.encoding = 3, RECLEN, DataEncoding.STEIM2
    return b"".join(bytes(part) for part in record.generate(data.tolist(), "i"))


def lengths(data: bytes) -> list[int]:
    """Bytes of every record of an undamaged file."""
    return [record.reclen for record in MS3Record.from_buffer(data)]


def samples_of(data: bytes) -> list[int]:
    """Samples in every record of an undamaged file."""
    return [record.samplecnt for record in MS3Record.from_buffer(data)]


def series(record: Record, n: int, rate: float = RATE) -> np.ndarray:
    """The segments laid on one axis of ``n`` samples from T0, NaN where there are none."""
    out = np.full(n, np.nan)
    for segment in record.segments:
        assert segment.rate_hz == rate
        first = (segment.start_ns - T0.ns) * rate / NS_PER_S
        assert first == round(first)
        out[round(first) : round(first) + len(segment.data)] = segment.data
    return out


WRITERS = {"MiniSEED 2": mseed2, "MiniSEED 3": mseed3}
each_version = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
Writer = Callable[[np.ndarray], bytes]


# --- whole files --------------------------------------------------------------------------------------------


@each_version
def test_whole(write: Writer) -> None:
    record = decode(write(COUNTS), "file", CHANNEL)
    (segment,) = record.segments
    assert record.problems == []
    assert (segment.start_ns, segment.rate_hz) == (T0.ns, RATE)
    np.testing.assert_array_equal(segment.data, COUNTS)


@pytest.mark.parametrize(
    ("dtype", "encoding"),
    [("i4", "STEIM2"), ("i4", "STEIM1"), ("i4", "INT32"), ("i2", "INT16"), ("f4", "FLOAT32"), ("f8", "FLOAT64")],
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_encodings(rng: np.random.Generator, dtype: str, encoding: str, byteorder: str) -> None:
    data = (1000 * rng.standard_normal(3000)).astype(dtype)
    record = decode(mseed2(data, encoding=encoding, byteorder=byteorder), "file")
    (segment,) = record.segments
    np.testing.assert_array_equal(segment.data, data)
    assert segment.data.dtype.kind == np.dtype(dtype).kind


@pytest.mark.parametrize("rate", [0.1, 1.0, 40.0, 200.0])
def test_rates_and_sub_sample_starts(rate: float) -> None:
    start = T0 + 0.019_538
    (segment,) = decode(mseed2(COUNTS, start=start, rate=rate), "file").segments
    assert segment.rate_hz == pytest.approx(rate, rel=1e-12)
    assert segment.start_ns == start.ns


def test_sampling_period_of_mseed3() -> None:
    (segment,) = decode(mseed3(COUNTS, rate=-20.0), "file").segments  # negative: a period in seconds
    assert segment.rate_hz == pytest.approx(0.05)


@pytest.mark.parametrize("channel", ["XX.ABC.00.BHZ", "XX.ABC..BHN", "K.A..Z", "KS.A7K2.00.N", "XX.ABCDE.10.EN"])
def test_only_the_channel_that_is_asked_for(channel: str) -> None:
    others = ["XX.ABC.01.BHZ", "XX.ABC.00.BHX", "XX.AB.00.BHZ", "YY.ABC.00.BHZ", "KS.A7K2.00.NZ"]
    data = mseed2(COUNTS, channel) + b"".join(mseed2(COUNTS[:700] + i, other) for i, other in enumerate(others))
    np.testing.assert_array_equal(series(decode(data, "file", channel), 6000), COUNTS)
    assert len(decode(data, "file").segments) == 6
    assert decode(data, "file", "XX.NONE..BHZ") == Record()


def test_gaps_and_overlaps_stay_segments() -> None:
    early, late = COUNTS[:1000], COUNTS[1000:2000]
    data = mseed2(early) + mseed2(late, start=T0 + 200) + mseed2(early, start=T0 + 250)
    record = decode(data, "file", CHANNEL)
    found = sorted((s.start_ns - T0.ns) // NS_PER_S for s in record.segments)
    assert found == [0, 200, 250]
    for segment in record.segments:
        expected = late if segment.start_ns == (T0 + 200).ns else early
        np.testing.assert_array_equal(segment.data, expected)


def test_records_out_of_order_are_one_segment() -> None:
    data = mseed2(COUNTS)
    parts = [data[i : i + RECLEN] for i in range(0, len(data), RECLEN)]
    record = decode(b"".join(parts[::-1]), "file", CHANNEL)
    assert len(record.segments) == 1
    np.testing.assert_array_equal(series(record, 6000), COUNTS)


def test_text_records_are_no_waveform() -> None:
    log = Trace(np.frombuffer(b"clock locked", dtype="|S1"), {"network": "XX", "station": "ABC", "channel": "LOG"})
    buffer = io.BytesIO()
    log.write(buffer, format="MSEED")
    record = decode(buffer.getvalue() + mseed2(COUNTS), "file")
    assert len(record.segments) == 1


# --- time ---------------------------------------------------------------------------------------------------


@each_version
@pytest.mark.parametrize(("start", "end"), [(0.0, 600.0), (123.4, 200.0), (599.9, 700.0), (-50.0, 0.1), (300.0, 300.1)])
def test_time_selection_holds_what_overlaps_and_little_more(write: Writer, start: float, end: float) -> None:
    data = write(COUNTS)
    record = decode(data, "file", CHANNEL, (T0 + start).ns, (T0 + end).ns)
    found = series(record, 6000)
    inside = slice(max(round(start * RATE), 0), min(round(end * RATE), 6000))
    np.testing.assert_array_equal(found[inside], COUNTS[inside])
    # Records come whole: at most one of them hangs over at either end.
    assert np.isfinite(found).sum() <= inside.stop - inside.start + 2 * max(samples_of(data))


@each_version
@pytest.mark.parametrize(("start", "end"), [(600.0, 700.0), (-100.0, 0.0), (1e6, 2e6)])
def test_time_selection_is_half_open(write: Writer, start: float, end: float) -> None:
    assert decode(write(COUNTS), "file", CHANNEL, (T0 + start).ns, (T0 + end).ns) == Record()


# --- damage -------------------------------------------------------------------------------------------------


@each_version
@pytest.mark.parametrize("lost", [1, 100, 300])
def test_last_record_cut_short(write: Writer, lost: int) -> None:
    data = write(COUNTS)
    record = decode(data[:-lost], "day file", CHANNEL)
    whole = sum(samples_of(data)[: -1 if lost < lengths(data)[-1] else -2])
    np.testing.assert_array_equal(series(record, whole), COUNTS[:whole])
    assert record.problems == ["day file: the last record is cut short; what is whole is used"]


def damage(data: bytes, how: str, rng: np.random.Generator) -> tuple[bytes, set[int]]:
    """The file damaged about its sixth record, and the numbers of the records that are lost."""
    at, reclen = sum(lengths(data)[:5]), lengths(data)[5]
    noise = rng.bytes(777)
    return {
        "overwritten": (data[:at] + noise[:reclen] + data[at + reclen :], {5}),
        "inserted": (data[:at] + noise + data[at:], set()),
        "inserted within": (data[: at + 99] + noise + data[at + 99 :], {5}),
        "bytes missing": (data[: at + 99] + data[at + 112 :], {5}),
        "records missing but for a bit": (data[: at + 99] + data[at + 3 * reclen :], {5, 6, 7}),
        "payload": (data[: at + 100] + noise[: reclen - 120] + data[at + reclen - 20 :], {5}),
        "payload zero": (data[: at + 100] + bytes(reclen - 120) + data[at + reclen - 20 :], {5}),
        "start": (noise[:reclen] + data[len(noise[:reclen]) :], {0}),
        "zeros behind": (data + bytes(1024), set()),
        "noise behind": (data + noise, set()),
    }[how]


DAMAGES = [
    "overwritten",
    "inserted",
    "inserted within",
    "bytes missing",
    "records missing but for a bit",
    "payload",
    "payload zero",
    "start",
    "zeros behind",
    "noise behind",
]


@each_version
@pytest.mark.parametrize("how", DAMAGES)
def test_damage_costs_only_the_records_it_is_in(write: Writer, how: str, rng: np.random.Generator) -> None:
    data = write(COUNTS)
    damaged, lost = damage(data, how, rng)
    record = decode(damaged, "day file", CHANNEL)
    edges = np.concatenate([[0], np.cumsum(samples_of(data))])
    expected = COUNTS.astype(float)
    for number in lost:
        expected[edges[number] : edges[number + 1]] = np.nan
    np.testing.assert_array_equal(series(record, 6000), expected)
    (problem,) = record.problems
    assert problem.startswith("day file: ")
    kept = len(data) - sum(lengths(data)[number] for number in lost)
    if "damaged" in problem:
        assert f"{len(damaged) - kept} of {len(damaged)} bytes are damaged" in problem
    else:
        assert how == "noise behind"
        assert "cut short" in problem


def test_damage_with_a_choice_of_channel_and_time(rng: np.random.Generator) -> None:
    data = mseed2(COUNTS) + rng.bytes(512) + mseed2(COUNTS[::-1].copy(), "XX.ABC.00.BHN")
    record = decode(data, "file", "XX.ABC.00.BHN", T0.ns, (T0 + 60).ns)
    found = series(record, 6000)
    np.testing.assert_array_equal(found[:600], COUNTS[::-1][:600])
    assert np.isnan(found[1500:]).all()
    assert record.problems


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_crashes_or_goes_unsaid(data: st.DataObject) -> None:
    whole = mseed2(np.arange(400, dtype=np.float64), reclen=256)
    at, cut = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 600))
    damaged = whole[:at] + data.draw(st.binary(max_size=600)) + whole[at + cut :]
    try:
        record = decode(damaged, "file", CHANNEL)
    except InputError:
        return
    assert sum(len(s.data) for s in record.segments) <= 400
    assert record.problems or (record.segments and len(damaged) % 256 == 0)


def test_empty_file_is_a_problem_and_not_an_error() -> None:
    assert decode(b"", "day file") == Record(problems=["day file: the file is empty"])


@pytest.mark.parametrize("data", [b"hello world " * 100, b"x", bytes(4096), b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="day file: not MiniSEED, or damaged from the first record on"):
        decode(data, "day file")


@each_version
def test_first_record_cut_short(write: Writer) -> None:
    with pytest.raises(InputError, match="day file: not MiniSEED, or damaged"):
        decode(write(COUNTS)[:300], "day file")


# --- recognising and scanning -------------------------------------------------------------------------------


@each_version
def test_is_mseed(write: Writer) -> None:
    assert is_mseed(write(COUNTS)[:8])


@pytest.mark.parametrize("head", [b"", b"000001", b"00000001", b"hello wo", b"000001X ", b"MS\x02     ", b"20200101"])
def test_is_not_mseed(head: bytes) -> None:
    assert not is_mseed(head)


def test_spans_of_channels_and_stretches(tmp_path: Path) -> None:
    path = tmp_path / "mixed"
    other = "KS.A7K2..N"
    path.write_bytes(mseed2(COUNTS) + mseed2(COUNTS[:100], other) + mseed2(COUNTS[:50], start=T0 + 900))
    found = {
        (channel, (first - T0.ns) / NS_PER_S, (last - T0.ns) / NS_PER_S) for channel, first, last in spans(str(path))
    }
    assert found == {(CHANNEL, 0.0, 599.9), (CHANNEL, 900.0, 904.9), (other, 0.0, 9.9)}


@each_version
def test_spans_of_damaged_files(tmp_path: Path, write: Writer, rng: np.random.Generator) -> None:
    path, data = tmp_path / "damaged", write(COUNTS)
    path.write_bytes(damage(data, "inserted within", rng)[0][:-5])
    edges = np.concatenate([[0], np.cumsum(samples_of(data))])
    found = [((first - T0.ns) / NS_PER_S, (last - T0.ns) / NS_PER_S) for _, first, last in spans(str(path))]
    assert sorted(found) == [(0.0, (edges[5] - 1) / RATE), (edges[6] / RATE, (edges[-2] - 1) / RATE)]


@pytest.mark.parametrize("data", [b"", b"text" * 300, mseed2(COUNTS)[:300], mseed3(COUNTS[:9], "XFDSN:other")])
def test_spans_of_what_holds_no_channel(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(data)
    assert list(spans(str(path))) == []


# --- real records -------------------------------------------------------------------------------------------


def test_real_records_equal_another_reader(real_data: Path) -> None:
    path = real_data / "noisepy_ci" / "CIHEC__BHN___2022002.ms"
    record = decode(path.read_bytes(), str(path), "CI.HEC..BHN")
    reference: Stream = read(str(path))
    assert record.problems == []
    assert [(s.start_ns, len(s.data)) for s in record.segments] == [
        (t.stats.starttime.ns, t.stats.npts) for t in reference
    ]
    for segment, trace in zip(record.segments, reference, strict=True):
        np.testing.assert_array_equal(segment.data, trace.data)
