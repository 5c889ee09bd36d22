"""Method and thresholds of an association job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nicegui import ui

from seisloom.associate.magnitude_relations import AUTO, NONE, RELATIONS
from seisloom.jobs.requests import AssociationOptions

LIKELIHOOD, PHASELINK = "likelihood", "phaselink"
# Name and what it does, a line each.
METHODS = {
    LIKELIHOOD: "Likelihood\nWeighs what picks, and missing picks, say for an earthquake. Needs no training.",
    PHASELINK: "PhaseLink\nA neural network links the picks. It is trained for the stations first.",
}
_METHOD_LABEL = """
<span class="ct-method"><b>{{ props.label.split('\\n')[0] }}</b>
  <span class="sl-muted">{{ props.label.split('\\n')[1] }}</span></span>
"""


class Threshold(NamedTuple):
    """A number of AssociationOptions; ``method``: the only one that knows it, "" for both."""

    name: str
    label: str
    hint: str = ""
    method: str = ""


MAIN = (
    Threshold("min_picks", "Fewest picks", "of an event"),
    Threshold("false_events_per_day", "False events a day", "1, or 1 % of all", LIKELIHOOD),
    Threshold("train_minutes", "Training, minutes", "", PHASELINK),
    Threshold("min_p", "Fewest P"),
    Threshold("min_s", "Fewest S"),
)
MORE = (
    Threshold("min_evidence", "Least evidence", "from false events", LIKELIHOOD),
    Threshold("spacing_km", "Search grid, km", "from the picks", LIKELIHOOD),
    Threshold("max_distance_km", "Farthest station, km", "size of network", PHASELINK),
    Threshold("min_probability", "Least probability", "of a pick, 0 to 1"),
    Threshold("seed", "Seed", "of random numbers"),
)
EARTH = {"sphere": "Sphere", "flat": "Flat Earth"}
MAGNITUDES = {AUTO: "Automatic"} | {
    name: f"{relation.type}, {name}" for name, relation in RELATIONS.items()
} | {NONE: "None"}  # fmt: skip


class OptionFields:
    """Fields of what may be chosen, but for the region. ``changed`` is called when any of them is."""

    def __init__(self, changed: Callable[..., object]) -> None:
        self._changed, self._defaults = changed, AssociationOptions()
        self.numbers: dict[str, ui.input] = {}
        self._of_method: list[tuple[str, ui.element]] = []

    @property
    def method(self) -> str:
        return str(self._method.value)

    def draw_method(self) -> None:
        """The choice of the method, each with what it does."""
        self._method = ui.radio(METHODS, value=self._defaults.method).classes("ct-methods")
        self._method.props('dense aria-label="Method"').add_slot("label", _METHOD_LABEL)
        self._method.on_value_change(self._switch)

    def draw_thresholds(self) -> None:
        """The fields that most jobs change, and the others folded away."""
        with ui.element("div").classes("sl-filters"):
            self._draw(MAIN)
        with ui.expansion("More").classes("w-full ct-more").props("dense"), ui.element("div").classes("sl-filters"):
            self._draw(MORE)
            self._magnitude = _select(MAGNITUDES, self._defaults.magnitude, "Magnitudes")
            self._earth = _select(EARTH, self._defaults.earth, "Travel times")
            self._learn = ui.checkbox("Learn errors, delays and detection", value=self._defaults.learn)
            self.belongs(LIKELIHOOD, self._learn.classes("sl-wide").props("dense"))
        self._switch()

    def belongs(self, method: str, element: ui.element) -> None:
        """Show an element for one method only."""
        self._of_method.append((method, element))

    def asked(self) -> dict[str, Any]:
        """What the method knows and was told, by the names of AssociationOptions."""
        told = {t.name: number_of(self.numbers[t.name].value) for t in (*MAIN, *MORE) if t.method in ("", self.method)}
        chosen = {"method": self.method, "magnitude": self._magnitude.value, "earth": self._earth.value}
        if self.method == LIKELIHOOD:
            chosen["learn"] = self._learn.value
        return chosen | {name: value for name, value in told.items() if value is not None}

    def _draw(self, thresholds: Sequence[Threshold]) -> None:
        for name, label, hint, method in thresholds:
            value = getattr(self._defaults, name)
            field = self.numbers[name] = number_field(label, hint, "" if value is None else f"{value:g}")
            field.on_value_change(self._changed)
            if method:
                self.belongs(method, field)

    def _switch(self, *_: object) -> None:
        for method, element in self._of_method:
            element.set_visibility(method == self.method)
        self._changed()


def number_field(label: str, hint: str, value: str = "") -> ui.input:
    """A field for a number, which may stay empty."""
    field = ui.input(label, placeholder=hint, value=value, validation=_fault)
    field.props("outlined dense stack-label hide-bottom-space no-error-icon inputmode=decimal autocomplete=off")
    return field


def number_of(text: object) -> int | float | None:
    """A number that was typed, whole ones as such; None where nothing was, or no number."""
    try:
        number = float(str(text or "").strip().replace("−", "-"))
    except ValueError:
        return None
    return int(number) if number.is_integer() else number


def _fault(text: object) -> str | None:
    return "a number" if str(text or "").strip() and number_of(text) is None else None


def _select(choices: dict[str, str], value: str, label: str) -> ui.select:
    return ui.select(choices, value=value, label=label).props("outlined dense options-dense stack-label")
