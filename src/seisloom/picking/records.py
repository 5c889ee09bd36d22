"""The instruments of stations, and the records of one of them with what lies around each day; no day is asked for twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from seisloom.errors import InputError, NoDataError, SeisloomError, SourceError
from seisloom.noise.report import Problem
from seisloom.stations import channel_ids
from seisloom.waveforms.base import DAY_NS, Record, Source

# Kinds of instruments in the order in which they are preferred: broadband and short-period, then strong motion.
_INSTRUMENTS = ("HH", "BH", "CH", "EH", "DH", "SH", "MH", "HN", "BN", "CN", "EN", "SN", "HL", "BL", "EL", "GH", "GL")
# Sensors that are turned anywhere: pickers do not mind.
_LETTERS = {"1": "N", "2": "E", "3": "Z"}


def instruments(table: pd.DataFrame, components: str) -> dict[str, list[dict[str, str]]]:
    """Channels of each component (letter -> id) of the instruments of every station NET.STA, the preferred one first."""
    groups: dict[str, dict[tuple[int, str, str], dict[str, str]]] = {}
    for channel_id in sorted(set(channel_ids(table))):
        network, station, location, channel = channel_id.split(".")
        kind, letter = channel[:-1], channel[-1:]
        rank = _INSTRUMENTS.index(kind) if kind in _INSTRUMENTS else len(_INSTRUMENTS)
        group = groups.setdefault(f"{network}.{station}", {}).setdefault((rank, kind, location), {})
        if letter in components:
            group[letter] = channel_id
        elif _LETTERS.get(letter, "") in components and letter in _LETTERS:
            group.setdefault(_LETTERS[letter], channel_id)
    listed = {name: [held[key] for key in sorted(held) if held[key]] for name, held in groups.items()}
    return {name: held for name, held in sorted(listed.items()) if held}


@dataclass
class DayRecords:
    """What a source holds of a station; ``wanted`` tells whether a whole day will be asked for itself."""

    source: Source
    margin_ns: int
    wanted: Callable[[int], bool]
    _days: dict[tuple[str, int], Record | SeisloomError] = field(default_factory=dict)

    def around(
        self, channels: Mapping[str, str], start_ns: int, end_ns: int
    ) -> tuple[dict[str, Record], list[Problem]]:
        """Records of each component in (a part of) a day and up to the margin around it, and what went wrong.

        Components that have nothing are left out.
        """
        self._forget(start_ns - DAY_NS)
        records, problems = {}, []
        for letter, channel_id in channels.items():
            try:
                records[letter] = self._around(channel_id, start_ns, end_ns)
                problems += [Problem(channel_id, text) for text in records[letter].problems]
            except NoDataError:
                problems.append(Problem(channel_id, "no data: the source has none for this day", unused=True))
            except SourceError as error:
                problems.append(Problem(channel_id, str(error), unused=True, failed=not error.lasting))
            except InputError as error:
                problems.append(Problem(channel_id, str(error), unused=True))
        return records, problems

    def _around(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        if end_ns - start_ns < DAY_NS:
            return self.source.fetch(channel_id, start_ns - self.margin_ns, end_ns + self.margin_ns)
        record = self._day(channel_id, start_ns)
        before_ns = start_ns - DAY_NS
        known = (channel_id, before_ns) in self._days
        before = self._or_nothing(known, channel_id, before_ns, start_ns - self.margin_ns, start_ns)
        after = self._or_nothing(self.wanted(end_ns), channel_id, end_ns, end_ns, end_ns + self.margin_ns)
        return Record([*before.segments, *record.segments, *after.segments], record.problems)

    def _or_nothing(self, whole: bool, channel_id: str, day_ns: int, start_ns: int, end_ns: int) -> Record:
        """A whole day that is kept for its own time, or a part of it; empty where there is nothing."""
        try:
            return self._day(channel_id, day_ns) if whole else self.source.fetch(channel_id, start_ns, end_ns)
        except NoDataError:
            return Record()

    def _day(self, channel_id: str, day_ns: int) -> Record:
        key = channel_id, day_ns
        if key not in self._days:
            try:
                self._days[key] = self.source.fetch(channel_id, day_ns, day_ns + DAY_NS)
            except SeisloomError as error:
                self._days[key] = error
        held = self._days[key]
        if isinstance(held, SeisloomError):
            raise held
        return held

    def _forget(self, before_ns: int) -> None:
        for key in [key for key in self._days if key[1] < before_ns]:
            del self._days[key]
