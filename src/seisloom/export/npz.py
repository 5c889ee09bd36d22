"""NumPy archives: one file with an array for every variable and coordinate, read by NumPy alone."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seisloom.export.rows import Rows, archive_attributes

if TYPE_CHECKING:
    import xarray as xr


def write(data: xr.Dataset, rows: Rows, target: Path) -> int:
    """Write ``target``; returns 1, the number of files.

    Arrays have the names and axes of the dataset; text is fixed-width unicode, so nothing is pickled.
    ``attributes`` and ``dimensions`` are JSON texts: the dataset's attributes, and the axes of every array.
    Missing rows are NaN.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        _add(archive, "attributes", np.array(json.dumps(archive_attributes(data))))
        axes = {str(name): list(variable.dims) for name, variable in data.variables.items()}
        _add(archive, "dimensions", np.array(json.dumps(axes)))
        for name in data.variables:
            if name != "ccf":
                _add(archive, str(name), _without_objects(data[name].values))
        header = {"descr": "<f4", "fortran_order": False, "shape": data["ccf"].shape}
        with archive.open("ccf.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, header)
            for block in rows.blocks(pair_by_pair=True):
                member.write(block.ccf.astype("<f4", copy=False).tobytes())
    return 1


def _add(archive: zipfile.ZipFile, name: str, values: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, values, allow_pickle=False)


def _without_objects(values: np.ndarray) -> np.ndarray:
    return np.array(values.tolist(), str) if values.dtype.kind in "OT" else values
