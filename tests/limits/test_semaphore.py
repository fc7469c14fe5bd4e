"""The semaphore that is asynq's: who holds a token, for how long, and what becomes of those who find none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker.store import Store
from onebeat.errors import ConfigurationError, SemaphoreFull
from onebeat.limits.semaphore import Semaphore
from onebeat.server.context import Context, current
from onebeat.task import Task
from tests.conftest import NOON, Clock
from tests.server.conftest import Bench, until

GO = (
    'redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", tonumber(ARGV[2])-1) '
    'if redis.call("ZCARD", KEYS[1]) < tonumber(ARGV[1]) then '
    'redis.call("ZADD", KEYS[1], ARGV[3], ARGV[4]) return 1 end '
    "return 0"
)
"""What x/rate does to the key, in its steps: lapsed members go, and a free one is taken until the deadline."""


def context(task_id: str, deadline_s: float | None = NOON + 1800) -> Context[Any]:
    deadline_us = None if deadline_s is None else round(deadline_s * 1_000_000)
    return Context(
        id=task_id,
        queue="q",
        type="t",
        retried=0,
        max_retry=1,
        headers={},
        state=None,
        deadline_us=lambda: deadline_us,
    )


async def holders(store: Store, scope: str = "api") -> dict[str, int]:
    found = await store.command("ZRANGE", f"asynq:sema:{scope}", 0, -1, "WITHSCORES")
    return {name.decode(): int(score) for name, score in zip(found[::2], found[1::2], strict=True)}


async def test_a_token_is_asynqs(store: Store, clock: Clock) -> None:
    """The member is the task's id, the score its deadline in seconds; with all taken there is none."""
    semaphore = Semaphore(store, "api", 2)
    assert [True, True, False] == [await semaphore.acquire(context(name)) for name in "abc"]
    assert {"a": NOON + 1800, "b": NOON + 1800} == await holders(store)
    assert await semaphore.release(context("a"))
    assert not await semaphore.release(context("a"))
    assert await semaphore.acquire(context("c"))


async def test_who_holds_one_needs_no_other(store: Store, clock: Clock) -> None:
    """A task that comes again, after a crash or in a repeat, has its token still; in asynq it needs a free one."""
    semaphore = Semaphore(store, "api", 1)
    assert await semaphore.acquire(context("a"))
    assert await semaphore.acquire(context("a", NOON + 60))
    assert {"a": NOON + 60} == await holders(store)


async def test_a_token_lapses_a_second_after_its_deadline(store: Store, clock: Clock) -> None:
    """As in asynq: scores up to now − 1 s are over."""
    semaphore = Semaphore(store, "api", 1)
    assert await semaphore.acquire(context("a", NOON + 10))
    await clock.advance(10.9)
    assert not await semaphore.acquire(context("b"))
    await clock.advance(0.1)
    assert await semaphore.acquire(context("b"))


async def test_the_token_of_a_dead_holder_is_free_after_its_lease(store: Store, clock: Clock) -> None:
    """It need not last until the task's deadline (SE-63)."""
    semaphore = Semaphore(store, "api", 1, lease=30)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(semaphore.held(context("a")))
        assert {"a": NOON + 30} == await holders(store)
        await clock.advance(31)
        assert await semaphore.acquire(context("b"))


async def test_the_deadline_comes_before_the_lease(store: Store, clock: Clock) -> None:
    """No token outlasts its task."""
    async with Semaphore(store, "api", 1, lease=30).held(context("a", NOON + 5)):
        assert {"a": NOON + 5} == await holders(store)


async def test_go_counts_our_tokens_and_we_count_its(store: Store, clock: Clock) -> None:
    """The steps of x/rate see a leased token as taken, and we see one of Go's."""

    async def go(task_id: str) -> int:
        answer = await store.command("EVAL", GO, 1, "asynq:sema:api", 2, NOON, NOON + 1800, task_id)
        return int(answer)

    semaphore = Semaphore(store, "api", 2)
    async with semaphore.held(context("ours")):
        assert [1, 0] == [await go("theirs"), await go("late")]
        with pytest.raises(SemaphoreFull, match="semaphore api is full: 2 hold it"):
            async with semaphore.held(context("ours-too")):
                pass
    assert ["theirs"] == list(await holders(store))


async def test_a_token_is_given_back_when_the_block_raises(store: Store, clock: Clock) -> None:
    """Also when it is cancelled."""
    semaphore = Semaphore(store, "api", 1)

    async def hold(inside: asyncio.Event) -> None:
        async with semaphore.held(context("a")):
            inside.set()
            await asyncio.Event().wait()

    inside = asyncio.Event()
    task = asyncio.create_task(hold(inside))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {} == await holders(store)


@pytest.mark.slow
async def test_a_held_token_is_renewed(bench: Bench) -> None:
    """Its score moves on while the block runs, on the store's own clock."""
    semaphore = Semaphore(bench.store, "api", 1, lease=3)
    deadline = datetime.now(UTC).timestamp() + 1800
    async with semaphore.held(context("a", deadline)):
        [first] = (await holders(bench.store)).values()

        async def has_moved() -> bool:
            return (await holders(bench.store))["a"] > first

        await until(has_moved)


async def test_waiting_for_a_token_is_no_warning(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Who waits is told of at debug level only, and not as having failed."""
    caplog.set_level(logging.DEBUG, "onebeat.executor")
    semaphore = Semaphore(bench.store, "api", 1, retry_in=3600)

    @bench.mux.handle("t")
    async def work(ctx: Context[Any], task: Task[Any]) -> None:
        async with semaphore.held():
            pass

    async with semaphore.held(context("other")), bench.serving():
        await bench.enqueue("t", task_id="a")
        await bench.reaches(retry=1)
    said = [(record.levelname, record.getMessage()) for record in caplog.records if "full" in record.getMessage()]
    assert [("DEBUG", "task a of queue default waits: semaphore api is full: 1 holds it")] == said


async def test_a_task_that_finds_none_costs_no_retry(bench: Bench) -> None:
    """Not even one that may not be retried at all: it waits, and runs when there is a token."""
    semaphore = Semaphore(bench.store, "api", 1, retry_in=0.01)
    running, most = 0, 0
    other_waits = asyncio.Event()

    @bench.mux.handle("t")
    async def work(ctx: Context[Any], task: Task[Any]) -> None:
        nonlocal running, most
        async with semaphore.held():
            running += 1
            most = max(most, running)
            if ctx.id == "first":
                await other_waits.wait()
            running -= 1
            bench.ran.append(current().id)

    await bench.enqueue("t", task_id="first", max_retry=0)
    async with bench.serving():
        await bench.reaches(active=1)
        await bench.enqueue("t", task_id="second", max_retry=0)

        async def waits() -> bool:
            return b"semaphore api is full" in (await bench.field("second", "msg") or b"")

        await until(waits)
        other_waits.set()
        await bench.reaches(processed=2)
    assert (["first", "second"], 1) == (bench.ran, most)
    assert 0 == (await bench.stats()).failed


@pytest.fixture
async def app(url: str) -> AsyncIterator[Onebeat[None]]:
    made: Onebeat[None] = Onebeat("shop", url=url)
    async with made:
        yield made
    made.close()


async def test_plain_functions_hold_tokens_too(app: Onebeat[None]) -> None:
    """Through the application's own connections."""
    semaphore = Semaphore(app, "api", 1, retry_in=0.01)
    seen: list[bool] = []

    @app.task(max_retry=0)
    def work() -> str:
        with semaphore.held_sync():
            seen.append(semaphore.acquire_sync())
            seen.append(semaphore.release_sync())
            return "done"

    async with app.serving(concurrency=2):
        handles = [await work.enqueue() for _ in range(3)]
        assert ["done"] * 3 == [await handle.result(timeout=60) for handle in handles]
    assert [True] * 6 == seen


async def test_it_works_in_the_test_kit() -> None:
    """There the tokens are in the kit's store, and a task that finds none runs again as time moves."""
    app = Onebeat("shop")
    semaphore = Semaphore(app, "api", 1)

    @app.task(max_retry=0)
    async def work() -> str:
        async with semaphore.held():
            return "done"

    async with app.testing(schedules=False) as t:
        async with semaphore.held(t.context()):
            await work.enqueue()
            assert 1 == (await t.drain()).retried
        await t.advance(10)
        assert [] == t.waiting()


async def test_a_semaphore_of_its_own_connection(url: str) -> None:
    """A URL is enough; close what is not needed any more."""
    semaphore = Semaphore(url, "api", 1)
    assert await semaphore.acquire(context("a", datetime.now(UTC).timestamp() + 60))
    assert await asyncio.to_thread(semaphore.release_sync, context("a"))
    semaphore.close()
    await semaphore.aclose()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None, " ", 1), "scope of a semaphore is ' '"),
        ((None, "api", 0), "max_tokens of semaphore 'api' is 0: give a whole number from 1"),
        ((None, "api", True), "max_tokens of semaphore 'api' is True"),
        (("ftp://x", "api", 1), "ftp"),
    ],
)
def test_what_cannot_be_a_semaphore_is_refused(arguments: Any, words: str) -> None:
    """As asynq panics; with the value and the remedy."""
    with pytest.raises(ConfigurationError, match=words):
        Semaphore(*arguments)


def test_a_lease_is_long_enough_to_be_renewed() -> None:
    """Three seconds at least."""
    with pytest.raises(ConfigurationError, match="lease of semaphore api is 1 seconds"):
        Semaphore(None, "api", 1, lease=1)


async def test_blocking_calls_are_refused_on_a_loop(store: Store) -> None:
    """And those of a store that belongs to a loop, anywhere."""
    with pytest.raises(ConfigurationError, match=r"await acquire\(\) instead"):
        Semaphore(store, "api", 1).acquire_sync(context("a"))
    with pytest.raises(ConfigurationError, match="give it a URL or an application"):
        await asyncio.to_thread(Semaphore(store, "api", 1).acquire_sync, context("a"))
