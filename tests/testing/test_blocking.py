"""The blocking form: for Django, Flask and scripts, whose tests have no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat import BrokerUnavailable, Cancellation, ConfigurationError, Context, Onebeat, ResultTimeout, current
from onebeat.testing import HandlerStuck, SyncTesting

NOON = datetime(2030, 3, 17, 12, tzinfo=UTC)


@pytest.fixture
def app() -> Onebeat[Any]:
    return Onebeat("shop")


def test_everything_blocks(app: Onebeat[Any]) -> None:
    """The same names, without await."""
    ran: list[str] = []

    @app.every(10)
    @app.task("tick")
    async def tick() -> None:
        ran.append("tick")

    @app.task("t")
    def handler(name: str) -> str:
        ran.append(name)
        return name.upper()

    with app.testing(start=NOON) as t:
        assert isinstance(t, SyncTesting)
        handle = handler.enqueue_sync("a")
        handler.options(process_in=15).enqueue_sync("b")
        assert handler.bind("a") in t.enqueued(handler)
        assert 1 == t.drain().completed
        assert "A" == handle.result(timeout=1)
        assert 3 == t.advance(20).completed
        t.advance_to(datetime(2030, 3, 17, 12, 1, tzinfo=UTC))
    assert ["a", "tick", "b", "tick", "tick", "tick", "tick", "tick"] == ran


def test_plain_handlers_run_in_the_test_s_own_thread(app: Onebeat[Any]) -> None:
    """So they share its database connection and transaction, and no event loop is in their way."""
    threads: list[threading.Thread] = []

    @app.task("inner")
    def inner() -> int:
        threads.append(threading.current_thread())
        return 1

    @app.task("outer")
    def outer() -> int:
        threads.append(threading.current_thread())
        return inner.enqueue_sync().result() + current().retried

    with app.testing() as t:
        handle = outer.enqueue_sync()
        assert 1 == handle.result()
        outer.enqueue_sync()
        t.drain().raise_errors()
    assert [threading.current_thread()] * 4 == threads


def test_async_handlers_run_on_the_kit_s_loop(app: Onebeat[Any]) -> None:
    """All on one, which is the lifespan's too; it is entered and left there."""
    loops: set[asyncio.AbstractEventLoop] = set()
    told: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        loops.add(asyncio.get_running_loop())
        async with asyncio.TaskGroup():  # wants to be left by the task that has entered it
            yield "state"
        told.append("left")

    shop = Onebeat("shop", lifespan=lifespan)

    @shop.task("t")
    async def handler(ctx: Context[str]) -> str:
        loops.add(asyncio.get_running_loop())
        return ctx.state

    with shop.testing() as t:
        assert "state" == handler.enqueue_sync().result() == t.state
    assert (1, ["left"]) == (len(loops), told)


def test_code_on_other_loops_and_threads_is_served_too(app: Onebeat[Any]) -> None:
    """As of a web server under test: it may wait for results, though nobody drains."""

    @app.task("plain")
    def plain() -> str:
        return "plain"

    @app.task("async")
    async def coroutine() -> str:
        return "async"

    async def view() -> list[str]:
        async with app, app.serving():
            return [await (await plain.enqueue()).result(5), await (await coroutine.enqueue()).result(5)]

    answers: list[Any] = []
    with app.testing() as t:
        thread = threading.Thread(target=lambda: answers.append(asyncio.run(view())))
        thread.start()
        thread.join()
        assert [["plain", "async"]] == answers
        assert 2 == len(t.ran)


def test_results_and_cancellation_have_their_blocking_twins(app: Onebeat[Any]) -> None:
    """In simulated seconds."""

    @app.task("t")
    async def handler(ctx: Context) -> int:
        ctx.progress(0.5)
        return 1

    with app.testing() as t:
        late = handler.options(process_in=60).enqueue_sync()
        with pytest.raises(ResultTimeout, match="within 5 s"):
            late.result(timeout=5)
        assert Cancellation.DELETED == late.cancel()
        handle = handler.enqueue_sync()
        t.drain()
        progress = handle.progress()
        assert progress is not None
        assert 0.5 == progress.fraction
        with t.store_down(), pytest.raises(BrokerUnavailable):
            handle.info()


def test_eager_mode_blocks_likewise(app: Onebeat[Any]) -> None:
    """One alone and many."""
    ran: list[int] = []

    @app.task("t")
    def handler(number: int) -> None:
        ran.append(number)
        if number < 0:
            raise ValueError("negative")

    with app.testing(eager=True):
        handler.enqueue_sync(1)
        assert 2 == app.enqueue_many_sync([handler.bind(2), handler.bind(3)]).enqueued
        with pytest.raises(ValueError, match="negative"):
            handler.enqueue_sync(-1)
    assert [1, 2, 3, -1] == ran


def test_a_handler_that_never_ends_is_an_error(app: Onebeat[Any]) -> None:
    """In this form, too."""

    @app.task("stuck")
    async def handler() -> None:
        await asyncio.Event().wait()

    with app.testing(guard=0.05) as t:
        handler.enqueue_sync()
        with pytest.raises(HandlerStuck, match="stuck"):
            t.drain()


async def test_it_does_not_block_a_loop(app: Onebeat[Any]) -> None:
    """The sentence says what to write."""
    with pytest.raises(ConfigurationError, match="async with app"), app.testing():
        pass  # pragma: no cover - it is not entered


def test_a_lifespan_that_fails_is_told_and_leaves_nothing_behind() -> None:
    """The error is its own, and the application can be tested again."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        raise OSError("no database")
        yield

    app = Onebeat("shop", lifespan=lifespan)
    for _ in range(2):
        with pytest.raises(OSError, match="no database"), app.testing():
            pass  # pragma: no cover - it is not entered
    with app.testing(state=None):
        pass
