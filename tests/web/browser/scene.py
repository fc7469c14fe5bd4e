"""The scene: what is enqueued before the curtain rises, and how many tasks of each state it comes to."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

from onebeat import SyncClient, SyncInspector, Task
from onebeat.wire import keys
from onebeat.wire.records import EntryRecord, ServerRecord, WorkerRecord, to_ns
from tests.web.browser import past
from tests.web.browser.shop import charge, invoice, report, resize, sale, welcome
from tests.web.browser.stage import Stage

STATES = {
    "active": 2, "pending": 21, "scheduled": 6, "aggregating": 7, "retry": 6, "archived": 8, "completed": 64,
}  # fmt: skip
"""What the scene comes to; nothing in it changes by itself for an hour."""


VIEWS = {
    "Failed invoices of today": "type:invoice:* state:archived age<1d",
    "Nearly given up": "state:retry retried>=3",
    "Waiting too long": "state:pending age>1h",
}
"""What is saved under a name."""


def play(stage: Stage) -> None:
    """Fill a store, and return when everything has come to what it stays."""
    past.write(stage.url)
    _enqueue(stage)
    _go(stage)
    stage.shop("web-1", 6, "critical", "default", "low")
    stage.shop("worker-2", 4, "default", "low")
    stage.wait(**STATES)


def _enqueue(stage: Stage) -> None:
    with SyncClient(stage.url) as client:
        client.enqueue_many(
            [
                welcome.bind(user, locale)
                for user, locale in zip(range(1, 29), ("en de uk fr " * 7).split(), strict=True)
            ]
        )
        client.enqueue_many([charge.bind(order, f"{order}.90") for order in range(1, 43)])
        client.enqueue_many([invoice.bind(order, country) for order, country in enumerate(["de", "xx", "xy"] * 3)])
        client.enqueue_many([resize.bind(image, width) for image, width in enumerate([80, 0, -1, 640])])
        client.enqueue_many([report.bind(month) for month in ("2030-01", "2030-02")])
        client.enqueue_many([sale.options(group="sales:oslo").bind("tea", price) for price in range(4)])
        client.enqueue_many([sale.options(group="sales:bergen").bind("cup", price) for price in range(3)])
        for hours in range(1, 6):
            client.enqueue(welcome.bind(100 + hours), process_in=timedelta(hours=hours))
        client.enqueue(welcome.bind(200), process_in=timedelta(days=2), unique=timedelta(days=3))
        client.enqueue_many([Task("report:yearly", {"year": year}, queue="reports") for year in range(2018, 2030)])
        client.enqueue_many([Task("import:rows", {"file": f"{n}.csv"}, queue="imports") for n in range(7)])
    with SyncInspector(stage.url) as inspector:
        inspector.pause("imports")
        for name, query in VIEWS.items():
            inspector.save_view(name, query, by="ada")


def _go(stage: Stage) -> None:
    """Write what a server, a scheduler and a client in Go would have written."""
    store, now = stage.store.client, datetime.now(UTC)
    tag = "{mailer-go-1:4711:5f0c6f0e-2f0a-4c39-9f25-0d1c9c0f6a11}"
    who = {"host": "mailer-go-1", "pid": 4711, "server_id": "5f0c6f0e-2f0a-4c39-9f25-0d1c9c0f6a11"}
    started = to_ns(now - timedelta(hours=26))
    server = ServerRecord(**who, concurrency=10, queues={"mail": 1}, start_time=started, active_worker_count=1)  # type: ignore[arg-type]
    worker = WorkerRecord(
        **who, task_id="b1f6", task_type="mail:send", task_payload=b'{"to":"a@example.org"}', queue="mail",  # type: ignore[arg-type]
        start_time=to_ns(now - timedelta(seconds=95)), deadline=to_ns(now + timedelta(hours=1)),
    )  # fmt: skip
    store.set(f"asynq:servers:{tag}", server.encode())
    store.hset(f"asynq:workers:{tag}", "b1f6", worker.encode())

    def beat() -> None:
        until = time.time() + 10
        store.zadd(keys.SERVERS, {f"asynq:servers:{tag}": until})
        store.zadd(keys.WORKERS, {f"asynq:workers:{tag}": until})
        store.zadd(keys.SCHEDULERS, {scheduler: until})

    entry = EntryRecord(
        id="9b2e6c1e-0d55-4d0a-8f37-7a5f7f5b9d11", spec="@every 30m", task_type="mail:poll",
        enqueue_options=['Queue("mail")'], next_enqueue_time=to_ns(now + timedelta(minutes=21)),
        prev_enqueue_time=to_ns(now - timedelta(minutes=9)),
    )  # fmt: skip
    scheduler = "asynq:schedulers:{mailer-go-1:4712:0b8d8a5e-6a5b-4a44-9f5b-3f1f0a7a2c11}"
    store.rpush(scheduler, entry.encode())
    stage.repeat(beat)
    with SyncClient(stage.url) as client:
        for number in range(2):
            body = json.dumps({"to": f"{number}@example.org"}, separators=(",", ":")).encode()
            client.enqueue(Task("mail:send", body), queue="mail")
