"""The app for tests: as a process of its own, and its API without a network; what several tests of pages do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
from fastapi import FastAPI

from seisloom.web.api import make_api
from seisloom.web.services import Services
from seisloom.web.session import SessionMiddleware
from tests.browser import expect
from tests.job_workers import PATIENCE_S, children_of, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a successor of httpx
    from fastapi.testclient import TestClient


@dataclass
class Serving:
    """A server that runs: its address (no slash at the end), its process, and what it has printed so far."""

    url: str
    process: subprocess.Popen[str]
    printed: list[str]

    def client(self, path: str = "") -> httpx.Client:
        """A client for what is below a path of the server, as patient as tests are."""
        return httpx.Client(base_url=f"{self.url}{path}", timeout=PATIENCE_S)


@contextmanager
def serving(workspace: str | Path, *options: str, env: dict[str, str] | None = None) -> Iterator[Serving]:
    """``seisloom serve WORKSPACE --port 0 OPTIONS`` until the end of the block."""
    command = [sys.executable, "-m", "seisloom", "serve", str(workspace), "--port", "0", *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        start_new_session=True,
    )
    printed: list[str] = []
    found, address = threading.Event(), []

    def read() -> None:
        for line in process.stdout or ():
            printed.append(line.rstrip("\n"))
            if not address and "http://" in line:
                address.append("http://" + line.partition("http://")[2].split()[0].rstrip("/"))
                found.set()
        found.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        found.wait(PATIENCE_S)
        assert address, f"the server did not start: {printed}"
        yield Serving(address[0], process, printed)
    finally:
        _end(process)
        reader.join(5.0)


def worker_of(server: Serving) -> int:
    """The process id of the worker of a server."""

    def workers() -> list[int]:
        found = []
        for pid in children_of(server.process.pid):
            with suppress(OSError):  # it has just ended
                found += [pid] * (b"\0work\0" in Path(f"/proc/{pid}/cmdline").read_bytes())
        return found

    (worker,) = until(workers, "a worker")
    return int(worker)


def _end(process: subprocess.Popen[str]) -> None:
    """Ask the server to end, and make sure that nothing of its group stays."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10.0)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10.0)


def api_client(services: Services) -> TestClient:
    """The API of some services as one browser sees it: ``client.get("/jobs")``; cookies are kept."""
    app = FastAPI()
    app.mount("/api", make_api(services))
    app.add_middleware(SessionMiddleware)
    return TestClient(app, base_url="http://testserver/api", raise_server_exceptions=False)


def map_at_rest(page: Page) -> None:
    """Wait until the map moves no more, neither in itself nor with the page."""
    page.evaluate("() => { window.lastView = null; }")
    page.wait_for_function(
        """() => {
            const element = document.querySelector('.sl-map.leaflet-container');
            const map = element && getElement(Number(element.id.slice(1))).map;
            if (!map) return false;
            const [now, before] = [JSON.stringify([map.getCenter(), map.getZoom(), element.getBoundingClientRect()]), window.lastView];
            window.lastView = now;
            return now === before && !map._animatingZoom && !map._panAnim?._inProgress;
        }""",
        polling=200,
    )


def checked(page: Page, name: str) -> None:
    """Wait until the page XCor has checked all that was filled in up to the name of the job, the last of it.

    While it checks, the button that launches is disabled; only then does it say something about what was filled in.
    """
    page.wait_for_function(
        "(name) => JSON.parse(localStorage.getItem('seisloom-xcor') ?? '{}').job?.name === name", arg=name
    )
    expect(page.get_by_role("button", name="Save and Launch")).to_be_enabled()


def launch_correlation(page: Page, name: str) -> str:
    """Give the job of the page XCor its name, after all else is filled in, and launch it; its id."""
    page.get_by_label("Name", exact=True).fill(name)
    checked(page, name)
    page.get_by_role("button", name="Save and Launch").click()
    expect(page.get_by_role("region", name=f"Job {name}")).to_be_visible()
    return job_of_address(page)


def job_of_address(page: Page) -> str:
    """The job in the address of the page, once there is one."""
    page.wait_for_url(re.compile("[?&]job=."))
    return parse_qs(urlsplit(page.url).query)["job"][0]
