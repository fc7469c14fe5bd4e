"""
The records that asynq's tools read: servers, workers, schedules and their fires (protocol §2.2–2.6).

Instants are nanoseconds since 1970, exact as on the wire; `None` is Go's zero time, "never". Every timestamp
is always written: older readers drop a record that lacks one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from google.protobuf.timestamp_pb2 import Timestamp

from onebeat.wire import asynq_pb2

NEVER_S = -62_135_596_800
"""Year 1, which Go takes for "not set"."""

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ns(moment: datetime) -> int:
    """Turn an aware datetime into nanoseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def to_datetime(ns: int) -> datetime:
    """Turn nanoseconds since 1970 into a datetime in UTC, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def _stamp(ns: int | None) -> Timestamp:
    return Timestamp(seconds=NEVER_S) if ns is None else Timestamp(seconds=ns // _SECOND, nanos=ns % _SECOND)


def _ns(stamp: Timestamp) -> int | None:
    return None if stamp.seconds == NEVER_S else stamp.seconds * _SECOND + stamp.nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """A server process. `queues` are the configured weights, `status` new, active, stopped or closed."""

    host: str
    pid: int
    server_id: str
    concurrency: int
    queues: Mapping[str, int]
    strict_priority: bool = False
    status: str = "active"
    start_time: int
    active_worker_count: int = 0

    def encode(self) -> bytes:
        return asynq_pb2.ServerInfo(
            host=self.host,
            pid=self.pid,
            server_id=self.server_id,
            concurrency=self.concurrency,
            queues=self.queues,
            strict_priority=self.strict_priority,
            status=self.status,
            start_time=_stamp(self.start_time),
            active_worker_count=self.active_worker_count,
        ).SerializeToString(deterministic=True)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        read = asynq_pb2.ServerInfo.FromString(data)
        return cls(
            host=read.host,
            pid=read.pid,
            server_id=read.server_id,
            concurrency=read.concurrency,
            queues=dict(read.queues),
            strict_priority=read.strict_priority,
            status=read.status,
            start_time=_ns(read.start_time) or 0,
            active_worker_count=read.active_worker_count,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A task that runs on a server."""

    host: str
    pid: int
    server_id: str
    task_id: str
    task_type: str
    task_payload: bytes = b""
    queue: str
    start_time: int
    deadline: int

    def encode(self) -> bytes:
        return asynq_pb2.WorkerInfo(
            host=self.host,
            pid=self.pid,
            server_id=self.server_id,
            task_id=self.task_id,
            task_type=self.task_type,
            task_payload=self.task_payload,
            queue=self.queue,
            start_time=_stamp(self.start_time),
            deadline=_stamp(self.deadline),
        ).SerializeToString(deterministic=True)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        read = asynq_pb2.WorkerInfo.FromString(data)
        return cls(
            host=read.host,
            pid=read.pid,
            server_id=read.server_id,
            task_id=read.task_id,
            task_type=read.task_type,
            task_payload=read.task_payload,
            queue=read.queue,
            start_time=_ns(read.start_time) or 0,
            deadline=_ns(read.deadline) or 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRecord:
    """A schedule as asynq's tools list it. `enqueue_options` in Go's text form (`gotext.option`)."""

    id: str
    spec: str
    task_type: str
    task_payload: bytes = b""
    enqueue_options: Sequence[str] = field(default_factory=list)
    next_enqueue_time: int | None = None
    prev_enqueue_time: int | None = None

    def encode(self) -> bytes:
        return asynq_pb2.SchedulerEntry(
            id=self.id,
            spec=self.spec,
            task_type=self.task_type,
            task_payload=self.task_payload,
            enqueue_options=self.enqueue_options,
            next_enqueue_time=_stamp(self.next_enqueue_time),
            prev_enqueue_time=_stamp(self.prev_enqueue_time),
        ).SerializeToString(deterministic=True)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        read = asynq_pb2.SchedulerEntry.FromString(data)
        return cls(
            id=read.id,
            spec=read.spec,
            task_type=read.task_type,
            task_payload=read.task_payload,
            enqueue_options=list(read.enqueue_options),
            next_enqueue_time=_ns(read.next_enqueue_time),
            prev_enqueue_time=_ns(read.prev_enqueue_time),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueEventRecord:
    """That a schedule enqueued a task."""

    task_id: str
    enqueue_time: int

    def encode(self) -> bytes:
        return asynq_pb2.SchedulerEnqueueEvent(
            task_id=self.task_id, enqueue_time=_stamp(self.enqueue_time)
        ).SerializeToString(deterministic=True)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        read = asynq_pb2.SchedulerEnqueueEvent.FromString(data)
        return cls(task_id=read.task_id, enqueue_time=_ns(read.enqueue_time) or 0)
