"""
A server in a process of its own, to be killed: `python -m bench.process URL ROLE LEASE FILE`.

As "victim" it holds every task for ever, as "sleeper" until it gets SIGUSR1; as "heir" it ends them. Each notes
every start in FILE, one line "<id> <type> <retried> <monotonic seconds> <role>", before anything else happens.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task


@dataclass(frozen=True)
class Start:
    """A handler's start."""

    id: str
    type: str
    retried: int
    at: float
    role: str


def starts(file: Path) -> list[Start]:
    """Read the starts that were noted, in their order."""
    if not file.exists():
        return []
    rows = [line.split(" ") for line in file.read_text().splitlines()]
    return [Start(id_, kind, int(retried), float(at), role) for id_, kind, retried, at, role in rows]


def mux(role: str, file: Path) -> tuple[Mux, asyncio.Event]:
    """Make the handlers of a role, and the event that wakes a sleeper."""
    notes = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    handlers, woken = Mux(), asyncio.Event()

    def note(ctx: Context[Any]) -> None:
        os.write(notes, f"{ctx.id} {ctx.type} {ctx.retried} {time.monotonic():.6f} {role}\n".encode())

    @handlers.handle("work")
    async def work(ctx: Context[Any], task: Task[Any]) -> None:
        note(ctx)
        if role == "victim":
            await asyncio.Event().wait()
        if role == "sleeper":
            await woken.wait()

    @handlers.handle("other")
    async def other(ctx: Context[Any], task: Task[Any]) -> None:
        note(ctx)

    @handlers.handle("poison")
    async def poison(ctx: Context[Any], task: Task[Any]) -> None:
        note(ctx)
        os.kill(os.getpid(), signal.SIGKILL)

    return handlers, woken


async def start(url: str, role: str, lease: float, file: Path) -> asyncio.subprocess.Process:
    """Start such a process."""
    words = [sys.executable, "-m", "bench.process", url, role, str(lease), str(file)]
    return await asyncio.create_subprocess_exec(*words, cwd=Path(__file__).parents[1])


async def serve(url: str, role: str, lease: float, file: Path) -> None:
    handlers, woken = mux(role, file)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, woken.set)
    await Server(url, concurrency=64, lease=lease, allow_short_lease=True).run(handlers)


def main(url: str, role: str, lease: str, file: str) -> None:
    asyncio.run(serve(url, role, float(lease), Path(file)))


if __name__ == "__main__":
    main(*sys.argv[1:5])
