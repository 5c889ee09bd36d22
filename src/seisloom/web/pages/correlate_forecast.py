"""What a correlation will take, said before it starts, and the button that starts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from seisloom.words import duration, size

FACTS = (
    ("channels", "Channels"),
    ("pairs", "Pairs"),
    ("days", "Days"),
    ("download", "Download"),
    ("output", "Output"),
    ("time", "Time"),
)


class Forecast:
    """The panel; it keeps its size whatever it says."""

    def __init__(self, on_launch: Callable[[], Any]) -> None:
        self._values: dict[str, ui.label] = {}
        with ui.element("section").classes("sl-panel xc-forecast").props('aria-label="What will happen"'):
            ui.label("What will happen").classes("sl-title")
            with ui.element("dl").classes("xc-facts") as self._facts:
                for name, title in FACTS:
                    with ui.element("div"):
                        with ui.element("dt"):
                            ui.label(title)
                        with ui.element("dd"):
                            self._values[name] = ui.label("–")
            self.button = ui.button("Save and Launch", icon="play_arrow", on_click=on_launch)
            self.button.props("unelevated no-caps aria-describedby=xc-note").classes("xc-launch").disable()
            self._note = ui.label("Estimating…").classes("xc-note").props("role=status id=xc-note")

    def pending(self) -> None:
        """What is shown is no longer what is asked for; it stays, faded, until there is something new."""
        self._facts.classes("xc-stale")
        self.button.disable()

    def show(self, estimate: Mapping[str, Any]) -> None:
        """Numbers of POST /estimate; the job can be launched unless it is beyond a limit."""
        self._put(
            channels=number(estimate["channels"]),
            pairs=number(estimate["pairs"]),
            days=number(estimate["days"]),
            download=size(estimate["download_bytes"]),
            output=size(estimate["output_bytes"]),
            time=duration(estimate["seconds"]),
        )
        if estimate["exceeded"]:
            self._say(" ".join(map(sentence, estimate["exceeded"])), refused=True)
            return
        self._say(" ".join(map(sentence, [f"time: {estimate['basis']}", *estimate["notes"]])), refused=False)
        self.button.enable()

    def refuse(self, reason: str, clear: bool = False) -> None:
        """The job cannot be launched, and why; the numbers stay, faded, or give way to none."""
        if clear:
            self._put()
        self._say(reason, refused=True)
        self.button.disable()

    def _put(self, **facts: str) -> None:
        self._facts.classes(remove="xc-stale")
        for name, label in self._values.items():
            label.set_text(facts.get(name, "–"))

    def _say(self, text: str, refused: bool) -> None:
        self._note.set_text(text)
        self._note.classes(add="xc-refused" if refused else "", remove="" if refused else "xc-refused")


def sentence(text: str) -> str:
    """A text that begins and ends as a sentence does."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def number(value: int | None) -> str:
    """A count in words."""
    return "–" if value is None else f"{value:,}"
