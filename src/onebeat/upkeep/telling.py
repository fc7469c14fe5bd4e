"""Tells observers what one call of upkeep has done: what was recovered, which schedules fired, and which did not."""

from __future__ import annotations

from datetime import datetime, timedelta

from onebeat.audience import Audience
from onebeat.broker.maintain import Lost, Maintained
from onebeat.clock import EPOCH
from onebeat.events import Event, ScheduleFired, ScheduleMissed, TaskArchived, TaskCancelled, TaskRecovered
from onebeat.states import TaskState

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
    for lost in done.lost:
        for event in _recovered(queue, lost, at):
            audience.event(event)


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
