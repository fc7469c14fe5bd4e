"""Real asynq v0.26 and Onebeat on one store: each runs what the other writes (protocol §10.10)."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.errors import DuplicateTask, TaskIdConflict
from onebeat.inspector.inspector import Inspector
from onebeat.server.context import Context
from onebeat.server.mux import Route
from onebeat.states import Cancellation, TaskState
from onebeat.task import Task
from onebeat.wire import keys
from tests.conftest import Clock
from tests.interop.conftest import Peer
from tests.server.conftest import Bench, bench, until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

__all__ = ["bench"]

Ctx = Context[Any]


def record(bench: Bench) -> list[dict[str, Any]]:
    """Let our server run every type, noting what it sees."""
    seen: list[dict[str, Any]] = []

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> bytes:
        seen.append(
            {"id": ctx.id, "type": task.type, "payload": task.payload, "headers": dict(task.headers), "at": time.time()}
        )
        return b"python ran it"

    return seen


async def test_go_enqueues_and_we_run(bench: Bench, go: Peer) -> None:
    """Plain, delayed, unique, retained and with headers: all run, none early, all ended as Go would have it."""
    seen = record(bench)
    before = time.time()
    tasks: list[dict[str, Any]] = [
        {"Type": "t:plain", "Payload": '{"user_id":42}', "ID": "plain"},
        {"Type": "t:later", "Payload": "x", "ID": "later", "InMS": 1000},
        {"Type": "t:once", "Payload": "é", "ID": "once", "UniqueS": 60},
        {"Type": "t:kept", "Payload": "", "ID": "kept", "Retention": 60, "Headers": {"trace-id": "abc"}},
    ]
    answers = go.ask("enqueue", Tasks=[{"Queue": "default", **task} for task in tasks])
    assert ["pending", "scheduled", "pending", "pending"] == [answer["state"] for answer in answers]
    async with bench.serving():
        await bench.reaches(processed=4, active=0)
    ran = {item["id"]: item for item in seen}
    assert b'{"user_id":42}' == ran["plain"]["payload"]
    assert "é".encode() == ran["once"]["payload"]
    assert {"trace-id": "abc"} == ran["kept"]["headers"]
    assert ran["later"]["at"] >= int(before + 1)  # Go's scores are whole seconds, cut off
    kept = go.one("info", Queue="default", ID="kept")
    assert ("completed", "python ran it") == (kept["state"], kept["result"])
    assert abs(kept["completed"] - time.time()) < 10


async def test_we_enqueue_and_go_runs(bench: Bench, go: Peer) -> None:
    """The same the other way round; a Go server never starts ours early."""
    await bench.enqueue("plain", {"user_id": 42}, task_id="plain")
    later = await bench.client.enqueue(Task("later"), task_id="later", process_in=1)
    await bench.enqueue("once", "x", task_id="once", unique=60)
    await bench.enqueue("kept", b"\x41\x42", task_id="kept", retention=60, headers={"trace-id": "abc"}, timeout=0.5)
    async with go.serving() as ran:
        seen = {item["ran"]: item for item in [await ran() for _ in range(4)]}
    assert '{"user_id":42}' == seen["plain"]["payload"]
    assert {"trace-id": "abc"} == seen["kept"]["headers"]
    assert seen["later"]["at"] >= (later.due_ms or 0)
    info = await Inspector(bench.store).task("default", "kept")
    assert (TaskState.COMPLETED, b"go ran kept") == (info.state, info.result)
    assert 4 == (await bench.stats()).processed
    assert 0 == len(await bench.store.command("KEYS", "asynq:{default}:unique:*"))


async def test_a_lock_of_one_side_refuses_the_other(bench: Bench, go: Peer) -> None:
    """Same type, payload and queue are the same lock; whoever ends the task frees it for both."""
    ours = {"Type": "t", "Payload": '{"a":1}', "Queue": "default", "UniqueS": 60}
    record(bench)
    await bench.enqueue("t", {"a": 1}, unique=60)
    assert {"refused": "duplicate"} == go.one("enqueue", Tasks=[ours])
    async with bench.serving():
        await bench.reaches(processed=1)
    assert "pending" == go.one("enqueue", Tasks=[ours])["state"]
    with pytest.raises(DuplicateTask):
        await bench.enqueue("t", {"a": 1}, unique=60)
    async with go.serving() as ran:
        await ran()
        await bench.reaches(processed=2)
    await bench.enqueue("t", {"a": 1}, unique=60)


async def test_ids_conflict_across_sides(bench: Bench, go: Peer) -> None:
    """A taken id is taken for both."""
    await bench.enqueue("t", task_id="same")
    assert {"refused": "conflict"} == go.one("enqueue", Tasks=[{"Type": "t", "Queue": "default", "ID": "same"}])
    go.ask("enqueue", Tasks=[{"Type": "t", "Queue": "default", "ID": "gos"}])
    with pytest.raises(TaskIdConflict):
        await bench.enqueue("t", task_id="gos")


async def test_our_failures_are_gos_to_see_and_run(bench: Bench, go: Peer) -> None:
    """Retry and archive show in Go's inspector as Go would show its own; run from there, the task runs here again."""
    fail = True

    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        if fail:
            raise ValueError("python says no")

    bench.mux.add("later", Route(handler, True, backoff=lambda failures, error: 3600.0))
    bench.mux.add("never", Route(handler, True, archive_on=(ValueError,)))
    await bench.enqueue("later", task_id="later", max_retry=5)
    await bench.enqueue("never", task_id="never")
    async with bench.serving():
        await bench.reaches(retry=1, archived=1)
        seen = go.one("info", Queue="default", ID="later")
        assert ("retry", 1, 5, "ValueError: python says no") == tuple(
            seen[name] for name in ("state", "retried", "max_retry", "error")
        )
        assert abs(seen["next"] - time.time() - 3600) < 10
        assert abs(seen["failed_at"] - time.time()) < 10
        assert "archived" == go.one("info", Queue="default", ID="never")["state"]
        fail = False
        for task_id in ("later", "never"):
            go.one("run", Queue="default", ID=task_id)
        await bench.reaches(processed=4, retry=0, archived=0, active=0)
    stats = go.one("stats", Queue="default")
    assert (4, 2) == (stats["processed"], stats["failed"])


async def test_gos_failures_are_ours_to_see_and_run(bench: Bench, go: Peer) -> None:
    """What Go archived or retries our inspector shows and makes pending; the counters of both sides add up."""
    await bench.enqueue("fail", task_id="dead")
    await bench.enqueue("retry", task_id="later")
    async with go.serving() as ran:
        await ran()
        await ran()
        await bench.reaches(archived=1, retry=1)
    inspector = Inspector(bench.store)
    dead, later = await inspector.task("default", "dead"), await inspector.task("default", "later")
    assert (TaskState.ARCHIVED, 0) == (dead.state, dead.retried)
    assert "go says no" in dead.last_error
    assert (TaskState.RETRY, 1, "go says later") == (later.state, later.retried, later.last_error)
    await inspector.run("default", "dead")
    await inspector.run("default", "later")
    stats = go.one("stats", Queue="default")
    assert (2, 0, 0, 2, 2) == tuple(stats[name] for name in ("pending", "archived", "retry", "processed", "failed"))


async def test_go_steers_our_tasks(bench: Bench, go: Peer) -> None:
    """Archive and delete from Go's inspector; nothing of the task or its exact time survives our next upkeep."""
    for task_id in ("a", "b"):
        await bench.client.enqueue(Task("t"), task_id=task_id, process_in=0.3)
    go.one("archive", Queue="default", ID="a")
    go.one("delete", Queue="default", ID="b")
    record(bench)
    async with bench.serving():

        async def forgotten() -> bool:
            return not await bench.store.command("EXISTS", "onebeat:{default}:exact")

        await until(forgotten)
    stats = await bench.stats()
    assert (1, 0, 0) == (stats.archived, stats.pending, stats.processed)


async def test_go_pauses_us(bench: Bench, go: Peer) -> None:
    """A pause from Go's inspector stops our server from taking, its end lets it go on."""
    record(bench)
    await bench.enqueue("t")
    go.one("pause", Queue="default")
    async with bench.serving() as serving:
        await until(lambda: _paused(serving))
        assert 1 == (await bench.stats()).pending
        go.one("unpause", Queue="default")
        await bench.reaches(processed=1)


async def _paused(serving: Any) -> bool:
    return bool(serving.watcher._left_alone)


async def test_a_killed_go_servers_task_is_recovered(store: Store, clock: Clock, go: Peer) -> None:
    """30 s after Go's lease our upkeep puts it back to the front, with no retry spent."""
    await clock.set(time.time())
    go.ask("enqueue", Tasks=[{"Type": "hold", "Queue": "default", "ID": "held"}])
    go.kill_while_holding("hold")
    state = await store.command("HGET", "asynq:{default}:t:held", "state")
    assert b"active" == state
    recovered = []
    for _ in range(17):
        await clock.advance(4)
        recovered += (await store.run(maintain("default", max_crashes=5))).recovered
    assert [("front", "held")] == recovered
    assert 0 == go.one("info", Queue="default", ID="held")["retried"]


async def test_our_schedules_show_in_gos_tools(url: str, go: Peer) -> None:
    """Spec, options, next and previous time, and the history of fires, as Go reads them."""
    app: Onebeat[Any] = Onebeat("shop", url=url)

    @app.every(0.5)
    @app.task("tick", queue="beat", max_retry=2, timeout=90)
    async def tick() -> None: ...

    @app.cron("0 3 * * mon-fri", tz="Europe/Berlin", id="nightly")
    @app.task("report")
    async def report() -> None: ...

    async with app, app.serving():
        store, _ = await app.connection()

        async def fired() -> bool:
            return bool(
                await store.command("EXISTS", "asynq:scheduler_history:{beat}:tick", "asynq:schedulers:{beat}") == 2
            )

        await until(fired)
        entries = {entry["id"]: entry for entry in go.ask("entries")}
    assert {"{beat}:tick", "{default}:nightly"} == entries.keys()
    often, nightly = entries["{beat}:tick"], entries["{default}:nightly"]
    assert ("@every 500ms", "tick") == (often["spec"], often["type"])
    assert {'Queue("beat")', "MaxRetry(2)", "Timeout(1m30s)"} == set(often["options"])
    assert all(fired.startswith("tick:") for fired in often["fired"])
    assert ("CRON_TZ=Europe/Berlin 0 3 * * mon-fri", True, []) == (nightly["spec"], nightly["never"], nightly["fired"])
    assert nightly["next"] > time.time() * 1000


async def test_go_runs_what_our_schedules_fire(store: Store, clock: Clock, go: Peer) -> None:
    """A task that TICK wrote, byte by byte in Lua, is an ordinary task to a Go server, its tick in a header."""
    from onebeat.scheduler.entry import entry
    from onebeat.scheduler.scheduler import Scheduler
    from onebeat.scheduler.triggers import Every

    now = int(time.time()) // 60 * 60
    await clock.set(now)
    await Scheduler(store, entries=[entry("beat", Every(60), Task("t", {"a": 1}, headers={"x": "y"}))]).declare(store)
    await clock.set(now + 60)
    await store.run(maintain("default", max_crashes=5))
    async with go.serving() as ran:
        seen = await ran()
    tick = str((now + 60) * 1000)
    assert (f"beat:{tick}", "t", '{"a":1}', {"tick": tick, "x": "y"}) == (
        seen["ran"], seen["type"], seen["payload"], seen["headers"],
    )  # fmt: skip


async def test_gos_tools_see_our_servers(bench: Bench, go: Peer) -> None:
    """asynq's inspector lists our server with its settings and what it runs, and nothing once it stopped."""
    began = asyncio.Event()

    @bench.mux.handle("hold")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        began.set()
        await asyncio.Event().wait()

    await bench.enqueue("hold", b"payload", task_id="h", timeout=100)
    async with bench.serving(
        concurrency=3, queues={"default": 5, "low": 2}, strict=True, shutdown_timeout=0.1
    ) as serving:
        await began.wait()
        serving.keeper._presence._next = 0.0

        async def shows_its_worker() -> bool:
            return bool(await bench.store.command("KEYS", keys.workers("*")))

        await until(shows_its_worker)
        server = go.one("servers")
        assert ("active", 3, {"default": 5, "low": 2}, True, os.getpid(), serving.id) == tuple(
            server[name] for name in ("status", "concurrency", "queues", "strict", "pid", "id")
        )
        assert 0 <= server["age"] < 60
        assert [{"id": "h", "type": "hold", "payload": "payload", "queue": "default", "time": 100}] == server["workers"]
    assert [] == go.ask("servers")


async def test_gos_tools_cancel_what_we_run(bench: Bench, go: Peer) -> None:
    """CancelProcessing stops our handler; the task ends archived as cancelled, and Go reads it so."""
    began = asyncio.Event()

    @bench.mux.handle("hold")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        began.set()
        await asyncio.Event().wait()

    await bench.enqueue("hold", task_id="h")
    async with bench.serving():
        await began.wait()

        async def is_heard() -> bool:
            [_, listeners] = await bench.store.command("PUBSUB", "NUMSUB", keys.CANCEL_CHANNEL)
            return bool(listeners)

        await until(is_heard)
        go.one("cancel", ID="h")
        await bench.reaches(archived=1)
    assert "cancelled" == go.one("info", Queue="default", ID="h")["error"]


async def test_we_cancel_what_go_runs(bench: Bench, go: Peer) -> None:
    """Our cancel reaches a Go server by asynq's channel; what becomes of the task is then asynq's rule, a retry."""
    await bench.enqueue("hold", task_id="h")
    async with go.serving() as ran:
        assert "h" == (await ran())["ran"]
        assert Cancellation.STOPPING is await Inspector(bench.store).cancel("default", "h")
        await bench.reaches(retry=1)
