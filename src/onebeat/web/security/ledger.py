"""
Which sessions are on: the store notes which were seen, and which were ended before their time.

The cookie says whose a session is; what is asked here is only whether it was ended, at most once in `GOOD_S` for each
session. Where the store is away nobody is told, since no page could be shown either. Where it answers, but keeps
nothing, as to a user of it who may only read, this process remembers by itself what it ended.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from onebeat.clock import Clock
from onebeat.errors import BrokerUnavailable, OnebeatError
from onebeat.inspector import signing
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.steps import Procedure, follow
from onebeat.web.reading import SharedReads
from onebeat.web.security.sessions import LASTS, Session

log: logging.Logger = logging.getLogger("onebeat.web")

GOOD_S: Final = 2.0
"""For how long an answer is good: so late a session ends in the other processes."""

LASTS_MS: Final = int(LASTS.total_seconds() * 1000)

MOST: Final = 10_000
"""Ended sessions that a process remembers where the store does not."""


class Ledger:
    """
    Notes sessions, and their ends.

    Args:
        inspector: Returns what looks into the store, or None where there is none to ask.

        reads: What viewers share.

        clock: Where time is taken from.
    """

    def __init__(self, inspector: Callable[[], Awaitable[Inspector | None]], reads: SharedReads, clock: Clock) -> None:
        self._inspector = inspector
        self._reads = reads
        self._clock = clock
        self._ended: dict[tuple[str, str], int] = {}
        self._before: dict[str, int] = {}

    async def begin(self, session: Session, address: str) -> Session:
        """Note that a session begins; returns it, later than all that were ended, whatever the clocks say."""
        try:
            is_on, before = await self._see(session, address)
            if not is_on:
                session = replace(session, begun=before + 1)
                await self._see(session, address)
        except OnebeatError as error:
            log.warning("a session of %r begins that no list shows: %s", session.user, error)
        return replace(session, begun=max(session.begun, self._before.get(session.user, 0) + 1))

    async def is_on(self, session: Session, address: str) -> bool:
        """
        Whether a session was not ended.

        Raises:
            BrokerUnavailable: The store cannot be asked.
        """
        if (session.user, session.id) in self._ended or session.begun <= self._before.get(session.user, 0):
            return False
        try:
            is_on, _ = await self._reads.get(
                ("session", session.user, session.id), lambda: self._see(session, address), seconds=GOOD_S
            )
        except BrokerUnavailable:
            raise
        except OnebeatError as error:  # it answers, and may not be asked this: as it was before sessions were noted
            log.warning("whether the session of %r was ended is not known: %s", session.user, error)
            return True
        return is_on

    async def end(self, session: Session) -> bool:
        """End a session; returns whether all processes hear of it."""
        is_told = await self._tell(signing.end(session.user, session.id, session.begun, session.until))
        if not is_told:
            self._ended[session.user, session.id] = session.until
        return is_told

    async def end_all(self, user: str) -> bool:
        """End all sessions of a user that there are by now; returns whether all processes hear of it."""
        is_told = await self._tell(signing.end(user, ""))
        if not is_told:
            self._before[user] = self._now()
        return is_told

    async def end_one(self, user: str, session_id: str) -> bool:
        """End a session of a user that is in the list; returns whether all processes hear of it."""
        is_told = await self._tell(signing.end(user, session_id))
        if not is_told:
            self._ended[user, session_id] = self._now() + LASTS_MS
        return is_told

    async def _see(self, session: Session, address: str) -> tuple[bool, int]:
        inspector = await self._inspector()
        if inspector is None:
            return True, 0
        asked = signing.see(session.user, session.id, session.begun, session.until, session.way, address)
        return await follow(inspector.store, asked)

    async def _tell(self, ending: Procedure[int]) -> bool:
        self._tidy()
        self._reads.forget()
        try:
            inspector = await self._inspector()
            if inspector is None:
                ending.close()
                return True
            await follow(inspector.store, ending)
        except OnebeatError as error:
            log.warning("that a session was ended is known to this process alone: %s", error)
            return False
        return True

    def _tidy(self) -> None:
        now = self._now()
        self._ended = {key: until for key, until in self._ended.items() if until > now}
        self._before = {user: at for user, at in self._before.items() if at + LASTS_MS > now}
        while len(self._ended) >= MOST:
            self._ended.pop(next(iter(self._ended)))

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
