"""Looking at queues and tasks: each a procedure for both inspectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from onebeat.broker import browse
from onebeat.broker.browse import QueueStats
from onebeat.errors import BrokerError, BrokerUnsupported, InvalidTask, QueueNotFound, TaskNotFound, shown
from onebeat.inspector.models import DayStats, GroupInfo
from onebeat.inspector.showing import task_info
from onebeat.inspector.steps import Procedure, ask, ask_each, command
from onebeat.options import MAX_INT32, text
from onebeat.states import LISTS, TaskState
from onebeat.task import TaskInfo
from onebeat.wire import keys

CHUNK = 100
"""Tasks that one script reads at most."""

MAX_DAYS, DAYS_STEP = 3650, 100
"""Days of history: the counters themselves are kept for 90."""

NO_UTF8 = "\ufffd"
"""What stands in a text for bytes that are none."""

LAST_PAGE, EVERYTHING = -1, 2**62

QUEUES_STEP = 1000
"""Queues that are counted in one round trip: some forty milliseconds of the store, in as many short scripts."""

SAMPLES, GROUP_SAMPLES = 10, 5
"""Tasks of each list and set, and groups, whose memory is measured."""


def queues() -> Procedure[list[str]]:
    """List the queues that have a name: what is blank, or no UTF-8, is none, and named by the doctor alone."""
    return [name for name in (yield from listed()) if name.strip() and NO_UTF8 not in name]


def listed() -> Procedure[list[str]]:
    """List all that stands among the queues; "\ufffd" where it is no UTF-8."""
    names = yield from command("SMEMBERS", keys.QUEUES)
    return sorted(name.decode("utf-8", "replace") for name in names)


def check_queue(queue: object) -> Procedure[None]:
    """
    Make sure that a queue is known.

    Raises:
        QueueNotFound: It is not; the message lists those that are.
    """
    name = text("queue name", queue)
    if not (yield from command("SISMEMBER", keys.QUEUES, name)):
        raise unknown_queue(name, (yield from queues()))


def unknown_queue(name: str, known: list[str]) -> QueueNotFound:
    return QueueNotFound(f"queue {shown(name)} is not known here: there {_are(known)}")


def _are(known: list[str]) -> str:
    if not known:
        return "are none yet, since nothing was enqueued"
    names = [name if name.isprintable() else repr(name)[1:-1] for name in known[:20]]
    return f"are {', '.join(names)}{f' and {len(known) - 20:,} more' if len(known) > 20 else ''}"


def stats(queue: str) -> Procedure[QueueStats]:
    found = yield from ask(browse.stats(text("queue name", queue)))
    if not found.size and not found.processed:
        yield from check_queue(queue)
    if found.groups > browse.MAX_GROUPS:
        waiting = yield from waiting_groups(queue)
        found = replace(found, aggregating=sum(waiting.values()), groups=len(waiting))
    return found


def stats_each(names: object) -> Procedure[dict[str, QueueStats | BrokerError]]:
    known = yield from queues()
    wanted = known if names is None else names_of(names)
    found: dict[str, QueueStats | BrokerError] = {}
    for start in range(0, len(wanted), QUEUES_STEP):
        part = wanted[start : start + QUEUES_STEP]
        answers = yield from ask_each([browse.stats(name) for name in part])
        found.update(zip(part, answers, strict=True))
    unknown = found.keys() - set(known)
    for name, answer in found.items():
        if not isinstance(answer, BrokerError) and (name in unknown or answer.groups > browse.MAX_GROUPS):
            found[name] = yield from stats(name)
    return found


def names_of(names: object) -> list[str]:
    """Return names of queues, each once, or say why these are none."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidTask(f"queues is {shown(names)}: give names, such as ['default', 'low']")
    return list(dict.fromkeys(text("queue name", name) for name in names))


def history(queue: str, days: object) -> Procedure[list[DayStats]]:
    text("queue name", queue)
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MAX_DAYS:
        raise InvalidTask(f"days is {shown(days)}: give a whole number from 1 to {MAX_DAYS}")
    yield from check_queue(queue)
    found: list[DayStats] = []
    while len(found) < days:
        wanted = min(DAYS_STEP, days - len(found))
        part = yield from ask(browse.history(queue, start=len(found), days=wanted))
        found += [
            DayStats(queue=queue, day=date.fromisoformat(day), processed=processed, failed=failed)
            for day, processed, failed in part
        ]
    return found


def memory(queue: str) -> Procedure[int]:
    yield from check_queue(queue)
    found, refused = yield from ask(browse.memory(queue, tasks=SAMPLES, groups=GROUP_SAMPLES))
    if refused:
        raise BrokerUnsupported(
            f"memory of queue {shown(queue)} is not told by this store, which refuses MEMORY USAGE ({refused}): "
            "allow it by ACL SETUSER, or do without"
        )
    return found


def task(queue: str, task_id: str) -> Procedure[TaskInfo]:
    raw = yield from ask(browse.info(text("queue name", queue), text("task id", task_id)))
    if raw is None:
        raise not_found(queue, task_id)
    return task_info(queue, task_id, raw)


def not_found(queue: str, task_id: str) -> TaskNotFound:
    return TaskNotFound(
        f"task {shown(task_id)} is not in queue {shown(queue)}: it ended and was not retained, or never was"
    )


class Listing:
    """
    Tasks of one state, some at a time, in asynq's order.

    Raises:
        InvalidTask: There is no such state; or a group is missing, or named where there is none.
    """

    def __init__(self, queue: str, state: object, group: str) -> None:
        self._queue = text("queue name", queue)
        self._state = check_state(state, tuple(TaskState))
        self._group = check_group(self._state, group)
        self._offset = 0
        self._has_ended = False

    def more(self) -> Procedure[list[TaskInfo]]:
        """Read on; none are left when the list is empty."""
        found: list[TaskInfo] = []
        while not found and not self._has_ended:
            part = yield from self._read(self._offset, CHUNK)
            if not part.seen:
                self._has_ended = True
                if not self._offset:
                    yield from check_queue(self._queue)
            self._offset += part.seen
            found = self._shown(part)
        return found

    def page(self, page: object, size: object) -> Procedure[list[TaskInfo]]:
        """Read one page; see `bounds`."""
        offset, wanted = bounds(page, size)
        if offset == LAST_PAGE:
            offset = max(0, (yield from self._count()) - wanted)
        found: list[TaskInfo] = []
        first, end = offset, offset + wanted
        while offset < end:
            part = yield from self._read(offset, min(CHUNK, end - offset))
            found += self._shown(part)
            offset += part.seen
            if not part.seen:
                break
        if offset == first:
            yield from check_queue(self._queue)
        return found

    def _count(self) -> Procedure[int]:
        suffix = f"g:{self._group}" if self._group else self._state.value
        count = yield from command("LLEN" if self._state in LISTS else "ZCARD", keys.root(self._queue) + suffix)
        return int(count)

    def _read(self, offset: int, limit: int) -> Procedure[browse.Page]:
        return ask(browse.page(self._queue, self._state, self._group, offset=offset, limit=limit))

    def _shown(self, part: browse.Page) -> list[TaskInfo]:
        return [task_info(self._queue, task_id, raw) for task_id, raw in part.tasks]


def bounds(page: object, size: object) -> tuple[int, int]:
    """
    Say where a page begins and how many it holds: `LAST_PAGE` for page 0, and everything for size 0.

    So it is with asynq: a negative size is 0, a negative page the first, and page 0 the last `size` (SE-59).
    """
    number, most = _whole("page", page), _whole("size", size)
    if most <= 0:
        return 0, EVERYTHING
    return (LAST_PAGE if number == 0 else (max(number, 1) - 1) * most), most


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_INT32:
        raise InvalidTask(f"{name} is {shown(value)}: give a whole number up to {MAX_INT32}")
    return value


def check_state(state: object, allowed: tuple[TaskState, ...]) -> TaskState:
    for known in allowed:
        if state == known:
            return known
    raise InvalidTask(f"state is {shown(state)}: give one of {', '.join(allowed)}")


def check_group(state: TaskState, group: object) -> str:
    """Return the group of aggregating tasks, "" for all other states."""
    if state is TaskState.AGGREGATING:
        if group == "":
            raise InvalidTask("group is '': name the group, since aggregating tasks are listed in theirs")
        return text("group", group)
    if group != "":
        raise InvalidTask(f"group is {shown(group)}: leave it out, only aggregating tasks are in one")
    return ""


def groups(queue: str) -> Procedure[list[GroupInfo]]:
    yield from check_queue(queue)
    waiting = yield from waiting_groups(queue)
    staged: dict[str, int] = {}
    offset = 0
    while part := (yield from ask(browse.staged(queue, offset))):
        offset += len(part)
        for name, count in part:
            staged[name] = staged.get(name, 0) + count
    return [
        GroupInfo(queue=queue, name=name, size=waiting.get(name, 0), staged=staged.get(name, 0))
        for name in sorted(waiting.keys() | staged.keys())
    ]


def waiting_groups(queue: str) -> Procedure[dict[str, int]]:
    """Count the tasks of each group."""
    found, cursor = {}, "0"
    while True:
        cursor, part = yield from ask(browse.groups(queue, cursor))
        found.update(part)
        if cursor == "0":
            return found
