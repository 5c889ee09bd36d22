"""The API of catalogues: files, association jobs, events with filters, figures, downloads."""

# ruff: noqa: F401, F811 - fixtures that are imported

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from seisloom.catalog import EVENT_COLUMNS, Catalog, read_catalog, read_nonlinloc_obs, write_csv
from seisloom.jobs import AssociationRequest, Limits, Sources, read_request
from seisloom.jobs.association import run
from seisloom.plot.style import render
from seisloom.plot.timeline import timeline
from seisloom.stations import read_sites
from seisloom.web.services import Services
from tests.association_job import REGION_OPTION, Prepared, prepared, trusting_model
from tests.web_support import api_client

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

KINDS = ("picks", "stations", "velocity", "model")
PLACE = ["station", "latitude", "longitude", "elevation_m"]
# What an empty cell of events.csv is: unknown in a column of numbers, else the empty text.
UNKNOWN = {name: [""] for name, kind in EVENT_COLUMNS.items() if kind in ("number", "count")}
OPTIONS = json.dumps({"region": REGION_OPTION[1:]})


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(str(tmp_path / "workspace"), limits=Limits(upload_mb=1.0, picks=20_000))


@pytest.fixture
def client(services: Services) -> TestClient:
    return api_client(services)


def upload(client: TestClient, kind: str, name: str, data: bytes) -> Any:
    return client.post("/files", files={"file": (name, data)}, data={"kind": kind})


def launch(client: TestClient, made: Prepared, **given: Any) -> Any:
    """A job with all its files sent along."""
    files = {kind: (getattr(made, kind).name, getattr(made, kind).read_bytes()) for kind in KINDS}
    changed = {kind: given.pop(kind) for kind in KINDS if kind in given}
    return client.post("/jobs/association", files=files | changed, data={"options": OPTIONS, **given})


def work(services: Services) -> str:
    """Do the job that waits; returns its id."""
    claim = services.board.claim("test")
    assert claim
    asked = read_request(services.storage, claim.job.id)
    assert isinstance(asked, AssociationRequest)
    done = run(services.storage, claim.job.id, asked, claim.number, Sources(), Limits(), 1, 4.0, lambda told: None)
    claim.finish(done)
    return claim.job.id


@pytest.fixture(scope="module")
def finished(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> tuple[TestClient, str, Path]:
    """A client, a finished job, and its folder."""
    services = Services(str(tmp_path_factory.mktemp("api")))
    client = api_client(services)
    assert launch(client, prepared, name="small").status_code == 201
    job_id = work(services)
    folder = Path(services.storage.url) / client.get(f"/jobs/{job_id}").json()["result"]["folder"]
    return client, job_id, folder


def test_a_file_is_read_when_it_comes(client: TestClient, prepared: Prepared) -> None:
    answers = {
        kind: upload(client, kind, getattr(prepared, kind).name, getattr(prepared, kind).read_bytes()) for kind in KINDS
    }
    assert {kind: answer.status_code for kind, answer in answers.items()} == dict.fromkeys(KINDS, 201)
    facts = {kind: answer.json() for kind, answer in answers.items()}
    n_picks = len(prepared.simulation.event)
    assert facts["picks"]["summary"].startswith(f"{n_picks} picks (")
    assert len(facts["stations"]["stations"]) == 14
    assert facts["velocity"]["layers"][0][0] == 0.0
    listed = client.get("/files").json()
    assert {file["name"] for file in listed["files"]} == {"picks.csv", "stations.csv", "velocity.txt", "best.pt"}
    assert client.get("/files/picks.csv").content == prepared.picks.read_bytes()
    assert client.get("/files/picks.csv/facts?kind=picks").json() == facts["picks"]
    assert client.get("/files/picks.csv/facts?kind=velocity").status_code == 422

    assert client.delete("/files/picks.csv").status_code == 204
    assert client.delete("/files/picks.csv").status_code == 404
    assert client.get("/files/picks.csv").status_code == 404


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("picks", b"station,phase,time\nXX.A,P,2020-01-01T00:00:00Z\nXX.A,S,soon\n", "mine.x: 1 pick cannot be read\n  line 3: time 'soon'"),
        ("stations", b"XX A 43 13 100\nXX B 43\n", "mine.x, line 2: 'XX B 43' is not NET STA LAT LON"),
        ("velocity", b"0 5 3\n10 fast 4\n", "mine.x, line 2: 'fast' is not a number"),
        ("model", b"\x80\x04nothing", "mine.x: not a complete PyTorch checkpoint"),
        ("picks", b"\xff\xfe\x00", "mine.x: "),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_line(client: TestClient, kind: str, data: bytes, says: str) -> None:
    answer = upload(client, kind, "mine.x", data)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(says)
    assert client.get("/files").json()["count"] == 0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"), ("..\\x\\a.txt", "a.txt"), (".hidden.txt", "hidden.txt"), ("mine (2)é.txt", "mine _2_.txt"),
        ("x" * 300 + ".txt", "x" * 92 + ".txt"), ("=1+1.txt", "_1+1.txt"),
    ],
)  # fmt: skip
def test_names_stay_in_the_workspace(client: TestClient, services: Services, given: str, kept: str) -> None:
    assert upload(client, "velocity", given, b"0 5 3\n10 6 4\n").json()["name"] == kept
    assert services.storage.keys("files") == [f"files/{kept}"]
    assert client.get(f"/files/{kept}").status_code == 200
    for name in ("..%2Fjobs", "%2e%2e", "a%00b", "a/b"):
        assert client.get(f"/files/{name}").status_code == 404


def test_another_file_of_a_name_gets_a_number(client: TestClient) -> None:
    names = [upload(client, "velocity", "v.txt", b"0 5 3\n10 %d 4\n" % v).json()["name"] for v in (6, 6, 7, 8)]
    assert names == ["v.txt", "v.txt", "v-2.txt", "v-3.txt"]


def test_uploads_have_a_largest_size(client: TestClient) -> None:
    answer = upload(client, "picks", "large.csv", b"x" * 1_100_000)
    assert answer.status_code == 422
    assert "1.1 MB (at most 1)" in answer.json()["detail"]


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_networks_that_are_not_what_they_say_are_refused(client: TestClient, tmp_path: Path) -> None:
    def refused(name: str, content: Any) -> str:
        torch.save(content, tmp_path / name)
        answer = upload(client, "model", name, (tmp_path / name).read_bytes())
        assert answer.status_code == 422
        return str(answer.json()["detail"])

    good = torch.load(trusting_model(tmp_path / "good.pt"), weights_only=True)
    assert "not a complete PyTorch checkpoint" in refused("run.pt", {"model_state_dict": Evil(tmp_path / "ran")})
    assert not (tmp_path / "ran").exists()
    assert "do not bear out" in refused("deep.pt", good | {"config": good["config"] | {"n_fc": 10**9}})
    assert "is needed" in refused("wide.pt", good | {"config": good["config"] | {"hidden_size": 10**6}})
    one = {name: torch.zeros(1).expand(value.shape) for name, value in good["model_state_dict"].items()}
    assert "not stored in full" in refused("one.pt", good | {"model_state_dict": one})

    with zipfile.ZipFile(bomb := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    answer = upload(client, "model", "bomb.pt", bomb.getvalue())
    assert answer.status_code == 422
    assert "unpack to 50,000,000" in answer.json()["detail"]


def test_a_job_of_files_of_the_workspace(client: TestClient, services: Services, prepared: Prepared) -> None:
    for kind in KINDS[:3]:
        upload(client, kind, getattr(prepared, kind).name, getattr(prepared, kind).read_bytes())
    named = {"picks_file": "picks.csv", "stations_file": "stations.csv", "velocity_file": "velocity.txt"}
    answer = client.post("/jobs/association", data={**named, "options": '{"min_picks": 9}', "name": "mine\n"})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/jobs/{answer.json()['id']}"
    asked = read_request(services.storage, answer.json()["id"])
    assert isinstance(asked, AssociationRequest)
    assert asked.picks == ("picks.csv", prepared.picks.read_bytes())
    assert (asked.options.min_picks, asked.name, asked.model) == (9, "mine", None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"options": '{"min_picks": 2, "tea": 1}'}, "options: 2 faults"),
        ({"options": "[]"}, "options: 1 fault"),
        ({"options": '{"region": [43, 42, 12, 13, 0, 20]}'}, "region: latitude runs from 43 to 42"),
        ({"options": '{"region": [42, 43, 12, 80, 0, 20]}'}, "more than 3000 km wide"),
        ({"options": '{"min_picks": 60}'}, "events of 60  picks or more are asked for".replace("  ", " ")),
        ({"picks_file": "picks.csv"}, "picks: give it in one way"),
        ({"stations": ("s.txt", b"AA FAR 10 10 0\n")}, "none of the 773 picks is at a station of the list"),
        ({"picks": ("p.csv", b"station,phase,time\nA,P,1\nA,P,x\n")}, "p.csv: 1 pick cannot be read\n  line 3"),
    ],
)  # fmt: skip
def test_jobs_that_must_fail_are_not_put_on_the_board(
    client: TestClient, prepared: Prepared, given: dict[str, Any], says: str
) -> None:
    answer = launch(client, prepared, **given)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert "/tmp" not in answer.json()["detail"]
    assert client.get("/jobs").json() == []


def test_what_is_missing_is_said(client: TestClient) -> None:
    answer = client.post("/jobs/association", data={"picks_file": "none.csv"})
    assert answer.status_code == 404
    assert answer.json()["detail"] == "the workspace has no file 'none.csv'"
    answer = client.post("/jobs/association")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("picks: missing")
    answer = client.post("/jobs/association", data={"stations_saved": "true"})
    assert "no channels are saved" in answer.json()["detail"]


def test_stations_may_be_those_that_are_saved(
    client: TestClient, services: Services, prepared: Prepared, tmp_path: Path
) -> None:
    sites = pd.read_csv(prepared.stations)
    codes = sites["station"].str.split(".", expand=True)
    rows = [
        {"network": n, "station": s, "channel": "HHZ", "latitude": lat, "longitude": lon, "elevation_m": z}
        for n, s, lat, lon, z in zip(codes[0], codes[1], sites["latitude"], sites["longitude"], sites["elevation_m"], strict=True)
    ]  # fmt: skip
    assert client.post("/saved", json={"source": "demo", "channels": rows}).is_success
    files = {
        kind: (getattr(prepared, kind).name, getattr(prepared, kind).read_bytes())
        for kind in ("picks", "velocity", "model")
    }
    answer = client.post("/jobs/association", files=files, data={"options": OPTIONS, "stations_saved": "true"})
    assert answer.status_code == 201, answer.text
    asked = read_request(services.storage, answer.json()["id"])
    assert isinstance(asked, AssociationRequest)
    (tmp_path / "asked.csv").write_bytes(asked.stations[1])
    pd.testing.assert_frame_equal(read_sites(tmp_path / "asked.csv")[PLACE], read_sites(prepared.stations)[PLACE])


def test_the_demonstration_can_be_launched(client: TestClient) -> None:
    names = client.post("/files/demo").json()
    assert names == {"picks": "demo-picks.csv", "stations": "demo-stations.csv", "velocity": "demo-velocity.txt"}
    data = {f"{kind}_file": name for kind, name in names.items()} | {"options": '{"train_minutes": 0.5}'}
    assert client.post("/jobs/association", data=data).status_code == 201
    assert client.post("/files/demo").json() == names


def table_of(answer: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(answer["columns"])


def test_events_are_those_of_the_file(finished: tuple[TestClient, str, Path]) -> None:
    client, job_id, folder = finished
    answer = client.get(f"/jobs/{job_id}/events").json()
    file = pd.read_csv(folder / "events.csv", keep_default_na=False, na_values=UNKNOWN)
    assert not answer["preliminary"]
    assert answer["count"] == answer["total"] == len(file)
    pd.testing.assert_frame_equal(table_of(answer).fillna(np.nan), file, check_dtype=False)
    assert answer["run"] == folder.name


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("min_depth=5&max_depth=12", lambda e: e["depth_km"].between(5, 12)),
        ("min_picks=16", lambda e: e["n_picks"] >= 16),
        ("quality=AC", lambda e: e["quality"].isin(["A", "C"])),
        ("start=2020-01-01T00:30:00Z&end=2020-01-01T00:50:00", lambda e: e["time"].between("2020-01-01T00:30", "2020-01-01T00:50")),
        ("start=2020-01-01T01:30:00%2B01:00&min_picks=12", lambda e: (e["time"] >= "2020-01-01T00:30") & (e["n_picks"] >= 12)),
        ("box=12.9,42.8,13.1,43.1", lambda e: e["longitude"].between(12.9, 13.1) & e["latitude"].between(42.8, 43.1)),
        ("box=13,-90,-1,90", lambda e: e["longitude"] >= 13.0),
        ("start=9999-12-31", lambda e: e["depth_km"] > 1e9),
        ("end=0001-01-01T00:00:00%2B14:00", lambda e: e["depth_km"] > 1e9),
    ],
)  # fmt: skip
def test_filters_act_on_events_and_downloads_alike(
    finished: tuple[TestClient, str, Path], query: str, kept: Any
) -> None:
    client, job_id, folder = finished
    file = pd.read_csv(folder / "events.csv")
    wanted = file[kept(file)]["event_id"].tolist()
    if "99" not in query and "000" not in query.partition("&")[0][:12]:
        assert 0 < len(wanted) < len(file)
    answer = client.get(f"/jobs/{job_id}/events?{query}").json()
    assert answer["columns"]["event_id"] == wanted
    assert (answer["count"], answer["total"]) == (len(wanted), len(file))
    csv = pd.read_csv(io.StringIO(client.get(f"/jobs/{job_id}/catalogue/events.csv?{query}").text))
    assert csv["event_id"].tolist() == wanted
    quakeml = client.get(f"/jobs/{job_id}/catalogue/catalog.xml?{query}").text
    assert quakeml.count("<event ") == len(wanted)
    with zipfile.ZipFile(io.BytesIO(client.get(f"/jobs/{job_id}/catalogue/catalogue.zip?{query}").content)) as archive:
        held = {name.removeprefix("catalogue/"): archive.read(name) for name in archive.namelist()}
    assert pd.read_csv(io.BytesIO(held["events.csv"]))["event_id"].tolist() == wanted
    picks = pd.read_csv(io.BytesIO(held["picks.csv"]))
    assert len(picks) == len(pd.read_csv(io.BytesIO(held["assignments.csv"]))) == file[kept(file)]["n_picks"].sum()


def test_files_of_other_programs(finished: tuple[TestClient, str, Path], tmp_path: Path) -> None:
    client, job_id, folder = finished
    for name in ("catalog.xml", "observations.obs", "hypoinverse.arc", "assignments.csv", "report.txt"):
        answer = client.get(f"/jobs/{job_id}/catalogue/{name}")
        assert answer.content == (folder / name).read_bytes()
        assert f'filename="{name}"' in answer.headers["content-disposition"]
    (tmp_path / "some.obs").write_bytes(client.get(f"/jobs/{job_id}/catalogue/observations.obs?min_picks=16").content)
    events = pd.read_csv(folder / "events.csv")
    assert set(read_nonlinloc_obs(tmp_path / "some.obs")["event_id"]) == set(
        events[events["n_picks"] >= 16]["event_id"]
    )


def test_an_event_with_its_picks(finished: tuple[TestClient, str, Path]) -> None:
    client, job_id, folder = finished
    events, assigned = pd.read_csv(folder / "events.csv"), pd.read_csv(folder / "assignments.csv")
    table = pd.read_csv(folder / "picks.csv").set_index("pick_index")
    answer = client.get(f"/jobs/{job_id}/events/2").json()
    row = events[events["event_id"] == 2].iloc[0]
    assert {name: answer["event"][name] for name in ("latitude", "depth_km", "quality")} == row[
        ["latitude", "depth_km", "quality"]
    ].to_dict()
    assert (answer["previous"], answer["next"]) == (1, 3)
    own = assigned[assigned["event_id"] == 2].set_index("pick_index")
    picks = pd.DataFrame(answer["picks"]).set_index("pick_index")
    assert set(picks.index) == set(own.index)
    np.testing.assert_allclose(picks["residual_s"], own.loc[picks.index, "residual_s"])
    assert (picks["station"] == table.loc[picks.index, "station"]).all()
    late = (pd.to_datetime(picks["time"]) - pd.to_datetime(picks["predicted"])).dt.total_seconds()
    np.testing.assert_allclose(late, picks["residual_s"], atol=2e-6)
    assert picks["distance_km"].is_monotonic_increasing
    assert client.get(f"/jobs/{job_id}/events/1").json()["previous"] is None
    assert client.get(f"/jobs/{job_id}/events/{len(events) + 1}").status_code == 404


def test_the_ellipse_has_its_half_axes(finished: tuple[TestClient, str, Path]) -> None:
    from seisloom.geo import distance_azimuth

    client, job_id, _ = finished
    answer = client.get(f"/jobs/{job_id}/events/4").json()
    event, (lon, lat) = answer["event"], np.array(answer["ellipse"]).T
    distance, azimuth, _ = distance_azimuth(event["latitude"], event["longitude"], lat, lon)
    assert distance.max() == pytest.approx(event["horizontal_uncertainty_km"], rel=1e-3)
    assert distance.min() == pytest.approx(event["ellipse_minor_km"], rel=1e-2)
    assert azimuth[distance.argmax()] % 180 == pytest.approx(event["ellipse_azimuth_deg"], abs=1.0)


@pytest.mark.parametrize(("form", "starts"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_figures(finished: tuple[TestClient, str, Path], form: str, starts: bytes) -> None:
    client, job_id, folder = finished
    names = {
        "png": ("events/1/section", "catalogue/figures/timeline"),
        "svg": ("catalogue/figures/depth",),
        "pdf": ("catalogue/figures/seismicity",),
    }
    for name in names[form]:
        answer = client.get(f"/jobs/{job_id}/{name}.{form}")
        assert answer.status_code == 200
        assert answer.content.startswith(starts)
    if form == "png":
        assert answer.content == render(timeline(read_catalog(folder).events), ".png")
        filtered = client.get(f"/jobs/{job_id}/catalogue/figures/timeline.png?min_picks=14").content
        assert filtered != answer.content


def test_figures_that_cannot_be_drawn(finished: tuple[TestClient, str, Path]) -> None:
    client, job_id, _ = finished
    answer = client.get(f"/jobs/{job_id}/catalogue/figures/timeline.png?min_picks=1000")
    assert answer.status_code == 422
    assert "no events to draw" in answer.json()["detail"]
    for profile, says in (
        ("95,13,43,13,5", "latitudes within"),
        ("43,13,43,13,5", "the same place"),
        ("1,2", "pattern"),
    ):
        answer = client.get(f"/jobs/{job_id}/catalogue/figures/depth.png?profile={profile}")
        assert answer.status_code == 422
        assert says in answer.json()["detail"]


def test_the_overview(finished: tuple[TestClient, str, Path]) -> None:
    client, job_id, folder = finished
    answer = client.get(f"/jobs/{job_id}/catalogue").json()
    assert answer["report"] == json.loads((folder / "report.json").read_text())
    assert answer["text"] == (folder / "report.txt").read_text()
    assert len(answer["stations"]) == 14
    assert answer["region"]["lat_min"] == REGION_OPTION[1]
    assert answer["options"]["min_picks"] == 8


def test_before_there_is_a_catalogue(client: TestClient, services: Services, prepared: Prepared) -> None:
    job_id = launch(client, prepared).json()["id"]
    nothing = client.get(f"/jobs/{job_id}/events").json()
    assert (nothing["preliminary"], nothing["total"], nothing["columns"]["event_id"]) == (True, 0, [])
    assert len(client.get(f"/jobs/{job_id}/catalogue").json()["stations"]) == 14

    claim = services.board.claim("test")
    assert claim
    early = pd.read_csv(prepared.stations).head(3).assign(event_id=[1, 2, 3], time="2020-01-01T00:00:00Z", depth_km=5.0)
    early["time"] = pd.to_datetime(early["time"])
    from seisloom.catalog.csv_files import events_csv

    made = Catalog(early, pd.DataFrame(columns=["pick_index", "event_id"]))
    services.storage.put(f"processed/{job_id}/run-{claim.number:06d}/preliminary.csv", events_csv(made.events).encode())
    some = client.get(f"/jobs/{job_id}/events").json()
    assert (some["preliminary"], some["total"]) == (True, 3)
    assert client.get(f"/jobs/{job_id}/events/2").json()["picks"] == []
    assert client.get(f"/jobs/{job_id}/events/2/section.png").status_code == 404
    assert client.get(f"/jobs/{job_id}/catalogue/catalog.xml").status_code == 404
    assert client.get(f"/jobs/{job_id}/catalogue/events.csv").text.count("\n") == 4
    assert client.get(f"/jobs/{job_id}/catalogue/figures/seismicity.png").status_code == 200


def test_jobs_of_another_kind_have_no_catalogue(client: TestClient, services: Services) -> None:
    services.board.submit("correlation", "noise", {}, "noise")
    for path in ("events", "catalogue", "events/1", "catalogue/events.csv"):
        assert client.get(f"/jobs/noise/{path}").status_code == 404


def test_thirty_thousand_events_come_quickly(client: TestClient, services: Services, tmp_path: Path) -> None:
    import time

    n = 30_000
    rng = np.random.default_rng(1)
    events = pd.DataFrame({
        "event_id": np.arange(1, n + 1), "time": pd.date_range("2020-01-01", periods=n, freq="min", tz="UTC"),
        "latitude": rng.normal(43, 0.1, n), "longitude": rng.normal(13, 0.1, n), "depth_km": rng.uniform(0, 20, n),
        "n_picks": rng.integers(8, 40, n), "quality": rng.choice(list("ABCD"), n),
    })  # fmt: skip
    assignments = pd.DataFrame({"pick_index": np.arange(2 * n), "event_id": np.repeat(np.arange(1, n + 1), 2)})
    services.board.submit("association", "large", {}, "large")
    claim = services.board.claim("test")
    assert claim
    write_csv(Catalog(events, assignments), Path(services.storage.url) / "processed/large/run-000002")
    claim.finish({"folder": "processed/large/run-000002"})
    first = client.get("/jobs/large/events").json()
    assert first["columns"]["rms_s"] == [None] * n
    began = time.process_time()
    again = client.get("/jobs/large/events?min_picks=20").content
    assert time.process_time() - began < 2.0  # takes 0.06 s
    assert json.loads(again)["count"] == int((events["n_picks"] >= 20).sum())
