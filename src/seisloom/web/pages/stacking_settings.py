"""The settings of the page Stacking: those of the picture that is shown, and folded away what is seldom wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement

from seisloom.web.pages.stacking_state import ALL, OWN, State

CHOICES = {
    "period": ("Rows", {"": "as kept", "day": "days", "week": "weeks", "month": "months", "10 days": "10 days"}),
    "scale_rows": ("Scaled", {"": "all alike", "true": "by row"}),
    "sides": ("Lags", {"both": "both", "causal": "positive", "folded": "folded"}),
    "kind": ("Drawn as", {"auto": "auto", "wiggles": "wiggles", "image": "image"}),
    "colour": ("Colours", {"distance": "distance", "amplitude": "amplitude"}),
}
TEXTS = {
    "band": ("Pass band", "Hz", "all"),
    "lag": ("Lags up to", "s", "all"),
    "velocities": ("Velocities", "km/s", "none"),
    "bin_km": ("Bins", "km", "none"),
}
FOLDED = ("start", "end", "stack")
# How faults of the API begin that do not begin with the name of the parameter.
WORDS = {"bins of": "bin_km", "lag range": "lag", "no day from": "start", "no pair of component": "component"}
MADE = "made now"


class Settings:
    """Controls of a state; ``on_change`` is called after one of them has changed it."""

    def __init__(self, methods: Sequence[Mapping[str, Any]], on_change: Callable[[], None]) -> None:
        self._methods = {method["name"]: method for method in methods}
        self._on_change, self._filling = on_change, True
        self._state, self._band = State(), ("", "")
        self._controls: dict[str, ValidationElement[Any]] = {}
        self._options: dict[str, ValidationElement[Any]] = {}
        with ui.element("div").classes("st-settings"):
            self._select("component", "Comp.", [])
            self._select("method", "Stack", list(self._methods))
            self._select("station", "Source", [], with_input=True)
            for name, (label, choices) in CHOICES.items():
                self._select(name, label, choices)
            for name, (label, unit, hint) in TEXTS.items():
                self._text(name, label, unit, hint)
        with ui.element("div").classes("st-more") as self._more:
            self._about = ui.label().classes("sl-muted st-about")
            with ui.element("div").classes("st-settings") as self._folded:
                self._date("start", "From day")
                self._date("end", "To day")
                self._select("stack", "Stacks of all pairs", {"": MADE})
        self._more.set_visibility(False)
        self._filling = False

    def add_switch(self) -> None:
        """A button that shows what is folded away."""
        self._switch = ui.button("More", icon="tune", on_click=self._unfold).props("flat no-caps aria-expanded=false")
        self._switch.tooltip("Days, options of the stack")

    def _unfold(self) -> None:
        self._more.set_visibility(not self._more.visible)
        self._switch.props(f"aria-expanded={str(self._more.visible).lower()}")

    def offer(self, made: Mapping[str, Any], stations: Sequence[str]) -> None:
        """What can be chosen of a job: ``made`` is the answer of /correlations, ``stations`` are NET.STA."""
        self._offer("component", list(made["components"]))
        self._offer("station", list(stations))
        self._controls["lag"].props["placeholder"] = f"{made['maxlag_s']:g}"
        low, high = (f"{made['settings'][name]:g}" for name in ("freqmin", "freqmax"))
        self._band = (low, high)
        self._controls["band"].tooltip(f"Filter, LOW,HIGH. The correlations hold {low} to {high} Hz.")

    def offer_stacks(self, stacks: Sequence[Mapping[str, Any]]) -> None:
        """The stacks that are stored with the job."""
        self._offer("stack", {"": MADE} | {stack["name"]: stack["name"] for stack in stacks})

    def fill(self, state: State) -> None:
        """Show a state, which the controls change from now on."""
        self._state = state
        self._filling = True
        for name, control in self._controls.items():
            value = state.values[name]
            options = getattr(control, "options", None)
            if options is not None and value not in options:
                self._offer(name, [*options, value] if isinstance(options, list) else options | {value: value})
            control.set_value(value)
            control.props(remove="error")
            control.set_visibility(name in ALL or name in OWN[state.view])
        self._show_options()
        self._filling = False

    def fault(self, detail: str) -> None:
        """Mark the field that a fault of the API, which stands in place of the picture, is about; "" for none."""
        fields = self._controls | self._options
        words = detail.removeprefix("stack option ").split()
        name = next(
            (field for start, field in WORDS.items() if detail.startswith(start)), words[0].rstrip(":") if words else ""
        )
        for field, control in fields.items():
            control.props(add="error" if field == name else "", remove="" if field == name else "error")

    def _show_options(self) -> None:
        """Fields for the options of the method."""
        method = self._methods.get(self._state.values["method"], {"help": "", "options": []})
        for control in self._options.values():
            control.delete()
        self._options = {}
        with self._folded:
            for option in method["options"]:
                self._option(option)
        changed = len(self._state.options) + sum(bool(self._state.values[name]) for name in FOLDED)
        self._switch.set_text("More" + (f" · {changed} set" if changed else ""))
        self._about.set_text(f"{self._state.values['method']}: {method['help']}.")

    def _option(self, option: Mapping[str, Any]) -> None:
        name = option["name"]
        default = "off" if option["default"] is None else str(option["default"]).lower()
        label = name.removesuffix("_s").replace("_", " ").capitalize()
        control: ValidationElement[Any]
        if isinstance(option["default"], bool):
            control = ui.select(
                {"true": "yes", "false": "no"}, label=label, value=self._state.options.get(name, default)
            )
        else:
            control = ui.input(label, placeholder=default, value=self._state.options.get(name, ""))
            control.props["suffix"] = option["unit"]
        self._dress(control, "debounce=350 options-dense").tooltip(option["help"].capitalize())
        control.on_value_change(lambda event: self._changed_option(name, event.value, default))
        self._options[name] = control

    def _changed_option(self, name: str, value: Any, default: str) -> None:
        text = str(value or "").strip()
        if text in ("", default):
            self._state.options.pop(name, None)
        else:
            self._state.options[name] = text
        self._on_change()

    def _changed(self, name: str, value: Any) -> None:
        if self._filling:
            return
        text = str(value or "").strip()
        if self._state.values[name] == text:
            return
        self._state.values[name] = text
        if name == "method":
            # The transform of every frequency takes long, and outside the band of the job there is nothing to stack.
            self._state.options = dict(zip(("freqmin", "freqmax"), self._band, strict=True)) if text == "tf-pws" else {}
        if name in ("method", *FOLDED):
            self._show_options()
        self._on_change()

    def _select(self, name: str, label: str, choices: Any, with_input: bool = False) -> None:
        control = ui.select(choices, label=label, with_input=with_input)
        self._add(name, control, "options-dense behavior=menu")

    def _text(self, name: str, label: str, unit: str, hint: str) -> None:
        control = ui.input(label, placeholder=hint)
        control.props["suffix"] = unit
        self._add(name, control, "debounce=350 autocomplete=off spellcheck=false inputmode=text")

    def _date(self, name: str, label: str) -> None:
        self._add(name, ui.input(label), "type=date debounce=350")

    def _add(self, name: str, control: ValidationElement[Any], more: str) -> None:
        self._dress(control, more).on_value_change(lambda event: self._changed(name, event.value))
        self._controls[name] = control

    def _dress(self, control: ValidationElement[Any], more: str) -> ValidationElement[Any]:
        return control.props(f"outlined dense stack-label hide-bottom-space no-error-icon {more}")

    def _offer(self, name: str, choices: Any) -> None:
        control = self._controls[name]
        assert isinstance(control, ui.select)
        before, self._filling = self._filling, True
        control.set_options(choices, value=control.value if control.value in choices else None)
        self._filling = before
