"""
What has happened to tasks and schedules, as values, and who wants to know.

An event is told once the store has what it says, by whoever brought it about: a client what it enqueued, a server
what it ran, recovered and made of groups, a server or scheduler what it fired. It is told once, to that process; what
another process does, or a Go server, is told there or not at all. Nothing waits for those who listen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import msgspec

from onebeat.states import TaskState

if TYPE_CHECKING:
    from onebeat.task import Task


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    Something that has happened.

    Attributes:
        name: Its kind in one word, such as "retried": as streams and logs spell it.

        queue: Where.

        at: When, an aware datetime by this machine's clock; what the store did in one batch has one instant.
    """

    name: ClassVar[str] = ""

    queue: str
    at: datetime


class TaskEvent(Event, frozen=True, kw_only=True, gc=False):
    """
    Something that has happened to a task.

    Attributes:
        task_id, type: Which.
    """

    task_id: str
    type: str


class TaskEnqueued(TaskEvent, frozen=True, kw_only=True, gc=False):
    """
    It was put on a queue: by a client, or by a server in the place of a group.

    Attributes:
        state: PENDING, SCHEDULED, or AGGREGATING.

        process_at: When it is due; None: now.
    """

    name: ClassVar[str] = "enqueued"

    state: TaskState
    process_at: datetime | None = None


class TaskStarted(TaskEvent, frozen=True, kw_only=True, gc=False):
    """
    A server took it: its handler is called next.

    Attributes:
        retried: Failures before this attempt.

        waited: Seconds since it was due; None where nobody wrote since when.
    """

    name: ClassVar[str] = "started"

    retried: int
    waited: float | None = None


class AttemptEnded(TaskEvent, frozen=True, kw_only=True, gc=False):
    """
    An attempt ended, and its outcome is in the store.

    Attributes:
        retried: Failures before this attempt.

        seconds: How long it had its slot.
    """

    retried: int
    seconds: float


class TaskCompleted(AttemptEnded, frozen=True, kw_only=True, gc=False):
    """Its handler returned, or revoked it."""

    name: ClassVar[str] = "completed"


class TaskRetried(AttemptEnded, frozen=True, kw_only=True, gc=False):
    """
    It failed and is tried again; or it waits, without a failure: for a server that has a handler ("HandlerNotFound"),
    for a token of a semaphore ("SemaphoreFull"), or until it can run alone, after crashes.

    Attributes:
        error: What it failed with, in one line, as the store has it; "" for one that is to run alone.

        error_type: The class of the error, such as "ValueError"; "" for one that is to run alone.

        delay: Seconds until it is tried again.

        counts: Whether that cost a retry.
    """

    name: ClassVar[str] = "retried"

    error: str
    error_type: str
    delay: float
    counts: bool = True


class TaskArchived(TaskEvent, frozen=True, kw_only=True, gc=False):
    """
    It failed for good and is in the archive: by its handler, or because its servers crashed too often, it had expired,
    its group could not be aggregated, or its bytes are no task.

    Attributes:
        retried: Failures before the last.

        error, error_type: As of `TaskRetried`; error_type is "TaskCrashed" for one that recovery archived,
            "TaskExpired" for one that was not begun in time, "UndecodableMessage" for one that cannot be read.

        seconds: How long its last attempt had its slot; None where no handler of this server ended it.
    """

    name: ClassVar[str] = "archived"

    retried: int
    error: str
    error_type: str
    seconds: float | None = None


class TaskCancelled(TaskEvent, frozen=True, kw_only=True, gc=False):
    """
    Somebody cancelled it while it ran: it is in the archive.

    Attributes:
        seconds: How long its attempt had its slot; None where no handler of this server ended it.
    """

    name: ClassVar[str] = "cancelled"

    seconds: float | None = None


class TaskReturned(AttemptEnded, frozen=True, kw_only=True, gc=False):
    """Its server stops, so it went back to the front of its queue as if it had never been taken."""

    name: ClassVar[str] = "returned"


class LeaseLost(AttemptEnded, frozen=True, kw_only=True, gc=False):
    """What its handler did came too late: another server has the task, or it is gone."""

    name: ClassVar[str] = "lease_lost"


class TaskRecovered(TaskEvent, frozen=True, kw_only=True, gc=False):
    """
    Its server died or was cut off, and this one took it back.

    Attributes:
        state: PENDING: it runs next; RETRY: after a while; ARCHIVED: it crashed too often, which `TaskArchived` tells
            as well.
    """

    name: ClassVar[str] = "recovered"

    state: TaskState


class ScheduleFired(Event, frozen=True, kw_only=True, gc=False):
    """
    A schedule's tick became a task.

    Attributes:
        schedule: Its id.

        tick: The instant it fired for.

        late: Seconds after that instant.
    """

    name: ClassVar[str] = "fired"

    schedule: str
    tick: datetime
    late: float


class ScheduleMissed(Event, frozen=True, kw_only=True, gc=False):
    """
    Ticks of a schedule passed without becoming tasks.

    Attributes:
        schedule: Its id.

        ticks: How many.

        reason: "late": nobody was there to fire them in time; "locked": the task is unique, and another one held its
            lock; "full": too many tasks wait in the queue.
    """

    name: ClassVar[str] = "missed"

    schedule: str
    ticks: int
    reason: MissReason


class Figure(Enum):
    """What is measured of the machinery, beside events; the label says of what."""

    BATCH_SIZE = "batch_size"
    """Items that went to the store in one script; label: the script, such as "enqueue", "take" or "finish"."""

    SCRIPT_SECONDS = "script_seconds"
    """How long the store took to answer a script, the way there and back included; label: the script."""

    LOOP_LAG_SECONDS = "loop_lag_seconds"
    """How much later than asked the event loop ran a timer; label: ""."""

    SLOTS = "slots"
    """How many slots a server has that begins to serve; as many less than none when it has ended; label: ""."""


class Sending:
    """
    What one call sends, a task or a bulk: a base to override what one needs of. Entered before, left when all is
    answered; its `__exit__` sees what the call raises.
    """

    def headers(
        self,
        task: Task[Any],  # noqa: ARG002 - for overriders, as the others
        queue: str,  # noqa: ARG002
        task_id: str,  # noqa: ARG002
        given: Mapping[str, str],  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Return headers to add to a task that is about to be enqueued; `given` are those that it has."""
        return {}

    def refused(self, error: BaseException) -> None:
        """Hear that a task of a bulk was not accepted, and why."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Hear that the call is over."""


class Carried(NamedTuple):
    """
    What an observer has the process of an isolated handler know.

    Attributes:
        enter: "module:function", imported there: given `what`, it returns the context manager that the handler runs in.

        what: Strings by strings.
    """

    enter: str
    what: dict[str, str]


class Observer:
    """
    Watches clients, servers and schedulers: a base to override what one needs of.

    It is called on the event loop or in the client's thread, between two steps of the work, so it must be quick and
    must not block. What it raises is logged, and all goes on as if it had not been called.
    """

    def event(self, event: Event) -> None:
        """Hear that something has happened."""

    def enqueuing(self, task: Task[Any], queue: str, task_id: str) -> Mapping[str, str]:  # noqa: ARG002 - for overriders
        """Return headers to add to a task that is about to be enqueued; it has the last word over the caller's."""
        return {}

    def sending(self, *, many: bool) -> Sending:  # noqa: ARG002 - for overriders
        """Return who follows what a call enqueues: one task, or many."""
        return NOBODY

    def running(self, context: Any, task: Task[Any]) -> AbstractContextManager[object]:  # noqa: ARG002 - for overriders
        """Return what an attempt's handler is to run in; its `__exit__` sees what the handler raised."""
        return nullcontext()

    def failing(self, queue: str, task_id: str) -> Mapping[str, str]:  # noqa: ARG002 - for overriders
        """Return headers that a task is to have from now on, as its attempt has failed: its next one has them."""
        return {}

    def crossing(self) -> Carried | None:
        """Return what the process of an isolated handler is to know; it is called within `running`."""

    def aggregating(
        self,
        queue: str,  # noqa: ARG002 - for overriders, as the others
        group: str,  # noqa: ARG002
        members: Sequence[Mapping[str, str]],  # noqa: ARG002
    ) -> AbstractContextManager[object]:
        """
        Return what a group is to be aggregated in, until the store has the task that takes its members' place.

        Args:
            members: The headers of each.
        """
        return nullcontext()

    def measured(self, figure: Figure, label: str, value: float) -> None:
        """Hear of a figure."""

    def attached(self, source: object) -> None:
        """Learn where the store is of those who are observed: a URL, a client of redis-py, or an open `Store`."""

    async def idle(self) -> None:
        """Wait until all that was told has been dealt with: for tests, which must not look before."""

    def serving(self, limit: float) -> AbstractAsyncContextManager[object]:  # noqa: ARG002 - for overriders
        """
        Return what is entered before a server takes tasks, and left when it has told its last event.

        Args:
            limit: Seconds that entering it may take, and leaving it: the server's `hook_timeout`.
        """
        return nullcontext()


NOBODY = Sending()
"""Follows nothing."""

Listener = Callable[[Event], object]
Observers = Iterable[Observer]
MissReason = Literal["late", "locked", "full"]
