"""Reading tasks and queues, and what anybody may do to a task: `run` and `cancel`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from onebeat.broker.call import Call, texts
from onebeat.broker.spoiled import Spoiled
from onebeat.errors import BrokerError, TaskNotFound, shown
from onebeat.states import Cancellation, TaskState


@dataclass(frozen=True, slots=True)
class RawTask:
    """A task as it stands in the store, undecoded. Times are 0 where they do not apply."""

    message: bytes
    state: TaskState
    result: bytes | None
    next_due_ms: int
    crashes: int
    set_aside: str
    """Why it was archived unread, if its bytes could not be decoded."""
    progress: str = ""
    """How far it said it is, "<ms> <fraction> <text>"; "" if it said nothing."""
    pending_since_ns: int = 0
    is_orphaned: bool = False
    """It is active, and its lease is past or missing."""
    expires_ms: int = 0
    soft_failures: int = 0
    """How often it failed without its counting."""


def info(queue: str, task_id: str, *, waiter: str = "") -> Call[RawTask | None]:
    """
    Read one task; None when there is none.

    Args:
        queue, task_id: Which.

        waiter: A client's id: it will be told on `onebeat:reply:<client>` when the task ends.
    """

    def interpret(answer: Any) -> RawTask | None:
        if not answer:
            return None
        if answer[1].decode("utf-8", "replace") not in list(TaskState):
            raise BrokerError(
                f"task {shown(task_id)} of queue {shown(queue)} has the state {shown(answer[1])}, which is none: "
                "delete it, or write another by hand"
            )
        return raw_task(answer, TaskState(answer[1].decode()))

    return Call("info", queue, (task_id, waiter), interpret)


def raw_task(fields: Sequence[bytes], state: TaskState) -> RawTask:
    """Interpret what scripts/lib/describe.lua says of a task."""
    message, _state, result, due, since, crashes, set_aside, progress, orphaned, expires, soft = fields
    return RawTask(
        message=message,
        state=state,
        result=result or None,
        next_due_ms=number(due),
        crashes=number(crashes),
        set_aside=set_aside.decode("utf-8", "replace"),
        progress=progress.decode("utf-8", "replace"),
        pending_since_ns=number(since),
        is_orphaned=bool(orphaned),
        expires_ms=number(expires),
        soft_failures=number(soft),
    )


def number(text: bytes) -> int:
    """Read a whole number of a record; what another program spoiled counts as none."""
    try:
        return int(text or 0)
    except ValueError:
        return _rounded(text)


def _rounded(text: bytes) -> int:
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return 0


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks of one state: how many entries were looked at, and the tasks that have a record, with their ids."""

    seen: int
    tasks: list[tuple[str, RawTask]]


MAX_BYTES = 1_000_000
"""Bytes of tasks that one script reads, so that it is short however large they are; a larger task goes alone."""

_FIELDS = 12


def page(queue: str, state: TaskState, group: str, *, offset: int, limit: int) -> Call[Page]:
    """Read some tasks of one state whole, in asynq's order (see `list_ids`)."""

    def interpret(answer: Any) -> Page:
        seen, *rest = answer
        known = [rest[i : i + _FIELDS] for i in range(0, len(rest), _FIELDS)]
        return Page(int(seen), [(item[0].decode("utf-8", "replace"), raw_task(item[1:], state)) for item in known])

    suffix = f"g:{group}" if state is TaskState.AGGREGATING else state.value
    return Call("page", queue, (suffix, offset, limit, MAX_BYTES), interpret)


def list_ids(queue: str, state: TaskState, *, offset: int, limit: int) -> Call[list[str]]:
    """
    List ids of one state, in the order of asynq's tools.

    Pending and active tasks come with the next to run, or the longest running, first; all others by
    rising score (asynq: inspect.go). Aggregating tasks live in their groups and are not listed here.
    """
    return Call("list", queue, (state.value, offset, limit), texts)


def run(queue: str, ids: Sequence[str]) -> Call[list[str]]:
    """
    Make waiting, archived or completed tasks pending now.

    Returns:
        Per id "pending", "gone", "already pending", "already active", or "error <text>".
    """
    return Call("steer", queue, ["run", "", *ids], texts, durable=True)


Seen = Sequence[tuple[str, str]]
"""Of each task the state and the `stamp` that it had when it was chosen."""


def stamp(message: bytes) -> str:
    """Return what tells a task's message from any other."""
    return hashlib.sha1(message, usedforsecurity=False).hexdigest()[:16]


def packed(seen: Seen) -> bytes:
    """Put what was seen of tasks into the form that scripts take."""
    return msgspec.msgpack.encode(seen) if seen else b""


def cancel(queue: str, ids: Sequence[str], *, seen: Seen = ()) -> Call[list[str]]:
    """
    Stop tasks for good: those that wait are deleted, those that run are told to stop and marked.

    Args:
        queue, ids: Which.

        seen: What each must still be.

    Returns:
        Per id a `Cancellation`'s value, "gone", "changed" since it was seen, or "error <text>".
    """
    return Call("cancel", queue, [queue, packed(seen), *ids], texts, durable=True)


def cancellation(queue: str, task_id: str, answer: str) -> Cancellation:
    """
    Interpret the answer for one task.

    Raises:
        TaskNotFound: There is no such task.
        BrokerError: The store refused, or the task's record and the lists disagree.
    """
    if answer == "gone":
        raise TaskNotFound(
            f"task {task_id!r} is not in queue {queue!r}: it ended and was not retained, or was never enqueued there"
        )
    if answer not in list(Cancellation):
        raise BrokerError(f"task {task_id!r} of queue {queue!r} was not cancelled: {answer.removeprefix('error ')}")
    return Cancellation(answer)


@dataclass(frozen=True, slots=True)
class QueueStats:
    """
    How much work a queue holds now, and did (asynq: `QueueInfo`).

    Attributes:
        pending, active, scheduled, retry, archived, completed, aggregating: Tasks in each state.

        staged: Tasks taken out of their group, which are being aggregated; asynq counts them nowhere.

        groups: Groups that tasks wait in.

        processed_today, failed_today, processed, failed: Attempts, of this UTC day and in all: each failed attempt
            adds to both.

        paused: Whether it hands out no tasks.

        latency_ms: Age of the task that runs next; 0 when none waits, or when nobody wrote since when.

        pending_since_ms: Since when it is pending, in milliseconds since 1970; 0 like the age.

        overdue: Scheduled and retried tasks past their time, which no server has made pending.

        abandoned: Active tasks whose lease ended two minutes ago or earlier: their server died, and no other has taken
            them back.
    """

    pending: int
    active: int
    scheduled: int
    retry: int
    archived: int
    completed: int
    aggregating: int
    staged: int
    groups: int
    processed_today: int
    failed_today: int
    processed: int
    failed: int
    paused: bool
    latency_ms: int
    pending_since_ms: int = 0
    overdue: int = 0
    abandoned: int = 0

    @property
    def size(self) -> int:
        """All tasks it holds."""
        waiting = self.pending + self.scheduled + self.retry + self.aggregating
        return waiting + self.active + self.staged + self.archived + self.completed

    @property
    def latency(self) -> timedelta:
        """Age of the task that runs next."""
        return timedelta(milliseconds=self.latency_ms)

    @property
    def pending_since(self) -> datetime | None:
        """Since when the task is pending that runs next; None: none waits, or nobody wrote it."""
        return datetime.fromtimestamp(self.pending_since_ms / 1000, UTC) if self.pending_since_ms else None


MAX_GROUPS = 500
"""Groups that one script counts."""

_FIGURES = list(QueueStats.__dataclass_fields__)
_COUNTS = [name for name in _FIGURES if name not in ("paused", "latency_ms")]

NOTHING: QueueStats = QueueStats(**dict.fromkeys(_COUNTS, 0), paused=False, latency_ms=0)
"""What an empty queue holds, or one of which nothing is known."""


def stats(queue: str) -> Call[QueueStats]:
    """
    Count what one queue holds and did; of more than `MAX_GROUPS` groups only so many are counted.

    Where keys are of a foreign type it is `Spoiled`, whose `rest` has the other counts.
    """

    def interpret(answer: Any) -> QueueStats:
        size = len(_FIGURES)
        named: dict[str, Any] = dict(zip(_FIGURES, map(int, answer[:size]), strict=True))
        found = QueueStats(**{**named, "paused": bool(named["paused"])})
        if foreign := answer[size:]:
            words = texts(foreign)
            types = dict(zip(words[::2], words[1::2], strict=True))
            raise Spoiled(f"queue {shown(queue)} cannot be read whole", types, found)
        return found

    return Call("stats", queue, (MAX_GROUPS,), interpret)


def readable(found: QueueStats | BrokerError) -> QueueStats | None:
    """Return what could be counted of a queue, a key of a foreign type as empty; None if nothing could."""
    counted = found.rest if isinstance(found, Spoiled) else found
    return counted if isinstance(counted, QueueStats) else None


def groups(queue: str, cursor: str) -> Call[tuple[str, dict[str, int]]]:
    """List some groups with the number of their tasks; the cursor is "0" at first, and again when all were listed."""

    def interpret(answer: Any) -> tuple[str, dict[str, int]]:
        cursor, *rest = answer
        return cursor.decode(), {rest[i].decode("utf-8", "replace"): int(rest[i + 1]) for i in range(0, len(rest), 2)}

    return Call("groups", queue, (cursor, MAX_GROUPS), interpret)


def group_ages(queue: str, groups: Sequence[str]) -> Call[list[tuple[float | None, float | None]]]:
    """Say when the first and the last joined that wait in groups, in seconds since 1970; None: nobody waits."""

    def interpret(answer: Any) -> list[tuple[float | None, float | None]]:
        ages = [float(score) if score else None for score in answer]
        return list(zip(ages[::2], ages[1::2], strict=True))

    return Call("group_ages", queue, list(groups), interpret)


def staged(queue: str, offset: int) -> Call[list[tuple[str, int]]]:
    """List some aggregation sets, each by the name of its group and the number of its tasks."""

    def interpret(answer: Any) -> list[tuple[str, int]]:
        names = texts(answer[::2])
        return [(name.rpartition(":")[0], int(count)) for name, count in zip(names, answer[1::2], strict=True)]

    return Call("staged", queue, (offset, MAX_GROUPS), interpret)


def history(queue: str, *, start: int, days: int) -> Call[list[tuple[str, int, int]]]:
    """Read (YYYY-MM-DD, processed, failed) of some UTC days, latest first; `start` days before today to begin with."""

    def interpret(answer: Any) -> list[tuple[str, int, int]]:
        return [(answer[i].decode(), number(answer[i + 1]), number(answer[i + 2])) for i in range(0, len(answer), 3)]

    return Call("history", queue, (start, days), interpret)


def memory(queue: str, *, tasks: int, groups: int) -> Call[tuple[int, str]]:
    """Estimate a queue's memory from so many samples of each list and set: bytes, and why the store does not tell."""

    def interpret(answer: Any) -> tuple[int, str]:
        return int(answer[0]), answer[1].decode("utf-8", "replace")

    return Call("memory", queue, (tasks, groups), interpret)


def lock(queue: str, key: str) -> Call[tuple[str, int, int]]:
    """Read a unique lock: who holds it, "" nobody, for how long (ms, below 0: no end), and until when (ms)."""

    def interpret(answer: Any) -> tuple[str, int, int]:
        return answer[0].decode("utf-8", "replace"), int(answer[1]), int(answer[2])

    return Call("lock", queue, (key,), interpret)


def now(queue: str) -> Call[int]:
    """Ask the store for its time, in microseconds since 1970."""
    return Call("now", queue, (), int)
