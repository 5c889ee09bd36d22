"""Correlations gathered by pair: the same to the last bit wherever they lie, rounded where asked, and never half."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from seisloom.errors import InputError, WorkspaceError
from seisloom.noise import archive
from seisloom.noise.archive import open_correlations
from seisloom.noise.archive_rows import read_rows
from seisloom.noise.by_pair import segments
from seisloom.noise.compaction import compact, rounded
from seisloom.noise.pipeline import correlate
from seisloom.noise.stacking import stack_correlations, stacked
from seisloom.storage import Storage
from tests.jobs import DAY, command, noise_source, objects, small_settings
from tests.object_stores import NewWorkspace
from tests.test_resume import Killed, Writes

LAST = "2024-03-04"
ONE = pytest.mark.parametrize("object_store", ["folder"], indirect=True)


@pytest.fixture(autouse=True, scope="module")
def small_objects() -> Iterator[None]:
    """Several chunks of times a shard, several shards, several blocks of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "CHUNK_BYTES", 3000)
        patch.setattr(archive, "SHARD_BYTES", 6000)
        yield


def run(workspace: str | Path, end: str = LAST, **changes: Any) -> None:
    source = noise_source(4, 4)
    correlate(source.table, small_settings(**changes), source, workspace, DAY, end)


def days_held(workspace: str) -> set[int]:
    """Numbers of the days that lie by day."""
    return {int(key.split("/")[-2]) for key in Storage(workspace).keys("correlations.zarr/ccf/c")}


@pytest.mark.parametrize("object_store", ["folder", "moto"], indirect=True)
@pytest.mark.parametrize("replace", [False, True])
def test_what_is_read_is_the_same(object_store: NewWorkspace, replace: bool) -> None:
    url = object_store()
    run(url)
    before = open_correlations(url).load()
    made = compact(url, replace, memory_gb=1e-5)
    assert made is not None
    assert (made.first_day, made.last_day, made.start, made.stop) == (DAY, LAST, 0, 4)
    assert days_held(url) == (set() if replace else {0, 1, 2, 3})
    assert open_correlations(url).load().identical(before.assign_attrs(format=2) if replace else before)
    there = before["count"].values > 0
    np.testing.assert_array_equal(read_rows(Storage(url), [4, 1], there[[4, 1]]), before["ccf"].values[[4, 1]])
    assert compact(url, replace) is None


@ONE
@pytest.mark.parametrize("keep", ["substack", "window"])
def test_times_shorter_than_days(object_store: NewWorkspace, keep: str) -> None:
    url = object_store()
    run(url, "2024-03-02", keep=keep, substack_len=21_600.0, cc_len=7200.0, cc_step=7200.0)
    before = open_correlations(url).load()
    compact(url, replace=True)
    assert len(segments(Storage(url))) == 1
    assert open_correlations(url).load().identical(before.assign_attrs(format=2))


@ONE
def test_days_come_in_segments(object_store: NewWorkspace) -> None:
    """Later days are another segment; a day that is not done ends one."""
    url = object_store()
    run(url)
    wanted = open_correlations(url).load()
    mark = Storage(url).get("done/2024-03-03.json")
    Storage(url).delete(["done/2024-03-03.json"])
    compact(url, replace=True)
    assert [(s.first_day, s.last_day) for s in segments(Storage(url))] == [(DAY, "2024-03-02")]
    assert days_held(url) == {2, 3}
    assert compact(url) is None
    assert open_correlations(url).load().equals(wanted)
    Storage(url).put("done/2024-03-03.json", mark or b"")
    compact(url)
    assert [(s.start, s.stop, s.replaced) for s in segments(Storage(url))] == [(0, 2, True), (2, 4, False)]
    assert days_held(url) == {2, 3}
    assert open_correlations(url).load().equals(wanted)
    compact(url, replace=True)
    assert days_held(url) == set()
    assert open_correlations(url).load().equals(wanted)


@pytest.fixture(scope="module")
def two_segments(tmp_path_factory: pytest.TempPathFactory, small_objects: None) -> str:
    """A workspace with a segment in place of the first day, one beside the second, and two days by day."""
    url = str(tmp_path_factory.mktemp("segments"))
    run(url)
    for day, replace in (("2024-03-02", True), ("2024-03-03", False)):
        mark = Storage(url).get(f"done/{day}.json") or b""
        Storage(url).delete([f"done/{day}.json"])
        compact(url, replace)
        Storage(url).put(f"done/{day}.json", mark)
    return url


@settings(max_examples=15)
@given(data=st.data())
def test_any_choice_is_that_of_the_whole(two_segments: str, data: st.DataObject) -> None:
    whole = open_correlations(two_segments).load()

    def choice(n: int) -> Any:
        numbers = st.integers(-n, n - 1)
        several = st.lists(numbers, max_size=4).map(lambda chosen: np.array(chosen, int))
        forward = st.slices(n).filter(lambda chosen: (chosen.step or 1) > 0)  # of none backwards xarray makes an error
        return data.draw(st.one_of(numbers, forward, several))

    key = tuple(choice(n) for n in whole["ccf"].shape)
    xr.testing.assert_identical(open_correlations(two_segments)["ccf"][key].load(), whole["ccf"][key])
    xr.testing.assert_identical(open_correlations(two_segments)["count"][key[:2]].load(), whole["count"][key[:2]])


@ONE
def test_the_job_goes_on_and_stacks_are_the_same(object_store: NewWorkspace) -> None:
    url, plain = object_store(), object_store()
    run(plain)
    run(url, "2024-03-02")
    compact(url, replace=True)
    run(url)
    assert days_held(url) == {2, 3}
    for workspace in (url, plain):
        stack_correlations(workspace, "pws", name="s")
    made = [{k: v for k, v in objects(w, "stacks").items() if k.endswith("/0/0/0")} for w in (url, plain)]
    assert made[0] == made[1] != {}


@ONE
def test_a_day_that_is_done_again(object_store: NewWorkspace) -> None:
    url = object_store()
    run(url)
    compact(url)
    Storage(url).delete(["done/2024-03-02.json"])
    run(url)
    assert segments(Storage(url)) == []  # it might be of another result
    compact(url, replace=True)
    Storage(url).delete(["done/2024-03-02.json"])
    with pytest.raises(
        WorkspaceError, match=r"2024-03-02 was done again, and is in by_pair/.*zarr, which has replaced"
    ):
        run(url)


@ONE
def test_kills_between_any_two_writes(object_store: NewWorkspace) -> None:
    """What is read is right after each, and the next call finishes to the same bytes."""
    url = object_store()
    run(url)
    before, start = open_correlations(url).load(), objects(url, "")
    with pytest.MonkeyPatch.context() as patch:
        writes = Writes(patch)
        compact(url, replace=True, threads=1)
    wanted, names = objects(url, ""), writes.names
    made = names.index("by_pair/2024-03-01_2024-03-04.zarr/zarr.json")
    for at in range(made, len(names)):
        other = object_store()
        for key, data in start.items():
            Storage(other, create=True).put(key, data)
        with pytest.MonkeyPatch.context() as patch:
            Writes(patch, at)
            with pytest.raises(Killed):
                compact(other, replace=True, threads=1)
        assert open_correlations(other).load().equals(before), f"killed before {names[at]}"
        compact(other, replace=True)
        assert objects(other, "") == wanted, f"killed before {names[at]}"


@ONE
def test_rounding(object_store: NewWorkspace) -> None:
    url = object_store()
    run(url)
    before = open_correlations(url).load()
    compact(url)
    whole = objects(url, "by_pair/2024-03-01_2024-03-04.zarr/ccf")
    Storage(url).delete(Storage(url).keys("by_pair"))
    compact(url, replace=True, keep_bits=9)
    after = open_correlations(url).load()
    error = np.abs(after["ccf"].values / before["ccf"].values.astype(float) - 1)
    assert 0 < error.max() <= 2.0**-10
    small = objects(url, "by_pair/2024-03-01_2024-03-04.zarr/ccf")
    assert sum(map(len, small.values())) < 0.8 * sum(map(len, whole.values()))
    assert json.loads((Path(url) / segments(Storage(url))[0].card).read_text())["keep_bits"] == 9


@pytest.mark.parametrize("bits", [4, 10, 22])
def test_rounded_values_are_the_nearest(bits: int, rng: np.random.Generator) -> None:
    values = (rng.standard_normal(2000) * 10.0 ** rng.integers(-30, 30, 2000)).astype(np.float32)
    got = rounded(values.copy(), bits).astype(float)
    mantissa, exponent = np.frexp(values.astype(float))  # in [0.5, 1): bits + 1 of them
    np.testing.assert_array_equal(got, np.ldexp(np.rint(np.ldexp(mantissa, bits + 1)), exponent - bits - 1))
    odd = np.array([[0.0, -0.0, np.nan, np.inf, -np.inf]], np.float32)
    np.testing.assert_array_equal(rounded(odd.copy(), bits), odd)


@ONE
def test_what_is_refused(object_store: NewWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    url = object_store()
    with pytest.raises(WorkspaceError, match="no such workspace"):
        compact(url)
    run(url, DAY)
    for bits, replace in ((10, False), (3, True), (23, True)):
        with pytest.raises(InputError, match=f"keep_bits {bits}: 4 to 22, and only in place of the days"):
            compact(url, replace, bits)
    with monkeypatch.context() as patch:
        patch.setattr("seisloom.noise.compaction.each", None)
        with pytest.raises(TypeError):
            compact(url, True, 10)
    with pytest.raises(InputError, match="was begun with keep_bits 10 and interrupted; finish it so, or remove it"):
        compact(url, True)
    compact(url, True, 10)
    Storage(url).put(segments(Storage(url))[0].card, b'{"first_day": "2024-03-01"}')
    with pytest.raises(WorkspaceError, match=r"by_pair/.*json: damaged, it lacks 'last_day'; remove it"):
        open_correlations(url)


def test_the_command(tmp_path: Path) -> None:
    run(tmp_path / "w", "2024-03-02")
    before = stacked(open_correlations(tmp_path / "w"))
    for words in ("2024-03-01 to 2024-03-02 compacted in w\n", "nothing to compact: no finished day that is not"):
        done = command("compact", "w", "--replace", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(words)
    assert stacked(open_correlations(tmp_path / "w"))["ccf"].equals(before["ccf"])
