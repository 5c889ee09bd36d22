"""One call from picks, stations and a velocity model to a catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from seisloom.associate.magnitude import with_magnitudes
from seisloom.associate.magnitude_relations import choose_relation
from seisloom.associate.network import Region, make_network, region_around
from seisloom.associate.result import METHODS, JobSettings, Progress, Result
from seisloom.associate.study import Study, check_enough, check_region, farthest_km, ordered_sites, pick_set
from seisloom.errors import InputError
from seisloom.traveltime import VelocityModel, network_times
from seisloom.traveltime.model import Earth

__all__ = ["METHODS", "JobSettings", "Result", "associate_picks", "make_study"]

if TYPE_CHECKING:
    from seisloom.associate.train import Step


def associate_picks(
    picks: pd.DataFrame,
    sites: pd.DataFrame,
    velocity: VelocityModel,
    settings: JobSettings | None = None,
    model: Path | None = None,
    *,
    station_models: Mapping[str, VelocityModel] | None = None,
    progress: Progress | None = None,
    training: Callable[[Step], None] | None = None,
    preview: Callable[[pd.DataFrame], None] | None = None,
) -> Result:
    """Earthquakes of a pick table at the stations of a site table.

    Where a ``model`` is given, the checkpoint of a network, the method is "phaselink". ``station_models`` holds velocity
    models of paths to single stations. The result depends neither on the order of picks nor on that of stations.
    ``preview`` is told preliminary events (rows of ``Catalog.events``) in batches. Raises InputError for picks, stations
    or models that cannot be used.
    """
    settings = settings or JobSettings()
    if settings.method not in METHODS:
        raise InputError(f"method {settings.method!r} is unknown: use {' or '.join(METHODS)}")
    study = make_study(sites, velocity, settings.region, settings.earth, station_models)
    chosen = pick_set(picks, study)
    if settings.magnitude != "none":
        choose_relation(chosen.table, settings.magnitude)  # what is wrong with it is known before the work begins
    check_enough(chosen, settings.min_picks, settings.min_p, settings.min_s)
    if settings.method == "phaselink" or model is not None:
        from seisloom.associate.by_links import associate_by_links

        found = associate_by_links(
            chosen, study, settings, model, progress=progress, training=training, preview=preview
        )
    else:
        from seisloom.associate.by_likelihood import associate_by_likelihood

        found = associate_by_likelihood(chosen, study, settings, progress=progress, preview=preview)
    return _with_magnitudes(found, settings.magnitude)


def _with_magnitudes(found: Result, relation: str) -> Result:
    """The same with magnitudes, where picks have amplitudes and they are wanted."""
    if relation == "none":
        return found
    catalog, made = with_magnitudes(found.catalog, found.picks, found.study.sites, relation)
    return replace(found, catalog=catalog, report=replace(found.report, magnitudes=made))


def make_study(
    sites: pd.DataFrame,
    velocity: VelocityModel,
    region: Region | None = None,
    earth: Earth = "sphere",
    station_models: Mapping[str, VelocityModel] | None = None,
) -> Study:
    """Stations, region (default: around them) and travel times; rows of ``sites`` in the order of station names."""
    sites = ordered_sites(sites)
    network = make_network(sites, region or region_around(sites))
    check_region(network)
    z_min = min(network.region.z_min, 0.0)
    own = [(station_models or {}).get(name) for name in network.ids]
    times = network_times(velocity, network.elevation_km, z_min, network.region.z_max, farthest_km(network), earth, own)
    return Study(sites, network, times)
