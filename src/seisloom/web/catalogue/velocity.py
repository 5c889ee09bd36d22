"""A velocity model that is typed: a few lines of depth, Vp and Vs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import ui

from seisloom.web.client import Api, ApiError

NAME = "velocity.txt"
# A continental crust (depth in km, Vp and Vs in km/s) to begin with.
CRUST = ((0.0, 4.8, 2.74), (2.0, 5.6, 3.2), (10.0, 6.1, 3.49), (20.0, 6.4, 3.66), (35.0, 6.9, 3.94), (35.0, 8.0, 4.57))


class VelocityDialog:
    """``chosen`` hears the name of the file that was made; ``layers`` are what the table begins with."""

    def __init__(self, api: Api, chosen: Callable[[str], object]) -> None:
        self._api, self._chosen = api, chosen
        self.layers: Sequence[Sequence[float]] = CRUST
        with ui.dialog() as self._dialog, ui.card().classes("ct-dialog"):
            ui.label("Velocity model").classes("sl-title")
            ui.label(
                "A line for each depth: depth (km below sea level), Vp, Vs (km/s). Velocities are linear between "
                "lines; a depth that comes twice is an interface. Vs may be left out."
            ).classes("sl-muted")
            self._table = (
                ui.textarea()
                .classes("w-full ct-mono")
                .props('outlined input-style="min-height: 14rem" aria-label="Depth, Vp, Vs" spellcheck=false')
            )
            self._fault = ui.label("").classes("ct-fault ct-lines").props("role=alert")
            with ui.row().classes("w-full justify-end"):
                ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps")
                ui.button("Use it", on_click=self._use).props("unelevated no-caps")

    def open(self) -> None:
        """Show the table."""
        self._table.set_value("\n".join(f"{z:7.2f} {vp:6.3f} {vs:6.3f}" for z, vp, vs in self.layers))
        self._fault.set_text("")
        self._dialog.open()

    async def _use(self) -> None:
        try:
            files = {"file": (NAME, (self._table.value or "").encode())}
            made = await self._api.send("POST", "/files", files=files, data={"kind": "velocity"})
        except ApiError as error:
            self._fault.set_text(str(error).replace(f"{NAME}, ", ""))
            return
        self._dialog.close()
        self._chosen(made.json()["name"])
