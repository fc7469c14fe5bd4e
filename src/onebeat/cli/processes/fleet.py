"""The processes of one command: started, rolled over and stopped together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from onebeat.cli.processes.orders import AWAY, FAILED, Facts, Orders
from onebeat.cli.processes.place import GivenUpError, Pace, Place
from onebeat.cli.processes.process import Process, how
from onebeat.server.health import Check, HealthReport, ProcessHealth

log: logging.Logger = logging.getLogger("onebeat.processes")


class Fleet:
    """
    Server processes.

    Args:
        orders: What each is told.

        count: How many.

        ready: Told what the first one says once it serves.

        start: Starts a process.
    """

    def __init__(
        self,
        orders: Orders,
        count: int,
        *,
        pace: Pace,
        ready: Callable[[Facts], object] = lambda _facts: None,
        start: Callable[[Orders], Awaitable[Process]] = Process.start,
    ) -> None:
        def start_numbered(number: int) -> Awaitable[Process]:
            return start(msgspec.structs.replace(orders, number=number if count > 1 else 0))

        self._places = [Place(number, start_numbered, pace) for number in range(1, count + 1)]
        self._ready = ready
        self._all = "1 process" if count == 1 else f"{count} processes"
        self._asked = 0
        self._serves = False
        self._rolling: asyncio.Task[None] | None = None
        self._roll_again = False

    async def run(self) -> int:
        """
        Keep the processes running until `stop`; the first goes ahead, so that what cannot start is said once.

        Returns:
            The exit status: 0 if all ended as they were told to, AWAY if the first did not find its store, else 1.
        """
        first = self._places[0]
        facts = await first.begin()
        if facts is None and not self._asked:
            if first.status not in (FAILED, AWAY):  # else it has said why itself
                log.error("process %d ended before it served (%s)", first.number, how(first.status))
            return AWAY if first.status == AWAY else 1
        if facts is not None:
            self._serves = True
            self._ready(facts)
        given_up = await self._keep()
        if self._rolling is not None:
            await self._rolling
        return 1 if given_up or not all(place.clean for place in self._places) else 0

    async def _keep(self) -> bool:
        keeping = {asyncio.create_task(place.keep()) for place in self._places}
        given_up = False
        while keeping:
            done, keeping = await asyncio.wait(keeping, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if isinstance(error, GivenUpError):
                    log.critical("%s: giving up, all processes are stopped", error)
                    given_up = True
                    self._stop()
                elif error is not None:
                    raise error
        return given_up

    async def health(self, *, within: float = 1.0, silence: float = 30.0) -> HealthReport:
        """
        Say how the processes fare: live if each is, or is about to be started again; ready if one at least is.

        Args:
            within: Seconds that each has to answer.

            silence: Seconds without an answer after which one is not live.
        """
        asked = [place.health(within=within, silence=silence) for place in self._places]
        found = await asyncio.gather(*asked)
        ready = sum(process.ready for process in found)
        lame = [f"process {process.number}: {_trouble(process)}" for process in found if not process.ready]
        processes = Check(
            name="processes",
            live=all(process.live for process in found),
            ready=ready > 0,
            why=f"{ready} of {len(found)} are ready; {', '.join(lame)}" if lame else "",
        )
        state = "stopping" if self._asked else "serving" if self._serves else "starting"
        why = {"stopping": "the processes are told to stop", "starting": "no process has served yet"}.get(state, "")
        serving = Check(name="serving", ready=state == "serving", why=why)
        return HealthReport.of(state, [serving, processes], found)

    def stop(self) -> None:
        """Stop; asked again, without waiting for what runs; a third time, by SIGKILL."""
        self._asked += 1
        if self._asked == 1:
            log.info("stopping %s; once more: without waiting for running tasks", self._all)
            self._stop()
        for place in self._places:
            if self._asked == 2:
                place.hurry()
            elif self._asked > 2:
                place.kill()

    def _stop(self) -> None:
        for place in self._places:
            place.stop()

    def roll(self) -> None:
        """Replace the processes, one after another, each by one that serves already."""
        if self._rolling is not None and not self._rolling.done():
            self._roll_again = True
        elif self._serves:  # else they are new anyway
            self._rolling = asyncio.get_running_loop().create_task(self._roll())

    async def _roll(self) -> None:
        again = True
        while again:
            self._roll_again = False
            log.info("replacing %s, one after another", self._all)
            for place in self._places:
                if not await place.replace():
                    if not self._asked:
                        log.error("the successor of process %d did not start: the old processes go on", place.number)
                    break
            else:
                log.info("all processes are replaced")
            again = self._roll_again


def _trouble(process: ProcessHealth) -> str:
    """Say why a process is not ready."""
    whys = [check.why for check in process.checks if check.why and not (check.live and check.ready)]
    return f"{process.state} ({'; '.join(whys)})" if whys else process.state
