"""What is computed on, as users say it: ``serial``, ``processes``, ``dask`` or ``dask=ADDRESS``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from seisloom.cores import cores
from seisloom.errors import InputError

_ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss|ucx)://)?[^\s/:]+:\d{1,5}")


@dataclass(frozen=True)
class Compute:
    """A way to compute.

    ``workers`` and ``threads`` (of each) may be None: one worker a core, and as many threads as leave no core idle; at a
    running scheduler the workers are those that are there, and a task has one thread.
    """

    kind: Literal["serial", "processes", "dask"] = "serial"
    address: str | None = None
    workers: int | None = None
    threads: int | None = None
    memory_gb: float = 6.0
    """What the task of a worker may use."""

    @property
    def remote(self) -> bool:
        """Whether tasks are done in other processes than this one."""
        return self.kind != "serial"

    @property
    def n_workers(self) -> int:
        """Tasks at a time, where that is for us to say."""
        return (self.workers or cores()) if self.remote else 1

    @property
    def n_threads(self) -> int:
        """Threads of a task."""
        if not self.remote:
            return self.threads or self.workers or cores()
        return self.threads or (1 if self.address else max(1, cores() // self.n_workers))


def parse_compute(text: str, workers: int | None = None, threads: int | None = None, memory_gb: float = 6.0) -> Compute:
    """The way to compute that ``text`` names; InputError for others, and for what contradicts it."""
    kind, equals, address = text.strip().partition("=")
    if equals and kind != "dask":
        raise InputError(f"--compute {text!r}: only dask has an address, as in dask=tcp://10.0.0.1:8786")
    if equals and not _ADDRESS.fullmatch(address):
        raise InputError(
            f"--compute {text!r}: {address!r} is no address of a scheduler: write dask=HOST:PORT or dask=tcp://HOST:PORT"
        )
    if address and workers:
        raise InputError(f"--compute {text!r}: a running scheduler has workers of its own: leave out --workers")
    rest = (address or None, workers, threads, memory_gb)
    match kind:
        case "serial":
            return Compute("serial", *rest)
        case "processes":
            return Compute("processes", *rest)
        case "dask":
            return Compute("dask", *rest)
    raise InputError(f"--compute {text!r} is unknown: use serial, processes, dask or dask=ADDRESS")
