"""Schedules from the user's own source, asked by any number of instances (asynq: PeriodicTaskManager)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.app.router import Router
from onebeat.broker.maintain import maintain
from onebeat.broker.schedules import entries
from onebeat.broker.store import Store
from onebeat.errors import ConfigurationError
from onebeat.scheduler.periodic import PeriodicTask, Source
from onebeat.scheduler.scheduler import Scheduler
from onebeat.scheduler.triggers import Cron, Every
from onebeat.task import Task
from onebeat.upkeep.service import cancelled
from tests.conftest import NOON, Clock
from tests.server.conftest import until

Q = "default"


class Instance:
    """A scheduler whose source is a list in the test."""

    def __init__(self, store: Store, rows: list[PeriodicTask], **static: Every) -> None:
        self.store = store
        self.rows = rows
        self.error: Exception | None = None
        self.source = Source(self.give)
        self.scheduler = Scheduler(store, app="shop", sources=[self.source])
        for id_, trigger in static.items():
            self.scheduler.register(trigger, Task(id_), id=id_)

    async def give(self) -> list[PeriodicTask]:
        if self.error is not None:
            raise self.error
        return self.rows

    async def sync(self) -> None:
        await self.scheduler.sync(self.store, self.source)

    async def declare(self) -> None:
        await self.scheduler.declare(self.store)


async def fired(store: Store) -> list[str]:
    """Fire what is due, and return the ids of the schedules that did, each as often as it did."""
    return sorted(id_ for id_, _ in (await store.run(maintain(Q, max_crashes=5))).fired)


async def in_force(store: Store) -> list[str]:
    return sorted(item.id for item in await store.run(entries(Q)) or [])


def row(type: str = "report", spec: Any = "@every 10s", **given: Any) -> PeriodicTask:
    return PeriodicTask(spec, Task(type, {"city": "Kyiv"}), **given)


async def test_what_a_source_gives_fires_once_on_any_number_of_instances(store: Store, clock: Clock) -> None:
    """Under the caller's id, or the type and a digest."""
    instances = [Instance(store, [row(id="row-1"), row("ping")]) for _ in range(3)]
    for instance in instances:
        await instance.declare()
    await clock.advance(10)
    [ping, named] = await fired(store) + await fired(store)
    assert "row-1" == named
    assert ping.startswith("ping-")
    assert 2 == int(await store.command("LLEN", "asynq:{default}:pending"))


async def test_a_change_counts_from_the_next_sync(store: Store, clock: Clock) -> None:
    """The other instances may still have the older form: the one that was seen last is in force (rule 31)."""
    first, second = (Instance(store, [row(id="r", queue=Q)]) for _ in range(2))
    for instance in (first, second):
        await instance.declare()
    first.rows = [row(id="r", retention=60)]
    await clock.advance(1)
    await first.sync()
    await second.declare()
    [item] = await store.run(entries(Q)) or []
    assert "Retention(1m0s)" in item.options


@pytest.mark.parametrize(
    "changed",
    [{"headers": {"trace": "x"}}, {"max_retry": 3}, {"timeout": 5}, {"spec": "@every 11s"}, {"type": "other"}],
)
def test_everything_is_compared(changed: dict[str, Any]) -> None:
    """Headers and options among it, in the digest that names a schedule without an id (SE-30)."""
    assert row().entry().id != row(**changed).entry().id
    assert row(**changed).entry().id == row(**changed).entry().id


def test_options_of_the_task_are_compared_too() -> None:
    """Wherever they were given (SE-30)."""
    with_option = PeriodicTask("@every 10s", Task("report", {"city": "Kyiv"}, max_retry=3))
    assert row(max_retry=3).entry().id == with_option.entry().id


def test_parts_do_not_run_together() -> None:
    """What one value loses at its end is not made up for by the next (SE-30: asynq joins them without separators)."""
    one = PeriodicTask("@every 10s", Task("ab", b"c"), id="x").entry()
    other = PeriodicTask("@every 10s", Task("a", b"bc"), id="x").entry()
    assert one.rev != other.rev


async def test_equal_entries_are_one(store: Store, clock: Clock) -> None:
    """asynq registers both, and can remove only one of them."""
    instance = Instance(store, [row(), row(), row(id="r"), row(id="r")])
    await instance.declare()
    await clock.advance(10)
    assert 2 == len(await fired(store))
    instance.rows = []
    await instance.sync()
    assert [] == await in_force(store)


async def test_what_has_vanished_is_over_at_once(store: Store, clock: Clock) -> None:
    """Also while another instance, which was not asked since, goes on declaring it."""
    first, second = (Instance(store, [row(id="stays"), row(id="goes")]) for _ in range(2))
    for instance in (first, second):
        await instance.declare()
    first.rows = [row(id="stays")]
    await first.sync()
    for _ in range(8):
        await clock.advance(15)
        await second.declare()
        assert ["stays"] == await in_force(store)


async def test_what_comes_back_is_in_force_again(store: Store, clock: Clock) -> None:
    """In the same form, at the next sync of whoever sees it; its count goes on."""
    first, second = (Instance(store, [row(id="r")]) for _ in range(2))
    for instance in (first, second):
        await instance.declare()
    await clock.advance(10)
    assert ["r"] == await fired(store)
    first.rows = []
    await first.sync()
    first.rows = [row(id="r")]
    await first.sync()
    await second.declare()
    assert ["r"] == await in_force(store)
    await clock.advance(10)
    assert ["r"] == await fired(store)
    assert b"2" == await store.command("HGET", "onebeat:{default}:d:r", "fired")


async def test_what_is_gone_leaves_nothing_behind(store: Store, clock: Clock) -> None:
    """Its records have a day to live, its place is forgotten; what comes back in time lives on."""
    instance = Instance(store, [row(id="r", spec="* * * * *")])
    await instance.declare()
    await clock.advance(60)
    await fired(store)
    names = ["onebeat:{default}:d:r", "onebeat:{default}:seen:r", "onebeat:{default}:tape:r"]
    names.append("asynq:scheduler_history:{default}:r")
    instance.rows = []
    await instance.sync()
    assert all([0 < int(await store.command("TTL", name)) <= 86_400 for name in names])
    assert None is await store.command("HGET", "onebeat:schedules", "r")
    instance.rows = [row(id="r", spec="* * * * *")]
    await instance.sync()
    assert [-1] * 4 == [int(await store.command("TTL", name)) for name in names]
    assert b"default" == await store.command("HGET", "onebeat:schedules", "r")


async def test_what_no_instance_declares_is_over_in_a_minute(store: Store, clock: Clock) -> None:
    """As after a deploy, whose instances never had it."""
    await Instance(store, [row(id="old")]).declare()
    instance = Instance(store, [row(id="new")])
    for _ in range(6):
        await instance.declare()
        await clock.advance(15)
    await instance.declare()
    assert ["new"] == await in_force(store)
    assert 0 < int(await store.command("TTL", "onebeat:{default}:d:old"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(id="a"), row(id="bad id")], "schedule id is 'bad id'"),
        ([row(id="a"), row(spec="61 * * * *")], "61"),
        ([row(id="a"), row(spec="")], "cannot be used"),
        ([row(id="a"), row(id="a", max_retry=1)], "has an id that another schedule has"),
        ([row(id="a"), row(id="code")], "has an id that another schedule has"),
        ([row(id="a"), PeriodicTask("@daily", "report")], "task is 'report': give a Task"),  # type: ignore[arg-type] # wrong on purpose
        ([row(id="a"), None], "it gave None among its schedules"),
        (5, "it gave 5; give a list of PeriodicTask"),
        ({"a": row()}, "give a list of PeriodicTask"),
    ],
)
async def test_an_answer_that_cannot_be_used_changes_nothing(
    store: Store, clock: Clock, rows: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even by its other entries; the log names what is wrong, and where."""
    instance = Instance(store, [row(id="kept")], code=Every(10))
    await instance.declare()
    instance.rows = rows
    await instance.sync()
    await instance.declare()
    assert ["code", "kept"] == await in_force(store)
    assert words in caplog.text
    assert "source of schedules Instance.give: " in caplog.text
    assert "its last answer stays in force" in caplog.text


async def test_a_source_that_fails_changes_nothing(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """However long it does; its schedules go on to fire."""
    instance = Instance(store, [row(id="kept")])
    await instance.declare()
    instance.error = ConnectionError("no database")
    for _ in range(10):
        await clock.advance(15)
        await instance.sync()
        await instance.declare()
        assert "kept" in await fired(store)
    assert "no database" in caplog.text


async def test_an_instance_that_knows_nothing_yet_parks_nothing(store: Store, clock: Clock) -> None:
    """All instances restart while the source is away: what it gave before goes on, however long that lasts."""
    await Instance(store, [row(id="kept")]).declare()
    instance = Instance(store, [], code=Every(3600))
    instance.error = ConnectionError("no database")
    for _ in range(10):
        await clock.advance(15)
        await instance.declare()
        assert "kept" in await fired(store)
    instance.error = None
    await instance.sync()
    for _ in range(6):
        await clock.advance(15)
        await instance.declare()
    assert ["code"] == await in_force(store)


async def test_code_has_the_first_say(store: Store, clock: Clock) -> None:
    """An entry that is the same as one in code is that one, and stays when the source loses it."""
    rows = [PeriodicTask("@every 10s", Task("code"), id="code")]
    instance = Instance(store, [], code=Every(10))
    await instance.declare()
    instance.rows = rows
    await instance.sync()
    instance.rows = []
    await instance.sync()
    assert ["code"] == await in_force(store)


async def test_plain_functions_and_generators_are_sources_too(store: Store, clock: Clock) -> None:
    """A plain function runs in a thread, and may block."""

    def give() -> Any:
        yield row(id="a")
        yield row(id="b")

    scheduler = Scheduler(store, app="shop")
    scheduler.provide(give)
    await scheduler.declare(store)
    assert ["a", "b"] == await in_force(store)


async def test_triggers_zones_and_options(store: Store, clock: Clock) -> None:
    """Each as `Scheduler.register` takes them; Go's tools see the options, headers among them."""
    rows = [
        row(id="a", spec=Cron("0 3 * * *", "Europe/Kyiv"), headers={"k<": 'v"é'}, max_retry=2),
        row(id="b", spec="0 3 * * *", tz="Europe/Kyiv", headers={"smile": ":)"}),
    ]
    await Instance(store, rows).declare()
    shown = await store.run(entries(Q)) or []
    assert {"CRON_TZ=Europe/Kyiv 0 3 * * *"} == {item.spec for item in shown}
    options = {item.id: item.options for item in shown}
    assert ['Queue("default")', "MaxRetry(2)", 'Header(["k\\u003c","v\\"é"])'] == options["a"]
    assert ['Queue("default")'] == options["b"]


async def test_a_schedule_that_moves_to_another_queue(store: Store, clock: Clock) -> None:
    """Is handed over, as one in code is (rule 32)."""
    instance = Instance(store, [row(id="r")])
    await instance.declare()
    instance.rows = [row(id="r", queue="other")]
    await instance.sync()
    for _ in range(3):
        await clock.advance(10)
        await fired(store)
        await store.run(maintain("other", max_crashes=5))
    ids = [
        *await store.command("LRANGE", "asynq:{default}:pending", 0, -1),
        *await store.command("LRANGE", "asynq:{other}:pending", 0, -1),
    ]
    assert [f"r:{(NOON + second) * 1000}" for second in (10, 20, 30)] == sorted(id_.decode() for id_ in ids)


async def test_sync_now(store: Store) -> None:
    """Asks at once while the scheduler runs, and raises what is wrong."""
    rows: list[PeriodicTask] = []
    scheduler = Scheduler(store, app="shop")
    scheduler.provide(lambda: rows)
    with pytest.raises(ConfigurationError, match="does not run"):
        await scheduler.sync_now()
    running = asyncio.create_task(scheduler.run())

    async def runs() -> bool:
        return scheduler._serves is not None

    await until(runs)
    rows.append(row(id="new", spec="@every 1h"))
    await scheduler.sync_now()
    assert ["new"] == await in_force(store)
    rows.append(row(id="not good"))
    with pytest.raises(ConfigurationError, match="its last answer stays in force"):
        await scheduler.sync_now()
    await cancelled(running)


async def test_a_source_is_asked_again_and_again(store: Store) -> None:
    """Every `every` seconds, whatever it said before."""
    asked, four = 0, asyncio.Event()

    async def give() -> list[PeriodicTask]:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise ConnectionError("no database")
        if asked == 4:
            four.set()
        return []

    scheduler = Scheduler(store, app="shop")
    scheduler.provide(give, every=0.02)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(60):
        await four.wait()
    await cancelled(running)


async def test_the_declared_form(url: str) -> None:
    """Routers' sources, too; `sync_schedules` asks at once."""
    app, router = Onebeat("shop", url=url), Router(prefix="billing:")
    rows: list[PeriodicTask] = []

    @app.task()
    async def report(city: str = "Kyiv") -> None: ...

    @app.schedules(every=3600)
    async def of_shops() -> list[PeriodicTask]:
        return rows

    @router.schedules()
    def of_bills() -> list[PeriodicTask]:
        return [PeriodicTask("@daily", report.bind("Lviv"), id="bills")]

    app.include(router)
    async with await Store.open(url) as store, app.serving() as serving:
        assert ["bills"] == await in_force(store)
        rows.append(PeriodicTask(Every(3600), report.bind(), id="shop-1"))
        await serving.sync_schedules()
        assert ["bills", "shop-1"] == await in_force(store)


async def test_sources_in_the_test_kit() -> None:
    """They are asked at the beginning and at every advance; what has vanished is over at once."""
    app = Onebeat("shop")
    rows: list[PeriodicTask] = []
    cities: list[str] = []

    @app.task()
    async def report(city: str) -> None:
        cities.append(city)

    @app.schedules()
    def of_shops() -> list[PeriodicTask]:
        return rows

    async with app.testing() as t:
        rows.append(PeriodicTask("@every 60s", report.bind("Kyiv"), id="r"))
        await t.advance(120)
        assert ["Kyiv"] * 2 == cities
        rows[:] = [PeriodicTask("@every 60s", report.bind("Lviv"), id="r")]
        await t.advance(60)
        assert ["Kyiv", "Kyiv", "Lviv"] == cities
        rows.clear()
        await t.advance(3600)
        assert 3 == len(cities)


@pytest.mark.parametrize(
    ("provider", "every", "words"),
    [
        (5, 180, "source of schedules is 5: give a function"),
        (list, 0, "option every is 0 seconds"),
        (list, "soon", "option every is 'soon'"),
    ],
)
def test_what_cannot_be_a_source_is_refused(provider: Any, every: Any, words: str) -> None:
    """Where it is given, in both forms."""
    with pytest.raises(ConfigurationError, match=words):
        Scheduler().provide(provider, every=every)
    with pytest.raises(ConfigurationError, match=words):
        Onebeat("shop").schedules(every=every)(provider)


def test_a_source_names_itself_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """By the function's own name."""
    caplog.set_level(logging.WARNING)

    def of_shops() -> list[PeriodicTask]:
        raise ValueError("boom")

    asyncio.run(Source(of_shops).fetch_if_it_can({}))
    assert "of_shops: boom; it has given none yet" in caplog.text
