"""Shares of a job: workers that are each given a slice (``seisloom work --slice i/n``) do the days of one job side by side.

Nobody claims the job then: a share holds as long as the job waits or runs, whoever is at it. The first share makes it run,
each writes signs of life, so that no other worker takes it for abandoned, and the one after which no day is left finishes
it. Should shares be missing in the end, the job is like one whose worker died: any worker, or a later share, goes on with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seisloom.jobs.board import Board, Claim, NoSuchJobError
from seisloom.jobs.log import Job

KIND = "correlation"
"""Of the jobs that have days to share out."""
OPEN = ("waiting", "running")


def share(board: Board, job: Job, worker: str) -> Share | None:
    """The right to do a share of a job, None where it has ended."""
    while job.state == "waiting":
        board.note(job, "joined", worker)
        job = board.job(job.id)
    return Share(board, job, job.number, worker, "") if job.state == "running" else None


@dataclass
class Share(Claim):
    """Holds while the job is open; ``number`` and ``token`` are of no account."""

    def holds(self) -> bool:
        """Whether the job is still to be done."""
        job = self._now()
        return job is not None and job.state in OPEN

    def finish(self, result: Mapping[str, Any], message: str = "") -> bool:
        """The share is done, and the job too if no day is ``left``."""
        if result.get("left"):
            return self.holds()
        self._end("finished", result=dict(result), message=message)
        return True

    def release(self, done: int = 0, message: str = "") -> bool:
        """The share is not done; the job is left to others."""
        return self.holds()

    def _end(self, event: str, **more: Any) -> bool:
        while (job := self._now()) and job.state in OPEN:
            if job.state == "waiting":  # a worker has claimed it and given it back
                self.board.note(job, "joined", self.worker)
            elif self.board.note(job, event, self.worker, **more):
                return True
        return False

    def _now(self) -> Job | None:
        try:
            return self.board.job(self.job.id)
        except NoSuchJobError:
            return None
