"""Bytes, times and numbers of things as people say them."""

from __future__ import annotations

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def counted(number: float, noun: str) -> str:
    """A number with its noun, in the plural where it is not one: ``3,012 events``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def size(n_bytes: float | None) -> str:
    """Bytes in words: ``1.2 GB``."""
    if n_bytes is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if n_bytes < 999.5 or unit == "PB":
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
