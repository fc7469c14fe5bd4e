"""What queues hold, as asynchronous instruments."""

from __future__ import annotations

import asyncio

import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import ConfigurationError
from onebeat.inspector.inspector import Inspector
from onebeat.observe.otel import QueueMetrics
from onebeat.observe.otel.queues import SHOWN
from onebeat.task import Task
from tests.observe.otel.conftest import Watch
from tests.observe.otel.test_metrics import collected, points


async def test_what_a_queue_holds_is_shown(url: str, watch: Watch) -> None:
    """Under its name, by state."""
    async with await Store.open(url) as store, Client(store) as client, Inspector(store) as inspector:
        await client.enqueue(Task("mail"), queue="post")
        await client.enqueue(Task("mail"), queue="post", process_in=60)
        await inspector.pause("post")
    queues = QueueMetrics(url, watch.meters)
    found = await asyncio.to_thread(collected, watch)
    queues.close()
    tasks = {about["messaging.asynq.task.state"]: value for about, value in points(found["onebeat.queue.tasks"])}
    assert (1, 1, 0, 0) == tuple(tasks[state] for state in ("pending", "scheduled", "active", "staged"))
    assert [({"messaging.destination.name": "post"}, 1)] == points(found["onebeat.queue.paused"])
    assert [({}, 1)] == points(found["onebeat.store.up"])
    assert {each.name for each in SHOWN} <= set(found)


async def test_so_many_queues_are_shown(url: str, watch: Watch) -> None:
    """And no more; but all are counted."""
    async with Client(url) as client:
        for number in range(5):
            await client.enqueue(Task("mail"), queue=f"q{number}")
    queues = QueueMetrics(url, watch.meters, max_queues=2)
    found = await asyncio.to_thread(collected, watch)
    queues.close()
    assert (2, [({}, 5)]) == (len(points(found["onebeat.queue.latency"])), points(found["onebeat.queues"]))


def test_a_store_that_is_away_is_shown_as_that(watch: Watch) -> None:
    """No queue is."""
    queues = QueueMetrics("redis://127.0.0.1:1", watch.meters)
    found = collected(watch)
    queues.close()
    assert [({}, 0)] == points(found["onebeat.store.up"])
    assert "onebeat.queue.tasks" not in found


def test_a_limit_that_is_none_is_refused() -> None:
    """With a sentence."""
    with pytest.raises(ConfigurationError, match="max_queues is 0"):
        QueueMetrics(max_queues=0)
