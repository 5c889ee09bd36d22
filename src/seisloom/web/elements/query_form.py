"""The filters of the page Map: source, codes, dates and a rectangle, each with its fault beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement

from seisloom.errors import InputError
from seisloom.waveforms.query import parse_box, parse_codes, parse_time

CODES = ("network", "station", "location", "channel")
SIDES = ("west", "south", "east", "north")
PARAMETERS = ("source", *CODES, "start", "end", *SIDES)
"""Of a query, as in the address of the page and of GET /channels."""
OTHER = " other"
"""Choice of a source that has no name: its address is typed."""
WORLD = (-180.0, -90.0, 180.0, 90.0)


class QueryForm:
    """The fields. ``on_box`` hears the rectangle while its sides are typed, None for none; ``on_sides`` that somebody is
    done with one; ``on_enter`` the Enter key; ``on_draw`` that the rectangle shall be drawn."""

    def __init__(
        self,
        offers: Sequence[Mapping[str, Any]],
        on_box: Callable[[list[float] | None], object],
        on_sides: Callable[[], object],
        on_enter: Callable[[], object],
        on_draw: Callable[[], object],
    ) -> None:
        self._names = {offer["name"]: offer["title"] for offer in offers}
        self._on_box, self._on_enter = on_box, on_enter
        self._quiet = False
        default = next((offer["name"] for offer in offers if offer["default"]), "demo")
        self.fields: dict[str, ValidationElement[Any]] = {}
        with ui.element("div").classes("sl-filters"):
            choices = self._names | {OTHER: "Another address …"}
            self.source = ui.select(choices, value=default, label="Data source", with_input=True).classes("sl-wide")
            self.source.props("outlined dense options-dense hide-bottom-space behavior=menu")
            self.address = self._text("source", "Address of an FDSN service", "https://", self._source_fault)
            self.address.classes("sl-wide").bind_visibility_from(self.source, "value", value=OTHER)
            for name in CODES:
                self._text(name, name.capitalize(), "all", partial(parse_codes, name))
            ui.label("* and ? stand for letters, commas between several: BH?,HHZ").classes("sl-wide sl-muted sl-hint")
            self._date("start", "From", whole_day=False)
            self._date("end", "To", whole_day=True)
            with ui.row().classes("sl-wide sl-filters-title"):
                ui.label("Rectangle, degrees").classes("sl-muted")
                ui.space()
                draw = ui.button(icon="highlight_alt", on_click=on_draw).props("flat dense round size=sm")
                draw.props('aria-label="Draw on the map"').tooltip("Draw on the map")
                clear = ui.button(icon="close", on_click=lambda: self.set_box(None, tell=True)).props(
                    "flat dense round size=sm"
                )
                clear.props('aria-label="No rectangle"').tooltip("No rectangle")
            for name in ("west", "east", "south", "north"):
                field = self._text(name, name.capitalize(), "", partial(_side, name))
                field.props("inputmode=text").on_value_change(self._sides_changed).on("blur", on_sides)

    def _text(self, name: str, label: str, hint: str, parse: Callable[[str], object]) -> ui.input:
        field = ui.input(label, placeholder=hint, validation=lambda text: _fault(parse, text))
        field.props("outlined dense stack-label hide-bottom-space no-error-icon autocomplete=off spellcheck=false")
        field.on("keydown.enter", self._on_enter)
        self.fields[name] = field
        return field

    def _date(self, name: str, label: str, whole_day: bool) -> None:
        field = self._text(name, label, "YYYY-MM-DD", lambda text: parse_time(name, text, whole_day))
        with field.add_slot("append"):
            button = ui.button(icon="event").props(f'flat dense round size=sm aria-label="Calendar: {label}"')
            with button, ui.menu() as menu:
                calendar = ui.date(on_change=lambda event: event.value and field.set_value(event.value)).props(
                    "minimal"
                )
                calendar.on_value_change(menu.close)
            menu.on("before-show", lambda: calendar.set_value((field.value or "")[:10] or None))

    def _source_fault(self, text: str) -> None:
        if self.source.value == OTHER and not text.startswith(("http://", "https://")):
            raise InputError("write it as https://service.iris.edu")

    def set(self, given: Mapping[str, str]) -> None:
        """Fill the fields from the parameters of an address."""
        source = given.get("source")
        if source is not None:
            known = source in self._names
            self.source.set_value(source if known else OTHER)
            self.address.set_value("" if known else source.removeprefix("fdsn:"))
        for name in PARAMETERS[1:]:
            self.fields[name].set_value(given.get(name, ""))

    def parameters(self) -> dict[str, str]:
        """What is asked, without what is empty."""
        address = (self.address.value or "").strip()
        source = f"fdsn:{address}" if self.source.value == OTHER else self.source.value
        values = {name: str(self.fields[name].value or "").strip() for name in PARAMETERS[1:]}
        return {"source": source or ""} | {name: value for name, value in values.items() if value}

    def check(self) -> bool:
        """Whether the fields can be asked for; faults are shown."""
        return all([field.validate() for field in self.fields.values()])

    def show_faults(self, faults: Sequence[str]) -> list[str]:
        """Put faults that begin with the name of a field beside it; returns the others."""
        others = []
        for fault in faults:
            field = self.fields.get(fault.split()[0].rstrip(":") if fault else "")
            if field is None or not field.visible:
                others.append(fault)
            else:
                field.error = fault
        return others

    def box(self) -> list[float] | None:
        """The rectangle that the fields say, open sides being those of the world; None for none or a fault."""
        texts = [str(self.fields[name].value or "").strip() for name in SIDES]
        try:
            sides = [_side(name, text) for name, text in zip(SIDES, texts, strict=True)]
            if not any(texts):
                return None
            west, south, east, north = (w if side is None else side for side, w in zip(sides, WORLD, strict=True))
            return list(parse_box((west, south, east, north)))
        except InputError:
            return None

    def set_box(self, box: Sequence[float] | None, tell: bool = False) -> None:
        """Fill the sides; ``tell``: as if they had been typed."""
        self._quiet = True
        for name, text in zip(SIDES, [f"{side:.7g}" for side in box] if box else [""] * 4, strict=True):
            self.fields[name].set_value(text)
        self._quiet = False
        if tell:
            self._on_box(self.box())

    def _sides_changed(self) -> None:
        if not self._quiet:
            self._on_box(self.box())


def _fault(parse: Callable[[str], object], text: str | None) -> str | None:
    try:
        parse(text or "")
    except InputError as error:
        return str(error).partition(": ")[2] or str(error)  # the field stands beside it
    return None


def _side(name: str, text: str) -> float | None:
    """Degrees, None for an empty field."""
    if not text.strip():
        return None
    most = 360.0 if name in ("west", "east") else 90.0
    try:
        degrees = float(text.replace("−", "-"))
    except ValueError:
        raise InputError("a number of degrees") from None
    if not abs(degrees) <= most:
        raise InputError(f"within ±{180 if most > 90 else 90}")
    return degrees
