"""A bar between two parts of a page, one above the other, that shares out their height."""

from __future__ import annotations

from nicegui.element import Element


class Splitter(Element, component="splitter.js"):
    """Dragged, or moved by the arrow keys: sets ``--sl-split`` (percent) on the element around it, and the browser keeps it."""

    def __init__(self, label: str, remember: str, percent: float = 58.0) -> None:
        """``label`` says what is shared; ``remember`` is the name under which the browser keeps it."""
        super().__init__()
        self.classes("sl-splitter")
        self._props |= {"label": label, "remember": remember, "percent": percent}
