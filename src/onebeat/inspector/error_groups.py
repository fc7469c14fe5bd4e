"""Failed tasks in groups of one kind: one type, one class of error, one message but for what differs; a procedure."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from onebeat.broker import browse, failures
from onebeat.broker.failures import Failures
from onebeat.broker.spoiled import Spoiled
from onebeat.errors import BrokerError, InvalidTask, shown
from onebeat.inspector.error_text import Kind, kind_of, pattern_of, words_of
from onebeat.inspector.filters import MAX_LENGTH, Filter, Look
from onebeat.inspector.searching import QUEUES_STEP, Visible, chosen_queues
from onebeat.inspector.showing import at, task_info
from onebeat.inspector.steps import Procedure, ask, ask_each
from onebeat.options import DEFAULT_QUEUE
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.wire import keys

SCAN = 20_000
"""Tasks that are looked at unless more are asked for."""

MAX_SCAN = 1_000_000

AT_ONCE = 3
"""Steps, each of one queue and state, in one round trip: an event loop does nothing else for some 20 ms."""

MAX_GROUPS = 2_000
"""Groups that are told apart; tasks of further ones are only counted."""

SAMPLES = 5
HOURS = 24
STATES = (TaskState.RETRY, TaskState.ARCHIVED)
MAX_SAMPLE = 2_000
"""Characters of an error's text that are kept as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """
    Tasks that failed last in the same way.

    Attributes:
        key: By which `group=` of a job, and `in_group`, know it.

        type: Of the tasks.

        error_class: Of the error, as its text begins with it, such as "ValueError"; "" where it names none, as most
            of Go's do.

        message: What the error says behind that, with placeholders for what differs: "user <n> is not known".

        words: What it says behind that as it is, at most 2,000 characters, if all that were found say the very same; ""
            if they do not.

        count: Tasks that were found.

        first, last: The earliest and latest of their last failures; None where none is known.

        hours: How many failed last in each of the 24 hours up to this one, that one last. A task that failed several
            times counts once, in the hour of its last failure.

        queues, states: How many there are in each.

        samples: (queue, id) of a few, those that were found first.

        sample: An error's text as it is, at most 2,000 characters.

        filter: The narrowest filter that finds them all. It may find tasks of other groups: what acts on the group
            must look at the key.
    """

    key: str
    type: str
    error_class: str
    message: str
    words: str
    count: int
    first: datetime | None
    last: datetime | None
    hours: tuple[int, ...]
    queues: Mapping[str, int]
    states: Mapping[TaskState, int]
    samples: tuple[tuple[str, str], ...]
    sample: str
    filter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroups:
    """
    The groups that failed tasks are in.

    Attributes:
        groups: The largest first.

        tasks: Failed tasks that were found, in all groups.

        left_out: Groups beside these: more were found than were asked for.

        without_error: Archived tasks that never failed: they were archived by hand.

        scanned: Tasks that were looked at: of each queue and state those that failed or are due last.

        total: How many there are to look at; while tasks come and go, about.

        refused: Queues that could not be read, and why.

        at: When this was, by the store's clock.
    """

    groups: tuple[ErrorGroup, ...]
    tasks: int
    left_out: int
    without_error: int
    scanned: int
    total: int
    refused: Mapping[str, str]
    at: datetime

    @property
    def is_whole(self) -> bool:
        """Whether all were looked at."""
        return self.scanned >= self.total


def key_of(info: TaskInfo, look: Look | None = None) -> str:
    """
    Return the key of the group that a failed task is in; "" if it never failed.

    Args:
        look: Returns it as somebody sees it; as it was for `Inspector.errors`.
    """
    seen = info if look is None else look(info)
    return _key(seen.type, kind_of(seen.last_error)) if _has_failed(seen) else ""


def _has_failed(info: TaskInfo) -> bool:
    return info.state in STATES and bool(info.last_error or info.last_failed_at)


def _key(task_type: str, kind: Kind) -> str:
    told = f"{task_type}\0{kind.error_class}\0{kind.message}"
    return hashlib.sha1(told.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:16]


@dataclass
class _Group:
    """A group that is being counted."""

    type: str
    kind: Kind
    pattern: str
    sample: str
    words: str | None
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    hours: Counter[int] = field(default_factory=Counter)
    queues: Counter[str] = field(default_factory=Counter)
    states: Counter[TaskState] = field(default_factory=Counter)
    samples: list[tuple[str, str]] = field(default_factory=list)

    def add(self, info: TaskInfo, failed_at: datetime | None, hour: int) -> None:
        self.count += 1
        self.queues[info.queue] += 1
        self.states[info.state] += 1
        if self.words is not None and info.last_error != self.sample and _words(info.last_error) != self.words:
            self.words = None
        if len(self.samples) < SAMPLES:
            self.samples.append((info.queue, info.id))
        if failed_at is not None:
            self.first = min(self.first or failed_at, failed_at)
            self.last = max(self.last or failed_at, failed_at)
            self.hours[_hour(failed_at) - hour] += 1

    def shown(self, key: str, filter: Filter) -> ErrorGroup:
        return ErrorGroup(
            key=key,
            type=self.type,
            error_class=self.kind.error_class,
            message=self.kind.message,
            words=self.words or "",
            count=self.count,
            first=self.first,
            last=self.last,
            hours=tuple(self.hours[hour] for hour in range(1 - HOURS, 1)),
            queues=dict(self.queues.most_common()),
            states=dict(self.states),
            samples=tuple(self.samples),
            sample=self.sample,
            filter=str(narrowed(filter, self.type, self.pattern)),
        )


def _words(error: str) -> str:
    return words_of(error)[:MAX_SAMPLE]


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // 3600


def narrowed(filter: Filter, task_type: str, pattern: str) -> Filter:
    """Return a filter that finds all tasks of a group, as exactly as the language can say it."""
    stated = any(word.name == "state" for word in filter.words)
    failed = filter if stated else filter.narrowed("state", *STATES)
    found = failed.narrowed("type", task_type, operator="=") if task_type else failed.narrowed("is", "undecodable")
    closer = found.narrowed("error", pattern, pattern=True) if task_type and pattern else found
    return closer if len(str(closer)) <= MAX_LENGTH else found


class Tally:
    """
    Puts failed tasks into groups.

    Args:
        now: By the store's clock.
    """

    def __init__(self, now: datetime) -> None:
        self._hour = _hour(now)
        self._groups: dict[str, _Group] = {}
        self.tasks: int = 0
        self.without_error: int = 0
        self.beyond: int = 0

    def add(self, info: TaskInfo, failed_at: datetime | None) -> None:
        """Count one task."""
        if not _has_failed(info):
            self.without_error += 1
            return
        self.tasks += 1
        kind = kind_of(info.last_error)
        key = _key(info.type, kind)
        if key not in self._groups:
            if len(self._groups) >= MAX_GROUPS:
                self.beyond += 1
                return
            error = info.last_error
            self._groups[key] = _Group(info.type, kind, pattern_of(error), error[:MAX_SAMPLE], _words(error))
        self._groups[key].add(info, failed_at, self._hour)

    def groups(self, filter: Filter, limit: int) -> tuple[ErrorGroup, ...]:
        """Return the largest groups; of equal ones, those that failed last."""
        by_size = sorted(self._groups.items(), key=lambda item: (-item[1].count, -_seconds(item[1].last), item[0]))
        return tuple(group.shown(key, filter) for key, group in by_size[:limit])

    @property
    def count(self) -> int:
        return len(self._groups)


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0


@dataclass
class _Part:
    """The tasks of one queue in one state, and where the walk through them is."""

    queue: str
    state: TaskState
    score: str = ""
    id: bytes = b""


class Errors:
    """
    One look at the failed tasks.

    Args:
        filter: Which.

        limit: Groups that are returned.

        scan: Tasks that are looked at, at most.

        queues: Which queues are looked in at all; None: all.

        look: Returns a task as somebody sees it, which is what is grouped; None: as it is.

    Raises:
        InvalidTask: A number is none.
    """

    def __init__(
        self, filter: Filter, *, limit: object, scan: object, queues: Visible | None, look: Look | None = None
    ) -> None:
        self._look = look
        self._filter = filter
        self._limit = _number("limit", limit, MAX_GROUPS)
        self._scan = _number("scan", scan, MAX_SCAN)
        self._visible = queues
        self._whole = any(word.name in ("payload", "size") for word in filter.words)
        self._refused: dict[str, str] = {}
        self._total = self._scanned = 0
        self._now = at(0)

    def look(self) -> Procedure[ErrorGroups]:
        """Look at some of each queue and state in turn, so that each is seen in part if not all can be."""
        self._now = at((yield from ask(browse.now(DEFAULT_QUEUE))) / 1_000_000)
        tally = Tally(self._now)
        parts = deque((yield from self._plan()))
        step = max(20, min(failures.STEP, self._scan // max(1, len(parts))))
        while parts and self._scanned < self._scan:
            some = [parts.popleft() for _ in range(min(AT_ONCE, len(parts)))]
            limit = min(step, self._scan - self._scanned)
            calls = [
                failures.look(part.queue, part.state, score=part.score, task_id=part.id, limit=limit, whole=self._whole)
                for part in some
            ]
            answers = yield from ask_each(calls)
            for part, answer in zip(some, answers, strict=True):
                if isinstance(answer, BrokerError):
                    self._refused[part.queue] = str(answer)
                elif not self._take(part, answer, tally):
                    parts.append(part)
        groups = tally.groups(self._filter, self._limit)
        return ErrorGroups(
            groups=groups,
            tasks=tally.tasks,
            left_out=tally.count - len(groups),
            without_error=tally.without_error,
            scanned=self._scanned,
            total=max(self._total, self._scanned),
            refused=self._refused,
            at=self._now,
        )

    def _plan(self) -> Procedure[list[_Part]]:
        try:
            queues = yield from chosen_queues(self._filter, self._visible)
        except Spoiled as error:
            self._refused[keys.QUEUES] = str(error)
            queues = []
        states = [state for state in STATES if state in self._filter.states]
        parts: list[_Part] = []
        for start in range(0, len(queues), QUEUES_STEP):
            some = queues[start : start + QUEUES_STEP]
            for queue, stats in zip(some, (yield from ask_each([browse.stats(queue) for queue in some])), strict=True):
                if isinstance(stats, BrokerError):
                    self._refused[queue] = str(stats)
                counted = browse.readable(stats) or browse.NOTHING
                for state in states:
                    if count := int(getattr(counted, state.value)):
                        parts.append(_Part(queue, state))
                        self._total += count
        return parts

    def _take(self, part: _Part, step: Failures, tally: Tally) -> bool:
        """Count what a step found; returns whether it was the part's last."""
        self._scanned += step.seen
        part.score, part.id = step.score, step.id
        for task_id, score, raw in step.tasks:
            info = task_info(part.queue, task_id, raw)
            archived_at = at(score) if part.state is TaskState.ARCHIVED else None
            if self._filter.matches(info, now=self._now, since=archived_at):
                seen = info if self._look is None else self._look(info)
                tally.add(seen, seen.last_failed_at or archived_at)
        return step.is_last or not step.seen


def _number(name: str, value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidTask(f"{name} is {shown(value)}: give a whole number from 1 to {most:,}")
    return value
