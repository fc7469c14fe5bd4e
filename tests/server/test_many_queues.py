"""Priorities, and queues by the thousand (mechanism-rules 22 to 24)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from onebeat.broker.produce import NewTask, enqueue
from onebeat.client import Client
from onebeat.server.context import Context
from onebeat.server.watcher import MAX_PEEKS
from onebeat.task import Task
from onebeat.upkeep.maintainer import MAX_CALLS
from onebeat.wire.message import TaskMessage, encode
from tests.anywhere import calls
from tests.server.conftest import Bench, until
from tests.server.faulty import FaultyStore

pytestmark = pytest.mark.slow

Ctx = Context[Any]


async def fill(bench: Bench, queue: str, number: int) -> None:
    for start in range(0, number, 250):
        names = [f"{queue}-{n}" for n in range(start, min(start + 250, number))]
        tasks = [NewTask(i, encode(TaskMessage(type="t", id=i, queue=queue, retry=3, timeout=60))) for i in names]
        await bench.store.run(enqueue(queue, client="fill", sequence=1 + start, tasks=tasks))


def handle(bench: Bench) -> list[str]:
    """Let tasks be counted by their queue, in the order they start."""
    ran: list[str] = []

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        ran.append(ctx.queue)

    return ran


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 10, 64])
async def test_weights_hold_over_many_tasks(bench: Bench, concurrency: int) -> None:
    """With work everywhere 6 : 3 : 1 is kept within two percentage points, whatever the number of slots."""
    ran = handle(bench)
    weights = {"high": 6, "middle": 3, "low": 1}
    for queue in weights:
        await fill(bench, queue, 2_000)
    async with bench.serving(concurrency=concurrency, queues=weights):
        await until(lambda: has_run(ran, 3_000), 150)
    shares = Counter(ran[:3_000])
    for queue, weight in weights.items():
        assert abs(shares[queue] / 3_000 - weight / 10) < 0.02, shares


async def has_run(ran: list[str], number: int) -> bool:
    return len(ran) >= number


async def test_work_arriving_above_goes_first(bench: Bench) -> None:
    """Strict: while a lighter queue is full, each task that arrives in the heavier one is the next to be taken."""
    ran: list[str] = []
    turn: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        ran.append(ctx.queue)
        go = asyncio.Event()
        await turn.put(go)
        await go.wait()

    await fill(bench, "low", 20)
    async with bench.serving(concurrency=1, queues={"high": 2, "low": 1}, strict=True) as serving:
        go = await turn.get()
        for _ in range(5):
            await bench.enqueue("t", queue="high")
            await until(lambda: may_work(serving, "high"))
            go.set()
            go = await turn.get()
            assert "high" == ran[-1]
            go.set()
            go = await turn.get()
            assert "low" == ran[-1]
        turn.put_nowait(go)
        await drain(turn, bench)


async def drain(turn: asyncio.Queue[asyncio.Event], bench: Bench) -> None:
    for _ in range(15):
        (await turn.get()).set()
    await bench.reaches("low", pending=0, active=0)


async def may_work(serving: Any, queue: str) -> bool:
    return queue in serving.watcher.working


async def test_a_thousand_queues_need_few_connections_and_calls(bench: Bench) -> None:
    """16 peeks and a survey see them all: a task in any of them runs, and the connections stay few."""
    ran = handle(bench)
    queues = {f"q{n:04}": 1 for n in range(1_000)}
    async with bench.serving(queues=queues) as serving:
        await until(lambda: all_peeked(serving))
        before, began = await calls(bench.store), time.monotonic()
        for queue in ("q0000", "q0499", "q0999"):
            await bench.enqueue("t", queue=queue)
        await until(lambda: has_run(ran, 3))
        others = 16 if bench.store.endpoint.seeds else 0  # of replicas, sentinels and who asks them
        most = MAX_PEEKS + MAX_PEEKS + MAX_CALLS + 8  # peeks, as many fetches, calls of upkeep, and a few each
        assert await clients(bench) <= most + others
        used = (await calls(bench.store))["evalsha"] - before["evalsha"]
        assert used < 100 + 10 * (time.monotonic() - began)  # however long that took: a look at all is two a second
    assert ["q0000", "q0499", "q0999"] == sorted(ran)


async def all_peeked(serving: Any) -> bool:
    return len(serving.watcher._peeked) == MAX_PEEKS


async def clients(bench: Bench) -> int:
    answers = await bench.store.everywhere("INFO", "clients")
    return max(int(answer["connected_clients"]) for answer in answers.values())


async def test_the_heaviest_and_the_last_busy_are_peeked(bench: Bench) -> None:
    """With more queues than peeks: weight first, then who had work last; the others are left to the survey."""
    handle(bench)
    queues = {f"light{n:02}": 1 for n in range(40)} | {"heavy": 9}
    async with bench.serving(queues=queues) as serving:
        await until(lambda: all_peeked(serving))
        assert {"heavy", *(f"light{n:02}" for n in range(15))} == serving.watcher._peeked
        serving.watcher.was_empty("light39", got=1)
        assert "light39" == serving.watcher._choose()


async def test_delays_are_kept_in_every_queue(bench: Bench) -> None:
    """A delayed task in a queue at rest is attended in time: it runs when it is due, not at the next survey."""
    begun: list[float] = []

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        seconds, micros = await bench.store.command("TIME")
        begun.append(int(seconds) * 1000 + int(micros) / 1000)

    queues = {f"q{n:03}": 1 for n in range(100)}
    async with bench.serving(queues=queues) as serving:
        await until(lambda: all_peeked(serving))
        enqueued = await bench.client.enqueue(Task("t"), queue="q050", process_in=0.4)
        await until(lambda: has_run(begun, 1))  # type: ignore[arg-type] # a list is a list
    assert begun[0] >= (enqueued.due_ms or 0)


@pytest.mark.slow
async def test_a_queue_at_rest_costs_no_call_of_its_own(url: str) -> None:
    """Once all is done only the survey looks at it; a delayed task has it attended, and let go, again."""
    async with await FaultyStore.open(url) as store, Client(store) as client:
        bench = Bench(store, client)
        ran = handle(bench)
        async with bench.serving(queues={f"q{n}": 1 for n in range(20)}) as serving:
            await until(lambda: all_peeked(serving))
            await bench.enqueue("t", queue="q7", process_in=0.1)
            await until(lambda: has_run(ran, 1))
            await until(is_at_rest)
            before = store.calls.count("maintain")
            looked = looks(store)
            await until(lambda: surveyed(store, looked + 2))
            assert before == store.calls.count("maintain")


async def is_at_rest() -> bool:
    return not any(task.get_name().startswith("maintainer of queue") for task in asyncio.all_tasks())


async def surveyed(store: FaultyStore, times: int) -> bool:
    return looks(store) >= times


def looks(store: FaultyStore) -> int:
    """Count the looks at all queues: a script, or where they are spread, commands."""
    return store.calls.count("survey") + store.calls.count("commands")
