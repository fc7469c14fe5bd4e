"""How long a task is worth starting (`expires`), and how long it is the only one of its kind (`Unique`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat.broker import browse
from onebeat.broker.consume import Outcome, finish
from onebeat.broker.maintain import maintain
from onebeat.broker.produce import Placed, enqueue
from onebeat.broker.store import Store
from onebeat.options import Unique
from onebeat.preparing import prepare
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.wire.message import decode
from tests.broker.test_scripts_consume import grab, ids, outcome
from tests.conftest import NOON, Clock


async def put(store: Store, task_id: str, payload: Any = None, **options: Any) -> Placed:
    prepared = prepare(Task("t", payload, queue="q", task_id=task_id), options)
    [placed] = await store.run(enqueue("q", client=task_id, sequence=1, tasks=[prepared.new]))
    return placed


async def state(store: Store, task_id: str) -> TaskState | None:
    raw = await store.run(browse.info("q", task_id))
    return raw.state if raw else None


async def test_an_expired_task_is_archived_and_not_started(store: Store, clock: Clock) -> None:
    """At its instant it is still begun; after it, it is in the archive as "expired", without an attempt."""
    await put(store, "a", expires=60)
    await put(store, "b", expires=datetime.fromtimestamp(NOON + 60, UTC))
    await put(store, "c")
    await clock.advance(60)
    assert ["a"] == ids(await grab(store, limit=1))
    await clock.advance(0.001)
    taken = await grab(store, sequence=2)
    assert ("more", ["c"]) == (taken.status, ids(taken))
    raw = await store.run(browse.info("q", "b"))
    assert raw is not None
    message = decode(raw.message)
    assert (TaskState.ARCHIVED, "expired", NOON + 60, 0) == (
        raw.state, message.error_msg, message.last_failed_at, message.retried,
    )  # fmt: skip
    stats = await store.run(browse.stats("q"))
    assert (0, 2, 1, 0, 0) == (stats.pending, stats.active, stats.archived, stats.processed, stats.failed)
    assert [b"b"] == await store.command("ZRANGE", "asynq:{q}:archived", 0, -1)


async def test_seconds_count_from_when_it_is_due(store: Store, clock: Clock) -> None:
    """A task for the next hour that is worth a minute is worth it then; a retry is no better than a first start."""
    await put(store, "a", expires=60, process_in=3600)
    await clock.advance(3600)
    await store.run(maintain("q", max_crashes=5))
    assert ["a"] == ids(await grab(store))
    again = outcome(Outcome.RETRY, head=b"", tail=b"", number=61_000, blob="apart")
    assert ["applied"] == await store.run(finish("q", [again]))
    await clock.advance(61)
    await store.run(maintain("q", max_crashes=5))
    assert [] == ids(await grab(store, sequence=2))
    assert TaskState.ARCHIVED is await state(store, "a")


async def test_an_expired_task_frees_its_lock_and_tells_who_waits(store: Store, clock: Clock) -> None:
    """So that its like is accepted again, and `result()` need not run into its timeout."""
    await put(store, "a", expires=5, unique=3600)
    await store.run(browse.info("q", "a", waiter="me"))
    await clock.advance(6)
    told = store.listen("onebeat:reply:me")
    await anext(told)
    assert [] == ids(await grab(store))
    assert ("onebeat:reply:me", b"q\0a") == await anext(told)
    assert "pending" == (await put(store, "b", unique=3600)).status
    await told.aclose()  # type: ignore[attr-defined] # an async generator has it


async def test_an_operator_may_run_it_all_the_same(store: Store, clock: Clock) -> None:
    """What he runs does not expire at once again."""
    await put(store, "a", expires=5)
    await clock.advance(6)
    await grab(store)
    assert ["pending"] == await store.run(browse.run("q", ["a"]))
    assert ["a"] == ids(await grab(store, sequence=2))


async def test_many_expired_do_not_hide_what_waits_behind_them(store: Store, clock: Clock) -> None:
    """An answer that met some says "more", so the server asks on at once instead of waiting for a word."""
    for number in range(5):
        await put(store, f"e{number}", expires=1)
    await put(store, "a")
    await clock.advance(2)
    answers = [await grab(store, sequence=number, limit=2) for number in (1, 2, 3, 4)]
    assert [("more", []), ("more", []), ("more", ["a"]), ("taken", [])] == [(it.status, ids(it)) for it in answers]


@pytest.mark.parametrize(
    ("until", "waiting", "running", "over"),
    [
        ("done", "duplicate a", "duplicate a", "pending"),
        ("start", "duplicate a", "pending", "duplicate b"),
        ("ttl", "duplicate a", "duplicate a", "duplicate a"),
    ],
)
async def test_how_long_a_task_is_the_only_one(
    store: Store, clock: Clock, until: Any, waiting: str, running: str, over: str
) -> None:
    """While it waits, while it runs, when it is over."""

    async def another(task_id: str) -> str:
        placed = await put(store, task_id, unique=Unique(3600, until))
        return f"{placed.status} {placed.detail}".strip()

    assert "pending" == await another("a")
    assert waiting == await another("x")
    taken = await grab(store, limit=1)
    assert ["a"] == ids(taken)
    assert running == await another("b")
    message = decode(taken.tasks[0].message)
    done = outcome(Outcome.DONE, unique_key=message.unique_key)
    assert ["applied"] == await store.run(finish("q", [done]))
    assert over == await another("c")


async def test_a_key_of_ones_own_stands_for_the_payload(store: Store, clock: Clock) -> None:
    """Tasks of one type with one key exclude each other whatever they carry; without a key the payload decides."""
    keyed = Unique(60, key="user:7")
    assert "pending" == (await put(store, "a", {"n": 1}, unique=keyed)).status
    assert Placed("duplicate", "a") == await put(store, "b", {"n": 2}, unique=keyed)
    assert "pending" == (await put(store, "c", {"n": 2}, unique=Unique(60, key="user:8"))).status
    assert "pending" == (await put(store, "d", {"n": 2}, unique=60)).status
    assert "pending" == (await put(store, "e", b"user:7", unique=60)).status


async def test_a_lock_for_a_time_is_in_no_record(store: Store, clock: Clock) -> None:
    """Neither Go nor an inspector can free what the task does not name."""
    await put(store, "a", unique=Unique(60, "ttl"))
    raw = await store.run(browse.info("q", "a"))
    assert raw is not None
    assert ("", None) == (decode(raw.message).unique_key, await store.command("HGET", "asynq:{q}:t:a", "unique_key"))
    assert ["deleted"] == await store.run(browse.cancel("q", ["a"]))
    assert Placed("duplicate", "a") == await put(store, "b", unique=Unique(60, "ttl"))
