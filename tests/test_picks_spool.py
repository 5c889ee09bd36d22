"""Picks put down in a folder: they must be those that are read at once, however they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisloom.errors import InputError
from seisloom.picks import match_stations, pick_arrays, read_picks
from seisloom.picks import spool as spool_module
from seisloom.picks import text as text_module
from seisloom.picks.pieces import PickPieces
from seisloom.picks.spool import Spool, spool_picks

SITES = pd.DataFrame({"station": ["XX.A", "XX.B", "YY.C"]})
# Few places and times, so that picks are said twice, and at one time by several.
PICK = st.tuples(
    st.sampled_from(["XX.A", "B", "YY.C", "XX.A.00.HHZ", "ZZ.NONE", "ZZ.OTHER"]), st.sampled_from(["P", "S", "Pn", "T"]),
    st.integers(0, 25), st.sampled_from([0.1, 0.5, 0.50000001, 1.0]), st.sampled_from(["", "0", "1e-6", "3e-5"]),
)  # fmt: skip


def lines(picks: list[tuple[str, str, int, float, str]]) -> list[str]:
    return [f"{a},{b},2024-05-01T00:00:{c:02d}.{c * 7 % 10}Z,{d},{e}" for a, b, c, d, e in picks]


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["station,phase,time,probability,amplitude_m", *rows]) + "\n")
    return path


def spooled(paths: list[Path], folder: Path, origin: str = "", least: float = 0.0) -> Spool:
    return spool_picks(PickPieces(paths, origin or str(paths[0]), least), list(SITES["station"]), folder)


def assert_same(spool: Spool, read: pd.DataFrame) -> None:
    """A spool holds what was read at once, in the order of ``pick_arrays``."""
    known, unknown = match_stations(read, SITES)
    arrays = pick_arrays(known, list(SITES["station"]))
    mine, first = spool.between(-np.inf, np.inf)
    assert first == 0
    for name in ("time_s", "station", "phase", "probability", "reference_ns"):
        assert np.array_equal(getattr(mine, name), getattr(arrays, name)), name
    assert np.array_equal(spool.time_s, arrays.time_s)
    table = known.iloc[arrays.row].reset_index(drop=True).reindex(columns=spool.table(0, 0).columns)
    pd.testing.assert_frame_equal(spool.table(0, len(spool)), table)
    assert dict((n, (k, w)) for n, k, w in spool.unknown) == {n: (k, w) for n, k, w in unknown.itertuples(index=False)}
    assert spool.report == read.attrs["report"]


@settings(deadline=None, max_examples=60)
@given(
    picks=st.lists(PICK, min_size=1, max_size=60),
    in_order=st.booleans(),
    piece=st.integers(1, 400),
    held=st.integers(1, 30),
)
def test_a_spool_holds_what_is_read_at_once(
    tmp_path_factory: pytest.TempPathFactory, picks: list, in_order: bool, piece: int, held: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("spool")
    rows = lines(sorted(picks, key=lambda pick: pick[2]) if in_order else picks)
    path = write(tmp_path / "picks.csv", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_PIECE_BYTES", piece)
        patch.setattr(spool_module, "_HELD", held)
        patch.setattr(spool_module, "_LEAST_HELD", 1)
        read = message = None
        try:
            read = read_picks(path, min_probability=0.2)
            match_stations(read, SITES)
        except InputError as error:
            message = str(error).splitlines()[0]
        if message is None:
            assert_same(spooled([path], tmp_path / "spool", least=0.2), read)
            return
        with pytest.raises(InputError) as raised:
            spooled([path], tmp_path / "spool", least=0.2)
        assert str(raised.value).splitlines()[0] == message


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_chunks_that_overlap_are_the_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    tmp_path = tmp_path_factory.mktemp("chunks")
    picks = data.draw(st.lists(PICK, min_size=5, max_size=60, unique_by=lambda pick: pick[:3]))
    rows = lines(sorted(picks, key=lambda pick: pick[2]))
    borders = sorted(data.draw(st.lists(st.integers(1, len(rows) - 1), max_size=4)))
    overlap = data.draw(st.integers(0, 10))
    ends = list(zip([0, *borders], [*borders, len(rows)], strict=True))
    chunks = [rows[max(first - overlap, 0) : last + overlap] for first, last in ends]
    paths = [write(tmp_path / f"{k}.csv", chunk) for k, chunk in enumerate(chunks) if chunk]
    order = data.draw(st.permutations(paths))
    read = read_picks(write(tmp_path / "all.csv", rows))
    try:
        known, _ = match_stations(read, SITES)
    except InputError:
        return
    spool = spooled(order, tmp_path / "spool", "chunks")
    table = spool.table(0, len(spool))
    columns = ["station", "phase", "time", "probability", "amplitude_m"]
    mine, wanted = (one.reindex(columns=columns).sort_values(columns, ignore_index=True) for one in (table, known))
    pd.testing.assert_frame_equal(mine, wanted)
    assert table["pick_index"].is_unique


def test_stretches_are_those_of_time(tmp_path: Path, rng: np.random.Generator) -> None:
    picks = [("XX.A", "P", int(second), 0.5, "") for second in rng.permutation(25)]
    spool = spooled([write(tmp_path / "picks.csv", lines(picks))], tmp_path / "spool")
    whole, _ = spool.between(-np.inf, np.inf)
    for first_s, last_s in ((3.0, 9.5), (-5.0, 4.0), (20.0, np.inf), (7.0, 7.0)):
        some, first = spool.between(first_s, last_s)
        inside = np.flatnonzero((whole.time_s >= first_s) & (whole.time_s < last_s))
        assert np.array_equal(some.time_s, whole.time_s[inside])
        assert first == (inside[0] if len(inside) else np.searchsorted(whole.time_s, first_s))
        assert some.row.tolist() == list(range(len(inside)))


def test_faults_are_named_by_their_lines_in_any_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = lines([("XX.A", "P", k, 0.5, "") for k in range(50)])
    for k in (7, 31, 44):
        rows[k] = rows[k].replace("2024-05", "2024-55")
    path = write(tmp_path / "picks.csv", rows)
    with pytest.raises(InputError) as at_once:
        read_picks(path)
    monkeypatch.setattr(text_module, "_PIECE_BYTES", 300)
    with pytest.raises(InputError, match="3 picks cannot be read") as piecewise:
        spooled([path], tmp_path / "spool")
    assert str(piecewise.value) == str(at_once.value)
    assert "line 9:" in str(piecewise.value)


def test_numbers_that_come_twice_are_refused_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_PIECE_BYTES", 100)
    rows = [f"{k % 20},XX.A,P,2024-05-01T00:00:{k:02d}Z" for k in range(40)]
    path = tmp_path / "picks.csv"
    path.write_text("\n".join(["pick_index,station,phase,time", *rows]))
    with pytest.raises(InputError, match="pick_index 0 comes more than once"):
        spooled([path], tmp_path / "spool")
    path.write_text(
        "\n".join(["pick_index,station,phase,time", *rows[20:], *(row.replace(",", "99,", 1) for row in rows[:20])])
    )
    numbers = spooled([path], tmp_path / "spool").table(0, 40)["pick_index"]
    assert sorted(numbers) == sorted([*range(20), *(int(f"{k}99") for k in range(20))])


def test_amplitudes_in_a_wrong_unit_are_left_out_as_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_PIECE_BYTES", 400)
    for n_wrong in (0, 1, 30):
        amplitude = ["1e6" if k < n_wrong else "1e-4" for k in range(300)]
        rows = [f"XX.A,{k % 60},2024-05-01T00:{k // 60:02d}:{k % 60:02d}.0,0.9,P,{a}" for k, a in enumerate(amplitude)]
        path = tmp_path / "picks.csv"
        head = "station_id,phase_index,phase_time,phase_score,phase_type,phase_amplitude"
        path.write_text("\n".join([head, *rows]) + "\n")
        assert_same(spooled([path], tmp_path / f"spool{n_wrong}"), read_picks(path))
