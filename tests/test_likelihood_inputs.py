"""Association by likelihood of odd streams: what must change nothing, what must be refused, what must be flagged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seisloom.associate import parts as parts_module
from seisloom.associate.likelihood import associate_likelihood
from seisloom.associate.plane import distances_km
from seisloom.associate.scenario import Scenario
from seisloom.associate.score import match_events
from seisloom.compute import parse_compute
from seisloom.errors import InputError
from seisloom.geo import distance_azimuth
from seisloom.picks import write_picks
from seisloom.stations import write_sites
from seisloom.traveltime import travel_times, write_velocity_model
from tests.association_job import seisloom
from tests.test_likelihood import CRUST, Result, Stream, associate, event_of_pick, same, stream


@pytest.fixture(scope="module")
def short() -> Stream:
    return stream(Scenario(duration_s=1200.0, events_per_hour=60))


@pytest.fixture(scope="module")
def found(short: Stream) -> Result:
    return short.associated()


def pulses(stream: Stream, n: int, phases: str = "PS") -> pd.DataFrame:
    """Picks of all stations at one instant, again and again."""
    network = stream.study.network
    at = stream.table["time"].min() + pd.to_timedelta(30.0 + 100.0 * np.arange(n), unit="s")
    codes = pd.MultiIndex.from_product([at, network.ids, list(phases)], names=["time", "station", "phase"])
    return codes.to_frame(index=False).assign(
        probability=0.9, duration_s=np.nan, pick_index=lambda table: 50_000 + np.arange(len(table))
    )


# --- what changes nothing ---


def test_the_same_again(short: Stream, found: Result) -> None:
    assert len(found.catalog.events) > 12
    same(short.associated(), found)


def test_days_later_means_origins_days_later(short: Stream, found: Result) -> None:
    days = pd.Timedelta(10_000, "D")
    moved = short.associated(short.table.assign(time=short.table["time"] + days)).catalog
    was = found.catalog.events
    pd.testing.assert_frame_equal(moved.events, was.assign(time=was["time"] + days))
    pd.testing.assert_frame_equal(moved.assignments, found.catalog.assignments)


@pytest.mark.parametrize("compute", ["serial", "processes"])
def test_parts_side_by_side_are_parts_one_by_one_bit_for_bit(monkeypatch: pytest.MonkeyPatch, compute: str) -> None:
    made = stream(Scenario(duration_s=7200.0, events_per_hour=30, noise_ratio=0.5))
    monkeypatch.setattr(parts_module, "_PART_PICKS", 100)
    cut = []
    make_parts = parts_module.make_parts
    monkeypatch.setattr("seisloom.associate.likelihood.make_parts", lambda *of: cut.append(make_parts(*of)) or cut[-1])
    side_by_side = parse_compute(compute, workers=2)
    one, other = (
        associate_likelihood(made.truth.picks, made.study.network, made.study.times, n_threads=n, compute=how)
        for n, how in ((1, None), (4, side_by_side))
    )
    assert len(cut[0]) == len(cut[1]) >= 5
    assert np.array_equal(one.events, other.events)
    assert np.array_equal(one.false_probability, other.false_probability)
    for mine, theirs in ((one.assignment, other.assignment), (one.data.picks, other.data.picks)):
        assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    for name in ("noise", "explained"):
        assert np.array_equal(getattr(one.data, name), getattr(other.data, name))
    for a, b in zip(one.model, other.model, strict=True):
        assert np.array_equal(a, b)


def test_stations_without_picks_take_no_event_away(short: Stream, found: Result) -> None:
    sites = short.study.sites
    silent = sites.iloc[:3].assign(station=["AA.FIRST", "SY.S005A", "ZZ.LAST"], latitude=43.01, longitude=13.02)
    result = associate(pd.concat([silent, sites]), short.table)
    assert result.report.learned["silent_stations"] == ["AA.FIRST", "SY.S005A", "ZZ.LAST"]
    n = len(short.table)
    ids, _, _ = match_events(event_of_pick(result.catalog, n), event_of_pick(found.catalog, n))
    assert len(ids) == len(found.catalog.events)
    assert not result.catalog.events["missing"].str.contains("FIRST|S005A|LAST").any()


@pytest.mark.parametrize("hours", [2, 48])
def test_a_pause_means_little(short: Stream, found: Result, hours: int) -> None:
    time = short.table["time"]
    late = time > time.min() + pd.Timedelta(600, "s")
    result = short.associated(short.table.assign(time=time.where(~late, time + pd.Timedelta(hours, "h"))))
    reached, wanted = short.score(result), short.score(found)
    assert reached.event_f1 > wanted.event_f1 - 0.05
    assert reached.pick_f1 > wanted.pick_f1 - 0.05


def test_every_pick_said_twice_is_no_second_event(short: Stream, found: Result) -> None:
    again = short.table.assign(pick_index=short.table["pick_index"] + 10_000)
    events = short.associated(pd.concat([short.table, again])).catalog.events
    assert len(events) == pytest.approx(len(found.catalog.events), abs=1)
    assert events["evidence"].median() == pytest.approx(found.catalog.events["evidence"].median(), rel=0.1)
    assert events["n_picks"].max() <= 2 * len(short.study.network.ids)


# --- what is no event ---


def test_picks_of_one_instant_are_no_event(short: Stream) -> None:
    at_once = short.associated(short.table.assign(time=short.table["time"].iloc[0]))
    assert len(at_once.catalog.events) == 0


@pytest.mark.parametrize(("n", "phases"), [(1, "PS"), (5, "PS"), (10, "PS"), (10, "P")])
def test_pulses_of_all_stations_are_no_events_and_hide_few(short: Stream, found: Result, n: int, phases: str) -> None:
    table = pd.concat([short.table, pulses(short, n, phases)])
    catalog = short.associated(table).catalog
    event = catalog.assignments[catalog.assignments["pick_index"] >= 50_000]["event_id"]
    assert event.value_counts().max() < 8 if len(event) else True
    assert len(catalog.events) >= len(found.catalog.events) - n // 3


# --- what is flagged ---


@pytest.mark.parametrize(
    ("place", "flag"),
    [((45.0, 0.0, 8.0), "outside region"), ((-28.0, 30.0, 8.0), "outside network")],
    ids=["region", "network"],
)
def test_an_event_beside_the_stations_is_flagged(short: Stream, place: tuple[float, float, float], flag: str) -> None:
    network = short.study.network
    station, phase = np.repeat(np.arange(network.n_stations), 2), np.tile([0, 1], network.n_stations)
    far = distances_km(np.array(place[:1]), np.array(place[1:2]), network.x_km, network.y_km)[0][station]
    travel = travel_times(short.study.times, phase, station, far, np.full(len(far), place[2]))
    table = pd.DataFrame(
        {
            "station": np.array(network.ids)[station], "phase": np.array(["P", "S"])[phase], "probability": 0.9,
            "time": pd.Timestamp("2021-06-01T12:00:00Z") + pd.to_timedelta(travel, unit="s"), "duration_s": np.nan,
            "pick_index": np.arange(len(far)),
        }
    )  # fmt: skip
    [event] = short.associated(table).catalog.events.itertuples()
    assert distance_azimuth(*network.geographic(*place[:2]), event.latitude, event.longitude)[0] < 3.0
    assert flag in event.flags
    assert event.quality not in "AB"


# --- what is refused ---


def test_a_station_that_stands_twice_in_the_table(short: Stream) -> None:
    sites = short.study.sites
    with pytest.raises(InputError, match=r"stations: SY\.S003 more than once in the table"):
        associate(pd.concat([sites, sites.iloc[3:4].assign(latitude=43.1)]), short.table)


def test_picks_without_a_time(short: Stream) -> None:
    table = short.table.assign(time=short.table["time"].where(short.table.index > 2))
    with pytest.raises(InputError, match=rf"3 of {len(table)} picks have no time \(NaT\)"):
        short.associated(table)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--false-events-per-day", ("0", "-1", "nan", "many")),
        ("--min-evidence", ("-1", "nan")),
        ("--grid-spacing", ("0", "nan")),
        ("--min-picks", ("3", "8.5")),
        ("--min-p", ("-1",)),
        ("--min-s", ("-1",)),
        ("--seed", ("-1",)),
        ("--threads", ("0",)),
    ],
)
def test_options_that_cannot_be(short: Stream, tmp_path: Path, option: str, values: tuple[str, ...]) -> None:
    write_picks(short.table, tmp_path / "picks.csv")
    write_sites(short.study.sites, tmp_path / "stations.csv")
    write_velocity_model(CRUST, tmp_path / "velocity.txt")
    files = [tmp_path / name for name in ("picks.csv", "stations.csv", "velocity.txt")]
    for value in values:
        ended = seisloom("associate", *files, "-o", tmp_path / "out", option, value)
        assert ended.code == 2, (value, ended)
        assert f"Invalid value for '{option}'" in ended.err
    assert not (tmp_path / "out").exists()
