"""Jobs of the kind correlation: what they report on the way, what they give, and why they end otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seisloom.errors import NoDataError, SourceError
from seisloom.jobs import CorrelationRequest, Limits, Sources
from seisloom.jobs import correlation as kind
from seisloom.jobs.limits import LimitError
from seisloom.noise.archive import open_correlations
from seisloom.noise.progress import Progress
from seisloom.stations import channel_ids
from seisloom.storage import Storage
from seisloom.waveforms import Source
from seisloom.waveforms.base import DAY_NS
from tests.jobs import DAY_START, Records, noise_source, objects, small_settings

DAYS = ["2024-03-01", "2024-03-02", "2024-03-03"]


@dataclass(frozen=True)
class Held(Sources):
    """Sources that are records in memory, whatever the name."""

    source: Any = None

    def open(self, name: str | None) -> Source:
        return self.source


def request(source: Records, **values: Any) -> CorrelationRequest:
    return CorrelationRequest(source.table, small_settings(**values), "held", DAYS[0], DAYS[-1])


def run(
    source: Records, folder: Path, limits: Limits | None = None, asked: CorrelationRequest | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Result and reports of a job."""
    told: list[dict[str, Any]] = []
    storage = Storage(folder, create=True)
    asked = asked or request(source)
    result = kind.run(storage, "a", asked, 2, Held(source=source), limits or Limits(), 2, 1.0, told.append)
    return result, told


def test_the_place_of_a_job_is_a_workspace(tmp_path: Path) -> None:
    result, _ = run(noise_source(4, 3), tmp_path)
    assert result == {
        "pairs": 6, "days": 3, "days_without_pairs": 0, "windows": 3 * 6 * 96, "channel_days": 12, "problems": 0,
        "seconds": result["seconds"],
    }  # fmt: skip
    data = open_correlations(tmp_path / "processed" / "a")
    assert data.ccf.shape[:2] == (6, 3)
    assert {p.name for p in (tmp_path / "processed/a").iterdir()} >= {
        "job.json", "stations.csv", "params.csv", "done", "summary.json", "problems.csv",
    }  # fmt: skip


def test_reports_say_stage_day_and_counts(tmp_path: Path) -> None:
    _, told = run(noise_source(4, 3), tmp_path)
    assert told[0] == {"stage": "metadata", "days_done": 0, "days": 3, "elapsed_s": 0.0}
    stages = list(dict.fromkeys((p["stage"], p.get("day")) for p in told))
    assert stages[1:] == [(stage, day) for day in DAYS for stage in ("records", "correlation")]
    for p in told[1:]:
        assert (p["days"], p["channels"], p["pairs"]) == (3, 4, 6)
        assert (p["stage"] == "correlation") == (p["channels_done"] == 4)
    assert [p["days_done"] for p in told] == sorted(p["days_done"] for p in told)
    last = told[-1]
    assert (last["days_done"], last["pairs_done"], last["seconds_left"]) == (3, 6, 0.0)
    assert last["rate_pairs_s"] > 0


def test_days_that_are_done_are_not_done_again(tmp_path: Path) -> None:
    first, again = noise_source(4, 3), noise_source(4, 3)
    short = CorrelationRequest(first.table, small_settings(), "held", DAYS[0], DAYS[1])
    run(first, tmp_path, asked=short)
    result, told = run(again, tmp_path)
    assert {day for _, day in again.asked} == {DAYS[2]}
    assert told[0]["days_done"] == 2
    assert told[1]["days_done"] == 2
    assert (result["days"], result["windows"]) == (3, 3 * 6 * 96)
    result, told = run(again, tmp_path)
    assert [(p["stage"], p["days_done"], p["days"]) for p in told] == [("metadata", 3, 3), ("correlation", 3, 3)]
    assert result["days"] == 3


def test_days_that_stay_incomplete_are_named_and_retried(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = noise_source(4, 3)
    name = channel_ids(source.table)[2]
    held = dict(source.held)
    source.held[name, DAY_START + DAY_NS] = SourceError("503 from the server, asked 5 times")
    result, _ = run(source, tmp_path)
    assert result["problems"] == 1
    assert result["message"] == (
        f"days left incomplete: 1 of 3 (2024-03-02), because the source failed for {name} "
        "(503 from the server, asked 5 times); retry tries these days again"
    )
    assert "2024-03-02: 3 pairs of 3 channels" in (log := capfd.readouterr().err)
    assert f"not used: {name}; incomplete, the source failed" in log
    source.held, source.asked = held, []
    result, _ = run(source, tmp_path)
    assert "message" not in result
    assert {day for _, day in source.asked} == {DAYS[1]}
    run(noise_source(4, 3), tmp_path / "whole")
    assert objects(tmp_path / "processed/a") == objects(tmp_path / "whole/processed/a")


def test_an_outage_is_an_error_and_what_was_done_stays(tmp_path: Path) -> None:
    source = noise_source(4, 3)
    held = dict(source.held)
    source.held |= {key: SourceError("connection refused") for key in held if key[1] > DAY_START}
    with pytest.raises(SourceError, match=r"2024-03-02: records: failed for the first 4 channels: connection refused"):
        run(source, tmp_path)
    source.held, source.asked = held, []
    assert run(source, tmp_path)[0]["days"] == 3
    assert {day for _, day in source.asked} == set(DAYS[1:])


def test_nothing_at_all_is_no_success(tmp_path: Path) -> None:
    source = noise_source(4, 3)
    source.held = {}
    with pytest.raises(NoDataError, match=r"nothing was correlated: XX\.S00\.\.MHZ: no data.*; .* and 1 more"):
        run(source, tmp_path)


def test_a_job_that_is_too_large_leaves_nothing(tmp_path: Path) -> None:
    source = noise_source(4, 3)
    for limits in (Limits(channels=3), Limits(pairs=5), Limits(days=2)):
        with pytest.raises(LimitError, match="too large"):
            run(source, tmp_path, limits)
    assert not source.asked
    assert Storage(tmp_path).keys("") == []


def test_pairs_are_limited_where_metadata_bring_the_coordinates(tmp_path: Path) -> None:
    source = noise_source(4, 3)
    bare = source.table.assign(latitude=float("nan"), longitude=float("nan"))
    asked = CorrelationRequest(bare, small_settings(max_distance_km=20.0), "held", DAYS[0], DAYS[-1])
    with pytest.raises(LimitError, match=r"too large: 3 pairs \(at most 2\)"):
        run(source, tmp_path, Limits(pairs=2), asked)
    assert run(source, tmp_path, Limits(pairs=3), asked)[0]["pairs"] == 3


def test_time_left_follows_from_what_this_run_has_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(kind.time, "monotonic", lambda: clock[0])
    days = [f"2024-03-{n:02d}" for n in range(1, 11)]
    pace = kind.Pace(days, set(days[:4]))  # four days by an earlier run, in no time of this one's

    def at(seconds: float, day: int, channels: int, pairs: int) -> dict[str, float | None]:
        clock[0] = 100.0 + seconds
        return pace.at(Progress(days[day], day, 10, channels, 10, pairs, 50))

    assert at(0, 4, 1, 0) == {"elapsed_s": 0.0, "rate_pairs_s": None, "seconds_left": None}
    # 4 of 10 channels more: a fifth of a day in 4 s, and 5.75 days to come.
    assert at(4, 4, 5, 0)["seconds_left"] == pytest.approx(5.75 * 20, abs=0.1)
    assert at(10, 4, 10, 50)["rate_pairs_s"] == 5.0
    # A day in 10 s (but for the channel that was read when the clock started), four days after this one.
    told = at(15, 5, 10, 0)
    assert told["seconds_left"] == pytest.approx(4.5 * 15 / 1.45, abs=0.1)
    assert told["elapsed_s"] == 15.0
    assert told["rate_pairs_s"] == pytest.approx(50 / 15, abs=0.1)
    assert at(60, 9, 10, 50)["seconds_left"] == 0.0


def test_days_in_between_that_are_done_are_not_counted_as_left() -> None:
    days = [f"2024-03-{n:02d}" for n in range(1, 11)]
    pace = kind.Pace(days, set(days[1:9]))  # the first was left incomplete
    pace.at(Progress(days[0], 0, 10, 1, 10, 0, 50))
    pace.began -= 10.0
    left = pace.at(Progress(days[0], 0, 10, 10, 10, 0, 50))["seconds_left"]
    assert left == pytest.approx(10 / 0.45 * 1.5, rel=0.02)
