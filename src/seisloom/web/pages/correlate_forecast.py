"""What a correlation will take, said before it starts, and the button that starts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

FACTS = (
    ("channels", "Channels"),
    ("pairs", "Pairs"),
    ("days", "Days"),
    ("download", "Download"),
    ("output", "Output"),
    ("time", "Time"),
)
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


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


def size(n_bytes: float | None) -> str:
    """Bytes in words: ``1.2 GB``."""
    if n_bytes is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n_bytes < 999.5 or unit == "TB":
            return f"{n_bytes:.0f} {unit}" if unit == "B" or n_bytes >= 99.5 else f"{n_bytes:.2g} {unit}"
        n_bytes /= 1000
    raise AssertionError


def duration(seconds: float | None) -> str:
    """Seconds in words, two units at most: ``2 h 5 min``."""
    if seconds is None:
        return "–"
    left = max(1, round(seconds))
    for (unit, length), (below, part) in zip(_UNITS, (*_UNITS[1:], ("", 0)), strict=True):
        if left >= length:
            rest = left % length // part if part else 0
            return f"{left // length} {unit}" + (f" {rest} {below}" if rest else "")
    raise AssertionError
