"""A database that we wrote: a task in each state, a server at work, schedules that fired, our private keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.options import Unique
from onebeat.scheduler.scheduler import Scheduler
from onebeat.server.series import Series
from onebeat.server.serving import Serving
from onebeat.task import Task
from tests.interop.sides import Python, Side
from tests.server.conftest import Bench, until

TEXT = '{"ключ":"é"}'
PAYLOAD = TEXT.encode()
GROUP = "g:é"
BINARY = b"\x00\xff"
STATES = {
    "pending": "waits", "active": "held", "scheduled": "soon",
    "retry": "later", "archived": "dead", "completed": "kept",
}  # fmt: skip
"""State → the id of the task in it; all of them in queue "default"."""

RUNNABLE = ("scheduled", "retry", "archived")
ARCHIVABLE = ("pending", "scheduled", "retry")
DELETABLE = ("pending", "scheduled", "retry", "archived", "completed")
"""From which states asynq's tools run, archive and delete."""


@dataclass(frozen=True)
class Populated:
    """What is there."""

    bench: Bench
    serving: Serving


@asynccontextmanager
async def opened(engine: str) -> AsyncIterator[tuple[Bench, Python]]:
    """Empty the store and open it, for what lasts longer than a test."""
    async with await Store.open(engine) as store, Client(store) as client:
        await store.command("FLUSHALL")
        yield Bench(store, client), Python(store, client)


@asynccontextmanager
async def populated(bench: Bench, python: Python) -> AsyncIterator[Populated]:
    """
    Fill the database, and keep the server and the schedules going meanwhile.

    Queue "default" has a task in each state, group "g:é" two; "beat" has what two schedules fire, and nobody serves it.
    """
    await python.enqueue("flaky", PAYLOAD, task_id="kept", retention=3600, headers={"x": "y"}, timeout=60.5)
    await python.enqueue("later", PAYLOAD, task_id="later", max_retry=5)
    await python.enqueue("skip", PAYLOAD, task_id="dead")
    async with python.serving(concurrency=1) as run:
        assert run.serving is not None
        await bench.reaches(completed=1, retry=1, archived=1)
        await python.enqueue("hold", PAYLOAD, task_id="held", timeout=100)
        await bench.reaches(active=1)
        await python.enqueue("ok", BINARY, task_id="waits", unique=Unique(600, key="k"), expires=600)
        for number in (1, 2):
            await python.enqueue("part", PAYLOAD, task_id=f"part-{number}", group=GROUP)
        await python.enqueue("ok", PAYLOAD, task_id="soon", process_in=3600.5, unique=600)
        async with scheduling(bench):
            run.serving.keeper._presence._next = 0.0
            await series_of(run.serving).flush()
            await until(lambda: shows_what_runs(bench))
            yield Populated(bench, run.serving)


def series_of(serving: Serving) -> Series:
    """Return what counts for a server, which writes every few seconds."""
    assert serving._series is not None
    return serving._series


async def shows_what_runs(bench: Bench) -> bool:
    """Whether the list of servers shows the task that runs."""
    return bool(await bench.store.command("KEYS", "asynq:workers:*"))


async def shows_servers(bench: Bench, count: int) -> bool:
    """Whether so many servers are listed."""
    return bool(count == await bench.store.command("ZCARD", "asynq:servers"))


@asynccontextmanager
async def scheduling(bench: Bench) -> AsyncIterator[None]:
    """Keep an interval and a calendar, of which the interval has fired."""
    scheduler = Scheduler(bench.store, app="shop")
    scheduler.register("@every 0.5s", Task("tick", {"a": 1}), id="tick", queue="beat", max_retry=2, timeout=90)
    scheduler.register("0 3 * * mon-fri", Task("report"), id="nightly", tz="Europe/Berlin")
    keeping = asyncio.create_task(scheduler.run())
    try:
        names = ["asynq:scheduler_history:{beat}:tick", "asynq:schedulers:{beat}", "asynq:schedulers:{default}"]

        async def shown() -> bool:
            return bool(await bench.store.command("EXISTS", *names) == len(names))

        await until(shown)
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def stock(bench: Bench, owner: Side, **counts: int) -> None:
    """
    Let a side put so many tasks into these states of queue "default"; their ids are "<state>-<n>", from 1.

    Those that only a server brings about it lets run first.
    """
    kinds = {"retry": "later", "archived": "skip", "completed": "ok"}
    ran = {state: counts.get(state, 0) for state in kinds}
    for state, count in ran.items():
        for number in range(1, count + 1):
            await owner.enqueue(kinds[state], PAYLOAD, task_id=f"{state}-{number}", retention=600)
    async with owner.serving(concurrency=1):
        await bench.reaches("default", **ran, active=0, pending=0)
    for number in range(1, counts.get("scheduled", 0) + 1):
        await owner.enqueue("ok", PAYLOAD, task_id=f"scheduled-{number}", process_in=3600 + 10 * number, retention=600)
    for number in range(1, counts.get("pending", 0) + 1):
        await owner.enqueue("ok", PAYLOAD, task_id=f"pending-{number}", retention=600)
