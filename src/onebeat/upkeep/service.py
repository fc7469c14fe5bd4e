"""
The one shape of a background loop.

A service is a small class whose `run()` works for ever. `supervise` runs it: trouble with the store makes
it pause, a little longer each time, and start again, so that a store away for an hour costs an hour and
not the process. The log says once what is wrong, then every half minute, then that it is over.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from onebeat.clock import Clock, SystemClock
from onebeat.errors import BrokerError

log: logging.Logger = logging.getLogger("onebeat.service")

REPEAT_LOG_S = 30.0
PARTS = 10
BURST = 3
"""Lines about one trouble within half a minute, if it comes and goes."""


class Service(Protocol):
    """A background loop. `run` returns only when the service has nothing left to do."""

    name: str

    async def run(self) -> None: ...


class Backoff:
    """
    Pauses that double from `first` to `longest` seconds, each shortened by up to half at random.

    Args:
        jitter: Gives numbers in [0, 1).
    """

    def __init__(
        self, first: float = 0.05, longest: float = 1.0, *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._first = first
        self._longest = longest
        self._jitter = jitter
        self._next = first

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._next = self._first

    def pause(self) -> float:
        """Return the next pause in seconds."""
        pause = self._next
        self._next = min(pause * 2, self._longest)
        return pause * (0.5 + self._jitter() / 2)


class TroubleLog:
    """
    Logs a lasting trouble once, when its cause changes, and every half minute, and its end; of one that comes and
    goes, at most a few lines in that time.

    Any number of loops that need the same thing may share one, so that a store that is away is told of in a few
    lines whatever the number of queues.

    Args:
        what: Whose trouble it is, as the subject of the line.
    """

    def __init__(self, what: str, logger: logging.Logger = log, clock: Clock | None = None) -> None:
        self._what = what
        self._log = logger
        self._clock = clock or SystemClock()
        self._said: deque[float] = deque(maxlen=BURST)
        self._count = 0
        self._has_said = False
        self._last = ""

    def trouble(self, error: BaseException) -> None:
        """Note that it happened, and say so if it has not been said lately."""
        self._count += 1
        now = self._clock.monotonic()
        is_new = str(error) != self._last and (len(self._said) < BURST or now >= self._said[0] + REPEAT_LOG_S)
        if is_new or not self._said or now >= self._said[-1] + REPEAT_LOG_S:
            seen = "" if self._count == 1 else f" (seen {self._count} times)"
            self._log.warning("%s: %s%s; trying again", self._what, error, seen)
            self._said.append(now)
            self._last = str(error)
            self._has_said = True

    def over(self) -> None:
        """Note that it works."""
        if self._has_said:
            failures = "a failure" if self._count == 1 else f"{self._count} failures"
            self._log.info("%s works again after %s", self._what, failures)
        self._count, self._has_said, self._last = 0, False, ""


async def supervise(service: Service, *, backoff: Backoff | None = None, trouble: TroubleLog | None = None) -> None:
    """
    Run a service for as long as it wants.

    An error of the store makes it start again after a pause. Any other error is a bug: it is logged with
    its traceback, and the service starts again as well, because a server without it would be worse.
    """
    backoff = backoff or Backoff()
    trouble = trouble or TroubleLog(service.name)
    while True:
        try:
            await service.run()
        except BrokerError as error:
            if is_being_cancelled():  # what a library makes of it is no trouble of the store
                raise asyncio.CancelledError from error
            trouble.trouble(error)
        except Exception:
            log.exception("%s stopped by a bug of ours; starting it again", service.name)
        else:
            return
        await asyncio.sleep(backoff.pause())


def is_being_cancelled() -> bool:
    """Whether somebody has cancelled the running task: a CancelledError may as well be raised by what it calls."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def cancelled(task: asyncio.Task[Any]) -> None:
    """
    Cancel a task and wait until it has ended.

    Asks again every tenth of a second: a cancellation that comes together with the answer a library was
    waiting for may be swallowed there, and the loop around it would go on for ever.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)


async def ended(task: asyncio.Task[Any], seconds: float) -> None:
    """
    Wait until a task has ended, at most so long.

    In parts: a machine that stands still takes one of them, and not all the time in which an answer would have come.
    """
    for _ in range(PARTS):
        await asyncio.wait([task], timeout=seconds / PARTS)
        if task.done():
            return


class Crew:
    """Services that run together, started one by one and stopped together, last started first."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, service: Service, trouble: TroubleLog | None = None) -> None:
        """Start a supervised service; `trouble` is for those that share one."""
        self.spawn(supervise(service, trouble=trouble), service.name)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start any coroutine as a member of the crew."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if task in self._tasks:
            self._tasks.remove(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s ended with an error", task.get_name(), exc_info=task.exception())

    async def stop(self) -> None:
        """Cancel all and wait until all have ended."""
        while self._tasks:
            task = self._tasks.pop()
            await cancelled(task)
