"""Networks of the held-out generator: clumps, lines, rings and coasts of stations, and where earthquakes are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import geo
from seisloom.associate.network import Region

Array = npt.NDArray[np.float64]


class Part(NamedTuple):
    """Some of the stations, in units of the size of the network."""

    shape: str
    """clump (x, y, standard deviation), line (x0, y0, x1, y1), arc (x, y, radius, first and last azimuth in degrees), or
    scatter (half width, half height)."""
    n: int
    where: tuple[float, ...]


class Layout(NamedTuple):
    """A network, its region and what earthquakes it records."""

    size_km: float
    latitude: float
    longitude: float
    parts: tuple[Part, ...]
    boreholes: int
    elevation_max_m: float
    margins_km: tuple[float, float, float, float]
    """How far the region goes beyond the stations in the south, north, west and east."""
    z_max_km: float
    reach_km: float
    """Where the smallest events are just detected, on average."""
    slab: bool = False
    """Earthquakes on a slab that dips east, besides those of the crust."""
    depth_mean_km: float = 8.0
    """Of earthquakes of the crust."""

    @property
    def n_stations(self) -> int:
        return sum(part.n for part in self.parts)


LAYOUTS = {
    "volcano": Layout(
        8.0, -1.5, 29.2, (Part("arc", 5, (0, 0, 0.42, 10, 330)), Part("clump", 1, (0.05, 0, 0.02))), 1, 2500.0,
        (3.0, 3.0, 3.0, 3.0), 10.0, 14.0, depth_mean_km=3.0,
    ),
    "valley": Layout(
        40.0, 36.0, -120.4,
        (Part("line", 7, (-0.35, 0.45, 0.3, -0.45)), Part("clump", 3, (0, 0.05, 0.05)), Part("clump", 2, (0.3, 0.2, 0.05))),
        4, 900.0, (8.0, 8.0, 8.0, 8.0), 16.0, 30.0,
    ),
    "hills": Layout(
        60.0, 38.6, 38.2,
        (
            Part("clump", 8, (-0.25, 0.2, 0.07)), Part("clump", 7, (0.25, -0.1, 0.06)),
            Part("line", 9, (-0.5, -0.35, 0.5, 0.4)), Part("scatter", 6, (0.5, 0.5)),
        ),
        3, 2200.0, (8.0, 8.0, 8.0, 8.0), 22.0, 28.0,
    ),
    "coast": Layout(
        130.0, 35.4, 25.2,
        (Part("arc", 20, (0, 0.55, 0.62, 115, 245)), Part("clump", 6, (0.15, 0.02, 0.04)), Part("line", 4, (-0.3, 0.1, 0.3, 0.3))),
        2, 1500.0, (60.0, 10.0, 10.0, 10.0), 35.0, 75.0,
    ),
    "basin": Layout(
        220.0, 34.1, -118.0,
        (
            Part("clump", 40, (-0.05, 0.0, 0.09)), Part("arc", 20, (0, 0, 0.3, 0, 342)),
            Part("line", 20, (-0.5, 0.4, 0.5, -0.3)), Part("scatter", 20, (0.5, 0.4)),
        ),
        15, 1800.0, (15.0, 15.0, 15.0, 15.0), 22.0, 40.0,
    ),
    "nation": Layout(
        1000.0, 39.5, -3.5,
        (
            Part("clump", 45, (0.3, -0.35, 0.06)), Part("clump", 35, (-0.2, -0.42, 0.05)), Part("clump", 40, (0.25, 0.35, 0.07)),
            Part("arc", 50, (0, 0, 0.5, 20, 250)), Part("line", 40, (-0.45, 0.4, 0.4, 0.42)), Part("scatter", 90, (0.5, 0.45)),
        ),
        20, 2400.0, (30.0, 30.0, 30.0, 30.0), 40.0, 110.0, depth_mean_km=12.0,
    ),
    "trench": Layout(
        700.0, -31.0, -71.0,
        (
            Part("line", 55, (-0.1, -0.5, -0.06, 0.5)), Part("line", 25, (0.08, -0.5, 0.12, 0.45)),
            Part("clump", 14, (-0.05, 0.2, 0.04)), Part("arc", 6, (0.05, -0.2, 0.08, 0, 300)),
        ),
        5, 4200.0, (40.0, 40.0, 110.0, 100.0), 220.0, 150.0, slab=True, depth_mean_km=12.0,
    ),
}  # fmt: skip


def sites(name: str, rng: np.random.Generator) -> pd.DataFrame:
    """Site table (columns of ``seisloom.stations``): boreholes have sensors 80 to 400 m deep."""
    layout = LAYOUTS[name]
    east, north = np.concatenate([_places(part, rng) for part in layout.parts]).T * layout.size_km
    latitude, longitude = geo.from_plane(east, north, layout.latitude, layout.longitude)
    n = layout.n_stations
    # Hills: elevations of neighbours are alike.
    hills = np.sin(5 * east / layout.size_km + 1) * np.cos(4 * north / layout.size_km)
    elevation = layout.elevation_max_m * np.clip(0.5 + 0.35 * hills + 0.1 * rng.standard_normal(n), 0.0, 1.0)
    deep = np.zeros(n)
    deep[rng.permutation(n)[: layout.boreholes]] = rng.uniform(80.0, 400.0, layout.boreholes)
    return pd.DataFrame(
        {
            "station": [f"HO.{name[:1].upper()}{k:03d}" for k in range(n)],
            "latitude": latitude.round(5),
            "longitude": longitude.round(5),
            "elevation_m": elevation.round(),
            "depth_m": deep.round(),
        }
    )


def region(name: str, table: pd.DataFrame) -> Region:
    """The box of the stations, widened by the margins of the layout."""
    layout = LAYOUTS[name]
    south, north, west, east = layout.margins_km
    lat, lon = table["latitude"], table["longitude"]
    degree_km = 111.2 * np.cos(np.radians(layout.latitude))
    return Region(
        float(lat.min() - south / 111.2), float(lat.max() + north / 111.2),
        float(lon.min() - west / degree_km), float(lon.max() + east / degree_km), 0.0, layout.z_max_km,
    )  # fmt: skip


def _places(part: Part, rng: np.random.Generator) -> Array:
    """(station, east and north) in units of the size."""
    at = np.array(part.where)
    if part.shape == "clump":
        return at[:2] + at[2] * rng.standard_normal((part.n, 2))
    if part.shape == "scatter":
        return rng.uniform(-at, at, (part.n, 2))
    along = (np.arange(part.n) + rng.uniform(-0.3, 0.3, part.n)) / max(part.n - 1, 1)
    if part.shape == "line":
        on = at[:2] + along[:, None] * (at[2:] - at[:2])
    else:
        azimuth = np.radians(at[3] + along * (at[4] - at[3]))
        on = at[:2] + at[2] * np.stack([np.sin(azimuth), np.cos(azimuth)], axis=1)
    return np.asarray(on + 0.01 * rng.standard_normal(on.shape))
