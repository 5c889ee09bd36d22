"""``seisloom serve`` as a process: its address, its workers, its end."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from seisloom.errors import InputError
from seisloom.web.serve import address, listen, needed_token
from tests.association_job import seisloom
from tests.job_workers import PATIENCE_S, SPEC, alive, children_of, tiny_request, until
from tests.web_support import serving, worker_of

TINY = ("--archive", f"tiny={SPEC}", "--source", "tiny", "--threads", "1", "--stale", "600")


def launch(url: str, days: int) -> str:
    tiny = tiny_request(days)
    wanted = {
        "stations_csv": tiny.files()["stations.csv"].decode(),
        "settings": tiny.settings.model_dump(exclude_defaults=True),
        "start": tiny.start,
        "end": tiny.end,
    }
    answer = httpx.post(f"{url}/api/jobs/correlation", json=wanted, timeout=PATIENCE_S)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def ask(url: str, path: str) -> Any:
    return httpx.get(f"{url}/api{path}", timeout=PATIENCE_S).json()


def test_a_job_outlives_worker_and_server(tmp_path: Path) -> None:
    days = 40
    with serving(tmp_path / "workspace", *TINY) as server:
        job = launch(server.url, days)
        until(lambda: ask(server.url, f"/jobs/{job}/progress")["days_reported"] >= 2, "two days")
        worker = worker_of(server)
        os.kill(worker, signal.SIGKILL)
        # Long before the worker would be taken for dead (--stale 600) another has its job.
        until(lambda: ask(server.url, f"/jobs/{job}")["attempts"] == 2, "the second attempt")
        until(lambda: any("another is started" in line for line in server.printed), "word of it")
        again = worker_of(server)
        children = children_of(again)
        server.process.kill()
        until(lambda: not alive(again) and not any(map(alive, children)), "the end of the worker")
    with serving(tmp_path / "workspace", *TINY) as server:
        until(lambda: ask(server.url, f"/jobs/{job}")["state"] == "done", "the job")
        progress = ask(server.url, f"/jobs/{job}/progress?days=4000")
        assert len({day["day"] for day in progress["reports"]}) == progress["days_reported"] == days
        log = ask(server.url, f"/jobs/{job}/log")["log"]
        assert [entry["event"] for entry in log].count("finished") == 1


def test_it_ends_at_once_when_asked(tmp_path: Path) -> None:
    with serving(tmp_path / "workspace", *TINY) as server:
        job = launch(server.url, 400)
        until(lambda: ask(server.url, f"/jobs/{job}")["state"] == "running", "a start")
        worker = worker_of(server)
        with (
            server.client() as api,
            api.stream("GET", f"/api/jobs/{job}/archive"),
            socket.create_connection(server.url.removeprefix("http://").split(":")),
        ):
            # Nobody who still listens, as these two would for ever, keeps it from ending.
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(PATIENCE_S) == 0
        assert not alive(worker)
    with serving(tmp_path / "workspace", *TINY, "--no-worker") as server:
        told = ask(server.url, f"/jobs/{job}")
        assert (told["state"], told["position"]) == ("waiting", 1)  # given back, not left to be taken over
        until(lambda: any("no worker" in line for line in server.printed), "word of it")


def test_several_workers(tmp_path: Path) -> None:
    with serving(tmp_path / "workspace", *TINY, "--workers", "2") as server:
        jobs = [launch(server.url, 400) for _ in range(2)]  # longer than the second worker takes to start
        until(lambda: all(ask(server.url, f"/jobs/{job}")["state"] == "running" for job in jobs), "both")
        assert len({ask(server.url, f"/jobs/{job}")["worker"] for job in jobs}) == 2


def test_other_addresses_need_a_token(tmp_path: Path) -> None:
    with serving(tmp_path / "workspace", "--host", "0.0.0.0", "--no-worker") as server, server.client() as client:
        token = until(lambda: next((x.split()[-1] for x in server.printed if "access token" in x), None), "a token")
        assert len(token) >= 32
        assert client.get("/api/jobs").status_code == 401
        assert client.get("/api/jobs", headers={"authorization": f"Bearer {token}"}).json() == []
        assert client.get("/", headers={"accept": "text/html"}).headers["location"] == "/login?next=%2F"
        assert client.get("/static/login.css").status_code == 200


def test_a_token_of_the_environment(tmp_path: Path) -> None:
    own = {"SEISLOOM_TOKEN": "mine"}
    with serving(tmp_path / "workspace", "--no-worker", env=own) as server, server.client() as client:
        assert client.get("/api/jobs").status_code == 401
        assert client.get("/api/jobs", headers={"authorization": "Bearer mine"}).status_code == 200


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = seisloom("serve", tmp_path / "workspace", "--port", port)
    assert ended.code == 1
    assert ended.err.startswith(f"seisloom: 127.0.0.1, port {port}, cannot be listened on (Address already in use)")
    assert "--port" in ended.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "no.such.host.invalid"], "cannot be listened on"),
        (["--host", "192.0.2.1"], "cannot be listened on"),
        (["--token", " "], "the access token is empty"),
        (["--archive", "x"], "NAME=SPEC"),
        (["--source", "ftp:x"], "ftp"),
    ],
)
def test_what_cannot_be_served_is_said(tmp_path: Path, options: list[str], words: str) -> None:
    ended = seisloom("serve", tmp_path / "workspace", "--port", 0, *options)
    assert ended.code == 1
    assert words in ended.err


@pytest.mark.parametrize(
    ("host", "shown", "needed"),
    [("127.0.0.1", "127.0.0.1", False), ("localhost", "localhost", False), ("0.0.0.0", "127.0.0.1", True)],
)
def test_where_it_is_and_whether_a_token_is_needed(host: str, shown: str, needed: bool) -> None:
    with listen(host, 0) as bound:
        assert address(host, bound) == f"http://{shown}:{bound.getsockname()[1]}"
        assert (needed_token(bound, None) is not None) == needed
        assert needed_token(bound, "mine") == "mine"
        with pytest.raises(InputError, match="empty"):
            needed_token(bound, "")
