"""
What stands in the store after each step, key by key, as Go leaves it (protocol §10.4, §10.5).

Tasks are enqueued by a client and their ends decided by what a server decides with. Instants are whole seconds where
Go cuts a score off and we round it up, and microseconds where Go has nanoseconds; docs/compatibility.md has both.
"""

from __future__ import annotations

from typing import Any

import pytest

from onebeat import Client, Task
from onebeat.broker.consume import Finished, extend, finish, take
from onebeat.broker.maintain import maintain
from onebeat.broker.presence import show
from onebeat.broker.store import BlockingStore, Store
from onebeat.server import outcome
from onebeat.server.mux import Route
from onebeat.server.running import Running
from onebeat.wire import keys
from onebeat.wire.message import decode
from onebeat.wire.records import ServerRecord, WorkerRecord
from tests.broker.test_scripts_produce import dump, pairs
from tests.conftest import NOON, Clock

M0 = bytes.fromhex(
    "0a01741201781a056a6f622d31220764656661756c74281940880e52396173796e713a7b64656661756c747d3a756e697175653a743a396464"
    "346534363132363863383033346635633835363465313535633637613660901c"
)
M1 = bytes.fromhex(
    "0a01741201781a056a6f622d31220764656661756c74281930013a04626f6f6d40880e52396173796e713a7b64656661756c747d3a756e6971"
    "75653a743a3964643465343631323638633830333466356338353634653135356336376136588ce6fe890760901c"
)
M2 = M1 + bytes.fromhex("68b2e6fe8907")
ARCHIVED = bytes.fromhex("0a01741a03612d3122036c6f773a046465616440880e5880e6fe8907")
D = "asynq:{default}:"
L = "asynq:{low}:"
LOCK = f"{D}unique:t:9dd4e461268c8034f5c8564e155c67a6"


async def state(store: Store) -> dict[str, Any]:
    """Return all that Go sees: each key's value, without the fields that are ours."""
    found = await dump(store)
    for key, value in found.items():
        if isinstance(value, dict):
            found[key] = {name: field for name, field in value.items() if not name.startswith(b"ob_")}
        elif (await store.command("TYPE", key)) == b"zset":
            found[key] = dict(pairs(value))
    return found


async def enqueued(store: Store, task: Task[Any], **options: Any) -> None:
    async with Client(store) as client:
        await client.enqueue(task, **options)


class Worker:
    """Takes one task after another and writes what a server would write of it."""

    def __init__(self, store: Store, queue: str) -> None:
        self.store = store
        self.queue = queue
        self.sequence = 0

    async def take(self) -> Running:
        self.sequence += 1
        call = take(self.queue, server="s", sequence=self.sequence, limit=1, lease_ms=30_000)
        taken = await self.store.run(call)
        [task] = taken.tasks
        route = Route(lambda _ctx, _task: None, False)
        attempt = Running(self.queue, task.id, taken.token, 0.0)
        attempt.message, attempt.route = decode(task.message), route
        return attempt

    async def write(self, finished: Finished) -> None:
        assert ["applied"] == await self.store.run(finish(self.queue, [finished]))


async def test_a_task_fails_once_and_is_kept(store: Store, clock: Clock) -> None:
    """Sequence A: enqueue unique, take, extend, retry, forward, take, complete with a result, expire."""
    await clock.set(1900000000.123456)
    unique: dict[str, Any] = {"task_id": "job-1", "unique": 3600, "retention": 3600}
    await enqueued(store, Task("t", b"x"), **unique)
    hash_of_pending = {b"msg": M0, b"unique_key": LOCK.encode(), b"state": b"pending"}
    common: dict[str, Any] = {"asynq:queues": {b"default"}, LOCK: b"job-1"}
    assert {
        **common,
        f"{D}pending": [b"job-1"],
        f"{D}t:job-1": {**hash_of_pending, b"pending_since": b"1900000000123456000"},
    } == await state(store)
    assert 3_590_000 < await store.command("PTTL", LOCK) <= 3_600_000

    await clock.set(1900000005)
    worker = Worker(store, "default")
    first = await worker.take()
    active = {**hash_of_pending, b"state": b"active"}
    running: dict[str, Any] = {**common, f"{D}active": [b"job-1"], f"{D}t:job-1": active}
    assert {**running, f"{D}lease": {b"job-1": 1900000035.0}} == await state(store)

    await clock.set(1900000010)
    held = [("job-1", first.token), ("ghost", first.token)]
    assert ["ok", "gone"] == await store.run(extend("default", held, lease_ms=30_000))
    assert {**running, f"{D}lease": {b"job-1": 1900000040.0}} == await state(store)

    await clock.set(1900000012)
    await worker.write(outcome.failed(first, outcome.PlainError("boom"), 0.0, delay=lambda _n, _e: 30.0))
    counted: dict[str, Any] = {
        f"{D}{name}{day}": b"1" for name in ("processed", "failed") for day in ("", ":2030-03-17")
    }
    waiting: dict[bytes, bytes] = {b"msg": M1, b"unique_key": LOCK.encode()}
    assert {
        **common,
        **counted,
        f"{D}retry": {b"job-1": 1900000042.0},
        f"{D}t:job-1": {**waiting, b"state": b"retry"},
    } == await state(store)
    for name in ("processed", "failed"):
        assert 1907776012 == await store.command("EXPIRETIME", f"{D}{name}:2030-03-17")
        assert -1 == await store.command("EXPIRETIME", f"{D}{name}")

    await clock.set(1900000042)
    assert 1 == (await store.run(maintain("default", max_crashes=5))).forwarded
    assert {
        **common,
        **counted,
        f"{D}pending": [b"job-1"],
        f"{D}t:job-1": {**waiting, b"state": b"pending", b"pending_since": b"1900000042000000000"},
    } == await state(store)

    await clock.set(1900000050)
    await worker.write(outcome.succeeded(await worker.take(), b"ok", 0.0))
    counted |= {f"{D}processed": b"2", f"{D}processed:2030-03-17": b"2"}
    assert {
        **counted,
        "asynq:queues": {b"default"},
        f"{D}completed": {b"job-1": 1900003650.0},
        f"{D}t:job-1": {b"msg": M2, b"unique_key": LOCK.encode(), b"state": b"completed", b"result": b"ok"},
    } == await state(store)

    await clock.set(1900003650)
    assert 1 == (await store.run(maintain("default", max_crashes=5))).expired
    assert {**counted, "asynq:queues": {b"default"}} == await state(store)


async def test_a_task_without_retries_is_archived(store: Store, clock: Clock) -> None:
    """Sequence B: the message, the archive's score and the four counters."""
    await enqueued(store, Task("t"), task_id="a-1", queue="low", max_retry=0)
    worker = Worker(store, "low")
    await worker.write(outcome.failed(await worker.take(), outcome.PlainError("dead"), 0.0, delay=lambda _n, _e: 0.0))
    assert {
        "asynq:queues": {b"low"},
        f"{L}archived": {b"a-1": float(NOON)},
        f"{L}t:a-1": {b"msg": ARCHIVED, b"state": b"archived"},
        **{f"{L}{name}{day}": b"1" for name in ("processed", "failed") for day in ("", ":2030-03-17")},
    } == await state(store)


async def test_a_server_is_listed(store: Store, clock: Clock, url: str) -> None:
    """Sequence B: two members that expire in ten seconds, and the two keys they name, which do so by themselves."""
    tag = "web-1:4242:6f1c6b0a-0000-4000-8000-000000000001"
    server = ServerRecord(
        host="web-1", pid=4242, server_id=tag[-36:], concurrency=10, queues={"default": 1},
        start_time=NOON * 10**9, active_worker_count=1,
    ).encode()  # fmt: skip
    worker = WorkerRecord(
        host="web-1", pid=4242, server_id=tag[-36:], task_id="job-1", task_type="t", task_payload=b"x",
        queue="default", start_time=NOON * 10**9, deadline=(NOON + 1800) * 10**9,
    ).encode()  # fmt: skip
    blocking = BlockingStore(store.endpoint, injected_clock=True)
    try:
        show(blocking, tag, server, [("job-1", worker)])
    finally:
        blocking.close()
    assert {
        keys.SERVERS: {keys.server(tag).encode(): NOON + 10.0},
        keys.WORKERS: {keys.workers(tag).encode(): NOON + 10.0},
        keys.server(tag): server,
        keys.workers(tag): {b"job-1": worker},
    } == await state(store)
    for key in (keys.server(tag), keys.workers(tag)):
        assert 9_000 < await store.command("PTTL", key) <= 10_000


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.95])
async def test_a_score_is_never_before_the_due_time(store: Store, clock: Clock, fraction: float) -> None:
    """Where Go cuts off, we round up: whole instants agree, and no fraction makes a task early (SE-33)."""
    await clock.set(NOON + fraction)
    await enqueued(store, Task("t"), task_id="s", process_in=0.9)
    [score] = (await state(store))[f"{D}scheduled"].values()
    assert NOON + 1 + (fraction > 0.1) == score
