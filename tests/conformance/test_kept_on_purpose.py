"""What surprises in asynq and is the same here, because the wire or its users expect it (SE-51 to SE-55)."""

from __future__ import annotations

from typing import Any

import pytest

from onebeat import Client, Inspector, Mux, Server, Task, TaskIdConflict
from onebeat.broker.consume import Finished, Outcome, finish, take
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from tests.conftest import Clock


async def enqueue(store: Store, task_id: str = "a", **options: Any) -> None:
    async with Client(store) as client:
        await client.enqueue(Task("t", b"x"), task_id=task_id, **options)


async def ended(store: Store, how: Outcome, **fields: Any) -> None:
    """Take the next task and end it."""
    [task] = (await store.run(take("default", server="s", sequence=1, limit=1, lease_ms=30_000))).tasks
    item = Finished(task.id, "s:1", how, head=b"" if how is Outcome.DONE else task.message, **fields)
    assert ["applied"] == await store.run(finish("default", [item]))


@pytest.mark.parametrize("how", [Outcome.COMPLETED, Outcome.ARCHIVED])
async def test_an_id_stays_taken_while_its_task_is_kept(store: Store, clock: Clock, how: Outcome) -> None:
    """Completed with a retention, or archived: the same id is a conflict (SE-53)."""
    await enqueue(store)
    await ended(store, how, number=60)
    with pytest.raises(TaskIdConflict):
        await enqueue(store)


async def test_an_id_is_free_again_once_its_task_is_gone(store: Store, clock: Clock) -> None:
    """Done without a retention leaves no record."""
    await enqueue(store)
    await ended(store, Outcome.DONE)
    await enqueue(store)


async def test_a_pause_stops_the_taking_only(store: Store, clock: Clock) -> None:
    """Tasks come in and become due all the same; none is handed out (SE-54)."""
    await enqueue(store, "now")
    await enqueue(store, "later", process_in=5)
    await store.command("SET", "asynq:{default}:paused", int(clock.now))
    await clock.advance(5)
    assert 1 == (await store.run(maintain("default", max_crashes=5))).forwarded
    assert [b"later", b"now"] == await store.command("LRANGE", "asynq:{default}:pending", 0, -1)
    assert [] == (await store.run(take("default", server="s", sequence=1, limit=9, lease_ms=30_000))).tasks


async def test_serving_or_pausing_makes_no_queue_known(url: str) -> None:
    """The tools know a queue from its first task on (SE-55)."""
    async with await Store.open(url) as store, Inspector(store) as inspector:
        async with Server(store, queues={"default": 1}).serving(Mux()):
            assert [] == await inspector.queues()
        await enqueue(store)
        assert ["default"] == await inspector.queues()


async def test_a_lock_is_neither_renewed_nor_taken_again(store: Store, clock: Clock) -> None:
    """A task that waits longer than its lock may be enqueued twice (SE-52)."""
    await enqueue(store, "a", unique=1)
    key = (await store.command("HGET", "asynq:{default}:t:a", "unique_key")).decode()
    assert 1000 >= await store.command("PTTL", key) > 0
    await store.command("DEL", key)  # as when its time is over
    await ended(store, Outcome.ARCHIVED)
    async with Inspector(store) as inspector:
        await inspector.run("default", "a")
    assert 0 == await store.command("EXISTS", key)
    await enqueue(store, "b", unique=1)


async def test_counters_count_attempts(store: Store, clock: Clock) -> None:
    """A failed attempt is one processed and one failed; the success after it one more processed (SE-51)."""
    await enqueue(store)
    await ended(store, Outcome.RETRY, blob="failure")
    await store.run(maintain("default", max_crashes=5))
    taken = await store.run(take("default", server="s", sequence=2, limit=1, lease_ms=30_000))
    await store.run(finish("default", [Finished("a", taken.token, Outcome.DONE)]))
    assert [b"2", b"1"] == await store.command("MGET", "asynq:{default}:processed", "asynq:{default}:failed")
