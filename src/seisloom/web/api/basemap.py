"""The base map: land, coasts and borders from the package as GeoJSON, whole and coarse or fine in pieces."""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Path, Response

from seisloom.plot import basemap

router = APIRouter(prefix="/basemap", tags=["base map"])

PIECE_DEG = 20
"""Width and height of a fine piece."""
GEOJSON = "application/geo+json"
# It changes with the version of seisloom only, which the pages put into the address.
_KEEP = {"Cache-Control": "public, max-age=604800"}
_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "FeatureCollection; the property `layer` of a feature is land, coasts, borders or states (of the USA)",
        "content": {GEOJSON: {"schema": {"type": "object"}}},
    }
}


@router.get("/coarse", response_class=Response, responses=_DESCRIBED)
def coarse() -> Response:
    """The world within 0.06°."""
    return Response(_geojson((-180.0, -90.0, 180.0, 90.0), 2), media_type=GEOJSON, headers=_KEEP)


@router.get("/fine/{column}/{row}", response_class=Response, responses=_DESCRIBED)
def fine(
    column: Annotated[int, Path(ge=0, lt=360 // PIECE_DEG)], row: Annotated[int, Path(ge=0, lt=180 // PIECE_DEG)]
) -> Response:
    """A piece of 20° by 20° within 0.007°; columns count east from 180° W, rows north from the south pole."""
    west, south = column * PIECE_DEG - 180.0, row * PIECE_DEG - 90.0
    return Response(_geojson((west, south, west + PIECE_DEG, south + PIECE_DEG), 3), media_type=GEOJSON, headers=_KEEP)


@cache
def _geojson(box: basemap.Box, digits: int) -> bytes:
    def rounded(line: npt.NDArray[np.float64]) -> list[list[float]]:
        pairs: list[list[float]] = line.round(digits).tolist()
        return pairs

    features = [_feature("land", "MultiPolygon", [[rounded(r) for r in p] for p in polygons(basemap.land(box))])]
    for layer, lines in (("coasts", basemap.coasts), ("borders", basemap.borders), ("states", basemap.state_lines)):
        features.append(_feature(layer, "MultiLineString", [rounded(line) for line in lines(box)]))
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")).encode()


def _feature(layer: str, kind: str, coordinates: list[Any]) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": {"layer": layer}, "geometry": geometry}


def polygons(rings: list[npt.NDArray[np.float64]]) -> list[list[npt.NDArray[np.float64]]]:
    """Rings of land (clockwise) and holes (the other way) as polygons of RFC 7946: outside first, counterclockwise.

    A hole belongs to the smallest land whose bounding box holds its own.
    """
    found = [[ring[::-1]] for ring in rings if signed_area(ring) < 0]
    found.sort(key=lambda polygon: signed_area(polygon[0]))
    for hole in (ring for ring in rings if signed_area(ring) > 0):
        for polygon in found:
            low, high = polygon[0].min(axis=0), polygon[0].max(axis=0)
            if (low <= hole.min(axis=0)).all() and (high >= hole.max(axis=0)).all():
                polygon.append(hole[::-1])
                break
    return found


def signed_area(ring: npt.NDArray[np.float64]) -> float:
    """Of a closed ring (n, 2), in square degrees; positive counterclockwise."""
    x, y = (ring - ring[0]).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2.0)
