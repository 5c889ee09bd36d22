"""Marks that several figures share: arrival lines with labels that keep clear of one another, dates, amplitudes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seisloom.plot.style import ACCENT, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

Array = npt.NDArray[np.float64]
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def arrival_lines(ax: Axes, velocities: Sequence[float]) -> list[Annotation]:
    """Lines lag = ±distance / velocity on axes of lag (x, s) and distance (y, km), labelled where they leave."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    near, labels = max(bottom, 0.0), []
    label_side = 1.0 if right >= -left else -1.0
    for velocity in sorted(set(velocities), reverse=True):
        for side in (-1.0, 1.0):
            edge = max(side * (right if side > 0 else left), 0.0)
            end = min(top, edge * velocity)
            if end <= near:
                continue
            lags = (side * near / velocity, side * end / velocity)
            ax.plot(lags, (near, end), color=ACCENT, lw=0.6, ls=(0, (5, 4)), zorder=3, scalex=False, scaley=False)
            if side == label_side:
                labels.append(_label(ax, velocity, lags[1], end, at_top=end >= top))
    return _with_unit(labels)


def arrival_times(axes: Sequence[Axes], distance_km: float, velocities: Sequence[float]) -> list[Annotation]:
    """Vertical lines at ±distance / velocity over stacked axes, labelled above the first."""
    if not distance_km > 0:
        return []
    (left, right), labels = axes[0].get_xlim(), []
    for velocity in sorted(set(velocities), reverse=True):
        for lag in (-distance_km / velocity, distance_km / velocity):
            if not left < lag < right:
                continue
            for ax in axes:
                ax.axvline(lag, color=ACCENT, lw=0.6, ls=(0, (5, 4)), zorder=3)
            labels.append(_label(axes[0], velocity, lag, axes[0].get_ylim()[1], at_top=True))
    return _with_unit(labels)


def _label(ax: Axes, velocity: float, x: float, y: float, *, at_top: bool) -> Annotation:
    offset, ha, va = ((0, 3), "center", "bottom") if at_top else ((4, 0), "left", "center")
    if not at_top and x < 0:
        offset, ha = (-4, 0), "right"
    where: dict[str, Any] = {"xytext": offset, "textcoords": "offset points", "ha": ha, "va": va}
    return ax.annotate(f"{velocity:g}", (x, y), color=ACCENT, fontsize=SMALL, annotation_clip=False, **where)


def _with_unit(labels: list[Annotation]) -> list[Annotation]:
    """The last label that is read, rightmost or lowest, says the unit for all."""
    if labels:
        last = max(labels, key=lambda t: (t.xy[0], -t.xy[1]))
        last.set_text(f"{last.get_text()} km/s")
        if last.get_horizontalalignment() == "center":  # keep the number, not the whole text, over its line
            last.xyann = (last.xyann[0] + 10.0, last.xyann[1])
    return labels


def above(label: Annotation) -> bool:
    """Whether an arrival label stands over the axes (and the title must make room), not beside them."""
    return bool(label.get_verticalalignment() == "bottom")


def settle(figure: Figure, labels: Sequence[Annotation]) -> None:
    """Fix the layout, then move labels apart along their edge of the axes until none overlaps another."""
    # Not by drawing the figure, which resamples its images for nothing; with no engine left, saving draws it once.
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    figure.set_layout_engine(None)
    for ax in figure.axes:
        ax.apply_aspect()
    for axis, group in ((0, [t for t in labels if above(t)]), (1, [t for t in labels if not above(t)])):
        if group:
            _spread(figure, group, axis)


def _spread(figure: Figure, labels: Sequence[Annotation], axis: int) -> None:
    extents = [t.get_window_extent() for t in labels]
    size = np.array([(e.width, e.height)[axis] for e in extents])
    middle = np.array([(e.x0, e.y0)[axis] for e in extents]) + size / 2
    moved = spread(middle, size + 4.0 * figure.dpi / 72.0)
    for label, shift in zip(labels, (moved - middle) * 72.0 / figure.dpi, strict=True):
        dx, dy = label.xyann
        label.xyann = (dx + shift, dy) if axis == 0 else (dx, dy + shift)


def spread(middle: Array, size: Array) -> Array:
    """Middles of intervals of a given size, moved apart in the same order until none overlaps another.

    Each crowd of intervals that touch stays centred on where its members were (pool adjacent violators).
    """
    order = np.argsort(middle, kind="stable")
    crowds: list[list[int]] = []
    for k in order:
        crowds.append([int(k)])
        while len(crowds) > 1 and _end(crowds[-2], middle, size) > _start(crowds[-1], middle, size):
            crowds[-2:] = [crowds[-2] + crowds[-1]]
    out = middle.astype(float).copy()
    for crowd in crowds:
        edges = _start(crowd, middle, size) + np.concatenate([[0.0], np.cumsum(size[crowd])])
        out[crowd] = (edges[:-1] + edges[1:]) / 2
    return out


def _start(crowd: list[int], middle: Array, size: Array) -> float:
    packed = np.cumsum(size[crowd]) - size[crowd] / 2
    return float(np.mean(middle[crowd] - packed))


def _end(crowd: list[int], middle: Array, size: Array) -> float:
    return _start(crowd, middle, size) + float(size[crowd].sum())


def amplitude_scale(values: npt.ArrayLike, units: str) -> tuple[float, str]:
    """(factor, label) that bring amplitudes near 1 by a power of a thousand, which the label says."""
    magnitude = np.abs(np.asarray(values, float))
    peak = float(np.max(magnitude, initial=0.0, where=np.isfinite(magnitude)))
    power = 3 * int(np.floor((np.log10(peak) + 0.5) / 3)) if peak > 0 else 0
    power = 0 if 0.01 <= peak < 1000 else power
    unit = units if units not in ("", "1", "dimensionless", "none") else ""
    written = re.sub(r"\*\*(-?\d+)", lambda m: m[1].translate(RAISED), unit)
    inside = " ".join(part for part in (f"10{str(power).translate(RAISED)}" if power else "", written) if part)
    return 10.0**-power, f"Correlation ({inside})" if inside else "Correlation"


def date_ticks(ax: Axes, edges: Array, most: int = 12) -> str:
    """Dates on the y axis of rows between ``edges`` (days since 1970), and what to call the axis.

    Few rows are each named in their middle, of many the round dates; hours of one day are written without it.
    """
    from matplotlib import dates

    first, last = dates.num2date(edges[0]), dates.num2date(edges[-1] - 1e-6)
    whole_days = bool(np.all(edges % 1.0 == 0.0))
    form = "%Y-%m-%d" if whole_days else "%H:%M" if first.date() == last.date() else "%Y-%m-%d %H:%M"
    if len(edges) - 1 <= most:
        names = [f"{stamp:{form}}" for stamp in dates.num2date(edges[:-1])]
        ax.set_yticks((edges[:-1] + edges[1:]) / 2, names)
    else:
        ax.yaxis.set_major_locator(dates.AutoDateLocator(minticks=3, maxticks=most))
        ax.yaxis.set_major_formatter(dates.DateFormatter(form))
    return f"Time on {first:%Y-%m-%d} (UTC)" if form == "%H:%M" else "Date (UTC)"
