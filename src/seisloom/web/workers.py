"""The workers that belong to a server: processes that are started with it, again when one dies, and end with it."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from seisloom.errors import WorkspaceError
from seisloom.jobs import Board

END_S = 1.2
"""How long a worker may take to give back its job before it is ended the hard way."""
STEADY_S, LONGEST_WAIT_S = 60.0, 60.0


class Workers:
    """Keeps ``count`` processes of a command running; a context.

    The command must look for jobs when there is something on its standard input, and end when that does, as it also does
    where this process is killed. The jobs of one that died are given back at once.
    """

    def __init__(self, command: Sequence[str], count: int, board: Board, tell: Callable[[str], None]) -> None:
        self.command, self.board, self._tell = list(command), board, tell
        self._ending = threading.Event()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._threads = [threading.Thread(target=self._keep, daemon=True) for _ in range(count)]

    def __enter__(self) -> Workers:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Begin to end them."""
        self._ending.set()

    def wake(self) -> None:
        """Have them look for jobs now."""
        for process in list(self._running):
            with suppress(OSError, ValueError):  # it has just ended
                assert process.stdin
                process.stdin.write(b"\n")
                process.stdin.flush()

    def __exit__(self, *_: object) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()

    def _keep(self) -> None:
        """One worker after another, sooner where the last one ran for long."""
        deaths = 0
        while not self._ending.is_set():
            began = time.monotonic()
            # A session of its own: Ctrl-C is the server's to act upon.
            process = subprocess.Popen(self.command, stdin=subprocess.PIPE, start_new_session=True)
            self._running.add(process)
            try:
                self._watch(process)
            finally:
                self._running.discard(process)
                _end(process)
                self._release(process.pid)
            if self._ending.is_set():
                return
            deaths = deaths + 1 if time.monotonic() - began < STEADY_S else 1
            wait = min(2.0 ** (deaths - 1), LONGEST_WAIT_S)
            self._tell(f"the worker ended with status {process.returncode}; another is started in {wait:g} s")
            self._ending.wait(wait)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None and not self._ending.wait(0.1):
            pass

    def _release(self, pid: int) -> None:
        """Give back what a dead worker had, so that nobody waits until it is taken for dead."""
        mine = f"{socket.gethostname()}-{pid}-"
        try:
            for job in self.board.jobs():
                if job.state == "running" and (job.worker or "").startswith(mine):
                    self.board.release(job.worker or "")
        except WorkspaceError as error:
            self._tell(f"{error}; the job of the worker is taken over later")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close its standard input, then make sure."""
    with suppress(BrokenPipeError):
        if process.stdin:
            process.stdin.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
