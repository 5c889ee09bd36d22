"""Who does the work: workers, their threads and cores, and what it takes them to begin."""

from __future__ import annotations

from dataclasses import dataclass

from seisloom.compute.choice import Compute
from seisloom.cores import cores

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

    @classmethod
    def of(cls, compute: Compute, workers: int | None = None) -> Crew:
        """Those of a way to compute. ``workers`` of a running scheduler are taken to have a core a thread, others share this
        machine's."""
        n = (workers or 1) if compute.address else compute.n_workers
        wanted = n * compute.n_threads
        have = wanted if compute.address else min(wanted, cores())
        return cls(compute.kind, n, compute.n_threads, have, compute.memory_gb * 1e9)

    def each(self, workers: int) -> float:
        """Cores of a worker where so many are at work."""
        return min(self.threads, self.cores / workers)

    def at_work(self, tasks: int) -> int:
        """Workers that have a task, where there are so many; one at least."""
        return max(1, min(self.workers, tasks))

    def starting_cpu_s(self, tasks: int) -> float:
        """CPU seconds until so many tasks are begun."""
        return (self.at_work(tasks) + (self.kind != "serial")) * START_CPU_S
