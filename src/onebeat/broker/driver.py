"""
redis-py, loaded when a store is first named or opened: it takes about as long to load as all the rest.

So a program that only declares tasks, or imports those that do, goes without. The exceptions' names are looked up
here when they are used, which in an `except` clause is when something was raised.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from redis.exceptions import AskError as AskError
    from redis.exceptions import AuthenticationError as AuthenticationError
    from redis.exceptions import ClusterDownError as ClusterDownError
    from redis.exceptions import ConnectionError as ConnectionError  # noqa: A004 - redis-py's name
    from redis.exceptions import InvalidResponse as InvalidResponse
    from redis.exceptions import MovedError as MovedError
    from redis.exceptions import NoPermissionError as NoPermissionError
    from redis.exceptions import NoScriptError as NoScriptError
    from redis.exceptions import ReadOnlyError as ReadOnlyError
    from redis.exceptions import RedisError as RedisError
    from redis.exceptions import ResponseError as ResponseError
    from redis.exceptions import TimeoutError as TimeoutError  # noqa: A004 - likewise
    from redis.exceptions import TryAgainError as TryAgainError
else:

    def __getattr__(name: str) -> Any:
        value = globals()[name] = getattr(import_module("redis.exceptions"), name)
        return value


T = TypeVar("T")


@cache
def named() -> Any:
    """Return by what name connections go, in CLIENT LIST: redis-py looks up its version for each, in files."""
    return import_module("redis").DriverInfo().add_upstream_driver("onebeat", import_module("onebeat").__version__)


def is_loaded() -> bool:
    """Whether it was loaded."""
    return "redis.asyncio" in sys.modules


def load() -> None:
    """Load it now: where a loop runs, in a thread, so that the loop turns meanwhile."""
    import_module("redis.asyncio")


async def awaited(answer: Awaitable[T]) -> T:
    """
    Await the driver, and raise the cancellation that it swallows if the two meet.

    It awaits by `asyncio.wait_for`, which on Python 3.11 forgets a cancellation that comes as its work is done. Few
    cancel twice: `asyncio.run` would wait for ever for such a task, as it ends. One that was asked for while the task
    ran, as Ctrl-C does, is raised before anything is awaited.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    if before:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if asyncio.iscoroutine(answer):
                answer.close()  # else Python warns that nobody awaited it
            raise
    try:
        return await answer
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
