"""Handlers run by the real parts: middleware, threads, processes, progress, results, cancellation; in order."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from onebeat import (
    Cancellation,
    Context,
    Onebeat,
    ResultNotKept,
    ResultTimeout,
    RevokeTask,
    SkipRetry,
    TaskFailed,
    TaskState,
    current,
)
from onebeat.server.mux import Handler
from onebeat.task import Task
from onebeat.testing import HandlerStuck
from tests.testing import isolated


@pytest.fixture
def app() -> Onebeat[Any]:
    return Onebeat("shop")


async def test_tasks_run_one_after_another_in_their_order(app: Onebeat[Any]) -> None:
    """Async and plain ones, though they wait; so a test is the same each time."""
    told: list[str] = []

    @app.task("a")
    async def a(number: int) -> None:
        told.append(f"a{number} begins")
        for _ in range(5):
            await asyncio.sleep(0)
        told.append(f"a{number} ends")

    @app.task("b")
    def b(number: int) -> None:
        told.append(f"b{number}")

    async with app.testing() as t:
        for number in range(3):
            await a.enqueue(number)
            await b.enqueue(number)
        assert ["a", "b", "a", "b", "a", "b"] == [attempt.type for attempt in (await t.drain()).attempts]
    assert [line for n in range(3) for line in (f"a{n} begins", f"a{n} ends", f"b{n}")] == told


async def test_more_at_a_time_if_wanted(app: Onebeat[Any]) -> None:
    """Handlers that need each other."""
    barrier = asyncio.Barrier(3)

    @app.task("t")
    async def handler(number: int) -> None:
        await barrier.wait()

    async with app.testing(concurrency=3) as t:
        for number in range(3):
            await handler.enqueue(number)
        assert 3 == (await t.drain()).completed


async def test_middleware_and_context_are_the_real_ones(app: Onebeat[Any]) -> None:
    """The application's middleware stands around each attempt, and current() works."""
    told: list[str] = []

    @app.middleware
    async def watch(ctx: Context, task: Task[Any], call_next: Handler) -> object:
        told.append(f"{task.type} of {ctx.queue}")
        return await call_next(ctx, task)

    @app.task("t", queue="low")
    def handler() -> None:
        told.append(current().id)

    async with app.testing() as t:
        await handler.options(task_id="me").enqueue()
        (await t.drain()).raise_errors()
    assert ["t of low", "me"] == told


async def test_what_a_handler_decides_is_told(app: Onebeat[Any]) -> None:
    """Skipped, revoked, completed: each by its name, with what it returned or raised."""

    @app.task("t")
    async def handler(what: str) -> str:
        if what == "skip":
            raise SkipRetry("not for me")
        if what == "revoke":
            raise RevokeTask
        return what

    async with app.testing() as t:
        for what in ("skip", "revoke", "go"):
            await handler.enqueue(what)
        done = await t.drain()
        assert ["archived", "revoked", "completed"] == [attempt.state for attempt in done.attempts]
        assert (1, 1, 1) == (done.archived, done.revoked, done.completed)
        assert ("not for me", "go") == (done.attempts[0].error, done.attempts[2].result)
        assert done.attempts == tuple(t.ran)


async def test_waiting_for_a_result_runs_the_task(app: Onebeat[Any]) -> None:
    """As it would be run by some server; nobody has to drain first."""

    @app.task("t")
    async def handler(number: int) -> int:
        return number + 1

    async with app.testing():
        assert 6 == await (await handler.enqueue(5)).result()
        assert [1, 2] == await asyncio.gather(*[(await handler.enqueue(n)).result(timeout=5) for n in range(2)])


async def test_waiting_for_a_result_lets_its_timeout_pass_and_no_more(app: Onebeat[Any]) -> None:
    """Simulated seconds: what is due within them runs."""

    @app.task("t")
    async def handler() -> str:
        return "done"

    async with app.testing() as t:
        begin = t.now
        soon = await handler.options(process_in=3).enqueue()
        late = await handler.options(process_in=60).enqueue()
        assert "done" == await soon.result(timeout=5)
        assert 3 == (t.now - begin).total_seconds()
        with pytest.raises(ResultTimeout, match="within 5 s"):
            await late.result(timeout=5)
        assert 8 == (t.now - begin).total_seconds()
        assert "done" == await late.result()
        assert 60 == (t.now - begin).total_seconds()


async def test_results_have_their_rules(app: Onebeat[Any]) -> None:
    """Failures and results that are not kept are told as in production."""

    @app.task("t", retention=60)
    async def handler() -> None:
        raise SkipRetry("broken")

    @app.task("none")
    async def none() -> None: ...

    async with app.testing():
        with pytest.raises(TaskFailed, match="broken"):
            await (await handler.enqueue()).result()
        with pytest.raises(ResultNotKept):
            await (await none.enqueue()).result()


@pytest.mark.parametrize("plain", [False, True])
async def test_a_handler_may_wait_for_another_task(app: Onebeat[Any], plain: bool) -> None:
    """Its slot is lent meanwhile, and its lease kept although time passes."""

    @app.task("inner")
    async def inner(number: int) -> int:
        return number * 2

    delayed = inner.options(process_in=100)

    async def outer(number: int) -> int:
        return await (await delayed.enqueue(number)).result() + await (await inner.enqueue(1)).result()

    def outer_plain(number: int) -> int:
        return delayed.enqueue_sync(number).result() + inner.enqueue_sync(1).result()

    declared: Any = app.task("outer")(outer_plain if plain else outer)
    async with app.testing() as t:
        handle = await declared.enqueue(5)
        done = await t.advance(1)
        assert 12 == await handle.result()
        assert ["inner", "inner", "outer"] == [attempt.type for attempt in done.attempts]
        assert 3 == done.completed


async def test_progress_can_be_read(app: Onebeat[Any]) -> None:
    """While the task runs and after it: the last word counts."""
    going, seen = asyncio.Event(), asyncio.Event()

    @app.task("t", retention=60)
    async def handler(ctx: Context) -> None:
        ctx.progress(1, "first", of=4)
        going.set()
        await seen.wait()
        ctx.progress(2, "second", of=4)
        ctx.progress(3, "third", of=4)

    async with app.testing() as t:
        handle = await handler.enqueue()
        draining = asyncio.ensure_future(t.drain())
        await going.wait()
        progress = await handle.progress()
        seen.set()
        await draining
        last = await handle.progress()
    assert progress is not None
    assert (0.25, "first") == (progress.fraction, progress.text)
    assert last is not None
    assert (0.75, "third", t.now) == (last.fraction, last.text, last.at)


async def test_tasks_can_be_cancelled(app: Onebeat[Any]) -> None:
    """One that waits is gone, one that runs is stopped."""
    going = asyncio.Event()

    @app.task("t")
    async def handler() -> None:
        going.set()
        await asyncio.Event().wait()

    async with app.testing() as t:
        waits = await handler.options(process_in=5).enqueue()
        assert Cancellation.DELETED == await waits.cancel()
        runs = await handler.enqueue()
        draining = asyncio.ensure_future(t.drain())
        await going.wait()
        assert Cancellation.STOPPING == await runs.cancel()
        assert 1 == (await draining).cancelled
        assert "cancelled" == t.archived[0].last_error


async def test_a_handler_that_never_ends_is_an_error_that_names_it(app: Onebeat[Any]) -> None:
    """And the kit can be left."""
    stopped: list[bool] = []

    @app.task("stuck", queue="critical")
    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    async with app.testing(guard=0.05) as t:
        await handler.options(task_id="me").enqueue()
        with pytest.raises(HandlerStuck, match=r"stuck \(me, queue critical\).*replace what it waits for"):
            await t.drain()
    assert [True] == stopped


@pytest.mark.slow
async def test_a_plain_handler_that_never_ends_is_one_too(app: Onebeat[Any]) -> None:
    """Its thread cannot be stopped; the kit is left without it."""
    may_end, ended = threading.Event(), threading.Event()

    @app.task("stuck")
    def handler() -> None:
        may_end.wait()
        ended.set()

    try:
        async with app.testing(guard=0.05) as t:
            await handler.enqueue()
            with pytest.raises(HandlerStuck, match="stuck"):
                await t.drain()
    finally:
        may_end.set()
    assert await asyncio.to_thread(ended.wait, 10)


async def test_waiting_for_what_will_never_run_is_an_error(app: Onebeat[Any], caplog: pytest.LogCaptureFixture) -> None:
    """Such as a task in a queue that the application does not serve, of which a warning tells, too."""

    @app.task("t")
    async def handler() -> int:
        return 1

    async with app.testing() as t:
        handle = await handler.options(queue="bulk").enqueue()
        with pytest.raises(HandlerStuck, match=r"queue 'bulk' will not end.*pending.*testing\(queues=…\)"):
            await handle.result()
        assert [TaskState.PENDING] == [info.state for info in t.tasks()]
    assert "does not serve by itself" in caplog.text
    async with app.testing(queues={"bulk": 1}):
        assert 1 == await (await handler.options(queue="bulk").enqueue()).result()


async def test_isolated_handlers_run_here_so_that_what_a_test_replaces_is_replaced() -> None:
    """In a thread, with the test's state."""
    async with isolated.app.testing(state="fake") as t:
        assert f"in fake {os.getpid()}" == await (await isolated.where.enqueue("in")).result()
        await isolated.failing.enqueue()
        assert 2 == (await t.advance(7)).retried


@pytest.mark.slow
async def test_isolated_handlers_run_in_processes_if_wanted() -> None:
    """The real thing, with the real lifespan; its progress and errors come through."""
    async with isolated.app.testing(processes=True, guard=60) as t:
        handle = await isolated.where.enqueue("in")
        place = (await handle.result()).rpartition(" ")
        assert ("in real", True) == (place[0], int(place[2]) != os.getpid())
        progress = await handle.progress()
        assert progress is not None
        assert "half-way" == progress.text
        await isolated.failing.enqueue()
        assert 2 == (await t.advance(7)).retried
        assert "KeyError: 'nothing here'" == t.ran[-1].error


async def test_plain_handlers_run_in_one_thread_that_has_no_loop(app: Onebeat[Any]) -> None:
    """So they may block, and enqueue as they do in production."""
    threads: set[threading.Thread] = set()

    @app.task("t")
    def handler(depth: int) -> None:
        threads.add(threading.current_thread())
        if depth:
            handler.enqueue_sync(depth - 1)

    async with app.testing() as t:
        await handler.enqueue(2)
        (done := await t.drain()).raise_errors()
        assert 3 == done.completed
    assert threading.main_thread() not in threads


async def test_a_type_without_a_handler_waits_as_in_production(app: Onebeat[Any]) -> None:
    """The drained say why."""

    @app.remote("video:encode")
    def encode(url: str) -> None: ...

    async with app.testing() as t:
        await encode.enqueue("u")
        done = await t.drain()
        assert [("retry", 'handler not found for task "video:encode"')] == [
            (attempt.state, attempt.error) for attempt in done.attempts
        ]


@pytest.mark.parametrize("eager", [True, False])
async def test_eager_mode_runs_within_enqueue_and_raises_there(app: Onebeat[Any], eager: bool) -> None:
    """Only for those who ask for it; payloads still go through the store, and what is delayed still waits."""
    ran: list[int] = []

    @app.task("t")
    async def handler(number: int) -> int:
        ran.append(number)
        if number < 0:
            raise ValueError("negative")
        if number:
            await handler.enqueue(number - 1)
        return number

    async with app.testing(eager=eager) as t:
        handle = await handler.enqueue(2)
        await app.enqueue_many(handler.bind(0) for _ in range(3))
        await handler.options(process_in=5).enqueue(9)
        assert ([2, 1, 0, 0, 0, 0] if eager else []) == ran
        assert 2 == await handle.result()
        if eager:
            with pytest.raises(ValueError, match="negative"):
                await handler.enqueue(-1)
            assert [TaskState.RETRY] == [info.state for info in t.tasks(TaskState.RETRY)]


async def test_hooks_of_the_application_are_heard() -> None:
    """Of failures, and of crashes once they are recovered; what is no failure costs no retry."""
    app = Onebeat("shop")
    told: list[tuple[str, str]] = []

    @app.on_error
    async def tell(ctx: Context, task: Task[Any], error: BaseException) -> None:
        told.append((task.type, type(error).__name__))

    @app.is_failure
    def counts(error: BaseException) -> bool:
        return not isinstance(error, ConnectionError)

    @app.task(max_retry=1)
    async def work() -> None: ...

    async with app.testing() as t:
        t.fail(work, ConnectionError)
        handle = await work.enqueue()
        await t.drain()
        assert (0, 1) == ((await handle.info()).retried, (await handle.info()).soft_failures)
        t.crash(work)
        await t.advance(120)
    assert [("work", "ConnectionError"), ("work", "TaskCrashed")] == told


async def test_soft_failures_that_are_too_many_end_in_the_archive() -> None:
    """As in a server; the kit's record says so."""
    app = Onebeat("shop")
    app.is_failure(lambda error: False)

    @app.task()
    async def work() -> None:
        raise ValueError

    async with app.testing(max_soft_failures=1) as t:
        await work.enqueue()
        assert 1 == (await t.drain()).retried
        assert 1 == (await t.advance(3600)).archived
