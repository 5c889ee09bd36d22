"""Stacks of all pairs that are stored with a job: offered where a picture needs one, followed while one is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from nicegui import ui

from seisloom.web.client import Api, ApiError
from seisloom.web.pages.stacking_state import State

POLL_S = 1.0
TOO_LARGE = "made and stored first"
"""What the API says of pictures that need a stored stack."""


class StackStore:
    """A line above the picture; ``on_stored`` is called with the name of a stack that was made."""

    def __init__(self, api: Api, on_stored: Callable[[str], Awaitable[None]]) -> None:
        self._api, self._on_stored = api, on_stored
        self._job, self._wanted = "", State()
        with ui.element("div").classes("st-store").props("role=status") as self._line:
            self._words = ui.label()
            self._button = ui.button("Stack all pairs", icon="layers", on_click=self._start).props(
                "no-caps unelevated dense"
            )
            self._bar = ui.linear_progress(0.0, show_value=False).props("instant-feedback rounded")
        self._line.set_visibility(False)
        self._timer = ui.timer(POLL_S, self._poll, active=False)

    async def stacks(self, job: str) -> list[dict[str, Any]]:
        """The stacks that are stored with a job; a run that is under way is followed from now on."""
        self._job = job
        told = await self._api.get(f"/jobs/{quote(job, safe='')}/stacks")
        if told["run"] and told["run"]["state"] == "running":
            self._timer.activate()
        stacks: list[dict[str, Any]] = told["stacks"]
        return stacks

    def told(self, detail: str, state: State | None = None) -> None:
        """What the API said of the picture, "" for nothing wrong."""
        if self._timer.active:
            return
        self._line.set_visibility(TOO_LARGE in detail)
        if state is None or TOO_LARGE not in detail:
            return
        self._wanted = state
        reason = detail.partition(" (at most")[0]
        self._words.set_text(f"{reason}. Their {state.values['method']} stack is made once, and stored with the job.")
        self._button.set_visibility(True)
        self._bar.set_visibility(False)

    async def _start(self) -> None:
        state = self._wanted
        turned = bool(set(state.values["component"]) & set("RT"))
        asked = {"method": state.values["method"], "options": state.options, "rotate": turned}
        try:
            await self._api.post(f"/jobs/{quote(self._job, safe='')}/stacks", asked)
        except ApiError as refused:
            ui.notify(str(refused), type="warning")
        self._timer.activate()

    async def _poll(self) -> None:
        run = (await self._api.get(f"/jobs/{quote(self._job, safe='')}/stacks"))["run"]
        if run is None:
            self._timer.deactivate()
            return
        share = run["done"] / run["pairs"] if run["pairs"] else 0.0
        self._line.set_visibility(True)
        self._button.set_visibility(False)
        self._bar.set_visibility(True)
        self._bar.set_value(share)
        done = f"{run['done']:,} of {run['pairs']:,} pairs" if run["pairs"] else "reading"
        self._words.set_text(f"The {run['method']} stack of all pairs is being made: {done}")
        if run["state"] == "running":
            return
        self._timer.deactivate()
        self._line.set_visibility(False)
        if run["state"] == "failed":
            ui.notify(run["message"], type="negative")
        else:
            await self._on_stored(run["name"])
