"""The whole way through the app in a browser, from a query to pictures and earthquakes, over a data centre of synthetic records."""

# ruff: noqa: F401, F811 - a fixture that is imported

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import pytest

from seisloom import open_correlations
from tests.association_job import REGION_OPTION, Prepared, prepared
from tests.browser import expect, fits
from tests.california import STATIONS, california
from tests.fdsn_server import Fault, FdsnServer
from tests.job_workers import until
from tests.jobs import command
from tests.web_support import Serving, job_of_address, launch_correlation, serving

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

DAYS = ("2019-02-03", "2019-02-04")
SETTINGS = {"Resample frequency": "4", "Correlation step": "900", "Maximum lag": "60"}
LONG_MS = 180_000


@dataclass(frozen=True)
class Site:
    """A data centre, and the app beside it."""

    centre: FdsnServer
    server: Serving
    workspace: Path

    @property
    def source(self) -> str:
        return f"fdsn:{self.centre.url}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    workspace = tmp_path_factory.mktemp("whole-way") / "workspace"
    with (
        FdsnServer(*california(len(DAYS))) as centre,
        serving(workspace, "--allow-private", "--threads", "1") as server,
    ):
        yield Site(centre, server, workspace)


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def button(page: Page, name: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("button", name=name)


def choose_centre(page: Page, site: Site) -> None:
    """The data centre by its address, and the days."""
    field(page, "Data source").click()
    field(page, "Data source").fill("Another")
    page.get_by_role("option", name="Another address …").click()
    field(page, "Address of an FDSN service").fill(site.centre.url)
    field(page, "From").fill(DAYS[0])
    field(page, "To").fill(DAYS[-1])


def query(page: Page, answer: str) -> None:
    """Press Query, and wait for its answer: that of an earlier query stands there until the page asks."""
    button(page, "Query").click()
    expect(page.locator(".sl-status")).to_have_text(answer)


def draw(page: Page, west: float, south: float, east: float, north: float) -> None:
    """Draw a rectangle with the mouse, at shares of the map's width and height."""
    button(page, "Draw on the map").first.click()
    page.locator(".sl-map-cover").wait_for()
    box = page.locator(".sl-map-cover").bounding_box()
    assert box
    page.mouse.move(box["x"] + west * box["width"], box["y"] + north * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.move(box["x"] + east * box["width"], box["y"] + south * box["height"])
    page.mouse.up()
    expect(field(page, "West")).not_to_have_value("")


def in_rectangle(page: Page) -> list[str]:
    """Stations of the data centre within the sides that the fields show."""
    west, south, east, north = (float(field(page, side).input_value()) for side in ("West", "South", "East", "North"))
    inventory, _ = california(0)
    return [s.code for s in inventory[0] if west <= s.longitude <= east and south <= s.latitude <= north]


def choose_channels(page: Page, site: Site, folder: Path) -> list[str]:
    """Query, rectangle, select, save, download; the stations that are saved then."""
    page.goto(site.server.url)
    choose_centre(page, site)
    query(page, "Found 5 channels at 5 stations.")
    draw(page, 0.02, 0.98, 0.55, 0.02)
    stations = in_rectangle(page)
    assert 2 <= len(stations) < len(STATIONS)
    query(page, f"Found {len(stations)} channels at {len(stations)} stations.")
    button(page, "Select All").click()
    button(page, f"Save Selected ({len(stations)})").click()
    expect(page.get_by_role("status").filter(has_text="channels saved")).to_have_text(
        re.compile(rf"{len(stations)}\s*channels saved")
    )
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "stations.csv"
    download.value.save_as(folder / "stations.csv")
    return stations


def check_stations(page: Page, site: Site, folder: Path) -> None:
    """The file of the page is that of the command line."""
    box = ",".join(field(page, side).input_value() for side in ("West", "South", "East", "North"))
    asked = ("--source", site.source, f"--bbox={box}", "--start", DAYS[0], "--end", DAYS[-1])
    command("stations", *asked, "-o", "by-command.csv", cwd=folder)
    assert (folder / "stations.csv").read_text() == (folder / "by-command.csv").read_text()


def launch(page: Page, name: str) -> str:
    """Go on to XCor, set parameters, launch; the id of the job."""
    page.get_by_role("navigation").get_by_role("link", name="XCor").click()
    for label, value in SETTINGS.items():
        field(page, label).fill(value)
    return launch_correlation(page, name)


def job_panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=f"Job {name}")


def kill_worker(page: Page, site: Site, job: str) -> None:
    """Kill whoever works at a job, its process and all that it has started left to themselves."""
    worker = page.request.get(f"{site.server.url}/api/jobs/{job}").json()["worker"]
    os.kill(int(worker.split("-")[-2]), signal.SIGKILL)


def wait_for_first_day(page: Page, site: Site, job: str) -> None:
    where = f"{site.server.url}/api/jobs/{job}/progress"
    until(lambda: page.request.get(where).json()["days_reported"] == 1, "the first day")


def see_it_finish(page: Page, site: Site, name: str, job: str, stations: list[str], second_day: Event) -> None:
    """Watch the progress, kill the worker before the second day, and see the job finish."""
    panel = job_panel(page, name)
    wait_for_first_day(page, site, job)
    expect(panel.locator(".sl-job-state")).to_have_text("Running")
    expect(panel).to_contain_text(re.compile(r"Days done\s*\d of 2"))
    kill_worker(page, site, job)
    second_day.set()
    expect(panel.locator(".sl-job-state")).to_have_text("Done", timeout=LONG_MS)
    expect(panel).to_contain_text("taken up 2 times")
    made = open_correlations(site.workspace / "processed" / job)
    assert made.sizes["pair"] == len(stations) * (len(stations) - 1) // 2
    assert [f"{day:.10}" for day in made["day"].values.astype(str)] == list(DAYS)
    assert (made["count"] > 0).all()


def stack(page: Page, site: Site, name: str, job: str, folder: Path) -> None:
    """Open the job in Stacking, choose a pair and a method, and compare the data of the picture with the command line's."""
    job_panel(page, name).get_by_role("link", name="Open in Stacking").click()
    page.get_by_role("tab", name="Correlogram").click()
    page.get_by_role("region", name="Pairs").get_by_role("gridcell").filter(has_text="CI.CCC – CI.MPM").click()
    page.get_by_role("tab", name="Record section").click()
    choose(page, "Stack", "pws")
    field(page, "Pass band").fill("0.2,0.8")
    picture = page.locator(".sl-picture[aria-busy=false] img")
    expect(picture).to_be_visible()
    page.wait_for_url(re.compile("method=pws.*band=0.2|band=0.2.*method=pws"))
    page.wait_for_function("() => document.querySelector('.sl-picture[aria-busy=false] img')?.naturalWidth > 400")
    field(page, "Pass band").fill("")
    page.wait_for_url(lambda url: "band=" not in url)
    button(page, "Download").click()
    with page.expect_download() as download:
        page.get_by_text("NumPy (npz)").filter(visible=True).click()
    download.value.save_as(folder / "page.npz")

    workspace = site.workspace / "processed" / job
    assert command("stack", workspace, "--method", "pws", cwd=folder).returncode == 0
    written = command("export", workspace, "--stack", "pws_all", "--format", "npz", "-o", "command.npz", cwd=folder)
    assert written.returncode == 0, written.stderr
    with np.load(folder / "page.npz") as shown, np.load(folder / "command.npz") as made:
        assert set(shown) == set(made)
        for key in ("pair", "lag", "ccf", "count", "snr", "distance_km", "period"):
            np.testing.assert_array_equal(shown[key], made[key], err_msg=key)


def choose(page: Page, label: str, option: str) -> None:
    """Take an option of a select."""
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def associate(page: Page, site: Site, prepared: Prepared, folder: Path) -> None:
    """Find the earthquakes of a pick file, click one, and compare the catalogue with the command line's."""
    page.get_by_role("navigation", name="Steps").get_by_role("link", name="Catalogue").click()
    for kind in ("picks", "stations", "velocity"):
        page.locator(f"input[data-kind={kind}]").set_input_files(getattr(prepared, kind))
    sides = ("South", "North", "West", "East", "Top", "Bottom")
    for side, value in zip(sides, REGION_OPTION[1:], strict=True):
        field(page, side).fill(f"{value:g}")
    expect(button(page, "Find earthquakes")).to_be_enabled()
    button(page, "Find earthquakes").click()
    job = job_of_address(page)
    expect(page.locator(".ct-count")).to_have_text(re.compile(r"^\d+ events$"), timeout=3 * LONG_MS)
    page.locator(".ag-center-cols-container [row-id='2']").click()
    panel = page.get_by_role("region", name="Event")
    expect(panel.get_by_role("heading")).to_have_text("Event 2")
    expect(panel.get_by_role("img", name="Record section of event 2")).to_be_visible()

    given = (prepared.picks, prepared.stations, prepared.velocity, *REGION_OPTION)
    done = command("associate", *given, "-o", "catalog", "--no-figures", "--threads", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = page.request.get(f"{site.server.url}/api/jobs/{job}/catalogue/events.csv")
    assert found.text() == (folder / "catalog" / "events.csv").read_text()


def test_the_whole_way(page: Page, site: Site, prepared: Prepared, tmp_path: Path) -> None:
    stations = choose_channels(page, site, tmp_path)
    check_stations(page, site, tmp_path)
    # The records of the second day come when the worker that asked for them is killed.
    second_day = Event()
    site.centre.faults.append(Fault(f"starttime={DAYS[1]}", times=len(stations), held=second_day))
    job = launch(page, "Whole way")
    see_it_finish(page, site, "Whole way", job, stations, second_day)
    stack(page, site, "Whole way", job, tmp_path)
    associate(page, site, prepared, tmp_path)


def test_on_a_phone(phone: Page, site: Site) -> None:
    phone.goto(site.server.url)
    choose_centre(phone, site)
    query(phone, "Found 5 channels at 5 stations.")
    fits(phone)
    button(phone, "Select All").click()
    button(phone, "Save Selected (5)").click()
    expect(phone.get_by_role("status").filter(has_text="channels saved")).to_have_text(
        re.compile(r"5\s*channels saved")
    )
    job = launch(phone, "On a phone")
    fits(phone)
    panel = job_panel(phone, "On a phone")
    expect(panel.locator(".sl-job-state")).to_have_text("Done", timeout=LONG_MS)
    panel.get_by_role("link", name="Open in Stacking").click()
    expect(phone.locator(".sl-picture[aria-busy=false] img")).to_be_visible(timeout=LONG_MS)
    fits(phone)
    phone.get_by_role("navigation", name="Steps").get_by_role("link", name="Catalogue").click()
    expect(button(phone, "Find earthquakes")).to_be_visible()
    fits(phone)
    assert open_correlations(site.workspace / "processed" / job).sizes["pair"] == 10
