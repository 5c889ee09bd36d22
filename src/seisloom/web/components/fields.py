"""Forms: rows of label, control, and a line of help that gives way to what is wrong with the control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from nicegui import ui
from nicegui.elements.mixins.value_element import ValueElement

from seisloom.web.components.style import add_style

Control = TypeVar("Control", bound=ValueElement[Any])


class Field(Generic[Control]):
    """One row of a form; ``name`` tells its control apart from those of the other rows of the page.

    ``make`` is called in its place and returns the control, such as :func:`text_control`. A ``wide`` control, for words
    rather than numbers, stands above the help.
    """

    def __init__(self, name: str, label: str, hint: str, make: Callable[[], Control], wide: bool = False) -> None:
        add_style("forms")
        self.hint = hint
        with ui.element("div").classes("sl-field sl-field-wide" if wide else "sl-field"):
            with ui.element("label").props(f"for=field-{name}").classes("sl-field-label"):
                ui.label(label)
            self.control = make()
            self.control.classes("sl-field-control")
            self.note = ui.label(hint).classes("sl-field-note").props(f"id=note-{name} aria-live=polite")
        self.control.props(
            f"for=field-{name} aria-describedby=note-{name} outlined dense hide-bottom-space no-error-icon"
        )

    def fault(self, text: str) -> None:
        """Say what is wrong, in place of the help; "" for nothing."""
        self.note.set_text(text or self.hint)
        if text:
            self.note.classes("sl-field-fault")
            self.control.props("error aria-invalid=true")
        else:
            self.note.classes(remove="sl-field-fault")
            self.control.props(remove="error aria-invalid")


def text_control(unit: str = "", placeholder: str = "", mode: str = "text") -> ui.input:
    """A line of text with its unit inside; ``mode`` is the keyboard that phones show (text, decimal)."""
    control = ui.input(placeholder=placeholder).props(f"inputmode={mode} autocomplete=off spellcheck=false")
    if unit:
        control.props["suffix"] = unit
    return control


def date_control() -> ui.input:
    """A day, with the browser's own calendar."""
    return ui.input().props("type=date")


def choice_control(choices: Sequence[str] | dict[str, str]) -> ui.select:
    """One of several words; a dict gives each what is shown in its place."""
    return ui.select(choices if isinstance(choices, dict) else list(choices)).props("options-dense")


def open_control(choices: dict[str, str]) -> ui.select:
    """One of several words, or another that is typed."""
    return ui.select(choices, with_input=True, new_value_mode="add-unique", key_generator=lambda word: word).props(
        "options-dense"
    )
