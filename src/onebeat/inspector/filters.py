"""
The filter language: words joined by spaces, all of which must fit a task (docs/reference/filters.md).

Nothing here waits or knows the store. `Filter.needles`, `states` and `span` say what need not even be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final, Self

from onebeat.errors import InvalidFilter, shown
from onebeat.inspector.needles import Needle, needles
from onebeat.inspector.payloads import Payload
from onebeat.inspector.terms import Sight, fits, states_of, test_of
from onebeat.inspector.words import Reader, Value, Word, moment, span
from onebeat.states import TaskState
from onebeat.task import TaskInfo

MAX_LENGTH = 10_000
"""Characters that a filter may have."""

_SCORED: Final = {
    "age": (TaskState.ARCHIVED, TaskState.AGGREGATING), "since": (TaskState.ARCHIVED, TaskState.AGGREGATING),
    "due": (TaskState.SCHEDULED, TaskState.RETRY),
}  # fmt: skip
"""In which states the score of a task says what a word compares, to the second."""

Look = Callable[[TaskInfo], TaskInfo]
"""Returns a task as somebody sees it, such as without what is secret."""

_TIMELESS: Final = frozenset(TaskState) - {TaskState.SCHEDULED}
_DUE: Final = frozenset({TaskState.SCHEDULED, TaskState.RETRY})
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Filter:
    """
    Which tasks: of a type, in a state, older than so much, with a field in their payload.

    A filter is a value: made once, it is compared, printed and used for any number of searches.

    Args:
        text: Words such as `type:mail:* state:retry,archived age>2h error:"connection refused" payload.user.id=42`;
            a `-` before a word negates it. No words are all tasks. The whole language is in the reference of filters.

    Raises:
        InvalidFilter: It cannot be read; the message names the word, its column, and what may stand there.
    """

    def __init__(self, text: str = "", /) -> None:
        given: object = text
        if not isinstance(given, str) or len(given) > MAX_LENGTH:
            raise InvalidFilter(f"filter is {shown(text)}: give a text of at most {MAX_LENGTH} characters")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidFilter(f"filter is {shown(text)}, which UTF-8 cannot hold", column=error.start + 1) from None
        self._take(Reader(text).words())
        self._look: Look | None = None

    def _take(self, words: Iterable[Word]) -> None:
        self.words: tuple[Word, ...] = tuple(words)
        tests = [(word.name == "payload", word.is_negated, test_of(word)) for word in self.words]
        self._tests = sorted(tests, key=lambda item: item[0])  # what must be decoded comes last

    def narrowed(self, name: str, *texts: str, operator: str = ":", pattern: bool = False) -> Self:
        """
        Return a filter that has one word more.

        Args:
            name: The word's name.

            texts: Its values, of which one must fit.

            pattern: Whether `*` in them stands for anything.

        Raises:
            InvalidFilter: There is no such name, or a value is none.
        """
        values = tuple(Value.of(text, pattern=pattern) for text in texts)
        word = Word(name, (), operator, values)
        more = type(self)()
        more._take([*self.words, Word(name, (), operator, values, text=str(word))])
        more._look = self._look
        return more

    def seen(self, look: Look) -> Self:
        """
        Return the same filter, which looks at tasks as somebody sees them: what is hidden from them decides nothing.

        Args:
            look: Returns a task as it is seen. What it adds to a text may not be found.
        """
        other = type(self)()
        other._take(self.words)
        other._look = look
        return other

    def __str__(self) -> str:
        return " ".join(map(str, self.words))

    def __repr__(self) -> str:
        return f"Filter({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self.words == other.words if isinstance(other, Filter) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.words)

    def matches(self, info: TaskInfo, *, now: datetime, since: datetime | None = None) -> bool:
        """
        Whether a task fits.

        Args:
            info: The task.

            now: What time it is where it is kept.

            since: Since when it is in its state, where its record does not say so: archived, aggregating, active.
        """
        if self._look is not None:
            info = self._look(info)
        sight = Sight(info, Payload(info), now, since)
        for _is_late, is_negated, test in self._tests:
            fits_it = test(sight)
            if fits_it is None or fits_it is is_negated:
                return False
        return True

    @cached_property
    def states(self) -> tuple[TaskState, ...]:
        """The states that a task may be in at all."""
        found = set(TaskState)
        for word in self.words:
            if word.name == "state":
                found = found - states_of(word) if word.is_negated else found & states_of(word)
            elif word.name in ("age", "since"):
                found &= _TIMELESS
            elif word.name == "due":
                found &= _DUE
        return tuple(state for state in TaskState if state in found)

    @cached_property
    def needles(self) -> list[list[Needle]]:
        """Bytes without which no task fits: of each group one must be found."""
        return needles(self.words)

    @property
    def needs_start(self) -> bool:
        """Whether it must be known since when active tasks run."""
        return TaskState.ACTIVE in self.states and any(word.name in ("age", "since") for word in self.words)

    def may_be(self, name: str, text: str) -> bool:
        """Whether a task of this queue or group ("queue", "group") may fit."""
        return all(
            any(fits(value.pieces, text) for value in word.values) != word.is_negated
            for word in self.words
            if word.name == name
        )

    def range(self, state: TaskState, now: datetime) -> tuple[int, int] | None:
        """Return the lowest and the highest score of a task of a state that may fit; None: any."""
        first, last = _FIRST, _LAST
        for word in self.words:
            if state not in _SCORED.get(word.name, ()) or word.is_negated:
                continue
            limit = _limit(word, now)
            is_lower = (word.operator in (">", ">=")) != (word.name == "age")
            first, last = (max(first, limit), last) if is_lower else (first, min(last, limit))
        if (first, last) == (_FIRST, _LAST):
            return None
        return int(first.timestamp()) - 1, int(last.timestamp()) + 2  # scores are rounded, down or up


def _limit(word: Word, now: datetime) -> datetime:
    text = word.values[0].text
    found = -span(text) if word.name == "age" else moment(text)
    if isinstance(found, timedelta):
        try:
            return now + found
        except OverflowError:
            return _FIRST if found < timedelta() else _LAST
    return found
