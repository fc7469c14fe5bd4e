"""
The store is away, or full, for 30 s under load: what becomes of every accepted task, and what an idle server costs.

Three ways: a clean stop and start; SIGKILL with `appendfsync always`; no memory left. One server works, one idles,
a client goes on enqueueing. A ledger outside the store tells what ran: every accepted task must end as its
handler decided, and what has ended must not run again.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench import report, worker
from bench.engine import Engine, opened, settled
from bench.idle import processor_s
from onebeat.broker import browse
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.states import TaskState
from onebeat.task import Task

AWAY_S = 30.0
BEFORE_S = AFTER_S = 5.0
ROUNDS = 3
WAYS = ("clean stop", "SIGKILL, fsync always", "memory full")


async def produce(client: Client, seed: int, until: float, orders: dict[str, str]) -> None:
    """Enqueue about 200 tasks a second, one batch after another; what is accepted is noted with what it is to do."""
    dice = random.Random(seed)
    while time.monotonic() < until:
        chosen = dice.choices(["ok", "fail", "skip"], [8, 1, 1], k=10)
        tasks = [Task[Any]("work", {"do": do, "ms": dice.randrange(50)}) for do in chosen]
        done = await asyncio.gather(*(client.enqueue(task) for task in tasks))
        orders |= {one.id: do for one, do in zip(done, chosen, strict=True)}
        await asyncio.sleep(0.05)


async def go_away(way: str, engine: Engine, store: Store) -> None:
    if way == "memory full":
        await store.command("CONFIG", "SET", "maxmemory", 1)
    elif way == "clean stop":
        engine.stop()
    else:
        engine.kill()


async def come_back(way: str, engine: Engine, store: Store) -> None:
    if way == "memory full":
        await store.command("CONFIG", "SET", "maxmemory", 0)
    else:
        engine.start()
        await (await opened(engine.url)).aclose()


async def archived(store: Store) -> set[str]:
    ids: set[str] = set()
    while page := await store.run(browse.list_ids("default", TaskState.ARCHIVED, offset=len(ids), limit=1000)):
        ids |= set(page)
    return ids


EXPECTED = {"ok": ["ok"], "fail": ["failed", "ok"], "skip": ["skipped"]}


def judge(orders: dict[str, str], rows: list[worker.Row], kept: set[str]) -> Counter[str]:
    """Compare what ran with what was ordered."""
    starts = Counter(row.id for row in rows if row.what == "start")
    ends: dict[str, list[str]] = {}
    for row in rows:
        if row.what == "end":
            ends.setdefault(row.id, []).append(row.how)
    found: Counter[str] = Counter()
    for task_id, do in orders.items():
        as_decided = ends.get(task_id) == EXPECTED[do] and (task_id in kept) == (do == "skip")
        found["ended as decided" if as_decided else "ended otherwise"] += 1
        found["ran again after its end"] += max(0, starts[task_id] - len(EXPECTED[do]))
    found["ran but not accepted"] = len(starts.keys() - orders.keys())
    return found


async def play(way: str, seed: int, folder: Path) -> tuple[Counter[str], float, int]:
    engine = Engine(folder, fsync="always")
    async with await opened(engine.url) as store, Client(store, give_up_after=120) as client:
        busy = await worker.start(engine.url, "default", 30, folder / "busy")
        idle = await worker.start(engine.url, "idle", 30, folder / "idle")
        orders: dict[str, str] = {}
        began = time.monotonic()
        producing = asyncio.create_task(produce(client, seed, began + BEFORE_S + AWAY_S + AFTER_S, orders))
        await asyncio.sleep(BEFORE_S)
        await go_away(way, engine, store)
        spent = processor_s(idle.pid)
        await asyncio.sleep(AWAY_S)
        share = 100 * (processor_s(idle.pid) - spent) / AWAY_S
        await come_back(way, engine, store)
        await producing
        stats, kept = await settled(store), await archived(store)
        for process in (busy, idle):
            process.terminate()
            await process.wait()
        found = judge(orders, worker.rows(folder / "busy"), kept)
        found["counted as processed"], found["accepted"] = stats.processed, len(orders)
        lines = sum(_warnings(folder / f"{name}.log") for name in ("busy", "idle"))
    engine.kill()
    return found, share, lines


def _warnings(log: Path) -> int:
    """Count lines that warn of trouble; those about tasks, which fail as ordered, are none."""
    return sum(
        " task " not in line and (" WARNING " in line or " ERROR " in line) for line in log.read_text().splitlines()
    )


async def main() -> int:
    rounds = int(os.environ.get("ROUNDS", ROUNDS))
    bad = 0
    for way in WAYS:
        shares, lines = [], []
        for number in range(rounds):
            with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
                if way == WAYS[0] and number == 0:
                    engine = Engine(Path(folder))
                    async with await opened(engine.url) as store:
                        await report.head(store, f"Fire: the store away or full for {AWAY_S:g} s, {rounds} rounds each")
                    engine.kill()
                found, share, told = await play(way, number, Path(folder))
            shares.append(share)
            lines.append(float(told))
            bad += found["ended otherwise"] + found["ran again after its end"] + found["ran but not accepted"]
            print(
                f"{way}, seed {number}: accepted {found['accepted']:,}; "
                + ", ".join(f"{name} {found[name]:,}" for name in (
                    "ended as decided", "ended otherwise", "ran again after its end", "ran but not accepted"
                )),
                flush=True,
            )  # fmt: skip
        print(f"   idle server meanwhile {report.spread(shares, '% of a core', 2)}")
        print(f"   warnings of both servers {report.spread(lines, 'lines', 0)}\n", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
