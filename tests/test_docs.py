"""The reference pages say what the code does: every setting is there, with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seisloom.config import CorrelationSettings
from seisloom.export import FORMATS
from seisloom.stations import CSV_NAMES

FILES = (Path(__file__).parents[1] / "docs" / "reference" / "files.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, list[str]]:
    """Cells of the rows of the first table under a heading, by each name in backquotes in the first cell."""
    section = FILES.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {name: row[1:] for row in rows for name in re.findall(r"`([^`]+)`", row[0])}


SETTINGS = table("params.csv")


@pytest.mark.parametrize("name", CorrelationSettings.model_fields)
def test_setting_is_documented_with_its_default_unit_and_meaning(name: str) -> None:
    assert name in SETTINGS, f"docs/reference/files.md has no row for the setting {name}"
    default, unit, meaning = SETTINGS[name]
    value = CorrelationSettings.model_fields[name].default
    written = {None: "–", True: "true", False: "false"}.get(value) if not isinstance(value, float) else f"{value:g}"
    assert default == (written or value)
    assert bool(unit) == (isinstance(value, float) or value is None), "numbers have a unit, choices have none"
    assert meaning


@pytest.mark.parametrize("name", CorrelationSettings.model_fields)
def test_every_choice_of_a_setting_is_named(name: str) -> None:
    choices = CorrelationSettings.model_json_schema()["properties"][name].get("enum", [])
    meaning = SETTINGS[name][2]
    assert [c for c in choices if f"`{c}`" not in meaning] == []


def test_documented_settings_and_columns_exist() -> None:
    assert list(SETTINGS) == list(CorrelationSettings.model_fields)
    assert set(table("stations.csv")) == set(CSV_NAMES.values())


def test_every_export_format_has_a_section() -> None:
    sections = re.findall(r"^### (\S+)$", FILES.split("\n## Exports\n")[1], re.MULTILINE)
    assert sorted(sections) == sorted(FORMATS)
