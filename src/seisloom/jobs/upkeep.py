"""What workers do besides jobs: adopt the folders of other programs, and remove what is left of deleted jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from seisloom.jobs.board import JOB_ID, Board
from seisloom.jobs.requests import CARD, announced
from seisloom.storage import Storage

SETTLE_S = 2.0
"""A folder is complete when it has looked the same for so long, as files come one after another and piece by piece."""


class Foreign:
    """Watches ``incoming/`` for folders that are no jobs yet. One thread at a time."""

    def __init__(self, board: Board, tell: Callable[[str], None], settle_s: float = SETTLE_S) -> None:
        self.board, self._tell, self._settle_s = board, tell, settle_s
        self._known: set[str] = set()  # jobs, and folders that cannot be any
        self._looks: dict[str, tuple[Any, float]] = {}  # folder: its files as last seen, and since when

    def adopt(self) -> bool:
        """Make jobs of the folders that are complete; True where one seems to be and has to be looked at again."""
        new = self.board.storage.folders("incoming") - self._known
        if new:
            self._known |= set(self.board.everything())
        self._looks = {folder: look for folder, look in self._looks.items() if folder in new - self._known}
        return any([self._look(folder) for folder in sorted(new - self._known)])

    def _look(self, folder: str) -> bool:
        if not JOB_ID.fullmatch(folder) or ".." in folder:
            self._tell(
                f"incoming/{folder!r} is passed over: use letters, digits, dots, dashes and underscores, at most 100"
            )
            self._known.add(folder)
            return False
        files, now = listing(self.board.storage, f"incoming/{folder}"), time.monotonic()
        if self._looks.get(folder, (None, now))[0] != files:
            self._looks[folder] = (files, now)
        kind, name, needed = announced(self.board.storage.get(f"incoming/{folder}/{CARD}") if CARD in files else None)
        if not needed <= set(files):
            return False
        if now - self._looks[folder][1] < self._settle_s:
            return True
        if self.board.adopt(folder, kind, name):
            self._tell(f"{folder} found in incoming/")
        self._known.add(folder)
        return False


def sweep(board: Board, tell: Callable[[str], None]) -> None:
    """Remove objects that somebody wrote for a job after it was deleted, or that its deletion left."""
    deleted = {job_id for job_id, job in board.everything().items() if job.state == "deleted"}
    if not deleted:
        return
    for job_id in deleted & (board.storage.folders("incoming") | board.storage.folders("processed")):
        if any(
            board.storage.keys(f"{folder}/{job_id}") for folder in ("incoming", "processed")
        ):  # folders may be empty
            board.clear(job_id)
            tell(f"{job_id}: files of this deleted job are removed; for a new job use another id")


def listing(storage: Storage, prefix: str) -> dict[str, tuple[int, str | None, str]]:
    """Size, entity tag and time of change of the objects below a prefix, by their key below it."""
    return {
        item["path"].removeprefix(f"{prefix}/"): (item["size"], item["e_tag"], str(item["last_modified"]))
        for item in storage.objects(prefix)
    }
