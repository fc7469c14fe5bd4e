"""Tells observers what one call of upkeep has done: what was recovered, which schedules fired, and which did not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from onebeat.audience import Audience
from onebeat.broker.call import Filed
from onebeat.broker.maintain import Lost, Maintained
from onebeat.clock import EPOCH
from onebeat.events import Event, ScheduleFired, ScheduleMissed, TaskArchived, TaskCancelled, TaskRecovered
from onebeat.states import TaskState
from onebeat.words import counted

log: logging.Logger = logging.getLogger("onebeat.upkeep")

EXPIRED = "expired"
"""What stands in a task as its error that was not started in time."""

NAMED = 3
"""Ids of tasks in one line of the log."""

_STATES = {"front": TaskState.PENDING, "retry": TaskState.RETRY, "archived": TaskState.ARCHIVED}


def tell(audience: Audience, queue: str, done: Maintained, at: datetime) -> None:
    """Tell it all, in the order in which it was done."""
    for id_, tick_ms in done.fired:
        late = max(0.0, (done.now_us - tick_ms * 1000) / 1e6)
        tick = EPOCH + timedelta(milliseconds=tick_ms)
        audience.event(ScheduleFired(queue=queue, at=at, schedule=id_, tick=tick, late=late))
    for missed in done.missed:
        audience.event(
            ScheduleMissed(queue=queue, at=at, schedule=missed.schedule, ticks=missed.ticks, reason=missed.reason)
        )
    tell_filed(audience, queue, done.filed, at=at)
    for lost in done.lost:
        for event in _recovered(queue, lost, at):
            audience.event(event)


def log_expired(queue: str, filed: Sequence[Filed]) -> None:
    """Log tasks that were archived because the time in which they might start was over: a line for all of a type."""
    by_type: dict[str, list[str]] = {}
    for item in filed:
        if item.error == EXPIRED:
            by_type.setdefault(item.type, []).append(item.id)
    for type_, ids in by_type.items():
        shown = ", ".join(ids[:NAMED]) + (", …" if len(ids) > NAMED else "")
        said = {"task_type": type_, "queue": queue, "outcome": "archived", "error_type": "TaskExpired"}
        log.warning(
            "%s (%s) of queue %s expired before %s could start and %s archived: %s",
            counted(len(ids), "task"), type_, queue, "it" if len(ids) == 1 else "they",
            "is" if len(ids) == 1 else "are", shown, extra=said if len(ids) > 1 else {**said, "task_id": ids[0]},
        )  # fmt: skip


def tell_filed(
    audience: Audience, queue: str, filed: Sequence[Filed], *, at: datetime, error_type: str = "TaskCrashed"
) -> None:
    """Tell of tasks that were archived though no attempt has ended, and why if they had not just expired."""
    for item in filed if audience.hears else ():
        audience.event(
            TaskArchived(
                queue=queue,
                at=at,
                task_id=item.id,
                type=item.type,
                retried=item.retried,
                error=item.error,
                error_type="TaskExpired" if item.error == EXPIRED else error_type,
            )
        )


def _recovered(queue: str, lost: Lost, at: datetime) -> list[Event]:
    """Say where a task went; of one that went to the archive also that."""
    told: list[Event] = [TaskRecovered(queue=queue, at=at, task_id=lost.id, type=lost.type, state=_STATES[lost.place])]
    if lost.place == "archived" and lost.error == "cancelled":
        told.append(TaskCancelled(queue=queue, at=at, task_id=lost.id, type=lost.type))
    elif lost.place == "archived":
        told.append(
            TaskArchived(
                queue=queue,
                at=at,
                task_id=lost.id,
                type=lost.type,
                retried=lost.retried,
                error=lost.error,
                error_type="TaskCrashed",
            )
        )
    return told
