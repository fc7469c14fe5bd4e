"""A server: takes tasks from queues and runs them, any number of servers beside each other."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypedDict, Unpack

from onebeat.audience import Audience
from onebeat.broker.store import check_source
from onebeat.clock import Clock, SystemClock
from onebeat.errors import ConfigurationError, shown
from onebeat.events import Observers
from onebeat.options import Duration
from onebeat.server.config import ServerConfig
from onebeat.server.hooks import BaseContext, ErrorHandler, HealthCheck, Hooks, IsFailure, RetryDelayOfTask
from onebeat.server.mux import Mux
from onebeat.server.outcome import RetryDelay, default_retry_delay
from onebeat.server.serving import Serving
from onebeat.server.traffic import Settled
from onebeat.upkeep.maintainer import Maintainer

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals(serving: Serving) -> Iterator[None]:
    """
    Let SIGTERM and SIGINT stop a server while the block runs, and SIGTSTP keep it from taking more, as asynq's do.

    Only for the main thread.
    """
    loop = asyncio.get_running_loop()
    handlers = dict.fromkeys(SIGNALS, serving.signalled) | {signal.SIGTSTP: serving.takes_no_more}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


class ServerSettings(TypedDict, total=False):
    """The settings of `ServerConfig` as keywords; see there."""

    concurrency: int
    queues: Mapping[str, int]
    strict: bool
    lease: float
    shutdown_timeout: float
    grace: float
    stall_limit: float
    block_limit: float
    max_crashes: int
    group_grace: float
    group_max_delay: float
    group_max_size: int
    group_timeout: float
    group_max_failures: int
    group_backoff: float
    release_unique_on_archive: bool
    archive_max_size: int | None
    archive_max_age: Duration | None
    max_soft_failures: int
    hook_timeout: float
    health_interval: float
    log_level: str | int | None
    log_sample: float
    attempts: str
    series: bool
    allow_short_lease: bool


class Server:
    """
    Runs tasks. asynq: `Server`.

    `await server.run(mux)` serves until SIGTERM or SIGINT; `async with server.serving(mux)` serves as long
    as its block runs and touches no signals.

    Args:
        store: A URL, a redis-py client whose settings are used, or an open `Store`; default: `ONEBEAT_URL`,
            else the embedded store of the project.

        retry_delay: Seconds before a failed task is tried again, given its failures so far and the error, and the
            task if it takes a third; default asynq's. A task's own back-off comes first.

        is_failure: Whether an error counts, given the error. One that does not costs no retry and is in no
            statistics; see `max_soft_failures`. Default: every error does.

        on_error: Told of every failed attempt, given the context, the task and the error, before the retry or the
            archive is written: async, or plain in a thread. Also of timeouts (a `TimeoutError`), of cancelled tasks,
            and, once they were recovered, of those whose server died (a `TaskCrashed`).

        base_context: What every handler runs in: given the context, it returns a context manager, async or not, such
            as one that sets context variables. It stands outside of all middleware and of `on_error`.

        health_check: Told every `health_interval` seconds how the store fares: None, or the error.

        observers: Told of what becomes of the tasks that it takes and recovers, and of schedules that it fires, on its
            event loop; see `onebeat.events.Observer`.

        settings: See `ServerConfig`.

    Raises:
        ConfigurationError: Settings that cannot work, all in one message; or an observer is none.
    """

    def __init__(
        self,
        store: object = None,
        *,
        retry_delay: RetryDelay | RetryDelayOfTask = default_retry_delay,
        is_failure: IsFailure | None = None,
        on_error: ErrorHandler | None = None,
        base_context: BaseContext | None = None,
        health_check: HealthCheck | None = None,
        clock: Clock | None = None,
        observers: Observers | Audience = (),
        **settings: Unpack[ServerSettings],
    ) -> None:
        unknown = settings.keys() - ServerSettings.__annotations__.keys()
        if unknown:
            known = ", ".join(ServerSettings.__annotations__)
            raise ConfigurationError(f"setting {min(unknown)} is unknown: choose from {known}")
        self.config: ServerConfig = ServerConfig(**settings)
        self.hooks: Hooks = Hooks(
            retry_delay=retry_delay,
            is_failure=is_failure,
            on_error=on_error,
            base_context=base_context,
            health_check=health_check,
            limit=self.config.hook_timeout,
        )
        self._source = check_source(store)
        self._clock = clock or SystemClock()
        self.audience: Audience = Audience.of(observers)
        self.audience.attach(self._source)

    async def run(self, mux: Mux) -> None:
        """
        Serve until SIGTERM or SIGINT; a second signal stops running handlers at once. After SIGTSTP it takes nothing
        more, and ends what it runs.

        A process whose handlers cannot be stopped is ended with status 1 after their tasks were put back.
        """
        serving = self.serving(mux)
        with stopped_by_signals(serving):
            async with serving:
                await serving.stop_asked.wait()
        serving.end_badly_if_need_be()

    def serving(
        self,
        mux: Mux,
        *,
        state: object = None,
        maintainer: Maintainer | None = None,
        settled: Settled | None = None,
    ) -> Serving:
        """
        Serve while the block of `async with` runs.

        Args:
            mux: The handlers.

            state: What their `Context.state` is.

            maintainer: Who maintains the queues; default: one of the server's own.

            settled: Called with each attempt whose outcome is in the store, and the store's answer.
        """
        if not isinstance(mux, Mux):
            raise ConfigurationError(f"mux is {shown(mux)}: give a Mux with handlers")
        return Serving(
            self._source,
            mux,
            config=self.config,
            hooks=self.hooks,
            clock=self._clock,
            state=state,
            maintainer=maintainer,
            settled=settled,
            audience=self.audience,
        )
