"""What all pages share, in a browser: steps, light and dark, running jobs, a lost connection, the login."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seisloom.jobs import Board, submit
from seisloom.storage import Storage
from seisloom.web.layout import STEPS
from tests.browser import expect, fits
from tests.job_workers import tiny_request
from tests.web_support import Serving, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATHS = [step[0] for step in STEPS]
LEAST_TOUCH_PX = 40
LONG_MS = 90_000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frame") / "workspace"


@pytest.fixture(scope="module")
def server(workspace: Path) -> Iterator[Serving]:
    with serving(workspace, "--no-worker") as server:
        yield server


@pytest.mark.parametrize("path", PATHS)
def test_every_step_can_be_seen_and_tapped_on_a_phone(phone: Page, server: Serving, path: str) -> None:
    phone.goto(server.url + path)
    steps = phone.locator("nav[aria-label=Steps] a")
    expect(steps).to_have_count(len(PATHS))
    fits(phone)
    boxes = [steps.nth(i).bounding_box() for i in range(steps.count())]
    assert len(boxes) == len(PATHS)
    right = 0.0
    for box in boxes:
        assert box
        assert box["height"] >= LEAST_TOUCH_PX
        assert box["width"] >= LEAST_TOUCH_PX
        assert box["x"] >= right - 0.5  # beside one another
        right = box["x"] + box["width"]
    tool = phone.get_by_label("Light or dark").bounding_box()
    assert tool
    assert right <= tool["x"]
    assert tool["x"] + tool["width"] <= 390


@pytest.mark.parametrize("path", PATHS)
def test_pages_have_names_and_the_step_is_marked(page: Page, server: Serving, path: str) -> None:
    page.goto(server.url + path)
    name = {step[0]: step[1] for step in STEPS}[path]
    page.get_by_label("Steps").get_by_role("link", name=name).wait_for()
    expect(page).to_have_title(f"{name} · seisloom")
    expect(page.locator("[aria-current=page]")).to_have_text(re.compile(f"{name}$"))
    assert page.evaluate("document.documentElement.lang").startswith("en")
    icon = page.locator("link[rel~=icon]").first.get_attribute("href") or ""
    answer = page.request.get(server.url + "/" + icon.lstrip("/"))
    assert answer.headers["content-type"].startswith("image/svg")


def test_light_or_dark_is_remembered(page: Page, server: Serving) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(server.url)
    button = page.get_by_label("Light or dark")
    button.wait_for()
    page.wait_for_function("document.body.classList.contains('body--light')")
    button.click()
    page.wait_for_function("document.body.classList.contains('body--dark')")
    page.goto(f"{server.url}/stacking")
    page.wait_for_function("document.body.classList.contains('body--dark')")
    assert page.evaluate("document.documentElement.classList.contains('sl-dark')")  # before anything was drawn
    page.get_by_label("Light or dark").click()
    page.wait_for_function("document.body.classList.contains('body--light')")
    assert not page.evaluate("document.documentElement.classList.contains('sl-dark')")


def test_the_system_decides_until_somebody_does(page: Page, server: Serving) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(server.url)
    page.wait_for_function("document.body.classList.contains('body--dark')")
    page.emulate_media(color_scheme="light")
    page.wait_for_function("document.body.classList.contains('body--light')")
    assert not page.evaluate("document.documentElement.classList.contains('sl-dark')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_header_is_readable(page: Page, server: Serving, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(server.url)
    page.get_by_label("Light or dark").wait_for()
    page.wait_for_function("(scheme) => document.body.classList.contains(`body--${scheme}`)", arg=scheme)
    colours = page.evaluate(
        """() => [...document.querySelectorAll('.sl-step, .sl-tool .q-icon, .sl-brand')].map(e => getComputedStyle(e).color)
            .concat(getComputedStyle(document.querySelector('.sl-header')).backgroundColor)"""
    )
    *texts, behind = [luminance(colour) for colour in colours]
    assert len(texts) == len(PATHS) + 2
    for text in texts:
        assert (text + 0.05) / (behind + 0.05) >= 4.5  # WCAG AA


def luminance(colour: str) -> float:
    """Relative luminance of a CSS colour, as WCAG defines it."""
    numbers = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in numbers]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_content_can_be_reached_by_keyboard_at_once(page: Page, server: Serving) -> None:
    page.goto(server.url)
    page.get_by_label("Light or dark").wait_for()
    page.keyboard.press("Tab")
    skip = page.get_by_text("Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'sl-main'")


def test_running_jobs_are_counted_at_their_step(page: Page, server: Serving, workspace: Path) -> None:
    board = Board(Storage(workspace))
    ids = [submit(board, tiny_request(name=name)) for name in ("one", "two", "three")]
    claims = [board.claim(f"worker-{number}") for number in range(2)]
    assert all(claims)
    page.goto(f"{server.url}/stacking")
    badge = page.locator(".sl-count[data-kind=correlation]")
    badge.get_by_text("2 jobs run").wait_for(state="attached")
    expect(page.locator(".sl-count[data-kind=association]")).to_have_text("")
    for job_id in ids:
        board.delete(job_id)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function("document.querySelector('.sl-count[data-kind=correlation]').innerText === ''")


@pytest.mark.page_faults("Failed to load resource", "WebSocket connection", "ERR_", "status of 4")
def test_a_lost_connection_is_told_and_comes_back(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path / "workspace", "--no-worker") as server:
        page.goto(f"{server.url}/catalogue")
        page.get_by_label("Light or dark").wait_for()
        server.process.send_signal(signal.SIGSTOP)  # it hangs
        page.evaluate("window.socket.io.engine.close()")
        page.locator("#popup[aria-hidden=false]").wait_for(timeout=LONG_MS)
        page.wait_for_timeout(2500)
        server.process.send_signal(signal.SIGCONT)
        page.locator("#popup[aria-hidden=true]").wait_for(state="attached", timeout=LONG_MS)
        expect(page).to_have_title("Catalogue · seisloom")
        page.goto("about:blank")


@pytest.mark.page_faults("status of 401", "status of 429")
def test_the_login_page(phone: Page, tmp_path: Path) -> None:
    with serving(tmp_path / "workspace", "--no-worker", "--token", "open sesame") as server:
        phone.goto(f"{server.url}/xcor?job=5")
        field = phone.get_by_label("Access token")
        expect(field).to_be_focused()
        field.fill("wrong")
        phone.keyboard.press("Enter")
        phone.get_by_text("This is not the access token.").wait_for()
        time.sleep(0.6)
        field.fill("open sesame")
        phone.get_by_role("button", name="Log in").click()
        phone.wait_for_url("**/xcor?job=5")
        phone.get_by_label("Log out").click()  # the page, its scripts and its web socket came through
        phone.wait_for_url("**/login")
        phone.goto(f"{server.url}/stacking")
        expect(phone).to_have_url(re.compile(r"/login\?next=%2Fstacking"))


def test_the_description_of_the_api_without_other_hosts(page: Page, server: Serving) -> None:
    page.goto(f"{server.url}/api/docs")
    page.get_by_text("/jobs/correlation", exact=True).wait_for()
    page.locator("#operations-jobs-jobs_jobs_get button.opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    shown = page.locator(".live-responses-table .response-col_description .highlight-code").first
    expect(shown).to_contain_text("[]")
