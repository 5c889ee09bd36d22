"""Correlations in blocks that fit in memory, and what the formats need to know of them.

A row is one correlation function: one pair on one day (sub-stack, window, stacking period).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

BLOCK_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Block:
    """Part of an archive: ``ccf[pair, time, lag]`` of the pairs and times that the two slices name.

    ``present[pair, time]`` is False for the rows that hold no correlation (a sample is not finite).
    """

    pairs: slice
    times: slice
    ccf: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]

    def by_pair(self) -> Iterator[tuple[int, npt.NDArray[np.intp], npt.NDArray[np.float32]]]:
        """(number of the pair, numbers of its rows that are present, those rows as [row, lag]), pair by pair.

        Numbers count in the whole dataset. Pairs without a row are left out.
        """
        for offset, present in enumerate(self.present):
            if present.any():
                yield (
                    self.pairs.start + offset,
                    self.times.start + np.flatnonzero(present),
                    self.ccf[offset][present],
                )


@dataclass
class Rows:
    """The rows of a dataset in blocks of at most ``block_bytes``, counted as they go by.

    ``progress`` is called with the rows done and the rows in all after each block.
    """

    data: xr.Dataset
    block_bytes: int = BLOCK_BYTES
    progress: Callable[[int, int], None] | None = None
    written: int = 0
    missing: int = 0

    @property
    def fit(self) -> int:
        """How many rows fit in a block."""
        return max(1, self.block_bytes // (4 * self.data.sizes["lag"]))

    @property
    def whole_pairs(self) -> bool:
        """True if all the rows of a pair fit in a block."""
        return self.fit >= self.data["ccf"].shape[1]

    def blocks(self, pair_by_pair: bool = False) -> Iterator[Block]:
        """Every row once, the rows of a pair in the order of time.

        With ``pair_by_pair``, a pair is complete before the next begins, so that the blocks one after the
        other are the array in C order. Without it whole chunks of the archive are taken, each read once.
        """
        ccf = self.data["ccf"]
        n_pair, n_time, _ = ccf.shape
        pair_step, time_step = self._steps(pair_by_pair)
        for first in range(0, n_pair, pair_step):
            for start in range(0, n_time, time_step):
                pairs = slice(first, min(first + pair_step, n_pair))
                times = slice(start, min(start + time_step, n_time))
                values = np.ascontiguousarray(ccf[pairs, times].values, np.float32)
                block = Block(pairs, times, values, np.all(np.isfinite(values), axis=2))
                yield block
                self._count(block)

    def _steps(self, pair_by_pair: bool) -> tuple[int, int]:
        n_pair, n_time, _ = self.data["ccf"].shape
        chunk = min(n_pair, self.data["ccf"].encoding.get("preferred_chunks", {}).get("pair", 1))
        pairs = self.fit // n_time
        if pairs >= chunk:
            return pairs // chunk * chunk, n_time
        if pair_by_pair:
            return max(1, pairs), min(n_time, self.fit)
        return min(chunk, self.fit), max(1, self.fit // chunk)

    def _count(self, block: Block) -> None:
        here = int(block.present.sum())
        self.written += here
        self.missing += block.present.size - here
        if self.progress is not None:
            self.progress(self.written + self.missing, int(np.prod(self.data["ccf"].shape[:2])))


def check(data: xr.Dataset) -> None:
    """Refuse, with InputError, what is not a correlation or stack dataset or holds no rows at all."""
    if "ccf" not in data or data["ccf"].ndim != 3 or data["ccf"].dims[::2] != ("pair", "lag"):
        raise InputError(
            "this is not a dataset of correlations: a variable ccf(pair, day or time or period, lag) is "
            f"expected, found: {', '.join(map(str, data.data_vars)) or 'nothing'}"
        )
    if data["ccf"].size == 0:
        sizes = ", ".join(f"{size} {name}" for name, size in data["ccf"].sizes.items())
        raise InputError(f"there is nothing to export: the correlations have {sizes}")


def archive_attributes(data: xr.Dataset) -> dict[str, str | int | float]:
    """The attributes of a dataset and the units of its correlations, for formats without attributes of variables."""
    units = {"units": data["ccf"].attrs["units"]} if "units" in data["ccf"].attrs else {}
    return attributes(units | data.attrs)


def attributes(values: Mapping[Any, Any]) -> dict[str, str | int | float]:
    """Attributes as text and numbers; whatever else they are (None, bool, lists) becomes JSON text."""
    out: dict[str, str | int | float] = {}
    for name, value in values.items():
        plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        simple = isinstance(plain, str | int | float) and not isinstance(plain, bool)
        out[str(name)] = plain if simple else json.dumps(plain, default=str)
    return out


def time_dimension(data: xr.Dataset) -> str:
    """What the rows of a pair differ in: ``day``, ``time`` (sub-stacks, windows) or ``period`` (stacks)."""
    return str(data["ccf"].dims[1])


def times_ns(data: xr.Dataset) -> npt.NDArray[np.int64]:
    """Start of every row in nanoseconds since 1970-01-01 UTC."""
    stamps: npt.NDArray[np.int64] = data[time_dimension(data)].values.astype("datetime64[ns]").astype(np.int64)
    return stamps


def row_variables(data: xr.Dataset) -> list[str]:
    """Variables with one number a row: ``count`` and, of stacks, ``snr``."""
    return [str(name) for name, values in data.data_vars.items() if values.dims == data["ccf"].dims[:2]]


def sampling_rate(data: xr.Dataset) -> float:
    """Samples per second of the lag axis, Hz."""
    lag = data["lag"].values
    return float((len(lag) - 1) / (lag[-1] - lag[0]))
