"""How late delayed tasks start, and how soon an idle server picks up what is enqueued, by us and as Go writes it."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from typing import Any

from bench import report
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task
from onebeat.wire.message import TaskMessage, encode

DELAYED = 2000
SPAN_S = 20.0
PICKED = 200
SEED = 20_240_624


class Starts:
    """When each task began, by the store's clock carried on monotonically, in milliseconds."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.began = asyncio.Event()
        self._ahead = 0.0

    async def read_clock(self, store: Store) -> None:
        best = 1e9
        for _ in range(20):
            before = time.monotonic()
            seconds, micros = await store.command("TIME")
            after = time.monotonic()
            if after - before < best:
                best = after - before
                self._ahead = int(seconds) * 1000 + int(micros) / 1000 - (before + after) * 500

    def now(self) -> float:
        return self._ahead + time.monotonic() * 1000

    def note(self, ctx: Context[Any]) -> None:
        self.at[ctx.id] = self.now()
        self.began.set()


async def delayed(client: Client, starts: Starts) -> list[float]:
    """Enqueue tasks at random times within the span and return how late each began, in ms."""
    chance = random.Random(SEED)
    due: dict[str, int] = {}
    for _ in range(DELAYED):
        enqueued = await client.enqueue(Task("t"), process_in=1.0 + chance.random() * SPAN_S)
        due[enqueued.id] = enqueued.due_ms or 0
    while len(starts.at) < DELAYED:
        starts.began.clear()
        await starts.began.wait()
    return [starts.at[id_] - when for id_, when in due.items()]


async def ours(client: Client, store: Store, number: int) -> str:
    return (await client.enqueue(Task("t"), task_id=f"ours-{number}")).id


async def as_go_writes(client: Client, store: Store, number: int) -> str:
    """Write a task by the commands that Go's script runs."""
    task_id = f"go-{number}"
    message = encode(TaskMessage(type="t", id=task_id, queue="default", retry=25, timeout=1800))
    key = f"asynq:{{default}}:t:{task_id}"
    await store.command("HSET", key, "msg", message, "state", "pending", "pending_since", time.time_ns())
    await store.command("LPUSH", "asynq:{default}:pending", task_id)
    return task_id


async def picked_up(client: Client, store: Store, starts: Starts, write: Any) -> list[float]:
    """Return how long after its write each task began on an idle server, in ms."""
    chance, took = random.Random(SEED), []
    for number in range(PICKED):
        await asyncio.sleep(0.02 + chance.random() * 0.02)  # the pause that makes the server idle is what is measured
        starts.began.clear()
        before = starts.now()
        task_id = await write(client, store, number)
        while task_id not in starts.at:
            await starts.began.wait()
            starts.began.clear()
        took.append(starts.at[task_id] - before)
    return took


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"embedded://{folder}/store"
        async with await Store.open(url) as store, Client(store) as client:
            await report.head(
                store,
                f"Latency: {DELAYED} delayed tasks over {SPAN_S:g} s, {PICKED} pick-ups of each kind; seed {SEED}",
            )
            starts, handlers = Starts(), Mux()

            @handlers.handle("t")
            async def handler(ctx: Context[Any], task: Task[Any]) -> None:
                starts.note(ctx)

            await starts.read_clock(store)
            async with Server(store).serving(handlers):
                late = await delayed(client, starts)
                print(f"delayed   early {sum(value < 0 for value in late)}; late {report.percentiles(late)}")
                for name, write in (("ours", ours), ("as Go's", as_go_writes)):
                    print(f"pick-up   {name:8} {report.percentiles(await picked_up(client, store, starts, write))}")


if __name__ == "__main__":
    asyncio.run(main())
