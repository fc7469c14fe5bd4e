"""enqueue.lua: every answer, and every key afterwards (protocol §3.2; mechanism-rules 7, 8, 17 to 20)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onebeat.broker.consume import Finished, Outcome, finish, take
from onebeat.broker.produce import NewTask, Placed, enqueue
from onebeat.broker.store import Store
from onebeat.errors import BrokerError
from onebeat.wire import keys
from tests.anywhere import everywhere
from tests.conftest import NOON, Clock

LOCK = "asynq:{q}:unique:t:x"


async def put(store: Store, *tasks: NewTask, sequence: int = 1, client: str = "c") -> list[str]:
    placed = await store.run(enqueue("q", client=client, sequence=sequence, tasks=tasks))
    return [f"{item.status} {item.detail}".strip() for item in placed]


async def dump(store: Store, pattern: str = "asynq:*") -> dict[str, Any]:
    """Return every key with its whole value."""
    found = {}
    for key in await everywhere(store, "KEYS", pattern):
        kind = (await store.command("TYPE", key)).decode()
        words: dict[str, list[Any]] = {
            "string": ["GET", key],
            "hash": ["HGETALL", key],
            "list": ["LRANGE", key, 0, -1],
            "set": ["SMEMBERS", key],
            "zset": ["ZRANGE", key, 0, -1, "WITHSCORES"],
        }
        found[key.decode()] = await store.command(*words[kind])
    return found


async def test_a_pending_task_is_what_go_writes(store: Store, clock: Clock) -> None:
    """A hash with message, state and pending_since, and its id on the left of `pending`; nothing else."""
    await clock.set(NOON + 0.123456)
    assert ["pending", "pending"] == await put(store, NewTask("a", b"M1"), NewTask("b", b"M2"))
    assert {
        "asynq:{q}:t:a": {b"msg": b"M1", b"state": b"pending", b"pending_since": b"1900000000123456000"},
        "asynq:{q}:t:b": {b"msg": b"M2", b"state": b"pending", b"pending_since": b"1900000000123456000"},
        "asynq:{q}:pending": [b"b", b"a"],
    } == await dump(store)


@pytest.mark.parametrize(
    ("due", "at_ms", "public"),
    [
        ("+2000", NOON * 1000 + 2000, NOON + 2),
        ("+2000.5", NOON * 1000 + 2001, NOON + 3),
        ("+1", NOON * 1000 + 1, NOON + 1),
        (str(NOON * 1000 + 900), NOON * 1000 + 900, NOON + 1),
    ],
)
async def test_a_scheduled_task_is_scored_upwards(
    store: Store, clock: Clock, due: str, at_ms: int, public: int
) -> None:
    """The public score is a whole second, never before the due time; the exact one stands beside it."""
    assert [f"scheduled {at_ms}"] == await put(store, NewTask("a", b"M", due))
    found = await dump(store, "*")
    assert {b"msg": b"M", b"state": b"scheduled"} == found["asynq:{q}:t:a"]
    assert [(b"a", float(public))] == pairs(found["asynq:{q}:scheduled"])
    assert [(b"a", float(at_ms))] == pairs(found["onebeat:{q}:exact"])


def pairs(flat: Any) -> list[tuple[bytes, float]]:
    """Read a zset's answer, which redis-py gives flat or in pairs."""
    if flat and isinstance(flat[0], (tuple, list)):
        return [(member, float(score)) for member, score in flat]
    return [(flat[i], float(flat[i + 1])) for i in range(0, len(flat), 2)]


async def test_a_due_time_that_is_past_means_now(store: Store, clock: Clock) -> None:
    """process_at before the store's now is pending at once."""
    assert ["pending"] == await put(store, NewTask("a", b"M", str(NOON * 1000 - 1)))


async def test_a_unique_task_locks_from_its_due_time(store: Store, clock: Clock) -> None:
    """The lock's time counts from when the task is due; its value is the task's id, which stands in the hash too."""
    await put(store, NewTask("a", b"M", "+5000", LOCK, 2000))
    assert b"a" == await store.command("GET", LOCK)
    assert 6900 < await store.command("PTTL", LOCK) <= 7000
    assert LOCK.encode() == await store.command("HGET", "asynq:{q}:t:a", "unique_key")


async def test_a_held_lock_names_its_holder(store: Store, clock: Clock) -> None:
    """The second task is refused and leaves nothing."""
    await put(store, NewTask("a", b"M", "", LOCK, 2000))
    assert ["duplicate a"] == await put(store, NewTask("b", b"M", "", LOCK, 2000), sequence=2)
    assert 0 == await store.command("EXISTS", "asynq:{q}:t:b")


async def test_a_conflict_leaves_no_lock(store: Store, clock: Clock) -> None:
    """The id is checked first (SE-06)."""
    await put(store, NewTask("a", b"M"))
    assert ["conflict"] == await put(store, NewTask("a", b"M", "", LOCK, 2000), sequence=2)
    assert 0 == await store.command("EXISTS", LOCK)


async def test_one_id_twice_in_a_batch(store: Store, clock: Clock) -> None:
    """The second is a conflict like any other."""
    assert ["pending", "conflict"] == await put(store, NewTask("a", b"M"), NewTask("a", b"N"))
    assert [b"a"] == await store.command("LRANGE", "asynq:{q}:pending", 0, -1)


async def test_a_repeat_is_answered_as_the_first_time(store: Store, clock: Clock) -> None:
    """Even after the task ran and is gone, the same sequence writes nothing (mechanism-rules 7)."""
    batch = [NewTask("a", b"M"), NewTask("b", b"M", "+9000")]
    first = await put(store, *batch)
    await store.run(take("q", server="s", sequence=1, limit=1, lease_ms=30_000))
    await store.run(finish("q", [Finished("a", "s:1", Outcome.DONE)]))
    assert first == await put(store, *batch)
    assert 0 == await store.command("EXISTS", "asynq:{q}:t:a")


async def test_a_lower_sequence_is_refused(store: Store, clock: Clock) -> None:
    """A batch that was overtaken writes nothing."""
    await put(store, NewTask("a", b"M"), sequence=5)
    assert [Placed("stale", "")] * 2 == await store.run(
        enqueue("q", client="c", sequence=4, tasks=[NewTask("b", b"M"), NewTask("d", b"M")])
    )
    assert 1 == await store.command("LLEN", "asynq:{q}:pending")


async def test_clients_do_not_answer_for_each_other(store: Store, clock: Clock) -> None:
    """The record of a batch belongs to one client."""
    await put(store, NewTask("a", b"M"), client="one")
    assert ["pending"] == await put(store, NewTask("b", b"M"), client="two")


async def test_an_exact_timeout_stands_in_the_hash(store: Store, clock: Clock) -> None:
    """What whole seconds cannot hold is kept beside the message."""
    await put(store, NewTask("a", b"M", timeout_ms="200"))
    assert b"200" == await store.command("HGET", "asynq:{q}:t:a", "ob_timeout_ms")


async def test_a_foreign_type_fails_before_anything_is_written(store: Store, clock: Clock) -> None:
    """`pending` that is no list raises, and no hash is left behind."""
    await store.command("SET", "asynq:{q}:pending", "x")
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        await put(store, NewTask("a", b"M"))
    assert 0 == await store.command("EXISTS", "asynq:{q}:t:a")


async def test_one_bad_item_does_not_stop_its_batch(store: Store, clock: Clock) -> None:
    """A lock of a foreign type is that item's error alone (mechanism-rules 8)."""
    await store.command("HSET", LOCK, "a", "b")
    bad, good = await put(store, NewTask("a", b"M", "", LOCK, 1000), NewTask("b", b"M"))
    assert ("error", "pending") == (bad.split(" ")[0], good)
    assert [b"b"] == await store.command("LRANGE", "asynq:{q}:pending", 0, -1)


async def test_a_full_store_refuses_and_keeps_nothing_half(store: Store, clock: Clock) -> None:
    """OOM is an answer that may pass, and no part of the task is there."""
    await everywhere(store, "CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(BrokerError, match="OOM"):
            await put(store, NewTask("a", b"M"))
    finally:
        await everywhere(store, "CONFIG", "SET", "maxmemory", "0")
    assert {} == await dump(store)


async def test_the_forwarder_is_woken_when_the_head_moves_up(store: Store, clock: Clock) -> None:
    """Only by an entry that is due before all others (mechanism-rules 19)."""
    heard: list[bytes] = []
    ready = asyncio.Event()

    async def listen() -> None:
        async for channel, message in store.listen(keys.WAKE_CHANNEL):
            ready.set() if not channel else heard.append(message)

    listening = asyncio.create_task(listen())
    await ready.wait()
    for number, due in enumerate(["+5000", "+9000", "+1000"]):
        await put(store, NewTask(str(number), b"M", due), sequence=number + 1)
    await store.command("PUBLISH", keys.WAKE_CHANNEL, "end")
    async with asyncio.timeout(60):
        while b"end" not in heard or len(heard) < 3:  # noqa: ASYNC110 - messages of another connection tell nobody
            await asyncio.sleep(0.002)
    listening.cancel()
    await asyncio.wait([listening])
    assert [b"end", b"q", b"q"] == sorted(heard)  # of two nodes either may be the first
