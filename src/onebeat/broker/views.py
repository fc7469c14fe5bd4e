"""Views that users of consoles have saved: a hash for each user, and one for all, in one slot."""

from __future__ import annotations

import hashlib
from typing import Any

from onebeat.broker.call import Argument, Call
from onebeat.broker.spoiled import Spoiled
from onebeat.wire import keys

MOST = 50
"""Views of one user, and as many that all share."""

KEPT_MS = 400 * 86_400_000
"""How long a user's views stand after the last look at them; those that all share stand for ever."""

TOUCH_MS = 86_400_000
"""How often it is noted that they were looked at."""

Row = tuple[str, bytes]
"""The name of a view, and its value (scripts/view_save.lua)."""


def stamp(name: str, value: bytes) -> str:
    """Return what tells a view from what it was before, and from others, also of the same query and moment."""
    return hashlib.sha1(name.encode() + b"\n" + value, usedforsecurity=False).hexdigest()[:16]


def read(user: str) -> Call[dict[str, list[Row]]]:
    """
    Read the views of a user, "" of nobody, and those that all share, under "".

    Raises:
        Spoiled: A key is of a foreign type; `rest` has what the other holds.
    """
    names = (keys.VIEWS, keys.views(user)) if user else (keys.VIEWS,)

    def interpret(answer: Any) -> dict[str, list[Row]]:
        *held, foreign = answer
        found = {whose: _rows(fields) for whose, fields in zip(("", user), held, strict=False)}
        kinds = dict(zip(*(_texts(foreign[place::2]) for place in (0, 1)), strict=True))
        if kinds:
            raise Spoiled("not all saved views can be read", kinds, found)
        return found

    return Call("views", "", (KEPT_MS, TOUCH_MS), interpret, keys=names)


def save(
    user: str, name: str, query: str, by: str, *, over: str, was: tuple[str, str, str] | None
) -> Call[tuple[str, bytes]]:
    """
    Save a view of a user, or with "" of all; returns what became of it, and a value. See scripts/view_save.lua.

    Args:
        was: Whose it was before, its name then, and its stamp; None: it is new.
    """
    whose, before, seen = was or (user, "", "")
    arguments: list[Argument] = [name, by, query, over, before, seen, MOST, KEPT_MS if user else 0]
    return Call(
        "view_save", "", arguments, lambda told: (told[0].decode(), bytes(told[1])),
        keys=tuple(dict.fromkeys((keys.views(user), keys.views(whose)))),
    )  # fmt: skip


def delete(user: str, name: str, seen: str) -> Call[str]:
    """Delete a view of a user, or with "" of all; returns "deleted", "none" or "changed"."""
    return Call("view_delete", "", (name, seen), bytes.decode, keys=(keys.views(user),))


def _rows(fields: list[bytes]) -> list[Row]:
    """Return what is a view by its name; what is none by that was not written by us."""
    rows = zip(_texts(fields[::2]), fields[1::2], strict=True)
    return [(name, value) for name, value in rows if name.isprintable() and "\ufffd" not in name]


def _texts(words: list[bytes]) -> list[str]:
    return [word.decode("utf-8", "replace") for word in words]
