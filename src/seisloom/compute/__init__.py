"""Independent tasks, several at a time: threads of this process, processes of this machine, or a Dask cluster."""

from __future__ import annotations

from seisloom.compute.choice import Compute, parse_compute
from seisloom.compute.engine import ComputeError, Engine, Failed, Prepare, Serial
from seisloom.compute.opening import open_engine
from seisloom.compute.slices import Slice, parse_slice
from seisloom.compute.threads import each

__all__ = [
    "Compute",
    "ComputeError",
    "Engine",
    "Failed",
    "Prepare",
    "Serial",
    "Slice",
    "each",
    "open_engine",
    "parse_compute",
    "parse_slice",
]
