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
from onebeat.inspector.steps import Procedure, ask, ask_each, command
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
    """

    key: str
    holder: str
    left: timedelta | None


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

        fields: Its record as it stands in the store, by field; `msg` is the message.
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

    @property
    def attempts(self) -> list[Attempt]:
        """What is kept of past attempts, the oldest first; servers of Go keep none."""
        return kept(self.fields.get(FIELD))


def locate(task_id: str) -> Procedure[list[TaskInfo]]:
    """Find the tasks of an id, in whichever queues: ids are unique in one queue only."""
    text("task id", task_id)
    queues = yield from reading.queues()
    found: list[TaskInfo] = []
    for start in range(0, len(queues), STEP):
        part = queues[start : start + STEP]
        answers = yield from ask_each([browse.info(queue, task_id) for queue in part])
        for queue, raw in zip(part, answers, strict=True):
            if isinstance(raw, BrokerError):
                raise raw
            if raw is not None:
                found.append(task_info(queue, task_id, raw))
    return found


def record(queue: str, task_id: str) -> Procedure[TaskRecord]:
    raw = yield from ask(browse.info(text("queue name", queue), text("task id", task_id)))
    if raw is None:
        raise reading.not_found(queue, task_id)
    info = task_info(queue, task_id, raw)
    told = yield from command("HGETALL", keys.task(queue, task_id))
    fields = _pairs(told)
    lease = yield from _score(queue, "lease", task_id)
    archived = (yield from _score(queue, "archived", task_id)) if info.state is TaskState.ARCHIVED else None
    tick = info.headers.get("tick") or fields.get("ob_tick", b"").decode("utf-8", "replace")
    schedule, _, digits = task_id.rpartition(":")
    timeout_ms = fields.get("ob_timeout_ms", b"")
    return TaskRecord(
        info=info,
        lock=(yield from _lock(fields)),
        lease_until=lease if info.state is TaskState.ACTIVE else None,
        worker=(yield from _worker(queue, task_id)) if info.state is TaskState.ACTIVE else None,
        timeout=timedelta(milliseconds=int(timeout_ms)) if _is_number(timeout_ms) else info.timeout,
        tick=instant(int(tick) / 1000) if _is_number(tick.encode()) else None,
        schedule=schedule if tick and digits == tick else "",
        archived_at=archived,
        fields=fields,
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


def _lock(fields: Mapping[str, bytes]) -> Procedure[Lock | None]:
    key = fields.get("unique_key", b"").decode("utf-8", "replace")
    if not key:
        try:
            key = decode(fields.get("msg", b"")).unique_key
        except UndecodableMessage:
            return None
    if not key:
        return None
    holder = yield from command("GET", key)
    left = yield from command("PTTL", key)
    return Lock(
        key=key,
        holder=holder.decode("utf-8", "replace") if holder is not None else "",
        left=timedelta(milliseconds=left) if int(left) >= 0 else None,
    )


def _worker(queue: str, task_id: str) -> Procedure[WorkerInfo | None]:
    for server in (yield from fleet.servers()):
        for worker in server.workers:
            if (worker.queue, worker.task_id) == (queue, task_id):
                return worker
    return None
