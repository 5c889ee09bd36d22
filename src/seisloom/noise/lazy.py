"""The correlations of a workspace as one array that is read when it is used, wherever its parts lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from seisloom.noise.archive_rows import rows_by_day
from seisloom.noise.by_pair import run
from seisloom.noise.formats import CORRELATIONS
from seisloom.noise.spans import Part, parts
from seisloom.storage import Storage

# Rows are read by themselves where they are at most this share of the inner chunks that they lie in.
FEW = 0.25


class Combined(BackendArray):
    """``ccf`` or ``count``: what lies elsewhere (segments, days of a span) from there, the rest from ``correlations.zarr``."""

    def __init__(self, storage: Storage, array: Any, name: str, held: list[Part]) -> None:
        self.storage, self.array, self.name, self.parts = storage, array, name, held
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._outer)

    def _outer(self, key: tuple[Any, ...]) -> npt.NDArray:
        """What is chosen on each axis by itself, by numbers or slices; single numbers take their axis away."""
        chosen = [np.arange(n)[k] for n, k in zip(self.shape, key, strict=True)]
        pairs, times = (np.atleast_1d(c) for c in chosen[:2])
        values = self._read(pairs, times)
        for axis, k in enumerate(chosen[2:], 2):
            values = values.take(np.atleast_1d(k), axis) if len(np.atleast_1d(k)) < self.shape[axis] else values
        return values.reshape([c.size for c in chosen if c.ndim])

    def _read(self, pairs: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> npt.NDArray:
        out = np.empty((len(pairs), len(times), *self.shape[2:]), self.dtype)
        rest = np.ones(len(times), bool)
        for part in self.parts:
            inside = (times >= part.start) & (times < part.stop)
            if inside.any():
                out[:, inside] = part.read(self.storage, self.name, pairs, times[inside])
                rest &= ~inside
        if rest.any() and len(pairs):
            out[:, rest] = self._by_day(pairs, times[rest])
        return out

    def _by_day(self, pairs: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> npt.NDArray:
        chunk = self.array.chunks[0]
        if self.name == "ccf" and len(pairs) <= FEW * chunk * len(np.unique(pairs // chunk)):
            there = np.zeros((len(pairs), int(times.max()) + 1), bool)
            there[:, times] = True
            return rows_by_day(self.storage, pairs, there)[:, times]
        return self.array.oindex[run(pairs), run(times)]


def combined(storage: Storage, data: xr.Dataset) -> xr.Dataset:
    """The dataset of ``correlations.zarr`` with ``ccf`` and ``count`` read as :class:`Combined` does."""
    import zarr

    group: Any = zarr.open_group(storage.zarr(read_only=True), path=CORRELATIONS, mode="r", zarr_format=3)
    elsewhere = parts(storage)
    new = {}
    for name in ("ccf", "count"):
        held = data[name].variable
        lazy = indexing.LazilyIndexedArray(Combined(storage, group[name], name, elsewhere))
        new[name] = xr.Variable(held.dims, indexing.MemoryCachedArray(lazy), held.attrs, held.encoding)
    return data.assign(new)
