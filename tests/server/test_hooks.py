"""What a user hangs into a server: told in time, believed, and never able to harm a task."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker.consume import take
from onebeat.errors import (
    BrokerError,
    ConfigurationError,
    HandlerNotFound,
    Retry,
    RevokeTask,
    SkipRetry,
    TaskCrashed,
    TaskNotFound,
)
from onebeat.inspector.inspector import Inspector
from onebeat.server.context import Context
from onebeat.server.health import Health
from onebeat.server.hooks import Hooks
from onebeat.server.mux import Handler
from onebeat.server.server import Server
from onebeat.server.serving import Serving
from onebeat.task import Task
from tests.anywhere import everywhere
from tests.server.conftest import Bench, until

Ctx = Context[Any]
Told = list[tuple[str, str, BaseException]]


@asynccontextmanager
async def serving(bench: Bench, **given: Any) -> AsyncIterator[Serving]:
    """Serve with hooks, which are arguments of `Server` beside its settings."""
    async with Server(bench.store, shutdown_timeout=2.0, **given).serving(bench.mux) as running:
        yield running


def teller(told: Told) -> Callable[[Ctx, Task[Any], BaseException], Any]:
    async def tell(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        told.append((ctx.id, task.type, error))

    return tell


def failing(bench: Bench, error: BaseException) -> None:
    @bench.mux.handle("fails")
    async def fails(ctx: Ctx, task: Task[Any]) -> None:
        raise error


# The error handler ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("boom"), SkipRetry("never"), RevokeTask(), Retry("later"), SystemExit(1)])
async def test_the_error_handler_is_told_of_every_error(bench: Bench, error: BaseException) -> None:
    """Also of control flow, as in asynq; with the very error."""
    told: Told = []
    failing(bench, error)
    await bench.enqueue("fails", task_id="a")
    async with serving(bench, on_error=teller(told)):
        await bench.reaches(active=0, pending=0)
    assert [("a", "fails", error)] == told


@pytest.mark.parametrize("max_retry", [0, 3])
async def test_the_error_handler_is_told_before_anything_is_written(bench: Bench, max_retry: int) -> None:
    """Its task is active still, whether it will be retried or archived."""
    states: list[bytes | None] = []

    async def look(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        states.append(await bench.field(ctx.id, "state"))

    failing(bench, ValueError())
    await bench.enqueue("fails", max_retry=max_retry)
    async with serving(bench, on_error=look):
        await bench.reaches(active=0, pending=0)
    assert [b"active"] == states


async def test_a_plain_error_handler_runs_in_a_thread_of_its_own(bench: Bench) -> None:
    """So that it may block; the context variables of the task are there."""
    seen: list[tuple[str, str]] = []
    tenant: ContextVar[str] = ContextVar("tenant", default="nobody")

    @bench.mux.handle("fails")
    async def fails(ctx: Ctx, task: Task[Any]) -> None:
        tenant.set("acme")
        raise ValueError

    def tell(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        seen.append((threading.current_thread().name, tenant.get()))

    await bench.enqueue("fails")
    async with serving(bench, on_error=tell):
        await bench.reaches(retry=1)
    assert [("onebeat-hook", "acme")] == seen


async def test_the_error_handler_is_told_of_timeouts(bench: Bench) -> None:
    """By a `TimeoutError` of asynq's text; also when there was no time left at the start."""
    told: Told = []

    @bench.mux.handle("slow")
    async def slow(ctx: Ctx, task: Task[Any]) -> None:
        await asyncio.Event().wait()

    await bench.enqueue("slow", task_id="slow", timeout=0.05, max_retry=0)
    await bench.enqueue("slow", task_id="late", deadline=datetime.now(UTC) - timedelta(seconds=5), max_retry=0)
    async with serving(bench, on_error=teller(told)):
        await bench.reaches(archived=2)
    assert {"slow", "late"} == {task_id for task_id, _, _ in told}
    assert all(isinstance(error, TimeoutError) for _, _, error in told)
    assert {"context deadline exceeded"} == {str(error) for _, _, error in told}


@pytest.mark.slow
async def test_the_error_handler_is_told_of_cancelled_tasks(bench: Bench) -> None:
    """They end in the archive."""
    told: Told = []
    begun = asyncio.Event()

    @bench.mux.handle("slow")
    async def slow(ctx: Ctx, task: Task[Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    task_id = await bench.enqueue("slow")
    async with serving(bench, on_error=teller(told)):
        await begun.wait()
        await Inspector(bench.store).cancel("default", task_id)
        await bench.reaches(archived=1)
    assert [(task_id, "slow", "cancelled")] == [(id_, kind, str(error)) for id_, kind, error in told]


async def test_the_error_handler_is_told_of_types_that_nobody_knew_for_long(bench: Bench) -> None:
    """Not while they wait for a server that has a handler."""
    told: Told = []
    old = await bench.enqueue("unknown", max_retry=0)
    await bench.enqueue("unknown", max_retry=0)
    await bench.store.command("HSET", f"asynq:{{default}}:t:{old}", "ob_unknown", "1")
    async with serving(bench, on_error=teller(told)):
        await bench.reaches(archived=1, retry=1)
    assert [(old, HandlerNotFound)] == [(task_id, type(error)) for task_id, _, error in told]


async def crashed(bench: Bench, task_id: str, crashes: int) -> None:
    """Have a server take a task and die, as often as that had happened before and once more."""
    await bench.enqueue("dies", {"n": 1}, task_id=task_id, headers={"trace": "x"})
    key = f"asynq:{{default}}:t:{task_id}"
    await bench.store.run(take("default", server=f"dead-{task_id}", sequence=1, limit=1, lease_ms=1000))
    await bench.store.command("HSET", key, "ob_crash", crashes, "ob_lease", 1)
    await bench.store.command("ZADD", "asynq:{default}:lease", 1, task_id)


@pytest.mark.slow
@pytest.mark.parametrize(("crashes", "words"), [(0, "runs next"), (1, "retried after a while"), (4, "archived")])
async def test_the_error_handler_is_told_of_crashes(bench: Bench, crashes: int, words: str) -> None:
    """By whoever recovers the task, whatever becomes of it: asynq tells nobody (SE-25)."""
    told: list[tuple[bytes, str, BaseException]] = []
    done = asyncio.Event()

    async def tell(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        told.append((task.payload, ctx.headers["trace"], error))
        done.set()

    @bench.mux.handle("dies")
    async def survives(ctx: Ctx, task: Task[Any]) -> None:
        await done.wait()

    await crashed(bench, "a", crashes)
    async with serving(bench, on_error=tell):
        async with asyncio.timeout(60):
            await done.wait()
    [(payload, trace, error)] = told
    assert (b'{"n":1}', "x") == (payload, trace)
    assert isinstance(error, TaskCrashed)
    assert words in str(error)


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_an_error_handler_that_raises_harms_nothing(
    bench: Bench, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What it raises is logged; its task is retried as if there were none."""
    failing(bench, ValueError("boom"))

    async def raises(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        raise SystemExit(3)

    def raises_plainly(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        raise StopIteration

    await bench.enqueue("fails", task_id="a")
    async with serving(bench, on_error=raises if kind == "async" else raises_plainly):
        await bench.reaches(retry=1)
    assert "on_error, called for task a of queue default, raised" in caplog.text
    assert "ValueError: boom" == (await Inspector(bench.store).task("default", "a")).last_error


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_an_error_handler_that_hangs_is_left_behind(
    bench: Bench, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After `hook_timeout` the outcome is written without it, and the slot is free."""
    failing(bench, ValueError())
    over = threading.Event()

    async def hangs(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        await asyncio.Event().wait()

    def hangs_plainly(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        over.wait()

    await bench.enqueue("fails", task_id="a")
    async with serving(bench, concurrency=1, hook_timeout=0.05, on_error=hangs if kind == "async" else hangs_plainly):
        await bench.reaches(retry=1)
    over.set()
    assert "on_error, called for task a of queue default, does not end within 0.05 s" in caplog.text


async def test_a_stop_does_not_wait_for_an_error_handler(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It is cut short, and the outcome that was decided is written."""
    begun = asyncio.Event()

    async def hangs(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        begun.set()
        await asyncio.Event().wait()

    failing(bench, ValueError())
    await bench.enqueue("fails", task_id="a")
    async with Server(bench.store, shutdown_timeout=0.05, hook_timeout=60, on_error=hangs).serving(bench.mux):
        await begun.wait()
    assert "on_error, called for task a of queue default, was cut short" in caplog.text
    await bench.reaches(retry=1)


# The failure predicate ------------------------------------------------------------------------------------------


class Busy(Exception):  # noqa: N818 - no failure
    """Stands for what is no fault of the task."""


def not_busy(error: BaseException) -> bool:
    return not isinstance(error, Busy)


async def test_an_error_that_is_no_failure_costs_no_retry(bench: Bench) -> None:
    """It is in no statistics, but counted apart, and its text is kept (SE-26)."""
    failing(bench, Busy("not now"))
    await bench.enqueue("fails", task_id="a", max_retry=1)
    async with serving(bench, is_failure=not_busy, retry_delay=lambda n, error: 0.01):

        async def thrice() -> bool:
            return int(await bench.field("a", "ob_soft") or 0) >= 3

        await until(thrice)
    info = await Inspector(bench.store).task("default", "a")
    assert (0, "Busy: not now") == (info.retried, info.last_error)
    assert (0, 0) == ((await bench.stats()).processed, (await bench.stats()).failed)


async def test_no_retry_left_comes_before_the_failure_predicate(bench: Bench) -> None:
    """As in asynq: a soft error on the last allowed attempt archives."""
    failing(bench, Busy())
    await bench.enqueue("fails", max_retry=0)
    async with serving(bench, is_failure=not_busy):
        await bench.reaches(archived=1)


async def test_soft_failures_end_in_the_archive_at_last(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A task that fails softly for ever would loop unseen (SE-26)."""
    failing(bench, Busy("not now"))
    await bench.enqueue("fails", task_id="a", unique=60)
    given: dict[str, Any] = {"is_failure": not_busy, "retry_delay": lambda n, error: 0.01}
    async with serving(bench, max_soft_failures=2, release_unique_on_archive=True, **given):
        await bench.reaches(archived=1)
    info = await Inspector(bench.store).task("default", "a")
    assert ("Busy: not now", 0, 3) == (info.last_error, info.retried, info.soft_failures)
    assert (1, 1) == ((await bench.stats()).processed, (await bench.stats()).failed)
    assert "failed softly more than 2 times: it is archived" in caplog.text
    await bench.enqueue("fails", unique=60)


async def test_a_run_from_the_archive_counts_soft_failures_anew(bench: Bench) -> None:
    """A new life."""
    failing(bench, Retry(delay=3600, counts=False))
    await bench.enqueue("fails", task_id="a")
    await bench.store.command("HSET", "asynq:{default}:t:a", "ob_soft", "2")
    async with serving(bench, max_soft_failures=2):
        await bench.reaches(archived=1)
        await Inspector(bench.store).run("default", "a")
        await bench.reaches(retry=1)
    assert b"1" == await bench.field("a", "ob_soft")


async def test_a_failure_predicate_that_raises_counts_the_error(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """And is logged."""
    failing(bench, ValueError())
    await bench.enqueue("fails", task_id="a")
    async with serving(bench, is_failure=lambda error: 1 / 0 > 0):
        await bench.reaches(retry=1)
    assert 1 == (await Inspector(bench.store).task("default", "a")).retried
    assert "is_failure raised when asked about ValueError()" in caplog.text


# The retry delay ------------------------------------------------------------------------------------------------


async def test_a_retry_delay_may_ask_for_the_task(bench: Bench) -> None:
    """As asynq's gets it: failures so far, error, task."""
    seen: list[tuple[int, str, bytes]] = []

    def delay(retried: int, error: BaseException, task: Task[Any]) -> float:
        seen.append((retried, str(error), task.payload))
        return 3600

    failing(bench, ValueError("boom"))
    await bench.enqueue("fails", b"x")
    async with serving(bench, retry_delay=delay):
        await bench.reaches(retry=1)
    assert [(0, "boom", b"x")] == seen


# The base context -----------------------------------------------------------------------------------------------

TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")


@contextmanager
def tenant(ctx: Ctx) -> Iterator[None]:
    token = TENANT.set(ctx.headers.get("tenant", "unknown"))
    try:
        yield
    finally:
        TENANT.reset(token)


@asynccontextmanager
async def tenant_async(ctx: Ctx) -> AsyncIterator[None]:
    with tenant(ctx):
        yield


@pytest.mark.parametrize("base", [tenant, tenant_async])
async def test_handlers_run_in_the_base_context(bench: Bench, base: Any) -> None:
    """Coroutines, threads, middleware and the error handler, each task in its own."""
    seen: dict[str, str] = {}

    @bench.mux.handle("async")
    async def on_loop(ctx: Ctx, task: Task[Any]) -> None:
        await asyncio.sleep(0)
        seen[ctx.id] = TENANT.get()
        raise ValueError

    @bench.mux.handle("plain")
    def in_thread(ctx: Ctx, task: Task[Any]) -> None:
        seen[ctx.id] = TENANT.get()

    @bench.mux.use
    async def layer(ctx: Ctx, task: Task[Any], call_next: Handler) -> object:
        seen[f"around {ctx.id}"] = TENANT.get()
        return await call_next(ctx, task)

    async def tell(ctx: Ctx, task: Task[Any], error: BaseException) -> None:
        seen[f"error of {ctx.id}"] = TENANT.get()

    for kind in ("async", "plain"):
        await bench.enqueue(kind, task_id=kind, headers={"tenant": f"of {kind}"})
    async with serving(bench, base_context=base, on_error=tell):
        await bench.reaches(retry=1, processed=2)
    expected = {"async": "of async", "around async": "of async", "error of async": "of async"}
    assert {**expected, "plain": "of plain", "around plain": "of plain"} == seen
    assert "nobody" == TENANT.get()


async def test_a_base_context_that_cannot_be_entered_fails_the_attempt(bench: Bench) -> None:
    """As an error of the handler, which is not called without what it needs."""

    @contextmanager
    def broken(ctx: Ctx) -> Iterator[None]:
        raise ConnectionError("no database")
        yield

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)

    task_id = await bench.enqueue("t")
    async with serving(bench, base_context=broken):
        await bench.reaches(retry=1)
    assert [] == bench.ran
    assert "ConnectionError: no database" == (await Inspector(bench.store).task("default", task_id)).last_error


async def test_a_base_context_that_cannot_be_left_harms_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The task is done."""

    @contextmanager
    def broken(ctx: Ctx) -> Iterator[None]:
        yield
        raise ConnectionError("no database")

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None: ...

    await bench.enqueue("t")
    async with serving(bench, base_context=broken):
        await bench.reaches(processed=1, failed=0)
    assert "base_context, called for task" in caplog.text


# Health and log -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "cancelled", "plain"])
async def test_the_health_check_is_told_how_the_store_fares(url: str, bench: Bench, kind: str) -> None:
    """None while all is well, the error when it is not; one that raises is asked again."""
    told: asyncio.Queue[BrokerError | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def check(error: BrokerError | None) -> None:
        told.put_nowait(error)
        raise ValueError if kind == "async" else asyncio.CancelledError

    def check_plainly(error: BrokerError | None) -> None:
        loop.call_soon_threadsafe(told.put_nowait, error)

    hook: Any = check_plainly if kind == "plain" else check
    async with asyncio.timeout(60), serving(bench, health_check=hook, health_interval=0.02):
        assert await told.get() is None
        async with bench.knife() as knife:
            await everywhere(knife, "ACL", "SETUSER", "default", "-ping")
            try:
                while (error := await told.get()) is None:
                    pass
            finally:
                await everywhere(knife, "ACL", "SETUSER", "default", "+@all")
        assert "refuses for now" in str(error)
        while await told.get() is not None:
            pass


async def test_the_log_level_is_set_while_the_server_runs(bench: Bench) -> None:
    """Of Onebeat's loggers alone; who handles what they say is the user's business."""
    loggers = logging.getLogger("onebeat")
    before = loggers.level
    async with bench.serving(log_level="debug"):
        assert logging.DEBUG == loggers.level
    async with bench.serving(log_level=logging.ERROR):
        assert logging.ERROR == loggers.level
    assert before == loggers.level


# What a handler knows and writes --------------------------------------------------------------------------------


async def test_the_handler_knows_its_effective_deadline(bench: Bench) -> None:
    """The sooner of timeout and deadline, by the store's clock; in threads as well."""
    found: dict[str, float] = {}

    @bench.mux.handle("async")
    async def on_loop(ctx: Ctx, task: Task[Any]) -> None:
        assert ctx.deadline is not None
        found[ctx.id] = ctx.deadline.timestamp()

    @bench.mux.handle("plain")
    def in_thread(ctx: Ctx, task: Task[Any]) -> None:
        assert ctx.deadline is not None
        found[ctx.id] = ctx.deadline.timestamp()

    seconds, micros = await bench.store.command("TIME")
    now = int(seconds) + int(micros) / 1_000_000
    far = datetime.fromtimestamp(int(now) + 500, UTC)
    await bench.enqueue("async", task_id="timeout", timeout=100, deadline=far)
    await bench.enqueue("plain", task_id="deadline", timeout=1000, deadline=far)
    async with bench.serving():
        await bench.reaches(processed=2)
    assert now + 100 <= found["timeout"] <= now + 130
    assert far.timestamp() == pytest.approx(found["deadline"], abs=0.001)


async def test_a_handler_writes_its_result_before_it_ends(bench: Bench) -> None:
    """It is there at once, each replaces the former, and what is returned replaces the last (asynq: ResultWriter)."""
    seen: list[bytes | None] = []

    @bench.mux.handle("async")
    async def on_loop(ctx: Ctx, task: Task[Any]) -> bytes | None:
        await ctx.write_result(b"half")
        seen.append(await bench.field(ctx.id, "result"))
        await ctx.write_result(b"written")
        return task.payload or None

    @bench.mux.handle("plain")
    def in_thread(ctx: Ctx, task: Task[Any]) -> None:
        ctx.write_result_sync(b"by a thread")

    ids = [
        await bench.enqueue("async", retention=60),
        await bench.enqueue("async", b"returned", retention=60),
        await bench.enqueue("plain", retention=60),
    ]
    async with bench.serving():
        await bench.reaches(completed=3)
    assert [b"half", b"half"] == seen
    assert [b"written", b"returned", b"by a thread"] == [await bench.field(id_, "result") for id_ in ids]


async def test_a_result_of_a_task_that_is_gone_is_not_written(bench: Bench) -> None:
    """asynq leaves a record without a message then (SE-14)."""
    raised: list[BaseException] = []

    @bench.mux.handle("t")
    async def late(ctx: Ctx, task: Task[Any]) -> None:
        await bench.store.command("DEL", f"asynq:{{default}}:t:{ctx.id}")
        try:
            await ctx.write_result(b"late")
        except TaskNotFound as error:
            raised.append(error)

    task_id = await bench.enqueue("t")
    async with bench.serving():
        await until(lambda: _true_when(raised))
    assert "is not this attempt's any more" in str(raised[0])
    assert None is await bench.field(task_id, "result")


async def _true_when(found: list[Any]) -> bool:
    return bool(found)


# Registration ---------------------------------------------------------------------------------------------------


async def _async(*_: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("hook", "value", "words"),
    [
        ("on_error", 5, "setting on_error is 5: give a function of three"),
        ("on_error", lambda error: None, "give a function of three"),
        ("is_failure", _async, "which is async: give a function of the error, without async"),
        ("is_failure", lambda: True, "give a function of the error"),
        ("retry_delay", 5, "setting retry_delay is 5: give a function of the failures so far and the error"),
        ("retry_delay", _async, "which is async"),
        ("base_context", lambda: None, "a context manager"),
        ("base_context", _async, "which is async"),
        ("health_check", "x", "give a function of the error, None when all is well"),
    ],
)
def test_what_cannot_be_a_hook_is_refused(hook: str, value: Any, words: str) -> None:
    """Where it is given, in both forms."""
    with pytest.raises(ConfigurationError, match=words):
        Server(**{hook: value})
    with pytest.raises(ConfigurationError, match=words):
        getattr(Onebeat("shop"), hook)(value)


def test_a_hook_is_given_once() -> None:
    """A second would silence the first."""
    app = Onebeat("shop")
    app.is_failure(not_busy)
    with pytest.raises(ConfigurationError, match=r"hook is_failure is .*not_busy.* already"):
        app.is_failure(not_busy)


async def test_hooks_of_an_application(url: str) -> None:
    """Its servers have them, its handler for unknown types among them."""
    app = Onebeat("shop", url=url)
    told: Told = []
    app.on_error(teller(told))
    app.is_failure(not_busy)
    app.base_context(tenant)
    seen: list[str] = []

    @app.task()
    async def work() -> None:
        seen.append(TENANT.get())
        raise Busy

    @app.not_found
    async def missing(ctx: Context, task: Task[Any]) -> None:
        seen.append(f"no {task.type}")

    @app.middleware
    async def layer(ctx: Ctx, task: Task[Any], call_next: Handler) -> object:
        seen.append("around")
        return await call_next(ctx, task)

    async with app:
        handle = await work.options(headers={"tenant": "acme"}).enqueue()
        await (await app.client()).enqueue(Task("strange"))
        async with app.serving(concurrency=1):

            async def is_over() -> bool:
                return (await handle.info()).state == "retry" and "no strange" in seen

            await until(is_over)
        assert 0 == (await handle.info()).retried
    assert ["around", "acme", "around", "no strange"] == seen
    assert [Busy] == [type(error) for _, _, error in told]
    app.close()


async def test_a_not_found_handler_may_leave_the_task_to_others(bench: Bench) -> None:
    """By the error that stands for the lack of one: no retry is spent."""

    @bench.mux.not_found
    async def missing(ctx: Ctx, task: Task[Any]) -> None:
        raise HandlerNotFound(f"nothing for {task.type}")

    task_id = await bench.enqueue("strange", max_retry=0)
    async with bench.serving():
        await bench.reaches(retry=1)
    info = await Inspector(bench.store).task("default", task_id)
    assert (0, 'handler not found for task "strange"') == (info.retried, info.last_error)
    assert await bench.field(task_id, "ob_unknown")


def test_no_hook_is_the_default() -> None:
    """So that nothing is done for a task where there is none."""
    hooks = Hooks()
    assert (None, None, None, None) == (hooks.is_failure, hooks.on_error, hooks.base_context, hooks.health_check)


# Beginning and ending, as asynq does --------------------------------------------------------------------------------


async def test_a_serving_begins_once(bench: Bench) -> None:
    """asynq: starting twice is an error; another one of the same server is another server."""
    server = Server(bench.store)
    serving_ = server.serving(bench.mux)
    async with serving_:
        with pytest.raises(ConfigurationError, match="has begun already"):
            await serving_.__aenter__()
        async with server.serving(bench.mux) as other:
            assert serving_.id != other.id


async def test_a_server_may_be_told_to_take_nothing_before_it_begins(bench: Bench) -> None:
    """As by a signal that comes early; what waits stays."""
    await bench.enqueue("t")
    serving_ = Server(bench.store).serving(bench.mux)
    serving_.takes_no_more()
    async with serving_:
        assert Health.STOPPING is serving_.health
    assert 1 == (await bench.stats()).pending


@pytest.mark.slow
async def test_sigtstp_ends_the_taking(bench: Bench) -> None:
    """What runs goes on, what waits stays, asynq's tools see "stopped"; SIGTERM may follow."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    @bench.mux.handle("t")
    async def work(ctx: Ctx, task: Task[Any]) -> None:
        begun.set()
        await may_end.wait()
        bench.ran.append(ctx.id)

    await bench.enqueue("t", task_id="runs")
    running = asyncio.create_task(Server(bench.store).run(bench.mux))
    await begun.wait()
    signal.raise_signal(signal.SIGTSTP)
    await asyncio.sleep(0)
    await bench.enqueue("t", task_id="waits")

    async def is_shown() -> bool:
        listed = await bench.store.command("ZRANGE", "asynq:servers", 0, -1)  # none before its first sign of life
        return bool(listed) and b"stopped" in await bench.store.command("GET", listed[0])

    await until(is_shown)
    may_end.set()
    await bench.reaches(processed=1, pending=1)
    signal.raise_signal(signal.SIGTERM)
    await running
    assert ["runs"] == bench.ran
