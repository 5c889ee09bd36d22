"""The Zarr archives of a workspace: correlations by day, and stacks (layout in docs/conventions.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import __version__
from seisloom.errors import WorkspaceError
from seisloom.noise.formats import CORRELATIONS, FIRST, STACKS, check_format
from seisloom.storage import Storage, put_object, sync_objects

if TYPE_CHECKING:
    import xarray as xr
    import zarr
    from zarr.abc.buffer import Buffer

    from seisloom.stores.zarr_store import WorkspaceStore

SIGN_CONVENTION = (
    "ccf[A_B] at lag t is the mean of a(s) b(s + t): energy that travels from A to B is at positive lag; "
    "azimuth_deg is at A towards B"
)
# Bytes of an inner chunk (what one read takes) and of a shard (one object of the store).
CHUNK_BYTES, SHARD_BYTES = 256 * 1024, 16 * 1024 * 1024
# The axis of times grows, so its chunks have a length of their own.
TIMES_A_CHUNK = 4096
TIME_ATTRIBUTES = {"units": "nanoseconds since 1970-01-01", "calendar": "proleptic_gregorian", "time_zone": "UTC"}


@dataclass(frozen=True)
class Layout:
    """How ``ccf`` and ``count`` are cut: (pairs, times) of an inner chunk, of a shard, and of a chunk of ``count``."""

    chunk: tuple[int, int]
    shard: tuple[int, int]
    count: tuple[int, int]
    compressors: Any = None

    @classmethod
    def by_day(cls, n_pairs: int, n_lag: int, times: int) -> Layout:
        """Many pairs at few times, as days are computed; not compressed, since noise hardly gets smaller."""
        chunk, shard = pairs_a_chunk(n_pairs, n_lag * times)
        return cls((chunk, times), (shard, times), (n_pairs, times))

    @classmethod
    def by_pair(cls, n_pairs: int, n_lag: int, n_times: int) -> Layout:
        """Few pairs at many times, as pairs are read; zstd after a shuffle of bytes, the best of those measured."""
        from zarr.codecs import BloscCodec

        times = int(np.clip(CHUNK_BYTES // (4 * n_lag), 1, n_times))
        spans = int(np.clip(SHARD_BYTES // (4 * n_lag * times), 1, -(-n_times // times)))
        pairs = int(np.clip(SHARD_BYTES // (4 * n_lag * times * spans), 1, n_pairs))
        codec = BloscCodec(typesize=4, cname="zstd", clevel=1, shuffle="shuffle")
        counts = int(np.clip(CHUNK_BYTES // (4 * n_times), 1, n_pairs))
        return cls((1, times), (pairs, times * spans), (counts, n_times), codec)


class ArchiveWriter:
    """Writes blocks of pairs, in order, into one place of the time axis; whole shards at a time, from number ``shard`` on.

    A shard of the Zarr v3 sharding codec, uncompressed, is its inner chunks one after another, their places and sizes,
    and a checksum of these (Zarr specification, sharding-indexed codec 1.0). Blocks are gathered as just that;
    Zarr's own writer makes several copies on the way, which takes longer than the writing.
    """

    def __init__(self, group: Any, time: slice, shard: int = 0) -> None:
        try:
            array = group["ccf"]
        except KeyError as error:
            where = f"{group.store.patience.where}/{group.path}"
            raise WorkspaceError(
                f"{where}: is damaged, or was removed meanwhile; run the same command again"
            ) from error
        self._store: WorkspaceStore = group.store
        self._key = f"{group.path}/ccf/c/{{}}/{time.start // array.shards[1]}/0"
        n_pairs, n_times, n_lag = array.shards
        if (time.start % n_times, time.stop - time.start) != (0, n_times):
            raise ValueError(f"times {time.start} to {time.stop} are not one shard of {n_times}")
        self._chunk = array.chunks[0]
        self._row_bytes = 4 * n_times * n_lag
        self._bytes = np.empty(n_pairs * self._row_bytes + 16 * (n_pairs // self._chunk) + 4, np.uint8)
        self._rows = self._bytes[: n_pairs * self._row_bytes].view("<f4").reshape(n_pairs, n_times, n_lag)
        self._shard, self._filled = shard, 0
        self._written: list[str] = []

    def append(self, block: npt.NDArray[np.float32]) -> None:
        """The next pairs: (pairs, times, lag)."""
        while len(block):
            n = min(len(block), len(self._rows) - self._filled)
            self._rows[self._filled : self._filled + n] = block[:n]
            self._filled += n
            block = block[n:]
            if self._filled == len(self._rows):
                self._flush()

    def close(self) -> None:
        """Write what is buffered, and have all that was written outlast a loss of power."""
        if self._filled:
            self._flush()
        sync_objects(self._store.store, self._written, self._store.patience)

    def _flush(self) -> None:
        """Write a shard, which at the end may be filled in part."""
        chunks = -(-self._filled // self._chunk)
        self._rows[self._filled : chunks * self._chunk] = np.nan
        chunk_bytes = self._chunk * self._row_bytes
        used = chunks * chunk_bytes
        # Inner chunks that are not there have all bits set in place of their offset and size.
        index = np.full((len(self._rows) // self._chunk, 2), 2**64 - 1, "<u8")
        index[:chunks, 0] = np.arange(chunks) * chunk_bytes
        index[:chunks, 1] = chunk_bytes
        tail = index.tobytes()
        tail += google_crc32c.value(tail).to_bytes(4, "little")
        self._bytes[used : used + len(tail)] = np.frombuffer(tail, np.uint8)
        data = self._bytes[: used + len(tail)].tobytes()  # a store in memory keeps what it is given
        self._written.append(self._key.format(self._shard))
        put_object(self._store.store, self._written[-1], data, self._store.patience)
        self._shard, self._filled = self._shard + 1, 0


def create_archive(
    storage: Storage,
    path: str,
    pairs: pd.DataFrame,
    lag: npt.NDArray[np.float64],
    times: pd.DatetimeIndex,
    time_name: str = "day",
    times_a_shard: int = 1,
    attributes: Mapping[str, Any] | None = None,
    units: str = "1",
    layout: Layout | None = None,
) -> zarr.Group:
    """A new archive at ``path`` with all coordinates and empty ``ccf`` and ``count``.

    Without ``layout`` a shard is many pairs at ``times_a_shard`` times, as :class:`ArchiveWriter` writes it.

    It is made in memory and then stored, its own metadata last: that tells a whole archive from one whose making was
    interrupted, and two processes that make the same one at once do not disturb each other.
    """
    import zarr
    from zarr.storage import MemoryStore

    objects: dict[str, Buffer] = {}
    written = {"sign_convention": SIGN_CONVENTION, "seisloom_version": __version__, "format": FIRST}
    attributes = {**written, **(attributes or {})}
    group = zarr.open_group(MemoryStore(objects), path=path, mode="w", zarr_format=3, attributes=attributes)
    layout = layout or Layout.by_day(len(pairs), len(lag), times_a_shard)
    ccf = group.create_array(
        "ccf",
        shape=(len(pairs), len(times), len(lag)),
        chunks=(*layout.chunk, len(lag)),
        shards=(*layout.shard, len(lag)),
        dtype="float32",
        fill_value=np.nan,
        compressors=layout.compressors,
        dimension_names=("pair", time_name, "lag"),
    )
    extra = " ".join(sorted(c for c in pairs.columns if c != "pair"))
    ccf.attrs.update({"long_name": "cross-correlation", "units": units, "coordinates": extra})
    group.create_array(
        "count",
        shape=(len(pairs), len(times)),
        chunks=layout.count,
        dtype="int32",
        fill_value=0,
        dimension_names=("pair", time_name),
    ).attrs.update({"long_name": "windows in the mean"})
    _write_axis(group, "lag", lag, {"units": "s", "long_name": "lag time"}, len(lag))
    _write_axis(group, time_name, _nanoseconds(times), TIME_ATTRIBUTES, TIMES_A_CHUNK)
    for name in pairs.columns:
        _write_column(group, name, pairs[name].to_numpy())
    for key in sorted(objects, key=lambda key: key == f"{path}/zarr.json"):
        if key.startswith(f"{path}/"):  # not the groups above it, which Zarr makes by itself
            storage.put(key, objects[key].to_bytes(), durable=True)
    return zarr.open_group(storage.zarr(), path=path, mode="r+", zarr_format=3)


def extend_times(group: zarr.Group, times: pd.DatetimeIndex, time_name: str = "day") -> None:
    """Have the time axis of an archive hold ``times``, of which those that are there are the beginning.

    Nothing is made shorter, of which Zarr would delete what is cut off: another run may just have gone further.
    """
    for name, dimension in ((time_name, 0), ("count", 1), ("ccf", 1)):
        array: Any = group[name]
        if array.shape[dimension] < len(times):
            array.resize((*array.shape[:dimension], len(times), *array.shape[dimension + 1 :]))
    axis: Any = group[time_name]
    values = _nanoseconds(times)
    if not np.array_equal(axis[: len(times)], values):
        axis[: len(times)] = values


def held_times(group: Any, time_name: str = "day") -> tuple[int, int]:
    """Shortest and longest time axis of the arrays, which differ where lengthening was interrupted."""
    lengths = (group[time_name].shape[0], group["count"].shape[1], group["ccf"].shape[1])
    return min(lengths), max(lengths)


def open_archive(storage: Storage, path: str) -> zarr.Group | None:
    """The archive's group for writing, or None where there is none or its making was interrupted."""
    import zarr

    try:
        group = zarr.open_group(storage.zarr(), path=path, mode="r+", zarr_format=3)
    except FileNotFoundError:
        return None
    check_format(group.attrs.asdict(), f"{storage.url}/{path}")
    return group


def open_correlations(workspace: str | Path) -> xr.Dataset:
    """The correlations of a workspace: ``ccf(pair, day, lag)``, read from the store when they are used.

    Sub-stacks and single windows have ``time`` in place of ``day``. Raises WorkspaceError where there are none.
    """
    storage = Storage(workspace)
    data = _open(storage, CORRELATIONS, "run seisloom correlate first")
    from seisloom.noise.lazy import combined

    return combined(storage, data)


def open_stacks(workspace: str | Path, name: str | None = None) -> xr.Dataset:
    """A stack of a workspace by name (METHOD_PERIOD), or the newest: ``ccf(pair, period, lag)`` with ``snr``."""
    storage = Storage(workspace)
    names = stack_names(storage)
    if name is None and names:
        name = max(names, key=lambda n: json.loads(storage.get(f"{STACKS}/{n}.json") or b"{}").get("made", ""))
    if name not in names:
        have = ", ".join(names) or "none"
        raise WorkspaceError(f"{workspace}: no stack {name or ''} (there are: {have}); run seisloom stack")
    return _open(storage, f"{STACKS}/{name}.zarr", "run seisloom stack")


def stack_names(storage: Storage) -> list[str]:
    """Names of the finished stacks."""
    keys = set(storage.keys(STACKS))
    archives = [key.removesuffix(".zarr/zarr.json") for key in sorted(keys) if key.endswith(".zarr/zarr.json")]
    return [path.removeprefix(f"{STACKS}/") for path in archives if f"{path}.json" in keys]


def _open(storage: Storage, path: str, remedy: str) -> xr.Dataset:
    import xarray as xr

    try:
        # Not in chunks of Dask's, whether it is installed or not.
        data = xr.open_zarr(storage.zarr(read_only=True), group=path, chunks=None, consolidated=False, zarr_format=3)
    except FileNotFoundError as error:
        raise WorkspaceError(f"{storage.url}: holds no {path}; {remedy}") from error
    check_format(data.attrs, f"{storage.url}/{path}")
    # Stores list in orders of their own; what is made of a dataset is to be the same everywhere.
    data = data[sorted(map(str, data.data_vars))]
    data = data.drop_vars(list(data.coords)).assign_coords({c: data[c].variable for c in sorted(map(str, data.coords))})
    # Variable-width strings are newer than much of what users do with names.
    names = [str(c) for c in data.coords if data[c].dtype.kind == "T"]
    return data.assign_coords({c: (data[c].dims, data[c].values.astype(object)) for c in names})


def pairs_a_chunk(n_pairs: int, values_a_pair: int) -> tuple[int, int]:
    """Pairs of an inner chunk and of a shard, a multiple of it and not much more than there are."""
    chunk = int(np.clip(CHUNK_BYTES // (4 * values_a_pair), 1, n_pairs))
    chunks = int(np.clip(SHARD_BYTES // (4 * values_a_pair * chunk), 1, -(-n_pairs // chunk)))
    return chunk, chunk * chunks


def _write_axis(group: zarr.Group, name: str, values: npt.NDArray, attributes: dict[str, Any], chunk: int) -> None:
    array = group.create_array(
        name, shape=values.shape, dtype=values.dtype, chunks=(chunk,), dimension_names=(name,), attributes=attributes
    )
    array[:] = values


def _nanoseconds(times: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    return (times.tz_localize("UTC") if times.tz is None else times).as_unit("ns").asi8


def _write_column(group: zarr.Group, name: str, values: npt.NDArray) -> None:
    if values.dtype.kind not in "fiub":
        values = np.array(values, dtype=np.dtypes.StringDType())
    group.create_array(name, shape=values.shape, dtype=values.dtype, dimension_names=("pair",))[:] = values
