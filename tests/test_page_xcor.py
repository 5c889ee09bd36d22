"""The page XCor in a browser: settings and their faults, what will happen, launch, live progress, jobs."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seisloom.config import CorrelationSettings, write_params_csv
from seisloom.noise.archive import open_correlations
from tests.browser import expect
from tests.job_workers import until
from tests.web_support import Serving, checked, launch_correlation, serving, worker_of

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

JOB_MS = 180_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Path]]:
    """A server with a worker, small limits, and an archive of four stations."""
    workspace = tmp_path_factory.mktemp("xcor") / "workspace"
    with serving(workspace, "--max-days", "40", "--archive", "small=synthetic:stations=4,rate=20") as server:
        yield server, workspace


@pytest.fixture
def xcor(page: Page, served: tuple[Serving, Path]) -> Page:
    """The page, with three channels of the archive saved for one day."""
    url = served[0].url
    rows = page.request.get(f"{url}/api/channels", params={"source": "small"}).json()["channels"][:3]
    body = {"source": "small", "start": "2024-01-01", "end": "2024-01-01", "channels": rows}
    assert page.request.post(f"{url}/api/saved", data=body).ok
    page.goto(f"{url}/xcor")
    expect(launch_button(page)).to_be_enabled()
    return page


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def note(page: Page, label: str) -> Locator:
    """What stands beside a field."""
    return page.locator(".sl-field", has_text=label).locator(".sl-field-note")


def launch_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Save and Launch")


def launch(page: Page, name: str, last: str = "2024-01-01") -> str:
    """Launch a job of the channels that are saved; returns its id."""
    field(page, "Last day").fill(last)
    return launch_correlation(page, name)


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=f"Job {name}")


def state(page: Page, name: str) -> Locator:
    return panel(page, name).locator(".sl-job-state")


def test_without_channels_the_page_says_what_to_do_first(page: Page, served: tuple[Serving, Path]) -> None:
    page.goto(f"{served[0].url}/xcor")
    expect(page.get_by_text("Save channels on the map first.")).to_be_visible()
    expect(launch_button(page)).to_be_disabled()
    expect(page.get_by_role("link", name="Open the map")).to_have_attribute("href", ".")


def test_faults_stand_beside_the_fields_as_one_types(xcor: Page) -> None:
    field(xcor, "Maximum frequency").fill("8")
    expect(note(xcor, "Maximum frequency")).to_contain_text("8 Hz is above the Nyquist frequency 5 Hz")
    expect(note(xcor, "Maximum frequency")).to_contain_text("use ≤ 5 or resample frequency ≥ 16")
    expect(field(xcor, "Maximum frequency")).to_have_attribute("aria-invalid", "true")
    expect(launch_button(xcor)).to_be_disabled()
    field(xcor, "Correlation length").fill("long")
    expect(note(xcor, "Correlation length")).to_contain_text("valid number")
    expect(note(xcor, "Minimum frequency")).to_have_text("Lowest frequency of the pass band.")
    field(xcor, "Correlation length").fill("1800")
    field(xcor, "Maximum frequency").fill("2")
    expect(launch_button(xcor)).to_be_enabled()
    expect(xcor.locator(".sl-field-fault")).to_have_count(0)


def test_a_fault_of_an_advanced_setting_unfolds_it(xcor: Page) -> None:
    expect(field(xcor, "Taper")).to_be_hidden()
    xcor.get_by_role("button", name="Advanced settings").click()
    field(xcor, "Taper").fill("0.9")
    expect(note(xcor, "Taper")).to_contain_text("less than or equal to 0.5")
    expect(xcor.get_by_text("Advanced settings · 1 changed")).to_be_visible()


def test_what_will_happen_follows_the_settings_and_the_limits(xcor: Page) -> None:
    facts = xcor.get_by_role("region", name="What will happen")
    expect(facts.locator("dd")).to_have_text(
        ["3", "3", "1", re.compile(r"\d k?M?B"), re.compile(r"\d kB"), re.compile(r"\d s")]
    )
    output = facts.locator("dd").nth(4)
    before = output.inner_text()
    field(xcor, "Maximum lag").fill("400")
    expect(output).not_to_have_text(before)
    field(xcor, "Last day").fill("2024-12-31")
    expect(facts).to_contain_text("366 days (at most 40)")
    expect(launch_button(xcor)).to_be_disabled()
    field(xcor, "Last day").fill("2023-12-31")
    expect(note(xcor, "Last day")).to_have_text("The last day is before the first.")


def test_parameters_are_downloaded_and_read_back_and_kept_over_a_reload(xcor: Page, tmp_path: Path) -> None:
    field(xcor, "Maximum frequency").fill("2.5")
    xcor.get_by_role("button", name="Advanced settings").click()
    field(xcor, "Fill gaps").fill("2")
    field(xcor, "Name").fill("Kept")
    checked(xcor, "Kept")
    with xcor.expect_download() as download:
        xcor.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == "xcor_params.csv"
    saved = tmp_path / "xcor_params.csv"
    download.value.save_as(saved)
    assert saved.read_text() == write_params_csv(CorrelationSettings(freqmax=2.5, fill_gap=2))

    xcor.reload()
    expect(field(xcor, "Maximum frequency")).to_have_value("2.5")
    xcor.get_by_role("button", name="Defaults").click()
    expect(field(xcor, "Maximum frequency")).to_have_value("1")
    with xcor.expect_file_chooser() as chooser:
        xcor.get_by_role("button", name="Read file").click()
    chooser.value.set_files(saved)
    expect(field(xcor, "Maximum frequency")).to_have_value("2.5")
    expect(xcor.get_by_text("Advanced settings · 1 changed")).to_be_visible()


def test_a_job_outlives_closed_pages_and_killed_workers(xcor: Page, served: tuple[Serving, Path]) -> None:
    server, workspace = served
    job = launch(xcor, "Outlives", "2024-01-12")
    seen = watch_a_day(xcor, "Outlives")
    xcor.close()
    os.kill(worker_of(server), signal.SIGKILL)
    again = xcor.context.new_page()
    again.goto(f"{server.url}/xcor?job={job}")
    expect(state(again, "Outlives")).to_have_text("Done", timeout=JOB_MS)
    expect(panel(again, "Outlives")).to_contain_text("taken up 2 times")
    expect(panel(again, "Outlives").get_by_role("link", name="Open in Stacking")).to_have_attribute(
        "href", f"stacking?job={job}"
    )
    assert seen
    made = open_correlations(f"{workspace}/processed/{job}")
    assert made.sizes["day"] == 12
    assert (made["count"] > 0).all()


def watch_a_day(page: Page, name: str) -> str:
    """Wait until a day is done and a later one is at hand; what the panel tells then."""
    facts = panel(page, name).locator("dl")
    expect(facts).to_contain_text(re.compile(r"Days done\s*[1-9]\d* of 12"), timeout=JOB_MS)
    expect(facts).to_contain_text(re.compile(r"Rate\s*[\d,]+ pairs/s"))
    expect(facts).to_contain_text(re.compile(r"Time left\s*\d+ "))
    expect(panel(page, name).get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    return facts.inner_text()


def test_cancel_retry_and_delete(xcor: Page, served: tuple[Serving, Path]) -> None:
    workspace = served[1]
    job = launch(xcor, "Stopped", "2024-01-20")
    panel(xcor, "Stopped").get_by_role("button", name="Cancel").click()
    expect(state(xcor, "Stopped")).to_have_text("Cancelled")
    panel(xcor, "Stopped").get_by_role("button", name="Retry").click()
    expect(state(xcor, "Stopped")).to_have_text(re.compile("Running|Waiting"))
    panel(xcor, "Stopped").get_by_role("button", name="Delete").click()
    xcor.get_by_role("button", name="Keep it").click()
    expect(panel(xcor, "Stopped")).to_be_visible()
    panel(xcor, "Stopped").get_by_role("button", name="Delete").click()
    xcor.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(panel(xcor, "Stopped")).to_be_hidden()
    expect(xcor.locator(f"[data-job='{job}']")).to_have_count(0)
    expect(xcor).not_to_have_url(re.compile("job="))
    until(lambda: not list((workspace / "incoming").glob(f"{job}/*")), "the end of its files")


def test_a_failed_job_says_why(xcor: Page, served: tuple[Serving, Path]) -> None:
    url = served[0].url
    csv = "Network,Station,Channel,Latitude,Longitude\nXX,NONE,BHZ,35,-120\nXX,NOPE,BHZ,35.1,-120.1\n"
    body = {"name": "Nothing there", "stations_csv": csv, "source": "demo", "start": "2024-01-01"}
    made = xcor.request.post(f"{url}/api/jobs/correlation", data=body)
    assert made.ok, made.text()
    row = xcor.locator(f"[data-job='{made.json()['id']}']")
    expect(row).to_contain_text("Failed", timeout=JOB_MS)
    row.click()
    expect(panel(xcor, "Nothing there").get_by_role("status")).to_contain_text("XX.NONE..BHZ")
    expect(xcor).to_have_url(re.compile(f"job={made.json()['id']}$"))
