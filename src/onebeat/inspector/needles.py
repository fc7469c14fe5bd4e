"""
What a store can look for by itself: bytes without which no task fits a filter.

They are a necessary condition only, so that a task that fits is never passed over; whether it does fit is decided
by the filter. Alternatives: that bytes are there as they are ("="), whatever the case of their letters A to Z ("i"),
that a Lua pattern is found ("%"), or that the id has them ("#").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from onebeat import codecs
from onebeat.inspector.terms import literal_of
from onebeat.inspector.words import Value, Word

Needle = tuple[str, str]
_SAFE = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
"""Runs of these stand in JSON as they are, unless a writer escapes them: then there is a `\\u00`."""

_ESCAPED: Needle = ("=", "\\u00")
_OTHER_CODEC: Needle = ("=", codecs.HEADER)
_EXPONENT: Needle = ("%", "%d[eE][+-]?%d")


def needles(words: Iterable[Word]) -> list[list[Needle]]:
    """Return groups of alternatives: of each group one must be found."""
    groups: list[list[Needle]] = []
    for word in words:
        if word.is_negated:
            continue
        if word.path and word.name == "payload":
            groups.append(_key(word))
        if word.operator in (":", "="):
            groups.append(_alternatives(word))
    return [group for group in groups if group]


def _key(word: Word) -> list[Needle]:
    run = _run(step for step in word.path if not step.isdigit())
    return [("=", run), _ESCAPED] if run else []


def _alternatives(word: Word) -> list[Needle]:
    found: list[Needle] = []
    for value in word.values:
        some = _of(word, value)
        if not some:
            return []
        found += some
    return found


def _of(word: Word, value: Value) -> list[Needle]:
    longest = max(value.pieces, key=len)
    if word.name == "payload" and word.path:
        return _of_field(word, value)
    if not longest:
        return []
    if word.name == "id":
        return [("#", longest)]
    if word.name in ("type", "group", "header"):
        return [("=", longest)]
    if word.name in ("error", "payload"):
        return [("i", longest.encode().lower().decode())]
    return []


def _of_field(word: Word, value: Value) -> list[Needle]:
    literal = literal_of(value) if word.operator == "=" else None
    if isinstance(literal, Decimal):
        return _of_number(literal)
    run = _run(value.pieces)
    if not run or re.fullmatch(r"[0-9E]+", run):  # a number may have been written otherwise
        return []
    return [("=", run), _ESCAPED, _OTHER_CODEC]


def _of_number(number: Decimal) -> list[Needle]:
    _sign, digits, exponent = number.as_tuple()
    if exponent != 0:
        return []
    return [("=", "".join(map(str, digits))), _OTHER_CODEC, _EXPONENT]


def _run(texts: Iterable[str]) -> str:
    return max((run for text in texts for run in _SAFE.findall(text)), key=len, default="")
