"""Reading tasks and queues, and what an operator does to a task: `run` and `cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onebeat.broker.call import Call, texts
from onebeat.errors import BrokerError, TaskNotFound
from onebeat.states import LISTS, Cancellation, TaskState


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
    soft_failures: int = 0
    """How often it failed without its counting."""


def info(queue: str, task_id: str, *, waiter: str = "") -> Call[RawTask | None]:
    """
    Read one task; None when there is none.

    Args:
        queue, task_id: Which.

        waiter: A client's id: it will be told on `onebeat:reply:<client>` when the task ends.
    """
    return Call("info", queue, (task_id, waiter), _raw)


def _raw(answer: Any) -> RawTask | None:
    if not answer:
        return None
    message, state, result, due, _since, crashes, set_aside, progress, soft = answer
    return RawTask(
        message=message,
        state=TaskState(state.decode()),
        result=result or None,
        next_due_ms=int(float(due or 0)),
        crashes=int(crashes or 0),
        set_aside=set_aside.decode("utf-8", "replace"),
        progress=progress.decode("utf-8", "replace"),
        soft_failures=int(soft or 0),
    )


def list_ids(queue: str, state: TaskState, *, offset: int, limit: int) -> Call[list[str]]:
    """
    List ids of one state, in the order of asynq's tools.

    Pending and active tasks come with the next to run, or the longest running, first; all others by
    rising score (asynq: inspect.go). Aggregating tasks live in their groups and are not listed here.
    """
    return Call("list", queue, ("list" if state in LISTS else "zset", state.value, offset, limit), texts)


def run(queue: str, ids: Sequence[str]) -> Call[list[str]]:
    """
    Make waiting, archived or completed tasks pending now.

    Returns:
        Per id "pending", "gone", "already pending", "already active", or "error <text>".
    """
    return Call("run", queue, list(ids), texts)


def cancel(queue: str, ids: Sequence[str]) -> Call[list[str]]:
    """
    Stop tasks for good: those that wait are deleted, those that run are told to stop and marked.

    Returns:
        Per id a `Cancellation`'s value, "gone", or "error <text>".
    """
    return Call("cancel", queue, [queue, *ids], texts)


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
    """How much work a queue holds now, and did; counts are of attempts (SE-51). asynq: `QueueInfo`."""

    pending: int
    active: int
    scheduled: int
    retry: int
    archived: int
    completed: int
    aggregating: int
    processed_today: int
    failed_today: int
    processed: int
    failed: int
    paused: bool
    latency_ms: int
    """Age of the task that runs next; 0 when none waits, or when nobody wrote since when."""

    @property
    def size(self) -> int:
        """All tasks it holds."""
        return (
            self.pending + self.active + self.scheduled + self.retry + self.archived + self.completed + self.aggregating
        )


_COUNTS = [name for name in QueueStats.__dataclass_fields__ if name not in ("paused", "latency_ms")]


def stats(queue: str) -> Call[QueueStats]:
    """Count what one queue holds and did."""

    def interpret(answer: Any) -> QueueStats:
        *counts, paused, latency_ms = (int(number) for number in answer)
        named = dict(zip(_COUNTS, counts, strict=True))
        return QueueStats(**named, paused=bool(paused), latency_ms=latency_ms)

    return Call("stats", queue, (), interpret)


def now(queue: str) -> Call[int]:
    """Ask the store for its time, in microseconds since 1970."""
    return Call("now", queue, (), int)
