"""The files of a catalogue."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from seisloom.catalog import Catalog
from seisloom.catalog.files import HYPOINVERSE, OBSERVATIONS, QUAKEML, CatalogFiles
from seisloom.target import write_whole

if TYPE_CHECKING:
    from seisloom.associate.report import AssociationReport
    from seisloom.associate.result import Result

__all__ = ["HYPOINVERSE", "OBSERVATIONS", "QUAKEML", "write_catalog", "write_report", "write_result"]

REPORT, REPORT_JSON = "report.txt", "report.json"
EVIDENCE = "evidence.npz"
MAP, TIMELINE = "seismicity.png", "timeline.png"


def write_result(result: Result, folder: str | Path) -> None:
    """The catalogue, the report and what verdicts rest on; what could not be written becomes a note of the report."""
    stations = list(result.study.network.ids)
    result.report.warnings.extend(write_catalog(result.catalog, result.picks, folder, stations))
    write_report(result.report, folder)
    _write_evidence(result, Path(folder) / EVIDENCE)


def _write_evidence(result: Result, path: Path) -> None:
    """What ``seisloom explain`` reads; another method has none, and that of an earlier run goes."""
    if result.judged is None:
        path.unlink(missing_ok=True)
        return
    from seisloom.associate.state import state_of, write_state

    write_state(state_of(result), path)


def write_catalog(catalog: Catalog, picks: pd.DataFrame, folder: str | Path, stations: list[str]) -> list[str]:
    """events.csv, assignments.csv, QuakeML, NonLinLoc observations and HypoInverse phases; what could not be written."""
    with CatalogFiles(folder, stations) as files:
        files.add(catalog, picks)
    return files.notes


def write_report(report: AssociationReport, folder: str | Path) -> None:
    """report.txt for people, report.json for programs."""
    write_whole(Path(folder) / REPORT, f"{report}\n")
    write_whole(Path(folder) / REPORT_JSON, json.dumps(report.to_json(), indent=2) + "\n")


def remove_figures(folder: Path) -> None:
    """Remove the figures of an earlier catalogue in a folder: they show other events."""
    for path in [folder / MAP, folder / TIMELINE, *folder.glob("event-*.png")]:
        if is_figure(path.name):
            path.unlink(missing_ok=True)


def is_figure(name: str) -> bool:
    """Whether a file of that name is a figure of a catalogue."""
    return name in (MAP, TIMELINE) or bool(re.fullmatch(r"event-\d+\.png", name))
