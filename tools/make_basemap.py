"""Rebuild the base map data, src/seisloom/data/basemap.npz, from TopoJSON files.

    npm pack world-atlas@2.0.2 us-atlas@3.0.1     # in a temporary folder; unpack both
    python tools/make_basemap.py WORLD/countries-10m.json US/states-10m.json

Coasts and country borders are Natural Earth's (1:10m), state borders the US Census Bureau's. Arcs are simplified
once, before they are put together, so that rings and borders which share them still fit.

Layers of the file, at two levels of detail (``LAYER_LEVEL_dx``, ``_dy``, ``_n``): ``land`` (closed rings, cut at
±180°), ``borders``, ``states`` (lines). ``dx`` and ``dy`` are steps from one point to the next, over all lines, in units of
``quantum_deg``; ``n`` counts the points of each line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seisloom.plot.basemap import clip_ring, shifted

Array = npt.NDArray[np.float64]
OUT = Path(__file__).resolve().parents[1] / "src" / "seisloom" / "data" / "basemap.npz"
QUANTUM_DEG = 0.003
TOLERANCE_DEG = {"fine": 0.007, "coarse": 0.06}
WORLD = (-180.0, -90.0, 180.0, 90.0)


def arcs_of(topology: dict, tolerance: float) -> list[Array]:
    """The arcs of a quantised topology as simplified (n, 2) degrees, longitudes continuous along each arc."""
    scale, translate = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + translate for arc in topology["arcs"]]
    return [simplify(unwrap(arc), tolerance) for arc in arcs]


def unwrap(line: Array) -> Array:
    """Longitudes without jumps of 360°."""
    return np.column_stack([np.unwrap(line[:, 0], period=360.0), line[:, 1]])


def simplify(line: Array, tolerance: float) -> Array:
    """Points that keep the line within ``tolerance`` (Douglas & Peucker 1973); closed lines keep three points."""
    keep = np.zeros(len(line), bool)
    keep[[0, -1]] = True
    spans = [(0, len(line) - 1)]
    if np.allclose(line[0], line[-1]):
        far = int(np.argmax(np.sum((line - line[0]) ** 2, axis=1)))
        keep[far] = True
        spans = [(0, far), (far, len(line) - 1)]
    while spans:
        i, j = spans.pop()
        if j - i < 2:
            continue
        chord, points = line[j] - line[i], line[i + 1 : j] - line[i]
        along = np.clip(points @ chord / max(chord @ chord, 1e-30), 0.0, 1.0)
        error = np.sum((points - along[:, None] * chord) ** 2, axis=1)
        worst = int(np.argmax(error))
        if error[worst] > tolerance**2:
            middle = i + 1 + worst
            keep[middle] = True
            spans += [(i, middle), (middle, j)]
    return line[keep]


def joined(indices: list[int], arcs: list[Array]) -> Array:
    """One ring from its arcs; a negative index is the arc ~index, backwards."""
    parts = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in indices]
    return unwrap(np.concatenate([parts[0], *(part[1:] for part in parts[1:])]))


def rings_of(geometry: dict) -> list[list[int]]:
    """Arc indices of every ring of a Polygon or MultiPolygon."""
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    return [ring for polygon in polygons for ring in polygon]


def land_rings(topology: dict, arcs: list[Array], smallest_deg2: float) -> list[Array]:
    """Closed rings of the land inside ±180°, islands smaller than ``smallest_deg2`` left out."""
    rings = []
    for geometry in topology["objects"]["land"]["geometries"]:
        for indices in rings_of(geometry):
            ring = joined(indices, arcs)
            if abs(ring[-1, 0] - ring[0, 0]) > 180.0:  # round the south pole: close it along latitude -90
                ring = np.concatenate([ring, [[ring[-1, 0], -90.0], [ring[0, 0], -90.0]], ring[:1]])
            for shift in (-360.0, 0.0, 360.0):
                part = clip_ring(shifted(ring, shift), WORLD)
                if len(part) and abs(area(part)) > smallest_deg2:
                    rings.append(part)
    return rings


def area(ring: Array) -> float:
    """Signed area of a closed ring in square degrees."""
    x, y = ring.T
    return 0.5 * float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def shared_arcs(geometries: list[dict], arcs: list[Array]) -> list[Array]:
    """The arcs that two geometries have in common: borders without coasts."""
    users: dict[int, set[int]] = {}
    for number, geometry in enumerate(geometries):
        for ring in rings_of(geometry) if geometry.get("arcs") else []:
            for index in ring:
                users.setdefault(index if index >= 0 else ~index, set()).add(number)
    return [line for i in sorted(users) if len(users[i]) > 1 for line in cut_line(arcs[i])]


def cut_line(line: Array) -> list[Array]:
    """The line brought into ±180°, cut where it crosses that meridian."""
    turns = np.floor((line[:, 0] + 180.0) / 360.0)
    breaks = np.flatnonzero(np.diff(turns)) + 1
    parts = np.split(line - np.column_stack([360.0 * turns, np.zeros(len(line))]), breaks)
    return [part for part in parts if len(part) > 1]


def packed(name: str, lines: list[Array]) -> dict[str, npt.NDArray[np.int32]]:
    """A layer as the arrays of the file; points that quantisation makes equal are merged."""
    whole = [np.rint(line / QUANTUM_DEG).astype(np.int64) for line in lines]
    whole = [line[np.r_[True, np.any(np.diff(line, axis=0) != 0, axis=1)]] for line in whole]
    whole = [line for line in whole if len(line) > 1]
    steps = np.diff(np.concatenate(whole), axis=0, prepend=0).astype(np.int32)
    counts = np.array([len(line) for line in whole], np.int32)
    return {f"{name}_dx": steps[:, 0], f"{name}_dy": steps[:, 1], f"{name}_n": counts}


def main() -> None:
    """Read the two topologies and write the file."""
    parser = argparse.ArgumentParser(description="Rebuild src/seisloom/data/basemap.npz.")
    parser.add_argument("countries", type=Path, help="countries-10m.json of world-atlas")
    parser.add_argument("states", type=Path, help="states-10m.json of us-atlas")
    args = parser.parse_args()
    world, usa = (json.loads(path.read_text()) for path in (args.countries, args.states))
    arrays: dict[str, npt.NDArray] = {"quantum_deg": np.array(QUANTUM_DEG)}
    for level, tolerance in TOLERANCE_DEG.items():
        arcs, state_arcs = arcs_of(world, tolerance), arcs_of(usa, tolerance)
        arrays |= packed(f"land_{level}", land_rings(world, arcs, smallest_deg2=tolerance**2))
        arrays |= packed(f"borders_{level}", shared_arcs(world["objects"]["countries"]["geometries"], arcs))
        arrays |= packed(f"states_{level}", shared_arcs(usa["objects"]["states"]["geometries"], state_arcs))
    np.savez_compressed(OUT, **arrays)  # type: ignore[arg-type]
    points = {name[:-2]: int(arrays[name].sum()) for name in arrays if name.endswith("_n")}
    print(f"{OUT}: {OUT.stat().st_size / 1e3:.0f} kB; points: {points}")


if __name__ == "__main__":
    main()
