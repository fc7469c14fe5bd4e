"""Many queues at once, all of one queue, and what the store says of itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onebeat.broker.browse import QueueStats
from onebeat.broker.call import Call
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, BrokerUnsupported, InvalidTask, QueueNotFound
from onebeat.inspector import reading
from onebeat.inspector.inspector import Inspector
from onebeat.wire import keys
from onebeat.wire.records import ServerRecord
from tests.anywhere import calls, everywhere
from tests.conftest import NOON, Clock
from tests.inspector.conftest import STATES, Face, everything, put, put_in


async def test_many_queues_are_counted_as_each_alone(inspector: Face, store: Store) -> None:
    """Sorted; those that were named in the order of their names, each once."""
    for state in STATES:
        await put_in(store, state, state, retention=60)
    await put(store, "a", queue="b")
    await inspector.pause("b")
    before = await everything(store)
    alone = {name: await inspector.stats(name) for name in ("b", "q")}
    assert alone == await inspector.stats_each()
    assert ["b", "q"] == list(await inspector.stats_each())
    assert ["q", "b"] == list(await inspector.stats_each(["q", "b", "q"]))
    assert {} == await inspector.stats_each([])
    assert before == await everything(store)


async def test_no_queues_are_none(inspector: Face) -> None:
    """Where nothing was enqueued."""
    assert {} == await inspector.stats_each()


async def test_an_unknown_queue_is_named(inspector: Face, store: Store) -> None:
    """Among known ones."""
    await put(store, "a")
    with pytest.raises(QueueNotFound, match="'nope' is not known here: there are q"):
        await inspector.stats_each(["q", "nope"])


@pytest.mark.parametrize("names", ["q", 7, [""]])
async def test_what_are_no_names_is_refused(inspector: Face, names: object) -> None:
    """A single name is none of several."""
    with pytest.raises(InvalidTask):
        await inspector.stats_each(names)


async def test_a_damaged_queue_hides_no_other(inspector: Face, store: Store) -> None:
    """In its place stands what is wrong."""
    for name in ("a", "b", "c"):
        await put(store, "t", queue=name)
    await store.command("SET", "asynq:{b}:retry", "of a foreign type")
    found = await inspector.stats_each()
    assert (1, 1) == (found["a"].size, found["c"].size)
    assert isinstance(found["b"], BrokerError)
    assert "WRONGTYPE" in str(found["b"])


async def test_scripts_that_the_store_has_forgotten_are_sent_again(inspector: Face, store: Store) -> None:
    """A restart between two looks."""
    for name in ("a", "b", "c"):
        await put(store, "t", queue=name)
    first = await inspector.stats_each()
    await everywhere(store, "SCRIPT", "FLUSH")
    assert first == await inspector.stats_each()


@pytest.mark.one_store
async def test_many_queues_take_few_round_trips(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for so many; and one command for each queue."""
    names = [f"{number:04}" for number in range(2 * reading.QUEUES_STEP + 1)]
    await store.command("SADD", "asynq:queues", *names)
    inspector, trips = Inspector(store), []
    assert names == list(await inspector.stats_each())
    real = store.run_each

    async def counted(wanted: list[Call[QueueStats]]) -> list[QueueStats | BrokerError]:
        trips.append(len(wanted))
        return await real(wanted)

    monkeypatch.setattr(store, "run_each", counted)
    before = await calls(store)
    await inspector.stats_each()
    assert [reading.QUEUES_STEP, reading.QUEUES_STEP, 1] == trips
    assert len(names) == (await calls(store) - before)["evalsha"]


async def test_many_groups_are_all_counted(inspector: Face, store: Store) -> None:
    """More than one script counts."""
    await store.command("SADD", "asynq:queues", "q")
    for number in range(501):
        await store.command("SADD", "asynq:{q}:groups", f"g{number}")
        await store.command("ZADD", f"asynq:{{q}}:g:g{number}", NOON, "a")
    found: QueueStats = (await inspector.stats_each())["q"]
    assert (501, 501) == (found.aggregating, found.groups)


async def serves(store: Store, name: str, queues: dict[str, int], *, until: float) -> None:
    """Have a server live, as Go's write it down."""
    record = ServerRecord(
        host=name, pid=7, server_id=name, concurrency=4, queues=queues, strict_priority=False, status="active",
        start_time=NOON * 10**9, active_worker_count=1,
    )  # fmt: skip
    key = keys.server(f"{name}:7:{name}")
    await store.command("SET", key, record.encode())
    await store.command("ZADD", keys.SERVERS, int(until), key)


async def test_all_of_a_queue(inspector: Face, store: Store, clock: Clock) -> None:
    """Counts, memory, groups, types, next due, since when it is paused, and who lives and serves it."""
    for state in STATES:
        await put_in(store, state, state, retention=60)
    await inspector.pause("q")
    await clock.advance(5)
    await serves(store, "here", {"q": 3, "other": 1}, until=NOON + 3600 * 24 * 365 * 50)
    await serves(store, "elsewhere", {"other": 1}, until=NOON + 3600 * 24 * 365 * 50)
    before = await everything(store)
    found = await inspector.details("q")
    assert ("q", await inspector.stats("q")) == (found.queue, found.stats)
    assert datetime.fromtimestamp(NOON, UTC) == found.paused_since
    assert datetime.fromtimestamp(NOON + 60, UTC) == found.next_due  # the retry, before what is scheduled
    assert (await inspector.memory("q"), "") == (found.memory, found.memory_refusal)
    assert await inspector.groups("q") == list(found.groups)
    assert ["here"] == [server.host for server in found.servers]
    assert ({"t": 1}, 1) == (found.types, found.sampled)
    assert before == await everything(store)


async def test_types_are_counted_among_the_next_to_run(inspector: Face, store: Store) -> None:
    """The most frequent first; how many were looked at is said."""
    for number in range(5):
        await put(store, f"p{number}")
    found = await inspector.details("q", sample=3)
    assert ({"t": 3}, 3) == (found.types, found.sampled)
    assert ({}, 0) == ((await inspector.details("q", sample=0)).types, (await inspector.details("q", sample=0)).sampled)


async def test_a_queue_at_rest_has_no_details(inspector: Face, store: Store) -> None:
    """Nothing is due, nobody serves it, and it was not paused."""
    await store.command("SADD", "asynq:queues", "q")
    found = await inspector.details("q")
    assert (None, None, (), (), {}) == (found.paused_since, found.next_due, found.groups, found.servers, found.types)


async def test_memory_that_is_not_told_is_no_failure(
    inspector: Face, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason stands beside the rest."""
    await put(store, "a")

    def refused(queue: str) -> object:
        raise BrokerUnsupported(f"memory of queue {queue} is not told")

    monkeypatch.setattr(reading, "memory", refused)
    found = await inspector.details("q")
    assert (None, "memory of queue q is not told", 1) == (found.memory, found.memory_refusal, found.stats.size)


@pytest.mark.parametrize("since", [b"", b"soon", b"1.5"])
async def test_a_pause_that_does_not_say_since_when(inspector: Face, store: Store, since: bytes) -> None:
    """Is one all the same."""
    await put(store, "a")
    await store.command("SET", "asynq:{q}:paused", since)
    found = await inspector.details("q")
    assert (True, None) == (found.stats.paused, found.paused_since)


@pytest.mark.parametrize("sample", [-1, 10_001, 1.5, True, None])
async def test_a_sample_that_is_none_is_refused(inspector: Face, store: Store, sample: object) -> None:
    """Before anything is read."""
    with pytest.raises(InvalidTask, match="give a whole number from 0 to 10000"):
        await inspector.details("q", sample=sample)


async def test_details_of_an_unknown_queue(inspector: Face) -> None:
    """There are none."""
    with pytest.raises(QueueNotFound, match="'q' is not known here"):
        await inspector.details("q")


async def test_the_store_says_what_it_is(inspector: Face, store: Store) -> None:
    """Version, memory and clients of the node that was asked; of a cluster its state."""
    found = await inspector.store_info()
    server = await store.command("INFO", "server")
    expected = (
        ("valkey", server["valkey_version"]) if "valkey_version" in server else ("redis", server["redis_version"])
    )
    assert expected == (found.kind, found.version)
    assert store.endpoint.shown == found.address
    assert timedelta(0) <= found.uptime
    assert found.memory > 0
    assert found.memory_peak >= found.memory // 2
    assert found.clients >= 1
    cluster = ("ok", 6, 3) if store.is_spread else ("", 0, 0)
    assert cluster == (found.cluster_state, found.cluster_nodes, found.cluster_size)


@pytest.mark.one_store
async def test_a_limit_of_memory_is_told(inspector: Face, store: Store) -> None:
    """None where there is no limit."""
    assert (await inspector.store_info()).memory_limit is None
    await store.command("CONFIG", "SET", "maxmemory", "1gb")
    try:
        assert 1 << 30 == (await inspector.store_info()).memory_limit
    finally:
        await store.command("CONFIG", "SET", "maxmemory", "0")


async def test_a_removal_says_how_far_it_is(inspector: Face, store: Store) -> None:
    """After each step, deleted tasks of all."""
    for number in range(250):
        await put(store, f"{number:03}")
    told: list[tuple[int, int]] = []
    assert 250 == await inspector.remove_queue("q", force=True, progress=lambda done, total: told.append((done, total)))
    assert [(100, 250), (200, 250), (250, 250)] == told
