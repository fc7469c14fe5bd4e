"""
Reads and steers tasks and queues. asynq: `Inspector`, as far as it goes yet.

Every fact that a tool shows comes from here, so it is computed in one place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from onebeat.broker import browse, registry
from onebeat.broker.browse import QueueStats, RawTask
from onebeat.broker.store import Store, check_source
from onebeat.errors import ConfigurationError, OnebeatError, QueueNotFound, TaskNotFound
from onebeat.options import check_queue, text
from onebeat.states import LISTS, Cancellation, TaskState
from onebeat.task import TaskInfo
from onebeat.wire.message import TaskMessage, UndecodableMessage, decode

PAGE = 100
MAX_RUN = 500


class Inspector:
    """
    Looks into one store.

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
        return self._store

    async def queues(self) -> list[str]:
        """List the queues that anything was ever enqueued in, sorted."""
        return await registry.queues(self.store)

    async def check_queue(self, queue: str) -> None:
        """
        Make sure that a queue is known.

        Raises:
            QueueNotFound: It is not; the message lists those that are.
        """
        known = await self.queues()
        if check_queue(queue) not in known:
            raise QueueNotFound(f"queue {queue!r} is not known here: there {_are(known)}")

    async def stats(self, queue: str) -> QueueStats:
        """
        Count what a queue holds and did.

        Raises:
            QueueNotFound: Nothing was ever enqueued there.
        """
        await self.check_queue(queue)
        return await self.store.run(browse.stats(queue))

    async def task(self, queue: str, task_id: str) -> TaskInfo:
        """
        Read one task.

        Raises:
            TaskNotFound: There is none of that id in that queue.
        """
        raw = await self.store.run(browse.info(check_queue(queue), text("task id", task_id)))
        if raw is None:
            raise TaskNotFound(
                f"task {task_id!r} is not in queue {queue!r}: it ended and was not retained, or never was"
            )
        return task_info(queue, task_id, raw)

    async def tasks(self, queue: str, *, state: TaskState | str) -> AsyncIterator[TaskInfo]:
        """
        Iterate over the tasks of one state, in asynq's order (`browse.list_ids`).

        Tasks that move while one iterates may be missed or come twice.

        Raises:
            QueueNotFound: Nothing was ever enqueued there.
            ConfigurationError: There is no such state, or its tasks are not kept in one list.
        """
        wanted, offset = _state(state), 0
        await self.check_queue(queue)
        while ids := await self.store.run(browse.list_ids(queue, wanted, offset=offset, limit=PAGE)):
            for task_id in ids:
                raw = await self.store.run(browse.info(queue, task_id))
                if raw is not None:
                    yield task_info(queue, task_id, raw)
            offset += PAGE

    async def run(self, queue: str, task_id: str) -> None:
        """
        Make a waiting, archived or completed task pending now.

        Raises:
            TaskNotFound: There is none of that id in that queue.
            OnebeatError: It is pending or active already.
        """
        [answer] = await self.store.run(browse.run(check_queue(queue), [text("task id", task_id)]))
        if answer == "gone":
            raise TaskNotFound(f"task {task_id!r} is not in queue {queue!r}: list its tasks with `onebeat task ls`")
        if answer != "pending":
            raise OnebeatError(f"task {task_id!r} of queue {queue!r} was left alone: it is {answer}")

    async def cancel(self, queue: str, task_id: str) -> Cancellation:
        """
        Stop a task for good: deleted if it waits; if it runs, stopped and archived as "cancelled".

        Raises:
            TaskNotFound: There is none of that id in that queue.
        """
        [answer] = await self.store.run(browse.cancel(check_queue(queue), [text("task id", task_id)]))
        return browse.cancellation(queue, task_id, answer)

    async def run_all(self, queue: str, state: TaskState | str) -> int:
        """Make all scheduled, retrying, archived or completed tasks of a queue pending, in steps; returns how many."""
        wanted, ran = _state(state), 0
        await self.check_queue(queue)
        if wanted in LISTS:
            raise ConfigurationError(f"state is {wanted.value!r}: only waiting or ended tasks can be made pending")
        while ids := await self.store.run(browse.list_ids(queue, wanted, offset=0, limit=MAX_RUN)):
            answers = await self.store.run(browse.run(queue, ids))
            moved = answers.count("pending")
            ran += moved
            if moved == 0:
                break
        return ran


def _state(state: object) -> TaskState:
    listed = [item.value for item in TaskState if item is not TaskState.AGGREGATING]
    if state not in listed:
        raise ConfigurationError(f"state is {state!r}: choose from {', '.join(listed)}")
    return TaskState(state)


def task_info(queue: str, task_id: str, raw: RawTask) -> TaskInfo:
    """Put what stands in the store into a `TaskInfo`; bytes that are no message show as a task without a type."""
    try:
        message = decode(raw.message)
    except UndecodableMessage as error:
        message = TaskMessage(id=task_id, queue=queue, payload=raw.message, error_msg=raw.set_aside or str(error))
    return TaskInfo(
        id=task_id,
        queue=queue,
        type=message.type,
        payload=message.payload,
        state=raw.state,
        max_retry=message.retry,
        retried=message.retried,
        last_error=message.error_msg,
        last_failed_at=_instant(message.last_failed_at),
        timeout=timedelta(seconds=message.timeout),
        deadline=_instant(message.deadline),
        next_process_at=_instant(raw.next_due_ms / 1000),
        retention=timedelta(seconds=message.retention),
        completed_at=_instant(message.completed_at),
        result=raw.result,
        headers=dict(message.headers),
        group=message.group_key,
        crashes=raw.crashes,
    )


def _instant(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _are(known: list[str]) -> str:
    return f"are {', '.join(known[:20])}" if known else "are none yet, since nothing was enqueued"
