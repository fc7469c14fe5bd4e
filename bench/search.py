"""
How long it takes to find 12 tasks among many: by error, by type, by a field of the payload, and by age.

Half of the tasks are archived, half wait; each has a payload of about 200 bytes. The 12 stand at random places. Beside
the whole time: how long the store was held in all, and by the longest script, as it counts itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import report
from bench.engine import Engine, opened
from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.wire.message import TaskMessage, encode

TASKS = int(os.environ.get("ONEBEAT_SEARCH_TASKS", "100000"))
WANTED, ROUNDS, BATCH, HOUR = 12, 5, 2000, 3600
ROOT = "asynq:{q}:"
FILTERS = [
    'error:"connection refused"',
    "type:mail:welcome",
    "payload.user.id=9007199254740993",
    "state:archived age>2h",
    "payload.amount>=0 payload.user.vip=true",
    "retried>=20",
]
"""The last cannot be looked for in bytes, and the one before in the keys alone: every task is given and decoded."""


def message(number: int, is_wanted: bool) -> TaskMessage:
    user = {"id": 2**53 + 1 if is_wanted else number, "name": f"user {number}", "vip": is_wanted}
    return TaskMessage(
        type="mail:welcome" if is_wanted else "mail:report",
        payload=json.dumps({"user": user, "amount": number / 7, "text": "x" * 100}).encode(),
        id=f"task-{number:08}",
        queue="q",
        retry=25,
        retried=20 if is_wanted else 3,
        error_msg="dial tcp: Connection refused" if is_wanted else "context deadline exceeded",
    )


async def fill(store: Store) -> None:
    now = int((await store.command("TIME"))[0])
    wanted = set(random.Random(1).sample(range(0, TASKS, 2), WANTED))
    await store.command("SADD", "asynq:queues", "q")
    for start in range(0, TASKS, BATCH):
        commands: list[list[Any]] = []
        for number in range(start, start + BATCH):
            made, state = message(number, number in wanted), ("archived", "pending")[number % 2]
            commands.append(["HSET", f"{ROOT}t:{made.id}", "msg", encode(made), "state", state])
            if state == "pending":
                commands.append(["LPUSH", f"{ROOT}pending", made.id])
            else:
                commands.append(["ZADD", f"{ROOT}archived", now - (3 * HOUR if number in wanted else HOUR), made.id])
        await store.commands(commands)


async def measure(store: Store, text: str) -> None:
    times: list[float] = []
    held: list[float] = []
    longest: list[float] = []
    scanned = 0
    for _ in range(ROUNDS):
        await store.command("CONFIG", "RESETSTAT")
        await store.command("SLOWLOG", "RESET")
        began, found = time.monotonic(), 0
        async for part in Inspector(store).search(text):
            found, scanned = found + len(part.tasks), part.scanned
        times.append(time.monotonic() - began)
        if found != WANTED:
            raise RuntimeError(f"{text} found {found} of {WANTED}")
        held.append((await report.spent(store))[0] / 1000)
        slow = [entry for entry in await store.command("SLOWLOG", "GET", -1) if entry[3][0].upper().startswith(b"EVAL")]
        longest.append(max((int(entry[2]) / 1000 for entry in slow), default=0.1))
    print(f"{text}")
    print(f"    found {WANTED}, looked at {scanned:,}: {report.spread(times, 's', 2)}")
    print(f"    store {statistics.median(held):.0f} ms in all, longest script {statistics.median(longest):.1f} ms")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder, ExitStack() as stack:
        engine = Engine(Path(folder), fsync="no")
        stack.callback(engine.kill)
        async with await opened(engine.url) as store:
            await report.head(store, f"Inspector: find {WANTED} of {TASKS:,} tasks, medians of {ROUNDS} rounds")
            await store.command("CONFIG", "SET", "slowlog-log-slower-than", 100)
            await store.command("CONFIG", "SET", "slowlog-max-len", 1_000_000)
            await fill(store)
            for text in FILTERS:
                await measure(store, text)


if __name__ == "__main__":
    asyncio.run(main())
