"""Stores with something of everything, and servers that run; the console is asked over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.entry import Entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.web import console
from onebeat.wire import keys
from onebeat.wire.records import EnqueueEventRecord, EntryRecord, ServerRecord, WorkerRecord
from onebeat.wire.sheet import SheetRecord
from tests.conftest import NOON, Clock
from tests.server.conftest import Bench
from tests.web.conftest import ORIGIN

SECOND = 10**9
UUID = "11111111-2222-4333-8444-55555555555"


async def declare(store: Store, *entries: Entry, app: str = "shop") -> None:
    """Declare schedules, as an instance of an application does."""
    await Scheduler(store, app=app, entries=entries).declare(store)


async def keep(store: Store, number: int, *entries: EntryRecord) -> str:
    """Write what a scheduler of Go writes; returns its id."""
    name = f"go:{number}:{UUID}{number}"
    key = f"asynq:schedulers:{{{name}}}"
    await store.command("RPUSH", key, *(entry.encode() for entry in entries))
    await store.command("ZADD", keys.SCHEDULERS, "inf", key)
    return name


async def fired(store: Store, entry_id: str, task_id: str) -> None:
    """Write that an entry of Go's fired."""
    event = EnqueueEventRecord(task_id=task_id, enqueue_time=NOON * SECOND)
    await store.command("ZADD", keys.scheduler_history(entry_id), NOON, event.encode())


async def lists(
    store: Store,
    number: int,
    *,
    sheet: SheetRecord | None = None,
    until: int = 10,
    workers: tuple[str, ...] = (),
    **fields: object,
) -> str:
    """Write what a server writes, and that it was seen so long before its entry ends; returns its id."""
    server_id = f"id{number}"
    tag = f"web-{number}:{40 + number}:{server_id}"
    values = {
        "host": f"web-{number}", "pid": 40 + number, "server_id": server_id, "concurrency": 10,
        "queues": {"q": 3, "low": 1}, "start_time": (NOON - 60) * SECOND, "active_worker_count": len(workers),
    }  # fmt: skip
    record = ServerRecord(**{**values, **fields})  # type: ignore[arg-type] # as a test writes them
    await store.command("SET", keys.server(tag), record.encode())
    await store.command("ZADD", keys.SERVERS, NOON + until, keys.server(tag))
    if sheet is not None:
        await store.command("SET", keys.sheet(tag), sheet.encode())
    for task_id in workers:
        worker = WorkerRecord(
            host=record.host, pid=record.pid, server_id=server_id, task_id=task_id, task_type="video:encode", queue="q",
            task_payload=b"{}", start_time=(NOON - 30) * SECOND, deadline=(NOON + 60) * SECOND,
        )  # fmt: skip
        await store.command("HSET", keys.workers(tag), task_id, worker.encode())
    return server_id


@pytest.fixture
async def noon(store: Store, clock: Clock) -> Clock:
    """Return the clock of a store that the console is asked about, at noon."""
    return clock


@pytest.fixture
async def bench(url: str) -> AsyncIterator[Bench]:
    """Return a store on which servers run by the real clock."""
    async with await Store.open(url) as store, Client(store) as client:
        yield Bench(store, client)


@asynccontextmanager
async def browsing(store: Store, read_only: bool = False) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask a console of a store."""
    board = console(store, read_only=read_only)
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as client:
        yield client


@pytest.fixture
async def live(bench: Bench) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser of sorts on the bench's store."""
    async with browsing(bench.store) as client:
        yield client


@pytest.fixture
def steering(bench: Bench) -> Inspector:
    """Return an inspector of the bench's store."""
    return Inspector(bench.store)
