"""``evidence.npz`` of an association whose picks are gone through in sections: its columns are by channel, then time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.associate.judged import Judged
from seisloom.associate.scratch import Columns
from seisloom.associate.state import Column, Located, write_state_of
from seisloom.associate.study import Study
from seisloom.picks.spool import Spool

Integers = npt.NDArray[np.int64]

_BLOCK = 250_000  # picks that are held at once
_TYPES: dict[str, type[np.generic]] = {
    "time_s": np.float64, "noise": np.float32, "front_rate": np.float32, "pick_index": np.int64, "probability": np.float32,
    "assignment.event": np.int32, "assignment.phase": np.int8, "assignment.posterior": np.float32,
}  # fmt: skip


def write_sections_state(
    judged: Judged, study: Study, spool: Spool, of_picks: Columns, located: Located, scratch: Path, path: Path
) -> None:
    """Write what verdicts rest on; ``of_picks`` are the columns of ``SectionedCatalog``."""
    sizes = np.zeros(2 * study.network.n_stations, np.int64)
    for first in range(0, len(spool), _BLOCK):
        sizes += np.bincount(_channel(spool, first), minlength=len(sizes))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    slots = Columns(scratch / "slots", len(spool), _TYPES)
    at = offsets[:-1].copy()
    for first in range(0, len(spool), _BLOCK):
        channel = _channel(spool, first)
        order = np.argsort(channel, kind="stable")
        ends = np.searchsorted(channel[order], np.arange(len(sizes) + 1))
        for name, values in _values(spool, of_picks, first).items():
            ordered = values[order]
            for c in np.unique(channel).tolist():
                slots.write(name, int(at[c]), ordered[ends[c] : ends[c + 1]])
        at += np.diff(ends)
    columns = {name: Column(np.dtype(kind), _blocks(slots, name)) for name, kind in _TYPES.items()}
    write_state_of(judged, study.network, study.times, located, spool.reference_ns, offsets, columns, path)


def _channel(spool: Spool, first: int) -> Integers:
    picks = spool.stretch(first, min(first + _BLOCK, len(spool)))
    return 2 * picks.station.astype(np.int64) + picks.phase


def _values(spool: Spool, of_picks: Columns, first: int) -> dict[str, npt.NDArray[Any]]:
    """Columns of a block of the picks, in the order of time."""
    picks = spool.stretch(first, min(first + _BLOCK, len(spool)))
    kept = {name: of_picks.read(name, first, len(picks.time_s)) for name in of_picks.types}
    return {
        "time_s": picks.time_s, "noise": kept["noise"], "front_rate": kept["front_rate"],
        "pick_index": spool.table(first, first + len(picks.time_s))["pick_index"].to_numpy(),
        "probability": picks.probability, "assignment.event": kept["event"] - 1, "assignment.phase": kept["phase"] - 1,
        "assignment.posterior": kept["posterior"],
    }  # fmt: skip


def _blocks(slots: Columns, name: str) -> Iterator[npt.NDArray[Any]]:
    for first in range(0, slots.n_rows, _BLOCK):
        yield slots.read(name, first, _BLOCK)
