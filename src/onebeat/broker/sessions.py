"""Sessions of users of consoles: a short hash of each user, in which the ended ones are noted until they are over."""

from __future__ import annotations

from typing import Any

from onebeat.broker.call import Argument, Call
from onebeat.wire import keys

MOST = 100
"""Sessions of one user, ended ones among them; beyond these the oldest end."""

TOUCH_MS = 60_000
"""How often it is noted that a session was seen."""

KEPT_MS = 13 * 3_600_000
"""How long a user's hash stands: longer than any session lasts, and by how much clocks may differ."""

LISTED = 1000
"""Users that are listed: those whose sessions last longest."""


def see(user: str, session_id: str, begun_ms: int, until_ms: int, way: str, address: str) -> Call[tuple[str, int]]:
    """Say whether a session is on: "new", "on" or "ended"; and until when all have ended, ms, 0 if they have not."""
    arguments: list[Argument] = [session_id, begun_ms, until_ms, way, address, TOUCH_MS, MOST, KEPT_MS]
    return Call("session_see", "", arguments, lambda told: (told[0].decode(), int(told[1])), keys=_key(user))


def end(user: str, session_id: str, begun_ms: int = 0, until_ms: int = 0) -> Call[int]:
    """End one session, or with "" all; returns how many were in the list. See scripts/session_end.lua."""
    return Call("session_end", "", [session_id, begun_ms, until_ms, MOST, KEPT_MS], int, keys=_key(user))


def read(user: str) -> Call[tuple[int, dict[str, str]]]:
    """Read a user's sessions: what time it is, ms, and the fields of the hash."""

    def interpret(answer: Any) -> tuple[int, dict[str, str]]:
        now, *words = [word.decode("utf-8", "replace") for word in answer]
        return int(now), dict(zip(words[::2], words[1::2], strict=True))

    return Call("sessions", "", (), interpret, keys=_key(user))


def listed(user: str, until_ms: int, now_ms: int) -> list[tuple[Argument, ...]]:
    """Return the commands that list a user among the others, one after another."""
    return [
        ("ZADD", keys.SESSIONS, until_ms, user),
        ("ZREMRANGEBYSCORE", keys.SESSIONS, "-inf", now_ms),
        ("ZREMRANGEBYRANK", keys.SESSIONS, 0, -LISTED - 1),
        ("PEXPIRE", keys.SESSIONS, KEPT_MS),
    ]


def _key(user: str) -> tuple[str]:
    return (keys.sessions(user),)
