"""All that is known of one task, and where a task is of which only the id is known: procedures for both inspectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from onebeat.broker import browse
from onebeat.errors import BrokerError
from onebeat.inspector import fleet, reading
from onebeat.inspector.history import kept
from onebeat.inspector.models import WorkerInfo
from onebeat.inspector.series_models import Attempt
from onebeat.inspector.showing import at, instant, task_info
from onebeat.inspector.steps import Procedure, alone, ask, ask_each, command
from onebeat.options import text
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.wire import keys
from onebeat.wire.attempts import FIELD
from onebeat.wire.message import UndecodableMessage, decode

STEP = 200
"""Queues that are asked at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """
    The unique lock that a task took.

    Attributes:
        key: Its key in the store.

        holder: The id of the task that holds it now; "" if none does.

        left: How long it still holds; None: without end, or not at all.

        until: When it ends, by the store's clock; None: as `left`.
    """

    key: str
    holder: str
    left: timedelta | None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """
    All that is known of a task.

    Attributes:
        info: The task.

        lock: Its unique lock, if it took one.

        lease_until: Until when its server has it, if it runs.

        worker: Which server runs it since when, as far as that server says so.

        timeout: Its timeout, exact where the message holds whole seconds alone.

        tick: The instant of the schedule that made it.

        schedule: The id of that schedule, if Onebeat fired it.

        archived_at: When it was archived.

        joined_at: When it joined the group that it waits in, to the second; None of one that is being aggregated.

        fields: Its record as it stands in the store, by field; `msg` is the message.

        unread: What beside it could not be read, since what stands in the store is damaged: a sentence each.
    """

    info: TaskInfo
    lock: Lock | None
    lease_until: datetime | None
    worker: WorkerInfo | None
    timeout: timedelta
    tick: datetime | None
    schedule: str
    archived_at: datetime | None
    fields: Mapping[str, bytes]
    joined_at: datetime | None = None
    unread: tuple[str, ...] = ()

    @property
    def attempts(self) -> list[Attempt]:
        """What is kept of past attempts, the oldest first; servers of Go keep none."""
        return kept(self.fields.get(FIELD))


def locate(task_id: str) -> Procedure[list[TaskInfo]]:
    """Find the tasks of an id, in whichever queues: ids are unique in one queue only."""
    text("task id", task_id)
    queues = yield from reading.queues()
    found: list[TaskInfo] = []
    damaged: BrokerError | None = None
    for start in range(0, len(queues), STEP):
        part = queues[start : start + STEP]
        answers = yield from ask_each([browse.info(queue, task_id) for queue in part])
        for queue, raw in zip(part, answers, strict=True):
            if isinstance(raw, BrokerError):
                damaged = raw
            elif raw is not None:
                found.append(task_info(queue, task_id, raw))
    if damaged is not None and not found:
        raise damaged
    return found


def record(queue: str, task_id: str) -> Procedure[TaskRecord]:
    raw = yield from ask(browse.info(text("queue name", queue), text("task id", task_id)))
    if raw is None:
        raise reading.not_found(queue, task_id)
    info = task_info(queue, task_id, raw)
    told = yield from command("HGETALL", keys.task(queue, task_id))
    fields = _pairs(told)
    unread: list[str] = []
    lease = yield from alone(_score(queue, "lease", task_id), unread)
    archived = (
        (yield from alone(_score(queue, "archived", task_id), unread)) if info.state is TaskState.ARCHIVED else None
    )
    is_member = info.state is TaskState.AGGREGATING and info.group
    joined = (yield from alone(_score(queue, f"g:{info.group}", task_id), unread)) if is_member else None
    tick = info.headers.get("tick") or fields.get("ob_tick", b"").decode("utf-8", "replace")
    schedule, _, digits = task_id.rpartition(":")
    timeout_ms = fields.get("ob_timeout_ms", b"")
    return TaskRecord(
        info=info,
        lock=(yield from alone(_lock(queue, fields), unread)),
        lease_until=lease if info.state is TaskState.ACTIVE else None,
        worker=(yield from alone(_worker(queue, task_id), unread)) if info.state is TaskState.ACTIVE else None,
        timeout=timedelta(milliseconds=int(timeout_ms)) if _is_number(timeout_ms) else info.timeout,
        tick=instant(int(tick) / 1000) if _is_number(tick.encode()) else None,
        schedule=schedule if tick and digits == tick else "",
        archived_at=archived,
        fields=fields,
        unread=tuple(unread),
        joined_at=joined,
    )


def _is_number(data: bytes) -> bool:
    return data.isdigit() and len(data) < 16


def _pairs(told: object) -> dict[str, bytes]:
    items = (
        told.items()
        if isinstance(told, dict)
        else zip(*[iter(told if isinstance(told, list) else [])] * 2, strict=True)
    )
    return {name.decode("utf-8", "replace"): value for name, value in items}


def _score(queue: str, suffix: str, task_id: str) -> Procedure[datetime | None]:
    score = yield from command("ZSCORE", keys.root(queue) + suffix, task_id)
    return None if score is None else at(float(score))


def _lock(queue: str, fields: Mapping[str, bytes]) -> Procedure[Lock | None]:
    key = fields.get("unique_key", b"").decode("utf-8", "replace")
    if not key:
        try:
            key = decode(fields.get("msg", b"")).unique_key
        except UndecodableMessage:
            return None
    if not key:
        return None
    if f"{{{queue}}}" not in key:  # of no queue, or of another one: a node of a cluster need not have it
        told, left = (yield from command("GET", key)), int((yield from command("PTTL", key)))
        return Lock(key=key, holder=_text(told), left=timedelta(milliseconds=left) if left >= 0 else None)
    holder, left, until_ms = yield from ask(browse.lock(queue, key))
    if left < 0:
        return Lock(key=key, holder=holder, left=None)
    return Lock(key=key, holder=holder, left=timedelta(milliseconds=left), until=at(until_ms / 1000))


def _text(told: bytes | None) -> str:
    return told.decode("utf-8", "replace") if told is not None else ""


def _worker(queue: str, task_id: str) -> Procedure[WorkerInfo | None]:
    for server in (yield from fleet.servers()):
        for worker in server.workers:
            if (worker.queue, worker.task_id) == (queue, task_id):
                return worker
    return None
