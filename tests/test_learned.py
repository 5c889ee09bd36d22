"""What was learned, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seisloom.associate.learned import false_events, in_words
from seisloom.associate.report import AssociationReport

FOUND: dict[str, Any] = {
    "sigma_s": {"P": 0.1, "S": 0.2}, "model_error": 0.01, "outlier_share": 0.05, "wrong_label_share": 0.02,
    "seismicity": {"events": 0, "most": 1.0, "least": 1.0}, "silent_stations": [], "needed_evidence": 11.37, "false_events_per_day_above_needed": 1.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("a_day", "words"),
    [
        (1200.0, "1200 false events a day are expected"),
        (2.34, "2.3 false events a day are expected"),
        (1.04, "1 false event a day is expected"),
        (0.96, "1 false event a day is expected"),
        (0.94, "1 false event in 1.1 days is expected"),
        (0.0696, "1 false event in 14 days is expected"),
        (0.0, "hardly any false event is expected"),
    ],
)
def test_false_events_are_counted_in_days_where_they_are_rare(a_day: float, words: str) -> None:
    assert false_events(a_day) == words


@pytest.mark.parametrize(
    ("silent", "words"),
    [
        (["XX.A"], "1 station has no picks, and counts for nothing: XX.A"),
        (["XX.A", "XX.B"], "2 stations have no picks, and count for nothing: XX.A, XX.B"),
        ([f"XX.{i}" for i in range(12)], "12 stations have no picks, and count for nothing: XX.0, "),
    ],
)
def test_silent_stations_are_named(silent: list[str], words: str) -> None:
    line = in_words(FOUND | {"silent_stations": silent})[-1]
    assert line.startswith(words)
    assert line.endswith("and 2 more") == (len(silent) == 12)
    assert len(in_words(FOUND)) == 2


def test_where_events_are_usual_is_said_where_enough_tell() -> None:
    line = in_words(FOUND | {"seismicity": {"events": 312, "most": 42.0, "least": 0.12}})[1]
    assert (
        line
        == "312 clear events show where events are usual: 350 times as often in the densest place as in the emptiest"
    )


def test_one_event_is_one_event() -> None:
    report = AssociationReport(None, [], {"used": 8}, 1, {"A": 1}, 0.1, [])
    assert str(report).startswith("1 event (quality A 1; ")
    assert str(replace(report, events=2)).startswith("2 events (")
    assert str(replace(report, events=0, qualities={})).startswith("no events\n")
