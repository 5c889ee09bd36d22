"""What a worker tells the process that does a job."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

ABANDONED = 75
"""Exit status of a process that no longer heard of its worker."""


@dataclass(frozen=True)
class Task:
    """One claim, and what may be used for it; ``sources`` and ``limits`` are the fields of Sources and Limits."""

    workspace: str
    job_id: str
    claim: int
    sources: dict[str, Any]
    limits: dict[str, Any]
    threads: int
    memory_gb: float
    patience_s: float
    """How long the process works on without a sign of the worker."""
    compute: str = "serial"
    part: str | None = None
    """The slice i/n of the days of a correlation that is to be done, None for all."""

    def line(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"
