"""Both inspectors behind one face, so that each test is of either, and tasks in every state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest

from onebeat.broker.call import Call
from onebeat.broker.connection import endpoint
from onebeat.broker.consume import Finished, Outcome, Taken, finish, take
from onebeat.broker.produce import enqueue
from onebeat.broker.store import BlockingStore, Store
from onebeat.inspector.blocking import SyncInspector
from onebeat.inspector.inspector import Inspector
from onebeat.preparing import prepare
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.wire.message import around, decode
from tests.anywhere import everywhere
from tests.conftest import NOON, Clock

LAST_FAILED_AT, COMPLETED_AT = 11, 13
_fetches = count(1)
STATES = tuple(state.value for state in TaskState)


class Face:
    """The methods of an inspector, of which kind ever, to be awaited; what iterates gives a list."""

    def __init__(self, real: Inspector | SyncInspector) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        async def call(*words: Any, **options: Any) -> Any:
            answer = getattr(self.real, name)(*words, **options)
            if name in ("tasks", "search", "apply"):
                return [item async for item in answer] if isinstance(self.real, Inspector) else list(answer)
            return await answer if isinstance(self.real, Inspector) else answer

        return call


@pytest.fixture(params=["asyncio", pytest.param("blocking", marks=pytest.mark.slow)])  # the same procedures
async def inspector(
    request: pytest.FixtureRequest, store: Store, clock: Clock, url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Face]:
    """Return the inspector of `store`, of each kind in turn."""
    if request.param == "asyncio":
        yield Face(Inspector(store))
        return
    monkeypatch.setattr("onebeat.inspector.blocking.refuse_in_loop", lambda call, instead: None)
    blocking = BlockingStore(endpoint(url), injected_clock=True)
    yield Face(SyncInspector(blocking))
    blocking.close()


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> list[Call[Any]]:
    """Return the scripts that either inspector runs, as it runs them."""
    ran: list[Call[Any]] = []

    for kind in (Store, BlockingStore):
        real = kind.run

        def run(self: Any, call: Call[Any], real: Any = real) -> Any:
            ran.append(call)
            return real(self, call)

        monkeypatch.setattr(kind, "run", run)
    return ran


async def put(store: Store, task_id: str, payload: Any = b"x", *, queue: str = "q", **options: Any) -> str:
    """Enqueue one task of type "t"."""
    prepared = prepare(Task("t", payload, queue=queue, task_id=task_id), options)
    [placed] = await store.run(enqueue(queue, client=f"c:{task_id}", sequence=1, tasks=[prepared.new]))
    await store.command("SADD", "asynq:queues", queue)
    return f"{placed.status} {placed.detail}".strip()


async def grab(store: Store, task_id: str) -> Taken:
    """Take a pending task, as if it were the next."""
    await store.command("LREM", "asynq:{q}:pending", 0, task_id)
    await store.command("RPUSH", "asynq:{q}:pending", task_id)
    taken = await store.run(take("q", server="server", sequence=next(_fetches), limit=1, lease_ms=15_000))
    assert [task_id] == [task.id for task in taken.tasks]
    return taken


async def end(store: Store, task_id: str, outcome: Outcome, number: int = 0) -> None:
    """Take a pending task, and end its attempt."""
    taken = await grab(store, task_id)
    message = decode(taken.tasks[0].message)
    head, tail = around(message, COMPLETED_AT if outcome is Outcome.COMPLETED else LAST_FAILED_AT)
    blob = {Outcome.RETRY: "failure", Outcome.COMPLETED: "result"}.get(outcome, "")
    key = message.unique_key
    done = Finished(task_id, taken.token, outcome, False, key, head, tail, number, blob)
    assert ["applied"] == await store.run(finish("q", [done]))


async def put_in(store: Store, state: str, task_id: str, payload: Any = b"x", **options: Any) -> None:
    """Have a task of queue "q" be in a state, by what a client and a server do."""
    if state == "scheduled":
        await put(store, task_id, payload, process_in=600, **options)
        return
    if state == "aggregating":
        await put_in_group(store, "g", task_id, payload, **options)
        return
    await put(store, task_id, payload, **options)
    if state == "active":
        await grab(store, task_id)
    elif state == "retry":
        await end(store, task_id, Outcome.RETRY, 60_000)
    elif state == "archived":
        await end(store, task_id, Outcome.ARCHIVED)
    elif state == "completed":
        await end(store, task_id, Outcome.COMPLETED, 3600)


async def put_in_group(store: Store, group: str, task_id: str, payload: Any = b"x", **options: Any) -> None:
    """Put a task into a group as a Go client does: its lock, if any, stands in its message alone."""
    message = prepare(Task("t", payload, queue="q", task_id=task_id), options).new
    wire = decode(message.message)
    wire.group_key = group
    await store.command("SADD", "asynq:queues", "q")
    if message.unique_key:
        await store.command("SET", message.unique_key, task_id, "EX", 3600)
    root = "asynq:{q}:"
    await store.command(
        "HSET", f"{root}t:{task_id}", "msg", wire.SerializeToString(), "state", "aggregating", "group", group
    )
    await store.command("ZADD", f"{root}g:{group}", NOON, task_id)
    await store.command("SADD", f"{root}groups", group)


async def everything(store: Store) -> dict[bytes, bytes]:
    """Read the whole database, byte for byte."""
    found = sorted(await everywhere(store, "KEYS", "*"))
    return dict(zip(found, await store.commands([("DUMP", key) for key in found]), strict=True))


async def check_places(store: Store, queue: str = "q") -> int:
    """See that every record is listed once, where its state says, and every entry has a record; count the records."""
    root = f"asynq:{{{queue}}}:"
    places: dict[str, list[str]] = {}
    for name in ("pending", "active"):
        for task_id in await store.command("LRANGE", root + name, 0, -1):
            places.setdefault(task_id.decode(), []).append(name)
    for name in ("scheduled", "retry", "archived", "completed"):
        for task_id in await store.command("ZRANGE", root + name, 0, -1):
            places.setdefault(task_id.decode(), []).append(name)
    for group in await store.command("SMEMBERS", root + "groups"):
        members = await store.command("ZRANGE", f"{root}g:{group.decode()}", 0, -1)
        assert members, f"group {group} is listed and empty"
        for task_id in members:
            places.setdefault(task_id.decode(), []).append("aggregating")
    records = await everywhere(store, "KEYS", root.replace("[", "\\[") + "t:*")
    states = await store.commands([("HGET", key, "state") for key in records])
    for key, state in zip(records, states, strict=True):
        task_id = key.decode().removeprefix(root + "t:")
        assert [state.decode()] == places.pop(task_id, []), f"{task_id} is {state}"
    assert {} == places, "entries without a record"
    leased = await store.command("ZRANGE", root + "lease", 0, -1)
    assert sorted(leased) == sorted(await store.command("LRANGE", root + "active", 0, -1))
    return len(records)
