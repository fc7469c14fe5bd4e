"""
Our server in a process of its own, to be killed: `python -m tests.interop.worker URL LEASE [LEDGER]`.

It says that it serves, and then the id of each task that it begins. Given a ledger, the key of a list in the store, it
puts the ids there instead, and ends each task at once.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from onebeat.broker.store import Store
from onebeat.server.context import Context
from onebeat.server.mux import Mux, Route
from onebeat.server.server import Server
from onebeat.task import Task
from tests.interop.handlers import Aggregated, Ran, mux


async def start(url: str, lease: float, ledger: str = "") -> asyncio.subprocess.Process:
    """Start such a process, and wait until it serves."""
    words = [sys.executable, "-m", "tests.interop.worker", url, str(lease), ledger]
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(*words, cwd=root, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert b"serving\n" == await process.stdout.readline()
    return process


def booking(store: Store, ledger: str) -> Mux:
    """Make the handler that writes into a ledger, unless its payload says that it fails the first time."""

    async def work(ctx: Context[Any], task: Task[Any]) -> None:
        await asyncio.sleep(0.01)
        if task.payload == b"fail" and ctx.retried == 0:
            raise ValueError("as ordered")
        await store.command("RPUSH", ledger, f"Python {ctx.id}")

    handlers = Mux()
    handlers.add("work", Route(work, True, backoff=lambda _failures, _error: 0.05))
    return handlers


def say(seen: Ran | Aggregated) -> None:
    assert isinstance(seen, Ran)
    print(seen.id, flush=True)


async def serve(url: str, lease: float, ledger: str) -> None:
    async with await Store.open(url) as store:
        handlers = booking(store, ledger) if ledger else mux(say, store)
        async with Server(url, concurrency=4, lease=lease, allow_short_lease=True).serving(handlers):
            print("serving", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2]), sys.argv[3]))
