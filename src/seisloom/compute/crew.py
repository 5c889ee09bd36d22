"""Who does the work: workers, their threads and cores, and what it takes them to begin."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seisloom.compute.choice import Compute
from seisloom.cores import cores
from seisloom.errors import MissingExtraError
from seisloom.words import counted, size

START_S = {"serial": 1.0, "processes": 3.0, "dask": 7.0}
"""What an engine takes to start and end, about (benchmarks/RESULTS.md, engines)."""
START_CPU_S = 1.7
"""CPU seconds of the command, and of every worker that is a process of its own, until it begins: the program, its libraries."""
PROGRAM_BYTES = 150e6
"""Of a worker, beside its work."""


@dataclass(frozen=True)
class Crew:
    """What the work is done by: ``workers`` of ``threads`` each, which have ``cores`` together."""

    kind: str
    workers: int
    threads: int
    cores: int
    memory_bytes: float
    """That a worker may use for its work."""
    limit_bytes: float | None = None
    """Beyond which it is ended, as far as a running scheduler tells."""
    found: str = ""
    """What that says of its workers."""

    @classmethod
    def of(cls, compute: Compute, workers: int | None = None) -> Crew:
        """Those of a way to compute. A running scheduler is asked for its workers, unless their number is given; one that does not
        answer is taken to have one. They are taken to have a core a thread, others share this machine's."""
        crew = cls(compute.kind, workers or compute.n_workers, compute.n_threads, 0, compute.memory_gb * 1e9)
        if not compute.address:
            return replace(crew, cores=min(crew.workers * crew.threads, cores()))
        if not workers:
            crew = _at(compute.address, crew)
        return replace(crew, cores=crew.workers * crew.threads)

    def notes(self, memory_bytes: float) -> list[str]:
        """What a plan has to say of workers that take so much memory each."""
        notes = [self.found] if self.found else []
        if self.limit_bytes and memory_bytes > self.limit_bytes:
            notes.append(
                f"too much memory: a task may use {size(self.limit_bytes)} of a worker there; take less --memory, or give workers more"
            )
        return notes

    def each(self, workers: int) -> float:
        """Cores of a worker where so many are at work."""
        return min(self.threads, self.cores / workers)

    def at_work(self, tasks: int) -> int:
        """Workers that have a task, where there are so many; one at least."""
        return max(1, min(self.workers, tasks))

    def starting_cpu_s(self, tasks: int) -> float:
        """CPU seconds until so many tasks are begun."""
        return (self.at_work(tasks) + (self.kind != "serial")) * START_CPU_S


def _at(address: str, crew: Crew) -> Crew:
    """That of a running scheduler: as many tasks at a time as its workers have Dask threads."""
    from seisloom.compute.on_dask import find_workers

    try:
        there = find_workers(address)
    except MissingExtraError:
        return replace(
            crew,
            workers=1,
            found=f"Dask is not installed here to ask {address}: for one worker; --workers says how many to plan for",
        )
    if not there:
        return replace(
            crew,
            workers=1,
            found=f"no scheduler answers at {address}: for one worker; --workers says how many to plan for",
        )
    if not there.slots:
        return replace(crew, workers=1, found=f"the scheduler at {address} has no workers yet: for one")
    limit = f", {size(there.memory_bytes)} a task" if there.memory_bytes else ", without a limit of memory"
    told = f"{counted(there.workers, 'worker')} at {address}, {counted(there.slots, 'task')} at a time{limit}"
    return replace(crew, workers=there.slots, limit_bytes=there.memory_bytes, found=told)
