"""Servers with what they run, schedules with their fires, and the nodes of a queue."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, InvalidTask
from onebeat.inspector import fleet
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.scheduler import Scheduler
from onebeat.task import Task
from onebeat.wire.records import EnqueueEventRecord, EntryRecord, ServerRecord, WorkerRecord
from onebeat.wire.sheet import SheetRecord
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face, everything

SECOND = 1_000_000_000


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOON + seconds, UTC)


def server(number: int, **fields: object) -> ServerRecord:
    values = {
        "host": f"web-{number}", "pid": 40 + number, "server_id": f"id{number}", "concurrency": 10,
        "queues": {"q": 3, "low": 1}, "start_time": NOON * SECOND, "active_worker_count": 1,
    }  # fmt: skip
    return ServerRecord(**{**values, **fields})  # type: ignore[arg-type] # as a test writes them


def worker(number: int, task: str, started: int = 0) -> WorkerRecord:
    return WorkerRecord(
        host=f"web-{number}", pid=40 + number, server_id=f"id{number}", task_id=task, task_type="t", queue="q",
        task_payload=b"x", start_time=(NOON + started) * SECOND, deadline=(NOON + 60) * SECOND,
    )  # fmt: skip


async def list_server(store: Store, number: int, data: bytes, workers: dict[str, bytes], *, until: int = 10) -> None:
    """Write what a server writes."""
    tag = f"{{web-{number}:{40 + number}:id{number}}}"
    await store.command("SET", f"asynq:servers:{tag}", data)
    await store.command("ZADD", "asynq:servers", NOON + until, f"asynq:servers:{tag}")
    await store.command("ZADD", "asynq:workers", NOON + until, f"asynq:workers:{tag}")
    for task, record in workers.items():
        await store.command("HSET", f"asynq:workers:{tag}", task, record)


async def test_servers_come_with_what_they_run(inspector: Face, store: Store) -> None:
    """By host; the longest running task first."""
    await list_server(store, 2, server(2, strict_priority=True, status="stopped").encode(), {})
    tasks = {name: worker(1, name, at).encode() for name, at in (("late", 5), ("early", 1))}
    await list_server(store, 1, server(1).encode(), tasks)
    one, two = await inspector.servers()
    assert ("id1", "web-1", 41, 10, {"q": 3, "low": 1}, False, "active", at(0), 1) == (
        one.id, one.host, one.pid, one.concurrency, one.queues, one.strict_priority, one.status, one.started_at,
        one.active_workers,
    )  # fmt: skip
    assert [("early", at(1)), ("late", at(5))] == [(each.task_id, each.started_at) for each in one.workers]
    first = one.workers[0]
    assert ("id1", "web-1", 41, "q", "t", b"x", at(60)) == (
        first.server_id, first.host, first.pid, first.queue, first.task_type, first.payload, first.deadline,
    )  # fmt: skip
    assert (True, "stopped", ()) == (two.strict_priority, two.status, two.workers)


async def test_who_has_not_spoken_for_ten_seconds_is_not_listed(inspector: Face, store: Store, clock: Clock) -> None:
    """By the store's clock; nor one whose record is gone before its entry."""
    await list_server(store, 1, server(1).encode(), {})
    await list_server(store, 2, server(2).encode(), {})
    await store.command("DEL", "asynq:servers:{web-2:42:id2}")
    await clock.advance(10)
    assert ["id1"] == [each.id for each in await inspector.servers()]
    await clock.advance(1)
    assert [] == await inspector.servers()


async def test_looking_writes_nothing(inspector: Face, store: Store, clock: Clock) -> None:
    """SE-50: what asynq's inspector prunes stays, so that a replica and a reader's account will do."""
    await list_server(store, 1, server(1).encode(), {"a": worker(1, "a").encode()})
    await clock.advance(100)
    before = await everything(store)
    assert ([], []) == (await inspector.servers(), await inspector.schedules())
    assert before == await everything(store)


@pytest.mark.one_store
async def test_a_reader_may_look(url: str, store: Store, clock: Clock) -> None:
    """With no right to write."""
    await list_server(store, 1, server(1).encode(), {"a": worker(1, "a").encode()})
    await store.command(
        "ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@read", "+@scripting", "+@connection", "+info", "+time"
    )
    try:
        async with Inspector(url.replace("unix://", "unix://reader:pw@")) as inspector:
            inspector.store._injected_clock = True
            assert ["id1"] == [each.id for each in await inspector.servers()]
            assert [] == await inspector.schedules()
            assert [] == await inspector.events("x")
    finally:
        await store.command("ACL", "DELUSER", "reader")


async def test_records_that_are_none_are_passed_over_and_said(
    inspector: Face, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a server, a worker, a schedule and a fire; the others are shown."""
    await list_server(store, 1, server(1).encode(), {"a": worker(1, "a").encode(), "b": b"\xff"})
    await list_server(store, 2, b"\xff\xff", {})
    await store.command("ZADD", "asynq:schedulers", NOON + 20, "asynq:schedulers:h:1:u")
    await store.command(
        "RPUSH", "asynq:schedulers:h:1:u", b"\xff", EntryRecord(id="e", spec="@daily", task_type="t").encode()
    )
    await store.command(
        "ZADD",
        "asynq:scheduler_history:e",
        NOON,
        b"\xff",
        NOON,
        EnqueueEventRecord(task_id="a", enqueue_time=1).encode(),
    )
    with caplog.at_level(logging.WARNING, "onebeat.inspector"):
        [one] = await inspector.servers()
        [entry] = await inspector.schedules()
        [event] = await inspector.events("e")
    assert (["a"], "e", "a") == ([each.task_id for each in one.workers], entry.id, event.task_id)
    assert 4 == len([line for line in caplog.messages if "holds a record of" in line])


async def test_schedules_of_all_schedulers_next_first(inspector: Face, store: Store) -> None:
    """Times that are never are None; options are in Go's text form."""
    later = EntryRecord(
        id="e-1", spec="@every 30s", task_type="t", task_payload=b"p", enqueue_options=['Queue("low")', "MaxRetry(3)"],
        next_enqueue_time=(NOON + 30) * SECOND,
    )  # fmt: skip
    never = EntryRecord(id="e-2", spec="0 0 31 2 *", task_type="t")
    soon = EntryRecord(
        id="e-3",
        spec="@every 1s",
        task_type="u",
        next_enqueue_time=(NOON + 1) * SECOND,
        prev_enqueue_time=NOON * SECOND,
    )
    await store.command("RPUSH", "asynq:schedulers:h:1:u", later.encode(), never.encode())
    await store.command("RPUSH", "asynq:schedulers:{q}", soon.encode())
    await store.command(
        "ZADD", "asynq:schedulers", NOON + 20, "asynq:schedulers:h:1:u", NOON, "asynq:schedulers:{q}", NOON - 1, "gone"
    )
    found = await inspector.schedules()
    assert [("e-3", at(1), at(0), "{q}"), ("e-1", at(30), None, "h:1:u"), ("e-2", None, None, "h:1:u")] == [
        (each.id, each.next_at, each.last_at, each.scheduler) for each in found
    ]
    assert ("@every 30s", "t", b"p", ('Queue("low")', "MaxRetry(3)")) == (
        found[1].spec, found[1].task_type, found[1].payload, found[1].options,
    )  # fmt: skip


async def test_our_own_schedules_and_their_fires_are_found_by_their_id(
    inspector: Face, store: Store, clock: Clock
) -> None:
    """As they are shown to asynq's tools."""
    scheduler = Scheduler(store)
    scheduler.register("@every 1s", Task("t", b"p"), queue="q", id="tick")
    await scheduler.declare(store)
    for _ in range(3):
        await clock.advance(1)
        await store.run(maintain("q", max_crashes=5))
    await scheduler.show(store)
    [entry] = await inspector.schedules()
    assert ("{q}:tick", "@every 1s", "t", b"p", at(4), at(3)) == (
        entry.id, entry.spec, entry.task_type, entry.payload, entry.next_at, entry.last_at,
    )  # fmt: skip
    events = await inspector.events(entry.id)
    assert [at(3), at(2), at(1)] == [event.enqueued_at for event in events]
    assert [f"tick:{(NOON + n) * 1000}" for n in (3, 2, 1)] == [event.task_id for event in events]


EVENT_PAGES = [
    (2, 1, [4, 3]), (2, 3, [0]), (2, 0, [1, 0]), (0, 1, [4, 3, 2, 1, 0]), (2, 9, []), (-1, 1, [4, 3, 2, 1, 0]),
    (2, -1, [4, 3]), (30, 1, [4, 3, 2, 1, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("size", "page", "expected"), EVENT_PAGES)
async def test_fires_are_paged_latest_first(
    inspector: Face, store: Store, size: int, page: int, expected: list[int]
) -> None:
    """With asynq's odd cases."""
    for number in range(5):
        event = EnqueueEventRecord(task_id=f"{number}", enqueue_time=(NOON + number) * SECOND)
        await store.command("ZADD", "asynq:scheduler_history:e", NOON + number, event.encode())
    found = await inspector.events("e", page=page, size=size)
    assert [f"{number}" for number in expected] == [event.task_id for event in found]


async def test_a_long_history_is_read_in_parts(inspector: Face, store: Store) -> None:
    """All of it."""
    for start in range(0, 1000, 100):
        words: list[object] = []
        for number in range(start, start + 100):
            words += [NOON + number, EnqueueEventRecord(task_id=f"{number}", enqueue_time=SECOND).encode()]
        await store.command("ZADD", "asynq:scheduler_history:e", *words)  # type: ignore[arg-type] # numbers and bytes
    found = await inspector.events("e", size=0)
    assert [f"{number}" for number in range(999, -1, -1)] == [event.task_id for event in found]


@pytest.mark.parametrize("name", ["", " ", None])
async def test_a_schedule_has_an_id(inspector: Face, name: str) -> None:
    """A blank one is refused by its value."""
    with pytest.raises(InvalidTask, match="schedule id is"):
        await inspector.events(name)


@pytest.mark.one_store
async def test_one_store_is_one_node(inspector: Face, engine: str) -> None:
    """Named as one would connect to it."""
    assert [engine] == await inspector.nodes("q")


def test_the_nodes_of_a_queue_are_the_holders_of_its_slot() -> None:
    """As the cluster says, its primary first; a slot that nobody holds is told."""
    slots = [[0, 8191, [b"10.0.0.7", 7001, b"id"], [b"10.0.0.8", 7001, b"id"]]]
    for queue in ("default", "low"):
        procedure = fleet.nodes(queue, "alone")
        assert ("INFO", "cluster") == next(procedure)
        assert ("CLUSTER", "SLOTS") == procedure.send({"cluster_enabled": 1})
        with pytest.raises((StopIteration, BrokerError)) as ended:
            procedure.send(slots)
        if queue == "default":
            assert isinstance(ended.value, StopIteration)
            assert ["10.0.0.7:7001", "10.0.0.8:7001"] == ended.value.value
        else:
            assert "slot 15214 of queue 'low' is held by no node" in str(ended.value)


async def test_a_server_says_when_it_was_last_seen(inspector: Face, store: Store) -> None:
    """Ten seconds before its entry ends."""
    await list_server(store, 1, server(1).encode(), {}, until=7)
    assert [at(-3)] == [each.seen_at for each in await inspector.servers()]


async def test_who_fell_silent_is_listed_the_latest_first(inspector: Face, store: Store, clock: Clock) -> None:
    """With its last sign of life; who lives, left, or was lost before the time asked for is not."""
    for number, until in ((1, -3600), (2, -30), (3, -2), (4, 5)):
        await list_server(store, number, server(number).encode(), {}, until=until)
    lost = await inspector.lost_servers(60)
    assert [("id3", "web-3", 43, at(-12)), ("id2", "web-2", 42, at(-40))] == [
        (each.id, each.host, each.pid, each.seen_at) for each in lost
    ]
    assert 3 == len(await inspector.lost_servers(3600))


@pytest.mark.parametrize("within", [0, -1, "1h", True, 10**9])
async def test_a_time_that_is_none_is_refused(inspector: Face, within: object) -> None:
    """Before anything is asked."""
    with pytest.raises(InvalidTask, match=r"within is .*: give seconds, or a timedelta, up to a year"):
        await inspector.lost_servers(within)


async def test_the_rules_of_groups_are_on_the_sheet(inspector: Face, store: Store) -> None:
    """With each start of names; of a sheet without them nothing is known."""
    for number, rules in ((1, ((60_000, 0, 20), (1000, 5000, 0))), (2, ())):
        await list_server(store, number, server(number).encode(), {})
        tag = f"{{web-{number}:{40 + number}:id{number}}}"
        sheet = SheetRecord(version="0.6.0", groups=("digest:", ""), rules=rules)
        await store.command("SET", f"onebeat:{tag}:sheet", sheet.encode())
    one, two = [each.sheet for each in await inspector.servers()]
    assert one is not None
    assert two is not None
    assert [
        ("digest:", timedelta(minutes=1), timedelta(0), 20),
        ("", timedelta(seconds=1), timedelta(seconds=5), 0),
    ] == [(rule.start, rule.grace, rule.max_delay, rule.max_size) for rule in one.rules]
    assert () == two.rules


async def test_schedulers_of_go_are_told_from_onebeats_own(inspector: Face, store: Store) -> None:
    """By their id without the braces that their key has; Onebeat's are a queue in braces."""
    record = EntryRecord(id="e", spec="@daily", task_type="t").encode()
    for name in ("web:7:11111111-2222-4333-8444-555555555555", "mail", "a:1:b"):
        await store.command("ZADD", "asynq:schedulers", NOON + 20, f"asynq:schedulers:{{{name}}}")
        await store.command("RPUSH", f"asynq:schedulers:{{{name}}}", record)
    assert {"web:7:11111111-2222-4333-8444-555555555555", "{mail}", "{a:1:b}"} == {
        one.scheduler for one in await inspector.schedules()
    }


async def test_the_stores_time_is_told(inspector: Face, clock: Clock) -> None:
    """By its own clock."""
    await clock.advance(1.5)
    assert at(1.5) == await inspector.now()
