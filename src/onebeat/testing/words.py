"""How far handlers say they are, written at once: who asks for it in a test must not have to wait a second."""

from __future__ import annotations

import asyncio
import threading

from onebeat.broker.consume import Noted, progress
from onebeat.broker.store import Store
from onebeat.server.running import Running
from onebeat.upkeep.service import Crew


class Words:
    """What was said and is to be written; of each attempt the last word."""

    def __init__(self, store: Store, crew: Crew) -> None:
        self._store = store
        self._crew = crew
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._said: dict[Running, Noted] = {}
        self._writing = asyncio.Lock()

    def say(self, attempt: Running, fraction: float, text: str) -> None:
        """Note a word, from any thread."""
        noted = Noted(attempt.id, attempt.token, fraction, text)
        if threading.get_ident() == self._thread:
            self._note(attempt, noted)
        else:
            self._loop.call_soon_threadsafe(self._note, attempt, noted)

    def _note(self, attempt: Running, noted: Noted) -> None:
        self._said[attempt] = noted
        self._crew.spawn(self.write(), "progress")

    @property
    def are_unwritten(self) -> bool:
        """Whether something is still to be written, or on its way."""
        return bool(self._said) or self._writing.locked()

    async def write(self) -> None:
        """Write what was said, so that who asks from now on is told."""
        async with self._writing:
            while self._said:
                attempt, noted = self._said.popitem()
                await self._store.run(progress(attempt.queue, [noted]))
