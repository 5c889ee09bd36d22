"""The correlogram: how the correlation of one pair changes from day to day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from seisloom.errors import InputError
from seisloom.noise.select import mean_over_time, time_dim
from seisloom.plot.marks import amplitude_scale, arrival_times, date_ticks, settle
from seisloom.plot.style import DIVERGING, INK, MISSING, SMALL, WIDTH_IN, dress, styled, symmetric_limit
from seisloom.plot.traces import Band, Lags, Treatment, distances, method_of, scaled, stack_words

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
DAY_NS = 86_400_000_000_000
MOST_ROWS = 20_000
SHARP_ROWS = 600


@styled
def correlogram(
    ds: xr.Dataset,
    *,
    stack: xr.Dataset | None = None,
    lag: Lags | None = None,
    band: Band | None = None,
    scale_rows: bool = False,
    velocities: Sequence[float] = (2.0, 3.0, 4.0),
    title: str | None = None,
) -> Figure:
    """Time against lag of one pair, under its mean over time (weighted by window counts) or the ``stack`` given.

    ``ds`` holds one pair, ``ccf(pair, day | time | period, lag)``, ``stack`` the same pair over all time, as
    :func:`seisloom.noise.stacking.stacked` makes it. ``lag`` is the largest lag or a range (s), ``band``
    a pass band (Hz), ``scale_rows`` divides each row by its largest magnitude, ``velocities`` (km/s) are marked
    at distance / velocity where the distance is known. Rows without data are grey. InputError when there is
    more than one pair, or no data.
    """
    pair = _only_pair(ds)
    rows, starts = _rows(ds)
    if not np.isfinite(rows).any():
        raise InputError(f"{pair}: no data, every correlation is missing (NaN)")
    treatment = Treatment(lag, band)
    whole = mean_over_time(ds if stack is None else stack)
    trace, lags = treatment(whole["ccf"].values[0], ds["lag"].values)
    if not np.isfinite(trace).all():
        raise InputError(f"{pair}: its {method_of(whole)} stack holds no row: choose other options or another method")
    rows, _ = treatment(rows, ds["lag"].values)
    factor, label = amplitude_scale([trace, *rows], str(ds["ccf"].attrs.get("units") or ds.attrs.get("units") or ""))
    drawn = scaled(rows) if scale_rows else rows * factor
    edges, row_of = time_grid(starts)

    figure, top, image, bar = _panels(len(row_of))
    _draw_stack(top, lags, trace * factor, label)
    _draw_rows(figure, image, bar, drawn, lags, edges, row_of, "Scaled to row" if scale_rows else label)
    top.set_xlim(*_outer(lags))
    labels = arrival_times((top, image), float(distances(ds)[0]), velocities)
    top.set_title(title or _title(ds, pair, treatment, method_of(whole)), pad=14 if labels else 6)
    settle(figure, labels)
    return figure


def time_grid(starts: npt.NDArray[np.datetime64]) -> tuple[Array, npt.NDArray[np.int64]]:
    """Even rows that hold uneven times: edges in days since 1970, and the time behind each row (-1 = none).

    A time reaches to the next, or, before a gap (more than 1.5 times the shortest step), as long as most; months are thus
    contiguous. A single time counts as a day.
    """
    begin = starts.astype("datetime64[ns]").astype(np.int64)
    if (np.diff(begin) <= 0).any():
        raise InputError("the times of the rows do not increase: sort the dataset by time first")
    steps = np.diff(begin)
    whole = steps <= 1.5 * (steps.min() if len(steps) else DAY_NS)
    usual = int(np.median(steps[whole])) if len(steps) else DAY_NS
    length = np.append(np.where(whole, steps, usual), usual)
    unit = int(np.gcd.reduce(np.append(steps, length)))
    total = int(begin[-1] + length[-1] - begin[0])
    if total // unit > MOST_ROWS:
        unit = max(usual, total // MOST_ROWS)
    edges = begin[0] + unit * np.arange(round(total / unit) + 1)
    middle = edges[:-1] + unit // 2
    row_of = np.searchsorted(begin, middle, side="right") - 1
    row_of[middle >= begin[row_of] + length[row_of]] = -1
    return edges / DAY_NS, row_of


def _only_pair(ds: xr.Dataset) -> str:
    pairs = ds["pair"].values
    if len(pairs) != 1:
        listing = ", ".join(map(str, pairs[:4])) + (", ..." if len(pairs) > 4 else "")
        raise InputError(f"a correlogram is of one pair, not {len(pairs)}: choose a component, or one of {listing}")
    return str(pairs[0])


def _rows(ds: xr.Dataset) -> tuple[Array, npt.NDArray[np.datetime64]]:
    dim = time_dim(ds)
    if dim is None:
        raise InputError(
            "a correlogram needs correlations by day (or sub-stack, or period): these have no such dimension"
        )
    rows = np.asarray(ds["ccf"].transpose("pair", dim, "lag").values[0], float)
    if "count" in ds:  # a row without windows is empty, whatever a run that is at it has written so far
        rows = np.where(ds["count"].transpose("pair", dim).values[0, :, None] > 0, rows, np.nan)
    return rows, ds[dim].values


def _panels(n_rows: int) -> tuple[Figure, Axes, Axes, Axes]:
    """Figure with the stack above, the image below (as high as its rows need) and the colour bar beside it."""
    height = float(np.clip(0.22 * n_rows, 0.8, 4.6))
    figure = Figure(figsize=(WIDTH_IN, height + 2.1), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=[1.1, height], width_ratios=[1, 0.018], hspace=0.02, wspace=0.01)
    top = figure.add_subplot(grid[0, 0], label="stack")
    image = figure.add_subplot(grid[1, 0], sharex=top, label="rows")
    bar = figure.add_subplot(grid[1, 1])
    for ax in (top, image, bar):
        dress(ax)
    return figure, top, image, bar


def _draw_stack(ax: Axes, lags: Array, stack: Array, label: str) -> None:
    ax.plot(lags, stack, color=INK, lw=0.8)
    ax.axhline(0.0, color=INK, lw=0.4, alpha=0.4)
    limit = float(np.abs(stack).max()) or 1.0
    ax.set_ylim(-1.12 * limit, 1.12 * limit)
    ax.locator_params(axis="y", nbins=3)
    ax.set_ylabel(label.replace("Correlation", "Stack"))
    ax.tick_params(labelbottom=False)


def _draw_rows(
    figure: Figure,
    ax: Axes,
    bar: Axes,
    rows: Array,
    lags: Array,
    edges: Array,
    row_of: npt.NDArray[np.int64],
    label: str,
) -> None:
    cells = np.where((row_of >= 0)[:, None], rows[row_of], np.nan)
    limit = symmetric_limit(cells)
    # matplotlib smooths when it resamples; repeated rows keep the border between days sharp.
    repeats = max(1, round(SHARP_ROWS / len(cells)))
    ax.set_facecolor(MISSING)
    drawn = ax.imshow(
        np.repeat(cells, repeats, axis=0),
        extent=(*_outer(lags), edges[-1], edges[0]),
        aspect="auto",
        cmap=DIVERGING,
        vmin=-limit,
        vmax=limit,
        interpolation_stage="data",
    )
    name = date_ticks(ax, edges)
    gaps = not np.isfinite(cells).all()
    ax.set(xlabel="Lag (s)", ylabel=name.replace(")", "; grey: no data)") if gaps else name)
    colours = figure.colorbar(drawn, cax=bar, extend="both" if np.nanmax(np.abs(cells)) > limit else "neither")
    colours.set_label(label)
    colours.ax.tick_params(labelsize=SMALL)


def _outer(lags: Array) -> tuple[float, float]:
    half = float(lags[1] - lags[0]) / 2.0
    return float(lags[0]) - half, float(lags[-1]) + half


def _title(ds: xr.Dataset, pair: str, treatment: Treatment, method: str) -> str:
    a, b = str(ds["channel_a"].values[0]), str(ds["channel_b"].values[0])
    distance = float(distances(ds)[0])
    known = np.isfinite(distance)
    azimuth = float(ds["azimuth_deg"].values[0]) if "azimuth_deg" in ds and distance > 0 else np.nan
    parts = [
        f"{a} autocorrelation" if a == b else f"{a} – {b}",
        f"{distance:.{1 if distance < 1000 else 0}f} km" if known and a != b else "",
        f"azimuth {azimuth:.0f}°" if np.isfinite(azimuth) else "",
        stack_words(method),
        treatment.words(),
    ]
    return "   ".join(part for part in parts if part)
