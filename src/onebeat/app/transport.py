"""How an application reaches its store: a connection for each event loop, and one for code that blocks."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from onebeat.app.handle import Replies
from onebeat.audience import Audience
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.sync import SyncClient

if TYPE_CHECKING:
    from onebeat.app.app import Onebeat
    from onebeat.app.serving import Serving
    from onebeat.server.server import ServerSettings


class Transport:
    """
    The connections of one application. Each is opened when first used, anew in a forked child.

    The test kit puts one of its own in place of an application's.

    Args:
        source: Where the store is.

        durability: See `Client`.

        audience: The application's.

    Attributes:
        sync_client: Of this process, for code that blocks.
    """

    def __init__(self, source: object, durability: str | None = None, audience: Audience | None = None) -> None:
        self.source = source
        self.durability = durability
        self.audience: Audience = audience or Audience()
        self.sync_client: SyncClient = self.make_sync_client()
        self._connections: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Connection] = (
            weakref.WeakKeyDictionary()
        )

    def make_sync_client(self) -> SyncClient:
        return SyncClient(self.source, durability=self.durability, observers=self.audience)

    async def open_store(self) -> Store:
        return await Store.open(self.source, durability=self.durability)

    def make_client(self, store: Store) -> Client:
        return Client(store, observers=self.audience)

    def make_replies(self, store: Store) -> Replies:
        return Replies(store)

    def serving(self, app: Onebeat[Any], settings: ServerSettings) -> Serving:
        """Return what serves the application while a block runs."""
        from onebeat.app.serving import Serving  # a client need not load the server

        return Serving(app, settings)

    async def connected(self) -> Connection:
        """Return the connection of the running loop, opened if need be."""
        loop = asyncio.get_running_loop()
        connection = self._connections.get(loop)
        if connection is None or connection.pid != os.getpid():
            self._forget_closed()
            connection = self._connections[loop] = Connection(self, partial(self._connections.pop, loop, None))
        await connection.open()
        return connection

    def _forget_closed(self) -> None:
        """Let go of what was opened on loops that ended without a word: one run by hand, and not by `asyncio.run`."""
        for loop in [loop for loop in list(self._connections) if loop.is_closed()]:
            self._connections.pop(loop, None)

    async def aclose(self) -> None:
        """Send what waits, and close the connection of the running loop."""
        connection = self._connections.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            await connection.aclose()


class Connection:
    """What one event loop of one process holds open."""

    store: Store
    client: Client
    replies: Replies

    def __init__(self, transport: Transport, forget: Callable[[], object]) -> None:
        self._forget = forget
        self.pid: int = os.getpid()
        self._transport = transport
        self._lock = asyncio.Lock()
        self._is_open = False

    async def open(self) -> None:
        if self._is_open:
            return
        async with self._lock:
            if not self._is_open:
                self.store = await self._transport.open_store()
                self.client = self._transport.make_client(self.store)
                self.replies = self._transport.make_replies(self.store)
                self._life = self._lives()
                await anext(self._life)
                self._is_open = True

    async def _lives(self) -> AsyncGenerator[None]:
        """Close when told to, or with the loop: `asyncio.run` and its like end the generators that still wait."""
        try:
            yield
        finally:
            if self.pid == os.getpid():
                self._is_open = False
                self._forget()
                await self.replies.stop()
                await self.client.aclose()
                await self.store.aclose()

    async def aclose(self) -> None:
        if self._is_open:
            await self._life.aclose()
