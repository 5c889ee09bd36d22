"""From what users ask for to the engine that does it."""

from __future__ import annotations

from seisloom.compute.choice import Compute
from seisloom.compute.engine import Engine, Serial


def open_engine(compute: Compute) -> Engine:
    """The engine, for ``with``; MissingExtraError where Dask is asked for and not installed."""
    if compute.kind == "processes":
        from seisloom.compute.processes import Processes

        return Processes(compute.n_workers)
    if compute.kind == "dask":
        from seisloom.compute.on_dask import OnDask

        return OnDask(compute)
    return Serial()
