"""
Takes work: as many tasks as there are free slots, never more, so that a waiting task stays visible to all.

A fetch that was sent is always awaited, and one whose answer was lost is repeated under its number until
there is an answer, so no task is ever stranded between the store and the server (mechanism-rules 6).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from onebeat.broker.consume import Taken, take
from onebeat.broker.store import Store
from onebeat.clock import EPOCH, Clock, SystemClock
from onebeat.errors import BrokerError, BrokerUnavailable
from onebeat.server.shares import Shares
from onebeat.server.watcher import Watcher
from onebeat.upkeep.service import Backoff, TroubleLog

log: logging.Logger = logging.getLogger("onebeat.fetcher")

PATIENCE_S = 0.5
"""How long, of a store of several nodes, the others' queues wait for the answer of one."""


class Fetcher:
    """
    Fetches until told to stop.

    Args:
        store, shares, watcher: Where from, in which proportion, and when there is something.

        server: The tag under which the store records our fetches.

        lease_ms: The lease of what is taken.

        room: How many tasks may be taken now.

        asking: Called with a queue before each new fetch from it, not before a repeat.

        taken: Called with each answer that brought tasks, or says which had expired.
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
        clock: Clock | None = None,
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
        self._late: dict[asyncio.Task[None], str] = {}
        self._trouble = TroubleLog("fetching", log)
        self._clock = clock or SystemClock()
        self.error: str = ""
        """What the last fetch failed with; "" if it did not."""
        self.failed_at: float = 0.0
        now = self._clock.now()
        self._heard = (now - EPOCH) // timedelta(milliseconds=1), self._clock.monotonic()
        """What the store's clock showed (ms), and when; ours, before it has said anything."""

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
        try:
            while not self._stopping:
                if self._room() < 1:
                    self._vacant.clear()
                    if self._room() < 1:
                        await self._vacant.wait()
                elif not self._watcher.working:
                    await self._watcher.found.wait()
                else:
                    await self._round()
            if self._late:
                await asyncio.wait(self._late)
        finally:
            for fetch in self._late:
                fetch.cancel()

    async def _round(self) -> None:
        """Ask the queues that may have work for what is free, all at once; each for its share."""
        late = self._late.values()
        plan = self._shares.divide(self._room(), self._watcher.working.difference(late))
        if self._store.is_spread:
            await self._round_of_nodes(plan)
        elif len(plan) == 1:
            await self._fetch(*plan[0])
        else:
            await asyncio.gather(*(self._fetch(queue, number) for queue, number in plan))

    async def _round_of_nodes(self, plan: list[tuple[str, int]]) -> None:
        """
        Do not wait long for a node that is away: the fetch goes on, the queues of other nodes are served.

        No slots are kept for it, or it would keep them all; what it brings beyond those that are free is given back.
        """
        fetches = {asyncio.create_task(self._fetch(queue, number)): queue for queue, number in plan}
        try:
            done, _ = await asyncio.wait(fetches or self._late, timeout=PATIENCE_S)
        except BaseException:
            for fetch in fetches:
                fetch.cancel()
            raise
        for fetch, queue in fetches.items():
            if fetch in done:
                fetch.result()
            else:
                self._late[fetch] = queue
                self._watcher.leave_alone(queue)
                fetch.add_done_callback(self._came)

    def _came(self, fetch: asyncio.Task[None]) -> None:
        queue = self._late.pop(fetch)
        self._watcher.may_work(queue)
        self._vacant.set()
        if not fetch.cancelled() and (bug := fetch.exception()) is not None:
            log.error("a fetch from queue %s met a bug of ours", queue, exc_info=bug)

    async def _fetch(self, queue: str, number: int) -> None:
        taken = await self._ask(queue, number)
        if taken is None or taken.status == "paused":
            self._watcher.leave_alone(queue)
            return
        if len(taken.tasks) < number and taken.status != "more":
            self._watcher.was_empty(queue, got=len(taken.tasks))
        if taken.tasks or taken.expired:
            self._taken(queue, taken)

    async def _ask(self, queue: str, number: int) -> Taken | None:
        """Ask until there is an answer. None: the store answers with an error, so nothing was taken."""
        self._asking(queue)
        self._sequences[queue] = max(self._sequences[queue] + 1, self._now_ms())
        call = take(
            queue,
            server=self._server,
            sequence=self._sequences[queue],
            limit=number,
            lease_ms=self._lease_ms,
        )
        backoff, trouble = Backoff(), self._trouble
        while True:
            try:
                taken = await self._store.run(call)
            except BrokerUnavailable as error:
                trouble.trouble(error)
                self._failed(error)
            except BrokerError as error:
                trouble.trouble(error)
                self._failed(error)
                return None
            else:
                trouble.over()
                self.error = ""
                self._heard = taken.now_us // 1000, self._clock.monotonic()
                return taken
            await asyncio.sleep(backoff.pause())

    def _now_ms(self) -> int:
        """Return about what the store's clock shows: the number of a fetch, as long as it rises."""
        shown, at = self._heard
        return shown + int((self._clock.monotonic() - at) * 1000)

    def _failed(self, error: BrokerError) -> None:
        self.error, self.failed_at = str(error), self._clock.monotonic()
