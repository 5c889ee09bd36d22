"""Axes of lag and distance: which rows are drawn, as wiggles or as an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection

from seisloom.errors import InputError
from seisloom.plot.style import DIVERGING, INK, MISSING, dress, symmetric_limit
from seisloom.plot.traces import Traces, Treatment, gather, gather_bins, scaled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

Array = npt.NDArray[np.float64]
Kind = Literal["auto", "wiggles", "image"]
# More wiggles than this on one page run into one another.
MOST_WIGGLES = 90
# Half the height of a row in an image where there is none beside it, as a fraction of the whole.
THICKNESS = 1 / 100


def section_rows(ds: xr.Dataset, treatment: Treatment, kind: Kind, bin_km: float | None) -> tuple[Traces, bool]:
    """What is drawn, pairs or bins, and whether as an image."""
    if kind not in ("auto", "wiggles", "image"):
        raise InputError(f"kind is {kind!r}: use auto, wiggles or image")
    many = kind == "auto" and ds.sizes["pair"] > MOST_WIGGLES
    if bin_km is None and kind != "image" and not many:
        return gather(ds, treatment), False
    bins = gather_bins(ds, treatment, bin_km)
    crowded = bin_km is None or int((bins.pairs > 0).sum()) > MOST_WIGGLES
    return bins, kind == "image" or (kind == "auto" and crowded)


def draw_wiggles(ax: Axes, traces: Traces, **look: Any) -> None:
    """Traces scaled to one height at their distances; ``look`` goes to matplotlib's LineCollection."""
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
    if top == bottom or not distance.any():
        ax.set_yticks([0.0])
    _label_axes(ax)


def _distance_range(distance: Array) -> tuple[float, float]:
    """From zero, so that velocity lines start at the origin, unless that would leave most of the page empty."""
    near, far = float(distance.min()), float(distance.max())
    if far == 0:
        return -0.5, 0.5
    return (near, far) if near > 0.6 * far and far - near > 0.05 * far else (0.0, far)


def draw_image(ax: Axes, bins: Traces) -> AxesImage:
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
