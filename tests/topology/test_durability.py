"""`durability="replicas:n"`: what counts as enqueued is on replicas, or is said not to be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker import admin, browse
from onebeat.broker.call import Call
from onebeat.broker.connection import endpoint
from onebeat.broker.dangers import dangers
from onebeat.broker.driver import MovedError
from onebeat.broker.opening import confirmed
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable, NotReplicated
from onebeat.inspector import updating
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.steps import Procedure, taken
from onebeat.states import TaskState
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


async def test_a_repeat_over_another_connection_waits_too(pair: Watched) -> None:
    """WAIT counts what its connection wrote, and a repeat writes nothing of its own: it is no confirmation."""
    primary, replica = (node.client for node in pair.nodes)
    pair.nodes[1].freeze()
    async with (
        Client(pair.url, durability="replicas:1", give_up_after=1.5) as client,
        Inspector(pair.url + "?durability=replicas:1") as inspector,
    ):
        enqueuing = asyncio.create_task(client.enqueue(Task("t"), task_id="a", process_in=60))
        await asyncio.to_thread(until, lambda: primary.exists("asynq:{default}:t:a") == 1, "the first attempt")
        primary.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with pytest.raises(NotReplicated):
            await enqueuing
        store = inspector.store
        for call in (admin.steer("default", "run", ["a"]), browse.cancel("default", ["a"])):
            for _ in range(2):
                primary.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                with pytest.raises(NotReplicated):
                    await _through_new(store, call)
        pair.nodes[1].thaw()
        assert ["gone"] == await store.run(browse.cancel("default", ["a"]))
        assert not replica.exists("asynq:{default}:t:a")


async def _through_new(store: Store, call: Call[Any]) -> None:
    """Run a call when the connections of the pool were cut: the first attempt finds that out."""
    try:
        await store.run(call)
    except BrokerUnavailable:
        await store.run(call)


@pytest.mark.parametrize("written", [None, MovedError("12 127.0.0.1:7001")])
def test_what_cannot_be_confirmed_was_accepted_all_the_same(written: Exception | None) -> None:
    """The script ran, its slot went before the write behind it: sent anew it would be answered as a second call."""
    where = replace(endpoint("redis://localhost"), replicas=1)
    assert b"ran" == confirmed([b"ran", True, 1], where)
    with pytest.raises(NotReplicated, match="accepted it, but 0 of 1"):
        confirmed([b"ran", written or True, 0 if written is None else 1], where)


async def test_a_move_that_is_not_confirmed_is_held(pair: Watched) -> None:
    """Its copy may be there; so the task waits on where it was, until the move is made again."""
    async with await Store.open(pair.url) as store, Client(store) as client, Inspector(store) as inspector:
        await client.enqueue(Task("t"), task_id="a")
        procedure = updating.update("default", "a", {"move_to": "other"})
        with pytest.raises(NotReplicated):
            await _follow(store, procedure)
        assert TaskState.SCHEDULED == (await inspector.task("default", "a")).state
        assert "other" == (await inspector.update("default", "a", move_to="other")).queue
        assert 0 == pair.nodes[0].client.exists("asynq:{default}:t:a")


async def _follow(store: Store, procedure: Procedure[Any]) -> None:
    """Carry a procedure out up to its enqueuing, which is done and not confirmed."""
    step = next(procedure)
    while True:
        answer = await taken(store, step)
        if isinstance(step, Call) and step.script == "enqueue":
            step = procedure.throw(NotReplicated("accepted it, but"))
        else:
            step = procedure.send(answer)


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
