"""Association jobs by likelihood: the command line's catalogue without PyTorch, and what older jobs asked for."""

# ruff: noqa: F401, F811 - fixtures that are imported

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seisloom.catalog import read_catalog
from seisloom.errors import InputError
from seisloom.jobs import AssociationRequest, Board, Limits, read_request
from seisloom.jobs.requests import AssociationOptions
from seisloom.storage import Storage
from tests.association_job import Prepared, associate, prepared
from tests.test_jobs_association import TABLES, do, folder_of, request_of, workspace

# The job in a process where there is no PyTorch.
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from seisloom.jobs import Board, Limits, Sources, read_request
from seisloom.jobs.association import run
from seisloom.storage import Storage
storage = Storage(sys.argv[1])
claim = Board(storage).claim("test")
asked = read_request(storage, claim.job.id)
claim.finish(run(storage, claim.job.id, asked, claim.number, Sources(), Limits(), 1, 4.0, lambda told: None))
"""


def test_the_catalogue_is_that_of_the_command(prepared: Prepared, workspace: Storage, tmp_path: Path) -> None:
    associate(prepared, tmp_path / "command", "--method", "likelihood")
    result, told = do(workspace, request_of(prepared, model=False))
    folder = folder_of(workspace, result)
    for name in (*TABLES, "catalog.xml", "observations.obs", "hypoinverse.arc"):
        assert (folder / name).read_bytes() == (tmp_path / "command" / name).read_bytes(), name
    ours, theirs = (json.loads((path / "report.json").read_text()) for path in (folder, tmp_path / "command"))
    assert ours | {"picks": 0} == theirs | {"picks": 0}
    events = read_catalog(folder).events
    assert result["events"] == len(events) > 15
    assert (events["evidence"] > ours["learned"]["needed_evidence"]).all()
    assert events["false_probability"].between(0, 1).all()

    stages = list(dict.fromkeys(step["stage"] for step in told))
    assert (stages[0], *stages[-2:]) == ("reading", "events", "files")
    rounds = stages[1:-2]
    assert rounds == [f"round {n}" for n in range(1, len(rounds) + 1)]
    first = [step for step in told if step["stage"] == "round 1"]
    assert (first[0]["done"], first[1]["done"]) == (0, first[1]["total"])


def test_there_is_neither_a_network_nor_windows(prepared: Prepared, workspace: Storage) -> None:
    result, _ = do(workspace, request_of(prepared, model=False, false_events_per_day=0.1))
    folder = folder_of(workspace, result)
    assert not (folder / "model.pt").exists()
    settings = json.loads((folder / "settings.json").read_text())
    assert set(settings) == {"options", "region"}
    assert (settings["options"]["method"], settings["options"]["false_events_per_day"]) == ("likelihood", 0.1)


def test_settings_reach_the_search(prepared: Prepared, workspace: Storage) -> None:
    options = {"min_evidence": 60.0, "spacing_km": 7.5, "learn": False}
    result, _ = do(workspace, request_of(prepared, model=False, **options))
    folder = folder_of(workspace, result)
    learned = json.loads((folder / "report.json").read_text())["learned"]
    assert (learned["needed_evidence"], learned["grid_spacing_km"]) == (60.0, 7.5)
    assert set(learned["stations"]) == {f"SY.S{n:03d}" for n in range(14)}
    assert all(station["delay_s"] == {"P": 0.0, "S": 0.0} for station in learned["stations"].values())
    assert read_catalog(folder).events["evidence"].min() >= 60.0


def test_pytorch_is_not_needed(prepared: Prepared, workspace: Storage) -> None:
    Board(workspace).submit("association", "", request_of(prepared, model=False).files(), "without")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, workspace.url], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert Board(workspace).job("without").result["events"] > 15


def test_longer_training_than_allowed_matters_only_where_a_network_is_trained(
    prepared: Prepared, workspace: Storage
) -> None:
    asked = request_of(prepared, model=False, method="likelihood", train_minutes=60)
    assert do(workspace, asked, Limits(train_minutes=10))[0]["events"] > 15


def test_relations_for_magnitudes_are_looked_at_first(prepared: Prepared, workspace: Storage) -> None:
    with pytest.raises(InputError, match="magnitude 'richter' is not known; choose one of auto, iaspei"):
        do(workspace, request_of(prepared, model=False, magnitude="richter"))
    with pytest.raises(InputError, match="iaspei is made of amplitude_m, which no pick has"):
        do(workspace, request_of(prepared, model=False, magnitude="iaspei"))


# --- job.json of older versions, and of people ---


def asked(storage: Storage, options: dict[str, Any], *, model: bool = False) -> AssociationOptions:
    """The options of a job whose job.json holds these."""
    files = {"picks": "picks.csv", "stations": "stations.csv", "velocity": "velocity.txt"}
    files |= {"model": "model.pt"} if model else {}
    for name in files.values():
        storage.put(f"incoming/a/{name}", b"...")
    card = {"kind": "association", "name": "", "files": files, "options": options}
    storage.put("incoming/a/job.json", json.dumps(card).encode())
    request = read_request(storage, "a")
    assert isinstance(request, AssociationRequest)
    return request.options


OF_OLD = {
    "region": None, "min_picks": 8, "min_p": 0, "min_s": 0, "max_distance_km": None, "min_probability": 0.0,
    "earth": "flat", "train_minutes": 5.0, "seed": 1,
}  # fmt: skip


def test_jobs_of_before_there_were_two_methods_are_done_as_then(workspace: Storage) -> None:
    options = asked(workspace, OF_OLD)
    assert (options.method, options.earth, options.train_minutes) == ("phaselink", "flat", 5.0)


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({}, "likelihood"),
        ({"min_picks": 9}, "likelihood"),
        ({"train_minutes": 2}, "phaselink"),
        ({"method": "likelihood", "train_minutes": 2}, "likelihood"),
        ({"method": "phaselink"}, "phaselink"),
    ],
)
def test_who_trains_wants_a_network(workspace: Storage, options: dict[str, Any], method: str) -> None:
    assert asked(workspace, options).method == method


@pytest.mark.parametrize("options", [{}, {"method": "likelihood"}, OF_OLD])
def test_who_gives_a_network_wants_it_used(workspace: Storage, options: dict[str, Any]) -> None:
    assert asked(workspace, options, model=True).method == "phaselink"


def test_a_method_that_is_not_known_is_refused(workspace: Storage) -> None:
    with pytest.raises(InputError, match=re.escape("method is 'gamma': input should be 'likelihood' or 'phaselink'")):
        asked(workspace, {"method": "gamma"})
