"""Bulk operations: bounded steps, nothing lost or left over, whatever else happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from onebeat.broker import admin
from onebeat.broker.call import Call
from onebeat.broker.consume import take
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerError, BrokerUnavailable, OnebeatError
from onebeat.inspector.inspector import Inspector
from onebeat.states import TaskState
from onebeat.task import Task
from tests.anywhere import calls, everywhere
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face, check_places, everything, put, put_in

ROOT = "asynq:{q}:"
SOME, MANY = 1_000, 20_000
ALLOWED = {
    "run": ("scheduled", "retry", "archived", "completed", "aggregating"),
    "archive": ("pending", "scheduled", "retry", "aggregating"),
    "delete": ("pending", "scheduled", "retry", "archived", "completed", "aggregating"),
}
CASES = [(action, state) for action, states in ALLOWED.items() for state in states]
AFTER = {"run": "pending", "archive": "archived"}


def group_of(state: str) -> dict[str, str]:
    return {"group": "g"} if state == "aggregating" else {}


async def fill(store: Store, state: str, count: int) -> None:
    """Write many tasks as they stand in a state, with locks, the oldest first."""
    await store.command("SADD", "asynq:queues", "q")
    place = "g:g" if state == "aggregating" else state
    if state == "aggregating":
        await store.command("SADD", f"{ROOT}groups", "g")
    for start in range(0, count, 1000):
        commands: list[list[Any]] = []
        for number in range(start, min(start + 1000, count)):
            id_, lock = f"{number:06}", f"{ROOT}unique:t:{number}"
            fields = ["msg", b"\n\1t", "state", state, "unique_key", lock]
            commands.append(["HSET", f"{ROOT}t:{id_}", *fields, *(["group", "g"] if state == "aggregating" else [])])
            commands.append(["SET", lock, id_])
            if state == "pending":
                commands.append(["LPUSH", f"{ROOT}pending", id_])
            else:
                commands.append(["ZADD", ROOT + place, NOON + number // 100, id_])
            if state in ("scheduled", "retry"):
                commands.append(["ZADD", "onebeat:{q}:exact", (NOON + number // 100) * 1000, id_])
        await store.commands(commands)


SIZES = [(action, state, SOME) for action, state in CASES]
LARGE = [
    pytest.param(action, state, MANY, marks=pytest.mark.slow)
    for action, state in [("run", "scheduled"), ("archive", "pending"), ("delete", "retry")]
]


@pytest.mark.slow
@pytest.mark.parametrize(("action", "state", "count"), [*SIZES, *LARGE])
async def test_all_tasks_of_a_state_in_bounded_steps(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, action: str, state: str, count: int
) -> None:
    """
    SE-44: however many there are, one script looks at a hundred; no entry is without a record, no record without one.

    Counted in what the scripts say that they looked at, and beside it, by the commands that the store ran for each.
    """
    await fill(store, state, count)
    looked: list[int] = []
    most = 0
    real = Store.run

    async def run(self: Store, call: Call[Any]) -> Any:
        nonlocal most
        await everywhere(self, "CONFIG", "RESETSTAT")
        answer = await real(self, call)
        if isinstance(answer, admin.Step):
            looked.append(answer.looked)
            most = max(most, (await calls(self)).total())
        return answer

    monkeypatch.setattr(Store, "run", run)
    done = await getattr(Inspector(store), f"{action}_all")("q", state, **group_of(state))
    assert (count, count, 100) == (done, sum(looked), max(looked))
    assert most <= 100 * 12 + 50
    expected = {"run": count, "archive": min(count, 9_999), "delete": 0}[action]
    assert expected == await check_places(store)
    stats = await Inspector(store).stats("q")
    assert (expected, expected) == (stats.size, getattr(stats, AFTER.get(action, "pending")))
    assert 0 == await store.command("EXISTS", "onebeat:{q}:exact", f"{ROOT}groups")
    assert action != "delete" or [] == await everywhere(store, "KEYS", f"{ROOT}unique:*")


@pytest.mark.parametrize(("action", "state"), CASES)
async def test_either_inspector_does_them_all(inspector: Face, store: Store, action: str, state: str) -> None:
    """In the order in which they are listed, and tells how far it is."""
    await fill(store, state, 250)
    heard: list[tuple[int, int]] = []
    words = group_of(state)
    told = lambda *numbers: heard.append(numbers)  # noqa: E731 - a callback of one line
    assert 250 == await getattr(inspector, f"{action}_all")("q", state, **words, progress=told)
    assert [(100, 250), (200, 250), (250, 250)] == heard
    if action == "run":
        ids = [id_.decode() for id_ in await store.command("LRANGE", f"{ROOT}pending", 0, -1)]
        assert [f"{number:06}" for number in range(250)] == ids[::-1]


async def test_large_tasks_are_few_to_a_step(inspector: Face, store: Store, scripts: list[Call[Any]]) -> None:
    """About a megabyte of records, and one at least."""
    for number in range(5):
        await put_in(store, "scheduled", f"{number}", b"x" * 600_000)
    scripts.clear()
    assert 5 == await inspector.run_all("q", "scheduled")
    assert 5 == len([call for call in scripts if call.script == "bulk"])


async def test_a_large_result_counts_as_well(inspector: Face, store: Store, scripts: list[Call[Any]]) -> None:
    """To delete it takes the store its time."""
    for number in range(4):
        await put_in(store, "completed", f"{number}", retention=60)
        await store.command("HSET", f"{ROOT}t:{number}", "result", b"x" * 600_000)
    scripts.clear()
    assert 4 == await inspector.delete_all("q", "completed")
    assert 4 == len([call for call in scripts if call.script == "bulk"])


Meanwhile = Callable[[Store, int], Awaitable[None]]


async def during(store: Store, monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile, work: Awaitable[int]) -> int:
    """Do something after each step of a bulk."""
    real = Store.run

    async def run(self: Store, call: Call[Any]) -> Any:
        answer = await real(self, call)
        if isinstance(answer, admin.Step):
            monkeypatch.setattr(Store, "run", real)
            await meanwhile(store, answer.looked)
            monkeypatch.setattr(Store, "run", run)
        return answer

    monkeypatch.setattr(Store, "run", run)
    try:
        return await work
    finally:
        monkeypatch.setattr(Store, "run", real)


async def test_a_queue_that_fills_as_fast_as_it_is_emptied_ends(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many are deleted as there were at the start: those that came meanwhile stay, in their order."""
    await fill(store, "pending", 300)
    came: list[str] = []

    async def enqueue(store: Store, looked: int) -> None:
        for _ in range(looked):
            came.append(f"new{len(came):04}")
            await put(store, came[-1])

    assert 300 == await during(store, monkeypatch, enqueue, Inspector(store).delete_all("q", "pending"))
    assert came == [info.id async for info in Inspector(store).tasks("q", state="pending")]


async def test_tasks_that_servers_take_meanwhile_are_theirs(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither counted nor touched."""
    await fill(store, "pending", 300)
    taken: list[str] = []

    async def fetch(store: Store, looked: int) -> None:
        found = await store.run(take("q", server="s", sequence=len(taken) + 1, limit=20, lease_ms=60_000))
        taken.extend(task.id for task in found.tasks)

    done = await during(store, monkeypatch, fetch, Inspector(store).archive_all("q", "pending"))
    assert (300 - len(taken), 60) == (done, len(taken) + 20 * (len(taken) < 60))
    assert 300 == await check_places(store)
    assert len(taken) == (await Inspector(store).stats("q")).active


async def test_one_that_was_cut_short_is_taken_up_again(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done stays done, nothing is in two places, and the same call does the rest."""
    await fill(store, "scheduled", 1000)

    async def cut(store: Store, looked: int) -> None:
        if await store.command("LLEN", f"{ROOT}pending") == 300:
            raise BrokerUnavailable("the connection broke")

    with pytest.raises(BrokerUnavailable):
        await during(store, monkeypatch, cut, Inspector(store).run_all("q", "scheduled"))
    assert 1000 == await check_places(store)
    assert 700 == await Inspector(store).run_all("q", "scheduled")
    assert 1000 == await check_places(store)


@pytest.mark.parametrize(("action", "state"), CASES)
async def test_entries_of_nothing_are_dropped(inspector: Face, store: Store, action: str, state: str) -> None:
    """SE-13: no record, or one without a message; they count for nothing, and do not stop the others."""
    await fill(store, state, 10)
    await store.command("DEL", f"{ROOT}t:000002")
    await store.command("HDEL", f"{ROOT}t:000005", "msg")
    assert 8 == await getattr(inspector, f"{action}_all")("q", state, **group_of(state))
    assert {"run": 8, "archive": 8, "delete": 0}[action] == await check_places(store)


@pytest.mark.parametrize(("action", "state"), CASES)
async def test_entries_of_tasks_that_are_elsewhere_are_dropped(
    inspector: Face, store: Store, action: str, state: str
) -> None:
    """A task that runs is not deleted because its id was left in another list (SE-09)."""
    await fill(store, state, 3)
    await store.command("HSET", f"{ROOT}t:000001", "state", "active")
    await store.command("LPUSH", f"{ROOT}active", "000001")
    await store.command("ZADD", f"{ROOT}lease", NOON + 60, "000001")
    await store.command("DEL", "onebeat:{q}:exact")
    assert 2 == await getattr(inspector, f"{action}_all")("q", state, **group_of(state))
    assert {"run": 3, "archive": 3, "delete": 1}[action] == await check_places(store)
    assert TaskState.ACTIVE.value == (await store.command("HGET", f"{ROOT}t:000001", "state")).decode()


async def test_an_id_that_stands_twice_is_one_task(inspector: Face, store: Store) -> None:
    """It is moved once."""
    await fill(store, "pending", 3)
    await store.command("LPUSH", f"{ROOT}pending", "000001")
    assert 3 == await inspector.archive_all("q", "pending")
    assert 3 == await check_places(store)


@pytest.mark.parametrize(("action", "state"), CASES)
async def test_what_cannot_be_moved_stays_where_it_is_and_is_told(
    inspector: Face, store: Store, action: str, state: str
) -> None:
    """A record of a foreign type: the others are moved, however many steps it takes."""
    await fill(store, state, 250)
    bad = ("000000", "000120", "000249")
    for id_ in bad:
        await store.command("DEL", f"{ROOT}t:{id_}")
        await store.command("SET", f"{ROOT}t:{id_}", "no hash")
    with pytest.raises(BrokerError, match="3 of 250 tasks of queue 'q' were left alone, 247 were not: error WRONGTYPE"):
        await getattr(inspector, f"{action}_all")("q", state, **group_of(state))
    place = "g:g" if state == "aggregating" else state
    words = ("LRANGE", ROOT + place, 0, -1) if state == "pending" else ("ZRANGE", ROOT + place, 0, -1)
    left = sorted(id_.decode() for id_ in await store.command(*words))
    assert sorted(bad) == left


@pytest.mark.parametrize("key", [f"{ROOT}pending", f"{ROOT}archived", "onebeat:{q}:exact"])
async def test_a_key_of_a_foreign_type_stops_it_before_anything_moves(inspector: Face, store: Store, key: str) -> None:
    """In the store's own words."""
    await fill(store, "retry", 5)
    await store.command("DEL", key)
    await store.command("SET", key, "no list")
    before = await everything(store)
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        await inspector.run_all("q", "retry")
    assert before == await everything(store)


async def test_locks_of_others_stay(inspector: Face, store: Store) -> None:
    """A lock that another task holds by now is its own."""
    await fill(store, "pending", 5)
    await store.command("SET", f"{ROOT}unique:t:3", "other")
    await inspector.delete_all("q", "pending")
    assert [b"asynq:{q}:unique:t:3"] == await everywhere(store, "KEYS", f"{ROOT}unique:*")


@pytest.mark.slow
async def test_everybody_at_once(url: str) -> None:
    """
    Clients add, servers take, operators run, archive and delete all: what was accepted is somewhere, once, or was
    deleted or taken by somebody.
    """
    async with await Store.open(url) as store, Client(store) as client, Inspector(store) as inspector:
        accepted, ended, deleted = 0, 0, 0
        is_over = asyncio.Event()

        async def add() -> None:
            nonlocal accepted
            for _ in range(60):
                tasks = [Task("t", options_of, queue="q", process_in=delay) for options_of, delay in DELAYS]
                accepted += (await client.enqueue_many(tasks)).enqueued
            is_over.set()

        async def serve() -> None:
            nonlocal ended
            sequence = 0
            while not is_over.is_set():
                sequence += 1
                taken = await store.run(take("q", server="s", sequence=sequence, limit=7, lease_ms=600_000))
                ended += len(taken.tasks)
                await asyncio.sleep(0)

        async def operate(name: str, *states: str) -> None:
            nonlocal deleted
            while not is_over.is_set():
                for state in states:
                    try:
                        done = await getattr(inspector, name)("q", state)
                    except OnebeatError as error:
                        assert "is not known here" in str(error)  # noqa: PT017 - the queue is not there yet
                        await asyncio.sleep(0)
                        continue
                    deleted += done if name == "delete_all" else 0

        await asyncio.gather(
            add(), serve(), operate("run_all", "archived", "scheduled"), operate("archive_all", "pending", "scheduled"),
            operate("delete_all", "pending", "archived"),
        )  # fmt: skip
        stats = await inspector.stats("q")
        assert accepted == stats.size + deleted
        assert ended == stats.active
        assert stats.size == await check_places(store)
        assert deleted > 0
        assert ended > 0


DELAYS = [(b"x", 0), (b"y", 600)] * 20
