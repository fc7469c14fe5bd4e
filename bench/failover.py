"""A primary is killed under load: how soon after the announcement of its successor writes and runs go on."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis.asyncio
from tests.engines import HOST, Cluster, Process, Watched
from tests.topology.ledger import Ledger, Load

from bench import report
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable
from onebeat.server.server import Server
from onebeat.task import Task
from onebeat.wire import keys

ROUNDS = 3
DEAD_AFTER_MS = 2000
SERVERS = 2


async def switched(watched: Watched) -> float:
    """Return when the first sentinel announces a switch."""

    async def hear(sentinel: Process) -> float:
        async with redis.asyncio.Redis(host=HOST, port=sentinel.port) as client, client.pubsub() as hub:
            await hub.subscribe("+switch-master")
            while True:
                if await hub.get_message(ignore_subscribe_messages=True, timeout=None) is not None:
                    return time.monotonic()

    hearing = [asyncio.create_task(hear(sentinel)) for sentinel in watched.sentinels]
    await asyncio.wait(hearing, return_when=asyncio.FIRST_COMPLETED)
    first = next(task.result() for task in hearing if task.done())
    for task in hearing:
        task.cancel()
    await asyncio.gather(*hearing, return_exceptions=True)
    return first


async def promoted(replica: Process) -> float:
    """Return when a replica first says that it is a primary, to 2 ms."""
    async with redis.asyncio.Redis(host=HOST, port=replica.port) as client:
        while (await client.info("replication"))["role"] != "master":
            await asyncio.sleep(0.002)  # a replica tells nobody that it was promoted
        return time.monotonic()


async def probe(client: Client, ledger: Ledger, after: Callable[[], float]) -> float:
    """Enqueue one task after another, without waiting for replicas; return when the first is answered after a kill."""
    number = 0
    while True:
        number += 1
        begun = time.monotonic()
        ledger.unsure.add(f"probe-{number}")
        try:
            await client.enqueue(Task("work"), queue="q", task_id=f"probe-{number}", max_retry=0)
        except BrokerUnavailable:
            continue
        if begun > after():
            return time.monotonic()
        await asyncio.sleep(0.002)  # the pace of the probe, and so how exact it is


async def measure(topology: Watched | Cluster, old: Process, announced: asyncio.Task[float]) -> dict[str, float]:
    ledger, killed = Ledger(), [float("inf")]
    servers = [Server(topology.url, queues={"q": 1}, concurrency=16) for _ in range(SERVERS)]
    async with (
        servers[0].serving(ledger.handlers()),
        servers[1].serving(ledger.handlers()),
        Client(topology.url, durability="replicas:1", give_up_after=60) as client,
        Client(topology.url, give_up_after=60) as quick,
    ):
        load = Load(ledger, client, ["q"] * 8)
        loading = asyncio.create_task(load.run())
        probing = asyncio.create_task(probe(quick, ledger, lambda: killed[0]))
        await ledger.until(lambda: len(ledger.runs) >= 200)
        ledger.phase = "switching"
        await asyncio.to_thread(old.kill)
        killed[0] = time.monotonic()
        said, written = await announced, await probing
        before = sum(ledger.runs.values())
        await ledger.until(lambda: sum(ledger.runs.values()) > before)
        running = time.monotonic()
        if isinstance(topology, Cluster):
            await asyncio.to_thread(old.start)  # so that there is a replica again
        ledger.phase = "after"
        await ledger.until(lambda: len(ledger.runs) >= before + 200)
        load.stop()
        await loading
        await ledger.until(lambda: not ledger.missing)
    ledger.explain()
    return {
        "announced": said - killed[0],
        "written": written - said,
        "running": running - said,
        "accepted": len(ledger.accepted),
        "twice": sum(count > 1 for count in ledger.runs.values()),
    }


async def rounds(name: str, start: Callable[[Path], Any], begin: Callable[[Any], Any]) -> None:
    found: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
            topology = await asyncio.to_thread(start, Path(folder))
            if not found:
                async with await Store.open(topology.url) as store:
                    await report.head(store, f"Fail-over: {name}, its primary killed under load, {ROUNDS} rounds")
            old, waiting = begin(topology)
            found.append(await measure(topology, old, asyncio.create_task(waiting)))
            topology.end()
    print("announced, after the kill        ", report.spread([one["announced"] for one in found], "s", 2))
    print("first write, after the announcement", report.spread([one["written"] for one in found], "s", 3))
    print("first run, after the announcement  ", report.spread([one["running"] for one in found], "s", 3))
    print(f"accepted {sum(one['accepted'] for one in found):,.0f}, lost 0, ", end="")
    print(f"ran twice {sum(one['twice'] for one in found):.0f}, all of them around a kill\n")


async def main() -> None:
    logging.disable(logging.WARNING)

    def of_sentinels(topology: Watched) -> tuple[Process, Any]:
        return topology.primary(), switched(topology)

    def of_cluster(topology: Cluster) -> tuple[Process, Any]:
        old = topology.owner(keys.slot(keys.root("q")))
        return old, promoted(topology.replica_of(old))

    await rounds("sentinels", lambda folder: Watched(folder, down_ms=DEAD_AFTER_MS), of_sentinels)
    await rounds("a cluster", lambda folder: Cluster(folder, timeout_ms=DEAD_AFTER_MS), of_cluster)


if __name__ == "__main__":
    asyncio.run(main())
