"""
A server that keeps a ledger outside the store: `python -m bench.worker URL QUEUE LEASE LEDGER`.

What a task does stands in its payload: {"do": "ok" | "fail" | "skip", "ms": how long}. "fail" fails the first time.
The ledger has a line for every start and every end of a handler, written at once, so it survives SIGKILL:
"start <id> <monotonic seconds>" and "end <id> <monotonic seconds> <ok | failed | skipped | stopped>". A file beside
it has a line for each time that the process stood still, stopped by a signal or together with its machine:
"<from> <to>".
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from onebeat.errors import SkipRetry
from onebeat.server.context import Context
from onebeat.server.mux import Mux, Route
from onebeat.server.server import Server
from onebeat.task import Task

TICK_S = 0.1
STOOD_S = 0.5
"""A tick that comes so late shows that the process stood still."""


@dataclass(frozen=True)
class Row:
    """A line of a ledger."""

    what: str
    id: str
    at: float
    how: str = ""


def rows(ledger: Path) -> list[Row]:
    """Read a ledger; a line that a kill cut short is left out."""
    if not ledger.exists():
        return []
    lines = [line.split(" ") for line in ledger.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [Row(words[0], words[1], float(words[2]), *(word.strip() for word in words[3:])) for words in lines]


def stood(ledger: Path) -> list[tuple[float, float]]:
    """Read from when to when the server of a ledger stood still, by its own account."""
    file = ledger.with_suffix(".stood")
    if not file.exists():
        return []
    lines = [line.split() for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [(float(began), float(ended)) for began, ended in lines]


def watch(ledger: Path) -> None:
    """Write down, for ever, whenever this process has stood still."""
    before = time.monotonic()
    with ledger.with_suffix(".stood").open("a", buffering=1) as file:
        while True:
            time.sleep(TICK_S)  # how late it wakes is what is measured
            now = time.monotonic()
            if now - before > STOOD_S:
                file.write(f"{before:.6f} {now:.6f}\n")
            before = now


def handlers(ledger: Path) -> Mux:
    """Make the handler that does what its task says, and writes it down."""
    book = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(what: str, ctx: Context[Any], how: str = "") -> None:
        os.write(book, f"{what} {ctx.id} {time.monotonic():.6f}{' ' + how if how else ''}\n".encode())

    async def work(ctx: Context[Any], task: Task[Any]) -> None:
        order = msgspec.json.decode(task.payload)
        note("start", ctx)
        try:
            await asyncio.sleep(order["ms"] / 1000)
        except asyncio.CancelledError:
            note("end", ctx, "stopped")
            raise
        if order["do"] == "fail" and ctx.retried == 0:
            note("end", ctx, "failed")
            raise ValueError("as ordered")
        if order["do"] == "skip":
            note("end", ctx, "skipped")
            raise SkipRetry("as ordered")
        note("end", ctx, "ok")

    mux = Mux()
    mux.add("work", Route(work, True, backoff=lambda _failures, _error: 0.5))
    return mux


async def start(url: str, queue: str, lease: float, ledger: Path) -> asyncio.subprocess.Process:
    """Start such a server; its log goes to a file beside the ledger."""
    words = [sys.executable, "-m", "bench.worker", url, queue, str(lease), str(ledger)]
    with ledger.with_suffix(".log").open("ab") as log:
        return await asyncio.create_subprocess_exec(*words, cwd=Path(__file__).parents[1], stderr=log)


def main(url: str, queue: str, lease: str, ledger: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    threading.Thread(target=watch, args=(Path(ledger),), daemon=True).start()
    server = Server(url, queues={queue: 1}, lease=float(lease), allow_short_lease=True)
    asyncio.run(server.run(handlers(Path(ledger))))


if __name__ == "__main__":
    main(*sys.argv[1:5])
