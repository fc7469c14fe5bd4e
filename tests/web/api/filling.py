"""A store with something of everything that the API tells of."""

from __future__ import annotations

from onebeat import Cron, Every, Task, Unique
from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.entry import entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.wire import keys
from onebeat.wire.records import EntryRecord, ServerRecord, WorkerRecord
from onebeat.wire.sheet import SheetRecord
from tests.inspector.conftest import STATES, put, put_in

SECOND = 10**9
ODD = "a/b ü"
"""A queue whose name no path could hold."""

PAYLOAD = b'{"user":{"id":9007199254740993},"price":0.10}'
"""Numbers that a float would change."""


async def fill(store: Store, now: int) -> None:
    """
    Put tasks of each state into queue "q", named after their states, and some beside; schedules; and servers.

    Args:
        now: What time it is in the store.
    """
    for state in STATES:
        await put_in(
            store, state, state, PAYLOAD, headers={"trace": "x"}, retention=3600, unique=Unique(600, key=state)
        )
    await put(store, "bytes", b"\xff\x00")
    await put(store, "odd/1", {"to": "ü"}, queue=ODD)
    entries = [
        entry("report", Every(60), Task("t", PAYLOAD, queue="q"), {}),
        entry("nightly", Cron("0 3 * * *", tz="Europe/Berlin"), Task("t", queue="q"), {}),
    ]
    await Scheduler(store, app="shop", entries=entries).declare(store)
    await Inspector(store).pause_schedule("nightly")
    await Inspector(store).run_schedule("report", key="first")
    record = EntryRecord(id="e-1", spec="@every 30s", task_type="t").encode()
    await store.command("RPUSH", "asynq:schedulers:h:1:u", record)
    await store.command("ZADD", "asynq:schedulers", "inf", "asynq:schedulers:h:1:u")
    await list_server(store, "web-1", 41, "one", now)
    await list_server(store, "go-1", 42, "two", now, is_go=True)


async def list_server(store: Store, host: str, pid: int, id: str, now: int, *, is_go: bool = False) -> None:
    """Write what a server writes that lives for ever, with one task that runs."""
    tag = f"{host}:{pid}:{id}"
    record = ServerRecord(
        host=host, pid=pid, server_id=id, concurrency=8, queues={"q": 3, ODD: 1}, start_time=now * SECOND,
        active_worker_count=1,
    )  # fmt: skip
    worker = WorkerRecord(
        host=host, pid=pid, server_id=id, task_id="active", task_type="t", queue="q", task_payload=PAYLOAD,
        start_time=now * SECOND, deadline=(now + 60) * SECOND,
    )  # fmt: skip
    await store.command("SET", keys.server(tag), record.encode())
    await store.command("ZADD", keys.SERVERS, "inf", keys.server(tag))
    await store.command("HSET", keys.workers(tag), "active", worker.encode())
    await store.command("ZADD", keys.WORKERS, "inf", keys.workers(tag))
    if not is_go:
        sheet = SheetRecord(version="0.5.0", application="shop", patterns=("t",), clock_ahead_ms=2.0)
        await store.command("SET", keys.sheet(tag), sheet.encode())
