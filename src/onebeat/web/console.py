"""The console as an ASGI application: its pages, its store, and what they share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import TypedDict, Unpack

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from onebeat.app.app import Onebeat
from onebeat.app.transport import Transport
from onebeat.broker.store import Store
from onebeat.clock import SystemClock
from onebeat.errors import ConfigurationError, shown
from onebeat.inspector.inspector import Inspector
from onebeat.web import api, assets, failures, rail
from onebeat.web.acting import Refusals
from onebeat.web.admitting import Bucket
from onebeat.web.api import outside
from onebeat.web.background import Background
from onebeat.web.pages import (
    act,
    audit,
    errors,
    groups,
    health,
    jobs,
    metrics,
    overview,
    palette,
    queue,
    schedule,
    schedules,
    servers,
    sessions,
    signing,
    signing_oidc,
    store,
    task,
    task_changes,
    task_new,
    tasks,
    viewing,
    views,
)
from onebeat.web.reading import SharedReads
from onebeat.web.sampling import keep_sampling
from onebeat.web.security import gate
from onebeat.web.security.ledger import Ledger
from onebeat.web.security.rules import Auth
from onebeat.web.security.standing import Standing
from onebeat.web.settings import Settings
from onebeat.web.showing.redaction import Redaction

PLACES = (
    ("/", "overview", "Overview"),
    ("/tasks", "tasks", "Tasks"),
    ("/errors", "errors", "Errors"),
    ("/schedules", "schedules", "Schedules"),
    ("/servers", "servers", "Servers"),
    ("/groups", "groups", "Groups"),
    ("/metrics", "metrics", "Metrics"),
    ("/health", "health", "Health"),
    ("/redis", "redis", "Redis"),
    ("/audit", "audit", "Audit"),
    ("/settings", "settings", "Settings"),
)
"""The pages that the rail leads to: path, name, word."""


class ConsoleSettings(TypedDict, total=False):
    """See `Settings`."""

    title: str
    read_only: bool
    require_reason: bool
    bulk_per_minute: int | None
    auth: Auth
    hosts: Collection[str]
    origins: Collection[str]
    proxies: Collection[str]
    prefix: str
    prefix_stripped: bool | None
    secret: str
    login_url: str | None
    redaction: Redaction


def console(source: object = None, *, app: Onebeat | None = None, **settings: Unpack[ConsoleSettings]) -> Console:
    """
    Make the console: an ASGI application, to be served by itself or mounted in another.

    It needs no lifespan: its store is opened when a page is first asked for, and closes with the event loop.

    Args:
        source: An `Onebeat` application, whose store is looked into; or a URL, a redis-py client whose settings are
            used, or an open `Store`. Default: the store of `app`, else `ONEBEAT_URL`, else the embedded store of the
            project.

        app: The application whose declarations count: what is enqueued and edited must fit them. Default: `source`, if
            it is one.

        settings: See `Settings`.

    Raises:
        ConfigurationError: A setting cannot work, or `app` is no application.
    """
    if app is not None and not isinstance(app, Onebeat):
        raise ConfigurationError(f"app is {shown(app)}: give an Onebeat application")
    return Console(app if source is None else source, Settings(**settings), app=app)


class Console:
    """
    The console of one store: an ASGI application.

    Attributes:
        settings: What it was told.

        reads: What viewers share.

        refusals: How many refused attempts are still to be written down.

        turned_away: How many failed logins are still to be written down.

        own_changes: How many changes of their own users may still make.

        places: The pages that the rail leads to: path, name, word.

        background: The jobs that it runs.

        ledger: Which sessions are on.

        standing: What users may now.
    """

    places = PLACES

    def __init__(
        self,
        source: object,
        settings: Settings,
        *,
        app: Onebeat | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.reads: SharedReads = SharedReads(monotonic)
        self.background: Background = Background(self.reads.forget, per_minute=settings.bulk_per_minute)
        self.refusals: Refusals = Refusals(monotonic)
        self.turned_away: Bucket = Bucket(monotonic)
        self.own_changes: Refusals = Refusals(monotonic)
        self._source = source if isinstance(source, Onebeat | Store) else Transport(source)
        self._declaring = app
        self._name = ""
        self._app = Starlette(
            routes=routes(),
            lifespan=self._life,
            exception_handlers=failures.HANDLERS,
            middleware=[Middleware(GZipMiddleware, minimum_size=500, compresslevel=5), Middleware(rail.Tallying)],
        )
        self._app.state.console = self
        self.ledger: Ledger = Ledger(self.inspector, self.reads, SystemClock())
        self.standing: Standing = Standing(settings.rules)
        self._gate: ASGIApp = gate.guarded(
            self._app, settings.rules, answer=self._refused, ledger=self.ledger, heard=self.standing.hear,
            paths=[route.path for route in self._app.routes if isinstance(route, Route)],
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gate(scope, receive, send)

    def _refused(self, request: Request, status: int, sentence: str) -> Response:
        """Answer in place of the pages, which are not asked."""
        request.scope["app"] = self._app
        if gate.path_of(request.scope).startswith(gate.API):
            return outside.refused(request, status, sentence)
        if gate.identity(request) is not None and status == 503:  # the store is away, and who asks is known
            return failures.failure(request, status, sentence)
        return failures.outside(request, status, sentence)

    @asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncIterator[None]:
        sampling = None if self.settings.read_only else asyncio.create_task(keep_sampling(self.inspector))
        try:
            yield
        finally:
            if sampling is not None:
                sampling.cancel()
                await asyncio.gather(sampling, return_exceptions=True)
            await self.aclose()

    async def inspector(self) -> Inspector:
        """
        Return what looks into the store, opened if need be.

        Raises:
            BrokerUnavailable: The store is away.
        """
        if isinstance(self._source, Store):
            store = self._source.here()
        elif isinstance(self._source, Onebeat):
            store, _ = await self._source.connection()
        else:
            store = (await self._source.connected()).store
        self._name = store.endpoint.shown
        return Inspector(store)

    @property
    def app(self) -> Onebeat | None:
        """The application whose declarations a payload must fit; None: it knows of none."""
        if self._declaring is None and isinstance(self._source, Onebeat):
            return self._source
        return self._declaring

    @property
    def store_name(self) -> str:
        """Where the store is, without its password; "" before it was first reached."""
        return self._name

    async def aclose(self) -> None:
        """Stop jobs, and close the store, unless it is somebody else's; the next page opens it again."""
        await self.background.aclose()
        if isinstance(self._source, Transport):
            await self._source.aclose()


def routes() -> list[BaseRoute]:
    """All that the console answers."""
    return [
        Route("/assets/{digest}/{name}", assets.send),
        *overview.routes,
        *queue.routes,
        *tasks.routes,
        *views.routes,
        *act.routes,
        *jobs.routes,
        *errors.routes,
        *audit.routes,
        *signing.routes,
        *signing_oidc.routes,
        *sessions.routes,
        *viewing.routes,
        *schedules.routes,
        *schedule.routes,
        *servers.routes,
        *groups.routes,
        *metrics.routes,
        *task.routes,
        *task_changes.routes,
        *task_new.routes,
        *palette.routes,
        *health.routes,
        *store.routes,
        *api.routes(),
    ]
