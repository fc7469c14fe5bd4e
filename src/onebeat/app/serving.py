"""
An application at work on one instance: its server, its schedules, and the upkeep both share.

One store connection, one maintainer: it recovers and forwards for the server and fires for the scheduler.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from onebeat.app.declared import check_place
from onebeat.broker.store import Store
from onebeat.errors import ConfigurationError
from onebeat.options import DEFAULT_QUEUE
from onebeat.scheduler.scheduler import Scheduler
from onebeat.server.config import ServerConfig
from onebeat.server.health import Health, HealthReport
from onebeat.server.server import Server, ServerSettings, stopped_by_signals
from onebeat.server.traffic import Settled
from onebeat.upkeep.maintainer import Maintainer
from onebeat.upkeep.service import Crew
from onebeat.words import counted

if TYPE_CHECKING:
    import asyncio

    from onebeat.app.app import Onebeat


log: logging.Logger = logging.getLogger("onebeat.app")


class Serving:
    """
    Serves while its `async with` block runs.

    Args:
        app: The application.

        settings: The server's, before the application's own; see `ServerConfig`. Queues default to those its tasks
            and schedules name.

        url: Overrides the application's store.

        signals: Let SIGTERM and SIGINT stop it.

        settled: Called with each attempt whose outcome is in the store, and the store's answer.
    """

    def __init__(
        self,
        app: Onebeat[Any],
        settings: ServerSettings,
        *,
        url: str | None = None,
        signals: bool = False,
        settled: Settled | None = None,
    ) -> None:
        if not app.tasks and not app.adopted:
            raise ConfigurationError(f"application {app.name!r} has no tasks: declare one with @app.task()")
        for task in app.tasks.values():
            check_place(task)
        self._app = app
        self._settings: ServerSettings = {"queues": served_queues(app), **app.server_settings, **settings}
        self.config: ServerConfig = Server(**app.hooks, **self._settings).config  # bad settings are refused here
        """The server's settings, its queues among them."""
        self._url = url or app.url
        self._signals = signals
        self._settled = settled
        self._report: Callable[[], HealthReport] = HealthReport.starting
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(await Store.open(self._url))
            state = await stack.enter_async_context(self._app.lifespan()) if self._app.lifespan is not None else None
            await self._start(stack, store, state)
            self._stack = stack.pop_all()
        return self

    async def _start(self, stack: AsyncExitStack, store: Store, state: object) -> None:
        serving = Server(store, observers=self._app.audience, **self._app.hooks, **self._settings)
        scheduler = Scheduler(store, app=self._app.name, entries=self._app.entries.values(), sources=self._app.sources)
        self._scheduler = scheduler
        await scheduler.declare(store)  # from here on no tick is missed
        maintainer = Maintainer(
            store,
            serving.config.queues,
            max_crashes=serving.config.max_crashes,
            archive=serving.config.archive,
            report=lambda queue, done: scheduler.report(store, queue, done),
            audience=self._app.audience,
        )
        self._server = serving.serving(self._app.mux, state=state, maintainer=maintainer, settled=self._settled)
        self._report = self._server.health_report
        self._server.application = self._app.name
        if self._signals:
            stack.enter_context(stopped_by_signals(self._server))
        await stack.enter_async_context(self._server)
        log.info("application %s: %s", self._app.name, _declared(self._app))
        crew = Crew()
        crew.start(scheduler.keeping(store))
        stack.push_async_callback(crew.stop)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def stop_asked(self) -> asyncio.Event:
        """Set when a signal, or a bug, wants the server stopped."""
        return self._server.stop_asked

    def signalled(self) -> None:
        """Stop as a signal does; if asked again, without waiting for handlers."""
        self._server.signalled()

    async def sync_schedules(self) -> None:
        """
        Ask all sources of schedules now, and put their answers into force. See `Scheduler.sync_now`.

        Raises:
            ConfigurationError: A source fails; its last answer stays in force.
            BrokerUnavailable: The store could not be reached; it is tried again by itself.
        """
        await self._scheduler.sync_now()

    @property
    def health(self) -> Health:
        """How the server fares: for a health check of the program that it is part of."""
        return self._server.health

    def health_report(self) -> HealthReport:
        """
        Say how the server fares, check by check: for probes. May be called from any thread, at any time.

        It asks the store nothing: what it answered last, a few seconds ago at most, is told.
        """
        return self._report()

    def end_badly_if_need_be(self) -> None:
        """See `server.Serving.end_badly_if_need_be`."""
        self._server.end_badly_if_need_be()


def served_queues(app: Onebeat[Any]) -> dict[str, int]:
    """All queues that the application's own tasks and schedules name, and the default one, with equal weights."""
    named = {str(task.default_options.get("queue") or DEFAULT_QUEUE) for task in app.tasks.values()}
    return dict.fromkeys(sorted(named | app.adopted | {item.queue for item in app.entries.values()}), 1)


async def serve(
    app: Onebeat[Any],
    *,
    url: str | None = None,
    begin: Callable[[Serving], object] = lambda _serving: None,
    **settings: Unpack[ServerSettings],
) -> None:
    """
    Serve until SIGTERM or SIGINT, on a store other than the application's if `url` is given.

    Args:
        begin: Told what is about to serve, for those who watch it.
    """
    serving = Serving(app, settings, url=url, signals=True)
    begin(serving)
    async with serving:
        await serving.stop_asked.wait()
    serving.end_badly_if_need_be()


def _declared(app: Onebeat[Any]) -> str:
    """Say how much an application has declared; of what is rare, only what there is."""
    counts = [counted(len(app.tasks), "task"), counted(len(app.entries), "schedule")]
    if app.sources:
        counts.append(f"schedules of {', '.join(source.name for source in app.sources)}")
    if app.aggregations:
        counts.append(f"groups {', '.join(repr(pattern) for pattern in app.aggregations)}")
    return ", ".join(counts)
