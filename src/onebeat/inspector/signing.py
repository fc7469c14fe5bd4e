"""Who is signed in to consoles, and ending that; procedures for both inspectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from onebeat.broker import sessions
from onebeat.errors import BrokerError, InvalidTask, shown
from onebeat.inspector import jobs
from onebeat.inspector.auditing import cut
from onebeat.inspector.job_models import JobState
from onebeat.inspector.showing import at
from onebeat.inspector.steps import Procedure, ask, ask_each, command
from onebeat.options import text
from onebeat.wire import keys
from onebeat.wire.message import clean_text

ID = re.compile(r"[0-9a-f]{32}")
"""How a session is numbered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """
    A browser in which somebody is signed in to a console of this store.

    Attributes:
        user: Who.

        id: The session's own; it does not let anybody in.

        way: How the user signed in: "password", "oidc".

        address: From where it was seen last.

        begun_at, seen_at: When it began, and was seen last, to the minute.

        until: When it ends by itself.
    """

    user: str
    id: str
    way: str
    address: str
    begun_at: datetime
    seen_at: datetime
    until: datetime


def see(
    user: str, session_id: str, begun_ms: int, until_ms: int, way: str, address: str
) -> Procedure[tuple[bool, int]]:
    """
    Note that a session was seen.

    Returns:
        Whether it is on; and until when all that were begun have ended, ms, 0 if they have not.
    """
    told, before = yield from ask(
        sessions.see(user, session_id, begun_ms, until_ms, _word(way), cut("address", _word(address)))
    )
    if told == "new":
        now_ms, _ = yield from ask(sessions.read(user))
        for words in sessions.listed(user, until_ms, now_ms):
            yield from command(*words)
    return told != "ended", before


def _word(given: str) -> str:
    return "".join(clean_text(given).split()) or "-"


def every(user: object) -> Procedure[list[ConsoleSession]]:
    """List sessions that are on, those seen last first: of a user, or with "" of all."""
    names = [text("user", user)] if user else (yield from _users())
    answers = (yield from ask_each([sessions.read(name) for name in names])) if names else []
    found: list[ConsoleSession] = []
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, BrokerError):
            raise answer
        now_ms, fields = answer
        found += _shown(name, now_ms, fields)
    return sorted(found, key=lambda one: (one.seen_at, one.id), reverse=True)


def _users() -> Procedure[list[str]]:
    found = yield from command("ZREVRANGE", keys.SESSIONS, 0, sessions.LISTED - 1)
    return [name.decode("utf-8", "replace") for name in found]


def _shown(user: str, now_ms: int, fields: Mapping[str, str]) -> list[ConsoleSession]:
    found: list[ConsoleSession] = []
    for session_id, value in fields.items():
        seen, _, rest = value.partition(" ")
        words = rest.split(" ")
        if len(words) != 4 or not all(_is_ms(word) for word in (seen, *words[:2])):  # ended, or no session
            continue
        begun, until, way, address = words
        if int(until) >= now_ms:
            found.append(
                ConsoleSession(
                    user=user, id=session_id, way=way, address="" if address == "-" else address,
                    begun_at=at(int(begun) / 1000), seen_at=at(int(seen) / 1000), until=at(int(until) / 1000),
                )
            )  # fmt: skip
    return found


def _is_ms(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 16


def end(user: object, session_id: str, begun_ms: int = 0, until_ms: int = 0, *, by: str = "") -> Procedure[int]:
    """
    End a session of a user, or with "" all, and stop the user's jobs; returns how many were in the list.

    Args:
        begun_ms, until_ms: Of one that need not be in the list.

        by: Who ends them; "": the user.

    Raises:
        InvalidTask: No user is named, or the session is none.
    """
    if session_id and not ID.fullmatch(session_id):
        raise InvalidTask(f"session is {shown(session_id)}: give the id of one that is listed")
    name = text("user", user)
    ended = yield from ask(sessions.end(name, session_id, begun_ms, until_ms))
    if not session_id:
        yield from _stop_jobs(name, by or name)
    return ended


def _stop_jobs(user: str, by: str) -> Procedure[None]:
    """Stop the jobs of a user: one that was begun with a stolen session is not to go on behind it."""
    for one in (yield from jobs.every()):
        if one.user == user and one.state is JobState.RUNNING:
            yield from jobs.stop(one.id, by)
