"""The log of a job for its users: ``processed/ID/log.txt``, one text through all attempts; of a share a file of its own."""

from __future__ import annotations

import threading

from seisloom.storage import Storage

LARGEST = 200_000
"""Letters that are kept, the last ones."""
TAIL_LINES = 10


class LogFile:
    """A text that grows in memory and is written whole when it has grown; lines may come from several threads."""

    def __init__(self, storage: Storage, job_id: str, name: str = "log") -> None:
        self._storage, self._key = storage, f"processed/{job_id}/{name}.txt"
        self._lock = threading.Lock()
        self._text = (storage.get(self._key) or b"").decode("utf-8", "replace")
        self._written = self._text

    def add(self, line: str) -> None:
        """Append a line."""
        with self._lock:
            self._text += line.rstrip("\n") + "\n"
            if len(self._text) > 2 * LARGEST:
                self._text = _shortened(self._text)

    def write(self) -> None:
        """Put the text into its place, if it has grown."""
        with self._lock:
            text = _shortened(self._text)
        if text != self._written:
            self._storage.put(self._key, text.encode())
            self._written = text

    def tail(self) -> str:
        """The last lines of what was added since the last line that begins an attempt (``=``)."""
        with self._lock:
            lines = self._text.splitlines()
        last = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].startswith("= ")), -1)
        return "\n".join(lines[last + 1 :][-TAIL_LINES:])


def _shortened(text: str) -> str:
    if len(text) <= LARGEST:
        return text
    return "(earlier lines are left out)\n" + text[-LARGEST:].partition("\n")[2]
