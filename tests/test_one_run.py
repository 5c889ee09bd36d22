"""One run at a time in a folder: others are refused, the dead are not waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from seisloom.associate.job import JobSettings
from seisloom.associate.scenario import Scenario
from seisloom.associate.streamed import associate_files
from seisloom.associate.synthetic import CRUST
from seisloom.errors import InputError
from seisloom.one_run import NAME, one_run
from seisloom.picks import write_picks
from seisloom.stations import write_sites
from seisloom.traveltime import write_velocity_model
from tests.test_likelihood import REGION, Stream, stream

AT_WORK = """
import sys
from seisloom.associate import streamed
def wait(*arguments):
    print("begun", flush=True)
    sys.stdin.read()
streamed.begin = wait
from seisloom.cli import main
main()
"""
"""An association that comes as far as the picks, and waits."""


@pytest.fixture(scope="module")
def made() -> Stream:
    return stream(Scenario(duration_s=1200.0, events_per_hour=45, noise_ratio=0.3))


def test_two_associations_of_one_folder(made: Stream, tmp_path: Path) -> None:
    write_picks(made.table, tmp_path / "picks.csv")
    write_sites(made.study.sites, tmp_path / "stations.csv")
    write_velocity_model(CRUST, tmp_path / "velocity.txt")
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", AT_WORK, "associate", "picks.csv", "stations.csv", "velocity.txt", "-o", out],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout
        assert other.stdout.readline() == "begun\n"
        there = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
        who = rf"process {other.pid} on {socket.gethostname()}, since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        with pytest.raises(InputError, match=who):
            associate_files(tmp_path / "picks.csv", made.study.sites, CRUST, JobSettings(region=REGION), out)
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == there
        other.kill()
    associate_files(tmp_path / "picks.csv", made.study.sites, CRUST, JobSettings(region=REGION), out)
    assert (out / "events.csv").exists()
    assert not {NAME, ".associate"} & {path.name for path in out.iterdir()}


def test_a_folder_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("there", "new"):
        with suppress(KeyError), one_run(tmp_path / name):
            assert (tmp_path / name / NAME).exists()
            raise KeyError
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    with one_run(tmp_path / "new"):
        (tmp_path / "new" / "result").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["result"]


def test_a_lock_that_was_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run before ends between the opening of its lock and the locking of it."""
    import fcntl

    lock, seen = fcntl.flock, []

    def late(file: object, how: int) -> None:
        if not seen:
            (tmp_path / NAME).unlink()
        seen.append(how)
        lock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", late)
    with one_run(tmp_path):
        assert len(seen) == 2
        monkeypatch.undo()
        with pytest.raises(InputError, match=f"process {os.getpid()} on"), one_run(tmp_path):
            pass


def test_a_file_system_without_locks_is_used_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", none)
    with one_run(tmp_path), one_run(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: cannot be written: File exists"), one_run(tmp_path / "file"):
        pass
