"""
What it costs to be observed: microseconds of this process's processor for a task, drained and enqueued.

No-op tasks as in `bench.throughput`. Each kind of observer has its turn in every round, so that what else the machine
does meanwhile falls upon all of them; medians of the rounds, and of the differences from the unobserved run beside it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from bench import report
from bench.throughput import PAYLOAD
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.events import Event, Observer
from onebeat.observe.prometheus.workers import WorkerMetrics
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task

TASKS = 10_000


class Deaf(Observer):
    """Hears events and does nothing."""

    def event(self, event: Event) -> None:
        pass


KINDS: dict[str, Callable[[], list[Observer]]] = {
    "nobody": list,
    "one that does nothing": lambda: [Deaf()],
    "WorkerMetrics": lambda: [WorkerMetrics()],
}


async def enqueue(store: Store, observers: list[Observer]) -> float:
    """Enqueue one after another by 64 callers; returns microseconds of the processor for each task."""
    async with Client(store, observers=observers) as client:

        async def caller() -> None:
            for _ in range(TASKS // 64):
                await client.enqueue(Task("other", PAYLOAD), queue="other")

        began = time.process_time()
        await asyncio.gather(*(caller() for _ in range(64)))
        return (time.process_time() - began) / (TASKS // 64 * 64) * 1e6


async def drain(store: Store, observers: list[Observer]) -> float:
    """Run what waits; returns microseconds of the processor for each task."""
    handlers, left, done = Mux(), TASKS, asyncio.Event()

    @handlers.handle("noop")
    async def noop(ctx: Context[Any], task: Task[Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    async with Client(store) as client:
        await client.enqueue_many(Task("noop", PAYLOAD) for _ in range(TASKS))
    async with Server(store, observers=observers).serving(handlers) as serving:
        began = time.process_time()
        await done.wait()
        await serving.acknowledger.idle()
        return (time.process_time() - began) / TASKS * 1e6


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    found: dict[str, dict[str, list[float]]] = {"drain": {}, "enqueue": {}}
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        async with await Store.open(f"embedded://{folder}/store") as store:
            await report.head(
                store, f"Observed: {TASKS:,} no-op tasks a run, {rounds} rounds, processor time of a task"
            )
            await drain(store, [])  # once, so that all is loaded
            for _ in range(rounds):
                for kind, made in KINDS.items():
                    found["drain"].setdefault(kind, []).append(await drain(store, made()))
                for kind, made in KINDS.items():
                    found["enqueue"].setdefault(kind, []).append(await enqueue(store, made()))
                await store.command("FLUSHALL")
    for work, kinds in found.items():
        alone = kinds["nobody"]
        for kind, runs in kinds.items():
            more = statistics.median(run - beside for run, beside in zip(runs, alone, strict=True))
            print(f"{work:8} {kind:22} {statistics.median(runs):5.1f} µs, {more:+5.1f} ({min(runs):.1f} the least)")


if __name__ == "__main__":
    asyncio.run(main())
