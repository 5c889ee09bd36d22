"""The form of an association job: its files, method, region and thresholds."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nicegui import ui

from seisloom.web.catalogue.option_fields import PHASELINK, OptionFields, number_field, number_of
from seisloom.web.catalogue.velocity import VelocityDialog
from seisloom.web.catalogue.views import FileChoice
from seisloom.web.client import Api, ApiError
from seisloom.web.elements.map import Map

SAVED, TRAIN = " saved", " train"
DEMO_MINUTES = 0.7
"""Training of the demonstration: enough for its two hours of picks."""
SIDES = ("south", "north", "west", "east", "top", "bottom")


class AssociationForm:
    """All of a new job. ``launched`` is called with its id."""

    def __init__(self, api: Api, saved: int, target: Map, launched: Callable[[str], Awaitable[None]]) -> None:
        self._api, self._map, self._launched = api, target, launched
        self._quiet = False
        self._marks: list[dict[str, Any]] = []
        with ui.row().classes("ct-head"):
            ui.label("New catalogue").classes("sl-title")
            ui.space()
            ui.button("Example", icon="science", on_click=self._demo).props("flat dense no-caps").tooltip(
                "Fill in two hours of simulated picks at 30 stations"
            )
        self.options = OptionFields(self._ready)
        self._files(saved)
        self.options.draw_method()
        self._network()
        self._region()
        self.options.draw_thresholds()
        self.name = ui.input("Name", placeholder="for you to find it again").classes("w-full")
        self.name.props("outlined dense stack-label maxlength=200 autocomplete=off")
        with ui.element("div").classes("ct-launch"):
            self.launch = ui.button("Find earthquakes", icon="play_arrow", on_click=self._launch)
            self.launch.props("unelevated no-caps").classes("w-full")
            self.note = ui.label("").classes("ct-launch-note").props("role=status")
        self._ready()

    def _files(self, saved: int) -> None:
        text = ".csv,.txt,.dat,.json,.xml,.gpd"
        self.picks = FileChoice(
            "picks", "Picks", "CSV, GPD, PhaseNet, SeisBench, GaMMA, PyOcto, QuakeML.", self._ready, text
        )
        more = [(SAVED, f"The {saved:,} saved channels")] if saved else []
        self.stations = FileChoice(
            "stations", "Stations", "List, CSV, StationXML, FDSN text.", self._stations_chosen, text, more
        )
        with ui.element("div").classes("ct-with-more"):
            self.velocity = FileChoice(
                "velocity", "Velocity model", "Depth (km), Vp, Vs (km/s).", self._velocity_chosen, ""
            )
            self._dialog = VelocityDialog(self._api, lambda name: self.velocity.choose(name))
            ui.button("Type a table", icon="edit", on_click=self._dialog.open).props("flat dense no-caps size=sm")

    def _network(self) -> None:
        self.model = FileChoice(
            "model",
            "Network",
            "Trained for these stations, unless you have one.",
            self._model_chosen,
            ".pt",
            [(TRAIN, "Train one")],
        )
        self.options.belongs(PHASELINK, self.model)
        for choice in (self.picks, self.stations, self.velocity, self.model):
            choice.on_busy = self._ready

    def _region(self) -> None:
        with ui.row().classes("sl-wide sl-filters-title"):
            ui.label("Region, degrees and km").classes("sl-muted")
            ui.space()
            for icon, label, action in (
                ("highlight_alt", "Draw on the map", lambda: self._map.run_method("draw_box", True)),
                ("close", "Around the stations", lambda: self.set_box(None, tell=True)),
            ):
                button = ui.button(icon=icon, on_click=action).props("flat dense round size=sm")
                button.props(f'aria-label="{label}"').tooltip(label)
        hints = dict.fromkeys(SIDES[:4], "around stations") | {"top": "0", "bottom": "30"}
        with ui.element("div").classes("sl-filters"):
            self.sides = {name: number_field(name.capitalize(), hints[name]) for name in SIDES}
        for field in self.sides.values():
            field.on_value_change(self._sides_changed)
            field.on_value_change(self._ready)

    def _ready(self, *_: object) -> None:
        """Allow the launch when the files are there; say what is missing."""
        if not hasattr(self, "note"):
            return
        files = {"picks": self.picks, "stations": self.stations, "velocity model": self.velocity}
        missing = [name for name, file in files.items() if not file.value]
        reading = any(file.busy for file in (*files.values(), self.model))
        self.launch.set_enabled(not missing and not reading)
        words = "Files are being read." if reading else f"Choose {_listed(missing)} first." if missing else ""
        self._say(words)

    def _stations_chosen(self, value: str, facts: dict[str, Any] | None) -> None:
        rows = (facts or {}).get("stations") or []
        if not rows and value == SAVED:
            ui.timer(0.0, self._show_saved, once=True)
        self._show_stations(rows)
        self._ready()

    async def _show_saved(self) -> None:
        channels = (await self._api.get("/saved"))["channels"]
        places = {f"{row['network']}.{row['station']}": row for row in channels if row["latitude"] is not None}
        self._show_stations([{"station": name, **row} for name, row in places.items()])

    def _show_stations(self, rows: list[dict[str, Any]]) -> None:
        self._marks = [
            {"id": row["station"], "title": row["station"], "latitude": row["latitude"], "longitude": row["longitude"]}
            for row in rows
        ]
        self.show_on_map()

    def show_on_map(self) -> None:
        """Stations and region of the new job."""
        look = {"legend": False, "shape": "triangle", "size": 10, "colour": "#7a8896", "fit": bool(self._marks)}
        self._map.set_markers("stations", self._marks, **look)
        self._sides_changed()

    def _velocity_chosen(self, value: str, facts: dict[str, Any] | None) -> None:
        self._dialog.layers = (facts or {}).get("layers") or self._dialog.layers
        self._ready()

    def _model_chosen(self, value: str, facts: dict[str, Any] | None) -> None:
        self.options.numbers["train_minutes"].set_enabled(value in ("", TRAIN))
        self._ready()

    def set_box(self, box: Sequence[float] | None, tell: bool = False) -> None:
        """Fill in the rectangle of the region: west, south, east, north; ``tell`` the map as well."""
        self._quiet = True
        west, south, east, north = [f"{side:.5g}" for side in box] if box else [""] * 4
        for name, text in zip(SIDES[:4], (south, north, west, east), strict=True):
            self.sides[name].set_value(text)
        self._quiet = False
        if tell:
            self._map.set_box(box)

    def _sides_changed(self) -> None:
        if self._quiet:
            return
        south, north, west, east = (number_of(self.sides[name].value) for name in SIDES[:4])
        if south is None or north is None or west is None or east is None:
            self._map.set_box(None)
        elif south < north:
            self._map.set_box([west, south, east, north])

    async def _demo(self) -> None:
        self._say("Making the example …")
        try:
            names = await self._api.post("/files/demo")
        except ApiError as error:
            self._say(str(error), fault=True)
            return
        for kind, choice in (("picks", self.picks), ("stations", self.stations), ("velocity", self.velocity)):
            choice.choose(names[kind])
        self.model.choose(TRAIN)
        self.options.numbers["train_minutes"].set_value(f"{DEMO_MINUTES:g}")
        self.name.set_value("Example")

    def asked(self) -> dict[str, str]:
        """The form fields of the request; ValueError says what is wrong with the region."""
        fields = {"picks_file": self.picks.value, "velocity_file": self.velocity.value, "name": self.name.value or ""}
        saved = self.stations.value == SAVED
        fields |= {"stations_saved": "true"} if saved else {"stations_file": self.stations.value}
        if self.options.method == PHASELINK and self.model.value not in ("", TRAIN):
            fields["model_file"] = self.model.value
        return fields | {"options": json.dumps(self.options.asked() | {"region": self._asked_region()})}

    def _asked_region(self) -> list[float] | None:
        sides = [number_of(self.sides[name].value) for name in SIDES]
        around = sides[:4]
        if all(side is None for side in sides):
            return None
        if None in around:
            raise ValueError("Give all four sides of the region, or none of them and no depths.")
        top, bottom = (0.0 if sides[4] is None else sides[4]), (30.0 if sides[5] is None else sides[5])
        return [*(float(side) for side in around if side is not None), top, bottom]

    async def _launch(self) -> None:
        fields = [*self.sides.values(), *self.options.numbers.values()]
        if not all([field.validate() for field in fields if field.visible]):
            self._say("Some fields cannot be used as they are.", fault=True)
            return
        self.launch.props("loading")
        try:
            made = (await self._api.send("POST", "/jobs/association", data=self.asked())).json()
        except ValueError as error:
            self._say(str(error), fault=True)
        except ApiError as error:
            self._show_faults(error)
        else:
            self._say("")
            await self._launched(made["id"])
        finally:
            self.launch.props(remove="loading")

    def _show_faults(self, error: ApiError) -> None:
        """Put faults of settings beside their fields, and say the others."""
        others = []
        for fault in error.faults:
            field = self.options.numbers.get(fault.split(" ")[0])
            if field:
                field.error = fault
            else:
                others.append(fault)
        self._say(
            "; ".join(others) or (str(error) if not error.faults else "Some fields cannot be used as they are."),
            fault=True,
        )

    def _say(self, words: str, fault: bool = False) -> None:
        self.note.set_text(words)
        self.note.classes(add="ct-fault" if fault else "", remove="" if fault else "ct-fault")


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
