"""
For every ASGI framework: a lifespan that opens an application and may serve it, and an answer to health checks.

Neither imports a framework. Starlette, FastAPI and Litestar take both as they are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from onebeat.app.app import Onebeat
from onebeat.app.serving import Serving
from onebeat.broker import browse
from onebeat.errors import BrokerError, ConfigurationError, shown
from onebeat.options import DEFAULT_QUEUE
from onebeat.server import health as at_work
from onebeat.server.server import Server, ServerSettings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ANSWER_WITHIN_S = 2.0
"""How long a store may take to answer before it counts as away: less than what asks waits as a rule."""


class Health:
    """
    An ASGI application that says how an application fares; mount it anywhere.

    `GET /health` answers 200 if tasks can be enqueued and, where this process serves any, are being run; else 503.
    `GET /health/live` answers 503 only if this process has stopped serving, or serves so badly that a new one would
    mend it; see `HealthReport.live`.
    Both say why as JSON: {"status": "ok" | "failing", "store": "ok" | "away",
    "serving": "ok" | "degraded" | "stopping" | null}; see `onebeat.Health` for the last. Where what serves here is not
    live, "why" lists the reasons.

    Args:
        app: The application.

    Attributes:
        serving: What runs tasks in this process; None where none are run. `Lifespan` sets it.
    """

    def __init__(self, app: Onebeat[Any]) -> None:
        self._app = _checked(app)
        self.serving: Serving | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's names
        if scope["type"] == "http":
            await self._answer(scope, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Message, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/")
        if path not in ("/health", "/health/live"):
            await _respond(send, 404, {"detail": "There is nothing here but /health and /health/live."})
        elif scope["method"] not in ("GET", "HEAD"):
            await _respond(send, 405, {"detail": "Use GET."}, allow="GET, HEAD")
        else:
            status, body = await (self.live() if path.endswith("live") else self.ready())
            await _respond(send, status, body)

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of `GET /health`."""
        return self._report(await self._store())

    async def live(self) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of `GET /health/live`, which does not ask the store."""
        return self._report(None)

    def _report(self, store: str | None) -> tuple[int, dict[str, Any]]:
        serving = self.serving.health if self.serving is not None else None
        report = self.serving.health_report() if self.serving is not None else at_work.HealthReport.of("", [])
        whys = [f"{check.name}: {check.why}" for check in report.checks if not check.live]
        has_ended = report.state in ("stopping", "stopped")  # one that is drained may be told to take tasks again
        stops = has_ended if store is None else serving is at_work.Health.STOPPING
        fails = store == "away" or stops or bool(whys)
        body: dict[str, Any] = {"status": "failing" if fails else "ok"}
        if store is not None:
            body["store"] = store
        body["serving"] = serving and serving.value
        if whys:
            body["why"] = whys
        return (503 if fails else 200), body

    async def _store(self) -> str:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                store, _ = await self._app.connection()
                await store.run(browse.now(DEFAULT_QUEUE))
        except (BrokerError, TimeoutError):
            return "away"
        return "ok"


async def _respond(send: Send, status: int, body: dict[str, Any], **headers: str) -> None:
    content = json.dumps(body).encode()
    named = {"content-type": "application/json", "content-length": str(len(content)), "cache-control": "no-store"}
    pairs = [(name.encode(), value.encode()) for name, value in {**named, **headers}.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})


class Lifespan:
    """
    A web application's lifespan: opens the application with it and, if told so, serves tasks in its process.

    Args:
        app: The application.

        outer: The web application's own lifespan. It is entered before and left after, so that handlers that run
            here find all it opens; what it yields is passed on.

        serve: Settings of a server in this process, see `ServerConfig`; {} for the defaults. Left out, tasks are
            only enqueued here, and `onebeat run` runs them.

    Attributes:
        health: The health checks of this process, to be mounted.

    Raises:
        ConfigurationError: It is no application, or the settings cannot work.
    """

    def __init__(
        self,
        app: Onebeat[Any],
        outer: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None,
        *,
        serve: ServerSettings | None = None,
    ) -> None:
        self._app = _checked(app)
        self._outer = outer
        self._serve = serve
        if serve is not None:
            Server(**serve)  # bad settings are refused where they are written
        self.health: Health = Health(app)

    def __call__(self, host: Any) -> AbstractAsyncContextManager[Any]:
        return self._open(host)

    @asynccontextmanager
    async def _open(self, host: Any) -> AsyncIterator[Any]:
        async with AsyncExitStack() as stack:
            state = await stack.enter_async_context(self._outer(host)) if self._outer is not None else None
            await stack.enter_async_context(self._app)
            if self._serve is not None:
                self.health.serving = await stack.enter_async_context(self._app.serving(**self._serve))
            yield state


def _checked(app: object) -> Onebeat[Any]:
    if not isinstance(app, Onebeat):
        raise ConfigurationError(f"application is {shown(app)}: give the Onebeat(...) that declares the tasks")
    return app
