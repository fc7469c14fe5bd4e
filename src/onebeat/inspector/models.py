"""What the inspector shows beside tasks: queues, servers, schedules, what a search found, how far a bulk is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from onebeat.states import TaskState
from onebeat.task import TaskInfo


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
    """

    queue: str
    name: str
    size: int
    staged: int


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
class Found:
    """
    What one step of a search found.

    Attributes:
        tasks: Tasks that fit.

        scanned: How many were looked at so far, from the first step on, over all searches that a cursor joins.

        total: How many there are to look at; while tasks come and go, about.

        cursor: What `search` goes on with behind the last of these tasks; "" when all was looked at.
    """

    tasks: tuple[TaskInfo, ...]
    scanned: int
    total: int
    cursor: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """
    One task that something is to be done to.

    Attributes:
        queue, id: Which.

        state, stamp: What it was when it was chosen: it is left alone if it is no more.
    """

    queue: str
    id: str
    state: TaskState
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """
    The tasks that something is to be done to, as `select` found them.

    Attributes:
        action: What: "run", "archive", "delete", "cancel" or "update".

        filter: By which they were found.

        tasks: Which.

        first: The first ten, whole, to be looked at.

        scanned: How many tasks were looked at.

        is_whole: Whether all were; else the limit was reached, and there may be more.
    """

    action: str
    filter: str
    tasks: tuple[Chosen, ...]
    first: tuple[TaskInfo, ...]
    scanned: int
    is_whole: bool

    @property
    def counts(self) -> dict[tuple[str, TaskState], int]:
        """How many there are by queue and state."""
        return dict(Counter((task.queue, task.state) for task in self.tasks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """
    How far something is that is done to a selection.

    Attributes:
        action, total: What, to how many tasks.

        done: Tasks it was done to.

        skipped: Tasks left alone, since they were no more what they were when they were chosen.

        failed: Tasks it could not be done to, and `why` not to the first of them.
    """

    action: str
    total: int
    done: int
    skipped: int
    failed: int
    why: str = ""

    @property
    def left(self) -> int:
        """How many were not tried yet."""
        return self.total - self.done - self.skipped - self.failed
