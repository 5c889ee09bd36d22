"""Association by likelihood, from a pick set to a catalogue and a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.associate.clusters import Clusters
from seisloom.associate.gather import LEAST_ODDS, odds_of, pairs
from seisloom.associate.hypothesis import EVIDENCE
from seisloom.associate.judged import Judged
from seisloom.associate.learn import odd_stations
from seisloom.associate.learned import learned
from seisloom.associate.likelihood import LikelihoodSettings, Search, associate_likelihood
from seisloom.associate.locate import Located, locate, to_catalog
from seisloom.associate.report import make_report
from seisloom.associate.result import JobSettings, Progress, Result
from seisloom.associate.settle import Searched
from seisloom.associate.study import PickSet, Study
from seisloom.catalog import Catalog
from seisloom.picks import PickArrays
from seisloom.traveltime import PHASES

Array = npt.NDArray[np.float64]

FATES = (
    "left: no event predicts an arrival there",
    "left: near a predicted arrival, and likelier by chance",
    "left: another pick of its station and phase, or another event, fits better",
    "used",
)
_EXPECTED = 0.5  # probability of detection from which a missing pick is named


def associate_by_likelihood(
    chosen: PickSet,
    study: Study,
    settings: JobSettings,
    *,
    progress: Progress | None = None,
    preview: Callable[[pd.DataFrame], None] | None = None,
) -> Result:
    """Earthquakes of a pick set; everything that is not said is learned from it."""
    judged = associate_likelihood(
        chosen.arrays,
        study.network,
        study.times,
        likelihood_settings(settings),
        n_threads=settings.n_threads,
        progress=progress,
        compute=settings.compute,
        preview=_previewed(chosen, study, settings.n_threads, preview) if preview else None,
    )
    if progress:
        progress("events", 0, len(judged.events))
    catalog = judged_catalog(judged, chosen, study, settings.n_threads)
    report = make_report(
        chosen, _counts(judged, study), catalog, notes(judged, study), learned(judged, study.network.ids)
    )
    return Result(catalog, chosen.table, study, report, judged=judged)


def _previewed(
    chosen: PickSet, study: Study, n_threads: int, show: Callable[[pd.DataFrame], None]
) -> Callable[[Search, Searched], None]:
    """Has the events of parts that are searched shown, now and then; at the end they are judged with those of all others."""
    from seisloom.associate.preview import Looks

    waiting, looks = list[Searched](), Looks()

    def preview(search: Search, one: Searched) -> None:
        waiting.append(one)
        while waiting and looks.due:
            with looks.look():
                judged, picks = search.apart(waiting.pop(0))
                show(judged_catalog(judged, replace(chosen, held=picks), study, n_threads).events)

    return preview


def notes(judged: Judged, study: Study) -> list[str]:
    """What a person should know of the picks."""
    found = odd_stations(judged.model, study.network.ids)
    if judged.fronts:
        found.append(
            "hypotheses left out, because waves from far away, or picks of many stations at one instant, explain their picks "
            f"better: {judged.fronts}"
        )
    return found


def likelihood_settings(settings: JobSettings) -> LikelihoodSettings:
    """What of a job's settings is of this method."""
    return LikelihoodSettings(
        settings.min_picks, settings.min_p, settings.min_s, settings.false_events_per_day, settings.min_evidence,
        spacing_km=settings.spacing_km, learn=settings.learn, seed=settings.seed,
    )  # fmt: skip


def judged_catalog(judged: Judged, chosen: PickSet, study: Study, n_threads: int = 1) -> Catalog:
    """Hypocentres of the assigned picks, with their uncertainties, and the verdicts."""
    picks, model, network = chosen.arrays, judged.model, study.network
    clusters, phase, posterior = _clusters(judged, picks)
    as_predicted = picks._replace(phase=phase, time_s=picks.time_s - model.delay_s[2 * picks.station + phase])
    located = locate(
        as_predicted, clusters, network, study.times, sigma_s=model.sigma_s[phase], model_error=model.model_error,
        margin_km=float(network.box_km[0] - judged.box.low[0]), start=judged.events[:, :4], n_threads=n_threads,
    )  # fmt: skip
    index = chosen.table["pick_index"].to_numpy(np.int64)
    events, assignments = to_catalog(located, clusters, as_predicted, network, index)
    order = _in_catalog(located)
    events["evidence"] = judged.events[order, EVIDENCE]
    events["false_probability"] = judged.false_probability[order]
    events["missing"] = np.array(_missing(judged, study), object)[order]
    position = np.empty(len(index), np.int64)
    position[index.argsort()] = np.arange(len(index))
    return Catalog(events, _with_verdicts(assignments, picks, phase, posterior, index))


def _clusters(judged: Judged, picks: PickArrays) -> tuple[Clusters, npt.NDArray[np.int8], Array]:
    """Picks of each event; the phase that every pick is taken for; the probability that it is of its event."""
    slots, given = judged.data.picks.pick, judged.assignment
    event, posterior = np.full(len(picks.time_s), -1, np.int64), np.zeros(len(picks.time_s))
    event[slots], posterior[slots] = given.event, given.posterior
    phase = picks.phase.copy()
    taken = given.event >= 0
    phase[slots[taken]] = given.phase[taken]
    members = np.argsort(event, kind="stable")[np.count_nonzero(event < 0) :]
    sizes = np.bincount(event[members], minlength=len(judged.events))
    return Clusters(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), members), phase, posterior


def _in_catalog(located: Located) -> npt.NDArray[np.int64]:
    """Events in the order of the catalogue's table."""
    order = np.argsort(located.time_s, kind="stable")
    return order[np.isfinite(located.time_s[order])]


def _with_verdicts(
    assignments: pd.DataFrame,
    picks: PickArrays,
    phase: npt.NDArray[np.int8],
    posterior: Array,
    index: npt.NDArray[np.int64],
) -> pd.DataFrame:
    """Assignments with the phase that was taken for right, and the probability of each."""
    verdicts = pd.DataFrame(
        {"pick_index": index[picks.row], "phase": np.array(PHASES, object)[phase], "probability": posterior}
    )
    return assignments.merge(verdicts, on="pick_index", how="left")


def _missing(judged: Judged, study: Study) -> list[str]:
    """For every event the channels that would be expected to have picked it and have not."""
    _, cells = pairs(study.times, judged.data, judged.model, judged.events)
    likely = judged.model.detection[cells.channel] * cells.near >= _EXPECTED
    got = np.unique(_cell_of(judged)) if len(judged.events) else np.zeros(0, np.int64)
    n_channels = len(judged.model.detection)
    lacking = likely & ~np.isin(cells.event * n_channels + cells.channel, got)
    names: list[list[str]] = [[] for _ in judged.events]
    for event, channel in zip(cells.event[lacking], cells.channel[lacking], strict=True):
        names[event].append(f"{study.network.ids[channel // 2]} {PHASES[channel % 2]}")
    return ["; ".join(of_event) for of_event in names]


def _cell_of(judged: Judged) -> npt.NDArray[np.int64]:
    """Event and channel, as one number, of every pick that was assigned."""
    given = judged.assignment
    taken = given.event >= 0
    channel = judged.data.picks.channel[taken] // 2 * 2 + given.phase[taken]
    return given.event[taken] * len(judged.model.detection) + channel


def _counts(judged: Judged, study: Study) -> dict[str, int]:
    """Picks by what became of them."""
    return dict(zip(FATES, np.bincount(fates(judged, study), minlength=len(FATES)).tolist(), strict=True))


def fates(judged: Judged, study: Study) -> npt.NDArray[np.int64]:
    """(slot,): what became of every pick, an index of FATES."""
    found, cells = pairs(study.times, judged.data, judged.model, judged.events)
    odds = odds_of(found, cells, judged.data, judged.model)
    fate = np.zeros(len(judged.data.picks.time_s), np.int64)
    fate[found.slot] = 1
    fate[found.slot[odds > LEAST_ODDS]] = 2
    fate[judged.assignment.event >= 0] = 3
    return fate
