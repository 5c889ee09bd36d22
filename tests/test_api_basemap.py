"""The base map as GeoJSON: polygons as RFC 7946 wants them, the right places on land, pieces that meet."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from seisloom.web.api.basemap import polygons, signed_area
from seisloom.web.services import Services
from tests.web_support import TestClient, api_client

LAND = {"Rome": (12.5, 41.9), "Baku": (49.7, 40.5), "Ohio": (-83.0, 40.0), "Viti Levu": (178.0, -17.8), "Alice Springs": (133.9, -23.7)}  # fmt: skip
WATER = {"Caspian Sea": (51.0, 42.0), "Tyrrhenian Sea": (12.0, 40.0), "Pacific": (-179.0, 0.0)}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return api_client(Services(str(tmp_path_factory.mktemp("workspace"))))


def layers(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/geo+json"
    assert "max-age" in answer.headers["cache-control"]
    collection = json.loads(answer.content)
    assert collection["type"] == "FeatureCollection"
    return {feature["properties"]["layer"]: feature["geometry"] for feature in collection["features"]}


def on_land(geometry: dict[str, Any], place: tuple[float, float]) -> bool:
    """Inside the outline of a polygon and in none of its holes."""
    inside = (
        [Outline(np.array(ring)).contains_point(place) for ring in polygon] for polygon in geometry["coordinates"]
    )
    return any(outline and not any(holes) for outline, *holes in inside)


def test_the_coarse_world(client: TestClient) -> None:
    world = layers(client.get("/basemap/coarse"))
    assert set(world) == {"land", "coasts", "borders", "states"}
    for name, place in LAND.items():
        assert on_land(world["land"], place), name
    for name, place in WATER.items():
        assert not on_land(world["land"], place), name
    for polygon in world["land"]["coordinates"]:
        for i, ring in enumerate(polygon):
            assert ring[0] == ring[-1]
            assert (signed_area(np.array(ring)) >= 0) == (i == 0)  # outlines counterclockwise, holes not


def test_a_fine_piece_has_more_detail_and_keeps_its_place(client: TestClient) -> None:
    piece = layers(client.get("/basemap/fine/9/6"))  # 0° to 20° E, 30° to 50° N
    points = np.array([point for polygon in piece["land"]["coordinates"] for ring in polygon for point in ring])
    assert points.min(axis=0).tolist() == [0.0, 30.0]
    assert points.max(axis=0).tolist() == [20.0, 50.0]
    coarse = layers(client.get("/basemap/coarse"))["land"]["coordinates"]
    same = [
        point for polygon in coarse for ring in polygon for point in ring if 0 < point[0] < 20 and 30 < point[1] < 50
    ]
    assert len(points) > 3 * len(same)
    assert on_land(piece["land"], LAND["Rome"])
    assert not on_land(piece["land"], WATER["Tyrrhenian Sea"])
    assert piece["borders"]["coordinates"]
    assert not piece["states"]["coordinates"]


def test_a_lake_cut_by_the_edge_of_a_piece_stays_water(client: TestClient) -> None:
    for path, place in (("11/6", (51.0, 42.0)), ("11/6", (50.0, 44.5))):
        assert not on_land(layers(client.get(f"/basemap/fine/{path}"))["land"], place)
    assert on_land(layers(client.get("/basemap/fine/11/6"))["land"], (45.0, 42.0))


@pytest.mark.parametrize("path", ["fine/18/0", "fine/-1/0", "fine/0/9", "fine/x/y"])
def test_pieces_that_are_not_there(client: TestClient, path: str) -> None:
    assert client.get(f"/basemap/{path}").status_code == 422


def test_holes_go_to_the_smallest_land_around_them() -> None:
    def square(x: float, y: float, side: float, clockwise: bool) -> Any:
        ring = np.array([(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)]) * side + (x, y)
        return ring if clockwise else ring[::-1]

    continent, lake = square(0, 0, 10, True), square(2, 2, 5, False)
    island, pond = square(3, 3, 2, True), square(3.5, 3.5, 1, False)
    found = polygons([continent, lake, island, pond])
    assert sorted(len(polygon) for polygon in found) == [2, 2]
    sides = {(float(np.ptp(p[0][:, 0])), float(np.ptp(p[1][:, 0]))) for p in found}
    assert sides == {(10.0, 5.0), (2.0, 1.0)}
