"""The associators that are compared with seisloom's: their names, and their settings for the networks of the benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from benchmarks import gamma_settings, pyocto_settings

Settings = Mapping[str, Any]

NAMES = {"pyocto": "PyOcto", "gamma": "GaMMA"}
MODULES: dict[str, ModuleType] = {"pyocto": pyocto_settings, "gamma": gamma_settings}
"""Each with TUNED (settings by network), AS_IT_COMES, GRIDS and COUNTED, the setting that is the fewest picks of an event."""


def tuned(network: str, changed: Mapping[str, Settings] | None = None) -> dict[str, dict[str, Any]]:
    """Settings of all for a network, with those that a case changes."""
    return {key: module.TUNED[network] | dict((changed or {}).get(key, {})) for key, module in MODULES.items()}
