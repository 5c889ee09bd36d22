"""Pairs and stations of a job, as tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.noise.select import components, stations_of
from seisloom.web.stacking.archives import Archive
from seisloom.web.stacking.choice import Choice


def pair_columns(archive: Archive) -> dict[str, Any]:
    """All pairs by column; unknown numbers are NaN (null in JSON)."""
    ends = [archive.data[f"channel_{end}"].values.astype(str) for end in "ab"]
    channels, numbers = np.unique(np.concatenate(ends), return_inverse=True)
    a, b = numbers[: len(ends[0])], numbers[len(ends[0]) :]
    return {
        "version": archive.version,
        "count": len(a),
        "channels": channels.tolist(),
        "a": a,
        "b": b,
        "component": components(archive.data).tolist(),
        "distance_km": _column(archive, "distance_km", 3),
        "azimuth_deg": _column(archive, "azimuth_deg", 1),
        "days": (archive.windows > 0).sum(axis=1),
        "windows": archive.windows.sum(axis=1, dtype=np.int64),
        "snr": ratios(archive),
    }


def station_rows(archive: Archive) -> list[dict[str, Any]]:
    """``station``, ``latitude``, ``longitude`` (None where unknown) and number of ``pairs`` of every station."""
    key = (archive.job.id, archive.version, "stations")
    return archive.cache.get(key, lambda: _station_rows(archive), lambda rows: 300 * len(rows))


def _station_rows(archive: Archive) -> list[dict[str, Any]]:
    table = stations_of(archive.data)
    names = (table["network"] + "." + table["station"]).to_numpy(str)
    channels, numbers = np.unique(
        [archive.data[f"channel_{end}"].values.astype(str) for end in "ab"], return_inverse=True
    )
    station = np.array([".".join(name.split(".")[:2]) for name in channels])
    a, b = np.searchsorted(names, station)[numbers.reshape(2, -1)]
    count = np.bincount(a, minlength=len(names)) + np.bincount(b[a != b], minlength=len(names))
    where = table[["latitude", "longitude"]].astype(object).where(table[["latitude", "longitude"]].notna(), None)
    rows = zip(names.tolist(), where["latitude"], where["longitude"], count.tolist(), strict=True)
    return [{"station": n, "latitude": y, "longitude": x, "pairs": pairs} for n, y, x, pairs in rows]


def _column(archive: Archive, name: str, digits: int) -> npt.NDArray[np.float64]:
    return np.asarray(archive.data[name].values, np.float64).round(digits)


def ratios(archive: Archive, make: bool = False) -> npt.NDArray[np.float64]:
    """Signal-to-noise ratio of the linear stack of every pair: of one that is stored or was made, or that is made now."""
    choice = Choice()
    if name := archive.stored_like(choice):
        stored = archive.stored(name)
        ratio = pd.Series(stored["snr"].values[:, 0].astype(float), stored["pair"].values.astype(str))
        found = ratio[~ratio.index.duplicated()].reindex(archive.data["pair"].values.astype(str)).to_numpy()
    elif archive.windows.any() and (
        archive.has_stack(archive.all_pairs, choice) or (make and archive.fits(archive.all_pairs))
    ):
        found = archive.stack(archive.all_pairs, choice)["snr"].values[:, 0].astype(float)
    else:
        found = np.full(len(archive.windows), np.nan)
    return found.round(2)
