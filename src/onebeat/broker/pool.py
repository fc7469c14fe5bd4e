"""
Connections that end for good when their store is closed.

redis-py's pools forget that they were closed: a call that was about to connect then goes on, and one that comes
later connects anew, so a socket stays open that nobody closes. Imported where a client is made, as redis-py is.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as NotConnected

from onebeat.broker.trouble import WAS_CLOSED


class Pool(BlockingConnectionPool):
    """A pool that lends no connection once it was closed, and closes those that come back later."""

    _is_over = False

    async def get_connection(self, *words: Any, **options: Any) -> AbstractConnection:
        """Lend a connection; raises that the pool was closed, also if it was while one was made."""
        self._check()
        connection: AbstractConnection = await super().get_connection(*words, **options)  # type: ignore[no-untyped-call] # its decorator is
        if self._is_over:
            await self.release(connection)
            self._check()
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back."""
        if self._is_over:
            await connection.disconnect(nowait=True)
        await super().release(connection)

    async def aclose(self) -> None:
        """Close all connections, and lend no more."""
        self._is_over = True
        await super().aclose()

    def _check(self) -> None:
        if self._is_over:
            raise NotConnected(WAS_CLOSED)
