"""The plain form of the scheduler: asynq's words, on the real clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onebeat.broker.maintain import maintain
from onebeat.broker.schedules import entries
from onebeat.broker.store import Store
from onebeat.errors import ConfigurationError
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.entry import entry, shown_options
from onebeat.scheduler.scheduler import Scheduler
from onebeat.scheduler.triggers import Cron, Every
from onebeat.task import Task
from onebeat.upkeep.service import cancelled
from tests.anywhere import everywhere
from tests.conftest import Clock
from tests.server.conftest import until


@pytest.mark.slow
async def test_several_schedulers_fire_each_tick_once(url: str) -> None:
    """Three instances that register the same entry enqueue one task per tick, also after connections broke."""
    async with await Store.open(url) as store:

        def instance() -> asyncio.Task[None]:
            scheduler = Scheduler(url)
            assert "report-tick" == scheduler.register("@every 100ms", Task("report:tick"), queue="beat", max_retry=0)
            return asyncio.create_task(scheduler.run())

        running = [instance() for _ in range(3)]

        async def ticks(number: int) -> bool:
            return int(await store.command("LLEN", "asynq:{beat}:pending")) >= number

        await until(lambda: ticks(5))
        await everywhere(store, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(lambda: ticks(15))
        for task in running:
            await cancelled(task)
        ids = await store.command("LRANGE", "asynq:{beat}:pending", 0, -1)
        missed = (await Inspector(store).schedule("report-tick")).missed
    fired = sorted(int(id_.decode().partition(":")[2]) for id_ in ids)
    ticks_there_were = range(fired[0], fired[-1] + 1, 100)
    assert len(set(fired)) == len(fired)
    assert set(fired) <= set(ticks_there_were)
    assert len(ticks_there_were) - len(fired) <= missed  # a machine that stands still for a tick makes one of several


@pytest.mark.parametrize("spec", ["@every 30s", "0 3 * * *", Cron("@hourly", "Europe/Kyiv")])
def test_specs_are_asynqs_or_triggers(spec: Any) -> None:
    """Text as asynq writes it, or a trigger; a second entry of a task needs an id."""
    scheduler = Scheduler()
    scheduler.register(spec, Task("t"))
    with pytest.raises(ConfigurationError, match="registered twice"):
        scheduler.register(spec, Task("t"))
    assert "other" == scheduler.register(spec, Task("t"), id="other")


def test_a_schedule_shows_and_holds_its_group() -> None:
    """As asynq's tools read options; the digest changes with it."""
    plain, grouped = entry("s", Every(10), Task("t")), entry("s", Every(10), Task("t", group='g"1'))
    assert 'g"1' == grouped.definition["group"]
    assert 'Group("g\\"1")' in shown_options({"group": 'g"1'}, "q")
    assert plain.rev != grouped.rev


def test_a_schedule_is_taken_out_again() -> None:
    """asynq: `Unregister`; an unknown one is named."""
    scheduler = Scheduler()
    scheduler.register("@daily", Task("t"))
    with pytest.raises(ConfigurationError, match="schedule 'x' is not registered: choose from t"):
        scheduler.unregister("x")
    scheduler.unregister("t")
    scheduler.register("@hourly", Task("t"))


async def test_what_is_taken_out_is_parked(store: Store, clock: Clock) -> None:
    """Once no instance has had it for a minute."""
    scheduler = Scheduler(store)
    for id_ in ("stays", "goes"):
        scheduler.register("@every 10s", Task("t"), id=id_)
    await scheduler.declare(store)
    scheduler.unregister("goes")
    for _ in range(5):
        await clock.advance(15)
        await scheduler.declare(store)
    assert ["stays"] == [item.id for item in await store.run(entries("default")) or []]


async def test_schedules_are_shown_at_once(store: Store, clock: Clock) -> None:
    """Not after a first interval, and they stay when the scheduler stops (SE-29)."""
    scheduler = Scheduler(store)
    scheduler.register("@every 10s", Task("t"))
    running = asyncio.create_task(scheduler.serve(store))

    async def are_shown() -> bool:
        return 1 == int(await store.command("LLEN", "asynq:schedulers:{default}"))

    await until(are_shown)
    await clock.advance(10)
    await store.run(maintain("default", max_crashes=5))
    await cancelled(running)
    assert 1 == int(await store.command("ZCARD", "asynq:scheduler_history:{default}:t"))
