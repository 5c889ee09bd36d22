"""The seismicity map: epicentres on the base map, with depth sections along longitude and latitude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seisloom.errors import InputError
from seisloom.plot.basemap import Array, Box, shifted, unwrapped
from seisloom.plot.hypocentres import (
    DEPTHS,
    bulk,
    depth_colours,
    depth_key,
    depth_limits,
    dot_width,
    draw_hypocentres,
    growth,
    located,
)
from seisloom.plot.mapaxes import (
    KM_PER_DEG,
    LOCATOR_IN,
    LOCATOR_MAX_DEG,
    degree_axes,
    draw_map,
    extent,
    free_corner,
    locator,
    map_ratio,
    room_for_bar,
    scale_bar,
    shrink,
    within,
)
from seisloom.plot.style import ACCENT, INK, SMALL, WIDTH_IN, dress, styled
from seisloom.plot.tables import require
from seisloom.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from seisloom.associate.network import Region

MAX_HEIGHT_IN = 8.6
# Sections are at the scale of the map where that makes them neither thinner nor thicker than this.
SECTION_IN = (1.05, 2.4)
GAP_IN = 0.09
# Faults of more points than this become an image inside vector files.
MOST_VECTOR_POINTS = 50_000
LEFT_IN, RIGHT_IN, TOP_IN, BOTTOM_IN = 0.68, 0.2, 0.66, 0.78


@styled
def seismicity_map(
    events: pd.DataFrame,
    sites: pd.DataFrame,
    *,
    faults: Sequence[Array] | None = None,
    region: Region | None = None,
    title: str | None = None,
) -> Figure:
    """Epicentres coloured by depth, stations and faults on the base map, and two depth sections aligned with it.

    ``events`` has latitude, longitude (degrees) and depth_km (positive down), ``sites`` station, latitude, longitude;
    ``faults`` are lines (n, 2) of longitude and latitude as :func:`seisloom.faults.read_faults` gives them.
    ``region`` bounds map and sections; without it they hold the bulk of the events (a few far from all others are
    left out; the title counts what is not shown). Where dots overlap the shallow ones are on top. Where ``events`` has
    magnitudes the dots of larger ones are wider. The sections have the scale of the map, or an exaggeration that they
    state. InputError if there is no event to draw.
    """
    known, lost = located(events)
    box, depths, inside = _frame(known, region)
    shown = known[inside]
    lat, depth = shown["latitude"].to_numpy(float), shown["depth_km"].to_numpy(float)
    lon = within(shown["longitude"], box)
    station_lon, station_lat = stations_within(sites, box)
    every_lon, every_lat = np.concatenate([lon, station_lon]), np.concatenate([lat, station_lat])
    box, bar_corner = room_for_bar(box, every_lon, every_lat, Layout.of(box, depths).width)
    layout = Layout.of(box, depths)

    figure, ax, below, beside, key = layout.axes()
    norm, magnitudes = depth_colours(depth), Magnitudes.of(shown)
    draw_map(ax, box)
    degree_axes(ax, box, 1.25 * layout.width)  # room for the longitudes under the section
    n_faults = draw_faults(ax, faults or (), box)
    draw_hypocentres(ax, lon, lat, depth, norm, magnitudes.scale)
    draw_stations(ax, station_lon, station_lat)
    _draw_sections(ax, below, beside, (lon, lat, depth), norm, layout, magnitudes.scale)
    depth_key(key, norm, depths)
    stations = f"{len(station_lon)} of {counted(len(sites), 'station')}" if len(station_lon) < len(sites) else ""
    _legend(figure, ax, stations or counted(len(sites), "station"), n_faults, magnitudes)
    words = counted(len(shown), "event") + _missing(len(known) - len(shown), lost)
    figure.suptitle(title or words, x=LEFT_IN / layout.size[0], y=1 - 0.1 / layout.size[1], ha="left", fontsize=9)
    figure.draw_without_rendering()
    if bar_corner:
        scale_bar(ax, box, bar_corner)
    for size in LOCATOR_IN if box[2] - box[0] < LOCATOR_MAX_DEG else ():
        if corner := free_corner(box, every_lon, every_lat, (size + 0.15, size + 0.15), layout.width, bar_corner):
            locator(ax, box, corner, size)
            break
    return figure


@dataclass(frozen=True)
class Magnitudes:
    """How wide the dots of events are drawn."""

    scale: Array
    """(event,)."""
    key: dict[str, float]
    """What the legend shows: label and diameter (points)."""

    @classmethod
    def of(cls, events: pd.DataFrame) -> Magnitudes:
        """Wider for larger magnitudes; all the same where none is known."""
        plain = cls(np.ones(len(events)), {"event": 4.0})
        if "magnitude" not in events or events["magnitude"].isna().all():
            return plain
        magnitude = events["magnitude"].to_numpy(float)
        low, middle, high = np.nanpercentile(magnitude, [2.0, 50.0, 100.0])
        shown = np.unique(np.round(np.linspace(low, high, 4)))
        widths = dot_width(len(events)) * growth(shown, middle)
        return cls(growth(magnitude, middle), {f"M {m:.0f}": w for m, w in zip(shown, widths, strict=True)})


@dataclass(frozen=True)
class Layout:
    """Sizes in inches of the map, of its sections, and how much larger their depth scale is than that of the map."""

    width: float
    height: float
    section: float
    exaggeration: float
    depths: tuple[float, float]

    @classmethod
    def of(cls, box: Box, depths: tuple[float, float]) -> Layout:
        """The largest map of the box that fits a page with its sections."""
        west, south, east, north = box
        width_km = (east - west) * KM_PER_DEG * shrink((south + north) / 2)
        height_km, depth_km = width_km * map_ratio(box), depths[1] - depths[0]
        room = (WIDTH_IN - LEFT_IN - RIGHT_IN - GAP_IN, MAX_HEIGHT_IN - TOP_IN - BOTTOM_IN - GAP_IN)
        scale = min(room[0] / (width_km + depth_km), room[1] / (height_km + depth_km))
        section = float(np.clip(scale * depth_km, *SECTION_IN))
        if section != scale * depth_km:
            scale = min((room[0] - section) / width_km, (room[1] - section) / height_km)
        return cls(scale * width_km, scale * height_km, section, section / (scale * depth_km), depths)

    @property
    def size(self) -> tuple[float, float]:
        """Of the whole figure."""
        beyond = GAP_IN + self.section
        return self.width + beyond + LEFT_IN + RIGHT_IN, self.height + beyond + TOP_IN + BOTTOM_IN

    def axes(self) -> tuple[Figure, Axes, Axes, Axes, Axes]:
        """The figure; axes of the map, of the sections below and beside it, of the key to the colours."""
        wide, tall = self.size
        figure = Figure(figsize=self.size)
        right, upper = LEFT_IN + self.width + GAP_IN, BOTTOM_IN + self.section + GAP_IN
        places = (
            (LEFT_IN, upper, self.width, self.height),
            (LEFT_IN, BOTTOM_IN, self.width, self.section),
            (right, upper, self.section, self.height),
            (right + 0.08, BOTTOM_IN, 0.12, self.section),
        )
        ax, below, beside, key = (figure.add_axes((x / wide, y / tall, w / wide, h / tall)) for x, y, w, h in places)
        return figure, ax, below, beside, key

    def words(self) -> str:
        """The vertical scale of the sections, as it stands under them."""
        if abs(self.exaggeration - 1.0) < 0.01:
            return "Sections at the scale of the map"
        return f"Sections: depth scale {self.exaggeration:.2g} × that of the map"


def stations_within(sites: pd.DataFrame, box: Box) -> tuple[Array, Array]:
    """Longitudes and latitudes of the stations inside the box."""
    require(sites, ("station", "latitude", "longitude"), "the table of stations")
    lon, lat = within(sites["longitude"], box), sites["latitude"].to_numpy(float)
    seen = (lon <= box[2]) & (lat >= box[1]) & (lat <= box[3])
    return lon[seen], lat[seen]


def draw_stations(ax: Axes, lon: Array, lat: Array, scale: float = 1.0) -> None:
    """Open triangles on a map."""
    size = scale * float(np.clip(1500.0 / max(len(lon), 1), 12.0, 34.0))
    ax.scatter(lon, lat, s=size, marker="^", facecolors="none", edgecolors=INK, linewidths=0.8, zorder=4)


def draw_faults(ax: Axes, faults: Sequence[Array], box: Box) -> int:
    """Thin lines on a map; returns how many of them touch the box."""
    west, south, east, north = unwrapped(box)
    near = []
    for line in faults:
        (low_x, low_y), (high_x, high_y) = line.min(axis=0), line.max(axis=0)
        turn = 360.0 * np.ceil((west - high_x) / 360.0)
        if low_x + turn <= east and low_y <= north and high_y >= south:
            near.append(shifted(line, turn))
    look: dict[str, Any] = {"colors": ACCENT, "alpha": 0.8, "zorder": 2, "linewidths": 0.5 if len(near) < 2000 else 0.3}
    crowded = sum(map(len, near)) > MOST_VECTOR_POINTS
    ax.add_collection(LineCollection(near, rasterized=crowded, **look), autolim=False)
    return len(near)


def _frame(known: pd.DataFrame, region: Region | None) -> tuple[Box, tuple[float, float], pd.Series]:
    """The box of the map, the depths of the sections, and which events lie in them."""
    lat, depth = known["latitude"].to_numpy(float), known["depth_km"].to_numpy(float)
    if region is not None:
        box = unwrapped((region.lon_min, region.lat_min, region.lon_max, region.lat_max))
        lon = within(known["longitude"], box)
        inside = (lon <= box[2]) & (lat >= box[1]) & (lat <= box[3]) & (depth >= region.z_min) & (depth <= region.z_max)
        if not inside.any():
            raise InputError(
                f"no events to draw: none of the {len(known)} is in the region (latitude {region.lat_min:g} to "
                f"{region.lat_max:g}, longitude {region.lon_min:g} to {region.lon_max:g}, depth {region.z_min:g} to "
                f"{region.z_max:g} km); give a region that holds them, or none"
            )
        return box, depth_limits(depth[inside]), pd.Series(inside, known.index)
    lon = within(known["longitude"], extent(lat, known["longitude"]))
    inside = bulk(lon) & bulk(lat) & bulk(depth)
    return extent(lat[inside], lon[inside]), depth_limits(depth[inside]), pd.Series(inside, known.index)


def _draw_sections(
    ax: Axes,
    below: Axes,
    beside: Axes,
    where: tuple[Array, Array, Array],
    norm: Normalize,
    layout: Layout,
    scale: Array,
) -> None:
    lon, lat, depth = where
    draw_hypocentres(below, lon, depth, depth, norm, scale)
    draw_hypocentres(beside, depth, lat, depth, norm, scale)
    top, bottom = layout.depths
    below.set(xlim=ax.get_xlim(), ylim=(bottom, top), ylabel="Depth (km)")
    beside.set(ylim=ax.get_ylim(), xlim=(top, bottom), xlabel="Depth (km)")
    below.set_xlabel(layout.words(), fontsize=SMALL, loc="left")
    below.set_xticks(ax.get_xticks(), [label.get_text() for label in ax.get_xticklabels()])
    beside.set_yticks(ax.get_yticks())
    beside.xaxis.set_label_position("top")
    beside.xaxis.tick_top()
    for section in (below, beside):
        dress(section)
        section.grid(color=INK, lw=0.3, alpha=0.15, zorder=0.9)
        section.axline((0, 0), slope=0 if section is below else np.inf, color=INK, lw=0.5, zorder=1)
    ax.tick_params(labelbottom=False)
    beside.tick_params(labelleft=False)


def _legend(figure: Figure, ax: Axes, stations: str, faults: int, magnitudes: Magnitudes) -> None:
    dot: dict[str, Any] = {"ls": "none", "marker": "o", "mfc": DEPTHS(0.5), "mec": "none"}
    triangle: dict[str, Any] = {"ls": "none", "marker": "^", "mfc": "none", "mec": INK, "ms": 5.0, "mew": 0.8}
    handles = [Line2D([], [], label=label, ms=width, **dot) for label, width in magnitudes.key.items()]
    handles.append(Line2D([], [], label=stations, **triangle))
    if faults:
        handles.append(Line2D([], [], color=ACCENT, lw=0.8, alpha=0.8, label="fault"))
    middle = ax.get_position()
    place = ((middle.x0 + middle.x1) / 2, 0.0)
    figure.legend(handles=handles, loc="lower center", bbox_to_anchor=place, ncols=len(handles), handletextpad=0.4)


def _missing(outside: int, lost: int) -> str:
    parts = [f"{outside:,} outside the figure"] * (outside > 0) + [f"{lost:,} without a location"] * (lost > 0)
    return f" ({', '.join(parts)} not shown)" if parts else ""
