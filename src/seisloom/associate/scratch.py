"""What an association of many picks puts down in a folder while it runs, and what it can go on from."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from seisloom import __version__
from seisloom.compute import ComputeError
from seisloom.errors import InputError, SeisloomError
from seisloom.one_run import one_run

Thing = TypeVar("Thing")
_FOLDER, _KEY = ".associate", "key"


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """A hidden folder in ``beside`` that goes when the work is done, or cannot be; it stays where the work is interrupted.

    InputError where another run is at work there.
    """
    folder, new = beside / _FOLDER, not beside.exists()
    with one_run(beside):
        try:
            folder.mkdir(exist_ok=True)
            yield folder
        except (SeisloomError, OSError) as error:
            if not isinstance(error, ComputeError):
                shutil.rmtree(beside if new else folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise InputError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from error
            raise
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Shelf(Generic[Thing]):
    """Things in a folder by number, each in a file of its own."""

    folder: Path
    _n: list[int] = field(default_factory=lambda: [0])

    def __post_init__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def __len__(self) -> int:
        return self._n[0]

    def __getitem__(self, number: int) -> Thing:
        if not 0 <= number < len(self):
            raise IndexError(number)
        with (self.folder / f"{number}").open("rb") as file:
            thing: Thing = pickle.load(file)
        return thing

    def __setitem__(self, number: int, thing: Thing) -> None:
        with (self.folder / f"{number}").open("wb") as file:
            pickle.dump(thing, file, pickle.HIGHEST_PROTOCOL)

    def append(self, thing: Thing) -> None:
        """Put one more behind the others."""
        self[len(self)] = thing
        self._n[0] += 1


@dataclass(frozen=True)
class Columns:
    """Columns with a row for every pick, of which stretches are read and written; zero where nothing was written."""

    folder: Path
    n_rows: int
    types: Mapping[str, type[np.generic]]

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        for name, kind in self.types.items():
            with (self.folder / name).open("wb") as file:
                file.truncate(self.n_rows * np.dtype(kind).itemsize)

    def read(self, name: str, first: int, n: int) -> npt.NDArray[Any]:
        """Rows of a column."""
        kind = np.dtype(self.types[name])
        return np.fromfile(self.folder / name, kind, n, offset=first * kind.itemsize)

    def write(self, name: str, first: int, values: npt.NDArray[Any]) -> None:
        """Set rows of a column."""
        kind = np.dtype(self.types[name])
        with (self.folder / name).open("r+b") as file:
            file.seek(first * kind.itemsize)
            values.astype(kind).tofile(file)


class Ledger:
    """Results one after another in a file; those of an interrupted run with the same key are there again."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        about = path.with_suffix(f".{_KEY}")
        if not about.exists() or about.read_text() != key:
            path.unlink(missing_ok=True)
            about.write_text(key)

    def read(self) -> list[Any]:
        """What was noted; what was half written is cut off."""
        found, end = list[Any](), 0
        if not self.path.exists():
            return found
        with self.path.open("r+b") as file:
            while True:
                try:
                    found.append(pickle.load(file))
                except (EOFError, pickle.UnpicklingError):
                    break
                end = file.tell()
            file.truncate(end)
        return found

    def note(self, result: Any) -> None:
        """Add a result."""
        with self.path.open("ab") as file:
            pickle.dump(result, file, pickle.HIGHEST_PROTOCOL)


def key_of(path: Path, *things: Any) -> str:
    """A text that is another one for other contents of a file, other things, or another version of seisloom."""
    digest = hashlib.sha256(pickle.dumps((__version__, *things)))
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()
