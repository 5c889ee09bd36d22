"""The steps dataset, train and eval of PhaseLink, as its ``params.json`` says."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from seisloom.associate.backproject import BackprojectSettings
from seisloom.associate.by_links import run
from seisloom.associate.dataset import WindowSet, WindowSettings, read_dataset, write_dataset
from seisloom.associate.dataset_task import Simulated, window_blocks
from seisloom.associate.models import ModelConfig, StackedGRU
from seisloom.associate.network import Network, Region, make_network, region_around
from seisloom.associate.outputs import write_result
from seisloom.associate.pipeline import AssociationSettings, Progress
from seisloom.associate.refine import RefineSettings
from seisloom.associate.result import Result
from seisloom.associate.scenario import Scenario
from seisloom.associate.sources import DatasetSource
from seisloom.associate.stream import Variety
from seisloom.associate.study import Study, check_enough, check_region, farthest_km, ordered_sites, pick_set
from seisloom.associate.train import Step, Trained, TrainSettings, train
from seisloom.associate.trained import model_facts, open_model
from seisloom.associate.windows import FeatureKind
from seisloom.catalog import Catalog, write_nonlinloc_obs
from seisloom.compute import Compute
from seisloom.config.phaselink import PhaselinkParams
from seisloom.config.phaselink_keys import Step as StepName
from seisloom.errors import InputError
from seisloom.picks import read_picks
from seisloom.stations import read_sites
from seisloom.traveltime import (
    TravelTimes,
    network_times,
    network_times_from_tables,
    read_growclust,
    read_velocity_model,
)

# stop_read_early reads so many picks, as the published script does.
FIRST_PICKS = 200_000
# Picks of a batch for a window of the batch: what batch_size windows come to where few are full.
_PICKS_PER_WINDOW = 64
# Errors of tables and stations that windows allow beyond pick errors.
_SLACK_S = 0.5
# Keys that say where stations are and how long waves take.
_STUDY = ("station_file", "tt_table|velocity_model")


def dataset(
    params: PhaselinkParams, progress: Callable[[int], None] | None = None, compute: Compute | None = None
) -> str:
    """Write the training set that ``params`` describe; a sentence about it. It is the same whatever it is computed on."""
    simulated, made = training_windows(params)
    stream = window_blocks(simulated, params.n_train_samp, compute or Compute())
    x, y = Path(params.training_dset_X), Path(params.training_dset_Y)
    write_dataset(x, y, params.n_train_samp, stream, made, progress)
    written, _ = read_dataset(x, y)
    share = (written.labels.sum() - written.n_windows) / max(len(written.labels) - written.n_windows, 1)
    return (
        f"{written.n_windows} windows of {written.sizes.mean():.1f} picks ({100 * share:.0f} % of the root's event) "
        f"written to {x} and {y}"
    )


def training_windows(params: PhaselinkParams) -> tuple[Simulated, dict[str, Any]]:
    """What windows of the training set are made from, and how, for the file beside them."""
    study = open_study(params, "dataset")
    windows = windows_of(params)
    variety = variety_of(params, study.network.n_stations)
    made = model_facts(study, windows) | {"seed": params.seed, "scenario": repr(variety)}
    return Simulated(variety, study.network, study.times, study.limits(windows), windows, params.seed), made


def train_network(
    params: PhaselinkParams, resume: bool = False, progress: Callable[[Step], None] | None = None
) -> Trained:
    """Train on the training set of ``params``; checkpoints and learning curves go to ``model_folder``."""
    import torch

    windows, made = training_set(params)
    device, _ = params.usable_device()
    torch.set_num_threads(params.n_threads)
    torch.manual_seed(params.seed)
    features: FeatureKind = made["windows"]["features"] if made else "published"
    model = StackedGRU(ModelConfig(features, params.hidden_size))
    settings = TrainSettings(
        n_epochs=params.n_epochs, batch_picks=_PICKS_PER_WINDOW * params.batch_size, seed=params.seed
    )
    facts = {name: made[name] for name in ("windows", "stations", "region") if name in made}
    source = DatasetSource(windows, params.seed)
    return train(
        model, source, settings, params.model_folder, device=device, resume=resume, progress=progress, facts=facts
    )


def evaluate(params: PhaselinkParams, progress: Progress | None = None) -> Result:
    """Associate the picks of ``params`` and write the catalogue: ``outfile``, and ``out_folder`` with all the rest."""
    import torch

    params.require("gpd_file", "model_file", *_STUDY, step="eval")
    study = open_study(params, "eval")
    table = read_picks(params.path("gpd_file"), min_probability=params.pr_min, min_duration_s=params.trig_dur_min)
    picks = pick_set(table.head(FIRST_PICKS) if params.stop_read_early else table, study)
    device, warning = params.usable_device()
    torch.set_num_threads(params.n_threads)
    model, windows, warnings = open_model(params.path("model_file"), study, windows_of(params, "published"), device)
    settings = settings_of(params, windows)
    check_enough(picks, settings.refine.n_min_det, settings.refine.n_min_det_p, settings.refine.n_min_det_s)
    warnings = [*([warning] if warning else []), *warnings]
    if params.stop_read_early and len(table) > FIRST_PICKS:
        warnings.append(
            f"stop_read_early: {len(table) - FIRST_PICKS} picks after the first {FIRST_PICKS} were left out"
        )
    out = Path(params.out_folder or "catalog")
    result = run(
        picks, study, model, settings, warnings,
        device=device, n_threads=params.n_threads, keep=out, progress=progress,
    )  # fmt: skip
    _write(params, result, out)
    return result


def open_study(params: PhaselinkParams, step: StepName) -> Study:
    """Stations, region and travel times of ``params``; InputError for a table that is too short for them."""
    params.require(*_STUDY, step=step)
    sites = ordered_sites(read_sites(params.path("station_file")))
    if params.velocity_model is None:
        # The published tables are for receivers at their surface, and so are stations that no elevation is known of.
        sites["elevation_m"] = sites["elevation_m"].fillna(1000.0 * params.datum)
    network = make_network(sites, region_of(params, sites))
    check_region(network)
    return Study(sites, network, _times(params, network))


def region_of(params: PhaselinkParams, sites: pd.DataFrame) -> Region:
    """The box of ``params``, or that of the stations widened by 30 km."""
    if params.lat_min is None:
        return region_around(sites, 30.0, params.z_min, params.z_max)
    south, north, west, east = (
        float(edge or 0.0) for edge in (params.lat_min, params.lat_max, params.lon_min, params.lon_max)
    )
    return Region(south, north, west, east, params.z_min, params.z_max)


def windows_of(params: PhaselinkParams, features: FeatureKind = "relative") -> WindowSettings:
    """Windows of ``params``; their slack holds the errors of two picks and those of the tables."""
    return WindowSettings(
        features,
        params.t_win,
        params.n_max_picks,
        2 * params.max_pick_error + _SLACK_S,
        params.max_hypo_dist,
    )


def variety_of(params: PhaselinkParams, n_stations: int) -> Variety:
    """Streams with the event rate, false picks, errors and distances of ``params``, and from a tenth of that rate on.

    The published generator has one rate; networks trained so take quiet hours for busy ones.
    """
    most = 3600.0 / params.avg_eve_sep
    sigma = params.max_pick_error / math.sqrt(3.0)  # of a uniform error
    base = Scenario(
        error_p_s=sigma, error_s_s=sigma, noise_ratio=0.0, radius_min_km=max(params.min_hypo_dist, 1.0),
        radius_max_km=params.max_hypo_dist, station_term_p_s=0.0, station_term_s_s=0.0,
    )  # fmt: skip
    ranges = {"events_per_hour": (0.1 * most, most), "detection": (0.4, 1.0), "s_detection": (0.4, 1.0)}
    if params.n_fake:
        per_hour = 3600.0 * params.n_fake / params.t_win / n_stations
        ranges["noise_per_station_hour"] = (0.0, per_hour)
    return Variety(base, ranges)


def settings_of(params: PhaselinkParams, windows: WindowSettings) -> AssociationSettings:
    """Thresholds and back-projection of ``params``."""
    limits = (0, 0) if params.outfile_minPS else (params.n_min_det_P, params.n_min_det_S)
    back = None
    if params.back_project:
        nodes = (params.n_x_nodes, params.n_y_nodes, params.n_z_nodes)
        back = BackprojectSettings(nodes, params.t_repick, params.min_sep, params.max_pick_dist, params.min_pick_dist)
    return AssociationSettings(
        windows, link_probability=0.5, n_min_nucl=max(params.n_min_nucl, 2), n_min_merge=max(params.n_min_merge, 1), backproject=back,
        refine=RefineSettings(n_min_det=params.n_min_det, n_min_det_p=limits[0], n_min_det_s=limits[1]),
    )  # fmt: skip


def training_set(params: PhaselinkParams) -> tuple[WindowSet, dict]:
    """The training set of ``params`` and what is known of it; InputError if it is not of these windows."""
    x, y = params.path("training_dset_X"), params.path("training_dset_Y")
    windows, made = read_dataset(x, y)
    wanted = windows_of(params)
    found = made.get("windows", {})
    changed = [
        f"{name} was {found[name]:g} and is {getattr(wanted, name):g}"
        for name in ("t_win_s", "n_max_picks", "max_distance_km", "slack_s")
        if name in found and found[name] != getattr(wanted, name)
    ]
    if changed:
        raise InputError(f"{x}: made with other settings: {'; '.join(changed)}; run seisloom phaselink dataset again")
    return windows, made


def _times(params: PhaselinkParams, network: Network) -> TravelTimes:
    """Travel times from a model, everywhere; or from tables, as far as events are picked."""
    region = network.region
    z_min = min(region.z_min, 0.0)
    if params.velocity_model is not None:
        model = read_velocity_model(params.path("velocity_model"))
        return network_times(model, network.elevation_km, z_min, region.z_max, farthest_km(network))
    p_table, s_table = (read_growclust(params.path(f"tt_table.{phase}")) for phase in ("P", "S"))
    farthest = max(params.max_hypo_dist, params.max_pick_dist)
    return network_times_from_tables(
        p_table, s_table, network.elevation_km, z_min, region.z_max, farthest, params.datum
    )


def _write(params: PhaselinkParams, result: Result, out: Path) -> None:
    write_result(result, out)
    stations = list(result.study.network.ids)
    write_nonlinloc_obs(result.catalog, result.picks, params.outfile, stations)
    if params.outfile_minPS:
        events = result.catalog.events
        enough = events[(events["n_p"] >= params.n_min_det_P) & (events["n_s"] >= params.n_min_det_S)]
        theirs = result.catalog.assignments["event_id"].isin(enough["event_id"])
        write_nonlinloc_obs(
            Catalog(enough, result.catalog.assignments[theirs]), result.picks, params.outfile_minPS, stations
        )
