"""HDF5 in the subset that JLD2.jl reads, laid out after the CorrData of SeisNoise.jl.

JLD2 files are HDF5 files behind a header of 512 bytes. JLD2.jl has a reader of its own, which knows part of
HDF5, so the files keep to: superblock and object headers of version 2, contiguous layout without compression
(row by row where a pair does not fit in memory), little-endian integers and floats, bit fields for Bool,
fixed-length UTF-8 text as long as its type. Groups with more than eight members need JLD2.jl 0.4.24 or newer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seisloom.export.rows import Rows, archive_attributes, row_variables, sampling_rate, times_ns
from seisloom.waveforms.base import NS_PER_S

if TYPE_CHECKING:
    import h5py
    import xarray as xr

# What JLD2.jl looks for at the start of a file; the version is that of the format.
HEADER = b"HDF5-based Julia Data Format, version 0.1.1\0"
HEADER_BYTES = 512
# The names that SeisNoise.jl has for the measures.
CORR_TYPES = {"cc": "cross-correlation", "coherency": "coherence", "deconvolution": "deconv", "pcc": "PCC"}


def write(data: xr.Dataset, rows: Rows, target: Path) -> int:
    """Write ``target``; returns 1, the number of files.

    ``pairs/NAME`` holds the fields of CorrData, and of every row that is not missing a column of ``corr``
    ([lag, row] in Julia, [row, lag] in C order), its start ``t`` (seconds since 1970) and what the archive
    has of it (``count``, ``snr``). Pairs without rows are left out. ``attributes`` are the dataset's.
    """
    import h5py

    names = [str(name) for name in data["pair"].values]
    of_rows = {"t": np.broadcast_to(times_ns(data) / NS_PER_S, data["ccf"].shape[:2])}
    of_rows |= {name: data[name].values for name in row_variables(data)}
    fields = _Fields(data)
    # The 1.8 file format is the one that JLD2.jl writes itself.
    with h5py.File(target, "w", libver=("v108", "v108"), userblock_size=HEADER_BYTES) as file:
        for name, value in archive_attributes(data).items():
            _put(file.require_group("attributes"), name, value)
        for block in rows.blocks(pair_by_pair=True):
            for i, times, ccf in block.by_pair():
                path = f"pairs/{names[i]}"
                if path not in file:
                    for name, value in fields.of(i).items():
                        _put(file.require_group(path), name, value)
                columns = {"corr": ccf} | {name: values[i][times] for name, values in of_rows.items()}
                for name, values in columns.items():
                    _append(file[path], name, values, rows.whole_pairs)
    with target.open("r+b") as raw:
        raw.write(HEADER)
    return 1


class _Fields:
    """The fields of SeisNoise.jl's CorrData that all rows of a pair share."""

    def __init__(self, data: xr.Dataset) -> None:
        self.settings = json.loads(data.attrs.get("settings", "{}"))
        self.columns = {str(name): values.values for name, values in data.coords.items() if values.dims == ("pair",)}
        lag = data["lag"].values
        self.fixed = {"fs": sampling_rate(data), "gain": 1.0, "maxlag": float(lag[-1])}
        self.day = str(np.datetime_as_string(times_ns(data)[0].astype("datetime64[ns]"), unit="D"))

    def of(self, pair: int) -> dict[str, Any]:
        """Field to value; ``id`` is the first day, ``loc`` [latitude, longitude, elevation in m] of A."""
        column = {name: values[pair] for name, values in self.columns.items()}
        setting = self.settings.get
        components = f"{column['channel_a'][-1]}{column['channel_b'][-1]}"
        return self.fixed | {
            "name": f"{column['channel_a']}.{column['channel_b']}",
            "id": self.day,
            "loc": np.array([column[n] for n in ("latitude_a", "longitude_a", "elevation_a_m")], np.float64),
            "comp": components,
            "rotated": not set(components).isdisjoint("RT"),
            "corr_type": CORR_TYPES.get(setting("measure"), "unknown"),
            "freqmin": float(setting("freqmin", np.nan)),
            "freqmax": float(setting("freqmax", np.nan)),
            "cc_len": _whole(setting("cc_len", np.nan)),
            "cc_step": _whole(setting("cc_step", np.nan)),
            "whitened": setting("whiten", "none") != "none",
            "time_norm": setting("time_norm", "unknown"),
            "dist": float(column["distance_km"]),
            "azi": float(column["azimuth_deg"]),
            "baz": float(column["back_azimuth_deg"]),
        }


def _whole(seconds: float) -> int | float:
    """CorrData counts window lengths in whole seconds; what is not whole stays as it is."""
    return int(seconds) if float(seconds).is_integer() else float(seconds)


def _put(group: h5py.Group, name: str, value: Any) -> None:
    """A scalar or vector that Julia reads as String, Bool, Int64, Float64 or Vector{Float64}."""
    import h5py

    if not isinstance(value, str | bool):
        group[name] = value
        return
    if isinstance(value, str):
        # Text exactly as long as its type, written without the conversion that would cut it for a terminator.
        raw = np.array(value.encode() or b" ")
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(raw.itemsize)
        kind.set_cset(h5py.h5t.CSET_UTF8)
    else:
        raw, kind = np.array(value, np.uint8), h5py.h5t.STD_B8LE
    scalar = h5py.h5s.create(h5py.h5s.SCALAR)
    dataset = h5py.h5d.create(group.id, name.encode(), kind, scalar)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, raw, mtype=kind)


def _append(group: h5py.Group, name: str, values: np.ndarray, whole: bool) -> None:
    """Write a variable of all rows at once, or row by row into one that grows."""
    if whole:
        group[name] = values
    elif name not in group:
        shape = values.shape[1:]
        group.create_dataset(
            name, data=values, maxshape=(None, *shape), chunks=(len(values) if not shape else 1, *shape)
        )
    else:
        group[name].resize(len(group[name]) + len(values), axis=0)
        group[name][-len(values) :] = values
