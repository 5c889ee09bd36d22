"""The files of a catalogue, written piece by piece: it may be too long to be held."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import pandas as pd

from seisloom.catalog.csv_files import ASSIGNMENTS, EVENTS, assignments_csv, events_csv
from seisloom.catalog.hypoinverse import phase_lines
from seisloom.catalog.nonlinloc_obs import observations
from seisloom.catalog.quakeml import HEAD, TAIL, quakeml_events
from seisloom.catalog.tables import ASSIGNMENT_COLUMNS, EVENT_COLUMNS, Catalog
from seisloom.errors import InputError

OBSERVATIONS, HYPOINVERSE, QUAKEML = "observations.obs", "hypoinverse.arc", "catalog.xml"


class CatalogFiles:
    """events.csv, assignments.csv, QuakeML, NonLinLoc observations and HypoInverse phases in a folder; used within ``with``.

    Catalogues are added in the order of their events. The files lie in a hidden folder until the end of the block, and take
    their places if it succeeds. InputError where they cannot be written.
    """

    def __init__(self, folder: str | Path, stations: Sequence[str]) -> None:
        """``stations``: all of the network, for the labels of NonLinLoc."""
        self._folder, self._stations = Path(folder), stations
        self.notes: list[str] = []
        """What could not be written."""
        self._open = ExitStack()
        self._empty = True

    def add(self, catalog: Catalog, picks: pd.DataFrame) -> None:
        """Write the next events; ``picks`` has those that are assigned to them."""
        self._write(EVENTS, _without_header(events_csv(catalog.events)))
        self._write(ASSIGNMENTS, _without_header(assignments_csv(catalog.assignments)))
        self._write(QUAKEML, quakeml_events(catalog, picks))
        text = observations(catalog, picks, self._stations)
        self._write(OBSERVATIONS, "\n" * bool(text and not self._empty) + text)
        self._empty &= not text
        if not self.notes:
            try:
                self._write(HYPOINVERSE, phase_lines(catalog, picks))
            except InputError as error:  # a format of short names: the others hold everything
                self.notes.append(str(error))

    def _write(self, name: str, text: str) -> None:
        try:
            with (self._made / name).open("a", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            raise InputError(f"{self._folder / name}: cannot be written: {error}") from error

    def __enter__(self) -> CatalogFiles:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            made = tempfile.TemporaryDirectory(prefix=".catalog.", dir=self._folder)
        except OSError as error:
            raise InputError(f"{self._folder}: cannot be written: {error}") from error
        self._made = Path(self._open.enter_context(made))
        self._write(EVENTS, ",".join(EVENT_COLUMNS) + "\n")
        self._write(ASSIGNMENTS, ",".join(ASSIGNMENT_COLUMNS) + "\n")
        self._write(QUAKEML, HEAD)
        self._write(OBSERVATIONS, "")
        self._write(HYPOINVERSE, "")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if error is None:
                self._write(QUAKEML, TAIL)
                self._settle()

    def _settle(self) -> None:
        if self.notes:
            (self._made / HYPOINVERSE).unlink()
            (self._folder / HYPOINVERSE).unlink(missing_ok=True)  # of an earlier run
        try:
            for path in sorted(self._made.iterdir()):
                os.replace(path, self._folder / path.name)
        except OSError as error:
            raise InputError(f"{self._folder}: cannot be written: {error}") from error


def _without_header(text: str) -> str:
    return text.partition("\n")[2]
