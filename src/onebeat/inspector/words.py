"""The words of a filter: how text is cut into them, and how they are written again."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from onebeat.errors import InvalidFilter, shown

OPERATORS = (">=", "<=", ":", "=", ">", "<")
_ENDS_NAME = frozenset(":=<>\"'.,\\")
_QUOTES = "\"'"
_UNITS_US: dict[str, int | Decimal] = {
    "w": 604_800_000_000, "d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "min": 60_000_000,
    "s": 1_000_000, "ms": 1_000, "us": 1, "µs": 1, "μs": 1, "ns": Decimal("0.001"),
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(w|d|h|min|ms|m|s|us|µs|μs|ns)", re.ASCII)
_SECONDS = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_DATED = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
LONGEST_US = 86_399_999_999_999_999_999
"""Microseconds that a `timedelta` can hold, nearly."""


@dataclass(frozen=True, slots=True)
class Value:
    """
    What stands behind an operator.

    Attributes:
        pieces: Its text, cut where `*` stands for anything.

        is_quoted: It stood in quotes, so it is text even if it looks like a number.

        column: Where it begins, from 1.
    """

    pieces: tuple[str, ...]
    is_quoted: bool = False
    column: int = field(default=0, compare=False)

    @property
    def text(self) -> str:
        return "*".join(self.pieces)

    def __str__(self) -> str:
        marked = [
            re.sub(r"([\\*\"'])" if self.is_quoted else r"([\\*\"',\s])", r"\\\1", piece) for piece in self.pieces
        ]
        return f'"{"*".join(marked)}"' if self.is_quoted else "*".join(marked)

    @classmethod
    def of(cls, text: str, *, pattern: bool = False) -> Value:
        """Make a value of a text; in a pattern `*` stands for anything."""
        pieces = tuple(text.split("*")) if pattern else (text,)
        return cls(pieces, is_quoted=not text or re.search(r"[\s,\"'\\]", text) is not None)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a filter, such as `-type:mail:*,sms:*`; `path` is what follows the name after dots."""

    name: str
    path: tuple[str, ...]
    operator: str
    values: tuple[Value, ...]
    is_negated: bool = False
    column: int = field(default=0, compare=False)
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        steps = "".join(f".{_step(step)}" for step in self.path)
        values = ",".join(map(str, self.values))
        return f"{'-' if self.is_negated else ''}{self.name}{steps}{self.operator}{values}"

    def refuse(self, why: str, value: Value | None = None) -> InvalidFilter:
        """Make the error that says what is wrong with this word, or with one of its values."""
        column = value.column if value is not None else self.column
        place = f" (column {column})" if column else ""  # none: it was made of an option's value
        return InvalidFilter(f"filter word {shown(self.text)}{place}: {why}", column=column)


def _step(step: str) -> str:
    if step and not any(sign.isspace() or sign in _ENDS_NAME for sign in step):
        return step
    return '"' + re.sub(r"([\\\"])", r"\\\1", step) + '"'


class Reader:
    """Cuts a filter into words."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def words(self) -> Iterator[Word]:
        while True:
            while self._sign().isspace():
                self._at += 1
            if not self._sign():
                return
            yield self._word()

    def _word(self) -> Word:
        start = self._at
        is_negated = self._sign() == "-"
        self._at += is_negated
        name = self._bare()
        path: list[str] = []
        while self._sign() == ".":
            self._at += 1
            path.append(self._quoted()[0] if self._sign() and self._sign() in _QUOTES else self._bare())
        operator = next((item for item in OPERATORS if self._text.startswith(item, self._at)), "")
        if not name or not operator or "" in path:
            raise self._no_word(start)
        self._at += len(operator)
        values = [self._value(operator)]
        while self._sign() == ",":
            self._at += 1
            values.append(self._value(operator))
        if self._sign() and not self._sign().isspace():
            raise self._bad(self._at, f"{shown(self._rest(start))}: a space or a comma is missing behind the quote")
        return Word(name, tuple(path), operator, tuple(values), is_negated, start + 1, self._text[start : self._at])

    def _sign(self) -> str:
        return self._text[self._at : self._at + 1]

    def _bare(self) -> str:
        start = self._at
        while (sign := self._sign()) and not sign.isspace() and sign not in _ENDS_NAME:
            self._at += 1
        return self._text[start : self._at]

    def _value(self, operator: str) -> Value:
        start = self._at
        is_quoted = bool(self._sign()) and self._sign() in _QUOTES
        raw, stars = self._quoted() if is_quoted else self._signs(lambda sign: sign.isspace() or sign == ",")
        if not raw and not is_quoted:
            raise self._bad(start, f"a value is missing behind {shown(self._text[:start][-20:])}; quote an empty one")
        return Value(_cut(raw, stars if operator == ":" else ()), is_quoted, start + 1)

    def _quoted(self) -> tuple[str, list[int]]:
        quote, start = self._sign(), self._at
        self._at += 1
        found = self._signs(lambda sign: sign == quote)
        if not self._sign():
            raise self._bad(start, f"the quote {quote} is not closed: write another, or \\{quote} for a quote as it is")
        self._at += 1
        return found

    def _signs(self, ends: Callable[[str], bool]) -> tuple[str, list[int]]:
        """Read up to an end: the text without its backslashes, and where in it `*` stands for anything."""
        raw: list[str] = []
        stars: list[int] = []
        while (sign := self._sign()) and not ends(sign):
            if sign == "\\":
                self._at += 1
                sign = self._sign()
                if not sign:
                    raise self._bad(self._at - 1, "a backslash ends it: write \\\\ for a backslash as it is")
            elif sign == "*":
                stars.append(len(raw))
            raw.append(sign)
            self._at += 1
        return "".join(raw), stars

    def _rest(self, start: int) -> str:
        return self._text[start:].split(None, 1)[0]

    def _no_word(self, start: int) -> InvalidFilter:
        return self._bad(
            start,
            f'{shown(self._rest(start))} has no name and value: write name:value, such as type:mail:* or error:"timed '
            'out"; quote values with spaces',
        )

    def _bad(self, at: int, why: str) -> InvalidFilter:
        return InvalidFilter(f"filter (column {at + 1}): {why}", column=at + 1)


def _cut(raw: str, stars: Sequence[int]) -> tuple[str, ...]:
    bounds = [-1, *stars, len(raw)]
    return tuple(raw[a + 1 : b] for a, b in itertools.pairwise(bounds))


def span(text: str) -> timedelta:
    """
    Read a duration: numbers with units, as Go writes them or with days and weeks (1h30m, 2d, 250ms), or seconds.

    Raises:
        ValueError: It is none.
    """
    digits = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    parts = list(_PART.finditer(digits))
    if _SECONDS.fullmatch(digits):
        whole = Decimal(digits) * 1_000_000
    elif parts and "".join(part[0] for part in parts) == digits:
        whole = sum((Decimal(part[1]) * _UNITS_US[part[2]] for part in parts), Decimal(0))
    else:
        raise ValueError(f"{shown(text)} is no duration: write 90s, 1h30m, 2d or 1w")
    if whole > LONGEST_US:
        raise ValueError(f"{shown(text)} is too long: write at most {LONGEST_US // 86_400_000_000}d")
    return timedelta(microseconds=int(whole) * (-1 if text.startswith("-") else 1))


def moment(text: str) -> datetime | timedelta:
    """
    Read an instant: RFC 3339, a date alone (its midnight in UTC), or a duration from now; a negative one is ago.

    Raises:
        ValueError: It is none.
    """
    try:
        if not _DATED.match(text):
            raise ValueError(text)
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            return span(text)
        except ValueError:
            raise ValueError(
                f"{shown(text)} is no instant: write 2026-01-31T08:00:00Z, 2026-01-31, or a duration from now such as "
                "10m, and -10m for ten minutes ago"
            ) from None
    if found.tzinfo is None:
        if len(text) > len("2026-01-31"):
            raise ValueError(f"{shown(text)} has no time zone: add Z or an offset such as +02:00")
        return found.replace(tzinfo=UTC)
    return found
