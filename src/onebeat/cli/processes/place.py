"""Keeps one server process running: starts it again when it ends, replaces it when asked, stops it in the end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from onebeat.cli.processes.orders import AWAY, HURRY, STOP, Facts
from onebeat.cli.processes.process import Process, how
from onebeat.server.health import Check, HealthReport, ProcessHealth

log: logging.Logger = logging.getLogger("onebeat.processes")


class GivenUpError(Exception):
    """A process ended at once, again and again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How a process is started again.

    Attributes:
        first, longest: Seconds before the first new start, and at most; they double in between, each with a jitter
            of up to half.

        steady: A process that has served for so many seconds has not ended at once.

        attempts: After so many that did, in a row, it is given up.

        stop: Seconds that a process has for its stop before it is killed.
    """

    first: float = 0.5
    longest: float = 30.0
    steady: float = 5.0
    attempts: int = 5
    stop: float = 45.0

    def delay(self, failures: int) -> float:
        """Return seconds to wait after so many ends in a row."""
        # a pause that differs by process, no secret
        return min(self.longest, self.first * 2.0 ** max(0, min(failures, 20) - 1)) * random.uniform(0.5, 1.0)  # noqa: S311


class Place:
    """
    One process of several.

    Args:
        number: Which, from 1.

        start: Starts a process for this place.
    """

    def __init__(self, number: int, start: Callable[[int], Awaitable[Process]], pace: Pace) -> None:
        self.number = number
        self.clean: bool = True
        """Whether every process that was told to stop ended with status 0."""
        self.status: int = 0
        """That of a first process that ended before it served."""
        self.restarts: int = 0
        """How often a process was started because its predecessor had ended."""
        self.last_end: str = ""
        """How that had ended."""
        self._waits = False
        self._start = start
        self._pace = pace
        self._process: Process | None = None
        self._alive: set[Process] = set()
        self._changing = asyncio.Lock()  # one start at a time in this place
        self._stopping = asyncio.Event()

    async def begin(self) -> Facts | None:
        """Start the first process; return what it says once it serves, None if it ends before."""
        self._process = await self._started()
        facts = await self._serves(self._process)
        if facts is None:
            self.status = await self._process.ended
        return facts

    async def keep(self) -> None:
        """
        Keep a process running until `stop`, and return when it has ended.

        Raises:
            GivenUpError: They end at once, again and again.
        """
        failures = away = 0
        async with self._changing:
            if self._process is None and not self._stopping.is_set():
                self._process = await self._started()
        while not self._stopping.is_set():
            process = self._process
            assert process is not None  # noqa: S101 - started above
            await self._first(process.ended)
            async with self._changing:
                if process is not self._process or self._stopping.is_set():
                    continue
                status = await process.ended
                self.last_end = how(status)
                if process.served_s >= self._pace.steady:
                    failures = away = 0
                away, failures = (away + 1, failures) if status == AWAY else (away, failures + 1)
                if failures >= self._pace.attempts:
                    raise GivenUpError(f"process {self.number} ended at once {failures} times in a row ({how(status)})")
                await self._pause(status, self._pace.delay(failures + away))
                if not self._stopping.is_set():
                    self.restarts += 1
                    self._process = await self._started()
        await self._end()

    async def _pause(self, status: int, seconds: float) -> None:
        log.warning("process %d ended (%s): started again in %.1f s", self.number, how(status), seconds)
        waiting = asyncio.get_running_loop().create_task(asyncio.sleep(seconds))
        self._waits = True
        await self._first(waiting)
        self._waits = False
        waiting.cancel()

    async def _first(self, other: asyncio.Future[Any]) -> None:
        """Wait for something, or for the order to stop."""
        stopping = asyncio.get_running_loop().create_task(self._stopping.wait())
        await asyncio.wait({stopping, other}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()

    async def _started(self) -> Process:
        process = await self._start(self.number)
        self._alive.add(process)
        process.ended.add_done_callback(lambda _: self._alive.discard(process))
        if self._stopping.is_set():
            process.tell(STOP)
        return process

    async def _serves(self, process: Process) -> Facts | None:
        """Wait until it serves, or has ended. When told to stop meanwhile, it has the time of a stop to hear that."""
        await self._first(process.ready)
        await self._killed_unless(process, process.ready)
        return await process.ready

    async def replace(self) -> bool:
        """Start a successor, and stop the present process once it serves; without one that does, it goes on."""
        async with self._changing:
            if self._stopping.is_set():
                return False
            successor = await self._started()
            if await self._serves(successor) is None:
                await successor.ended
                return False
            if self._stopping.is_set():
                return False
            predecessor, self._process = self._process, successor
        if predecessor is not None:
            predecessor.tell(STOP)
            await self._ended(predecessor)
        return True

    async def health(self, *, within: float, silence: float) -> ProcessHealth:
        """
        Say how its process fares.

        Args:
            within: Seconds that it has to answer.

            silence: Seconds without an answer after which it is not live.
        """
        process = self._process
        if process is None or process.ended.done():
            state = "stopped" if self._stopping.is_set() else "waiting" if self._waits else "starting"
            return self._found(None, state, live=True)
        found = await process.health(within=within)
        if isinstance(found, HealthReport):
            return self._found(process.pid, found.state, live=found.live, ready=found.ready, checks=found.checks)
        if not process.ready.done():  # it is no more than begun
            return self._found(process.pid, "starting", live=True)
        check = Check(name="process", live=found < silence, ready=False, why=f"it has not answered for {found:.0f} s")
        state = "stopping" if self._stopping.is_set() else "serving"
        return self._found(process.pid, state, live=check.live, checks=[check])

    def _found(
        self, pid: int | None, state: str, *, live: bool, ready: bool = False, checks: list[Check] | None = None
    ) -> ProcessHealth:
        return ProcessHealth(
            number=self.number,
            pid=pid,
            state=state,
            live=live,
            ready=ready,
            restarts=self.restarts,
            last_end=self.last_end,
            checks=checks or [],
        )

    def stop(self) -> None:
        """Let the process stop."""
        self._stopping.set()
        self._tell(STOP)

    def hurry(self) -> None:
        """Stop without waiting for what runs."""
        self._tell(HURRY)

    def kill(self) -> None:
        """Kill it."""
        for process in self._alive:
            process.kill()

    def _tell(self, word: bytes) -> None:
        for process in self._alive:
            process.tell(word)

    async def _end(self) -> None:
        await asyncio.gather(*(self._ended(process) for process in {*self._alive, self._process} if process))

    async def _ended(self, process: Process) -> None:
        await self._killed_unless(process, process.ended)
        status = await process.ended
        if status != 0 and process.ready.result() is not None:
            log.error("process %d ended badly (%s)", self.number, how(status))
            self.clean = False

    async def _killed_unless(self, process: Process, awaited: asyncio.Future[Any]) -> None:
        done, _ = await asyncio.wait({awaited}, timeout=self._pace.stop)
        if not done:
            log.error("process %d does not stop, and is killed", self.number)
            self.clean = False
            process.kill()
