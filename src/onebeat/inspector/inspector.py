"""
Reads and steers tasks and queues. asynq: `Inspector`.

Every fact that a tool shows comes from here, so it is computed in one place: in the procedures that this
inspector shares with the blocking one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from types import TracebackType
from typing import Self, TypeVar, Unpack

from onebeat.broker.browse import QueueStats
from onebeat.broker.store import Store, check_source
from onebeat.errors import BrokerError, ConfigurationError
from onebeat.inspector import about, acting, detailing, fleet, reading, recording, removing, steering, updating
from onebeat.inspector.acting import Changes
from onebeat.inspector.changes import UpdateOptions
from onebeat.inspector.checks.finding import Diagnosis, Repaired
from onebeat.inspector.diagnosing import BUDGET, Doctor, repairable
from onebeat.inspector.filters import Filter
from onebeat.inspector.found import Applied, Found, Selection
from onebeat.inspector.models import (
    DayStats,
    GroupInfo,
    QueueDetails,
    ScheduleEntry,
    ScheduleEvent,
    ServerInfo,
    StoreInfo,
)
from onebeat.inspector.operating import Operating
from onebeat.inspector.recording import TaskRecord
from onebeat.inspector.searching import Search, as_filter
from onebeat.inspector.steering import Report
from onebeat.inspector.steps import Procedure, follow
from onebeat.options import text
from onebeat.states import Cancellation, TaskState
from onebeat.task import TaskInfo
from onebeat.wire import keys

T = TypeVar("T")


class Inspector(Operating):
    """
    Looks into one store, and does what an operator does. Code that blocks has `SyncInspector`.

    Use it as `async with Inspector(url) as inspector`.

    Args:
        store: A URL, a redis-py client whose settings are used, or an open `Store`.
    """

    def __init__(self, store: object = None) -> None:
        self._source = check_source(store)
        self._store: Store | None = store if isinstance(store, Store) else None

    async def __aenter__(self) -> Self:
        if self._store is None:
            self._store = await Store.open(self._source)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None and self._store is not self._source:
            await self._store.aclose()
            self._store = None

    @property
    def store(self) -> Store:
        if self._store is None:
            raise ConfigurationError("inspector is not open: use it as `async with Inspector(url) as inspector`")
        return self._store.here()

    async def _do(self, procedure: Procedure[T]) -> T:
        return await follow(self.store, procedure)

    async def queues(self) -> list[str]:
        """List the queues that anything was ever enqueued in, sorted."""
        return await self._do(reading.queues())

    async def check_queue(self, queue: str) -> None:
        """
        Make sure that a queue is known.

        Raises:
            QueueNotFound: It is not; the message lists those that are.
        """
        await self._do(reading.check_queue(queue))

    async def stats(self, queue: str) -> QueueStats:
        """
        Count what a queue holds and did.

        Raises:
            QueueNotFound: It holds nothing, did nothing and is not known.
        """
        return await self._do(reading.stats(queue))

    async def stats_each(self, queues: Iterable[str] | None = None) -> dict[str, QueueStats | BrokerError]:
        """
        Count what many queues hold and did, in a few round trips: 10,000 queues in about a second.

        Args:
            queues: Which; default: all, sorted.

        Returns:
            By name; a queue that cannot be read, since what stands in the store is damaged, has its error instead.

        Raises:
            InvalidTask: These are no names.
            QueueNotFound: One of them holds nothing, did nothing and is not known.
        """
        return await self._do(reading.stats_each(queues))

    async def details(self, queue: str, *, sample: int = 500) -> QueueDetails:
        """
        Gather what one asks first of a queue: its counts, memory, groups, servers, types, and since when it is paused.

        Args:
            sample: Of how many pending tasks the types are counted, at most 10,000.

        Raises:
            InvalidTask: The sample is none.
            QueueNotFound: The queue is not known.
        """
        return await self._do(detailing.details(queue, sample))

    async def history(self, queue: str, days: int = 10) -> list[DayStats]:
        """
        Say what a queue did on each of the last days in UTC, today first; counts are kept for 90 days.

        Raises:
            InvalidTask: The number of days is none.
            QueueNotFound: The queue is not known.
        """
        return await self._do(reading.history(queue, days))

    async def memory(self, queue: str) -> int:
        """
        Estimate how much memory of the store a queue takes, in bytes, from a few of its tasks.

        Raises:
            QueueNotFound: The queue is not known.
            BrokerUnsupported: The store does not tell: it is a managed one that refuses `MEMORY USAGE`.
        """
        return await self._do(reading.memory(queue))

    async def groups(self, queue: str) -> list[GroupInfo]:
        """
        List the groups in which tasks of a queue wait to be aggregated, by name.

        Raises:
            QueueNotFound: The queue is not known.
        """
        return await self._do(reading.groups(queue))

    async def task(self, queue: str, task_id: str) -> TaskInfo:
        """
        Read one task.

        Raises:
            TaskNotFound: There is none of that id in that queue.
        """
        return await self._do(reading.task(queue, task_id))

    async def record(self, queue: str, task_id: str) -> TaskRecord:
        """
        Read all that is known of one task: beside it its lock, who runs it, its schedule, its record byte for byte.

        Raises:
            TaskNotFound: There is none of that id in that queue.
        """
        return await self._do(recording.record(queue, task_id))

    async def locate(self, task_id: str) -> list[TaskInfo]:
        """Find the tasks of an id, whichever queues they are in: an id is unique in one queue only."""
        return await self._do(recording.locate(task_id))

    async def tasks(self, queue: str, *, state: TaskState | str, group: str = "") -> AsyncIterator[TaskInfo]:
        """
        Iterate over the tasks of one state, in asynq's order: pending ones as they will be taken, active ones longest
        running first, all others by rising time.

        Tasks that move while one iterates may be missed or come twice.

        Args:
            state: Which.

            group: Of aggregating tasks.

        Raises:
            InvalidTask: There is no such state; a group is missing, or named where there is none.
            QueueNotFound: There are none, and the queue is not known.
        """
        listing = reading.Listing(queue, state, group)
        while found := await self._do(listing.more()):
            for info in found:
                yield info

    async def page(
        self, queue: str, *, state: TaskState | str, group: str = "", page: int = 1, size: int = 30
    ) -> list[TaskInfo]:
        """
        Read one page of the tasks of one state, as asynq's tools number them, in the order of `tasks`.

        Args:
            page: From 1; a negative one is the first. Page 0 is the last `size` tasks.

            size: Tasks per page; 0 and less is everything.

        Raises:
            InvalidTask: There is no such state; a group is missing, or named where there is none; or a number is none.
            QueueNotFound: There are none, and the queue is not known.
        """
        return await self._do(reading.Listing(queue, state, group).page(page, size))

    async def search(
        self, filter: str | Filter = "", *, limit: int | None = None, scan: int | None = None, cursor: str = ""
    ) -> AsyncIterator[Found]:
        """
        Look for tasks in all queues and states, or those that a filter names, in short steps: what each found, at once.

        A task that stays where it is while one searches is found. One that moves may be found where it was, where it
        is, or be missed.

        Args:
            filter: Which tasks, as a `Filter` or its text: `type:mail:* state:archived age>2h`. See the reference of
                filters.

            limit: Tasks to find at most.

            scan: Tasks to look at at most.

            cursor: That of the last step of a search by the same filter, which this one goes on with.

        Raises:
            InvalidFilter: The filter cannot be read.
            InvalidTask: A number is none, or the cursor is of no search by this filter.
            QueueNotFound: The filter names a queue that is not known.
        """
        search = Search(as_filter(filter), limit=limit, scan=scan, cursor=cursor)
        while (hits := await self._do(search.more())) is not None:
            yield search.found(hits)

    async def select(
        self, action: str, filter: str | Filter, *, limit: int | None = None, progress: Report | None = None
    ) -> Selection:
        """
        Find the tasks that something is to be done to, and do nothing yet.

        Args:
            action: "run", "archive", "delete", "cancel" or "update". Tasks of states that it does not apply to are
                not looked for.

            filter: Which tasks.

            limit: Tasks to find at most.

            progress: Told after each step how many of how many tasks were looked at.

        Raises:
            InvalidFilter: The filter cannot be read.
            InvalidTask: There is no such action, or it cannot be done to anything that the filter finds.
            QueueNotFound: The filter names a queue that is not known.
        """
        return await self._do(acting.select(as_filter(filter), action, limit, progress))

    async def apply(
        self, selection: Selection, *, changes: Changes | None = None, rate: float | None = None
    ) -> AsyncIterator[Applied]:
        """
        Do what a selection was made for, in steps of at most a hundred tasks; each says how far it is.

        In the step that acts, the store looks whether a task still is in the state and of the message that it had
        when it was chosen, and leaves it alone if not. Whoever stops iterating stops it between two steps.

        Args:
            selection: What `select` returned.

            changes: Of an update: what `update` takes, or a function that makes it of each task.

            rate: Tasks per second at most.

        Raises:
            InvalidTask, PayloadError: The changes cannot be used, or are given for another action; or the rate is none.
        """
        acting.check_rate(rate)
        deed = acting.Deed(selection, changes)
        pace = acting.Pace(rate)
        for batch in acting.batches(selection, rate):
            if wait := pace.wait(len(batch)):
                await asyncio.sleep(wait)
            yield await self._do(deed.step(batch))

    async def run(self, queue: str, task_id: str) -> None:
        """
        Make a waiting, archived or completed task pending now.

        Raises:
            TaskNotFound: There is none of that id in that queue.
            WrongState: It is pending or active already.
        """
        await self._do(steering.steer(queue, task_id, "run"))

    async def archive(self, queue: str, task_id: str) -> None:
        """
        Put a task that does not run into the archive, as it is: its lock stays.

        Raises:
            TaskNotFound: There is none of that id in that queue.
            WrongState: It is archived already, or it runs: `cancel` ends it there.
        """
        await self._do(steering.steer(queue, task_id, "archive"))

    async def delete(self, queue: str, task_id: str) -> None:
        """
        Delete a task that does not run, and free its lock.

        Raises:
            TaskNotFound: There is none of that id in that queue.
            WrongState: It runs: `cancel` it first.
        """
        await self._do(steering.steer(queue, task_id, "delete"))

    async def cancel(self, queue: str, task_id: str) -> Cancellation:
        """
        Stop a task for good: deleted if it waits; if it runs, stopped and archived as "cancelled".

        Raises:
            TaskNotFound: There is none of that id in that queue.
        """
        return await self._do(steering.cancel(queue, task_id))

    async def run_all(
        self, queue: str, state: TaskState | str, *, group: str = "", progress: Report | None = None
    ) -> int:
        """
        Make all tasks of a state pending, the first due first; returns how many.

        This and the other two go in steps of at most a hundred tasks, so that the store serves others in between,
        and are over when as many were looked at as there were at the start. What was done stays done if it is cut
        short; the same call goes on.

        Args:
            state: Scheduled, retry, archived, completed, or aggregating.

            group: Of aggregating tasks.

            progress: Told after each step how many of how many tasks were looked at.

        Raises:
            InvalidTask: The state is none of these; a group is missing, or named where there is none.
            QueueNotFound: There are none, and the queue is not known.
            BrokerError: Some tasks were left alone, because what stands in the store is damaged; the others were not.
        """
        return await self._do(steering.bulk(queue, state, group, "run", progress))

    async def archive_all(
        self, queue: str, state: TaskState | str, *, group: str = "", progress: Report | None = None
    ) -> int:
        """
        Archive all tasks of a state, in steps; returns how many. The archive keeps the latest 9,999 (see `run_all`).

        Args:
            state: Pending, scheduled, retry, or aggregating. Completed tasks are no failures: `delete_all` them.

            group: Of aggregating tasks.

            progress: Told after each step how many of how many tasks were looked at.

        Raises:
            InvalidTask, QueueNotFound, BrokerError: As `run_all`.
        """
        return await self._do(steering.bulk(queue, state, group, "archive", progress))

    async def delete_all(
        self, queue: str, state: TaskState | str, *, group: str = "", progress: Report | None = None
    ) -> int:
        """
        Delete all tasks of a state and free their locks, in steps (see `run_all`); returns how many.

        Args:
            state: Any but active.

            group: Of aggregating tasks.

            progress: Told after each step how many of how many tasks were looked at.

        Raises:
            InvalidTask, QueueNotFound, BrokerError: As `run_all`.
        """
        return await self._do(steering.bulk(queue, state, group, "delete", progress))

    async def update(self, queue: str, task_id: str, **options: Unpack[UpdateOptions]) -> TaskInfo:
        """
        Change a task that waits or is archived, in one step: all of it, or nothing; returns it as it is then.

        What is not named stays. A unique lock goes along with the payload. `process_in=0` makes it due now; a pending
        task that is put off is scheduled.

        Args:
            options: `payload`, `process_in`, `process_at`, `max_retry`, `timeout`, `deadline`, `expires`, `retention`,
                `headers` (in place of all it had), and `move_to`, another queue. A move is a few steps: the task is
                put off for a minute, copied, then deleted where it was, so if it is cut short it is where it was,
                a minute late, or in both queues, never in none; the same call goes on.

        Raises:
            InvalidTask, PayloadError: An option cannot be used, or there is none.
            TaskNotFound: There is none of that id in that queue.
            WrongState: It runs, is completed or is being aggregated; is archived and was to be due or to move; or is
                of a group and was to move; or its bytes are no message.
            DuplicateTask: Another task holds the lock of the new payload, or of the new queue.
            TaskIdConflict: Another task of that id is in the other queue.
        """
        return await self._do(updating.update(queue, task_id, options))

    async def pause(self, queue: str) -> None:
        """
        Stop servers from taking tasks of a queue. What runs goes on; what is due becomes pending. A queue need not
        exist yet: it begins paused then.

        Raises:
            WrongState: It is paused already.
        """
        await self._do(steering.pause(queue))

    async def resume(self, queue: str) -> None:
        """
        Let servers take tasks of a queue again: within a second.

        Raises:
            WrongState: It is not paused.
        """
        await self._do(steering.resume(queue))

    async def remove_queue(self, queue: str, *, force: bool = False, progress: Report | None = None) -> int:
        """
        Remove a queue and all that is its own: tasks, counters, locks, groups, schedules; returns how many tasks.

        It is paused while it goes, in steps, so that no server takes what is about to be deleted. Tasks that come
        meanwhile are deleted, too; those that come later make the queue anew, as do schedules of an application that
        still declares them. If it is cut short it stays paused; the same call goes on.

        Args:
            force: Also if tasks wait in it, are archived, or retained.

            progress: Told after each step how many tasks of how many are deleted.

        Raises:
            QueueNotFound: The queue is not known.
            QueueNotEmpty: It runs tasks; it holds some and `force` is not given; or tasks kept coming.
        """
        return await self._do(removing.remove_queue(queue, is_forced=force, progress=progress))

    async def servers(self) -> list[ServerInfo]:
        """List the servers that live, Onebeat's and Go's, with what they run; by host and process."""
        return await self._do(fleet.servers())

    async def schedules(self) -> list[ScheduleEntry]:
        """List the schedules that some scheduler keeps, Onebeat's and Go's; the next to fire first."""
        return await self._do(fleet.schedules())

    async def events(self, entry_id: str, *, page: int = 1, size: int = 30) -> list[ScheduleEvent]:
        """
        Read one page of a schedule's fires, the latest first; pages are numbered as by `page`.

        Args:
            entry_id: The id of a `ScheduleEntry`.

        Raises:
            InvalidTask: The id is blank, or a number is none.
        """
        return await self._do(fleet.events(entry_id, page, size))

    async def store_info(self) -> StoreInfo:
        """Ask the store for its version, its memory, its clients, and the state of a cluster."""
        return await self._do(about.store_info(self.store.endpoint.shown))

    async def key_slot(self, queue: str) -> int:
        """Return the slot of a Redis Cluster that all keys of a queue are in."""
        return keys.slot(keys.root(text("queue name", queue)))

    async def nodes(self, queue: str) -> list[str]:
        """
        List the nodes that hold a queue, "host:port", the one that takes writes first. Where there is no cluster it is
        one: of what sentinels watch, the primary.

        Raises:
            BrokerError: No node of the cluster holds it now.
        """
        return await self._do(fleet.nodes(queue, fleet.address(self.store.where())))

    async def diagnose(
        self, checks: Collection[str] = (), *, queues: Collection[str] = (), budget: int = BUDGET, seconds: float = 0.0
    ) -> Diagnosis:
        """
        Look for what is wrong in the whole system, or may go wrong: see the reference of checks. Nothing is written. A
        check that the store refuses to answer is named in the diagnosis, with why; the others are made.

        Args:
            checks: Only these; none: all.

            queues: Only what concerns these, beside the store and the servers; none: all.

            budget: Queues, entries of lists, and keys that are looked at, each, at most; what is left out is said.

            seconds: Look twice at each queue, so far apart, and so find backlogs that grow; 0: once.

        Raises:
            ConfigurationError, QueueNotFound: There is no such check or queue; or a number is none.
        """
        return await self._do(
            Doctor(self.store, checks=checks, queues=queues, budget=budget, seconds=seconds).diagnose()
        )

    async def repair(
        self, checks: Collection[str] = (), *, queues: Collection[str] = (), budget: int = BUDGET, dry_run: bool = False
    ) -> list[Repaired]:
        """
        Mend what is damaged: records and lists that disagree, groups and queues that no tool sees, locks of nobody.

        Each item is looked at once more and mended in one step of the store, so what is right again is left alone. A
        task that is put back runs at least once, as one whose server died.

        Args:
            checks: To mend what these find; none: all but "stale-lock", which has to be named.

            dry_run: Only say what would be done.

        Raises:
            ConfigurationError, QueueNotFound: As `diagnose`; or what a check finds cannot be mended.
        """
        return await self._do(
            Doctor(self.store, checks=repairable(checks), queues=queues, budget=budget).repair(dry_run=dry_run)
        )
