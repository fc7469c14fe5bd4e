"""How an application under test reaches its store: the private one, with a note of all that is enqueued."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from onebeat.app.app import Onebeat
from onebeat.app.handle import Replies
from onebeat.app.serving import Serving
from onebeat.app.transport import Transport
from onebeat.broker import private
from onebeat.broker.browse import RawTask
from onebeat.broker.connection import Endpoint
from onebeat.broker.produce import Placed
from onebeat.broker.store import Store
from onebeat.client import Client, _Waiting
from onebeat.errors import TaskFailed
from onebeat.preparing import Enqueued, Prepared
from onebeat.server.context import Context, running
from onebeat.server.server import Health, ServerSettings
from onebeat.states import TaskState
from onebeat.sync import SyncClient
from onebeat.testing.bench import Bench
from onebeat.testing.records import Attempt
from onebeat.testing.turnstile import Turnstile

log = logging.getLogger("onebeat.testing")

T = TypeVar("T")
HasEnded = Callable[[RawTask | None], bool]


def own_context() -> Context[Any] | None:
    """Return the context of the handler that this code runs in, if it does."""
    return running.get(None)


class Reach:
    """
    Reaches the bench from any loop and thread, and takes note of what is enqueued.

    Attributes:
        bench: Set once it is open.

        note: Called with everything that was accepted.

        eager: What is enqueued is run at once.
    """

    def __init__(self, turnstile: Turnstile, note: Callable[[Prepared], None], *, eager: bool) -> None:
        self.bench: Bench | None = None
        self.turnstile = turnstile
        self.note = note
        self.eager = eager

    def opened(self) -> Bench:
        assert self.bench is not None  # noqa: S101 - the kit gives nothing away before it is open
        return self.bench

    def accepted(self, prepared: Prepared, placed: Placed) -> bool:
        """Note a task that was accepted; true if it is pending."""
        if placed.status not in ("pending", "scheduled"):
            return False
        self.note(prepared)
        if self.bench is not None:
            self.bench.poke_soon()
        return placed.status == "pending"

    async def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the bench's loop, from any loop."""
        bench = self.opened()
        if asyncio.get_running_loop() is bench.loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, bench.loop))

    def ask_blocking(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the bench's loop, from a thread that blocks; plain handlers run in it meanwhile."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.opened().loop)
        try:
            return self.turnstile.wait(future)
        except BaseException:
            future.cancel()
            raise


def raise_failure(attempt: Attempt | None) -> None:
    """Raise what an attempt has failed with, for who enqueued it eagerly."""
    if attempt is None or attempt.state not in ("retry", "archived"):
        return
    raise attempt.exception or TaskFailed(attempt.error)


class KitTransport(Transport):
    """The connections of an application under test."""

    def __init__(self, where: Endpoint, reach: Reach) -> None:
        self._reach = reach
        super().__init__(where)

    def make_sync_client(self) -> SyncClient:
        return KitSyncClient(self.source, self._reach)

    def make_client(self, store: Store) -> Client:
        return KitClient(store, self._reach)

    def make_replies(self, store: Store) -> Replies:
        return KitReplies(store, self._reach)

    def serving(self, app: Onebeat[Any], settings: ServerSettings) -> Serving:
        return Resting(app, settings)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Have every connection of the application fail while the block runs."""
        before = self.source, self.sync_client, self._connections
        self.source = private.unreachable(before[0])  # type: ignore[arg-type] # `__init__` was given one
        self.sync_client, self._connections = self.make_sync_client(), weakref.WeakKeyDictionary()
        try:
            yield
        finally:
            self.source, self.sync_client, self._connections = before


class KitClient(Client):
    """Enqueues in the private store; gives up at once when it is away."""

    def __init__(self, store: Store, reach: Reach) -> None:
        super().__init__(store, give_up_after=0)
        self._reach = reach

    async def _place(self, queue: str, batch: list[_Waiting]) -> list[Placed]:
        answers = await super()._place(queue, batch)
        for waiting, placed in zip(batch, answers, strict=True):
            self._reach.accepted(waiting.prepared, placed)
        return answers

    def submit(self, prepared: Prepared) -> asyncio.Future[Enqueued]:
        future = super().submit(prepared)
        return asyncio.ensure_future(self._eagerly(future)) if self._reach.eager else future

    async def _eagerly(self, future: asyncio.Future[Enqueued]) -> Enqueued:
        enqueued = await future
        if enqueued.state is TaskState.PENDING:
            bench = self._reach.opened()
            raise_failure(await self._reach.ask(bench.settle(own_context(), enqueued.queue, enqueued.id)))
        return enqueued


class KitSyncClient(SyncClient):
    """The same for code that blocks."""

    def __init__(self, source: object, reach: Reach) -> None:
        super().__init__(source, give_up_after=0)
        self._reach = reach

    def _place(self, queue: str, batch: list[Prepared]) -> list[Placed]:
        answers = super()._place(queue, batch)
        pending = [
            prepared
            for prepared, placed in zip(batch, answers, strict=True)
            if self._reach.accepted(prepared, placed) and self._reach.eager
        ]
        for prepared in pending:
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

    def end_badly_if_need_be(self) -> None:
        """It ends well."""
