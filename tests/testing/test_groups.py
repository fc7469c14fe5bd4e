"""Groups under test: time aggregates them, a full one needs none; what was enqueued and what waits is seen."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat import Onebeat, OnebeatError, Task, TaskState
from onebeat.testing import HandlerStuck

NOON = datetime(2030, 3, 17, 12, tzinfo=UTC)


@dataclass
class Sale:
    item: str


class Shop:
    """An application whose sales are told of in digests."""

    def __init__(self) -> None:
        self.app: Onebeat[Any] = Onebeat("shop")
        self.told: list[tuple[str, list[str]]] = []

        @self.app.task("sale")
        async def sale(item: str) -> None:
            self.told.append(("alone", [item]))

        @self.app.task("tell")
        async def tell(to: str, items: list[str]) -> None:
            self.told.append((to, items))

        self.sale, self.tell = sale, tell


@pytest.fixture
def shop() -> Shop:
    return Shop()


def digest(shop: Shop, **limits: Any) -> None:
    @shop.app.aggregate("digest:", **limits)
    async def digest(group: str, sales: list[Sale]) -> Task[None]:
        return shop.tell.bind(group, sorted(sale.item for sale in sales))


async def test_what_an_aggregator_raises_is_seen(shop: Shop) -> None:
    """Its group is tried again, as in production; `raise_errors` tells the test why nothing came of it."""

    @shop.app.aggregate("digest:", grace=30)
    async def digest(group: str, sales: list[Sale]) -> Task[None]:
        raise KeyError(group)

    async with shop.app.testing(start=NOON) as t:
        await shop.sale.options(group="digest:x").enqueue("a")
        assert () == (await t.drain()).group_errors
        done = await t.advance(30)
        assert ["KeyError('digest:x')"] == [repr(error) for error in done.group_errors]
        with pytest.raises(KeyError, match="digest:x"):
            done.raise_errors()


def test_a_function_that_makes_no_task_is_seen(shop: Shop) -> None:
    """By what the store was not given."""

    @shop.app.aggregate("digest:", grace=30)
    async def digest(group: str, sales: list[Sale]) -> Task[None]:
        return None  # type: ignore[return-value] # the mistake

    with shop.app.testing(start=NOON) as t:
        shop.sale.options(group="digest:x").enqueue_sync("a")
        with pytest.raises(OnebeatError, match="None"):
            t.advance(30).raise_errors()


async def test_time_aggregates_a_group(shop: Shop) -> None:
    """At the end of its grace period, which each arrival puts off; drain alone leaves it."""
    digest(shop)
    async with shop.app.testing(start=NOON) as t:
        for item in ("a", "b"):
            await shop.sale.options(group="digest:x").enqueue(item)
            await t.drain()
            await t.advance(59.9)
        assert [] == shop.told
        done = await t.advance(0.1)
        assert ([("digest:x", ["a", "b"])], 1) == (shop.told, done.completed)
        assert 119.9 == pytest.approx((t.now - NOON).total_seconds())


async def test_a_full_group_needs_no_time(shop: Shop) -> None:
    """drain aggregates it; the rest waits."""
    digest(shop, max_size=2)
    async with shop.app.testing() as t:
        await shop.app.enqueue_many(shop.sale.options(group="digest:x").bind(item) for item in "abc")
        await t.drain()
        assert [2] == [len(items) for _, items in shop.told]
        assert 1 == len(t.tasks(TaskState.AGGREGATING))


async def test_what_was_enqueued_and_what_waits_is_seen(shop: Shop) -> None:
    """Members, by their group too, and the task that takes their place."""
    digest(shop)
    async with shop.app.testing() as t:
        handle = await shop.sale.options(group="digest:x").enqueue("a")
        assert shop.sale.options(group="digest:x").bind("a") in t.enqueued()
        assert shop.sale.options(group="digest:y").bind("a") not in t.enqueued()
        assert [shop.sale.bind("a")] == t.waiting()
        assert [handle.id] == [info.id for info in t.tasks("aggregating")]
        await t.advance(60)
        assert [shop.sale.bind("a"), shop.tell.bind("digest:x", ["a"])] == t.enqueued()
        assert [] == t.waiting()


async def test_delayed_members_join_when_they_are_due(shop: Shop) -> None:
    """Their grace period begins then."""
    digest(shop, grace=5)
    async with shop.app.testing() as t:
        await shop.sale.options(group="digest:x", process_in=100).enqueue("a")
        await t.advance(104.9)
        assert [] == shop.told
        await t.advance(0.1)
        assert [("digest:x", ["a"])] == shop.told


async def test_a_group_without_an_aggregator_waits(shop: Shop) -> None:
    """Time passes over it."""
    async with shop.app.testing() as t:
        await shop.sale.options(group="other").enqueue("a")
        await t.advance(86_400)
        assert [shop.sale.bind("a")] == t.waiting()


async def test_a_failing_aggregator_ends_in_the_archive(shop: Shop) -> None:
    """After five failures, 5, 10, 20 and 40 seconds apart."""

    @shop.app.aggregate()
    async def broken(group: str, sales: list[Sale]) -> Task[None]:
        raise ValueError("boom")

    async with shop.app.testing() as t:
        await shop.sale.options(group="x").enqueue("a")
        await t.advance(60 + 5 + 10 + 20 + 39.9)
        assert [] == t.archived
        await t.advance(0.1)
        assert ["ValueError: boom"] == [info.last_error for info in t.archived]


async def test_a_schedule_may_feed_a_group(shop: Shop) -> None:
    """Each tick's task joins it."""
    ticks = shop.app.task("tick", group="digest:x")

    @shop.app.every(10)
    @ticks
    async def tick(item: str = "t") -> None: ...

    digest(shop, grace=30, max_delay=35)
    async with shop.app.testing(start=NOON) as t:
        await t.advance(45)
        assert [("digest:x", ["t", "t", "t", "t"])] == shop.told


async def test_a_delayed_tick_joins_its_group_when_it_is_due(shop: Shop) -> None:
    """A schedule's process_in, and its group."""

    @shop.app.every(100)
    @shop.app.task("tick", group="digest:x", process_in=5)
    async def tick(item: str = "t") -> None: ...

    digest(shop, grace=1)
    async with shop.app.testing(start=NOON) as t:
        await t.advance(105.9)
        assert [] == shop.told
        await t.advance(0.1)
        assert [("digest:x", ["t"])] == shop.told


async def test_an_aggregator_that_never_ends_is_named(shop: Shop) -> None:
    """As a handler is."""

    @shop.app.aggregate()
    async def endless(group: str, sales: list[Sale]) -> Task[None]:
        await asyncio.Event().wait()
        raise AssertionError

    async with shop.app.testing(guard=0.05) as t:
        await shop.sale.options(group="x").enqueue("a")
        with pytest.raises(HandlerStuck, match=r"aggregator of x \(queue default\)"):
            await t.advance(60)


async def test_the_result_of_a_member_is_not_kept(shop: Shop) -> None:
    """Whoever waits for it hears that its group was aggregated."""
    digest(shop)
    async with shop.app.testing():
        handle = await shop.sale.options(group="digest:x", retention=60).enqueue("a")
        with pytest.raises(OnebeatError):
            await handle.result()


def test_plain_aggregators_run_in_the_thread_of_a_test_that_blocks(shop: Shop) -> None:
    """As plain handlers do."""
    threads: list[str] = []

    @shop.app.aggregate()
    def plain(group: str, tasks: list[Task[Any]]) -> Task[None]:
        threads.append(threading.current_thread().name)
        return shop.tell.bind(group, [task.type for task in tasks])

    with shop.app.testing(group_grace=1) as t:
        shop.sale.options(group="x").enqueue_sync("a")
        t.advance(1)
    assert (["MainThread"], [("x", ["sale"])]) == (threads, shop.told)
