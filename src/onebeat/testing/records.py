"""What the kit tells: attempts and what came of them, tasks that were enqueued, and what a move of time did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from onebeat.errors import Retry, TaskFailed
from onebeat.options import Resolved, resolve
from onebeat.preparing import Prepared
from onebeat.task import Task, TaskInfo

AttemptState = Literal["completed", "retry", "archived", "revoked", "cancelled", "crashed", "lost"]
"""What came of an attempt: "crashed" by `t.crash`; "lost" if the task was deleted or run by others meanwhile."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One run of a task.

    Attributes:
        type, id, queue: Which task.

        state: What came of it.

        at: When it ran, in the kit's time.

        error: What stands in the store as its error; "" if it succeeded.

        exception: The error itself, with its traceback, where it was raised in this process.

        result: What the handler returned.

        retried: Failures before it.
    """

    type: str
    id: str
    queue: str
    state: AttemptState
    at: datetime
    error: str = ""
    exception: BaseException | None = field(default=None, repr=False)
    result: Any = field(default=None, repr=False)
    retried: int = 0

    @property
    def failure(self) -> BaseException | None:
        """What to raise for it: the handler's error, or one that stands for it; None unless it has failed."""
        if self.state not in ("retry", "archived") or isinstance(self.exception, Retry):
            return None
        is_ours = self.exception is not None and not isinstance(self.exception, asyncio.CancelledError)
        return self.exception if is_ours else TaskFailed(self.error)


@dataclass(frozen=True, slots=True)
class Drained:
    """
    What ran during a `drain` or `advance`, and how it ended.

    Attributes:
        attempts: All attempts, in the order in which they ended.

        expired: How many tasks were archived without being run, as it was too late for them (`expires=`).

        lost: How many were archived because the server crashed with them too often.

        group_errors: What aggregators failed with, once for each time that a group was tried.
    """

    attempts: tuple[Attempt, ...] = ()
    expired: int = 0
    lost: int = 0
    group_errors: tuple[BaseException, ...] = ()

    def _count(self, state: AttemptState) -> int:
        return sum(attempt.state == state for attempt in self.attempts)

    @property
    def completed(self) -> int:
        """Attempts that succeeded."""
        return self._count("completed")

    @property
    def retried(self) -> int:
        """Attempts after which the task waits for another."""
        return self._count("retry")

    @property
    def archived(self) -> int:
        """Tasks that ended in the archive: no retry was left or wanted, or they expired, or crashed too often."""
        return self._count("archived") + self.expired + self.lost

    @property
    def revoked(self) -> int:
        """Attempts that raised `RevokeTask`."""
        return self._count("revoked")

    @property
    def cancelled(self) -> int:
        """Attempts that were cancelled while they ran."""
        return self._count("cancelled")

    @property
    def crashed(self) -> int:
        """Attempts whose server died (`t.crash`)."""
        return self._count("crashed")

    def of(self, task: object) -> list[Attempt]:
        """Return the attempts of one task: a declared one, or a type."""
        return [attempt for attempt in self.attempts if attempt.type == type_of(task)]

    def raise_errors(self) -> None:
        """
        Raise what a handler raised, the first if several did, with its traceback; else what an aggregator failed with;
        nothing if all went well.

        Errors that decide what happens next (`Retry`, `RevokeTask`) are none.
        """
        for attempt in self.attempts:
            if attempt.failure is not None:
                raise attempt.failure
        if self.group_errors:
            raise self.group_errors[0]


@dataclass(slots=True)
class Log:
    """What has happened so far."""

    attempts: list[Attempt] = field(default_factory=list)
    expired: int = 0
    lost: int = 0
    group_errors: list[BaseException] = field(default_factory=list)

    def mark(self) -> tuple[int, int, int, int]:
        return len(self.attempts), self.expired, self.lost, len(self.group_errors)

    def since(self, mark: tuple[int, int, int, int]) -> Drained:
        attempts, errors = tuple(self.attempts[mark[0] :]), tuple(self.group_errors[mark[3] :])
        return Drained(attempts, self.expired - mark[1], self.lost - mark[2], errors)


def type_of(task: object) -> str:
    """Return the type of a declared task, a bound one, or a type itself."""
    return task if isinstance(task, str) else str(getattr(task, "type", task))


class EnqueuedTask(Task[Any]):
    """
    A task that was enqueued.

    It equals a bound task of the same type and payload, if what that one's options say beyond the declared ones is
    true of it: `send.bind(1)` is found however it was enqueued, `send.options(queue="low").bind(1)` only in "low".

    Attributes:
        id, queue: Which.

        enqueued_at: When, in the kit's time.
    """

    __slots__ = ("_asked", "_declared", "enqueued_at", "id", "queue")

    id: str
    queue: str
    enqueued_at: datetime
    _asked: Resolved
    _declared: Callable[[str], Mapping[str, Any]]

    @classmethod
    def of(cls, prepared: Prepared, declared: Callable[[str], Mapping[str, Any]], at: datetime) -> EnqueuedTask:
        """Make it of what was sent; `declared` gives the declared options of a type."""
        made = cls.__new__(cls)
        made.type, made.payload, made.options = prepared.task.type, prepared.task.payload, prepared.task.options
        made.result_type = prepared.task.result_type
        made.id, made.queue, made.enqueued_at = prepared.new.id, prepared.queue, at
        made._asked, made._declared = prepared.options, declared
        return made

    @classmethod
    def of_info(cls, info: TaskInfo, declared: Callable[[str], Mapping[str, Any]], at: datetime) -> EnqueuedTask:
        """Make it of one in the store that others have put there: a schedule, or a client of the test's own."""
        made = cls.__new__(cls)
        made.type, made.payload, made.result_type = info.type, info.payload, bytes
        made.options = {"queue": info.queue, "max_retry": info.max_retry, "headers": info.headers}
        if info.group:
            made.options = {**made.options, "group": info.group}
        made.id, made.queue, made.enqueued_at = info.id, info.queue, at
        made._declared = declared
        made._asked = Resolved(
            queue=info.queue,
            max_retry=info.max_retry,
            timeout_s=round(info.timeout.total_seconds()),
            deadline_s=round(info.deadline.timestamp()) if info.deadline is not None else 0,
            retention_s=round(info.retention.total_seconds()),
            group=info.group,
            headers=info.headers,
        )
        return made

    def __eq__(self, other: object) -> bool:
        if isinstance(other, EnqueuedTask):
            return (self.id, self.queue) == (other.id, other.queue)
        if not isinstance(other, Task):
            return NotImplemented
        return (self.type, self.payload) == (other.type, other.payload) and self._is_as(resolve(other.options))

    def __hash__(self) -> int:
        return hash((self.type, self.payload))

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items() if value is not None)
        return f"{super().__repr__()[:-1]}{options})"

    def _is_as(self, wanted: Resolved) -> bool:
        usual = resolve(self._declared(self.type))
        for name in Resolved.__slots__:
            value, found = getattr(wanted, name), getattr(self._asked, name)
            if value == getattr(usual, name) or value == found:
                continue
            if name != "headers" or not value.items() <= found.items():
                return False
        return True
