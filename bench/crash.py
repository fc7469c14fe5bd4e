"""
kill -9 of a server with 50 running tasks, lease 15 s; and a task that kills its process every time.

The 50 have max_retry=0; the second part shows what becomes of that task's 100 neighbours.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench import process, report
from onebeat.broker import browse
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.states import TaskState
from onebeat.task import Task

HELD = 50
LEASE_S = 15.0
POISON_LEASE_S = 2.0


async def count(store: Store, name: str, wanted: int) -> None:
    while True:
        stats = await store.run(browse.stats("default"))
        if getattr(stats, name) == wanted:
            return
        await asyncio.sleep(0.05)


async def kill_with_fifty(url: str, store: Store, client: Client, file: Path) -> None:
    await client.enqueue_many((Task("work", n) for n in range(HELD)), max_retry=0)
    victim = await process.start(url, "victim", LEASE_S, file)
    await count(store, "active", HELD)
    heir = await process.start(url, "heir", LEASE_S, file)
    await asyncio.sleep(6)  # the lease is renewed every 2.5 s: the kill comes in the middle of its life
    killed = time.monotonic()
    victim.kill()
    await victim.wait()
    await count(store, "processed", HELD)
    again = [start for start in process.starts(file) if start.role == "heir"]
    first_run = [start.id for start in process.starts(file) if start.role == "victim"]
    print(f"{HELD} running tasks, lease {LEASE_S:g} s, max_retry 0:")
    last = max(start.at for start in again) - killed
    in_order = [start.id for start in again] == first_run
    print(f"  all ran again after {last:.1f} s; {len(again)} starts of {len({start.id for start in again})} tasks")
    print(f"  retried {sorted({start.retried for start in again})}; in their first order: {in_order}")
    stats = await store.run(browse.stats("default"))
    print(f"  processed {stats.processed}, failed {stats.failed}, archived {stats.archived}")
    heir.terminate()
    await heir.wait()


async def poison(url: str, store: Store, client: Client, file: Path) -> None:
    task_id = (await client.enqueue(Task("poison"))).id
    await client.enqueue_many(Task("other", n) for n in range(100))
    began, crashes = time.monotonic(), 0
    server = await process.start(url, "heir", POISON_LEASE_S, file)
    while (await Inspector(store).task("default", task_id)).state is not TaskState.ARCHIVED:
        if server.returncode is not None:
            crashes += 1
            server = await process.start(url, "heir", POISON_LEASE_S, file)
        await asyncio.sleep(0.05)
    info = await Inspector(store).task("default", task_id)
    ran = [start for start in process.starts(file) if start.type == "other"]
    print(f"a task that kills its process, lease {POISON_LEASE_S:g} s:")
    took = time.monotonic() - began
    print(f"  archived after {crashes} crashes and {took:.0f} s: {info.last_error!r}, retried {info.retried}")
    print(f"  meanwhile {len({start.id for start in ran})} of 100 other tasks ran")
    server.terminate()
    await server.wait()


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"embedded://{folder}/store"
        async with await Store.open(url) as store, Client(store) as client:
            await report.head(store, "Crashes")
            await kill_with_fifty(url, store, client, Path(folder) / "fifty")
            await poison(url, store, client, Path(folder) / "poison")


if __name__ == "__main__":
    asyncio.run(main())
