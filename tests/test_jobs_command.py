"""``seisloom work`` as a command: what it checks, prints and obeys."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from seisloom.cli import service_options as options
from seisloom.errors import InputError
from seisloom.jobs import Board, Limits, submit
from seisloom.jobs.board import STALE_AFTER_S
from seisloom.storage import Storage
from tests.job_workers import SPEC, start_worker, tiny_request
from tests.jobs import command


def test_it_prints_a_line_for_every_event_and_ends(tmp_path: Path) -> None:
    board = Board(Storage(tmp_path / "ws", create=True))
    done, large = submit(board, tiny_request(2, name="Umbria")), submit(board, tiny_request(3))
    worker = start_worker(str(tmp_path / "ws"), "--max-days", 2, once=True)
    out, _ = worker.communicate(timeout=120)
    lines = out.decode().splitlines()
    assert worker.returncode == 0
    assert all(line[:4].isdigit() and line[19] == " " for line in lines), lines  # the time
    told = [line[20:] for line in lines]
    assert told[0].startswith("worker ")
    assert f"{done}: claimed (correlation, Umbria, attempt 1)" in told
    assert f"{done}: 2 of 2 days done" in told
    assert f"{done}: finished" in told
    assert f"{large}: failed: the job is too large: 3 days (at most 2)" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--archive", "tiny"], "--archive 'tiny': write NAME=SPEC"),
        (["--archive", "tiny=sd:DIR"], "--archive 'sd:DIR': no such source; use one of"),
        (["--source", "nowhere"], "--source 'nowhere': no such source; use one of"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_start(tmp_path: Path, arguments: list[str], words: str) -> None:
    made = command("work", "ws", "--once", *arguments, cwd=tmp_path)
    assert made.returncode == 1
    assert made.stderr.startswith(f"seisloom: {words}")
    assert not (tmp_path / "ws").exists()


def test_a_workspace_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    made = command("work", "file", "--once", cwd=tmp_path)
    assert made.returncode == 1
    assert "file: cannot be used as a workspace" in made.stderr


def test_sources_that_jobs_may_name() -> None:
    sources = options.make_sources("tiny", [f"tiny={SPEC}", "local = sds:/srv/a=b"], True)
    assert sources.archives == {"tiny": SPEC, "local": "sds:/srv/a=b"}
    assert (sources.default, sources.allow_private) == ("tiny", True)
    for default in ("demo", "fdsn:SCEDC", "sds:/srv/data", None):
        assert options.make_sources(default, None, False).default == default
    with pytest.raises(InputError):
        options.make_sources("fdsn", None, False)


def test_the_defaults_are_those_of_the_library() -> None:
    of_command = options.make_limits(
        options.MAX_CHANNELS, options.MAX_PAIRS, options.MAX_DAYS, options.MAX_PICKS, options.MAX_TRAIN
    )
    assert asdict(of_command) == asdict(Limits())
    assert options.STALE_S == STALE_AFTER_S
