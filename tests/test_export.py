"""Exports are read back by the tools they are for: NumPy, xarray, ObsPy, h5py."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import obspy
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from obspy.geodetics import gps2dist_azimuth
from obspy.io.sac import SACTrace
from typer.testing import CliRunner

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError
from seisloom.export import FORMATS, export
from seisloom.export.mseed import code
from seisloom.export.sac import stamps
from seisloom.geo import distance_azimuth

CHANNELS = {
    "CI.CCA..BHZ": (35.1525, -118.0165, 712.0),
    "CI.HEC.00.BHZ": (34.8294, -116.3350, 920.0),
    "NZ.LONGSTAT.10.HHR": (-41.3, 174.7, 5.0),
}
PAIRS = [("CI.CCA..BHZ", "CI.HEC.00.BHZ"), ("CI.CCA..BHZ", "NZ.LONGSTAT.10.HHR"), ("CI.HEC.00.BHZ",) * 2]
NAMES = ["_".join(pair) for pair in PAIRS]
SETTINGS = CorrelationSettings(fs=20.0, maxlag=5.0, time_norm="one-bit")


def correlations(ccf: np.ndarray, times: np.ndarray | None = None, dim: str = "day", fs: float = 20.0) -> xr.Dataset:
    """A dataset as docs/conventions.md has it, of the pairs of PAIRS over and over."""
    n_pair, n_time, n_lag = ccf.shape
    if times is None:
        times = np.datetime64("2019-12-31", "ns") + np.arange(n_time) * np.timedelta64(1, "D")
    a, b = zip(*(PAIRS[i % len(PAIRS)] for i in range(n_pair)), strict=True)
    places = {end: np.array([CHANNELS[name] for name in ids]) for end, ids in (("a", a), ("b", b))}
    distance, azimuth, back = distance_azimuth(*places["a"].T[:2], *places["b"].T[:2])
    coords: dict = {dim: times, "lag": (np.arange(n_lag) - n_lag // 2) / fs}
    coords["pair"] = [
        f"{x}_{y}" + ("" if i < len(PAIRS) else str(i)) for i, (x, y) in enumerate(zip(a, b, strict=True))
    ]
    of_pair = {"channel_a": list(a), "channel_b": list(b), "distance_km": distance}
    of_pair |= {"azimuth_deg": azimuth, "back_azimuth_deg": back}
    for end, table in places.items():
        of_pair |= {
            f"latitude_{end}": table[:, 0],
            f"longitude_{end}": table[:, 1],
            f"elevation_{end}_m": table[:, 2],
        }
        of_pair |= {
            f"sensor_azimuth_{end}_deg": np.full(n_pair, 12.0),
            f"sensor_dip_{end}_deg": np.full(n_pair, -90.0),
        }
    count = np.where(np.isfinite(ccf).all(axis=2), 1 + np.arange(n_pair * n_time).reshape(n_pair, n_time), 0)
    return xr.Dataset(
        {
            "ccf": (("pair", dim, "lag"), ccf.astype(np.float32), {"units": "1"}),
            "count": (("pair", dim), count.astype(np.int32)),
        },
        coords=coords | {name: ("pair", values) for name, values in of_pair.items()},
        attrs={
            "sign_convention": "B after A is positive",
            "settings": SETTINGS.model_dump_json(),
        },
    )


@pytest.fixture
def days() -> xr.Dataset:
    """Three pairs, four days, lags of ±5 s at 20 Hz; the second pair lacks a day, the third has none."""
    ccf = np.random.default_rng(4).standard_normal((3, 4, 201))
    ccf[1, 2] = np.nan
    ccf[2] = np.nan
    return correlations(ccf)


@pytest.fixture
def stack() -> xr.Dataset:
    data = correlations(np.random.default_rng(5).standard_normal((3, 1, 201)), dim="period")
    return data.assign(snr=(("pair", "period"), np.array([[3.5], [np.nan], [8.25]])))


shapes = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6).map(lambda n: 2 * n + 1))
float32 = st.floats(width=32, allow_infinity=False)
arrays = shapes.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=float32))
# Every example writes to folders of its own.
property_test = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def anew(path: Path) -> Path:
    return path / str(len(list(path.iterdir())))


def present(ccf: np.ndarray) -> np.ndarray:
    return np.isfinite(ccf).all(axis=2)


# NumPy


@property_test
@given(ccf=arrays, block=st.integers(1, 300))
def test_npz_gives_every_array_back_without_pickle(ccf: np.ndarray, block: int, tmp_path: Path) -> None:
    data = correlations(ccf).assign(count=lambda d: d["count"] + 1)
    out = anew(tmp_path)
    ccf[0, 0] = 1.0
    data["ccf"][0, 0] = 1.0
    export(data, "npz", out, block_bytes=block)
    with np.load(out, allow_pickle=False) as back:
        assert set(back) == {str(name) for name in data.variables} | {"attributes", "dimensions"}
        np.testing.assert_array_equal(back["ccf"], ccf)
        assert back["ccf"].dtype == np.float32
        for name in set(back) - {"ccf", "attributes", "dimensions"}:
            np.testing.assert_array_equal(back[name], data[name].values.astype(back[name].dtype))
            assert json.loads(back["dimensions"].item())[name] == list(data[name].dims)
        assert json.loads(back["attributes"].item()) == data.attrs | {"units": "1"}
        assert back["day"].dtype == np.dtype("datetime64[ns]")
        assert back["pair"].dtype.kind == "U"


# NetCDF


@property_test
@given(ccf=arrays, block=st.integers(1, 300))
def test_netcdf_is_the_dataset_again(ccf: np.ndarray, block: int, tmp_path: Path) -> None:
    ccf[0, 0] = 1.0
    data = correlations(ccf)
    out = anew(tmp_path)
    export(data, "netcdf", out, block_bytes=block)
    with xr.open_dataset(out, engine="h5netcdf") as back:
        xr.testing.assert_equal(back, data)
        assert set(back.coords) == set(data.coords)
        assert {name: back.attrs[name] for name in data.attrs} == data.attrs


def test_netcdf_has_cf_units_and_keeps_those_that_are_there(days: xr.Dataset, tmp_path: Path) -> None:
    days["lag"].attrs["units"] = "seconds since never"
    days.attrs |= {"kept": True, "nothing": None, "window": np.float64(2.5)}
    export(days.isel(pair=[0, 1]), "netcdf", tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf", decode_times=False) as back:
        assert back["latitude_b"].attrs["units"] == "degrees_north"
        assert back["ccf"].attrs["units"] == "1"
        assert back["lag"].attrs["units"] == "seconds since never"
        assert back["day"].attrs["units"].startswith("days since 2019-12-31")
        assert (back.attrs["Conventions"], back.attrs["kept"], back.attrs["nothing"]) == (
            "CF-1.11",
            "true",
            "null",
        )
        assert back.attrs["window"] == 2.5


# SAC


def test_sac_headers_and_samples(days: xr.Dataset, tmp_path: Path) -> None:
    report = export(days, "sac", tmp_path / "out")
    assert (report.files, report.rows, report.missing) == (7, 7, 5)
    name = "CI.CCA..BHZ_CI.HEC.00.BHZ"
    trace = obspy.read(tmp_path / "out" / name / f"{name}.20200101.sac")[0]
    np.testing.assert_array_equal(trace.data, days["ccf"].values[0, 1])
    sac = trace.stats.sac
    assert trace.id == "CI.HEC.00.BHZ"
    assert (sac.kevnm.strip(), sac.kuser0.strip(), sac.kuser1.strip(), sac.kuser2.strip()) == (
        ("CI.CCA..BHZ", "CI", "CCA", "BHZ")
    )
    assert (sac.b, sac.o, sac.user0, sac.lcalda) == (-5.0, 0.0, days["count"].values[0, 1], 0)
    assert (sac.nzyear, sac.nzjday, sac.nzhour, sac.nzmin, sac.nzsec, sac.nzmsec) == (2020, 1, 0, 0, 0, 0)
    assert (sac.cmpaz, sac.cmpinc) == (12.0, 0.0)
    metres, azimuth, back = gps2dist_azimuth(*CHANNELS["CI.CCA..BHZ"][:2], *CHANNELS["CI.HEC.00.BHZ"][:2])
    np.testing.assert_allclose([sac.dist, sac.az, sac.baz], [metres / 1000, azimuth, back], rtol=1e-6)
    np.testing.assert_allclose([sac.evla, sac.evlo, sac.evel], CHANNELS["CI.CCA..BHZ"], rtol=1e-6)
    np.testing.assert_allclose([sac.stla, sac.stlo, sac.stel], CHANNELS["CI.HEC.00.BHZ"], rtol=1e-6)


def test_sac_lag_axis_is_that_of_the_dataset(days: xr.Dataset, tmp_path: Path) -> None:
    export(days, "sac", tmp_path / "out", pairs=NAMES[:1])
    for path in (tmp_path / "out").rglob("*.sac"):
        trace = obspy.read(path)[0]
        reference = trace.stats.starttime - trace.stats.sac.b
        assert reference == obspy.UTCDateTime(path.name.split(".")[-2])
        lag = trace.times() + trace.stats.sac.b
        np.testing.assert_allclose(lag, days["lag"].values, atol=1e-6)  # delta is a 32-bit float in SAC
        assert lag[len(lag) // 2] == 0.0


def test_sac_files_are_those_that_obspy_writes_itself(days: xr.Dataset, tmp_path: Path) -> None:
    export(days, "sac", tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.sac"):
        SACTrace.read(path, checksize=True).write(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("file_format", ["sac", "mseed"])
def test_missing_rows_are_not_written(days: xr.Dataset, file_format: str, tmp_path: Path) -> None:
    days["ccf"][0, 3, 7] = np.inf  # one bad sample spoils a row
    report = export(days, file_format, tmp_path / "out")
    assert (report.rows, report.missing) == (6, 6)
    traces = [t for p in (tmp_path / "out").rglob("*.*") if p.suffix in (".sac", ".mseed") for t in obspy.read(p)]
    assert len(traces) == 6
    assert all(np.isfinite(trace.data).all() for trace in traces)


def test_sac_of_a_stack_is_one_file_a_pair(stack: xr.Dataset, tmp_path: Path) -> None:
    export(stack, "sac", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(f"{name}.sac" for name in NAMES)
    assert [obspy.read(tmp_path / "out" / f"{n}.sac")[0].stats.sac.get("user1") for n in NAMES] == [
        3.5,
        None,
        8.25,
    ]


def test_sac_long_codes_and_unknown_coordinates(tmp_path: Path) -> None:
    data = correlations(np.ones((2, 1, 3))).isel(pair=[1])
    data["elevation_b_m"][:] = np.nan
    export(data, "sac", tmp_path)
    sac = obspy.read(next(tmp_path.glob("*.sac")))[0].stats.sac
    assert "stel" not in sac
    assert (sac.kstnm.strip(), sac.khole.strip(), sac.kcmpnm.strip()) == ("LONGSTAT", "10", "HHR")


@pytest.mark.parametrize(
    ("dim", "times", "expected"),
    [
        ("day", ["2020-01-01", "2020-02-29"], [".20200101", ".20200229"]),
        ("time", ["2020-01-01T00:00:00", "2020-01-01T00:07:30"], [".20200101T000000", ".20200101T000730"]),
        ("time", ["2020-01-01T00:00:00.5"], [".20200101T000000.500000"]),
        ("period", ["2020-01-01"], [""]),
        ("period", ["2020-01-01", "2020-02-01"], [".20200101", ".20200201"]),
    ],
)
def test_stamps_name_the_time_as_finely_as_needed(dim: str, times: list[str], expected: list[str]) -> None:
    data = correlations(np.ones((1, len(times), 3)), np.array(times, "datetime64[ns]"), dim)
    assert stamps(data) == expected


# MiniSEED


@property_test
@given(ccf=arrays, block=st.integers(1, 300))
def test_mseed_has_the_samples_at_the_times_that_the_index_explains(
    ccf: np.ndarray, block: int, tmp_path: Path
) -> None:
    ccf[0, 0] = 1.0
    data, out = correlations(ccf), anew(tmp_path)
    report = export(data, "mseed", out, block_bytes=block)
    index = json.loads((out / "index.json").read_text())
    starts = [obspy.UTCDateTime(text) for text in index["row_starts"]]
    assert [t.ns for t in starts] == data["day"].values.astype(int).tolist()
    there = present(ccf)
    assert report.rows == there.sum()
    assert [entry["pair"] for entry in index["pairs"]] == data["pair"].values[there.any(axis=1)].tolist()
    for entry in index["pairs"]:
        i = data["pair"].values.tolist().index(entry["pair"])
        stream = obspy.read(out / entry["file"])
        rows = np.flatnonzero(there[i])
        assert [j for j, n in enumerate(entry["count"]) if n is not None] == rows.tolist()
        assert [entry["count"][j] for j in rows] == data["count"].values[i, rows].tolist()
        assert len(stream) == len(rows)
        for j, trace in zip(rows, stream, strict=True):
            np.testing.assert_array_equal(trace.data, ccf[i, j])
            np.testing.assert_allclose(trace.times() + (trace.stats.starttime - starts[j]), data["lag"], atol=1e-9)
            assert trace.id == ".".join(entry[key] for key in ("network", "station", "location", "channel"))
            assert (trace.stats.mseed.encoding, trace.data.dtype) == ("FLOAT32", np.float32)
        assert (entry["channel_a"], entry["channel_b"]) == PAIRS[i % 3]


@given(st.lists(st.integers(0, 36**5 - 1), min_size=2, max_size=50, unique=True))
def test_mseed_codes_fit_and_differ(numbers: list[int]) -> None:
    codes = [code(number, "CI.CCA..BHZ", "CI.HEC..BHR") for number in numbers]
    assert len(set(codes)) == len(numbers)
    assert all([len(part) for part in parts] == [2, 5, 0, 3] and parts[3] == "XZR" for parts in codes)


# JLD2


def test_jld2_follows_corrdata(days: xr.Dataset, tmp_path: Path) -> None:
    report = export(days, "jld2-hdf5", tmp_path / "a.jld2")
    assert (report.rows, report.missing) == (7, 5)
    with h5py.File(tmp_path / "a.jld2") as file:
        assert list(file["pairs"]) == sorted(NAMES[:2])  # the third pair has no data
        group = file["pairs"][NAMES[1]]
        rows = [0, 1, 3]
        np.testing.assert_array_equal(group["corr"], days["ccf"].values[1, rows])
        np.testing.assert_array_equal(group["t"], days["day"].values[rows].astype("datetime64[s]").astype(float))
        np.testing.assert_array_equal(group["count"], days["count"].values[1, rows])
        texts = {name: group[name][()].decode() for name in ("name", "id", "comp", "corr_type", "time_norm")}
        assert texts == {
            "name": "CI.CCA..BHZ.NZ.LONGSTAT.10.HHR",
            "id": "2019-12-31",
            "comp": "ZR",
            "corr_type": "cross-correlation",
            "time_norm": "one-bit",
        }
        numbers = {
            name: group[name][()] for name in ("fs", "freqmin", "freqmax", "cc_len", "cc_step", "maxlag", "gain")
        }
        assert numbers == {
            "fs": 20, "freqmin": 0.1, "freqmax": 1, "cc_len": 1800, "cc_step": 450, "maxlag": 5, "gain": 1
        }  # fmt: skip
        assert (group["cc_len"].dtype, group["fs"].dtype) == (np.int64, np.float64)
        assert (group["rotated"][()], group["whitened"][()]) == (1, 1)
        for field, name in (("dist", "distance_km"), ("azi", "azimuth_deg"), ("baz", "back_azimuth_deg")):
            assert group[field][()] == days[name].values[1]
        np.testing.assert_array_equal(group["loc"], CHANNELS["CI.CCA..BHZ"])
        assert {name: text[()].decode() for name, text in file["attributes"].items()} == days.attrs | {"units": "1"}


def messages(raw: bytes, address: int) -> dict[int, bytes]:
    """Messages of an HDF5 object header of version 2 by type (HDF5 File Format Specification, IV.A.1.b)."""
    assert raw[address : address + 5] == b"OHDR\x02"
    flags = raw[address + 5]
    position = address + 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
    width = 1 << (flags & 3)
    end = position + width + int.from_bytes(raw[position : position + width], "little")
    position, found = position + width, {}
    while position < end:
        kind, size = struct.unpack_from("<BH", raw, position)
        found.setdefault(kind, raw[position + 4 : position + 4 + size])
        position += 4 + size
    return found


@pytest.mark.parametrize("block", [1, 2**20])
def test_jld2_keeps_to_what_the_julia_reader_knows(days: xr.Dataset, block: int, tmp_path: Path) -> None:
    """Checked on the bytes: header, superblock, layouts, and the (class, bit field) of each type."""
    export(days, "jld2-hdf5", tmp_path / "a.jld2", block_bytes=block)
    raw = (tmp_path / "a.jld2").read_bytes()
    assert raw.startswith(b"HDF5-based Julia Data Format, version 0.1.1\0")
    assert raw[512:522] == b"\x89HDF\r\n\x1a\n\x02\x08"  # version 2, offsets of 8 bytes
    assert struct.unpack_from("<Q", raw, 524) == (512,)  # base address
    kinds = set()
    with h5py.File(tmp_path / "a.jld2") as file:
        for group in (file, file["pairs"], file[f"pairs/{NAMES[0]}"]):
            links = messages(raw, 512 + h5py.h5o.get_info(group.id).addr)[0x02]
            assert links[:2] == b"\x00\x00"  # the order of creation is not kept: JLD2.jl would misread it
        for name, item in file[f"pairs/{NAMES[0]}"].items():
            found = messages(raw, 512 + h5py.h5o.get_info(item.id).addr)
            version, layout = found[0x08][:2]
            assert version == 3
            assert layout == (2 if block == 1 and name in ("corr", "t", "count") else 1)
            assert 0x0B not in found  # no filters
            datatype = found[0x03]
            kinds.add((datatype[0], datatype[1]))
            if datatype[0] & 15 == 3:
                assert len(item[()]) == struct.unpack_from("<I", datatype, 4)[0]  # no padding for Julia to trip over
    # Version 1 of: little-endian float, signed integer, UTF-8 text with terminator, bit field.
    assert kinds == {(0x11, 0x20), (0x10, 0x08), (0x13, 0x10), (0x14, 0x00)}


@property_test
@given(ccf=arrays, block=st.integers(1, 300))
def test_jld2_in_blocks_is_the_same(ccf: np.ndarray, block: int, tmp_path: Path) -> None:
    ccf[0, 0] = 1.0
    data, out = correlations(ccf), anew(tmp_path)
    export(data, "jld2-hdf5", out, block_bytes=block)
    there = present(ccf)
    with h5py.File(out) as file:
        assert len(file["pairs"]) == there.any(axis=1).sum()
        for i in np.flatnonzero(there.any(axis=1)):
            group = file["pairs"][data["pair"].values[i]]
            np.testing.assert_array_equal(group["corr"], ccf[i, there[i]])
            np.testing.assert_array_equal(group["count"], data["count"].values[i, there[i]])
            assert group["t"].shape == (there[i].sum(),)


# All formats


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_archive_larger_than_the_block_never_comes_into_memory(file_format: str, tmp_path: Path) -> None:
    ccf = np.random.default_rng(1).standard_normal((24, 20, 4001)).astype(np.float32)  # 7.7 MB
    archive = correlations(ccf)
    # Zarr gives text back in NumPy's variable-width type, unlike the other tests' fixed width.
    texts = {name: archive[name].astype(np.dtypes.StringDType()) for name in ("channel_a", "channel_b")}
    archive.assign_coords(texts | {"pair": archive["pair"].astype(object)}).to_zarr(
        tmp_path / "a.zarr", zarr_format=3, consolidated=False, encoding={"ccf": {"chunks": (4, 1, 4001)}}
    )
    data = xr.open_zarr(tmp_path / "a.zarr", chunks=None, consolidated=False)
    export(data.isel(pair=[0], day=[0]), file_format, tmp_path / "first")  # imports are not to be counted
    seen: list[tuple[int, int]] = []
    tracemalloc.start()
    export(data, file_format, tmp_path / "out", block_bytes=400_000, progress=lambda *counts: seen.append(counts))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6
    assert seen[-1] == (480, 480)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@pytest.mark.parametrize("file_format", FORMATS)
def test_nothing_is_overwritten_unless_asked(days: xr.Dataset, file_format: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    export(days, file_format, out)
    kept = out / "mine.txt" if out.is_dir() else out.with_name("mine.txt")
    kept.write_text("notes")
    before = {path: path.stat().st_mtime_ns for path in out.parent.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"out exists already.*--overwrite"):
        export(days, file_format, out)
    assert {path: path.stat().st_mtime_ns for path in out.parent.rglob("*") if path.is_file()} == before
    export(days, file_format, out, overwrite=True)
    after = {path: path.stat().st_mtime_ns for path in out.parent.rglob("*") if path.is_file()}
    assert [path for path in before if after[path] == before[path]] == [kept]


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_export_that_fails_leaves_nothing(days: xr.Dataset, file_format: str, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(days, file_format, tmp_path / "out", progress=stop)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="all 4 correlations of the selection are missing"):
        export(days, file_format, tmp_path / "out", pairs=NAMES[2:])
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_cannot_be_written_is_said_in_words(days: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        export(days, "npz", tmp_path / "file" / "out.npz")
    with pytest.raises(InputError, match="is a file: this format writes many files"):
        export(days, "sac", tmp_path / "file")
    with pytest.raises(InputError, match="is a folder: this format writes one file"):
        export(days, "npz", tmp_path, overwrite=True)


def test_unknown_formats_pairs_and_datasets_are_refused(days: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'netcdf4': did you mean netcdf.*npz, mseed, sac, netcdf, jld2-hdf5"):
        export(days, "netcdf4", tmp_path / "out")
    with pytest.raises(InputError, match=r"unknown 'CI.HEK.00.BHZ', did you mean CI.HEC.00.BHZ"):
        export(days, "npz", tmp_path / "out", pairs=["CI.CCA..BHZ_CI.HEK.00.BHZ"])
    with pytest.raises(InputError, match=r"a variable ccf.*found: count"):
        export(days.drop_vars("ccf"), "npz", tmp_path / "out")
    with pytest.raises(InputError, match="nothing to export: the correlations have 3 pair, 0 day, 201 lag"):
        export(days.isel(day=[]), "npz", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (None, [0, 1, 2]),
        ([NAMES[1], NAMES[0]], [0, 1]),
        (["CI.CCA*"], [0, 1]),
        (["CI.HEC_CI.HEC", "*NZ.*"], [1, 2]),
        (["*.BH?_*.BH?"], [0, 2]),
    ],
)
def test_pairs_are_chosen_by_name_and_pattern(pairs: list[str] | None, expected: list[int], tmp_path: Path) -> None:
    data = correlations(np.ones((3, 2, 5)))
    export(data, "npz", tmp_path / "a.npz", pairs=pairs)
    assert np.load(tmp_path / "a.npz")["pair"].tolist() == [NAMES[i] for i in expected]


# Command line


@pytest.fixture
def run(days: xr.Dataset, stack: xr.Dataset, monkeypatch: pytest.MonkeyPatch):
    """The command with a workspace that holds ``days`` and the one stack "pws"."""
    from seisloom.cli import app

    asked: list = []
    monkeypatch.setattr("seisloom.noise.archive.open_correlations", lambda workspace: asked.append(workspace) or days)
    monkeypatch.setattr(
        "seisloom.noise.archive.open_stacks",
        lambda workspace, name=None: asked.append((workspace, name)) or stack,
    )
    return lambda *arguments: (CliRunner().invoke(app, ["export", "work", *map(str, arguments)]), asked)


def test_command_writes_and_reports(run, tmp_path: Path) -> None:
    result, asked = run("--format", "npz", "-o", tmp_path / "a.npz", "--pairs", "CI.CCA_CI.HEC")
    assert result.exit_code == 0, result.output
    assert asked == ["work"]
    assert "a.npz: 4 correlations in 1 file (npz)" in result.output
    assert np.load(tmp_path / "a.npz")["ccf"].shape == (1, 4, 201)
    result, asked = run("--format", "sac", "-o", tmp_path / "sac", "--stack", "pws")
    assert asked[1:] == [("work", "pws")]
    assert len(list((tmp_path / "sac").glob("*.sac"))) == 3
    result, _ = run("--format", "sac", "-o", tmp_path / "days")
    assert "7 correlations in 7 files (sac); 5 were missing" in result.output


def test_command_refuses_contradictions(run, tmp_path: Path) -> None:
    result, _ = run("--format", "npz", "-o", tmp_path / "a", "--what", "days", "--stack", "pws")
    assert isinstance(result.exception, InputError)
    assert "leave one out" in str(result.exception)
    result, _ = run("--format", "npz", "-o", tmp_path / "a", "--what", "nights")
    assert "--what 'nights': use days or stack" in str(result.exception)
