"""The files of a catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from seisloom.catalog import Catalog, write_csv, write_hypoinverse, write_nonlinloc_obs, write_quakeml
from seisloom.errors import InputError
from seisloom.target import write_whole

if TYPE_CHECKING:
    from seisloom.associate.job import Result
    from seisloom.associate.report import AssociationReport

OBSERVATIONS, HYPOINVERSE, QUAKEML = "observations.obs", "hypoinverse.arc", "catalog.xml"
REPORT, REPORT_JSON = "report.txt", "report.json"


def write_result(result: Result, folder: str | Path) -> None:
    """The catalogue and the report of an association; what could not be written becomes a note of the report."""
    stations = list(result.study.network.ids)
    result.report.warnings.extend(write_catalog(result.catalog, result.picks, folder, stations))
    write_report(result.report, folder)


def write_catalog(catalog: Catalog, picks: pd.DataFrame, folder: str | Path, stations: list[str]) -> list[str]:
    """events.csv, assignments.csv, QuakeML, NonLinLoc observations and HypoInverse phases; what could not be written."""
    folder = Path(folder)
    write_csv(catalog, folder)
    write_quakeml(catalog, picks, folder / QUAKEML)
    write_nonlinloc_obs(catalog, picks, folder / OBSERVATIONS, stations)
    try:
        write_hypoinverse(catalog, picks, folder / HYPOINVERSE)
    except InputError as error:  # a format of short names: the others hold everything
        (folder / HYPOINVERSE).unlink(missing_ok=True)  # of an earlier run
        return [str(error)]
    return []


def write_report(report: AssociationReport, folder: str | Path) -> None:
    """report.txt for people, report.json for programs."""
    write_whole(Path(folder) / REPORT, f"{report}\n")
    write_whole(Path(folder) / REPORT_JSON, json.dumps(report.to_json(), indent=2) + "\n")
