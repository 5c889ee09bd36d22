"""The app for tests: as a process of its own, and its API without a network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from seisloom.web.api import make_api
from seisloom.web.services import Services
from seisloom.web.session import SessionMiddleware

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a successor of httpx
    from fastapi.testclient import TestClient

START_S = 60.0


@dataclass
class Serving:
    """A server that runs: its address (no slash at the end), its process, and what it has printed so far."""

    url: str
    process: subprocess.Popen[str]
    printed: list[str]


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
        found.wait(START_S)
        assert address, f"the server did not start: {printed}"
        yield Serving(address[0], process, printed)
    finally:
        _end(process)
        reader.join(5.0)


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
