"""A picture that the server draws: the old one stays until the new one is there, and places in it can be pointed at."""

from __future__ import annotations

from nicegui.element import Element

from seisloom.web.components.style import add_style


class Picture(Element, component="picture.js"):
    """A figure of the API on white paper, as wide as there is room.

    Methods: ``show(address)`` with the address of the .png below the page, without ``width`` ("" for none);
    ``reload()`` asks for the same again, which the server answers at once where nothing has changed.

    Events: ``pick`` ``{name, x, y}`` for a click: part of the picture, and the place in it in its own quantities; ``drawn``
    ``{seconds}`` when another picture stands there; ``failed`` ``{status, detail}``.
    """

    def __init__(self, label: str) -> None:
        """``label`` names the picture for screen readers."""
        super().__init__()
        add_style("stacking")
        self._props["label"] = label

    def show(self, address: str, label: str) -> None:
        """Show another picture, which ``label`` describes."""
        self._props["label"] = label
        self.run_method("show", address)

    def reload(self) -> None:
        """Ask for the same picture again."""
        self.run_method("reload")
