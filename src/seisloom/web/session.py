"""Who asks: an unguessable cookie tells browsers apart, so that nobody sees what others have saved."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Annotated

from fastapi import Depends
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "seisloom_session"
KEY = "seisloom_session"
"""Where the session is in an ASGI scope."""
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")
_YEAR_S = 365 * 86_400


class SessionMiddleware:
    """Gives every caller without a session one, and puts it in ``scope[KEY]``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        given = HTTPConnection(scope).cookies.get(COOKIE, "")
        session = given if _FORM.fullmatch(given) else secrets.token_urlsafe(32)
        scope[KEY] = session

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and session != given:
                secure = "; Secure" if scope.get("scheme") == "https" else ""
                cookie = f"{COOKIE}={session}; Path=/; Max-Age={_YEAR_S}; HttpOnly; SameSite=Lax{secure}"
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self.app(scope, receive, with_cookie)


def session_of(connection: HTTPConnection) -> str:
    """The session of a request."""
    session: str = connection.scope[KEY]
    return session


def folder_of(session: str) -> str:
    """Where the workspace keeps what a session saved; the name does not give the session away."""
    return f"users/{hashlib.sha256(session.encode()).hexdigest()[:32]}"


Session = Annotated[str, Depends(session_of)]
"""Parameter type of a route that needs to know who asks."""
