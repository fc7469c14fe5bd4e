"""Removing a queue whole, in steps that may be broken off and taken up again (SE-08, SE-44)."""

from __future__ import annotations

from onebeat.broker import admin
from onebeat.errors import OnebeatError, QueueNotEmpty
from onebeat.inspector import reading
from onebeat.inspector.steering import Report
from onebeat.inspector.steps import Procedure, ask, command
from onebeat.wire import keys
from onebeat.wire.gotext import quote

ARRIVALS = 10_000
"""Tasks that may come while a queue is removed, before the removal gives up."""


def remove_queue(queue: str, *, is_forced: bool, progress: Report | None = None) -> Procedure[int]:
    """
    Remove a queue; returns how many tasks went with it.

    It is paused first, so that no server takes what is about to go. Then its tasks are deleted, then everything
    else of it, and when nothing is left and nothing came meanwhile, the pause and its name. What comes meanwhile is
    deleted as well, unless it is too much. A removal that was broken off leaves a paused queue; repeated, it ends.

    Raises:
        QueueNotFound: It is not known.
        QueueNotEmpty: It runs tasks; or holds some, and the removal is not forced; or too many kept coming.
    """
    yield from reading.check_queue(queue)
    found = yield from reading.stats(queue)
    begun = yield from ask(admin.vacate(queue, "force" if is_forced else "begin"))
    if begun not in ("begun", "paused"):
        raise _not_empty(queue, begun, found.size)
    try:
        return (yield from _empty(queue, found.size, progress))
    except OnebeatError:
        if begun == "begun":
            yield from ask(admin.pause(queue, "resume"))
        yield from command("SADD", keys.QUEUES, queue)
        raise


def _empty(queue: str, total: int, progress: Report | None) -> Procedure[int]:
    deleted = 0
    while True:
        while True:
            count, active = yield from ask(admin.purge(queue))
            deleted += count
            if count and progress is not None:
                progress(deleted, max(total, deleted))
            if active:
                raise _not_empty(queue, f"active {active}", active)
            if deleted > total + ARRIVALS:
                raise _not_empty(queue, "busy", deleted)
            if not count and (yield from _raze(queue)):
                break
        yield from command("SREM", keys.QUEUES, queue)
        yield from command("SREM", keys.SCHEDULE_QUEUES, queue)
        yield from command("ZREM", keys.SCHEDULERS, keys.schedulers(f"{{{queue}}}"))
        if (yield from ask(admin.vacate(queue, "end"))) == "ended":
            return deleted


def _raze(queue: str) -> Procedure[bool]:
    """Delete what is no task, over all keys of the store; false when tasks came meanwhile."""
    cursor = "0"
    while True:
        cursor, schedules = yield from ask(admin.raze(queue, cursor))
        for id_ in schedules:
            if (yield from command("HGET", keys.SCHEDULES, id_)) == queue.encode():
                yield from command("HDEL", keys.SCHEDULES, id_)
        if cursor in ("0", "full"):
            return cursor == "0"


def _not_empty(queue: str, why: str, count: int) -> QueueNotEmpty:
    name = quote(queue)
    if why.startswith("active"):
        running = why.removeprefix("active ")
        return QueueNotEmpty(
            f"queue is not empty: queue={name}: cannot remove queue with active tasks, of which it has {running}; "
            "wait for them or cancel them"
        )
    if why == "busy":
        return QueueNotEmpty(
            f"queue is not empty: queue={name}: {count} tasks were deleted and more keep coming; stop those who "
            "enqueue there, then remove it"
        )
    if why.startswith("outgoing"):
        outgoing = why.removeprefix("outgoing ")
        return QueueNotEmpty(
            f"queue is not empty: queue={name} has {outgoing} combined tasks of its groups on their way to other "
            "queues; a server that serves it brings them there, or force=True drops them"
        )
    tasks = "1 task" if count == 1 else f"{count} tasks"
    return QueueNotEmpty(
        f"queue is not empty: queue={name} holds {tasks}; remove it with force=True, and what it holds goes with it"
    )
