"""Removing a queue: all of it, in short steps, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onebeat.broker import admin
from onebeat.broker.call import Call
from onebeat.broker.consume import Taken, take
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, QueueNotEmpty, QueueNotFound
from onebeat.inspector import removing
from onebeat.inspector.inspector import Inspector
from onebeat.options import Unique
from onebeat.scheduler.scheduler import Scheduler
from onebeat.task import Task
from tests.anywhere import everywhere
from tests.conftest import NOON, Clock
from tests.inspector.conftest import STATES, Face, check_places, everything, put, put_in, put_in_group
from tests.inspector.test_bulk import fill
from tests.inspector.test_updating import before_script

ROOT = "asynq:{q}:"
WAITING = [state for state in STATES if state != "active"]


async def names(store: Store) -> list[bytes]:
    """List all keys but those that say what time it is."""
    return [key for key in await everywhere(store, "KEYS", "*") if not key.startswith(b"onebeat:test:now")]


async def test_nothing_of_the_queue_remains(inspector: Face, store: Store, clock: Clock) -> None:
    """
    SE-08: tasks of every state with their locks, counters, pause, groups listed and not, staged sets, orphans, our own
    records, schedules and their history; and all of the neighbour, whose name only looks alike.
    """
    await put(store, "a", queue="Q", unique=60)
    await put(store, "a", queue="qq", unique=60)
    neighbours = await everything(store)
    for state in WAITING:
        await put_in(store, state, state, b"x" + state.encode(), unique=3600, retention=3600)
    await put(store, "ttl", b"ttl", unique=Unique(60, until="ttl"))
    await put_in_group(store, "staged", "s", unique=60)
    await store.command("RENAME", f"{ROOT}g:staged", f"{ROOT}g:staged:uuid")
    await store.command("SREM", f"{ROOT}groups", "staged")
    await store.command("ZADD", f"{ROOT}aggregation_sets", NOON + 120, f"{ROOT}g:staged:uuid")
    await put_in_group(store, "unlisted", "u")
    await store.command("SREM", f"{ROOT}groups", "unlisted")
    await store.command("HSET", f"{ROOT}t:orphan", "result", "late")
    scheduler = Scheduler(store)
    scheduler.register("@every 1s", Task("t"), queue="q", id="tick")
    await scheduler.declare(store)
    await clock.advance(2)
    await store.run(maintain("q", max_crashes=5))
    await scheduler.show(store)
    removed = await inspector.remove_queue("q", force=True)
    assert len(WAITING) + 2 + 1 == removed
    after = await everything(store)
    assert [] == [key for key in after if b"{q}" in key]
    assert sorted(neighbours) == sorted(after)
    assert {b"qq", b"Q"} == set(await store.command("SMEMBERS", "asynq:queues"))
    assert [neighbours[key] for key in neighbours if b"asynq:{" in key] == [
        after[key] for key in after if b"asynq:{" in key
    ]


@pytest.mark.parametrize("name", ["a*c", "a?c", "a[b]c", "a\\c", "a c", "ä:ö", "a%c", "a^c"])
async def test_a_name_is_a_name_and_no_pattern(inspector: Face, store: Store, name: str) -> None:
    """A queue whose name would match others."""
    for queue in (name, "abc", "axxc", "b"):
        await put(store, "a", queue=queue, unique=60)
    assert 1 == await inspector.remove_queue(name, force=True)
    assert ["abc", "axxc", "b"] == await inspector.queues()
    assert [3, 0] == [
        len([key for key in await names(store) if part in key]) for part in (b"}:t:a", f"{{{name}}}".encode())
    ]


@pytest.mark.parametrize("state", WAITING)
async def test_a_queue_that_holds_anything_is_removed_by_force_only(inspector: Face, store: Store, state: str) -> None:
    """SE-08: completed and aggregating tasks count as well."""
    await put_in(store, state, "a", retention=3600)
    before = await everything(store)
    with pytest.raises(QueueNotEmpty, match='queue is not empty: queue="q" holds 1 task; remove it with force=True'):
        await inspector.remove_queue("q")
    assert before == await everything(store)
    assert 1 == await inspector.remove_queue("q", force=True)
    assert [] == await names(store)


@pytest.mark.parametrize("force", [False, True])
async def test_a_queue_that_runs_tasks_is_not_removed(inspector: Face, store: Store, *, force: bool) -> None:
    """By force neither."""
    await put_in(store, "active", "a")
    before = await everything(store)
    with pytest.raises(QueueNotEmpty, match='queue="q": cannot remove queue with active tasks, of which it has 1'):
        await inspector.remove_queue("q", force=force)
    assert before == await everything(store)


@pytest.mark.parametrize("force", [False, True])
async def test_an_empty_queue_goes_with_its_counters(inspector: Face, store: Store, *, force: bool) -> None:
    """And its pause: made anew it begins at zero, and runs."""
    await put_in(store, "archived", "a")
    await inspector.delete("q", "a")
    await inspector.pause("q")
    assert 0 == await inspector.remove_queue("q", force=force)
    assert [] == await names(store)
    with pytest.raises(QueueNotFound):
        await inspector.remove_queue("q", force=force)


@pytest.mark.slow
async def test_steps_are_bounded(store: Store, clock: Clock, scripts: list[Call[Any]]) -> None:
    """A hundred tasks, or five hundred names, to a script."""
    await fill(store, "archived", 5000)
    for number in range(30):
        for task in range(5):
            await put_in_group(store, f"g{number}", f"g{number}-{task}")
    scripts.clear()
    assert 5150 == await Inspector(store).remove_queue("q", force=True)
    purged = [call for call in scripts if call.script == "purge"]
    assert 52 <= len(purged) <= 54
    assert {admin.STEP} == {call.arguments[0] for call in purged}
    assert [] == await names(store)


async def test_many_empty_groups_are_no_endless_script(store: Store, clock: Clock) -> None:
    """Groups that are listed and have no tasks are struck off a hundred at a time."""
    await store.command("SADD", "asynq:queues", "q")
    await store.command("SADD", f"{ROOT}groups", *(f"g{number}" for number in range(950)))
    assert 0 == await Inspector(store).remove_queue("q", force=True)
    assert [] == await names(store)


async def test_what_comes_meanwhile_goes_as_well(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the end; afterwards it makes the queue anew."""
    await fill(store, "pending", 150)
    came = iter(range(7))

    async def enqueue(store: Store, call: Call[Any]) -> None:
        number = next(came, None)
        if number is not None:
            await put(store, f"new{number}")

    for script in ("purge", "raze", "vacate"):
        before_script(monkeypatch, script, enqueue)
    assert 157 == await Inspector(store).remove_queue("q", force=True)
    assert [] == await names(store)
    await put(store, "later")
    assert (["q"], 1) == (await Inspector(store).queues(), await check_places(store))


async def test_no_server_takes_what_is_about_to_go(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is paused from the first step to the last."""
    await fill(store, "pending", 300)
    answers: list[Taken] = []

    async def fetch(store: Store, call: Call[Any]) -> None:
        answers.append(await store.run(take("q", server="s", sequence=len(answers) + 1, limit=5, lease_ms=60_000)))

    for script in ("purge", "raze"):
        before_script(monkeypatch, script, fetch)
    assert 300 == await Inspector(store).remove_queue("q", force=True)
    assert {"paused"} == {answer.status for answer in answers}
    assert len(answers) > 4


async def test_a_queue_that_fills_faster_than_it_is_emptied_is_given_up(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known and runs again; what was deleted is."""
    monkeypatch.setattr(removing, "ARRIVALS", 500)
    await fill(store, "pending", 100)

    async def enqueue(store: Store, call: Call[Any]) -> None:
        await store.command("LPUSH", f"{ROOT}pending", *(f"n{number}" for number in range(100)))

    before_script(monkeypatch, "purge", enqueue)
    with pytest.raises(QueueNotEmpty, match="tasks were deleted and more keep coming; stop those who enqueue there"):
        await Inspector(store).remove_queue("q", force=True)
    assert ["q"] == await Inspector(store).queues()
    assert 0 == await store.command("EXISTS", f"{ROOT}paused")


@pytest.mark.parametrize("script", ["vacate", "purge", "raze"])
async def test_a_removal_that_is_cut_short_is_finished_by_the_same_call(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """Until then it is paused, and what is left of it is whole."""
    await fill(store, "scheduled", 250)
    passes = 1 if script == "purge" else 0

    async def cut(store: Store, call: Call[Any]) -> None:
        nonlocal passes
        passes -= 1
        if passes < 0:
            raise asyncio.CancelledError

    with monkeypatch.context() as undone:
        before_script(undone, script, cut)
        with pytest.raises(asyncio.CancelledError):
            await Inspector(store).remove_queue("q", force=True)
    await check_places(store)
    assert (0 if script == "vacate" else 1) == await store.command("EXISTS", f"{ROOT}paused")
    await Inspector(store).remove_queue("q", force=True)
    assert [] == await names(store)


async def test_a_task_that_runs_in_spite_of_the_pause_stops_it(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator resumed the queue: the removal gives up rather than delete what runs."""
    await fill(store, "pending", 300)

    async def resume(store: Store, call: Call[Any]) -> None:
        await store.command("DEL", f"{ROOT}paused")
        await store.run(take("q", server="s", sequence=1, limit=1, lease_ms=60_000))

    before_script(monkeypatch, "purge", resume)
    with pytest.raises(QueueNotEmpty, match="cannot remove queue with active tasks, of which it has 1"):
        await Inspector(store).remove_queue("q", force=True)
    assert 300 == await check_places(store)


async def test_a_pause_of_before_survives_a_removal_that_fails(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was an operator's."""
    await fill(store, "pending", 10)
    await Inspector(store).pause("q")

    async def fail(store: Store, call: Call[Any]) -> None:
        raise BrokerError("no")

    before_script(monkeypatch, "purge", fail)
    with pytest.raises(BrokerError, match="no"):
        await Inspector(store).remove_queue("q", force=True)
    assert 1 == await store.command("EXISTS", f"{ROOT}paused")


async def test_a_schedule_that_moved_elsewhere_is_not_forgotten(inspector: Face, store: Store) -> None:
    """The index names its new queue."""
    await put(store, "a")
    await store.command("HSET", "onebeat:{q}:d:one", "msg", "m")
    await store.command("HSET", "onebeat:{q}:d:two", "msg", "m")
    await store.command("HSET", "onebeat:schedules", "one", "q", "two", "elsewhere")
    await inspector.remove_queue("q", force=True)
    assert [None, b"elsewhere"] == await store.command("HMGET", "onebeat:schedules", "one", "two")


async def test_a_group_that_is_listed_early_is_no_task(inspector: Face, store: Store, clock: Clock) -> None:
    """It is listed as its delayed task is enqueued, and stays so when that is deleted."""
    await put(store, "a", group="g", process_in=60)
    with pytest.raises(QueueNotEmpty, match="holds 1 task"):
        await inspector.remove_queue("q")
    await inspector.delete("q", "a")
    assert 0 == await inspector.remove_queue("q")
    assert [] == await names(store)


async def test_a_combined_task_on_its_way_elsewhere_is_not_dropped(inspector: Face, store: Store, clock: Clock) -> None:
    """Its members are gone already: the queue is not empty until a server has brought it there, or by force."""
    await put(store, "a")
    await inspector.delete("q", "a")
    await store.command("HSET", "onebeat:{q}:out", "combined", b"x")
    with pytest.raises(QueueNotEmpty, match="has 1 combined tasks of its groups on their way to other queues"):
        await inspector.remove_queue("q")
    assert 1 == await store.command("HLEN", "onebeat:{q}:out")
    assert 1 == await inspector.remove_queue("q", force=True)
    assert [] == await names(store)
