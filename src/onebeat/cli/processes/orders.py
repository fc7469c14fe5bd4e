"""
What a parent and its server processes say to each other.

The parent sends its orders, one line of JSON, and then single words. A process answers with lines that begin with a
word.
"""

from __future__ import annotations

import signal
from typing import Any

import msgspec

STOP = b"stop"
"""Stop taking tasks, give those that run their time, end."""

HURRY = b"hurry"
"""Stop what still runs now."""

SERVES = b"serves"
"""The process: from now on I serve, and this is what: `Facts`."""

HEALTH = b"health"
"""The parent: how are you? The process: so: a `HealthReport`."""

AWAY = 75
"""The status of a process that could not start because its store was away: EX_TEMPFAIL, worth another try."""

FAILED = 1
"""The status of a process that could not start, and has said why."""

HELD_BACK = (signal.SIGINT, signal.SIGHUP)
"""Signals that a process does not get before it is ready for them: until then they would end it with a traceback."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """
    How to be a server process.

    Attributes:
        app: "module:app".

        folder: Where the application's module is looked for.

        url: Where the store is, if that was said on the command line or in the environment.

        fallback: Where it is if neither that nor the application says so.

        settings: Those of `ServerConfig` that were given.

        log_level: What of the log is shown.

        loop: "auto", "uvloop" or "asyncio".

        number: Which process this is, from 1; 0: the only one.

        dev: Show failed tasks with their tracebacks.

        events: Write what happens to the store's stream of events.

        log_format: "text" or "json".

        metrics_port, metrics_host: Where the command answers over HTTP; None: nowhere. The parent does, if there is
            one.

        metrics_queues: Whether the metrics of queues are among what it answers.
    """

    app: str
    folder: str
    url: str | None
    fallback: str | None
    settings: dict[str, Any]
    log_level: str = "info"
    loop: str = "auto"
    number: int = 0
    dev: bool = False
    events: bool = False
    log_format: str = "text"
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    metrics_queues: bool = True


class Schedule(msgspec.Struct, frozen=True):
    """A schedule of the application, and when it fires next, in milliseconds since 1970."""

    id: str
    spec: str
    next_ms: int | None


class Facts(msgspec.Struct, frozen=True):
    """
    What a process says once it serves; `sources` give schedules, `groups` are what groups' names begin with.

    `url` is where the store is, credentials and all.
    """

    store: str
    tasks: list[str]
    schedules: list[Schedule]
    queues: dict[str, int]
    concurrency: int
    sources: list[str] = []
    groups: list[str] = []
    url: str | None = None
