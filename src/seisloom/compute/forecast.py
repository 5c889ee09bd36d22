"""What is said of a job before it runs, whatever the job: bytes, memory, time, what the time rests on, and what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from seisloom.compute.crew import Crew
from seisloom.compute.prices import Bill
from seisloom.words import counted


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Time of a run."""

    workers: int
    """That have a task."""
    cores: float
    """Of these together."""
    tasks: int
    cpu_s: dict[str, float]
    """By stage, of all workers; ``starting`` is the program itself."""
    task_s: float
    seconds: float
    limit: str
    """What most of the time goes by."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run will do and take. All numbers are of this run."""

    threads: int
    """Of a worker."""
    bytes_in: int
    bytes_out: int
    """Written."""
    objects_out: int
    """Files, or objects of a store, that they are written as."""
    memory_bytes: int
    """Of a worker."""
    timing: Timing | None
    """None where it was not measured."""
    basis: str
    """What the time was measured on, and what is not in it."""
    notes: list[str]
    """What had to be assumed."""
    bill: Bill | None = None

    @property
    def seconds(self) -> float | None:
        """From start to end."""
        return self.timing.seconds if self.timing else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def idle_words(crew: Crew, tasks: int) -> str:
    """What to say of workers that have no task, as the end of a sentence; nothing where all have one."""
    idle = crew.workers - tasks
    return f"; {counted(idle, 'worker')} without a task, for there are {tasks:,}" if idle > 0 else ""
