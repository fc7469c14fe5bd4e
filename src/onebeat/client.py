"""
Putting tasks on queues.

A client collects what is enqueued at the same time and sends it in batches, so a thousand concurrent
`enqueue` calls are four round trips. Every call still gets its own answer or error.
"""

from __future__ import annotations

import asyncio
import logging
import random
import warnings
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from onebeat.audience import Audience
from onebeat.broker import produce, registry
from onebeat.broker.coalescer import Coalescer
from onebeat.broker.produce import Placed
from onebeat.broker.store import Store, check_source
from onebeat.clock import Clock, SystemClock
from onebeat.errors import BrokerError, BrokerUnavailable, NotReplicated, OnebeatError
from onebeat.events import Figure, Observers, Sending
from onebeat.ids import new_id
from onebeat.options import EnqueueOptions, resolve
from onebeat.preparing import (
    GIVE_UP_AFTER_S,
    MAX_PAYLOAD,
    PUBLISH_AGAIN_S,
    PUBLISH_EVERY_S,
    BulkResult,
    Enqueued,
    Failure,
    Prepared,
    check_settings,
    check_tasks,
    prepare,
    tell_enqueued,
    understand,
)
from onebeat.task import Task

log: logging.Logger = logging.getLogger("onebeat.client")

WINDOW = 2048
"""Tasks of one `enqueue_many` that may be under way: it bounds the memory of a bulk."""


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

        give_up_after: Seconds for which a batch is repeated while the store cannot be reached, 10 unless given. A
            repeat never enqueues twice.

        max_payload: Largest payload accepted, bytes; 8,000,000 unless given.

        durability: "replicas:n" has n replicas confirm every task before it counts as enqueued (`NotReplicated` if they
            do not); default: as the URL says, else none.

        observers: Told of every task that the store has taken, on the event loop; see `onebeat.events.Observer`.

    Raises:
        ConfigurationError: A setting is no such number, or an observer none.
    """

    def __init__(
        self,
        store: object = None,
        *,
        durability: str | None = None,
        give_up_after: float = GIVE_UP_AFTER_S,
        max_payload: int = MAX_PAYLOAD,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        observers: Observers | Audience = (),
    ) -> None:
        self._source = check_source(store, durability)
        self._durability = durability
        self.audience: Audience = Audience.of(observers)
        self.audience.attach(self._source)
        self._store: Store | None = store if isinstance(store, Store) else None
        self._owns_store = self._store is None
        self._opening: asyncio.Lock | None = None
        check_settings(give_up_after, max_payload)
        self._give_up_after = give_up_after
        self.max_payload = max_payload
        self._clock = clock or SystemClock()
        self._jitter = jitter
        if self._store is not None:
            self._store.measured_by(self.audience)
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
                    self._store = await Store.open(self._source, durability=self._durability)
                    self._store.measured_by(self.audience)
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
            NotReplicated: The task exists, but for as long too few replicas have confirmed it (`durability`).
        """
        with self.audience.sending() as sending:
            prepared = prepare(task, options, max_payload=self.max_payload, audience=self.audience, sending=sending)
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

        Where it is cut short, because it is cancelled or the iterable raises, tasks that were not sent yet are dropped;
        those that were sent may exist.

        Raises:
            InvalidTask: What is given is no iterable, or an option cannot be used.
        """
        return Bulk(self._opened, tasks, options)

    async def _flush(self, queue: str, batch: list[_Waiting]) -> None:
        try:
            answers = await self._place(queue, batch)
            for waiting, placed in zip(batch, answers, strict=True):
                waiting.answer(placed)
            for waiting, placed in zip(batch, answers, strict=True) if self.audience.hears else ():
                tell_enqueued(self.audience, waiting.prepared, placed, self._clock.now())
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
                answers = await store.run(call)
            except (BrokerUnavailable, NotReplicated):  # a repeat under its number asks for confirmation again
                if self._clock.monotonic() + pause > until:
                    raise
            else:
                self.audience.measured(Figure.BATCH_SIZE, "enqueue", len(batch))
                return answers
            await asyncio.sleep(pause * (0.5 + self._jitter()))
            pause = min(pause * 2, 1.0)

    async def _publish(self, store: Store, queue: str) -> None:
        now = self._clock.monotonic()
        if now >= self._published.get(queue, now):
            try:
                await registry.publish_queue(store, queue)
            except BrokerUnavailable:
                if not store.is_spread or queue not in self._published:
                    raise
                # It was made known before, and the node that keeps the list is not the one that has the queue.
                self._published[queue] = self._clock.monotonic() + PUBLISH_AGAIN_S
            else:
                self._published[queue] = now + PUBLISH_EVERY_S


class Bulk:
    """Tasks on their way: await it for counts, or iterate for each answer. See `Client.enqueue_many`."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Client]],
        tasks: Iterable[Task[Any]] | AsyncIterable[Task[Any]],
        options: Mapping[str, Any],
    ) -> None:
        check_tasks(tasks, Iterable, AsyncIterable)
        resolve(options)  # what cannot be used for any task is no failure of each
        self._connect = connect
        self._tasks = tasks
        self._options = options

        self._is_used = False

    def __del__(self) -> None:
        if not getattr(self, "_is_used", True):
            warnings.warn(
                "enqueue_many() was neither awaited nor iterated: nothing was enqueued", RuntimeWarning, stacklevel=2
            )

    def __await__(self) -> Generator[Any, None, BulkResult]:
        self._is_used = True
        return self._count().__await__()

    async def _count(self) -> BulkResult:
        result = BulkResult()
        async for answer in self:
            if isinstance(answer, Failure):
                result.failures.append(answer)
            else:
                result.enqueued += 1
        return result

    def __aiter__(self) -> AsyncIterator[Enqueued | Failure]:
        self._is_used = True
        return self._answers()

    async def _answers(self) -> AsyncIterator[Enqueued | Failure]:
        client = await self._connect()
        under_way: deque[tuple[Task[Any], asyncio.Future[Enqueued] | OnebeatError]] = deque()
        with client.audience.sending(many=True) as sending:
            try:
                async for task in _each(self._tasks):
                    under_way.append((task, self._submit(client, task, sending)))
                    if len(under_way) >= WINDOW:
                        for _ in range(produce.MAX_ITEMS):
                            yield await _answer(*under_way.popleft(), sending)
                while under_way:
                    yield await _answer(*under_way.popleft(), sending)
            finally:
                for _, answer in under_way:  # nobody wants them any more: it was cancelled, or the tasks' source failed
                    _drop(answer)

    def _submit(self, client: Client, task: Task[Any], sending: Sending) -> asyncio.Future[Enqueued] | OnebeatError:
        try:
            prepared = prepare(
                task, self._options, max_payload=client.max_payload, audience=client.audience, sending=sending
            )
            return client.submit(prepared)
        except OnebeatError as error:
            return error


async def _answer(
    task: Task[Any], answer: asyncio.Future[Enqueued] | OnebeatError, sending: Sending
) -> Enqueued | Failure:
    try:
        if isinstance(answer, OnebeatError):
            raise answer
        return await answer
    except OnebeatError as error:
        sending.refused(error)
        return Failure(task, error)


def _drop(answer: asyncio.Future[Enqueued] | OnebeatError) -> None:
    """Have a task not be sent if it has not left, and see an error that came already."""
    if isinstance(answer, asyncio.Future) and not answer.cancel() and not answer.cancelled():
        answer.exception()


async def _each(tasks: Iterable[Task[Any]] | AsyncIterable[Task[Any]]) -> AsyncIterator[Task[Any]]:
    if isinstance(tasks, AsyncIterable):
        async for task in tasks:
            yield task
        return
    for task in tasks:
        yield task
