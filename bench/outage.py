"""The store is killed three times while 20,000 tasks are enqueued and run: what is lost, and what runs twice."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from bench import report
from bench.engine import Engine, opened, settled
from onebeat.client import Client
from onebeat.preparing import BulkResult
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task

TASKS = 20_000
KILLS = 3
AWAY_S = 1.0


async def enqueue(client: Client) -> BulkResult:
    return await client.enqueue_many(Task("t", number) for number in range(TASKS))


async def main() -> None:
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        engine, runs, handlers = Engine(Path(folder)), Counter[str](), Mux()

        @handlers.handle("t")
        async def handler(ctx: Context[Any], task: Task[Any]) -> None:
            runs[ctx.id] += 1
            await asyncio.sleep(0.001)

        async with await opened(engine.url) as store, Client(store, give_up_after=60) as client:
            await report.head(store, f"Outage: the store killed {KILLS} times for {AWAY_S:g} s under {TASKS:,} tasks")
            async with Server(store).serving(handlers) as serving:
                bulk = asyncio.create_task(enqueue(client))
                for _ in range(KILLS):
                    await asyncio.sleep(0.4)
                    engine.kill()
                    print(f"killed after {len(runs):,} tasks had run")
                    await asyncio.sleep(AWAY_S)
                    engine.start()
                result, stats = await bulk, await settled(store)
                print(f"accepted {result.enqueued:,}, refused {len(result.failures)}")
                print(f"ran {len(runs):,}, more than once {sum(count > 1 for count in runs.values())}")
                lost = serving.acknowledger.lease_lost
                print(f"processed {stats.processed:,}, failed {stats.failed}, leases lost {lost}")
        engine.kill()


if __name__ == "__main__":
    asyncio.run(main())
