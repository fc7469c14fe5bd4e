"""One process enqueues and drains 20,000 no-op tasks, three times: tasks a second, and broker time per task."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench import report
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task

TASKS = 20_000
RUNS = 3
PAYLOAD = b"x" * 100

Measured = tuple[float, float, float]


async def measured(store: Store, work: Callable[[], Awaitable[None]]) -> Measured:
    """Return tasks a second, broker microseconds per task, and commands per task."""
    used, calls = await report.spent(store)
    began = time.perf_counter()
    await work()
    took = time.perf_counter() - began
    used_after, calls_after = await report.spent(store)
    return TASKS / took, (used_after - used) / TASKS, (calls_after - calls) / TASKS


async def enqueue(store: Store) -> Measured:
    async with Client(store) as client:

        async def work() -> None:
            await client.enqueue_many(Task("noop", PAYLOAD) for _ in range(TASKS))

        return await measured(store, work)


async def enqueue_concurrently(store: Store, callers: int) -> Measured:
    async with Client(store) as client:

        async def caller() -> None:
            for _ in range(TASKS // callers):
                await client.enqueue(Task("other", PAYLOAD), queue="other")

        async def work() -> None:
            await asyncio.gather(*(caller() for _ in range(callers)))

        return await measured(store, work)


async def drain(store: Store) -> Measured:
    handlers, left, done = Mux(), TASKS, asyncio.Event()

    @handlers.handle("noop")
    async def noop(ctx: Context[Any], task: Task[Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    async def work() -> None:
        async with Server(store).serving(handlers) as serving:
            await done.wait()
            await serving.acknowledger.idle()

    return await measured(store, work)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"embedded://{folder}/store"
        async with await Store.open(url) as store:
            await report.head(
                store, f"Throughput: {TASKS:,} no-op tasks of {len(PAYLOAD)} bytes, one process, 64 slots"
            )
            rows: dict[str, list[Measured]] = {}
            for _ in range(RUNS):
                rows.setdefault("enqueue_many", []).append(await enqueue(store))
                rows.setdefault("drain", []).append(await drain(store))
                rows.setdefault("enqueue, 64 callers", []).append(await enqueue_concurrently(store, 64))
                rows.setdefault("enqueue, one caller", []).append(await enqueue_concurrently(store, 1))
                await store.command("DEL", "asynq:{other}:pending")
            for name, runs in rows.items():
                print(f"{name:20} {report.spread([run[0] for run in runs], 'tasks/s', 0)}")
                print(f"{'':20} broker {report.spread([run[1] for run in runs], 'µs/task')}")
                print(f"{'':20} commands {report.spread([run[2] for run in runs], 'per task', 3)}")


if __name__ == "__main__":
    asyncio.run(main())
