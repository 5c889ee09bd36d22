"""What stands before the app: host names, origins, the access token, sizes, headers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI, Request, WebSocket
from hypothesis import given
from hypothesis import strategies as st
from starlette.websockets import WebSocketDisconnect

from seisloom.web.access import FORGET_S, LONGEST_WAIT_S, Access, TooManyGuessesError
from seisloom.web.api import make_api
from seisloom.web.pages.login import login_router, within
from seisloom.web.security import Guard
from seisloom.web.services import Services
from tests.web_support import TestClient

TOKEN = "correct horse battery staple"
HTML = {"accept": "text/html"}
SITE = "http://127.0.0.1:8642"
SOCKET = "ws://127.0.0.1:8642/socket"


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def guarded(tmp_path: Path, token: str | None, clock: Clock, upload_mb: float = 1.0, **scope: str) -> TestClient:
    """The API, a page, the login and a web socket behind the guard, without the pages of the app."""
    access = Access(token, clock) if token else None
    app = FastAPI()
    app.mount("/api", make_api(Services(str(tmp_path / "workspace"))))
    if access:
        app.include_router(login_router(access))

    @app.get("/xcor")
    def page(request: Request) -> str | None:
        return request.headers.get("x-forwarded-prefix")

    @app.post("/size")
    async def size(request: Request) -> int:
        return sum([len(piece) async for piece in request.stream()])

    @app.websocket("/socket")
    async def socket(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text("hello")
        await ws.close()

    app.add_middleware(
        Guard, hosts=["127.0.0.1", "Machine"], names=["Seis.example.org."], access=access, upload_mb=upload_mb
    )
    return TestClient(app, base_url=SITE, follow_redirects=False, **scope)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, clock: Clock) -> TestClient:
    """Without a token."""
    return guarded(tmp_path, None, clock)


@pytest.fixture
def locked(tmp_path: Path, clock: Clock) -> TestClient:
    """With a token."""
    return guarded(tmp_path, TOKEN, clock)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8642",
        "localhost",
        "LOCALHOST:9000",
        "localhost.",
        "[::1]:8642",
        "10.1.2.3",
        "machine:8642",
        "seis.example.org:443",
    ],
)
def test_own_names_and_addresses_are_served(client: TestClient, host: str) -> None:
    assert client.get("/xcor", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8642", "127.0.0.1@evil.example", "evil.example#localhost",
     "seis.example.org.evil.example", "127.1", "0x7f.1", "a:b:c:localhost", ""],
)  # fmt: skip
def test_other_names_are_refused(client: TestClient, host: str) -> None:
    for path in ("/xcor", "/api/jobs"):
        answer = client.get(path, headers={"host": host})
        assert answer.status_code == 421
        assert "--allow-host" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("127.0.0.1:8642", {}),
        ("127.0.0.1:8642", {"origin": SITE}),
        ("127.0.0.1:8642", {"origin": SITE, "sec-fetch-site": "same-origin"}),
        ("127.0.0.1:8642", {"sec-fetch-site": "none"}),
        ("127.0.0.1:8642", {"origin": "https://seis.example.org"}),
    ],
)
def test_requests_of_our_own_pages_may_change_things(client: TestClient, host: str, headers: dict[str, str]) -> None:
    assert client.post("/size", content=b"1234", headers={"host": host, **headers}).json() == 4


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://localhost:8642"},
        {"origin": "http://seis.example.org.evil.example"},
        {"origin": "http://machine:9999"},
        {"origin": "http://[broken"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": SITE, "sec-fetch-site": "cross-site"},
    ],
)
def test_pages_of_others_change_nothing(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/size", content=b"1234", headers=headers).status_code == 403
    assert client.delete("/api/jobs/x", headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET, headers=headers):
        pass
    assert client.get("/xcor", headers=headers).status_code == 200  # to follow a link is no harm


def test_web_socket_of_our_own(client: TestClient) -> None:
    with client.websocket_connect(SOCKET, headers={"origin": SITE}) as socket:
        assert socket.receive_text() == "hello"


def test_web_socket_of_another_host_name_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET, headers={"host": "evil.example"}):
        pass


def test_without_the_token_nothing_is_told(locked: TestClient) -> None:
    for path in ("/api/jobs", "/api/openapi.json", "/api/docs", "/nothing", "/static/frame.js"):
        answer = locked.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
    assert locked.post("/size", content=b"x").status_code == 401
    with pytest.raises(WebSocketDisconnect), locked.websocket_connect(SOCKET):
        pass


def test_a_browser_is_led_to_the_login_page_and_back(locked: TestClient) -> None:
    first = locked.get("/xcor?job=5&x=a%26b", headers=HTML)
    assert first.status_code == 303
    page = locked.get(first.headers["location"])
    assert 'value="/xcor?job=5&amp;x=a%26b"' in page.text
    answer = locked.post("/login", data={"token": TOKEN, "next": "/xcor?job=5&x=a%26b"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/xcor?job=5&x=a%26b")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert TOKEN not in cookie
    assert locked.get("/xcor", headers=HTML).status_code == 200
    assert locked.get("/api/jobs").status_code == 200
    with locked.websocket_connect(SOCKET) as socket:
        assert socket.receive_text() == "hello"


def test_logging_out_ends_it(locked: TestClient) -> None:
    locked.post("/login", data={"token": TOKEN})
    assert locked.post("/logout").headers["location"] == "/login"
    assert locked.get("/api/jobs").status_code == 401


def test_the_token_in_a_header(locked: TestClient, clock: Clock) -> None:
    assert locked.get("/api/jobs", headers=bearer(TOKEN)).status_code == 200
    assert locked.get("/api/jobs", headers={"authorization": f"bearer  {TOKEN}"}).status_code == 200
    for wrong in ({"authorization": TOKEN}, {"authorization": f"Basic {TOKEN}"}, bearer(""), bearer(TOKEN[:-1])):
        assert locked.get("/api/jobs", headers=wrong).status_code == 401, wrong
        clock.now += LONGEST_WAIT_S
    with locked.websocket_connect(SOCKET, headers=bearer(TOKEN)) as socket:
        assert socket.receive_text() == "hello"


@pytest.mark.parametrize("change", ["later", "signature", "empty", "words", "other token"])
def test_a_forged_cookie_is_no_login(locked: TestClient, change: str) -> None:
    access = Access(TOKEN)
    ends, _, signature = access.login().partition(".")
    forged = {
        "later": f"{int(ends) + 1}.{signature}",
        "signature": f"{ends}.{signature[:-1]}{'0' if signature[-1] != '0' else '1'}",
        "empty": "",
        "words": "nan.é",
        "other token": Access("other").login(),
    }[change]
    assert locked.get("/api/jobs", headers={"cookie": f"{access.cookie}={forged}".encode()}).status_code == 401


def test_a_login_ends_some_day(locked: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    locked.post("/login", data={"token": TOKEN})
    assert locked.get("/api/jobs").status_code == 200
    monkeypatch.setattr("seisloom.web.access.time.time", lambda: 4e9)
    assert locked.get("/api/jobs").status_code == 401


def test_a_secure_cookie_over_https(tmp_path: Path, clock: Clock) -> None:
    client = guarded(tmp_path, TOKEN, clock)
    answer = client.post("https://127.0.0.1:8642/login", data={"token": TOKEN})
    assert "Secure" in answer.headers["set-cookie"]


def test_guesses_become_slow(clock: Clock) -> None:
    access = Access(TOKEN, clock)
    waits = []
    for _ in range(12):
        assert not access.matches("wrong", "1.2.3.4")
        with pytest.raises(TooManyGuessesError) as refused:
            access.matches(TOKEN, "1.2.3.4")  # not even the right one is looked at
        waits.append(refused.value.seconds)
        assert access.matches(TOKEN, "5.6.7.8")  # others are not held up
        clock.now += refused.value.seconds
    assert waits[:5] == [1, 1, 2, 4, 8]
    assert waits[-1] == LONGEST_WAIT_S
    clock.now += FORGET_S
    assert not access.matches("wrong", "1.2.3.4")
    with pytest.raises(TooManyGuessesError) as refused:
        access.matches("wrong", "1.2.3.4")
    assert refused.value.seconds == 1


def test_slow_guesses_at_the_door(locked: TestClient, clock: Clock) -> None:
    assert locked.post("/login", data={"token": "wrong"}).status_code == 401
    for answer in (locked.post("/login", data={"token": TOKEN}), locked.get("/api/jobs", headers=bearer(TOKEN))):
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
    clock.now += 1
    assert locked.post("/login", data={"token": TOKEN}).status_code == 303
    clock.now += 1
    locked.post("/login", data={"token": "wrong"})
    assert locked.get("/api/jobs").status_code == 200  # who is in stays in


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "http://evil.example", "https:evil.example", "javascript:alert(1)", "evil.example",
     "/\t/evil.example", "\\\\evil.example", "", "/a\r\nSet-Cookie: x=y", "///evil.example"],
)  # fmt: skip
def test_a_login_leads_nowhere_else(locked: TestClient, target: str) -> None:
    answer = locked.post("/login", data={"token": TOKEN, "next": target})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@given(st.text(alphabet=st.sampled_from("/\\:@.?#a \t\n%é"), max_size=12))
def test_every_target_of_a_login_is_within(target: str) -> None:
    kept = within(target)
    assert kept.startswith("/")
    assert not kept.startswith(("//", "/\\"))
    assert urlsplit(kept).netloc == ""
    assert not set(kept) & set("\t\n\\")


def test_the_login_page_shows_nothing_of_what_was_sent_as_markup(locked: TestClient) -> None:
    page = locked.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in page.text
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("declared", [True, False])
def test_large_bodies_are_refused_as_they_come(client: TestClient, declared: bool) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(40):
            sent += 100_000
            yield bytes(100_000)

    headers = {"content-length": "4000000"} if declared else {}
    answer = client.post("/size", content=pieces(), headers=headers)
    assert answer.status_code == 413
    assert answer.json()["detail"] == "the request is larger than 2 MB"
    assert client.post("/size", content=bytes(1_900_000)).json() == 1_900_000


@pytest.mark.parametrize("length", ["-1", "1e3", "many", "٣"])
def test_lengths_that_are_none_are_refused(client: TestClient, length: str) -> None:
    answer = client.post("/size", content=b"x", headers=[(b"content-length", length.encode())])
    assert answer.status_code in (400, 413)


def test_only_uploads_may_be_as_large_as_uploads(tmp_path: Path, clock: Clock) -> None:
    client = guarded(tmp_path, None, clock, upload_mb=70.0)
    assert client.post("/size", content=bytes(65_000_000)).status_code == 413
    upload = client.post(
        "/size", content=bytes(65_000_000), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert upload.json() == 65_000_000


@pytest.mark.parametrize("path", ["/xcor", "/api/jobs", "/api/nothing", "/login"])
def test_every_answer_says_what_browsers_may_do(locked: TestClient, path: str) -> None:
    headers = locked.get(path, headers=bearer(TOKEN)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    scripts = "script-src 'self'" in headers["content-security-policy"]
    assert scripts != path.startswith("/api")  # data bring no scripts


def test_answers_of_the_api_are_not_kept_by_caches(client: TestClient) -> None:
    assert client.get("/api/jobs").headers["cache-control"] == "no-store"


def test_callers_do_not_choose_where_scripts_come_from(client: TestClient) -> None:
    assert client.get("/xcor", headers={"X-Forwarded-Prefix": "//evil.example"}).json() is None


def test_below_a_path_of_a_proxy(tmp_path: Path, clock: Clock) -> None:
    client = guarded(tmp_path, TOKEN, clock, root_path="/seis")
    assert client.get("/seis/api/jobs").status_code == 401
    led = client.get("/seis/xcor?job=1", headers=HTML).headers["location"]
    assert led.startswith("/seis/login?")
    assert parse_qs(urlsplit(led).query) == {"next": ["/xcor?job=1"]}
    answer = client.post("/seis/login", data={"token": TOKEN, "next": "/xcor?job=1"})
    assert answer.headers["location"] == "/seis/xcor?job=1"
    assert client.get("/seis/xcor", headers=HTML).status_code == 200
