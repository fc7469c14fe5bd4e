"""
What every client does beside sending: check a task and encode it, and turn the store's answer into a result.

Nothing here waits or sends, so the asyncio client and the blocking one cannot differ in what they accept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from onebeat.audience import Audience
from onebeat.broker.groups import Outgoing
from onebeat.broker.produce import MAX_BYTES, NewTask, Placed
from onebeat.broker.store import passes
from onebeat.clock import EPOCH
from onebeat.errors import (
    BrokerError,
    BrokerUnavailable,
    ConfigurationError,
    DuplicateTask,
    InvalidTask,
    OnebeatError,
    PayloadError,
    TaskIdConflict,
    is_number,
    shown,
)
from onebeat.events import NOBODY, Sending, TaskEnqueued
from onebeat.ids import new_id
from onebeat.options import Resolved, merge, resolve
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.wire.message import TaskMessage, encode
from onebeat.wire.unique import unique_key

PUBLISH_EVERY_S = 60.0
"""How long a client trusts that a queue it published is still known (SE-07)."""
PUBLISH_AGAIN_S = 5.0
"""When it is said again, if the node of a cluster that keeps the list was away."""

MAX_PAYLOAD = 8_000_000
GIVE_UP_AFTER_S = 10.0
LAST_MS = 253_402_300_799_999
"""The last millisecond that a datetime in UTC can show."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """
    A task that was accepted.

    Attributes:
        id, queue: Where it is.

        state: PENDING, SCHEDULED when it is due later, or AGGREGATING when it waits in its group.

        due_ms: When it is due, milliseconds since 1970 by the store's clock; None: now.

        process_at: The same as an aware datetime.
    """

    id: str
    queue: str
    type: str
    state: TaskState
    due_ms: int | None

    @property
    def process_at(self) -> datetime | None:
        return None if self.due_ms is None else _moment(self.due_ms)


def _moment(due_ms: int) -> datetime:
    """Return when a task is due; the wire knows later instants than a datetime does, and the last stands for those."""
    return EPOCH + timedelta(milliseconds=min(due_ms, LAST_MS))


@dataclass(slots=True)
class Prepared:
    """A task checked and encoded: nothing can be wrong with it any more but the store."""

    queue: str
    type: str
    new: NewTask
    task: Task[Any]
    options: Resolved


@dataclass(frozen=True, slots=True)
class Failure:
    """One task of a bulk that was not accepted, and why."""

    task: Task[Any]
    error: OnebeatError


@dataclass(slots=True)
class BulkResult:
    """What became of a bulk: how many tasks were accepted, and which were not."""

    enqueued: int = 0
    failures: list[Failure] = field(default_factory=list)


def prepare(
    task: Task[Any],
    options: Mapping[str, Any],
    *,
    max_payload: int = MAX_PAYLOAD,
    audience: Audience | None = None,
    sending: Sending = NOBODY,
) -> Prepared:
    """
    Check a task with its options and encode it. Nothing is written.

    Args:
        audience, sending: Asked for further headers.

    Raises:
        InvalidTask: An option cannot be used.
        PayloadError: The payload is larger than `max_payload` bytes.
    """
    if not isinstance(task, Task):
        raise InvalidTask(f"task is {shown(task)}: give a Task, or what bind() returns")
    given = resolve(merge(task.options, options) if options else task.options)
    return encoded(task, given, max_payload=max_payload, audience=audience, sending=sending)


def encoded(
    task: Task[Any],
    given: Resolved,
    *,
    max_payload: int = MAX_PAYLOAD,
    audience: Audience | None = None,
    sending: Sending = NOBODY,
) -> Prepared:
    """Encode a task whose options are in the wire's units."""
    if len(task.payload) > max_payload:
        raise PayloadError(
            f"payload of task {task.type} has {len(task.payload)} bytes, the limit is {max_payload}: "
            "store it elsewhere and enqueue its address, or raise max_payload"
        )
    task_id = given.task_id or new_id()
    if audience is not None and audience.adds:
        given = replace(given, headers=audience.headers(task, given.queue, task_id, given.headers))
    if sending is not NOBODY:
        given = replace(given, headers=sending.headers(task, given.queue, task_id, given.headers))
    lock = ""
    if given.unique_ms:
        identity = b"key\0" + given.unique_on.encode() if given.unique_on else task.identity
        lock = unique_key(given.queue, task.type, identity)
    message = TaskMessage(
        type=task.type,
        payload=task.payload,
        id=task_id,
        queue=given.queue,
        retry=given.max_retry,
        timeout=given.timeout_s,
        deadline=given.deadline_s,
        unique_key="" if given.unique_until == "ttl" else lock,  # what no record names, nobody frees
        retention=given.retention_s,
        group_key=given.group,
        headers=given.headers,
    )
    new = NewTask(
        task_id,
        encode(message),
        given.due,
        lock,
        given.unique_ms,
        given.unique_until,
        given.timeout_ms,
        given.expires,
        given.group,
    )
    return Prepared(given.queue, task.type, new, task, given)


def understand(prepared: Prepared, placed: Placed) -> Enqueued:
    """
    Turn the store's answer into a result or an error.

    Raises:
        TaskIdConflict, DuplicateTask: The task was refused; nothing was written.
        BrokerUnavailable, BrokerError: The store could not take it.
    """
    new, queue = prepared.new, prepared.queue
    if placed.status == "pending":
        return Enqueued(new.id, queue, prepared.type, TaskState.PENDING, None)
    if placed.status == "aggregating":
        return Enqueued(new.id, queue, prepared.type, TaskState.AGGREGATING, None)
    if placed.status == "scheduled":
        return Enqueued(new.id, queue, prepared.type, TaskState.SCHEDULED, int(placed.detail))
    if placed.status == "conflict":
        raise TaskIdConflict(
            f"task id {new.id!r} is taken in queue {queue!r}: choose another, or wait until that task is gone"
        )
    if placed.status == "duplicate":
        raise DuplicateTask(
            f"task {prepared.type} with this payload is already in queue {queue!r} as {placed.detail}: "
            "it is unique until that one is done or its lock expires",
            holder=placed.detail,
        )
    if placed.status == "error" and not passes(placed.detail):
        raise BrokerError(f"task {new.id} was not enqueued in {queue!r}: the store says {placed.detail}")
    raise BrokerUnavailable(
        f"task {new.id} was not enqueued in {queue!r}: the store says {placed.detail or placed.status}"
    )


def tell_enqueued(audience: Audience, prepared: Prepared, placed: Placed, at: datetime) -> None:
    """Tell of a task, if the store has taken it."""
    _tell_enqueued(audience, prepared.queue, prepared.new.id, prepared.type, placed, at)


def tell_combined(audience: Audience, prepared: Prepared, at: datetime) -> None:
    """Tell of a task that has taken the place of a group, where the store does not say when it is due."""
    new = prepared.new
    if new.due:
        now_ms = round(at.timestamp() * 1000) if new.due.startswith("+") else 0
        placed = Placed("scheduled", str(now_ms + int(new.due)))
    else:
        placed = Placed("aggregating" if new.group else "pending", "")
    _tell_enqueued(audience, prepared.queue, new.id, prepared.type, placed, at)


def tell_delivered(audience: Audience, item: Outgoing, answer: str, at: datetime) -> None:
    """Tell of a task that was brought to its queue."""
    status, _, detail = answer.partition(" ")
    type_ = TaskMessage.FromString(item.message).type if audience.hears else ""
    _tell_enqueued(audience, item.queue, item.id, type_, Placed(status, detail), at)


def _tell_enqueued(audience: Audience, queue: str, task_id: str, type: str, placed: Placed, at: datetime) -> None:
    state = _PLACES.get(placed.status)
    if state is not None and audience.hears:
        due = _moment(int(placed.detail)) if state is TaskState.SCHEDULED else None
        audience.event(TaskEnqueued(queue=queue, at=at, task_id=task_id, type=type, state=state, process_at=due))


_PLACES = {
    "pending": TaskState.PENDING, "scheduled": TaskState.SCHEDULED, "aggregating": TaskState.AGGREGATING,
}  # fmt: skip


def check_tasks(tasks: object, *kinds: type) -> None:
    """
    Refuse what is no iterable of tasks.

    Raises:
        InvalidTask: It is none.
    """
    if isinstance(tasks, (str, bytes)) or not isinstance(tasks, kinds):
        raise InvalidTask(f"tasks is {shown(tasks)}: give an iterable of tasks; one alone goes to enqueue()")


def batches(tasks: Iterable[tuple[Task[Any], Prepared]]) -> Iterator[tuple[str, list[tuple[Task[Any], Prepared]]]]:
    """Put tasks into batches of one queue that the store takes at once; the order within a queue stays."""
    queues: dict[str, list[tuple[Task[Any], Prepared]]] = {}
    weights: dict[str, int] = {}
    for item in tasks:
        queue, weight = item[1].queue, len(item[1].new.message)
        batch = queues.setdefault(queue, [])
        if batch and weights[queue] + weight > MAX_BYTES:
            yield queue, batch
            batch = queues[queue] = []
            weights[queue] = 0
        batch.append(item)
        weights[queue] = weights.get(queue, 0) + weight
    yield from queues.items()


def check_settings(give_up_after: object, max_payload: object) -> None:
    if not is_number(give_up_after) or not give_up_after >= 0:
        raise ConfigurationError(f"setting give_up_after is {shown(give_up_after)}: give seconds from 0")
    if not isinstance(max_payload, int) or isinstance(max_payload, bool) or max_payload < 1:
        raise ConfigurationError(f"setting max_payload is {shown(max_payload)}: give a whole number of bytes from 1")
