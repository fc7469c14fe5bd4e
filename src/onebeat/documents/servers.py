"""Servers."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import msgspec

from onebeat.documents.values import Bytes, Instant
from onebeat.inspector.models import ServerInfo, WorkerInfo


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """
    A server that lives.

    Attributes:
        id, host, pid: Which; either the id or "host:pid" names it.

        library, version, application: "onebeat", its version, and the name of its application, null if it has none; of
            "asynq", or an Onebeat before 0.5, the other two are null.

        status: active, or new, stopped (it takes no more tasks), closed.

        busy, concurrency: Slots in which tasks run, and all.

        queues, strict_priority: The weights of its queues, and whether weight goes strictly first.

        started: When.
    """

    id: str
    host: str
    pid: int
    library: str
    version: str | None
    application: str | None
    status: str
    busy: int
    concurrency: int
    queues: dict[str, int]
    strict_priority: bool
    started: Instant

    @classmethod
    def of(cls, info: ServerInfo) -> Self:
        return cls(
            id=info.id,
            host=info.host,
            pid=info.pid,
            library="asynq" if info.sheet is None else "onebeat",
            version=None if info.sheet is None else info.sheet.version,
            application=None if info.sheet is None else info.sheet.application or None,
            status=info.status,
            busy=info.active_workers,
            concurrency=info.concurrency,
            queues=dict(info.queues),
            strict_priority=info.strict_priority,
            started=info.started_at,
        )


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A task that runs: for how long, and when it must be done. Onebeat shows the first 16 kB of its payload."""

    task_id: str
    queue: str
    type: str
    payload: Bytes
    started: Instant
    elapsed_s: float
    deadline: Instant

    @classmethod
    def of(cls, info: WorkerInfo, now: datetime) -> Self:
        return cls(
            task_id=info.task_id,
            queue=info.queue,
            type=info.task_type,
            payload=Bytes.of(info.payload),
            started=info.started_at,
            elapsed_s=round((now - info.started_at).total_seconds(), 3),
            deadline=info.deadline,
        )


class ServerDetails(msgspec.Struct, frozen=True, kw_only=True):
    """
    All of one server.

    Attributes:
        server: As `server ls` has it.

        types, groups: What the types and groups that it handles begin with; null: not known. `is_cut`: there are more.

        clock_ahead_ms, loop_lag_ms: By how much its clock is ahead of the store's, and its event loop was late; null:
            not known.

        workers: What it runs, longest first.
    """

    server: Server
    types: list[str] | None
    groups: list[str] | None
    is_cut: bool
    clock_ahead_ms: float | None
    loop_lag_ms: float | None
    workers: list[Worker]

    @classmethod
    def of(cls, info: ServerInfo, now: datetime) -> Self:
        sheet = info.sheet
        ahead = None if sheet is None or sheet.clock_ahead is None else sheet.clock_ahead.total_seconds() * 1000
        return cls(
            server=Server.of(info),
            types=None if sheet is None else list(sheet.patterns),
            groups=None if sheet is None else list(sheet.groups),
            is_cut=sheet is not None and sheet.is_cut,
            clock_ahead_ms=ahead,
            loop_lag_ms=None if sheet is None else sheet.loop_lag.total_seconds() * 1000,
            workers=[Worker.of(worker, now) for worker in info.workers],
        )
