"""Entering and leaving the kit: nothing is left behind, nothing goes elsewhere, and what cannot be is refused."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from onebeat import BrokerUnavailable, ConfigurationError, Context, InvalidTask, Onebeat, SyncClient, Task, TaskState
from onebeat.broker import browse, private
from onebeat.server.health import Health
from onebeat.testing import private_store

NOWHERE = "unix:///nowhere/at/all.sock"


async def test_the_application_s_own_store_is_not_touched() -> None:
    """Not even opened; when the block is left, it is the application's again."""
    app = Onebeat("shop", url=NOWHERE)

    @app.task("t")
    async def handler() -> int:
        return 1

    async with app.testing():
        assert 1 == await (await handler.enqueue()).result()
    with pytest.raises(BrokerUnavailable, match=NOWHERE):
        await handler.enqueue()


async def test_every_kit_begins_empty() -> None:
    """Whatever was left by the last."""
    app = Onebeat("shop")

    @app.task("t")
    async def handler() -> None: ...

    for _ in range(2):
        async with app.testing() as t:
            assert [] == t.tasks() == t.enqueued() == t.ran
            await handler.enqueue()


async def test_a_kit_that_was_left_says_so() -> None:
    """What it has seen can still be looked at; its store is another's by then."""
    app = Onebeat("shop")

    @app.task("t")
    async def handler() -> None: ...

    async with app.testing() as t:
        await handler.enqueue()
        await t.drain()
    assert [handler.bind()] == t.enqueued()
    assert ["completed"] == [attempt.state for attempt in t.ran]
    for call in (t.drain, lambda: t.advance(1), t.tasks, t.waiting, lambda: t.crash(handler)):
        with pytest.raises(ConfigurationError, match="the test kit is not open"):
            await call()  # type: ignore[misc] # none of them gets so far as to return


async def test_two_applications_have_two_stores() -> None:
    """Tested together, they do not see each other's tasks."""
    one, other = Onebeat("one"), Onebeat("other")

    @one.task("t")
    async def first() -> None: ...

    @other.task("t")
    async def second() -> None: ...

    async with one.testing() as t, other.testing() as u:
        await first.enqueue()
        assert (1, 0) == (len(t.waiting()), len(u.waiting()))
        assert (0, 1) == ((await u.drain()).completed, (await t.drain()).completed)


async def test_a_kit_within_a_kit_is_refused() -> None:
    """And the first goes on."""
    app = Onebeat("shop")

    @app.task("t")
    async def handler() -> None: ...

    async with app.testing() as t:
        with pytest.raises(ConfigurationError, match="application 'shop' is under test already"):
            await app.testing().__aenter__()
        await handler.enqueue()
        assert 1 == (await t.drain()).completed


async def test_the_lifespan_is_entered_unless_a_state_is_given() -> None:
    """And left at the end."""
    told: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        told.append("entered")
        yield "real"
        told.append("left")

    app = Onebeat("shop", lifespan=lifespan)

    @app.task("t")
    async def handler(ctx: Context[str]) -> str:
        return ctx.state

    async with app.testing(state="fake"):
        assert "fake" == await (await handler.enqueue()).result()
    assert [] == told
    async with app.testing() as t:
        assert "real" == await (await handler.enqueue()).result() == t.state
    assert ["entered", "left"] == told


async def test_a_lifespan_may_use_the_application() -> None:
    """What it enqueues is private, too."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await handler.enqueue()
        yield

    app = Onebeat("shop", url=NOWHERE, lifespan=lifespan)

    @app.task("t")
    async def handler() -> None: ...

    async with app.testing() as t:
        assert 1 == (await t.drain()).completed


async def test_a_lifespan_that_fails_at_its_end_is_told() -> None:
    """After all else is closed."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        raise OSError("cannot close")

    app = Onebeat("shop", lifespan=lifespan)
    with pytest.raises(OSError, match="cannot close"):
        async with app.testing():
            pass
    async with app.testing(state=None):
        pass


async def test_serving_rests_under_test() -> None:
    """So that a web application whose lifespan serves can be tested: the kit alone runs tasks."""
    app = Onebeat("shop", url=NOWHERE)

    @app.task("t")
    async def handler() -> None: ...

    async with app.testing() as t, app, app.serving(concurrency=8) as serving:
        assert serving.health is Health.OK
        await handler.enqueue()
        await asyncio.sleep(0)
        assert [] == t.ran
        assert 1 == (await t.drain()).completed
    assert serving.stop_asked.is_set()
    assert serving.health.value == "stopping"


async def test_an_application_under_test_does_not_run() -> None:
    """It would, on its own store, and not end."""
    app = Onebeat("shop", url=NOWHERE)
    async with app.testing():
        with pytest.raises(ConfigurationError, match=r"t\.drain\(\)"):
            await app.run()


async def test_what_cannot_be_is_refused_before_anything_is_started() -> None:
    """With the object, the value and the remedy."""
    app = Onebeat("shop")
    with pytest.raises(InvalidTask, match=r"start is .* which has no time zone"):
        app.testing(start=datetime(2030, 1, 1))  # noqa: DTZ001 - that is what is tested
    with pytest.raises(ConfigurationError, match="guard is 0: give real seconds"):
        app.testing(guard=0)
    with pytest.raises(ConfigurationError, match="concurrency is 0"):
        app.testing(concurrency=0)
    with pytest.raises(ConfigurationError, match="queues is"):
        app.testing(queues={})
    with pytest.raises(ConfigurationError, match="setting retries is unknown"):
        app.testing(retries=3)  # type: ignore[call-arg] # that is what is tested


def test_the_plain_form_gets_an_empty_store() -> None:
    """By its URL, outside of pytest too."""
    for _ in range(2):
        with private_store() as url, SyncClient(url) as client:
            assert 0 == client.store.run(browse.stats("default")).size
            client.enqueue(Task("t"))


async def test_private_stores_are_not_without_end() -> None:
    """The sentence says why."""
    lent = []
    with pytest.raises(ConfigurationError, match="16 private stores are in use"):  # noqa: PT012 - one of them raises
        for _ in range(private.DATABASES + 1):
            store = private.lent(simulated=False)
            store.__enter__()
            lent.append(store)
    for store in lent:
        store.__exit__(None, None, None)


def test_a_forked_child_has_an_engine_of_its_own() -> None:
    """It would empty its parent's databases otherwise."""
    with private.lent(simulated=True) as where:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:  # pragma: no cover - another process
            with private.lent(simulated=True) as other:
                os.write(writing, other.shown.encode())
            private._engines[0]._stop()
            os._exit(0)
        os.waitpid(child, 0)
        assert where.shown != os.read(reading, 1000).decode()
        os.close(reading)
        os.close(writing)


@pytest.mark.slow
async def test_loops_that_end_without_a_word_leave_nothing_open() -> None:
    """Of a web server's test client, for one, which closes nothing."""
    app = Onebeat("shop")

    @app.task("t")
    async def handler() -> int:
        return 1

    async def elsewhere() -> tuple[int, TaskState]:
        handle = await handler.enqueue()
        result = await handle.result(timeout=1)
        await app.enqueue_many([handler.bind()])
        return result, (await handle.info()).state

    async with app.testing() as t:
        assert (1, TaskState.COMPLETED) == await asyncio.to_thread(asyncio.run, elsewhere())
        assert 1 == (await t.drain()).completed
        gc.collect()  # what is open would be complained of


async def test_a_store_that_is_down_is_so_for_one_block() -> None:
    """Also if the block fails."""
    app = Onebeat("shop")

    @app.task("t")
    async def handler() -> None: ...

    async with app.testing() as t:
        with pytest.raises(BrokerUnavailable), t.store_down():
            await handler.enqueue()
        await handler.enqueue()
        assert 1 == (await t.drain()).completed


async def test_who_still_waits_as_the_kit_is_left_is_told() -> None:
    """The block ended while a task of the test's own was draining: that one does not wait for ever."""
    app = Onebeat("shop")
    runs = asyncio.Event()

    @app.task("t")
    async def handler() -> None:
        runs.set()
        await asyncio.Event().wait()

    async with app.testing() as t:
        await handler.enqueue()
        draining = asyncio.create_task(t.drain())
        await runs.wait()
    with pytest.raises(ConfigurationError, match="the test kit was left"):
        await asyncio.wait_for(draining, 5)
