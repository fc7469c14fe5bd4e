"""
Keeps queues going: one call per queue does what is due, and says when something is due next.

Sleeps until that instant, at most a second, and is woken by whoever makes something due earlier. It sleeps
on the monotonic clock by what the store's clock said, so a wrong clock of this machine changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from onebeat.broker import registry
from onebeat.broker.maintain import Maintained, maintain
from onebeat.broker.store import Store
from onebeat.clock import Clock, SystemClock
from onebeat.errors import BrokerError
from onebeat.upkeep.service import Crew, TroubleLog
from onebeat.wire import keys

log = logging.getLogger("onebeat.maintainer")

MAX_SLEEP_S = 1.0
MIN_SLEEP_S = 0.005
DISCOVER_EVERY_S = 15.0

Report = Callable[[str, Maintained], Awaitable[None]]


class Maintainer:
    """
    Maintains the queues it is given, and every queue that has schedules.

    Args:
        store: The open store.

        queues: The queues served here.

        max_crashes: A task whose process died this often is archived.

        report: Awaited after each call that did or found something.
    """

    name = "maintainer"

    def __init__(
        self,
        store: Store,
        queues: Iterable[str],
        *,
        max_crashes: int = 5,
        report: Report | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._queues = set(queues)
        self._max_crashes = max_crashes
        self._report = report
        self._clock = clock or SystemClock()
        self._wakes: dict[str, asyncio.Event] = {}  # the one of "" is for queues not known yet

    def wake(self, queue: str) -> None:
        """Look at a queue now."""
        event = self._wakes.get(queue)
        if event is not None:
            event.set()

    async def run(self) -> None:
        """Maintain for ever; queues that get schedules are found within 15 s, at once when woken."""
        crew = Crew()
        try:
            crew.start(_Ears(self._store, self._heard))
            found = self._wakes[""] = asyncio.Event()
            while True:
                self._queues |= await registry.schedule_queues(self._store)
                for queue in sorted(self._queues - self._wakes.keys()):
                    self._adopt(queue, crew)
                await _wait(found, DISCOVER_EVERY_S)
                found.clear()
        finally:
            await crew.stop()
            self._wakes.clear()

    def _adopt(self, queue: str, crew: Crew) -> None:
        self._wakes[queue] = asyncio.Event()
        crew.start(_QueueLoop(self, queue))

    def _heard(self, queue: str) -> None:
        self.wake(queue if queue in self._wakes else "")

    async def look(self, queue: str) -> Maintained:
        """Call `maintain` once and pass on what it did."""
        done = await self._store.run(maintain(queue, max_crashes=self._max_crashes))
        self._log_recovered(queue, done)
        if self._report is not None:
            await self._report(queue, done)
        return done

    def _log_recovered(self, queue: str, done: Maintained) -> None:
        for place, meaning in _PLACES.items():
            ids = [task_id for found, task_id in done.recovered if found == place]
            if ids:
                shown = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
                log.warning("queue %s: %d tasks lost their server and %s: %s", queue, len(ids), meaning, shown)

    async def keep(self, queue: str, trouble: TroubleLog) -> None:
        """Maintain one queue for ever."""
        event = self._wakes[queue]
        while True:
            event.clear()
            asked = self._clock.monotonic()
            done = await self.look(queue)
            for error in done.errors:
                trouble.trouble(BrokerError(error))
            if not done.errors:
                trouble.over()
            await _wait(event, self._pause(done, self._clock.monotonic() - asked))

    def _pause(self, done: Maintained, spent: float) -> float:
        if done.was_full:
            return 0.0
        if done.next_due_ms is None or done.errors:  # what failed is due still, and asking at once would spin
            return MAX_SLEEP_S
        return min(max(done.next_due_ms / 1000 - done.now_us / 1_000_000 - spent, MIN_SLEEP_S), MAX_SLEEP_S)


_PLACES = {
    "front": "run next",
    "retry": "wait a while, as it is not the first time",
    "archived": "are archived, as it was too often",
}


class _QueueLoop:
    def __init__(self, maintainer: Maintainer, queue: str) -> None:
        self.name = f"maintainer of queue {queue}"
        self._maintainer = maintainer
        self._queue = queue
        self._trouble = TroubleLog(self.name)

    async def run(self) -> None:
        await self._maintainer.keep(self._queue, self._trouble)


class _Ears:
    """Hears that a queue's next due time moved up. After a pause in hearing, every queue may have been missed."""

    name = "wake listener"

    def __init__(self, store: Store, heard: Callable[[str], None]) -> None:
        self._store = store
        self._heard = heard

    async def run(self) -> None:
        async for _channel, message in self._store.listen(keys.WAKE_CHANNEL):
            self._heard(message.decode("utf-8", "replace"))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event or until time is up."""
    if event.is_set():
        return
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
