"""
Code that holds Python's interpreter lock: what it does to the leases of its process.

Two servers, lease 15 s. The first runs a task that holds the lock for 5 s, then one that holds it for 40 s, with an
ordinary task beside each. While the lock is held the keeper cannot extend, and the second server recovers what
lapses. The same 40 s in a process of its own (`isolation="process"`) follow.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench import report
from bench.engine import Engine, opened
from onebeat import Onebeat
from onebeat.broker import browse
from onebeat.broker.store import Store

LEASE_S = 15.0
HELD_S = (5, 40)
app: Onebeat[None] = Onebeat("gil")


def note(what: str) -> None:
    with Path(os.environ["BENCH_NOTES"]).open("a") as file:
        file.write(f"{what} {os.environ['BENCH_NAME']} {time.monotonic():.3f}\n")


def hold(seconds: int) -> None:
    note("hold")
    ctypes.PyDLL(None).sleep(seconds)  # as C code does that never lets go of the lock


@app.task("holds", queue="first", max_retry=0)
def holds(seconds: int) -> None:
    hold(seconds)


@app.task("isolated", queue="first", max_retry=0, isolation="process")
def isolated(seconds: int) -> None:
    hold(seconds)


@app.task("beside", queue="first", max_retry=0)
async def beside(seconds: int) -> None:
    note("beside")
    await asyncio.sleep(seconds)


async def measure(store: Store, folder: Path, url: str, kind: str, seconds: int) -> None:
    notes = folder / f"{kind}-{seconds}"
    environment = {**os.environ, "BENCH_NOTES": str(notes), "ONEBEAT_URL": url}
    words = [sys.executable, "-m", "onebeat", "run", "bench.gil:app", "--lease", str(LEASE_S), "-q", "first", "-c", "2"]
    words += ["--log-level", "error"]
    first = await asyncio.create_subprocess_exec(*words, env={**environment, "BENCH_NAME": "first"})
    task = isolated if kind == "isolated" else holds
    await beside.enqueue(seconds + 2)
    await task.enqueue(seconds)
    while not notes.exists() or len(notes.read_text().splitlines()) < 2:
        await asyncio.sleep(0.05)
    began = time.monotonic()
    second = await asyncio.create_subprocess_exec(*words, env={**environment, "BENCH_NAME": "second"})
    while (stats := await store.run(browse.stats("first"))).active + stats.pending + stats.retry:
        await asyncio.sleep(0.1)
    rows = [line.split() for line in notes.read_text().splitlines()]
    starts = Counter(what for what, _, _ in rows)
    again = [f"{float(at) - began:.1f} s" for _, name, at in rows if name == "second"]
    print(
        f"{kind:>9} {seconds:>3} s: runs of the holder {starts['hold']}, of its neighbour {starts['beside']}; "
        f"by the second server after {', '.join(again) or '-'}; failed {stats.failed}, archived {stats.archived}",
        flush=True,
    )
    for process in (first, second):
        process.kill()
        await process.wait()
    await store.command("FLUSHALL")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        engine = Engine(Path(folder), fsync="no")
        app.url = engine.url
        async with await opened(engine.url) as store:
            await report.head(store, f"The interpreter lock held, lease {LEASE_S:g} s")
            for _ in range(int(os.environ.get("ROUNDS", "3"))):
                for seconds in HELD_S:
                    await measure(store, Path(folder), engine.url, "in ours", seconds)
                await measure(store, Path(folder), engine.url, "isolated", HELD_S[-1])
                for left in Path(folder).glob("*-*"):
                    left.unlink()
        await app.aclose()
        engine.kill()


if __name__ == "__main__":
    asyncio.run(main())
