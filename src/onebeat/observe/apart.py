"""
The base of observers whose work takes time: events wait in a bounded queue, and are dealt with apart.

While a server runs, that is on its event loop; in a process without one, in a thread with a loop of its own. Nothing
waits for it: what does not fit is counted, and said in the log.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from onebeat.errors import ConfigurationError, shown
from onebeat.events import Event, Observer
from onebeat.upkeep.service import cancelled

log: logging.Logger = logging.getLogger("onebeat.observers")

SIZE = 10_000
"""Events that wait at most."""

AT_ONCE = 256
LIMIT_S = 5.0
"""How long others' code may take where no server says it: the default of `hook_timeout`."""
REPEAT_LOG_S = 30.0


def whole(name: str, value: object) -> int:
    """
    Return a whole number from 1.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} is {shown(value)}: give a whole number of events from 1")
    return value


class Apart(Observer):
    """
    Deals with events apart. To override: `wants`, `deal` and, if need be, `end`.

    Args:
        size: How many events may wait; what comes while so many do is dropped.

    Attributes:
        dropped: How many events were not dealt with: too many waited, or time ran out at the end.

        limit: Seconds that one call of others' code may take.

    Raises:
        ConfigurationError: The size is no such number.
    """

    what = "observer"
    """What it is, in the log."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = whole("size", size)
        self._said = -REPEAT_LOG_S
        self._atexit = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Begin as in a new process: a forked child has none of its parent's threads and loops."""
        self.dropped: int = 0
        self.limit: float = LIMIT_S
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._dealing = 0
        self._wake: Callable[[], object] | None = None
        self._rested: asyncio.Event | None = None
        self._is_asleep = self._ends = False
        self._thread: threading.Thread | None = None

    def wants(self, event: Event) -> bool:
        """Whether an event is any of its business. Called where the event is told, so it must be quick."""
        raise NotImplementedError

    async def deal(self, events: list[Event]) -> None:
        """Deal with events that have waited, in their order."""
        raise NotImplementedError

    async def end(self) -> None:
        """Let go of what `deal` has opened, on the same loop."""

    @property
    def in_thread(self) -> bool:
        """Whether the code that asks runs in the thread of a process without a server."""
        return threading.current_thread() is self._thread

    def event(self, event: Event) -> None:
        if not self.wants(event):
            return
        if self._pid != os.getpid():
            self._begin_anew()
        if len(self._waiting) >= self._size:
            self.drop(1, f"{self._size} wait already")
            return
        self._waiting.append(event)
        if self._is_asleep:
            self._wake_up()
        elif self._wake is None:
            self._start_thread()

    def drop(self, number: int, why: object) -> None:
        """Count events that are not dealt with, and say so once in a while."""
        self.dropped += number
        now = time.monotonic()
        if now - self._said >= REPEAT_LOG_S:
            self._said = now
            log.warning("%s: events are dropped, %d so far: %s", self.what, self.dropped, why)

    def serving(self, limit: float) -> AbstractAsyncContextManager[object]:
        return self._serving(limit)

    @asynccontextmanager
    async def _serving(self, limit: float) -> AsyncIterator[None]:
        if self._wake is not None and self._thread is None:  # another server of this process has it dealt with
            yield
            return
        if self._thread is not None:  # else there is nothing to wait for, which may be all that the limit allows
            await asyncio.to_thread(self._stop_thread)
        self.limit = limit
        working = asyncio.get_running_loop().create_task(self._work(), name=self.what)
        await asyncio.sleep(0)  # from here on it listens
        try:
            yield
        finally:
            self._ends = True
            self._wake_up()
            try:
                await asyncio.wait([working], timeout=0.8 * limit)  # the rest is for the words that follow
            finally:  # whoever waits for this may have waited long enough
                left = len(self._waiting) + self._dealing
                if not working.done():
                    self._waiting.clear()
                    await cancelled(working)
                    self.drop(left, f"they were not dealt with within {limit:g} s after the server had ended")
                self._ends = False

    async def idle(self) -> None:
        """Wait, on the loop on which events are dealt with, until all have been."""
        while (self._waiting or self._dealing) and self._rested is not None:
            self._rested.clear()
            await self._rested.wait()

    async def _work(self) -> None:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        self._rested = rested = asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(woken.set)
        try:
            while True:
                if self._waiting:
                    await self._deal_with_some()
                    continue
                rested.set()
                if self._ends:
                    return
                woken.clear()
                self._is_asleep = True
                if not self._waiting:  # or one came while we fell asleep
                    await woken.wait()
                self._is_asleep = False
        finally:
            self._wake, self._rested, self._is_asleep = None, None, False
            rested.set()
            await self.end()

    async def _deal_with_some(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        self._dealing = len(batch)
        try:
            await self.deal(batch)
        except Exception:
            log.exception("%s met a bug of ours; it goes on", self.what)
        self._dealing = 0

    def _wake_up(self) -> None:
        wake, self._is_asleep = self._wake, False
        if wake is not None:
            with suppress(RuntimeError):  # its loop has ended
                wake()

    def _start_thread(self) -> None:
        with self._lock:
            if self._thread is not None or self._wake is not None:
                return
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._work()), name=f"onebeat-{self.what}", daemon=True
            )
            self._thread.start()
            if not self._atexit:
                self._atexit = True
                atexit.register(self._stop_thread)

    def _stop_thread(self) -> None:
        """Let the thread deal with what waits, and end."""
        with self._lock:
            thread = self._thread
            if thread is None or self._pid != os.getpid():
                return
            self._ends = True
            self._wake_up()
            thread.join(LIMIT_S)
            self._ends, self._thread = False, None
