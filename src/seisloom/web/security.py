"""What stands before everything that is served: pages, API, static files, web sockets.

In this order a request is refused

- for a host name that is not the service's own (421): another name that was made to point here is how foreign pages
  reach services of a private network (DNS rebinding). Addresses and ``localhost`` always stand; names are those that
  the operator gives (``--host``, ``--allow-host``);
- where it changes something, or opens a web socket, and a browser sent it from a page of another origin (403);
- without the access token, where there is one (401, or the login page);
- for a body that is too large (413), counted while it comes in, whatever its header says.

Answers say what a browser may do with them: scripts, styles, connections of the service itself only, no frames of others.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seisloom.web.access import Access, TooManyGuessesError
from seisloom.web.api.errors import error_response

OPEN = {"/login", "/static/style.css", "/static/login.css", "/favicon.ico"}
"""What everybody may see."""
SAFE = {"GET", "HEAD", "OPTIONS"}
PLAIN_MB = 64.0
"""Largest body that is not an upload of files: it is held in memory."""
# NiceGUI makes its pages of inline scripts, and Vue compiles templates in the browser. The only other host is that of the
# map's tiles, which people may switch on.
PAGES = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob: https://tile.openstreetmap.org; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
DATA = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware, the outermost.

    ``hosts`` are names of the machine, ``names`` other host names of the service, such as that of a proxy before it;
    ``access`` None lets everybody in.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str] = (),
        names: Iterable[str] = (),
        access: Access | None = None,
        upload_mb: float = 200,
    ) -> None:
        self.app, self.access = app, access
        self.names = {_name(name) for name in names}
        self.hosts = {"localhost", *map(_name, hosts)} | self.names
        self.largest = {True: round((upload_mb + 1) * 1e6), False: round(min(PLAIN_MB, upload_mb + 1) * 1e6)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        # Anybody can send it, and NiceGUI would have pages fetch their scripts below it: the operator's root path counts.
        kept = [(name, value) for name, value in scope["headers"] if name.lower() != b"x-forwarded-prefix"]
        scope = {**scope, "headers": kept}
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        refusal = self._refusal(scope, path)
        if refusal is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif refusal is not None:
            await refusal(scope, receive, _with_headers(send, path))
        elif scope["type"] == "websocket":
            await self.app(scope, receive, send)
        else:
            await self._limited(scope, receive, _with_headers(send, path))

    def _refusal(self, scope: Scope, path: str) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            name = host[:200]
            return error_response(
                421, f"this service does not go by the name {name!r}: start it with --allow-host NAME"
            )
        if scope.get("method") not in SAFE and not self._from_us(headers, host):
            return error_response(403, "the request was sent by a page of another site")
        if self.access is None or path in OPEN:
            return None
        try:
            if self.access.admits(HTTPConnection(scope)):
                return None
        except TooManyGuessesError as error:
            return error_response(429, str(error), headers={"Retry-After": str(error.seconds)})
        if "text/html" in headers.get("accept", "") and scope.get("method") in SAFE and not _is_api(path):
            query = scope.get("query_string", b"").decode("latin-1")
            wanted = quote(path + (f"?{query}" if query else ""), safe="")
            return RedirectResponse(f"{scope.get('root_path', '')}/login?next={wanted}", 303)
        words = "an access token is needed: send it as Authorization: Bearer TOKEN, or use the login page"
        return error_response(401, words, headers={"WWW-Authenticate": "Bearer"})

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this service. An address cannot be made to point elsewhere."""
        name = _name(host)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.hosts
        return True

    def _from_us(self, headers: Headers, host: str) -> bool:
        """Whether a request comes from our own pages, or from no browser."""
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        try:
            there = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        # A proxy may change the host; what the browser knows it by, the operator has named.
        return there == host.lower() or _name(there) in self.names

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app, with no more of the body than may be."""
        headers = Headers(scope=scope)
        largest = self.largest[headers.get("content-type", "").startswith("multipart/")]
        too_large = error_response(
            413, f"the request is larger than {largest / 1e6:,.0f} MB", headers={"Connection": "close"}
        )
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > largest:
            await too_large(scope, receive, send)
            return
        received, begun, refused = 0, False, False

        async def counted() -> Message:
            nonlocal received, refused
            message: Message = {"type": "http.disconnect"} if refused else await receive()
            received += len(message.get("body", b""))
            if received <= largest or refused:
                return message
            refused = True
            if not begun:
                await too_large(scope, receive, send)
            return {"type": "http.disconnect"}

        async def answer(message: Message) -> None:
            nonlocal begun
            if not refused or begun:
                begun = True
                await send(message)

        try:
            await self.app(scope, counted, answer)
        except Exception:
            if not refused:  # else it is the end of the body that came too early
                raise


def _with_headers(send: Send, path: str) -> Send:
    """Answers with what browsers should know of them."""
    policy = DATA if _is_api(path) and not path.startswith("/api/docs") else PAGES

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", policy)
            if _is_api(path):
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return with_headers


def _is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def _name(host: str) -> str:
    """The name or address of a Host header, without port, brackets, and the dot at the end."""
    bare = host.strip().lower()
    if bare.startswith("["):
        return bare[1:].partition("]")[0]
    return (bare.rpartition(":")[0] if bare.count(":") == 1 else bare).rstrip(".")
