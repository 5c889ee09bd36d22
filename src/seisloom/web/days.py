"""Day reports of correlation jobs, read once: a finished day never changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from seisloom.noise.report import DayReport
from seisloom.storage import Storage

JOBS_HELD = 16
READERS = 16


class DayReports:
    """The reports of the days of a workspace's jobs. Instances are used from several threads."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._done: OrderedDict[str, dict[str, DayReport]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, job_id: str) -> list[DayReport]:
        """Reports of the days that are finished, or were tried, in order of time."""
        folder = f"processed/{job_id}"
        held = self._held(job_id)
        done = self._days(f"{folder}/done")
        if done - held.keys() and not held:
            held |= self._summary(f"{folder}/summary.json", done)
        held |= self._fetch(f"{folder}/done", done - held.keys())
        tried = self._fetch(f"{folder}/incomplete", self._days(f"{folder}/incomplete") - done)
        return [report for _, report in sorted((tried | {day: held[day] for day in done & held.keys()}).items())]

    def _held(self, job_id: str) -> dict[str, DayReport]:
        with self._lock:
            held = self._done.setdefault(job_id, {})
            self._done.move_to_end(job_id)
            while len(self._done) > JOBS_HELD:
                self._done.popitem(last=False)
        return held

    def _days(self, folder: str) -> set[str]:
        return {key.rpartition("/")[2].removesuffix(".json") for key in self.storage.keys(folder)}

    def _summary(self, key: str, done: set[str]) -> dict[str, DayReport]:
        """Of a run that ended, all days in one object."""
        days = (self.storage.get_json(key) or {}).get("days", [])
        return {day["day"]: DayReport.from_json(day) for day in days if day["day"] in done}

    def _fetch(self, folder: str, days: set[str]) -> dict[str, DayReport]:
        """Reports one by one; those that are gone meanwhile are passed over."""
        if not days:
            return {}
        with ThreadPoolExecutor(READERS) as readers:
            found = zip(days, readers.map(lambda day: self.storage.get_json(f"{folder}/{day}.json"), days), strict=True)
            return {day: DayReport.from_json(data) for day, data in found if data}
