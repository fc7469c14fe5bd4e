"""What asynq's tools see of our servers (protocol §1.1, §2.2, §2.3)."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import closing
from typing import Any

import pytest

from onebeat.broker import presence
from onebeat.broker.store import BlockingStore
from onebeat.server.context import Context
from onebeat.task import Task
from onebeat.wire import keys
from onebeat.wire.records import ServerRecord, WorkerRecord
from tests.anywhere import everywhere
from tests.server.conftest import Bench, until


async def servers(bench: Bench) -> dict[str, ServerRecord]:
    found = await bench.store.command("ZRANGE", keys.SERVERS, 0, -1)
    return {key.decode(): ServerRecord.decode(await bench.store.command("GET", key) or b"") for key in found}


async def workers(bench: Bench) -> list[WorkerRecord]:
    rows = []
    for key in await bench.store.command("ZRANGE", keys.WORKERS, 0, -1):
        rows += [WorkerRecord.decode(row) for row in await bench.store.command("HVALS", key)]
    return rows


async def is_listed(bench: Bench) -> bool:
    return bool(await servers(bench))


@pytest.mark.slow
async def test_a_server_is_listed_with_what_it_runs(bench: Bench) -> None:
    """Its settings, its state and every running task with start and deadline; all keys expire by themselves."""
    go = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        await go.wait()

    before = time.time()
    task_id = await bench.enqueue("t", b"payload", timeout=100)
    async with bench.serving(concurrency=3, queues={"default": 2, "low": 1}) as serving:
        await bench.reaches(active=1)
        serving.keeper._presence._next = 0.0  # the next turn gives a sign of life
        await until(lambda: runs(bench, 1))
        [(key, server)] = (await servers(bench)).items()
        [worker] = await workers(bench)
        assert f"asynq:servers:{{{socket.gethostname()}:{os.getpid()}:{serving.id}}}" == key
        assert (3, {"default": 2, "low": 1}, False, "active", 1) == (
            server.concurrency, server.queues, server.strict_priority, server.status, server.active_worker_count,
        )  # fmt: skip
        assert (task_id, "t", b"payload", "default") == (
            worker.task_id, worker.task_type, worker.task_payload, worker.queue,
        )  # fmt: skip
        assert before - 1 <= worker.start_time / 1e9 <= before + 30
        assert 100.0 == round((worker.deadline - worker.start_time) / 1e9, 3)
        for shown in (key, key.replace(":servers:", ":workers:")):
            assert 0 < await bench.store.command("TTL", shown) <= 10
        go.set()


async def runs(bench: Bench, number: int) -> bool:
    return number == len(await workers(bench))


async def test_a_stopped_server_is_struck_off(bench: Bench) -> None:
    """A clean stop leaves neither keys nor index entries."""
    async with bench.serving():
        await until(lambda: is_listed(bench))
    left = (
        await everywhere(bench.store, "KEYS", "asynq:servers*"),
        await everywhere(bench.store, "KEYS", "asynq:workers*"),
    )
    assert ([], []) == left


@pytest.mark.slow
async def test_a_stopping_server_says_so(bench: Bench) -> None:
    """While it waits for its last tasks a server is shown as stopped, in asynq's word."""
    began, go = asyncio.Event(), asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        began.set()
        await go.wait()

    await bench.enqueue("t")
    serving = bench.serving(shutdown_timeout=10.0, lease=1.0, allow_short_lease=True)
    server = await serving.__aenter__()
    await began.wait()
    stopping = asyncio.create_task(serving.__aexit__(None, None, None))
    await until(lambda: _stops(server))
    server.keeper._presence._next = 0.0
    await until(lambda: _is_stopped(bench))
    go.set()
    await stopping


async def _stops(server: Any) -> bool:
    return bool(server.keeper._status == "stopped")


async def _is_stopped(bench: Bench) -> bool:
    return ["stopped"] == [server.status for server in (await servers(bench)).values()]


async def test_a_blocked_loop_does_not_hide_the_server(bench: Bench) -> None:
    """Signs of life come from the keeper's thread: they go on while a handler blocks the event loop."""

    seen: list[int] = []

    @bench.mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        client = BlockingStore(bench.store.endpoint)
        [[listed]] = client.commands([("ZRANGE", keys.SERVERS, 0, -1)])
        key = str(listed, "utf-8")
        client.commands([("DEL", key)])
        serving.keeper._presence._next = 0.0
        end = time.monotonic() + 60
        while not seen and time.monotonic() < end:
            if client.commands([("EXISTS", key)]) == [1]:
                seen.append(1)
            time.sleep(0.005)  # noqa: ASYNC251 - blocking the loop is what is tested
        client.close()

    async with bench.serving(lease=1.0, allow_short_lease=True) as serving:
        await until(lambda: is_listed(bench))
        await bench.enqueue("t")
        await bench.reaches(processed=1)
    assert [1] == seen


@pytest.mark.slow
async def test_a_large_payload_is_shown_in_part(bench: Bench) -> None:
    """What is written with every sign of life is bounded; the task itself keeps all of its payload."""
    go = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        await go.wait()

    await bench.enqueue("t", b"x" * 100_000)
    async with bench.serving() as serving:
        await bench.reaches(active=1)
        serving.keeper._presence._next = 0.0
        await until(lambda: runs(bench, 1))
        assert [16_384] == [len(worker.task_payload) for worker in await workers(bench)]
        go.set()


async def test_any_number_of_workers_is_shown(bench: Bench) -> None:
    """In several calls, the first of which replaces what was shown before."""
    workers = [(f"t{number}", b"worker") for number in range(1_201)]
    with closing(BlockingStore(bench.store.endpoint)) as store:
        for shown in (workers, workers[:3], []):
            await asyncio.to_thread(presence.show, store, "h:1:x", b"server", shown)
            assert len(shown) == await bench.store.command("HLEN", keys.workers("h:1:x"))


async def test_entries_of_killed_servers_are_struck_off(bench: Bench) -> None:
    """As asynq's readers do, whom nobody need run: of servers after a day, as one may look for them, else at once."""
    now = int((await bench.store.command("TIME"))[0])
    for name, age in (("old", 90_000), ("late", 60)):
        await bench.store.command("ZADD", keys.SERVERS, now - age, keys.server(f"h:1:{name}"))
        await bench.store.command("ZADD", keys.WORKERS, now - age, keys.workers(f"h:1:{name}"))
    with closing(BlockingStore(bench.store.endpoint)) as store:
        await asyncio.to_thread(presence.show, store, "h:1:new", b"", [])
    listed = [sorted(await bench.store.command("ZRANGE", index, 0, -1)) for index in (keys.SERVERS, keys.WORKERS)]
    assert [
        [b"asynq:servers:{h:1:late}", b"asynq:servers:{h:1:new}"],
        [b"asynq:workers:{h:1:new}"],
    ] == listed
