"""What wrote a workspace, and whether this version of seisloom can read it.

A format is a number that grows when an older seisloom would misread what a newer one writes. What was written before there
were numbers is format 1. Every older format can be read; settings that came later have their defaults in it.

    1  correlations by day, stacks
    2  correlations by pair (noise.by_pair) in place of those by day
    3  means of several days in place of those by day (noise.spans)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seisloom import __version__
from seisloom.config import CorrelationSettings
from seisloom.errors import SettingsError, WorkspaceError

FIRST, BY_PAIR, STACKED = 1, 2, 3
NEWEST = STACKED
CORRELATIONS, DAYS, STACKS = "correlations.zarr", "days.zarr", "stacks"
"""Where the archives are in a workspace."""


def check_format(held: Mapping[str, Any], where: str) -> None:
    """WorkspaceError where attributes or a card tell of a format that this version does not know."""
    number = held.get("format", FIRST)
    if not isinstance(number, int) or not FIRST <= number <= NEWEST:
        raise WorkspaceError(
            f"{where}: has format {number!r}, written by seisloom {wrote(held)}; this is seisloom {__version__}, which reads "
            f"formats up to {NEWEST}: update it (pip install --upgrade seisloom), or use another workspace"
        )


def wrote(held: Mapping[str, Any]) -> str:
    """The version that wrote attributes or a card."""
    return str(held.get("seisloom_version") or held.get("seisloom") or "of unknown version")


def held_settings(card: Mapping[str, Any], where: str) -> CorrelationSettings:
    """The settings of a card; those that are newer than it have their defaults. WorkspaceError for unknown ones."""
    try:
        return CorrelationSettings(**card["settings"])
    except SettingsError as error:
        raise WorkspaceError(
            f"{where}: was made by seisloom {wrote(card)} with settings that seisloom {__version__} does not know: update it "
            f"(pip install --upgrade seisloom), or use another workspace\n{error}"
        ) from error
