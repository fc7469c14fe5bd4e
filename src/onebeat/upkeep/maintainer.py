"""
Keeps queues going: one call does what is due in a queue, and says when something is due next.

A queue in which something is due soon, or tasks run, is attended: maintained again at the very instant, and at
least every second. All others are at rest, and only surveyed. It sleeps on the monotonic clock by what the
store's clock said, so a wrong clock of this machine changes nothing; and whoever makes something due earlier
wakes it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from onebeat.audience import Audience
from onebeat.broker import registry
from onebeat.broker.groups import Aggregating
from onebeat.broker.maintain import NOTHING, ArchiveLimits, Lost, Maintained, Surveyed, maintain
from onebeat.broker.store import Store
from onebeat.clock import Clock, SystemClock
from onebeat.errors import BrokerError
from onebeat.upkeep.service import Crew, TroubleLog
from onebeat.upkeep.survey import Survey, period
from onebeat.upkeep.telling import log_expired, tell
from onebeat.wire import keys

log: logging.Logger = logging.getLogger("onebeat.maintainer")

MAX_SLEEP_S = 1.0
MIN_SLEEP_S = 0.005
MAX_CALLS = 16
"""Queues that are maintained at the same time; each needs a connection."""
DISCOVER_EVERY_S = 15.0

Report = Callable[[str, Maintained], Awaitable[None]]


class Groups(Protocol):
    """Who aggregates groups: says what is to be staged, and is told what was."""

    def wants(self, queue: str) -> Aggregating: ...
    def seen(self, queue: str, asked: Aggregating, done: Maintained) -> None: ...


class Maintainer:
    """
    Maintains the queues it is given, and every queue that has schedules.

    Args:
        store: The open store.

        queues: The queues served here.

        max_crashes: A task whose process died this often is archived.

        archive: What the archives keep; None: that is for others to say.

        report: Awaited after each call that did or found something.

        audience: Told of what is recovered and fired.
    """

    name = "maintainer"

    def __init__(
        self,
        store: Store,
        queues: Iterable[str],
        *,
        max_crashes: int = 5,
        archive: ArchiveLimits | None = None,
        report: Report | None = None,
        clock: Clock | None = None,
        audience: Audience | None = None,
    ) -> None:
        self._store = store
        self._audience = audience or Audience()
        self._queues = set(queues)
        self._max_crashes = max_crashes
        self._archive = archive
        self._report = report
        self._clock = clock or SystemClock()
        self._attended: dict[str, asyncio.Event] = {}
        self._crew = Crew()
        self._unknown = asyncio.Event()
        self._calls = asyncio.Semaphore(MAX_CALLS)
        self._trouble = TroubleLog(self.name, log)
        self.found_work: Callable[[str], None] = lambda _queue: None
        """Called with a queue that was seen to have pending tasks."""
        self.groups: Groups | None = None
        """Who aggregates groups here, if anybody."""
        self.recovered: Callable[[str, list[tuple[str, str]]], None] = lambda _queue, _recovered: None
        """Called with what was recovered in a queue, (place, id) of each task."""
        self.lost: Callable[[str, Sequence[Lost]], None] = lambda _queue, _lost: None
        """Called with the same, and more of each."""

    async def say_limits(self) -> None:
        """Say what archives keep, so that it is known before anything is archived; upkeep repeats it."""
        if self._archive is not None and not self._archive.are_default:
            for queue in sorted(self._queues):
                await self._store.command(*self._archive.said(queue))

    def wake(self, queue: str) -> None:
        """Look at a queue now."""
        if queue in self._queues:
            self._attend(queue)
        else:
            self._unknown.set()

    async def run(self) -> None:
        """Maintain for ever; queues that get schedules are found within 15 s, at once when woken."""
        self._crew = Crew()
        self._attended.clear()
        try:
            if self._archive is not None and not self._archive.are_default:
                for queue in self._queues:  # they may keep too much by now
                    self._attend(queue)
            self._crew.start(_Discovery(self), self._trouble)
            self._crew.start(_Ears(self._store, self._heard), self._trouble)
            self._crew.start(Survey(self._store, lambda: self._queues, self._surveyed), self._trouble)
            await asyncio.Event().wait()
        finally:
            await self._crew.stop()

    async def discover(self) -> None:
        """Find queues that get schedules, for ever."""
        while True:
            self._unknown.clear()
            for queue in await registry.schedule_queues(self._store) - self._queues:
                self._queues.add(queue)
                self._attend(queue)
            await _wait(self._unknown, DISCOVER_EVERY_S)

    def _heard(self, channel: str, queue: str) -> None:
        if channel:
            self.wake(queue)
        else:
            for attended in self._attended.values():
                attended.set()

    def _surveyed(self, found: Surveyed) -> None:
        if found.has_work:
            self.found_work(found.queue)
        is_soon = found.due_in_ms is not None and found.due_in_ms < self._horizon() * 1000
        if is_soon and found.queue not in self._attended:
            self._attend(found.queue)

    def _attend(self, queue: str) -> None:
        event = self._attended.get(queue)
        if event is None:
            event = self._attended[queue] = asyncio.Event()
            self._crew.start(_Attendant(self, queue), self._trouble)
        event.set()

    async def look(self, queue: str) -> Maintained:
        """Call `maintain` once and pass on what it did."""
        wanted = self.groups.wants(queue) if self.groups is not None else NOTHING
        call = maintain(queue, max_crashes=self._max_crashes, archive=self._archive, aggregating=wanted)
        done = await self._store.run(call)
        if self.groups is not None:
            self.groups.seen(queue, wanted, done)
        self._trouble.over()
        if self._audience.hears:
            tell(self._audience, queue, done, self._clock.now())
        self._log_recovered(queue, done)
        log_expired(queue, done.filed)
        if done.lonely:
            log.warning(
                "group %s of queue %s: its tasks wait for more than a minute, and no server here aggregates it: give "
                "one an aggregator for it, unless a Go server has",
                done.lonely,
                queue,
            )
        if done.recovered:
            self.recovered(queue, done.recovered)
            self.lost(queue, done.lost)
        if self._report is not None:
            await self._report(queue, done)
        return done

    def _log_recovered(self, queue: str, done: Maintained) -> None:
        for lost in done.lost:
            if lost.place == "archived":
                said = {"task_id": lost.id, "task_type": lost.type, "queue": queue, "outcome": "archived"}
                text = "task %s (%s) of queue %s lost its server and is archived: %s"
                log.error(text, lost.id, lost.type, queue, lost.error, extra=said)
        for place, meaning in _PLACES.items():
            ids = [task_id for found, task_id in done.recovered if found == place]
            if ids:
                shown = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
                log.warning("queue %s: %d tasks lost their server and %s: %s", queue, len(ids), meaning, shown)

    async def keep(self, queue: str, trouble: TroubleLog) -> None:
        """Maintain one queue until it is at rest."""
        event = self._attended[queue]
        while True:
            event.clear()
            asked = self._clock.monotonic()
            async with self._calls:
                done = await self.look(queue)
            for error in done.errors:
                trouble.trouble(BrokerError(error))
            if not done.errors:
                trouble.over()
            pause = self._pause(done, self._clock.monotonic() - asked)
            if not event.is_set() and self._is_at_rest(done, pause):
                del self._attended[queue]
                return
            await _wait(event, min(pause, MAX_SLEEP_S))

    def _is_at_rest(self, done: Maintained, pause: float) -> bool:
        return not done.is_busy and not done.errors and pause > self._horizon()

    def _horizon(self) -> float:
        """Return within how many seconds from now something due is attended: the survey looks again before that."""
        return period(len(self._queues), is_spread=self._store.is_spread) + MAX_SLEEP_S

    def _pause(self, done: Maintained, spent: float) -> float:
        if done.was_full:
            return 0.0
        if done.errors:  # what failed is due still, and asking at once would spin
            return MAX_SLEEP_S
        if done.next_due_ms is None:
            return math.inf
        return max(done.next_due_ms / 1000 - done.now_us / 1_000_000 - spent, MIN_SLEEP_S)


_PLACES = {
    "front": "run next",
    "retry": "wait a while, as it is not the first time",
}


class _Attendant:
    def __init__(self, maintainer: Maintainer, queue: str) -> None:
        self.name = f"maintainer of queue {queue}"
        self._maintainer = maintainer
        self._queue = queue
        self._trouble = TroubleLog(self.name)

    async def run(self) -> None:
        await self._maintainer.keep(self._queue, self._trouble)


class _Discovery:
    name = "search for schedules"

    def __init__(self, maintainer: Maintainer) -> None:
        self._maintainer = maintainer

    async def run(self) -> None:
        await self._maintainer.discover()


class _Ears:
    """
    Hears that a queue's next due time moved up.

    The first word, once it listens (again), names no channel: what was said before was missed.
    """

    name = "wake listener"

    def __init__(self, store: Store, heard: Callable[[str, str], None]) -> None:
        self._store = store
        self._heard = heard

    async def run(self) -> None:
        async for channel, message in self._store.listen(keys.WAKE_CHANNEL):
            self._heard(channel, message.decode("utf-8", "replace"))


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
