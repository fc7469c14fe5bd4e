"""How much work queues held, minute by minute: noted by whoever runs, and read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onebeat.broker.store import Store
from onebeat.errors import InvalidTask
from onebeat.inspector.series_models import Backlog, SizePoint
from onebeat.wire import keys
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face, put


def told(points: list[SizePoint]) -> list[tuple[int | None, int | None, int | None]]:
    """Return pending tasks, and attempts and failures since the minute before."""
    return [(one.pending, one.processed, one.failed) for one in points]


async def fill(store: Store, **pending: int) -> None:
    for queue, number in pending.items():
        for place in range(number):
            await put(store, str(place), queue=queue)
        await store.command("SET", f"{keys.root(queue)}processed", 100)


async def test_what_queues_hold_is_noted_once_a_minute(inspector: Face, store: Store, clock: Clock) -> None:
    """Of each queue and of all together; attempts are those between two minutes, whoever made them."""
    await fill(store, a=3, b=1)
    assert 2 == await inspector.sample_sizes()
    assert 0 == await inspector.sample_sizes()
    await clock.advance(60)
    await store.command("INCRBY", f"{keys.root('a')}processed", 7)
    await store.command("SET", f"{keys.root('a')}failed", 2)
    await put(store, "more", queue="a")
    assert 2 == await inspector.sample_sizes()
    assert [(3, None, None), (4, 7, 2)] == told(await inspector.sizes("a", minutes=2))
    assert [(4, None, None), (5, 7, 2)] == told(await inspector.sizes(minutes=2))
    assert [(4, None, None), (5, 7, 2)] == told(await inspector.sizes(["a", "b"], minutes=2))


async def test_states_are_told_apart(inspector: Face, store: Store, clock: Clock) -> None:
    """Tasks that run, wait for another try and are archived are counted each by itself."""
    for state, number in (("active", 1), ("retry", 2), ("archived", 3)):
        for place in range(number):
            words = ("LPUSH", f"{keys.root('a')}{state}") if state == "active" else (
                "ZADD", f"{keys.root('a')}{state}", NOON
            )  # fmt: skip
            await store.command(*words, f"{state}-{place}")
    await store.command("SADD", keys.QUEUES, "a")
    await inspector.sample_sizes()
    [point] = await inspector.sizes("a", minutes=1)
    assert (0, 1, 2, 3) == (point.pending, point.active, point.retry, point.archived)
    assert datetime.fromtimestamp(NOON - NOON % 60, UTC) == point.at


async def test_a_minute_that_nobody_noted_is_a_gap(inspector: Face, store: Store, clock: Clock) -> None:
    """It is no zero; and what was done since before it is not told as done in one minute."""
    await fill(store, a=1)
    await inspector.sample_sizes()
    await clock.advance(120)
    await inspector.sample_sizes()
    assert [(1, None, None), (None, None, None), (1, None, None)] == told(await inspector.sizes("a", minutes=3))


async def test_hours_follow_one_another(inspector: Face, store: Store, clock: Clock) -> None:
    """A window goes over the edge between two strings, and each ends by itself."""
    hour = NOON - NOON % 3600
    await clock.set(hour - 30)
    await fill(store, a=1)
    await inspector.sample_sizes()
    await clock.set(hour + 30)
    await inspector.sample_sizes()
    assert [(1, None, None), (1, 0, 0)] == told(await inspector.sizes("a", minutes=2))
    assert [(1, None, None), (1, 0, 0)] == told(await inspector.sizes(minutes=2))
    for root in (keys.own_root("a"), keys.SERIES):
        for start in (hour - 3600, hour):
            assert 0 < int(await store.command("TTL", f"{root}size:{start}")) <= 10_800


async def test_a_queue_that_is_removed_takes_no_attempts_back(inspector: Face, store: Store, clock: Clock) -> None:
    """A total that shrinks says nothing of what was done."""
    await fill(store, a=1)
    await inspector.sample_sizes()
    await store.command("SET", f"{keys.root('a')}processed", 3)
    await clock.advance(60)
    await inspector.sample_sizes()
    assert [(1, None, None), (1, None, 0)] == told(await inspector.sizes(minutes=2))


async def test_a_damaged_queue_does_not_keep_the_others_from_being_noted(
    inspector: Face, store: Store, clock: Clock
) -> None:
    """What can be read counts."""
    await fill(store, a=2, b=1)
    await store.command("DEL", f"{keys.root('b')}pending")
    await store.command("SET", f"{keys.root('b')}pending", "x")
    assert 1 == await inspector.sample_sizes()
    assert [(2, None, None)] == told(await inspector.sizes(minutes=1))


async def test_an_idle_queue_costs_nothing(inspector: Face, store: Store, clock: Clock) -> None:
    """Of one that holds nothing and never did anything nothing is written."""
    await store.command("SADD", keys.QUEUES, "a")
    await inspector.sample_sizes()
    assert 0 == await store.command("EXISTS", f"{keys.own_root('a')}size:{NOON - NOON % 3600}")
    assert [(None, None, None)] == told(await inspector.sizes("a", minutes=1))


async def test_a_single_task_is_no_idle_queue(inspector: Face, store: Store, clock: Clock) -> None:
    """Wherever it is."""
    await store.command("ZADD", f"{keys.root('a')}retry", NOON, "t")
    await store.command("SADD", keys.QUEUES, "a")
    await inspector.sample_sizes()
    assert [1] == [one.retry for one in await inspector.sizes("a", minutes=1)]


async def test_nothing_is_noted_of_very_many_queues(
    inspector: Face, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store would be kept busy by it."""
    monkeypatch.setattr("onebeat.inspector.sizing.MOST", 2)
    await store.command("SADD", keys.QUEUES, "a", "b", "c")
    assert 0 == await inspector.sample_sizes()


@pytest.mark.parametrize("minutes", [0, 121, True, "5"])
async def test_minutes_that_are_none_are_refused(inspector: Face, minutes: int) -> None:
    """The message has the value and what there is."""
    with pytest.raises(InvalidTask, match="whole number from 1 to 120"):
        await inspector.sizes(minutes=minutes)


async def test_what_waited_in_many_queues_is_read_at_once(inspector: Face, store: Store, clock: Clock) -> None:
    """Of each its minutes, over the edge of an hour, with gaps; None of one of which nothing was noted."""
    hour = NOON - NOON % 3600
    await clock.set(hour - 90)
    await fill(store, a=3, b=1)
    await store.command("SADD", keys.QUEUES, "none")
    await inspector.sample_sizes()
    await clock.set(hour + 30)
    await put(store, "more", queue="a")
    await inspector.sample_sizes()
    await clock.advance(60)
    await store.command("INCRBY", f"{keys.root('a')}processed", 7)
    await inspector.sample_sizes()
    start = datetime.fromtimestamp(hour - 120, UTC)
    a = Backlog(start=start, pending=(3, None, 4, 4), processed=(None, None, None, 7))
    b = Backlog(start=start, pending=(1, None, 1, 1), processed=(None, None, None, 0))
    assert {"a": a, "b": b, "none": None} == await inspector.backlogs(minutes=4)
    assert {"b": b} == await inspector.backlogs(["b"], minutes=4)
    assert {} == await inspector.backlogs([])


async def test_a_damaged_note_is_none(inspector: Face, store: Store, clock: Clock) -> None:
    """It does not keep the others from being read."""
    await fill(store, a=1, b=2)
    await inspector.sample_sizes()
    key = f"{keys.own_root('a')}size:{NOON - NOON % 3600}"
    await store.command("DEL", key)
    await store.command("LPUSH", key, "x")
    found = await inspector.backlogs(minutes=1)
    assert None is found["a"]
    assert found["b"] is not None
    assert (2,) == found["b"].pending


@pytest.mark.parametrize("minutes", [0, 61, True, "5"])
async def test_minutes_of_many_are_an_hour_at_most(inspector: Face, minutes: int) -> None:
    """The message has the value and what there is."""
    with pytest.raises(InvalidTask, match="whole number from 1 to 60"):
        await inspector.backlogs(minutes=minutes)
