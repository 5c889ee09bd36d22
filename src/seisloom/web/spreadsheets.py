"""CSV that is opened in a spreadsheet: no cell of it may become a formula."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: object) -> object:
    """The cell; text that a spreadsheet takes for a formula with an apostrophe before it. Numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
