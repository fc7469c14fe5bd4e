"""
Putting tasks on queues.

A client collects what is enqueued at the same time and sends it in batches, so a thousand concurrent
`enqueue` calls are four round trips. Every call still gets its own answer or error.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, Unpack

from onebeat.broker import produce, registry
from onebeat.broker.coalescer import Coalescer
from onebeat.broker.produce import NewTask, Placed
from onebeat.broker.store import Store, check_source, passes
from onebeat.clock import Clock, SystemClock
from onebeat.errors import (
    BrokerError,
    BrokerUnavailable,
    ConfigurationError,
    DuplicateTask,
    InvalidTask,
    OnebeatError,
    PayloadError,
    TaskIdConflict,
    is_number,
    shown,
)
from onebeat.ids import new_id
from onebeat.options import EnqueueOptions, Resolved, merge, resolve
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.wire.message import TaskMessage, encode
from onebeat.wire.unique import unique_key

log = logging.getLogger("onebeat.client")

PUBLISH_EVERY_S = 60.0
"""How long a client trusts that a queue it published is still known (SE-07)."""

MAX_PAYLOAD = 8_000_000
WINDOW = 2048
"""Tasks of one `enqueue_many` that may be under way: it bounds the memory of a bulk."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """
    A task that was accepted.

    Attributes:
        id, queue: Where it is.

        state: PENDING, or SCHEDULED when it is due later.

        due_ms: When it is due, milliseconds since 1970 by the store's clock; None: now.
    """

    id: str
    queue: str
    type: str
    state: TaskState
    due_ms: int | None


@dataclass(slots=True)
class Prepared:
    """A task checked and encoded: nothing can be wrong with it any more but the store."""

    queue: str
    type: str
    new: NewTask


@dataclass(frozen=True, slots=True)
class Failure:
    """One task of a bulk that was not accepted, and why."""

    task: Task[Any]
    error: OnebeatError


@dataclass(slots=True)
class BulkResult:
    """What became of a bulk: how many tasks were accepted, and which were not."""

    enqueued: int = 0
    failures: list[Failure] = field(default_factory=list)


def prepare(task: Task[Any], options: Mapping[str, Any], *, max_payload: int = MAX_PAYLOAD) -> Prepared:
    """
    Check a task with its options and encode it. Nothing is written.

    Raises:
        InvalidTask: An option cannot be used.
        PayloadError: The payload is larger than `max_payload` bytes.
    """
    if not isinstance(task, Task):
        raise InvalidTask(f"task is {shown(task)}: give a Task, or what bind() returns")
    return encoded(task, resolve(merge(task.options, options) if options else task.options), max_payload=max_payload)


def encoded(task: Task[Any], given: Resolved, *, max_payload: int = MAX_PAYLOAD) -> Prepared:
    """Encode a task whose options are in the wire's units."""
    if len(task.payload) > max_payload:
        raise PayloadError(
            f"payload of task {task.type} has {len(task.payload)} bytes, the limit is {max_payload}: "
            "store it elsewhere and enqueue its address, or raise max_payload"
        )
    task_id = given.task_id or new_id()
    lock = unique_key(given.queue, task.type, task.payload or None) if given.unique_ms else ""
    message = TaskMessage(
        type=task.type,
        payload=task.payload,
        id=task_id,
        queue=given.queue,
        retry=given.max_retry,
        timeout=given.timeout_s,
        deadline=given.deadline_s,
        unique_key=lock,
        retention=given.retention_s,
        headers=given.headers,
    )
    new = NewTask(task_id, encode(message), given.due, lock, given.unique_ms, given.timeout_ms)
    return Prepared(given.queue, task.type, new)


def understand(prepared: Prepared, placed: Placed) -> Enqueued:
    """
    Turn the store's answer into a result or an error.

    Raises:
        TaskIdConflict, DuplicateTask: The task was refused; nothing was written.
        BrokerUnavailable, BrokerError: The store could not take it.
    """
    new, queue = prepared.new, prepared.queue
    if placed.status == "pending":
        return Enqueued(new.id, queue, prepared.type, TaskState.PENDING, None)
    if placed.status == "scheduled":
        return Enqueued(new.id, queue, prepared.type, TaskState.SCHEDULED, int(placed.detail))
    if placed.status == "conflict":
        raise TaskIdConflict(
            f"task id {new.id!r} is taken in queue {queue!r}: choose another, or wait until that task is gone"
        )
    if placed.status == "duplicate":
        raise DuplicateTask(
            f"task {prepared.type} with this payload is already in queue {queue!r} as {placed.detail}: "
            "it is unique until that one is done or its lock expires",
            holder=placed.detail,
        )
    if placed.status == "error" and not passes(placed.detail):
        raise BrokerError(f"task {new.id} was not enqueued in {queue!r}: the store says {placed.detail}")
    raise BrokerUnavailable(
        f"task {new.id} was not enqueued in {queue!r}: the store says {placed.detail or placed.status}"
    )


def _check_settings(give_up_after: object, max_payload: object) -> None:
    if not is_number(give_up_after) or not give_up_after >= 0:
        raise ConfigurationError(f"setting give_up_after is {shown(give_up_after)}: give seconds from 0")
    if not isinstance(max_payload, int) or isinstance(max_payload, bool) or max_payload < 1:
        raise ConfigurationError(f"setting max_payload is {shown(max_payload)}: give a whole number of bytes from 1")


class _Waiting:
    """A prepared task and the caller who waits for its answer."""

    __slots__ = ("future", "prepared")

    def __init__(self, prepared: Prepared, future: asyncio.Future[Enqueued]) -> None:
        self.prepared = prepared
        self.future = future

    def weight(self) -> int:
        return len(self.prepared.new.message)

    def is_unwanted(self) -> bool:
        return self.future.done()

    def answer(self, placed: Placed) -> None:
        if self.future.done():
            return
        try:
            self.future.set_result(understand(self.prepared, placed))
        except OnebeatError as error:
            self.future.set_exception(error)

    def fail(self, error: OnebeatError) -> None:
        if not self.future.done():
            self.future.set_exception(type(error)(*error.args))


class Client:
    """
    Enqueues tasks. asynq: `Client`.

    Use it as `async with Client(url) as client`, on one event loop.

    Args:
        store: A URL, a redis-py client whose settings are used, or an open `Store`; default: `ONEBEAT_URL`,
            else the embedded store of the project.

        give_up_after: Seconds for which a batch is repeated while the store cannot be reached. A repeat
            never enqueues twice.

        max_payload: Largest payload accepted, bytes.

    Raises:
        ConfigurationError: A setting is no such number.
    """

    def __init__(
        self,
        store: object = None,
        *,
        give_up_after: float = 10.0,
        max_payload: int = MAX_PAYLOAD,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._source = check_source(store)
        self._store: Store | None = store if isinstance(store, Store) else None
        self._owns_store = self._store is None
        self._opening: asyncio.Lock | None = None
        _check_settings(give_up_after, max_payload)
        self._give_up_after = give_up_after
        self.max_payload = max_payload
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._id = new_id()
        self._sequences: dict[str, int] = {}
        self._published: dict[str, float] = {}
        self._lanes = Coalescer(
            self._flush,
            weigh=_Waiting.weight,
            drop=_Waiting.is_unwanted,
            max_items=produce.MAX_ITEMS,
            max_bytes=produce.MAX_BYTES,
        )

    async def __aenter__(self) -> Self:
        await self.store()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def store(self) -> Store:
        """Open the store, once, and return it."""
        if self._store is None:
            self._opening = self._opening or asyncio.Lock()
            async with self._opening:
                if self._store is None:
                    self._store = await Store.open(self._source)
        return self._store.here()

    async def _opened(self) -> Client:
        await self.store()
        return self

    async def aclose(self) -> None:
        """Send what waits, then close the store unless it is the caller's."""
        await self._lanes.idle()
        if self._store is not None and self._owns_store:
            store, self._store = self._store, None
            await store.aclose()

    async def enqueue(self, task: Task[Any], **options: Unpack[EnqueueOptions]) -> Enqueued:
        """
        Enqueue one task; options override the task's own.

        Cancelling the caller drops a task that was not sent yet; one that was sent may exist.

        Raises:
            InvalidTask, PayloadError: Refused before anything was written.
            DuplicateTask, TaskIdConflict: Refused by the store; nothing was written.
            BrokerUnavailable: The store could not be reached for `give_up_after` seconds; the task may exist.
        """
        prepared = prepare(task, options, max_payload=self.max_payload)
        await self.store()
        return await self.submit(prepared)

    def submit(self, prepared: Prepared) -> asyncio.Future[Enqueued]:
        """Hand a prepared task to the next batch of its queue. The store must be open."""
        future: asyncio.Future[Enqueued] = asyncio.get_running_loop().create_future()
        self._lanes.add(prepared.queue, _Waiting(prepared, future))
        return future

    def enqueue_many(
        self, tasks: Iterable[Task[Any]] | AsyncIterable[Task[Any]], **options: Unpack[EnqueueOptions]
    ) -> Bulk:
        """
        Enqueue any number of tasks from any iterable, in bounded memory.

        Awaiting the result gives counts and failures; `async for` over it gives, for each task in order, an
        `Enqueued` or a `Failure`. Nothing is sent before either.

        Raises:
            InvalidTask: What is given is no iterable, or an option cannot be used.
        """
        return Bulk(self._opened, tasks, options)

    async def _flush(self, queue: str, batch: list[_Waiting]) -> None:
        try:
            for waiting, placed in zip(batch, await self._place(queue, batch), strict=True):
                waiting.answer(placed)
        except OnebeatError as error:
            for waiting in batch:
                waiting.fail(error)
        except Exception as error:
            log.exception("an answer of the store for queue %s was not understood", queue)
            for waiting in batch:
                waiting.fail(BrokerError(f"queue {queue!r}: the store's answer was not understood: {error!r}"))
        except BaseException:
            for waiting in batch:
                waiting.future.cancel()
            raise

    async def _place(self, queue: str, batch: list[_Waiting]) -> list[Placed]:
        store = await self.store()
        sequence = self._sequences[queue] = self._sequences.get(queue, 0) + 1
        call = produce.enqueue(queue, client=self._id, sequence=sequence, tasks=[item.prepared.new for item in batch])
        until = self._clock.monotonic() + self._give_up_after
        pause = 0.02
        while True:
            try:
                await self._publish(store, queue)
                return await store.run(call)
            except BrokerUnavailable:
                if self._clock.monotonic() + pause > until:
                    raise
            await asyncio.sleep(pause * (0.5 + self._jitter()))
            pause = min(pause * 2, 1.0)

    async def _publish(self, store: Store, queue: str) -> None:
        now = self._clock.monotonic()
        if now >= self._published.get(queue, now):
            await registry.publish_queue(store, queue)
            self._published[queue] = now + PUBLISH_EVERY_S


class Bulk:
    """Tasks on their way: await it for counts, or iterate for each answer. See `Client.enqueue_many`."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Client]],
        tasks: Iterable[Task[Any]] | AsyncIterable[Task[Any]],
        options: Mapping[str, Any],
    ) -> None:
        if isinstance(tasks, (str, bytes)) or not isinstance(tasks, (Iterable, AsyncIterable)):
            raise InvalidTask(f"tasks is {shown(tasks)}: give an iterable of tasks; one alone goes to enqueue()")
        resolve(options)  # what cannot be used for any task is no failure of each
        self._connect = connect
        self._tasks = tasks
        self._options = options

    def __await__(self) -> Generator[Any, None, BulkResult]:
        return self._count().__await__()

    async def _count(self) -> BulkResult:
        result = BulkResult()
        async for answer in self:
            if isinstance(answer, Failure):
                result.failures.append(answer)
            else:
                result.enqueued += 1
        return result

    async def __aiter__(self) -> AsyncIterator[Enqueued | Failure]:
        client = await self._connect()
        under_way: deque[tuple[Task[Any], asyncio.Future[Enqueued] | OnebeatError]] = deque()
        async for task in _each(self._tasks):
            under_way.append((task, self._submit(client, task)))
            if len(under_way) >= WINDOW:
                for _ in range(produce.MAX_ITEMS):
                    yield await _answer(*under_way.popleft())
        while under_way:
            yield await _answer(*under_way.popleft())

    def _submit(self, client: Client, task: Task[Any]) -> asyncio.Future[Enqueued] | OnebeatError:
        try:
            return client.submit(prepare(task, self._options, max_payload=client.max_payload))
        except OnebeatError as error:
            return error


async def _answer(task: Task[Any], answer: asyncio.Future[Enqueued] | OnebeatError) -> Enqueued | Failure:
    if isinstance(answer, OnebeatError):
        return Failure(task, answer)
    try:
        return await answer
    except OnebeatError as error:
        return Failure(task, error)


async def _each(tasks: Iterable[Task[Any]] | AsyncIterable[Task[Any]]) -> AsyncIterator[Task[Any]]:
    if isinstance(tasks, AsyncIterable):
        async for task in tasks:
            yield task
        return
    for task in tasks:
        yield task
