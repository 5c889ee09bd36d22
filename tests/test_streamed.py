"""Association of pick files in sections: the same files as those of all picks at once, and never all picks at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seisloom.associate import parts as parts_module
from seisloom.associate import streamed as streamed_module
from seisloom.associate.explain import explain_pick
from seisloom.associate.job import JobSettings, associate_picks
from seisloom.associate.outputs import write_result
from seisloom.associate.scenario import Scenario
from seisloom.associate.scratch import Ledger, Shelf
from seisloom.associate.state import read_state
from seisloom.associate.streamed import associate_files
from seisloom.associate.synthetic import CRUST
from seisloom.catalog import read_catalog
from seisloom.compute import parse_compute
from seisloom.errors import InputError
from seisloom.picks import read_picks, write_picks
from seisloom.picks import spool as spool_module
from seisloom.picks import text as text_module
from seisloom.picks.spool import Spool
from tests.test_likelihood import REGION, Stream, stream

FILES = (
    "events.csv", "assignments.csv", "catalog.xml", "observations.obs", "hypoinverse.arc", "evidence.npz", "report.json", "report.txt",
)  # fmt: skip
SETTINGS = JobSettings(region=REGION)


@pytest.fixture(scope="module")
def made() -> Stream:
    """Two hours of picks with amplitudes, some at stations that nobody knows."""
    whole = stream(Scenario(duration_s=7200.0, events_per_hour=45, noise_ratio=0.6))
    rng = np.random.default_rng(8)
    n = len(whole.table)
    amplitude = np.where(rng.random(n) < 0.7, 10.0 ** rng.normal(-6.0, 0.5, n), np.nan)
    station = np.where(rng.random(n) < 0.02, "XX.NOBODY", whole.table["station"])
    return whole._replace(table=whole.table.assign(amplitude_m=amplitude, station=station))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "_PART_PICKS", 150)
    monkeypatch.setattr(parts_module, "_SAMPLE_PICKS", 1000)
    monkeypatch.setattr(streamed_module, "SECTION_PARTS", 2)
    monkeypatch.setattr(text_module, "_PIECE_BYTES", 20_000)
    monkeypatch.setattr(spool_module, "_HELD", 400)


@pytest.fixture(scope="module")
def at_once(made: Stream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue of all picks at once, and their file."""
    folder = tmp_path_factory.mktemp("at-once")
    write_picks(made.table, folder / "picks.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts_module, "_PART_PICKS", 150)
        patch.setattr(parts_module, "_SAMPLE_PICKS", 1000)
        write_result(associate_picks(read_picks(folder / "picks.csv"), made.study.sites, CRUST, SETTINGS), folder)
    return folder


def assert_same(folder: Path, at_once: Path, names: tuple[str, ...] = FILES) -> None:
    assert not (folder / ".associate").exists()
    for name in names:
        if name == "evidence.npz":
            mine, theirs = (np.load(path / name) for path in (folder, at_once))
            assert set(mine.files) == set(theirs.files)
            for key in mine.files:
                assert mine[key].dtype == theirs[key].dtype
                assert np.array_equal(mine[key], theirs[key]), key
        else:
            assert (folder / name).read_bytes() == (at_once / name).read_bytes(), name


def test_the_files_are_those_of_all_picks_at_once(made: Stream, at_once: Path, tmp_path: Path) -> None:
    done = associate_files(at_once / "picks.csv", made.study.sites, CRUST, SETTINGS, tmp_path / "out")
    assert_same(tmp_path / "out", at_once)
    catalog = read_catalog(at_once)
    assert len(catalog.events) > 60
    assert catalog.events["magnitude"].notna().mean() > 0.9
    assert done.report.unknown[0][0] == "XX.NOBODY"
    most = catalog.events.sort_values(["n_picks", "event_id"], ascending=[False, True])["event_id"].head(3)
    assert done.largest.events["event_id"].tolist() == most.tolist()
    assert set(done.largest_picks["pick_index"]) == set(done.largest.assignments["pick_index"])
    number = int(done.largest_picks["pick_index"].iloc[0])
    assert explain_pick(read_state(tmp_path / "out" / "evidence.npz"), number)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_neither_order_nor_sections_nor_pieces_mean_anything(
    made: Stream, at_once: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("other")
    lines = (at_once / "picks.csv").read_text().splitlines()
    order = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(len(lines) - 1)
    (folder / "picks.csv").write_text("\n".join([lines[0], *(lines[1 + k] for k in order)]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed_module, "SECTION_PARTS", data.draw(st.integers(1, 6)))
        patch.setattr(text_module, "_PIECE_BYTES", data.draw(st.integers(3000, 200_000)))
        patch.setattr(spool_module, "_HELD", data.draw(st.integers(50, 5000)))
        associate_files(folder / "picks.csv", made.study.sites, CRUST, SETTINGS, folder)
    assert_same(folder, at_once, FILES[:6])


def test_chunks_that_overlap_give_the_same_events(made: Stream, at_once: Path, tmp_path: Path) -> None:
    lines = (at_once / "picks.csv").read_text().splitlines(keepends=True)
    chunks = tmp_path / "chunks"
    chunks.mkdir()
    for k, first in enumerate(range(1, len(lines), 700)):
        (chunks / f"{k:02d}.csv").write_text("".join([lines[0], *lines[first : first + 900]]))
    done = associate_files(chunks, made.study.sites, CRUST, SETTINGS, tmp_path / "out")
    assert done.report.picks.duplicates == done.report.picks.read - len(made.table) > 300
    assert_same(tmp_path / "out", at_once, ("events.csv",))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no files in this folder"):
        associate_files(tmp_path / "empty", made.study.sites, CRUST, SETTINGS, tmp_path / "out")


@pytest.mark.parametrize("how", ["threads", "processes"])
def test_workers_mean_nothing(made: Stream, at_once: Path, tmp_path: Path, how: str) -> None:
    compute = None if how == "threads" else parse_compute(how, workers=2)
    wanted = JobSettings(region=REGION, n_threads=3, compute=compute)
    associate_files(at_once / "picks.csv", made.study.sites, CRUST, wanted, tmp_path)
    assert_same(tmp_path, at_once)


def test_never_all_picks_are_held(made: Stream, at_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    records = Spool._records

    def noted(self: Spool, first: int, last: int) -> np.ndarray:
        held.append(len(found := records(self, first, last)))
        return found

    monkeypatch.setattr(Spool, "_records", noted)
    monkeypatch.setattr("seisloom.associate.overview._BLOCK", 200)
    monkeypatch.setattr("seisloom.associate.sectioned._BLOCK", 200)
    monkeypatch.setattr("seisloom.associate.sections_state._BLOCK", 200)
    associate_files(at_once / "picks.csv", made.study.sites, CRUST, SETTINGS, tmp_path)
    assert_same(tmp_path, at_once)
    assert max(held) < 0.4 * len(made.table)


def test_what_was_interrupted_goes_on(
    made: Stream, at_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[object] = []
    note = Ledger.note

    def counted(self: Ledger, result: object) -> None:
        note(self, result)
        noted.append(result)
        if len(noted) == 5:
            with self.path.open("ab") as file:
                file.write(b"half of a result")
            raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "note", counted)
    with pytest.raises(KeyboardInterrupt):
        associate_files(at_once / "picks.csv", made.study.sites, CRUST, SETTINGS, tmp_path)
    assert not (tmp_path / "events.csv").exists()
    associate_files(at_once / "picks.csv", made.study.sites, CRUST, SETTINGS, tmp_path)
    again = noted[5:]
    assert_same(tmp_path, at_once)
    assert len({one.first_s for one in noted[1:]}) == len(noted) - 1 > 8  # type: ignore[attr-defined]
    assert not any(isinstance(one, tuple) and len(one) == 2 for one in again)  # nothing is learned again


def test_with_other_settings_nothing_is_gone_on_with(
    made: Stream, at_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(streamed_module, "section_borders", lambda *given: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            associate_files(
                at_once / "picks.csv", made.study.sites, CRUST, JobSettings(region=REGION, min_picks=14), tmp_path
            )
    associate_files(at_once / "picks.csv", made.study.sites, CRUST, SETTINGS, tmp_path)
    assert_same(tmp_path, at_once)


def test_nothing_is_left_behind_where_picks_cannot_be_used(made: Stream, tmp_path: Path) -> None:
    (tmp_path / "picks.csv").write_text("station,phase,time\nSY.S001,P,yesterday\n")
    with pytest.raises(InputError, match="line 2"):
        associate_files(tmp_path / "picks.csv", made.study.sites, CRUST, SETTINGS, tmp_path / "new" / "out")
    assert not (tmp_path / "new" / "out").exists()


def test_a_shelf_gives_back_what_was_put(tmp_path: Path) -> None:
    shelf: Shelf[pd.Series] = Shelf(tmp_path / "shelf")
    for k in range(3):
        shelf.append(pd.Series([k, 2 * k]))
    shelf[1] = pd.Series([9])
    assert [one.tolist() for one in shelf] == [[0, 0], [9], [2, 4]]
    assert len(shelf) == 3
