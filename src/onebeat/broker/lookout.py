"""
Finds out which nodes a store has, for ever: every five seconds, when told to, and when sentinels announce a switch.

While a node is under suspicion it asks again and again, in pauses that double, until the node answers or is a
primary no more.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from onebeat.broker import driver
from onebeat.broker.endpoint import REPLY_TIMEOUT_S, Address, Endpoint
from onebeat.broker.inquiry import (
    ASK_TIMEOUT_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    PERIOD_S,
    SWITCH_CHANNEL,
    Inquiry,
    announced,
    layout_of,
)
from onebeat.broker.layout import Layout, question
from onebeat.errors import OnebeatError

if TYPE_CHECKING:
    import redis.asyncio

log: logging.Logger = logging.getLogger("onebeat.store")


class Lookout:
    """
    Keeps a layout up to date.

    Args:
        where: An endpoint with seeds.

        adopt: Awaited with every layout found.
    """

    def __init__(self, where: Endpoint, adopt: Callable[[Layout], Awaitable[None]]) -> None:
        self._where = where
        self._adopt = adopt
        self._known: Layout | None = None
        self._clients: dict[Address, redis.asyncio.Redis] = {}
        self._suspects: set[Address] = set()
        self._wanted = asyncio.Event()
        self._switched = asyncio.Event()
        self._announced: Address | None = None
        self._turn = 0
        self._timeout = ASK_TIMEOUT_S
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Find out once, and keep on doing so. Raises as `Inquiry.result` does."""
        self._timeout = REPLY_TIMEOUT_S
        await self._found(await self._ask())
        await self._forget()
        self._timeout = ASK_TIMEOUT_S
        self._spawn(self._watch(), "lookout for nodes")
        for address in self._where.seeds if self._where.sentinel is not None else ():
            self._spawn(self._listen(address), "lookout for switches")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    async def stop(self) -> None:
        for task in self._tasks:
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=0.1)
        self._tasks.clear()
        await self._forget()

    async def _forget(self) -> None:
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    def look(self, suspect: Address | None = None) -> None:
        """Find out soon; a suspect is a node that seems to be away, or no primary."""
        if suspect is not None:
            self._suspects.add(suspect)
        self._wanted.set()

    async def _found(self, layout: Layout) -> None:
        self._known = layout
        await self._adopt(layout)

    async def _watch(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            if not await _within(PERIOD_S, self._wanted):
                pause = FIRST_PAUSE_S  # all was well for a while
            while not await self._round():
                pause = await self._rest(pause)
            pause = await self._rest(pause)  # what comes and goes is no reason to ask without a pause, either

    async def _rest(self, pause: float) -> float:
        """Wait, unless a switch is announced; returns how long to wait next time."""
        await _within(pause * (0.5 + random.random() / 2), self._switched)  # noqa: S311 - jitter
        return min(pause * 2, LONGEST_PAUSE_S)

    async def _round(self) -> bool:
        """Ask once; whether all is well then."""
        self._wanted.clear()
        self._switched.clear()
        try:
            if not await self._follow():
                await self._found(await self._ask())
        except OnebeatError as error:
            log.debug("%s", error)
            return False
        except Exception:
            log.exception("looking for the nodes of %s met a bug of ours; it goes on", self._where.shown)
            return False
        primaries = self._known.primaries if self._known is not None else []
        self._suspects = {one for one in self._suspects if one in primaries and not await self._is_well(one)}
        return not self._suspects

    async def _follow(self) -> bool:
        """Believe an announcement, if the node that it names is a primary."""
        address, self._announced = self._announced, None
        if address is None or not await self._is_well(address):
            return False
        await self._found(layout_of(address, self._known))
        return True

    async def _ask(self) -> Layout:
        self._turn += 1
        inquiry = Inquiry(self._where, self._known, self._suspects, self._turn if self._known else 0)
        if self._where.is_cluster:
            for address in inquiry.addresses:
                await self._ask_one(inquiry, address)
                if inquiry.is_over:
                    break
        else:
            await asyncio.gather(*(self._ask_one(inquiry, address) for address in inquiry.addresses))
        return inquiry.result()

    async def _ask_one(self, inquiry: Inquiry, address: Address) -> None:
        client = self._clients.get(address)
        if client is None:
            where = self._where.asked(address)
            client = self._clients[address] = where.asyncio_client(
                reply_timeout=self._timeout, connect_timeout=self._timeout, connections=2
            )
        try:
            answer = await driver.awaited(client.execute_command(*question(self._where)))
        except (driver.RedisError, OSError) as error:
            inquiry.failed(address, error)
        else:
            inquiry.answered(address, answer)

    async def _is_well(self, address: Address) -> bool:
        """Whether a node answers, and with sentinels is a primary, by itself."""
        client = self._where.node(address).asyncio_client(
            reply_timeout=ASK_TIMEOUT_S, connect_timeout=ASK_TIMEOUT_S, connections=1
        )
        try:
            await driver.awaited(client.execute_command("PING"))
        except (driver.RedisError, OSError):
            return False
        finally:
            await client.aclose()
        return True

    async def _listen(self, address: Address) -> None:
        """Hear one sentinel announce switches, for ever."""
        pause = FIRST_PAUSE_S
        while True:
            with suppress(driver.RedisError, OSError):
                async for message in self._announcements(address):
                    if message and (found := announced(self._where, message)) is not None:
                        pause = FIRST_PAUSE_S
                        self._announced = found
                        self._switched.set()
                    self._wanted.set()  # what was announced before the first word, which is none, was missed
            await asyncio.sleep(pause)
            pause = min(pause * 2, PERIOD_S)

    async def _announcements(self, address: Address) -> AsyncGenerator[bytes]:
        """Yield what a sentinel says of switches; first, once it is listened to, b""."""
        client = self._where.asked(address).asyncio_client(connections=2)
        hub = client.pubsub()
        try:
            await driver.awaited(hub.subscribe(SWITCH_CHANNEL))
            yield b""
            while True:
                message = await driver.awaited(hub.get_message(ignore_subscribe_messages=True, timeout=None))
                if message is not None:
                    yield message["data"]
        finally:
            await hub.aclose()
            await client.aclose()


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for an event, at most so long; whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
