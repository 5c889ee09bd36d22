"""How long a job takes: CPU seconds of the stages of a day, shared out to workers, threads and the network.

A worker does its days one after another. Within a day channels are read and made spectra by all its threads, while the
network brings records; products and inverse transforms are done by all threads; writing is done by one, and by the network
where the workspace is in an object store. So a day takes, with t cores a worker,

    max((reading + spectra) / t, records / network) + (product + inverse) / t + max(writing, archive / network).

The tiles of a day that is cut are tasks of their own, a part of its time each. They make spectra anew, or share them through
the workspace, which is a stage more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from seisloom.compute.crew import START_S, Crew
from seisloom.compute.forecast import Timing, idle_words

_WORDS = {
    "reading": "decoding records",
    "spectra": "preprocessing of channels: response, windows, whitening",
    "receiving": "the network to the records",
    "sharing": "spectra through the workspace, between tiles",
    "product": "products of spectra",
    "inverse": "transforms back to lag",
    "writing": "writing the archive, by one thread a worker",
    "sending": "the network to the workspace",
}


@dataclass(frozen=True)
class DayLoad:
    """What a day asks for: CPU seconds by stage (see :class:`seisloom.noise.rates.Rates`), seconds of a worker's network."""

    cpu_s: dict[str, float]
    receiving_s: float = 0.0
    sending_s: float = 0.0

    def parts(self, threads: float) -> dict[str, float]:
        """Seconds that each stage adds to a day of a worker with so many cores."""
        seconds = {stage: cpu / (1 if stage == "writing" else threads) for stage, cpu in self.cpu_s.items()}
        seconds["receiving"] = max(0.0, self.receiving_s - seconds["reading"] - seconds["spectra"])
        seconds["sending"] = max(0.0, self.sending_s - seconds["writing"])
        return seconds

    def seconds(self, threads: float) -> float:
        """Of a day of such a worker."""
        return sum(self.parts(threads).values())


@dataclass(frozen=True, kw_only=True)
class DayTiming(Timing):
    """Time of a run over days; ``starting`` has the responses of the channels in it."""

    days_a_task: int
    """Or tasks are tiles of days."""


def timing(
    load: DayLoad, response_s: float, crew: Crew, days: int, factor: float = 1.0, together: int = 1, tiles: int = 1
) -> DayTiming:
    """Time of ``days`` days of such a load, which take ``factor`` times what the model says.

    They are done ``together`` so many a task, or each as so many ``tiles``. ``response_s`` CPU seconds go to the responses of
    all channels, in every worker.
    """
    tasks = math.ceil(days / together) * tiles
    workers = crew.at_work(tasks)
    each = crew.each(workers)
    day_s = factor * load.seconds(each)
    # Whoever is last has a task more than others, where tasks do not come out even; the last task may be a shorter one.
    most = min(math.ceil(tasks / workers) * together, days * tiles)
    work_s, start_s = most * day_s / tiles, START_S[crew.kind] + response_s / each
    cpu_s = {"starting": crew.starting_cpu_s(tasks) + workers * response_s}
    cpu_s |= {stage: days * seconds for stage, seconds in load.cpu_s.items()}
    return DayTiming(
        workers=min(crew.workers, tasks),
        cores=workers * each,
        tasks=tasks,
        days_a_task=together,
        cpu_s=cpu_s,
        task_s=together * day_s / tiles,
        seconds=start_s + work_s if days else 0.0,
        limit=_limit(load.parts(each), start_s, work_s, crew, tasks),
    )


def _limit(parts: dict[str, float], start_s: float, work_s: float, crew: Crew, tasks: int) -> str:
    if not tasks:
        return "nothing is left to do"
    stage = max(parts, key=lambda name: parts[name])
    words = f"{_WORDS[stage]} ({parts[stage] / sum(parts.values()):.0%} of a day)"
    if start_s > work_s:
        words = f"starting ({start_s:.0f} s)"
    return words + idle_words(crew, tasks)
