"""What is called for others harms nobody, whatever it raises and however long it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from onebeat.upkeep import foreign


class Odd(BaseException):
    """No Exception."""


@pytest.mark.parametrize("form", ["async", "awaitable", "plain"])
@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, Odd])
async def test_what_is_no_exception_becomes_one(error: type[BaseException], form: str) -> None:
    """Of whoever calls, a CancelledError would be the silent end, and SystemExit that of the process."""

    async def on_loop() -> None:
        raise error

    def in_thread() -> None:
        raise error

    def gives_awaitable() -> Awaitable[None]:
        return on_loop()

    called: dict[str, Any] = {"async": on_loop, "awaitable": gives_awaitable, "plain": in_thread}
    with pytest.raises(RuntimeError, match=f"it raised {error.__name__}"):
        await foreign.called(called[form], limit=10)


async def test_a_cancellation_of_the_caller_is_one() -> None:
    """It reaches the coroutine, and comes back as what it is."""
    begun = asyncio.Event()

    async def lasting() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(foreign.called(lasting, limit=10))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_coroutine_that_does_not_end_is_cancelled() -> None:
    """After its limit."""
    with pytest.raises(TimeoutError):
        await foreign.called(asyncio.Event().wait, limit=0.01)
