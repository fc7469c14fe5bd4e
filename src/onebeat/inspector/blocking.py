"""
The inspector for code that blocks: scripts, Flask and Django views, threads.

The same procedures as the asyncio inspector's over a blocking transport, not a loop in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar, Unpack

from onebeat.broker.browse import QueueStats
from onebeat.broker.store import BlockingStore, check_source
from onebeat.clock import SystemClock
from onebeat.errors import BrokerError
from onebeat.inspector import (
    about,
    acting,
    detailing,
    fleet,
    grouping,
    history,
    reading,
    recording,
    removing,
    sizing,
    steering,
    updating,
)
from onebeat.inspector.acting import Changes
from onebeat.inspector.blocking_operating import BlockingOperating
from onebeat.inspector.blocking_overseeing import BlockingOverseeing
from onebeat.inspector.changes import UpdateOptions
from onebeat.inspector.checks.finding import Diagnosis, Repaired
from onebeat.inspector.diagnosing import BUDGET, Doctor, repairable
from onebeat.inspector.filters import Filter
from onebeat.inspector.found import Applied, Found, Selection
from onebeat.inspector.models import (
    DayStats,
    GroupInfo,
    GroupsFound,
    QueueDetails,
    ScheduleEntry,
    ScheduleEvent,
    ServerInfo,
    StoreInfo,
)
from onebeat.inspector.recording import TaskRecord
from onebeat.inspector.searching import Search, Visible, Where, as_filter
from onebeat.inspector.series_models import Attempt, Backlog, Series, SizePoint, Spark, TypeSeries
from onebeat.inspector.steering import Report
from onebeat.inspector.steps import Procedure, follow_blocking
from onebeat.inspector.store_models import StoreReport
from onebeat.inspector.store_report import Reporter
from onebeat.options import text
from onebeat.states import Cancellation, TaskState
from onebeat.sync import SyncClient, refuse_in_loop
from onebeat.task import TaskInfo
from onebeat.wire import keys

T = TypeVar("T")


class SyncInspector(BlockingOperating, BlockingOverseeing):
    """
    Looks into one store from code that blocks: the twin of `Inspector`, for any number of threads.

    Use it as `with SyncInspector(url) as inspector`, or keep one for the life of the process. It refuses to block an
    event loop: each method raises `ConfigurationError` in a thread where one runs.

    Args:
        store: A URL, a redis-py client whose settings are used, or an open `BlockingStore`.
    """

    def __init__(self, store: object = None) -> None:
        self._given: BlockingStore | None = store if isinstance(store, BlockingStore) else None
        self._connections = SyncClient(None if self._given else check_source(store))

    def __enter__(self) -> Self:
        _ = self.store
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        self._connections.close()

    @property
    def store(self) -> BlockingStore:
        """The store, opened if need be; a forked child has one of its own."""
        refuse_in_loop("SyncInspector", "use Inspector, and await it")
        return self._given or self._connections.store

    def _do(self, procedure: Procedure[T]) -> T:
        return follow_blocking(self.store, procedure)

    def queues(self) -> list[str]:
        """List the queues that anything was ever enqueued in, sorted."""
        return self._do(reading.queues())

    def check_queue(self, queue: str) -> None:
        """Make sure that a queue is known. See `Inspector.check_queue`."""
        self._do(reading.check_queue(queue))

    def stats(self, queue: str) -> QueueStats:
        """Count what a queue holds and did. See `Inspector.stats`."""
        return self._do(reading.stats(queue))

    def stats_each(self, queues: Iterable[str] | None = None) -> dict[str, QueueStats | BrokerError]:
        """Count what many queues hold and did, in a few round trips. See `Inspector.stats_each`."""
        return self._do(reading.stats_each(queues))

    def details(self, queue: str, *, sample: int = 500) -> QueueDetails:
        """Gather what one asks first of a queue. See `Inspector.details`."""
        return self._do(detailing.details(queue, sample))

    def history(self, queue: str, days: int = 10) -> list[DayStats]:
        """
        Say what a queue did on each of the last days in UTC, today first; counts are kept for 90 days. See
        `Inspector.history`.
        """
        return self._do(reading.history(queue, days))

    def series(self, queues: str | Iterable[str] | None = None, *, minutes: int = 60) -> Series:
        """Say what was done, slot by slot. See `Inspector.series`."""
        return self._do(history.series(queues, minutes))

    def types(self, queues: str | Iterable[str] | None = None, *, minutes: int = 60) -> list[TypeSeries]:
        """Say how attempts at tasks of each type went, slot by slot. See `Inspector.types`."""
        return self._do(history.types(queues, minutes))

    def sparks(self, queues: Iterable[str] | None = None, *, minutes: int = 60) -> dict[str, Spark | None]:
        """Say what many queues did in each of the last minutes. See `Inspector.sparks`."""
        return self._do(history.sparks(queues, minutes, is_spread=self.store.is_spread))

    def sizes(self, queues: str | Iterable[str] | None = None, *, minutes: int = 60) -> list[SizePoint]:
        """Say how many tasks waited, ran and failed in each of the last minutes. See `Inspector.sizes`."""
        return self._do(sizing.sizes(queues, minutes))

    def backlogs(self, queues: Iterable[str] | None = None, *, minutes: int = 60) -> dict[str, Backlog | None]:
        """Say how many tasks waited in many queues in each of the last minutes. See `Inspector.backlogs`."""
        return self._do(sizing.backlogs(queues, minutes, is_spread=self.store.is_spread))

    def sample_sizes(self) -> int:
        """Note how many tasks each queue holds now. See `Inspector.sample_sizes`."""
        return self._do(sizing.sample_sizes(is_spread=self.store.is_spread))

    def attempts(self, queue: str, task_id: str) -> list[Attempt]:
        """List what is kept of past attempts at a task, the oldest first. See `Inspector.attempts`."""
        return self._do(history.attempts(queue, task_id))

    def memory(self, queue: str) -> int:
        """
        Estimate how much memory of the store a queue takes, in bytes, from a few of its tasks. See
        `Inspector.memory`.
        """
        return self._do(reading.memory(queue))

    def groups(self, queue: str) -> list[GroupInfo]:
        """List the groups in which tasks of a queue wait to be aggregated, by name. See `Inspector.groups`."""
        return self._do(reading.groups(queue))

    def groups_each(self, queues: Iterable[str]) -> GroupsFound:
        """
        List the groups of many queues, and since when the first and the last of each waits, in a few round trips. See
        `Inspector.groups_each`.
        """
        return self._do(grouping.groups_each(queues))

    def task(self, queue: str, task_id: str) -> TaskInfo:
        """Read one task. See `Inspector.task`."""
        return self._do(reading.task(queue, task_id))

    def record(self, queue: str, task_id: str) -> TaskRecord:
        """Read all that is known of one task. See `Inspector.record`."""
        return self._do(recording.record(queue, task_id))

    def locate(self, task_id: str) -> list[TaskInfo]:
        """Find the tasks of an id, whichever queues they are in. See `Inspector.locate`."""
        return self._do(recording.locate(task_id))

    def tasks(self, queue: str, *, state: TaskState | str, group: str = "") -> Iterator[TaskInfo]:
        """
        Iterate over the tasks of one state, in asynq's order: pending ones as they will be taken, active ones
        longest running first, all others by rising time. See `Inspector.tasks`.
        """
        listing = reading.Listing(queue, state, group)
        while found := self._do(listing.more()):
            yield from found

    def page(
        self, queue: str, *, state: TaskState | str, group: str = "", page: int = 1, size: int = 30
    ) -> list[TaskInfo]:
        """
        Read one page of the tasks of one state, as asynq's tools number them, in the order of `tasks`. See
        `Inspector.page`.
        """
        return self._do(reading.Listing(queue, state, group).page(page, size))

    def search(
        self,
        filter: str | Filter = "",
        *,
        limit: int | None = None,
        scan: int | None = None,
        cursor: str = "",
        where: Where | None = None,
        queues: Visible | None = None,
        latest: bool = False,
    ) -> Iterator[Found]:
        """
        Look for tasks in all queues and states, or those that a filter names, in short steps: what each found, at
        once. See `Inspector.search`.
        """
        search = Search(
            as_filter(filter), limit=limit, scan=scan, cursor=cursor, where=where, queues=queues, latest=latest
        )
        while (hits := self._do(search.more())) is not None:
            yield search.found(hits)

    def select(
        self,
        action: str,
        filter: str | Filter,
        *,
        limit: int | None = None,
        progress: Report | None = None,
        where: Where | None = None,
        queues: Visible | None = None,
    ) -> Selection:
        """Find the tasks that something is to be done to, and do nothing yet. See `Inspector.select`."""
        return self._do(acting.select(as_filter(filter), action, limit, progress, where, queues))

    def apply(
        self, selection: Selection, *, changes: Changes | None = None, rate: float | None = None
    ) -> Iterator[Applied]:
        """
        Do what a selection was made for, in steps of at most a hundred tasks; each says how far it is. See
        `Inspector.apply`.
        """
        acting.check_rate(rate)
        deed = acting.Deed(selection, changes)
        pace = acting.Pace(rate)
        for batch in acting.batches(selection, rate):
            if wait := pace.wait(len(batch)):
                time.sleep(wait)
            yield self._do(deed.step(batch))

    def run(self, queue: str, task_id: str) -> None:
        """Make a waiting, archived or completed task pending now. See `Inspector.run`."""
        self._do(steering.steer(queue, task_id, "run"))

    def archive(self, queue: str, task_id: str) -> None:
        """Put a task that does not run into the archive, as it is: its lock stays. See `Inspector.archive`."""
        self._do(steering.steer(queue, task_id, "archive"))

    def delete(self, queue: str, task_id: str) -> None:
        """Delete a task that does not run, and free its lock. See `Inspector.delete`."""
        self._do(steering.steer(queue, task_id, "delete"))

    def cancel(self, queue: str, task_id: str) -> Cancellation:
        """
        Stop a task for good: deleted if it waits; if it runs, stopped and archived as "cancelled". See
        `Inspector.cancel`.
        """
        return self._do(steering.cancel(queue, task_id))

    def run_all(self, queue: str, state: TaskState | str, *, group: str = "", progress: Report | None = None) -> int:
        """Make all tasks of a state pending, the first due first; returns how many. See `Inspector.run_all`."""
        return self._do(steering.bulk(queue, state, group, "run", progress))

    def archive_all(
        self, queue: str, state: TaskState | str, *, group: str = "", progress: Report | None = None
    ) -> int:
        """
        Archive all tasks of a state, in steps; returns how many. The archive keeps the latest 9,999 (see
        `run_all`). See `Inspector.archive_all`.
        """
        return self._do(steering.bulk(queue, state, group, "archive", progress))

    def delete_all(self, queue: str, state: TaskState | str, *, group: str = "", progress: Report | None = None) -> int:
        """
        Delete all tasks of a state and free their locks, in steps (see `run_all`); returns how many. See
        `Inspector.delete_all`.
        """
        return self._do(steering.bulk(queue, state, group, "delete", progress))

    def update(self, queue: str, task_id: str, **options: Unpack[UpdateOptions]) -> TaskInfo:
        """
        Change a task that waits or is archived, in one step: all of it, or nothing; returns it as it is then.
        See `Inspector.update`.
        """
        return self._do(updating.update(queue, task_id, options))

    def pause(self, queue: str) -> None:
        """
        Stop servers from taking tasks of a queue. What runs goes on; what is due becomes pending. A queue need not
        exist yet: it begins paused then. See `Inspector.pause`.
        """
        self._do(steering.pause(queue))

    def resume(self, queue: str) -> None:
        """Let servers take tasks of a queue again: within a second. See `Inspector.resume`."""
        self._do(steering.resume(queue))

    def remove_queue(self, queue: str, *, force: bool = False, progress: Report | None = None) -> int:
        """
        Remove a queue and all that is its own: tasks, counters, locks, groups, schedules; returns how many
        tasks. See `Inspector.remove_queue`.
        """
        return self._do(removing.remove_queue(queue, is_forced=force, progress=progress))

    def servers(self) -> list[ServerInfo]:
        """List the servers that live, Onebeat's and Go's, with what they run; by host and process."""
        return self._do(fleet.servers())

    def schedules(self) -> list[ScheduleEntry]:
        """List the schedules that some scheduler keeps, Onebeat's and Go's; the next to fire first."""
        return self._do(fleet.schedules())

    def events(self, entry_id: str, *, page: int = 1, size: int = 30) -> list[ScheduleEvent]:
        """
        Read one page of a schedule's fires, the latest first; pages are numbered as by `page`. See
        `Inspector.events`.
        """
        return self._do(fleet.events(entry_id, page, size))

    def store_info(self) -> StoreInfo:
        """Ask the store for its version, its memory, its clients, and the state of a cluster."""
        return self._do(about.store_info(self.store.endpoint.shown))

    def store_report(self) -> StoreReport:
        """
        Ask the store, and each of its primaries, for all that they say of themselves. See `Inspector.store_report`.
        """
        store = self.store
        return self._do(Reporter(store.endpoint, store.primaries(), SystemClock().monotonic).report())

    def key_slot(self, queue: str) -> int:
        """Return the slot of a Redis Cluster that all keys of a queue are in."""
        return keys.slot(keys.root(text("queue name", queue)))

    def nodes(self, queue: str) -> list[str]:
        """
        List the nodes that hold a queue, "host:port", the one that takes writes first. Where there is no cluster it
        is one: of what sentinels watch, the primary. See `Inspector.nodes`.
        """
        return self._do(fleet.nodes(queue, fleet.address(self.store.where())))

    def diagnose(
        self, checks: Collection[str] = (), *, queues: Collection[str] = (), budget: int = BUDGET, seconds: float = 0.0
    ) -> Diagnosis:
        """
        Look for what is wrong in the whole system, or may go wrong. Nothing is written. See `Inspector.diagnose`.
        """
        return self._do(Doctor(self.store, checks=checks, queues=queues, budget=budget, seconds=seconds).diagnose())

    def repair(
        self,
        checks: Collection[str] = (),
        *,
        queues: Collection[str] = (),
        budget: int = BUDGET,
        dry_run: bool = False,
    ) -> list[Repaired]:
        """
        Mend what is damaged: records and lists that disagree, groups and queues that no tool sees, locks of nobody. See
        `Inspector.repair`.
        """
        return self._do(
            Doctor(self.store, checks=repairable(checks), queues=queues, budget=budget).repair(dry_run=dry_run)
        )
