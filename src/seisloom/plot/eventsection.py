"""The record section of one event: picks, predicted arrivals, residuals and waveforms by distance and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seisloom import geo
from seisloom.errors import InputError
from seisloom.plot.mapaxes import degrees
from seisloom.plot.marks import spread
from seisloom.plot.records import Segment, segments
from seisloom.plot.style import COLOURS, INK, SMALL, WIDTH_IN, dress, nice_step, styled
from seisloom.plot.tables import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from obspy import Stream

Array = npt.NDArray[np.float64]
Waveforms = Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]
# Blue and vermilion: told apart with any colour vision, and by their signs in the panel of residuals.
PHASES = {"P": (COLOURS[0], "o"), "S": (COLOURS[1], "s")}
OTHER = "#8a8a8a"
PICK_COLUMNS = ["pick_index", "station", "phase", "time"]
# Predicted arrivals: curves over distance, circles where rows are not distances.
CURVE: dict[str, Any] = {"lw": 0.9, "ls": (0, (4, 2))}
CIRCLE: dict[str, Any] = {"ls": "none", "marker": "o", "mfc": "none", "ms": 3.5, "mew": 0.7}
LEFT_IN, NAMES_IN, RESIDUALS_IN, RIGHT_IN, TOP_IN, BOTTOM_IN = 0.58, 0.82, 1.1, 0.12, 0.5, 0.72
MAX_HEIGHT_IN = 8.6
PAGE_ROWS = 110


@styled
def event_section(
    event: pd.Series,
    assignments: pd.DataFrame,
    picks: pd.DataFrame,
    sites: pd.DataFrame,
    *,
    predictions: pd.DataFrame | None = None,
    waveforms: Waveforms | Stream | None = None,
    unassociated: pd.DataFrame | None = None,
    sort: bool = True,
    band: tuple[float, float] | None = (2.0, 15.0),
    title: str | None = None,
) -> Figure:
    """One event's picks against epicentral distance and time since its origin, with predictions and residuals.

    ``event`` is a row of the table of events (event_id, time, latitude, longitude, depth_km); ``assignments`` has pick_index,
    event_id, residual_s (observed minus predicted, s) and ``picks`` pick_index, station, phase, time; rows of other
    events are passed over. ``sites`` has station, latitude, longitude. ``predictions`` has phase, time_s (s since the
    origin) and distance_km or station; without it the predicted times are those of the residuals. ``waveforms`` is an
    ObsPy Stream, or (s since the origin, samples) by station; they are filtered to ``band`` (Hz; None = as they are; its upper end
    is lowered where the sampling asks for it), and each is scaled to its peak. ``unassociated`` picks (the columns
    of ``picks``) are grey ticks. ``sort`` False puts the stations one under another as their picks are listed.
    InputError if the event has no picks, or a station no coordinates.
    """
    own = _own_picks(event, assignments, picks)
    arrived = _seconds(own["time"], event)
    limits = _time_limits(np.append(arrived, arrived - own["residual_s"].fillna(0.0)), coda=waveforms is not None)
    records = segments(waveforms, pd.Timestamp(event["time"]), band, limits)
    others = _others(unassociated, event, limits)
    rows = _rows(event, own, records, others, sites, sort)
    others = others[others["station"].isin(rows.names)]

    figure, ax, beside = _panels(len(rows.names))
    rows.set_limits(ax, limits)
    _draw_records(ax, rows, records)
    _draw_predictions(ax, rows, _predictions(predictions, own, arrived, rows))
    size = float(np.clip(420.0 / len(rows.names), 5.0, 13.0))
    look: dict[str, Any] = {"marker": "|", "ls": "none", "ms": size}
    ax.plot(_seconds(others["time"], event), rows.y(others["station"]), color=OTHER, mew=0.8, zorder=3, **look)
    for phase, (colour, sign) in PHASES.items():
        of = (own["phase"] == phase).to_numpy()
        y = rows.y(own["station"][of])
        ax.plot(arrived[of], y, color=colour, mew=1.7, zorder=4, **look)
        beside.plot(own["residual_s"][of], y, sign, color=colour, ms=min(size / 2, 4.0), mec="white", mew=0.3, zorder=3)
    _dress(ax, beside, rows, own["residual_s"].to_numpy(float))
    _legend(figure, others=len(others) > 0, curves=sort)
    x = LEFT_IN / WIDTH_IN
    figure.suptitle(
        title or _words(event, own), x=x, y=1 - 0.07 / figure.get_figheight(), ha="left", va="top", fontsize=8.5
    )
    figure.draw_without_rendering()
    _name_rows(ax, rows)
    return figure


@dataclass(frozen=True)
class Rows:
    """Stations from the bottom up by distance, or from the top down as they are listed."""

    names: list[str]
    distance_km: Array
    sort: bool

    @property
    def heights(self) -> Array:
        """Where each station is on the y axis: its distance (km), or its number."""
        return self.distance_km if self.sort else np.arange(len(self.names), dtype=float)

    def y(self, stations: pd.Series) -> Array:
        """Heights of the stations of picks."""
        at = dict(zip(self.names, self.heights, strict=True))
        return np.array([at[name] for name in stations], float)

    @property
    def thickness(self) -> float:
        """Half the height that a waveform takes, in units of the y axis."""
        if not self.sort:
            return 0.47
        return float(np.ptp(self.distance_km) or 1.0) * float(np.clip(1.0 / len(self.names), 0.012, 0.1))

    def set_limits(self, ax: Axes, limits: tuple[float, float]) -> None:
        """From the epicentre on, unless that would leave most of the page empty."""
        low, high, edge = float(self.heights.min()), float(self.heights.max()), 1.2 * self.thickness
        if self.sort:
            ax.set_ylim((low if low > 0.6 * high and high > low else 0.0) - edge, high + edge)
        else:
            ax.set_ylim(high + 2 * edge, low - 2 * edge)
        ax.set_xlim(*limits)


def _own_picks(event: pd.Series, assignments: pd.DataFrame, picks: pd.DataFrame) -> pd.DataFrame:
    """The picks of the event with their residuals, in the order of the assignments."""
    number = event["event_id"]
    require(assignments, ("pick_index", "event_id", "residual_s"), "the table of assignments")
    require(picks, PICK_COLUMNS, "the table of picks")
    own = assignments[assignments["event_id"] == number]
    if own.empty:
        raise InputError(f"event {number}: no picks are assigned to it; are the assignments those of its catalogue?")
    joined = own[["pick_index", "residual_s"]].merge(picks[PICK_COLUMNS], on="pick_index", how="left")
    if "phase" in own:  # that the event predicts, which may not be that of the picker
        joined["phase"] = own["phase"].where(own["phase"] != "", joined["phase"].to_numpy()).to_numpy()
    absent = joined.loc[joined["time"].isna(), "pick_index"].tolist()
    if absent:
        shown = ", ".join(map(str, absent[:5]))
        raise InputError(
            f"event {number}: {len(absent)} of its picks are not in the table of picks (pick_index {shown})"
        )
    return joined


def _seconds(times: pd.Series, event: pd.Series) -> Array:
    return np.asarray((times - pd.Timestamp(event["time"])).dt.total_seconds(), np.float64)


def _time_limits(seconds: Array, *, coda: bool) -> tuple[float, float]:
    """A little before the origin to a little after the last arrival, or farther to show its coda."""
    last = max(float(seconds.max()), 1.0)
    return min(-0.04 * last, float(seconds.min()) - 0.04 * last), (1.3 if coda else 1.08) * last


def _others(picks: pd.DataFrame | None, event: pd.Series, limits: tuple[float, float]) -> pd.DataFrame:
    """Picks of the time that is drawn."""
    if picks is None:
        return pd.DataFrame({"station": pd.Series(dtype=str), "time": pd.Series(dtype="datetime64[ns, UTC]")})
    seconds = _seconds(picks["time"], event)
    return picks[(seconds >= limits[0]) & (seconds <= limits[1])]


def _rows(
    event: pd.Series, own: pd.DataFrame, records: list[Segment], others: pd.DataFrame, sites: pd.DataFrame, sort: bool
) -> Rows:
    """Stations with picks of the event, and those with records or other picks that are no farther."""
    place = sites.drop_duplicates("station").set_index("station")[["latitude", "longitude"]]
    known = place[place.notna().all(axis=1)]
    picked = list(dict.fromkeys(own["station"]))
    if lost := [name for name in picked if name not in known.index]:
        raise InputError(f"event {event['event_id']}: the table of stations has no coordinates of {', '.join(lost)}")
    more = dict.fromkeys([*(record.station for record in records), *others["station"]])
    names = picked + [name for name in more if name in known.index and name not in picked]
    here = known.loc[names]
    distance, _, _ = geo.distance_azimuth(event["latitude"], event["longitude"], here["latitude"], here["longitude"])
    order = np.argsort(distance, kind="stable") if sort else np.arange(len(names))
    order = order[distance[order] <= 1.05 * distance[: len(picked)].max()]
    return Rows([names[k] for k in order], distance[order], sort)


def _predictions(
    table: pd.DataFrame | None, own: pd.DataFrame, arrived: Array, rows: Rows
) -> dict[str, tuple[Array, Array]]:
    """Distance (km) and time (s) of the predicted arrivals of each phase, by distance."""
    if table is None:
        table = own.assign(time_s=arrived - own["residual_s"])
    require(table, ("phase", "time_s"), "the table of predictions")
    if "distance_km" not in table:
        require(table, ("station",), "the table of predictions, without distance_km,")
        at = dict(zip(rows.names, rows.distance_km, strict=True))
        table = table.assign(distance_km=table["station"].map(at))
    table = table.dropna(subset=["distance_km", "time_s"]).sort_values("distance_km", kind="stable")
    of = {phase: table[table["phase"] == phase] for phase in PHASES}
    return {phase: (part["distance_km"].to_numpy(float), part["time_s"].to_numpy(float)) for phase, part in of.items()}


def _panels(n_rows: int) -> tuple[Figure, Axes, Axes]:
    """Figure with axes of the section and of the residuals; the names of the stations stand between them."""
    tall = float(np.clip(2.4 + 0.16 * n_rows, 3.8, MAX_HEIGHT_IN))
    figure = Figure(figsize=(WIDTH_IN, tall))
    width = WIDTH_IN - LEFT_IN - NAMES_IN - RESIDUALS_IN - RIGHT_IN
    bottom, height = BOTTOM_IN / tall, (tall - TOP_IN - BOTTOM_IN) / tall
    ax = figure.add_axes((LEFT_IN / WIDTH_IN, bottom, width / WIDTH_IN, height))
    place = ((WIDTH_IN - RIGHT_IN - RESIDUALS_IN) / WIDTH_IN, bottom, RESIDUALS_IN / WIDTH_IN, height)
    return figure, ax, figure.add_axes(place, sharey=ax)


def _draw_records(ax: Axes, rows: Rows, records: list[Segment]) -> None:
    """Waveforms about their stations' lines; the line alone where there is none."""
    ax.hlines(rows.heights, *ax.get_xlim(), color=INK, lw=0.3, alpha=0.25, zorder=1)
    at, up = dict(zip(rows.names, rows.heights, strict=True)), rows.thickness * (1.0 if rows.sort else -1.0)
    lines = [np.column_stack([r.time_s, at[r.station] + up * r.samples]) for r in records if r.station in at]
    ax.add_collection(LineCollection(lines, colors=INK, linewidths=0.4, alpha=0.75, zorder=2), autolim=False)


def _draw_predictions(ax: Axes, rows: Rows, predicted: dict[str, tuple[Array, Array]]) -> None:
    """Curves over distance; open circles at each station where rows are not distances."""
    for phase, (distance, time) in predicted.items():
        if not len(distance):
            continue
        colour = PHASES[phase][0]
        if rows.sort:
            ax.plot(time, distance, color=colour, zorder=2.5, scalex=False, scaley=False, **CURVE)
        else:
            times = np.interp(rows.distance_km, distance, time, left=np.nan, right=np.nan)
            ax.plot(times, rows.heights, mec=colour, zorder=5, scalex=False, scaley=False, **CIRCLE)


def _dress(ax: Axes, beside: Axes, rows: Rows, residual_s: Array) -> None:
    dress(ax)
    dress(beside)
    ax.set(xlabel="Time since origin (s)", ylabel="Epicentral distance (km)" if rows.sort else "Stations as listed")
    ax.axvline(0.0, color=INK, lw=0.6, zorder=1)
    if not rows.sort:
        ax.set_yticks([])
    widest = float(np.nanmax(np.abs(residual_s), initial=0.05)) * 1.15
    # More than one label either side of zero has no room, nor one close to it.
    step = nice_step(0.5 * widest, 1)
    limit = max(widest, 1.1 * step)
    beside.set(xlim=(-limit, limit), xlabel="Residual (s)")
    beside.set_xticks([-step, 0.0, step], [f"\N{MINUS SIGN}{step:g}", "0", f"{step:g}"])
    beside.axvline(0.0, color=INK, lw=0.6, zorder=1)
    beside.tick_params(labelleft=False, left=rows.sort)
    for panel in (ax, beside):
        panel.grid(axis="x", color=INK, lw=0.3, alpha=0.15, zorder=0.9)


def _legend(figure: Figure, *, others: bool, curves: bool) -> None:
    tick: dict[str, Any] = {"ls": "none", "marker": "|", "ms": 9.0, "mew": 1.7}
    handles = []
    for phase, (colour, _) in PHASES.items():
        handles.append(Line2D([], [], color=colour, label=f"{phase} pick", **tick))
        look = {"color": colour, **CURVE} if curves else {"mec": colour, **CIRCLE}
        handles.append(Line2D([], [], label=f"{phase} predicted", **look))
    if others:
        handles.append(Line2D([], [], color=OTHER, label="pick of no event", **{**tick, "mew": 0.8}))
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(LEFT_IN / WIDTH_IN, 0.0), ncols=5, handletextpad=0.4
    )


def _name_rows(ax: Axes, rows: Rows) -> None:
    """Names at the right end of the rows, moved apart where rows are close; joined to them by a line if moved."""
    pixel = ax.figure.dpi / 72.0
    every = int(np.ceil(len(rows.names) / PAGE_ROWS))
    heights, names = rows.heights[::every], rows.names[::every]
    frame = ax.get_window_extent()
    points = ax.transData.transform(np.column_stack([np.zeros(len(names)), heights]))[:, 1]
    room = frame.height / pixel / len(names) / 1.1
    font = float(np.clip(room, 3.5, SMALL))
    step = 1.1 * font * pixel
    moved = spread(points, np.full(len(names), step))
    # Within the frame: at least so far from its ends as the names beyond need.
    rank = np.argsort(np.argsort(moved, kind="stable"))
    moved = np.maximum(moved, frame.y0 + rank * step)
    moved = np.minimum(moved, frame.y1 - (len(names) - 1 - rank) * step)
    line: dict[str, Any] = {"arrowstyle": "-", "lw": 0.35, "color": INK, "shrinkA": 0.0, "shrinkB": 0.0}
    for name, height, shift in zip(names, heights, (moved - points) / pixel, strict=True):
        look: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
        look["arrowprops"] = {**line, "relpos": (0.0, 0.5)}
        ax.annotate(name, (1.0, height), (9.0, shift), fontsize=font, annotation_clip=False, **look)


def _words(event: pd.Series, own: pd.DataFrame) -> str:
    stamp = pd.Timestamp(event["time"])
    place = f"{degrees(event['latitude'], 'NS', 3)} {degrees(event['longitude'], 'EW', 3)}"
    where = f"{place}, {event['depth_km']:.1f} km deep"
    counts = ", ".join(f"{int((own['phase'] == phase).sum())} {phase}" for phase in PHASES)
    rms = float(np.sqrt(np.mean(own["residual_s"].to_numpy(float) ** 2)))
    spread_s = f", rms residual {rms:.2f} s" if np.isfinite(rms) else ""
    return f"Event {event['event_id']}   {stamp:%Y-%m-%d %H:%M:%S}.{stamp.microsecond // 10000:02d} UTC   {where}\n{counts}{spread_s}"
