"""How pages ask the API: the same routes as everybody, without a network in between."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from seisloom.web.session import KEY


class ApiError(Exception):
    """The API refused; ``str()`` is what it said, ``faults`` are those of settings, each beginning with its name."""

    def __init__(self, status: int, detail: str, faults: list[str]) -> None:
        super().__init__(detail)
        self.status, self.faults = status, faults


class Api:
    """The API as one session sees it."""

    def __init__(self, api: FastAPI, session: str) -> None:
        async def as_session(scope: Scope, receive: Receive, send: Send) -> None:
            await api({**scope, KEY: session}, receive, send)

        # What goes wrong inside is answered, and logged, as for callers from outside.
        transport = httpx.ASGITransport(as_session, raise_app_exceptions=False, root_path="/api")
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost/api", timeout=None)

    async def get(self, path: str, **params: Any) -> Any:
        """JSON of a GET; parameters that are None are left out."""
        return (await self.send("GET", path, params={k: v for k, v in params.items() if v is not None})).json()

    async def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """JSON of a POST of JSON."""
        return (await self.send("POST", path, json=body, **more)).json()

    async def delete(self, path: str) -> None:
        """DELETE."""
        await self.send("DELETE", path)

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Any request; ApiError where the answer is an error."""
        answer = await self._client.request(method, path, **more)
        if answer.is_error:
            try:
                body = answer.json()
            except ValueError:
                body = {"detail": answer.text}
            detail = body.get("detail", "")
            if isinstance(detail, list):  # what FastAPI says of parameters of a wrong type
                detail = "; ".join(f"{'.'.join(map(str, d['loc'][1:]))}: {d['msg']}" for d in detail)
            raise ApiError(answer.status_code, detail, body.get("faults", []))
        return answer
