"""An FDSN web service on the loopback interface: station, dataselect, availability, and faults on demand.

It follows the FDSN specification (https://www.fdsn.org/webservices/): GET and POST, wildcards and comma
lists, all levels, text and XML, the error codes. By hand: ``python -m tests.fdsn_server DIR`` serves the
StationXML (``*.xml``) and MiniSEED files of a directory.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from urllib.request import parse_http_list, parse_keqv_list

from obspy import Inventory, Stream, UTCDateTime, read_inventory

from tests.fdsn_holdings import Box, Holdings, Wanted

ALIASES = dict(net="network", sta="station", loc="location", cha="channel", start="starttime", end="endtime")
ALIASES |= {f"{m}{c}": f"{m}{name}" for m in ("min", "max") for c, name in (("lat", "latitude"), ("lon", "longitude"))}
LIMITS = {"minlongitude": -180, "minlatitude": -90, "maxlongitude": 180, "maxlatitude": 90}
CODES = ("network", "station", "location", "channel")
COMMON = dict.fromkeys((*CODES, "format", "nodata"), "string") | dict.fromkeys(("starttime", "endtime"), "dateTime")
PARAMETERS = {
    "station": COMMON | dict.fromkeys(LIMITS, "double") | {"level": "string", "includerestricted": "boolean"},
    "dataselect": COMMON | {"quality": "string", "minimumlength": "double", "longestonly": "boolean"},
    "availability": COMMON | {"merge": "string", "orderby": "string", "limit": "int"},
}
RESOURCES = {
    "station": ("query",),
    "dataselect": ("query", "queryauth"),
    "availability": ("query", "extent"),
}
TEXT, XML, MSEED = "text/plain", "application/xml", "application/vnd.fdsn.mseed"


class HttpError(Exception):
    """An answer other than 200, with the words of its body."""

    def __init__(self, status: int, words: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.headers = status, words, headers or {}


@dataclass
class Fault:
    """What goes wrong with the next ``times`` requests whose path, query or body contains ``match``."""

    match: str = ""
    times: float = 1  # math.inf for always
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    held: threading.Event | None = None  # answered once it is set
    body: bytes | None = None  # sent in place of the true one
    keep: int | None = None  # bytes of the body that are left, under a length that agrees
    cut: int | None = None  # bytes after which the connection closes, short of the announced length
    drop: bool = False  # the connection closes without an answer


@dataclass
class Request:
    """One request as it came in; ``lines`` are the selections of a POST."""

    path: str
    params: dict[str, str]
    lines: list[list[str]]
    status: int = 0


class FdsnServer:
    """``with FdsnServer(inventory, waveforms) as server: Client(server.url)``.

    ``waveforms`` is an ObsPy Stream, MiniSEED bytes, or a directory of MiniSEED files. ``max_span_s`` is the
    longest dataselect request that is not refused as too large; ``restricted`` networks are given out only
    to ``credentials`` (user, password) by HTTP digest. ``requests`` lists what was asked, ``peak`` is the
    largest number at once.
    """

    def __init__(
        self,
        inventory: Inventory,
        waveforms: Stream | bytes | Path = b"",
        *,
        max_span_s: float = math.inf,
        restricted: Iterable[str] = (),
        credentials: tuple[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self.holdings = Holdings(inventory, waveforms)
        self.max_span_s, self.restricted, self.credentials = max_span_s, set(restricted), credentials
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.active = self.peak = 0
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> FdsnServer:
        loop = {"poll_interval": 0.02}
        threading.Thread(target=self._http.serve_forever, kwargs=loop, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def count(self, match: str = "") -> int:
        """How many requests came for paths that contain ``match``."""
        return sum(match in request.path for request in self.requests)

    def answer(self, request: Request, authorization: str | None) -> tuple[str, bytes]:
        """Content type and body; HttpError for anything else."""
        root, service, version, resource = (request.path.strip("/").split("/") + [""] * 4)[:4]
        if (root, version) == ("fdsnws", "1") and service in PARAMETERS:
            if resource == "version":
                return TEXT, b"1.1.1"
            if resource == "application.wadl":
                return XML, _wadl(self.url, service)
            if resource in RESOURCES[service]:
                kind, body = self._query(request, service, resource, authorization)
                if not body:
                    raise HttpError(int(request.params.get("nodata", 204)), "no data matches the selection")
                return kind, body
        raise HttpError(404, f"there is no {request.path} here")

    def _query(self, request: Request, service: str, resource: str, authorization: str | None) -> tuple[str, bytes]:
        request.params = {ALIASES.get(name, name): value for name, value in request.params.items()}
        wanted = _wanted(request, service)
        if service == "station":
            return self._station(request.params, wanted)
        if service == "availability":
            return TEXT, self.holdings.availability(wanted, extent=resource == "extent")
        if any(w.end - w.start > self.max_span_s for w in wanted):
            raise HttpError(413, f"ask for at most {self.max_span_s:g} s at once")
        found = self.holdings.dataselect(wanted)
        if resource == "queryauth":
            self._authorize(authorization)
        elif any(network in self.restricted for network, *_ in found):
            raise HttpError(403, "access to this network is restricted")
        return MSEED, b"".join(found.values())

    def _station(self, params: dict[str, str], wanted: list[Wanted]) -> tuple[str, bytes]:
        level, form = params.get("level", "station"), params.get("format", "xml")
        levels = ("network", "station", "channel", "response")[: 3 if form == "text" else 4]
        if level not in levels or form not in ("text", "xml"):
            raise HttpError(400, f"level={level} with format={form} is not offered")
        body = self.holdings.station(wanted, _box(params), level, text=form == "text")
        return (TEXT if form == "text" else XML), body

    def _authorize(self, authorization: str | None) -> None:
        """HTTP digest access authentication, RFC 7616 with MD5 and qop=auth."""
        challenge = {"WWW-Authenticate": 'Digest realm="FDSN", nonce="0badc0de", qop="auth", algorithm=MD5'}
        if not authorization or not self.credentials:
            raise HttpError(401, "credentials are needed", challenge)
        given = parse_keqv_list(parse_http_list(authorization.removeprefix("Digest ")))
        user, password = self.credentials
        secret, request = _md5(f"{user}:FDSN:{password}"), _md5(f"GET:{given['uri']}")
        expected = _md5(f"{secret}:0badc0de:{given['nc']}:{given['cnonce']}:auth:{request}")
        if (given["username"], given["response"]) != (user, expected):
            raise HttpError(401, "wrong user or password", challenge)


def _handler(service: FdsnServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self._serve(Request(url.path, dict(parse_qsl(url.query)), []), self.path)

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            params = dict(line.split("=", 1) for line in lines if "=" in line)
            selections = [line.split() for line in lines if "=" not in line]
            self._serve(Request(urlsplit(self.path).path, params, selections), self.path + text)

        def _serve(self, request: Request, whole: str) -> None:
            with service.lock:
                service.requests.append(request)
                service.active += 1
                service.peak = max(service.peak, service.active)
                fault = next((f for f in service.faults if f.match in whole and f.times > 0), Fault())
                fault.times -= 1
            try:
                self._answer(request, fault)
            finally:
                with service.lock:
                    service.active -= 1

        def _answer(self, request: Request, fault: Fault) -> None:
            time.sleep(fault.delay_s)
            if fault.held:
                fault.held.wait()
            if fault.drop:
                return
            headers: dict[str, str] = {}
            try:
                if fault.status:
                    raise HttpError(fault.status, f"planted fault {fault.status}", fault.headers)
                kind, body = service.answer(request, self.headers["Authorization"])
                request.status = 200
            except HttpError as error:
                request.status, kind, headers = error.status, TEXT, error.headers
                body = b"" if error.status == 204 else f"Error {error.status}: {error.words}".encode()
            if fault.body is not None:
                body = fault.body
            self._send(request.status, body[: fault.keep], {"Content-Type": kind} | headers, fault.cut)

        def _send(self, status: int, body: bytes, headers: dict[str, str], cut: int | None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # a client that gave up waiting
                self.wfile.write(body[:cut])

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _wanted(request: Request, service: str) -> list[Wanted]:
    params = request.params
    unknown = [name for name in params if name not in PARAMETERS[service]]
    if unknown:
        raise HttpError(400, f"unknown parameter {unknown[0]}")
    times = [params.get("starttime", "1900-01-01"), params.get("endtime", "2500-01-01")]
    lines = request.lines or [[params.get(name, "*") for name in CODES] + times]
    try:
        found = [Wanted(tuple(line[:4]), *map(UTCDateTime, line[4:6])) for line in lines]
    except (TypeError, ValueError) as error:
        raise HttpError(400, f"not a selection: {error}") from error
    if any(w.start > w.end for w in found):
        raise HttpError(400, "the end time is before the start time")
    return found


def _box(params: dict[str, str]) -> Box:
    try:
        west, south, east, north = (float(params.get(name, limit)) for name, limit in LIMITS.items())
    except ValueError as error:
        raise HttpError(400, f"not a number of degrees: {error}") from error
    if west > east or south > north:
        raise HttpError(400, "minlongitude or minlatitude is above its maximum")
    return west, south, east, north


def _wadl(url: str, service: str) -> bytes:
    params = "".join(
        f'<param name="{name}" style="query" type="xs:{kind}"/>' for name, kind in PARAMETERS[service].items()
    )
    return (
        '<?xml version="1.0"?><application xmlns="http://wadl.dev.java.net/2009/02" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        f'<resources base="{url}/fdsnws/{service}/1/"><resource path="query">'
        f'<method name="GET" id="query"><request>{params}</request></method>'
        "</resource></resources></application>"
    ).encode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="An FDSN web service over the files of a directory.")
    parser.add_argument("directory", type=Path, help="StationXML (*.xml) and MiniSEED files")
    parser.add_argument("--port", type=int, default=8080)
    given = parser.parse_args()
    inventory = Inventory(networks=[], source="test server")
    for path in sorted(given.directory.rglob("*.xml")):
        inventory += read_inventory(str(path), format="STATIONXML")
    with FdsnServer(inventory, given.directory, port=given.port) as server:
        print(f"{server.url} holds {len(server.holdings.records)} channels; Ctrl-C ends it", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
