"""Run the app: one socket, one server, until interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from seisloom.errors import InputError
from seisloom.web.app import make_app
from seisloom.web.services import Services

GRACE_S = 1
"""How long open connections may take to end when the server is asked to."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. InputError where the address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError) as error:
        raise InputError(f"{host} port {port} cannot be listened on: {error}; choose another with --port") from error
    return bound


def serve(services: Services, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Serve on a bound socket until interrupted; ``ready`` is called when requests are answered."""

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    config = uvicorn.Config(make_app(services), log_level="warning", timeout_graceful_shutdown=GRACE_S)
    Server(config).run(sockets=[bound])
