"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seisloom.errors import InputError


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8), in place of one that may be there; its folder is made where there is none.

    A failure leaves what was there before. InputError if it cannot be written.
    """
    with writing_whole(path) as made:
        made.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def writing_whole(path: str | Path) -> Iterator[Path]:
    """A path to write a file to, which takes its place when the block succeeds; it lies in a hidden folder beside it until then."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
            made = Path(scratch) / path.name
            yield made
            os.replace(made, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}") from error
