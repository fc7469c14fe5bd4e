"""asynq's command line shows what we wrote, our private keys beside it (protocol §7)."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from functools import partial

import pytest
import pytest_asyncio

from tests.interop import table
from tests.interop.populated import GROUP, STATES, TEXT, opened, populated
from tests.interop.tool import Tool, tables

pytestmark = pytest.mark.interop
cell = partial(table.cell, "asynq's tools on our data", column="asynq CLI")
Said = dict[str, str]
COMMANDS = (
    "queue ls", "queue inspect default beat", "queue history default --days 3", "server ls", "cron ls",
    "cron history {beat}:tick", "stats", "stats --json", "group ls -q default",
    f"task ls -q default -s aggregating -g {GROUP}",
    *(f"task ls -q default -s {state}" for state in STATES),
    *(f"task inspect -q default -i {task_id}" for task_id in STATES.values()),
)  # fmt: skip
COUNTS = dict.fromkeys(STATES, "1") | {"aggregating": "2"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def said(engine: str, tool: Tool) -> Said:
    """Run every command that shows something, on a database that we filled."""
    async with opened(engine) as (bench, python), populated(bench, python):
        return {command: await tool(*command.split()) for command in COMMANDS}


def instant(text: str) -> float:
    """Read a time as Go writes it by default: "Thu Nov 26 01:47:33 UTC 2026"."""
    return datetime.strptime(text, "%a %b %d %H:%M:%S %Z %Y").replace(tzinfo=UTC).timestamp()


@cell("queues")
def test_queues(said: Said) -> None:
    """All of them."""
    assert {"default", "beat"} == set(said["queue ls"].split())


@cell("queue and its days")
def test_a_queue_and_its_days(said: Said) -> None:
    """Its size, its counts by state, and today's."""
    text = said["queue inspect default beat"]
    assert ["default", "8", "1", "false"] == [line.split()[1] for line in text.splitlines()[1:5]]
    counts, today, *_ = tables(text)
    assert [COUNTS] == counts
    assert [{"processed": "4", "failed": "3", "error rate": "75.00%"}] == today
    [days] = tables(said["queue history default --days 3"])
    assert [("4", "3"), ("0", "0"), ("0", "0")] == [(day["processed"], day["failed"]) for day in days]


@pytest.mark.parametrize("state", [pytest.param(state, marks=cell(state)) for state in STATES])
def test_tasks_of_a_state(said: Said, state: str) -> None:
    """The one task in it, its text if it is text, and what belongs to the state."""
    [[task]] = tables(said[f"task ls -q default -s {state}"])
    assert STATES[state] == task["ID"]
    assert ("non-printable bytes" if state == "pending" else TEXT) == task["Payload"]
    match state:
        case "scheduled":
            assert task["Process In"].startswith("in ")
        case "retry":
            assert ("ValueError: says no", "1", "5") == (task["Last Error"], task["Retried"], task["Max Retry"])
            assert task["Next Retry"].startswith("in ")
            assert abs(instant(task["Last Failed"]) - time.time()) < 60
        case "archived":
            assert "hopeless" == task["Last Error"]
            assert abs(instant(task["Last Failed"]) - time.time()) < 60
        case "completed":
            assert "ran kept" == task["Result"]
            assert abs(instant(task["CompletedAt"]) - time.time()) < 60


@cell("groups")
@cell("aggregating")
def test_groups(said: Said) -> None:
    """The group by its name, and the tasks in it."""
    assert [GROUP] == said["group ls -q default"].split()
    [rows] = tables(said[f"task ls -q default -s aggregating -g {GROUP}"])
    assert {("part-1", TEXT, GROUP), ("part-2", TEXT, GROUP)} == {
        (row["ID"], row["Payload"], row["Group"]) for row in rows
    }


@cell("one task")
def test_one_task(said: Said) -> None:
    """Of every state: its facts, and the last failure of one that failed."""
    for state, task_id in STATES.items():
        lines = dict(
            line.split(":", 1) for line in said[f"task inspect -q default -i {task_id}"].splitlines() if ":" in line
        )
        facts = {name: value.strip() for name, value in lines.items()}
        assert ("default", task_id, state) == (facts["Queue"], facts["ID"], facts["State"])
        if state == "retry":
            assert ("1/5", "ValueError: says no") == (facts["Retried"], facts["Error message"])


@cell("servers and workers")
def test_servers(said: Said) -> None:
    """Ours, with its queues and how many tasks it runs."""
    [[server]] = tables(said["server ls"])
    assert (str(os.getpid()), "active", "1/1", "default:1") == tuple(
        server[name] for name in ("PID", "State", "Active Workers", "Queues")
    )


@cell("schedules")
def test_schedules(said: Said) -> None:
    """Spec, task and options of both."""
    [rows] = tables(said["cron ls"])
    entries = {row["EntryID"]: row for row in rows}
    often, nightly = entries["{beat}:tick"], entries["{default}:nightly"]
    assert ("@every 500ms", "tick", '{"a":1}') == (often["Spec"], often["Type"], often["Payload"])
    assert {'Queue("beat")', "MaxRetry(2)", "Timeout(1m30s)"} == set(often["Options"].strip("[]").split())
    assert ("CRON_TZ=Europe/Berlin 0 3 * * mon-fri", "N/A") == (nightly["Spec"], nightly["Prev"])
    assert nightly["Next"].startswith("In ")


@cell("history of fires")
def test_fires(said: Said) -> None:
    """Each fire with the task that it enqueued, newest first."""
    [rows] = tables(said["cron history {beat}:tick"])
    ids = [row["TaskID"] for row in rows]
    assert ids
    assert sorted(ids, reverse=True) == ids
    assert all(task_id.startswith("tick:") for task_id in ids)


@cell("statistics")
def test_statistics(said: Said) -> None:
    """Over all queues, by queue, of today and of the store, in tables and as JSON."""
    by_state, by_queue, today, store = tables(said["stats"])
    assert COUNTS | {"pending": by_state[0]["pending"]} == by_state[0]
    assert "8" == by_queue[0]["default"]
    assert [{"processed": "4", "failed": "3", "error rate": "75.00%"}] == today
    assert store[0]["version"]
    shown = json.loads(said["stats --json"])
    assert (1, 4, 3) == tuple(shown["aggregate"][name] for name in ("active", "processed", "failed"))
    [queue] = [queue for queue in shown["queues"] if queue["Queue"] == "default"]
    assert (8, 1, False, 4) == tuple(queue[name] for name in ("Size", "Pending", "Paused", "ProcessedTotal"))
    assert 0 < queue["MemoryUsage"] < 20_000
