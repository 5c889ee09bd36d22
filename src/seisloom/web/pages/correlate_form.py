"""The form of a correlation job: channels, settings, source and days; checked as one types, forecast, launched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from nicegui import background_tasks, events, ui

from seisloom.web.client import Api, ApiError
from seisloom.web.components.fields import Field, date_control, open_control, text_control
from seisloom.web.components.settings_form import SettingsForm
from seisloom.web.pages.correlate_forecast import Forecast

PAUSE_S = 0.3
"""After the last key, before what was typed is checked."""
DRAFT = "seisloom-xcor"
"""Where the browser keeps what was typed."""


class JobForm:
    """All of a new job. ``saved`` is GET /saved, ``offers`` GET /sources, ``schema`` the settings of GET /settings."""

    def __init__(
        self,
        api: Api,
        saved: Mapping[str, Any],
        offers: list[dict[str, Any]],
        schema: list[dict[str, Any]],
        launched: Callable[[str], Awaitable[None]],
    ) -> None:
        self._api, self._saved, self._launched = api, saved, launched
        self._client = ui.context.client  # background tasks have none of their own
        self._checking: asyncio.Task[None] | None = None
        with ui.column().classes("xc-form"):
            _channels(saved)
            with ui.column().classes("sl-panel"):
                self._head()
                self.settings = SettingsForm(schema, self._changed)
            with ui.column().classes("sl-panel"):
                ui.label("Job").classes("sl-title")
                self._job_fields(offers)

    def add_forecast(self) -> None:
        """Make the panel that says what the job will take, where it belongs on the page."""
        self.forecast = Forecast(self._launch)

    def _head(self) -> None:
        with ui.row().classes("xc-head"):
            ui.label("Parameters").classes("sl-title")
            ui.space()
            self._upload = ui.upload(on_upload=self._read, auto_upload=True, max_file_size=1_000_000).classes("hidden")
            self._upload.props('accept=".csv,.toml"')
            for label, icon, meaning, action in (
                ("Read file", "upload_file", "From a params.csv or TOML file", self._pick_file),
                ("Download", "download", "As xcor_params.csv", self._download),
                ("Defaults", "restart_alt", "Back to the defaults", lambda: self.settings.fill({})),
            ):
                ui.button(label, icon=icon, on_click=action).props("flat dense no-caps").tooltip(meaning)

    def _pick_file(self) -> None:
        self._upload.run_method("pickFiles")

    def _job_fields(self, offers: list[dict[str, Any]]) -> None:
        self._sources = {offer["name"]: offer["title"] for offer in offers}
        standard = next((offer["name"] for offer in offers if offer["default"]), None)
        self.name = Field("name", "Name", "For you to find it again.", text_control, wide=True)
        self.source = Field(
            "source",
            "Source",
            "Where the records come from: one of the list, or fdsn: and the address of a data centre.",
            lambda: open_control(self._sources),
            wide=True,
        )
        self.start = Field("start", "First day", "UTC.", date_control)
        self.end = Field("end", "Last day", "UTC, included.", date_control)
        self._choose_source(self._saved.get("source") or standard)
        for field, key in ((self.start, "start"), (self.end, "end")):
            field.control.set_value((self._saved.get(key) or "")[:10])
        for control in (self.name.control, self.source.control, self.start.control, self.end.control):
            control.on_value_change(self._changed)

    def job(self) -> dict[str, Any]:
        """What is filled in, as the API takes it."""
        return {
            "name": (self.name.control.value or "").strip(),
            "saved": True,
            "settings": self.settings.values(),
            "source": self.source.control.value or None,
            "start": self.start.control.value or None,
            "end": self.end.control.value or self.start.control.value or None,
        }

    def _changed(self) -> None:
        """Check what is filled in, once nothing has been typed for a moment."""
        if self._checking:
            self._checking.cancel()
        self.forecast.pending()
        self._checking = background_tasks.create(self.check(PAUSE_S))

    async def check(self, pause_s: float = 0.0) -> None:
        """Say what is wrong beside the fields, or what the job will take."""
        await asyncio.sleep(pause_s)
        job = self.job()
        self._keep(job)
        try:
            faults = (await self._api.post("/settings/check", job["settings"]))["faults"]
            self.settings.show_faults(faults)
            if reason := self._reason(job, bool(faults)):
                self.forecast.refuse(reason, clear=not self._saved["count"])
            else:
                self.forecast.show(await self._api.post("/estimate", job))
        except ApiError as error:
            self.forecast.refuse(str(error))

    def _reason(self, job: Mapping[str, Any], faults: bool) -> str:
        """Why the job cannot be launched before its size is even known, "" for none."""
        start, end = job["start"], job["end"]
        self.start.fault("" if start else "The first day is missing.")
        self.end.fault("The last day is before the first." if start and end and end < start else "")
        if not self._saved["count"]:
            return "Save channels on the map first."
        if faults:
            return "Mend the parameters that are marked first."
        return "" if start and end >= start else "Give the first and the last day."

    async def _launch(self) -> None:
        self.forecast.pending()
        try:
            made = await self._api.post("/jobs/correlation", self.job())
        except ApiError as error:
            self.forecast.refuse(str(error))
            return
        await self._launched(made["id"])
        await self.check()

    async def _download(self) -> None:
        try:
            answer = await self._api.send("POST", "/settings/params.csv", json=self.settings.values())
        except ApiError as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return
        ui.download.content(answer.content, "xcor_params.csv", "text/csv")

    async def _read(self, event: events.UploadEventArguments) -> None:
        self._upload.reset()
        await self._take(event.file.name, await event.file.read())

    async def reuse(self, job_id: str) -> None:
        """Fill in the settings of a job."""
        try:
            answer = await self._api.send("GET", f"/jobs/{job_id}/files/incoming/params.csv")
        except ApiError as error:
            ui.notify(str(error), type="negative", multi_line=True)
        else:
            await self._take("params.csv", answer.content)

    async def _take(self, name: str, data: bytes) -> None:
        """Fill in the settings of a file."""
        try:
            answer = await self._api.send("POST", "/settings/read", files={"file": (name, data)})
        except ApiError as error:
            ui.notify(str(error), type="negative", multi_line=True)
        else:
            self.settings.fill(answer.json()["values"])
            ui.notify(f"Filled in from {name}")

    def _keep(self, job: Mapping[str, Any]) -> None:
        """Have the browser keep what was typed, for these saved channels."""
        text = json.dumps({"saved": self._of_query(), "job": job})
        self._client.run_javascript(f"localStorage.setItem({json.dumps(DRAFT)}, {json.dumps(text)})")

    async def begin(self) -> None:
        """Fill in what was typed before the page was loaded anew, source and days only where the query is the same."""
        held = await self._client.run_javascript(f"return localStorage.getItem({json.dumps(DRAFT)})", timeout=10.0)
        draft = json.loads(held or "{}")
        if job := draft.get("job"):
            self.settings.fill(job["settings"])
        if draft.get("saved") == self._of_query():
            self._choose_source(job["source"])
            for field, key in ((self.name, "name"), (self.start, "start"), (self.end, "end")):
                field.control.set_value(job[key] or "")
        await self.check()

    def _choose_source(self, source: str | None) -> None:
        """Choose a source, one that was typed as well."""
        typed = {source: source} if source and source not in self._sources else {}
        self.source.control.set_options(self._sources | typed, value=source)

    def _of_query(self) -> list[Any]:
        return [self._saved.get(key) for key in ("source", "start", "end")]


def _channels(saved: Mapping[str, Any]) -> None:
    """The panel of the channels that are saved."""
    with ui.column().classes("sl-panel"):
        with ui.row().classes("xc-head"):
            ui.label("Channels").classes("sl-title")
            ui.space()
            if saved["count"]:
                ui.button("Change", icon="map").props('flat dense no-caps type=a href="."').tooltip("On the map")
        if not saved["count"]:
            ui.label("No channels yet. Query stations on the map, choose channels there and press Save Selected.")
            ui.button("Open the map", icon="map").props('unelevated no-caps type=a href="."').classes("xc-first")
            return
        with ui.element("dl").classes("xc-facts"):
            for title, text in _summary(saved):
                with ui.element("div"):
                    with ui.element("dt"):
                        ui.label(title)
                    with ui.element("dd"):
                        ui.label(text)


def _summary(saved: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the saved channels are, in words."""
    rows = saved["channels"]
    rates = sorted({row["sample_rate_hz"] for row in rows if row["sample_rate_hz"]})
    days = [(saved.get(key) or "")[:10] for key in ("start", "end")]
    return [
        ("Channels", f"{saved['count']:,}"),
        ("Stations", f"{len({(row['network'], row['station']) for row in rows}):,}"),
        ("Networks", _some(sorted({row["network"] for row in rows}))),
        ("Codes", _some(sorted({row["channel"] for row in rows}))),
        ("Sample rates", f"{_some(f'{rate:g}' for rate in rates)} Hz" if rates else "not known"),
        ("Query", " to ".join(day or "…" for day in days) if any(days) else "all dates"),
    ]


def _some(words: Iterable[str], most: int = 4) -> str:
    """The first of some words, and how many more there are."""
    shown = list(dict.fromkeys(words))
    return ", ".join(shown[:most]) + (f" and {len(shown) - most:,} more" if len(shown) > most else "")
