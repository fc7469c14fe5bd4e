"""Serving an application in this process, as the command line orders it."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from onebeat.errors import ConfigurationError

if TYPE_CHECKING:
    from onebeat.app.app import Onebeat
    from onebeat.app.serving import Serving
    from onebeat.cli.processes.orders import Orders

log: logging.Logger = logging.getLogger("onebeat.cli")


def prepare_log(orders: Orders) -> None:
    """Write the log to standard error, each line with the number of the process if there are several."""
    from onebeat.server.logs import prepare_log as prepare

    prepare(orders.log_level.upper(), is_json=orders.log_format == "json", number=orders.number)
    if orders.dev:
        from onebeat.cli.develop.failures import show_failures

        show_failures(orders)


def where(app: Onebeat[Any], orders: Orders) -> str:
    """
    Return the URL of the store to serve.

    Raises:
        ConfigurationError: None is named anywhere.
    """
    from onebeat.broker.connection import endpoint

    url = orders.url or app.url or orders.fallback
    if url is None:
        raise ConfigurationError(
            "no store is named, and other processes would not find one that is started here by chance: "
            "give --url redis://…, set ONEBEAT_URL, or add --embedded"
        )
    if app.url is not None and url != app.url:
        log.warning(
            "application %r names another store in its code than %s, which is served: what its handlers enqueue "
            "through it goes there; leave url= out of the code",
            app.name,
            endpoint(url).shown,
        )
    return url


def observe(app: Onebeat[Any], orders: Orders) -> None:
    """Let the application be observed as it is ordered, unless its code says so already."""
    if not orders.events:
        return
    from onebeat.observe.stream import EventStream

    if not any(isinstance(observer, EventStream) for observer in app.audience.observers):
        app.observe(EventStream())


def serve_here(orders: Orders) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    from onebeat.app.serving import serve
    from onebeat.cli.load import application
    from onebeat.cli.loops import run_async
    from onebeat.cli.measuring import measure_here
    from onebeat.cli.operations import hear_no_more, operations

    async def serve_to_the_end(app: Onebeat[Any], url: str, begin: Callable[[Serving], object]) -> None:
        try:
            await serve(app, url=url, begin=begin, **orders.settings)
        finally:
            hear_no_more(signal.SIGINT)  # SIGTERM still ends what threads of the application hold up

    prepare_log(orders)
    before = os.environ.get("ONEBEAT_URL")
    try:
        with operations(orders) as watched:
            app = application(orders.app, orders.folder)
            url = where(app, orders)
            observe(app, orders)
            os.environ["ONEBEAT_URL"] = url  # what handlers enqueue goes where their server is
            measure_here(app, orders, watched.routes, url)
            run_async(serve_to_the_end(app, url, watched.watch), orders.loop)
    finally:
        if before is None:
            os.environ.pop("ONEBEAT_URL", None)
        else:
            os.environ["ONEBEAT_URL"] = before
