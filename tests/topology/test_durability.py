"""`durability="replicas:n"`: what counts as enqueued is on replicas, or is said not to be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker.dangers import dangers
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import NotReplicated
from onebeat.inspector.inspector import Inspector
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.engines import Watched, until

pytestmark = pytest.mark.slow

PENDING = "asynq:{default}:pending"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Watched]:
    """Return a primary and a replica, which nobody watches."""
    started = Watched(tmp_path, replicas=1, sentinels=0)
    started.url = f"redis://{started.nodes[0].address}"
    yield started
    started.end()


async def test_what_is_enqueued_is_on_the_replica(pair: Watched) -> None:
    """From the first script on, which the store does not know yet; the setting may stand in the URL, too."""
    async with Client(pair.url, durability="replicas:1") as client:
        await client.enqueue(Task("t"), task_id="a")
        assert ["a"] == pair.nodes[1].client.lrange(PENDING, 0, -1)
    with SyncClient(pair.url + "?durability=replicas:1") as blocking:
        await asyncio.to_thread(blocking.enqueue, Task("t"), task_id="b")
        assert ["b", "a"] == pair.nodes[1].client.lrange(PENDING, 0, -1)


async def test_too_few_replicas_are_said(pair: Watched) -> None:
    """The task is accepted, and once there, however often its confirmation was asked for, on whichever connection."""
    pair.nodes[1].freeze()
    async with Client(pair.url, durability="replicas:1", give_up_after=1.5) as client:
        answers = await asyncio.gather(
            client.enqueue(Task("t"), task_id="a"),
            client.enqueue(Task("t"), task_id="b", queue="low"),
            return_exceptions=True,
        )
        assert [NotReplicated, NotReplicated] == [type(answer) for answer in answers]
        assert "accepted it, but 0 of 1 replicas confirmed" in str(answers[0])
    with (
        SyncClient(pair.url, durability="replicas:1", give_up_after=1.5) as blocking,
        pytest.raises(NotReplicated, match="ask for fewer by durability="),
    ):
        await asyncio.to_thread(blocking.enqueue, Task("t"), task_id="c")
    assert ["c", "a"] == pair.nodes[0].client.lrange(PENDING, 0, -1)


async def test_a_client_waits_for_a_replica_that_comes_back(pair: Watched) -> None:
    """The batch is repeated under its number: it writes nothing again, and is confirmed in the end."""
    replica = pair.nodes[1]
    replica.freeze()
    async with Client(pair.url, durability="replicas:1", give_up_after=30) as client:
        enqueuing = asyncio.create_task(client.enqueue(Task("t"), task_id="a"))
        wait = "WAIT"
        await asyncio.to_thread(until, lambda: _calls(pair, wait) >= 2, "a repeat")
        assert not enqueuing.done()
        replica.thaw()
        await enqueuing
        assert ["a"] == replica.client.lrange(PENDING, 0, -1)


def _calls(pair: Watched, command: str) -> int:
    return int(pair.nodes[0].client.info("commandstats").get(f"cmdstat_{command.lower()}", {"calls": 0})["calls"])


async def test_an_application_and_an_inspector_ask_for_it(pair: Watched) -> None:
    """The former by its own setting, both by the URL."""
    app: Onebeat[Any] = Onebeat(url=pair.url, durability="replicas:1")
    app.task("t")(lambda: None)
    await asyncio.to_thread(app.tasks["t"].enqueue_sync)
    async with app:
        await app.tasks["t"].options(task_id="a", process_in=60).enqueue()
    async with Inspector(pair.url + "?durability=replicas:1") as inspector:
        pair.nodes[1].freeze()
        with pytest.raises(NotReplicated):
            await inspector.run("default", "a")
    assert 2 == pair.nodes[0].client.llen(PENDING)
    app.close()


async def test_more_replicas_than_there_are_is_a_danger(pair: Watched) -> None:
    """Said at the start, with what can be done; so is a primary that writes when cut off."""
    async with await Store.open(pair.url, durability="replicas:2") as store:
        assert any("it has 1 replicas, and 2 are to confirm" in danger for danger in await dangers(store))
    async with await Store.open(pair.url, durability="replicas:1") as store:
        assert any("set min-replicas-to-write 1" in danger for danger in await dangers(store))
    pair.nodes[0].client.config_set("min-replicas-to-write", 1)
    async with await Store.open(pair.url) as store:
        assert not any("replica" in danger for danger in await dangers(store))
