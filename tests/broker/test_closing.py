"""What is left of a store that was closed: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as NotConnected

from onebeat.broker import browse
from onebeat.broker.pool import Pool
from onebeat.broker.store import Store
from onebeat.errors import BrokerUnavailable

CALLS: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "script": lambda store: store.run(browse.info("q", "1")),
    "scripts": lambda store: store.run_each([browse.info("q", "1")]),
    "command": lambda store: store.command("PING"),
    "commands": lambda store: store.commands([("PING",), ("GET", "k")]),
    "everywhere": lambda store: store.everywhere("PING"),
    "waiting": lambda store: store.peek("q"),
    "listening": lambda store: anext(store.listen("asynq:cancel")),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("is_used", [True, False], ids=["used", "unused"])
async def test_a_closed_store_says_so(url: str, call: Callable[[Store], Awaitable[Any]], is_used: bool) -> None:
    """It connects no more: nobody would close what it opened, as of a job that goes on after its console."""
    store = await Store.open(url)
    if is_used:
        await store.run_each([browse.info(name, "1") for name in "abcdef"])
    await store.aclose()
    with pytest.raises(BrokerUnavailable, match="it was closed; open another"):
        await call(store)


async def test_what_was_about_to_connect_is_closed_as_well() -> None:
    """The pool was closed before there was a connection that it could close."""
    connecting, may_go_on, hung_up = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"" == await reader.read()
        hung_up.set()
        writer.close()

    class Slow(Connection):
        async def _connect(self) -> None:
            connecting.set()
            await may_go_on.wait()
            await super()._connect()  # type: ignore[no-untyped-call] # redis-py annotates it in part

        async def on_connect_check_health(self, check_health: bool = True) -> None:
            self._parser.on_connect(self)  # and says nothing, as the server does

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        pool = Pool(
            connection_class=Slow,
            host="127.0.0.1",
            port=port,
        )
        asked = asyncio.create_task(pool.get_connection())
        await connecting.wait()
        await pool.aclose()
        may_go_on.set()
        with pytest.raises(NotConnected, match="it was closed"):
            await asked
        await asyncio.wait_for(hung_up.wait(), 60)
