"""
Moving a waiting task to another queue.

Queues may live on different nodes, so it is no single step. The task is held first: put off for a minute, so that
nobody takes it meanwhile. Then it is copied, then deleted where it was. Whoever dies between two steps leaves it where
it was, a minute late, or in both queues, never in none; a repeat finds the copy and goes on from there.
"""

from __future__ import annotations

from onebeat.broker import admin, browse, produce, registry
from onebeat.broker.admin import Change, Luggage
from onebeat.broker.browse import RawTask
from onebeat.broker.produce import NewTask
from onebeat.errors import (
    BrokerError,
    DuplicateTask,
    NotReplicated,
    OnebeatError,
    TaskIdConflict,
    WrongState,
    shown,
)
from onebeat.ids import new_id
from onebeat.inspector import changes
from onebeat.inspector.changes import Wanted
from onebeat.inspector.reading import not_found
from onebeat.inspector.steps import Procedure, ask, command
from onebeat.states import TaskState
from onebeat.wire.message import TaskMessage, encode

HELD_MS = 60_000
"""For how long a task is put off while it moves."""

ENDLESS_MS = 10 * 365 * 86_400_000
"""How long a lock holds in its new queue that had no end in the old one."""

MOVABLE = (TaskState.PENDING, TaskState.SCHEDULED, TaskState.RETRY)


def move(queue: str, task_id: str, wanted: Wanted) -> Procedure[None]:
    """
    Move a task, changed as wanted.

    Raises:
        TaskIdConflict: Another task of that id is in the other queue.
        DuplicateTask: Another task holds the lock that it would have there.
        WrongState: It does not wait for its time, or is of a group and was not run by itself.
    """
    raw, message = yield from changes.read_waiting(queue, task_id)
    joins = raw.state in (TaskState.AGGREGATING, TaskState.SCHEDULED) and message.group_key
    if raw.state not in MOVABLE or joins:
        what = f"of group {shown(message.group_key)}" if joins else raw.state.value
        raise WrongState(f"task {shown(task_id)} of queue {shown(queue)} was not moved: it is {what}; run it first")
    yield from _hold(queue, task_id, raw)
    luggage = yield from ask(admin.carry(queue, task_id))
    if luggage is None:
        raise not_found(queue, task_id)
    try:
        copy = yield from _copy(raw, message, wanted, luggage)
    except NotReplicated:
        raise  # the copy is there: held on, so that the two do not run until the move is made again
    except OnebeatError:
        yield from ask(admin.update(queue, Change(task_id, raw.message, raw.message, due=_due(raw) or "+0")))
        raise
    if (yield from ask(admin.moved(queue, task_id, raw.message))) == "changed":
        yield from ask(admin.moved(wanted.move_to, task_id, copy))
        raise WrongState(f"task {shown(task_id)} of queue {shown(queue)} was not moved: it was taken meanwhile")


def _due(raw: RawTask) -> str:
    return "" if raw.state is TaskState.PENDING else str(raw.next_due_ms)


def _hold(queue: str, task_id: str, raw: RawTask) -> Procedure[None]:
    """Put a task off that would soon be taken."""
    now_ms = (yield from ask(browse.now(queue))) // 1000
    if raw.state is TaskState.PENDING or raw.next_due_ms < now_ms + HELD_MS:
        held = Change(task_id, raw.message, raw.message, due=f"+{HELD_MS}")
        answer = yield from ask(admin.update(queue, held))
        if answer != "updated":
            changes.refuse(queue, task_id, answer)
            raise BrokerError(f"task {shown(task_id)} of queue {shown(queue)} was changed by others: move it again")


def _copy(raw: RawTask, message: TaskMessage, wanted: Wanted, luggage: Luggage) -> Procedure[bytes]:
    """Put the changed task into its new queue, and return its message there."""
    to = wanted.move_to
    new = wanted.applied(message)
    new.queue = to
    new.unique_key = "" if luggage.lock_ms is None else changes.new_lock(message, new, to)
    due = wanted.due or _due(raw)
    encoded = encode(new)
    copy = NewTask(
        new.id,
        encoded,
        due="" if due == "+0" else due,
        unique_key=new.unique_key,
        unique_ms=(yield from _lock_ms(to, luggage, due)) if new.unique_key else 0,
        unique_until=luggage.lock_until,
        timeout_ms=wanted.options.timeout_ms if "timeout" in wanted.names else luggage.timeout_ms,
        expires=wanted.options.expires or luggage.expires,
        past=luggage.past,
    )
    yield from command(*registry.published(to))
    [placed] = yield from ask(produce.enqueue(to, client=new_id(), sequence=1, tasks=[copy]))
    name = f"task {shown(new.id)} was not moved to queue {shown(to)}"
    if placed.status == "conflict":
        there = yield from ask(browse.info(to, new.id))
        if there is None or there.message != encoded:
            raise TaskIdConflict(f"{name}: another task of that id is there; delete that one, or enqueue it anew")
    elif placed.status == "duplicate":
        raise DuplicateTask(
            f"{name}: task {placed.detail} holds its unique lock there; wait for its end", holder=placed.detail
        )
    elif placed.status not in ("pending", "scheduled"):
        raise BrokerError(f"{name}: {placed.detail}")
    return encoded


def _lock_ms(queue: str, luggage: Luggage, due: str) -> Procedure[int]:
    """Say for how long the lock holds in its new queue, counted from when the task is due."""
    left = luggage.lock_ms
    if left is None or left < 0:
        return ENDLESS_MS
    now_ms = (yield from ask(browse.now(queue))) / 1000
    delay = float(due) if due.startswith("+") else float(due or now_ms) - now_ms
    return max(1, round(left - max(0.0, delay)))
