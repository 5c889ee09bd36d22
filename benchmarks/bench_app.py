"""The app: first page, 10,000 stations, table scroll, 20 sessions, a year of one pair in Stacking, jobs and their takeover."""

from __future__ import annotations

import argparse
import math
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import numpy as np
from tests.browser import ARGUMENTS, DESKTOP, watched_page
from tests.california import california
from tests.fdsn_server import Fault, FdsnServer
from tests.web_support import serving

from benchmarks.app_data import YEAR, make_year, many_stations
from benchmarks.measure import WORK, describe_machine, print_table
from seisloom.config import CorrelationSettings
from seisloom.jobs import Board, CorrelationRequest, submit
from seisloom.storage import Storage
from seisloom.waveforms import ChannelQuery, open_source

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = WORK / "app"
SMALL = "synthetic:stations=2,rate=1"
SETTINGS = CorrelationSettings(fs=1.0, freqmin=0.05, freqmax=0.4, cc_len=600.0, cc_step=600.0, maxlag=60.0)
PAGES = {"Map": "/", "XCor": "/xcor", "Stacking": "/stacking", "Catalogue": "/catalogue"}
Row = tuple[str, str, str]
FRAMES = """() => {
  window.frames_ms = [];
  let last = performance.now();
  const tick = (now) => { window.frames_ms.push(now - last); last = now; window.ticking = requestAnimationFrame(tick); };
  window.ticking = requestAnimationFrame(tick);
}"""
CHANGES: tuple[dict[str, str | list[str]], ...] = (
    {"method": "pws"}, {"band": "0.2,0.6"}, {"method": "robust"}, {"period": "week"}, {"lag": "40"},
    {"method": "selective"}, {"scale_rows": "true"}, {"method": "nroot"}, {"method": "acf"}, {"method": "tf-pws", "set": ["freqmin=0.1", "freqmax=1"]},
)  # fmt: skip


def main(argv: list[str]) -> None:
    options = _options(argv)
    print(describe_machine(), "\n")
    shutil.rmtree(FOLDER / "workspaces", ignore_errors=True)
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "pages": lambda: with_browser(first_pages),
        "stations": lambda: with_browser(lambda browser: stations(browser, options.stations)),
        "sessions": lambda: sessions(options.sessions),
        "stacking": lambda: with_browser(stacking),
        "jobs": jobs,
        "takeover": takeover,
    }
    rows: list[Row] = []
    for name, part in parts.items():
        if not options.only or name in options.only:
            rows += [(f"{name}: {what}", value, goal) for what, value, goal in part()]
            print(f"{name} done", flush=True)
    print_table(("what", "measured", "goal"), rows)


def workspace(name: str) -> str:
    return str(FOLDER / "workspaces" / name)


def with_browser(part: Callable[[Browser], Iterable[Row]]) -> list[Row]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        executable = shutil.which("chromium") or "chromium"
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        rows = list(part(browser))
        browser.close()
        return rows


def first_pages(browser: Browser) -> Iterator[Row]:
    """From the address to a page that is loaded and answers, nothing in the cache; the very first one apart."""
    began = time.perf_counter()
    with serving(workspace("pages"), "--no-worker") as server:
        yield "server started", seconds(time.perf_counter() - began), ""
        for attempt in ("first of all", "median of 5 visitors"):
            for name, path in PAGES.items():
                times = [load_s(browser, server.url + path) for _ in range(1 if attempt.startswith("first") else 5)]
                if name == "Map" or not attempt.startswith("first"):
                    yield f"{name}, {attempt}", seconds(statistics.median(times)), "under 2 s"


def load_s(browser: Browser, url: str) -> float:
    with watched_page(browser, **DESKTOP) as page:
        began = time.perf_counter()
        page.goto(url, wait_until="load")
        page.wait_for_function("window.did_handshake === true || window.socket?.connected === true")
        return time.perf_counter() - began


def stations(browser: Browser, n: int) -> Iterator[Row]:
    """Query of so many stations with three channels each, drawn on the map and in the table; scrolling, moving."""
    inventory, _ = california(0)
    with (
        FdsnServer(inventory) as centre,
        serving(workspace("stations"), "--no-worker", "--allow-private") as server,
        watched_page(browser, **DESKTOP) as page,
    ):
        centre.faults.append(Fault("/station/1/query", times=math.inf, body=many_stations(n)))
        for what in (f"{n:,}, asked of the data centre", f"{n:,}, asked again"):
            page.goto(f"{server.url}/?{urlencode({'source': f'fdsn:{centre.url}'})}")
            page.get_by_text(f"at {n:,} stations").wait_for(timeout=60_000)
            marks = page.evaluate("performance.getEntriesByType('mark').map((m) => [m.name, m.startTime])")
            at = {name: start / 1000 for name, start in marks}
            yield f"{what}: query to drawn map", seconds(at["query-drawn"] - at["query-asked"]), "under 6 s"
            yield f"{what}: of it in the browser", seconds(at["query-drawn"] - at["query-answered"]), ""
        yield "table scroll, frame: median, 95 %, longest", frames(page, ".ag-body-viewport", scroll), "smooth"
        yield "map moved, frame: median, 95 %, longest", frames(page, ".leaflet-container", drag), "smooth"


def frames(page: Page, selector: str, move: Callable[[Page, int], None]) -> str:
    """Times of the frames that are drawn while something moves."""
    page.locator(selector).first.hover()
    page.evaluate(FRAMES)
    for step in range(90):
        move(page, step)
        page.wait_for_timeout(5)
    took = np.array(page.evaluate("() => { cancelAnimationFrame(window.ticking); return window.frames_ms; }")[1:])
    return f"{np.median(took):.0f}, {np.percentile(took, 95):.0f}, {took.max():.0f} ms"


def scroll(page: Page, step: int) -> None:
    page.mouse.wheel(0, 300 if step < 60 else -450)


def drag(page: Page, step: int) -> None:
    if step == 0:
        page.mouse.down()
    page.mouse.move(700 + 3 * step, 250 + step)
    if step == 89:
        page.mouse.up()


def sessions(n: int) -> Iterator[Row]:
    """So many people at once, each with a few requests one after another."""
    begin, took = Barrier(n), dict[str, list[float]]()
    with serving(workspace("sessions"), "--no-worker", "--archive", f"small={SMALL}") as server:
        httpx.get(f"{server.url}/api/channels?source=small", timeout=60)

        def visit(person: int) -> None:
            with httpx.Client(base_url=server.url, timeout=60) as client:
                begin.wait()
                for what, method, path, body in VISIT:
                    began = time.perf_counter()
                    client.request(method, path, json=body).raise_for_status()
                    took.setdefault(what, []).append(time.perf_counter() - began)

        with ThreadPoolExecutor(n) as people:
            list(people.map(visit, range(n)))
    for what, times in took.items():
        yield f"{what}: median, longest of {n}", f"{statistics.median(times):.2f}, {max(times):.2f} s", ""


VISIT: tuple[tuple[str, str, str, object], ...] = (
    ("page Map", "GET", "/", None),
    ("channels", "GET", "/api/channels?source=small", None),
    (
        "save",
        "POST",
        "/api/saved",
        {"source": "small", "channels": [{"network": "SY", "station": "S01", "channel": "BHZ"}]},
    ),
    ("page XCor", "GET", "/xcor", None),
    ("settings checked", "POST", "/api/settings/check", {"fs": 4}),
    ("jobs", "GET", "/api/jobs", None),
)


def stacking(browser: Browser) -> Iterator[Row]:
    """A year of daily correlations of one pair: a setting is changed, until the new picture stands."""
    folder = FOLDER / "year"
    job, pair = make_year(folder)
    with serving(str(folder), "--no-worker") as server, watched_page(browser, **DESKTOP) as page:
        state = {"job": job, "pair": pair, "view": "correlogram"}
        began = time.perf_counter()
        page.goto(f"{server.url}/stacking?{urlencode(state)}")
        picture = page.locator(".sl-picture[aria-busy=false] img")
        picture.wait_for(timeout=60_000)
        yield f"page with the picture of {YEAR} days", seconds(time.perf_counter() - began), ""
        asked: dict[str, str | list[str]] = {"pair": pair, "width": "900"}
        with httpx.Client(base_url=f"{server.url}/api/jobs/{job}/figures", timeout=60) as client:
            client.get("/correlogram.png", params=asked).raise_for_status()
            for change in CHANGES:
                asked |= change
                began = time.perf_counter()
                client.get("/correlogram.png", params=asked).raise_for_status()
                name = ", ".join(f"{key} {value}" for key, value in change.items())
                yield f"{name}: picture", seconds(time.perf_counter() - began), "within 1 s"
        began = time.perf_counter()
        with page.expect_response(lambda answer: "method=pws" in answer.url):
            page.get_by_role("combobox", name="Stack", exact=True).click()
            page.get_by_role("option", name="pws", exact=True).click()
        picture.wait_for()
        yield "pws chosen on the page, until it is drawn", seconds(time.perf_counter() - began), "within 1 s"


def jobs() -> Iterator[Row]:
    """What the board costs: events alone, and a job of two channels and a day through a worker."""
    board = Board(Storage(workspace("board"), create=True))
    began = time.perf_counter()
    for number in range(100):
        submit(board, small(1))
        claim = board.claim("bench")
        assert claim
        claim.finish({"number": number})
    yield "submit, claim, finish (a folder, 100 jobs)", f"{10 * (time.perf_counter() - began):.1f} ms", ""
    place = workspace("jobs")
    board = Board(Storage(place, create=True))
    with worker(place):
        for what in ("first job", "second job"):
            began = time.perf_counter()
            job = submit(board, small(1))
            while board.job(job).state not in ("done", "failed"):
                time.sleep(0.01)
            events = [board.storage.get_json(key) for key in board.storage.keys(f"jobs/{job}") if key[-11].isdigit()]
            at = {event["event"]: np.datetime64(event["at"][:23]) for event in events}
            waited, worked = at["claimed"] - at["submitted"], at["finished"] - at["claimed"]
            told = (
                f"{seconds(time.perf_counter() - began)} ({waited / np.timedelta64(1, 's'):.2f} s until it is claimed, "
            )
            yield f"{what}, 2 channels, 1 day, 1 Hz", f"{told}{worked / np.timedelta64(1, 's'):.2f} s from then)", ""


def takeover() -> Iterator[Row]:
    """A worker is killed at work; until another has the job."""
    for what, stale in (("told by the clock, --stale 30", 30), ("--stale 5", 5)):
        place = workspace(f"takeover-{stale}")
        board = Board(Storage(place, create=True))
        with worker(place, "--stale", str(stale)) as first:
            job = submit(board, small(3000))
            while not board.progress(job).get("days_done"):
                time.sleep(0.05)
            with worker(place, "--stale", str(stale)):
                time.sleep(3)
                first.kill()
                yield f"{what}: until taken over", seconds(until_claimed(board, job, 2)), f"{stale} s and a few"
                board.cancel(job)
    place = workspace("takeover-serve")
    board = Board(Storage(place, create=True))
    with serving(place, "--archive", f"small={SMALL}"):
        job = submit(board, small(3000))
        while not board.progress(job).get("days_done"):
            time.sleep(0.05)
        pid = (board.job(job).worker or "").split("-")[-2]
        subprocess.run(["kill", "-KILL", pid], check=True)
        yield "worker of seisloom serve: until taken over", seconds(until_claimed(board, job, 2)), ""
        board.cancel(job)


def until_claimed(board: Board, job: str, attempts: int) -> float:
    began = time.perf_counter()
    while board.job(job).attempts < attempts or board.job(job).state != "running":
        time.sleep(0.02)
    return time.perf_counter() - began


@contextmanager
def worker(place: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable,
        "-m",
        "seisloom",
        "work",
        place,
        "--archive",
        f"small={SMALL}",
        "--threads",
        "1",
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    assert process.stdout
    process.stdout.readline()
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def small(days: int) -> CorrelationRequest:
    channels = open_source(SMALL).channels(ChannelQuery())
    last = np.datetime64("2010-01-01") + days - 1
    return CorrelationRequest(channels, SETTINGS, "small", "2010-01-01", str(last))


def seconds(value: float) -> str:
    return f"{value:.2f} s"


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks app", description=__doc__)
    parser.add_argument("--only", nargs="*", help="pages, stations, sessions, stacking, jobs, takeover")
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=20)
    return parser.parse_args(argv)
