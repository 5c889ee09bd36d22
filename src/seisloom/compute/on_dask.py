"""A Dask cluster: one of this machine that lives as long as the run, or a running one that is joined.

Every item is a task of Dask's own, so that its scheduler shares them out, replaces workers that are lost, and sees how many
wait (which is what adaptive clusters grow by). The task of the engine travels to each worker once.

Which item killed a worker Dask does not know where several were assigned to it. All of these are tried again after the
others, one at a time, so that no item is given up for what another did.
"""

from __future__ import annotations

import gc
import logging
import pickle
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from seisloom import __version__
from seisloom.compute import dask_worker
from seisloom.compute.choice import Compute
from seisloom.compute.engine import Answer, ComputeError, Done, Failed, Item, Prepare, Tries
from seisloom.errors import MissingExtraError, described

CONNECT_S = 30
"""How long a scheduler may take to answer."""
ASK_S = 5
"""How long it may take where it is only asked who is there."""
CLOSE_S = 10
"""How long taking leave of it may take."""
OVERHEAD_GB = 1.0
"""What a worker needs beside what its task may use: the program, its libraries, records as they are read."""
LOST = "its worker was lost, perhaps because memory ran out"
GONE = "the Dask scheduler is gone; what was finished is kept, and the same command goes on from there"
SILENT = logging.CRITICAL + 1
_log = logging.getLogger(__name__)


def require_distributed() -> Any:
    """The module distributed; MissingExtraError without it."""
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError("--compute dask needs Dask: pip install 'seisloom[dask]'") from error
    return distributed


class OnDask:
    """The engine; a cluster is started, or joined, when there is something to do."""

    def __init__(self, compute: Compute) -> None:
        require_distributed()
        self._compute, self._open = compute, ExitStack()
        self._client: Any = None

    def run(self, prepare: Prepare[Item, Done], items: Sequence[Item]) -> Iterator[tuple[Item, Done | Failed]]:
        """Results of all items as they come. Raises the SeisloomError of a task, ComputeError where the scheduler is gone."""
        if not items:
            return
        from distributed import as_completed

        self._client = self._client or self._connect()
        run, tries = _Run(self._client, prepare), Tries(len(items))
        numbers: dict[Any, int] = {}
        suspects: set[int] = set()
        coming = as_completed(loop=self._client.loop)
        try:
            while tries.waiting or numbers:
                for number in tries.take(suspects, alone=not numbers):
                    numbers[future := run.submit(items[number])] = number
                    coming.add(future)
                future = next(coming)
                number, answer = numbers.pop(future), run.answer(future)
                if answer.lost:
                    suspects.add(number)
                if ended := tries.ended(number, answer):
                    yield items[number], ended[0]
        finally:
            run.end(list(numbers))

    def _connect(self) -> Any:
        """A client of the cluster that is asked for."""
        import dask
        from distributed import Client

        self._open.enter_context(_quiet())
        self._open.enter_context(dask.config.set({"distributed.comm.timeouts.connect": f"{CONNECT_S}s"}))
        where = self._compute.address or self._open.enter_context(_local_cluster(self._compute))
        try:
            client = Client(where, timeout=CONNECT_S, set_as_default=False)
            self._open.callback(_leave, client)
            waiting = not client.nthreads()
        except (OSError, CancelledError) as error:
            raise ComputeError(f"no Dask scheduler answers at {self._compute.address}: {error}") from error
        if waiting:
            _log.warning("%s has no workers yet: waiting for the first", where)
        return client

    def __enter__(self) -> OnDask:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._client = None


@dataclass(frozen=True)
class Found:
    """Workers of a running scheduler."""

    workers: int
    slots: int
    """Tasks that they do at a time: as many each as it has Dask threads."""
    memory_bytes: float | None
    """That a task may use where it has least; None where no worker has a limit."""


def find_workers(address: str) -> Found | None:
    """Those of a running scheduler, asked for; None where none answers within ASK_S. MissingExtraError without Dask."""
    require_distributed()
    from distributed import Client

    with _quiet():
        try:
            client = Client(address, timeout=ASK_S, set_as_default=False)
        except (OSError, CancelledError):
            return None
        try:
            there = list(client.scheduler_info(n_workers=-1)["workers"].values())
        except (OSError, CancelledError):
            return None
        finally:
            _leave(client)
    limits = [worker["memory_limit"] / worker["nthreads"] for worker in there if worker["memory_limit"]]
    return Found(len(there), sum(worker["nthreads"] for worker in there), min(limits, default=None))


class _Run:
    """One run on a cluster."""

    def __init__(self, client: Any, prepare: Prepare[Any, Any]) -> None:
        self._client, self._name = client, f"seisloom-{secrets.token_hex(8)}"
        # As a task and not as data: what only a lost worker held, the scheduler makes anew.
        with _scheduler_there(client):
            self._task = client.submit(dask_worker.same, pickle.dumps(prepare), key=self._name)
        self._submitted = 0

    def submit(self, item: Any) -> Any:
        """Have an item done; ComputeError where the scheduler is gone, here as below."""
        self._submitted += 1
        key = f"{self._name}-{self._submitted}"
        given = (self._name, __version__, self._task, item)
        with _scheduler_there(self._client):
            return self._client.submit(dask_worker.answer, *given, key=key, pure=False)

    def answer(self, future: Any) -> Answer:
        """What an ended future says."""
        with _scheduler_there(self._client):
            error = future.exception()
            if error is None:
                return future.result()  # an error where it was cancelled, as all are that are lost with their scheduler
        if isinstance(error, require_distributed().KilledWorker):
            return Answer(words=LOST, lost=True)
        return Answer(words=described(error))

    def end(self, left: list[Any]) -> None:
        """Begin nothing more, and have the workers give back what the task holds, if anybody is there to do so."""
        if self._client.status == "running":
            with suppress(Exception):
                self._client.cancel([*left, self._task], force=True)
                self._client.run(dask_worker.forget, self._name, wait=False)


@contextmanager
def _scheduler_there(client: Any) -> Iterator[None]:
    """ComputeError in place of what a client raises whose scheduler goes: a lost connection, or any error of one that ends."""
    try:
        yield
    except (OSError, CancelledError) as gone:
        raise ComputeError(GONE) from gone
    except Exception as error:
        if client.status == "running":
            raise
        raise ComputeError(GONE) from error


def _leave(client: Any) -> None:
    """Take leave of a scheduler, whatever has become of it: nothing is lost by it."""
    with suppress(Exception):
        client.close(timeout=CLOSE_S)


@contextmanager
def _local_cluster(compute: Compute) -> Iterator[Any]:
    """A cluster of this machine, each worker a process that does one task at a time."""
    import dask
    from distributed import LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": 0,  # the engine counts them itself
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.worker.preload": ["seisloom.compute.dask_preload"],
        # What a task uses is not Dask's to move to disk, and a worker that pauses would never finish: only the limit holds.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
    }
    limit = round((compute.memory_gb + OVERHEAD_GB) * 1e9)
    with dask.config.set(settings):
        try:
            cluster = LocalCluster(
                n_workers=compute.n_workers, threads_per_worker=1, memory_limit=limit, dashboard_address="127.0.0.1:0",
                silence_logs=SILENT,
            )  # fmt: skip
        except (OSError, RuntimeError) as error:
            raise ComputeError(f"Dask cannot start {compute.n_workers} workers on this machine: {error}") from error
        try:
            yield cluster
        finally:
            with suppress(Exception):  # of workers that do not end in time, the operating system takes care
                cluster.close()


def _quiet() -> AbstractContextManager[None]:
    """What Dask says of lost workers, the engine says itself; of a connection that ends while others do, nobody need hear."""
    return _silent("distributed", "tornado", "asyncio")


@contextmanager
def _silent(*packages: str) -> Iterator[None]:
    """Loggers of packages that say nothing."""
    known = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in packages]
    before = {name: logging.getLogger(name).level for name in {*packages, *known}}  # each has a level of its own
    for name in before:
        logging.getLogger(name).setLevel(SILENT)
    try:
        yield
    finally:
        gc.collect()  # what nobody waited for complains as it is collected
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
