"""ObsPy's FDSN client made polite: few requests at once, repeated with back-off, every failure explained."""

from __future__ import annotations

import io
import re
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import IO, Any
from urllib.parse import urlsplit

import numpy as np
from obspy.clients.fdsn import Client
from obspy.clients.fdsn.header import (
    DEFAULT_USER_AGENT,
    FDSNException,
    FDSNNoServiceException,
    FDSNTimeoutException,
)

from seisloom import __version__
from seisloom.errors import NoDataError, SourceError
from seisloom.waveforms.base import AddressError

TRIES = 5
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0

NO_DATA = (204, 404)
TRANSIENT = (408, 429, 500, 502, 503, 504)
_RESTRICTED = (
    "access is restricted: set FDSN_USER and FDSN_PASSWORD in the environment to credentials "
    "from the data centre, or leave these channels out"
)
_ADVICE = {
    400: "the request is refused as malformed: check the codes and times",
    401: _RESTRICTED,
    403: _RESTRICTED,
    413: "the request is refused as too large, however small it is made",
    429: "too many requests, even after waiting: try again later, or with ?parallel=1 behind the name",
}
# What ObsPy's client lets through when a connection or an answer breaks.
_FAILURES = (FDSNException, HTTPException, OSError, EOFError, zlib.error)


class AnswerError(SourceError):
    """A data centre refused a request or failed; ``status`` is its HTTP status, None where none came."""

    def __init__(self, message: str, status: int | None = None, lasting: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.lasting = lasting or status in (400, 401, 403)


class PoliteClient:
    """Requests to the data centre at ``url``, from any number of threads, at most ``parallel`` at once.

    A request that waits to be repeated keeps its place among the ``parallel``, so that a server in trouble is
    asked less. ``rng`` draws the jitter of the waits, ``sleep`` waits. ``login`` is user and password.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float,
        parallel: int,
        rng: np.random.Generator,
        sleep: Callable[[float], None],
        tries: int = TRIES,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.url, self.timeout_s, self.tries = url, timeout_s, tries
        self._login = login
        self.host = urlsplit(url).netloc
        self._slots = threading.BoundedSemaphore(parallel)
        self._rng, self._sleep = rng, sleep
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._last = _LastAnswer()

    def ask(self, what: str, request: Callable[[Client, IO[bytes]], object], tries: int | None = None) -> bytes:
        """Body of the answer to ``request``, which gets the ObsPy client and a file to write the answer to.

        Repeated while that may help, up to ``tries`` times. Raises NoDataError, or AnswerError naming ``what``.
        """
        tries = min(tries or self.tries, self.tries)
        with self._slots:
            for attempt in range(tries):
                body = io.BytesIO()
                self._last.forget()
                try:
                    request(self._connect(), body)
                    break
                except AnswerError:
                    raise
                except _FAILURES as error:
                    self._wait_or_raise(what, error, attempt, tries)
        if not body.tell():
            raise NoDataError(f"{self.host}: {what}: no data")
        return body.getvalue()

    def post(self, what: str, url: str, body: bytes) -> bytes:
        """Answer of another service of the data centre, empty for no data; AnswerError where there is no such service."""

        def request(client: Client, out: IO[bytes]) -> None:
            out.write(client._download(url, return_string=True, data=body, content_type="text/plain"))

        try:
            return self.ask(what, request)
        except NoDataError:
            if self._last.status == 404:
                raise AnswerError(f"{self.host}: {what}: there is no {url}", 404) from None
            return b""

    def _wait_or_raise(self, what: str, error: Exception, attempt: int, tries: int) -> None:
        """Sleep until the next attempt: doubled each time, with jitter, or as asked for."""
        failure, transient = self._explain(what, error)
        if not transient or attempt == tries - 1:
            raise failure from error
        asked_s = _retry_after_s(self._last.retry_after)
        if asked_s > LONGEST_WAIT_S:
            message = f"{self.host}: {what}: the server asks to come back in {asked_s:.0f} s: try again then"
            raise AnswerError(message, self._last.status) from error
        backoff_s = FIRST_WAIT_S * 2**attempt * self._rng.uniform(0.5, 1.5)
        self._sleep(max(backoff_s, asked_s))

    def _explain(self, what: str, error: Exception) -> tuple[SourceError, bool]:
        """The error to show, and whether the same request may succeed later."""
        status, start = self._last.status, f"{self.host}: {what}: "
        if self._last.refused:
            return AnswerError(f"{start}{self._last.refused}", lasting=True), False
        if isinstance(error, FDSNNoServiceException):
            return AnswerError(f"{start}{error} Its services did not all answer when it was first asked."), False
        if status in NO_DATA:
            return NoDataError(f"{start}no data"), False
        if isinstance(error, FDSNTimeoutException | TimeoutError):
            advice = f"no answer within {self.timeout_s:g} s: try again later, or allow more with ?timeout=SECONDS"
            return AnswerError(start + advice, status), True
        if status is None:
            advice = f"cannot be reached ({_words(error)}): check the address and the network connection"
            return AnswerError(start + advice), True
        if status == 200:
            advice = f"the answer broke off ({_words(error)}): try again later, or ask for less at once"
            return AnswerError(start + advice, status), True
        unforeseen = "the server failed: try again later" if status >= 500 else "which no FDSN service gives"
        advice = _ADVICE.get(status, unforeseen)
        return AnswerError(f"{start}HTTP {status}, {advice} ({_words(error)})", status), status in TRANSIENT

    def _connect(self) -> Client:
        """The ObsPy client, made at the first use: it asks which services there are."""
        with self._lock:
            if self._client is None:
                self._client = self._discover()
        return self._client

    def _discover(self) -> Client:
        options: dict[str, Any] = {
            "user": self._login and self._login[0],
            "password": self._login and self._login[1],
            "user_agent": f"seisloom/{__version__} {DEFAULT_USER_AGENT}",
            "service_mappings": {"event": None},
            "timeout": self.timeout_s,
        }
        try:
            client = Client(self.url, **options)
        except (*_FAILURES, ValueError, SyntaxError) as error:  # the last two: what answers is not a WADL
            raise self._why_no_service(error) from error
        client._url_opener.add_handler(self._last)
        client._url_opener.open = self._last.noting(client._url_opener.open)
        return client

    def _why_no_service(self, error: Exception) -> OSError:
        """What ObsPy does not tell: a wrong address, or a server that cannot be reached for now."""
        try:
            with urllib.request.urlopen(f"{self.url}/fdsnws/dataselect/1/version", timeout=self.timeout_s):
                reason = _words(error)
        except urllib.error.HTTPError as answer:
            if answer.code in TRANSIENT:
                return ConnectionError(str(answer))
            reason = str(answer)
        except (OSError, HTTPException) as failure:
            if refused := _refused(failure):
                return AnswerError(f"{self.host}: {refused}", lasting=True)
            return ConnectionError(_words(failure))
        return AnswerError(f"{self.host}: no FDSN web service at {self.url} ({reason}): check the address")


class _LastAnswer(urllib.request.BaseHandler):
    """Status and Retry-After of the last answer to this thread, or why it was not asked, which ObsPy does not tell."""

    def __init__(self) -> None:
        self._seen = threading.local()

    def forget(self) -> None:
        self._seen.status = self._seen.retry_after = self._seen.refused = None

    def noting(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """The request, of which a refused address is remembered."""

        def noted(*arguments: Any, **options: Any) -> Any:
            try:
                return request(*arguments, **options)
            except OSError as error:
                self._seen.refused = _refused(error)
                raise

        return noted

    def http_response(self, _request: object, response: Any) -> Any:
        self._seen.status = response.status
        self._seen.retry_after = response.headers.get("Retry-After")
        return response

    https_response = http_response

    @property
    def status(self) -> int | None:
        return self._seen.status

    @property
    def refused(self) -> AddressError | None:
        return self._seen.refused

    @property
    def retry_after(self) -> str | None:
        return self._seen.retry_after


def _refused(error: BaseException) -> AddressError | None:
    """The refused address that is behind what urllib raised, None for another failure."""
    reason = getattr(error, "reason", error)
    return reason if isinstance(reason, AddressError) else None


def _retry_after_s(value: str | None) -> float:
    """Seconds that a Retry-After header asks for (a number, or a date: RFC 9110, 10.2.3); 0 for none."""
    if not value:
        return 0.0
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):  # not a date either, or one without a time zone
        return 0.0


def _words(error: Exception) -> str:
    """The server's or the system's own words in one line, without markup."""
    text = str(error).rpartition("Detailed response of server:")[2]
    errno = re.search(r"\[Errno -?\d+\] ([^>]*)", text)
    text = errno[1] if errno else re.sub(r"<[^>]*>|^Unknown Error \(\w+\): ", " ", text)
    return " ".join(text.split())[:300]
