"""What an association came to, for people and for programs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from seisloom.associate.study import PickSet
from seisloom.catalog import Catalog
from seisloom.picks import PickReport
from seisloom.words import counted

if TYPE_CHECKING:
    from seisloom.associate.magnitude import MagnitudeReport

# Unknown stations that the printed report names at most.
LINES = 20


@dataclass(frozen=True)
class AssociationReport:
    """Counts of events and picks; ``str()`` is for people."""

    picks: PickReport | None
    """What was read and left out at reading (None for picks that are from no file)."""
    unknown: list[tuple[str, int, str]]
    """Stations of picks that are not in the list: name, number of picks, reason."""
    fates: dict[str, int]
    """What became of the picks at known stations, the used ones last: words, number."""
    events: int
    qualities: dict[str, int]
    rms_s: float
    """Median over events."""
    warnings: list[str]
    learned: dict[str, Any] | None = None
    """Of picks and stations, where that was learned."""
    magnitudes: MagnitudeReport | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it; null for what is not known."""
        known = None if math.isnan(self.rms_s) else self.rms_s
        magnitudes = self.magnitudes.to_json() if self.magnitudes else None
        return asdict(self) | {"rms_s": known, "magnitudes": magnitudes}

    def __str__(self) -> str:
        total = sum(self.fates.values())
        lines = [str(self.picks)] if self.picks else []
        lines += self._unknown_stations()
        grades = ", ".join(f"{letter} {count}" for letter, count in self.qualities.items() if count)
        lines.append(
            (counted(self.events, "event") if self.events else "no events")
            + (f" (quality {grades}; median rms {self.rms_s:.2f} s)" if grades else "")
        )
        lines.append(f"{total} picks at {'known' if self.unknown else 'these'} stations:")
        width = len(str(total))
        for what, count in reversed(self.fates.items()):
            lines.append(f"  {count:{width}d}  {100 * count / max(total, 1):5.1f} %  {what}")
        if self.learned:
            from seisloom.associate.learned import in_words

            lines += in_words(self.learned)
        lines += [str(self.magnitudes)] if self.magnitudes else []
        return "\n".join(lines + [f"note: {text}" for text in self.warnings])

    def _unknown_stations(self) -> list[str]:
        if not self.unknown:
            return []
        picks = sum(count for _, count, _ in self.unknown)
        are = "is" if len(self.unknown) == 1 else "are"
        left = f"{counted(picks, 'pick')} left out: {counted(len(self.unknown), 'station')} {are} not in the list of stations"
        lines = [left, *(f"  {name}: {counted(count, 'pick')}, {why}" for name, count, why in self.unknown[:LINES])]
        more = len(self.unknown) - LINES
        return lines + ([f"  and {more} more"] if more > 0 else [])


def make_report(
    picks: PickSet,
    fates: dict[str, int],
    catalog: Catalog,
    warnings: list[str],
    learned: dict[str, Any] | None = None,
) -> AssociationReport:
    """Counts of an association; every pick of ``picks`` is in one of its fates."""
    quality = catalog.events["quality"].value_counts()
    return AssociationReport(
        picks.report,
        [tuple(row) for row in picks.unknown.itertuples(index=False)],
        fates,
        len(catalog.events),
        {letter: int(quality.get(letter, 0)) for letter in "ABCD"},
        float(catalog.events["rms_s"].median()) if len(catalog.events) else float("nan"),
        warnings,
        learned,
    )
