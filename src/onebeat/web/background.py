"""The jobs that this console runs: each an asyncio task, a few at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from onebeat.errors import OnebeatError, WrongState
from onebeat.inspector.filters import Look
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.job_run import Barred
from onebeat.inspector.searching import Visible

log: logging.Logger = logging.getLogger("onebeat.web")

MOST = 4
"""Jobs that one console runs at once."""

STOPS_S = 5.0
"""How long jobs are waited for, to stop between two steps, as the console ends."""


class Background:
    """
    Runs jobs until they end, or the console does: then they stop, and another console can go on with them.

    Args:
        ended: Called when one has ended: what was read before it did is not true any more.

        per_minute: Tasks that all jobs of the store together may change within a minute; None: any number.
    """

    def __init__(self, ended: Callable[[], object] = lambda: None, *, per_minute: int | None = None) -> None:
        self._ended, self._per_minute = ended, per_minute
        self._running: set[asyncio.Task[None]] = set()
        self._is_ending = False

    def check(self) -> None:
        """
        Refuse more jobs than are run at once.

        Raises:
            WrongState: So many run here already.
        """
        if len(self._alive()) >= MOST:
            run = "job runs" if MOST == 1 else "jobs run"
            raise WrongState(f"{MOST} {run} in this console already: wait until one ends, or stop one")

    async def start(
        self, inspector: Inspector, job_id: str, queues: Visible, look: Look | None, barred: Barred | None = None
    ) -> None:
        """
        Run a job; returns when it has begun.

        Args:
            queues: In which it may act.

            look: Returns a task as who began it sees it; None: as it is.

            barred: Asked before each step why nothing may be done any more; None: it may.

        Raises:
            WrongState: As `check`; or it is done, or somebody else runs it.
            OnebeatError: It could not begin; see `Inspector.run_job`.
        """
        self.check()
        self._is_ending = False
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[None] = loop.create_future()
        task = loop.create_task(self._run(inspector, job_id, queues, look, barred, begun))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await begun

    async def _run(
        self,
        inspector: Inspector,
        job_id: str,
        queues: Visible,
        look: Look | None,
        barred: Barred | None,
        begun: asyncio.Future[None],
    ) -> None:
        try:
            await inspector.run_job(
                job_id, queues=queues, look=look, barred=barred, stopping=lambda: self._is_ending,
                progress=lambda _job: _set(begun), per_minute=self._per_minute,
            )  # fmt: skip
        except Exception as error:
            if not begun.done():  # who begins it is told
                begun.set_exception(error)
            elif isinstance(error, OnebeatError):
                log.warning("job %s ended: %s", job_id, error)
            else:
                log.exception("job %s ended", job_id)
        finally:
            self._ended()
            _set(begun)

    def _alive(self) -> list[asyncio.Task[Any]]:
        loop = asyncio.get_running_loop()
        return [task for task in self._running if task.get_loop() is loop and not task.done()]

    async def aclose(self) -> None:
        """Stop all jobs; one that does not within a few seconds is cut off between two steps, and shows as lost."""
        self._is_ending = True
        if not (alive := self._alive()):
            return
        _, late = await asyncio.wait(alive, timeout=STOPS_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _set(begun: asyncio.Future[None]) -> None:
    if not begun.done():
        begun.set_result(None)
