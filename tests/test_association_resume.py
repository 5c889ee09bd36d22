"""Runs that are killed or interrupted go on where they stopped; what is complete is not done again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seisloom.associate import pipeline, trained
from seisloom.associate.link import Links
from seisloom.associate.models import read_checkpoint
from seisloom.associate.predict import link_probabilities
from seisloom.associate.train import _Run
from tests.association_job import (  # noqa: F401 - a fixture
    KILLED_AFTER_FOUR_PARTS,
    REGION_OPTION,
    SMALL_PARTS,
    Outcome,
    Prepared,
    associate,
    interrupted,
    prepared,
)

KILLED_BEFORE_EVENTS = f"""
import os, signal
from seisloom.associate import pipeline
{SMALL_PARTS}
pipeline.refine = lambda *arguments, **options: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def roots_looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where each search for links begins and ends, in parts of 300 members."""
    ends: list[int] = []
    monkeypatch.setitem(link_probabilities.__kwdefaults__, "chunk_members", 300)

    def noted(*arguments: Any, first: int, progress: Any, **options: Any) -> Iterator[Links]:
        def finished(stop: int, total: int) -> None:
            ends.append(stop)
            progress(stop, total)

        ends.append(first)
        yield from link_probabilities(*arguments, first=first, progress=finished, **options)

    monkeypatch.setattr(pipeline, "link_probabilities", noted)
    return ends


def tables(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("events.csv", "assignments.csv", "report.json")]


def killed(made: Prepared, out: Path, script: str) -> list[str]:
    """Names of the parts that a killed run leaves."""
    files = (made.picks, made.stations, made.velocity, "-o", out, "--model", made.model)
    run = interrupted(script, "associate", *files, "--threads", 1, "--no-figures", *REGION_OPTION, cwd=out.parent)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert sorted(path.name for path in out.iterdir()) == [".running", "unfinished"]
    (folder,) = (out / "unfinished").iterdir()
    return sorted(path.name for path in folder.iterdir())


def test_killed_while_linking(prepared: Prepared, tmp_path: Path, roots_looked_at: list[int]) -> None:  # noqa: F811
    associate(prepared, tmp_path / "whole")
    assert roots_looked_at[0] == 0
    assert len(roots_looked_at) > 8
    whole = list(roots_looked_at)
    roots_looked_at.clear()

    parts = killed(prepared, tmp_path / "out", KILLED_AFTER_FOUR_PARTS)
    assert parts == [f"{stop:012d}.npz" for stop in whole[1:5]]
    outcome = associate(prepared, tmp_path / "out")

    assert outcome.code == 0
    assert roots_looked_at == whole[4:]
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")
    assert not (tmp_path / "out" / "unfinished").exists()


def test_killed_when_all_is_linked(prepared: Prepared, tmp_path: Path, roots_looked_at: list[int]) -> None:  # noqa: F811
    n_parts = len(killed(prepared, tmp_path / "out", KILLED_BEFORE_EVENTS))
    associate(prepared, tmp_path / "out")
    assert roots_looked_at == [len(prepared.simulation.event)]
    roots_looked_at.clear()
    associate(prepared, tmp_path / "whole")
    assert len(roots_looked_at) == n_parts + 1
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")


def test_parts_of_another_run_or_damaged_ones_do_not_count(
    prepared: Prepared,  # noqa: F811
    tmp_path: Path,
    roots_looked_at: list[int],
) -> None:
    out, unfinished = tmp_path / "out", tmp_path / "out" / "unfinished"
    killed(prepared, out, KILLED_AFTER_FOUR_PARTS)
    (folder,) = unfinished.iterdir()
    parts = sorted(folder.iterdir())
    parts[1].write_bytes(parts[1].read_bytes()[:100])
    (unfinished / "mine").mkdir()
    kept = {path.name: path.read_bytes() for path in parts}

    associate(prepared, out)
    assert roots_looked_at[0] == int(parts[0].stem)  # the first part stands, the second one is damaged
    assert tables(out)[0]
    assert [path.name for path in unfinished.iterdir()] == ["mine"]

    # Other picks: the same parts again would not be theirs.
    folder.mkdir()
    for name, content in kept.items():
        (folder / name).write_bytes(content)
    prepared.table().iloc[1:].to_csv(tmp_path / "fewer.csv", index=False)
    roots_looked_at.clear()
    associate(prepared, out, picks=tmp_path / "fewer.csv")
    assert roots_looked_at[0] == 0
    assert [path.name for path in unfinished.iterdir()] == ["mine"]
    associate(prepared, tmp_path / "whole", picks=tmp_path / "fewer.csv")
    assert tables(out)[:2] == tables(tmp_path / "whole")[:2]


@pytest.fixture
def three_short_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of minutes, so that nothing hangs on how busy the machine is."""
    monkeypatch.setattr(trained, "_EPOCH_WINDOWS", 800)
    monkeypatch.setattr(_Run, "finished", lambda run: "three are enough" if run.epoch >= 3 else "")


def trained_so_far(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "model" / "history.csv")


def test_interrupted_training_goes_on_and_is_not_repeated(
    prepared: Prepared,  # noqa: F811
    tmp_path: Path,
    three_short_epochs: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = _Run._save_last

    def save_and_interrupt(run: _Run) -> None:
        save(run)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_Run, "_save_last", save_and_interrupt)
    outcome = _train(prepared, tmp_path)
    assert outcome.code == 130
    assert outcome.err == "seisloom: interrupted; the same command continues where it stopped\n"
    assert not (tmp_path / "events.csv").exists()
    first = trained_so_far(tmp_path)
    assert len(first) == 1

    monkeypatch.setattr(_Run, "_save_last", save)
    assert _train(prepared, tmp_path).code == 0
    second = trained_so_far(tmp_path)
    assert len(second) == 3
    pd.testing.assert_frame_equal(second.head(1), first)
    made = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    found = tables(tmp_path)

    monkeypatch.setattr(_Run, "one_epoch", lambda run: pytest.fail("trained again"))
    assert _train(prepared, tmp_path).code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == made
    assert tables(tmp_path) == found


def test_a_folder_of_another_network_or_model_of_the_earth_is_trained_anew(
    prepared: Prepared,  # noqa: F811
    tmp_path: Path,
    three_short_epochs: None,
) -> None:
    _train(prepared, tmp_path)
    networks = [read_checkpoint(tmp_path / "model" / "best.pt")]
    stations = tmp_path / "stations.csv"
    stations.write_text("\n".join(prepared.stations.read_text().splitlines()[:-2]) + "\n")
    _train(prepared, tmp_path, stations=stations)
    networks.append(read_checkpoint(tmp_path / "model" / "best.pt"))
    (tmp_path / "velocity.txt").write_text("0 5.0 2.9\n30 6.5 3.7\n")
    _train(prepared, tmp_path, stations=stations, velocity=tmp_path / "velocity.txt")
    networks.append(read_checkpoint(tmp_path / "model" / "best.pt"))
    everywhere = list(prepared.study.network.ids)
    assert [made["stations"] for made in networks] == [everywhere, everywhere[:-2], everywhere[:-2]]
    assert networks[1]["limits"] != networks[2]["limits"]
    assert len(trained_so_far(tmp_path)) == 3


def _train(made: Prepared, out: Path, **files: Path) -> Outcome:
    return associate(made, out, "--train-minutes", 10, **files)
