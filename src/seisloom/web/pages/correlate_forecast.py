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
            with ui.row().classes("xc-launch"):
                self.button = ui.button("Save and Launch", icon="play_arrow", on_click=on_launch).props(
                    "unelevated no-caps"
                )
                self._note = ui.label().classes("xc-note").props("role=status id=xc-note")
            self.button.props("aria-describedby=xc-note")
        self.refuse("", {})

    def pending(self) -> None:
        """What is shown is no longer what is asked for; the numbers stay until there are new ones."""
        self._facts.classes("xc-stale")
        self.button.disable()

    def show(self, facts: dict[str, str], note: str) -> None:
        """The job can be launched: numbers by the names of FACTS, and where the time is from."""
        self._put(facts)
        self._say(note, refused=False)
        self.button.enable()

    def refuse(self, reason: str, facts: dict[str, str] | None = None) -> None:
        """The job cannot be launched, and why; without ``facts`` the numbers stay, faded."""
        if facts is not None:
            self._put(facts)
        self._say(reason, refused=True)
        self.button.disable()

    def _put(self, facts: dict[str, str]) -> None:
        self._facts.classes(remove="xc-stale")
        for name, label in self._values.items():
            label.set_text(facts.get(name, "–"))

    def _say(self, text: str, refused: bool) -> None:
        self._note.set_text(text)
        self._note.classes(add="xc-refused" if refused else "", remove="" if refused else "xc-refused")


def size(n_bytes: float | None) -> str:
    """Bytes in words: ``1.2 GB``."""
    if n_bytes is None:
        return "not known"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n_bytes < 999.5 or unit == "TB":
            return f"{n_bytes:.0f} {unit}" if unit == "B" or n_bytes >= 99.5 else f"{n_bytes:.2g} {unit}"
        n_bytes /= 1000
    raise AssertionError


def duration(seconds: float | None) -> str:
    """Seconds in words, two units at most: ``2 h 5 min``."""
    if seconds is None:
        return "not known"
    left = max(1, round(seconds))
    for (unit, length), (below, part) in zip(_UNITS, (*_UNITS[1:], ("", 0)), strict=True):
        if left >= length:
            rest = left % length // part if part else 0
            return f"{left // length} {unit}" + (f" {rest} {below}" if rest else "")
    raise AssertionError


def facts_of(estimate: Mapping[str, Any]) -> dict[str, str]:
    """The numbers of POST /estimate in words, by the names of FACTS."""
    return {
        "channels": f"{estimate['channels']:,}",
        "pairs": f"{estimate['pairs']:,}",
        "days": f"{estimate['days']:,}",
        "download": size(estimate["download_bytes"]),
        "output": size(estimate["output_bytes"]),
        "time": duration(estimate["seconds"]),
    }
