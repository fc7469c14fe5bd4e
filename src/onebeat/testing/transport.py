"""How an application under test reaches its store: the private one, with a note of all that is enqueued."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from onebeat.app.app import Onebeat
from onebeat.app.handle import Replies
from onebeat.app.serving import Serving
from onebeat.app.transport import Connection, Transport
from onebeat.audience import Audience
from onebeat.broker import private
from onebeat.broker.browse import RawTask
from onebeat.broker.call import Argument, Call
from onebeat.broker.connection import Endpoint
from onebeat.broker.produce import Placed
from onebeat.broker.store import BlockingStore, Store
from onebeat.client import Client, _Waiting
from onebeat.errors import ConfigurationError
from onebeat.preparing import Enqueued, Prepared
from onebeat.server.context import Context, running
from onebeat.server.health import Health, HealthReport
from onebeat.server.server import ServerSettings
from onebeat.states import TaskState
from onebeat.sync import SyncClient
from onebeat.testing.driving import Driving
from onebeat.testing.records import Attempt
from onebeat.testing.turnstile import Turnstile

log: logging.Logger = logging.getLogger("onebeat.testing")

T = TypeVar("T")
HasEnded = Callable[[RawTask | None], bool]


def own_context() -> Context[Any] | None:
    """Return the context of the handler that this code runs in, if it does."""
    return running.get(None)


class Reach:
    """
    Reaches the bench from any loop and thread, and takes note of what is enqueued.

    Attributes:
        driving: Set while the block runs.

        note: Called with everything that was accepted.

        eager: What is enqueued is run at once.
    """

    def __init__(self, turnstile: Turnstile, note: Callable[[Prepared], None], *, eager: bool) -> None:
        self.driving: Driving | None = None
        self.turnstile = turnstile
        self.note = note
        self.eager = eager

    def opened(self) -> Driving:
        """Return what drives the bench, within the block."""
        if self.driving is None:
            raise ConfigurationError("the test kit is not open: tasks run, and its store is read, within its block")
        return self.driving

    def close(self) -> None:
        self.driving = None

    def answered(self, batch: Iterable[Prepared], answers: Sequence[Placed]) -> list[Prepared]:
        """Note the tasks that were accepted, and return those that are pending."""
        pending = []
        for prepared, placed in zip(batch, answers, strict=True):
            if placed.status in ("pending", "scheduled", "aggregating"):
                self.note(prepared)
            if placed.status == "pending":
                pending.append(prepared)
        if self.driving is not None:
            self.driving.poke_soon()
        return pending

    async def catch_up(self) -> None:
        """Have the store know what handlers have said about their progress."""
        if self.driving is not None:
            await self.ask(self.driving.bench.words.write())

    async def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the bench's loop, from any loop."""
        driving = self.opened()
        if asyncio.get_running_loop() is driving.loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, driving.loop))

    def ask_blocking(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the bench's loop, from a thread that blocks; plain handlers run in it meanwhile."""
        loop, begun = self.opened().loop, list[Future[T]]()

        def begin() -> Future[T]:
            begun.append(asyncio.run_coroutine_threadsafe(work, loop))
            return begun[0]

        try:
            return self.turnstile.wait(begin)
        except BaseException:
            for future in begun:
                future.cancel()
            raise


def raise_failure(attempt: Attempt | None) -> None:
    """Raise what an attempt has failed with, for who enqueued it eagerly."""
    if attempt is not None and attempt.failure is not None:
        raise attempt.failure


class KitTransport(Transport):
    """The connections of an application under test."""

    sync_client: SyncClient

    def __init__(self, where: Endpoint, reach: Reach, audience: Audience) -> None:
        self._reach = reach
        self._where = where
        super().__init__(where, audience=audience)

    def make_sync_client(self) -> SyncClient:
        return KitSyncClient(self.source, self._reach, self.audience)

    async def open_store(self) -> Store:
        driving = self._reach.driving
        if driving is None or driving.loop is asyncio.get_running_loop():
            return await super().open_store()
        return FarStore(self._where, self._reach, self._near)

    async def _near(self) -> Store:
        return (await self.connected()).store

    def make_client(self, store: Store) -> Client:
        return KitClient(store, self._reach, self.audience)

    def make_replies(self, store: Store) -> Replies:
        return KitReplies(store, self._reach)

    def serving(self, app: Onebeat[Any], settings: ServerSettings) -> Serving:
        return Resting(app, settings)

    async def connected(self) -> Connection:
        await self._reach.catch_up()
        return await super().connected()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Have every connection of the application fail while the block runs."""
        before = self.sync_client, self._connections
        self._lead_to(private.unreachable(self._where))
        self.sync_client, self._connections = self.make_sync_client(), weakref.WeakKeyDictionary()
        try:
            yield
        finally:
            self._lead_to(self._where)
            self.sync_client, self._connections = before

    def _lead_to(self, where: Endpoint) -> None:
        self.source = where


class FarStore(Store):
    """
    The store as seen from another loop than the bench's, such as that of a web server's test client.

    It has no connection of its own, since such loops end without a word, and leave open what they had.
    """

    def __init__(self, where: Any, reach: Reach, near: Callable[[], Awaitable[Store]]) -> None:
        super().__init__(where, None)
        self._reach = reach
        self._near = near

    async def run(self, call: Call[T]) -> T:
        async def work() -> T:
            return await (await self._near()).run(call)

        return await self._reach.ask(work())

    async def command(self, *words: Argument) -> Any:
        async def work() -> Any:
            return await (await self._near()).command(*words)

        return await self._reach.ask(work())


class KitClient(Client):
    """Enqueues in the private store; gives up at once when it is away."""

    def __init__(self, store: Store, reach: Reach, audience: Audience) -> None:
        super().__init__(store, give_up_after=0, observers=audience)
        self._reach = reach

    async def _place(self, queue: str, batch: list[_Waiting]) -> list[Placed]:
        answers = await super()._place(queue, batch)
        self._reach.answered((waiting.prepared for waiting in batch), answers)
        return answers

    def submit(self, prepared: Prepared) -> asyncio.Future[Enqueued]:
        future = super().submit(prepared)
        return asyncio.ensure_future(self._eagerly(future)) if self._reach.eager else future

    async def _eagerly(self, future: asyncio.Future[Enqueued]) -> Enqueued:
        enqueued = await future
        if enqueued.state is TaskState.PENDING:
            driving = self._reach.opened()
            raise_failure(await self._reach.ask(driving.settle(own_context(), enqueued.queue, enqueued.id)))
        return enqueued


class KitSyncClient(SyncClient):
    """The same for code that blocks."""

    def __init__(self, source: object, reach: Reach, audience: Audience) -> None:
        super().__init__(source, give_up_after=0, observers=audience)
        self._reach = reach

    @property
    def store(self) -> BlockingStore:
        driving = self._reach.driving
        if driving is not None and asyncio._get_running_loop() is None:
            asyncio.run_coroutine_threadsafe(driving.bench.words.write(), driving.loop).result()
        return super().store

    def _place(self, queue: str, batch: list[Prepared]) -> list[Placed]:
        answers = super()._place(queue, batch)
        pending = self._reach.answered(batch, answers)
        for prepared in pending if self._reach.eager else []:
            work = self._reach.opened().settle(own_context(), queue, prepared.new.id)
            raise_failure(self._reach.ask_blocking(work))
        return answers

    def end(self, queue: str, task_id: str, has_ended: HasEnded, limit: float | None) -> RawTask | None:
        work = self._reach.opened().end(own_context(), queue, task_id, has_ended, limit)
        return self._reach.ask_blocking(work)


class KitReplies(Replies):
    """Waits for results by having the tasks run."""

    def __init__(self, store: Store, reach: Reach) -> None:
        super().__init__(store)
        self._reach = reach

    async def end(self, queue: str, task_id: str, has_ended: HasEnded, limit: float | None) -> RawTask | None:
        return await self._reach.ask(self._reach.opened().end(own_context(), queue, task_id, has_ended, limit))


class Resting(Serving):
    """What `app.serving()` is under test: it serves nothing, as the kit runs the tasks, when it is told to."""

    _asked: asyncio.Event

    async def __aenter__(self) -> Self:
        self._asked = asyncio.Event()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asked.set()

    @property
    def stop_asked(self) -> asyncio.Event:
        return self._asked

    @property
    def health(self) -> Health:
        return Health.STOPPING if self._asked.is_set() else Health.OK

    def health_report(self) -> HealthReport:
        return HealthReport.of("stopped" if self._asked.is_set() else "serving", [])

    def end_badly_if_need_be(self) -> None:
        """It ends well."""
