"""What every waveform source offers, and the plain records that travel from it to the processing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from seisloom.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd
    from obspy import Inventory

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S


class AddressError(SourceError):
    """A request would have gone to an address that is not allowed here."""

    lasting = True


@dataclass(frozen=True)
class Segment:
    """Contiguous samples of one channel.

    ``start_ns`` is the time of the first sample in nanoseconds since 1970-01-01 UTC (an int: float epochs
    lose sub-sample timing), ``rate_hz`` the sampling rate, ``data`` a 1-D array of counts in any real dtype.
    """

    start_ns: int
    rate_hz: float
    data: npt.NDArray[np.number]

    @property
    def end_ns(self) -> int:
        """Time just after the last sample (start of the sample that would follow)."""
        return self.start_ns + round(len(self.data) * NS_PER_S / self.rate_hz)


@dataclass
class Record:
    """What a source holds of one channel in a time span, with what was wrong with it in plain words.

    Segments are in no particular order and may overlap; sorting that out is the preprocessing's job.
    """

    segments: list[Segment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ChannelQuery:
    """Which channels: FDSN codes with ``*`` and ``?`` and comma lists, times in ns since 1970, degrees.

    ``bbox`` is (min longitude, min latitude, max longitude, max latitude); a minimum longitude greater than
    the maximum means a box across the ±180° meridian. What has more than ``limit`` rows is refused.
    """

    network: str = "*"
    station: str = "*"
    location: str = "*"
    channel: str = "*"
    start_ns: int | None = None
    end_ns: int | None = None
    bbox: tuple[float, float, float, float] | None = None
    limit: int | None = None


def matches(channel_id: str, query: ChannelQuery) -> bool:
    """Whether a channel's codes match the wildcards and comma lists of a query."""
    patterns = (query.network, query.station, query.location, query.channel)
    return all(
        any(fnmatchcase(code, pattern.strip().replace("--", "")) for pattern in text.split(","))
        for code, text in zip(channel_id.split("."), patterns, strict=True)
    )


class Reopened:
    """A source that is pickled as what it was opened with, and opened anew, with what is there, where it is unpickled."""

    spec: str
    guard: Callable[[], None] | None = None
    """Called first in a process where it is opened anew; picklable."""
    _opened_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        source = super().__new__(cls)
        source._opened_with = arguments, options
        return source

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.guard, type(self), *self._opened_with), {"spec": self.spec, "guard": self.guard}


def _open(
    guard: Callable[[], None] | None, kind: type[Any], arguments: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    if guard:
        guard()
    return kind(*arguments, **options)


@runtime_checkable
class Source(Protocol):
    """Where records come from. Instances are used from several threads at once, and pickled for other processes."""

    spec: str
    """The text that :func:`seisloom.waveforms.open_source` made it from."""
    parallel: int
    """How many requests at once the source likes (1 for none beyond the processing threads)."""

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        """Records of ``NET.STA.LOC.CHA`` that overlap [start, end).

        Raises NoDataError when there is nothing, SourceError when the source failed after retries. What can
        be read of a damaged file comes back with the damage named in ``Record.problems``.
        """
        ...

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        """Channel table (see :mod:`seisloom.stations`) of what matches the query; NoDataError for none."""
        ...

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        """Instrument responses of the channels, or None where the source holds no metadata."""
        ...
