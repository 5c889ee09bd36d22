"""Jobs through the API: put on the board, followed, changed; their files."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.jobs import Board, CorrelationRequest, Limits, Sources, read_request, submit
from seisloom.jobs.discretion import discreet
from seisloom.noise.report import DayReport, Problem
from seisloom.storage import Storage
from seisloom.web.api.files import zip_stream
from seisloom.web.services import Services
from tests.job_workers import SOURCES, drain, tiny_request
from tests.object_stores import NewWorkspace
from tests.web_support import TestClient, api_client

CHANNELS = [
    {"network": "XX", "station": station, "location": "", "channel": "BHZ", "latitude": 42.0, "longitude": 13.0}
    for station in ("ABC", "DEF", "GHI")
]
WANTED = {"channels": CHANNELS, "source": "demo", "start": "2024-03-01", "end": "2024-03-03"}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    sources = Sources({"own": f"sds:{tmp_path}/archive", **SOURCES.archives}, None)
    return Services(str(tmp_path / "workspace"), sources, Limits(channels=10, pairs=20, days=30))


@pytest.fixture
def client(services: Services) -> TestClient:
    return api_client(services)


def launch(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post("/jobs/correlation", json=WANTED | changes)
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def refused(client: TestClient, **changes: Any) -> dict[str, Any]:
    wanted = {name: value for name, value in (WANTED | changes).items() if value is not None}
    answer = client.post("/jobs/correlation", json=wanted)
    assert answer.status_code == 422, answer.text
    assert client.get("/jobs").json() == []
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
def running(services: Services) -> str:
    """A correlation that a worker has, with two days done, one of them incomplete."""
    board = services.board
    job_id = submit(board, tiny_request())
    claim = board.claim("worker-1")
    assert claim
    claim.beat({"stage": "correlation", "day": "2024-03-03", "days_done": 2, "days": 3})
    failed = [Problem("XX.ABC..BHZ", f"cannot read {services.storage.url}/x.mseed", unused=True, failed=True)]
    noted = [Problem("XX.DEF..BHZ", "=HYPERLINK(1)"), Problem("XX.GHI..BHZ", "gaps")]
    for folder, report in (
        ("done", DayReport("2024-03-01", 3, 30, 3, 1.5, noted)),
        ("incomplete", DayReport("2024-03-02", 1, 10, 2, 0.5, failed)),
    ):
        services.storage.put(f"processed/{job_id}/{folder}/{report.day}.json", json.dumps(report.to_json()).encode())
    return job_id


def test_a_launched_job_is_what_was_asked(client: TestClient, services: Services) -> None:
    answer = client.post(
        "/jobs/correlation", json=WANTED | {"name": " Three\tdays ", "settings": {"fs": 4, "freqmax": 1}}
    )
    job = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/jobs/{job['id']}")
    assert (job["state"], job["kind"], job["name"], job["position"]) == ("waiting", "correlation", "Three days", 1)
    assert client.get(f"/jobs/{job['id']}").json() == job
    request = read_request(services.storage, job["id"])
    assert isinstance(request, CorrelationRequest)
    assert (request.source, request.start, request.end) == ("demo", "2024-03-01", "2024-03-03")
    assert (request.settings.fs, request.settings.maxlag) == (4, 200)
    assert list(request.channels["station"]) == ["ABC", "DEF", "GHI"]


def test_a_job_runs_as_the_command_line_would(client: TestClient, services: Services) -> None:
    tiny = tiny_request()
    settings = tiny.settings.model_dump(exclude_defaults=True)
    files = tiny.files()
    asked = {"stations_csv": files["stations.csv"].decode(), "source": "tiny", "channels": None, "settings": settings}
    job = client.post("/jobs/correlation", json={k: v for k, v in (WANTED | asked).items() if v}).json()
    drain(services.workspace, services.sources)
    done = client.get(f"/jobs/{job['id']}").json()
    assert (done["state"], done["result"]["days"]) == ("done", 3)
    progress = client.get(f"/jobs/{job['id']}/progress").json()
    assert [day["day"] for day in progress["reports"]] == ["2024-03-01", "2024-03-02", "2024-03-03"]
    assert all(day["complete"] and day["pairs"] == 6 for day in progress["reports"])
    names = [file["path"] for file in client.get(f"/jobs/{job['id']}/files").json()["files"]]
    assert {"incoming/stations.csv", "stations.csv", "params.csv", "summary.json", "log.txt"} <= set(names)


def test_saved_channels_with_their_source(client: TestClient) -> None:
    assert "no channels are saved" in refused(client, channels=None, saved=True)["detail"]
    client.post("/saved", json={"source": "demo", "channels": CHANNELS}).raise_for_status()
    answer = client.post("/jobs/correlation", json={"saved": True, "start": "2024-03-01"})
    assert answer.status_code == 201
    card = client.get(f"/jobs/{answer.json()['id']}/files/incoming/job.json").json()
    assert (card["source"], card["start"], card["end"]) == ("demo", "2024-03-01", "2024-03-01")


def test_days_of_dated_channels(client: TestClient) -> None:
    dated = [row | {"start": "2024-03-01", "end": "2024-03-05T00:00:00"} for row in CHANNELS]
    answer = client.post("/jobs/correlation", json={"channels": dated, "source": "demo"})
    assert answer.status_code == 201
    assert client.get(f"/jobs/{answer.json()['id']}/files/incoming/job.json").json()["end"] == "2024-03-05"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"fs": 1, "freqmax": 5}}, "freqmax 5 Hz is above the Nyquist frequency 0.5 Hz"),
        ({"settings": {"freqmn": 1}}, "did you mean 'freqmin'"),
        ({"settings": {"fs": "fast"}}, "fs is 'fast'"),
        ({"settings": []}, "settings"),
        ({"source": "sds:/etc"}, "source 'sds:/etc' is not allowed here"),
        ({"source": "fdsn:http://127.0.0.1:9090/"}, "not a public address"),
        ({"source": None}, "no source is named"),
        ({"channels": CHANNELS[:1]}, "no pairs left of 1 channels"),
        ({"channels": []}, "channels: list should have at least 1 item"),
        ({"channels": [{"network": "XX"}]}, "channels.0.station: field required"),
        ({"channels": [CHANNELS[0] | {"latitude": 91}]}, "latitudes are within"),
        ({"channels": [CHANNELS[0] | {"station": "../x"}]}, "1 to 8 letters, digits"),
        ({"channels": [CHANNELS[0] | {"station": f"S{i}"} for i in range(11)]}, "11 channels (at most 10)"),
        ({"channels": [CHANNELS[0] | {"station": f"S{i}"} for i in range(7)]}, "21 pairs (at most 20)"),
        ({"end": "2024-03-31"}, "31 days (at most 30)"),
        ({"end": "2024-02-29"}, "is before the first"),
        ({"start": "yesterday"}, "start"),
        ({"start": "9999-12-31", "end": None}, "9999"),
        ({"start": None}, "end needs a start"),
        ({"start": None, "end": None}, "give the days"),
        ({"saved": True}, "in one way"),
        ({"channels": None}, "in one way"),
        ({"channels": None, "stations_csv": "a,b\n1,2\n"}, "no column"),
        ({"channels": None, "stations_csv": "<x/>"}, "not readable as StationXML"),
        ({"name": "x" * 201}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_words(client: TestClient, changes: dict[str, Any], words: str) -> None:
    assert words in refused(client, **changes)["detail"]


def test_faults_of_settings_come_one_by_one(client: TestClient) -> None:
    faults = refused(client, settings={"fs": 1, "freqmax": 5, "maxlag": 9000})["faults"]
    assert len(faults) == 2
    assert faults[0].startswith("freqmax 5 Hz")
    assert faults[1].startswith("maxlag 9000 s")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"name": NaN}', b'{"name": "\\ud800"}', b"\xff\xfe", b"[" * 20_000]
)
def test_bodies_that_are_none(client: TestClient, body: bytes) -> None:
    answer = client.post("/jobs/correlation", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


def test_the_list_tells_the_queue(client: TestClient, services: Services) -> None:
    first, second, third = (launch(client, name=name)["id"] for name in ("a", "b", "c"))
    client.post(f"/jobs/{second}/cancel").raise_for_status()
    jobs = client.get("/jobs").json()
    assert [(job["id"], job["state"], job["position"]) for job in jobs] == [
        (third, "waiting", 2), (second, "cancelled", None), (first, "waiting", 1),
    ]  # fmt: skip
    claim = services.board.claim("worker-1")
    assert claim
    assert claim.job.id == first
    assert [job["id"] for job in client.get("/jobs", params={"state": "running"}).json()] == [first]
    assert client.get(f"/jobs/{third}").json()["position"] == 1
    assert client.get("/jobs", params={"kind": "association"}).json() == []
    assert client.get("/jobs", params={"state": "deleted"}).json() == []
    assert client.get("/jobs", params={"state": "sleeping"}).status_code == 422


def test_an_unchanged_list_is_not_told_again(client: TestClient, services: Services) -> None:
    job = launch(client)["id"]
    tag = client.get("/jobs").headers["etag"]
    same = client.get("/jobs", headers={"If-None-Match": f"W/{tag}"})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    tags = {tag}
    claim = services.board.claim("worker-1")
    assert claim
    for change in (lambda: claim.finish({}), lambda: client.post(f"/jobs/{job}/retry"), lambda: launch(client)):
        change()
        answer = client.get("/jobs", headers={"If-None-Match": ", ".join(tags)})
        assert answer.status_code == 200
        tags.add(answer.headers["etag"])
    assert len(tags) == 4


def test_cancel_retry_delete(client: TestClient) -> None:
    where = f"/jobs/{launch(client)['id']}"
    assert client.post(f"{where}/retry").status_code == 409
    assert client.post(f"{where}/cancel").json()["state"] == "cancelled"
    assert client.post(f"{where}/cancel").status_code == 409
    assert client.post(f"{where}/retry").json()["state"] == "waiting"
    assert client.delete(where).status_code == 204
    for answer in (
        client.get(where),
        client.delete(where),
        client.post(f"{where}/retry"),
        client.get(f"{where}/files"),
    ):
        assert answer.status_code == 404
    assert client.get("/jobs").json() == []


def test_workers_of_the_server_are_told_of_jobs(client: TestClient, services: Services) -> None:
    told: list[str] = []
    services.wake = lambda: told.append("job")
    where = f"/jobs/{launch(client)['id']}"
    client.post(f"{where}/cancel")
    assert told == ["job"]
    client.post(f"{where}/retry")
    assert told == ["job", "job"]


def test_progress_of_a_running_job(client: TestClient, running: str) -> None:
    progress = client.get(f"/jobs/{running}/progress").json()
    assert {name: progress[name] for name in ("state", "stage", "day", "days_done", "days")} == {
        "state": "running", "stage": "correlation", "day": "2024-03-03", "days_done": 2, "days": 3,
    }  # fmt: skip
    assert (progress["days_reported"], progress["problems_reported"]) == (2, 3)
    assert progress["reports"] == [
        {"day": "2024-03-01", "complete": True, "pairs": 3, "windows": 30, "channels": 3, "seconds": 1.5, "problems": 2},
        {"day": "2024-03-02", "complete": False, "pairs": 1, "windows": 10, "channels": 2, "seconds": 0.5, "problems": 1},
    ]  # fmt: skip
    newest = client.get(f"/jobs/{running}/progress", params={"days": 1}).json()
    assert [day["day"] for day in newest["reports"]] == ["2024-03-02"]
    assert newest["days_reported"] == 2


def test_a_day_that_is_done_after_all(client: TestClient, services: Services, running: str) -> None:
    assert client.get(f"/jobs/{running}/problems").json()["count"] == 3
    report = DayReport("2024-03-02", 3, 30, 3, 1.0, [])
    services.storage.put(f"processed/{running}/done/2024-03-02.json", json.dumps(report.to_json()).encode())
    services.storage.delete([f"processed/{running}/incomplete/2024-03-02.json"])
    assert client.get(f"/jobs/{running}/problems").json()["count"] == 2
    assert [day["complete"] for day in client.get(f"/jobs/{running}/progress").json()["reports"]] == [True, True]


def test_problems_by_day(client: TestClient, running: str) -> None:
    body = client.get(f"/jobs/{running}/problems").json()
    told = [(p["day"], p["channel"], p["message"], p["unused"], p["failed"]) for p in body["problems"]]
    assert told == [
        ("2024-03-01", "XX.DEF..BHZ", "=HYPERLINK(1)", False, False),
        ("2024-03-01", "XX.GHI..BHZ", "gaps", False, False),
        ("2024-03-02", "XX.ABC..BHZ", "cannot read the workspace/x.mseed", True, True),
    ]
    newest = client.get(f"/jobs/{running}/problems", params={"limit": 1}).json()
    assert (newest["count"], [p["day"] for p in newest["problems"]]) == (3, ["2024-03-02"])


def test_problems_as_csv_hold_no_formulas(client: TestClient, running: str) -> None:
    answer = client.get(f"/jobs/{running}/problems.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert header == ["day", "channel", "message", "unused", "failed"]
    assert [row[2] for row in rows] == ["'=HYPERLINK(1)", "gaps", "cannot read the workspace/x.mseed"]


def test_the_log_tells_what_happened(client: TestClient, services: Services, running: str) -> None:
    services.storage.put(f"processed/{running}/log.txt", f"one\nin {services.storage.url}/x\n".encode())
    body = client.get(f"/jobs/{running}/log").json()
    assert [(entry["event"], entry["by"]) for entry in body["log"]] == [("submitted", ""), ("claimed", "worker-1")]
    assert body["text"] == "one\nin the workspace/x"
    assert client.get(f"/jobs/{running}/log", params={"lines": 0}).json()["text"] == ""


def test_one_file(client: TestClient, services: Services, running: str) -> None:
    content = bytes(range(256)) * 20_000
    services.storage.put(f"processed/{running}/run/é = 1%.npz", content)
    listed = client.get(f"/jobs/{running}/files", params={"below": "run/"}).json()
    assert (listed["count"], listed["size"], listed["files"][0]["path"]) == (1, len(content), "run/é = 1%.npz")
    answer = client.get(f"/jobs/{running}/files/run/%C3%A9%20%3D%201%25.npz")
    assert answer.content == content
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "UTF-8''%C3%A9%20%3D%201%25.npz" in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", "text/csv"), ("a.json", "application/json"), ("a.html", "application/octet-stream"), ("a.svg", "application/octet-stream"),
     ("a.png", "image/png"), ("a.obs", "text/plain"), ("zarr", "application/octet-stream")],
)  # fmt: skip
def test_files_have_types_that_run_nothing(
    client: TestClient, services: Services, running: str, name: str, kind: str
) -> None:
    services.storage.put(f"processed/{running}/{name}", b"x")
    assert client.get(f"/jobs/{running}/files/{name}").headers["content-type"].partition(";")[0] == kind


@pytest.mark.parametrize(
    "path",
    ["..%2Fsecret.txt", "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt", "run/../../secret.txt", "/secret.txt", "//secret.txt",
     "%2Fetc%2Fpasswd", "..%5Csecret.txt", "..%252Fsecret.txt", "incoming/../../secret.txt", "incoming/..%2F..%2Fsecret.txt", "%2E", "%2e%2e",
     "run", "run/", "a%00b", "a%0Ab", "%FF", "incoming", "", "link/secret.txt"],
)  # fmt: skip
def test_no_path_leaves_the_job(
    client: TestClient, services: Services, running: str, tmp_path: Path, path: str
) -> None:
    other = submit(services.board, tiny_request())
    services.storage.put(f"processed/{running}/run/file", b"x")
    for key in ("secret.txt", "processed/secret.txt", f"processed/{other}/secret.txt", "incoming/secret.txt"):
        services.storage.put(key, b"SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    answer = client.get(f"/jobs/{running}/files/{path}")
    assert answer.status_code == 404, answer.text
    assert "SECRET" not in answer.text
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize("job_id", ["%2e%2e", "a%2Fb", "x" * 101, "-x", "é", "a..b", "unknown", "%00"])
def test_ids_that_are_none(client: TestClient, running: str, job_id: str) -> None:
    for path in ("", "/progress", "/problems", "/problems.csv", "/log", "/files", "/files/log.txt", "/archive"):
        assert client.get(f"/jobs/{job_id}{path}").status_code in (404, 405, 422), path
    assert client.delete(f"/jobs/{job_id}").status_code in (404, 405, 422)
    assert client.get(f"/jobs/{running}").status_code == 200


def test_the_whole_folder_as_one_archive(client: TestClient, services: Services, tmp_path: Path) -> None:
    job = submit(services.board, tiny_request(name="My: job/é"))
    files = {f"correlations.zarr/ccf/c/{i}/0/0": bytes([i]) * (3_000_000 if i == 1 else i) for i in range(5)}
    for name, content in files.items():
        services.storage.put(f"processed/{job}/{name}", content)
    answer = client.get(f"/jobs/{job}/archive")
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="My-job.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        held = {name.removeprefix("My-job/"): archive.read(name) for name in archive.namelist()}
    asked = {f"incoming/{name}": content for name, content in tiny_request(name="My: job/é").files().items()}
    assert held == files | asked


def test_files_and_archive_of_every_kind_of_store(object_store: NewWorkspace) -> None:
    services = Services(object_store())
    client = api_client(services)
    job = submit(services.board, tiny_request())
    content = bytes(range(256)) * 20_000
    for name in ("summary.json", "correlations.zarr/ccf/c/0/0/0", "run/é = 1%.npz"):
        services.storage.put(f"processed/{job}/{name}", content)
    services.storage.put(f"processed/{job}x/secret", b"SECRET")
    listed = client.get(f"/jobs/{job}/files").json()
    assert listed["count"] == 6
    for file in listed["files"]:
        answer = client.get(f"/jobs/{job}/files/{quote(file['path'])}")
        assert len(answer.content) == file["size"], file
    with zipfile.ZipFile(io.BytesIO(client.get(f"/jobs/{job}/archive").content)) as archive:
        assert archive.testzip() is None
        assert archive.read("correlation/run/é = 1%.npz") == content
        assert len(archive.namelist()) == 6
    for path in ("%2e%2e/secret", "..%2F..%2Fjobs", "run", "nothing", f"..%2F{job}x%2Fsecret", "%2e%2e%2f"):
        assert client.get(f"/jobs/{job}/files/{path}").status_code == 404, path
    client.delete(f"/jobs/{job}").raise_for_status()
    assert client.get(f"/jobs/{job}/files").status_code == 404


def test_the_archive_is_made_piece_by_piece(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.put("a", bytes(20_000_000))
    pieces = zip_stream(storage, [("gone", "gone"), ("a", "a")])
    sizes = [len(piece) for piece in pieces]
    assert sum(sizes) > 20_000_000
    assert max(sizes) < 8_000_000


def test_archives_beyond_4_gb_are_of_zip64(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.put("a", b"abc")
    data = b"".join(zip_stream(storage, [("a", "a")]))
    # The local header: version 4.5 needed, sizes in the field of 64 bits, and behind the data.
    assert data[4:6] == (45).to_bytes(2, "little")
    assert data[26 + 2 + 2 + 1 :][:2] == (1).to_bytes(2, "little")
    assert data[6] & 8


def test_messages_of_workers_tell_no_paths(client: TestClient, services: Services) -> None:
    launch(client)
    claim = services.board.claim("worker-1")
    assert claim
    claim.fail(f"{services.storage.url}/processed: gone; {services.sources.archives['own']}: also; /usr/lib/x.py: too")
    message = client.get("/jobs").json()[0]["message"]
    assert message == "the workspace/processed: gone; own: also; .../x.py: too"


@given(st.text(max_size=30))
def test_texts_without_paths_stay(text: str) -> None:
    told = discreet("/nowhere/at/all", Sources())
    if "/" not in text:
        assert told(text) == text
    assert told(f"{text} /nowhere/at/all/x") == told(f"{text} ") + "the workspace/x"


def test_damage_and_failing_stores_are_told_without_paths(
    client: TestClient, services: Services, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.storage.put(f"processed/{running}/done/2024-03-09.json", b"{damaged")
    answer = client.get(f"/jobs/{running}/progress")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith(f"the workspace/processed/{running}/done/2024-03-09.json: damaged")
    services.storage.delete([f"processed/{running}/done/2024-03-09.json"])

    def broken(self: Board) -> list[Any]:
        raise RuntimeError(f"secret of {services.storage.url}")

    monkeypatch.setattr(Board, "jobs", broken)
    answer = client.get("/jobs")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "in the log as error" in answer.json()["detail"]


def test_what_is_not_there_is_told_as_json(client: TestClient) -> None:
    assert client.get("/nothing").json() == {"detail": "there is nothing at /api/nothing", "faults": []}
    answer = client.put("/jobs")
    assert (answer.status_code, answer.json()["detail"]) == (405, "PUT is not possible here")
    assert answer.headers["allow"]


def test_the_description_is_served_without_other_hosts(client: TestClient) -> None:
    spec = client.get("/openapi.json").json()
    assert spec["servers"] == [{"url": "/api"}]
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description") or operation.get("summary"), f"{method} {path}"
            assert operation["tags"], f"{method} {path}"
            assert "default" in operation["responses"], f"{method} {path}"
    page = client.get("/docs").text
    assert "http" not in page.replace("http-equiv", "")
    for name in ("docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"):
        assert name in page
        assert client.get(f"/{name}").status_code == 200
    assert client.get("/docs/index.html").status_code == 404
    assert client.get("/docs/..%2F__init__.py").status_code == 404
