"""Style sheets that belong to components."""

from __future__ import annotations

from nicegui import ui


def add_style(name: str) -> None:
    """Load ``static/NAME.css`` with the page, once."""
    line = f'<link rel="stylesheet" href="static/{name}.css">'
    if line not in ui.context.client.head_html:
        ui.add_head_html(line)
