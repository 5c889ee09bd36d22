"""How long a store is waited for: the limits of every request to it, and the repeating of those that failed."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from seisloom.errors import InputError
from seisloom.stores.failures import FAILURES, explain, passes

Answer = TypeVar("Answer")
LONGEST_PAUSE_S = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Times in seconds. Those that users may want to change are read from the environment, once for each store.

    A request that fails for a reason that may pass is repeated: at once and a few times by the client (``retries``), then
    with growing pauses until ``patience_s`` have gone by, or ``first_patience_s`` where the store has never answered.
    """

    connect_s: float = 10.0
    """To make a connection."""
    timeout_s: float = 120.0
    """One request, to the end of the answer; SEISLOOM_STORE_TIMEOUT."""
    patience_s: float = 180.0
    """How long a store that has answered before is waited for; SEISLOOM_STORE_PATIENCE."""
    first_patience_s: float = 15.0
    """The same for a store that has not answered yet: its address may be wrong."""
    retries: int = 3

    @classmethod
    def from_environment(cls) -> Limits:
        """The limits that users set; InputError for what is no number of seconds."""
        patience = _seconds("SEISLOOM_STORE_PATIENCE", cls.patience_s)
        first = min(cls.first_patience_s, patience)
        return cls(
            timeout_s=_seconds("SEISLOOM_STORE_TIMEOUT", cls.timeout_s), patience_s=patience, first_patience_s=first
        )

    @property
    def client(self) -> Any:
        """obstore's ``client_options``."""
        return {"connect_timeout": timedelta(seconds=self.connect_s), "timeout": timedelta(seconds=self.timeout_s)}

    @property
    def retry(self) -> Any:
        """obstore's ``retry_config``."""
        backoff = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1), "base": 2}
        return {"max_retries": self.retries, "retry_timeout": timedelta(seconds=self.timeout_s), "backoff": backoff}


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise InputError(f"{name} is {text!r}: write a number of seconds, such as {default:g}")
    return value


@dataclass
class Patience:
    """Repeats what failed for a reason that may pass, and says that it waits. One for each store."""

    where: str
    limits: Limits = field(default_factory=Limits)
    answered: bool = False
    _told: bool = False

    def call(self, act: Callable[[], Answer]) -> Answer:
        """What ``act`` returns; its last error where waiting did not help."""
        began, tries = time.monotonic(), 0
        while True:
            try:
                answer = act()
            except FAILURES as error:
                time.sleep(self._pause(error, time.monotonic() - began, tries))
                tries += 1
            else:
                self._heard()
                return answer

    async def wait(self, act: Callable[[], Awaitable[Answer]]) -> Answer:
        """The same for what is awaited."""
        import asyncio

        began, tries = time.monotonic(), 0
        while True:
            try:
                answer = await act()
            except FAILURES as error:
                await asyncio.sleep(self._pause(error, time.monotonic() - began, tries))
                tries += 1
            else:
                self._heard()
                return answer

    def _pause(self, error: Exception, waited_s: float, tries: int) -> float:
        """Seconds until the next try; raises the error where there is to be none."""
        if not passes(error):
            self._heard()
            raise error
        most_s = self.limits.patience_s if self.answered else self.limits.first_patience_s
        if waited_s >= most_s:
            raise error
        if not self._told:
            _log.warning("%s: %s; trying again for up to %.0f s", self.where, explain(error), most_s - waited_s)
            self._told = True
        return min(0.1 * 2**tries, LONGEST_PAUSE_S, most_s - waited_s)

    def _heard(self) -> None:
        self.answered = True
        if self._told:
            _log.warning("%s: the store answers again", self.where)
            self._told = False
