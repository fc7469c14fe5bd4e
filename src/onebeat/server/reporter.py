"""
Writes how far running tasks are, in bounded measure: at most once a second, whatever they say, and in batches.

What a task says between two writes replaces what it said before. It is news, not bookkeeping: what cannot be
written for a while is written later, and the last word of a task that has ended meanwhile is not missed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from onebeat.broker.consume import Noted, progress
from onebeat.broker.store import Store
from onebeat.server.running import Running

EVERY_S = 1.0


class Reporter:
    """
    Collects what tasks say, and writes it.

    Args:
        store: The server's.
    """

    name = "progress reporter"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._said: dict[Running, Noted] = {}
        self._news = asyncio.Event()

    def say(self, attempt: Running, fraction: float, text: str) -> None:
        """Note how far an attempt is. From any thread."""
        self._loop.call_soon_threadsafe(self._note, attempt, fraction, text)

    def _note(self, attempt: Running, fraction: float, text: str) -> None:
        self._said[attempt] = Noted(attempt.id, attempt.token, fraction, text)
        self._news.set()

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._news.wait()
            await self.write()
            await asyncio.sleep(EVERY_S)

    async def write(self) -> None:
        """Write what was said and is not yet written."""
        self._news.clear()
        queues: defaultdict[str, list[tuple[Running, Noted]]] = defaultdict(list)
        for attempt, noted in list(self._said.items()):
            if attempt.finished is None:
                queues[attempt.queue].append((attempt, noted))
            else:
                del self._said[attempt]
        for queue, said in queues.items():
            try:
                await self._store.run(progress(queue, [noted for _, noted in said]))
            except BaseException:
                self._news.set()
                raise
            for attempt, noted in said:
                if self._said.get(attempt) is noted:
                    del self._said[attempt]
