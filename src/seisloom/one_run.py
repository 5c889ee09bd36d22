"""One run at a time in a folder: a lock that goes when its process does, however that ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from seisloom.errors import InputError

NAME = ".running"


@contextmanager
def one_run(folder: Path) -> Iterator[None]:
    """Have a folder, which is made where there is none, to oneself; InputError that says who has it where another run does.

    The system lets go of the lock (flock(2)) when a process ends, killed or not, so that nobody waits for the dead. It holds
    between machines where the folder's file system has locks; one that has none is used without.
    """
    path, new = folder / NAME, not folder.exists()
    try:
        file = _locked(path)
    except OSError as error:
        raise InputError(f"{error.filename or path}: cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        with file:
            path.unlink(missing_ok=True)  # while it is held: whoever comes now makes another
            if new:
                with suppress(OSError):  # there is something in it
                    folder.rmdir()


def _locked(path: Path) -> IO[str]:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # whoever has just ended has removed the folder
            file = path.open("a+", encoding="utf-8")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with file:
                    raise InputError(_refusal(path.parent, file)) from None
            except OSError:
                return file
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return _signed(file)
            file.close()  # it was removed meanwhile


def _signed(file: IO[str]) -> IO[str]:
    """The same with words on who has it."""
    file.truncate(0)
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    json.dump({"process": os.getpid(), "host": socket.gethostname(), "since": since}, file)
    file.flush()
    return file


def _refusal(folder: Path, file: IO[str]) -> str:
    file.seek(0)
    try:
        who = json.load(file)
        by = f" (process {who['process']} on {who['host']}, since {who['since']} UTC)"
    except (ValueError, KeyError, TypeError):
        by = ""  # it has only just begun
    return f"{folder}: another run is at work there{by}: wait until it has ended, or give another folder"
