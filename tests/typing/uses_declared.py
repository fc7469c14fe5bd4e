"""Declaring and enqueueing. A line marked `# wrong` must be refused by mypy and pyright, every other accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import onebeat
import onebeat.testing
from onebeat import (
    BulkResult,
    Cancellation,
    Context,
    Cron,
    Enqueued,
    Every,
    Failure,
    Handle,
    Handler,
    Onebeat,
    Progress,
    Router,
    SyncHandle,
    Task,
    TaskInfo,
    TaskState,
    Unique,
    current,
    exponential,
)
from onebeat.codecs import JSON, MSGPACK

onebeat.nonesuch  # wrong
onebeat.testing.nonesuch  # wrong


@dataclass
class State:
    greeting: str


@asynccontextmanager
async def lifespan() -> AsyncIterator[State]:
    yield State("hello")


async def not_entered() -> None: ...


assert_type(Onebeat("shop"), Onebeat[None])
assert_type(Onebeat("shop", lifespan=lifespan), Onebeat[State])
assert_type(Router(), Router[object])
assert_type(Router[State]("billing:"), Router[State])
Onebeat("shop", url="redis://db", codec="msgpack", codecs=[JSON, MSGPACK])
Onebeat("shop", codec=MSGPACK)
Onebeat(5)  # wrong
Onebeat("shop", url=5)  # wrong
Onebeat("shop", lifespan=not_entered)  # wrong
Onebeat("shop", lifespan=lifespan())  # wrong
Onebeat("shop", codec=object())  # wrong
Onebeat("shop", "redis://db")  # wrong
Onebeat("shop", lifespam=lifespan)  # wrong
Router(5)  # wrong

app = Onebeat("shop", lifespan=lifespan)


@app.task("welcome", queue="critical", max_retry=3, backoff=lambda failures: 0.1)
async def welcome(user_id: int, locale: str = "en") -> str:
    return locale


@app.task("charge", backoff=lambda failures, error: 1.0, retry_on=(ConnectionError,), archive_on=(KeyError, ValueError))
def charge(ctx: Context[State], order: int) -> int:
    assert_type(ctx.state, State)
    assert_type(ctx.state.greeting, str)
    ctx.state.farewell  # wrong
    return order


@app.task()
async def bare(ctx: Context, order: int, /) -> None:
    assert_type(ctx.state, object)
    ctx.state.greeting  # wrong


@app.task(isolation="process", codec="msgpack", expires=60)
def thumbnail(image: bytes, /) -> bytes:
    return image


@app.task(unique=Unique(60, until="start", key="k"), timeout=timedelta(minutes=5))
async def unique_one(*, name: str) -> list[int]:
    return [1]


billing: Router[State] = Router("billing:")


@billing.task(backoff=exponential(2, cap=600), retention=timedelta(days=1))
def invoice(order: int) -> str:
    return str(order)


app.include(billing)
app.include("billing")  # wrong
app.include()  # wrong


@app.aggregate("digest:", grace=timedelta(seconds=5), max_size=100)
async def digest(group: str, states: list[State]) -> Task[str]:
    assert_type(states[0].greeting, str)
    states[0].farewell  # wrong
    return welcome.options(queue="low").bind(len(states))


@app.aggregate()
def summary(group: str, tasks: list[Task[Any]]) -> Task[int]:
    assert_type(tasks[0].payload, bytes)
    return charge.bind(len(tasks))


@billing.aggregate("bytes:", max_delay=3.5, timeout=1)
async def raw(group: str, payloads: list[bytes]) -> Task[None]:
    assert_type(payloads, list[bytes])
    return bare.bind(5)


assert_type(summary("g", []), Task[int])
app.aggregate(size=5)  # wrong
app.aggregate(grace="1m")  # wrong
app.aggregate(max_size=1.5)  # wrong
app.aggregate(summary)  # wrong


@app.aggregate("a")  # wrong
async def no_task(group: str, states: list[State]) -> None: ...


@app.aggregate("b")  # wrong
async def no_group(states: list[State]) -> Task[str]:
    raise NotImplementedError


@app.aggregate("c")  # wrong
async def no_list(group: str, state: State) -> Task[str]:
    raise NotImplementedError


@app.aggregate("d")  # wrong
def not_a_name(group: int, states: list[State]) -> Task[str]:
    raise NotImplementedError


@app.aggregate("e")  # wrong
async def a_handle(group: str, states: list[State]) -> Handle[str]:
    return await welcome.enqueue(1)


@app.remote("video:encode", queue="go", rename="pascal")
def encode(url: str, max_width: int = 1080) -> None: ...


@app.remote("video:probe", rename={"url": "URL"})
async def probe(url: str) -> dict[str, float]:
    raise NotImplementedError


app.remote("bad", rename="snake")  # wrong
app.remote("bad", rename={"a": 1})  # wrong
app.remote("bad", isolation="process")  # wrong
exponential("2")  # wrong
exponential(2, cap="600")  # wrong
app.task("bad", isolation="thread")  # wrong
app.task("bad", max_retri=3)  # wrong
app.task("bad", queue=5)  # wrong
app.task("bad", max_retry="3")  # wrong
app.task("bad", timeout="5m")  # wrong
app.task("bad", retry_on=["ConnectionError"])  # wrong
app.task("bad", archive_on=("KeyError",))  # wrong
app.task("bad", backoff=5)  # wrong
app.task("bad", backoff=lambda: 5.0)  # wrong
app.task("bad", unique="1h")  # wrong
app.task("bad", codec=5)  # wrong
app.task("bad", process_at="tomorrow")  # wrong
app.task(5)  # wrong
Unique()  # wrong
Unique(60, until="never")  # wrong
Unique(60, key=5)  # wrong


@app.middleware
async def timed(ctx: Context[int], task: Task[object], call_next: Handler) -> object:
    return await call_next(ctx, task)


@app.middleware  # wrong
def not_async(ctx: Context[int], task: Task[object], call_next: Handler) -> object:
    return None


@app.middleware  # wrong
async def of_two(ctx: Context[int], task: Task[object]) -> object:
    return None


@app.on_error
async def tell(ctx: Context[int], task: Task[object], error: BaseException) -> None: ...


@app.is_failure
def counts(error: BaseException) -> bool:
    return True


@app.retry_delay
def wait(failures: int, error: BaseException) -> float:
    return 1.0


@app.health_check
def check(error: onebeat.BrokerError | None) -> None: ...


@app.schedules(every=60)
async def rows() -> list[onebeat.PeriodicTask]:
    return [onebeat.PeriodicTask("@daily", beat.bind())]


@app.on_error  # wrong
def of_one(error: BaseException) -> None: ...


@app.is_failure  # wrong
def says_text(error: BaseException) -> str:
    return ""


@app.schedules()  # wrong
def no_rows() -> int:
    return 5


@app.every(1.5)
@app.cron("@daily", id="daily", tz="Europe/Kyiv")
@app.task()
async def beat() -> None: ...


@app.every(timedelta(hours=1))
@app.task()
def with_default(city: str = "Kyiv") -> str:
    return city


@app.every(2)  # wrong
@app.task("needs")
def needs(order: int) -> None: ...


@app.cron("@daily")  # wrong
@app.task("needs-named")
def needs_named(*, order: int) -> None: ...


app.every("1.5")  # wrong
app.every()  # wrong
app.cron(5)  # wrong
app.cron("@daily", tz=1)  # wrong
app.schedule("report", Cron("@hourly", "Europe/Kyiv"), with_default.bind(city="Lviv"))
app.schedule("often", Every(timedelta(seconds=2)), welcome.bind(1), queue="low", timeout=5)
app.schedule("report", "@hourly", with_default.bind())  # wrong
app.schedule("report", Cron("@hourly"), with_default)  # wrong
app.schedule(Cron("@hourly"), with_default.bind())  # wrong
app.schedule("report", Cron("@hourly"), with_default.bind(), priority=1)  # wrong
Every("2s")  # wrong


async def enqueue(context: Context[State]) -> None:
    handle = await welcome.enqueue(42, locale="uk")
    assert_type(handle, Handle[str])
    assert_type(await welcome.options(process_in=timedelta(seconds=2)).enqueue(7), Handle[str])
    assert_type(await charge.enqueue(7), Handle[int])
    assert_type(await bare.enqueue(7), Handle[None])
    assert_type(await unique_one.enqueue(name="a"), Handle[list[int]])
    assert_type(await thumbnail.enqueue(b""), Handle[bytes])
    assert_type(await invoice.enqueue(7), Handle[str])
    assert_type(await encode.enqueue("x", max_width=720), Handle[None])
    assert_type(await probe.enqueue(url="x"), Handle[dict[str, float]])
    await welcome.options(
        queue="low", task_id="a", max_retry=1, timeout=1.5, deadline=datetime.now(UTC), unique=60, expires=5,
        process_at=datetime.now(UTC), retention=timedelta(days=1), headers={"a": "b"},
    ).enqueue(42)  # fmt: skip
    await welcome.enqueue("42")  # wrong
    await welcome.enqueue()  # wrong
    await welcome.enqueue(42, colour="red")  # wrong
    await welcome.enqueue(42, "uk", 3)  # wrong
    await welcome.enqueue(42, locale=None)  # wrong
    await charge.enqueue(context, 7)  # wrong
    await charge.options(timeout="5").enqueue(7)  # wrong
    await charge.options(timeout=5).enqueue("7")  # wrong
    await bare.enqueue(context, 7)  # wrong
    await bare.enqueue(order=7)  # wrong
    await thumbnail.enqueue("text")  # wrong
    await thumbnail.enqueue(image=b"")  # wrong
    await unique_one.enqueue("a")  # wrong
    await encode.enqueue(max_width=720)  # wrong
    welcome.options(que="x")  # wrong
    welcome.options(group="digest:1")
    welcome.options(group=1)  # wrong
    welcome.options(headers={"a": 1})  # wrong
    welcome.options(expires="1h")  # wrong
    welcome.options(process_at=5)  # wrong
    welcome.bind(locale="uk")  # wrong
    welcome.handle()  # wrong
    welcome.handle(5)  # wrong


async def results(handle: Handle[str], sync: SyncHandle[int], context: Context[State]) -> None:
    assert_type(await handle.result(timeout=5), str)
    assert_type(await handle.result(timedelta(seconds=5)), str)
    assert_type(await handle.info(), TaskInfo)
    assert_type((await handle.info()).state, TaskState)
    assert_type(await handle.cancel(), Cancellation)
    assert_type(await handle.progress(), Progress | None)
    assert_type(handle.id, str)
    assert_type(handle.queue, str)
    assert_type(sync.result(5), int)
    assert_type(sync.info(), TaskInfo)
    assert_type(sync.cancel(), Cancellation)
    assert_type(sync.progress(), Progress | None)
    assert_type(welcome.handle("a", queue="low"), Handle[str])
    assert_type(charge.handle_sync("a"), SyncHandle[int])
    assert_type(welcome.enqueue_sync(1), SyncHandle[str])
    assert_type(charge.options(queue="low").enqueue_sync(7), SyncHandle[int])
    assert_type(await welcome(1), str)
    assert_type(charge(context, 7), int)
    handle.result().upper()  # wrong
    await handle.result(timeout="5")  # wrong
    (await handle.result()).bit_length()  # wrong
    sync.result(5).upper()  # wrong
    await sync.result()  # wrong
    await charge(context, 7)  # wrong
    charge(7)  # wrong
    await welcome("1")  # wrong
    charge.enqueue_sync("7")  # wrong
    handle.cancel(force=True)  # wrong


async def bulk() -> None:
    assert_type(welcome.bind(1), Task[str])
    assert_type(charge.bind(7), Task[int])
    assert_type(welcome.options(queue="low").bind(1), Task[str])
    assert_type(await app.enqueue_many(welcome.bind(user) for user in range(3)), BulkResult)
    assert_type(app.enqueue_many_sync([welcome.bind(1), charge.bind(7)]), BulkResult)
    async for answer in app.enqueue_many([welcome.bind(1)], queue="low"):
        assert_type(answer, Enqueued | Failure)
    assert_type((await app.enqueue_many([])).enqueued, int)
    assert_type((await app.enqueue_many([])).failures, list[Failure])
    await app.enqueue_many(welcome.bind(1))  # wrong
    await app.enqueue_many([1, 2])  # wrong
    await app.enqueue_many([welcome])  # wrong
    app.enqueue_many_sync([welcome.bind(1)], que="low")  # wrong
    charge.bind(None, 7)  # wrong


async def served(context: Context[State]) -> None:
    async with app, app.serving(concurrency=8, queues={"default": 1}):
        await app.run(lease=30.0)
    app.serving(concurrency="8")  # wrong
    app.serving(workers=8)  # wrong
    app.serving(queues=["default"])  # wrong
    assert_type(context.stopping, bool)
    assert_type(context.retried, int)
    assert_type(context.tick, datetime | None)
    assert_type(context.headers, dict[str, str])
    assert_type(current(), Context[Any])
    context.progress(1, "one", of=3)
    context.progress("1")  # wrong
    context.progress(1, of="3")  # wrong
    context.retries  # wrong
