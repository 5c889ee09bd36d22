"""What may be chosen of an association, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from seisloom.associate.network import Region
from seisloom.associate.report import AssociationReport
from seisloom.associate.study import Study
from seisloom.catalog import Catalog
from seisloom.compute import Compute
from seisloom.traveltime.model import Earth

if TYPE_CHECKING:
    from seisloom.associate.judged import Judged

Progress = Callable[[str, int, int], None]
"""Told the stage, what of it is done, and all of it."""
Method = Literal["likelihood", "phaselink"]
METHODS = ("likelihood", "phaselink")


@dataclass(frozen=True)
class JobSettings:
    """What may be chosen of an association; the rest follows from stations and picks."""

    region: Region | None = None
    """Where earthquakes are looked for (default: 30 km around the stations, depths from 0 to 30 km)."""
    method: Method = "likelihood"
    """"phaselink": a network that links picks, trained first unless one is given."""
    min_picks: int = 8
    min_p: int = 0
    min_s: int = 0
    false_events_per_day: float | None = None
    """Wanted of "likelihood": the evidence that an event needs follows from it (default: one a day, or one of a hundred
    events where they come more often)."""
    min_evidence: float | None = None
    """Evidence that an event needs, in its place."""
    spacing_km: float | None = None
    """Of the grid of sources of "likelihood" (default: it follows from stations and picks)."""
    learn: bool = True
    """Whether "likelihood" learns errors, delays, detection and radii from the picks."""
    magnitude: str = "auto"
    """Relation for magnitudes from amplitudes (see ``magnitude_relations``), or "none"."""
    max_distance_km: float | None = None
    """Of "phaselink": farthest (hypocentral) that an event is picked (default: the aperture, 60 to 300 km)."""
    earth: Earth = "sphere"
    train_minutes: float = 5.0
    """Time for training where "phaselink" has no network."""
    hidden_size: int = 48
    seed: int = 1
    n_threads: int = 1
    device: str = "cpu"
    """Of "phaselink"."""
    compute: Compute | None = None
    """Of "likelihood": what searches stretches of the picks, where that is not this process."""
    keep: Path | None = None
    """Folder where a trained network is kept, and what an interrupted run can go on from (default: nothing is)."""


@dataclass(frozen=True)
class Result:
    """A catalogue, the picks that it refers to, and how it came about."""

    catalog: Catalog
    picks: pd.DataFrame
    study: Study
    report: AssociationReport
    settings: Any = None
    """Of "phaselink": AssociationSettings."""
    judged: Judged | None = None
    """Of "likelihood": what its verdicts rest on."""

    @property
    def unassociated(self) -> pd.DataFrame:
        """The picks that belong to no event."""
        return self.picks[~self.picks["pick_index"].isin(self.catalog.assignments["pick_index"])]
