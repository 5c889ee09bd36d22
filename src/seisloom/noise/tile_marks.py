"""Which tiles of a day are done, and what was heard there: ``tiles/DAY/FIRST-STOP.json``, until the day is done.

A tile is done when its mark exists, which is written after its correlations. A mark holds which windows of which channels were
used, so that counts of a day are those of its tiles even where a source failed between them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.noise.correlate import pair_counts
from seisloom.noise.report import DayReport, Problem
from seisloom.noise.tiles import Tile
from seisloom.storage import Storage

FOLDER = "tiles"


@dataclass(frozen=True)
class TileMark:
    """A tile that is done: ``valid`` (channel, window) of the channels that it needed, their problems, seconds it took."""

    tile: Tile
    valid: npt.NDArray[np.bool_]
    problems: list[Problem]
    seconds: float

    @property
    def failed(self) -> bool:
        return any(p.failed for p in self.problems)

    def encoded(self) -> bytes:
        bits = base64.b64encode(np.packbits(self.valid).tobytes()).decode()
        card = {"shape": self.valid.shape, "valid": bits, "seconds": self.seconds}
        return json.dumps(card | {"problems": [vars(p) for p in self.problems]}).encode()

    @classmethod
    def decoded(cls, tile: Tile, card: dict[str, Any]) -> TileMark:
        bits = np.frombuffer(base64.b64decode(card["valid"]), np.uint8)
        n_channels, n_windows = card["shape"]
        valid = np.unpackbits(bits, count=n_channels * n_windows).reshape(n_channels, n_windows).astype(bool)
        return cls(tile, valid, [Problem(**p) for p in card["problems"]], card["seconds"])


@dataclass(frozen=True)
class TileMarks:
    """The marks of one day (YYYY-MM-DD)."""

    storage: Storage
    day: str

    def put(self, mark: TileMark) -> None:
        """Say that a tile is done."""
        self.storage.put(self._key(mark.tile), mark.encoded(), durable=True)

    def has(self, tile: Tile) -> bool:
        return self.storage.get(self._key(tile)) is not None

    def all(self, tiles: Sequence[Tile]) -> list[TileMark] | None:
        """Those of all tiles of the day, None as long as one is not done."""
        there = set(self.storage.keys(f"{FOLDER}/{self.day}"))
        if any(self._key(tile) not in there for tile in tiles):
            return None
        cards = [(tile, self.storage.get_json(self._key(tile))) for tile in tiles]
        if any(card is None for _, card in cards):  # removed by another run, which has ended the day
            return None
        return [TileMark.decoded(tile, card) for tile, card in cards]

    def remove(self, kept: Sequence[Tile] = ()) -> None:
        """Remove all marks but those of some tiles."""
        keep = {self._key(tile) for tile in kept}
        keys = self.storage.keys(f"{FOLDER}/{self.day}")
        self.storage.delete([key for key in keys if key not in keep])
        if not keep.intersection(keys):
            self.storage.remove(f"{FOLDER}/{self.day}")

    def _key(self, tile: Tile) -> str:
        return f"{FOLDER}/{self.day}/{tile.name}.json"


def joined(
    day: str, marks: Sequence[TileMark], pairs: npt.NDArray[np.int64], groups: list[slice], ids: list[str]
) -> tuple[DayReport, npt.NDArray[np.int32]]:
    """The report of a day and the counts of its windows (pair, group), from the marks of all its tiles."""
    parts = [pair_counts(mark.valid, pairs[mark.tile.first : mark.tile.stop], groups) for mark in marks]
    counts = np.concatenate(parts)
    heard = np.any([mark.valid.any(axis=1) for mark in marks], axis=0)
    # Most tiles hear the same of a channel.
    told = dict.fromkeys((p.channel, p.message, p.unused, p.failed) for mark in marks for p in mark.problems)
    number = {channel: n for n, channel in enumerate(ids)}
    report = DayReport(
        day,
        pairs=int((counts.sum(axis=1) > 0).sum()),
        windows=int(counts.sum()),
        channels=int(heard.sum()),
        seconds=round(sum(mark.seconds for mark in marks), 3),
        problems=sorted((Problem(*p) for p in told), key=lambda p: number[p.channel]),
    )
    return report, counts
