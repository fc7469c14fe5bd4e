"""What a server does with the tasks it takes."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from onebeat.broker.maintain import maintain
from onebeat.broker.store import BlockingStore, Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable, Retry, RevokeTask, SkipRetry
from onebeat.inspector.inspector import Inspector
from onebeat.server.context import Context, current
from onebeat.server.mux import Route
from onebeat.server.server import Server
from onebeat.states import TaskState
from onebeat.task import Task
from tests.anywhere import everywhere
from tests.conftest import NOON, Clock
from tests.server.conftest import Bench, until

Ctx = Context[Any]


async def test_runs_coroutines_and_plain_functions(bench: Bench) -> None:
    """A coroutine runs on the loop, a plain function in a thread; both leave nothing behind."""
    threads: dict[str, str] = {}

    @bench.mux.handle("async")
    async def on_loop(ctx: Ctx, task: Task[Any]) -> None:
        threads["async"] = threading.current_thread().name

    @bench.mux.handle("plain")
    def in_thread(ctx: Ctx, task: Task[Any]) -> None:
        threads["plain"] = threading.current_thread().name

    ids = [await bench.enqueue("async"), await bench.enqueue("plain")]
    async with bench.serving():
        await bench.reaches(processed=2, active=0)
    assert "MainThread" == threads["async"]
    assert threads["plain"].startswith("onebeat-task")
    assert [None, None] == [await bench.field(id_, "msg") for id_ in ids]


async def test_a_plain_function_that_runs_out_of_items_has_failed(bench: Bench) -> None:
    """StopIteration, as of a bare `next`: no future takes it, and the attempt would last until its timeout."""

    @bench.mux.handle("plain")
    def in_thread(ctx: Ctx, task: Task[Any]) -> None:
        next(iter(()))

    id_ = await bench.enqueue("plain", max_retry=0)
    async with bench.serving():
        await bench.reaches(archived=1, active=0)
    assert "RuntimeError: it raised StopIteration()" == (await Inspector(bench.store).task("default", id_)).last_error


async def test_the_handler_knows_its_task(bench: Bench) -> None:
    """Context, task and `current()` tell which attempt this is, in coroutines and threads."""
    seen: list[tuple[Any, ...]] = []

    @bench.mux.handle("async")
    async def on_loop(ctx: Ctx, task: Task[Any]) -> None:
        seen.append((ctx.id, ctx.queue, ctx.max_retry, task.payload, dict(task.headers), current() is ctx))

    @bench.mux.handle("plain")
    def in_thread(ctx: Ctx, task: Task[Any]) -> None:
        seen.append((ctx.id, ctx.queue, ctx.max_retry, task.payload, dict(task.headers), current() is ctx))

    for kind in ("async", "plain"):
        await bench.enqueue(kind, b"\x00", task_id=kind, max_retry=3, headers={"trace": "x"})
    async with bench.serving():
        await bench.reaches(processed=2)
    expected = [(kind, "default", 3, b"\x00", {"trace": "x"}, True) for kind in ("async", "plain")]
    assert expected == sorted(seen)


async def test_a_retained_task_keeps_its_result(bench: Bench) -> None:
    """With retention the task ends completed, its result beside it; bytes stay bytes, the rest is JSON."""

    @bench.mux.handle("bytes")
    async def raw(ctx: Ctx, task: Task[Any]) -> bytes:
        return b"\x00\x01"

    @bench.mux.handle("json")
    async def plain(ctx: Ctx, task: Task[Any]) -> dict[str, int]:
        return {"b": 1, "a": 2}

    ids = [await bench.enqueue(kind, retention=60) for kind in ("bytes", "json")]
    async with bench.serving():
        await bench.reaches(completed=2)
    assert [b"\x00\x01", b'{"b":1,"a":2}'] == [await bench.field(id_, "result") for id_ in ids]


async def test_a_failure_is_retried_until_the_archive(bench: Bench) -> None:
    """With max_retry=2 the handler runs three times; the last error is kept."""
    tries: list[int] = []

    async def fails(ctx: Ctx, task: Task[Any]) -> None:
        tries.append(ctx.retried)
        raise ValueError(f"try {ctx.retried}")

    bench.mux.add("fails", Route(fails, True, backoff=lambda failures, error: 0.02))
    task_id = await bench.enqueue("fails", max_retry=2)
    async with bench.serving():
        await bench.reaches(archived=1)
    info = await Inspector(bench.store).task("default", task_id)
    assert [0, 1, 2] == tries
    assert ("ValueError: try 2", 2, TaskState.ARCHIVED) == (info.last_error, info.retried, info.state)
    stats = await bench.stats()
    assert (3, 3) == (stats.processed, stats.failed)


@pytest.mark.parametrize(
    ("error", "state", "counts"),
    [
        (SkipRetry("never"), "archived", (1, 1)),
        (RevokeTask(), None, (1, 0)),
        (Retry(delay=3600), "retry", (1, 1)),
        (Retry(delay=3600, counts=False), "retry", (0, 0)),
        (SystemExit(3), "retry", (1, 1)),
        (asyncio.CancelledError(), "retry", (1, 1)),
    ],
)
async def test_what_a_handler_raises_decides(
    bench: Bench, error: BaseException, state: str | None, counts: tuple[int, int]
) -> None:
    """Skip archives, revoke forgets, retry waits, and neither exits nor self-cancellation stop the server."""

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        raise error

    task_id = await bench.enqueue("t")
    async with bench.serving() as serving:
        await until(lambda: _is_not(bench, task_id, b"active", b"pending"))
        assert not serving.stop_asked.is_set()
    found = await bench.field(task_id, "state")
    assert (found.decode() if found else None) == state
    stats = await bench.stats()
    assert counts == (stats.processed, stats.failed)


async def _is_not(bench: Bench, task_id: str, *states: bytes) -> bool:
    return await bench.field(task_id, "state") not in states


async def test_lists_of_errors_decide_without_retries(bench: Bench) -> None:
    """`retry_on` archives whatever is not in it, `archive_on` what is."""

    async def fails(ctx: Ctx, task: Task[Any]) -> None:
        raise KeyError("x") if task.type == "listed" else ConnectionError("y")

    bench.mux.add("listed", Route(fails, True, retry_on=(ConnectionError,)))
    bench.mux.add("named", Route(fails, True, archive_on=(OSError,)))
    await bench.enqueue("listed")
    await bench.enqueue("named")
    async with bench.serving():
        await bench.reaches(archived=2)


async def test_a_timeout_stops_the_handler_and_retries(bench: Bench) -> None:
    """A coroutine that overstays 0.1 s is cancelled, awaited and retried with asynq's error text."""
    cancelled = asyncio.Event()

    @bench.mux.handle("slow")
    async def slow(ctx: Ctx, task: Task[Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task_id = await bench.enqueue("slow", timeout=0.1)
    async with bench.serving():
        await bench.reaches(retry=1)
    assert cancelled.is_set()
    assert "context deadline exceeded" == (await Inspector(bench.store).task("default", task_id)).last_error


async def test_a_thread_that_overstays_keeps_its_slot(bench: Bench) -> None:
    """It cannot be stopped: the slot stays taken, and the timeout is written when it has really ended."""
    go = threading.Event()

    @bench.mux.handle("slow")
    def slow(ctx: Ctx, task: Task[Any]) -> None:
        go.wait(60)

    await bench.enqueue("slow", timeout=0.05)
    await bench.enqueue("slow")  # however long its thread needs to begin, it ends in time
    async with bench.serving(concurrency=1) as serving:
        await until(lambda: _overstays(serving))
        stats = await bench.stats()
        assert (1, 1, 0) == (stats.active, stats.pending, stats.retry)
        go.set()
        await bench.reaches(retry=1, processed=2, active=0)


async def _overstays(serving: Any) -> bool:
    return any(attempt.stop is not None for attempt in serving.executor.running)


@pytest.mark.parametrize(("max_retry", "level"), [(1, "WARNING"), (0, "ERROR")])
async def test_every_failure_is_logged(
    bench: Bench, max_retry: int, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also a timeout: a retry warns, an archived task is an error, each with what comes next."""

    @bench.mux.handle("slow")
    async def slow(ctx: Ctx, task: Task[Any]) -> None:
        await asyncio.Event().wait()

    task_id = await bench.enqueue("slow", timeout=0.02, max_retry=max_retry)
    async with bench.serving():
        await bench.reaches("default", **{"retry" if max_retry else "archived": 1})
    [record] = [record for record in caplog.records if task_id in record.getMessage()]
    assert level == record.levelname
    assert "failed: context deadline exceeded; it " in record.getMessage()


@pytest.mark.parametrize(("max_retry", "has_trace"), [(1, False), (0, True)])
async def test_what_is_archived_is_logged_with_its_traceback(
    bench: Bench, max_retry: int, has_trace: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A retry is one line; the end of a task says where it went wrong, and which type it is of."""

    @bench.mux.handle("order:ship")
    async def ship(ctx: Ctx, task: Task[Any]) -> None:
        raise ValueError("no such order")

    task_id = await bench.enqueue("order:ship", max_retry=max_retry)
    async with bench.serving():
        await bench.reaches("default", **{"retry" if max_retry else "archived": 1})
    [record] = [record for record in caplog.records if task_id in record.getMessage()]
    assert f"task {task_id} (order:ship) of queue default failed: ValueError" in record.getMessage()
    assert has_trace is bool(record.exc_info)


async def test_success_is_logged_for_those_who_debug(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """And for nobody else: a line for each task would cost more than many a task."""

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None: ...

    caplog.set_level("DEBUG", logger="onebeat.executor")
    task_id = await bench.enqueue("t")
    async with bench.serving():
        await bench.reaches(processed=1, active=0)
    [record] = [record for record in caplog.records if task_id in record.getMessage()]
    assert "DEBUG" == record.levelname
    assert re.search(rf"task {task_id} \(t\) of queue default is done after \d+\.\d+ s", record.getMessage())


async def test_a_deadline_in_the_past_fails_without_a_call(bench: Bench) -> None:
    """The handler is not called for a task whose deadline is over (asynq: processor.go)."""
    from datetime import UTC, datetime

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)

    await bench.enqueue("t", deadline=datetime(2020, 1, 1, tzinfo=UTC))
    async with bench.serving():
        await bench.reaches(retry=1)
    assert [] == bench.ran


async def test_never_takes_more_than_the_free_slots(bench: Bench) -> None:
    """Five tasks, two slots: three stay pending, visible and free for other servers."""
    go = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        await go.wait()

    for _ in range(5):
        await bench.enqueue("t")
    async with bench.serving(concurrency=2):
        await bench.reaches(active=2, pending=3)
        go.set()
        await bench.reaches(processed=5)


async def test_an_idle_server_wakes_for_what_go_writes(bench: Bench) -> None:
    """A task pushed by plain commands, as Go's scripts do, is picked up without polling."""
    from onebeat.wire.message import TaskMessage, encode

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)

    async with bench.serving():
        await bench.enqueue("t")
        await bench.reaches(processed=1)
        message = encode(TaskMessage(type="t", id="go", queue="default", retry=25, timeout=1800))
        await bench.store.command("HSET", "asynq:{default}:t:go", "msg", message, "state", "pending")
        await bench.store.command("LPUSH", "asynq:{default}:pending", "go")
        await bench.reaches(processed=2)
    assert "go" == bench.ran[-1]


async def test_delayed_tasks_run_when_due(bench: Bench) -> None:
    """A task due in 0.2 s runs in its order, and never before its time by the store's clock."""
    starts: dict[str, int] = {}

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        seconds, micros = await bench.store.command("TIME")
        starts[ctx.id] = int(seconds) * 1000 + int(micros) // 1000

    due = {}
    async with bench.serving():
        for number in range(20):
            enqueued = await bench.client.enqueue(Task("t"), process_in=0.01 * number + 0.005)
            due[enqueued.id] = enqueued.due_ms or 0
        await bench.reaches(processed=20)
    assert all(starts[id_] >= when for id_, when in due.items())


async def test_a_paused_queue_is_left_alone(bench: Bench) -> None:
    """Nothing is taken while the queue is paused; resumed, it goes on by itself."""

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None: ...

    await bench.store.command("SET", "asynq:{default}:paused", "1")
    await bench.enqueue("t")
    async with bench.serving() as serving:
        await until(lambda: _is_paused(serving))
        assert 1 == (await bench.stats()).pending
        await bench.store.command("DEL", "asynq:{default}:paused")
        await bench.reaches(processed=1)


async def _is_paused(serving: Any) -> bool:
    return bool(serving.watcher._left_alone)


async def test_strict_priority_is_never_inverted(bench: Bench) -> None:
    """With one slot every task of the heavier queue runs before any of the lighter."""

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.queue)

    for _ in range(10):
        await bench.enqueue("t", queue="low")
        await bench.enqueue("t", queue="high")
    async with bench.serving(concurrency=1, queues={"high": 2, "low": 1}, strict=True):
        await bench.reaches("low", processed=10)
    assert ["high"] * 10 + ["low"] * 10 == bench.ran


async def test_an_unknown_type_waits_without_losing_a_retry(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It goes to retry for a while, `retried` untouched and nothing counted, so that a deploy burns nothing."""
    caplog.set_level(logging.WARNING)
    task_id = await bench.enqueue("unknown", max_retry=0)
    async with bench.serving():
        await bench.reaches(retry=1)
    info = await Inspector(bench.store).task("default", task_id)
    assert (0, 'handler not found for task "unknown"') == (info.retried, info.last_error)
    assert 0 == (await bench.stats()).processed
    assert "no handler for type unknown" in caplog.text


async def test_an_unknown_type_fails_after_ten_minutes(bench: Bench) -> None:
    """Then it is a failure like any other."""
    task_id = await bench.enqueue("unknown", max_retry=0)
    await bench.store.command("HSET", f"asynq:{{default}}:t:{task_id}", "ob_unknown", "1")
    async with bench.serving():
        await bench.reaches(archived=1)


async def test_bytes_that_are_no_task_are_set_aside(bench: Bench) -> None:
    """A damaged message is archived with its bytes untouched and the reason; its neighbours run."""

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None: ...

    await bench.store.command("HSET", "asynq:{default}:t:bad", "msg", b"\xff\xfe", "state", "pending")
    await bench.store.command("LPUSH", "asynq:{default}:pending", "bad")
    await bench.enqueue("t")
    async with bench.serving():
        await bench.reaches(archived=1, pending=0, active=0, processed=2)
    assert b"\xff\xfe" == await bench.field("bad", "msg")
    assert "no TaskMessage" in (await bench.field("bad", "ob_error") or b"").decode()


async def test_an_acknowledgement_is_repeated_until_the_store_answers(bench: Bench) -> None:
    """Connections that break as a task ends cost no second run: the outcome is written once they are back."""

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)
        await everywhere(bench.store, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    await bench.enqueue("t")
    async with bench.serving():
        await bench.reaches(processed=1, active=0)
    assert 1 == len(bench.ran)


async def test_a_lost_lease_stops_the_handler(bench: Bench) -> None:
    """When another server has the task the handler is cancelled, and what it does does not count."""
    stopped = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    task_id = await bench.enqueue("t")
    async with bench.serving(lease=1.2, allow_short_lease=True) as serving:
        await bench.reaches(active=1)
        await bench.store.command("HSET", f"asynq:{{default}}:t:{task_id}", "ob_own", "another")
        async with asyncio.timeout(60):
            await stopped.wait()
        assert 1 == serving.acknowledger.lease_lost
    assert b"another" == await bench.field(task_id, "ob_own")


async def test_leases_are_kept_while_the_loop_is_blocked(store: Store, clock: Clock) -> None:
    """
    A handler that blocks the event loop for three times the lease keeps its task: the keeper has its own thread.

    Somebody else looks after the queue meanwhile, and would recover what lapses. The time is the store's, and the
    handler moves it on, so that a machine that stands still lets no lease lapse.
    """
    timed = replace(store.endpoint, simulated=True)  # the keeper's connection reads `clock`, too
    extended: list[int] = []
    recovered: list[tuple[str, str]] = []
    end = time.monotonic() + 60

    def lease(other: BlockingStore, task_id: str) -> int:
        [found] = other.commands([("HGET", f"asynq:{{default}}:t:{task_id}", "ob_lease")])
        return int(found or 0)

    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)
        with closing(BlockingStore(timed)) as other:
            for second in range(1, 7):
                other.commands([("SET", key, (NOON + second) * 1_000_000) for key in clock.keys])
                while lease(other, ctx.id) < NOON + second + 2:
                    if time.monotonic() > end:
                        return
                    time.sleep(0.005)  # noqa: ASYNC251 - blocking the loop is what is tested
                extended.append(second)
                recovered.extend(other.run(maintain("default", max_crashes=5)).recovered)

    async with await Store.open(timed) as opened, Client(opened) as client:
        bench = Bench(opened, client)
        bench.mux.handle("t")(handler)
        await bench.enqueue("t")
        await store.command("HSET", "onebeat:{default}:beat", "last", NOON * 1000, "hold_until", 0)
        async with bench.serving(lease=2.0, allow_short_lease=True) as serving:
            await bench.reaches(processed=1)
            assert 0 == serving.acknowledger.lease_lost
    assert (1, [1, 2, 3, 4, 5, 6], []) == (len(bench.ran), extended, recovered)


async def test_a_stop_gives_running_tasks_time(bench: Bench) -> None:
    """Handlers that end within the shutdown timeout end as they would have."""
    began = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        began.set()
        await asyncio.sleep(0.05)

    await bench.enqueue("t")
    async with bench.serving():
        await began.wait()
    stats = await bench.stats()
    assert (1, 0) == (stats.processed, stats.active + stats.pending)


async def test_a_stop_puts_unfinished_tasks_back_to_the_front(bench: Bench) -> None:
    """They run next, keep their retries, and count neither as a failure nor as a crash."""
    began = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        began.set()
        await asyncio.Event().wait()

    first = await bench.enqueue("t")
    second = await bench.enqueue("t")
    async with bench.serving(concurrency=1, shutdown_timeout=0.05):
        await began.wait()
    pending = await bench.store.command("LRANGE", "asynq:{default}:pending", 0, -1)
    assert [second.encode(), first.encode()] == pending
    assert (None, 0) == (await bench.field(first, "ob_crash"), (await bench.stats()).processed)


async def test_a_stubborn_handler_is_put_back_and_reported(bench: Bench) -> None:
    """A thread that does not end is put back; the server says so, so that its process can be ended."""
    began, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @bench.mux.handle("t")
    def handler(ctx: Ctx, task: Task[Any]) -> None:
        loop.call_soon_threadsafe(began.set)
        go.wait(60)

    await bench.enqueue("t")
    async with bench.serving(shutdown_timeout=0.05, grace=0.05) as serving:
        await began.wait()
    assert 1 == serving.stubborn
    assert 1 == (await bench.stats()).pending
    go.set()


@pytest.mark.slow
async def test_many_tasks_run_exactly_once_on_several_servers(bench: Bench) -> None:
    """Three servers share 3,000 tasks; each runs once, and nothing is left."""

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)

    await bench.client.enqueue_many(Task("t", n) for n in range(3000))
    async with bench.serving(), bench.serving(), bench.serving():
        await bench.reaches(processed=3000, active=0)
    assert 3000 == len(bench.ran) == len(set(bench.ran))
    assert set() == {key async for key in _task_keys(bench)}


async def _task_keys(bench: Bench) -> Any:
    for key in await everywhere(bench.store, "KEYS", "asynq:{default}:t:*"):
        yield key


async def test_what_an_abandoned_handler_does_later_does_not_count(bench: Bench) -> None:
    """A thread that ends after its task was put back changes nothing any more."""
    began, go, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @bench.mux.handle("t")
    def handler(ctx: Ctx, task: Task[Any]) -> None:
        loop.call_soon_threadsafe(began.set)
        go.wait(60)
        ended.set()

    await bench.enqueue("t")
    async with bench.serving(shutdown_timeout=0.05, grace=0.05) as serving:
        await began.wait()
    work = [task for task in asyncio.all_tasks() if "_work" in repr(task.get_coro())]
    go.set()
    await asyncio.wait(work)
    assert (True, set()) == (ended.is_set(), serving.acknowledger.unanswered)
    assert 1 == (await bench.stats()).pending


async def test_a_server_may_serve_again(bench: Bench) -> None:
    """One `Server` object, served twice: the second time takes tasks like the first."""

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None: ...

    server = Server(bench.store)
    for number in (1, 2):
        await bench.enqueue("t")
        async with server.serving(bench.mux):
            await bench.reaches(processed=number)


@pytest.mark.parametrize("delay", [float("nan"), float("inf"), 1e300, -5, "soon", None])
async def test_a_backoff_that_makes_no_sense_costs_one_retry(bench: Bench, delay: Any) -> None:
    """Whatever it returns the task is retried, and counted once."""

    async def fails(ctx: Ctx, task: Task[Any]) -> None:
        if not ctx.retried:
            raise ValueError
        await asyncio.Event().wait()

    bench.mux.add("t", Route(fails, True, backoff=lambda failures, error: delay))
    task_id = await bench.enqueue("t")
    async with bench.serving(shutdown_timeout=0.05):
        await until(lambda: _failed_once(bench))
    assert 1 == (await Inspector(bench.store).task("default", task_id)).retried


async def _failed_once(bench: Bench) -> bool:
    return (await bench.stats()).failed == 1


async def test_a_blank_type_of_another_program_costs_no_slot(bench: Bench) -> None:
    """A type that we would refuse is run or set aside like any other."""
    from onebeat.wire.message import TaskMessage, encode

    message = encode(TaskMessage(type=" ", id="blank", queue="default", retry=1, timeout=60))
    await bench.store.command("HSET", "asynq:{default}:t:blank", "msg", message, "state", "pending")
    await bench.store.command("LPUSH", "asynq:{default}:pending", "blank")
    bench.mux.add(" x", Route(lambda ctx, task: None, False))

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None: ...

    async with bench.serving(concurrency=1):
        await bench.reaches(retry=1)
        await bench.enqueue("t")
        await bench.reaches(processed=1)


@pytest.mark.slow
async def test_a_stop_at_full_load_leaves_nobody_behind(bench: Bench) -> None:
    """Tasks that were taken but had no turn yet when the server stops go back to the front, not to the stubborn."""

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None: ...

    await bench.client.enqueue_many(Task("t", n) for n in range(5000))
    done, stubborn = 0, 0
    for _ in range(10):
        async with bench.serving(concurrency=10) as serving:
            await until(lambda seen=done: _more_than(bench, seen))  # type: ignore[misc] # the default binds the number
        stubborn += serving.stubborn
        stats = await bench.stats()
        assert (5000, 0) == (stats.processed + stats.pending, stats.active)
        done = stats.processed
    assert 0 == stubborn


async def _more_than(bench: Bench, number: int) -> bool:
    return (await bench.stats()).processed > number


@pytest.mark.slow
async def test_outcomes_that_cannot_be_written_are_named_and_end_the_process_badly(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop while the store is away ends in bounded time, with the ids and outcomes in the log and status 1."""
    run = bench.store.run

    async def away(call: Any) -> Any:
        if call.script == "finish":
            raise BrokerUnavailable("away")
        return await run(call)

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        monkeypatch.setattr(bench.store, "run", away)

    task_id = await bench.enqueue("t")
    async with bench.serving(shutdown_timeout=0.2) as serving:
        await until(lambda: _decided(serving))
    assert 1 == serving.unwritten
    assert f"task {task_id} of queue default: outcome done was not written" in caplog.text
    with pytest.raises(SystemExit) as ended:
        serving.end_badly_if_need_be()
    assert 1 == ended.value.code


@pytest.mark.slow
async def test_a_machine_that_stands_still_as_its_server_stops_costs_no_outcome(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time for writing outcomes is not over because nothing could happen in it."""
    run, began = bench.store.run, asyncio.Event()

    async def stands_still(call: Any) -> Any:
        if call.script == "finish":
            await asyncio.sleep(0.1)  # so that the stop waits for it
            time.sleep(1.2)  # noqa: ASYNC251 - longer than it waits: the machine stands still
        return await run(call)

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        began.set()
        await asyncio.Event().wait()

    await bench.enqueue("t")
    async with bench.serving(shutdown_timeout=0.05) as serving:
        await began.wait()
        monkeypatch.setattr(bench.store, "run", stands_still)
    stats = await bench.stats()
    assert (0, 1, 0) == (serving.unwritten, stats.pending, stats.active)


async def _decided(serving: Any) -> bool:
    return bool(serving.acknowledger.unanswered)


async def test_there_are_as_many_threads_as_slots(bench: Bench) -> None:
    """Twelve plain functions run at the same time in twelve slots, whatever the number of cores (rule 13)."""
    together = threading.Barrier(12, timeout=60)

    @bench.mux.handle("t")
    def handler(ctx: Ctx, task: Task[Any]) -> None:
        together.wait()

    await bench.client.enqueue_many(Task("t") for _ in range(12))
    async with bench.serving(concurrency=12):
        await bench.reaches(processed=12, failed=0)


async def test_fruitless_wakes_are_waited_out(bench: Bench) -> None:
    """After a wake whose fetch found nothing comes a random pause, so that not 50 servers run at once (rule 22)."""
    from onebeat.server.watcher import Watcher

    asked: list[int] = []

    def jitter() -> float:
        asked.append(1)
        return 0.0

    await bench.enqueue("t")
    watcher = Watcher(bench.store, {"default": 1}, jitter=jitter)
    for got, pauses in ((1, 0), (0, 1), (0, 2), (1, 2)):
        watcher.was_empty("default", got=got)
        await watcher.peek()
        assert pauses == len(asked)


async def test_time_is_the_stores(store: Store, clock: Clock) -> None:
    """It is 2030 there, whatever this machine believes: delays, deadlines and leases count from that (rule 16)."""
    async with Client(store) as client:
        enqueued = await client.enqueue(Task("t"), process_in=60)
    assert (NOON + 60) * 1000 == enqueued.due_ms


@pytest.mark.slow
async def test_an_ended_attempt_leaves_no_circle(bench: Bench) -> None:
    """Nothing of it waits for the garbage collector, which would cost a quarter of the throughput."""
    import gc

    from onebeat.server.running import Running

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None: ...

    await bench.client.enqueue_many(Task("t") for _ in range(500))
    gc.collect()
    gc.disable()
    try:
        async with bench.serving(concurrency=8):
            await bench.reaches(processed=500, active=0)
        left = sum(type(one) is Running for one in gc.get_objects())
        assert left <= 50  # of 500: the last few may still be in somebody's hands
    finally:
        gc.enable()
