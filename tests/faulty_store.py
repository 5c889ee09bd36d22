"""A gateway before an S3 server that does to its requests what networks and busy services do."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["gone", "slow", "busy", "cut", "unheard", "half"]
"""gone: the connection is closed without a word; slow: an answer after ``SLOW_S``; busy: 503 SlowDown; cut: half of the
answer's body; unheard: the request is carried out and its answer lost; half: the server gets half of the request's body."""
Refusal = Literal["full", "denied"]
"""Answers that no waiting helps against: a quota that is used up, no permission."""
SLOW_S = 0.1
ANSWERS = {"busy": (503, "SlowDown"), "full": (403, "QuotaExceeded"), "denied": (403, "AccessDenied")}
Chooser = Callable[[int, str, str], Fault | Refusal | None]
"""Fault of a request, from its number, method and path."""


class FaultyGateway:
    """Where requests go in (``url``), what becomes of them (``choose``), and what came (``seen``: method, path, fault)."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.choose: Chooser = lambda number, method, path: None
        self.seen: list[tuple[str, str, Fault | Refusal | None]] = []
        self._lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def fault(self, method: str, path: str) -> Fault | Refusal | None:
        """What is to happen to a request; it is noted."""
        with self._lock:
            chosen = self.choose(len(self.seen), method, path)
            self.seen.append((method, path, chosen))
        return chosen

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = gateway.fault(self.command, self.path)
                if fault == "gone":
                    self.close_connection = True
                    return
                if fault in ANSWERS:
                    status, code = ANSWERS[fault]
                    self._answer(
                        status, [("Content-Type", "application/xml")], f"<Error><Code>{code}</Code></Error>".encode()
                    )
                    return
                if fault == "slow":
                    time.sleep(SLOW_S)
                status, headers, answer = self._forward(body[: len(body) // 2] if fault == "half" else body, len(body))
                if fault in ("unheard", "half"):
                    self.close_connection = True
                    return
                self._answer(status, headers, answer, cut=fault == "cut" and len(answer) > 1)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

            def _forward(self, body: bytes, length: int) -> tuple[int, list[tuple[str, str]], bytes]:
                """The server's answer; it is told that ``length`` bytes come, whatever comes."""
                connection = http.client.HTTPConnection(gateway.upstream, timeout=30)
                try:
                    connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        connection.putheader(name, value)
                    connection.endheaders(body)
                    if len(body) < length:
                        return 0, [], b""
                    answer = connection.getresponse()
                    return answer.status, answer.getheaders(), answer.read()
                finally:
                    connection.close()

            def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False) -> None:
                self.send_response_only(status)
                passed = [
                    h for h in headers if h[0].lower() not in ("content-length", "connection", "transfer-encoding")
                ]
                length = str(len(body)) if self.command != "HEAD" else dict(headers).get("Content-Length", "0")
                for name, value in [*passed, ("Content-Length", length)]:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection = self.close_connection or cut

            def log_message(self, *arguments: object) -> None:
                """Nothing to the terminal."""

        return Handler


@contextmanager
def faulty(upstream: str) -> Iterator[FaultyGateway]:
    """A gateway that runs."""
    gateway = FaultyGateway(upstream)
    thread = threading.Thread(target=gateway.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        gateway.server.shutdown()
        gateway.server.server_close()
        thread.join()
