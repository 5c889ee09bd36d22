"""The API of catalogues that were made by likelihood: verdicts on events and picks, magnitudes, and files from before there were any."""

# ruff: noqa: F401, F811 - fixtures that are imported

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from seisloom.associate.outputs import EVIDENCE, REPORT, REPORT_JSON
from seisloom.catalog import EVENT_COLUMNS, Catalog, write_csv
from seisloom.jobs.association import PICKS, SETTINGS, STATIONS, VELOCITY
from seisloom.web.services import Services
from tests.association_job import REGION, Prepared, prepared
from tests.test_api_catalogues import KINDS, OPTIONS, client, services, upload, work
from tests.web_support import api_client

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


@pytest.fixture(scope="module")
def finished(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> tuple[TestClient, str, Path]:
    """A client, a finished job, and its folder."""
    services = Services(str(tmp_path_factory.mktemp("api")))
    client = api_client(services)
    files = {kind: (getattr(prepared, kind).name, getattr(prepared, kind).read_bytes()) for kind in KINDS[:3]}
    answer = client.post("/jobs/association", files=files, data={"options": OPTIONS})
    assert answer.status_code == 201, answer.text
    job_id = work(services)
    folder = Path(services.storage.url) / client.get(f"/jobs/{job_id}").json()["result"]["folder"]
    return client, job_id, folder


def test_events_have_their_verdicts(finished: tuple[TestClient, str, Path]) -> None:
    client, job_id, folder = finished
    answer = client.get(f"/jobs/{job_id}/events").json()
    file = pd.read_csv(folder / "events.csv", keep_default_na=False)
    for name in ("evidence", "false_probability"):
        np.testing.assert_allclose(answer["columns"][name], file[name].astype(float), atol=1e-5)
    assert answer["columns"]["missing"] == file["missing"].tolist()
    assert any(answer["columns"]["missing"])
    assert answer["columns"]["magnitude"] == [None] * len(file)
    ends = file["false_probability"].astype(float)
    assert answer["ranges"]["false_probability"] == pytest.approx([ends.min(), ends.max()])
    assert answer["ranges"]["magnitude"] is None


def test_picks_have_their_posteriors(finished: tuple[TestClient, str, Path]) -> None:
    client, job_id, folder = finished
    assigned = pd.read_csv(folder / "assignments.csv").set_index("pick_index")
    table = pd.read_csv(folder / "picks.csv").set_index("pick_index")
    relabelled = 0
    for number in assigned["event_id"].unique():
        picks = pd.DataFrame(client.get(f"/jobs/{job_id}/events/{number}").json()["picks"]).set_index("pick_index")
        own = assigned.loc[picks.index]
        np.testing.assert_allclose(picks["posterior"], own["probability"])
        np.testing.assert_allclose(picks["probability"].astype(float), table.loc[picks.index, "probability"])
        assert (picks["phase"] == own["phase"]).all()
        assert (picks["labelled"] == table.loc[picks.index, "phase"]).all()
        relabelled += int((picks["phase"] != picks["labelled"]).sum())
    assert relabelled == (assigned["phase"] != table.loc[assigned.index, "phase"]).sum()


def test_the_overview_says_what_was_learned(finished: tuple[TestClient, str, Path]) -> None:
    client, job_id, _ = finished
    answer = client.get(f"/jobs/{job_id}/catalogue").json()
    learned = answer["report"]["learned"]
    assert learned["sigma_s"]["P"] == pytest.approx(0.1, abs=0.05)  # of the simulation
    assert list(answer["report"]["fates"])[-1] == "used"
    assert answer["report"]["magnitudes"] is None
    assert answer["options"]["method"] == "likelihood"


def test_what_verdicts_rest_on_goes_with_the_whole_catalogue(finished: tuple[TestClient, str, Path]) -> None:
    client, job_id, folder = finished
    for query, there in (("", True), ("?max_false=0.5", False)):
        data = client.get(f"/jobs/{job_id}/catalogue/catalogue.zip{query}").content
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert (f"catalogue/{EVIDENCE}" in archive.namelist()) == there
            if there:
                assert archive.read(f"catalogue/{EVIDENCE}") == (folder / EVIDENCE).read_bytes()


def place(services: Services, prepared: Prepared, events: pd.DataFrame, picks: pd.DataFrame, assigned: Any) -> str:
    """A finished job "made" with this catalogue, at the stations of the small network."""
    folder = Path(services.storage.url) / "processed/made/run-000002"
    write_csv(Catalog(events, pd.DataFrame(assigned)), folder)
    picks.to_csv(folder / PICKS, index=False)
    (folder / STATIONS).write_bytes(prepared.stations.read_bytes())
    (folder / VELOCITY).write_bytes(prepared.velocity.read_bytes())
    (folder / SETTINGS).write_text(json.dumps({"options": {"earth": "flat"}, "region": vars(REGION)}))
    (folder / REPORT).write_text("")
    (folder / REPORT_JSON).write_text("{}")
    services.board.submit("association", "made", {}, "made")
    claim = services.board.claim("test")
    assert claim
    claim.finish({"folder": "processed/made/run-000002"})
    return "made"


@pytest.fixture
def made(services: Services, prepared: Prepared) -> str:
    """Four events: magnitudes and probabilities of being false known of some; the first has an S pick that is a P."""
    events = pd.DataFrame({
        "event_id": [1, 2, 3, 4], "time": pd.date_range("2020-01-01", periods=4, freq="min", tz="UTC"), "latitude": 43.0,
        "longitude": 13.0, "depth_km": 8.0, "n_picks": 1, "magnitude": [0.5, 1.25, np.nan, 2.0], "magnitude_type": ["ML", "ML", "", "ML"],
        "n_magnitude": [1, 3, -1, 7], "evidence": [9.0, 20.0, 30.0, np.nan], "false_probability": [0.2, 0.01, 0.00001, np.nan],
    })  # fmt: skip
    picks = pd.DataFrame({
        "pick_index": [0, 1], "station": "SY.S003", "phase": ["S", "P"], "time": ["2020-01-01T00:00:03Z", "2020-01-01T00:01:03Z"],
        "probability": [0.7, 0.8],
    })  # fmt: skip
    assigned = {
        "pick_index": [0, 1], "event_id": [1, 2], "residual_s": 0.1, "distance_km": 9.0, "azimuth_deg": 10.0, "weight": 1.0,
        "station_magnitude": [0.6, np.nan], "phase": ["P", ""], "probability": [0.9, np.nan],
    }  # fmt: skip
    return place(services, prepared, events, picks, assigned)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("min_magnitude=1.25", [2, 4]),
        ("max_false=0.01", [2, 3]),
        ("max_false=0.5&min_magnitude=-1", [1, 2]),
        ("max_false=0", []),
    ],
)
def test_filters_of_verdicts_and_magnitudes(client: TestClient, made: str, query: str, kept: list[int]) -> None:
    assert client.get(f"/jobs/{made}/events?{query}").json()["columns"]["event_id"] == kept


def test_ranges_are_those_of_what_is_known(client: TestClient, made: str) -> None:
    ranges = client.get(f"/jobs/{made}/events?max_false=0").json()["ranges"]
    assert ranges["magnitude"] == [0.5, 2.0]
    assert ranges["false_probability"] == [0.00001, 0.2]


@pytest.mark.parametrize("query", ["max_false=1.5", "max_false=-0.1", "min_magnitude=large"])
def test_filters_that_cannot_be(client: TestClient, made: str, query: str) -> None:
    assert client.get(f"/jobs/{made}/events?{query}").status_code == 422


def test_an_event_of_known_magnitude(client: TestClient, made: str) -> None:
    first, second = (client.get(f"/jobs/{made}/events/{number}").json() for number in (1, 2))
    assert (first["event"]["magnitude"], first["event"]["magnitude_type"], first["event"]["n_magnitude"]) == (
        0.5,
        "ML",
        1,
    )
    names = ("phase", "labelled", "posterior", "probability", "station_magnitude")
    assert [first["picks"][0][name] for name in names] == ["P", "S", 0.9, 0.7, 0.6]
    assert [second["picks"][0][name] for name in names] == ["P", "P", None, 0.8, None]


def test_catalogues_from_before_there_were_verdicts(client: TestClient, services: Services, made: str) -> None:
    """Files without the newer columns."""
    folder = Path(services.storage.url) / "processed/made/run-000002"
    newer = list(EVENT_COLUMNS)[list(EVENT_COLUMNS).index("magnitude") :]
    old = pd.read_csv(folder / "events.csv").drop(columns=newer)
    old.to_csv(folder / "events.csv", index=False)
    assigned = pd.read_csv(folder / "assignments.csv").drop(columns=["station_magnitude", "phase", "probability"])
    assigned.to_csv(folder / "assignments.csv", index=False)
    answer = client.get(f"/jobs/{made}/events").json()
    assert answer["columns"]["false_probability"] == [None] * 4
    assert answer["ranges"]["false_probability"] is None
    (pick,) = client.get(f"/jobs/{made}/events/1").json()["picks"]
    assert (pick["phase"], pick["posterior"]) == ("S", None)
    assert client.get(f"/jobs/{made}/catalogue/events.csv?max_false=0.1").text.count("\n") == 1


def test_the_example_needs_no_pytorch(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert client.post("/files/demo").status_code == 201
