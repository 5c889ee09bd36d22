"""Twenty people at once: everybody sees the own saved channels and everybody's jobs, and nobody an error."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from tests.web_support import Serving, serving

PEOPLE = 20
SETTINGS = {"fs": 4, "freqmax": 1}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("sessions") / "workspace", "--no-worker") as server:
        yield server


def channels_of(person: int) -> list[dict[str, object]]:
    place = {"network": f"N{person}", "location": "", "channel": "BHZ", "latitude": 42.0, "longitude": 13.0}
    return [place | {"station": f"S{number}"} for number in range(person + 2)]


def test_twenty_sessions_at_once(server: Serving) -> None:
    begin = Barrier(PEOPLE)

    def visit(person: int) -> str:
        """Look at the pages, save channels in several steps, launch, follow."""
        with server.client() as browser:
            begin.wait()
            browser.get("/").raise_for_status()
            mine = channels_of(person)
            for channel in mine:
                browser.post("/api/saved", json={"source": "demo", "channels": [channel]}).raise_for_status()
            browser.get("/xcor").raise_for_status()
            wanted = {"saved": True, "name": f"job of {person}", "start": "2024-03-01", "settings": SETTINGS}
            launched = browser.post("/api/jobs/correlation", json=wanted)
            assert launched.status_code == 201, launched.text
            where = f"/api/jobs/{launched.json()['id']}"
            told = browser.get(f"{where}/files/incoming/stations.csv").text
            assert told.count(f"\nN{person},") == len(mine)
            assert browser.get(f"{where}/progress").json()["state"] == "waiting"
            saved = browser.get("/api/saved").json()
            assert {row["network"] for row in saved["channels"]} == {f"N{person}"}
            assert saved["count"] == len(mine)
            if person % 2:
                browser.delete("/api/saved").raise_for_status()
                assert browser.get("/api/saved").json()["count"] == 0
            return str(launched.json()["name"])

    with ThreadPoolExecutor(PEOPLE) as people:
        names = list(people.map(visit, range(PEOPLE)))
    with server.client() as anybody:
        jobs = anybody.get("/api/jobs").json()
    assert sorted(job["name"] for job in jobs) == sorted(names)
    assert sorted(job["position"] for job in jobs) == list(range(1, PEOPLE + 1))
    assert not [line for line in server.printed if "rror" in line]


def test_a_session_is_kept_by_its_cookie_alone(server: Serving) -> None:
    with server.client() as browser:
        browser.post("/api/saved", json={"source": "demo", "channels": channels_of(1)}).raise_for_status()
        kept = browser.cookies["seisloom_session"]
    again = saved_by(server, kept)
    assert again.json()["count"] == 3
    assert "set-cookie" not in again.headers
    for other in ("", kept[:-1], kept[::-1], "x" * 43, "../../" + kept[6:]):
        assert saved_by(server, other).json()["count"] == 0


def saved_by(server: Serving, session: str) -> httpx.Response:
    """What the server tells to who comes with such a cookie alone."""
    with server.client() as browser:
        return browser.get("/api/saved", headers={"cookie": f"seisloom_session={session}"})


def test_where_saved_channels_lie_does_not_give_the_session_away(server: Serving, tmp_path: Path) -> None:
    with server.client() as browser:
        browser.post("/api/saved", json={"source": "demo", "channels": channels_of(1)}).raise_for_status()
        session = browser.cookies["seisloom_session"]
        jobs = browser.get("/api/jobs").text + browser.get("/api/openapi.json").text
    assert session not in jobs
