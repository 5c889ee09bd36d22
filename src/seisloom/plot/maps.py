"""The station map: a network on the embedded base map."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from seisloom.errors import InputError
from seisloom.plot.basemap import Array, Box
from seisloom.plot.labels import place_labels
from seisloom.plot.mapaxes import (
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
    within,
)
from seisloom.plot.style import COLOURS, WIDTH_IN, styled
from seisloom.words import counted

MARKERS = "^osDvPX"
MOST_LABELS = 40
MAX_HEIGHT_IN = 6.5


@styled
def station_map(table: pd.DataFrame, *, labels: bool | None = None, title: str | None = None) -> Figure:
    """Stations on the base map, one colour and sign a network, with scale bar and, for small areas, a locator.

    ``table`` has network, station, latitude, longitude (degrees): a channel table or one row a station.
    ``labels`` writes station codes (default: up to 40 stations). InputError if no station has coordinates.
    """
    stations, missing = located(table)
    lat, box = stations["latitude"].to_numpy(float), extent(stations["latitude"], stations["longitude"])
    lon = within(stations["longitude"], box)
    width_in = min(WIDTH_IN - 0.7, MAX_HEIGHT_IN / map_ratio(box))
    box, bar_corner = room_for_bar(box, lon, lat, width_in)
    figure = Figure(figsize=(WIDTH_IN, WIDTH_IN))
    ax = figure.add_subplot(label="map")
    draw_map(ax, box)
    degree_axes(ax, box, width_in)
    networks = _scatter_networks(ax, stations["network"].to_numpy(str), lon, lat)
    note = f" ({missing} without coordinates not shown)" if missing else ""
    ax.set_title(title or f"{counted(len(stations), 'station')}, {counted(networks, 'network')}{note}")
    _fit(figure, ax, box, _legend(figure, ax, networks, len(stations)))
    obstacles = [scale_bar(ax, box, bar_corner)] if bar_corner else []
    for size in LOCATOR_IN if box[2] - box[0] < LOCATOR_MAX_DEG else ():
        if corner := free_corner(box, lon, lat, (size + 0.15, size + 0.15), width_in, bar_corner):
            obstacles.append(locator(ax, box, corner, size))
            break
    if labels or (labels is None and len(stations) <= MOST_LABELS):
        place_labels(ax, lon, lat, stations["station"].tolist(), obstacles)
    return figure


def located(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One row a station with coordinates, sorted by network and station; and how many stations have none."""
    absent = [c for c in ("network", "station", "latitude", "longitude") if c not in table]
    if absent:
        raise InputError(f"station map: the table has no column {', '.join(absent)}")
    first = table.groupby(["network", "station"], as_index=False)[["latitude", "longitude"]].first()
    known = first[np.isfinite(first["latitude"]) & np.isfinite(first["longitude"])]
    if known.empty:
        raise InputError(f"station map: none of the {len(first)} stations has coordinates (latitude, longitude)")
    return known.reset_index(drop=True), len(first) - len(known)


def _scatter_networks(ax: Axes, networks: npt.NDArray[np.str_], lon: Array, lat: Array) -> int:
    """A colour and a sign for each network, so that more networks than colours still differ; returns their number."""
    names = np.unique(networks)
    size = _marker_size(len(lon))
    for k, name in enumerate(names):
        of = networks == name
        marker = MARKERS[(k // len(COLOURS) + k) % len(MARKERS)] if len(names) > len(COLOURS) else "^"
        ax.scatter(
            lon[of],
            lat[of],
            s=size,
            marker=marker,
            color=COLOURS[k % len(COLOURS)],
            edgecolors="white",
            linewidths=0.4,
            zorder=3,
            clip_on=False,
            label=f"{name or '(no code)'} ({of.sum()})",
        )
    return len(names)


def _legend(figure: Figure, ax: Axes, networks: int, stations: int) -> Legend:
    return figure.legend(
        *ax.get_legend_handles_labels(),
        loc="lower center",
        ncols=min(networks, 7),
        markerscale=float(np.sqrt(30.0 / _marker_size(stations))),
        handletextpad=0.2,
        columnspacing=1.2,
    )


def _marker_size(stations: int) -> float:
    """Area in square points: smaller where there are more."""
    return float(np.clip(4500.0 / stations, 12.0, 42.0))


def _fit(figure: Figure, ax: Axes, box: Box, legend: Legend) -> None:
    """Give the figure the height that the map, its ticks and the legend need, without empty borders."""
    figure.draw_without_rendering()
    inch, inner = figure.dpi, ax.get_window_extent()
    outer = ax.get_tightbbox() or inner
    left, bottom = (inner.x0 - outer.x0) / inch + 0.08, (inner.y0 - outer.y0) / inch + 0.06
    right, top = max(outer.x1 - inner.x1, 0.0) / inch + 0.12, (outer.y1 - inner.y1) / inch + 0.08
    foot = legend.get_window_extent().height / inch
    width = WIDTH_IN - left - right
    height = width * map_ratio(box)
    if height > MAX_HEIGHT_IN:
        width, height = MAX_HEIGHT_IN / map_ratio(box), MAX_HEIGHT_IN
    whole = (width + left + right, height + top + bottom + foot)
    figure.set_size_inches(whole)
    ax.set_position((left / whole[0], (bottom + foot) / whole[1], width / whole[0], height / whole[1]))
    legend.set_bbox_to_anchor(((left + width / 2) / whole[0], 0.0), transform=figure.transFigure)
    figure.draw_without_rendering()
