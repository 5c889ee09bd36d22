"""When a source has data: spans of time by channel, where it tells them without being asked for the data.

A source may have a method ``availability(channel_ids, start_ns, end_ns)`` that returns a table of columns id, start, end
(UTC) of the spans with data that overlap [start, end), in any order, or None where it cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import InputError
from seisloom.waveforms.base import NS_PER_S, Source

SHORTEST_GAP_NS = 60 * NS_PER_S
"""Gaps up to this long are not told."""


@dataclass(frozen=True)
class Availability:
    """What a source has of a channel in the span asked for.

    ``spans`` (n, 2) are times in ns since 1970, in order, apart; ``share`` is the part of the span that they fill.
    """

    id: str
    spans: npt.NDArray[np.int64]
    share: float


def availability(
    source: Source, channel_ids: Sequence[str], start_ns: int, end_ns: int
) -> dict[str, Availability] | None:
    """What a source has of channels in [start, end); None where it does not tell. SourceError where it fails."""
    tell = getattr(source, "availability", None)
    table: pd.DataFrame | None = tell(list(channel_ids), start_ns, end_ns) if tell else None
    if table is None:
        return None
    held = {str(name): rows for name, rows in table.groupby("id")}
    told = {}
    for name in dict.fromkeys(channel_ids):
        spans = np.zeros((0, 2), np.int64)
        if name in held:
            times = [pd.DatetimeIndex(held[name][edge]).as_unit("ns").asi8 for edge in ("start", "end")]
            spans = merged(np.stack(times, axis=1).clip(start_ns, end_ns))
        told[name] = Availability(name, spans, float((spans[:, 1] - spans[:, 0]).sum() / (end_ns - start_ns)))
    return told


def merged(spans: npt.NDArray[np.int64], shortest_gap_ns: int = SHORTEST_GAP_NS) -> npt.NDArray[np.int64]:
    """Spans (n, 2) in order, joined where they overlap or nearly meet; empty ones are left out."""
    spans = spans[spans[:, 1] > spans[:, 0]]
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reached = np.maximum.accumulate(spans[:, 1]) if len(spans) else spans[:, 1]
    begins = np.append(True, spans[1:, 0] - reached[:-1] > shortest_gap_ns)[: len(spans)]
    first = np.flatnonzero(begins)
    return np.stack([spans[first, 0], reached[np.append(first[1:], len(spans)) - 1]], axis=1) if len(spans) else spans


def fewest(spans: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """At most so many spans: of the gaps between them the longest stay."""
    if len(spans) <= most:
        return spans
    gaps = spans[1:, 0] - spans[:-1, 1]
    kept = np.sort(np.argsort(-gaps, kind="stable")[: most - 1])
    first, last = np.append(0, kept + 1), np.append(kept, len(spans) - 1)
    return np.stack([spans[first, 0], spans[last, 1]], axis=1)


def span_table(spans: Iterable[tuple[str, int, int]]) -> pd.DataFrame:
    """The table of (channel id, start, end in ns)."""
    ids, starts, ends = zip(*spans, strict=True) if (spans := list(spans)) else ((), (), ())
    times = {
        name: pd.to_datetime(np.array(edge, np.int64), utc=True) for name, edge in (("start", starts), ("end", ends))
    }
    return pd.DataFrame({"id": list(ids)} | times)


def parse_availability(text: str, origin: str) -> pd.DataFrame:
    """Spans of the text of an FDSN availability service (specification 1.0, format text); InputError for other text."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or not lines[0][0].startswith("#"):
        raise InputError(f"{origin}: not the text of an availability service, it starts with {text[:40]!r}")
    header = [name.strip("#").lower() for name in lines[0] if name != "#"]
    if not {"earliest", "latest"} <= set(header):
        raise InputError(f"{origin}: its header names no Earliest and Latest: {' '.join(header)[:200]}")
    rows = [row for row in lines[1:] if not row[0].startswith("#")]
    try:
        columns = {
            edge: [row[header.index(name)] for row in rows] for edge, name in (("start", "earliest"), ("end", "latest"))
        }
        times = {edge: pd.to_datetime(texts, utc=True, format="ISO8601") for edge, texts in columns.items()}
    except (ValueError, IndexError) as error:
        raise InputError(f"{origin}: a line that is not a span of time: {error}") from None
    return pd.DataFrame({"id": [".".join(row[:4]).replace(".--.", "..") for row in rows]} | times)
