"""One call from picks, stations and a velocity model to a catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from seisloom.associate.clusters import Clusters
from seisloom.associate.dataset import WindowSettings
from seisloom.associate.locate import Located, to_catalog
from seisloom.associate.models import StackedGRU
from seisloom.associate.network import Region, make_network, region_around
from seisloom.associate.pipeline import AssociationSettings, Progress, associate_arrays
from seisloom.associate.refine import RefineSettings
from seisloom.associate.report import AssociationReport, make_report
from seisloom.associate.stream import Variety, usual_variety
from seisloom.associate.study import (
    PickSet,
    Study,
    aperture_km,
    check_enough,
    check_region,
    farthest_km,
    ordered_sites,
    pick_set,
)
from seisloom.associate.train import BEST, Step
from seisloom.associate.trained import check_device, open_model, quality, reads_padding, train_for
from seisloom.catalog import Catalog
from seisloom.traveltime import VelocityModel, network_times
from seisloom.traveltime.model import Earth

_HOUR_S = 3600.0


@dataclass(frozen=True)
class JobSettings:
    """What may be chosen of an association; the rest follows from stations and picks."""

    region: Region | None = None
    """Where earthquakes are looked for (default: 30 km around the stations, depths from 0 to 30 km)."""
    min_picks: int = 8
    min_p: int = 0
    min_s: int = 0
    max_distance_km: float | None = None
    """Farthest (hypocentral) that an event is picked (default: the aperture of the network, 60 to 300 km)."""
    earth: Earth = "flat"
    """"sphere" for networks of hundreds of kilometres."""
    train_minutes: float = 5.0
    """Time for training where no network is given."""
    hidden_size: int = 48
    seed: int = 1
    n_threads: int = 1
    """Threads of location; those of the network are torch's."""
    device: str = "cpu"
    keep: Path | None = None
    """Folder where the trained network is kept, and what an interrupted run can go on from (default: nothing is)."""


@dataclass(frozen=True)
class Result:
    """A catalogue, the picks that it refers to, and how it came about."""

    catalog: Catalog
    picks: pd.DataFrame
    study: Study
    report: AssociationReport
    settings: AssociationSettings = field(default_factory=AssociationSettings)

    @property
    def unassociated(self) -> pd.DataFrame:
        """The picks that belong to no event."""
        return self.picks[~self.picks["pick_index"].isin(self.catalog.assignments["pick_index"])]


def associate_picks(
    picks: pd.DataFrame,
    sites: pd.DataFrame,
    velocity: VelocityModel,
    settings: JobSettings | None = None,
    model: Path | None = None,
    *,
    progress: Progress | None = None,
    training: Callable[[Step], None] | None = None,
    preview: Callable[[pd.DataFrame], None] | None = None,
) -> Result:
    """Earthquakes of a pick table at the stations of a site table.

    ``model`` is the checkpoint of a network; without one, one is trained for these stations first, on simulated picks
    (``settings.train_minutes``). The result depends neither on the order of picks nor on that of stations. ``preview``
    is told preliminary events (rows of ``Catalog.events``) in batches while links are made. Raises InputError for
    picks, stations or models that cannot be used.
    """
    settings = settings or JobSettings()
    check_device(settings.device)
    study = make_study(sites, velocity, settings.region, settings.earth)
    chosen = pick_set(picks, study)
    thresholds = RefineSettings(n_min_det=settings.min_picks, n_min_det_p=settings.min_p, n_min_det_s=settings.min_s)
    check_enough(chosen, thresholds)
    fallback = window_settings(study, settings.max_distance_km)
    with TemporaryDirectory(prefix="seisloom-") as scratch:
        notes = []
        if model is None:
            model = (settings.keep or Path(scratch)) / "model" / BEST
            notes.append(_train(study, chosen, fallback, settings, model.parent, training))
        network, windows, warnings = open_model(model, study, fallback, settings.device)
        warnings = [*notes, *warnings]
    if settings.max_distance_km not in (None, windows.max_distance_km):
        warnings.append(
            f"{model}: trained for events picked out to {windows.max_distance_km:g} km: this is used, and not "
            f"{settings.max_distance_km:g} km"
        )
    return run(
        chosen, study, network, link_settings(windows, thresholds), warnings,
        device=settings.device, n_threads=settings.n_threads, keep=settings.keep, progress=progress,
        preview=preview,
    )  # fmt: skip


def run(
    picks: PickSet,
    study: Study,
    model: StackedGRU,
    settings: AssociationSettings,
    warnings: list[str],
    *,
    device: str = "cpu",
    n_threads: int = 1,
    keep: Path | None = None,
    progress: Progress | None = None,
    preview: Callable[[pd.DataFrame], None] | None = None,
) -> Result:
    """Associate and locate. A network that was trained on windows filled up with zeros sees all picks of t_win."""
    limits = None if reads_padding(model) else study.limits(settings.windows)
    links = keep / "unfinished" if keep else None
    index = picks.table["pick_index"].to_numpy(np.int64)

    def shown(clusters: Clusters, located: Located) -> None:
        if preview:
            preview(to_catalog(located, clusters, picks.arrays, study.network, index)[0])

    found = associate_arrays(
        picks.arrays, study.network, study.times, model, limits, settings,
        device=device, n_threads=n_threads, keep_links=links, progress=progress, preview=shown if preview else None,
    )  # fmt: skip
    catalog = Catalog(*to_catalog(found.located, found.clusters, picks.arrays, study.network, index))
    return Result(catalog, picks.table, study, make_report(picks, found, catalog, warnings), settings)


def make_study(
    sites: pd.DataFrame, velocity: VelocityModel, region: Region | None = None, earth: Earth = "flat"
) -> Study:
    """Stations, region (default: around them) and travel times; rows of ``sites`` in the order of station names."""
    sites = ordered_sites(sites)
    network = make_network(sites, region or region_around(sites))
    check_region(network)
    z_min = min(network.region.z_min, 0.0)
    times = network_times(
        velocity, network.elevation_km, z_min, network.region.z_max, farthest_km(network), earth=earth
    )
    return Study(sites, network, times)


def window_settings(study: Study, max_distance_km: float | None = None) -> WindowSettings:
    """Windows as long as an event can take to cross the network."""
    distance = max_distance_km or float(np.clip(aperture_km(study.network), 60.0, 300.0))
    settings = WindowSettings(max_distance_km=distance)
    longest = float(np.nanmax(study.limits(settings)[..., 1])) + settings.slack_s
    return replace(settings, t_win_s=float(np.ceil(longest)))


def link_settings(windows: WindowSettings, thresholds: RefineSettings) -> AssociationSettings:
    """Groups smaller than events may be: travel times add the picks that links missed, and refuse what is by chance."""
    nucleus = max(3, round(0.4 * thresholds.n_min_det))
    return AssociationSettings(windows, n_min_nucl=nucleus, refine=thresholds)


def likely_streams(picks: PickSet, max_distance_km: float) -> Variety:
    """Streams of picks to train on that come as densely as those at hand, and from much sparser to denser.

    The busiest hour may be all events of a quarter of the stations, the quietest nearly all noise.
    """
    seconds = picks.arrays.time_s
    hours = max((seconds[-1] - seconds[0]) / _HOUR_S, 1.0)
    busiest = np.bincount((seconds // _HOUR_S).astype(np.int64)).max()
    per_event = max(0.4 * picks.network.n_stations, 8.0)
    most = float(np.clip(2.0 * busiest / per_event, 60.0, 2000.0))
    least = float(np.clip(0.1 * len(seconds) / hours / per_event, 5.0, most / 4.0))
    return usual_variety(max_distance_km, (least, most))


def _train(
    study: Study,
    picks: PickSet,
    windows: WindowSettings,
    settings: JobSettings,
    folder: Path,
    training: Callable[[Step], None] | None,
) -> str:
    """Train in ``folder``; how well it went, for the report."""
    trained = train_for(
        study, windows, likely_streams(picks, windows.max_distance_km), folder, minutes=settings.train_minutes,
        seed=settings.seed, hidden_size=settings.hidden_size, device=settings.device, progress=training,
    )  # fmt: skip
    return quality(trained)
