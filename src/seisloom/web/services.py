"""What every route needs: the workspace, its board, the sources, the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from seisloom.jobs import Board, Limits, Sources
from seisloom.jobs.board import STALE_AFTER_S
from seisloom.jobs.discretion import discreet
from seisloom.storage import Storage
from seisloom.web.days import DayReports


@dataclass
class Services:
    """One workspace, served. ``token`` None: whoever reaches the address may use it."""

    workspace: str
    sources: Sources = field(default_factory=Sources)
    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    stale_after_s: float = STALE_AFTER_S
    wake: Callable[[], None] = lambda: None
    """Tells workers of this process that there is a job; others find it a little later."""
    storage: Storage = field(init=False)
    board: Board = field(init=False)
    days: DayReports = field(init=False)
    discreet: Callable[[str], str] = field(init=False)
    """Makes a text fit for people elsewhere."""

    def __post_init__(self) -> None:
        self.storage = Storage(self.workspace, create=True)
        self.board = Board(self.storage, self.stale_after_s)
        self.days = DayReports(self.storage)
        self.discreet = discreet(self.workspace, self.sources)


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Served = Annotated[Services, Depends(_services)]
"""Parameter type of a route that needs the services."""
