"""Choose pairs of a correlation or stack dataset by name, in either order, and turn them round.

Datasets are those of docs/conventions.md: ``ccf`` with dimensions pair, lag and at most one of day, time and
period between them. Nothing is loaded before the pairs are chosen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

Mask = npt.NDArray[np.bool_]
TIME_DIMS = ("day", "time", "period")
BLOCK = 2048


def select_pair(ds: xr.Dataset, name: str, component: str | None = None) -> xr.Dataset:
    """The pairs called ``name`` ("A_B"), turned round where the dataset holds B_A.

    A and B are channels (NET.STA.LOC.CHA) or stations (NET.STA); a station pair may hold several pairs of
    channels, of which ``component`` (e.g. "ZZ", A first) picks one kind. InputError names what is near when
    there is no such pair.
    """
    chosen, turned = find_pair(ds, name)
    found = reverse(ds.isel(pair=chosen), turned)
    return found if component is None else select_component(found, component)


def find_pair(ds: xr.Dataset, name: str) -> tuple[npt.NDArray[np.int64], Mask]:
    """Positions of the pairs called ``name``, and which of them the dataset holds as B_A; see :func:`select_pair`."""
    a, b = _names(ds, "a"), _names(ds, "b")
    forward, backward = np.zeros(len(a), bool), np.zeros(len(a), bool)
    for left, right in _splits(name):  # a code may hold an underscore, so every one may be the separator
        forward |= _matches(a, left) & _matches(b, right)
        backward |= _matches(b, left) & _matches(a, right)
    if not (forward | backward).any():
        raise InputError(_no_such_pair(name, a, b))
    chosen = np.flatnonzero(forward | backward)
    return chosen, ~forward[chosen]


def select_pairs(ds: xr.Dataset, patterns: Sequence[str] | None) -> xr.Dataset:
    """The pairs that are asked for, in the order of the dataset; all for None.

    A pair is named by its channels (NET.STA.LOC.CHA_NET.STA.LOC.CHA) or stations (NET.STA_NET.STA), or by a
    pattern of either with ``*`` and ``?``. InputError, with what is near, for one that chooses nothing.
    """
    if not patterns:
        return ds
    a, b = _names(ds, "a"), _names(ds, "b")
    forms = [(f"{x}_{y}", f"{_station(x)}_{_station(y)}") for x, y in zip(a, b, strict=True)]
    chosen: set[int] = set()
    for pattern in patterns:
        found = [i for i, form in enumerate(forms) if any(fnmatchcase(name, pattern) for name in form)]
        if not found:
            raise InputError(_no_such_pair(pattern, a, b) + " (* and ? match any letters)")
        chosen.update(found)
    return ds.isel(pair=sorted(chosen))


def from_source(ds: xr.Dataset, station: str) -> xr.Dataset:
    """All pairs of one station (NET.STA or NET.STA.LOC.CHA), each turned so that it is A, the virtual source."""
    found = pairs_with(ds, station)
    return reverse(found, ~_matches(_names(found, "a"), station))


def pairs_with(ds: xr.Dataset, station: str) -> xr.Dataset:
    """All pairs of one station (NET.STA or NET.STA.LOC.CHA), as they are."""
    return ds.isel(pair=find_station(ds, station))


def find_station(ds: xr.Dataset, station: str) -> npt.NDArray[np.int64]:
    """Positions of the pairs of one station; InputError, with what is near, where there are none."""
    a, b = _names(ds, "a"), _names(ds, "b")
    chosen = np.flatnonzero(_matches(a, station) | _matches(b, station))
    if not len(chosen):
        raise InputError(f"no pair of {station!r}: {_near(station, _known(a, b))}")
    return chosen


def between(ds: xr.Dataset, start: str | None = None, end: str | None = None) -> xr.Dataset:
    """The rows from day ``start`` to day ``end`` (YYYY-MM-DD, both included, None = open end).

    InputError, with the days that there are, where none lies between them.
    """
    dim = time_dim(ds)
    if dim is None or not (start or end):
        return ds
    days = pd.DatetimeIndex(ds[dim].values).normalize()
    first, last = pd.Timestamp(start or days[0]), pd.Timestamp(end or days[-1])
    chosen = np.flatnonzero((days >= first) & (days <= last))
    if not len(chosen):
        there = f"{days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}" if len(days) else "none"
        raise InputError(f"no day from {first:%Y-%m-%d} to {last:%Y-%m-%d}; there are {there}")
    return ds.isel({dim: chosen})


def select_component(ds: xr.Dataset, component: str) -> xr.Dataset:
    """The pairs whose channel codes end in these two letters, A first: "ZZ", "RT", ..."""
    codes = components(ds)
    chosen = np.flatnonzero(codes == component.upper())
    if not len(chosen):
        raise InputError(f"no pair of component {component!r}; there are {', '.join(sorted(set(codes)))}")
    return ds.isel(pair=chosen)


def components(ds: xr.Dataset) -> npt.NDArray[np.str_]:
    """Component code of every pair: the last letter of each channel, A first."""
    return np.array([x[-1] + y[-1] for x, y in zip(_names(ds, "a"), _names(ds, "b"), strict=True)], dtype=str)


def reverse(ds: xr.Dataset, which: Mask | None = None) -> xr.Dataset:
    """Turn pairs round (all, or those of the mask): A and B change places and the lag axis is reversed.

    R and T point along A to B, so one of them changes sign when the pair is turned: RZ, ZR, TZ and ZT change
    theirs, RR, RT and TT do not. InputError for deconvolutions, which belong to their A.
    """
    turned = np.ones(ds.sizes["pair"], bool) if which is None else which
    if not turned.any():
        return ds
    if json.loads(ds.attrs.get("settings") or "{}").get("measure") == "deconvolution":
        first = str(ds["pair"].values[np.flatnonzero(turned)[0]])
        raise InputError(
            f"{first} is a deconvolution by its first channel and cannot be turned round: ask for it as it is"
        )
    if not np.allclose(ds["lag"], -ds["lag"][::-1], atol=1e-6):
        raise InputError("the lag axis is not symmetric about zero: turn pairs round before cutting it")
    out = ds.assign({n: (ds[n].dims, _exchanged(ds, n, turned), ds[n].attrs) for n in _sided(ds)})
    for side in "ab":
        _turn_axes(out, side, turned)
    out["ccf"] = _reversed_lag(ds, turned)
    names = [f"{x}_{y}" for x, y in zip(_names(out, "a"), _names(out, "b"), strict=True)]
    return out.assign_coords(pair=("pair", names, ds["pair"].attrs))


def mean_over_time(ds: xr.Dataset) -> xr.Dataset:
    """Mean of ``ccf`` over days (sub-stacks, periods), weighted by window counts, NaN left out: ``ccf(pair, lag)``.

    ``count`` becomes the sum. A pair without any data stays NaN. Datasets without such a dimension come back
    as they are.
    """
    dim = time_dim(ds)
    if dim is None:
        return ds
    import xarray as xr

    if not ds.sizes["pair"]:
        raise InputError("the dataset holds no pairs")
    parts = [_weighted_mean(block, dim) for block in blocks(ds)]
    mean, count = (xr.concat(column, "pair") for column in zip(*parts, strict=True))
    small = ds.drop_vars([n for n in ds.variables if dim in ds[n].dims])
    return small.assign(ccf=mean.variable, count=count.variable)


def blocks(ds: xr.Dataset, size: int = BLOCK) -> Iterator[xr.Dataset]:
    """The dataset in loaded blocks of pairs, so that a large archive never has to fit in memory."""
    for first in range(0, ds.sizes["pair"], size):
        yield ds.isel(pair=slice(first, first + size)).load()


def time_dim(ds: xr.Dataset) -> str | None:
    """The dimension that counts days, sub-stacks or stacking periods; None where there is none."""
    return next((d for d in TIME_DIMS if d in ds["ccf"].dims), None)


def stations_of(ds: xr.Dataset) -> pd.DataFrame:
    """Stations of a dataset: network, station, latitude, longitude (degrees; NaN where unknown), one row each."""
    ends = []
    for side in "ab":
        parts = [name.split(".") for name in _names(ds, side)]
        blank = np.full(len(parts), np.nan)
        where = {c: np.asarray(ds[f"{c}_{side}"]) if f"{c}_{side}" in ds else blank for c in ("latitude", "longitude")}
        ends.append(pd.DataFrame({"network": [p[0] for p in parts], "station": [p[1] for p in parts]} | where))
    both = pd.concat(ends).sort_values(["network", "station"], kind="stable")
    return both.groupby(["network", "station"], as_index=False).first()


def _weighted_mean(ds: xr.Dataset, dim: str) -> tuple[xr.DataArray, xr.DataArray]:
    count = ds["count"] if "count" in ds else (ds["ccf"].isel(lag=0) * 0 + 1)
    weight = count.where(ds["ccf"].notnull().any("lag"), 0).fillna(0).astype(float)
    total = weight.sum(dim)
    mean = (ds["ccf"].fillna(0) * weight).sum(dim) / total.where(total > 0)
    return mean.transpose("pair", "lag").astype("float32"), total


def _names(ds: xr.Dataset, side: str) -> npt.NDArray[np.str_]:
    return np.asarray(ds[f"channel_{side}"].values).astype(str)


def _station(channel: str) -> str:
    return ".".join(channel.split(".")[:2])


def _matches(channels: npt.NDArray[np.str_], name: str) -> Mask:
    unique, inverse = np.unique(channels, return_inverse=True)
    hits = np.array([name in (channel, _station(channel)) for channel in unique], bool)
    return hits[inverse] if len(unique) else np.zeros(0, bool)


def _splits(name: str) -> list[tuple[str, str]]:
    return [(name[: m.start()], name[m.end() :]) for m in re.finditer("_", name)]


def _known(a: npt.NDArray[np.str_], b: npt.NDArray[np.str_]) -> list[str]:
    channels = np.union1d(a, b).tolist()
    return sorted({_station(c) for c in channels}) + channels


def _near(name: str, known: list[str]) -> str:
    """What the user may have meant: names that end in what was written, then names spelt nearly so."""
    near = [k for k in known if k.endswith("." + name)] + get_close_matches(name, known, n=3, cutoff=0.5)
    listing = list(dict.fromkeys(near))[:3] or known[:6]
    return ("did you mean " if near else "there are ") + ", ".join(listing) + ("?" if near else "")


def _no_such_pair(name: str, a: npt.NDArray[np.str_], b: npt.NDArray[np.str_]) -> str:
    known = _known(a, b)
    splits = _splits(name)
    if not splits:
        return f"pair {name!r} is not two names joined by an underscore, such as {known[0]}_{known[-1]}"
    # Of the possible separators, the one that leaves most names that exist.
    left, right = max(splits, key=lambda s: sum(part in known for part in s))
    unknown = [part for part in (left, right) if part not in known]
    if not unknown:
        return f"no pair {name!r}: both are there, but were not correlated with each other"
    return "; ".join(f"no pair {name!r}: unknown {part!r}, {_near(part, known)}" for part in unknown)


def _partner(name: str) -> str:
    """The variable that belongs to the other end of the pair (itself where there is none)."""
    ends = {"a": "b", "b": "a"}
    turned = {"azimuth_deg": "back_azimuth_deg", "back_azimuth_deg": "azimuth_deg"}
    return turned.get(name) or re.sub(r"_([ab])(?=_|$)", lambda m: "_" + ends[m[1]], name)


def _sided(ds: xr.Dataset) -> list[str]:
    return [str(n) for n in ds.variables if _partner(str(n)) != n and _partner(str(n)) in ds.variables]


def _exchanged(ds: xr.Dataset, name: str, turned: Mask) -> npt.NDArray:
    return np.where(turned, ds[_partner(name)].values, ds[name].values)


def _turn_axes(ds: xr.Dataset, side: str, turned: Mask) -> None:
    """R and T point the other way in a pair that is turned round; so do their azimuths, in place."""
    name = f"sensor_azimuth_{side}_deg"
    if name in ds:
        radial = np.array([channel[-1] in "RT" for channel in _names(ds, side)], bool)
        ds[name] = (ds[name].dims, np.where(turned & radial, (ds[name].values + 180.0) % 360.0, ds[name].values))


def _reversed_lag(ds: xr.Dataset, turned: Mask) -> xr.DataArray:
    ccf = ds["ccf"].transpose("pair", ..., "lag")
    values = np.array(ccf.values)
    sign = np.array([-1 if (c[0] in "RT") != (c[1] in "RT") else 1 for c in components(ds)], values.dtype)
    shape = (-1,) + (1,) * (values.ndim - 1)
    values[turned] = values[turned][..., ::-1] * sign[turned].reshape(shape)
    return ccf.copy(data=values)
