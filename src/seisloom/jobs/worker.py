"""A worker: takes jobs from the board, has each done by a child process, and says what came of it.

Any number of workers, on any machines, share a workspace; none is needed in particular. What one leaves unfinished when it
dies another goes on with.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TypeVar

from seisloom.compute import Slice
from seisloom.errors import WorkspaceError
from seisloom.jobs.attempt import Attempt, Outcome, Wake, pause
from seisloom.jobs.board import Board, Claim
from seisloom.jobs.discretion import discreet
from seisloom.jobs.limits import Limits
from seisloom.jobs.logfile import LogFile
from seisloom.jobs.shares import KIND, OPEN, Share, share
from seisloom.jobs.sources import Sources
from seisloom.jobs.task import Task
from seisloom.jobs.upkeep import SETTLE_S, Foreign, sweep

MAX_CRASHES, MAX_LOSSES = 3, 10
"""Attempts in a row, none of which finished a day, after which a job is given up: those that broke down, and those whose
worker was no longer heard of, which is mostly not the job's doing."""
BEAT_S, LEAST_IDLE_S, MOST_IDLE_S, SWEEP_S, MOST_BACK_OFF_S = 2.0, 0.5, 5.0, 60.0, 60.0

Answer = TypeVar("Answer")


class Worker:
    """Does the jobs of a board, one at a time. ``tell`` gets a line for every event."""

    def __init__(
        self,
        board: Board,
        sources: Sources,
        limits: Limits,
        threads: int | None = None,
        memory_gb: float = 6.0,
        tell: Callable[[str], None] = print,
        settle_s: float = SETTLE_S,
        compute: str = "serial",
        part: Slice | None = None,
    ) -> None:
        self.board, self.sources, self.limits = board, sources, limits
        self.threads, self.memory_gb = threads or os.cpu_count() or 1, memory_gb
        self.name = (
            f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"  # claims depend on its being the only one
        )
        self._tell, self._tidy = tell, discreet(board.storage.url, sources)
        self._foreign = Foreign(board, tell, settle_s)
        self._beat_s = min(BEAT_S, board.stale_after_s / 5)
        self._most_idle_s = min(MOST_IDLE_S, board.stale_after_s / 4)
        self._swept = -SWEEP_S
        self._wake, self._stopped = Wake(), False
        self._compute, self._part = compute, part
        self._shares: dict[str, int] = {}  # by job: how often its share was tried, MAX_CRASHES for never again

    def stop(self) -> None:
        """Give back what is at hand and end soon; may be called from other threads and from signal handlers."""
        self._stopped = True
        self._wake.put(None)

    def wake(self) -> None:
        """Look for jobs now: there is one."""
        self._wake.put(None)

    def run(self, drain: bool = False) -> None:
        """Work until stopped; with ``drain`` until every job has ended, whoever does it."""
        idle, failures = LEAST_IDLE_S, 0
        while not self._stopped:
            try:
                busy, left = self._step(drain)
                failures = 0
            except WorkspaceError as error:
                failures += 1
                wait = min(2.0 ** (failures - 1), MOST_BACK_OFF_S)
                self._tell(f"{error}; trying again in {wait:g} s")
                pause(self._wake, wait)
                continue
            if drain and not left:
                return
            idle = LEAST_IDLE_S if busy else min(1.5 * idle, self._most_idle_s)
            if not busy:
                pause(self._wake, idle)

    def _step(self, drain: bool) -> tuple[bool, bool]:
        """Do a job if there is one: (whether there was, whether there are more to come as far as is known)."""
        settling = self._foreign.adopt()
        if time.monotonic() - self._swept >= SWEEP_S:
            sweep(self.board, self._tell)
            self._swept = time.monotonic()
        if claim := self._take():
            self._do(claim)
            return True, True
        if self._part:
            return False, settling  # what others do of the jobs is not waited for
        return False, drain and (settling or any(job.state in ("waiting", "running") for job in self.board.jobs()))

    def _take(self) -> Claim | None:
        """A job to do, or a share of one that is not done yet; with a slice, of the others the one that waits longest."""
        if self._part is None:
            return self.board.claim(self.name)
        for job in reversed(self.board.jobs()):
            if job.kind != KIND:
                taken = self.board.claim(self.name, job.id)
            elif job.state in OPEN and self._shares.get(job.id, 0) < MAX_CRASHES:
                taken = share(self.board, job, self.name)
            else:
                continue
            if taken:
                return taken
        return None

    def _do(self, claim: Claim) -> None:
        job = claim.job
        shared = isinstance(claim, Share)
        log = LogFile(self.board.storage, job.id, f"log-{self._part}".replace("/", "-of-") if shared else "log")
        if job.crashes >= MAX_CRASHES or job.losses >= MAX_LOSSES:
            self._end(claim, Outcome("failed", _given_up(claim, log)), log)
            return
        how = f"slice {self._part}" if shared else "claimed"
        self._tell(f"{job.id}: {how} ({job.kind}{f', {job.name}' if job.name else ''}, attempt {job.attempts})")
        task = Task(
            self.board.storage.url,
            job.id,
            claim.number,
            asdict(self.sources),
            asdict(self.limits),
            self.threads,
            self.memory_gb,
            self.board.stale_after_s * 2 / 3,
            self._compute,
            str(self._part) if shared else None,
        )
        attempt = Attempt(claim, task, log, self._tidy, self._tell, self._wake, lambda: self._stopped, self._beat_s)
        outcome = attempt.run()
        if shared:
            tried = self._shares.get(job.id, 0) + 1
            self._shares[job.id] = tried if outcome.how == "broken" else MAX_CRASHES
        self._end(claim, outcome, log, attempt.done)

    def _end(self, claim: Claim, outcome: Outcome, log: LogFile, done: int = 0) -> None:
        """Say on the board what came of a claim."""
        if outcome.how == "lost":
            self._lost(claim)
            return
        self._insist(log.write)
        match outcome.how:
            case "result":
                result = dict(outcome.result)
                message = result.pop("message", "")
                held = self._insist(lambda: claim.finish(result, message))
            case "failed":
                held = self._insist(lambda: claim.fail(outcome.words))
            case "broken":
                held = self._insist(lambda: claim.release(done, outcome.words))
            case _:
                held = self._insist(lambda: claim.release(done))
        if held and (left := outcome.result.get("left")):
            self._tell(f"{claim.job.id}: slice done; days left to others: {left:,}")
        elif held:
            self._tell(f"{claim.job.id}: {_TOLD[outcome.how]}{f': {outcome.words}' if outcome.words else ''}")
        else:
            self._lost(claim)

    def _lost(self, claim: Claim) -> None:
        """The claim holds no longer: of a job that was deleted, nothing is left behind."""
        job = self._insist(self.board.everything).get(claim.job.id)
        state = job.state if job else "deleted"
        if state == "deleted":
            self._insist(lambda: self.board.clear(claim.job.id))
        self._tell(f"{claim.job.id}: {'taken over' if state in ('waiting', 'running', 'done') else state}")

    def _insist(self, action: Callable[[], Answer]) -> Answer:
        """Do what needs the store, again and again until it works or others may have taken over."""
        began, wait = time.monotonic(), 0.5
        while True:
            try:
                return action()
            except WorkspaceError as error:
                if time.monotonic() - began > self.board.stale_after_s:
                    raise
                self._tell(f"{error}; trying again in {wait:g} s")
            pause(self._wake, wait)
            wait = min(2 * wait, MOST_BACK_OFF_S)


_TOLD = {
    "result": "finished",
    "failed": "failed",
    "broken": "broke down",
    "stopped": "given back",
    "abandoned": "given back, as the workspace could not be reached",
}


def _given_up(claim: Claim, log: LogFile) -> str:
    job = claim.job
    why = job.message or "the last worker was no longer heard of"
    attempts = (
        f"{max(job.crashes, job.losses)} attempts in a row broke down and got no further ({job.done:,} days done)"
    )
    tail = log.tail()
    return f"{attempts}: {why}" + (f"\nThe log ends with:\n{tail}" if tail else "")
