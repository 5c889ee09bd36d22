"""Slices of a job, for as many runs of one command that know nothing of each other (job arrays)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seisloom.errors import InputError


@dataclass(frozen=True)
class Slice:
    """Part ``number`` (from 1) of ``of``: every item is in one of the parts, whatever the items are."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def places(self) -> slice:
        """Where its items are in a sequence of all: one in ``of``, so that what changes with time is shared evenly."""
        return slice(self.number - 1, None, self.of)


def parse_slice(text: str) -> Slice:
    """The slice that ``i/n`` means; InputError for others."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise InputError(f"--slice {text!r}: write i/n with i from 1 to n, such as 3/20 for the third of twenty")
    return Slice(int(found[1]), int(found[2]))
