"""Flask: handlers run in its application context, `flask onebeat run` serves, and refusals become HTTP."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from onebeat.app.app import Onebeat
from onebeat.app.serving import serve as serve_until_signal
from onebeat.app.surroundings import Surroundings
from onebeat.errors import ConfigurationError, OnebeatError, shown
from onebeat.integrations.answers import ANSWERS, answer
from onebeat.integrations.missing import missing
from onebeat.server.server import ServerSettings

try:
    import click
    from flask import Flask, Response, jsonify
    from flask.cli import AppGroup
except ImportError as _error:
    raise missing("flask", "Flask", "flask") from _error

_hosts: weakref.WeakKeyDictionary[Onebeat[Any], Flask] = weakref.WeakKeyDictionary()


def init_app(flask: Flask, app: Onebeat[Any], *, serve: ServerSettings | None = None) -> None:
    """
    Join an application to a Flask application; for the end of `create_app()`.

    The store is that of `flask.config["ONEBEAT_URL"]`, if it is set, else the application's.
    Handlers run in `flask.app_context()`, a plain function's in its thread. `flask onebeat run` serves. Errors of
    Onebeat become 404, 409 or 503, unless the Flask application has handlers of its own for them.

    Args:
        flask: The Flask application. Of several that are made in a process, as in tests, the last one counts.

        app: The application.

        serve: Settings of `flask onebeat run`, see `ServerConfig`.

    Raises:
        ConfigurationError: One of them is none, the Flask application has another already, or ONEBEAT_URL names no
            store.
    """
    given: tuple[object, object] = flask, app
    if not isinstance(given[0], Flask) or not isinstance(given[1], Onebeat):
        raise ConfigurationError(
            f"init_app got {shown(flask)} and {shown(app)}: give the Flask application, then the Onebeat(...)"
        )
    joined = flask.extensions.get("onebeat", app)
    if joined is not app:
        raise ConfigurationError(
            f"Flask application {flask.name!r} has the Onebeat application {joined.name!r} already, and could serve "
            f"only one: put the tasks of {app.name!r} on a Router, and include that"
        )
    if flask.config.get("ONEBEAT_URL") is not None:
        app.url = flask.config["ONEBEAT_URL"]
    if app not in _hosts:
        app.surround(_surroundings(weakref.ref(app)))
    _hosts[app] = flask
    flask.extensions["onebeat"] = app
    for kind in ANSWERS:
        flask.register_error_handler(kind, refuse)
    flask.cli.add_command(_commands(app, serve or {}))


def _surroundings(app: weakref.ref[Onebeat[Any]]) -> Surroundings:
    def host() -> AbstractContextManager[object]:
        joined = app()
        assert joined is not None  # noqa: S101 - it runs the handler
        return _hosts[joined].app_context()

    @asynccontextmanager
    async def coroutine() -> AsyncIterator[None]:
        with host():
            yield

    return Surroundings(plain=host, coroutine=coroutine)


def refuse(error: Exception) -> tuple[Response, int]:
    """Answer for an error of `ANSWERS`: 404, 409 or 503, and {"detail": a sentence}."""
    status, detail = answer(error)
    return jsonify(detail=detail), status


def _commands(app: Onebeat[Any], settings: ServerSettings) -> AppGroup:
    group = AppGroup("onebeat", help="Tasks and schedules.")

    @group.command("run")
    @click.option("-c", "--concurrency", type=click.IntRange(1), help="Tasks at the same time.")
    def run(concurrency: int | None) -> None:
        """Run the tasks and schedules of this application until Ctrl-C or SIGTERM."""
        _show_log()
        own: ServerSettings = {**settings}
        if concurrency is not None:
            own["concurrency"] = concurrency
        try:
            asyncio.run(serve_until_signal(app, **own))
        except OnebeatError as error:
            raise click.ClickException(str(error)) from error

    return group


def _show_log() -> None:
    """Show what Onebeat logs, unless the application has said where its logs go."""
    if not logging.getLogger("onebeat").hasHandlers():
        logging.basicConfig(format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        logging.getLogger("onebeat").setLevel(logging.INFO)
