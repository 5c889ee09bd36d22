"""The saved channels on the page Map: their number, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from seisloom.web.client import Api


class SavedPanel:
    """Number of saved channels, Save Selected, Download, Clear. ``save`` has the checked channels saved by the browser,
    given whether they replace those that are there."""

    def __init__(self, api: Api, save: Callable[[bool], object]) -> None:
        self._api, self._save = api, save
        with ui.column().classes("sl-panel sl-saved"):
            self.save = (
                ui.button("Save Selected", on_click=lambda: save(False)).props("no-caps outline").classes("w-full")
            )
            with ui.row().classes("sl-saved-number w-full"):
                with ui.row().classes("sl-saved-number").props("role=status"):
                    self.number = ui.label("0").classes("sl-number")
                    self.words = ui.label("channels saved").classes("sl-muted")
                ui.space()
                self.clear = ui.button("Clear", on_click=self._clear).props("no-caps flat dense")
            with ui.row().classes("sl-buttons"):
                self.download = ui.button("Download", icon="download").props(
                    'no-caps outline href=api/saved/stations.csv download="stations.csv"'
                )
                self.go = ui.button("XCor", icon="tune").props("no-caps flat href=xcor").tooltip("Set the parameters")
        with ui.dialog() as self._dialog, ui.card():
            self._question = ui.label()
            with ui.row().classes("w-full justify-end"):
                ui.button("Keep them", on_click=self._dialog.close).props("no-caps flat")
                ui.button("Replace them", on_click=self._replace).props("no-caps")
        self.choose(0)
        self._show(0)

    def choose(self, count: int) -> None:
        """Say how many rows are checked."""
        self.save.set_text(f"Save Selected ({count:,})" if count else "Save Selected")
        self.save.set_enabled(count > 0)

    async def refresh(self) -> None:
        """Show what is saved now, by whichever tab of this browser."""
        told = await self._api.get("/saved")
        self._show(told["count"])

    def _show(self, count: int) -> None:
        self.number.set_text(f"{count:,}")
        self.words.set_text(f"{'channel' if count == 1 else 'channels'} saved")
        for button in (self.download, self.clear, self.go):
            button.set_enabled(count > 0)

    async def saved(self, answer: dict[str, Any]) -> None:
        """The browser has saved, or was refused."""
        if answer["status"] == 200:
            added = answer["added"]
            ui.notify(f"{added:,} saved" if added else "They were saved already", type="positive")
        elif answer["status"] == 409:
            self._question.set_text(f"{answer['detail'].split(':')[0]}.".capitalize())
            self._dialog.open()
        else:
            ui.notify(answer["detail"], type="negative", timeout=0, close_button="Close")
        await self.refresh()

    def _replace(self) -> None:
        self._dialog.close()
        self._save(True)

    async def _clear(self) -> None:
        await self._api.delete("/saved")
        await self.refresh()
