"""What our handlers do: as their task's type says, in the same words as the Go peer's (peer/server.go)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from onebeat.errors import RevokeTask, SkipRetry
from onebeat.limits.semaphore import Semaphore
from onebeat.server.context import Context
from onebeat.server.mux import Mux, Route
from onebeat.task import Task

TYPES = ("ok", "flaky", "always", "later", "skip", "revoke", "panic", "hold", "token", "whole")
RETRIED_SOON = ("flaky", "always")


@dataclass(frozen=True)
class Ran:
    """A task as a handler saw it."""

    id: str
    type: str
    payload: bytes
    headers: Mapping[str, str]
    retried: int
    max_retry: int
    queue: str
    at: float
    """When, seconds since 1970."""


@dataclass(frozen=True)
class Aggregated:
    """A group as an aggregator saw it."""

    group: str
    payloads: list[bytes]


Say = Callable[[Ran | Aggregated], None]


async def act(say: Say, store: object, ctx: Context[Any], task: Task[Any]) -> bytes:
    """Say what is seen, then do what the type says."""

    def seen(what: str) -> None:
        say(Ran(ctx.id, what, task.payload, dict(task.headers), ctx.retried, ctx.max_retry, ctx.queue, time.time()))

    seen(task.type)
    match task.type:
        case "flaky" if ctx.retried == 0:
            raise ValueError("not yet")
        case "always" | "later":
            raise ValueError("says no")
        case "skip":
            raise SkipRetry("hopeless")
        case "revoke":
            raise RevokeTask("needless")
        case "panic":
            raise RuntimeError("in the handler")
        case "hold":
            await asyncio.Event().wait()
        case "token":
            async with Semaphore(store, task.payload.decode(), 1, retry_in=3600).held(ctx):
                seen("token held")
                await asyncio.Event().wait()
    return f"ran {ctx.id}".encode()


def mux(say: Say, store: object, *, aggregates: bool = False) -> Mux:
    """Make the handlers; those that are to fail for a while are retried soon, others not while one looks."""
    handlers = Mux()
    for name in TYPES:
        delay = 0.05 if name in RETRIED_SOON else 3600.0
        handlers.add(name, Route(partial(act, say, store), True, backoff=lambda _failures, _error, delay=delay: delay))  # type: ignore[misc]
    if aggregates:

        @handlers.aggregate()
        def whole(group: str, tasks: list[Task[Any]]) -> Task[Any]:
            payloads = [task.payload for task in tasks]
            say(Aggregated(group, payloads))
            return Task("whole", b",".join(payloads), retention=60)

    return handlers
