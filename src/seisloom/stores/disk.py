"""Folders whose objects outlast a loss of power.

A file that has been written and moved to its name may, after a loss of power, be there with nothing in it: file systems write
names and contents when they please. Here contents come first (fsync of the file, then of the folders above it).
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PLAIN = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)


def folder_of(store: Any, key: str = "plain") -> Path | None:
    """The folder of an obstore store; None for other stores, and for keys that do not name their file as they are."""
    return Path(str(store.prefix)) if isinstance(store, LocalStore) and _PLAIN.fullmatch(key) else None


def put_durable(folder: Path, key: str, data: Buffer, new: bool) -> None:
    """Write an object so that under its name there is never a part of it; with ``new`` only if there is none.

    Raises OSError, and AlreadyExistsError as obstore does.
    """
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}#{secrets.randbits(62)}")  # such names obstore does not list
    try:
        with part.open("xb") as file:
            file.write(data)
        _fsync(part)
        if new:
            path.hardlink_to(part)
            part.unlink()
        else:
            part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise AlreadyExistsError(str(error)) from error
        raise
    _sync_folders(folder, [path])


def sync(folder: Path, keys: Iterable[str]) -> None:
    """Have objects outlast a loss of power; those that are not there are passed over. Raises OSError."""
    paths = [folder / key for key in keys]
    for path in paths:
        with suppress(FileNotFoundError):
            _fsync(path)
    _sync_folders(folder, paths)


def _sync_folders(top: Path, paths: Iterable[Path]) -> None:
    """The folders that hold the names of files, up to the top; file systems that cannot do so do not need it."""
    for folder in sorted({folder for path in paths for folder in path.parents if folder.is_relative_to(top)}):
        with suppress(OSError):
            _fsync(folder)


def _fsync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
