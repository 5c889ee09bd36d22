"""The form of the correlation settings: the six of every job, the others folded away in groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from seisloom.web.components.fields import Field, choice_control, text_control

GROUPS = {
    "Preprocessing": ("response", "fill_gap", "taper", "reject_peak"),
    "Normalisation": ("time_norm", "clip_std", "ram_window", "whiten", "whiten_width", "measure"),
    "Pairs": ("components", "autocorrelations", "min_distance_km", "max_distance_km"),
    "Output": ("keep", "substack_len", "stack_days"),
}
_YES_NO = {True: "yes", False: "no"}


class SettingsForm:
    """A field for every setting of ``schema`` (of GET /settings); ``on_change`` is called when one changes."""

    def __init__(self, schema: Sequence[Mapping[str, Any]], on_change: Callable[[], None]) -> None:
        self._schema = {setting["name"]: setting for setting in schema}
        self._on_change, self._filling = on_change, False
        self._fields: dict[str, Field[ui.input | ui.select]] = {}
        for name in (name for name, setting in self._schema.items() if setting["basic"]):
            self._add(name)
        with ui.expansion().classes("sl-advanced").props("dense") as self._advanced:
            for title, names in self._groups().items():
                ui.label(title).classes("sl-group")
                for name in names:
                    self._add(name)
        self._count_changed()

    def values(self) -> dict[str, Any]:
        """What is filled in, by name: texts as they were typed, empty settings left out."""
        held = {name: field.control.value for name, field in self._fields.items()}
        typed = {name: value.strip() if isinstance(value, str) else value for name, value in held.items()}
        return {name: value for name, value in typed.items() if value not in (None, "")}

    def fill(self, values: Mapping[str, Any]) -> None:
        """Fill the form; settings that are not in ``values`` get their defaults."""
        self._filling = True
        for name, field in self._fields.items():
            field.control.set_value(_shown(values.get(name, self._schema[name]["default"])))
        self._filling = False
        self._changed()

    def show_faults(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Say beside each field what is wrong with it (of POST /settings/check); faulty ones are unfolded."""
        told: dict[str, list[str]] = {}
        for fault in faults:
            for name in fault["fields"][:1]:
                told.setdefault(name, []).append(self._in_words(name, fault["message"]))
        for name, field in self._fields.items():
            field.fault(" ".join(told.get(name, [])))
        if any(not self._schema[name]["basic"] for name in told if name in self._schema):
            self._advanced.open()

    def _in_words(self, name: str, fault: str) -> str:
        """A fault as it is said beside the field of a name: with labels for the names of others, without its own."""
        labels = {other: setting["label"].lower() for other, setting in self._schema.items()}
        text = re.sub(rf"^{name} is (?=')|\b{name} ", "", fault)
        text = re.sub(r"\w+", lambda word: labels.get(word[0], word[0]), text)
        return text.replace("<=", "≤").replace(">=", "≥") + "."

    def _groups(self) -> dict[str, list[str]]:
        """The settings that are folded away, by group; those of none come last."""
        placed = {name for names in GROUPS.values() for name in names}
        others = [name for name, setting in self._schema.items() if not setting["basic"] and name not in placed]
        groups = {title: [name for name in names if name in self._schema] for title, names in GROUPS.items()}
        return groups | ({"Others": others} if others else {})

    def _add(self, name: str) -> None:
        setting = self._schema[name]
        field = Field(name, setting["label"], f"{setting['help']}.", lambda: _control(setting))
        field.control.set_value(_shown(setting["default"]))
        field.control.on_value_change(self._changed)
        self._fields[name] = field

    def _changed(self) -> None:
        if not self._filling:
            self._count_changed()
            self._on_change()

    def _count_changed(self) -> None:
        folded = [name for name, setting in self._schema.items() if not setting["basic"]]
        changed = sum(self._fields[n].control.value != _shown(self._schema[n]["default"]) for n in folded)
        self._advanced.set_text("Advanced settings" + (f" · {changed} changed" if changed else ""))


def _control(setting: Mapping[str, Any]) -> ui.input | ui.select:
    if setting["kind"] == "number":
        return text_control(setting["unit"], _shown(setting["default"]), mode="decimal")
    return choice_control(setting["choices"] or list(_YES_NO.values()))


def _shown(value: Any) -> str:
    """A value as its control holds it."""
    if isinstance(value, bool):
        return _YES_NO[value]
    return "" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)
