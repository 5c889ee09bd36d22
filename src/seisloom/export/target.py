"""Output that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seisloom.errors import InputError, SeisloomError


@contextmanager
def replacing(out: Path, folder: bool, overwrite: bool) -> Iterator[Path]:
    """A path to write a file (or the files of a folder) to, which becomes ``out`` when the block succeeds.

    What is written lies in a hidden folder beside ``out`` until then and is removed if the block fails.
    InputError for an output that exists already (unless ``overwrite``) or cannot be written.
    """
    scratch = None
    try:
        _refuse(out, folder, overwrite)
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        made = scratch / out.name
        if folder:
            made.mkdir()
        yield made
        _refuse(out, folder, overwrite)
        _settle(made, out)
    except SeisloomError:
        raise
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error}") from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _refuse(out: Path, folder: bool, overwrite: bool) -> None:
    if folder and out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: this format writes many files, name a folder for them")
    if not folder and out.is_dir():
        raise InputError(f"{out} is a folder: this format writes one file, name that")
    if overwrite or not out.exists():
        return
    if not folder:
        raise InputError(f"{out} exists already: choose another name or add --overwrite")
    if any(out.iterdir()):
        raise InputError(
            f"{out} exists already and is not empty: choose another folder or add --overwrite, which "
            "replaces the files of the same names and leaves the others"
        )


def _settle(made: Path, out: Path) -> None:
    """Move what was made to its place; files of a folder that is there already are moved one by one."""
    if not made.is_dir() or not out.exists():
        os.replace(made, out)
        return
    for path in sorted(made.rglob("*")):
        place = out / path.relative_to(made)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            os.replace(path, place)
