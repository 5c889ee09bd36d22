"""Training windows: drawn from streams, written to files, read back, ours and the published layout."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate import dataset_task
from seisloom.associate.dataset import (
    WindowSet,
    WindowSettings,
    compressed_rows,
    join,
    metadata_path,
    read_dataset,
    write_dataset,
)
from seisloom.associate.dataset_task import Simulated, window_blocks
from seisloom.associate.scenario import Scenario
from seisloom.associate.stream import Variety, stream_windows, usual_variety
from seisloom.associate.windows import FEATURES, pair_limits
from seisloom.compute import Compute
from seisloom.errors import InputError, SettingsError
from tests.association import ring_network, uniform_times

NETWORK = ring_network()
TIMES = uniform_times(NETWORK)
SETTINGS = WindowSettings(t_win_s=60.0, max_distance_km=120.0)
MADE = {"features": "relative", "seed": 5}
# Exact picks of every station: what the labels must be is then known.
EXACT = {
    "radius_min_km": 500.0, "radius_max_km": 500.0, "detection": 1.0, "s_detection": 1.0, "outlier_share": 0.0,
    "station_term_p_s": 0.0, "station_term_s_s": 0.0, "model_error": 0.0, "swap_share": 0.0, "duplicate_share": 0.0,
    "error_p_s": 0.0, "error_s_s": 0.0,
}  # fmt: skip


def stream(variety: Variety, seed: int = 1, **more: int) -> Iterator[WindowSet]:
    limits = pair_limits(NETWORK, TIMES, SETTINGS.max_distance_km)
    return stream_windows(variety, NETWORK, TIMES, limits, SETTINGS, np.random.default_rng(seed), **more)


def window_set(sizes: list[int], n_features: int = 11, seed: int = 0) -> WindowSet:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    labels = rng.integers(0, 2, offsets[-1]).astype(np.uint8)
    return WindowSet(rng.random((offsets[-1], n_features), np.float32), labels, offsets)


def assert_equal(a: WindowSet, b: WindowSet) -> None:
    for mine, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(mine, other)
        assert mine.dtype == other.dtype


# --- windows in memory


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.data())
def test_taking_windows(sizes: list[int], data: st.DataObject) -> None:
    windows = window_set(sizes)
    rows = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=10))
    taken = windows.take(np.array(rows, np.int64))
    assert taken.n_windows == len(rows)
    for k, row in enumerate(rows):
        mine, theirs = slice(*taken.offsets[k : k + 2]), slice(*windows.offsets[row : row + 2])
        np.testing.assert_array_equal(taken.features[mine], windows.features[theirs])
        np.testing.assert_array_equal(taken.labels[mine], windows.labels[theirs])


def test_join_is_undone_by_take() -> None:
    parts = [window_set([3, 1], seed=1), window_set([2, 2, 4], seed=2)]
    together = join(parts)
    assert_equal(together.take(np.arange(2)), parts[0])
    assert_equal(together.take(np.arange(2, 5)), parts[1])


def test_compressed_rows_of_none() -> None:
    offsets, rows = compressed_rows(np.array([0, 2, 5]), np.zeros(0, np.int64))
    assert offsets.tolist() == [0]
    assert rows.tolist() == []


# --- windows of streams


def test_alone_every_later_pick_is_the_same_event() -> None:
    """Events 10 minutes apart, no noise: what the windows hold are picks of one event, and all of them are labelled."""
    variety = Variety(Scenario(separation_s=600.0, duration_s=6000.0, noise_ratio=0.0, **EXACT))
    windows = next(stream(variety, windows_per_stream=10**6))
    assert windows.labels.all()
    # 10 events of 24 picks: windows of 24 down to 2 picks each (a root without a second pick gives none).
    assert sorted(windows.sizes.tolist()) == sorted(10 * list(range(2, 25)))


def test_noise_belongs_to_nothing() -> None:
    variety = Variety(Scenario(duration_s=600.0, events_per_hour=0.0, noise_per_station_hour=600.0))
    windows = next(stream(variety))
    first = np.zeros(len(windows.labels), bool)
    first[windows.offsets[:-1]] = True
    assert (windows.labels == first).all()
    assert windows.sizes.max() > 10


def test_first_row_is_the_root() -> None:
    windows = next(stream(usual_variety(120.0)))
    columns = FEATURES["relative"]
    roots = windows.features[windows.offsets[:-1]]
    assert (windows.labels[windows.offsets[:-1]] == 1).all()
    for name in ("time", "east", "north", "distance"):
        assert (roots[:, columns.index(name)] == 0).all()
    late = np.split(windows.features[:, columns.index("time")], windows.offsets[1:-1])
    assert all((np.diff(t) >= 0).all() for t in late)
    assert windows.sizes.min() >= 2


def test_few_windows_of_a_stream_are_some_of_all() -> None:
    variety = Variety(Scenario(duration_s=1800.0))
    every, some = (next(stream(variety, windows_per_stream=n)) for n in (10**9, 100))
    assert some.n_windows == 100 < every.n_windows
    known = {every.features[a:b].tobytes() for a, b in itertools.pairwise(every.offsets)}
    assert all(some.features[a:b].tobytes() in known for a, b in itertools.pairwise(some.offsets))


def test_same_seed_same_stream() -> None:
    variety = usual_variety(120.0)
    for a, b in zip(itertools.islice(stream(variety, 7), 3), stream(variety, 7), strict=False):
        assert_equal(a, b)
    other = next(stream(variety, 8))
    assert other.features.shape != next(stream(variety, 7)).features.shape


def test_streams_differ_as_told() -> None:
    variety = usual_variety(120.0, events_per_hour=(10.0, 1000.0))
    rng = np.random.default_rng(3)
    drawn = [variety.draw(rng) for _ in range(2000)]
    rate = np.array([s.events_per_hour for s in drawn])
    assert rate.min() >= 10
    assert rate.max() <= 1000
    # Uniform in the logarithm: half lie below the geometric mean, 100 (one standard deviation of the share: 1.1 %).
    assert abs((rate < 100).mean() - 0.5) < 0.04
    dead = np.array([s.dead_share for s in drawn])
    assert abs(dead.mean() - 0.15) < 0.01  # uniform from 0 to 0.3
    assert {round(s.duration_s * s.events_per_hour / 3600, 6) for s in drawn} == {60.0}


def test_probabilities_are_not_always_to_be_trusted() -> None:
    column = FEATURES["relative"].index("probability")
    sets = itertools.islice(stream(Variety(Scenario(duration_s=600.0), uninformative=0.5)), 100)
    same = [np.ptp(s.features[:, column]) == 0 for s in sets]
    assert 30 < sum(same) < 70


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"event_rate": (1.0, 2.0)}, "event_rate is no setting of a scenario"),
        ({"noise_ratio": (2.0, 1.0)}, "noise_ratio runs from 2 to 1"),
        ({"events_per_hour": (0.0, 1.0)}, "events_per_hour is 0: no stream has 60 events"),
    ],
)
def test_impossible_ranges(ranges: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Variety(ranges=ranges, events_per_stream=60.0)


@pytest.mark.parametrize("change", [{"features": "none"}, {"t_win_s": 0.0}, {"n_max_picks": 1}, {"slack_s": -1.0}])
def test_impossible_windows(change: dict) -> None:
    with pytest.raises(InputError):
        WindowSettings(**change)


# --- files


def test_what_is_written_is_read(tmp_path: Path) -> None:
    x, y = tmp_path / "train_X.npy", tmp_path / "train_Y.npy"
    parts = [window_set([3, 1, 5], seed=1), window_set([2, 2, 4], seed=2), window_set([9], seed=3)]
    told: list[int] = []
    write_dataset(x, y, 5, iter(parts), MADE, told.append)
    windows, made = read_dataset(x, y)
    assert_equal(WindowSet(*map(np.asarray, windows)), join(parts).take(np.arange(5)))
    assert told == [3, 5]
    assert made["n_windows"] == 5
    assert made["seed"] == 5
    assert np.load(x).shape == (13, 11)
    # Bit 1 is set where a window begins.
    assert np.flatnonzero(np.load(y) & 2).tolist() == [0, 3, 4, 9, 11]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["train_X.json", "train_X.npy", "train_Y.npy"]


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    variety = usual_variety(120.0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_dataset(tmp_path / name / "X.npy", tmp_path / name / "Y.npy", 300, stream(variety, 4), MADE)
    for file in ("X.npy", "Y.npy", "X.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    one = window_set([100] * 200)  # 0.9 MB of features
    tracemalloc.start()
    write_dataset(tmp_path / "X.npy", tmp_path / "Y.npy", 200 * 60, itertools.repeat(one), MADE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "X.npy").stat().st_size > 50e6
    assert peak < 5e6


class Broken(Exception):
    pass


def breaks_after(n: int, error: type[BaseException]) -> Iterator[WindowSet]:
    for _ in range(n):
        yield window_set([4, 4])
    raise error


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_interrupted_writing_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        write_dataset(tmp_path / "X.npy", tmp_path / "Y.npy", 100, breaks_after(3, error), MADE)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_writing_leaves_what_was_there(tmp_path: Path) -> None:
    x, y = tmp_path / "X.npy", tmp_path / "Y.npy"
    write_dataset(x, y, 6, itertools.repeat(window_set([2, 3])), MADE)
    before = [path.read_bytes() for path in (x, y, metadata_path(x))]
    with pytest.raises(Broken):
        write_dataset(x, y, 100, breaks_after(3, Broken), MADE)
    assert [path.read_bytes() for path in (x, y, metadata_path(x))] == before


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no windows in it"):
        write_dataset(tmp_path / "X.npy", tmp_path / "Y.npy", 5, iter([]), MADE)
    with pytest.raises(InputError, match=r"none.*cannot write the training set: No such file"):
        write_dataset(tmp_path / "none" / "X.npy", tmp_path / "Y.npy", 5, iter([window_set([2])]), MADE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("x_type", "y_type"), [("f8", "i4"), ("f4", "u1")])
def test_published_files_lose_their_padding(tmp_path: Path, x_type: str, y_type: str) -> None:
    picks = window_set([4, 1, 3], n_features=5)
    picks.features[:, 4] = 1.0
    dense_x, dense_y = np.zeros((4, 6, 5), x_type), np.zeros((4, 6), y_type)
    for k, (a, b) in enumerate(itertools.pairwise(picks.offsets)):
        dense_x[k, : b - a], dense_y[k, : b - a] = picks.features[a:b], picks.labels[a:b]
    # The last window has no picks at all: it is left out.
    np.save(tmp_path / "X.npy", dense_x)
    np.save(tmp_path / "Y.npy", dense_y)
    windows, made = read_dataset(tmp_path / "X.npy", tmp_path / "Y.npy")
    assert made == {}
    assert_equal(windows, picks)


def damaged(folder: Path, kind: str) -> tuple[Path, Path]:
    x, y = folder / "X.npy", folder / "Y.npy"
    write_dataset(x, y, 6, itertools.repeat(window_set([2, 3])), MADE)
    if kind == "no X":
        x.unlink()
    elif kind == "cut":
        x.write_bytes(x.read_bytes()[:-100])
    elif kind == "text":
        y.write_text("1 0 1\n")
    elif kind == "no json":
        metadata_path(x).unlink()
    elif kind == "bad json":
        metadata_path(x).write_text("{")
    elif kind == "list":
        metadata_path(x).write_text("[]")
    elif kind == "other run":
        np.save(y, np.concatenate([[3, 1, 1], np.load(y)[3:]]).astype(np.uint8))
    elif kind == "lengths":
        np.save(y, np.load(y)[:-1])
    elif kind == "float Y":
        np.save(y, np.load(y).astype(float))
    elif kind == "dense":
        np.save(x, np.zeros((4, 6, 7)))
    elif kind == "dense without picks":
        np.save(x, np.zeros((4, 6, 5)))
        np.save(y, np.zeros((4, 6)))
    elif kind == "objects":
        np.save(y, np.array([{}], object), allow_pickle=True)
    elif kind == "archive":
        with y.open("wb") as file:
            np.savez(file, a=np.zeros(3))
    return x, y


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no X", "X.npy: no such training set; write one first"),
        ("cut", "X.npy: not a complete .npy array"),
        ("text", "Y.npy: not a complete .npy array"),
        ("objects", "Y.npy: not a complete .npy array"),
        ("archive", "Y.npy: an archive of arrays"),
        ("no json", "X.json: not there, so that .*X.npy is not complete"),
        ("bad json", "X.json: not JSON"),
        ("list", "X.json: holds a list; an object is expected"),
        ("other run", "5 windows of 15 picks, and .*X.json says 6 of 15: the files are of different runs"),
        ("lengths", r"arrays \(15, 11\) float32 and \(14,\) uint8"),
        ("float Y", r"and \(15,\) float64"),
        ("dense", r"arrays \(4, 6, 7\) and \(15,\); \(window, n_max_picks, 5\)"),
        ("dense without picks", "no picks in it"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_dataset(*damaged(tmp_path, kind))


def test_the_facts_are_json(tmp_path: Path) -> None:
    write_dataset(tmp_path / "X.npy", tmp_path / "Y.npy", 1, iter([window_set([2])]), {"stations": ["A.B"]})
    found = json.loads(metadata_path(tmp_path / "X.npy").read_text())
    assert found["stations"] == ["A.B"]
    assert {"n_windows", "n_picks", "seisloom_version", "numpy_version"} <= set(found)


def test_blocks_of_windows_are_the_same_on_any_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_task, "_STREAMS", 2)
    limits = pair_limits(NETWORK, TIMES, SETTINGS.max_distance_km)
    simulated = Simulated(usual_variety(120.0), NETWORK, TIMES, limits, SETTINGS, 7)
    serial = list(window_blocks(simulated, 2000, Compute()))
    assert len(serial) >= 3
    assert sum(one.n_windows for one in serial[:-1]) < 2000 <= sum(one.n_windows for one in serial)
    assert len({one.features[:100].tobytes() for one in serial}) == len(serial)
    monkeypatch.undo()
    engines = [list(window_blocks(simulated, 6000, Compute(kind, workers=2))) for kind in ("serial", "processes")]
    assert len(engines[0]) == len(engines[1]) >= 2
    for one, other in zip(*engines, strict=True):
        assert_equal(one, other)
