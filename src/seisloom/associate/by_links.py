"""Association by a network that links picks (PhaseLink, Ross et al. 2019), trained for the stations on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from seisloom.associate.clusters import Clusters
from seisloom.associate.dataset import WindowSettings
from seisloom.associate.locate import Located, to_catalog
from seisloom.associate.models import StackedGRU
from seisloom.associate.pipeline import FATES, Association, AssociationSettings, Progress, associate_arrays, fates
from seisloom.associate.refine import RefineSettings
from seisloom.associate.report import make_report
from seisloom.associate.result import JobSettings, Result
from seisloom.associate.stream import Variety, usual_variety
from seisloom.associate.study import PickSet, Study, aperture_km
from seisloom.associate.train import BEST, Step
from seisloom.associate.trained import check_device, open_model, quality, reads_padding, train_for
from seisloom.catalog import Catalog

_HOUR_S = 3600.0


def associate_by_links(
    chosen: PickSet,
    study: Study,
    settings: JobSettings,
    model: Path | None,
    *,
    progress: Progress | None = None,
    training: Callable[[Step], None] | None = None,
    preview: Callable[[pd.DataFrame], None] | None = None,
) -> Result:
    """Earthquakes by the links of ``model``, or of a network that is trained first."""
    check_device(settings.device)
    thresholds = RefineSettings(n_min_det=settings.min_picks, n_min_det_p=settings.min_p, n_min_det_s=settings.min_s)
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
    return Result(catalog, picks.table, study, make_report(picks, _counts(picks, found), catalog, warnings), settings)


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


def _counts(picks: PickSet, found: Association) -> dict[str, int]:
    """Picks by what became of them."""
    numbers = np.bincount(fates(picks.arrays, found), minlength=len(FATES))
    return {text: int(count) for text, count in zip(FATES, numbers, strict=True)}
