"""One a server: opened archives, runs of stacks, and the threads that draw."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from seisloom.web.services import Services
from seisloom.web.stacking.archives import Archives
from seisloom.web.stacking.runs import StackRuns

T = TypeVar("T")
# Figures are drawn one after another (matplotlib's parameters belong to the process); a second thread reads ahead. Requests
# wait for these two, not in the threads that serve everything else.
THREADS = 2
_MAKING = threading.Lock()


class Gallery:
    """What the routes of correlations need."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.archives = Archives(services)
        self.runs = StackRuns(services)
        self._pool = ThreadPoolExecutor(THREADS, "gallery")

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do what takes long in a thread of the gallery."""
        return self._pool.submit(work)


def _gallery(request: Request) -> Gallery:
    state = request.app.state
    with _MAKING:
        if not hasattr(state, "gallery"):
            state.gallery = Gallery(state.services)
    gallery: Gallery = state.gallery
    return gallery


Shown = Annotated[Gallery, Depends(_gallery)]
"""Parameter type of a route that shows correlations."""
