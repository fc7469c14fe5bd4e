"""Tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from onebeat.documents.series import AttemptDocument
from onebeat.documents.values import Bytes, Instant
from onebeat.inspector.models import WorkerInfo
from onebeat.inspector.recording import Lock, TaskRecord
from onebeat.preparing import Enqueued
from onebeat.task import TaskInfo


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a task said it is: from 0 to 1, in words, and when."""

    fraction: float
    text: str
    at: Instant


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """
    A task. Times that do not apply are null, durations zero.

    Attributes:
        id, queue, type, state: Which, and where it is.

        payload, result: Bytes; the result is null where there is none.

        max_retry, retried: How often it is retried, and was.

        last_error, last_failed_at: Its last failure.

        timeout_s, deadline: How long an attempt may take, and until when.

        next_process_at: When it is due.

        retention_s, completed_at: How long it is kept once completed, and when it was.

        pending_since: Since when it waits for a server.

        expires_at: Until when it is worth starting.

        headers, group: What travels with it, and the group that it is of.

        crashes, soft_failures: How often its process died, and how often it failed without its counting.

        progress: How far it said it is.

        is_orphaned: It is active, but no server has it any more.
    """

    id: str
    queue: str
    type: str
    state: str
    payload: Bytes
    max_retry: int
    retried: int
    last_error: str
    last_failed_at: Instant | None
    timeout_s: float
    deadline: Instant | None
    next_process_at: Instant | None
    retention_s: float
    completed_at: Instant | None
    pending_since: Instant | None
    expires_at: Instant | None
    result: Bytes | None
    headers: Mapping[str, str]
    group: str
    crashes: int
    soft_failures: int
    progress: Progress | None
    is_orphaned: bool


class LockRow(msgspec.Struct, frozen=True, kw_only=True):
    """A unique lock: its key, the id of the task that holds it ("" if none does), and for how many seconds more."""

    key: str
    holder: str
    left_s: float | None


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """The server that runs a task, since when, and until when it must be done."""

    server_id: str
    host: str
    pid: int
    started_at: Instant
    deadline: Instant


class TaskDetails(TaskRow, frozen=True, kw_only=True):
    """
    A task with all that is known of it.

    Attributes:
        lock: The unique lock that it took.

        lease_until: Until when its server has it, if it runs.

        worker: Which server runs it.

        tick, schedule: The instant of the schedule that made it, and that schedule's id.

        archived_at: When it was archived.

        attempts: What is kept of past attempts, at most the last 20, the oldest first; servers of Go keep none.

        raw: With `--raw`, its record by field.
    """

    lock: LockRow | None
    lease_until: Instant | None
    worker: WorkerRow | None
    tick: Instant | None
    schedule: str
    archived_at: Instant | None
    attempts: list[AttemptDocument]
    raw: Mapping[str, Bytes] | None


class EnqueuedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was accepted: which, its state, and when it is due (null: now)."""

    id: str
    queue: str
    type: str
    state: str
    process_at: Instant | None


def task_row(info: TaskInfo) -> TaskRow:
    return TaskRow(**_fields(info))


def _fields(info: TaskInfo) -> dict[str, Any]:
    progress = info.progress
    return {
        "id": info.id,
        "queue": info.queue,
        "type": info.type,
        "state": info.state.value,
        "payload": Bytes.of(info.payload),
        "max_retry": info.max_retry,
        "retried": info.retried,
        "last_error": info.last_error,
        "last_failed_at": info.last_failed_at,
        "timeout_s": info.timeout.total_seconds(),
        "deadline": info.deadline,
        "next_process_at": info.next_process_at,
        "retention_s": info.retention.total_seconds(),
        "completed_at": info.completed_at,
        "pending_since": info.pending_since,
        "expires_at": info.expires_at,
        "result": None if info.result is None else Bytes.of(info.result),
        "headers": info.headers,
        "group": info.group,
        "crashes": info.crashes,
        "soft_failures": info.soft_failures,
        "progress": progress and Progress(fraction=progress.fraction, text=progress.text, at=progress.at),
        "is_orphaned": info.is_orphaned,
    }


def task_details(record: TaskRecord, *, raw: bool) -> TaskDetails:
    return TaskDetails(
        **{**_fields(record.info), "timeout_s": record.timeout.total_seconds()},
        lock=None if record.lock is None else _lock_row(record.lock),
        lease_until=record.lease_until,
        worker=None if record.worker is None else _worker_row(record.worker),
        tick=record.tick,
        schedule=record.schedule,
        archived_at=record.archived_at,
        attempts=[AttemptDocument.of(one) for one in record.attempts],
        raw={name: Bytes.of(value) for name, value in record.fields.items()} if raw else None,
    )


def _lock_row(lock: Lock) -> LockRow:
    return LockRow(key=lock.key, holder=lock.holder, left_s=None if lock.left is None else lock.left.total_seconds())


def _worker_row(worker: WorkerInfo) -> WorkerRow:
    return WorkerRow(
        server_id=worker.server_id,
        host=worker.host,
        pid=worker.pid,
        started_at=worker.started_at,
        deadline=worker.deadline,
    )


def enqueued_row(enqueued: Enqueued) -> EnqueuedRow:
    return EnqueuedRow(
        id=enqueued.id,
        queue=enqueued.queue,
        type=enqueued.type,
        state=enqueued.state.value,
        process_at=enqueued.process_at,
    )
