"""The time line of a sequence: where its events were, and how many, as time went on. No magnitudes are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seisloom import geo
from seisloom.errors import InputError
from seisloom.plot.basemap import Array
from seisloom.plot.hypocentres import bulk, depth_colours, depth_key, depth_limits, draw_hypocentres, located
from seisloom.plot.mapaxes import extent, within
from seisloom.plot.style import ACCENT, INK, WIDTH_IN, dress, styled
from seisloom.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DAY_S = 86400.0
# Widths of the bins of the rate (s) and what they are called.
BINS = {
    60.0: "minute", 600.0: "10 minutes", 3600.0: "hour", 6 * 3600.0: "6 hours", DAY_S: "day", 7 * DAY_S: "week",
    30 * DAY_S: "30 days", 365 * DAY_S: "365 days",
}  # fmt: skip
MOST_BINS = 100
BAR = "#9fb4c4"
# Years, months, days, hours, minutes, seconds; and what stands at the first tick of each.
DATES: dict[str, Any] = {
    "formats": ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M"],
    "show_offset": False,
}


@styled
def timeline(events: pd.DataFrame, *, along: Literal["axis", "latitude"] = "axis", title: str | None = None) -> Figure:
    """Events by time and place, coloured by depth, under their rate and cumulative number.

    ``events`` has time (UTC), latitude, longitude (degrees), depth_km. ``along`` "axis" is the distance (km) along the
    direction in which epicentres spread most, from their middle; "latitude" is degrees north. Bins of the rate are a round
    width in UTC. Events far from all others in place are counted and not shown. InputError if there is none to draw.
    """
    known, lost = located(events, "time")
    if along not in ("axis", "latitude"):
        raise InputError(f"along is {along!r}: use axis or latitude")
    known = known.sort_values("time", kind="stable")
    days = known["time"].to_numpy("datetime64[ns]").astype(np.int64) / (DAY_S * 1e9)
    place, label = (known["latitude"].to_numpy(float), "Latitude (°N)") if along == "latitude" else main_axis(known)
    depth, near = known["depth_km"].to_numpy(float), bulk(place)

    figure = Figure(figsize=(WIDTH_IN, 4.6), layout="constrained")
    rate, ax = figure.subplots(2, 1, height_ratios=(1.0, 2.1))
    norm = depth_colours(depth)
    draw_hypocentres(ax, days[near], place[near], depth[near], norm)
    depth_key(ax.inset_axes((1.015, 0.0, 0.018, 1.0)), norm, depth_limits(depth[bulk(depth)]))
    ax.set(ylabel=label, xlabel="Time (UTC)")
    ax.set_xlim(*_time_limits(days))
    _draw_rate(rate, days)
    rate.set_xlim(ax.get_xlim())
    ticks = dates.AutoDateLocator(minticks=3, maxticks=8)
    for panel in (ax, rate):
        dress(panel)
        panel.xaxis.set_major_locator(ticks)
        panel.grid(color=INK, lw=0.3, alpha=0.15, zorder=0.9)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(ticks, **DATES))
    rate.tick_params(labelbottom=False)
    far = [f"{int((~near).sum())} far from the others"] if not near.all() else []
    unknown = [f"{lost} without time or location"] if lost else []
    hidden = f" ({', '.join(far + unknown)} not shown)" if far or unknown else ""
    first, last = (f"{stamp:%Y-%m-%d %H:%M}" for stamp in (known["time"].iloc[0], known["time"].iloc[-1]))
    rate.set_title(title or f"{counted(len(known), 'event')}, {first} to {last} UTC{hidden}")
    return figure


def main_axis(events: pd.DataFrame) -> tuple[Array, str]:
    """Distance (km) of each epicentre along the direction of largest variance, from their middle; and its label."""
    lat = events["latitude"].to_numpy(float)
    lon = within(events["longitude"], extent(lat, events["longitude"]))
    many = bulk(lat) & bulk(lon)
    x, y = geo.local_xy(lat, lon, float(np.median(lat[many])), float(np.median(lon[many])))
    _, directions = np.linalg.eigh(np.cov(x[many], y[many]) if many.sum() > 1 else np.diag([0.0, 1.0]))
    east, north = directions[:, -1] * (1.0 if directions[0, -1] >= 0 else -1.0)  # eastwards
    azimuth = np.degrees(np.arctan2(east, north))
    return x * east + y * north, f"Distance towards N{azimuth:.0f}°E (km)"


def rate_bins(days: Array) -> tuple[Array, str]:
    """Edges (days since 1970) of the bins that hold these times, and what one bin is called."""
    span = float(days.max() - days.min()) * DAY_S
    width = next((width for width in BINS if span / width <= MOST_BINS), max(BINS))
    step = width / DAY_S
    # One more at either end: a quotient is rounded, and may lie on the other side of an edge.
    edges = step * np.arange(np.floor(days.min() / step) - 1, np.floor(days.max() / step) + 3)
    first, last = np.searchsorted(edges, [days.min(), days.max()], side="right")
    return edges[first - 1 : last + 1], BINS[width]


def _time_limits(days: Array) -> tuple[float, float]:
    """A little more than the times span, an hour at least."""
    span = days[-1] - days[0]
    margin = max(0.02 * span, (3600.0 / DAY_S - span) / 2)
    return days[0] - margin, days[-1] + margin


def _draw_rate(ax: Axes, days: Array) -> None:
    """Bars of events a bin, and their cumulative number on an axis of its own."""
    edges, name = rate_bins(days)
    counts, _ = np.histogram(days, edges)
    ax.stairs(counts, edges, fill=True, color=BAR, zorder=2)
    ax.set_ylim(0.0, 1.08 * max(counts.max(), 1))
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_ylabel(f"Events per {name}")
    total = ax.twinx()
    total.step(
        np.append(days, days[-1] + 1e3),
        np.append(np.arange(1, len(days) + 1), len(days)),
        where="post",
        color=ACCENT,
        lw=1.1,
    )
    total.set_ylim(0.0, 1.08 * len(days))
    total.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    total.set_ylabel("Cumulative number", color=ACCENT)
    dress(total)
    total.tick_params(colors=ACCENT, labelcolor=ACCENT)
    total.spines["right"].set_color(ACCENT)
