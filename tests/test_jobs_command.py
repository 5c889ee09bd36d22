"""``seisloom work`` as a command: what it checks, prints and obeys."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import typer

from seisloom.cli.service_options import ServiceOptions, with_service_options
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
    sources = ServiceOptions("tiny", [f"tiny={SPEC}", "local = sds:/srv/a=b"], allow_private=True).sources()
    assert sources.archives == {"tiny": SPEC, "local": "sds:/srv/a=b"}
    assert (sources.default, sources.allow_private) == ("tiny", True)
    for default in ("demo", "fdsn:SCEDC", "sds:/srv/data", None):
        assert ServiceOptions(default).sources().default == default
    with pytest.raises(InputError):
        ServiceOptions("fdsn").sources()


def test_the_defaults_are_those_of_the_library() -> None:
    assert asdict(ServiceOptions().limits()) == asdict(Limits())
    assert ServiceOptions().stale == STALE_AFTER_S


def test_workers_of_the_app_are_given_its_options() -> None:
    given = ["--source", "a", "--archive", "a=demo:", "--archive", "b=sds:x y", "--allow-private", "--max-days", "12"]
    told: list[ServiceOptions] = []
    app = typer.Typer()
    app.command()(with_service_options(lambda service: told.append(service)))
    for _ in range(2):
        app(given, standalone_mode=False)
        given = told[-1].arguments()
    assert told[0] == told[1] == ServiceOptions("a", ["a=demo:", "b=sds:x y"], allow_private=True, max_days=12)
    assert ServiceOptions().arguments()[:2] == ["--memory", "6.0"]  # what is not given is left out
