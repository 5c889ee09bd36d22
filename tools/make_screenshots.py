"""Take the pictures of the app in docs/images, over what the demonstration has made.

    ./run demo -o demo-output
    .venv/bin/python tools/make_screenshots.py demo-output/workspace

Needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import ARGUMENTS, DESKTOP, watched_page  # noqa: E402
from tests.web_support import serving  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

SETTLE_MS = 1500


def map_page(page: Page, url: str) -> None:
    """Stations of the demonstration in a rectangle, some of them selected and saved."""
    page.goto(f"{url}/?source=demo&start=2024-03-01&end=2024-03-31&west=12.7&south=42.5&east=13.25&north=43")
    page.get_by_role("status").filter(has_text="Found").wait_for()
    rows = page.locator(".ag-pinned-left-cols-container [role=row]")
    for number in range(4):
        rows.nth(number).locator("input").check()
    page.get_by_role("button", name="Save Selected (4)").click()
    page.get_by_role("status").filter(has_text="4").wait_for()
    page.locator(".q-notification").wait_for(state="detached", timeout=20_000)


def stacking_page(page: Page, url: str) -> None:
    """The record section of all pairs."""
    page.goto(f"{url}/stacking?job=demo-noise-1&view=record-section&method=pws&lag=40")
    page.locator(".sl-picture[aria-busy=false] img").wait_for()


def catalogue_page(page: Page, url: str) -> None:
    """The events, and the largest one with its picks."""
    events = page.request.get(f"{url}/api/jobs/demo-association-1/events").json()["columns"]
    _, number = max(zip(events["n_picks"], events["event_id"], strict=True))
    page.goto(f"{url}/catalogue?job=demo-association-1&event={number}")
    page.get_by_role("img", name=f"Record section of event {number}").wait_for()


PAGES: dict[str, Callable[[Page, str], None]] = {
    "map": map_page,
    "stacking": stacking_page,
    "catalogue": catalogue_page,
}


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", help="workspace of the demonstration")
    given = parser.parse_args()
    with serving(given.workspace, "--no-worker") as server, sync_playwright() as playwright:
        executable = shutil.which("chromium") or "chromium"
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        for name, prepare in PAGES.items():
            path = ROOT / "docs" / "images" / f"app-{name}.png"
            with watched_page(browser, **DESKTOP) as page:
                prepare(page, server.url)
                page.mouse.move(2, 2)
                page.wait_for_timeout(SETTLE_MS)
                page.screenshot(path=path)
            Image.open(path).convert("RGB").save(path, optimize=True)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
