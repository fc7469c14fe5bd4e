"""
Knows which queues may have work, without asking in a loop.

A queue that was found empty is watched by a blocking peek, which any producer wakes, Go's too. At most 16
queues are watched so, the heaviest; the rest, and paused ones, are looked at once a second (mechanism-rules
22, 23). What is believed is only ever a reason to ask the store, which alone decides.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from onebeat.broker.store import Store
from onebeat.upkeep.service import Crew
from onebeat.wire import keys

MAX_PEEKS = 16
LOOK_EVERY_S = 1.0
FRUITLESS_FIRST_S, FRUITLESS_LONGEST_S = 0.005, 0.05


class Watcher:
    """
    Watches queues for work.

    Args:
        store: The server's.

        queues: Which, heaviest first.

    Attributes:
        working: The queues that may have work. All, to begin with.

        found: Set whenever a queue joins them.
    """

    name = "watcher"

    def __init__(self, store: Store, queues: Sequence[str], *, jitter: Callable[[], float] = random.random) -> None:
        self._store = store
        self._peeked, self._polled = list(queues[:MAX_PEEKS]), list(queues[MAX_PEEKS:])
        self._jitter = jitter
        self._empty = {queue: asyncio.Event() for queue in queues}
        self._paused: set[str] = set()
        self._fruitless: dict[str, int] = {}
        self.working = set(queues)
        self.found = asyncio.Event()
        self.found.set()

    def was_empty(self, queue: str, *, got: int) -> None:
        """Note that a fetch found fewer tasks than it asked for."""
        self._fruitless[queue] = 0 if got else self._fruitless.get(queue, 0) + 1
        self._drop(queue)

    def is_paused(self, queue: str) -> None:
        """Note that a fetch was told the queue is paused."""
        self._paused.add(queue)
        self._drop(queue)

    def _drop(self, queue: str) -> None:
        self.working.discard(queue)
        if not self.working:
            self.found.clear()
        self._empty[queue].set()

    def _add(self, queue: str) -> None:
        self._paused.discard(queue)
        self._empty[queue].clear()
        self.working.add(queue)
        self.found.set()

    async def run(self) -> None:
        """Watch for ever."""
        crew = Crew()
        try:
            for queue in self._peeked:
                crew.start(_Peeker(self, queue))
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                await self._look()
        finally:
            await crew.stop()

    async def peek(self, queue: str) -> None:
        """Watch one queue until it may have work."""
        empty = self._empty[queue]
        await empty.wait()
        if queue in self._paused:
            empty.clear()  # `_look` says when it is not paused any more
            return
        if self._fruitless.get(queue):
            longest = min(FRUITLESS_FIRST_S * 2 ** (self._fruitless[queue] - 1), FRUITLESS_LONGEST_S)
            await asyncio.sleep(longest * self._jitter())
        if await self._store.peek(queue) and empty.is_set():
            self._add(queue)

    async def _look(self) -> None:
        idle = [queue for queue in self._polled if queue not in self.working and queue not in self._paused]
        paused = sorted(self._paused)
        answers = await self._store.commands(
            [("LLEN", keys.root(queue) + "pending") for queue in idle]
            + [("EXISTS", keys.root(queue) + "paused") for queue in paused]
        )
        for queue, waiting in zip(idle, answers, strict=False):
            if waiting:
                self._add(queue)
        for queue, is_paused in zip(paused, answers[len(idle) :], strict=True):
            if not is_paused:
                self._add(queue)


class _Peeker:
    def __init__(self, watcher: Watcher, queue: str) -> None:
        self.name = f"peek at queue {queue}"
        self._watcher = watcher
        self._queue = queue

    async def run(self) -> None:
        while True:
            await self._watcher.peek(self._queue)
