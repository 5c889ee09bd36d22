"""One attempt at a job: the child process that works, watched by the worker that holds the claim."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from seisloom.errors import WorkspaceError
from seisloom.jobs.board import Claim
from seisloom.jobs.logfile import LogFile
from seisloom.jobs.task import ABANDONED, Task

Wake = queue.SimpleQueue[None]
"""What ends a wait early; unlike an Event it may be put to from a signal handler."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    ``result``: done. ``failed``: cannot be done, ``words`` say why. ``broken``: the child broke down. ``lost``: somebody
    else has the job, or it was cancelled or deleted. ``stopped``: the worker was told to end. ``abandoned``: the store could
    not be reached for so long that somebody else may have taken over.
    """

    how: Literal["result", "failed", "broken", "lost", "stopped", "abandoned"]
    words: str = ""
    result: dict[str, Any] = field(default_factory=dict)


@dataclass
class Attempt:
    """The work of one claim. ``tidy`` takes out of texts what is not for everybody, ``tell`` is told of every day done."""

    claim: Claim
    task: Task
    log: LogFile
    tidy: Callable[[str], str]
    tell: Callable[[str], None]
    wake: Wake
    stopping: Callable[[], bool]
    beat_s: float

    def run(self) -> Outcome:
        """Work until the end, whichever it is; nothing of the child remains."""
        now, number = datetime.now(UTC).isoformat(" ", "seconds")[:19], self.claim.job.attempts
        self.log.add(f"= {now} UTC, attempt {number}, worker {self.claim.worker}")
        try:
            child = _Child(self.task, self._log_line, self.wake)
        except OSError as error:
            return Outcome("broken", f"no process could be started: {error}")
        with child:
            outcome = self._watch(child)
        outcome = outcome or self._ended(child)
        if outcome.words:
            self.log.add(f"{outcome.how}: {outcome.words}")
        return outcome

    @property
    def done(self) -> int:
        """Days finished, as far as is known."""
        return int(self._progress.get("days_done", 0))

    def __post_init__(self) -> None:
        self._progress: dict[str, Any] = {"stage": "starting", "days_done": self.claim.job.done}

    def _watch(self, child: _Child) -> Outcome | None:
        """Beat until the child has ended (None) or has to end."""
        heard = time.monotonic()
        while not child.ended:
            if self.stopping():
                return Outcome("stopped")
            self._follow(child)
            try:
                if not self.claim.beat(self._progress):
                    return Outcome("lost")
                child.sign()
                heard = time.monotonic()
                self.log.write()
            except WorkspaceError as error:
                self.tell(f"{self.claim.job.id}: {error}")
                if time.monotonic() - heard > self.claim.board.stale_after_s:
                    return Outcome("abandoned", self.tidy(str(error)))
            pause(self.wake, self.beat_s)
        self._follow(child)
        with suppress(WorkspaceError):
            self.claim.beat(self._progress)
        return None

    def _follow(self, child: _Child) -> None:
        before = self.done
        self._progress = child.progress or self._progress
        if self.done > before and "days" in self._progress:
            self.tell(f"{self.claim.job.id}: {self.done:,} of {self._progress['days']:,} days done")

    def _ended(self, child: _Child) -> Outcome:
        match child.last:
            case {"result": result}:
                return Outcome("result", result=result)
            case {"failed": words}:
                return Outcome("failed", self.tidy(words))
            case {"broken": words}:
                return Outcome("broken", self.tidy(words))
        status = child.process.returncode
        if status == ABANDONED:
            return Outcome("abandoned", "no sign of life could be written in time")
        if status < 0:
            memory = ", perhaps because memory ran out" if status == -signal.SIGKILL else ""
            return Outcome("broken", f"the process was ended by {signal.Signals(-status).name}{memory}")
        return Outcome("broken", f"the process ended with status {status}")

    def _log_line(self, line: str) -> None:
        self.log.add(self.tidy(line))


class _Child:
    """The process; threads of their own read what it says."""

    def __init__(self, task: Task, log: Callable[[str], None], wake: Wake) -> None:
        self.progress: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        self.ended = False
        self._log, self._wake = log, wake
        pipe = subprocess.PIPE
        # A session of its own: Ctrl-C is the worker's to act upon.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "seisloom.jobs.child"],
            stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True,
        )  # fmt: skip
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_reports, self._read_log)]
        for reader in self._readers:
            reader.start()
        self._send(task.line())

    def sign(self) -> None:
        """Tell it that it may go on."""
        self._send(b"\n")

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for reader in self._readers:
            reader.join()

    def _send(self, data: bytes) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):  # where it has just ended, its reader tells
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def _read_reports(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue  # cut off where it was killed
                if "progress" in message:
                    self.progress = message["progress"]
                else:
                    self.last = message
        self.ended = True
        self._wake.put(None)

    def _read_log(self) -> None:
        assert self.process.stderr
        with self.process.stderr as lines:
            for line in lines:
                self._log(line.decode("utf-8", "replace"))


def pause(wake: Wake, seconds: float) -> None:
    """Wait, or less where woken."""
    with suppress(queue.Empty):
        wake.get(timeout=seconds)
