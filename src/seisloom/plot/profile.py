"""A depth section along any profile, with a small map that shows where it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke

from seisloom import geo
from seisloom.errors import InputError
from seisloom.plot.basemap import Array
from seisloom.plot.hypocentres import bulk, depth_colours, depth_limits, draw_hypocentres, located
from seisloom.plot.mapaxes import Corner, degree_axes, draw_map, extent, map_ratio, room_for_bar, scale_bar, within
from seisloom.plot.seismicity import draw_faults, draw_stations, stations_within
from seisloom.plot.style import ACCENT, INK, SMALL, WIDTH_IN, dress, styled
from seisloom.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from seisloom.plot.basemap import Box

Place = tuple[float, float]
MAP_IN = 1.75
LEFT_IN, BETWEEN_IN, RIGHT_IN, TOP_IN, BOTTOM_IN = 0.55, 0.75, 0.15, 0.5, 0.5
SECTION_IN = (WIDTH_IN - LEFT_IN - BETWEEN_IN - MAP_IN - RIGHT_IN, 3.6)
SMALLEST_IN = (1.8, 1.2)
MAP_RATIOS = (0.7, 1.35)


@styled
def depth_section(
    events: pd.DataFrame,
    start: Place,
    end: Place,
    width_km: float,
    *,
    sites: pd.DataFrame | None = None,
    faults: Sequence[Array] | None = None,
    title: str | None = None,
) -> Figure:
    """Depths of the events in a band along a profile from A to B, and a map of the band.

    ``events`` has latitude, longitude (degrees) and depth_km; ``start`` (A) and ``end`` (B) are (latitude, longitude);
    the band is ``width_km`` wide, half on either side. Distance and depth have one scale, or the title states the exaggeration.
    Stations and ``faults`` (lines of longitude and latitude) are drawn on the map. Colour is depth in both.
    InputError if the profile has no length or no event lies in the band.
    """
    known, _ = located(events)
    along, across, length, azimuth = project(known, start, end)
    if not length > 0:
        raise InputError(f"profile: start and end are the same place, {start}; give two")
    if not width_km > 0:
        raise InputError(f"profile: width_km is {width_km:g}; give the full width of the band in km, above 0")
    inside = (along >= 0) & (along <= length) & (np.abs(across) <= width_km / 2)
    if not inside.any():
        raise InputError(
            f"no events to draw: none of the {len(known)} lies in the band of {width_km:g} km along the profile; "
            f"widen it (the nearest is {np.abs(across).min():.3g} km from its line) or move it"
        )
    depth = known["depth_km"].to_numpy(float)
    norm, depths = depth_colours(depth[inside]), depth_limits(depth[inside])
    corners = _band(start, length, azimuth, width_km)
    box, bar_corner = _box(known, corners)
    figure, ax, map_ax, exaggeration = _panels(length, depths, box)

    draw_hypocentres(ax, along[inside], depth[inside], depth[inside], norm)
    ax.set(xlim=(0.0, length), ylim=depths[::-1], ylabel="Depth (km)")
    ax.set_xlabel(f"Distance from A towards N{azimuth:.0f}°E (km)")
    ax.axhline(0.0, color=INK, lw=0.5, zorder=1)
    ax.grid(color=INK, lw=0.3, alpha=0.15, zorder=0.9)
    dress(ax)
    for name, x in (("A", 0.0), ("B", 1.0)):
        ax.annotate(name, (x, 1.0), (0, 3), xycoords="axes fraction", textcoords="offset points", **_END)
    _draw_map(map_ax, box, known, sites, faults or (), norm)
    _draw_band(map_ax, box, corners, start, end)
    scale = "" if abs(exaggeration - 1.0) < 0.01 else f"   depth × {exaggeration:.2g}"
    words = f"{counted(int(inside.sum()), 'event')} in a band {width_km:g} km wide{scale}"
    figure.suptitle(title or words, x=LEFT_IN / figure.get_figwidth(), y=1 - 0.08 / figure.get_figheight(), **_TITLE)
    figure.draw_without_rendering()
    if bar_corner:
        scale_bar(map_ax, box, bar_corner)
    return figure


_END: dict[str, Any] = {"ha": "center", "va": "bottom", "color": ACCENT, "fontsize": 9, "fontweight": "bold"}
_TITLE: dict[str, Any] = {"ha": "left", "va": "top", "fontsize": 9}


def project(events: pd.DataFrame, start: Place, end: Place) -> tuple[Array, Array, float, float]:
    """Distance (km) of events along a profile and across it (positive to the right), its length, its azimuth at A."""
    length, azimuth, _ = geo.distance_azimuth(*start, *end)
    x, y = geo.local_xy(events["latitude"], events["longitude"], *start)
    east, north = np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))
    return x * east + y * north, x * north - y * east, float(length), float(azimuth)


def _band(start: Place, length: float, azimuth: float, width_km: float) -> Array:
    """Corners (4, 2) of the band: longitude and latitude."""
    along, across = np.array([0.0, length, length, 0.0]), np.array([1.0, 1.0, -1.0, -1.0]) * width_km / 2
    turn, distance = np.degrees(np.arctan2(across, along)), np.hypot(along, across)
    lat, lon = geo.destination(*start, azimuth + turn, distance)
    return np.column_stack([lon, lat])


def _box(known: pd.DataFrame, corners: Array) -> tuple[Box, Corner | None]:
    """A box that holds the band and the bulk of the events, and a corner for the scale bar."""
    lat, lon = known["latitude"].to_numpy(float), known["longitude"].to_numpy(float)
    many = bulk(lat) & bulk(within(lon, extent(lat, lon)))
    lat, lon = np.append(corners[:, 1], lat[many]), np.append(corners[:, 0], lon[many])
    box = extent(lat, lon, MAP_RATIOS)
    return room_for_bar(box, within(lon, box), lat, MAP_IN)


def _panels(length: float, depths: tuple[float, float], box: Box) -> tuple[Figure, Axes, Axes, float]:
    """Figure with axes of the section and, at the right, of the map; and how much the section exaggerates depth."""
    deep = depths[1] - depths[0]
    scale = min(SECTION_IN[0] / length, SECTION_IN[1] / deep)
    width, height = max(scale * length, SMALLEST_IN[0]), max(scale * deep, SMALLEST_IN[1])
    map_height = MAP_IN * map_ratio(box)
    wide = LEFT_IN + width + BETWEEN_IN + MAP_IN + RIGHT_IN
    tall = TOP_IN + max(height, map_height) + BOTTOM_IN
    figure = Figure(figsize=(wide, tall))
    places = (
        (LEFT_IN, tall - TOP_IN - height, width, height),
        (wide - RIGHT_IN - MAP_IN, tall - TOP_IN - map_height, MAP_IN, map_height),
    )
    ax, map_ax = (figure.add_axes((x / wide, y / tall, w / wide, h / tall)) for x, y, w, h in places)
    return figure, ax, map_ax, (height / deep) / (width / length)


def _draw_map(
    ax: Axes, box: Box, known: pd.DataFrame, sites: pd.DataFrame | None, faults: Sequence[Array], norm: Any
) -> None:
    draw_map(ax, box)
    degree_axes(ax, box, 1.4 * MAP_IN)  # two or three longitudes
    draw_faults(ax, faults, box)
    lat, depth = known["latitude"].to_numpy(float), known["depth_km"].to_numpy(float)
    draw_hypocentres(ax, within(known["longitude"], box), lat, depth, norm, scale=0.6)
    if sites is not None:
        draw_stations(ax, *stations_within(sites, box), scale=0.5)


def _draw_band(ax: Axes, box: Box, corners: Array, start: Place, end: Place) -> None:
    outline = np.column_stack([within(corners[:, 0], box), corners[:, 1]])
    ax.add_patch(Polygon(outline, closed=True, fc="none", ec=ACCENT, lw=0.7, zorder=5))
    lat, lon = zip(start, end, strict=True)
    x = within(lon, box)
    ax.plot(x, lat, color=ACCENT, lw=1.0, zorder=5)
    halo = [withStroke(linewidth=2.0, foreground="white", alpha=0.85)]
    for name, at, other in (("A", 0, 1), ("B", 1, 0)):
        side = np.array([x[at] - x[other], lat[at] - lat[other]])
        shift = 7.0 * side / np.hypot(*side)
        look = {**_END, "va": "center", "fontsize": SMALL + 1}
        spot = (x[at], lat[at])
        ax.annotate(name, spot, tuple(shift), textcoords="offset points", path_effects=halo, zorder=6, **look)
