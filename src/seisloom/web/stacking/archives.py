"""The correlations of jobs, opened: what there is so far, and rows and stacks of it.

Everything that is kept is kept under the state of the job that it was made from, so that a running job never shows old days.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError, WorkspaceError
from seisloom.jobs import Job
from seisloom.jobs.limits import LimitError
from seisloom.noise.archive import CORRELATIONS, open_correlations, open_stacks, stack_names
from seisloom.noise.archive_rows import read_rows
from seisloom.noise.rotate import rotate
from seisloom.noise.select import between, components, time_dim
from seisloom.noise.stacking import stacked, with_snr
from seisloom.storage import Storage
from seisloom.web.services import Services
from seisloom.web.stacking.cache import Cache, Key
from seisloom.web.stacking.choice import Choice

if TYPE_CHECKING:
    import xarray as xr

CACHE_BYTES = 768 * 2**20
# What one request may read and hold: a year of daily correlations of some hundred pairs, a few seconds of work.
MOST_BYTES = 2**30
ROTATED = ("RR", "RT", "RZ", "TR", "TT", "TZ", "ZR", "ZT", "ZZ")


class NoCorrelationsError(WorkspaceError):
    """A job has no correlations (yet)."""


@dataclass(frozen=True)
class Archive:
    """The correlations of a job as they are in one state (``version``); arrays are read when they are used."""

    job: Job
    version: str
    storage: Storage
    data: xr.Dataset
    """All pairs, lazily, without ``count``."""
    windows: npt.NDArray[np.int32]
    """Windows in the mean (pair, time); 0 where there is nothing."""
    cache: Cache

    @property
    def dim(self) -> str:
        """ "day", or "time" where sub-stacks or windows were kept."""
        return str(time_dim(self.data))

    @property
    def all_pairs(self) -> npt.NDArray[np.int64]:
        """Positions of all pairs."""
        return np.arange(self.data.sizes["pair"])

    @cached_property
    def components(self) -> list[str]:
        """Component codes that can be asked for: those there are, then those that rotation makes of them."""
        codes = sorted(set(components(self.data).tolist()))
        nine = len({code[0] for code in codes}) == 3 and len(codes) == 9
        return codes + [code for code in ROTATED if nine and code not in codes]

    def turned(self, choice: Choice) -> bool:
        """Whether the component of a choice is one that only rotation makes of what there is."""
        code = (choice.component or "").upper()
        return code in ROTATED and code in self.components and code not in components(self.data)

    def fits(self, pairs: npt.NDArray[np.int64]) -> bool:
        """Whether the correlations of these pairs may be read for one picture."""
        return self.bytes_of(pairs) <= MOST_BYTES

    def bytes_of(self, pairs: npt.NDArray[np.int64]) -> int:
        """Size of the correlations of these pairs."""
        return 4 * len(pairs) * self.windows.shape[1] * self.data.sizes["lag"]

    def rows(self, pairs: npt.NDArray[np.int64], choice: Choice) -> xr.Dataset:
        """The correlations of some pairs in memory, between the days of the choice; LimitError where they are too many."""
        if not self.fits(pairs):
            raise LimitError(
                f"{len(pairs):,} pairs on {self.windows.shape[1]:,} {self.dim}s are {self.bytes_of(pairs) / 2**30:,.1f} GiB of "
                f"correlations, too many for one picture or file (at most {MOST_BYTES / 2**30:g} GiB): have the stack of "
                "all pairs made and stored first, or choose a component or fewer pairs"
            )
        key = (self.job.id, self.version, "rows", pairs.tobytes())
        ccf = self.cache.get(
            key, lambda: read_rows(self.storage, pairs, self.windows[pairs] > 0), lambda array: array.nbytes
        )
        small = self.data.isel(pair=pairs)
        small = small.assign(
            ccf=(small["ccf"].dims, ccf, small["ccf"].attrs), count=(("pair", self.dim), self.windows[pairs])
        )
        small = between(small, *choice.days)
        return rotate(small) if self.turned(choice) else small

    def stack(self, pairs: npt.NDArray[np.int64], choice: Choice, period: str = "all") -> xr.Dataset:
        """Stacks ``ccf(pair, period, lag)`` of some pairs by the method of the choice, turned to R, T, Z where asked."""
        key = self._stack_key(pairs, choice, period)
        return self.cache.get(key, lambda: self._stack(pairs, choice, period), lambda ds: ds.nbytes)

    def has_stack(self, pairs: npt.NDArray[np.int64], choice: Choice) -> bool:
        """Whether these stacks were made already, and are held."""
        return self.cache.has(self._stack_key(pairs, choice, "all"))

    def _stack_key(self, pairs: npt.NDArray[np.int64], choice: Choice, period: str) -> Key:
        what = (choice.stacking, choice.days, period, self.turned(choice))
        return (self.job.id, self.version, "stack", pairs.tobytes(), what)

    def _stack(self, pairs: npt.NDArray[np.int64], choice: Choice, period: str) -> xr.Dataset:
        rows = self.rows(pairs, choice.model_copy(update={"component": None}))
        if not rows["count"].values.any():
            raise InputError("nothing to stack: these pairs have no windows on these days")
        made = stacked(rows, choice.method, period, **choice.options)
        return with_snr(rotate(made)) if self.turned(choice) else made

    def stored(self, name: str) -> xr.Dataset:
        """A stack that was stored, lazily."""
        return open_stacks(self.storage.url, name)

    def stored_like(self, choice: Choice) -> str | None:
        """The name of a stored stack over all days made as the choice says, None where there is none."""
        for name in stack_names(self.storage):
            card = self.storage.get_json(f"stacks/{name}.json") or {}
            made = (card.get("method"), card.get("method_options"), card.get("period"), bool(card.get("rotated")))
            if made == (choice.method, choice.options, "all", self.turned(choice)) and choice.days == (None, None):
                return name
        return None

    def of_component(self, pairs: npt.NDArray[np.int64], choice: Choice) -> npt.NDArray[np.int64]:
        """Those of some pairs that a picture of the choice's component needs, whichever way round they are."""
        if choice.component is None or self.turned(choice):
            return pairs
        code, there = choice.component.upper(), components(self.data.isel(pair=pairs))
        chosen = pairs[np.isin(there, (code, code[::-1]))]
        if not len(chosen):
            raise InputError(f"no pair of component {choice.component!r}; there are {', '.join(sorted(set(there)))}")
        return chosen


class Archives:
    """The archives of all jobs of a workspace."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.cache = Cache(CACHE_BYTES)

    def open(self, job_id: str) -> Archive:
        """The correlations of a job as they are now; NoSuchJobError, NoCorrelationsError."""
        job = self.services.board.job(job_id)
        if job.kind != "correlation":
            raise NoCorrelationsError(f"job {job_id} is an {job.kind}: it has no correlations")
        version = self._version(job)
        self.cache.forget(job_id, but=version)
        return self.cache.get((job_id, version, "archive"), lambda: self._open(job, version), _archive_bytes)

    def _version(self, job: Job) -> str:
        """What tells the states of a job apart: its events, its days that are done, its stored stacks."""
        storage, folder = self.services.storage, f"processed/{job.id}"
        days = [key for name in ("done", "incomplete") for key in storage.keys(f"{folder}/{name}")]
        cards = [key for key in storage.keys(f"{folder}/stacks") if key.count("/") == 3]
        made = [f"{key} {storage.get(key)!r}" for key in cards]
        return hashlib.sha256("\n".join([str(job.number), *days, *made]).encode()).hexdigest()[:16]

    def _open(self, job: Job, version: str) -> Archive:
        folder = f"processed/{job.id}"
        if self.services.storage.get(f"{folder}/{CORRELATIONS}/zarr.json") is None:
            raise NoCorrelationsError(f"job {job.id} ({job.state}) has no correlations yet")
        url = f"{self.services.storage.url}/{folder}"
        data = open_correlations(url)
        count = np.asarray(data["count"].values, np.int32)
        return Archive(job, version, Storage(url), data.drop_vars("count"), count, self.cache)


def _archive_bytes(archive: Archive) -> int:
    coordinates: Any = archive.data.drop_vars("ccf").nbytes
    return int(coordinates) + archive.windows.nbytes
