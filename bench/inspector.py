"""
How long the inspector holds the store: each bulk operation on 200,000 tasks, and the removal of a queue with as many.

The time of each script is the store's own, from its slow log. That lists the commands inside scripts as well, and
writing them down takes time, so nothing under 0.1 ms is. Three rounds; in each, after every operation, no record may
be without an entry and no entry without a record.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import report
from bench.engine import Engine, opened
from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.wire.message import TaskMessage, encode

TASKS = int(os.environ.get("ONEBEAT_INSPECTOR_TASKS", "200000"))
ROUNDS = 3
GOAL_MS = 10
ROOT = "asynq:{q}:"
LISTS = ("pending", "active")
SETS = ("scheduled", "retry", "archived", "completed", "g:g")
BATCH = 2000
LISTED_FROM_US = 100


async def fill(store: Store, state: str) -> None:
    """Write so many tasks as clients and servers leave them, each with a payload of 100 bytes and a lock."""
    now = int((await store.command("TIME"))[0])
    place = "g:g" if state == "aggregating" else state
    await store.command("SADD", "asynq:queues", "q")
    if state == "aggregating":
        await store.command("SADD", f"{ROOT}groups", "g")
    for start in range(0, TASKS, BATCH):
        commands: list[list[Any]] = []
        for number in range(start, start + BATCH):
            id_, lock = f"task-{number:08}", f"{ROOT}unique:t:{number}"
            message = TaskMessage(type="t", payload=b"x" * 100, id=id_, queue="q", retry=25, timeout=60)
            message.unique_key = lock
            fields = ["msg", encode(message), "state", state, "unique_key", lock, "group", "g"]
            commands.append(["HSET", f"{ROOT}t:{id_}", *fields[: 8 if state == "aggregating" else 6]])
            commands.append(["SET", lock, id_, "EX", 3600])
            if state == "pending":
                commands.append(["LPUSH", f"{ROOT}pending", id_])
            else:
                commands.append(["ZADD", ROOT + place, now + 3600, id_])
            if state in ("scheduled", "retry"):
                commands.append(["ZADD", "onebeat:{q}:exact", (now + 3600) * 1000, id_])
        await store.commands(commands)


def must(is_so: bool, otherwise: str) -> None:
    """End the measurement where what it measures is wrong."""
    if not is_so:
        raise RuntimeError(otherwise)


async def check(store: Store) -> int:
    """See that records and entries belong together; return how many there are."""
    listed: set[bytes] = set()
    for name in LISTS:
        listed.update(await store.command("LRANGE", ROOT + name, 0, -1))
    for name in SETS:
        listed.update(await store.command("ZRANGE", ROOT + name, 0, -1))
    records = {key.rpartition(b":")[2] for key in await store.command("KEYS", f"{ROOT}t:*")}
    must(records == listed, f"{len(records - listed)} records without a list, {len(listed - records)} without a record")
    return len(records)


async def held_ms(store: Store) -> list[float]:
    """Return how long each script since the last reset held the store, as far as it was long enough to be listed."""
    entries = await store.command("SLOWLOG", "GET", -1)
    return [int(entry[2]) / 1000 for entry in entries if entry[3][0].upper() in (b"EVALSHA", b"EVAL")]


Operation = Callable[[Inspector], Awaitable[int]]
OPERATIONS: list[tuple[str, str, Operation]] = [
    ("run_all", "scheduled", lambda inspector: inspector.run_all("q", "scheduled")),
    ("run_all", "archived", lambda inspector: inspector.run_all("q", "archived")),
    ("run_all", "aggregating", lambda inspector: inspector.run_all("q", "aggregating", group="g")),
    ("archive_all", "pending", lambda inspector: inspector.archive_all("q", "pending")),
    ("archive_all", "retry", lambda inspector: inspector.archive_all("q", "retry")),
    ("delete_all", "pending", lambda inspector: inspector.delete_all("q", "pending")),
    ("delete_all", "completed", lambda inspector: inspector.delete_all("q", "completed")),
    ("delete_all", "aggregating", lambda inspector: inspector.delete_all("q", "aggregating", group="g")),
    ("remove_queue", "pending", lambda inspector: inspector.remove_queue("q", force=True)),
    ("remove_queue", "archived", lambda inspector: inspector.remove_queue("q", force=True)),
]


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def measure(store: Store, name: str, state: str, operation: Operation) -> None:
    rounds: list[list[float]] = []
    took: list[float] = []
    left = 0
    for _ in range(ROUNDS):
        await store.command("FLUSHALL")
        await fill(store, state)
        await store.command("SLOWLOG", "RESET")
        began = time.monotonic()
        done = await operation(Inspector(store))
        took.append(time.monotonic() - began)
        must(done == TASKS, f"{name} of {state} did {done} of {TASKS}")
        rounds.append(sorted(await held_ms(store)))
        left = await check(store)
        if name == "remove_queue":
            must(await store.command("DBSIZE") == 0, "the queue is removed, but not all of its keys")
    figures = [
        f"{label} {statistics.median(percentile(each, share) for each in rounds):.2f}"
        for label, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
    ]
    worst = statistics.median(percentile(each, 0.999) for each in rounds)
    verdict = "met" if worst < GOAL_MS else "MISSED"
    print(f"{name:<12} {state:<11} {len(rounds[0]):>5} scripts  {', '.join(figures)} ms; goal {verdict}")
    print(f"{'':<25} {statistics.median(took):.1f} s; {left:,} records left, each with its entry")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder, ExitStack() as stack:
        engine = Engine(Path(folder), fsync="no")
        stack.callback(engine.kill)
        async with await opened(engine.url) as store:
            what = f"Inspector: bulk operations on {TASKS:,} tasks, medians of {ROUNDS} rounds"
            await report.head(store, f"{what}; goal p99.9 < {GOAL_MS} ms")
            await store.command("CONFIG", "SET", "slowlog-log-slower-than", LISTED_FROM_US)
            await store.command("CONFIG", "SET", "slowlog-max-len", 1_000_000)
            for name, state, operation in OPERATIONS:
                await measure(store, name, state, operation)


if __name__ == "__main__":
    asyncio.run(main())
