"""Who serves and who schedules: each a procedure for both inspectors. Nothing is written (SE-50)."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from onebeat.broker import browse, presence
from onebeat.broker.connection import Endpoint
from onebeat.errors import BrokerError, BrokerUnavailable, InvalidTask, shown
from onebeat.inspector.models import (
    GroupRule,
    LostServer,
    ScheduleEntry,
    ScheduleEvent,
    ServerInfo,
    ServerSheet,
    WorkerInfo,
)
from onebeat.inspector.reading import EVERYTHING, LAST_PAGE, bounds
from onebeat.inspector.showing import at
from onebeat.inspector.steps import Procedure, ask, ask_each, command
from onebeat.options import DEFAULT_QUEUE, text
from onebeat.wire import keys
from onebeat.wire.records import EnqueueEventRecord, EntryRecord, ServerRecord, WorkerRecord
from onebeat.wire.sheet import SheetRecord

log: logging.Logger = logging.getLogger("onebeat.inspector")

R = TypeVar("R", ServerRecord, WorkerRecord, EntryRecord, EnqueueEventRecord, SheetRecord)

_GO = re.compile(r"^\{[^{}]*:\d+:[0-9a-f]{8}-[0-9a-f-]{27}\}$")
"""The id of a scheduler of Go, as it stands in its key; ours are "{queue}"."""

CHUNK = 500
"""Events read by one command."""

SERVERS_STEP = 200
"""Servers that are looked at in one round trip."""

MAX_LOST = 100
"""Servers that fell silent which are listed."""

MAX_WITHIN_S = 366 * 86_400


def _instant(ns: int) -> Any:
    return at(ns / 1_000_000_000)


def _decoded(kind: type[R], records: Iterable[bytes], where: str) -> list[R]:
    found: list[R] = []
    for data in records:
        try:
            found.append(kind.decode(data))
        except (DecodeError, ValueError) as error:
            log.warning("%s holds a record of %d bytes that is none, and is not shown: %s", where, len(data), error)
    return found


def now() -> Procedure[datetime]:
    return at((yield from ask(browse.now(DEFAULT_QUEUE))) / 1_000_000)


def _listed(index: str) -> Procedure[list[str]]:
    """Return the keys that an index says live."""
    now_s = (yield from ask(browse.now(DEFAULT_QUEUE))) // 1_000_000
    names = yield from command("ZRANGEBYSCORE", index, now_s, "+inf")
    return [name.decode("utf-8", "replace") for name in names]


def servers() -> Procedure[list[ServerInfo]]:
    now_s = (yield from ask(browse.now(DEFAULT_QUEUE))) // 1_000_000
    listed = _scored((yield from command("ZRANGEBYSCORE", keys.SERVERS, now_s, "+inf", "WITHSCORES")))
    found: list[ServerInfo] = []
    for start in range(0, len(listed), SERVERS_STEP):
        part = listed[start : start + SERVERS_STEP]
        answers = yield from ask_each([presence.attendance(tag_of(key)) for key, _ in part])
        for (key, expires), answer in zip(part, answers, strict=True):
            if isinstance(answer, BrokerError):
                log.warning("%s is not shown: %s", key, answer)
            else:
                found += _attending(key, answer, at(expires - presence.SHOWN_FOR_S))
    return sorted(found, key=lambda server: (server.host, server.pid, server.id))


def _attending(key: str, shown: presence.Attendance, seen_at: datetime) -> list[ServerInfo]:
    """Return a server as it shows itself; nothing if it is gone, or shows what is no record."""
    workers = [_worker(record) for record in _decoded(WorkerRecord, shown.workers, key)]
    sheets = [_sheet(record) for record in _decoded(SheetRecord, [shown.sheet] if shown.sheet else [], key)]
    records = _decoded(ServerRecord, [shown.server] if shown.server else [], key)
    return [_server(record, workers, sheets[0] if sheets else None, seen_at) for record in records]


def _worker(record: WorkerRecord) -> WorkerInfo:
    return WorkerInfo(
        server_id=record.server_id,
        host=record.host,
        pid=record.pid,
        queue=record.queue,
        task_id=record.task_id,
        task_type=record.task_type,
        payload=record.task_payload,
        started_at=_instant(record.start_time),
        deadline=_instant(record.deadline),
    )


def _sheet(record: SheetRecord) -> ServerSheet:
    def span(ms: float | None) -> Any:
        return None if ms is None else timedelta(milliseconds=ms)

    return ServerSheet(
        version=record.version,
        application=record.application,
        patterns=record.patterns,
        groups=record.groups,
        is_cut=record.is_cut,
        takes_all=record.takes_all,
        is_draining=record.is_draining,
        given_up=record.given_up,
        clock_ahead=span(record.clock_ahead_ms),
        round_trip=span(record.round_trip_ms),
        loop_lag=span(record.loop_lag_ms),
        loop_blocked=span(record.loop_blocked_ms),
        lease=span(record.lease_ms),
        archive_size=record.archive_size,
        archive_age_s=record.archive_age_s,
        rules=_rules(record),
    )


def _rules(record: SheetRecord) -> tuple[GroupRule, ...]:
    if len(record.rules) != len(record.groups):
        return ()
    return tuple(
        GroupRule(start=start, grace=timedelta(milliseconds=grace), max_delay=timedelta(milliseconds=delay), max_size=n)
        for start, (grace, delay, n) in zip(record.groups, record.rules, strict=True)
    )


def _server(
    record: ServerRecord, workers: list[WorkerInfo], sheet: ServerSheet | None, seen_at: datetime
) -> ServerInfo:
    return ServerInfo(
        id=record.server_id,
        host=record.host,
        pid=record.pid,
        concurrency=record.concurrency,
        queues=dict(record.queues),
        strict_priority=record.strict_priority,
        status=record.status,
        started_at=_instant(record.start_time),
        active_workers=record.active_worker_count,
        workers=tuple(sorted(workers, key=lambda worker: (worker.started_at, worker.queue, worker.task_id))),
        sheet=sheet,
        seen_at=seen_at,
    )


def lost_servers(within: object) -> Procedure[list[LostServer]]:
    seconds = _seconds(within)
    now_s = (yield from ask(browse.now(DEFAULT_QUEUE))) // 1_000_000
    first = now_s - seconds
    words = (keys.SERVERS, f"({now_s}", first, "WITHSCORES", "LIMIT", 0, MAX_LOST)
    found = []
    for key, expired in _scored((yield from command("ZREVRANGEBYSCORE", *words))):
        place, _, id_ = tag_of(key).rpartition(":")
        host, _, pid = place.rpartition(":")
        if pid.isascii() and pid.isdigit():
            found.append(LostServer(id=id_, host=host, pid=int(pid), seen_at=at(expired - presence.SHOWN_FOR_S)))
    return found


def _seconds(within: object) -> int:
    length = within.total_seconds() if isinstance(within, timedelta) else within
    if isinstance(length, bool) or not isinstance(length, (int, float)) or not 0 < length <= MAX_WITHIN_S:
        raise InvalidTask(f"within is {shown(within)}: give seconds, or a timedelta, up to a year")
    return math.ceil(length)


def tag_of(key: str) -> str:
    """Return "host:pid:id" out of the key of a server."""
    return key.removeprefix(keys.server("").removesuffix("{}")).removeprefix("{").removesuffix("}")


def _scored(answer: Any) -> list[tuple[str, float]]:
    """Read members with scores, in either form of the protocol."""
    pairs = answer
    if not (answer and isinstance(answer[0], (list, tuple))):
        pairs = zip(answer[::2], answer[1::2], strict=True)
    return [(name.decode("utf-8", "replace"), float(score)) for name, score in pairs]


def schedules() -> Procedure[list[ScheduleEntry]]:
    found: list[ScheduleEntry] = []
    for key in (yield from _listed(keys.SCHEDULERS)):
        try:
            told = yield from command("LRANGE", key, 0, -1)
        except BrokerUnavailable:
            raise
        except BrokerError as error:
            log.warning("the schedules of %s are not shown: %s", key, error)
            continue
        records = _decoded(EntryRecord, told, key)
        found += [_entry(record, _keeper(key)) for record in records]
    return sorted(found, key=lambda entry: (entry.next_at is None, entry.next_at or 0, entry.id))


def _keeper(key: str) -> str:
    """Return who keeps a list of schedules: a scheduler of Go by its id, which its key has in braces, or "{queue}"."""
    name = key.removeprefix(keys.schedulers(""))
    return name.strip("{}") if _GO.match(name) else name


def _entry(record: EntryRecord, scheduler: str) -> ScheduleEntry:
    return ScheduleEntry(
        id=record.id,
        spec=record.spec,
        task_type=record.task_type,
        payload=record.task_payload,
        options=tuple(record.enqueue_options),
        next_at=None if record.next_enqueue_time is None else _instant(record.next_enqueue_time),
        last_at=None if record.prev_enqueue_time is None else _instant(record.prev_enqueue_time),
        scheduler=scheduler,
    )


def events(entry_id: str, page: object, size: object) -> Procedure[list[ScheduleEvent]]:
    key = keys.scheduler_history(text("schedule id", entry_id))
    first, wanted = bounds(page, size)
    if first == LAST_PAGE:
        first = max(0, int((yield from command("ZCARD", key))) - wanted)
    if wanted == EVERYTHING:
        wanted = int((yield from command("ZCARD", key)))
    records: list[bytes] = []
    for start in range(first, first + wanted, CHUNK):
        part = yield from command("ZREVRANGE", key, start, min(start + CHUNK, first + wanted) - 1)
        records += part
        if not part:
            break
    return [
        ScheduleEvent(task_id=event.task_id, enqueued_at=_instant(event.enqueue_time))
        for event in _decoded(EnqueueEventRecord, records, key)
    ]


def address(where: Endpoint) -> str:
    """Say where a store is that is no cluster: "host:port", or what else it is known by."""
    host, port = where.settings.get("host"), where.settings.get("port")
    return f"{host}:{port}" if host and port else where.shown


def nodes(queue: str, alone: str) -> Procedure[list[str]]:
    """
    Find the nodes that hold a queue, the one that takes writes first; `alone` where the store is no cluster.

    Raises:
        BrokerError: No node of the cluster holds it now.
    """
    slot = keys.slot(keys.root(text("queue name", queue)))
    info = yield from command("INFO", "cluster")
    if not int(info.get("cluster_enabled", 0)):
        return [alone]
    for start, end, *holders in (yield from command("CLUSTER", "SLOTS")):
        if int(start) <= slot <= int(end):
            return [f"{_text(holder[0])}:{int(holder[1])}" for holder in holders]
    raise BrokerError(f"slot {slot} of queue {queue!r} is held by no node of the cluster: see CLUSTER SLOTS")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
