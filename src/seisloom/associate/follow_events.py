"""Which events of one look are those of the look before, and what there is to say of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from seisloom.catalog import Catalog
from seisloom.catalog.clock import iso, nanoseconds

Statement = dict[str, Any]
"""A line of events.jsonl: kind, event_id, latency_s and the columns VALUES; picks."""

_DECIMALS = {
    "latitude": 5, "longitude": 5, "depth_km": 3, "magnitude": 2, "evidence": 3, "false_probability": 6, "rms_s": 3,
    "gap_deg": 1, "horizontal_uncertainty_km": 3, "depth_uncertainty_km": 3,
}  # fmt: skip
VALUES = (
    "time", "latitude", "longitude", "depth_km", "magnitude", "n_picks", "n_p", "n_s", "evidence", "false_probability",
    "rms_s", "gap_deg", "horizontal_uncertainty_km", "depth_uncertainty_km", "quality",
)  # fmt: skip
_SHARED = 0.5  # of the picks of the smaller of two events, at least, if they are the same


class Found(NamedTuple):
    """An event of a look."""

    time_ns: int
    picks: frozenset[int]
    """Their ``pick_index``."""
    values: Statement
    """VALUES."""


@dataclass
class _Said:
    """An event as it was said last."""

    time_ns: int
    picks: frozenset[int]
    standing: bool = True


def found_events(catalog: Catalog) -> list[Found]:
    """The events of a catalogue, in its order."""
    events = catalog.events
    members: dict[int, list[int]] = {int(number): [] for number in events["event_id"]}
    for number, pick in zip(catalog.assignments["event_id"], catalog.assignments["pick_index"], strict=True):
        members[int(number)].append(int(pick))
    time = nanoseconds(events["time"]).tolist() if len(events) else []
    rows = events.assign(time=iso(events["time"]) if len(events) else []).reindex(columns=VALUES).to_dict("records")
    return [
        Found(time[k], frozenset(picks), {str(name): _plain(str(name), value) for name, value in row.items()})
        for k, (picks, row) in enumerate(zip(members.values(), rows, strict=True))
    ]


def _plain(name: str, value: Any) -> Any:
    """A value for JSON: null for what is not known."""
    if isinstance(value, str):
        return value
    if value is None or pd.isna(value):
        return None
    return round(float(value), _DECIMALS[name]) if name in _DECIMALS else int(value)


def same_events(found: Sequence[frozenset[int]], said: Sequence[frozenset[int]]) -> list[int]:
    """For each event the position of the one among ``said`` that it goes on, or -1.

    Events are the same that share most picks, half of those of the smaller one at least; each is one at most.
    """
    owners: dict[int, list[int]] = {}
    for number, picks in enumerate(said):
        for pick in picks:
            owners.setdefault(pick, []).append(number)
    shared: dict[tuple[int, int], int] = {}
    for number, picks in enumerate(found):
        for pick in picks:
            for owner in owners.get(pick, ()):
                shared[number, owner] = shared.get((number, owner), 0) + 1
    result, taken = [-1] * len(found), set[int]()
    for (one, other), count in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        enough = count >= _SHARED * min(len(found[one]), len(said[other]))
        if enough and result[one] < 0 and other not in taken:
            result[one] = other
            taken.add(other)
    return result


class Tracker:
    """Events that were said and may still change, by their numbers."""

    def __init__(self, next_id: int = 1) -> None:
        self.next_id = next_id
        self._said: dict[int, _Said] = {}

    def recall(self, event_id: int, time_ns: int, picks: frozenset[int], standing: bool) -> None:
        """An event that an earlier run has said."""
        self._said[event_id] = _Said(time_ns, picks, standing)
        self.next_id = max(self.next_id, event_id + 1)

    def update(self, found: list[Found], now_ns: int, opened_ns: int, due_ns: int) -> list[Statement]:
        """What a look at a time has to say.

        Events before ``opened_ns`` are closed, and not said any more; those after ``due_ns`` are not said yet.
        """
        numbers = list(self._said)
        same = same_events([event.picks for event in found], [self._said[number].picks for number in numbers])
        matched = {numbers[k] for k in same if k >= 0}
        made: list[Statement] = []
        for event, k in zip(found, same, strict=True):
            before = self._said[numbers[k]] if k >= 0 else None
            at = before.time_ns if before else event.time_ns
            if at < opened_ns or (before is None and event.time_ns > due_ns):
                continue
            if before and before.standing and before.picks == event.picks:
                continue
            number = numbers[k] if before else self._number()
            kind = "revised" if before and before.standing else "new"
            self._said[number] = _Said(event.time_ns, event.picks)
            made.append(statement(kind, number, event, now_ns))
        for number in numbers:
            event_before = self._said[number]
            if number not in matched and event_before.standing and event_before.time_ns >= opened_ns:
                event_before.standing = False
                made.append({"kind": "withdrawn", "event_id": number, "latency_s": _late(now_ns, event_before.time_ns)})
        self._said = {k: v for k, v in self._said.items() if v.time_ns >= 2 * opened_ns - now_ns}
        return made

    def _number(self) -> int:
        self.next_id += 1
        return self.next_id - 1


def statement(kind: str, event_id: int, event: Found, now_ns: int | None, **more: Any) -> Statement:
    """A line about an event; ``now_ns`` None: long after it."""
    latency = None if now_ns is None else _late(now_ns, event.time_ns)
    return {
        "kind": kind, "event_id": event_id, **event.values, "latency_s": latency, **more, "picks": sorted(event.picks),
    }  # fmt: skip


def settle(said: dict[int, Statement], found: list[Found], next_id: int) -> list[Statement]:
    """What makes the events that were said (by number, as they were said last) those of the final catalogue."""
    numbers = list(said)
    same = same_events([event.picks for event in found], [frozenset(said[k].get("picks", ())) for k in numbers])
    made, kept = [], set[int]()
    for place, (event, k) in enumerate(zip(found, same, strict=True)):
        number, next_id = (numbers[k], next_id) if k >= 0 else (next_id, next_id + 1)
        standing = k >= 0 and said[number]["kind"] != "withdrawn"
        line = statement("revised" if standing else "new", number, event, None, final=True, catalog_id=place + 1)
        kept.add(number)
        if k < 0 or _facts(line) != _facts(said[number]):
            made.append(line)
    for number in numbers:
        if number not in kept and said[number]["kind"] != "withdrawn":
            made.append({"kind": "withdrawn", "event_id": number, "latency_s": None, "final": True})
    return made


def _facts(line: Statement) -> Statement:
    """What a line says of an event, and not how."""
    standing = line["kind"] != "withdrawn"
    return {name: line.get(name) for name in (*VALUES, "picks", "catalog_id")} | {"standing": standing}


def _late(now_ns: int, time_ns: int) -> float:
    return math.floor((now_ns - time_ns) / 1e6) / 1e3
