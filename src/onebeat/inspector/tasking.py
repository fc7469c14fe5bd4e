"""What the asyncio inspector reads of tasks, and does with one of them or all of a state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from onebeat.inspector import history, reading, recording, steering, updating
from onebeat.inspector.changes import UpdateOptions
from onebeat.inspector.recording import TaskRecord
from onebeat.inspector.series_models import Attempt
from onebeat.inspector.steering import Report
from onebeat.inspector.steps import Following
from onebeat.states import Cancellation, TaskState
from onebeat.task import TaskInfo


class Tasking(Following):
    """The part of `Inspector` that is about tasks."""

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

    async def attempts(self, queue: str, task_id: str) -> list[Attempt]:
        """
        List what is kept of past attempts at a task, the oldest first: at most the last 20, and 16 kB of them.

        Servers of Onebeat keep those that failed, as their setting `attempts` says; Go's keep none. They go with the
        task: once that is done and not retained, nothing is left.

        Raises:
            TaskNotFound: There is none of that id in that queue.
        """
        return await self._do(history.attempts(queue, task_id))

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
