"""The figures of a catalogue, as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seisloom.associate.network import Region
from seisloom.associate.outputs import MAP, TIMELINE
from seisloom.associate.study import Study
from seisloom.catalog import Catalog
from seisloom.plot.eventsection import event_section
from seisloom.plot.hypocentres import bulk, located
from seisloom.plot.profile import Place, project
from seisloom.plot.seismicity import seismicity_map
from seisloom.plot.style import save
from seisloom.plot.timeline import main_axis, timeline
from seisloom.traveltime import PHASES, travel_times

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from obspy import Stream


def catalog_figures(
    catalog: Catalog,
    sites: pd.DataFrame,
    folder: Path,
    faults: Sequence[np.ndarray] | None = None,
    region: Region | None = None,
) -> Iterator[Path]:
    """Map with sections and time line of all events; nothing for an empty catalogue."""
    if catalog.events.empty:
        return
    figures: dict[str, Callable[[], Figure]] = {
        MAP: lambda: seismicity_map(catalog.events, sites, faults=faults, region=region),
        TIMELINE: lambda: timeline(catalog.events),
    }
    for name, draw in figures.items():
        yield save(draw(), folder / name)


def event_figures(
    catalog: Catalog,
    event_ids: Sequence[int],
    picks: pd.DataFrame,
    sites: pd.DataFrame,
    folder: Path,
    *,
    study: Study | None = None,
    waveforms: Callable[[pd.Series], Stream | None] | None = None,
    unassociated: pd.DataFrame | None = None,
    sort: bool = True,
    max_residual_s: float = np.inf,
) -> Iterator[Path]:
    """A record section of each of some events: picks, predicted arrivals, waveforms where there are any.

    Predictions are those of ``study``; without it, those of the residuals. Picks of residuals beyond ``max_residual_s`` are
    named in the title of their figure.
    """
    for number in event_ids:
        figure = event_figure(
            catalog, number, picks, sites,
            study=study, waveforms=waveforms, unassociated=unassociated, sort=sort, max_residual_s=max_residual_s,
        )  # fmt: skip
        yield save(figure, folder / f"event-{number}.png")


def event_figure(
    catalog: Catalog,
    number: int,
    picks: pd.DataFrame,
    sites: pd.DataFrame,
    *,
    study: Study | None = None,
    waveforms: Callable[[pd.Series], Stream | None] | None = None,
    unassociated: pd.DataFrame | None = None,
    sort: bool = True,
    max_residual_s: float = np.inf,
) -> Figure:
    """The record section of one event, as :func:`event_figures` writes it."""
    event = catalog.events[catalog.events["event_id"] == number].iloc[0]
    own = catalog.assignments[catalog.assignments["event_id"] == number]
    late = int((own["residual_s"].abs() > max_residual_s).sum())
    title = f"event {number}: {late} of {len(own)} picks off by more than {max_residual_s:g} s" if late else None
    return event_section(
        event, own, picks, sites,
        predictions=_predictions(event, study, own) if study else None,
        waveforms=waveforms(event) if waveforms else None,
        unassociated=unassociated, sort=sort, title=title,
    )  # fmt: skip


def main_profile(events: pd.DataFrame) -> tuple[Place, Place, float]:
    """Start, end and width (km) of a depth section along the direction in which epicentres spread most.

    It runs from the first to the last of the events in that direction, those far from all others apart, and its band holds
    95 % of them.
    """
    known, _ = located(events)
    along, _ = main_axis(known)
    many = known[bulk(along)]
    places = list(zip(many["latitude"], many["longitude"], strict=True))
    along = along[bulk(along)]
    start, end = places[int(np.argmin(along))], places[int(np.argmax(along))]
    across = np.abs(project(many, start, end)[1]) if start != end else np.zeros(1)
    return start, end, max(2.1 * float(np.percentile(across, 95.0)), 1.0)


def largest_events(catalog: Catalog, n: int) -> list[int]:
    """Numbers of the events with most picks, of equal ones the earlier."""
    order = catalog.events.sort_values(["n_picks", "event_id"], ascending=[False, True], kind="stable")
    return [int(number) for number in order["event_id"].head(n)]


def _predictions(event: pd.Series, study: Study, own: pd.DataFrame) -> pd.DataFrame:
    """Arrival times by distance for a station of the mean level, as far as the event was picked."""
    farthest = float(own["distance_km"].max()) * 1.05
    distance = np.linspace(0.0, max(farthest, 1.0), 100)
    level = np.argsort(study.network.elevation_km)[study.network.n_stations // 2]
    depth = np.full(len(distance), float(event["depth_km"]))
    station = np.full(len(distance), level)
    curves = [
        pd.DataFrame(
            {
                "phase": name,
                "time_s": travel_times(study.times, np.full(len(distance), code), station, distance, depth),
                "distance_km": distance,
            }
        )
        for code, name in enumerate(PHASES)
    ]
    return pd.concat(curves, ignore_index=True)
