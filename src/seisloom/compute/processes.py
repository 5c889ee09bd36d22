"""Processes of this machine, each with one item at a time.

A worker is an interpreter of its own (:mod:`seisloom.compute.process_worker`), so that neither what this process has open nor
its main module, which multiprocessing would import anew, is in its way. It ends with this process: its pipe is closed then.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait

from seisloom.compute.engine import Answer, Done, Failed, Item, Prepare, Tries


class Processes:
    """Worker processes; one that is lost is replaced by another."""

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._crew: list[_Worker] = []

    def run(self, prepare: Prepare[Item, Done], items: Sequence[Item]) -> Iterator[tuple[Item, Done | Failed]]:
        """Results of all items as they come. Raises the SeisloomError of a task."""
        task, tries = pickle.dumps(prepare), Tries(len(items))
        try:
            while tries.waiting or self._busy():
                self._hand_out(task, items, tries)
                for worker in self._ended():
                    number = worker.number
                    if ended := tries.ended(number, worker.answer()):
                        yield items[number], ended[0]
        finally:
            self._end()

    def _hand_out(self, task: bytes, items: Sequence[Item], tries: Tries) -> None:
        """Give every idle worker an item, and make workers while there are too few."""
        lost = [worker for worker in self._crew if not worker.alive]
        for worker in lost:
            worker.end()
            self._crew.remove(worker)
        while len(self._crew) < min(self._n_workers, len(self._busy()) + len(tries.waiting)):
            self._crew.append(_Worker(task))
        for worker in self._crew:
            if tries.waiting and not worker.busy:
                number = tries.waiting.popleft()
                worker.begin(number, items[number])

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._crew if worker.busy]

    def _ended(self) -> list[_Worker]:
        """Workers that have an answer, or are lost; waits for the first."""
        by_pipe = {worker.answers: worker for worker in self._busy()}
        return [by_pipe[pipe] for pipe in wait(list(by_pipe)) if isinstance(pipe, Connection)]

    def _end(self) -> None:
        for worker in self._crew:
            worker.end()
        self._crew.clear()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()


def _environment() -> dict[str, str]:
    """That of a worker: it imports from where this process does, and libraries start no threads of their own accord."""
    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **alone, "PYTHONPATH": os.pathsep.join(sys.path)}


class _Worker:
    """A process; ``number`` is that of the item that it has."""

    def __init__(self, task: bytes) -> None:
        self.busy, self.alive, self.number = False, True, -1
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "seisloom.compute.process_worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(),
        )  # fmt: skip
        assert self._process.stdin
        assert self._process.stdout
        self._orders = Connection(os.dup(self._process.stdin.fileno()), readable=False)
        self.answers = Connection(os.dup(self._process.stdout.fileno()), writable=False)
        self._process.stdin.close()
        self._process.stdout.close()
        self._send(task)

    def begin(self, number: int, item: object) -> None:
        """Give it an item."""
        self.busy, self.number = True, number
        self._send(pickle.dumps(item))

    def answer(self) -> Answer:
        """What it says of its item."""
        self.busy = False
        try:
            return pickle.loads(self.answers.recv_bytes())
        except (EOFError, OSError):
            self.alive = False
            return Answer(words=self._loss(), lost=True)

    def end(self) -> None:
        """End the process at once: what is half done is done anew by the next run."""
        self._process.kill()
        self._process.wait()
        self._orders.close()
        self.answers.close()

    def _loss(self) -> str:
        status = self._process.wait()
        if status >= 0:
            return f"its worker process ended with status {status}"
        memory = ", perhaps because memory ran out" if status == -signal.SIGKILL else ""
        return f"its worker process was ended by {signal.Signals(-status).name}{memory}"

    def _send(self, data: bytes) -> None:
        with suppress(BrokenPipeError):  # of one that has just ended the answer tells
            self._orders.send_bytes(data)
