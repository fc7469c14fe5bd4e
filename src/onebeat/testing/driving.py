"""
Who has the bench work: `drain`, `advance`, and whoever waits for a result, in the test or in a handler.

One task of the loop, the pump, takes turns while there is a driver. The drivers wait until the bench rests; only then
is time moved, and only when every one of them has looked and cannot go on at this instant.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from onebeat.broker import browse
from onebeat.broker.browse import RawTask
from onebeat.errors import ConfigurationError, OnebeatError
from onebeat.server.context import Context
from onebeat.testing.bench import Bench
from onebeat.testing.records import Attempt, Drained
from onebeat.upkeep.service import cancelled

STORE_IS_SLOW = 10
"""How many times as long as a handler the store may take, on a machine with much to do."""

Own = Context[Any] | None
"""The handler that a driver is called from, if it is: it does not wait for itself."""


class HandlerStuck(OnebeatError):  # noqa: N818 - read as a sentence, as others
    """Handlers did not end, or what is waited for cannot happen. The message names them and what to do."""


class _Waiter:
    """Who waits for a task to end: until when, and at which rest it has seen that it has not."""

    __slots__ = ("limit_us", "saw")

    def __init__(self, limit_us: int | None) -> None:
        self.limit_us = limit_us
        self.saw = 0


class Driving:
    """Drives a bench, on the bench's loop."""

    def __init__(self, bench: Bench) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.bench = bench
        self._clock = bench.plan.clock
        self._guard = bench.plan.guard
        self._drivers = 0
        self._waiters: set[_Waiter] = set()
        self._listeners: set[asyncio.Event] = set()
        self._woken = asyncio.Event()
        self._stepping = asyncio.Lock()
        self._rests = 0
        self._is_resting = False
        self._broken: Exception | None = None
        bench.changed = self.poke
        self._pumping = self.loop.create_task(self._pump(), name="pump of the test kit")

    async def aclose(self) -> None:
        await cancelled(self._pumping)
        self._broken = ConfigurationError("the test kit was left: what is not awaited within its block never comes")
        self._tell()
        await self.bench.aclose()

    def poke(self) -> None:
        """Say that there may be something to do, or somebody may go on."""
        self._is_resting = False
        self._woken.set()
        self._tell()

    def poke_soon(self) -> None:
        """Say so from any thread."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.poke)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener.set()

    async def _pump(self) -> None:
        while True:
            self._woken.clear()
            if self._drivers and not self._broken:
                try:
                    turn = await self.bench.turn()
                except Exception as error:  # noqa: BLE001 - the drivers raise it
                    self._broken = error
                    turn = "waits"
                if turn == "did something" or self._woken.is_set():
                    continue
                self._is_resting = turn == "rests"
                self._rests += self._is_resting
                self._tell()
            await self._woken.wait()

    @asynccontextmanager
    async def _driving(self, own: Own) -> AsyncIterator[None]:
        key = (own.queue, own.id) if own is not None else None
        if key is not None:
            self.bench.inside[key] += 1
        self._drivers += 1
        self.poke()
        try:
            yield
        finally:
            self._drivers -= 1
            if key is not None:
                self.bench.inside[key] -= 1
                self.bench.inside += Counter()  # drops what is zero
            self.poke()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """
        Wait for the pump.

        Raises:
            HandlerStuck: Nothing happened for as long as the guard allows.
        """
        heard, silences = asyncio.Event(), 0
        self._listeners.add(heard)
        try:
            while not condition():
                if self._broken is not None:
                    raise self._broken
                heard.clear()
                try:
                    async with asyncio.timeout(self._guard):
                        await heard.wait()
                    silences = 0
                except TimeoutError:
                    silences += 1
                    if self.bench.running or self.bench.aggregating or silences >= STORE_IS_SLOW:
                        raise self._stuck() from None
        finally:
            self._listeners.discard(heard)

    def _stuck(self) -> HandlerStuck:
        names = [
            f"{run.message.type if run.message is not None else '?'} ({run.id}, queue {run.queue})"
            for run in self.bench.running
        ]
        names += self.bench.aggregating
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        return HandlerStuck(
            f"handlers still run after {self._guard:g} s: {shown}. Time stands still while a handler runs: replace "
            "what it waits for (a sleep, a network) in the test; let it wait for other handlers with "
            "testing(concurrency=…); or give it longer with testing(guard=…)"
        )

    def _is_done(self, own: Own) -> bool:
        return self._is_resting and (own is not None or not self.bench.running)

    async def _rest(self, own: Own) -> None:
        """Wait until nothing is to be done at this instant, nor by those who hear of what was done."""
        audience = self.bench.plan.audience
        await self._until(lambda: self._is_done(own))
        while audience.waits and own is None:
            await audience.idle()
            await asyncio.sleep(0)  # what they have enqueued is known
            if self._is_done(own):
                return
            await self._until(lambda: self._is_done(own))

    async def drain(self, own: Own) -> Drained:
        """Run what is pending until nothing is."""
        mark = self.bench.log.mark()
        async with self._driving(own):
            await self._rest(own)
        return self.bench.log.since(mark)

    async def advance(self, own: Own, target_us: int) -> Drained:
        """Move time to an instant, from due instant to due instant."""
        mark = self.bench.log.mark()
        await self.bench.declare()
        async with self._driving(own):
            while True:
                await self._rest(own)
                if self._clock.now_us >= target_us:
                    return self.bench.log.since(mark)
                await self._step(target_us)

    async def settle(self, own: Own, queue: str, task_id: str) -> Attempt | None:
        """Run until a task has been attempted once, and return that attempt; None if it was not run."""
        attempts = self.bench.log.attempts
        seen = len(attempts)

        def found() -> Attempt | None:
            return next((item for item in attempts[seen:] if (item.queue, item.id) == (queue, task_id)), None)

        async with self._driving(own):
            await self._until(lambda: self._is_resting or found() is not None)
        return found()

    async def end(
        self, own: Own, queue: str, task_id: str, has_ended: Callable[[RawTask | None], bool], limit: float | None
    ) -> RawTask | None:
        """
        Run until a task has ended, moving time if need be, and return its record then.

        Raises:
            TimeoutError: `limit` simulated seconds were over before.
            HandlerStuck: It will never end, or a handler does not.
        """
        waiter = _Waiter(None if limit is None else self._clock.now_us + round(limit * 1_000_000))
        async with self._driving(own):
            self._waiters.add(waiter)
            try:
                while True:
                    seen = len(self.bench.log.attempts)
                    raw = await self.bench.store.run(browse.info(queue, task_id))
                    if has_ended(raw):
                        return raw
                    await self._go_on(waiter, seen, f"task {task_id} of queue {queue!r}", raw)
            finally:
                self._waiters.discard(waiter)

    async def _go_on(self, waiter: _Waiter, seen: int, named: str, raw: RawTask | None) -> None:
        """Wait until a look at the task is worth while: an attempt has ended, or the bench rests again."""
        await self._until(
            lambda: len(self.bench.log.attempts) > seen or (self._is_resting and waiter.saw < self._rests)
        )
        if len(self.bench.log.attempts) > seen:
            return
        rest = waiter.saw = self._rests
        self._tell()
        await self._until(lambda: not self._is_resting or all(other.saw == rest for other in self._waiters))
        if not self._is_resting:
            return
        if waiter.limit_us is not None and self._clock.now_us >= waiter.limit_us:
            raise TimeoutError
        if not await self._step(waiter.limit_us):
            raise HandlerStuck(
                f"{named} will not end: nothing is due any more, and it is "
                f"{raw.state if raw is not None else 'gone'}; is its queue among those that the application serves, "
                "testing(queues=…)?"
            )

    async def _step(self, limit_us: int | None) -> bool:
        """Move time to the next due instant, or to the first limit before it; false if there is neither."""
        async with self._stepping:
            if not self._is_resting:
                return True
            instants = [self.bench.next_instant(), limit_us, *(waiter.limit_us for waiter in self._waiters)]
            nearest = min((at for at in instants if at is not None), default=None)
            if nearest is None:
                return False
            await self.bench.move(max(nearest, self._clock.now_us))
            self.poke()
            return True
