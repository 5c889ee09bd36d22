"""Stacks of a workspace: which days go together, with which weights, under which name."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from seisloom.compute import ComputeError
from seisloom.config import CorrelationSettings
from seisloom.errors import InputError, WorkspaceError
from seisloom.noise import archive, stack_task
from seisloom.noise.archive import CORRELATIONS, create_archive, open_correlations, open_stacks, stack_names
from seisloom.noise.pairs import channel_pairs, pair_table
from seisloom.noise.pipeline import correlate
from seisloom.noise.snr import snr
from seisloom.noise.stack import METHODS, stack
from seisloom.noise.stack_pace import StackPace
from seisloom.noise.stack_wanted import period_groups
from seisloom.noise.stacking import stack_correlations
from seisloom.storage import Storage
from tests.jobs import DAY, channel_table, network, noise_source, objects, small_settings

FIRST, N_DAYS = pd.Timestamp("2023-12-27"), 40  # a Wednesday; into February
LAG = np.arange(-40, 41) / 4.0


def fill(workspace: Path, time_name: str = "day", n: int = N_DAYS, step: str = "D") -> None:
    """An archive of six pairs of random rows and counts: days without data, and one with rows but no windows."""
    rng, channels = np.random.default_rng(5), channel_table(4)
    pairs = pair_table(channels, channel_pairs(channels, small_settings()))
    times = pd.date_range(FIRST, periods=n, freq=step)
    attributes = {"settings": CorrelationSettings().model_dump_json()}
    group = create_archive(
        Storage(workspace, create=True), CORRELATIONS, pairs, LAG, times, time_name, 1, attributes, "m"
    )
    ccf = (rng.normal(size=(6, n, 81)) + np.exp(-((LAG - 3) ** 2))).astype(np.float32)
    count = rng.integers(1, 97, (6, n)).astype(np.int32)
    count[1, 3:9] = count[:, 11] = count[2] = 0
    ccf[count == 0] = np.nan
    ccf[3, 20], count[3, 20] = 1e6, 0  # as a run leaves it that was killed before it wrote the counts
    group["ccf"][:], group["count"][:] = ccf, count


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("days")
    fill(folder)
    return folder


# What period a day belongs to, as a date that the period's days share; and the period's first day.
PERIODS: dict[str, Callable[[pd.Timestamp], pd.Timestamp]] = {
    "all": lambda day: FIRST,
    "day": lambda day: day,
    "week": lambda day: pd.Timestamp.fromisocalendar(*day.isocalendar()[:2], 1),
    "month": lambda day: pd.Timestamp(day.year, day.month, 1),
    "3 days": lambda day: FIRST + pd.Timedelta(days=(day - FIRST).days // 3 * 3),
    "1 day": lambda day: day,
    "10d": lambda day: FIRST + pd.Timedelta(days=(day - FIRST).days // 10 * 10),
}


@pytest.mark.parametrize("period", PERIODS)
def test_linear_stack_is_the_mean_weighted_by_windows(days: Path, period: str) -> None:
    name = stack_correlations(days, "linear", period)
    assert name == f"linear_{period.replace(' ', '')}"
    found, rows = open_stacks(days, name).load(), open_correlations(days).load()
    starts = sorted({PERIODS[period](pd.Timestamp(day)) for day in rows.day.values})
    assert found.period.values.tolist() == [np.datetime64(s, "ns").astype(int) for s in starts]
    for k, begin in enumerate(starts):
        mine = [i for i, day in enumerate(rows.day.values) if PERIODS[period](pd.Timestamp(day)) == begin]
        weight = rows["count"].values[:, mine].astype(float)
        values = np.where(weight[..., None] > 0, rows.ccf.values[:, mine], 0).astype(float)
        total = weight.sum(axis=1)
        with np.errstate(invalid="ignore"):
            wanted = np.einsum("pt,ptl->pl", weight, values) / total[:, None]
        assert found.ccf.values[:, k] == pytest.approx(wanted, rel=1e-5, abs=1e-6, nan_ok=True)
        assert found["count"].values[:, k].tolist() == total.tolist()
    assert np.isnan(found.ccf.values[2]).all()
    assert found["count"].values[2].sum() == 0


@pytest.mark.parametrize("method", METHODS)
def test_every_method_stacks_a_workspace(days: Path, method: str) -> None:
    name = stack_correlations(days, method, "month")
    found, rows = open_stacks(days, name).load(), open_correlations(days).load()
    assert found.attrs["method"] == method
    assert set(json.loads(found.attrs["method_options"])) == set(METHODS[method].options)
    for k, mine in enumerate([slice(0, 5), slice(5, 36), slice(36, 40)]):
        wanted = stack(rows.ccf.values[:, mine], method, weights=rows["count"].values[:, mine], lag=rows.lag.values)
        assert np.array_equal(found.ccf.values[:, k], wanted, equal_nan=True)
    ratio = snr(found.ccf.values, found.lag.values, found.distance_km.values[:, None])
    assert np.array_equal(found.snr.values, ratio.astype(np.float32), equal_nan=True)
    assert np.isfinite(found.snr.values[[0, 1, 3, 4, 5]]).all()
    assert np.isnan(found.snr.values[2]).all()


def test_options_reach_the_method_and_are_kept(days: Path) -> None:
    stack_correlations(days, "pws", name="sharp", power="4")
    stack_correlations(days, "pws", name="plain", power=0)
    stack_correlations(days, "linear")
    sharp, plain, linear = (open_stacks(days, name).load() for name in ("sharp", "plain", "linear_all"))
    assert json.loads(sharp.attrs["method_options"])["power"] == 4.0
    assert plain.ccf.values == pytest.approx(linear.ccf.values, abs=1e-6, nan_ok=True)
    assert not np.allclose(sharp.ccf[0], plain.ccf[0])


def test_sub_stacks_of_a_day_go_together(tmp_path: Path) -> None:
    fill(tmp_path, "time", 24, "6h")
    stack_correlations(tmp_path, "linear", "day")
    found, rows = open_stacks(tmp_path).load(), open_correlations(tmp_path).load()
    assert found.period.values.tolist() == pd.date_range(FIRST, periods=6, unit="ns").asi8.tolist()
    assert found["count"].values.tolist() == rows["count"].values.reshape(6, 6, 4).sum(axis=2).tolist()


def test_blocks_of_pairs_change_nothing_and_are_counted(days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack_correlations(days, "robust", name="whole")
    monkeypatch.setattr(stack_task, "BLOCK_BYTES", 4 * N_DAYS * 81 * 4)
    steps: list[tuple[int, int]] = []
    stack_correlations(days, "robust", name="blocks", progress=lambda *step: steps.append(step))
    assert steps == [(4, 6), (6, 6)]
    xr.testing.assert_identical(open_stacks(days, "blocks").load(), open_stacks(days, "whole").load())


@pytest.mark.parametrize("period", ["all", "10 days"])
def test_workers_make_the_same_bytes(days: Path, monkeypatch: pytest.MonkeyPatch, period: str) -> None:
    for size in ("CHUNK_BYTES", "SHARD_BYTES"):
        monkeypatch.setattr(archive, size, 4 * 81 * 2)  # two pairs, or one
    some = ["*S00*", "*S01*"]
    for name, compute in (("here", "serial"), ("there", "processes")):
        told = Mock()
        stack_correlations(days, "pws", period, some, name=name, progress=told, compute=compute, workers=2)
        told.assert_called_with(5, 5)
    here, there = (objects(days, f"stacks/{name}.zarr") for name in ("here", "there"))
    assert {key.replace("/here.", "/there."): data for key, data in here.items()} == there
    assert sum("/ccf/c/" in key for key in there) > 1


@pytest.mark.parametrize("method", ["robust-pws", "tf-pws"])
@pytest.mark.parametrize("each", [1, 3, 4])
def test_parts_of_a_shard_make_the_same_bytes(
    days: Path, monkeypatch: pytest.MonkeyPatch, method: str, each: int
) -> None:
    """Five pairs in shards of four: parts of a shard come back to be written together."""
    for size in ("CHUNK_BYTES", "SHARD_BYTES"):
        monkeypatch.setattr(archive, size, 4 * 81 * 4)
    monkeypatch.setattr(StackPace, "pairs_a_task", lambda *_: each)
    for name, compute in (("whole", "serial"), ("parts", "processes")):
        stack_correlations(days, method, "all", ["*S00*", "*S01*"], name=name, compute=compute, workers=2)
    whole, parts = (objects(days, f"stacks/{name}.zarr") for name in ("whole", "parts"))
    assert {key.replace("/whole.", "/parts."): data for key, data in whole.items()} == parts
    assert sum("/ccf/c/" in key for key in parts) == 2


def test_a_block_that_cannot_be_stacked_is_named(days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of no account")

    monkeypatch.setattr(stack_task, "stack", fail)
    with pytest.raises(ComputeError, match=r"pairs 1 to 6: given up after 3 tries: ZeroDivisionError: of no account"):
        stack_correlations(days, name="broken")
    assert "broken" not in stack_names(Storage(days))


# --- pairs and names ---


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["XX.S00_XX.S02"], [1]),
        (["XX.S01..MHZ_XX.S03..MHZ"], [4]),
        (["XX.S00*"], [0, 1, 2]),
        (["*_XX.S03", "XX.S00_XX.S0?"], [0, 1, 2, 4, 5]),
        (None, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_pairs_are_chosen_by_name_and_pattern(days: Path, patterns: list[str] | None, chosen: list[int]) -> None:
    found = open_stacks(days, stack_correlations(days, pairs=patterns, name="some"))
    rows = open_correlations(days)
    assert found.pair.values.tolist() == rows.pair.values[chosen].tolist()
    for column in ("channel_a", "latitude_b", "elevation_a_m", "distance_km", "sensor_dip_b_deg"):
        assert found[column].values.tolist() == rows[column].values[chosen].tolist()


def test_the_newest_is_opened_unless_one_is_named(tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(WorkspaceError, match=r"no stack .*there are: none.*run seisloom stack"):
        open_stacks(tmp_path)
    for method in ("pws", "linear", "robust"):
        stack_correlations(tmp_path, method)
        assert open_stacks(tmp_path).attrs["method"] == method
    stack_correlations(tmp_path, "linear", name="a.zarr-like_name")
    assert stack_names(Storage(tmp_path)) == ["a.zarr-like_name", "linear_all", "pws_all", "robust_all"]
    assert open_stacks(tmp_path, "pws_all").attrs["method"] == "pws"
    with pytest.raises(WorkspaceError, match=r"no stack pws_week \(there are: a\.zarr-like_name, linear_all, pws_all"):
        open_stacks(tmp_path, "pws_week")


def test_made_again_it_is_replaced_whole(tmp_path: Path) -> None:
    fill(tmp_path)
    stack_correlations(tmp_path, "pws", "day", name="mine")
    stack_correlations(tmp_path, "linear", "all", ["XX.S00_XX.S01"], name="mine")
    stack_correlations(tmp_path, "linear", "all", ["XX.S00_XX.S01"], name="fresh")
    again, fresh = (
        {key.split("/", 2)[2]: value for key, value in objects(tmp_path, f"stacks/{name}.zarr").items()}
        for name in ("mine", "fresh")
    )
    assert again == fresh


def test_an_unfinished_stack_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    stack_correlations(tmp_path, "linear")
    stack_correlations(tmp_path, "pws")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stack_correlations(tmp_path, "pws", progress=stop)
    assert stack_names(Storage(tmp_path)) == ["linear_all"]
    assert open_stacks(tmp_path).attrs["method"] == "linear"


def test_units_settings_and_sign_are_handed_on(days: Path) -> None:
    stack_correlations(days, name="attributes")
    found, rows = open_stacks(days, "attributes"), open_correlations(days)
    assert found.ccf.attrs["units"] == rows.ccf.attrs["units"] == "m"
    for name in ("settings", "sign_convention", "seisloom_version"):
        assert found.attrs[name] == rows.attrs[name]
    assert found.ccf.dims == ("pair", "period", "lag")
    assert found["count"].dims == found.snr.dims == ("pair", "period")


# --- rotation ---


def test_nine_components_are_turned_and_named(tmp_path: Path) -> None:
    source = network("stations=3,rate=4,seed=6,components=ZNE")
    settings = small_settings(components="all", cc_len=1800, cc_step=1800)
    correlate(source.table, settings, source, tmp_path, DAY, "2024-03-02")
    name = stack_correlations(tmp_path, "linear", "day", rotate=True)
    assert name == "linear_day_RTZ"
    found = open_stacks(tmp_path).load()
    assert found.sizes == {"pair": 27, "period": 2, "lag": 241}
    assert sorted(p[-1] for p in found.channel_a.values) == sorted("RTZ" * 9)
    plain = open_stacks(tmp_path, stack_correlations(tmp_path, "linear", "day")).load()
    vertical = [p for p in plain.pair.values if p.count("MHZ") == 2]
    assert np.array_equal(found.sel(pair=vertical).ccf, plain.sel(pair=vertical).ccf)
    assert np.isfinite(found.snr.values).all()
    assert (found["count"].values == 48).all()


def test_one_component_cannot_be_turned(tmp_path: Path) -> None:
    source = noise_source(3, 1)
    correlate(source.table, small_settings(), source, tmp_path, DAY)
    with pytest.raises(InputError, match="nine pairs of components are needed"):
        stack_correlations(tmp_path, rotate=True)
    assert stack_names(Storage(tmp_path)) == []


# --- what is refused ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "linaer"}, r"'linaer' is unknown \(did you mean 'linear'\?\)"),
        ({"method": "pws", "powr": 2}, "has no option 'powr'"),
        ({"method": "pws", "power": "many"}, "a number is expected"),
        ({"period": "fortnight"}, r"period 'fortnight': use all, day, week, month"),
        ({"period": "0 days"}, r"period '0 days': at least one day"),
        ({"name": "a/b"}, "stack name 'a/b'"),
        ({"pairs": ["XX.S00_XX.S09"]}, r"unknown 'XX\.S09'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_stacked_is_refused_with_what_can(days: Path, changes: dict, words: str) -> None:
    before = stack_names(Storage(days))
    with pytest.raises(InputError, match=words):
        stack_correlations(days, **changes)
    assert stack_names(Storage(days)) == before


def test_no_correlations_no_stack(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"no such workspace"):
        stack_correlations(tmp_path / "nothing")
    with pytest.raises(WorkspaceError, match=r"holds no correlations\.zarr; run seisloom correlate first"):
        stack_correlations(tmp_path)


def test_periods_without_days_are_left_out() -> None:
    times = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-03-01"])
    groups = period_groups(times, "month")
    assert [(str(start.date()), i.tolist()) for start, i in groups] == [("2024-01-01", [0, 1]), ("2024-03-01", [2])]


def test_a_name_that_is_used_again_is_used_without_a_word(tmp_path: Path) -> None:
    source = noise_source(2, 1)
    correlate(source.table, small_settings(), source, tmp_path, DAY)
    stack_correlations(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stack_correlations(tmp_path)
        assert "snr" in open_stacks(tmp_path).load()
