"""What the inspectors show of queues and tasks, each of both kinds."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from onebeat.broker.browse import MAX_GROUPS
from onebeat.broker.call import Call
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, BrokerUnsupported, QueueNotFound, TaskNotFound
from onebeat.inspector.inspector import Inspector
from onebeat.states import TaskState
from tests.anywhere import calls, everywhere
from tests.conftest import NOON, Clock
from tests.inspector.conftest import STATES, Face, everything, grab, put, put_in, put_in_group


def group_of(state: str) -> dict[str, str]:
    return {"group": "g"} if state == "aggregating" else {}


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOON + seconds, UTC)


@pytest.mark.parametrize("state", STATES)
async def test_a_task_of_each_state_is_counted_listed_paged_and_read(inspector: Face, store: Store, state: str) -> None:
    """The four agree, and none writes."""
    await put_in(store, state, "a", b"payload")
    before = await everything(store)
    info = await inspector.task("q", "a")
    assert (TaskState(state), "a", "q", "t", b"payload") == (info.state, info.id, info.queue, info.type, info.payload)
    assert [info] == await inspector.tasks("q", state=state, **group_of(state))
    assert [info] == await inspector.page("q", state=TaskState(state), **group_of(state))
    stats = await inspector.stats("q")
    assert (1, 1) == (stats.size, getattr(stats, state))
    assert ["q"] == await inspector.queues()
    assert before == await everything(store)


@pytest.mark.parametrize("state", STATES)
async def test_a_state_that_holds_none_shows_none(inspector: Face, store: Store, state: str) -> None:
    """Where the queue is known."""
    await store.command("SADD", "asynq:queues", "q")
    assert [] == await inspector.tasks("q", state=state, **group_of(state))
    assert [] == await inspector.page("q", state=state, **group_of(state))


async def test_times_are_aware_and_durations_timedeltas(inspector: Face, store: Store, clock: Clock) -> None:
    """Due times of what waits, to the millisecond; since when it waits; until when it is worth starting."""
    await put(store, "a", timeout=1.5, retention=60, process_in=1.25, expires=10)
    await put(store, "b")
    await clock.advance(2)
    a, b = await inspector.task("q", "a"), await inspector.task("q", "b")
    assert (at(1.25), timedelta(seconds=60), at(11.25)) == (a.next_process_at, a.retention, a.expires_at)
    assert (at(2), at(0), None) == (b.next_process_at, b.pending_since, b.expires_at)
    assert timedelta(seconds=2) == (await inspector.stats("q")).latency


async def test_an_active_task_whose_lease_is_over_is_orphaned(inspector: Face, store: Store, clock: Clock) -> None:
    """As in asynq's list of active tasks, and one that has none."""
    for name in ("a", "b"):
        await put_in(store, "active", name)
    [first, _] = await inspector.tasks("q", state="active")
    assert not first.is_orphaned
    await clock.advance(15)
    assert [True, True] == [info.is_orphaned for info in await inspector.tasks("q", state="active")]
    await clock.advance(-10)
    await store.command("ZREM", "asynq:{q}:lease", "a")
    assert {"a": True, "b": False} == {info.id: info.is_orphaned for info in await inspector.tasks("q", state="active")}


# §10.9 of the protocol, and its odd cases (§3.6).
PAGES = [
    (2, 1, [0, 1]), (2, 2, [2, 3]), (2, 3, [4]), (2, 0, [3, 4]), (0, 1, [0, 1, 2, 3, 4]), (2, 9, []),
    (-3, 1, [0, 1, 2, 3, 4]), (0, 7, [0, 1, 2, 3, 4]), (2, -4, [0, 1]), (9, 0, [0, 1, 2, 3, 4]),
    (5, 1, [0, 1, 2, 3, 4]),
]  # fmt: skip


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("size", "page", "expected"), PAGES)
async def test_pages_are_asynqs(
    inspector: Face, store: Store, clock: Clock, state: str, size: int, page: int, expected: list[int]
) -> None:
    """The next to run first, the longest running first, all others by time; size 0 is everything, page 0 the last."""
    for number in range(5):
        await put_in(store, state, f"p{number}", retention=3600)
        await clock.advance(1)
    found = await inspector.page("q", state=state, page=page, size=size, **group_of(state))
    assert [f"p{number}" for number in expected] == [info.id for info in found]


@pytest.mark.parametrize("page", [1, 0])
async def test_a_long_page_is_read_in_short_scripts(
    inspector: Face, store: Store, scripts: list[Call[object]], page: int
) -> None:
    """Of a hundred tasks at most, in whatever order."""
    for number in range(250):
        await put(store, f"{number:03}")
    scripts.clear()
    found = await inspector.page("q", state="pending", page=page, size=220)
    first = 0 if page else 30
    assert [f"{number:03}" for number in range(first, first + 220)] == [info.id for info in found]
    assert [100, 100, 20] == [call.arguments[2] for call in scripts if call.script == "page"]


async def test_large_tasks_are_read_few_at_a_time(inspector: Face, store: Store, scripts: list[Call[object]]) -> None:
    """At most about a megabyte a script, and one at least."""
    for number in range(5):
        await put(store, f"p{number}", b"x" * 600_000)
    scripts.clear()
    assert 5 == len(await inspector.page("q", state="pending", size=5))
    assert 5 == len([call for call in scripts if call.script == "page"])
    assert [f"p{number}" for number in range(5)] == [info.id for info in await inspector.tasks("q", state="pending")]


@pytest.mark.parametrize("state", ["pending", "scheduled", "archived", "completed", "aggregating"])
async def test_what_is_no_message_is_shown_as_it_is(inspector: Face, store: Store, state: str) -> None:
    """Without a type, the bytes as payload and the reason as error; an entry without a record is passed over."""
    await put_in(store, state, "a")
    await put_in(store, state, "b")
    await put_in(store, state, "c")
    await store.command("HSET", "asynq:{q}:t:b", "msg", b"\xff\xff")
    await store.command("DEL", "asynq:{q}:t:a")
    b, c = await inspector.tasks("q", state=state, **group_of(state))
    assert ("b", "", b"\xff\xff", "c", "t") == (b.id, b.type, b.payload, c.id, c.type)
    assert "no TaskMessage" in b.last_error
    assert [b, c] == await inspector.page("q", state=state, **group_of(state))
    assert b == await inspector.task("q", "b")


async def test_a_record_without_a_message_is_no_task(inspector: Face, store: Store) -> None:
    """SE-13 and SE-14: a late result, or a zombie that Go made, is none."""
    await put(store, "a")
    await store.command("HSET", "asynq:{q}:t:orphan", "result", "late")
    with pytest.raises(TaskNotFound, match="'orphan' is not in queue 'q'"):
        await inspector.task("q", "orphan")


async def test_a_state_that_is_none_is_told(inspector: Face, store: Store) -> None:
    """Rather than fail in a word of Python's."""
    await put(store, "a")
    await store.command("HSET", "asynq:{q}:t:a", "state", "sleeping")
    with pytest.raises(BrokerError, match="task 'a' of queue 'q' has the state b'sleeping', which is none: delete it"):
        await inspector.task("q", "a")


async def test_numbers_that_another_program_spoiled_count_as_none(inspector: Face, store: Store) -> None:
    """Fields of a record, counters, and times beyond what can be shown."""
    await put(store, "a")
    await store.command("HSET", "asynq:{q}:t:a", "ob_crash", "many", "pending_since", "soon", "ob_expires", "9" * 30)
    await store.command("SET", "asynq:{q}:processed", "lots")
    info = await inspector.task("q", "a")
    assert (0, None, 9999) == (info.crashes, info.pending_since, info.expires_at and info.expires_at.year)
    stats = await inspector.stats("q")
    assert (0, 0) == (stats.processed, stats.latency_ms)


async def test_history_counts_days_of_utc_today_first(inspector: Face, store: Store, clock: Clock) -> None:
    """As many as asked for, zero where nothing was done."""
    await put_in(store, "archived", "a")
    await clock.advance(2 * 86_400)
    await put_in(store, "completed", "b")
    await put_in(store, "archived", "c")
    days = await inspector.history("q", 4)
    assert [date(2030, 3, 19 - back) for back in range(4)] == [day.day for day in days]
    assert [(2, 1), (0, 0), (1, 1), (0, 0)] == [(day.processed, day.failed) for day in days]
    assert {"q"} == {day.queue for day in days}
    assert 10 == len(await inspector.history("q"))
    assert 250 == len({day.day for day in await inspector.history("q", days=250)})


@pytest.mark.slow
async def test_memory_grows_with_what_a_queue_holds(inspector: Face, store: Store) -> None:
    """By about the size of the tasks, which are sampled, whatever state they are in."""
    sizes = []
    for state in STATES:
        for number in range(30):
            await put_in(store, state, f"{state}{number}", b"x" * 1000)
        sizes.append(await inspector.memory("q"))
    grown = [after - before for before, after in zip([0, *sizes], sizes, strict=False)]
    assert [True] * len(STATES) == [30_000 < each < 60_000 for each in grown], grown


@pytest.mark.slow
async def test_memory_measures_few_tasks(inspector: Face, store: Store) -> None:
    """SE-45: ten of each list and set, and of five groups, however many there are."""
    for number in range(40):
        await put(store, f"p{number}")
        for task in range(12):
            await put_in_group(store, f"g{number}", f"g{number}-{task}")
    await everywhere(store, "CONFIG", "RESETSTAT")
    await inspector.memory("q")
    assert 10 + 5 * 10 < (await calls(store))["memory|usage"] <= (1 + 5) * 10 + 13


@pytest.mark.one_store
async def test_memory_that_the_store_does_not_tell_is_an_error(url: str, store: Store, clock: Clock) -> None:
    """As on managed stores, where the command is forbidden."""
    await put(store, "a")
    await store.command("ACL", "SETUSER", "managed", "on", ">pw", "~*", "&*", "+@all", "-memory")
    try:
        with pytest.raises(BrokerUnsupported, match="memory of queue 'q' is not told by this store"):
            async with Inspector(url.replace("unix://", "unix://managed:pw@")) as inspector:
                await inspector.memory("q")
    finally:
        await store.command("ACL", "DELUSER", "managed")


async def test_groups_are_listed_with_what_waits_and_what_is_staged(inspector: Face, store: Store) -> None:
    """By name; a group of which all is being aggregated is one, too (SE-65)."""
    for group, task in (("b", "1"), ("a", "2"), ("a", "3"), ("c:d", "4")):
        await put_in_group(store, group, task)
    root = "asynq:{q}:"
    await store.command("ZREM", f"{root}g:c:d", "4")
    await store.command("SREM", f"{root}groups", "c:d")
    await store.command("ZADD", f"{root}g:c:d:some-uuid", NOON, "4")
    await store.command("ZADD", f"{root}aggregation_sets", NOON + 120, f"{root}g:c:d:some-uuid")
    found = await inspector.groups("q")
    assert [("a", 2, 0), ("b", 1, 0), ("c:d", 0, 1)] == [(each.name, each.size, each.staged) for each in found]
    stats = await inspector.stats("q")
    assert (3, 1, 2, 4) == (stats.aggregating, stats.staged, stats.groups, stats.size)


async def test_many_groups_are_counted_in_steps(inspector: Face, store: Store, scripts: list[Call[object]]) -> None:
    """Every task of every group, by scripts that look at a bounded number."""
    count = 3 * MAX_GROUPS
    await store.command("SADD", "asynq:{q}:groups", *(f"g{number}" for number in range(count)))
    await store.commands([("ZADD", f"asynq:{{q}}:g:g{number}", NOON, "one", NOON, "two") for number in range(count)])
    stats = await inspector.stats("q")
    assert (2 * count, count) == (stats.aggregating, stats.groups)
    await store.command("SADD", "asynq:queues", "q")
    assert [2] * count == [group.size for group in await inspector.groups("q")]
    assert 2 < len([call for call in scripts if call.script == "groups"])


async def test_the_key_slot_is_asynqs(inspector: Face) -> None:
    """Vectors of §10.3."""
    found = [await inspector.key_slot(name) for name in ("default", "critical", "low", "sp ace", "a:b")]
    assert [5718, 8090, 15214, 12181, 2785] == found


@pytest.mark.parametrize("name", ["history", "memory", "groups", "page", "stats", "remove_queue"])
async def test_an_unknown_queue_is_told(inspector: Face, name: str) -> None:
    """Whatever is asked of it."""
    words = {"state": "pending"} if name == "page" else {}
    with pytest.raises(QueueNotFound, match="queue 'nope' is not known here"):
        await getattr(inspector, name)("nope", **words)


@pytest.mark.slow
async def test_lists_may_change_while_one_reads(store: Store, clock: Clock) -> None:
    """Nothing fails, and what stays is shown."""
    inspector = Inspector(store)
    for number in range(250):
        await put(store, f"{number:03}", process_in=number + 1)
    seen = []
    async for info in inspector.tasks("q", state="scheduled"):
        seen.append(info.id)
        if len(seen) == 50:
            await asyncio.gather(*(inspector.delete("q", f"{number:03}") for number in range(150, 250)))
    assert [f"{number:03}" for number in range(150)] == seen


async def test_a_paused_queue_says_so(inspector: Face, store: Store) -> None:
    """In its counts."""
    await put(store, "a")
    await grab(store, "a")
    await inspector.pause("q")
    assert (True, 1) == ((await inspector.stats("q")).paused, (await inspector.stats("q")).active)
