"""
Searching tasks by a filter, in bounded steps over queues and states: each a procedure for both inspectors.

What is known before is not read: queues and states that the filter leaves out, and where a score says how old a task
is, all but the range. Of the rest the store looks through the bytes by itself, and gives what may fit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from onebeat.broker import browse, seek
from onebeat.broker.seek import Place
from onebeat.errors import BrokerError, BrokerUnavailable, InvalidTask, shown
from onebeat.inspector import fleet, reading
from onebeat.inspector.filters import Filter
from onebeat.inspector.found import Found
from onebeat.inspector.showing import at, task_info
from onebeat.inspector.steps import Procedure, ask, ask_each, command
from onebeat.options import DEFAULT_QUEUE
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.wire import keys

QUEUES_STEP = 500
"""Queues whose tasks are counted at once."""

Where = Callable[[TaskInfo], bool]
"""A test that a task must pass beside a filter."""

Visible = Callable[[str], bool]
"""Which queues are looked in at all."""

MAX_RESTARTS = 10
"""How often a walk through a list that others empty faster begins at its front again."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The tasks of one queue in one state, of one group where they aggregate; and how many there were."""

    queue: str
    state: TaskState
    group: str = ""
    count: int = 0


class _Mark(msgspec.Struct, frozen=True, array_like=True):
    """What a cursor holds: of which filter, in which part, behind which entry, and how many were looked at."""

    filter: str
    part: Part
    offset: int
    id: str
    score: str
    before: int
    here: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A task that fits, and the stamp of its message."""

    part: Part
    info: TaskInfo
    stamp: str


def as_filter(given: str | Filter) -> Filter:
    """Return a filter, given itself or its text."""
    return given if isinstance(given, Filter) else Filter(given)


class Search:
    """
    One walk through all tasks that may fit.

    Args:
        filter: Which.

        states: Those that are looked at, beside what the filter says; default: all.

        limit, scan: How many tasks to find, and to look at, at most.

        cursor: Where to go on.

        where: A test that a task must pass beside the filter; None: none.

        queues: Which queues are looked in at all, by name; None: all.

        latest: Whether sorted sets are gone through from their highest score down.

    Raises:
        InvalidTask: A number is none, or the cursor is of no search by this filter.
    """

    def __init__(
        self,
        filter: Filter,
        *,
        states: tuple[TaskState, ...] = tuple(TaskState),
        limit: int | None = None,
        scan: int | None = None,
        cursor: str = "",
        where: Where | None = None,
        queues: Visible | None = None,
        latest: bool = False,
    ) -> None:
        self._filter, self._latest = filter, latest
        self._where, self._visible = where, queues
        self._states = tuple(state for state in filter.states if state in states)
        self._limit, self._scan = _most("limit", limit), _most("scan", scan)
        self._mark = _read(cursor, self._digest) if cursor else None
        self._place, self._before, self._here = Place(), 0, 0
        if self._mark is not None:
            self._place = Place(self._mark.offset, self._mark.id, self._mark.score)
            self._before, self._here = self._mark.before, self._mark.here
        self._parts: deque[Part] | None = None
        self.planned: tuple[Part, ...] = ()
        self._unread: dict[str, None] = {}
        self._lost: dict[Part, tuple[int, str]] = {}
        self._now = at(0)
        self._started: dict[tuple[str, str], datetime] = {}
        self._given: set[str] = set()
        self._restarts = 0

    @property
    def _digest(self) -> str:
        """What a cursor is good for: this filter, in this order."""
        told = str(self._filter).encode()
        return ("-" if self._latest else "") + hashlib.sha1(told, usedforsecurity=False).hexdigest()[:8]

    @property
    def scanned(self) -> int:
        return self._before + self._here

    @property
    def total(self) -> int:
        """How many there are to look at, as far as one knows: they come and go meanwhile."""
        here, *later = self._parts or [None]
        ahead = max(self._here, here.count) if here is not None else self._here
        return self._before + ahead + sum(part.count for part in later if part is not None)

    @property
    def cursor(self) -> str:
        """Where to go on; "" when all was looked at."""
        if not self._parts:
            return ""
        place = self._place
        mark = _Mark(self._digest, self._parts[0], place.offset, place.id, place.score, self._before, self._here)
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(mark)).decode().rstrip("=")

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be looked at, and why, a sentence each."""
        return tuple(self._unread)

    @property
    def lost(self) -> tuple[str, ...]:
        """Which entries that were looked at have no record, a sentence for each list."""
        return tuple(_told(part, *lost) for part, lost in self._lost.items())

    def lost_in(self, part: Part) -> int:
        """Return how many entries without a record were seen in a part."""
        return self._lost.get(part, (0, ""))[0]

    def found(self, hits: list[Hit]) -> Found:
        """Say what a step found."""
        tasks = tuple(hit.info for hit in hits)
        unread = (*self.unread, *self.lost)
        return Found(tasks=tasks, scanned=self.scanned, total=self.total, cursor=self.cursor, unread=unread)

    def more(self) -> Procedure[list[Hit] | None]:
        """Take one step; None when there is nothing more to look at, or enough was."""
        if self._parts is None:
            self._now = at((yield from ask(browse.now(DEFAULT_QUEUE))) / 1_000_000)
            self.planned = tuple((yield from self._plan()))
            self._parts = deque(self.planned)
            yield from self._see_what_runs()
            if not self._parts and self._unread:
                return []  # so that it is said
        if not self._parts or self._limit <= 0 or self._scan <= 0:
            return None
        part = self._parts[0]
        call = seek.search(
            part.queue, part.state, part.group, self._place,
            needles=self._filter.needles, scores=self._filter.range(part.state, self._now), limit=self._scan,
            down=self._latest,
        )  # fmt: skip
        try:
            step = yield from ask(call)
        except BrokerError as error:
            self._pass_over(error)
            self._next_part()
            return []
        return self._take(part, step)

    def _pass_over(self, error: BrokerError) -> None:
        """Take note of what is damaged; a store that is away leaves nothing to go on with."""
        if isinstance(error, BrokerUnavailable):
            raise error
        self._unread[str(error)] = None

    def _take(self, part: Part, step: seek.Step) -> list[Hit]:
        begun = step.end.offset - step.seen
        if part.state in (TaskState.PENDING, TaskState.ACTIVE) and begun < self._place.offset and begun == 0:
            self._restarts += 1
            self._lost.pop(part, None)
        hits: list[Hit] = []
        seen, end, is_last = step.seen, step.end, step.is_last
        lost, first_lost = step.lost
        for place, lost_before, raw in step.tasks:
            info = task_info(part.queue, place.id, raw)
            if place.id not in self._given and self._fits(info, place):
                hits.append(Hit(part, info, browse.stamp(raw.message)))
                self._given.add(place.id)
                self._limit -= 1
            if self._limit <= 0:
                seen, end, is_last = place.offset - begun, place, step.is_last and place == step.end
                lost = lost_before  # the others stand behind the cut, where the next search begins
                break
        self._note(part, lost, first_lost)
        self._here += seen
        self._scan -= seen
        self._place = Place(end.offset, "" if self._restarts >= MAX_RESTARTS else end.id, end.score)
        if is_last:
            self._next_part()
        return hits

    def _note(self, part: Part, lost: int, first: str) -> None:
        """Take note of entries that have no record."""
        if lost:
            before, known = self._lost.get(part, (0, first))
            self._lost[part] = before + lost, known

    def _fits(self, info: TaskInfo, place: Place) -> bool:
        fits = self._filter.matches(info, now=self._now, since=self._since(info, place))
        return fits and (self._where is None or self._where(info))

    def _next_part(self) -> None:
        if self._parts:
            self._parts.popleft()
        self._before, self._here, self._place = self._before + self._here, 0, Place()
        self._given.clear()
        self._restarts = 0

    def _since(self, info: TaskInfo, place: Place) -> datetime | None:
        if info.state is TaskState.ACTIVE:
            return self._started.get((info.queue, info.id))
        if info.state in (TaskState.ARCHIVED, TaskState.AGGREGATING) and place.score:
            return at(float(place.score))
        return None

    def _see_what_runs(self) -> Procedure[None]:
        if not self._filter.needs_start:
            return
        try:
            servers = yield from fleet.servers()
        except BrokerError as error:
            self._pass_over(error)
            return
        for server in servers:
            for worker in server.workers:
                self._started[worker.queue, worker.task_id] = worker.started_at

    def _plan(self) -> Procedure[list[Part]]:
        first = self._mark.part.queue if self._mark is not None else ""
        try:
            chosen = yield from chosen_queues(self._filter, self._visible)
        except BrokerError as error:
            self._pass_over(error)
            chosen = []
        queues = [queue for queue in chosen if queue >= first]
        parts: list[Part] = []
        for start in range(0, len(queues), QUEUES_STEP):
            some = queues[start : start + QUEUES_STEP]
            for queue, stats in zip(some, (yield from ask_each([browse.stats(queue) for queue in some])), strict=True):
                if isinstance(stats, BrokerError):
                    self._pass_over(stats)
                if (counted := browse.readable(stats)) is not None:
                    parts += yield from self._parts_of(queue, counted)
        if self._mark is None:
            return parts
        rest = [part for part in parts if _order(part) >= _order(self._mark.part)]
        if not rest or _order(rest[0]) != _order(self._mark.part):  # what it was in is empty by now
            self._next_part()
        return rest

    def _parts_of(self, queue: str, stats: browse.QueueStats) -> Procedure[list[Part]]:
        parts: list[Part] = []
        for state in self._states:
            try:
                parts += yield from self._parts_in(queue, state, stats)
            except BrokerError as error:
                self._pass_over(error)
        return parts

    def _parts_in(self, queue: str, state: TaskState, stats: browse.QueueStats) -> Procedure[list[Part]]:
        parts: list[Part] = []
        count = int(getattr(stats, state.value))
        if state is TaskState.AGGREGATING:
            waiting = (yield from reading.waiting_groups(queue)) if count else {}
            names = sorted(name for name in waiting if self._filter.may_be("group", name))
            parts += [Part(queue, state, name, waiting[name]) for name in names]
        elif count:
            parts.append(Part(queue, state, "", (yield from self._count(queue, state, count))))
        return parts

    def _count(self, queue: str, state: TaskState, count: int) -> Procedure[int]:
        scores = self._filter.range(state, self._now)
        if scores is None:
            return count
        return int((yield from command("ZCOUNT", keys.root(queue) + state.value, *scores)))


def chosen_queues(filter: Filter, visible: Visible | None = None) -> Procedure[list[str]]:
    """
    List the queues that a filter may find tasks in.

    Args:
        visible: Which may be seen at all; a message names no others.

    Raises:
        QueueNotFound: It names one that is not known.
    """
    known = yield from reading.queues()
    if visible is not None:
        known = [queue for queue in known if visible(queue)]
    for queue in named_queues(filter):
        if queue not in known:
            raise reading.unknown_queue(queue, known)
    return [queue for queue in known if filter.may_be("queue", queue)]


def named_queues(filter: Filter) -> Iterator[str]:
    """Yield the queues that a filter names as they are called, without a pattern."""
    for word in filter.words:
        if word.name == "queue" and not word.is_negated:
            yield from (value.text for value in word.values if len(value.pieces) == 1)


def _told(part: Part, lost: int, first: str) -> str:
    where = f"group {shown(part.group)}" if part.group else part.state.value
    entries = (
        f"task {shown(first)} in {where} has"
        if lost == 1
        else f"{lost} tasks in {where}, the first {shown(first)}, have"
    )
    return f"queue {shown(part.queue)}: {entries} no record that can be read; onebeat doctor says why, and what helps"


def _order(part: Part) -> tuple[str, int, str]:
    return part.queue, list(TaskState).index(part.state), part.group


def _most(name: str, value: object) -> int:
    if value is None:
        return reading.EVERYTHING
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidTask(f"{name} is {shown(value)}: give a whole number from 1, or None for all")
    return value


def _read(cursor: object, digest: str) -> _Mark:
    try:
        text = str(cursor)
        mark = msgspec.msgpack.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), type=_Mark)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise InvalidTask(f"cursor is {shown(cursor)}: give one that a search returned") from None
    if mark.filter != digest:
        raise InvalidTask(f"cursor is {shown(cursor)}, which is of another filter: give it with the same one")
    return mark
