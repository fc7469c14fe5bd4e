"""Calls what belongs to others, such as a user's hook: it may be async or plain, may raise, and may never return."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from onebeat.upkeep.service import is_being_cancelled

MAX_HUNG = 32
"""Threads of plain functions that did not return in time; when so many are lost, no other is called."""

_hung: set[threading.Thread] = set()


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine: async functions, and objects whose `__call__` is one."""
    called = getattr(function, "__call__", None)  # noqa: B004 - not whether, but what
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def in_pool(function: Callable[..., Any], *args: object) -> Any:
    """
    Call a plain function in a thread of a pool.

    Raises:
        RuntimeError: It raised StopIteration, which no future takes: who waits for it would wait for ever.
    """
    try:
        return function(*args)
    except StopIteration as error:
        raise RuntimeError(f"it raised {error!r}") from error


async def called(function: Callable[..., Any], *args: object, limit: float) -> Any:
    """
    Call a function: a coroutine here, anything else in a thread of its own, with the context variables of here.

    Such a thread is a daemon: it cannot be stopped, but holds up nobody, not even the end of the process.

    Raises:
        TimeoutError: It did not end within `limit` seconds; a coroutine has been cancelled, a thread goes on.
        Exception: Whatever it raises; a RuntimeError for what is none, as it would end who calls.
    """
    async with asyncio.timeout(limit):
        if is_async(function):
            return await _here(function(*args))
        return await _in_thread(function, *args)


async def _here(awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except (Exception, GeneratorExit):
        raise
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
            raise
        raise RuntimeError(f"it raised {error!r}") from error


async def _in_thread(function: Callable[..., Any], *args: object) -> Any:
    _hung.intersection_update([thread for thread in _hung if thread.is_alive()])
    if len(_hung) >= MAX_HUNG:
        raise TimeoutError(f"{MAX_HUNG} calls of such functions have not returned yet: it is not called any more")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    surroundings = contextvars.copy_context()

    def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
        if not done.done():
            set_outcome(outcome)

    def work() -> None:
        try:
            outcome = (done.set_result, surroundings.run(function, *args))
        except BaseException as error:  # noqa: BLE001 - it is raised where the function was called
            is_ordinary = isinstance(error, Exception) and not isinstance(error, StopIteration)
            raised = error if is_ordinary else RuntimeError(f"it raised {error!r}")  # others a future would not take
            outcome = (done.set_exception, raised)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    thread = threading.Thread(target=work, name="onebeat-hook", daemon=True)
    thread.start()
    try:
        result = await done
    except asyncio.CancelledError:
        _hung.add(thread)
        raise
    if inspect.isawaitable(result):
        return await _here(result)
    return result
