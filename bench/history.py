"""
What it costs a drained task that attempts are kept and series recorded: processor time of server and store, and tasks
a second.

No-op tasks as in `bench.throughput`. Each way has its turn in every round, so that what else the machine does meanwhile
falls upon all of them, and the order changes from round to round; medians of the rounds, and of the differences from
the drain without history beside it. Then what the series of a queue take of the store's memory, and what it costs to
write and to read them.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
import tempfile
import time
from typing import Any, NamedTuple

from bench import report
from bench.throughput import PAYLOAD
from onebeat.broker.series import Runs, record
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server, ServerSettings
from onebeat.task import Task

TASKS = 10_000
WAYS: dict[str, ServerSettings] = {
    "neither": {"attempts": "none", "series": False},
    "attempts": {"attempts": "failures", "series": False},
    "series": {"attempts": "none", "series": True},
    "both, as is the default": {"attempts": "failures", "series": True},
}


class Drain(NamedTuple):
    """Microseconds of this process and of the store for a task, and tasks a second."""

    here: float
    store: float
    speed: float


async def drain(store: Store, settings: ServerSettings, *, fails: bool = False) -> Drain:
    handlers, left, done = Mux(), TASKS, asyncio.Event()

    @handlers.handle("noop")
    async def noop(ctx: Context[Any], task: Task[Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()
        if fails:
            raise ValueError("no such order")

    async with Client(store) as client:
        await client.enqueue_many(Task("noop", PAYLOAD) for _ in range(TASKS))
    async with Server(store, **settings).serving(handlers) as serving:
        used, _ = await report.spent(store)
        began, at = time.process_time(), time.perf_counter()
        await done.wait()
        await serving.acknowledger.idle()
        here, took = time.process_time() - began, time.perf_counter() - at
    used_after, _ = await report.spent(store)  # with what the server writes as it stops
    await store.command("FLUSHALL")
    return Drain(here / TASKS * 1e6, (used_after - used) / TASKS, TASKS / took)


async def compared(store: Store, rounds: int, *, fails: bool) -> None:
    """Drain by turns, and print each way beside the first."""
    found: dict[str, list[Drain]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in list(WAYS)[:: 1 if number % 2 else -1]:
            found[way].append(await drain(store, WAYS[way], fails=fails))
    alone = found["neither"]
    print(f"{'tasks fail' if fails else 'tasks succeed'}, {rounds} rounds of {TASKS:,}")
    for way, runs in found.items():
        here, there, speed = (statistics.median(values) for values in zip(*runs, strict=True))
        more = statistics.median(run.here - beside.here for run, beside in zip(runs, alone, strict=True))
        slower = statistics.median(run.speed / beside.speed for run, beside in zip(runs, alone, strict=True))
        print(
            f"  {way:24} {here:6.2f} µs ({more:+5.2f}, {more / here:+6.1%}), store {there:6.2f} µs, "
            f"{speed:7,.0f} tasks/s ({slower - 1:+.1%})"
        )


async def memory(store: Store) -> None:
    """Fill the series of one queue with one type, and ask what they take; then with ten."""
    for number in (1, 10):
        await store.command("FLUSHALL")
        buckets = [1] * 24
        types = {f"type-{n}": Runs(24, 0, 0, 24, buckets) for n in range(number)}
        await store.run(record("q", 24, 0, buckets, types))
        sizes: dict[str, int] = {}
        for key in await store.command("KEYS", "onebeat:{q}:*"):
            kind, _, rest = key.decode().partition("}:")[2].partition(":")
            name = f"{kind}:{rest.partition(':')[0]}" if kind in ("wait", "run") else kind
            sizes[name] = sizes.get(name, 0) + await store.command("MEMORY", "USAGE", key)
        # 25 hours of `rate`, three of minutes, five times six hours of ten minutes
        numbers = {"rate": 25, "types": 1, "wait:60": 3, "run:60": 3, "wait:600": 5, "run:600": 5}
        whole = sum(sizes[name] * times for name, times in numbers.items())
        print(f"a queue with {number:2} types that work all day: {whole / 1024:.0f} kB; one key of each: {sizes}")


async def write(store: Store) -> None:
    """Add to the series of a queue a thousand times, as servers do every five seconds."""
    types = {f"type-{n}": Runs(24, 0, 0, 24, [1] * 24) for n in range(3)}
    used, _ = await report.spent(store)
    for _ in range(1000):
        await store.run(record("q", 24, 0, [1] * 24, types))
    used_after, _ = await report.spent(store)
    print(f"a write of a queue with 3 types, all buckets: {(used_after - used) / 1000:.0f} µs of the store")


async def read(store: Store) -> None:
    """Read the last hour of a thousand queues, eleven times."""
    names = [f"q{n}" for n in range(1000)]
    for name in names:
        await store.run(record(name, 24, 0, [1] * 24, {}))
    inspector, spans = Inspector(store), []
    used, calls = await report.spent(store)
    for _ in range(11):
        began = time.process_time()
        await inspector.sparks(names)
        spans.append((time.process_time() - began) * 1000)
    used_after, calls_after = await report.spent(store)
    print(
        f"sparks of 1,000 queues: {(calls_after - calls) / 11:.0f} scripts, {(used_after - used) / 11_000:.1f} ms of "
        f"the store, {statistics.median(spans):.0f} ms of this process"
    )


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    logging.getLogger("onebeat").addHandler(logging.NullHandler())  # 200,000 failures on a terminal would cost more
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        async with await Store.open(f"embedded://{folder}/store") as store:
            await report.head(store, "History: what a drained task costs with and without it")
            await drain(store, WAYS["neither"])  # once, so that all is loaded
            await compared(store, rounds, fails=False)
            await compared(store, max(3, rounds // 3), fails=True)
            await memory(store)
            await write(store)
            await read(store)


if __name__ == "__main__":
    asyncio.run(main())
