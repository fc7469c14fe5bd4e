"""The plain form. A line marked `# wrong` must be refused by mypy and pyright, every other accepted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from onebeat import (
    BulkResult,
    Cancellation,
    Client,
    Context,
    Cron,
    DayStats,
    Enqueued,
    Failure,
    GroupInfo,
    Handler,
    Health,
    Inspector,
    Mux,
    PeriodicTask,
    QueueStats,
    Retry,
    RevokeTask,
    Scheduler,
    Semaphore,
    Server,
    SkipRetry,
    SyncClient,
    SyncInspector,
    Task,
    TaskInfo,
    WorkerInfo,
)

mux = Mux()


@mux.handle("image:")
async def images(ctx: Context, task: Task) -> bytes:
    assert_type(task.payload, bytes)
    assert_type(task.type, str)
    assert_type(task.headers.get("a"), str | None)
    task.payload.encode()  # wrong
    return task.payload


@mux.aggregate("mail:", grace=5, max_delay=timedelta(minutes=1), max_size=100, timeout=1.5)
async def digest(group: str, tasks: list[Task]) -> Task:
    assert_type(tasks[0].payload, bytes)
    tasks[0].result  # wrong
    return Task("digest", {"count": len(tasks)}, group="digests")


@mux.aggregate()
def count(group: str, tasks: list[Task[Any]]) -> Task[int]:
    return Task("count", len(tasks))


assert_type(count("g", []), Task[int])
mux.aggregate("mail:", size=5)  # wrong
mux.aggregate(max_size="5")  # wrong
mux.aggregate(grace="5")  # wrong
mux.aggregate(5)  # wrong


@mux.aggregate("few")  # wrong
async def few(group: str) -> Task:
    raise NotImplementedError


@mux.aggregate("none")  # wrong
async def gives_none(group: str, tasks: list[Task]) -> None: ...


@mux.aggregate("numbers")  # wrong
def numbers(group: int, tasks: list[Task]) -> Task:
    raise NotImplementedError


Task("event", b"", group="g")
Task("event", b"", group=5)  # wrong


@mux.handle("plain:")
def plain(ctx: Context, task: Task) -> None: ...


mux.handle(5)  # wrong
mux.handle()  # wrong
Task("t", {"a": 1}, queue="low", unique=60)
Task("t", b"bytes", process_in=timedelta(seconds=2))
Task()  # wrong
Task(5)  # wrong
Task("t", None, que="low")  # wrong
Task("t", max_retry="3")  # wrong
Task("t", None, process_at="now")  # wrong
raise_later = [Retry(delay=30, counts=False), Retry("busy"), SkipRetry("no user"), RevokeTask()]
Retry(delay="30")  # wrong
Retry(counts=1, delai=3)  # wrong


async def clients() -> None:
    async with Client("redis://db:6379/0") as client:
        assert_type(client, Client)
        assert_type(await client.enqueue(Task("t", {"a": 1}), queue="low", unique=60), Enqueued)
        assert_type((await client.enqueue(Task("t"))).id, str)
        assert_type(await client.enqueue_many([Task("t")], max_retry=0), BulkResult)
        async for answer in client.enqueue_many([Task("t")]):
            assert_type(answer, Enqueued | Failure)
        await client.enqueue("t")  # wrong
        await client.enqueue(Task("t"), retention="1h")  # wrong
        await client.enqueue(Task("t"), deadline=5)  # wrong
        await client.enqueue(Task("t"), "low")  # wrong
        await client.enqueue_many(Task("t"))  # wrong
        with client:  # wrong
            ...
    Client("redis://db", give_up="5")  # wrong
    with SyncClient("redis://db:6379/0") as blocking:
        assert_type(blocking, SyncClient)
        assert_type(blocking.enqueue(Task("t"), deadline=datetime.now(UTC)), Enqueued)
        assert_type(blocking.enqueue_many(Task("t") for _ in range(3)), BulkResult)
        blocking.enqueue("t")  # wrong
        await blocking.enqueue(Task("t"))  # wrong
        blocking.enqueue_many(iter([1]))  # wrong


async def tell(ctx: Context[Any], task: Task[Any], error: BaseException) -> None: ...


@contextmanager
def within(ctx: Context[Any]) -> Iterator[None]:
    yield


def rows() -> list[PeriodicTask]:
    return [PeriodicTask("@daily", Task("t"), id="a", retention=60), PeriodicTask(Cron("@hourly"), Task("t"))]


async def muxes() -> None:
    outer = Mux()
    outer.mount("image:", mux)

    @outer.use
    async def layer(ctx: Context[Any], task: Task[Any], call_next: Handler) -> object:
        return await call_next(ctx, task)

    @outer.not_found
    async def missing(ctx: Context[Any], task: Task[Any]) -> None:
        await ctx.write_result(b"x")
        assert_type(ctx.deadline, datetime | None)
        await ctx.write_result("x")  # wrong

    outer.use(missing)  # wrong
    outer.mount(mux)  # wrong
    outer.mount("image:", missing)  # wrong


async def semaphores(ctx: Context[Any]) -> None:
    semaphore = Semaphore("redis://db", "api", 5, retry_in=timedelta(seconds=2))
    assert_type(await semaphore.acquire(ctx), bool)
    assert_type(await semaphore.release(), bool)
    assert_type(semaphore.acquire_sync(), bool)
    async with semaphore.held() as nothing:
        assert_type(nothing, None)
    with semaphore.held_sync(ctx):
        ...
    Semaphore("redis://db", "api")  # wrong
    Semaphore("redis://db", "api", "5")  # wrong
    with semaphore.held():  # wrong
        ...


async def servers() -> None:
    server = Server(concurrency=64, queues={"critical": 6, "default": 3}, strict=True, stall_limit=10.0, grace=1)
    await server.run(mux)
    async with server.serving(mux, state=5) as serving:
        assert_type(serving.health, Health)
        assert_type(serving.id, str)
    Server("redis://db", retry_delay=lambda failures, error: 1.0)
    Server("redis://db", retry_delay=lambda failures, error, task: 1.0, log_level="debug", archive_max_age=None)
    Server(on_error=tell, is_failure=lambda error: not isinstance(error, OSError), base_context=within)
    Server(health_check=lambda error: print(error), archive_max_size=0, archive_max_age=timedelta(days=1))
    Server(on_error=within)  # wrong
    Server(is_failure=tell)  # wrong
    Server(base_context=tell)  # wrong
    Server(archive_max_size="many")  # wrong
    Server(stall_limit="10")  # wrong
    Server(queues=["default"])  # wrong
    Server(retry_delay=5)  # wrong
    Server(worker_count=5)  # wrong
    await server.run()  # wrong
    await server.run(images)  # wrong


async def schedulers() -> None:
    scheduler = Scheduler("redis://db:6379/0")
    scheduler.register("@every 1.5s", Task("t"), queue="low")
    scheduler.register("0 3 * * *", Task("t"), id="nightly")
    scheduler.provide(rows)
    scheduler.provide(rows, every=timedelta(minutes=5))
    await scheduler.sync_now()
    scheduler.provide(rows())  # wrong
    scheduler.provide(lambda: ["@daily"])  # wrong
    PeriodicTask("@daily", "t")  # wrong
    PeriodicTask("@daily", Task("t"), que="low")  # wrong
    scheduler.register(5, Task("t"))  # wrong
    scheduler.register("@daily", "t")  # wrong
    scheduler.register("@daily", Task("t"), que="low")  # wrong
    await scheduler.run()


async def inspectors() -> None:
    async with Inspector("redis://db:6379/0") as inspector:
        assert_type(inspector, Inspector)
        assert_type(await inspector.queues(), list[str])
        assert_type((await inspector.stats("low")).pending, int)
        assert_type(await inspector.task("low", "id"), TaskInfo)
        async for info in inspector.tasks("critical", state="archived"):
            assert_type(info, TaskInfo)
            assert_type(info.payload, bytes)
            assert_type(info.next_process_at, datetime | None)
            assert_type(info.retention, timedelta)
            assert_type(info.headers.get("a"), str | None)
            await inspector.run("critical", info.id)
        assert_type(await inspector.cancel("low", "id"), Cancellation)
        assert_type(await inspector.run_all("low", "archived"), int)
        assert_type(await inspector.history("low"), list[DayStats])
        assert_type(await inspector.memory("low"), int)
        assert_type(await inspector.page("low", state="retry", page=2), list[TaskInfo])
        assert_type(await inspector.groups("low"), list[GroupInfo])
        assert_type((await inspector.servers())[0].workers[0], WorkerInfo)
        assert_type((await inspector.schedules())[0].next_at, datetime | None)
        assert_type((await inspector.events("id"))[0].enqueued_at, datetime)
        assert_type(await inspector.update("low", "id", payload={"a": 1}, process_in=5, move_to="high"), TaskInfo)
        assert_type(await inspector.delete_all("low", "archived", progress=print), int)
        assert_type(await inspector.remove_queue("low", force=True), int)
        assert_type(await inspector.key_slot("low"), int)
        assert_type(await inspector.nodes("low"), list[str])
        await inspector.update("low", "id", paylod=1)  # wrong
        await inspector.update("low", "id", max_retry="3")  # wrong
        await inspector.remove_queue("low", True)  # wrong
        await inspector.cancel("id")  # wrong
        await inspector.task("id")  # wrong
        inspector.tasks("critical")  # wrong
        inspector.tasks("critical", state=5)  # wrong
        await inspector.run_all("low")  # wrong
        await inspector.stats()  # wrong
    Inspector(url="redis://db")  # wrong


def blocking_inspectors() -> None:
    with SyncInspector("redis://db:6379/0") as inspector:
        assert_type(inspector, SyncInspector)
        assert_type(inspector.stats("low"), QueueStats)
        for info in inspector.tasks("critical", state="archived"):
            assert_type(info, TaskInfo)
        assert_type(inspector.update("low", "id", timeout=timedelta(seconds=5)), TaskInfo)
        inspector.update("low", "id", task_id="b")  # wrong


def anything(task: Task[Any]) -> None:
    task.payload = "text"  # wrong
    task.result  # wrong
