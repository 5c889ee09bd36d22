"""Bytes that are still being written: of a file that grows, or of standard input."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from seisloom.errors import InputError

_MOST = 1 << 16
_POLL_S = 0.3


class Piece(NamedTuple):
    """What has come: nothing yet where it is empty."""

    data: bytes
    anew: str = ""
    """Why this is the beginning of another text."""


class Source(Protocol):
    """Where bytes come from."""

    def read(self, wait_s: float) -> Piece | None:
        """The next bytes, at most 64 KiB; none after so long a wait. None where no more will come."""
        ...


class Tail:
    """The bytes of a file as they are written. A file that is truncated or replaced is read from its beginning.

    Of a file that is replaced the old one is read to its end.
    """

    def __init__(self, path: str | Path, until_end: bool = False) -> None:
        """``until_end``: stop at the end of the file. InputError where it cannot be read, or has to be there and is not."""
        self.path, self.until_end = Path(path), until_end
        self._file: BinaryIO | None = None
        self._inode = self._offset = 0
        self._known = False
        if self.path.is_dir() or (until_end and not self.path.exists()):
            raise InputError(f"{path}: cannot read the picks: {'a folder' if self.path.is_dir() else 'not there'}")

    @property
    def place(self) -> tuple[int, int]:
        """Inode of the file, and offset of the next byte in it."""
        return self._inode, self._offset

    def go_on(self, place: tuple[int, int]) -> None:
        """Begin where an earlier one has stopped."""
        (self._inode, self._offset), self._known = place, True

    def read(self, wait_s: float) -> Piece | None:
        """See :class:`Source`."""
        until = time.monotonic() + wait_s
        while True:
            piece = self._read()
            if piece.data or piece.anew:
                return piece
            if self.until_end:
                return None
            left = until - time.monotonic()
            if left <= 0.0:
                return piece
            time.sleep(min(left, _POLL_S))

    def _read(self) -> Piece:
        if self._file is None:
            piece = self._open()
            if piece.anew or self._file is None:
                return piece
        data = self._file.read(_MOST)
        self._offset += len(data)
        if data:
            return Piece(data)
        if os.fstat(self._file.fileno()).st_size < self._offset:
            self._offset = 0
            self._file.seek(0)
            return Piece(b"", "it was truncated: read from its beginning")
        try:
            replaced = self.path.stat().st_ino != self._inode
        except FileNotFoundError:
            return Piece(b"")  # moved away; the next one is yet to come
        if replaced:
            self._file.close()
            self._file = None
            return self._open()
        return Piece(b"")

    def _open(self) -> Piece:
        """Open the file at the place that is known, or at the beginning of another file."""
        try:
            file = self.path.open("rb", buffering=0)
        except FileNotFoundError:
            return Piece(b"")
        except OSError as error:
            raise InputError(f"{self.path}: cannot read the picks: {error.strerror or error}") from error
        status = os.fstat(file.fileno())
        anew = ""
        if self._known and status.st_ino != self._inode:
            anew = "it was replaced by another file: read from its beginning"
        elif status.st_size < self._offset:
            anew = "it was truncated: read from its beginning"
        if anew or not self._known:
            self._offset = 0
        self._file, self._inode, self._known = file, status.st_ino, True
        file.seek(self._offset)
        return Piece(b"", anew)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class Pipe:
    """The bytes of standard input, or of another open file that select() can wait for."""

    def __init__(self, number: int) -> None:
        self.number = number

    def read(self, wait_s: float) -> Piece | None:
        """See :class:`Source`."""
        if not select.select([self.number], [], [], wait_s)[0]:
            return Piece(b"")
        data = os.read(self.number, _MOST)
        return Piece(data) if data else None
