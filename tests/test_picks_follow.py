"""Picks that are read while they are written: lines in pieces, files that grow, shrink and are replaced."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.errors import InputError
from seisloom.picks import AMPLITUDES, read_picks
from seisloom.picks.follow import FOLLOWED, Arrived, PickLines
from seisloom.picks.tail import Piece, Pipe, Tail

PLAIN = """# made by hand
station,phase,time,probability
XX.A,P,2024-02-29T23:59:59.5Z,0.9

XX.B,Sg,2024-03-01T00:00:01.123456789Z,0.25
XX.C,pP,2024-03-01T00:00:02Z,1
"XX.D",S,1709251203.25,0.5
"""
FORMATS = {
    "plain": PLAIN,
    "windows": PLAIN.replace("\n", "\r\n"),
    "phasenet": "station_id,phase_type,phase_time,phase_score,phase_amplitude\n"
    "XX.A..HH,P,2024-03-01T00:00:01.5,0.9,1e-6\nXX.B..HH,S,2024-03-01T00:00:03,0.8,2e-6\n",
    "seisbench": "trace_id;phase;peak_time;peak_value\nXX.A.;P;2024-03-01T00:00:01Z;0.7\n",
    "gpd": "XX A P 2024-03-01T00:00:01.25 0.9 1.5\nXX B S 2024-03-01T00:00:02.5 0.8 nan\n-- C P 2024-03-01T00:00:03 1 0\n",
    "no probability": "XX A P 2024-03-01T00:00:01.25\nXX B S 2024-03-01T00:00:02.5\n",
}


def read(pieces: list[bytes]) -> tuple[pd.DataFrame, list[str], PickLines]:
    """All picks and faults of a text that comes in pieces."""
    lines = PickLines("text")
    came = [*(lines.add(piece) for piece in pieces), lines.end()]
    return pd.concat([one.picks for one in came], ignore_index=True), [f for one in came for f in one.faults], lines


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(borders)]


@pytest.mark.parametrize("name", FORMATS)
def test_picks_are_those_of_the_whole_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "picks.csv").write_text(FORMATS[name], newline="")
    expected = read_picks(tmp_path / "picks.csv")
    got, faults, _ = read([FORMATS[name].encode()])
    assert not faults
    for column in FOLLOWED:
        if column in expected or column not in AMPLITUDES:
            np.testing.assert_array_equal(got[column].to_numpy(), expected[column].to_numpy(), column)
        else:
            assert got[column].isna().all()


@given(places=st.lists(st.integers(0, 10_000), max_size=12), name=st.sampled_from([*FORMATS, "faulty"]))
def test_where_the_text_is_cut_means_nothing(places: list[int], name: str) -> None:
    data = (FAULTY if name == "faulty" else FORMATS[name]).encode()
    whole, faults, _ = read([data])
    got, same, _ = read(cut(data, places))
    pd.testing.assert_frame_equal(got, whole)
    assert same == faults


FAULTY = """station,phase,time,probability
XX.A,P,2024-03-01T00:00:01Z,0.9
XX.A,P,yesterday,0.9
XX.A,P,2024-03-01T00:00:02Z,0.9,and,more
XX.A,P,2024-03-01T00:00:03Z,2
"XX.A,P,2024-03-01T00:00:04Z,1
,P,2024-03-01T00:00:05Z,1
station,phase,time,probability
XX.\0,P,2024-03-01T00:00:06Z,1
XX.B,S,2024-03-01T00:00:07Z,1
"""


def test_lines_that_cannot_be_read_are_named_and_passed_over() -> None:
    got, faults, _ = read([FAULTY.encode()])
    assert got["station"].tolist() == ["XX.A", "XX.B"]
    numbers = [int(fault.split()[1].rstrip(":")) for fault in faults]
    assert numbers == [3, 4, 5, 6, 7, 9]
    assert "yesterday" in faults[0]
    assert "more cells" in faults[1]
    assert "number from 0 to 1" in faults[2]
    assert "quotation mark" in faults[3]
    assert "not text" in faults[5]


def test_bytes_that_are_not_utf8_spoil_one_line() -> None:
    got, faults, _ = read([b"station,phase,time\nXX.\xff,P,2024-03-01T00:00:01Z\nXX.A,P,2024-03-01T00:00:02Z\n"])
    assert got["station"].tolist() == ["XX.A"]
    assert faults == ["line 2: not text in UTF-8, or too long"]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    lines = PickLines("text")
    lines.add(b"station,phase,time\n")
    faults = [fault for _ in range(40) for fault in lines.add(b"x" * 10_000).faults]
    assert faults
    assert len(lines.rest) <= 65_536


def test_a_file_that_follows_may_have_another_header_or_none() -> None:
    lines = PickLines("text")
    one = lines.add(b"station,phase,time\nXX.A,P,2024-03-01T00:00:01Z\nXX.A,P,2024-03-01T00:0")
    lines.begin_anew()
    bare = lines.add(b"XX.B,S,2024-03-01T00:00:02Z\n")
    lines.begin_anew()
    other = lines.add(b"time,phase,station\n2024-03-01T00:00:03Z,P,XX.C\n")
    assert [part.picks["station"].tolist() for part in (one, bare, other)] == [["XX.A"], ["XX.B"], ["XX.C"]]
    assert [part.picks["pick_index"].tolist() for part in (one, bare, other)] == [[0], [1], [2]]
    assert other.picks["time"].iloc[0] == pd.Timestamp("2024-03-01T00:00:03Z")


@pytest.mark.parametrize("text", ["where,when\nXX.A,now\n", "<?xml version='1.0'?>\n<q/>\n", "nothing known\n"])
def test_what_is_no_table_of_picks_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="text"):
        read([text.encode()])


def test_gpd_may_begin_with_lines_that_cannot_be_read() -> None:
    got, faults, _ = read([b"what is this\n", b"XX A P 2024-03-01T00:00:01\n"])
    assert got["station"].tolist() == ["XX.A"]
    assert [fault[:7] for fault in faults] == ["line 1:"]


def test_impossible_amplitudes_of_an_assumed_unit_are_left_out_one_by_one() -> None:
    text = FORMATS["phasenet"].replace("1e-6", "1e9")
    got, faults, _ = read([text.encode()])
    assert not faults
    np.testing.assert_array_equal(got["velocity_m_s"], [np.nan, 2e-6])


def all_of(tail: Tail, lines: PickLines) -> tuple[list[str], list[str]]:
    """Stations of the picks that a file has by now, and why it was begun anew."""
    stations, why = [], []
    while (piece := tail.read(0.0)) not in (None, Piece(b"")):
        if piece.anew:
            why.append(piece.anew)
            lines.begin_anew()
        arrived: Arrived = lines.add(piece.data)
        stations += arrived.picks["station"].tolist()
    return stations, why


def pick(station: str) -> str:
    return f"{station},P,2024-03-01T00:00:01Z\n"


HEADER = "station,phase,time\n"


def test_a_file_is_read_as_it_grows_is_truncated_and_replaced(tmp_path: Path) -> None:
    path, lines = tmp_path / "picks.csv", PickLines("text")
    tail = Tail(path)
    assert tail.read(0.0) == Piece(b"")  # it is yet to come
    path.write_text(HEADER + pick("XX.A") + pick("XX.B")[:9])
    assert all_of(tail, lines) == (["XX.A"], [])
    with path.open("a") as file:
        file.write(pick("XX.B")[9:])
    assert all_of(tail, lines) == (["XX.B"], [])
    path.write_text(HEADER + pick("XX.C"))  # truncated and written anew
    stations, why = all_of(tail, lines)
    assert stations == ["XX.C"]
    assert "truncated" in why[0]
    with path.open("a") as file:
        file.write(pick("XX.D"))
    path.rename(tmp_path / "picks.csv.1")
    assert all_of(tail, lines) == (["XX.D"], [])
    path.write_text(HEADER + pick("XX.E"))
    stations, why = all_of(tail, lines)
    assert stations == ["XX.E"]
    assert "replaced" in why[0]
    tail.close()


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "picks.csv"
    path.write_text(HEADER + pick("XX.A"))
    first, lines = Tail(path), PickLines("text")
    all_of(first, lines)
    with path.open("a") as file:
        file.write(pick("XX.B"))
    later = Tail(path, until_end=True)
    later.go_on(first.place)
    assert all_of(later, lines) == (["XX.B"], [])
    path.write_text(HEADER)
    shorter = Tail(path)
    shorter.go_on(first.place)
    assert "truncated" in shorter.read(0.0).anew  # type: ignore[union-attr]


def test_the_end_is_the_end_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "picks.csv"
    with pytest.raises(InputError, match="not there"):
        Tail(path, until_end=True)
    with pytest.raises(InputError, match="a folder"):
        Tail(tmp_path)
    path.write_text("abc")
    tail = Tail(path, until_end=True)
    assert tail.read(10.0) == Piece(b"abc")
    assert tail.read(10.0) is None


def test_standard_input_ends_with_the_other_side() -> None:
    out, into = os.pipe()
    pipe = Pipe(out)
    assert pipe.read(0.0) == Piece(b"")
    os.write(into, b"abc")
    assert pipe.read(1.0) == Piece(b"abc")
    os.close(into)
    assert pipe.read(1.0) is None
    os.close(out)
