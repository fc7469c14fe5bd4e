"""Queues, groups, and the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Self

import msgspec

from onebeat.broker.browse import QueueStats
from onebeat.documents.values import Instant
from onebeat.errors import BrokerError
from onebeat.inspector.models import DayStats, GroupInfo, QueueDetails, ServerInfo, StoreInfo


class QueueCounts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a queue holds now, and did.

    Attributes:
        queue: Its name.

        size: All tasks it holds.

        pending, active, scheduled, retry, archived, completed, aggregating: Tasks in each state.

        staged: Tasks taken out of their group, which are being aggregated.

        groups: Groups that tasks wait in.

        processed_today, failed_today, processed, failed: Attempts, of this UTC day and in all; failed ones add to both.

        paused: Whether it hands out no tasks.

        latency_ms: Age of the task that runs next; 0 when none waits.
    """

    queue: str
    size: int
    pending: int
    active: int
    scheduled: int
    retry: int
    archived: int
    completed: int
    aggregating: int
    staged: int
    groups: int
    processed_today: int
    failed_today: int
    processed: int
    failed: int
    paused: bool
    latency_ms: int

    @classmethod
    def of(cls, name: str, stats: QueueStats) -> Self:
        return cls(queue=name, size=stats.size, **{field: getattr(stats, field) for field in cls.__struct_fields__[2:]})


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of all queues together; see QueueCounts. The latency is the longest."""

    queues: int
    paused: int
    size: int
    pending: int
    active: int
    scheduled: int
    retry: int
    archived: int
    completed: int
    aggregating: int
    staged: int
    processed_today: int
    failed_today: int
    processed: int
    failed: int
    latency_ms: int

    @classmethod
    def of(cls, rows: Iterable[QueueCounts]) -> Self:
        found = list(rows)
        summed = {
            name: sum(getattr(row, name) for row in found)
            for name in cls.__struct_fields__
            if name not in ("queues", "latency_ms")
        }
        return cls(queues=len(found), latency_ms=max((row.latency_ms for row in found), default=0), **summed)


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that cannot be read, since what stands in the store is damaged, and why."""

    queue: str
    error: str


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """What the store says of itself. Fields of a cluster are null elsewhere; memory and clients are of one node."""

    address: str
    kind: str
    version: str
    uptime_s: float
    clients: int
    memory_bytes: int
    memory_peak_bytes: int
    memory_limit_bytes: int | None
    cluster_state: str | None
    cluster_nodes: int | None
    cluster_size: int | None

    @classmethod
    def of(cls, info: StoreInfo) -> Self:
        is_cluster = bool(info.cluster_state)
        return cls(
            address=info.address,
            kind=info.kind,
            version=info.version,
            uptime_s=info.uptime.total_seconds(),
            clients=info.clients,
            memory_bytes=info.memory,
            memory_peak_bytes=info.memory_peak,
            memory_limit_bytes=info.memory_limit,
            cluster_state=info.cluster_state or None,
            cluster_nodes=info.cluster_nodes if is_cluster else None,
            cluster_size=info.cluster_size if is_cluster else None,
        )


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """All queues of a store at an instant. `store` is its address, `info` what it says of itself."""

    store: str
    at: Instant
    totals: Totals
    queues: list[QueueCounts]
    unreadable: list[Unreadable]
    info: Store

    @classmethod
    def of(cls, found: Mapping[str, QueueStats | BrokerError], info: StoreInfo, at: datetime) -> Self:
        rows, broken = split(found)
        return cls(
            store=info.address, at=at, totals=Totals.of(rows), queues=rows, unreadable=broken, info=Store.of(info)
        )


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue did on one UTC day: attempts, and the failed ones among them."""

    queue: str
    day: date
    processed: int
    failed: int

    @classmethod
    def of(cls, stats: DayStats) -> Self:
        return cls(queue=stats.queue, day=stats.day, processed=stats.processed, failed=stats.failed)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group: tasks that wait in it, and those that were taken out and are being aggregated."""

    queue: str
    name: str
    size: int
    staged: int

    @classmethod
    def of(cls, info: GroupInfo) -> Self:
        return cls(queue=info.queue, name=info.name, size=info.size, staged=info.staged)


class ServedBy(msgspec.Struct, frozen=True, kw_only=True):
    """A server that serves a queue, with which weight."""

    id: str
    host: str
    pid: int
    status: str
    weight: int
    strict_priority: bool
    concurrency: int
    active_workers: int

    @classmethod
    def of(cls, info: ServerInfo, queue: str) -> Self:
        same = {
            name: getattr(info, name)
            for name in ("id", "host", "pid", "status", "strict_priority", "concurrency", "active_workers")
        }
        return cls(weight=info.queues[queue], **same)


class TypeCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the sampled tasks are of a type."""

    type: str
    count: int


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """
    All of one queue.

    Attributes:
        queue: Its name.

        counts: What it holds, and did.

        paused_since: When it was paused; null: it is not, or nobody wrote since when.

        memory_bytes: An estimate; null if the store does not tell, for the reason in `memory_refusal`.

        groups, servers: Its groups, and who serves it.

        types: Of the `sampled` pending tasks that run next, how many are of each type.

        next_due: When the first scheduled or retried task is due; null: there is none.

        unread: What could not be read, since what stands in the store is damaged: a sentence each. What a key of a
            foreign type should hold counts as nothing.

        key_slot: The slot of a Redis Cluster that its keys are in.

        nodes: Who holds it, "host:port", the node that takes writes first.
    """

    queue: str
    counts: QueueCounts
    paused_since: Instant | None
    memory_bytes: int | None
    memory_refusal: str | None
    groups: list[Group]
    servers: list[ServedBy]
    types: list[TypeCount]
    sampled: int
    next_due: Instant | None
    unread: list[str]
    key_slot: int
    nodes: list[str]

    @classmethod
    def of(cls, found: QueueDetails, key_slot: int, nodes: list[str]) -> Self:
        return cls(
            queue=found.queue,
            counts=QueueCounts.of(found.queue, found.stats),
            paused_since=found.paused_since,
            memory_bytes=found.memory,
            memory_refusal=found.memory_refusal or None,
            groups=[Group.of(group) for group in found.groups],
            servers=[ServedBy.of(server, found.queue) for server in found.servers],
            types=[TypeCount(type=type_, count=count) for type_, count in found.types.items()],
            sampled=found.sampled,
            next_due=found.next_due,
            unread=list(found.unread),
            key_slot=key_slot,
            nodes=nodes,
        )


def split(found: Mapping[str, QueueStats | BrokerError]) -> tuple[list[QueueCounts], list[Unreadable]]:
    """Part what `Inspector.stats_each` returns into queues that can be read and queues that cannot."""
    rows = [QueueCounts.of(name, stats) for name, stats in found.items() if isinstance(stats, QueueStats)]
    broken = [
        Unreadable(queue=name, error=str(error)) for name, error in found.items() if not isinstance(error, QueueStats)
    ]
    return rows, broken
