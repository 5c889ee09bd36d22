"""Correlations of sensor channels turned into radial, transverse and vertical: RR RT RZ TR TT TZ ZR ZT ZZ.

A correlation is linear in both records, so what turns the records turns the correlations:
ccf[p q] = sum over i, j of A[p, i] B[q, j] ccf[i j], with p, q of R, T, Z, channels i of the sensor at A and j at B.
The matrices follow from the azimuths and dips of the channels, so channels named 1 and 2, misoriented
or slightly skew horizontals, verticals of reversed polarity and Galperin triples (U, V, W) are all the same case. The
amplitudes of a sensor's channels must be comparable: normalise the three alike, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

Float64 = npt.NDArray[np.float64]
Table = dict[str, npt.NDArray]
AXES = "RTZ"
# Triples of orientation codes that make a sensor, the first complete one of which is taken.
TRIPLES = ("ZNE", "Z12", "123", "ABC", "UVW")
# What a code says where the metadata gives no number.
AZIMUTHS = {"N": 0.0, "E": 90.0, "Z": 0.0, "3": 0.0}
DIPS = {"N": 0.0, "E": 0.0, "1": 0.0, "2": 0.0, "Z": -90.0, "3": -90.0}
# Three directions in one plane, 120° from one another, are each this far from perpendicular and span no space.
COPLANAR_DEG = 30.0
ENDS = ("channel_{}", "sensor_azimuth_{}_deg", "sensor_dip_{}_deg")
PAIR_COLUMNS = [name.format(end) for end in "ab" for name in ENDS] + ["distance_km", "azimuth_deg", "back_azimuth_deg"]
# Matrix elements below this are rounding: the channel has no part in the component.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class _Turn:
    """How the nine correlations of two sensors are turned: their rows (i, j) in the dataset, matrices (RTZ, channel)."""

    rows: npt.NDArray[np.int64]
    a: Float64
    b: Float64


def rotate(dataset: xr.Dataset, *, max_skew_deg: float = 15.0) -> xr.Dataset:
    """Turn the correlations of pairs of three-component sensors into their nine R, T, Z components.

    ``dataset`` is laid out as docs/conventions.md says: ``ccf(pair, ..., lag)``, ``count(pair, ...)`` (may be absent)
    and per pair the channel names, sensor azimuths and dips, distance and azimuths. A sensor is NET.STA.LOC and the
    channel code without its last letter. R points from A to B at both ends, T 90° clockwise of it, Z up; the
    channels are named with R, T, Z, and the sensor azimuths and dips become theirs.

    A component is NaN where a correlation that has part in it is, and counts the fewest windows of those; ZZ of level
    sensors, for instance, does not need the horizontals. Other variables with a value a pair are carried over,
    ``snr`` is not. Pairs of sensors that cannot be turned are left out and listed in the attribute ``not_rotated``
    (JSON list of {"pair", "reason"}): component pairs that are missing, orientations that are unknown or are more than
    ``max_skew_deg`` from being perpendicular, no distance between the ends. InputError if none is left.

    Dataset and result are in memory at once: for a large archive pass a part of the pairs at a time, those of two
    sensors together.
    """
    if not 0 <= max_skew_deg < COPLANAR_DEG:
        raise InputError(f"max_skew_deg is {max_skew_deg}: use at least 0 and less than {COPLANAR_DEG:g}")
    table = {name: dataset[name].values for name in PAIR_COLUMNS}
    turns, left_out = {}, []
    for (a, b), rows in _sensor_pairs(table).items():
        try:
            turns[a, b] = _turn(table, a, b, rows, max_skew_deg)
        except InputError as error:
            left_out.append({"pair": f"{a}_{b}", "reason": str(error)})
    if not turns:
        listing = "\n".join(f"  {entry['pair']}: {entry['reason']}" for entry in left_out[:10])
        raise InputError(f"no pair of sensors can be rotated ({len(left_out)} looked at)\n{listing}")
    out = _rotated_coordinates(dataset, turns)
    out["ccf"] = _rotated(dataset["ccf"].transpose("pair", ..., "lag"), list(turns.values()), _combine)
    if "count" in dataset:
        out["count"] = _rotated(dataset["count"].transpose("pair", ...), list(turns.values()), _fewest)
    out.attrs["not_rotated"] = json.dumps(left_out)
    return out


def _sensor_pairs(table: Table) -> dict[tuple[str, str], dict[str, int]]:
    """Row of every pair of orientation codes ("NE"), by pair of sensors (channel names less the last letter)."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    names = (table[f"channel_{end}"].astype(str) for end in "ab")
    for row, (a, b) in enumerate(zip(*names, strict=True)):
        found.setdefault((a[:-1], b[:-1]), {})[a[-1] + b[-1]] = row
    return dict(sorted(found.items()))


def _turn(table: Table, a: str, b: str, rows: dict[str, int], max_skew_deg: float) -> _Turn:
    """How the correlations of sensors a and b are turned; InputError says why they cannot be."""
    if a == b:
        raise InputError("both ends are one sensor: there is no radial direction")
    chosen = _complete(rows)
    first = chosen[0, 0]
    distance, azimuth, back_azimuth = (
        float(table[name][first]) for name in ("distance_km", "azimuth_deg", "back_azimuth_deg")
    )
    if not (np.isfinite(azimuth) and np.isfinite(back_azimuth)):
        raise InputError("the azimuth is unknown: a station has no coordinates")
    if distance == 0:
        raise InputError("the two sensors are at one place: there is no radial direction")
    return _Turn(
        chosen,
        _matrix(table, "a", chosen[:, 0], azimuth, max_skew_deg),
        _matrix(table, "b", chosen[0], back_azimuth + 180.0, max_skew_deg),
    )


def _complete(rows: dict[str, int]) -> npt.NDArray[np.int64]:
    """Rows (i, j) of the first triples of A and B of which all nine pairs are there."""
    for triple_a in TRIPLES:
        for triple_b in TRIPLES:
            if all(i + j in rows for i in triple_a for j in triple_b):
                return np.array([[rows[i + j] for j in triple_b] for i in triple_a])
    here = " ".join(sorted(rows))
    raise InputError(f"nine pairs of components are needed, from {', '.join(TRIPLES)}; there are {here}")


def _matrix(table: Table, end: str, rows: npt.NDArray[np.int64], radial_deg: float, max_skew_deg: float) -> Float64:
    """Matrix (RTZ, channel) that turns the records of a sensor, whose radial direction has this azimuth (degrees)."""
    names = [str(name) for name in table[f"channel_{end}"][rows]]
    azimuths, dips = (table[f"sensor_{angle}_{end}_deg"][rows] for angle in ("azimuth", "dip"))
    directions = np.array([_direction(*row) for row in zip(names, azimuths, dips, strict=True)])
    skew = np.degrees(np.arcsin(np.clip(np.abs(np.triu(directions @ directions.T, 1)), 0, 1)))
    if skew.max() > max_skew_deg:
        i, j = np.unravel_index(skew.argmax(), skew.shape)
        raise InputError(
            f"{names[i]} and {names[j]} are {skew.max():.0f}° off perpendicular by their azimuths and dips "
            f"(limit {max_skew_deg:g}°): check the metadata"
        )
    radial = np.radians(radial_deg)
    axes = np.array([[np.cos(radial), np.sin(radial), 0], [-np.sin(radial), np.cos(radial), 0], [0, 0, 1]])
    matrix = axes @ np.linalg.inv(directions)
    return np.where(np.abs(matrix) > NEGLIGIBLE, matrix, 0.0)


def _direction(channel: str, azimuth_deg: float, dip_deg: float) -> Float64:
    """Unit vector (north, east, up) of positive output; by the orientation code where the metadata has no number."""
    code = channel[-1]
    azimuth = AZIMUTHS.get(code, np.nan) if np.isnan(azimuth_deg) else azimuth_deg
    dip = DIPS.get(code, np.nan) if np.isnan(dip_deg) else dip_deg
    if np.isnan(azimuth) or np.isnan(dip):
        raise InputError(
            f"the sensor azimuth or dip of {channel} is unknown: give it in the channel list or StationXML"
        )
    azimuth, dip = np.radians(azimuth), np.radians(dip)
    return np.array([np.cos(dip) * np.cos(azimuth), np.cos(dip) * np.sin(azimuth), -np.sin(dip)])


def _rotated_coordinates(dataset: xr.Dataset, turns: dict[tuple[str, str], _Turn]) -> xr.Dataset:
    """The dataset without ccf, count and snr, for the nine components of each pair of sensors."""
    first = np.repeat([turn.rows[0, 0] for turn in turns.values()], len(AXES) ** 2)
    out = dataset.drop_vars(["ccf", "count", "snr"], errors="ignore").isel(pair=first)
    ends = {
        "a": [a + p for a, _ in turns for p in AXES for _ in AXES],
        "b": [b + q for _, b in turns for _ in AXES for q in AXES],
    }
    radial = {"a": out["azimuth_deg"].values, "b": out["back_azimuth_deg"].values + 180.0}
    columns: dict[str, npt.ArrayLike] = {"pair": [f"{a}_{b}" for a, b in zip(ends["a"], ends["b"], strict=True)]}
    for end, names in ends.items():
        axis = np.array([name[-1] for name in names])
        turned = np.select([axis == "R", axis == "T"], [radial[end], radial[end] + 90.0], 0.0) % 360.0
        columns[f"channel_{end}"] = names
        columns[f"sensor_azimuth_{end}_deg"] = turned
        columns[f"sensor_dip_{end}_deg"] = np.where(axis == "Z", -90.0, 0.0)
    return out.assign_coords({name: ("pair", values, dataset[name].attrs) for name, values in columns.items()})


def _rotated(
    array: xr.DataArray, turns: list[_Turn], merge: Callable[..., npt.NDArray]
) -> tuple[tuple[Hashable, ...], npt.NDArray, dict]:
    """The nine components of every turn along the first axis, each merged from the correlations that have part in it."""
    values = array.values
    components = [(turn, p, q) for turn in turns for p, q in np.ndindex(len(AXES), len(AXES))]
    out = np.empty((len(components), *values.shape[1:]), values.dtype)
    for k, (turn, p, q) in enumerate(components):
        factors = np.outer(turn.a[p], turn.b[q])
        used = np.nonzero(factors)
        out[k] = merge(values[turn.rows[used]], factors[used])
    return array.dims, out, array.attrs


def _combine(ccf: npt.NDArray, factors: Float64) -> npt.NDArray:
    return np.tensordot(factors.astype(ccf.dtype), ccf, axes=1)


def _fewest(count: npt.NDArray, factors: Float64) -> npt.NDArray:
    return count.min(axis=0)
