"""Signing in and out by password, and how often one may try."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from onebeat.clock import Clock
from onebeat.web.security.attempts import AT_ONCE, Attempts
from onebeat.web.security.doors import Doors
from onebeat.web.security.proxies import client
from onebeat.web.security.roles import User
from onebeat.web.security.sessions import Session
from onebeat.web.security.ways import Passwords

PASSWORD: Final = "password"  # noqa: S105 - the way, not one
"""The way in of who signs in here."""

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

        doors: Begins sessions.

        clock: Where time is taken from.
    """

    def __init__(self, passwords: Passwords, doors: Doors, clock: Clock) -> None:
        self.passwords = passwords
        self.doors = doors
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
            what = "This password does not" if self.passwords.is_for_one else "This name and password do not"
            return Refused(403, f"{what} fit.")
        self._attempts.succeeded(address, name)
        return user

    def find(self, request: Request) -> tuple[User, Session] | None:
        """Return whose session a request bears; that it was ended before its time is not asked here."""
        session = self.doors.find(request, self.key_of)
        user = None if session is None else self.passwords.user(session.user)
        return None if session is None or user is None else (user, session)

    def key_of(self, name: str, way: str) -> str | None:
        """Return what signs the sessions of a user: the hash of the password."""
        kept = self.passwords.hash_of(name) if way == PASSWORD else None
        return None if kept is None else kept.text


def safe_next(text: str) -> str:
    """Return where to go on after a login, a path of the console with its query; "/" if it is none."""
    return text if _NEXT.fullmatch(text) else "/"


def _minutes(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"
