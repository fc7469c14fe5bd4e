"""`manage.py onebeat_run`: a server for this project."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import Coroutine
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import autoreload

from onebeat.app.serving import serve
from onebeat.errors import OnebeatError
from onebeat.integrations.django.conf import configuration
from onebeat.integrations.django.project import application
from onebeat.server.server import Server, ServerSettings

LEVELS = {0: logging.WARNING, 1: logging.INFO}


class Command(BaseCommand):
    """Runs what `onebeat run` runs, with the settings of ONEBEAT["SERVER"]."""

    help = "Run the tasks and schedules of this project until Ctrl-C or SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what overrides the setting."""
        parser.add_argument("-c", "--concurrency", type=int, help="Tasks at the same time.")
        parser.add_argument(
            "-q", "--queue", action="append", help="Queue to serve, with its weight: critical=6. May be repeated."
        )
        parser.add_argument("--reload", action="store_true", help="Start again when code changes, for development.")

    def handle(self, **options: Any) -> None:
        """Serve."""
        settings: ServerSettings = {**configuration().server}
        if options["concurrency"] is not None:
            settings["concurrency"] = options["concurrency"]
        if options["queue"]:
            settings["queues"] = dict(map(_weight, options["queue"]))
        if not logging.getLogger("onebeat").hasHandlers():
            logging.basicConfig(format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
            logging.getLogger("onebeat").setLevel(LEVELS.get(options["verbosity"], logging.DEBUG))
        try:
            Server(**settings)
            if options["reload"]:
                autoreload.run_with_reloader(_serve_until_code_changes, settings)
            else:
                _run(serve(application(), **settings))
        except OnebeatError as error:
            raise CommandError(str(error)) from error


def _weight(text: str) -> tuple[str, int]:
    name, equals, weight = text.partition("=")
    if equals and not (weight.isascii() and weight.isdigit()):
        raise CommandError(f"weight of queue {name!r} is {weight!r}: write {name}=3")
    return name, int(weight) if equals else 1


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


def _serve_until_code_changes(settings: ServerSettings) -> None:
    """Serve in a thread of Django's reloader, which ends the process once the receivers of `file_changed` return."""
    _run(_serving(settings))


async def _serving(settings: ServerSettings) -> None:
    loop, ended = asyncio.get_running_loop(), threading.Event()

    def stop(**_signal: Any) -> None:
        if not ended.is_set():
            loop.call_soon_threadsafe(serving.stop_asked.set)
            ended.wait()  # tasks are given their time, and put back

    try:
        async with application().serving(**settings) as serving:
            autoreload.file_changed.connect(stop, weak=False)
            atexit.register(stop)
            await serving.stop_asked.wait()
    finally:
        ended.set()
