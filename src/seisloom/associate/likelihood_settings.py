"""What is asked of events in association by likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seisloom.errors import SettingsError

_POSITIVE = ("min_picks", "false_events_per_day", "first_evidence", "spacing_km", "n_rounds")
_NOT_NEGATIVE = ("min_p", "min_s", "min_evidence", "seed", "margin")


@dataclass(frozen=True)
class LikelihoodSettings:
    """What an event needs; all else is learned. Raises SettingsError."""

    min_picks: int = 8
    min_p: int = 0
    min_s: int = 0
    false_events_per_day: float | None = None
    """Wanted: the evidence that an event needs follows from it. None: one a day, or where events come more often one
    of a hundred."""
    min_evidence: float | None = None
    """Logarithm of the likelihood ratio that an event needs (None: it follows)."""
    first_evidence: float = 12.0
    """What is asked for until enough is known."""
    spacing_km: float | None = None
    """Of the grid of sources (None: it follows from stations and picks)."""
    learn: bool = True
    seed: int = 1
    """Of the shaking of picks that shows how many events are false."""
    n_rounds: int = 8
    margin: float = 0.2
    """How far beyond the region events are looked for, as a share of its longer side."""

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in (*_POSITIVE, *_NOT_NEGATIVE)}
        given = {name: value for name, value in given.items() if value is not None}
        faults = [
            f"{name} is {value:g}; it must be a number" for name, value in given.items() if not math.isfinite(value)
        ]
        faults += [f"{n} is {v:g}; it must be positive" for n, v in given.items() if n in _POSITIVE and v <= 0]
        faults += [f"{n} is {v:g}; it must not be negative" for n, v in given.items() if n in _NOT_NEGATIVE and v < 0]
        if faults:
            raise SettingsError(faults, "association")
