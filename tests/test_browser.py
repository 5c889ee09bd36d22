"""The test support of pages itself: what counts as a fault of a page is seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.browser import watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FAULTY = {
    "outside": ("<img src='http://tiles.example/1.png'>", "request outside: GET http://tiles.example/1.png"),
    "address": ("<script>fetch('http://192.0.2.1:9/x')</script>", "request outside: GET http://192.0.2.1:9/x"),
    "console": ("<script>console.error('it broke')</script>", "console error: it broke"),
    "exception": ("<script>throw new Error('it broke')</script>", "exception: .*it broke"),
    "server error": ("<img src='/500'>", "server error 500: GET .*/500"),
}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A server that answers /NAME by the page of that name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            self.send_response(500 if name == "500" else 200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(FAULTY.get(name.replace("%20", " "), (f"<h1>{name}</h1>",))[0].encode())

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_address[1]}"
    http.shutdown()


def look_at(browser: Browser, url: str) -> None:
    with watched_page(browser) as page:
        page.goto(url, wait_until="networkidle")


@pytest.mark.parametrize("name", FAULTY)
def test_faults_are_seen(browser: Browser, site: str, name: str) -> None:
    with pytest.raises(AssertionError, match=FAULTY[name][1]):
        look_at(browser, f"{site}/{name}")


@pytest.mark.page_faults("it broke")
def test_expected_faults_pass(page: Page, site: str) -> None:
    page.goto(f"{site}/console")


def test_sizes(page: Page, phone: Page, site: str) -> None:
    for view, size, touch_points in (
        (page, {"width": 1280, "height": 800}, 0),
        (phone, {"width": 390, "height": 844}, 1),
    ):
        view.goto(site)
        assert view.viewport_size == size
        assert view.evaluate("navigator.maxTouchPoints") == touch_points
