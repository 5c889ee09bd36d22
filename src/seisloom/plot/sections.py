"""Record sections: correlations by distance, of all pairs or of one station as a virtual source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from seisloom.errors import InputError
from seisloom.noise.select import from_source, mean_over_time, pairs_with, select_component, stations_of
from seisloom.plot.basemap import Box
from seisloom.plot.labels import place_labels
from seisloom.plot.mapaxes import Corner, degree_axes, draw_map, extent, map_ratio, room_for_bar, scale_bar, within
from seisloom.plot.marks import above, amplitude_scale, arrival_lines, settle
from seisloom.plot.sectionaxes import Kind, draw_image, draw_wiggles, section_rows
from seisloom.plot.style import ACCENT, INK, MISSING, SEQUENTIAL, WIDTH_IN, dress, styled
from seisloom.plot.traces import (
    Band,
    Lags,
    Sides,
    Traces,
    Treatment,
    component_of,
    distances,
    gather,
    method_of,
    stack_words,
)
from seisloom.words import counted

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from matplotlib.transforms import Bbox

Array = npt.NDArray[np.float64]
MOST_NAMES = 25
# The map stands beside the section where it can be as tall as this, and below it where it cannot.
MAP_WIDTH_IN, MAP_RATIO = 2.6, 1.3


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
    traces, as_image = section_rows(ds, treatment, kind, bin_km)
    rows = int((traces.pairs > 0).sum())
    figure = Figure(figsize=(WIDTH_IN, min(2.6 + 0.3 * rows, 5.6)), layout="constrained")
    ax = figure.add_subplot(label="section")
    if as_image:
        _colour_bar(figure, ax, draw_image(ax, traces))
    else:
        draw_wiggles(ax, traces)
    labels = arrival_lines(ax, velocities) if np.any(traces.distance_km > 0) else []
    count = _of(int(traces.pairs.sum()), ds.sizes["pair"], "pair")
    words = _words(component, count, stack_words(method_of(ds)), treatment.words())
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
    """One station as a source: its correlations by distance, and a map of where they were received.

    ``ds`` as for :func:`record_section`; pairs in which ``station`` (NET.STA or NET.STA.LOC.CHA) is B are turned
    round, so that positive lags are waves that leave it. ``component`` picks e.g. "ZZ", source first. ``colour``
    of traces and receivers is the distance (km) or the largest magnitude between the arrivals of the fastest
    and the slowest of ``velocities``. Receivers without data are grey. InputError if there is nothing to draw.
    """
    if colour not in ("distance", "amplitude"):
        raise InputError(f"colour is {colour!r}: use distance or amplitude")
    shots = from_source(mean_over_time(pairs_with(ds, station)), station)
    shots = _other_stations(select_component(shots, component) if component else shots)
    code, treatment = component_of(shots), Treatment(lag, band, sides)
    traces = gather(shots, treatment)
    values, label = _receiver_values(traces, colour, velocities, shots)
    look = ScalarMappable(_norm(values, colour), SEQUENTIAL)
    box, corner = _box(shots)
    figure, ax, map_ax, bar = _panels(box)
    rows, as_image = section_rows(shots, treatment, kind, None)
    if as_image:
        draw_image(ax, rows)
    else:
        draw_wiggles(ax, rows, colors=look.to_rgba(values))
    labels = arrival_lines(ax, velocities) if traces.distance_km.any() else []
    _draw_receivers(map_ax, box, shots, traces.index, look.to_rgba(values))
    figure.colorbar(look, cax=bar, orientation="horizontal").set_label(label)
    count = _of(len(traces.data), shots.sizes["pair"], "receiver")
    words = _words(f"Virtual source {station}", code, count, stack_words(method_of(ds)), treatment.words())
    figure.suptitle(title or words, x=0.01, ha="left", fontsize=9)
    settle(figure, labels)
    _name_stations(map_ax, shots, box, [scale_bar(map_ax, box, corner)] if corner else [])
    return figure


def _words(*parts: str) -> str:
    return "   ".join(part for part in parts if part)


def _of(drawn: int, there: int, noun: str) -> str:
    """ "12 pairs", or "11 of 12 pairs" where some had no data."""
    some = "" if drawn == there else f"{drawn} of "
    return some + counted(there, noun)


def _panels(box: Box) -> tuple[Figure, Axes, Axes, Axes]:
    """Figure with axes for the section, the map and its colour bar; wide maps stand below the section."""
    ratio = map_ratio(box)
    if ratio > 0.8 * MAP_RATIO:
        figure = Figure(figsize=(WIDTH_IN + 0.4, 4.4), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=[1.45, 1.0], height_ratios=[1.0, 0.03])
        places = (grid[:, 0], grid[0, 1], grid[1, 1])
    else:
        height = (WIDTH_IN - 0.6) * ratio
        figure = Figure(figsize=(WIDTH_IN, height + 5.2), layout="constrained")
        grid = figure.add_gridspec(3, 1, height_ratios=[3.8, height, 0.1])
        places = (grid[0], grid[1], grid[2])
    names = ("section", "map", "colours")
    ax, map_ax, bar = (figure.add_subplot(place, label=name) for place, name in zip(places, names, strict=True))
    dress(bar)
    return figure, ax, map_ax, bar


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


def _box(ds: xr.Dataset) -> tuple[Box, Corner | None]:
    """Box around source and receivers that fills its place, and the corner of the scale bar."""
    ends = stations_of(ds).dropna()
    lat, lon = ends["latitude"].to_numpy(float), ends["longitude"].to_numpy(float)
    box = extent(lat, lon, ratio=(MAP_RATIO, MAP_RATIO))
    return room_for_bar(box, within(lon, box), lat, MAP_WIDTH_IN)


def _draw_receivers(ax: Axes, box: Box, ds: xr.Dataset, drawn: npt.NDArray[np.int64], colours: Array) -> None:
    """Base map with the source as a star and the receivers, in grey those without a trace."""
    lat, lon = ds["latitude_b"].values, within(ds["longitude_b"].values, box)
    draw_map(ax, box)
    degree_axes(ax, box, MAP_WIDTH_IN if map_ratio(box) > 1 else WIDTH_IN - 0.6)
    silent = np.ones(len(lat), bool)
    silent[drawn] = False
    look: dict[str, Any] = {"s": float(np.clip(2500.0 / len(lat), 8.0, 36.0)), "marker": "^", "linewidths": 0.4}
    ax.scatter(lon[silent], lat[silent], color=MISSING, edgecolors="#888888", zorder=2, **look)
    ax.scatter(lon[drawn], lat[drawn], color=colours, edgecolors=INK, zorder=3, **look)
    source = within(ds["longitude_a"].values[:1], box), ds["latitude_a"].values[:1]
    ax.plot(*source, "*", color=ACCENT, ms=13, mec="white", mew=0.6, zorder=4, clip_on=False)


def _name_stations(ax: Axes, ds: xr.Dataset, box: Box, obstacles: Sequence[Bbox]) -> None:
    ends = stations_of(ds).dropna()
    if len(ends) <= MOST_NAMES:
        place_labels(ax, within(ends["longitude"], box), ends["latitude"], ends["station"].tolist(), obstacles)


def _colour_bar(figure: Figure, ax: Axes, image: AxesImage) -> None:
    bar = figure.colorbar(image, ax=ax, aspect=45, pad=0.015, extend="both")
    bar.set_label("Mean of scaled traces")
    dress(bar.ax)
