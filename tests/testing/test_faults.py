"""Trouble on order: servers that die, handlers that fail or run out of time, a store that is away."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from onebeat import BrokerUnavailable, ConfigurationError, Context, Onebeat, TaskFailed
from onebeat.server.mux import Handler
from onebeat.task import Task


@pytest.fixture
def app() -> Onebeat[Any]:
    return Onebeat("shop")


async def test_a_task_whose_server_died_comes_back_when_its_lease_lapses(app: Onebeat[Any]) -> None:
    """Its work was done and not written, so it is done twice; no retry is spent."""
    seen: list[tuple[timedelta, int]] = []

    @app.task("t", max_retry=0)
    async def handler(ctx: Context) -> None:
        seen.append((t.now - begin, ctx.retried))

    async with app.testing() as t:
        begin = t.now
        t.crash(handler)
        await handler.enqueue()
        done = await t.drain()
        assert (1, 0) == (done.crashed, done.completed)
        assert 0 == len((await t.advance(29)).attempts)
        assert ["active"] == [info.state for info in t.tasks()]
        assert 1 == (await t.advance(2)).completed
        assert [0, 0] == [retried for _, retried in seen]
        assert timedelta(seconds=30) <= seen[1][0] <= timedelta(seconds=31)


async def test_a_server_may_die_before_the_handler_begins(app: Onebeat[Any]) -> None:
    """Then its work is done once."""
    calls: list[int] = []

    @app.task("t")
    async def handler() -> None:
        calls.append(1)

    async with app.testing() as t:
        t.crash(handler, when="before")
        await handler.enqueue()
        await t.drain()
        assert [] == calls
        assert 1 == (await t.advance(40)).completed
        assert [1] == calls


async def test_a_task_that_always_kills_its_server_is_archived(app: Onebeat[Any]) -> None:
    """After max_crashes; each time it waits longer."""

    @app.task("t")
    async def handler() -> None: ...

    async with app.testing(max_crashes=3) as t:
        t.crash(handler, times=99)
        await handler.enqueue()
        done = await t.advance(timedelta(hours=1))
        assert (3, 1, 1) == (done.crashed, done.archived, done.lost)
        assert "crashed 3 times" == t.archived[0].last_error


async def test_other_tasks_of_the_queue_do_not_suffer(app: Onebeat[Any]) -> None:
    """Only the one that was ordered to crash does."""

    @app.task("t")
    async def handler(number: int) -> None: ...

    async with app.testing() as t:
        t.crash(handler)
        for number in range(5):
            await handler.enqueue(number)
        done = await t.drain()
        assert (1, 4) == (done.crashed, done.completed)
        assert 1 == (await t.advance(60)).completed


async def test_attempts_fail_on_order_and_middleware_sees_it(app: Onebeat[Any]) -> None:
    """As often as was said; the handler is not called."""
    caught: list[BaseException] = []
    calls: list[int] = []

    @app.middleware
    async def watch(ctx: Context, task: Task[Any], call_next: Handler) -> object:
        try:
            return await call_next(ctx, task)
        except OSError as error:
            caught.append(error)
            raise

    @app.task("t", retry_on=(OSError,), backoff=lambda _failures: 1.0)
    async def handler() -> None:
        calls.append(1)

    async with app.testing() as t:
        t.fail(handler, ConnectionError("away"), times=2)
        await handler.enqueue()
        done = await t.advance(2)
        assert (2, 1) == (done.retried, done.completed)
        assert ["away", "away"] == [str(error) for error in caught]
        t.fail("t", ValueError)
        await handler.enqueue()
        assert 1 == (await t.drain()).archived
    assert [1] == calls


async def test_the_time_of_a_handler_is_over_on_order(app: Onebeat[Any]) -> None:
    """It is cancelled where it waits, cleans up, and is retried as in production."""
    cleaned: list[bool] = []

    @app.task("t", timeout=30, backoff=lambda _failures: 1.0)
    async def handler() -> None:
        if not cleaned:
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(True)

    async with app.testing() as t:
        t.time_out(handler)
        await handler.enqueue()
        done = await t.drain()
        assert ("retry", "context deadline exceeded") == (done.attempts[0].state, done.attempts[0].error)
        with pytest.raises(TaskFailed, match="context deadline exceeded"):
            done.raise_errors()
        assert 1 == (await t.advance(1)).completed
    assert [True] == cleaned


async def test_a_store_that_is_away_is_seen_at_once(app: Onebeat[Any]) -> None:
    """Every call fails as in production, and works when it is back."""

    @app.task("t")
    async def handler() -> int:
        return 1

    async with app.testing() as t:
        handle = await handler.enqueue()
        with t.store_down():
            with pytest.raises(BrokerUnavailable, match="cannot be used"):
                await handler.enqueue()
            with pytest.raises(BrokerUnavailable):
                await asyncio.to_thread(handler.enqueue_sync)
            with pytest.raises(BrokerUnavailable):
                await handle.info()
            assert [] == t.enqueued()[1:]
        await handler.enqueue()
        assert 2 == (await t.drain()).completed


async def test_a_handler_that_enqueues_can_meet_a_store_that_is_away(app: Onebeat[Any]) -> None:
    """The kit itself still runs what is pending."""

    @app.task("inner")
    async def inner() -> None: ...

    @app.task("outer", backoff=lambda _failures: 1.0)
    async def outer() -> None:
        await inner.enqueue()

    async with app.testing() as t:
        await outer.enqueue()
        with t.store_down():
            done = await t.drain()
        assert isinstance(done.attempts[0].exception, BrokerUnavailable)
        assert ["outer", "inner"] == [attempt.type for attempt in (await t.advance(1)).attempts]


async def test_a_wrong_order_is_refused(app: Onebeat[Any]) -> None:
    """With a sentence."""

    @app.task("t")
    async def handler() -> None: ...

    async with app.testing() as t:
        with pytest.raises(ConfigurationError, match='give "before" or "after"'):
            t.crash(handler, when="during")  # type: ignore[arg-type] # that is what is tested
        with pytest.raises(ConfigurationError, match="task 'other' is not served by 'shop': it has t"):
            t.time_out("other")
        with pytest.raises(ConfigurationError, match="give an exception"):
            t.fail(handler, "broken")  # type: ignore[arg-type] # likewise
