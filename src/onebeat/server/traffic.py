"""What the parts of a server hand to one another: tasks that were taken, attempts that ended, answers, orders."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from onebeat.audience import Audience
from onebeat.broker.consume import Taken, write_result
from onebeat.broker.store import Store
from onebeat.clock import Clock
from onebeat.server.acknowledger import Acknowledger
from onebeat.server.aggregator import Aggregator
from onebeat.server.config import ServerConfig
from onebeat.server.executor import Executor
from onebeat.server.fetcher import Fetcher
from onebeat.server.intake import Intake
from onebeat.server.keeper import Keeper
from onebeat.server.logs import about
from onebeat.server.running import Running, Stop
from onebeat.server.series import Series
from onebeat.server.telling import Teller
from onebeat.upkeep.telling import log_expired

log: logging.Logger = logging.getLogger("onebeat.server")

Settled = Callable[[Running, str], None]


class Traffic:
    """The part of `Serving` that goes on while it serves; the other is its life, in which it makes the parts."""

    store: Store
    fetcher: Fetcher
    executor: Executor
    keeper: Keeper
    acknowledger: Acknowledger
    aggregator: Aggregator
    stop_asked: asyncio.Event
    failed: str
    _config: ServerConfig
    _clock: Clock
    _audience: Audience
    _teller: Teller
    _intake: Intake
    _tell: Settled | None
    _series: Series | None
    _has_built: bool

    @property
    def takes_more(self) -> bool:
        """Whether it takes tasks, as far as signals and operators are asked."""
        return self._intake.is_open

    def _room(self) -> int:
        """How many tasks may be taken: the free slots, none while too many outcomes wait to be written."""
        is_swamped = len(self.acknowledger.unanswered) > 4 * self._config.concurrency
        if is_swamped or not self.takes_more or self.stop_asked.is_set():
            return 0
        return self.executor.free

    def _taken(self, queue: str, taken: Taken) -> None:
        self._teller.taken(queue, taken)
        log_expired(queue, taken.expired)
        if self._series is not None:
            self._series.taken(queue, taken)
        attempts = self.executor.start(queue, self._without_our_own(queue, taken))
        surplus = max(0, -self.executor.free)  # a fetch that was late: others have filled the slots meanwhile
        for place, attempt in enumerate(reversed(attempts)):
            self.keeper.hold(attempt)
            if self.stop_asked.is_set() or place < surplus:
                attempt.cancel(Stop.SHUTDOWN)

    def _without_our_own(self, queue: str, taken: Taken) -> Taken:
        """
        Leave out tasks that this server runs or has just ended: it slept over their leases, and took them itself.

        The attempt goes on, or its outcome is written, under the new token; nothing runs twice.
        """
        others = []
        for task in taken.tasks:
            attempt = self.keeper.held(queue, task.id) or self.acknowledger.refused(queue, task.id)
            if attempt is None or not (attempt in self.executor.running or attempt.finished is not None):
                others.append(task)
                continue
            log.warning(
                "task %s of queue %s lost its lease and is ours again: it goes on", task.id, queue, extra=about(attempt)
            )
            self.keeper.hold(attempt)
            if attempt.finished is not None:
                self.acknowledger.again(attempt, taken.token)
                continue
            attempt.token = taken.token
            if attempt.stop is Stop.LOST:  # its handler is being stopped already: once it has ended, back to the front
                attempt.stop = Stop.SHUTDOWN
        return replace(taken, tasks=others) if len(others) < len(taken.tasks) else taken

    def _decided(self, attempt: Running) -> None:
        if attempt.finished is None:
            self.keeper.release(attempt)
            self._teller.lost(attempt)
        else:
            self.acknowledger.add(attempt)
        if 2 * len(self.executor.overstaying) >= self._config.concurrency and not self.stop_asked.is_set():
            self._fail(f"{len(self.executor.overstaying)} handlers do not end and hold half of the slots")
        self.fetcher.room_again()

    async def _keep_result(self, attempt: Running, result: bytes) -> bool:
        return await self.store.run(write_result(attempt.queue, attempt.id, attempt.token, result))

    def _answered(self, attempt: Running, answer: str) -> None:
        self.keeper.release(attempt)
        self.fetcher.room_again()
        if self._audience.hears:
            self._teller.ended(attempt, answer)
        self._note_end()
        if self._tell is not None:
            self._tell(attempt, answer)

    def _told_to_stop(self, attempt: Running, why: Stop, token: str) -> None:
        if attempt.token != token or attempt.finished is not None or attempt.stop is Stop.LOST:
            return  # what the keeper saw is over, or known
        if why is Stop.LOST:
            self.keeper.release(attempt)
            attempt.ended = self._clock.monotonic()
            log.warning(
                "lease of task %s in queue %s is lost; its handler is stopped",
                attempt.id,
                attempt.queue,
                extra=about(attempt, "lease_lost"),
            )
            self.acknowledger.lease_lost += 1
        self.executor.stop(attempt, why)

    def _freed(self) -> None:
        self.fetcher.room_again()
        self._note_end()

    def _takes_more_or_not(self) -> None:
        if self._has_built:
            self.keeper.show(takes_more=self.takes_more)
            self.aggregator.hold(is_held=not self.takes_more)
            self.fetcher.room_again()

    def _is_idle(self) -> bool:
        return not (self.executor.running or self.acknowledger.unanswered or self.aggregator.aggregating)

    def _note_end(self) -> None:
        """Something has ended: of a server that takes no more this may have been the last."""
        if not self.takes_more and self._is_idle():
            self.keeper.show(takes_more=False)
            self._intake.note_end()

    def _fail(self, why: str, error: BaseException | None = None) -> None:
        """Stop, since a new process would fare better."""
        log.critical("%s: the server stops", why, exc_info=error)
        self.failed = why
        self.stop_asked.set()
