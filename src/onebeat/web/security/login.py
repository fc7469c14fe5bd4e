"""Signing in and out by password, and how often one may try."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from onebeat.clock import Clock
from onebeat.web.security import sessions
from onebeat.web.security.attempts import AT_ONCE, Attempts
from onebeat.web.security.proxies import client
from onebeat.web.security.roles import User
from onebeat.web.security.ways import Passwords

_NEXT = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,4000}")


@dataclass(frozen=True, slots=True)
class Refused:
    """
    A login that was not let in.

    Attributes:
        status: Of the answer.

        message: For the page.

        wait_s: For how many seconds another try is in vain.
    """

    status: int
    message: str
    wait_s: int = 0


class Login:
    """
    Signs users in.

    Args:
        passwords: Of whom.

        secret: What sessions are signed with besides.

        clock: Where time is taken from.
    """

    def __init__(self, passwords: Passwords, secret: str, clock: Clock) -> None:
        self.passwords = passwords
        self._secret = secret
        self._clock = clock
        self._attempts = Attempts(clock.monotonic)

    async def attempt(self, request: Request, name: str, password: str) -> User | Refused:
        """Return the user of a name and a password, or why there is none."""
        address = client(request.scope)
        wait = self._attempts.wait(address, name)
        if wait > 0:
            return Refused(429, f"Too many failed logins. Try again in {_minutes(wait)}.", math.ceil(wait))
        if self._attempts.at_work >= AT_ONCE:
            return Refused(429, "Too many logins at the same time. Try again at once.", 1)
        self._attempts.failed(address, name)  # first, so that many at once are not more than many in a row
        self._attempts.at_work += 1
        try:
            user = await self.passwords.check(name, password)
        finally:
            self._attempts.at_work -= 1
        if user is None:
            return Refused(403, "This name and password do not fit.")
        self._attempts.succeeded(address, name)
        return user

    def begin(self, request: Request, answer: Response, user: User) -> None:
        """Sign a user in: the browser keeps the session."""
        password = self.passwords.hash_of(user.name)
        if password is None:
            raise KeyError(user.name)
        answer.set_cookie(
            sessions.cookie_name(request),
            sessions.begin(user.name, password, self._secret, now=self._clock.now()),
            max_age=int(sessions.LASTS.total_seconds()),
            path=sessions.cookie_path(request),
            secure=request.scope.get("scheme") == "https",
            httponly=True,
            samesite="strict",
        )

    def end(self, request: Request, answer: Response) -> None:
        """Sign out: the browser forgets the session."""
        answer.delete_cookie(
            sessions.cookie_name(request),
            path=sessions.cookie_path(request),
            secure=request.scope.get("scheme") == "https",
            httponly=True,
            samesite="strict",
        )

    def user(self, request: Request) -> User | None:
        """Return whose session a request bears."""
        cookie = request.cookies.get(sessions.cookie_name(request))
        if cookie is None:
            return None
        name = sessions.read(cookie, self.passwords.hash_of, self._secret, now=self._clock.now())
        return None if name is None else self.passwords.user(name)


def safe_next(text: str) -> str:
    """Return where to go on after a login, a path of the console with its query; "/" if it is none."""
    return text if _NEXT.fullmatch(text) else "/"


def _minutes(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"
