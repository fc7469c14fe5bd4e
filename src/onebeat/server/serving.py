"""
A server at work: its parts, and the order in which they start and stop.

It loses nothing: fetching stops first, handlers are given time, then stopped and put back to the front of their
queue, outcomes are written, and the lease keeper is the last to go, so that no other server takes a task whose
outcome is still on its way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from onebeat.audience import Afar, Audience
from onebeat.broker.dangers import dangers
from onebeat.broker.store import BlockingStore, Store
from onebeat.clock import Clock
from onebeat.errors import BrokerError, ConfigurationError
from onebeat.events import Figure
from onebeat.ids import new_id
from onebeat.server.acknowledger import Acknowledger
from onebeat.server.aggregator import Aggregator
from onebeat.server.cancels import CancelEars
from onebeat.server.config import ServerConfig, level
from onebeat.server.executor import Executor
from onebeat.server.fetcher import Fetcher
from onebeat.server.health import Health, HealthReport, examined
from onebeat.server.history import History
from onebeat.server.hooks import Hooks
from onebeat.server.intake import Intake
from onebeat.server.keeper import Keeper
from onebeat.server.lag import LoopLag
from onebeat.server.logs import about
from onebeat.server.mux import Mux
from onebeat.server.presence import Presence, tag_of
from onebeat.server.reporter import Reporter
from onebeat.server.reports import Crashes, StoreHealth
from onebeat.server.running import Running, Stop
from onebeat.server.series import Series
from onebeat.server.shares import Shares
from onebeat.server.sheet import Sheet
from onebeat.server.telling import Teller
from onebeat.server.traffic import Settled, Traffic
from onebeat.server.watchdog import Watchdog
from onebeat.server.watcher import Watcher
from onebeat.upkeep.maintainer import Maintainer
from onebeat.upkeep.service import Crew, cancelled, ended

log: logging.Logger = logging.getLogger("onebeat.server")

SERIES_S = 2.0
"""Seconds that the last write of the series may take."""

Told = Callable[[Running, Stop, str], None]


def _on_loop(loop: asyncio.AbstractEventLoop, call: Told, attempt: Running, why: Stop, token: str) -> None:
    """Bring word from the keeper's thread."""
    loop.call_soon_threadsafe(call, attempt, why, token)


class Serving(Traffic):
    """
    A server at work. See `Server.serving`.

    Args:
        source: What its store is opened from, or the open one.

        config, hooks, clock: The server's.

        mux, state, maintainer, settled: As in `Server.serving`.

        audience: The server's.
    """

    def __init__(
        self,
        source: object,
        mux: Mux,
        *,
        config: ServerConfig,
        hooks: Hooks,
        clock: Clock,
        state: object,
        maintainer: Maintainer | None,
        settled: Settled | None,
        audience: Audience,
    ) -> None:
        self._audience = audience
        self._teller = Teller(audience, clock)
        self._source = source
        self._mux = mux
        self._config = config
        self._hooks = hooks
        self._clock = clock
        self._state = state
        self._maintainer = maintainer
        self._tell = settled
        self.id: str = new_id()  # of this serving alone: the store counts its fetches from one
        self._crew = Crew()
        self._hurry = asyncio.Event()
        self.application: str = ""
        """The name of the application that it serves, if there is one."""
        self.stop_asked: asyncio.Event = asyncio.Event()
        self._intake = Intake(changed=self._takes_more_or_not, is_idle=self._is_idle, stop=self.stop_asked.set)
        self.has_ended: bool = False
        self.failed: str = ""
        """Why it stops, if nobody has told it to."""
        self._has_begun = self._has_built = self._serves = False
        self.stubborn: int = 0
        """Handlers that did not end although they were stopped."""
        self.unwritten: int = 0
        """Outcomes that the store did not take before time ran out; their tasks run again."""

    def signalled(self) -> None:
        """Stop; if asked again, without waiting for handlers."""
        if self.stop_asked.is_set():
            self._hurry.set()
        else:
            log.info("stopping: running tasks have %g s to end", self._config.shutdown_timeout)
        self.stop_asked.set()

    def takes_no_more(self) -> None:
        """Take nothing more, but go on with what runs. asynq: `Stop`, and SIGTSTP."""
        self._intake.close()

    def takes_again(self) -> None:
        """Take tasks again, whoever has said that it shall not."""
        self._intake.open()

    async def __aenter__(self) -> Self:
        if self._has_begun:
            raise ConfigurationError(f"serving {self.id} has begun already: call Server.serving() again for another")
        self._has_begun = True
        self._set_level()
        source = self._source
        self._owns_store = not isinstance(source, Store)
        self.store: Store = source if isinstance(source, Store) else await Store.open(source)
        self.store.measured_by(self._audience)
        await self._warn()
        self._build(asyncio.get_running_loop())
        maintainer = self._maintainer or Maintainer(
            self.store,
            self._config.queues,
            max_crashes=self._config.max_crashes,
            archive=self._config.archive,
            audience=self._audience,
        )
        with suppress(BrokerError):  # then it is said by the first upkeep
            await maintainer.say_limits()
        maintainer.found_work = self.watcher.may_work
        self.aggregator: Aggregator = Aggregator(
            self.store,
            self._mux.aggregations,
            self._config,
            owner=self.id,
            wake=maintainer.wake,
            clock=self._clock,
            audience=self._audience,
            settled=self._note_end,
        )
        maintainer.groups = self.aggregator
        self._has_built = True
        if not self.takes_more:  # a signal came early
            self._takes_more_or_not()
        self._observed = self._audience.serving(self._config.hook_timeout)
        await self._observed.__aenter__()  # the last that waits: what is cancelled here has started nothing
        self.keeper.start()
        self._start_reports(maintainer)
        self._audience.measured(Figure.SLOTS, "", self._config.concurrency)
        self._crew.start(maintainer)
        self._crew.start(self.executor.deadlines)
        ears = CancelEars(self.store, self.executor, server=self.id, ordered=self._intake.obey)
        self._crew.start(ears, ears.trouble)
        self._crew.start(self.reporter)
        if self._series is not None:
            self._crew.start(self._series)
            maintainer.lost = self._series.lost
        if self._audience.measures:
            self._crew.start(LoopLag(self._audience))
        self._crew.start(self.watcher)
        self._fetching = asyncio.get_running_loop().create_task(self.fetcher.run(), name="fetcher")
        self._fetching.add_done_callback(self._fetcher_ended)
        self._serves = True
        log.info("serving queues %s with %d slots", ", ".join(self._config.queues), self._config.concurrency)
        return self

    def _start_reports(self, maintainer: Maintainer) -> None:
        hooks = self._hooks
        if hooks.on_error is not None:
            crashes = Crashes(self.store, hooks, self._state)
            maintainer.recovered = crashes.note
            self._crew.start(crashes)
        if hooks.health_check is not None:
            self._crew.start(StoreHealth(self.store, hooks, self._config.health_interval))

    def _set_level(self) -> None:
        self._former_level: int | None = None
        if self._config.log_level is not None:
            loggers = logging.getLogger("onebeat")
            self._former_level = loggers.level
            loggers.setLevel(level(self._config.log_level) or logging.NOTSET)

    async def _warn(self) -> None:
        try:
            for danger in await dangers(self.store):
                log.warning("store %s: %s", self.store.endpoint.shown, danger)
        except BrokerError as error:
            log.warning(
                "store %s does not show its settings, so they were not checked: %s", self.store.endpoint.shown, error
            )

    def _build(self, loop: asyncio.AbstractEventLoop) -> None:
        config = self._config
        shares = Shares(config.queues, strict=config.strict)
        tag = tag_of(self.id)
        history = History(config.attempts, tag)
        self._series = Series(self.store, clock=self._clock) if config.series else None
        self.acknowledger: Acknowledger = Acknowledger(
            self.store,
            self._answered,
            self._teller.written,
            kept=history.of,
            counted=self._series.answered if self._series is not None else None,
        )
        self.reporter: Reporter = Reporter(self.store)
        self.executor: Executor = Executor(
            self._mux,
            config,
            state=self._state,
            decided=self._decided,
            freed=self._freed,
            said=self.reporter.say,
            clock=self._clock,
            keep_result=self._keep_result,
            hooks=self._hooks,
            teller=self._teller,
        )
        self.watcher: Watcher = Watcher(self.store, config.queues)
        self.fetcher: Fetcher = Fetcher(
            self.store,
            shares,
            self.watcher,
            server=tag,
            lease_ms=config.lease_ms,
            room=self._room,
            asking=self.acknowledger.forget_refused,
            taken=self._taken,
            clock=self._clock,
        )
        self.watchdog: Watchdog = Watchdog(
            loop.call_soon_threadsafe,
            loop_thread=threading.get_ident(),
            limit=config.grace + config.stall_limit,
            clock=self._clock,
        )
        keepers = BlockingStore(self.store.endpoint)
        keepers.measured_by(Afar(self._audience, loop.call_soon_threadsafe))
        overstaying = self.executor.overstaying
        sheet = Sheet(self._mux, config, self.watchdog, application=self.application, given_up=lambda: len(overstaying))
        self.keeper: Keeper = Keeper(
            keepers,
            lease_ms=config.lease_ms,
            period=config.keeper_period,
            stop_attempt=partial(_on_loop, loop, self._told_to_stop),
            ordered=lambda order: loop.call_soon_threadsafe(self._intake.obey, order),
            presence=Presence(config, server_id=self.id, clock=self._clock, sheet=sheet),
            watchdog=self.watchdog,
            clock=self._clock,
        )

    @property
    def health(self) -> Health:
        """How the server fares."""
        if self.stop_asked.is_set() or not self.takes_more:
            return Health.STOPPING
        return Health.DEGRADED if self.executor.overstaying else Health.OK

    def health_report(self) -> HealthReport:
        """Say how the server fares, check by check: from any thread, while the event loop is blocked too."""
        return examined(self, self._config, self._clock.monotonic()) if self._serves else HealthReport.starting()

    def _fetcher_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._fail("the fetcher ended by a bug of ours", task.exception())

    def end_badly_if_need_be(self) -> None:
        """
        End the process with status 1 if it did not stop as it should.

        At once, if handlers still run although their tasks were put back: a normal end would wait for their
        threads. By `SystemExit`, if outcomes could not be written, or if nobody had told it to stop.
        """
        if self.stubborn:
            log.critical("%d handlers did not end: the process is ended without them", self.stubborn)
            logging.shutdown()
            os._exit(1)
        if self.unwritten:
            log.critical("%d outcomes were not written: the process ends with status 1", self.unwritten)
            raise SystemExit(1)
        if self.failed:
            log.critical("the process ends with status 1: %s", self.failed)
            raise SystemExit(1)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_asked.set()
        self.keeper.show(takes_more=False)
        self.fetcher.stop()
        await asyncio.wait([self._fetching], timeout=self._config.shutdown_timeout)
        aggregating = asyncio.get_running_loop().create_task(
            self.aggregator.stop(self._config.shutdown_timeout, self._config.grace, self._hurry)
        )
        await self._end_handlers()
        await self._write_outcomes()
        await aggregating
        await cancelled(self._fetching)
        await self._crew.stop()
        await self._write_series()
        await asyncio.to_thread(self.keeper.stop)
        await self.executor.aclose()
        self._audience.measured(Figure.SLOTS, "", -self._config.concurrency)
        await self._observed.__aexit__(None, None, None)
        if self._owns_store:
            await self.store.aclose()
        if self._former_level is not None:
            logging.getLogger("onebeat").setLevel(self._former_level)
        self.has_ended = True

    async def _end_handlers(self) -> None:
        """Give handlers time, then stop them, then put back what still runs."""
        hurry = asyncio.get_running_loop().create_task(self._hurry.wait())
        drain = asyncio.get_running_loop().create_task(self.executor.drain(self._config.shutdown_timeout))
        await asyncio.wait([hurry, drain], return_when=asyncio.FIRST_COMPLETED)
        await cancelled(hurry)
        await cancelled(drain)
        self.executor.cancel_all(Stop.SHUTDOWN)
        await self.executor.drain(self._config.grace)
        for attempt in list(self.executor.running):
            log.error(
                "task %s of queue %s does not end; it is put back", attempt.id, attempt.queue, extra=about(attempt)
            )
            self.executor.abandon(attempt)
        self.stubborn = len(self.executor.overstaying)

    async def _write_outcomes(self) -> None:
        idle = asyncio.get_running_loop().create_task(self.acknowledger.idle())
        await ended(idle, max(self._config.shutdown_timeout, 1.0))
        if not idle.done():
            self.unwritten = len(self.acknowledger.unanswered)
            for attempt in self.acknowledger.unanswered:
                decided = attempt.finished.outcome if attempt.finished is not None else "?"
                log.error(
                    "task %s of queue %s: outcome %s was not written; it runs again", attempt.id, attempt.queue, decided
                )
            self.acknowledger.abandon()
            idle.cancel()
        with suppress(asyncio.CancelledError):
            await idle
        log.info("stopped")

    async def _write_series(self) -> None:
        """Write what was counted last, unless the store takes too long: it is not worth waiting for."""
        if self._series is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(SERIES_S):
                    await self._series.flush()
