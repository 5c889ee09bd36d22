"""The reference pages say what the code does: every setting with its default, every column, every limit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from seisloom.associate import by_likelihood
from seisloom.associate.dataset_plan import DatasetPlan
from seisloom.associate.job import JobSettings
from seisloom.associate.link import RESOLUTION
from seisloom.associate.pipeline import FATES
from seisloom.associate.plan import AssociationPlan
from seisloom.associate.refine import RefineSettings
from seisloom.associate.report import AssociationReport
from seisloom.associate.uncertainty import FLAGS, QUALITY
from seisloom.associate.windows import FEATURES
from seisloom.catalog import ASSIGNMENT_COLUMNS, EVENT_COLUMNS
from seisloom.compute.forecast import Forecast
from seisloom.compute.prices import Bill, Prices
from seisloom.config import CorrelationSettings
from seisloom.export import FORMATS
from seisloom.noise.estimate import Estimate
from seisloom.noise.job_plan import Plan
from seisloom.noise.job_time import DayTiming
from seisloom.noise.rates import STAGES
from seisloom.noise.stack_plan import StackPlan
from seisloom.noise.tiles import Sharing
from seisloom.stations import CSV_NAMES

DOCS = Path(__file__).parents[1] / "docs"
FILES, CONVENTIONS, HOW_PICKS, EVENTS = (
    (DOCS / page).read_text(encoding="utf-8")
    for page in ("reference/files.md", "conventions.md", "explanation/association.md", "how-to/events.md")
)


def lines(heading: str, text: str) -> list[list[str]]:
    """Cells of the rows of the tables under a heading, up to the next of its level or above."""
    level = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert level, heading
    section = re.split(rf"\n#{{1,{len(level[1])}}} ", text[level.end() :])[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]


def table(heading: str, text: str = FILES) -> dict[str, list[str]]:
    """Rows of the tables under a heading by each name in backquotes in their first cell: the other cells."""
    return {name: row[1:] for row in lines(heading, text) for name in re.findall(r"`([^`]+)`", row[0])}


def own_fields(plan: type[Forecast]) -> list[str]:
    """What a plan has that not every plan has."""
    return [f.name for f in fields(plan) if f.name not in {common.name for common in fields(Forecast)}]


SETTINGS = table("params.csv")


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Prices", Prices.model_fields),
        (
            "The plan of a job",
            [*STAGES, *(f.name for kind in (Plan, Estimate, DayTiming, Sharing, Bill) for f in fields(kind))],
        ),
        ("The plan of a stack", own_fields(StackPlan)),
        ("The plan of an association", own_fields(AssociationPlan)),
        ("The plan of a training set", own_fields(DatasetPlan)),
    ],
)
def test_every_key_of_a_plan_and_its_prices_is_documented(heading: str, names: Iterable[str]) -> None:
    text = " ".join(" ".join(row) for row in lines(heading, FILES))
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", CorrelationSettings.model_fields)
def test_setting_is_documented_with_its_default_unit_and_meaning(name: str) -> None:
    assert name in SETTINGS, f"docs/reference/files.md has no row for the setting {name}"
    default, unit, meaning = SETTINGS[name]
    value = CorrelationSettings.model_fields[name].default
    number = isinstance(value, int | float) and not isinstance(value, bool)
    written = f"{value:g}" if number else {None: "–", True: "true", False: "false"}.get(value)
    assert default == (written or value)
    assert bool(unit) == (number or value is None), "numbers have a unit, choices have none"
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


@pytest.mark.parametrize(
    ("heading", "columns"), [("events.csv", EVENT_COLUMNS), ("assignments.csv", ASSIGNMENT_COLUMNS)]
)
def test_every_column_of_the_catalogue_is_documented_in_its_order(heading: str, columns: dict[str, str]) -> None:
    described = table(heading)
    assert list(described) == list(columns)
    assert all(meaning for _, meaning in described.values())
    units = {"_s": "s", "_km": "km", "_deg": "degrees"}
    for name, (unit, _) in described.items():
        for ending, wanted in units.items():
            assert unit == wanted or not name.endswith(ending) or name == "n_s"


def test_every_fate_of_a_pick_and_key_of_the_report_is_documented() -> None:
    described = set(table("report.txt, report.json")) - set(table("What was learned"))
    assert described == {*FATES, *by_likelihood.FATES, *(f.name for f in fields(AssociationReport))}


def test_limits_of_the_quality_letters_are_those_of_the_code() -> None:
    described = [row for row in lines("Quality letters", CONVENTIONS) if row[0] in "ABCD"]
    expected = []
    for letter, rms, gap, n, horizontal, depth, nearest in QUALITY:
        limits = [f"≤ {rms:g}", f"≤ {gap:g}", f"≥ {n}", f"≤ {horizontal:g}", f"≤ {depth:g}"]
        limits.append(f"≤ {nearest:g}" if nearest < float("inf") else "–")
        expected.append([letter, *limits, "none" if letter in "AB" else "any"])
    assert described == expected
    assert set(table("Quality letters", CONVENTIONS)) == set(FLAGS)


def test_what_the_network_reads_is_documented() -> None:
    assert sorted(table("What the network reads", HOW_PICKS)) == sorted(FEATURES["relative"])


def test_limits_of_events_are_those_of_the_code() -> None:
    text, refine = " ".join(HOW_PICKS.split()), RefineSettings()
    assert f"evidence of {refine.min_evidence:g} or more" in text
    assert f"at least {refine.min_support:g} of the picks that are expected" in text
    assert f"{100 * refine.model_error:g} % of it" in text
    assert f"leave it by {refine.margin_km:g} km" in text
    assert f"or {refine.n_iterations} rounds are over" in text
    assert f"(probability of the link − {RESOLUTION:g})" in text
    assert table("What counts as an event", EVENTS)["--min-picks"][0] == str(JobSettings().min_picks)
