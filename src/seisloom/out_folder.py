"""Where a command leaves its files: a folder, or a prefix of an object store, which gets them when they are complete."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def work_folder(out: str) -> Path:
    """The folder in which files of ``out`` are made: itself or, for an object store, one of this machine that belongs to it."""
    if "://" not in out:
        return Path(out)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "seisloom" / hashlib.sha256(out.rstrip("/").encode()).hexdigest()[:16]


@contextmanager
def out_folder(out: str, replaced: Callable[[str], bool]) -> Iterator[Path]:
    """A folder to write to. At the end of the block its files are put into the object store that ``out`` is, if it is one.

    What is put down on the way stays in a folder of this machine while the work is interrupted, so that the same command on the same
    machine goes on. Objects of names that are ``replaced`` and that this time has not made are removed. WorkspaceError where
    the store cannot be reached, before anything is done, or cannot be written.
    """
    folder = work_folder(out)
    if "://" not in out:
        yield folder
        return
    from seisloom.storage import Storage

    storage = Storage(out, create=True)
    storage.folders("")  # what is wrong with it is known before the work begins
    yield folder
    files = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    made = [path.as_posix() for path in files if not any(part.startswith(".") for part in path.parts)]
    for name in made:
        storage.put_file(name, folder / name)
    storage.delete([key for key in storage.keys("") if replaced(key) and key not in made])
    shutil.rmtree(folder, ignore_errors=True)
