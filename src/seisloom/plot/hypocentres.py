"""Clouds of hypocentres: which are drawn, how large, in which colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.colors import Normalize

from seisloom.errors import InputError
from seisloom.plot.style import SEQUENTIAL, dress
from seisloom.plot.tables import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
# Shallow is light, deep is dark.
DEPTHS = SEQUENTIAL.reversed("depths")
# More dots than this make vector files slow to open; they become an image inside them.
MOST_VECTOR_DOTS = 1000
TAIL_PERCENT = 0.5
# How much narrower and wider than usual the dots of magnitudes get.
WIDER = (0.6, 6.0)


def located(events: pd.DataFrame, *extra: str) -> tuple[pd.DataFrame, int]:
    """Events with latitude, longitude and depth_km (and ``extra`` columns), and how many lack one of them.

    InputError names absent columns, and says what to do where no event is left.
    """
    needed = ["latitude", "longitude", "depth_km", *extra]
    require(events, needed, "the table of events")
    known = events[events[needed].notna().all(axis=1)]
    if known.empty:
        why = f"none of the {len(events)} events has {', '.join(needed)}" if len(events) else "the table has no rows"
        raise InputError(
            f"no events to draw: {why}; locate events first, with lower thresholds (fewer picks an event) or a larger "
            "region if none was found"
        )
    return known, len(events) - len(known)


def bulk(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which values lie with the many: within the central 99 %, widened on either side by its width.

    A few mislocated events then cannot shrink a sequence to a speck.
    """
    values = np.asarray(values, float)
    low, high = np.percentile(values, [TAIL_PERCENT, 100 - TAIL_PERCENT])
    return np.asarray((values >= 2 * low - high) & (values <= 2 * high - low))


def depth_limits(depth_km: Array) -> tuple[float, float]:
    """Top and bottom of a depth axis that holds these depths: from the surface, or the shallowest event above it."""
    top = min(float(depth_km.min()), 0.0)
    bottom = max(float(depth_km.max()), top + 1.0)
    margin = 0.06 * (bottom - top)
    return top - margin * (top < 0), bottom + margin


def dot_width(n: int) -> float:
    """Diameter (points) of the dots of so many events."""
    return float(np.clip(12.0 * max(n, 1) ** -0.24, 0.6, 5.0))


def growth(magnitude: npt.ArrayLike, middle: float) -> Array:
    """How much wider than others the dot of an event is whose magnitude is not the middle one; small where it is unknown."""
    return np.nan_to_num(np.clip(10.0 ** (0.2 * (np.asarray(magnitude, float) - middle)), *WIDER), nan=WIDER[0])


def draw_hypocentres(
    ax: Axes, x: Array, y: Array, depth_km: Array, norm: Normalize, scale: float | Array = 1.0
) -> None:
    """Dots coloured by depth, the shallow over the deep; smaller and more transparent the more there are.

    ``scale`` widens them, all by a number or each by its own, (event,).
    """
    order = np.argsort(-depth_km, kind="stable")
    n = max(len(depth_km), 1)
    few = n <= 500
    wide = dot_width(n) * np.asarray(scale, float)
    look: dict[str, Any] = {
        "s": (wide[order] if wide.ndim else wide) ** 2,
        "alpha": float(np.clip(1.5 * n**-0.1, 0.4, 0.9)),
        "linewidths": 0.3 if few else 0.0,
        "edgecolors": "white" if few else "none",
        "rasterized": n > MOST_VECTOR_DOTS,
        "zorder": 3,
    }
    ax.scatter(x[order], y[order], c=depth_km[order], cmap=DEPTHS, norm=norm, **look)


def depth_colours(depth_km: Array) -> Normalize:
    """Colours spread over the central 98 % of the depths, so that a few deep events do not leave one for the rest."""
    low, high = np.percentile(depth_km, [1.0, 99.0])
    widen = max(1.0 - (high - low), 0.0) / 2
    return Normalize(low - widen, high + widen)


def depth_key(ax: Axes, norm: Normalize, depths: tuple[float, float]) -> None:
    """What the colours mean, as a bar over a depth axis that increases downwards."""
    top, bottom = depths
    scale = np.linspace(top, bottom, 256)[:, None]
    ax.imshow(scale, norm=norm, cmap=DEPTHS, extent=(0.0, 1.0, bottom, top), aspect="auto")
    ax.set(xticks=[], ylabel="Depth (km)")
    ax.yaxis.tick_right()
    ax.yaxis.set_label_position("right")
    dress(ax)
