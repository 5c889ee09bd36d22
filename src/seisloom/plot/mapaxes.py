"""Axes that are maps: extent, base map, degrees, scale bar, locator.

Maps are plate carrée, true to scale along the middle parallel; longitudes run on past ±180° where the box
crosses that meridian. A box is (west, south, east, north) in degrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from seisloom.plot import basemap
from seisloom.plot.basemap import Array, Box
from seisloom.plot.style import ACCENT, INK, SMALL, dress, nice_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KM_PER_DEG = 111.195
SEA, LAND, COAST, BORDER = "#e3ecf3", "#f6f3ec", "#6f8190", "#8c8378"
SINGLE_POINT_KM = 25.0
# Wider maps show by their own coasts where they are.
LOCATOR_MAX_DEG = 12.0
# On wider maps the scale varies too much for one bar to mean anything.
BAR_MAX_DEG = 120.0
LOCATOR_IN = (1.15, 0.85)
BAR_IN = (1.8, 0.42)
Corner = tuple[int, int]
CORNERS: tuple[Corner, ...] = ((0, 0), (1, 0), (0, 1), (1, 1))


def extent(lat: npt.ArrayLike, lon: npt.ArrayLike, ratio: tuple[float, float] = (0.5, 1.55)) -> Box:
    """Box around points with a margin of 8 %; the whole globe for points all round it.

    ``ratio`` bounds height over width, so that maps are neither flat nor narrow (the poles come before it).

    Longitudes start after the widest gap between points, so a network on both sides of ±180° stays together.
    A single point gets 25 km to each side.
    """
    lat, turned = np.asarray(lat, float), np.sort(np.asarray(lon, float) % 360.0)
    gaps = np.diff(np.append(turned, turned[0] + 360.0))
    widest = int(np.argmax(gaps))
    width, height = 360.0 - gaps[widest], float(np.ptp(lat))
    middle_lat = float(lat.min() + lat.max()) / 2
    middle_lon = float(turned[(widest + 1) % len(turned)]) + width / 2
    x_km, y_km = width * KM_PER_DEG * shrink(middle_lat), height * KM_PER_DEG
    margin = 0.08 * max(x_km, y_km) if max(x_km, y_km) > 1e-3 else SINGLE_POINT_KM
    x_km, y_km = x_km + 2 * margin, y_km + 2 * margin
    half_lon = max(x_km, y_km / ratio[1]) / KM_PER_DEG / shrink(middle_lat) / 2
    half_lat = max(y_km, x_km * ratio[0]) / KM_PER_DEG / 2
    south, north = max(middle_lat - half_lat, -90.0), min(middle_lat + half_lat, 90.0)
    if half_lon > 150.0:
        return (-180.0, south, 180.0, north)
    west = (middle_lon - half_lon + 180.0) % 360.0 - 180.0
    return (west, south, west + 2 * half_lon, north)


def within(lon: npt.ArrayLike, box: Box) -> Array:
    """Longitudes shifted by whole turns into the range of the box."""
    return box[0] + (np.asarray(lon, float) - box[0]) % 360.0


def shrink(latitude: float) -> float:
    """Length of a degree of longitude over one of latitude, kept from vanishing at the poles."""
    return max(float(np.cos(np.radians(latitude))), 0.05)


def map_ratio(box: Box) -> float:
    """Height over width of the box, drawn true to scale along its middle parallel."""
    west, south, east, north = box
    return (north - south) / (east - west) / shrink((south + north) / 2)


def draw_map(ax: Axes, box: Box) -> None:
    """Land, coasts and borders of the box on the axes, which get its limits and aspect."""
    west, south, east, north = box
    ax.set_facecolor(SEA)
    if rings := basemap.land(box):
        land = Path.make_compound_path(*[Path(ring, closed=True) for ring in rings])
        ax.add_patch(PathPatch(land, facecolor=LAND, edgecolor="none", zorder=0.5))
    fine = 1.0 if east - west < 60.0 else 0.5
    layers: tuple[tuple[list[Array], dict[str, Any]], ...] = (
        (basemap.state_lines(box), {"colors": BORDER, "linewidths": 0.35, "linestyles": [(0, (4, 3))]}),
        (basemap.borders(box), {"colors": BORDER, "linewidths": 0.7 * fine}),
        (basemap.coasts(box), {"colors": COAST, "linewidths": 0.5 * fine}),
    )
    for lines, look in layers:
        ax.add_collection(LineCollection(lines, zorder=0.8, **look), autolim=False)
    ax.set(xlim=(west, east), ylim=(south, north))
    ax.set_aspect(1.0 / shrink((south + north) / 2))


def degree_axes(ax: Axes, box: Box, width_in: float = 6.0) -> None:
    """Ticks at round degrees, written 116.5°W and 34°N, with a faint graticule; as many as the width has room for."""
    west, south, east, north = box
    dress(ax)
    step = degree_step(east - west, max(int(width_in / 0.8), 2))
    tall = degree_step(north - south, min(max(int(2 * width_in * map_ratio(box)), 2), 8))
    for axis, low, high, gap, letters in ((ax.xaxis, west, east, step, "EW"), (ax.yaxis, south, north, tall, "NS")):
        ticks = gap * np.arange(np.ceil(low / gap - 1e-9), np.floor(high / gap + 1e-9) + 1)
        decimals = max(0, -int(np.floor(np.log10(gap) + 1e-9)))
        axis.set_ticks(ticks, [degrees(t, letters, decimals) for t in ticks])
    ax.grid(color=INK, lw=0.3, alpha=0.15, zorder=0.9)


def degree_step(span: float, about: int) -> float:
    """A step of degrees that divides the span into about so many parts: divisors of 90, below 1° decimals."""
    if span / about <= 1.0:
        return nice_step(span, about)
    return next((s for s in (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0) if s >= span / about), 60.0)


def degrees(value: float, letters: str, decimals: int = 0) -> str:
    """116.5 with letters "EW" as 116.5°E, 190 as 170°W, -34 with "NS" as 34°S; 0° and 180° without a letter."""
    if letters == "EW":
        value = (value + 180.0) % 360.0 - 180.0
    size = f"{abs(value):.{decimals}f}"
    plain = float(size) == 0.0 or (letters == "EW" and float(size) == 180.0)
    return f"{size}°" + ("" if plain else letters[int(value < 0)])


def free_corner(
    box: Box, lon: Array, lat: Array, size_in: tuple[float, float], width_in: float, used: Corner | None = None
) -> Corner | None:
    """A corner where a rectangle of this size covers no point of a map so wide (inches); None if there is none."""
    west, south, east, north = box
    x, y = (lon - west) / (east - west), (lat - south) / (north - south)
    height_in = width_in * map_ratio(box)
    for corner in CORNERS:
        covered = (np.abs(x - corner[0]) * width_in < size_in[0]) & (np.abs(y - corner[1]) * height_in < size_in[1])
        if corner != used and not covered.any():
            return corner
    return None


def room_for_bar(box: Box, lon: Array, lat: Array, width_in: float) -> tuple[Box, Corner | None]:
    """A corner for the scale bar; where points fill all of them the box grows southwards. None: too wide for one."""
    west, south, east, north = box
    if east - west > BAR_MAX_DEG:
        return box, None
    corner = free_corner(box, lon, lat, BAR_IN, width_in)
    if corner is not None:
        return box, corner
    strip = (north - south) * BAR_IN[1] / (width_in * map_ratio(box))
    return (west, max(south - strip, -90.0), east, north), (0, 0)


def scale_bar(ax: Axes, box: Box, corner: Corner) -> Bbox:
    """Draw a bar of a round length; returns the pixels it takes. Where scale varies, it says for which latitude."""
    west, south, east, north = box
    latitude = (south + north) / 2
    width_km = (east - west) * KM_PER_DEG * shrink(latitude)
    length = nice_step(0.27 * width_km, 2)
    frame, inch = ax.get_window_extent(), ax.figure.dpi
    pixels = length / width_km * frame.width
    x = frame.x0 + 0.14 * inch if corner[0] == 0 else frame.x1 - 0.14 * inch - pixels
    y = frame.y0 + 0.13 * inch if corner[1] == 0 else frame.y1 - 0.3 * inch
    (left, low), (right, high) = ax.transData.inverted().transform([(x, y), (x + pixels, y + 0.045 * inch)])
    halo = [withStroke(linewidth=2.5, foreground="white", alpha=0.85)]
    ends = ([left, left, right, right], [high, low, low, high])
    ax.plot(*ends, color=INK, lw=1.2, zorder=5, path_effects=halo, solid_capstyle="butt", scalex=False, scaley=False)
    varies = shrink(north) / shrink(latitude) < 0.93 or shrink(south) / shrink(latitude) < 0.93
    where = f" at {degrees(round(latitude), 'NS')}" if varies else ""
    unit = f"{length:,.0f} km" if length >= 1 else f"{1000 * length:g} m"
    side, end = (("left", left), ("right", right))[corner[0]]
    spot: dict[str, Any] = {
        "xytext": (0, 2),
        "textcoords": "offset points",
        "ha": side,
        "va": "bottom",
        "fontsize": SMALL,
    }
    text = ax.annotate(unit + where, (end, high), path_effects=halo, zorder=5, **spot)
    return Bbox.union([Bbox([[x, y], [x + pixels, y + 1]]), text.get_window_extent()])


def locator(ax: Axes, box: Box, corner: Corner, size_in: float) -> Bbox:
    """A small map in a corner of the axes that shows where the box lies; returns the pixels it takes."""
    west, south, east, north = box
    tall = float(np.clip(6 * max(north - south, (east - west) / 2), 24.0, 60.0))
    middle = float(np.clip((south + north) / 2, -90.0 + tall / 2, 90.0 - tall / 2))
    wide = min(tall / shrink(middle), 340.0)
    around = ((west + east - wide) / 2, middle - tall / 2, (west + east + wide) / 2, middle + tall / 2)
    inch = ax.figure.dpi / np.array(ax.get_window_extent().size)
    size = np.array([size_in, size_in * map_ratio(around)]) * inch
    left, bottom = np.where(np.array(corner) == 0, 0.06 * inch, 1 - size - 0.06 * inch)
    inset = ax.inset_axes((left, bottom, size[0], size[1]), zorder=4)
    draw_map(inset, around)
    inset.set(xticks=[], yticks=[])
    if max(east - west, north - south) > 0.04 * tall:
        inset.add_patch(Rectangle((west, south), east - west, north - south, fc="none", ec=ACCENT, lw=1.0, zorder=3))
    else:
        inset.plot((west + east) / 2, (south + north) / 2, "s", color=ACCENT, ms=3.0)
    return inset.get_window_extent()
