"""The declared form: typed tasks, handles with results, schedules; nothing happens at import."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from onebeat.app.app import Onebeat
from onebeat.app.declared import Declared
from onebeat.broker.store import Store
from onebeat.clock import EPOCH
from onebeat.errors import (
    ConfigurationError,
    InvalidTask,
    PayloadError,
    ResultNotKept,
    ResultTimeout,
    TaskFailed,
    TaskIdConflict,
    TaskNotFound,
)
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.periodic import PeriodicTask
from onebeat.server.context import Context, current
from onebeat.server.health import Health
from onebeat.states import TaskState
from onebeat.task import Task


class Colour(Enum):
    RED = "red"


@dataclass
class Address:
    city: str
    code: int


@pytest.fixture
def app(url: str) -> Onebeat[Any]:
    return Onebeat("shop", url=url)


def declared(app: Onebeat[Any], function: Any, **options: Any) -> Declared[Any, Any, Any, Any]:
    made: Declared[Any, Any, Any, Any] = app.task(**options)(function)
    return made


async def test_a_call_becomes_named_json_and_back(app: Onebeat[Any]) -> None:
    """Positional or named, the payload is the same, in the signature's order, with defaults filled in."""
    seen: list[Any] = []

    @app.task("t")
    async def handler(user_id: int, locale: str = "en", *, loud: bool = False) -> None:
        seen.append((user_id, locale, loud))

    assert b'{"user_id":1,"locale":"en","loud":false}' == handler.bind(1).payload
    assert handler.bind(1, "uk", loud=True).payload == handler.bind(locale="uk", loud=True, user_id=1).payload
    async with app, app.serving():
        await handler.enqueue(1, "uk", loud=True)
        done = await declared(app, handler.function, type="other").options(retention=9).enqueue(2)
        await done.result(60)
    assert [(1, "uk", True), (2, "en", False)] == seen


async def test_rich_types_survive_the_way(app: Onebeat[Any]) -> None:
    """Dataclasses, enums, UUIDs, datetimes and unions arrive as what the signature says."""
    seen: list[Any] = []

    @app.task("t")
    async def handler(to: Address, colour: Colour, who: UUID, when: datetime, note: str | None = None) -> None:
        seen.extend([to, colour, who, when, note])

    given = [Address("Lviv", 79), Colour.RED, UUID(int=5), datetime(2030, 1, 1, tzinfo=UTC), None]
    async with app, app.serving():
        handle = await handler.options(retention=5).enqueue(*given)  # type: ignore[arg-type] # a list of all kinds
        await handle.result(60)
    assert given == seen


async def test_a_positional_only_parameter_is_the_whole_payload(app: Onebeat[Any]) -> None:
    """bytes stay bytes both ways; other values are JSON by themselves."""

    @app.task("raw")
    async def raw(image: bytes, /) -> bytes:
        return image[::-1]

    @app.task("model")
    def model(to: Address, /) -> str:
        return to.city

    assert b"\x00\x01" == raw.bind(b"\x00\x01").payload
    assert b'{"city":"Lviv","code":1}' == model.bind(Address("Lviv", 1)).payload
    async with app, app.serving():
        assert b"\x01\x00" == await (await raw.enqueue(b"\x00\x01")).result(60)
        assert "Lviv" == await (await model.enqueue(Address("Lviv", 1))).result(60)


def test_a_wrong_call_fails_like_the_function_would(app: Onebeat[Any]) -> None:
    """Missing, unknown and too many arguments are TypeErrors that name the task."""

    @app.task("t")
    async def handler(a: int, *, b: int = 1) -> None: ...

    for args, kwargs in [((), {}), ((1, 2), {}), ((1,), {"c": 1})]:
        with pytest.raises(TypeError, match="task t"):
            handler.bind(*args, **kwargs)
    with pytest.raises(PayloadError, match="no JSON form"):
        handler.bind(object())  # type: ignore[arg-type] # likewise


async def test_a_payload_that_does_not_fit_is_archived_at_once(app: Onebeat[Any]) -> None:
    """No retry is spent on it, and the error names the field."""

    @app.task("t", max_retry=9)
    async def handler(user_id: int) -> None: ...

    async with app, app.serving():
        client = await app.client()
        enqueued = await client.enqueue(Task("t", {"user_id": "forty-two"}))
        await until_archived(app)
        info = await handler.handle(enqueued.id).info()
    assert (TaskState.ARCHIVED, 0) == (info.state, info.retried)
    assert "$.user_id" in info.last_error


async def until_archived(app: Onebeat[Any]) -> None:
    store, _ = await app.connection()
    async with asyncio.timeout(60):
        while not (await Inspector(store).stats("default")).archived:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.005)


async def test_the_function_stays_callable_as_written(app: Onebeat[Any]) -> None:
    """Calling a declared task calls the function, context and all."""

    @app.task("t")
    async def handler(ctx: Context[Any], a: int) -> int:
        return a + ctx.retried

    context: Context[Any] = Context(id="1", queue="q", type="t", retried=2, max_retry=3, headers={}, state=None)
    assert 5 == await handler(context, 3)
    assert "handler" == handler.__name__  # type: ignore[attr-defined] # functools.wraps put it there


async def test_results_wait_for_their_task(app: Onebeat[Any]) -> None:
    """A declared result is kept for an hour, decoded to its type; waiters are told, not polling."""

    @app.task("t")
    async def handler(a: int) -> Address:
        return Address("Lviv", a)

    async with app, app.serving():
        handles = [await handler.enqueue(number) for number in range(50)]
        results = await asyncio.gather(*(handle.result(60) for handle in handles))
        info = await handles[0].info()
    assert [Address("Lviv", number) for number in range(50)] == results
    assert (TaskState.COMPLETED, 3600) == (info.state, info.retention.total_seconds())


async def test_a_result_that_will_not_come_says_why(app: Onebeat[Any]) -> None:
    """Not kept at once, failed with the error, timed out while the task goes on, or gone."""

    @app.task("silent")
    async def silent() -> None: ...

    @app.task("fails", max_retry=0)
    async def fails() -> int:
        raise ValueError("boom")

    @app.task("slow")
    async def slow() -> int:
        await asyncio.Event().wait()
        return 1

    async with app, app.serving(shutdown_timeout=0.05):
        with pytest.raises(ResultNotKept, match="retention="):
            await (await silent.enqueue()).result(60)
        with pytest.raises(TaskFailed, match="ValueError: boom"):
            await (await fails.enqueue()).result(60)
        with pytest.raises(ResultTimeout, match="it goes on"):
            await (await slow.enqueue()).result(0.05)
        with pytest.raises(ResultNotKept, match="gone"):
            await slow.handle("nobody").result(60)
        with pytest.raises(TaskNotFound):
            await slow.handle("nobody").info()


async def test_options_lie_over_the_declared_ones(app: Onebeat[Any]) -> None:
    """For one call; the id may be chosen and then conflicts."""

    @app.task("t", queue="low", max_retry=2)
    async def handler(a: int = 1) -> None: ...

    async with app:
        handle = await handler.options(queue="high", task_id="x", process_in=60).enqueue()
        assert ("x", "high") == (handle.id, handle.queue)
        info = await handle.info()
        assert (TaskState.SCHEDULED, 2) == (info.state, info.max_retry)
        with pytest.raises(TaskIdConflict):
            await handler.options(queue="high", task_id="x").enqueue()
        assert handle == handler.handle("x", queue="high")


async def test_many_bound_tasks(app: Onebeat[Any]) -> None:
    """`enqueue_many` takes what `bind` gives."""

    @app.task("t")
    async def handler(a: int) -> None: ...

    async with app:
        result = await app.enqueue_many(handler.bind(number) for number in range(100))
    assert (100, []) == (result.enqueued, result.failures)


async def test_lifespan_gives_handlers_their_state(app: Onebeat[Any], url: str) -> None:
    """Entered once per server, left when it stops; clients never enter it."""
    log: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        log.append("enter")
        yield "mailer"
        log.append("leave")

    app = Onebeat("shop", url=url, lifespan=lifespan)

    @app.task("t")
    async def handler(ctx: Context[str]) -> str:
        return ctx.state

    async with app:
        assert [] == log
        async with app.serving():
            assert "mailer" == await (await handler.enqueue()).result(60)
            assert ["enter"] == log
    assert ["enter", "leave"] == log


@pytest.mark.slow
async def test_schedules_fire_once_on_many_servers(app: Onebeat[Any], url: str) -> None:
    """Three instances that declare the same schedule run each tick once."""
    ticks: list[int] = []

    def instance() -> Onebeat[Any]:
        made: Onebeat[Any] = Onebeat("shop", url=url)

        @made.every(0.1)
        @made.task("tick")
        async def tick(ctx: Context[Any]) -> None:
            ticks.append(round((ctx.tick or EPOCH).timestamp() * 1000))

        return made

    async with instance().serving(), instance().serving(), instance().serving():
        async with asyncio.timeout(60):
            while len(ticks) < 10:  # noqa: ASYNC110 - ten ticks take a second, and nobody tells
                await asyncio.sleep(0.01)
    assert len(set(ticks)) == len(ticks)
    assert {0} == {tick % 100 for tick in ticks}  # a machine that stands still may miss one, but never the phase


def test_declaring_needs_no_store() -> None:
    """Nothing is opened, read or started, whatever the URL."""
    app: Onebeat[Any] = Onebeat("shop", url="redis://nowhere.invalid:1")

    @app.every(5)
    @app.cron("0 3 * * mon-fri", tz="Europe/Berlin", id="nightly")
    @app.task("t")
    def handler(city: str = "Kyiv") -> str:
        return city

    app.schedule("hourly", __import__("onebeat").Cron("@hourly"), handler.bind(city="Lviv"))
    assert ["nightly", "t", "hourly"] == list(app.entries)


def star(*args: int) -> None: ...
def two_whole(a: int, b: int, /) -> None: ...
def unclear(ctx, a: int) -> None: ...  # type: ignore[no-untyped-def] # that is what is tested
def needs(a: int) -> None: ...


def test_what_cannot_be_on_the_wire_is_refused_at_declaration(app: Onebeat[Any]) -> None:
    """Each with a sentence that says what to write instead."""
    for function in (star, two_whole, unclear):
        with pytest.raises(ConfigurationError, match="task"):
            declared(app, function)
    with pytest.raises(InvalidTask, match="option timeout"):
        declared(app, needs, timeout=-1)
    first = declared(app, needs, type="t")
    with pytest.raises(ConfigurationError, match="is declared twice"):
        declared(app, needs, type="t")
    with pytest.raises(ConfigurationError, match="needs arguments"):
        app.every(5)(first)
    with pytest.raises(ConfigurationError, match=r"above @app\.task"):
        app.every(5)(needs)  # type: ignore[type-var] # likewise
    with pytest.raises(ConfigurationError, match="has no tasks"):
        Onebeat("empty").serving()


async def test_backoff_may_take_the_failures_alone(app: Onebeat[Any]) -> None:
    """One argument or two, whatever the function takes."""
    seen: list[Any] = []

    def by_failures(failures: int) -> float:
        seen.append(failures)
        return 0.0

    def by_both(failures: int, error: BaseException) -> float:
        seen.append(type(error))
        return 0.0

    @app.task("one", max_retry=1, backoff=by_failures)
    async def one() -> int:
        raise ValueError

    @app.task("two", max_retry=1, backoff=by_both)
    async def two() -> int:
        raise KeyError

    async with app, app.serving():
        for task in (one, two):
            with pytest.raises(TaskFailed):
                await (await task.enqueue()).result(60)
    assert [0, KeyError] == seen


async def test_two_loops_have_two_connections(url: str) -> None:
    """An application may be used on loops one after the other, as in scripts and notebooks."""
    app: Onebeat[Any] = Onebeat("shop", url=url)

    @app.task("t")
    async def handler() -> None: ...

    async def once() -> None:
        async with app:
            await handler.enqueue()

    for _ in range(2):
        await asyncio.to_thread(asyncio.run, once())
    async with await Store.open(url) as store:
        assert 2 == (await Inspector(store).stats("default")).pending


async def test_an_application_at_work_says_how_it_fares(url: str) -> None:
    """For the health check of the program that it is part of."""
    app: Onebeat[None] = Onebeat("health", url=url)

    @app.task()
    async def nothing() -> None: ...

    seen = []
    async with app.serving(concurrency=1) as serving:
        seen.append(serving.health)
    seen.append(serving.health)
    assert [Health.OK, Health.STOPPING] == seen


@pytest.mark.slow
def test_a_loop_that_ends_closes_what_it_opened(app: Onebeat[Any]) -> None:
    """Also where nobody wrote `async with app`: nothing is left open, and nothing is remembered."""

    @app.task()
    async def double(number: int) -> int:
        return 2 * number

    async def enqueue() -> None:
        with pytest.raises(ResultTimeout):
            await (await double.enqueue(1)).result(timeout=0.001)

    for _ in range(2):
        asyncio.run(enqueue())
        gc.collect()  # what was left open would be a ResourceWarning, and those are errors here
        assert 0 == len(app._transport._connections)


async def test_two_applications_share_a_process_and_a_store(url: str) -> None:
    """Each has its own tasks, queues and state; a type may be in both, on different queues."""
    first, second = (Onebeat(name, url=url, lifespan=lifespan_of(name)) for name in ("first", "second"))

    def declare_in(app: Onebeat[str]) -> Declared[Any, Any, Any, Any]:
        @app.task("say", queue=app.name, retention=60)
        async def say(ctx: Context[str], word: str = "tick") -> str:
            return f"{ctx.state} {word} {current().queue}"

        return say

    say_first, say_second = declare_in(first), declare_in(second)
    async with first, second, first.serving(), second.serving():
        handles = [await say_first.enqueue("a"), await say_second.enqueue("b")]
        assert ["first a first", "second b second"] == [await handle.result(60) for handle in handles]
        assert "say" == (await handles[0].info()).type


def lifespan_of(name: str) -> Any:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        yield name

    return lifespan


async def test_the_store_may_be_named_later(url: str, tmp_path: Any) -> None:
    """By a framework's settings, say: from then on everything goes there, also from code that blocks."""
    app: Onebeat[Any] = Onebeat(url=f"embedded://{tmp_path}/unused")
    task = declared(app, handles_nothing, type="t")
    app.url = url
    assert url == app.url
    async with app:
        await task.enqueue()
        await asyncio.to_thread(task.enqueue_sync)
        store, _ = await app.connection()
        assert 2 == (await Inspector(store).stats("default")).pending
    app.close()
    with pytest.raises(ConfigurationError, match="redis-db"):
        app.url = "redis-db"


def handles_nothing() -> None: ...


def test_an_option_among_the_arguments_says_where_it_goes() -> None:
    """Who comes from elsewhere writes options into the call."""

    @Onebeat().task("fetch")
    async def fetch(url: str) -> None: ...

    with pytest.raises(
        TypeError, match=r"'process_in'; process_in is an option: write \.options\(process_in=…\)\.enqueue"
    ):
        fetch.bind("x", process_in=5)  # type: ignore[call-arg] # on purpose


async def test_many_that_are_never_sent_are_warned_of(app: Onebeat[Any]) -> None:
    """A forgotten await would lose them all in silence."""
    with pytest.warns(RuntimeWarning, match="neither awaited nor iterated: nothing was enqueued"):
        app.enqueue_many([])
    await app.enqueue_many([])
    async with app:
        assert [] == [answer async for answer in app.enqueue_many([])]


def test_a_misspelled_option_of_a_declaration_is_guessed() -> None:
    """Among all that `task` takes, not only what `enqueue` does."""
    for wrong, meant in (("backof", "backoff"), ("countdown", "process_in"), ("max_retries", "max_retry")):
        with pytest.raises(
            InvalidTask, match=f"option {wrong} is unknown: did you mean {meant}\\? Choose from archive_on"
        ):
            Onebeat().task("t", **{wrong: 5})  # type: ignore[arg-type] # on purpose


BY_HAND = """
import asyncio, sys
from onebeat import Onebeat

app = Onebeat(url=sys.argv[1])

@app.task("t")
def handles_nothing(): ...

for _ in range(10):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(handles_nothing.enqueue())
    loop.close()
print(len(app._transport._connections))
"""


@pytest.mark.slow
def test_what_a_loop_left_open_is_let_go_of_when_another_opens_its_own(url: str) -> None:
    """A loop that was run by hand ends without a word; ten of them leave no connections behind."""
    ran = subprocess.run(  # what the last loop leaves behind ends with its process
        [sys.executable, "-c", BY_HAND, url], capture_output=True, text=True, check=True
    )
    assert "1\n" == ran.stdout


async def test_a_server_says_what_its_application_declares(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where schedules come from and which groups it aggregates, too, if it does."""
    app: Onebeat[Any] = Onebeat("shop", url=url)
    caplog.set_level(logging.INFO, "onebeat.app")

    @app.task("sum")
    async def total() -> None: ...

    async with app.serving():
        pass

    @app.aggregate("sales:")
    async def digest(group: str, tasks: list[Task]) -> Task[None]:
        return total.bind()

    def rows() -> list[PeriodicTask]:
        return []

    rows.__qualname__ = "rows"
    app.schedules()(rows)
    async with app.serving():
        pass
    assert [
        "application shop: 1 task, 0 schedules",
        "application shop: 1 task, 0 schedules, schedules of rows, groups 'sales:'",
    ] == [record.getMessage() for record in caplog.records if record.name == "onebeat.app"]
