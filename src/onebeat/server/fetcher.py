"""
Takes work: as many tasks as there are free slots, never more, so that a waiting task stays visible to all.

A fetch that was sent is always awaited, and one whose answer was lost is repeated under its number until
there is an answer, so no task is ever stranded between the store and the server (mechanism-rules 6).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from onebeat.broker.consume import Taken, take
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, BrokerUnavailable
from onebeat.server.shares import Shares
from onebeat.server.watcher import Watcher
from onebeat.upkeep.service import Backoff, TroubleLog

log: logging.Logger = logging.getLogger("onebeat.fetcher")


class Fetcher:
    """
    Fetches until told to stop.

    Args:
        store, shares, watcher: Where from, in which proportion, and when there is something.

        server: The name under which the store records our fetches.

        lease_ms: The lease of what is taken.

        room: How many tasks may be taken now.

        asking: Called with a queue before each new fetch from it, not before a repeat.

        taken: Called with each answer that brought tasks.
    """

    def __init__(
        self,
        store: Store,
        shares: Shares,
        watcher: Watcher,
        *,
        server: str,
        lease_ms: int,
        room: Callable[[], int],
        asking: Callable[[str], None],
        taken: Callable[[str, Taken], None],
    ) -> None:
        self._store = store
        self._shares = shares
        self._watcher = watcher
        self._server = server
        self._lease_ms = lease_ms
        self._room = room
        self._asking = asking
        self._taken = taken
        self._sequences = dict.fromkeys(shares.queues, 0)
        self._vacant = asyncio.Event()
        self._stopping = False
        self._trouble = TroubleLog("fetching", log)

    def room_again(self) -> None:
        """Say that a slot became free, or an outcome was written."""
        self._vacant.set()

    def stop(self) -> None:
        """Take nothing more; `run` returns once the fetch under way is answered."""
        self._stopping = True
        self._vacant.set()
        self._watcher.found.set()

    async def run(self) -> None:
        """Fetch until stopped."""
        while not self._stopping:
            if self._room() < 1:
                self._vacant.clear()
                if self._room() < 1:
                    await self._vacant.wait()
            elif not self._watcher.working:
                await self._watcher.found.wait()
            else:
                await self._round()

    async def _round(self) -> None:
        """Ask the queues that may have work for what is free, all at once; each for its share."""
        plan = self._shares.divide(self._room(), self._watcher.working)
        if len(plan) == 1:
            await self._fetch(*plan[0])
        else:
            await asyncio.gather(*(self._fetch(queue, number) for queue, number in plan))

    async def _fetch(self, queue: str, number: int) -> None:
        taken = await self._ask(queue, number)
        if taken is None or taken.status == "paused":
            self._watcher.leave_alone(queue)
            return
        if len(taken.tasks) < number and taken.status != "more":
            self._watcher.was_empty(queue, got=len(taken.tasks))
        if taken.tasks:
            self._taken(queue, taken)

    async def _ask(self, queue: str, number: int) -> Taken | None:
        """Ask until there is an answer. None: the store answers with an error, so nothing was taken."""
        self._asking(queue)
        self._sequences[queue] += 1
        call = take(queue, server=self._server, sequence=self._sequences[queue], limit=number, lease_ms=self._lease_ms)
        backoff, trouble = Backoff(), self._trouble
        while True:
            try:
                taken = await self._store.run(call)
            except BrokerUnavailable as error:
                trouble.trouble(error)
            except BrokerError as error:
                trouble.trouble(error)
                return None
            else:
                trouble.over()
                return taken
            await asyncio.sleep(backoff.pause())
