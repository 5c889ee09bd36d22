"""Who may come in: whoever has the access token, in a header or, after the login page, in a cookie derived from it."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import HTTPConnection

COOKIE_PREFIX = "seisloom_access_"
STAY_S = 30 * 86_400
"""How long a login lasts."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
FORGET_S = 900.0
"""After so long without another, wrong guesses of an address are forgotten."""
ADDRESSES_HELD = 10_000


class TooManyGuessesError(Exception):
    """An address has to wait ``seconds`` before its next guess is looked at."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many wrong access tokens from this address: wait {math.ceil(seconds)} s")
        self.seconds = math.ceil(seconds)


class Access:
    """The token of a service. Comparisons take the same time whatever was sent.

    After a wrong guess nothing more is looked at from its address for half a second, then one second, two, ... up to
    a minute; cookies, which nobody can guess, are not held up by that.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = hashlib.sha256(token.encode()).digest()
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # address: guesses, time of the last
        # Two services on one machine share the cookies of a browser, and must not end each other's logins.
        self.cookie = f"{COOKIE_PREFIX}{self._signed('name')[:8]}"

    def admits(self, connection: HTTPConnection) -> bool:
        """Whether a request shows the token or the cookie; TooManyGuessesError where its address has to wait."""
        if self._is_login(connection.cookies.get(self.cookie, "")):
            return True
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.matches(token.strip(), address_of(connection))

    def matches(self, token: str, address: str) -> bool:
        """Whether it is the token; TooManyGuessesError where the address has to wait."""
        guesses, last = self._wrong.get(address, (0, -math.inf))
        now = self._clock()
        if now - last > FORGET_S:
            guesses = 0
        wait = min(FIRST_WAIT_S * 2 ** (guesses - 1), LONGEST_WAIT_S) if guesses else 0.0
        if now < last + wait:
            raise TooManyGuessesError(last + wait - now)
        if hmac.compare_digest(hashlib.sha256(token.encode(errors="replace")).digest(), self._key):
            self._wrong.pop(address, None)
            return True
        self._wrong[address] = (min(guesses + 1, 100), now)
        self._wrong.move_to_end(address)
        if len(self._wrong) > ADDRESSES_HELD:
            self._wrong.popitem(last=False)
        return False

    def login(self) -> str:
        """The value of a new cookie: when it ends, and a signature by the token."""
        ends = str(int(time.time()) + STAY_S)
        return f"{ends}.{self._signed(ends)}"

    def _is_login(self, cookie: str) -> bool:
        ends, _, signature = cookie.partition(".")
        genuine = hmac.compare_digest(signature.encode(), self._signed(ends).encode())
        return genuine and int(ends) > time.time()

    def _signed(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def address_of(connection: HTTPConnection) -> str:
    """Where a request comes from."""
    return connection.client.host if connection.client else ""


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)
