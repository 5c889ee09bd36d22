"""A headless Chromium for tests of pages. What a page does wrong behind the scenes fails the test at its end.

Tests ask for ``page`` (1280 by 800 pixels) or ``phone``; those that are about faults say which they expect:
``@pytest.mark.page_faults("status of 404")``.

A page does everything a moment after it was asked to, on a busy machine a long moment: what it shows is asserted by
``expect`` or ``soon``, which wait, and never by a look at ``page.url`` or at an element as it is just now.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Response, WebError

ARGUMENTS = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    # Popups of the address bar, which nobody sees, are pages of their own that cost more than ours; then what
    # Playwright switches off, because the last list counts.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,AvoidUnnecessaryBeforeUnloadCheckSync,"
    "DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,PaintHolding,"
    "ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,OptimizationHints,NetworkTimeServiceQuerying,"
    "AimEnabled,PreconnectToSearch",
)
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIMEOUT_MS = 30_000
"""How long a test waits for what a page does: for a busy machine, as what works is there at once."""


def pytest_configure(config: pytest.Config) -> None:
    """The marker of tests whose pages have faults that they are about."""
    config.addinivalue_line("markers", "page_faults(*words): faults of pages that contain one of these are expected")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; tests are skipped where there is none.

    One a module, not a session: Playwright keeps an event loop running in this thread, which other tests must not find.
    """
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not executable:
        if os.environ.get("SEISLOOM_REQUIRE_BROWSER"):
            pytest.fail("a browser is required here, and there is no chromium on the PATH")
        pytest.skip("no chromium on the PATH: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, expected_faults: tuple[str, ...]) -> Iterator[Page]:
    """A page of 1280 by 800 pixels in a session of its own."""
    with watched_page(browser, expected_faults, **DESKTOP) as page:
        yield page


@pytest.fixture
def phone(browser: Browser, expected_faults: tuple[str, ...]) -> Iterator[Page]:
    """A page on a phone, in a session of its own."""
    with watched_page(browser, expected_faults, **PHONE) as page:
        yield page


@pytest.fixture
def expected_faults(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The words of the marker ``page_faults``."""
    return tuple(word for mark in request.node.iter_markers("page_faults") for word in mark.args)


def expect(what: Locator | Page) -> Any:
    """Playwright's assertions, which wait: ``expect(locator).to_have_text(...)``."""
    from playwright.sync_api import expect as of

    return of(what)


def soon(page: Page, ask: Callable[[Page], Any], wanted: Any) -> None:
    """Wait until asking about the page gives what is wanted, for what ``expect`` has no word for."""
    until = time.monotonic() + TIMEOUT_MS / 1000
    while (got := ask(page)) != wanted and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert got == wanted


def fits(page: Page) -> None:
    """Wait until nothing of the page is wider than the screen, once its letters are there."""
    assert page.viewport_size
    page.wait_for_function(
        "(width) => document.fonts.status === 'loaded' && document.documentElement.scrollWidth <= width",
        arg=page.viewport_size["width"],
    )


@contextmanager
def watched_page(browser: Browser, expected: tuple[str, ...] = (), **options: Any) -> Iterator[Page]:
    """A page in a new context (``options`` are those of Playwright). AssertionError at the end tells its faults.

    Faults are requests that leave this machine (nothing answers them), errors on the console, exceptions, and answers of
    status 500 and above.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(TIMEOUT_MS)
    faults = _watch(context)
    try:
        yield context.new_page()
    finally:
        context.close()
    found = [fault for fault in faults if not any(words in fault for words in expected)]
    assert not found, "faults of the page:\n  " + "\n  ".join(found)


def _watch(context: BrowserContext) -> list[str]:
    """The faults of all pages of a context, as they come."""
    faults: list[str] = []

    def request(sent: Request) -> None:
        url = urlsplit(sent.url)
        if url.hostname and url.hostname not in LOOPBACK:
            faults.append(f"request outside: {sent.method} {sent.url}")

    def response(got: Response) -> None:
        if got.status >= 500:
            faults.append(f"server error {got.status}: {got.request.method} {got.url}")

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(f"console error: {message.text} ({message.location.get('url', '')})")

    def exception(error: WebError) -> None:
        faults.append(f"exception: {error.error}")

    context.on("request", request)
    context.on("response", response)
    context.on("console", console)
    context.on("weberror", exception)
    return faults
