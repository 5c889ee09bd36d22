"""The login page: plain HTML, so that nothing else of the app is shown before."""

from __future__ import annotations

from html import escape
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from seisloom.web.access import STAY_S, Access, TooManyGuessesError, address_of

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Log in · seisloom</title>
<link rel="icon" href="favicon.ico">
<link rel="stylesheet" href="static/login.css">
</head>
<body>
<main>
<h1>seisloom</h1>
<form method="post" action="login">
<input name="user" value="seisloom" autocomplete="username" hidden>
<label for="token">Access token</label>
<input id="token" name="token" type="password" autocomplete="current-password" autofocus required maxlength="500" {faulty}>
<p id="fault" role="alert">{fault}</p>
<input type="hidden" name="next" value="{next}">
<button>Log in</button>
<p class="hint">The token is printed where the service was started.</p>
</form>
</main>
</body>
</html>
"""


def login_router(access: Access) -> APIRouter:
    """The routes /login and /logout."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    def page(after: Annotated[str, Query(alias="next")] = "/") -> HTMLResponse:
        return _page(after)

    @router.post("/login")
    def login(
        request: Request, token: Annotated[str, Form()] = "", after: Annotated[str, Form(alias="next")] = "/"
    ) -> Response:
        try:
            right = access.matches(token.strip(), address_of(request))
        except TooManyGuessesError as error:
            return _page(after, f"{str(error)[0].upper()}{str(error)[1:]}.", 429, error.seconds)
        if not right:
            return _page(after, "This is not the access token.", 401)
        answer = RedirectResponse(request.scope.get("root_path", "") + within(after), 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            access.cookie, access.login(), max_age=STAY_S, httponly=True, samesite="lax", secure=secure, path="/"
        )
        return answer

    @router.post("/logout")
    def logout(request: Request) -> Response:
        answer = RedirectResponse(f"{request.scope.get('root_path', '')}/login", 303)
        answer.delete_cookie(access.cookie, path="/", httponly=True, samesite="lax")
        return answer

    return router


def within(target: str) -> str:
    """An address within this service, "/" for every other: a link must not lead from our login to a foreign page."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    plain = target.isprintable() and target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if plain and not parts.scheme and not parts.netloc and "\\" not in target else "/"


def _page(after: str, fault: str = "", status: int = 200, retry_s: int | None = None) -> HTMLResponse:
    faulty = 'aria-invalid="true" aria-describedby="fault"' if fault else ""
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": str(retry_s)} if retry_s else {})
    content = _PAGE.format(next=escape(within(after)), fault=escape(fault), faulty=faulty)
    return HTMLResponse(content, status, headers=headers)
