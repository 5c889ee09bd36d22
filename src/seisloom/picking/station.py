"""A day of a station: records to stretches, stretches to picks, picks to ground motion."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seisloom.errors import InputError
from seisloom.noise.report import Problem
from seisloom.noise.response import Epoch, Responses
from seisloom.picking.amplitude import LONGEST_S, ground_motion, padding
from seisloom.picking.ledger import StationDay
from seisloom.picking.picker import Onset, Picker
from seisloom.picking.records import DayRecords
from seisloom.picking.stretches import Piece, Stretch, on_grid, stretches
from seisloom.waveforms.base import NS_PER_S, Record
from seisloom.waveforms.pieces import finite, joined, one_rate, trim, without_flat

BLOCK_S = 7200.0
"""Pickers are given so much at once, and their margin around it: what they need in memory does not grow with the day."""
# A digitiser that repeats one value for so long is not recording.
_FLAT_S = 10.0
# Beyond the margin of the picker, a pick is followed by the time in which its motion is measured.
_MOTION_S = 60.0


@dataclass(frozen=True)
class StationWork:
    """What is the same on all days of a station: its instruments (component -> channel), the preferred one first."""

    station: str
    instruments: list[dict[str, str]]
    picker: Picker
    responses: Responses

    @property
    def margin_ns(self) -> int:
        return margin_ns(self.picker)

    def day(self, records: DayRecords, day_ns: int, start_ns: int, end_ns: int) -> StationDay:
        """Picks of [start, end), which lies within the day, by the first instrument that has data."""
        began = time.perf_counter()
        report = StationDay(self.station, day_ns, start_ns, end_ns)
        for channels in self.instruments:
            held, problems = records.around(channels, start_ns, end_ns)
            if held:
                # What else might have served does not matter, unless it could come back.
                report.problems = [p for p in report.problems if p.failed] + problems
                self._pick(report, channels, held)
                break
            report.problems += problems
        report.seconds = round(time.perf_counter() - began, 3)
        return report

    def _pick(self, report: StationDay, channels: Mapping[str, str], records: Mapping[str, Record]) -> None:
        span = report.start_ns - self.margin_ns, report.end_ns + self.margin_ns
        pieces = {}
        for letter, record in records.items():
            notes: list[str] = []
            pieces[letter] = self._pieces(record, span, notes)
            unused = not any(_within(piece, report.start_ns, report.end_ns) for piece in pieces[letter])
            report.problems += [Problem(channels[letter], note, unused) for note in dict.fromkeys(notes)]
        report.channels = [channels[letter] for letter, held in pieces.items() if held]
        if lacking := [letter for letter in self.picker.components if letter not in channels]:
            text = f"components {', '.join(lacking)}: the instrument has none, picked without"
            report.problems += [Problem(channel_id, text) for channel_id in report.channels]
        context = round(self.margin_ns / NS_PER_S * self.picker.rate_hz)
        for stretch in stretches(pieces, self.picker.components, context):
            end = stretch.sample(report.end_ns)
            found = _onsets(stretch, self.picker, stretch.sample(report.start_ns), end)
            for onset, moved in zip(found, self._motion(stretch, found, channels, records), strict=True):
                if onset.sample < min(end, stretch.core[1]):
                    report.add(stretch.time_ns(onset.sample), onset, moved)

    def _pieces(self, record: Record, span: tuple[int, int], notes: list[str]) -> list[Piece]:
        """The pieces of a component in a span of time, on the picker's grid."""
        segments = [trim(segment, *span) for segment in record.segments]
        segments = joined(one_rate(finite(segments, notes), notes), 0.0, notes)
        flat = [s for segment in segments for s in without_flat(segment, round(_FLAT_S * segment.rate_hz), notes)]
        try:
            return [piece for segment in flat if len((piece := on_grid(segment, self.picker.rate_hz)).data)]
        except InputError as error:
            notes.append(str(error))
            return []

    def _motion(
        self, stretch: Stretch, found: list[Onset], channels: Mapping[str, str], records: Mapping[str, Record]
    ) -> Iterator[tuple[float, float]]:
        """Ground motion after each pick, until the next of them."""
        rate, letters = stretch.rate_hz, self.picker.components
        before, after = padding(rate)
        top = min([rate, *(segment.rate_hz for record in records.values() for segment in record.segments[:1])]) / 2
        next_at = [*(onset.sample for onset in found[1:]), np.inf][: len(found)]
        for onset, until in zip(found, next_at, strict=True):
            at = round(onset.sample)
            begin, end = max(at - before, stretch.first), min(at + after, stretch.stop)
            length = round(min(LONGEST_S * rate, until - at))
            epochs = [self._epoch(channels.get(letter), stretch.time_ns(at)) for letter in letters]
            yield ground_motion(stretch.block(begin, end), at - begin, length, rate, top, epochs)

    def _epoch(self, channel_id: str | None, time_ns: int) -> Epoch | None:
        held = self.responses.epochs(channel_id, time_ns, time_ns + 1) if channel_id else []
        return held[-1] if held and held[-1].response is not None else None


def margin_ns(picker: Picker) -> int:
    """How far around a day records are needed."""
    return round((picker.margin_s + _MOTION_S) * NS_PER_S)


def _onsets(stretch: Stretch, picker: Picker, begin: int, end: int) -> list[Onset]:
    """Picks in the core of a stretch from ``begin`` to ``end``, and a little later; their samples are those of the grid."""
    begin, end = max(stretch.core[0], begin), min(stretch.core[1], end)
    # The next pick ends the time in which motion is measured, though it may be that of the next day.
    end = min(end + round(LONGEST_S * picker.rate_hz), stretch.stop) if begin < end else begin
    margin, size = round(picker.margin_s * picker.rate_hz), round(BLOCK_S * picker.rate_hz)
    found = []
    for first in range(begin, end, size):
        stop = min(first + size, end)
        low, high = max(first - margin, stretch.first), min(stop + margin, stretch.stop)
        if high - low >= picker.shortest:
            made = (onset._replace(sample=onset.sample + low) for onset in picker.pick(stretch.block(low, high), low))
            found += [onset for onset in made if first <= onset.sample < stop]
    return sorted(found, key=lambda onset: onset.sample)


def _within(piece: Piece, start_ns: int, end_ns: int) -> bool:
    stop_ns = piece.start_ns + round(len(piece.data) * NS_PER_S / piece.rate_hz)
    return piece.start_ns < end_ns and stop_ns > start_ns
