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
from onebeat.errors import ConfigurationError, InvalidTask, OnebeatError, QueueNotFound, TaskNotFound, shown
from onebeat.options import text
from onebeat.states import Cancellation, TaskState
from onebeat.task import Progress, TaskInfo
from onebeat.wire.message import TaskMessage, UndecodableMessage, decode

PAGE = 100
MAX_RUN = 500
FIRST_S, LAST_S = -62_135_596_800, 253_402_300_799
"""The seconds that a `datetime` can show; what stands in the store may lie beyond."""

_LISTED = tuple(state for state in TaskState if state is not TaskState.AGGREGATING)
_RUNNABLE = (TaskState.SCHEDULED, TaskState.RETRY, TaskState.ARCHIVED, TaskState.COMPLETED)


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
        return self._store.here()

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
        if queue not in known:
            raise QueueNotFound(f"queue {shown(queue)} is not known here: there {_are(known)}")

    async def stats(self, queue: str) -> QueueStats:
        """
        Count what a queue holds and did.

        Raises:
            QueueNotFound: It holds nothing, did nothing and is not known.
        """
        found = await self.store.run(browse.stats(text("queue name", queue)))
        if not found.size and not found.processed:
            await self.check_queue(queue)
        return found

    async def task(self, queue: str, task_id: str) -> TaskInfo:
        """
        Read one task.

        Raises:
            TaskNotFound: There is none of that id in that queue.
        """
        raw = await self.store.run(browse.info(text("queue name", queue), text("task id", task_id)))
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
            InvalidTask: There is no such state.
            QueueNotFound: There are none, and the queue is not known.
        """
        wanted, offset = _state(state, _LISTED), 0
        text("queue name", queue)
        while ids := await self.store.run(browse.list_ids(queue, wanted, offset=offset, limit=PAGE)):
            for task_id in ids:
                raw = await self.store.run(browse.info(queue, task_id))
                if raw is not None:
                    yield task_info(queue, task_id, raw)
            offset += PAGE
        if not offset:
            await self.check_queue(queue)

    async def run(self, queue: str, task_id: str) -> None:
        """
        Make a waiting, archived or completed task pending now.

        Raises:
            TaskNotFound: There is none of that id in that queue.
            OnebeatError: It is pending or active already.
        """
        [answer] = await self.store.run(browse.run(text("queue name", queue), [text("task id", task_id)]))
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
        [answer] = await self.store.run(browse.cancel(text("queue name", queue), [text("task id", task_id)]))
        return browse.cancellation(queue, task_id, answer)

    async def run_all(self, queue: str, state: TaskState | str) -> int:
        """
        Make all scheduled, retrying, archived or completed tasks of a queue pending, in steps; returns how many.

        Raises:
            InvalidTask: The state is none of these.
            QueueNotFound: There are none, and the queue is not known.
        """
        wanted, ran = _state(state, _RUNNABLE), 0
        text("queue name", queue)
        while ids := await self.store.run(browse.list_ids(queue, wanted, offset=0, limit=MAX_RUN)):
            answers = await self.store.run(browse.run(queue, ids))
            moved = answers.count("pending")
            ran += moved
            if moved == 0:
                return ran
        if not ran:
            await self.check_queue(queue)
        return ran


def _state(state: object, allowed: tuple[TaskState, ...]) -> TaskState:
    for known in allowed:
        if state == known:
            return known
    raise InvalidTask(f"state is {shown(state)}: give one of {', '.join(allowed)}")


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
        soft_failures=raw.soft_failures,
        progress=_progress(raw.progress),
    )


def _progress(text: str) -> Progress | None:
    when, _, rest = text.partition(" ")
    fraction, _, said = rest.partition(" ")
    try:
        at = _instant(int(when) / 1000)
        return Progress(float(fraction), said, at) if at is not None else None
    except ValueError:  # nothing, or nothing of ours
        return None


def _instant(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(min(max(seconds, FIRST_S), LAST_S), UTC) if seconds else None


def _are(known: list[str]) -> str:
    return f"are {', '.join(known[:20])}" if known else "are none yet, since nothing was enqueued"
