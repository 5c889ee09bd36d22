"""Reported false probabilities of events against the share of them that is false."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from seisloom.errors import InputError
from seisloom.plot.style import COLOURS, INK, SMALL, WIDTH_IN, dress, styled
from seisloom.plot.tables import require
from seisloom.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = ("low", "high", "events", "false", "reported", "share", "share_low", "share_high")
LEAST = 1e-5
"""Left end of the axes: probabilities below are drawn there."""


@styled
def calibration_figure(table: pd.DataFrame, *, title: str | None = None) -> Figure:
    """Share of false events against reported false probability, above the number of events, by bins.

    ``table`` is that of ``seisloom.associate.calibration.calibration_table``: low, high, events, false, reported, share,
    share_low, share_high. Where reports are right, points lie on the diagonal; bars are the intervals of the shares;
    a bar without a point reaches up from zero, where none was false. InputError for an empty table or absent columns.
    """
    require(table, list(COLUMNS), "the table of calibration")
    if table.empty:
        raise InputError("the table of calibration has no rows; give it the events of at least one simulated hour")
    figure = Figure(figsize=(0.62 * WIDTH_IN, 5.2), layout="constrained")
    ax, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1.0))
    _draw_shares(ax, table)
    _draw_counts(below, table)
    low = min(max(float(table["reported"].min()) / 3, 0.4 * LEAST), 1e-3)
    ax.set(xlim=(low, 1.15), ylim=(low, 1.3), ylabel="Share of events that are false")
    below.set_xlabel("Reported false probability (mean of the bin)")
    events, false = int(table["events"].sum()), int(table["false"].sum())
    expected = float((table["events"] * table["reported"]).sum())
    ax.set_title(title or f"{counted(events, 'event')}, {false:,} false, {expected:,.1f} expected to be")
    return figure


def _draw_shares(ax: Axes, table: pd.DataFrame) -> None:
    dress(ax)
    ax.set(xscale="log", yscale="log")
    x, share, low, high = (table[name].to_numpy(float) for name in ("reported", "share", "share_low", "share_high"))
    x = np.maximum(x, LEAST)
    some = share > 0
    ax.plot([LEAST / 10, 1.0], [LEAST / 10, 1.0], color=INK, lw=0.8, ls=(0, (5, 4)), zorder=2, label="as reported")
    look: dict[str, Any] = {"color": COLOURS[0], "zorder": 3}
    error = np.stack([share - low, high - share])[:, some]
    ax.errorbar(x[some], share[some], error, fmt="o", ms=5.0, lw=1.1, capsize=2.5, label="share, 95 % interval", **look)
    if not some.all():
        above = np.stack([high - LEAST / 10, np.zeros(len(high))])[:, ~some]
        # From the upper end of the interval downwards: zero has no place on a logarithmic axis.
        ax.errorbar(
            x[~some], high[~some], above, fmt="_", ms=7.0, lw=1.1, label="none false, 95 % limit", alpha=0.55, **look
        )
    ax.legend(loc="upper left")
    ax.grid(color=INK, lw=0.3, alpha=0.15, zorder=0.9)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(_plain))


def _draw_counts(ax: Axes, table: pd.DataFrame) -> None:
    dress(ax)
    x, n = np.maximum(table["reported"].to_numpy(float), LEAST), table["events"].to_numpy()
    ax.vlines(x, 0.5, n, color=COLOURS[0], lw=5.0, alpha=0.6)
    ax.set(yscale="log", ylim=(0.7, 6.0 * n.max()), ylabel="Events")
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(_plain))
    for at, count in zip(x, n, strict=True):
        ax.annotate(f"{count:,}", (at, count), (0, 2), textcoords="offset points", ha="center", fontsize=SMALL)


def _plain(value: float, _: float) -> str:
    """1e-05, 0.01, 1,000."""
    return f"{value:g}" if value < 1.0 else f"{value:,.0f}"
