"""Cancelling tasks that wait and tasks that run (api rule 10; SE-24)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from onebeat.app.handle import Replies
from onebeat.broker import browse
from onebeat.broker.consume import Finished, Outcome, finish, take
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.errors import BrokerUnavailable, TaskNotFound
from onebeat.inspector.inspector import Inspector
from onebeat.server.cancels import CancelEars
from onebeat.server.context import Context
from onebeat.states import Cancellation, TaskState
from onebeat.task import Task
from onebeat.upkeep.service import Crew
from onebeat.wire import keys
from tests.anywhere import everywhere
from tests.broker.test_scripts_consume import put
from tests.conftest import NOON, Clock
from tests.server.conftest import Bench, until

Ctx = Context[Any]


@pytest.mark.parametrize("options", [{}, {"process_in": 60}])
async def test_a_waiting_task_is_deleted(bench: Bench, options: dict[str, Any]) -> None:
    """Pending or delayed: nothing of it is left, its unique lock and exact time included."""
    task_id = await bench.enqueue("t", unique=100, **options)
    assert Cancellation.DELETED is await Inspector(bench.store).cancel("default", task_id)
    left = {key.decode() for key in await everywhere(bench.store, "KEYS", "*") if b":c:" not in key}
    assert {"asynq:queues"} == left


async def test_a_lock_of_another_task_stays(bench: Bench) -> None:
    """Only its own lock is freed: one that expired and was taken again is somebody else's."""
    task_id = await bench.enqueue("t", unique=100)
    [lock] = await everywhere(bench.store, "KEYS", "*unique*")
    await bench.store.command("SET", lock, "another")
    await Inspector(bench.store).cancel("default", task_id)
    assert b"another" == await bench.store.command("GET", lock)


async def test_a_task_waiting_in_a_group_leaves_it(bench: Bench) -> None:
    """A group that is empty then is listed no longer."""
    await bench.store.command("HSET", "asynq:{q}:t:a", "msg", "x", "state", "aggregating", "group", "g")
    await bench.store.command("ZADD", "asynq:{q}:g:g", 1, "a")
    await bench.store.command("SADD", "asynq:{q}:groups", "g")
    assert ["deleted"] == await bench.store.run(browse.cancel("q", ["a"]))
    assert [] == await everywhere(bench.store, "KEYS", "*{q}*")


async def test_a_task_that_ended_is_left_alone_and_one_that_is_gone_is_refused(bench: Bench) -> None:
    """Archived and completed tasks stay as they are; of what is not there the error says so."""
    await bench.store.command("HSET", "asynq:{default}:t:a", "msg", "x", "state", "archived")
    assert Cancellation.ENDED is await Inspector(bench.store).cancel("default", "a")
    with pytest.raises(TaskNotFound, match="'nope' is not in queue 'default'"):
        await Inspector(bench.store).cancel("default", "nope")


async def held(bench: Bench, **settings: Any) -> asyncio.Event:
    """Handle "t" by a coroutine that waits for ever; the event says that one began."""
    began = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)
        began.set()
        await asyncio.Event().wait()

    return began


@pytest.mark.slow
async def test_a_running_task_is_stopped_and_archived(bench: Bench) -> None:
    """Its coroutine is cancelled, it ends as "cancelled" with its retries left, and its lock is free again."""
    began = await held(bench)
    task_id = await bench.enqueue("t", unique=100)
    async with bench.serving():
        await began.wait()
        assert Cancellation.STOPPING is await Inspector(bench.store).cancel("default", task_id)
        await bench.reaches(archived=1, active=0)
    info = await Inspector(bench.store).task("default", task_id)
    assert ("cancelled", 0, 25) == (info.last_error, info.retried, info.max_retry)
    assert [] == await everywhere(bench.store, "KEYS", "*unique*")
    assert None is await bench.field(task_id, "ob_cancel")


async def test_a_cancel_whose_word_was_lost_comes_with_the_lease(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no subscription at all the mark stops the handler at the next extension of its lease."""

    async def deaf(self: CancelEars) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(CancelEars, "run", deaf)
    began = await held(bench)
    task_id = await bench.enqueue("t")
    async with bench.serving(lease=1.2, allow_short_lease=True):
        await began.wait()
        await Inspector(bench.store).cancel("default", task_id)
        await bench.reaches(archived=1, active=0)


class Stuttering:
    """A store that is away the first time that somebody listens."""

    def __init__(self) -> None:
        self.asked = 0

    async def listen(self, *channels: str) -> AsyncIterator[tuple[str, bytes]]:
        self.asked += 1
        if self.asked == 1:
            raise BrokerUnavailable("gone")
        yield "", b""
        await asyncio.Event().wait()


async def test_who_listens_says_that_it_works_again(caplog: pytest.LogCaptureFixture) -> None:
    """A warning that nothing takes back would be looked into for nothing."""
    caplog.set_level(logging.INFO)
    store: Any = Stuttering()
    ears = CancelEars(store, cast("Any", None))
    crew = Crew()
    crew.start(ears, ears.trouble)
    await ears.listening.wait()
    store.asked = 0
    replies = Replies(store)
    await replies.start()
    await replies.stop()
    await crew.stop()
    assert [
        "cancel listener: gone; trying again",
        "cancel listener works again after a failure",
        "reply listener: gone; trying again",
        "reply listener works again after a failure",
    ] == [record.getMessage() for record in caplog.records]


async def test_asynqs_word_cancels_too(bench: Bench) -> None:
    """A bare id on asynq:cancel, as Go's tools publish it, stops the task; it is not retried."""
    began = await held(bench)
    task_id = await bench.enqueue("t")
    async with bench.serving():
        await began.wait()

        async def said() -> bool:
            return bool(await bench.store.command("PUBLISH", keys.CANCEL_CHANNEL, task_id))

        await until(said)
        await bench.reaches(archived=1, active=0, retry=0)


async def test_the_same_id_in_another_queue_runs_on(bench: Bench) -> None:
    """Ids are unique per queue only: our cancel names the queue."""
    await held(bench)
    for queue in ("one", "two"):
        await bench.enqueue("t", queue=queue, task_id="same")
    async with bench.serving(queues={"one": 1, "two": 1}, shutdown_timeout=0.05):
        await bench.reaches("one", active=1)
        await bench.reaches("two", active=1)
        await Inspector(bench.store).cancel("one", "same")
        await bench.reaches("one", archived=1)
        assert 1 == (await bench.stats("two")).active
    assert b"pending" == await bench.field("same", "state", "two")


@pytest.mark.slow
async def test_a_thread_that_returns_after_all_has_ended(bench: Bench) -> None:
    """A plain function cannot be stopped: it is told by `ctx.stopping`, and what it returns counts."""
    began, told = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @bench.mux.handle("t")
    def handler(ctx: Ctx, task: Task[Any]) -> str:
        loop.call_soon_threadsafe(began.set)
        while not ctx.stopping:
            told.wait(0.005)
        return "cleaned up"

    task_id = await bench.enqueue("t", retention=60)
    async with bench.serving():
        await began.wait()
        await Inspector(bench.store).cancel("default", task_id)
        await bench.reaches(completed=1)


async def test_a_failure_of_a_cancelled_task_is_not_retried(store: Store, clock: Clock) -> None:
    """Whoever gives the task back, to retry or to the queue, finds it archived instead."""
    for outcome, task_id in ((Outcome.RETRY, "a"), (Outcome.PENDING, "b")):
        await put(store, task_id)
        await store.run(take("q", server=f"s{task_id}", sequence=1, limit=1, lease_ms=30_000))
        assert ["stopping"] == await store.run(browse.cancel("q", [task_id]))
        end = Finished(task_id, f"s{task_id}:1", outcome, head=b"\x0a\x01t", tail=b"", number=1000, blob="failure")
        assert ["cancelled"] == await store.run(finish("q", [end]))
        assert ["cancelled"] == await store.run(finish("q", [end]))  # its answer was lost
        info = await Inspector(store).task("q", task_id)
        assert (TaskState.ARCHIVED, "cancelled") == (info.state, info.last_error)


async def test_a_cancelled_task_of_a_dead_server_is_not_run_again(store: Store, clock: Clock) -> None:
    """Recovery finds the mark and archives the task."""
    await put(store, "a")
    await store.run(maintain("q", max_crashes=5))
    await store.run(take("q", server="s", sequence=1, limit=1, lease_ms=30_000))
    await store.run(browse.cancel("q", ["a"]))
    for second in (4, 8, 12, 16, 20, 24, 28, 32):
        await clock.set(NOON + second)
        await store.run(maintain("q", max_crashes=5))
    info = await Inspector(store).task("q", "a")
    assert (TaskState.ARCHIVED, "cancelled", 0) == (info.state, info.last_error, info.crashes)


@pytest.mark.slow
async def test_a_cancelled_task_runs_again_when_told_to(bench: Bench) -> None:
    """`run` takes the mark away, so that the next attempt is an ordinary one."""
    began = await held(bench)
    task_id = await bench.enqueue("t")
    async with bench.serving(shutdown_timeout=0.05):
        await began.wait()
        await Inspector(bench.store).cancel("default", task_id)
        await bench.reaches(archived=1)
        await Inspector(bench.store).run("default", task_id)
        await until(
            lambda: asyncio.sleep(0, [task_id, task_id] == bench.ran)
        )  # it is active before its handler has begun
        await bench.reaches(active=1)
    assert b"pending" == await bench.field(task_id, "state")


async def test_the_mark_is_left_for_go(store: Store, clock: Clock) -> None:
    """A task that Go runs is cancelled on asynq's channel, one of ours on our own."""
    await put(store, "a", "b")
    await store.run(take("q", server="s", sequence=1, limit=2, lease_ms=30_000))
    await store.command("ZADD", "asynq:{q}:lease", NOON + 99, "b")  # as Go's dequeue writes it
    heard: list[tuple[str, bytes]] = []
    listening = store.listen(keys.CANCEL_CHANNEL, keys.OWN_CANCEL_CHANNEL)
    assert ("", b"") == await anext(listening)
    await store.run(browse.cancel("q", ["a", "b"]))
    heard = [await anext(listening) for _ in range(2)]
    assert [(keys.OWN_CANCEL_CHANNEL, b"q\x00a"), (keys.CANCEL_CHANNEL, b"b")] == heard
    await listening.aclose()  # type: ignore[attr-defined] # it is an async generator
