"""Litestar: a plugin that opens an application with Litestar's and tells clients when Onebeat refuses."""

from __future__ import annotations

from typing import Any

from onebeat.app.app import Onebeat
from onebeat.integrations.answers import ANSWERS, answer
from onebeat.integrations.asgi import Lifespan
from onebeat.integrations.missing import missing
from onebeat.server.server import ServerSettings

try:
    from litestar import Request, Response
    from litestar.config.app import AppConfig
    from litestar.handlers import asgi
    from litestar.plugins import InitPlugin
except ImportError as _error:
    raise missing("litestar", "Litestar", "litestar") from _error


class OnebeatPlugin(InitPlugin):
    """
    Opens an application with Litestar's, serves it there if told so, and mounts its health checks.

    Exceptions of Onebeat become 404, 409 or 503, unless the application has handlers of its own for them.

    Args:
        app: The application.

        serve: Settings of a server in this process, see `ServerConfig`; {} for the defaults. Left out, tasks are
            only enqueued here, and `onebeat run` runs them.

        mount: Where the health checks are: "/tasks" for `GET /tasks/health`; None for nowhere.

    Raises:
        ConfigurationError: It is no application, or the settings cannot work.
    """

    def __init__(self, app: Onebeat[Any], *, serve: ServerSettings | None = None, mount: str | None = None) -> None:
        self.lifespan: Lifespan = Lifespan(app, serve=serve)
        self._mount = mount

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add to a Litestar application what it is made of."""
        app_config.lifespan.append(self.lifespan)
        app_config.exception_handlers = {**dict.fromkeys(ANSWERS, refuse), **app_config.exception_handlers}
        if self._mount is not None:
            app_config.route_handlers.append(asgi(self._mount, is_mount=True, copy_scope=True)(self.lifespan.health))
        return app_config


def refuse(_request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Answer for an error of `ANSWERS`, in the form of Litestar's own."""
    status, detail = answer(error)
    return Response({"status_code": status, "detail": detail}, status_code=status)
