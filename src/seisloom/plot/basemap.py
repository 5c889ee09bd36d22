"""Coasts and borders for maps, read from a small file inside the package: no network, no projection library.

The file (see ``data/basemap.txt`` for its origin) holds two levels of detail. A box is (west, south, east,
north) in degrees; where it crosses the ±180° meridian, east exceeds 180 or west is greater than east, and what
comes back is shifted by 360° so that it lies in the box.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]

# Boxes at most this wide are drawn from the fine level, whose lines stray at most 0.8 km from their source.
FINE_SPAN_DEG = 25.0


def coasts(box: Box) -> list[Array]:
    """Coast lines that touch the box, each (n, 2) of longitude and latitude in degrees."""
    return _lines("land", box)


def borders(box: Box) -> list[Array]:
    """Borders between countries that touch the box, as :func:`coasts`."""
    return _lines("borders", box)


def state_lines(box: Box) -> list[Array]:
    """Borders between the states of the USA that touch the box, as :func:`coasts`; none in wide boxes."""
    return _lines("states", box)


def land(box: Box) -> list[Array]:
    """Rings (n, 2) of the land inside the box, cut along its edges, for filling; holes run the other way round."""
    west, south, east, north = unwrapped(box)
    rings = []
    for ring in _polylines("land", _level(box)):
        for shift in (-360.0, 0.0, 360.0):
            moved = shifted(ring, shift)
            low, high = moved.min(axis=0), moved.max(axis=0)
            if high[0] <= west or low[0] >= east or high[1] <= south or low[1] >= north:
                continue
            inside = clip_ring(moved, (west, south, east, north))
            if len(inside):
                rings.append(inside)
    return rings


def unwrapped(box: Box) -> Box:
    """The box with west < east: a west greater than east means that it crosses the ±180° meridian."""
    west, south, east, north = box
    return (west, south, east + 360.0 if east < west else east, north)


def shifted(line: Array, degrees: float) -> Array:
    """The line moved east."""
    return line + np.array([degrees, 0.0])


def clip_ring(ring: Array, box: Box) -> Array:
    """The part of a closed ring (first point repeated last) inside the box, closed; empty where there is none.

    Sutherland & Hodgman (1974), one edge of the box after another; separate parts stay joined along the edges.
    """
    points = ring[:-1]
    for axis, bound, sign in ((0, box[0], 1.0), (0, box[2], -1.0), (1, box[1], 1.0), (1, box[3], -1.0)):
        if len(points) < 3:
            return np.empty((0, 2))
        points = _half_plane(points, axis, bound, sign)
    return np.concatenate([points, points[:1]]) if len(points) >= 3 else np.empty((0, 2))


def _half_plane(points: Array, axis: int, bound: float, sign: float) -> Array:
    side = sign * (points[:, axis] - bound)
    following = np.roll(side, -1)
    crosses = (side >= 0) != (following >= 0)
    fraction = np.divide(side, side - following, out=np.zeros_like(side), where=crosses)
    crossing = points + fraction[:, None] * (np.roll(points, -1, axis=0) - points)
    crossing[:, axis] = bound
    both = np.stack([points, crossing], axis=1)
    return both[np.stack([side >= 0, crosses], axis=1)]


def _lines(layer: str, box: Box) -> list[Array]:
    """Runs of segments whose own bounding boxes touch the box."""
    west, south, east, north = unwrapped(box)
    xy, starts = _read(layer, _level(box))
    if not len(xy):
        return []
    low, high = np.minimum(xy[:-1], xy[1:]), np.maximum(xy[:-1], xy[1:])
    drawn = ~_artificial(xy)
    drawn[starts[1:-1] - 1] = False
    drawn &= (high[:, 1] >= south) & (low[:, 1] <= north)
    found = []
    for shift in (-360.0, 0.0, 360.0):
        near = drawn & (high[:, 0] + shift > west) & (low[:, 0] + shift < east)
        edges = np.diff(near.astype(np.int8), prepend=0, append=0)
        for first, last in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            found.append(shifted(xy[first : last + 1], shift))
    return found


def _artificial(xy: Array) -> npt.NDArray[np.bool_]:
    """Segments that only close rings: along the cut at ±180° and along the south pole."""
    cut = np.abs(xy[:, 0]) > 179.999
    pole = xy[:, 1] < -89.999
    along_cut = cut[:-1] & cut[1:]
    return along_cut | (pole[:-1] & pole[1:])


def _level(box: Box) -> str:
    west, south, east, north = unwrapped(box)
    return "fine" if max(east - west, north - south) <= FINE_SPAN_DEG else "coarse"


def _polylines(layer: str, level: str) -> list[Array]:
    xy, starts = _read(layer, level)
    return [xy[first:last] for first, last in pairwise(starts)]


@cache
def _file() -> dict[str, Any]:
    with (files("seisloom") / "data" / "basemap.npz").open("rb") as stream, np.load(stream) as npz:
        return dict(npz)


@cache
def _read(layer: str, level: str) -> tuple[Array, npt.NDArray[np.int64]]:
    """Points (n, 2) of all lines of a layer in degrees, and where each line starts (and the last one ends)."""
    arrays = _file()
    steps = [np.cumsum(arrays[f"{layer}_{level}_{axis}"], dtype=np.int64) for axis in ("dx", "dy")]
    starts: npt.NDArray[np.int64] = np.concatenate([[0], np.cumsum(arrays[f"{layer}_{level}_n"], dtype=np.int64)])
    xy = np.stack(steps, axis=1).astype(float) * np.float64(arrays["quantum_deg"])
    xy.flags.writeable = False
    return xy, starts
