"""Spectra of channel-days in the workspace, for the tiles of a day to share: ``spectra/DAY/CHANNEL``.

An object is a line of JSON (windows that are valid, problems, the shape), the spectra as they stand in memory, and a CRC-32C of
all before it. What is damaged counts as absent: spectra can always be computed again. They are removed when their day ends.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np

from seisloom.noise.channel_day import Prepared
from seisloom.noise.report import Problem
from seisloom.noise.spectra import ChannelSpectra
from seisloom.storage import Storage

FOLDER = "spectra"
_CRC_BYTES = 4


@dataclass(frozen=True)
class SpectraStore:
    """The stored spectra of one day (YYYY-MM-DD)."""

    storage: Storage
    day: str

    def opened(self, days: int) -> bool:
        """Whether the day's spectra may be stored, ``days`` being as many as may have some at a time; it has some from now on."""
        held = self.storage.folders(FOLDER)
        if self.day in held:
            return True
        if len(held) >= days:
            return False
        self.storage.put(self._key("open"), b"")
        return True

    def has(self, channel: str) -> bool:
        """Whether there are some of a channel."""
        return self.storage.get_end(self._key(channel), _CRC_BYTES) is not None

    def put(self, channel: str, prepared: Prepared) -> None:
        """Store a channel-day whole."""
        self.storage.put(self._key(channel), encoded(prepared))

    def get(self, channel: str) -> Prepared | None:
        """A channel-day as it was stored; None where it is not there, or damaged."""
        data = self.storage.get(self._key(channel))
        return None if data is None else decoded(data)

    def remove(self) -> None:
        """Remove what there is of the day."""
        self.storage.remove(f"{FOLDER}/{self.day}")

    def _key(self, name: str) -> str:
        return f"{FOLDER}/{self.day}/{name}"


def encoded(prepared: Prepared) -> bytes:
    """The object of a channel-day."""
    held = prepared.spectra
    card: dict[str, Any] = {"problems": [vars(p) for p in prepared.problems]}
    sides = []
    if held is not None:
        sides = [held.right] if held.left is held.right else [held.right, held.left]
        card |= {"valid": held.valid.astype(int).tolist(), "shape": [len(sides), *held.right.shape]}
    line = json.dumps(card).encode()
    line += b" " * (-(len(line) + 1) % 8) + b"\n"  # so that the numbers lie as they do in memory
    data = b"".join([line, *(np.ascontiguousarray(side).data.cast("B") for side in sides)])
    return data + google_crc32c.value(data).to_bytes(_CRC_BYTES, "little")


def decoded(data: bytes) -> Prepared | None:
    """The channel-day of an object, None where it is damaged."""
    body, crc = data[:-_CRC_BYTES], data[-_CRC_BYTES:]
    if not body or google_crc32c.value(body) != int.from_bytes(crc, "little"):
        return None
    end = body.index(b"\n")
    card = json.loads(body[:end])
    problems = [Problem(**p) for p in card["problems"]]
    if "shape" not in card:
        return Prepared(None, problems)
    right, *left = np.frombuffer(body, np.complex64, offset=end + 1).reshape(card["shape"])
    return Prepared(ChannelSpectra(left[0] if left else right, right, np.array(card["valid"], bool)), problems)
