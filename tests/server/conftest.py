"""A server on a real store, in this process, with the real clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker import browse
from onebeat.broker.browse import QueueStats
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.server.serving import Serving
from onebeat.task import Task


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Wait until a condition of the store holds. The store tells nobody, so it is asked every 5 ms."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)


class Bench:
    """A store with a client and a mux, and what tests ask of them."""

    def __init__(self, store: Store, client: Client) -> None:
        self.store = store
        self.client = client
        self.mux = Mux()
        self.ran: list[str] = []

    async def enqueue(self, type: str, payload: Any = None, **options: Any) -> str:
        return (await self.client.enqueue(Task(type, payload), **options)).id

    @asynccontextmanager
    async def serving(self, **settings: Any) -> AsyncIterator[Serving]:
        settings.setdefault("shutdown_timeout", 2.0)
        async with Server(self.store, **settings).serving(self.mux) as serving:
            yield serving

    async def stats(self, queue: str = "default") -> QueueStats:
        return await self.store.run(browse.stats(queue))

    async def reaches(self, queue: str = "default", **counts: int) -> None:
        """Wait until the queue's counts are these."""

        async def holds() -> bool:
            try:
                found = await self.stats(queue)
            except BrokerUnavailable:  # a test may have cut the very connection that is asked by
                return False
            return all(getattr(found, name) == count for name, count in counts.items())

        await until(holds)

    @asynccontextmanager
    async def knife(self) -> AsyncIterator[Store]:
        """Lend a store on which nothing else is under way: it has one connection, which it does not cut itself."""
        async with await Store.open(self.store.endpoint) as knife:
            yield knife

    async def field(self, task_id: str, name: str, queue: str = "default") -> bytes | None:
        value: bytes | None = await self.store.command("HGET", f"asynq:{{{queue}}}:t:{task_id}", name)
        return value


@pytest.fixture
async def bench(url: str) -> AsyncIterator[Bench]:
    """Return an empty store with a client, on the store's own clock."""
    async with await Store.open(url) as store, Client(store) as client:
        yield Bench(store, client)


@contextmanager
def served_in_thread(app: Onebeat[Any], **settings: Any) -> Iterator[None]:
    """Serve an application on a loop in another thread, for tests of code that blocks."""
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with app.serving(**settings):
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield
    finally:
        done.set()
        thread.join()
