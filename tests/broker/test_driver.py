"""What the driver is not trusted with."""

from __future__ import annotations

import asyncio

import pytest

from onebeat.broker import driver


async def at_once() -> int:
    """Be done as soon as it is run, as an answer that has come already."""
    return 7


async def answer() -> int:
    """Wait as the driver does."""
    return await asyncio.wait_for(at_once(), 60)


async def test_a_cancellation_that_came_before_is_raised() -> None:
    """As Ctrl-C does, while a task runs: `wait_for` of Python 3.11 forgets it if its work is done at once."""

    async def work() -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return await driver.awaited(answer())

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())


async def test_what_is_closed_after_a_cancellation_is_awaited() -> None:
    """It was raised already: the connection is closed properly."""
    found: list[int] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            found.append(await driver.awaited(answer()))

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [7] == found
