"""Correlations and stacks written for other tools: NumPy, NetCDF, SAC, MiniSEED, Julia."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from seisloom.errors import InputError
from seisloom.export.rows import BLOCK_BYTES, Rows, check
from seisloom.export.target import replacing
from seisloom.noise.select import select_pairs

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FORMATS", "ExportReport", "export"]

# Format: module that writes it, and whether it makes a folder of files.
_WRITERS = {
    "npz": ("npz", False),
    "mseed": ("mseed", True),
    "sac": ("sac", True),
    "netcdf": ("netcdf", False),
    "jld2-hdf5": ("jld2", False),
}
FORMATS = tuple(_WRITERS)


@dataclass(frozen=True)
class ExportReport:
    """What was written: files, rows (one pair on one day, window or stacking period), and rows missing."""

    files: int
    rows: int
    missing: int


def export(
    data: xr.Dataset,
    file_format: str,
    out: str | Path,
    *,
    pairs: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> ExportReport:
    """Write a dataset of correlations or stacks (docs/conventions.md) to ``out`` in one of FORMATS.

    ``pairs`` are names or patterns of channel or station pairs, all if None. The correlations pass through
    memory in blocks of ``block_bytes``, so an archive may be larger than memory. ``progress`` gets rows done
    and rows in all. ``out`` appears when it is complete and is never replaced unless ``overwrite``.
    Raises InputError for an unknown format or pair, an output that exists, and data without any correlation.
    """
    if file_format not in _WRITERS:
        near = get_close_matches(file_format.lower(), FORMATS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(f"unknown export format {file_format!r}: {hint}There are {', '.join(FORMATS)}")
    module, folder = _WRITERS[file_format]
    check(data)
    data = select_pairs(data, pairs)
    writer = import_module(f"seisloom.export.{module}")
    rows = Rows(data, block_bytes, progress)
    with replacing(Path(out), folder, overwrite) as target:
        files = writer.write(data, rows, target)
        if not rows.written:
            raise InputError(
                f"there is nothing to export: all {rows.missing} correlations of the selection are missing"
            )
    return ExportReport(files, rows.written, rows.missing)
