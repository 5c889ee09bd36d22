"""Events from picks as they arrive: the same however they come, and in the end those of ``seisloom associate``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st

from seisloom.associate.follow import Clock, Follower, Pace
from seisloom.associate.follow_events import Found, Statement, Tracker, same_events, settle
from seisloom.associate.follow_files import FollowFiles
from seisloom.associate.follow_run import FollowRun
from seisloom.associate.job import make_study
from seisloom.associate.network import region_around
from seisloom.associate.result import JobSettings
from seisloom.associate.scenario import Scenario
from seisloom.associate.simulate import pick_table, simulate
from seisloom.associate.study import Study
from seisloom.associate.synthetic import CRUST, synthetic_sites
from seisloom.errors import InputError, SettingsError
from seisloom.picks import read_picks, write_picks
from seisloom.picks.follow import FOLLOWED
from seisloom.picks.tail import Piece
from seisloom.stations import write_sites
from seisloom.traveltime import write_velocity_model
from tests.association_job import Outcome, seisloom
from tests.job_workers import until

SECOND = 1_000_000_000
START = pd.Timestamp("2024-02-29T23:55:00Z")
EVERY = ("--every", "30", "--threads", "1")


@dataclass(frozen=True)
class Made:
    """A small network, 20 minutes of picks at it, and the catalogue that ``seisloom associate`` makes of them."""

    folder: Path
    study: Study
    picks: pd.DataFrame
    n_events: int

    @property
    def files(self) -> list[str]:
        return [str(self.folder / name) for name in ("stations.csv", "velocity.txt")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, rng = tmp_path_factory.mktemp("follow"), np.random.default_rng(5)
    sites = synthetic_sites("small", 12, rng)
    study = make_study(sites, CRUST, region_around(sites))
    scenario = Scenario(duration_s=1200.0, events_per_hour=60.0, noise_ratio=0.5)
    simulation = simulate(scenario, study.network, study.times, rng)
    picks = pick_table(simulation.picks, study.network)
    write_sites(sites, folder / "stations.csv")
    write_velocity_model(CRUST, folder / "velocity.txt")
    write_picks(picks, folder / "picks.csv")
    command("associate", folder / "picks.csv", *made_files(folder), "-o", folder / "batch", "--no-figures")
    return Made(folder, study, picks, int((simulation.events["n_picks"] >= 8).sum()))


def made_files(folder: Path) -> list[Path]:
    return [folder / "stations.csv", folder / "velocity.txt"]


def environment() -> dict[str, str]:
    return os.environ | {"OPENBLAS_NUM_THREADS": "1"}


def command(*arguments: object, code: int = 0) -> Outcome:
    done = seisloom(*arguments)
    assert done.code == code, done.err
    return done


def standing(lines: str) -> dict[int, Statement]:
    """What is left when everything that was said is taken at its word."""
    events: dict[int, Statement] = {}
    for line in map(json.loads, lines.splitlines()):
        if line["kind"] == "withdrawn":
            assert line["event_id"] in events
            del events[line["event_id"]]
        else:
            assert (line["kind"] == "new") == (line["event_id"] not in events)
            events[line["event_id"]] = line
    return events


def assert_catalogue(made: Made, out: Path, lines: str) -> None:
    """Files and statements are those of ``seisloom associate``."""
    for name in ("events.csv", "assignments.csv", "catalog.xml"):
        assert (out / name).read_bytes() == (made.folder / "batch" / name).read_bytes(), name
    events = pd.read_csv(out / "events.csv")
    said = pd.DataFrame(standing(lines).values()).sort_values("catalog_id")
    assert said["catalog_id"].tolist() == events["event_id"].tolist()
    assert pd.to_datetime(said["time"]).tolist() == pd.to_datetime(events["time"]).tolist()
    for name, within in {"latitude": 6e-6, "longitude": 6e-6, "depth_km": 6e-4, "n_picks": 0, "evidence": 1e-3}.items():
        np.testing.assert_allclose(said[name], events[name], rtol=0, atol=within, err_msg=name)
    assigned = pd.read_csv(out / "assignments.csv").groupby("event_id")["pick_index"].apply(sorted).tolist()
    assert said["picks"].tolist() == assigned


# Whole runs


@pytest.fixture(scope="module")
def followed(made: Made) -> tuple[Path, Outcome]:
    out = made.folder / "followed"
    return out, command("follow", made.folder / "picks.csv", *made.files, "-o", out, "--until-end", *EVERY)


def test_the_end_is_the_catalogue_of_associate(made: Made, followed: tuple[Path, Outcome]) -> None:
    out, done = followed
    assert_catalogue(made, out, done.out)
    assert (out / "events.jsonl").read_text() == done.out
    assert f"followed: {len(made.picks)} picks" in done.err


def test_events_are_said_while_picks_come(made: Made, followed: tuple[Path, Outcome]) -> None:
    lines = [json.loads(line) for line in followed[1].out.splitlines()]
    early = [line for line in lines if "final" not in line]
    new = [line for line in early if line["kind"] == "new"]
    assert len(new) >= 0.8 * made.n_events
    # An event is there when a look finds it: one look after its last pick at the latest.
    assert max(line["latency_s"] for line in new) < 2 * 30.0 + 20.0
    assert min(line["latency_s"] for line in early) > 0.0
    catalogue = standing(followed[1].out)
    before = standing("\n".join(json.dumps(line) for line in early))
    assert len(before.keys() & catalogue.keys()) >= 0.9 * len(catalogue)


def test_standard_input_says_the_same(made: Made, followed: tuple[Path, Outcome], tmp_path: Path) -> None:
    data, (out, into) = (made.folder / "picks.csv").read_bytes(), os.pipe()
    assert os.write(into, data) == len(data)
    os.close(into)
    with os.fdopen(out) as stdin, mock.patch.object(sys, "stdin", stdin):
        done = command("follow", "-", *made.files, "-o", tmp_path / "out", *EVERY)
    assert done.out == followed[1].out


def test_a_killed_run_goes_on(made: Made, tmp_path: Path) -> None:
    lines = (made.folder / "picks.csv").read_text().splitlines(keepends=True)
    path, out = tmp_path / "picks.csv", tmp_path / "out"
    path.write_text("".join(lines[: len(lines) // 2]) + lines[len(lines) // 2][:11])
    with live(path, made, out) as run:
        until(lambda: (out / "events.jsonl").exists() and (out / "events.jsonl").read_text().count("\n") >= 3)
        run.kill()
    assert not (out / "events.csv").exists()
    with (out / "picks.csv").open("a") as file:
        file.write("half a li")
    path.write_text("".join(lines))
    done = command("follow", path, *made.files, "-o", out, "--until-end", *EVERY)
    assert "going on after" in done.err
    assert_catalogue(made, out, (out / "events.jsonl").read_text())


def test_ctrl_c_ends_with_the_catalogue(made: Made, tmp_path: Path) -> None:
    path, out = tmp_path / "picks.csv", tmp_path / "out"
    path.write_text((made.folder / "picks.csv").read_text())
    with live(path, made, out) as run:
        until(lambda: (out / "events.jsonl").exists() and (out / "events.jsonl").read_text().count("\n") >= 3)
        run.send_signal(signal.SIGINT)
        said, told = run.communicate(timeout=200)
    assert run.returncode == 0, told
    assert "no more picks are read" in told
    assert (out / "events.jsonl").read_text() == said
    assert_catalogue(made, out, said)  # all was in the first piece, which is kept before anything is made of it


def live(path: Path, made: Made, out: Path) -> subprocess.Popen[str]:
    """A run that waits for more."""
    words = [sys.executable, "-m", "seisloom", "follow", str(path), *made.files, "-o", str(out), *EVERY]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def test_what_is_wrong_with_picks_is_told_and_stops_nothing(made: Made, tmp_path: Path) -> None:
    lines = (made.folder / "picks.csv").read_text().splitlines()
    lines.insert(5, "not,a,pick")
    lines.insert(9, lines[8])
    lines.append(lines[-1].replace("SY.S", "YY.S"))
    (tmp_path / "picks.csv").write_text("\n".join(lines))
    out = tmp_path / "out"
    done = command("follow", tmp_path / "picks.csv", *made.files, "-o", out, "--until-end", *EVERY)
    assert "line 6: " in done.err
    assert "1 line left out" in done.err
    assert "1 at unknown stations (YY.S" in done.err
    assert (out / "events.csv").read_bytes() == (made.folder / "batch" / "events.csv").read_bytes()


def test_a_folder_belongs_to_one_source(made: Made, tmp_path: Path) -> None:
    (tmp_path / "picks.csv").write_text("station,phase,time\n")
    words = ("follow", tmp_path / "picks.csv", *made.files, "--until-end", "-o")
    assert "choose another folder" in command(*words, tmp_path, code=1).err  # would overwrite its own source
    assert "no picks have come" in command(*words, tmp_path / "out", code=1).err
    with pytest.raises(InputError, match=r"follows .*picks\.csv, not -"):
        FollowFiles(tmp_path / "out", "-")
    assert "not there" in command("follow", tmp_path / "none.csv", *words[2:], tmp_path / "new", code=1).err
    assert not (tmp_path / "new").exists()


# The clock of the picks


def clock_after(*picks: tuple[float, str]) -> float | None:
    clock = Clock()
    for at, station in picks:
        clock.see(int(at * SECOND), station)
    return None if clock.now_ns is None else clock.now_ns / SECOND


def test_the_clock_is_that_of_the_latest_pick() -> None:
    assert clock_after((10.0, "A")) is None
    assert clock_after((10.0, "A"), (8.0, "B")) == 10.0
    assert clock_after((10.0, "A"), (8.0, "B"), (500.0, "A"), (400.0, "B")) == 500.0


def test_one_station_cannot_run_ahead() -> None:
    begun = ((10.0, "A"), (11.0, "B"))
    assert clock_after(*begun, (1e6, "C"), (1e6 + 1, "C"), (12.0, "A")) == 12.0
    assert clock_after(*begun, (1e6, "C"), (1e6 + 1, "A")) == 1e6 + 1  # after a gap: two stations say so
    assert clock_after((1e9, "C"), (10.0, "A"), (11.0, "B")) == 11.0


# Events by their numbers


def found(at_s: float, *picks: int) -> Found:
    return Found(int(at_s * SECOND), frozenset(picks), {"time": str(at_s), "n_picks": len(picks)})


def test_events_are_the_same_by_their_picks() -> None:
    a, b, c = frozenset(range(10)), frozenset(range(10, 20)), frozenset(range(20, 24))
    assert same_events([b, c, a], [a, b]) == [1, -1, 0]
    assert same_events([a | c], [a, c]) == [0]  # merged: the larger one goes on
    assert same_events([frozenset(range(6)), frozenset(range(6, 10))], [a]) == [0, -1]  # split
    assert same_events([frozenset([0, 30, 31, 32])], [a]) == [-1]  # one pick of four says nothing


def test_an_event_keeps_its_number() -> None:
    tracker = Tracker()
    kinds: list[list[tuple[str, int]]] = []
    for now, events in enumerate(
        [[found(0, 1, 2, 3, 4)], [found(0, 1, 2, 3, 4)], [found(0, 1, 2, 3, 4, 5), found(1, 7, 8, 9)], [], [found(0, 1, 2, 3, 5)]]
    ):  # fmt: skip
        said = tracker.update(events, (now + 10) * SECOND, -100 * SECOND, (now + 10) * SECOND)
        kinds.append([(line["kind"], line["event_id"]) for line in said])
    assert kinds == [[("new", 1)], [], [("revised", 1), ("new", 2)], [("withdrawn", 1), ("withdrawn", 2)], [("new", 1)]]


def test_what_is_closed_is_not_said_and_what_is_not_due_waits() -> None:
    tracker = Tracker()
    event = found(100, 1, 2, 3, 4)
    assert tracker.update([event], 110 * SECOND, 0, 90 * SECOND) == []
    said = tracker.update([event], 130 * SECOND, 20 * SECOND, 110 * SECOND)
    assert [(line["kind"], line["latency_s"]) for line in said] == [("new", 30.0)]
    late = found(101, 1, 2, 3, 4, 5)
    assert tracker.update([late], 300 * SECOND, 190 * SECOND, 280 * SECOND) == []
    assert tracker.update([], 301 * SECOND, 191 * SECOND, 281 * SECOND) == []


def test_the_last_statements_make_what_was_said_the_catalogue() -> None:
    said = [
        {"kind": "new", "event_id": 1, "time": "1", "n_picks": 4, "picks": [1, 2, 3, 4]},
        {"kind": "new", "event_id": 2, "time": "2", "n_picks": 4, "picks": [5, 6, 7, 8]},
        {"kind": "withdrawn", "event_id": 3, "time": "3", "n_picks": 4, "picks": [11, 12, 13, 14]},
    ]
    final = [found(1.5, 1, 2, 3, 4, 9), found(3, 11, 12, 13, 14), found(9, 20, 21, 22, 23)]
    lines = settle({line["event_id"]: line for line in said}, final, 4)
    assert [(line["kind"], line["event_id"], line.get("catalog_id")) for line in lines] == [
        ("revised", 1, 1), ("new", 3, 2), ("new", 4, 3), ("withdrawn", 2, None),
    ]  # fmt: skip
    after = {line["event_id"]: line for line in [*said, *lines]}
    assert settle(after, final, 5) == []  # and again says nothing


# A stream in pieces: events that are told by their picks' probability stand for the search


def told_apart(self: Follower, picks: pd.DataFrame) -> list[Found]:
    events = []
    for number, mine in picks[picks["probability"] < 1].groupby("probability"):
        if len(mine) >= 4:
            at = int(mine["time"].min().value) - SECOND
            events.append(Found(at, frozenset(mine["pick_index"].tolist()), {"time": str(at), "tag": float(number)}))
    return events


@pytest.fixture(scope="module")
def stream(made: Made) -> pd.DataFrame:
    """Picks of 60 events of an hour with a gap, out of order, some twice, some late, some of wrong times or stations."""
    rng, ids = np.random.default_rng(3), list(made.study.network.ids)
    rows = []
    for event in range(60):
        at = 60.0 * event + (7200.0 if event > 40 else 0.0)
        for station in rng.choice(ids, 7, replace=False):
            rows.append((station, "P", at + rng.uniform(1.0, 9.0), (event + 1) / 100))
    rows += [rows[k] for k in rng.integers(0, len(rows), 20)]
    rows += [("NO.WHERE", "S", t, 0.5) for t in rng.uniform(0, 3600, 5)]
    rows += [(ids[0], "S", t + 1e8, 1.0) for t in rng.uniform(0, 3600, 5)]
    table = pd.DataFrame(rows, columns=["station", "phase", "s", "probability"])
    arrival = table["s"].where(table["s"] < 1e7, table["s"] - 1e8) + rng.exponential(4.0, len(table))
    arrival[rng.integers(0, len(table), 8)] += 3000.0
    table = table.iloc[np.argsort(arrival.to_numpy(), kind="stable")].reset_index(drop=True)
    table["time"] = START + pd.to_timedelta((table["s"] * 1e9).round().astype("int64"), unit="ns")
    return table.assign(pick_index=np.arange(len(table)), duration_s=np.nan).reindex(columns=FOLLOWED)


def said_of(follower: Follower, pieces: list[pd.DataFrame]) -> list[Statement]:
    looks = [look for piece in pieces for look in follower.add(piece)] + list(follower.finish())
    follower.close()
    return [line for look in looks for line in look]


def pieces_of(table: pd.DataFrame, cuts: list[int]) -> list[pd.DataFrame]:
    return [table.iloc[a:b] for a, b in pairwise([0, *sorted(cuts), len(table)])]


@pytest.fixture
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    """No search and no lessons."""
    monkeypatch.setattr(Follower, "_events", told_apart)
    monkeypatch.setattr(Follower, "_study", lambda self, at: None)


@pytest.mark.usefixtures("simple")
def test_pieces_of_a_stream_mean_nothing(made: Made, stream: pd.DataFrame) -> None:
    whole = Follower(made.study, JobSettings(), Pace(20.0))
    expected = said_of(whole, [stream])

    @runs(max_examples=6)
    @given(cuts=st.lists(st.integers(0, len(stream)), max_size=30))
    def same(cuts: list[int]) -> None:
        parts = Follower(made.study, JobSettings(), Pace(20.0))
        assert said_of(parts, pieces_of(stream, cuts)) == expected
        assert (parts.late, parts.unknown) == (whole.late, whole.unknown)

    same()
    assert whole.late > 0
    assert whole._received == len(stream) - 5
    assert whole.unknown == {"NO.WHERE": 5}
    last = {line["event_id"]: line for line in expected}
    # Every event is there once, under one number, with all of its picks that were not late.
    assert sorted(line["tag"] for line in last.values()) == [(k + 1) / 100 for k in range(60)]
    assert np.mean([len(line["picks"]) for line in last.values()]) > 6.7


@pytest.mark.usefixtures("simple")
def test_memory_is_bounded(made: Made, stream: pd.DataFrame) -> None:
    follower = Follower(made.study, JobSettings(), Pace(20.0, history_s=600.0))
    said_of(follower, [stream])
    assert len(follower._recent) == len(follower._times) < 120
    assert len(follower.tracker._said) < 10
    few = Follower(made.study, JobSettings(), Pace(20.0, history_picks=50))
    said_of(few, [stream])
    assert len(few._recent) <= 60


def test_lessons_are_learned_beside_the_looks_and_say_the_same_in_pieces(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seisloom.associate.follow._FIRST_LESSON", 100)
    whole, parts = (Follower(made.study, JobSettings(), Pace(60.0)) for _ in range(2))
    expected = said_of(whole, [made.picks])
    assert whole.lessons is not None
    assert said_of(parts, pieces_of(made.picks, [3, 100, 101, 250])) == expected


@pytest.mark.usefixtures("simple")
def test_an_event_is_said_when_it_is_due(made: Made, stream: pd.DataFrame) -> None:
    prompt, patient = (
        said_of(Follower(made.study, JobSettings(), Pace(5.0, wait)), [stream.iloc[:200]]) for wait in (0.0, 40.0)
    )
    new = [np.array([line["latency_s"] for line in said if line["kind"] == "new"]) for said in (prompt, patient)]
    assert (np.median(new[0]) < 15.0) & (new[1].min() >= 40.0) & (np.median(new[1]) < 45.0)
    revisions = [sum(line["kind"] == "revised" for line in said) for said in (prompt, patient)]
    assert revisions[0] > revisions[1]


class Live:
    """A source whose picks all come at once, after which it is silent for three seconds."""

    def __init__(self, data: bytes) -> None:
        self.pieces = [data, *[b""] * 15]

    def read(self, wait_s: float) -> Piece | None:
        if not self.pieces:
            return None
        time.sleep(0.2)
        return Piece(self.pieces.pop(0))


@pytest.mark.usefixtures("simple")
@pytest.mark.parametrize(("ago_s", "early"), [(4.0, True), (1e6, False)])
def test_what_comes_live_needs_no_later_pick_to_be_said(ago_s: float, early: bool, made: Made, tmp_path: Path) -> None:
    now = pd.Timestamp.now("UTC") - pd.Timedelta(seconds=ago_s)
    table = pd.DataFrame({"station": made.study.network.ids, "phase": "P", "time": now, "probability": 0.5})
    source = Live(table.assign(time=now.isoformat()).to_csv(index=False).encode())
    with FollowRun(made.study, JobSettings(), Pace(1.0), tmp_path / "out", "-") as run:
        waiting = [len(source.pieces) for line in run.statements(source) if json.loads(line)["kind"] == "new"]
    assert len(waiting) == 1
    assert (waiting[0] > 0) == early


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SettingsError, match="every_s") as error:
        Pace(0.0, -1.0)
    assert len(error.value.faults) == 2


def test_files_of_the_run_are_read_by_others(followed: tuple[Path, Outcome], made: Made) -> None:
    kept = read_picks(followed[0] / "picks.csv")
    pd.testing.assert_series_equal(kept["time"], read_picks(made.folder / "picks.csv")["time"])
    state = json.loads((followed[0] / "follow.json").read_text())
    assert state["size"] == (followed[0] / "picks.csv").stat().st_size
    (followed[0] / "follow.json").write_text("{}")
    with pytest.raises(InputError, match="choose another folder"):
        FollowFiles(followed[0], str(made.folder / "picks.csv"))
