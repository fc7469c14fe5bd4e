"""A task that was enqueued, as its producer keeps it: where it is, what became of it, and its result."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from onebeat.broker import browse
from onebeat.broker.browse import RawTask
from onebeat.broker.store import Store
from onebeat.errors import ResultNotKept, ResultTimeout, TaskFailed, TaskNotFound
from onebeat.ids import new_id
from onebeat.inspector.showing import task_info
from onebeat.options import Duration, seconds
from onebeat.states import Cancellation, TaskState
from onebeat.sync import FIRST_LOOK_S, LONGEST_LOOK_S, SyncClient, refuse_in_loop
from onebeat.task import Progress, TaskInfo
from onebeat.upkeep.service import TroubleLog, cancelled, supervise

R = TypeVar("R", covariant=True)


class Replies:
    """
    Hears that tasks ended, on one channel per producer, for as many waiters as there are.

    The servers that end a task tell the producer that marked it (see scripts/finish.lua).
    """

    name = "reply listener"

    def __init__(self, store: Store) -> None:
        self.client: str = new_id()
        self._store = store
        self._waiters: defaultdict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._trouble = TroubleLog(self.name)

    async def start(self) -> None:
        """Listen, from the first waiter on; returns once nothing said from now on is missed."""
        if self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(
                supervise(self, trouble=self._trouble), name=self.name
            )
        await self._ready.wait()

    async def stop(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            await cancelled(self._listening)
            self._listening = None

    async def run(self) -> None:
        async for channel, message in self._store.listen(f"onebeat:reply:{self.client}"):
            if not channel:
                self._ready.set()
                self._trouble.over()
                continue
            queue, _, task_id = message.decode("utf-8", "surrogateescape").partition("\0")
            for waiter in self._waiters.get((queue, task_id), ()):
                waiter.set()

    async def end(
        self, queue: str, task_id: str, has_ended: Callable[[RawTask | None], bool], limit: float | None
    ) -> RawTask | None:
        """
        Wait for the end of a task, and return its record then.

        Raises:
            TimeoutError: `limit` seconds were over before.
        """
        await self.start()
        told = asyncio.Event()
        self._waiters[queue, task_id].add(told)
        patience = FIRST_LOOK_S
        try:
            async with asyncio.timeout(limit):
                while True:
                    raw = await self._store.run(browse.info(queue, task_id, waiter=self.client))
                    if has_ended(raw):
                        return raw
                    timer = asyncio.get_running_loop().call_later(patience, told.set)
                    try:
                        await told.wait()
                    finally:
                        timer.cancel()
                    told.clear()
                    patience = min(patience * 2, LONGEST_LOOK_S)
        finally:
            self._forget(queue, task_id, told)

    def _forget(self, queue: str, task_id: str, told: asyncio.Event) -> None:
        waiters = self._waiters[queue, task_id]
        waiters.discard(told)
        if not waiters:
            del self._waiters[queue, task_id]


@dataclass(frozen=True, slots=True)
class Reference(Generic[R]):
    """
    One enqueued task, and how its record is understood. Two references to the same task are equal.

    Attributes:
        id, queue: Which task; ids are unique per queue only.

        keeps_result: Whether the task was enqueued with retention, as far as the handle knows.
    """

    id: str
    queue: str
    type: str
    keeps_result: bool = field(compare=False)
    _decode: Callable[[bytes, Mapping[str, str]], R] = field(compare=False, repr=False)
    _connect: Callable[[], Any] = field(compare=False, repr=False)

    def _info(self, raw: RawTask | None) -> TaskInfo:
        if raw is None:
            raise TaskNotFound(
                f"task {self.id!r} is not in queue {self.queue!r}: it ended and was not retained, or never was"
            )
        return task_info(self.queue, self.id, raw)

    def _limit(self, timeout: Duration | None) -> float | None:
        limit = None if timeout is None else seconds("timeout", timeout)
        if not self.keeps_result:
            raise ResultNotKept(
                f"task {self.type} keeps no result: enqueue it with retention=, or declare what it returns"
            )
        return limit

    def _has_ended(self, raw: RawTask | None) -> bool:
        return raw is None or raw.state in (TaskState.COMPLETED, TaskState.ARCHIVED)

    def _result(self, raw: RawTask | None) -> R:
        """Say what a task that has ended has come to."""
        if raw is None:
            raise ResultNotKept(
                f"task {self.id} ({self.type}) is gone from queue {self.queue!r}: "
                "it was cancelled or deleted, its retention is over, or it never was"
            )
        if raw.state is TaskState.ARCHIVED:
            raise TaskFailed(task_info(self.queue, self.id, raw).last_error)
        return self._decode(raw.result or b"", task_info(self.queue, self.id, raw).headers)

    def _late(self, limit: float | None) -> ResultTimeout:
        return ResultTimeout(f"task {self.id} ({self.type}) did not end within {limit or 0:g} s; it goes on")


class Handle(Reference[R]):
    """
    One enqueued task. Two handles of the same task are equal.

    Attributes:
        id, queue: Which task; ids are unique per queue only.

        keeps_result: Whether the task was enqueued with retention, as far as the handle knows.
    """

    __slots__ = ()

    async def info(self) -> TaskInfo:
        """
        Read the task as it stands.

        Raises:
            TaskNotFound: It ended and was not retained, or its retention is over.
        """
        store, _ = await self._connect()
        return self._info(await store.run(browse.info(self.queue, self.id)))

    async def cancel(self) -> Cancellation:
        """
        Stop the task for good: deleted if it waits; if it runs, stopped and archived as "cancelled".

        A coroutine is cancelled and a process killed; a plain function in a thread goes on to its end, and
        if it returns then, the task has ended as if nothing had been asked. A Go server that runs the task
        stops it as asynq does, which retries it.

        Raises:
            TaskNotFound: It ended and was not retained, or its retention is over.
        """
        store, _ = await self._connect()
        [answer] = await store.run(browse.cancel(self.queue, [self.id]))
        return browse.cancellation(self.queue, self.id, answer)

    async def progress(self) -> Progress | None:
        """
        Read how far the task says it is (`Context.progress`); None if it said nothing yet.

        Raises:
            TaskNotFound: It ended and was not retained, or its retention is over.
        """
        return (await self.info()).progress

    async def result(self, timeout: Duration | None = None) -> R:
        """
        Wait for the task to end and return what its handler returned.

        Args:
            timeout: Seconds to wait, or a `timedelta`; default: for ever.

        Raises:
            InvalidTask: The timeout is no duration.
            TaskFailed: It ended in the archive; the message is its last error.
            ResultTimeout: Time ran out; the task goes on.
            ResultNotKept: It keeps no result, or its retention is over.
        """
        limit = self._limit(timeout)
        _, replies = await self._connect()
        try:
            return self._result(await replies.end(self.queue, self.id, self._has_ended, limit))
        except TimeoutError:
            raise self._late(limit) from None


class SyncHandle(Reference[R]):
    """
    One enqueued task, for code that blocks: the twin of `Handle`. Two handles of the same task are equal.

    Its methods raise `ConfigurationError` in a thread where an event loop runs, which they would block.

    Attributes:
        id, queue: Which task; ids are unique per queue only.

        keeps_result: Whether the task was enqueued with retention, as far as the handle knows.
    """

    __slots__ = ()

    def info(self) -> TaskInfo:
        """
        Read the task as it stands.

        Raises:
            TaskNotFound: It ended and was not retained, or its retention is over.
        """
        return self._info(self._client("info").store.run(browse.info(self.queue, self.id)))

    def cancel(self) -> Cancellation:
        """
        Stop the task for good. See `Handle.cancel`.

        Raises:
            TaskNotFound: It ended and was not retained, or its retention is over.
        """
        [answer] = self._client("cancel").store.run(browse.cancel(self.queue, [self.id]))
        return browse.cancellation(self.queue, self.id, answer)

    def progress(self) -> Progress | None:
        """
        Read how far the task says it is. See `Handle.progress`.

        Raises:
            TaskNotFound: It ended and was not retained, or its retention is over.
        """
        return self._info(self._client("progress").store.run(browse.info(self.queue, self.id))).progress

    def result(self, timeout: Duration | None = None) -> R:
        """
        Wait for the task to end and return what its handler returned. See `Handle.result`, which raises the same.

        Args:
            timeout: Seconds to wait, or a `timedelta`; default: for ever.
        """
        limit = self._limit(timeout)
        try:
            return self._result(self._client("result").end(self.queue, self.id, self._has_ended, limit))
        except TimeoutError:
            raise self._late(limit) from None

    def _client(self, method: str) -> SyncClient:
        refuse_in_loop(f"SyncHandle.{method}()", f"await Handle.{method}() instead, of enqueue() or handle()")
        return cast("SyncClient", self._connect())
