"""What each word of a filter means: the names there are, what may stand behind them, and whether a task fits."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from onebeat.errors import InvalidFilter, shown
from onebeat.inspector.payloads import UNREADABLE, Payload
from onebeat.inspector.words import Value, Word, moment, span
from onebeat.states import TaskState
from onebeat.task import TaskInfo


@dataclass(frozen=True)
class Sight:
    """
    A task, as the words of a filter look at it.

    Attributes:
        now: What time it is in the store.

        since: Since when it is in its state, where its record does not say: archived, aggregating, active ones.
    """

    info: TaskInfo
    payload: Payload
    now: datetime
    since: datetime | None

    @property
    def entered(self) -> datetime | None:
        """Since when it is in its state."""
        of_record = {
            TaskState.PENDING: self.info.pending_since,
            TaskState.RETRY: self.info.last_failed_at,
            TaskState.COMPLETED: self.info.completed_at,
        }
        if self.info.state in of_record:
            return of_record[self.info.state]
        if self.info.state is TaskState.SCHEDULED:
            return None
        return self.since or (self.info.last_failed_at if self.info.state is TaskState.ARCHIVED else None)


Test = Callable[[Sight], bool | None]
"""Whether a word fits a task; None: the task has nothing that could be looked at, so its negation fits no more."""

COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    ":": operator.eq, "=": operator.eq, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
_ORDERED = (">", "<", ">=", "<=")


def fits(pieces: tuple[str, ...], text: str) -> bool:
    """Whether a text is what a pattern says, from end to end; in time that grows with its length alone."""
    if len(pieces) == 1:
        return pieces[0] == text
    first, *middle, last = pieces
    if len(first) + len(last) > len(text) or not text.startswith(first) or not text.endswith(last):
        return False
    return _in_order(middle, text[len(first) : len(text) - len(last)])


def contains(pieces: tuple[bytes, ...], data: bytes) -> bool:
    """Whether bytes have what a pattern says anywhere, whatever the case of its letters A to Z."""
    return _in_order([piece.lower() for piece in pieces], data.lower())


def _in_order(pieces: Any, data: Any) -> bool:
    at = 0
    for piece in pieces:
        at = data.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def _pattern(word: Word, get: Callable[[Sight], str | None]) -> Test:
    """Compare a text from end to end: `:` with a pattern, `=` as it is."""

    def test(sight: Sight) -> bool | None:
        text = get(sight)
        return None if text is None else any(fits(value.pieces, text) for value in word.values)

    return test


def _part(word: Word, get: Callable[[Sight], bytes]) -> Test:
    """Look for a text anywhere: `:`; or compare it from end to end: `=`."""
    wanted = [tuple(piece.encode() for piece in value.pieces) for value in word.values]
    if word.operator == "=":
        return lambda sight: any(pieces == (get(sight),) for pieces in wanted)
    return lambda sight: any(contains(pieces, get(sight)) for pieces in wanted)


def _number(word: Word, get: Callable[[Sight], int]) -> Test:
    compare, wanted = COMPARED[word.operator], [_whole(word, value) for value in word.values]
    return lambda sight: any(compare(get(sight), number) for number in wanted)


def _whole(word: Word, value: Value) -> int:
    digits = value.text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise word.refuse(f"{shown(value.text)} is no whole number: write {word.name}>=3", value)
    return int(value.text)


def _span(word: Word, get: Callable[[Sight], timedelta | None]) -> Test:
    compare = COMPARED[word.operator]
    try:
        wanted = [span(value.text) for value in word.values]
    except ValueError as error:
        raise word.refuse(str(error), word.values[0]) from None

    def test(sight: Sight) -> bool | None:
        length = get(sight)
        return None if length is None else any(compare(length, limit) for limit in wanted)

    return test


def _age(sight: Sight) -> timedelta | None:
    return None if sight.entered is None else sight.now - sight.entered


def _moment(word: Word, get: Callable[[Sight], datetime | None]) -> Test:
    compare = COMPARED[word.operator]
    try:
        wanted = [moment(value.text) for value in word.values]
    except ValueError as error:
        raise word.refuse(str(error), word.values[0]) from None

    def test(sight: Sight) -> bool | None:
        at = get(sight)
        if at is None:
            return None
        return any(
            compare(at - sight.now, limit) if isinstance(limit, timedelta) else compare(at, limit) for limit in wanted
        )

    return test


def _due(sight: Sight) -> datetime | None:
    return sight.info.next_process_at if sight.info.state in (TaskState.SCHEDULED, TaskState.RETRY) else None


def _field(word: Word) -> Test:
    """Compare a field of the payload, by its JSON type."""
    compare = COMPARED[word.operator]
    limits = [_decimal(word, value) for value in word.values] if word.operator in _ORDERED else []
    literals = [literal_of(value) for value in word.values] if word.operator == "=" else []

    def test(sight: Sight) -> bool | None:
        found = sight.payload.at(word.path)
        if found is UNREADABLE:
            return None
        if not isinstance(found, tuple):
            return False
        [value] = found
        if limits:
            return _is_number(value) and any(compare(value, limit) for limit in limits)
        if literals:
            return any(_is_number(value) == _is_number(one) and _is_same(value, one) for one in literals)
        text = Payload.text_of(value)
        return any(fits(each.pieces, text) if text is not None else set(each.pieces) == {""} for each in word.values)

    return test


def _is_number(value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _is_same(value: object, wanted: object) -> bool:
    return type(value) is type(wanted) and value == wanted if not _is_number(wanted) else value == wanted


def _decimal(word: Word, value: Value) -> Decimal:
    number = literal_of(value)
    if not isinstance(number, Decimal):
        raise word.refuse(f"{shown(value.text)} is no number: compare with > and < what is one", value)
    return number


def literal_of(value: Value) -> object:
    """Read what stands behind `=`: a number, true, false or null as JSON writes it, unless it is quoted; or text."""
    if value.is_quoted:
        return value.text
    return Payload.literal(value.text)


def _header(word: Word) -> Test:
    name = ".".join(word.path)

    def test(sight: Sight) -> bool:
        text = sight.info.headers.get(name)
        return text is not None and any(fits(value.pieces, text) for value in word.values)

    return test


def _state(word: Word) -> Test:
    wanted = states_of(word)
    return lambda sight: sight.info.state in wanted


def states_of(word: Word) -> frozenset[TaskState]:
    """Return the states that a word names."""
    for value in word.values:
        if value.text == "failed":  # the word that people reach for; of those that failed there are two kinds
            raise word.refuse(
                "'failed' is none: tasks that failed are in retry or archived, state:retry,archived", value
            )
        if value.text not in list(TaskState):
            raise word.refuse(_choose(value.text, [str(state) for state in TaskState]), value)
    return frozenset(TaskState(value.text) for value in word.values)


_MARKS: Mapping[str, Callable[[Sight], bool]] = {
    "orphaned": lambda sight: sight.info.is_orphaned,
    "undecodable": lambda sight: not sight.info.type,
}


def _mark(word: Word) -> Test:
    for value in word.values:
        if value.text not in _MARKS:
            raise word.refuse(_choose(value.text, list(_MARKS)), value)
    return lambda sight: any(_MARKS[value.text](sight) for value in word.values)


@dataclass(frozen=True)
class Name:
    """A name that a filter may use: how a word with it is made a test, and which operators it takes."""

    make: Callable[[Word], Test]
    operators: tuple[str, ...]


_TEXT, _ALL, _ONLY = (":", "="), tuple(COMPARED), (":",)


def _texts(get: Callable[[Sight], str | None]) -> Name:
    return Name(lambda word: _pattern(word, get), _TEXT)


def _parts(get: Callable[[Sight], bytes]) -> Name:
    return Name(lambda word: _part(word, get), _TEXT)


def _numbers(get: Callable[[Sight], int]) -> Name:
    return Name(lambda word: _number(word, get), _ALL)


def _spans(get: Callable[[Sight], timedelta | None]) -> Name:
    return Name(lambda word: _span(word, get), _ORDERED)


def _moments(get: Callable[[Sight], datetime | None]) -> Name:
    return Name(lambda word: _moment(word, get), _ORDERED)


NAMES: Mapping[str, Name] = {
    "id": _texts(lambda sight: sight.info.id),
    "type": _texts(lambda sight: sight.info.type),
    "queue": _texts(lambda sight: sight.info.queue),
    "group": _texts(lambda sight: sight.info.group),
    "state": Name(_state, _TEXT),
    "is": Name(_mark, _ONLY),
    "error": _parts(lambda sight: sight.info.last_error.encode()),
    "payload": _parts(lambda sight: sight.info.payload),
    "age": _spans(_age),
    "since": _moments(lambda sight: sight.entered),
    "due": _moments(_due),
    "failed": _moments(lambda sight: sight.info.last_failed_at),
    "completed": _moments(lambda sight: sight.info.completed_at),
    "deadline": _moments(lambda sight: sight.info.deadline),
    "expires": _moments(lambda sight: sight.info.expires_at),
    "retried": _numbers(lambda sight: sight.info.retried),
    "max_retry": _numbers(lambda sight: sight.info.max_retry),
    "crashes": _numbers(lambda sight: sight.info.crashes),
    "soft_failures": _numbers(lambda sight: sight.info.soft_failures),
    "size": _numbers(lambda sight: len(sight.info.payload)),
    "timeout": _spans(lambda sight: sight.info.timeout),
    "retention": _spans(lambda sight: sight.info.retention),
}
"""All names but the two that have a path: header.NAME and payload.PATH."""

PATHS: Mapping[str, Name] = {
    "payload": Name(_field, _ALL),
    "header": Name(_header, _TEXT),
}


_OF_RECORD = frozenset(
    {"id", "queue", "state", "is", "age", "since", "due", "expires", "size", "crashes", "soft_failures"}
)
"""What does not stand in a task's message, so it is known even if the message cannot be decoded."""


def test_of(word: Word) -> Test:
    """
    Make the test that a word stands for.

    Raises:
        InvalidFilter: Its name is none, its operator does not go with it, or its value is none.
    """
    known = PATHS if word.path else NAMES
    name = known.get(word.name)
    if name is None:
        raise _unknown(word)
    if word.operator not in name.operators:
        raise word.refuse(f"{word.name} goes with {' '.join(name.operators)}, not with {word.operator}")
    if word.operator in _ORDERED and len(word.values) > 1:
        raise word.refuse(f"{word.operator} takes one value: write two words for a range", word.values[1])
    test = name.make(word)
    if word.name in _OF_RECORD:
        return test
    return lambda sight: test(sight) if sight.info.type else None


def _unknown(word: Word) -> InvalidFilter:
    if word.path and word.name in NAMES:
        return word.refuse(f"{word.name} has no fields: only payload.… and header.… have")
    if word.name in PATHS and not word.path:
        return word.refuse(f"{word.name} needs a field: write {word.name}.name:value")
    return word.refuse(_choose(word.name, [*NAMES, "header.NAME", "payload.PATH"]))


def _choose(wrong: str, known: list[str]) -> str:
    near = difflib.get_close_matches(wrong, known, 1)
    hint = f"did you mean {near[0]}? Choose" if near else "choose"
    return f"{shown(wrong)} is none: {hint} from {', '.join(known)}"
