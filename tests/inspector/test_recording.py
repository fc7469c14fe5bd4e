"""All that is known of one task, and where a task is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onebeat.broker.store import Store
from onebeat.errors import TaskNotFound
from tests.conftest import NOON, Clock
from tests.inspector.conftest import STATES, Face, everything, grab, put, put_in
from tests.inspector.test_fleet import list_server, server, worker

ROOT = "asynq:{q}:"


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOON + seconds, UTC)


async def test_a_task_is_located_in_whichever_queues_have_it(inspector: Face, store: Store) -> None:
    """None, one or several."""
    for queue in ("a", "b", "c"):
        await put(store, f"only-{queue}", queue=queue)
        await put(store, "all", queue=queue)
    assert ["b"] == [info.queue for info in await inspector.locate("only-b")]
    assert ["a", "b", "c"] == [info.queue for info in await inspector.locate("all")]
    assert [] == await inspector.locate("none")


@pytest.mark.parametrize("state", STATES)
async def test_a_record_of_every_state(inspector: Face, store: Store, state: str) -> None:
    """With its bytes as they stand, and nothing is written."""
    await put_in(store, state, "a", {"n": 1}, unique=600)
    before = await everything(store)
    record = await inspector.record("q", "a")
    assert before == await everything(store)
    assert (state, "a") == (record.info.state, record.info.id)
    assert await store.command("HGET", f"{ROOT}t:a", "msg") == record.fields["msg"]
    assert (record.archived_at is not None) == (state == "archived")
    assert (record.lease_until is not None) == (state == "active")
    if state != "completed":
        assert record.lock is not None
        assert "a" == record.lock.holder


async def test_a_lock_that_lapsed_or_is_anothers(inspector: Face, store: Store) -> None:
    """Is told as it is."""
    await put(store, "a", unique=600)
    lock = (await inspector.record("q", "a")).lock
    assert timedelta(seconds=590) < lock.left <= timedelta(seconds=600)
    await store.command("SET", lock.key, "b")
    assert ("b", None) == (lambda one: (one.holder, one.left))((await inspector.record("q", "a")).lock)
    await store.command("DEL", lock.key)
    assert "" == (await inspector.record("q", "a")).lock.holder
    await put(store, "free")
    assert None is (await inspector.record("q", "free")).lock


async def test_who_runs_it_and_until_when(inspector: Face, store: Store, clock: Clock) -> None:
    """As its server says, and by its lease."""
    await put(store, "a", timeout=0.25)
    await grab(store, "a")
    await list_server(store, 1, server(1).encode(), {"a": worker(1, "a", -5).encode()})
    record = await inspector.record("q", "a")
    assert ("web-1", 41, at(-5), at(15)) == (
        record.worker.host, record.worker.pid, record.worker.started_at, record.lease_until,
    )  # fmt: skip
    assert timedelta(milliseconds=250) == record.timeout


async def test_the_schedule_that_made_it(inspector: Face, store: Store) -> None:
    """By its id and the tick; a header of that name that is no tick harms nobody."""
    tick = NOON * 1000 + 500
    await put(store, f"nightly:{tick}", headers={"tick": str(tick)})
    await put(store, "b", headers={"tick": "soon"})
    record = await inspector.record("q", f"nightly:{tick}")
    assert ("nightly", at(0.5)) == (record.schedule, record.tick)
    assert ("", None) == (lambda one: (one.schedule, one.tick))(await inspector.record("q", "b"))


async def test_bytes_that_are_no_message(inspector: Face, store: Store) -> None:
    """Are shown; what is nowhere is not found."""
    await store.command("HSET", f"{ROOT}t:a", "msg", b"\xff", "state", "archived", "odd\xff".encode("latin-1"), b"\x00")
    record = await inspector.record("q", "a")
    assert ("", b"\xff", None) == (record.info.type, record.fields["msg"], record.lock)
    with pytest.raises(TaskNotFound, match="'b' is not in queue 'q'"):
        await inspector.record("q", "b")
