"""Record sections: correlations of many pairs by distance, all of them or those of one virtual source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from seisloom.errors import InputError
from seisloom.noise.select import from_source, select_component, stations_of
from seisloom.plot.basemap import Box
from seisloom.plot.labels import place_labels
from seisloom.plot.mapaxes import Corner, degree_axes, draw_map, extent, room_for_bar, scale_bar, within
from seisloom.plot.marks import above, amplitude_scale, arrival_lines, settle
from seisloom.plot.style import (
    ACCENT,
    DIVERGING,
    INK,
    MISSING,
    SEQUENTIAL,
    SMALL,
    WIDTH_IN,
    dress,
    styled,
    symmetric_limit,
)
from seisloom.plot.traces import (
    Band,
    Lags,
    Sides,
    Traces,
    Treatment,
    component_of,
    distances,
    gather,
    gather_bins,
    scaled,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from matplotlib.transforms import Bbox

Array = npt.NDArray[np.float64]
Kind = Literal["auto", "wiggles", "image"]
# More wiggles than this on one page run into one another.
MOST_WIGGLES = 90
MOST_NAMES = 25
# Half the height of a row in an image where there is none beside it, as a fraction of the whole.
THICKNESS = 1 / 100
MAP_WIDTH_IN = 2.5
MAP_RATIO = 1.3


@styled
def record_section(
    ds: xr.Dataset,
    *,
    lag: Lags | None = None,
    band: Band | None = None,
    velocities: Sequence[float] = (2.0, 3.0, 4.0),
    sides: Sides = "both",
    kind: Kind = "auto",
    bin_km: float | None = None,
    title: str | None = None,
) -> Figure:
    """Correlations against distance, with lines of constant velocity.

    ``ds`` holds pairs of one component, ``ccf(pair, lag)``, or with a time dimension, over which the mean is
    taken. Each trace is scaled to its largest magnitude. ``kind`` "auto" draws wiggles, and for more than
    90 pairs an image of means in distance bins of ``bin_km`` (a width given asks for bins in any case).
    ``lag`` (s), ``band`` (Hz), ``velocities`` (km/s); ``sides``: "both", "causal" (positive lags) or "folded" (mean of both).
    Pairs without data or distance are left out; InputError when none is left.
    """
    component, treatment = component_of(ds), Treatment(lag, band, sides)
    traces, as_image = _rows(ds, treatment, kind, bin_km)
    rows = int((traces.pairs > 0).sum())
    figure = Figure(figsize=(WIDTH_IN, min(2.6 + 0.3 * rows, 5.6)), layout="constrained")
    ax = figure.add_subplot()
    if as_image:
        _colour_bar(figure, ax, _draw_image(ax, traces))
    else:
        _draw_wiggles(ax, traces)
    labels = arrival_lines(ax, velocities)
    n, whole = int(traces.pairs.sum()), ds.sizes["pair"]
    count = f"{n} pair{'s' * (n != 1)}" if n == whole else f"{n} of {whole} pairs"
    words = "   ".join(part for part in (component, count, treatment.words()) if part)
    ax.set_title(title or words, pad=14 if any(map(above, labels)) else 6)
    settle(figure, labels)
    return figure


@styled
def virtual_shot(
    ds: xr.Dataset,
    station: str,
    *,
    component: str | None = None,
    lag: Lags | None = None,
    band: Band | None = None,
    velocities: Sequence[float] = (2.0, 3.0, 4.0),
    sides: Sides = "both",
    kind: Kind = "auto",
    colour: Literal["distance", "amplitude"] = "distance",
    title: str | None = None,
) -> Figure:
    """One station as a source: its correlations by distance, beside a map of where they were received.

    ``ds`` as for :func:`record_section`; pairs in which ``station`` (NET.STA or NET.STA.LOC.CHA) is B are turned
    round, so that positive lags are waves that leave it. ``component`` picks e.g. "ZZ", source first. ``colour``
    of traces and receivers is the distance (km) or the largest magnitude between the arrivals of the fastest
    and the slowest of ``velocities``. Receivers without data are grey. InputError if there is nothing to draw.
    """
    if colour not in ("distance", "amplitude"):
        raise InputError(f"colour is {colour!r}: use distance or amplitude")
    shots = _other_stations(from_source(ds, station))
    shots = select_component(shots, component) if component else shots
    code, treatment = component_of(shots), Treatment(lag, band, sides)
    figure = Figure(figsize=(7.4, 4.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1.45, 1.0], height_ratios=[1.0, 0.03])
    ax, map_ax, bar = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    traces = gather(shots, treatment)
    values, label = _receiver_values(traces, colour, velocities, shots)
    look = ScalarMappable(_norm(values, colour), SEQUENTIAL)
    rows, as_image = _rows(shots, treatment, kind, None)
    if as_image:
        _draw_image(ax, rows)
    else:
        _draw_wiggles(ax, rows, colors=look.to_rgba(values))
    labels = arrival_lines(ax, velocities)
    box, corner = _draw_receivers(map_ax, shots, traces.index, look.to_rgba(values))
    figure.colorbar(look, cax=bar, orientation="horizontal").set_label(label)
    bar.tick_params(labelsize=SMALL)
    count = f"{len(traces.data)} receiver{'s' * (len(traces.data) != 1)}"
    words = "   ".join(part for part in (f"Virtual source {station}", code, count, treatment.words()) if part)
    figure.suptitle(title or words, x=0.01, ha="left", fontsize=9)
    settle(figure, labels)
    _name_stations(map_ax, shots, box, [scale_bar(map_ax, box, corner)] if corner else [])
    return figure


def _rows(ds: xr.Dataset, treatment: Treatment, kind: Kind, bin_km: float | None) -> tuple[Traces, bool]:
    """What is drawn, pairs or bins, and whether as an image."""
    if kind not in ("auto", "wiggles", "image"):
        raise InputError(f"kind is {kind!r}: use auto, wiggles or image")
    many = kind == "auto" and ds.sizes["pair"] > MOST_WIGGLES
    if bin_km is None and kind != "image" and not many:
        return gather(ds, treatment), False
    bins = gather_bins(ds, treatment, bin_km)
    crowded = bin_km is None or int((bins.pairs > 0).sum()) > MOST_WIGGLES
    return bins, kind == "image" or (kind == "auto" and crowded)


def _draw_wiggles(ax: Axes, traces: Traces, **look: Any) -> None:
    drawn = np.flatnonzero(traces.pairs > 0)
    distance = traces.distance_km[drawn]
    bottom, top = _distance_range(distance)
    height = (top - bottom) * float(np.clip(1.5 / len(drawn), 0.014, 0.12))
    rows = distance[:, None] + height * scaled(traces.data[drawn])
    lines = [np.column_stack([traces.lag, row]) for row in rows]
    defaults = {"colors": INK, "linewidths": 0.7 if len(drawn) < 40 else 0.5}
    ax.add_collection(LineCollection(lines, **{**defaults, **look}), autolim=False)
    ax.set_xlim(traces.lag[0], traces.lag[-1])
    ax.set_ylim(min(bottom, distance[0] - 1.1 * height), top + 1.1 * height)
    _label_axes(ax)


def _distance_range(distance: Array) -> tuple[float, float]:
    """From zero, so that velocity lines start at the origin, unless that would leave most of the page empty."""
    near, far = float(distance.min()), float(distance.max())
    if far == 0:
        return -0.5, 0.5
    return (near, far) if near > 0.6 * far and far - near > 0.05 * far else (0.0, far)


def _draw_image(ax: Axes, bins: Traces) -> AxesImage:
    """Rows of bins; between sparse ones each is drawn a little thicker than it is, farther gaps stay grey."""
    filled = np.flatnonzero(bins.pairs > 0)
    bottom, _ = _distance_range(bins.distance_km[filled])
    rows = np.arange(filled[0] if bottom > bins.distance_km[0] else 0, len(bins.pairs))
    nearest = filled[np.argmin(np.abs(rows[:, None] - filled[None]), axis=1)]
    close = np.abs(nearest - rows) <= THICKNESS * len(rows)
    data = np.where(close[:, None], bins.data[nearest], np.nan)
    half_s, half_km = (bins.lag[1] - bins.lag[0]) / 2, bins.distance_km[0]
    low, high = bins.distance_km[rows[0]] - half_km, bins.distance_km[-1] + half_km
    limit = symmetric_limit(data, 99.0)
    ax.set_facecolor(MISSING)
    image = ax.imshow(
        data,
        extent=(bins.lag[0] - half_s, bins.lag[-1] + half_s, low, high),
        aspect="auto",
        origin="lower",
        cmap=DIVERGING,
        vmin=-limit,
        vmax=limit,
        interpolation_stage="data",
    )
    ax.set_autoscale_on(False)
    _label_axes(ax)
    return image


def _label_axes(ax: Axes) -> None:
    dress(ax)
    ax.set(xlabel="Lag (s)", ylabel="Distance (km)")


def _colour_bar(figure: Figure, ax: Axes, image: AxesImage) -> None:
    bar = figure.colorbar(image, ax=ax, aspect=45, pad=0.015, extend="both")
    bar.set_label("Mean of scaled traces")
    bar.ax.tick_params(labelsize=SMALL)


def _other_stations(ds: xr.Dataset) -> xr.Dataset:
    """Without the pairs of the source with itself, if there are others."""
    apart = np.flatnonzero(distances(ds) != 0)
    return ds.isel(pair=apart) if len(apart) else ds


def _receiver_values(traces: Traces, colour: str, velocities: Sequence[float], ds: xr.Dataset) -> tuple[Array, str]:
    """What colours each trace and its receiver, and the label of the colour bar."""
    if colour == "distance":
        return traces.distance_km, "Distance (km)"
    time, step = np.abs(traces.lag), traces.lag[1] - traces.lag[0]
    first, last = np.zeros((1, 1)), np.full((1, 1), np.inf)
    if velocities:
        first = traces.distance_km[:, None] / max(velocities) - step
        last = traces.distance_km[:, None] / min(velocities) + step
    peak = np.max(np.abs(traces.data), axis=1, initial=0.0, where=(time >= first) & (time <= last))
    factor, label = amplitude_scale(peak, str(ds["ccf"].attrs.get("units") or ds.attrs.get("units") or ""))
    return peak * factor, label.replace("Correlation", "Amplitude")


def _norm(values: Array, colour: str) -> Normalize:
    low, high = float(values.min()), float(values.max())
    if colour == "amplitude" and low > 0 and high > 10 * low:
        return LogNorm(low, high)
    if colour == "distance":
        low = 0.0
    return Normalize(low, high if high > low else low + 1.0)


def _draw_receivers(
    ax: Axes, ds: xr.Dataset, drawn: npt.NDArray[np.int64], colours: Array
) -> tuple[Box, Corner | None]:
    """Base map with the source as a star and the receivers (in grey those without a trace); room for a scale bar."""
    lat, lon = (np.asarray(ds[f"{c}_b"].values, float) for c in ("latitude", "longitude"))
    source = float(ds["latitude_a"].values[0]), float(ds["longitude_a"].values[0])
    known = np.isfinite(lat) & np.isfinite(lon)
    points = np.append(lat[known], source[0]), np.append(lon[known], source[1])
    box = extent(*points, ratio=(MAP_RATIO, MAP_RATIO))
    box, corner = room_for_bar(box, within(points[1], box), points[0], MAP_WIDTH_IN)
    lon = within(lon, box)
    draw_map(ax, box)
    degree_axes(ax, box, MAP_WIDTH_IN)
    size = float(np.clip(2500.0 / len(lat), 8.0, 36.0))
    silent = known.copy()
    silent[drawn] = False
    edge: dict[str, Any] = {"s": size, "marker": "^", "linewidths": 0.4}
    ax.scatter(lon[silent], lat[silent], color=MISSING, edgecolors="#888888", zorder=2, **edge)
    ax.scatter(lon[drawn], lat[drawn], color=colours, edgecolors=INK, zorder=3, **edge)
    ax.plot(within(source[1], box), source[0], "*", color=ACCENT, ms=13, mec="white", mew=0.6, zorder=4)
    return box, corner


def _name_stations(ax: Axes, ds: xr.Dataset, box: Box, obstacles: Sequence[Bbox]) -> None:
    ends = stations_of(ds).dropna()
    if len(ends) <= MOST_NAMES:
        place_labels(ax, within(ends["longitude"], box), ends["latitude"], ends["station"].tolist(), obstacles)
