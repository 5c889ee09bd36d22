"""Published relations between amplitude, hypocentral distance and magnitude.

All are M = (log10 A + g(R)) / b, A in the unit of a column of the pick table and R in km.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import InputError
from seisloom.picks.amplitudes import AMPLITUDE, AMPLITUDES, MAGNIFICATION, VELOCITY

Array = npt.NDArray[np.float64]
AUTO, NONE = "auto", "none"
_LOG_NM = 9.0
"""log10 of nm in 1 m."""
_LOG_TRACE_MM = float(np.log10(MAGNIFICATION * 1000.0))
"""log10 of mm on the trace of a Wood-Anderson seismograph, for 1 m of ground."""
_LOG_CM = 2.0
# Relations have no meaning at the source itself.
_NEAREST_KM = 0.1


@dataclass(frozen=True)
class Relation:
    """One relation: ``name``, ``type`` of its magnitudes, ``amplitude`` (column of the pick table), ``source``."""

    name: str
    type: str
    amplitude: str
    source: str
    farthest_km: float
    """Hypocentral distance up to which it is used; amplitudes from farther away are left out."""
    distance_term: Callable[[Array], Array]
    """g(R), which turns the unit too."""
    slope: float = 1.0
    """b: growth of log10 A with magnitude."""

    def magnitude(self, amplitude: npt.ArrayLike, distance_km: npt.ArrayLike) -> Array:
        """Magnitudes of amplitudes (m or m/s, positive) at hypocentral distances; distances below 0.1 km count as 0.1 km."""
        distance = np.maximum(np.asarray(distance_km, float), _NEAREST_KM)
        return np.asarray((np.log10(np.asarray(amplitude, float)) + self.distance_term(distance)) / self.slope)

    def expected(self, magnitude: npt.ArrayLike, distance_km: npt.ArrayLike) -> Array:
        """The amplitude (m or m/s) that gives a magnitude at a distance."""
        distance = np.maximum(np.asarray(distance_km, float), _NEAREST_KM)
        return np.asarray(10.0 ** (self.slope * np.asarray(magnitude, float) - self.distance_term(distance)))


def _anchored(a: float, b: float) -> Callable[[Array], Array]:
    """-log A0 = a log10(R/100) + b (R - 100) + 3: a trace of 1 mm at 100 km is magnitude 3 (Richter 1935)."""
    return lambda r: a * np.log10(r / 100.0) + b * (r - 100.0) + 3.0 + _LOG_TRACE_MM


RELATIONS: Mapping[str, Relation] = {
    relation.name: relation
    for relation in (
        Relation(
            "iaspei", "ML", AMPLITUDE,
            "IASPEI standard ML (Bormann and Dewey 2014, doi:10.2312/GFZ.NMSOP-2_IS_3.3, equation 1), after Hutton and Boore",
            1000.0, lambda r: 1.11 * np.log10(r) + 0.00189 * r - 2.09 + _LOG_NM,
        ),
        Relation(
            "hutton-boore", "ML", AMPLITUDE,
            "Southern California (Hutton and Boore 1987, doi:10.1785/BSSA0770062074)", 700.0, _anchored(1.110, 0.00189),
        ),
        Relation(
            "bakun-joyner", "ML", AMPLITUDE,
            "Central California (Bakun and Joyner 1984, doi:10.1785/BSSA0740051827)", 400.0, _anchored(1.0, 0.00301),
        ),
        Relation(
            "di-bona", "ML", AMPLITUDE, "Italy (Di Bona 2016, Bulletin of the Seismological Society of America 106, 242)", 600.0, _anchored(1.667, 0.001736)
        ),
        Relation(
            "luckett", "ML", AMPLITUDE,
            "United Kingdom, with a term for distances below 20 km (Luckett et al. 2019, doi:10.1093/gji/ggy484)", 600.0,
            lambda r: 1.11 * np.log10(r) + 0.00189 * r - 1.16 * np.exp(-0.2 * r) - 2.09 + _LOG_NM,
        ),
        Relation(
            "picozzi", "Mpgv", VELOCITY,
            "peak velocities in Central Italy (Picozzi et al. 2018, doi:10.1038/s41598-018-26938-9), as GaMMA has it "
            "(Zhu et al. 2022, doi:10.1029/2021JB023249)", 200.0,
            lambda r: 1.68 * np.log10(r) - 1.08 + 0.93 * 3.5 + _LOG_CM, 0.93,
        ),
        Relation(
            "watanabe", "Mpgv", VELOCITY,
            "vertical peak velocities in Japan (Watanabe 1971, doi:10.4294/zisin1948.24.3_189)", 200.0,
            lambda r: 1.73 * np.log10(r) + 2.50 + _LOG_CM, 0.85,
        ),
    )
}  # fmt: skip
_USUAL = {AMPLITUDE: "iaspei", VELOCITY: "picozzi"}


def choose_relation(picks: pd.DataFrame, relation: str = AUTO) -> Relation | None:
    """The relation for the amplitudes of a pick table; None where there are no amplitudes, or for "none".

    "auto" is ``iaspei`` for Wood-Anderson amplitudes and ``picozzi`` for ground velocities. InputError for a name that is not
    known, and for a relation of amplitudes that the picks do not have.
    """
    if relation not in (AUTO, NONE, *RELATIONS):
        raise InputError(f"magnitude {relation!r} is not known; choose one of {', '.join([AUTO, *RELATIONS, NONE])}")
    there = [name for name in AMPLITUDES if name in picks and bool((picks[name] > 0.0).any())]
    if relation == AUTO:
        return RELATIONS[_USUAL[there[0]]] if there else None
    chosen = RELATIONS.get(relation)
    if chosen and chosen.amplitude not in there:
        others = [other.name for other in RELATIONS.values() if other.amplitude in there]
        raise InputError(
            f"magnitude {relation} is made of {chosen.amplitude}, which no pick has: "
            + (f"choose {' or '.join(others)}" if others else "give picks with amplitudes, or choose none")
        )
    return chosen
