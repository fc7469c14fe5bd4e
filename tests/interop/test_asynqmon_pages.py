"""Asynqmon shows what we wrote, our private keys beside it (protocol §8.3); it is asynq 0.24.1 inside."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.interop import table
from tests.interop.mon import Asynqmon
from tests.interop.populated import GROUP, STATES, TEXT, opened, populated

pytestmark = pytest.mark.interop
cell = partial(table.cell, "asynq's tools on our data", column="asynqmon")
COUNTS = {
    "active": 1, "pending": 1, "scheduled": 1, "retry": 1, "archived": 1, "completed": 1, "aggregating": 2, "size": 8,
    "groups": 1, "processed": 4, "failed": 3, "succeeded": 1, "paused": False,
}  # fmt: skip
PRIVATE = {
    "onebeat:schedules", "onebeat:sched-queues", "app:", "beat", "c:", "d:", "declared", "due", "exact", "f:", "groups",
    "joined", "mirror", "rate:", "run:", "seen:", "sheet", "tape:", "types", "wait:",
}  # fmt: skip
"""The kinds of our keys (docs/internals.md)."""


AGGREGATING = f"/queues/default/groups/{quote(GROUP)}/aggregating_tasks"
PATHS = (
    AGGREGATING, "/queues", "/queues/default", "/queue_stats", "/queues/default/groups", "/servers",
    "/scheduler_entries",
    "/scheduler_entries/%7Bbeat%7D:tick/enqueue_events?size=100&page=1", "/redis_info",
    *(f"/queues/default/{state}_tasks?size=20&page={page}" for state in STATES for page in (1, 2)),
    *(f"/queues/default/tasks/{task_id}" for task_id in (*STATES.values(), "none")),
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """What asynqmon showed: path → status and content; and what there was."""

    pages: dict[str, tuple[int, Any]]
    kinds: set[str]
    server_id: str

    def __call__(self, path: str) -> Any:
        status, content = self.pages[path]
        assert 200 == status, content
        return content


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(engine: str, asynqmon: Asynqmon) -> Shown:
    """Ask for every page once, on a database that we filled."""
    async with opened(engine) as (bench, python), populated(bench, python) as there:
        found = [key.decode() for key in await bench.store.command("KEYS", "onebeat:*")]
        kinds = {re.sub(r"^onebeat:(?:series:)?\{.+?\}:([a-z]+:?).*$", r"\1", key) for key in found}
        pages = {path: await asynqmon.ask("GET", path) for path in PATHS}
        return Shown(pages, kinds, there.serving.id)


def instant(text: str) -> float:
    """Read a time of the interface's."""
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def test_what_is_shown_lies_beside_all_our_keys(shown: Shown) -> None:
    """The database that the others ask about has every kind of key that is ours."""
    assert PRIVATE == shown.kinds


@cell("queues")
def test_queues(shown: Shown) -> None:
    """Every queue with its counts, a plausible size and age."""
    queues = {queue["queue"]: queue for queue in shown("/queues")["queues"]}
    assert {"default", "beat"} == queues.keys()
    queue = queues["default"]
    assert COUNTS == {name: queue[name] for name in COUNTS}
    assert 0 < queue["memory_usage_bytes"] < 20_000
    assert 0 <= queue["latency_msec"] < 60_000
    assert queues["beat"]["pending"] > 0


@cell("queue and its days")
def test_a_queue_and_its_days(shown: Shown) -> None:
    """Ten days here and ninety there, of which today has our counts."""
    page, days = shown("/queues/default"), shown("/queue_stats")["stats"]["default"]
    assert COUNTS["size"] == page["current"]["size"]
    assert (10, 90) == (len(page["history"]), len(days))
    for today in (page["history"][0], days[0]):
        assert (4, 1, 3) == (today["processed"], today["succeeded"], today["failed"])
    assert 0 == sum(day["processed"] for day in days[1:])


@pytest.mark.parametrize("state", [pytest.param(state, marks=cell(state)) for state in STATES])
def test_tasks_of_a_state(shown: Shown, state: str) -> None:
    """The one task in it, with what belongs to the state."""
    page = shown(f"/queues/default/{state}_tasks?size=20&page=1")
    [task] = page["tasks"]
    assert [] == shown(f"/queues/default/{state}_tasks?size=20&page=2")["tasks"]
    assert COUNTS == {name: page["stats"][name] for name in COUNTS}
    assert (STATES[state], "default") == (task["id"], task["queue"])
    assert ("non-printable bytes" if state == "pending" else TEXT) == task["payload"]


def test_what_belongs_to_a_state(shown: Shown) -> None:
    """Times, errors and results, each where it belongs."""
    now = time.time()
    task = {state: shown(f"/queues/default/{state}_tasks?size=20&page=1")["tasks"][0] for state in STATES}
    assert not task["active"]["is_orphaned"]
    assert 100 == instant(task["active"]["deadline"]) - instant(task["active"]["start_time"])
    for state in ("scheduled", "retry"):
        assert abs(instant(task[state]["next_process_at"]) - now - 3600) < 60
    assert ("ValueError: says no", 1, 5) == tuple(
        task["retry"][name] for name in ("error_message", "retried", "max_retry")
    )
    assert ("hopeless", 0) == tuple(task["archived"][name] for name in ("error_message", "retried"))
    assert abs(instant(task["archived"]["last_failed_at"]) - now) < 60
    assert "ran kept" == task["completed"]["result"]
    assert 3500 < task["completed"]["ttl_seconds"] <= 3600
    assert abs(instant(task["completed"]["completed_at"]) - now) < 60


@cell("groups")
@cell("aggregating")
def test_groups(shown: Shown) -> None:
    """The group with its size, and the tasks in it."""
    groups = [{"group": GROUP, "size": 2}]
    assert groups == shown("/queues/default/groups")["groups"]
    page = shown(AGGREGATING)
    assert groups == page["groups"]
    assert {("part-1", GROUP, TEXT), ("part-2", GROUP, TEXT)} == {
        (task["id"], task["group"], task["payload"]) for task in page["tasks"]
    }


@cell("one task")
def test_one_task(shown: Shown) -> None:
    """Of every state; one that is not there is 404."""
    for state, task_id in STATES.items():
        task = shown(f"/queues/default/tasks/{task_id}")
        assert (task_id, state) == (task["id"], task["state"])
    assert 404 == shown.pages["/queues/default/tasks/none"][0]


@cell("servers and workers")
def test_servers_and_workers(shown: Shown) -> None:
    """Our server with its settings and what it runs."""
    [server] = shown("/servers")["servers"]
    assert (shown.server_id, os.getpid(), 1, {"default": 1}, False, "active") == tuple(
        server[name] for name in ("id", "pid", "concurrency", "queue_priorities", "strict_priority_enabled", "status")
    )
    [worker] = server["active_workers"]
    assert ("held", "default", "hold", TEXT) == tuple(
        worker[name] for name in ("task_id", "queue", "task_type", "task_payload")
    )


@cell("schedules")
def test_schedules(shown: Shown) -> None:
    """Spec, task, options and times; one that has not fired has no time before."""
    entries = {entry["id"]: entry for entry in shown("/scheduler_entries")["entries"]}
    assert {"{beat}:tick", "{default}:nightly"} == entries.keys()
    often, nightly = entries["{beat}:tick"], entries["{default}:nightly"]
    assert ("@every 500ms", "tick", '{"a":1}') == (often["spec"], often["task_type"], often["task_payload"])
    assert {'Queue("beat")', "MaxRetry(2)", "Timeout(1m30s)"} == set(often["options"])
    assert "CRON_TZ=Europe/Berlin 0 3 * * mon-fri" == nightly["spec"]
    assert "prev_enqueue_at" not in nightly
    assert instant(nightly["next_enqueue_at"]) > time.time()


@cell("history of fires")
def test_fires(shown: Shown) -> None:
    """Newest first; the schedule's id, braces and all, is a path of the interface."""
    events = shown("/scheduler_entries/%7Bbeat%7D:tick/enqueue_events?size=100&page=1")["events"]
    ids = [event["task_id"] for event in events]
    assert ids
    assert sorted(ids, reverse=True) == ids
    for event in events:
        tick = int(event["task_id"].rpartition(":")[2]) / 1000
        assert -1 < instant(event["enqueued_at"]) - tick < 60


@cell("statistics")
def test_redis_is_told_of(shown: Shown) -> None:
    """The page about the store answers."""
    page = shown("/redis_info")
    assert not page["cluster"]
    assert page["info"]["redis_version"]
