"""
Knows which queues may have work, without asking in a loop.

A queue that was found empty is watched by a blocking peek, which any producer wakes, Go's too. At most 16 queues
are watched so, the heaviest, and of equal weight those that had work last; the rest, and paused ones, are seen by
the survey within a second or so (mechanism-rules 22, 23; `upkeep.survey`). What is believed is only ever a reason
to ask the store, which alone decides.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from itertools import islice

from onebeat.broker.store import Store
from onebeat.upkeep.service import Crew, TroubleLog

log: logging.Logger = logging.getLogger("onebeat.watcher")

MAX_PEEKS = 16
FRUITLESS_FIRST_S, FRUITLESS_LONGEST_S = 0.005, 0.05


class Watcher:
    """
    Watches queues for work.

    Args:
        store: The server's.

        weights: Queue → weight.

    Attributes:
        working: The queues that may have work. All, to begin with, unless they are too many to ask each.

        found: Set whenever a queue joins them.
    """

    name = "watcher"

    def __init__(
        self, store: Store, weights: Mapping[str, int], *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._store = store
        self._weights = weights
        self._jitter = jitter
        self._peeked: set[str] = set()
        self._left_alone: set[str] = set()
        self._fruitless: dict[str, int] = {}
        self._ranks: dict[int, dict[str, None]] = {weight: {} for weight in sorted(set(weights.values()), reverse=True)}
        for queue in reversed(list(weights)):
            self._ranks[weights[queue]][queue] = None  # of one weight, the one that had work last comes last
        self._may_peek = asyncio.Event()
        self._trouble = TroubleLog("watching for work", log)
        self.working: set[str] = set(self._best())
        self.found: asyncio.Event = asyncio.Event()
        self.found.set()

    def was_empty(self, queue: str, *, got: int) -> None:
        """Note that a fetch found fewer tasks than it asked for."""
        self._fruitless[queue] = 0 if got else self._fruitless.get(queue, 0) + 1
        if got:
            rank = self._ranks[self._weights[queue]]
            del rank[queue]
            rank[queue] = None
        self._drop(queue)
        self._may_peek.set()

    def leave_alone(self, queue: str) -> None:
        """Note that a queue is paused, or refuses to be fetched from: the survey tells when to try again."""
        self._left_alone.add(queue)
        self._drop(queue)

    def may_work(self, queue: str) -> None:
        """Note that a queue was seen to have pending tasks, and not to be paused."""
        if queue in self._weights:
            self._left_alone.discard(queue)
            self.working.add(queue)
            self.found.set()

    def _drop(self, queue: str) -> None:
        self.working.discard(queue)
        if not self.working:
            self.found.clear()

    async def run(self) -> None:
        """Watch for ever."""
        crew = Crew()
        self._peeked.clear()
        try:
            for number in range(min(MAX_PEEKS, len(self._weights))):
                crew.start(_Peeker(self, number), self._trouble)
            await asyncio.Event().wait()
        finally:
            await crew.stop()

    def _best(self) -> list[str]:
        """Return the queues that deserve a peek: the heaviest, of these the last busy; as many as may be peeked."""
        ranked = (queue for rank in self._ranks.values() for queue in reversed(rank) if queue not in self._left_alone)
        return list(islice(ranked, MAX_PEEKS))

    def _choose(self) -> str | None:
        return next((queue for queue in self._best() if queue not in self._peeked | self.working), None)

    async def peek(self) -> None:
        """Watch the queue that deserves it most, until it may have work or five seconds are over."""
        queue = self._choose()
        if queue is None:
            self._may_peek.clear()
            await self._may_peek.wait()
            return
        self._peeked.add(queue)
        try:
            if self._fruitless.get(queue):
                longest = min(FRUITLESS_FIRST_S * 2 ** (self._fruitless[queue] - 1), FRUITLESS_LONGEST_S)
                await asyncio.sleep(longest * self._jitter())
            has_work = await self._store.peek(queue)
            self._trouble.over()
            if has_work and queue not in self._left_alone:
                self.may_work(queue)
        finally:
            self._peeked.discard(queue)


class _Peeker:
    def __init__(self, watcher: Watcher, number: int) -> None:
        self.name = f"peek {number}"
        self._watcher = watcher

    async def run(self) -> None:
        while True:
            await self._watcher.peek()
