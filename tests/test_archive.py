"""The archive as others read it: layout, coordinates, attributes, what is empty, how it lies in the store."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import seisloom
from seisloom.config import CorrelationSettings
from seisloom.errors import WorkspaceError
from seisloom.geo import distance_azimuth
from seisloom.noise import archive
from seisloom.noise.archive import (
    CORRELATIONS,
    ArchiveWriter,
    create_archive,
    extend_times,
    held_times,
    open_archive,
    open_correlations,
    open_stacks,
)
from seisloom.noise.pipeline import correlate
from seisloom.noise.select import mean_over_time
from seisloom.noise.stacking import stack_correlations
from seisloom.stations import channel_ids
from seisloom.storage import Storage
from seisloom.waveforms import Record, Segment
from tests.jobs import DAY, DAY_START, RATE, channel_table, noise, noise_source, objects, small_settings

CONVENTIONS = (Path(__file__).parents[1] / "docs" / "conventions.md").read_text(encoding="utf-8")


def documented() -> dict[str, tuple[str, ...]]:
    """Dimensions of every variable in the table of docs/conventions.md."""
    section = CONVENTIONS.split("## The archive")[1].split("Attributes:")[0]
    out = {}
    for row in re.findall(r"^\| (`.*?) \| (.*?) \|", section, re.MULTILINE):
        names, dims = (cell.split(" (")[0] for cell in row)
        found = re.findall(r"`(\w+)`", names)
        out |= {name: tuple(dims.split(", ")) for name in found if not name.startswith("_")}
        if "`_b`" in names:
            out |= {re.sub(r"_a(?=_|$)", "_b", name): tuple(dims.split(", ")) for name in found if "_a" in name}
    return out


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of four channels, one of which has nothing on the second."""
    folder = tmp_path_factory.mktemp("archive")
    source = noise_source(4, 2)
    del source.held[channel_ids(source.table)[3], DAY_START + 86_400 * 10**9]
    correlate(source.table, small_settings(), source, folder, DAY, "2024-03-02")
    return folder


def test_xarray_reads_what_the_conventions_say(workspace: Path) -> None:
    data = xr.open_zarr(workspace / CORRELATIONS, consolidated=False)
    wanted = documented()
    assert len(wanted) > 18
    assert {str(name): data[name].dims for name in data.variables} == wanted
    assert set(data.data_vars) == {"ccf", "count"}
    assert data.ccf.dtype == np.float32
    assert data.day.values.tolist() == pd.date_range(DAY, periods=2, unit="ns").asi8.tolist()
    assert np.issubdtype(data.day.dtype, np.datetime64)
    assert data.lag.attrs["units"] == "s"
    assert data.lag.values.tolist() == [k / 4 for k in range(-120, 121)]
    assert data.pair.values[0] == "XX.S00..MHZ_XX.S01..MHZ"


def test_attributes_say_units_sign_settings_and_version(workspace: Path) -> None:
    data = xr.open_zarr(workspace / CORRELATIONS, consolidated=False)
    named = re.findall(r"`(\w+)`", CONVENTIONS.split("Attributes: ")[1].split("\n\n")[0])
    assert set(named) - {"ccf"} == {*data.attrs, *data.ccf.attrs} - {"long_name"}
    assert "energy that travels from A to B is at positive lag" in data.attrs["sign_convention"]
    assert CorrelationSettings(**json.loads(data.attrs["settings"])) == small_settings()
    assert data.attrs["seisloom_version"] == seisloom.__version__


def test_coordinates_are_those_of_the_channels(workspace: Path) -> None:
    data, table = open_correlations(workspace), channel_table(4).set_index("station")
    for pair in range(6):
        one = data.isel(pair=pair)
        ends = [table.loc[str(one[f"channel_{end}"].values).split(".")[1]] for end in "ab"]
        assert str(one.pair.values) == f"{one.channel_a.values}_{one.channel_b.values}"
        for end, row in zip("ab", ends, strict=True):
            assert float(one[f"latitude_{end}"]) == row.latitude
            assert float(one[f"longitude_{end}"]) == row.longitude
            assert float(one[f"elevation_{end}_m"]) == row.elevation_m
            assert float(one[f"sensor_azimuth_{end}_deg"]) == 0
            assert float(one[f"sensor_dip_{end}_deg"]) == -90
        wanted = distance_azimuth(ends[0].latitude, ends[0].longitude, ends[1].latitude, ends[1].longitude)
        found = [float(one[name]) for name in ("distance_km", "azimuth_deg", "back_azimuth_deg")]
        assert found == pytest.approx([float(v) for v in wanted], rel=1e-12)
        assert 30 < found[1] < 45  # to the north-east
        assert 210 < found[2] < 225


def test_what_is_not_there_is_nan_and_counts_nothing(workspace: Path) -> None:
    data = open_correlations(workspace).load()
    lost = (data.channel_b == "XX.S03..MHZ").values
    assert lost.sum() == 3
    assert data["count"].values.tolist() == [[96, 0 if gone else 96] for gone in lost]
    assert np.isnan(data.ccf.values[lost, 1]).all()
    assert np.isfinite(data.ccf.values[~lost]).all()
    assert np.isfinite(data.ccf.values[:, 0]).all()


def test_names_are_plain_strings(workspace: Path) -> None:
    data = open_correlations(workspace)
    assert data.sel(pair="XX.S01..MHZ_XX.S02..MHZ").ccf.shape == (2, 241)
    assert {type(name) for name in data.channel_a.values} == {str}
    data.isel(pair=[0]).to_netcdf(workspace / "pair.nc", engine="h5netcdf")


def test_a_shard_is_many_pairs_of_one_day(workspace: Path) -> None:
    keys = [key for key in objects(workspace) if key.startswith(f"{CORRELATIONS}/ccf/c/")]
    assert keys == [f"{CORRELATIONS}/ccf/c/0/0/0", f"{CORRELATIONS}/ccf/c/0/1/0"]


def test_shards_of_a_large_archive(tmp_path: Path) -> None:
    """A thousand stations: shards of some 16 MB, read in chunks of some 256 kB."""
    pairs = pd.DataFrame({"pair": [f"p{k}" for k in range(20_000)]})
    group = create_archive(
        Storage(tmp_path), "a.zarr", pairs, np.arange(-1200, 1201) / 10, pd.date_range(DAY, periods=3)
    )
    ccf = group["ccf"]
    assert ccf.shape == (20_000, 3, 2401)
    assert ccf.chunks == (27, 1, 2401)
    assert ccf.shards[1:] == (1, 2401)
    assert ccf.shards[0] % 27 == 0
    assert 12e6 < ccf.shards[0] * 2401 * 4 < 16.8e6
    writer = ArchiveWriter(group, slice(1, 2))
    for k in range(0, 4000, 1000):
        writer.append(np.full((1000, 1, 2401), k, np.float32))
    writer.close()
    assert sorted(key for key in objects(tmp_path, "a.zarr/ccf/c")) == [f"a.zarr/ccf/c/{k}/1/0" for k in range(3)]
    assert ccf[:, 1, 5].tolist() == pytest.approx(
        [*np.repeat([0, 1000, 2000, 3000], 1000), *[np.nan] * 16_000], nan_ok=True
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 2))
def test_blocks_of_any_size_are_written_in_order(sizes: list[int], day: int) -> None:
    n = sum(sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "CHUNK_BYTES", 4 * 5 * 7)
        patch.setattr(archive, "SHARD_BYTES", 4 * 5 * 7 * 3)
        pairs = pd.DataFrame({"pair": [str(k) for k in range(n)]})
        group = create_archive(Storage("memory:///"), "a", pairs, np.arange(5.0), pd.date_range(DAY, periods=3))
    assert group["ccf"].shards[0] == min(21, -(-n // min(n, 7)) * min(n, 7))
    values = np.random.default_rng(n).normal(size=(n, 1, 5)).astype(np.float32)
    writer = ArchiveWriter(group, slice(day, day + 1))
    for block in np.split(values, np.cumsum(sizes)[:-1]):
        writer.append(block)
    writer.close()
    assert np.array_equal(group["ccf"][:, day : day + 1], values)
    assert np.isnan(np.delete(group["ccf"][:], day, axis=1)).all()


# --- sub-stacks and windows ---


@pytest.mark.parametrize("keep", ["substack", "window"])
@pytest.mark.parametrize("measure", ["cc", "pcc"])
def test_parts_of_a_day_add_up_to_the_day(tmp_path: Path, keep: str, measure: str) -> None:
    chosen = {"cc_step": 450.0, "measure": measure, "whiten": "none" if measure == "pcc" else "phase"}
    source = noise_source(3, 2)
    name = channel_ids(source.table)[1]
    source.held[name, DAY_START] = Record([Segment(DAY_START, RATE, noise(1, DAY_START)[:200_000])])
    for kept in ("day", keep):
        wanted = small_settings(keep=kept, substack_len=5000.0, **chosen)
        correlate(source.table, wanted, source, tmp_path / kept, DAY, "2024-03-02")
    whole, parts = (open_correlations(tmp_path / kept).load() for kept in ("day", keep))
    starts = np.arange(191) * 450.0
    if keep == "substack":
        starts = np.array([starts[starts // 5000 == k][0] for k in range(18)])
    times = DAY_START + (np.array([0, 86_400])[:, None] + starts).ravel() * 1e9
    assert parts.time.values.astype(int).tolist() == times.astype(int).tolist()
    assert parts.ccf.dims == ("pair", "time", "lag")
    count = parts["count"].values.reshape(3, 2, -1)
    assert count.sum(axis=2).tolist() == whole["count"].values.tolist()
    assert (count[:, 1].sum(axis=1) == 191).all()
    assert np.isnan(parts.ccf.values[parts["count"].values == 0]).all()
    values = np.nan_to_num(parts.ccf.values.astype(float)).reshape(3, 2, -1, 241)
    mean = np.einsum("pdt,pdtl->pdl", count, values) / count.sum(axis=2)[..., None]
    assert whole.ccf.values == pytest.approx(mean, abs=3e-6 * np.abs(mean).max())
    if keep == "window":
        assert set(np.unique(count)) == {0, 1}


def test_the_last_sub_stack_of_a_day_is_shorter(tmp_path: Path) -> None:
    source = noise_source(2, 1)
    correlate(source.table, small_settings(keep="substack", substack_len=50_000.0), source, tmp_path, DAY)
    data = open_correlations(tmp_path)
    assert data["count"].values.tolist() == [[56, 40]]
    assert [f"{pd.Timestamp(t):%H:%M}" for t in data.time.values] == ["00:00", "14:00"]


def test_mean_over_time_is_weighted(workspace: Path) -> None:
    data = open_correlations(workspace)
    mean = mean_over_time(data)
    assert mean.ccf.values[0] == pytest.approx(data.ccf.values[0].mean(axis=0), abs=1e-7)
    assert np.array_equal(mean.ccf.values[2], data.ccf.values[2, 0])  # XX.S03 has one day


# --- growing, and opening what is not there ---


def test_the_axis_of_times_grows_beyond_a_chunk(tmp_path: Path) -> None:
    storage, pairs = Storage(tmp_path), pd.DataFrame({"pair": ["a_b"]})
    times = pd.date_range(DAY, periods=9000)
    group = create_archive(storage, "a.zarr", pairs, np.arange(-1.0, 2.0), times[:2])
    group["count"][0, 1], group["ccf"][0, 1] = 7, [1, 2, 3]
    extend_times(group, times)
    assert held_times(group) == (9000, 9000)
    data = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    assert np.array_equal(data.day.values, times.as_unit("ns").values)
    assert data.ccf[0, 1].values.tolist() == [1, 2, 3]
    assert data["count"][0, :3].values.tolist() == [0, 7, 0]


def test_an_archive_is_there_when_it_is_whole(tmp_path: Path) -> None:
    storage, pairs = Storage(tmp_path), pd.DataFrame({"pair": ["a_b"], "distance_km": [3.0]})
    assert open_archive(storage, "a.zarr") is None
    create_archive(storage, "a.zarr", pairs, np.arange(-1.0, 2.0), pd.date_range(DAY, periods=2))
    assert open_archive(storage, "a.zarr") is not None
    storage.delete(["a.zarr/zarr.json"])
    assert open_archive(storage, "a.zarr") is None


def test_what_is_not_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"nowhere: no such workspace"):
        open_correlations(tmp_path / "nowhere")
    with pytest.raises(WorkspaceError, match=r"holds no correlations\.zarr; run seisloom correlate first"):
        open_correlations(tmp_path)
    with pytest.raises(WorkspaceError, match=r"no stack linear_all \(there are: none\); run seisloom stack"):
        open_stacks(tmp_path, "linear_all")


def test_a_stack_has_the_same_layout(workspace: Path) -> None:
    stack_correlations(workspace, "linear", "all")
    data = xr.open_zarr(workspace / "stacks/linear_all.zarr", consolidated=False)
    days = xr.open_zarr(workspace / CORRELATIONS, consolidated=False)
    assert data.ccf.dims == ("pair", "period", "lag")
    assert data.snr.dims == data["count"].dims == ("pair", "period")
    assert set(data.coords) == {"period" if name == "day" else name for name in days.coords}
    assert {"method", "method_options"} <= set(data.attrs)
    assert data.period.values.tolist() == [DAY_START]


def test_datasets_are_read_when_used_and_not_by_dask(workspace: Path) -> None:
    """Whether Dask is installed or not."""
    data = open_correlations(workspace)
    assert all(data[name].chunks is None for name in data.variables)
    stack_correlations(workspace)
    assert open_stacks(workspace)["ccf"].chunks is None
