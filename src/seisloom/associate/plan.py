"""The plan of an association by likelihood, before it runs: parts, bytes, memory, time by a trial on some of its picks, its cost."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from seisloom.associate.job import make_study
from seisloom.associate.likelihood import Search
from seisloom.associate.pace import Pace, measure_pace
from seisloom.associate.parts import Parts
from seisloom.associate.result import JobSettings
from seisloom.associate.settle import n_sections
from seisloom.associate.streamed import SECTION_PARTS, begin_search
from seisloom.compute.crew import START_S, Crew
from seisloom.compute.forecast import Forecast, Timing, idle_words
from seisloom.compute.prices import Prices, Use, bill
from seisloom.cores import cores
from seisloom.picks.pieces import PickPieces, pick_files
from seisloom.picks.spool import Spool, spool_picks
from seisloom.traveltime import VelocityModel
from seisloom.words import counted

# What the command holds (benchmarks/RESULTS.md, millions of picks): itself with its libraries, and bytes for a pick of a section
# and for one of all. And what a pick takes in the scratch folder.
_PROGRAM_BYTES, _SECTION_PICK_BYTES, _PICK_BYTES, _SCRATCH_BYTES = 330e6, 1200, 24, 400
_WORDS = {
    "reading": "reading the picks",
    "learning": "learning from a sample of the picks",
    "searching": "the search for events",
    "judging": "judging all events together, by one thread",
    "writing": "locating the events and writing the catalogue",
}


@dataclass(frozen=True, kw_only=True)
class AssociationPlan(Forecast):
    """What an association will do and take."""

    picks: int
    """At stations of the list."""
    stations: int
    """That have picks."""
    stations_listed: int
    first: str
    """Time of the first pick, and of the last (UTC, ISO 8601)."""
    last: str
    span_s: float
    sections: int
    """Of the tasks, which are stretches of the picks: they are judged and located one after another."""
    picks_tried: int
    """That the time was measured on."""
    bytes_scratch: int
    """In the folder of the catalogue until it is written."""


def dry_run_association(
    picks: Path,
    sites: pd.DataFrame,
    velocity: VelocityModel,
    settings: JobSettings,
    crew: Crew,
    *,
    min_probability: float = 0.0,
    station_models: Mapping[str, VelocityModel] | None = None,
    prices: Prices | None = None,
) -> AssociationPlan:
    """What :func:`seisloom.associate.streamed.associate_files` with the same arguments would do, and take; raises what it raises.

    All picks are read, and some of them are associated, in a temporary folder.
    """
    began = time.process_time()
    study = make_study(sites, velocity, settings.region, settings.earth, station_models)
    with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
        files, scratch = pick_files(picks), Path(folder)
        spool = spool_picks(PickPieces(files, str(picks), min_probability), study.network.ids, scratch / "picks")
        search = begin_search(spool, study, settings, 1)
        parts = search.parts()
        sample = [len(part.data.noise) for part in parts.sample()]
        reading_s = time.process_time() - began
        pace = measure_pace(search, parts, spool, study, settings, scratch)
        timing = _timing(parts, sample, pace, reading_s, crew, min(settings.n_threads, cores()))
        plan = _plan(search, spool, sum(path.stat().st_size for path in files), pace, timing, crew)
    if not prices:
        return plan
    use = Use(timing.workers, crew.threads, plan.memory_bytes, timing.seconds, 0, plan.bytes_out, 0, 0)
    return replace(plan, bill=bill(prices, use))


def _plan(search: Search, spool: Spool, bytes_in: int, pace: Pace, timing: Timing, crew: Crew) -> AssociationPlan:
    n, trial, sections = len(spool), pace.trial, n_sections(timing.tasks, SECTION_PARTS)
    first_s, last_s = float(spool.time_s[0]), float(spool.time_s[-1])
    held = _PROGRAM_BYTES + _SECTION_PICK_BYTES * n / sections + _PICK_BYTES * n
    return AssociationPlan(
        picks=n,
        stations=int(search.overview.seen.reshape(-1, 2).any(axis=1).sum()),
        stations_listed=len(spool.stations),
        first=_utc(spool, first_s),
        last=_utc(spool, last_s),
        span_s=last_s - first_s,
        sections=sections,
        picks_tried=trial.n_picks,
        bytes_scratch=_SCRATCH_BYTES * n,
        threads=crew.threads,
        bytes_in=bytes_in,
        bytes_out=round(trial.files_bytes + n * trial.written_bytes / trial.n_picks),
        objects_out=trial.n_files,
        memory_bytes=round(held),
        timing=timing,
        basis=(
            f"from {counted(trial.n_picks, 'pick')} of {_utc(spool, pace.first_s)} to {_utc(spool, pace.last_s)}, which come as often "
            "as those of a typical part: associated on this machine; reading, from all picks"
        ),
        notes=[*crew.notes(0), "without figures"],
    )


def _timing(parts: Parts, sample: list[int], pace: Pace, reading_s: float, crew: Crew, n_threads: int) -> Timing:
    """Parts are searched side by side, by threads or by workers; ``n_threads`` of the command share what can be learned from
    the ``sample`` (picks of each of its parts); the rest is done by one."""
    n_parts, trial = len(parts), pace.trial
    searched = sum(map(parts.n_picks, range(n_parts))) / trial.n_picks  # so many times the picks of the trial
    learned, rehearsed, written = (
        n / trial.n_picks for n in (sum(sample), sample[len(sample) // 2], len(parts.source.time_s))
    )
    lanes = min(crew.workers * crew.threads, n_parts)
    each = min(1.0, crew.cores / lanes)
    part_s = trial.searching_s * searched / n_parts / each
    seconds = {
        "reading": reading_s,
        "learning": trial.learning_s * learned / min(n_threads, len(sample)) + trial.rehearsing_s * rehearsed,
        "searching": math.ceil(n_parts / lanes) * part_s,
        "judging": trial.judging_s * written,
        "writing": trial.writing_s * written + trial.files_s,
    }
    cpu_s = {"starting": crew.starting_cpu_s(n_parts) + crew.at_work(n_parts) * pace.loading_s} | seconds
    cpu_s["learning"] = trial.learning_s * learned + trial.rehearsing_s * rehearsed
    cpu_s["searching"] = trial.searching_s * searched
    start_s, work_s = START_S[crew.kind] + pace.loading_s, sum(seconds.values())
    stage = max(seconds, key=lambda name: seconds[name])
    limit = f"{_WORDS[stage]} ({seconds[stage] / work_s:.0%} of the work)"
    return Timing(
        workers=crew.at_work(n_parts),
        cores=lanes * each,
        tasks=n_parts,
        cpu_s=cpu_s,
        task_s=part_s,
        seconds=start_s + work_s,
        limit=(f"starting ({start_s:.0f} s)" if start_s > work_s else limit) + idle_words(crew, n_parts),
    )


def _utc(spool: Spool, time_s: float) -> str:
    """A time of the picks to the second, ISO 8601."""
    return pd.Timestamp(spool.reference_ns + int(time_s) * 10**9).isoformat()
