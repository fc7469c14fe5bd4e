"""What the inspector shows beside tasks: queues' days and groups, servers with what they run, schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from onebeat.broker.browse import QueueStats


@dataclass(frozen=True, slots=True, kw_only=True)
class DayStats:
    """
    What a queue did on one day (asynq: `DailyStats`).

    Attributes:
        queue: Which.

        day: The day in UTC, by the store's clock.

        processed: Attempts, failed ones among them.

        failed: Failed attempts.
    """

    queue: str
    day: date
    processed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInfo:
    """
    The tasks of one group that wait to be aggregated (asynq: `GroupInfo`).

    Attributes:
        queue, name: Which.

        size: Tasks that wait in it.

        staged: Tasks that were taken out of it and are being aggregated.

        oldest_at, newest_at: When the first and the last of those that wait joined, to the second; None: none waits, or
            it was not asked for.
    """

    queue: str
    name: str
    size: int
    staged: int
    oldest_at: datetime | None = None
    newest_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsFound:
    """
    The groups of several queues.

    Attributes:
        groups: By queue and name.

        cut: The queues that have more groups than are here.

        failed: Why the groups of a queue could not be read, by queue.
    """

    groups: tuple[GroupInfo, ...]
    cut: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """
    When a server aggregates groups.

    Attributes:
        start: What their names begin with; "" is all.

        grace: For how long nobody must have joined.

        max_delay: How long the first to join waits at most; zero: no limit.

        max_size: The size at which it waits no longer; 0: no limit.
    """

    start: str
    grace: timedelta
    max_delay: timedelta
    max_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """
    A task that runs on a server (asynq: `WorkerInfo`).

    Attributes:
        server_id, host, pid: Which server.

        queue, task_id, task_type: Which task.

        payload: Its payload; servers of Onebeat show the first 16 kB.

        started_at: When the server began it.

        deadline: When it must be done.
    """

    server_id: str
    host: str
    pid: int
    queue: str
    task_id: str
    task_type: str
    payload: bytes
    started_at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSheet:
    """
    What a server of Onebeat says of itself, as it was at its last sign of life, every five seconds.

    Attributes:
        version: Of Onebeat.

        application: The name of its application; "" of a plain server.

        patterns: What the task types begin with that it has handlers for.

        groups: What the names of the groups begin with that it aggregates.

        rules: When it aggregates those, the longest start first; of an Onebeat before 0.6 nothing is known.

        is_cut: It has more patterns or groups than are shown here: about 12 kB of each.

        takes_all: It has a handler for whatever has no other (`not_found`).

        is_draining: It takes no more tasks, and ends those it runs.

        given_up: Handlers that do not end although they were stopped; each holds a slot.

        clock_ahead: By how much its clock is ahead of the store's, to within half of `round_trip`; None: not measured
            yet.

        round_trip: How long the store took to answer it; None: not measured yet.

        loop_lag: How late its event loop's turn came, when it was last asked for one.

        loop_blocked: For how long its event loop has had no turn; zero: it turns.

        lease: For how long it holds what it takes without another word.

        archive_size, archive_age_s: What it has archives keep, tasks and seconds; 0: any number, for ever.
    """

    version: str
    application: str
    patterns: tuple[str, ...]
    groups: tuple[str, ...]
    is_cut: bool
    takes_all: bool
    is_draining: bool
    given_up: int
    clock_ahead: timedelta | None
    round_trip: timedelta | None
    loop_lag: timedelta
    loop_blocked: timedelta
    lease: timedelta
    archive_size: int
    archive_age_s: int
    rules: tuple[GroupRule, ...] = ()

    def may_handle(self, task_type: str) -> bool:
        """Whether it has a handler for a type, or may have one that is not shown."""
        return self.is_cut or self.takes_all or task_type.startswith(self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """
    A server that said within ten seconds that it lives, Onebeat's or Go's (asynq: `ServerInfo`).

    Attributes:
        id, host, pid: Which.

        concurrency: How many tasks it runs at once.

        queues: The weights of its queues.

        strict_priority: Whether a queue is served only while those of more weight are empty.

        status: "active", or "new", "stopped" (it takes no more tasks), "closed".

        started_at: When it started.

        active_workers: How many tasks it ran when it last said so.

        workers: Those tasks, longest running first.

        sheet: What it says of itself; None: it is a server of Go, or of an older Onebeat.

        seen_at: When it last gave a sign of life, to the second; a server of Go says so by its own clock.
    """

    id: str
    host: str
    pid: int
    concurrency: int
    queues: Mapping[str, int]
    strict_priority: bool
    status: str
    started_at: datetime
    active_workers: int
    workers: tuple[WorkerInfo, ...]
    sheet: ServerSheet | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostServer:
    """
    A server that fell silent without leaving: it was killed, its host is down or cut off, or it is frozen.

    Attributes:
        id, host, pid: Which.

        seen_at: When it last gave a sign of life, to the second.
    """

    id: str
    host: str
    pid: int
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEntry:
    """
    A schedule that some scheduler keeps, Onebeat's or Go's (asynq: `SchedulerEntry`).

    Attributes:
        id: By which `events` finds its fires. Go's are new with each start; Onebeat's are "{queue}:id".

        spec: The cron expression or interval, as it was given.

        task_type, payload: What it enqueues; servers of Onebeat show the first kB of the payload.

        options: With which options, in Go's text form, such as `Queue("low")`.

        next_at: When it fires next; None: never.

        last_at: When it fired last; None: not yet.

        scheduler: Who keeps it: "host:pid:uuid", or "{queue}" of Onebeat's, which any server fires.
    """

    id: str
    spec: str
    task_type: str
    payload: bytes
    options: tuple[str, ...]
    next_at: datetime | None
    last_at: datetime | None
    scheduler: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEvent:
    """
    That a schedule fired (asynq: `SchedulerEnqueueEvent`).

    Attributes:
        task_id: The task that it enqueued.

        enqueued_at: When.
    """

    task_id: str
    enqueued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreInfo:
    """
    What a store says of itself.

    Attributes:
        address: Where it is, without a password.

        kind: "redis" or "valkey".

        version: Of its server; of a cluster, that of the node that was asked.

        uptime: How long it has run.

        clients: Connections to it.

        memory, memory_peak: Bytes that it uses, and the most it ever used.

        memory_limit: Bytes that it may use; None: it has no limit.

        cluster_state: "ok" or "fail"; "" where the store is no cluster. Of a cluster, clients and memory are those
            of the node that was asked.

        cluster_nodes, cluster_size: Nodes that it knows, and primaries that have slots; 0 where it is no cluster.
    """

    address: str
    kind: str
    version: str
    uptime: timedelta
    clients: int
    memory: int
    memory_peak: int
    memory_limit: int | None
    cluster_state: str = ""
    cluster_nodes: int = 0
    cluster_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDetails:
    """
    All that one asks first of a queue.

    Attributes:
        queue: Which.

        stats: What it holds and did.

        paused_since: When it was paused; None: it is not, or nobody wrote since when.

        memory: Estimated bytes that it takes; None: the store does not tell.

        memory_refusal: Why it does not; "" if it does.

        groups: Its groups, by name.

        servers: Those that serve it.

        types: How many of the sampled tasks are of each type, the most frequent first.

        sampled: How many pending tasks were looked at for it, the next to run first.

        next_due: When the first scheduled or retried task is due; None: there is none.

        unread: What could not be read, since what stands in the store is damaged: a sentence each, with the key and the
            remedy. What a key of a foreign type should hold counts as nothing.
    """

    queue: str
    stats: QueueStats
    paused_since: datetime | None
    memory: int | None
    memory_refusal: str
    groups: tuple[GroupInfo, ...]
    servers: tuple[ServerInfo, ...]
    types: Mapping[str, int]
    sampled: int
    next_due: datetime | None
    unread: tuple[str, ...] = ()
