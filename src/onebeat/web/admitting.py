"""
Signing in and out, noted in the audit.

It is not done by `acting.perform`: who signs in has no role yet, and who signs out needs none. Nor does it wait for the
audit, since nobody is to stay outside, or inside, because a store takes no records.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from onebeat.errors import OnebeatError, shown
from onebeat.inspector.auditing import AuditOutcome, AuditRecord
from onebeat.web import consoles
from onebeat.web.scope import hidden
from onebeat.web.security import gate, proxies
from onebeat.web.security.roles import User
from onebeat.web.security.sessions import Key, Session

log: logging.Logger = logging.getLogger("onebeat.web")

BEGIN: Final = "session.begin"
END: Final = "session.end"

STRANGER: Final = "(unknown)"
"""Who tried a name that nobody has. The name is not written down: it may be a password in the wrong field."""

BURST, EVERY_S = 20, 60.0
"""Failed logins that are written at once, and after how many seconds one more: a flood leaves the audit as it was."""


async def admit(request: Request, answer: Response, user: User, way: str, key_of: Key, grants: str = "") -> Session:
    """
    Sign a user in: begin a session, and write that down. Whoever signs users in calls this, once it knows them.

    Args:
        answer: Gets the cookie.

        way, key_of, grants: See `Doors.begin`.
    """
    session = await gate.doors(request).begin(request, answer, user.name, way, key_of, grants)
    await _note(request, AuditRecord(user=user.name, role=_role(user), action=BEGIN, about=way))
    return session


async def turn_away(request: Request, name: str | None, why: str) -> None:
    """
    Write down that somebody was not let in, within bounds: what is beyond them is counted.

    Args:
        name: Of the user that was tried; None: of none that there is.
    """
    who, address = STRANGER if name is None else name, proxies.client(request.scope)
    log.warning("login of %s from %s was refused: %s", shown(who), address, why)
    left_out = consoles.of(request).turned_away.take()
    if left_out is None:
        return
    more = f"{why} {left_out:,} more were not written down." if left_out else why
    await _note(request, AuditRecord(user=who, action=BEGIN, outcome=AuditOutcome.REFUSED, why=more))


async def leave(request: Request, *, session_id: str = "", everywhere: bool = False, reason: str = "") -> bool:
    """
    End sessions of who asks: the one that asks, one that is named, or all; returns whether all processes hear of it.

    Args:
        reason: Why, as `reasons.read` returns it.
    """
    who = gate.identity(request)
    if who is None or who.session is None:
        return True
    ledger = gate.doors(request).ledger
    if everywhere:
        is_told, about = await ledger.end_all(who.user.name), "all"
    elif session_id and session_id != who.session.id:
        is_told, about = await ledger.end_one(who.user.name, session_id), session_id
    else:
        is_told, about = await ledger.end(who.session), who.session.id
    await _note(
        request,
        AuditRecord(
            user=who.user.name, role=_role(who.user), action=END, about=about, reason=hidden(request).text(reason)
        ),
    )
    return is_told


def stays(request: Request, user: str, session_id: str) -> bool:
    """Whether who asks is still signed in after sessions of a user were ended, "" all of them."""
    who = gate.identity(request)
    if who is None or who.session is None or who.user.name != user:
        return True
    return session_id not in ("", who.session.id)


def _role(user: User) -> str:
    return "" if user.role is None else str(user.role)


async def _note(request: Request, record: AuditRecord) -> None:
    via = "api" if gate.is_script(request) else "page"
    try:
        inspector = await consoles.of(request).inspector()
        await inspector.record_audit(replace(record, via=via, address=proxies.client(request.scope)))
    except OnebeatError as error:
        log.warning("%s of %s is not in the audit: %s", record.action, shown(record.user), error)


class Bucket:
    """
    Says how many failed logins are still to be written down.

    Args:
        monotonic: The clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._left, self._at = float(BURST), monotonic()
        self._left_out = 0

    def take(self) -> int | None:
        """Return how many were left out since the last that was written, if one more is to be; else None."""
        now = self._monotonic()
        self._left, self._at = min(float(BURST), self._left + (now - self._at) / EVERY_S), now
        if self._left < 1:
            self._left_out += 1
            return None
        self._left -= 1
        left_out, self._left_out = self._left_out, 0
        return left_out
