"""Spans of time with data: merged, few enough to show, and as each kind of source tells them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import Trace, UTCDateTime

from seisloom.errors import InputError
from seisloom.waveforms import open_source
from seisloom.waveforms.availability import availability, fewest, merged, parse_availability, span_table
from seisloom.waveforms.base import DAY_NS, NS_PER_S, Source
from seisloom.waveforms.local import sds_path

DAY = pd.Timestamp("2024-03-01").value
HOUR = 3600 * NS_PER_S
ID = "XX.A..BHZ"

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=12).map(
    lambda pairs: np.array([(a, a + length) for a, length in pairs], np.int64).reshape(-1, 2)
)


def covered(some: np.ndarray) -> set[int]:
    return {t for first, stop in some.tolist() for t in range(first, stop)}


@given(spans)
def test_merged_spans_cover_the_same_and_lie_apart(some: np.ndarray) -> None:
    found = merged(some, shortest_gap_ns=0)
    assert covered(found) == covered(some)
    assert (found[:, 1] > found[:, 0]).all()
    assert (found[1:, 0] > found[:-1, 1]).all()


@given(spans, st.integers(0, 10))
def test_gaps_up_to_a_length_are_closed(some: np.ndarray, gap: int) -> None:
    found, exact = merged(some, gap), merged(some, 0)
    gaps = exact[1:, 0] - exact[:-1, 1]
    assert len(found) == len(exact) - int((gaps <= gap).sum())
    assert covered(exact) <= covered(found)


@given(spans, st.integers(1, 6))
def test_of_many_spans_the_longest_gaps_stay(some: np.ndarray, most: int) -> None:
    exact = merged(some, 0)
    found = fewest(exact, most)
    assert len(found) == min(len(exact), most)
    assert covered(exact) <= covered(found)
    gaps, kept = exact[1:, 0] - exact[:-1, 1], found[1:, 0] - found[:-1, 1]
    assert sorted(kept) == sorted(gaps)[len(gaps) - len(kept) :]


TEXT = """#Network Station Location Channel Quality SampleRate Earliest Latest
CI HEC -- BHZ D 40.0 2024-03-01T00:00:00.000000Z 2024-03-01T12:00:00.019500Z
CI HEC 10 BHZ M 40.0 2024-03-01T06:00:00.000000Z 2024-03-02T00:00:00.000000Z
"""


def test_text_of_an_availability_service() -> None:
    table = parse_availability(TEXT, "x")
    assert list(table["id"]) == ["CI.HEC..BHZ", "CI.HEC.10.BHZ"]
    assert [str(t) for t in table["end"]] == ["2024-03-01 12:00:00.019500+00:00", "2024-03-02 00:00:00+00:00"]


def test_columns_that_are_merged_away_and_others() -> None:
    text = "#network station location channel earliest latest updated timespans restriction\n"
    text += "CI HEC -- BHZ 2024-03-01T00:00:00Z 2024-03-02T00:00:00Z 2024-04-01T00:00:00Z 3 OPEN\n"
    table = parse_availability(text, "x")
    assert (table["end"] - table["start"])[0] == pd.Timedelta(days=1)


def test_a_header_alone_is_no_data() -> None:
    assert parse_availability(TEXT.splitlines()[0], "x").empty


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "x: not the text of an availability service"),
        ("<html>", "it starts with '<html>'"),
        ("#Network Station\nCI HEC", "its header names no Earliest and Latest"),
        (TEXT + "CI HEC -- BHZ D 40.0\n", "a line that is not a span of time"),
        (TEXT.replace("2024-03-02T", "March "), "a line that is not a span of time"),
    ],
)
def test_other_text(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_availability(text, "x")


def test_share_and_clipping() -> None:
    source = Told(
        [(ID, DAY - HOUR, DAY + 6 * HOUR), (ID, DAY + 5 * HOUR, DAY + 9 * HOUR), (ID, DAY + 23 * HOUR, DAY + 30 * HOUR)]
    )
    told = availability(source, [ID, "XX.B..BHZ", ID], DAY, DAY + DAY_NS)
    assert told is not None
    assert list(told) == [ID, "XX.B..BHZ"]
    assert told[ID].spans.tolist() == [[DAY, DAY + 9 * HOUR], [DAY + 23 * HOUR, DAY + 24 * HOUR]]
    assert told[ID].share == pytest.approx(10 / 24)
    assert told["XX.B..BHZ"].share == 0


class Told:
    """A source that tells spans."""

    def __init__(self, held: list[tuple[str, int, int]]) -> None:
        self.held = held

    def availability(self, channel_ids: list[str], start_ns: int, end_ns: int) -> pd.DataFrame:
        return span_table(self.held)


def test_a_source_that_cannot_tell() -> None:
    class Silent:
        pass

    source: Source = Silent()  # type: ignore[assignment]
    assert availability(source, [ID], DAY, DAY + DAY_NS) is None


def test_synthetic_networks_have_everything_since_they_were_opened() -> None:
    source = open_source("synthetic:stations=2,rate=1")
    opened = pd.Timestamp("2000-01-01").value
    told = availability(source, ["SY.S01.00.LHZ", "SY.S99.00.LHZ"], opened - DAY_NS, opened + DAY_NS)
    assert told is not None
    assert told["SY.S01.00.LHZ"].spans.tolist() == [[opened, opened + DAY_NS]]
    assert told["SY.S99.00.LHZ"].share == 0
    before = availability(source, ["SY.S01.00.LHZ"], opened - DAY_NS, opened)
    assert before is not None
    assert before["SY.S01.00.LHZ"].share == 0


def write(path: Path, start: str, hours: float, channel_id: str = ID) -> None:
    codes = dict(zip(("network", "station", "location", "channel"), channel_id.split("."), strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.arange(round(hours * 3600) + 1, dtype=np.int32)
    Trace(data, {"starttime": UTCDateTime(start), **codes}).write(str(path), format="MSEED")


def test_days_of_an_sds_archive_by_their_names(tmp_path: Path) -> None:
    for day in ("2023-12-31", "2024-01-01", "2024-01-02", "2024-01-05"):
        path = sds_path(tmp_path, ID, pd.Timestamp(day).value)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nothing is read")
    (sds_path(tmp_path, ID, pd.Timestamp("2024-01-03").value)).with_suffix(".part").write_bytes(b"")
    start, end = (pd.Timestamp(day).value for day in ("2023-12-31T12:00", "2024-01-10"))
    told = availability(open_source(f"sds:{tmp_path}"), [ID, "XX.A.00.BHZ"], start, end)
    assert told is not None
    days = [[f"{pd.Timestamp(t):%m-%d %H}" for t in span] for span in told[ID].spans.tolist()]
    assert days == [["12-31 12", "01-03 00"], ["01-05 00", "01-06 00"]]
    assert told[ID].share == pytest.approx(3.5 / 9.5)
    assert told["XX.A.00.BHZ"].share == 0


def test_stretches_of_files_by_their_headers(tmp_path: Path) -> None:
    write(tmp_path / "a.mseed", "2024-03-01T00:00:00", 6)
    write(tmp_path / "b.mseed", "2024-03-01T06:00:01", 6)  # goes on after the last sample of a
    write(tmp_path / "c.mseed", "2024-03-01T18:00:00", 12)
    told = availability(open_source(f"files:{tmp_path}"), [ID], DAY, DAY + DAY_NS)
    assert told is not None
    assert told[ID].spans.tolist() == [[DAY, DAY + 12 * HOUR + NS_PER_S], [DAY + 18 * HOUR, DAY + 24 * HOUR]]
    assert told[ID].share == pytest.approx(18 / 24, abs=1e-4)


def test_real_records(real_data: Path) -> None:
    """What headers say agrees with the samples."""
    source = open_source(f"files:{real_data / 'noisepy_ci'}")
    start = pd.Timestamp("2022-01-02").value
    told = availability(source, ["CI.CCA..BHN", "CI.HEC..BHN"], start, start + DAY_NS)
    assert told is not None
    for channel_id, one in told.items():
        segments = source.fetch(channel_id, start, start + DAY_NS).segments
        seconds = sum(len(segment.data) / segment.rate_hz for segment in segments)
        assert one.share * 86_400 == pytest.approx(seconds, abs=60)
        assert one.share > 0.9
