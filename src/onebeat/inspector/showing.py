"""What stands in the store, put into values for users. Nothing here waits, and no bytes make it fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from onebeat.broker.browse import RawTask
from onebeat.task import Progress, TaskInfo
from onebeat.wire.message import TaskMessage, UndecodableMessage, decode

FIRST_S, LAST_S = -62_135_596_800, 253_402_300_799
"""The seconds that a `datetime` can show; what stands in the store may lie beyond."""

LONGEST_S = 86_399_999_999_999
"""The seconds that a `timedelta` can show."""


def task_info(queue: str, task_id: str, raw: RawTask) -> TaskInfo:
    """Put what stands in the store into a `TaskInfo`; bytes that are no message show as a task without a type."""
    try:
        message = decode(raw.message)
    except UndecodableMessage as error:
        message = TaskMessage(id=task_id, queue=queue, payload=raw.message, error_msg=raw.set_aside or str(error))
    return TaskInfo(
        id=task_id,
        queue=queue,
        type=message.type,
        payload=message.payload,
        state=raw.state,
        max_retry=message.retry,
        retried=message.retried,
        last_error=message.error_msg,
        last_failed_at=instant(message.last_failed_at),
        timeout=_duration(message.timeout),
        deadline=instant(message.deadline),
        next_process_at=instant(raw.next_due_ms / 1000),
        retention=_duration(message.retention),
        completed_at=instant(message.completed_at),
        result=raw.result,
        headers=dict(message.headers),
        group=message.group_key,
        crashes=raw.crashes,
        soft_failures=raw.soft_failures,
        progress=_progress(raw.progress),
        is_orphaned=raw.is_orphaned,
        pending_since=instant(raw.pending_since_ns / 1_000_000_000),
        expires_at=instant(raw.expires_ms / 1000),
    )


def instant(seconds: float) -> datetime | None:
    """Return an instant in UTC; None for zero, the wire's "not set"."""
    return at(seconds) if seconds else None


def at(seconds: float) -> datetime:
    """Return an instant in UTC, the nearest that can be shown."""
    return datetime.fromtimestamp(min(max(seconds, FIRST_S), LAST_S), UTC)


def _duration(seconds: int) -> timedelta:
    return timedelta(seconds=min(max(seconds, -LONGEST_S), LONGEST_S))


def _progress(text: str) -> Progress | None:
    if not text:
        return None
    when, _, rest = text.partition(" ")
    fraction, _, said = rest.partition(" ")
    try:
        moment = instant(int(when) / 1000)
        return Progress(float(fraction), said, moment) if moment is not None else None
    except ValueError:  # nothing of ours
        return None
