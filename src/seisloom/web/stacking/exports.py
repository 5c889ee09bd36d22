"""Data as files to download, by the writers of ``seisloom export``."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seisloom.errors import InputError
from seisloom.export import export
from seisloom.jobs.limits import LimitError

if TYPE_CHECKING:
    import xarray as xr

Ending = Literal["npz", "nc", "mseed", "sac", "jld2"]
FORMATS: dict[Ending, str] = {"npz": "npz", "nc": "netcdf", "mseed": "mseed", "sac": "sac", "jld2": "jld2-hdf5"}
# Formats of many files, which are downloaded as one archive.
FOLDERS = ("mseed", "sac")
# Files, or groups in a file, of one download.
MOST_PARTS = 20_000


def file_name(stem: str, ending: Ending) -> str:
    """What a download is called."""
    return f"{stem}.{ending}.zip" if ending in FOLDERS else f"{stem}.{ending}"


def write(data: xr.Dataset, ending: Ending, stem: str) -> Path:
    """The data in one of FORMATS, in a new temporary folder (its parent, which the caller removes).

    LimitError for more parts than one download should have; InputError where nothing is left to write.
    """
    pairs, rows = data["ccf"].shape[:2]
    parts = {"sac": pairs * rows, "mseed": pairs, "jld2": pairs}.get(ending, 1)
    if parts > MOST_PARTS:
        raise LimitError(
            f"{parts:,} parts of {ending} are too many for one download (at most {MOST_PARTS:,}): use nc or npz"
        )
    folder = Path(tempfile.mkdtemp(prefix="seisloom-"))
    try:
        if ending not in FOLDERS:
            export(data, FORMATS[ending], folder / file_name(stem, ending))
            return folder / file_name(stem, ending)
        export(data, FORMATS[ending], folder / stem)
        return _zipped(folder / stem, folder / file_name(stem, ending))
    except InputError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(str(error).replace(f"{folder}/", "")) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{folder.name}/{path.relative_to(folder)}")
    shutil.rmtree(folder)
    return target
