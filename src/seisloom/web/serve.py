"""Run the app: one socket, one server, until interrupted.

Without more, the service is there for this machine only. On any other address it asks for an access token, which is
made where none is given; host names it does not go by are refused (:mod:`seisloom.web.security`).
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address

import uvicorn

from seisloom.errors import InputError
from seisloom.web.access import new_token
from seisloom.web.app import make_app
from seisloom.web.services import Services

GRACE_S = 1
"""How long open connections may take to end when the server is asked to."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. InputError where the address cannot be had."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{host}, port {port}, cannot be listened on ({words}): choose another with --port, or --port 0 for a free one"
        ) from error
    return bound


def address(host: str, bound: socket.socket, root_path: str = "") -> str:
    """Where people find the service. A socket for all addresses of this machine is named by the one that always works."""
    ip, port = bound.getsockname()[:2]
    name = ("[::1]" if ":" in ip else "127.0.0.1") if ip_address(ip).is_unspecified else host
    return f"http://{f'[{name}]' if ':' in name and '[' not in name else name}:{port}{root_path}"


def needed_token(bound: socket.socket, token: str | None) -> str | None:
    """The access token: that given, or a new one where the socket can be reached from other machines."""
    if token is not None and not token.strip():
        raise InputError("the access token is empty: give one, or none to have one made where it is needed")
    return token or (None if ip_address(bound.getsockname()[0]).is_loopback else new_token())


def serve(
    services: Services,
    bound: socket.socket,
    ready: Callable[[], None],
    host: str = "localhost",
    names: Iterable[str] = (),
    root_path: str = "",
    ending: Callable[[], None] = lambda: None,
) -> None:
    """Serve on a bound socket until interrupted; ``ready`` is called when requests are answered.

    ``ending`` is called as soon as it is to end. ``host`` is what the socket was made for, ``names`` are other host names
    of the service, ``root_path`` is the path below which a proxy serves it.
    """

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            ending()
            await super().shutdown(sockets)

    app = make_app(services, _hosts(host, bound), names)
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
        root_path=root_path.rstrip("/"),
        server_header=False,
    )
    # uvicorn raises the signal that ended it again: what is around this function has its end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(KeyboardInterrupt):
        Server(config).run(sockets=[bound])


def _hosts(host: str, bound: socket.socket) -> set[str]:
    """Host names of the socket: for other machines the names of this one too."""
    here = ip_address(bound.getsockname()[0]).is_loopback
    return {host} if here else {host, socket.gethostname(), socket.getfqdn()}
