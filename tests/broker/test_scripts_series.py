"""record.lua, series.lua and sparks.lua: what is added up, in which slot, and what is read of it."""

from __future__ import annotations

from typing import Any

from onebeat.broker import series
from onebeat.broker.series import BUCKETS, OTHER, Runs, record
from onebeat.broker.store import Store
from onebeat.wire import keys
from tests.conftest import NOON, Clock


def buckets(**counts: int) -> list[int]:
    """Return counts by bucket: `_3=2` is two in bucket 3."""
    found = [0] * 64
    for name, count in counts.items():
        found[int(name[1:])] = count
    return found


def runs(processed: int = 1, failed: int = 0, retried: int = 0, spent: int = 0, **counts: int) -> Runs:
    return Runs(processed, failed, retried, spent, buckets(**counts))


async def note(store: Store, queue: str | None = "q", processed: int = 1, failed: int = 0, **types: Runs) -> None:
    await add(store, queue, processed, failed, types)


async def add(store: Store, queue: str | None, processed: int, failed: int, types: dict[str, Runs]) -> None:
    await store.run(record(queue, processed, failed, buckets(_0=processed), types))


async def test_what_several_servers_did_in_a_minute_is_added_up(store: Store, clock: Clock) -> None:
    """In the minute that it is for the store."""
    await note(store, processed=3, failed=1, t=runs(3, 1, 1, 40, _2=2, _5=1))
    await note(store, processed=2, t=runs(2, 0, 0, 8, _3=2))
    await clock.advance(60)
    await note(store, processed=7, t=runs(7, 0, 0, 7, _1=7))
    found = await store.run(series.rates("q", 60))
    assert [(5, 1), (7, 0)] == [(slot.processed, slot.failed) for slot in found.slots[-2:]]
    assert [0] * 58 == [slot.processed for slot in found.slots[:-2]]
    assert [5, 7] == [waits[0] for waits in found.waits[-2:]]
    assert (60, NOON - NOON % 60 - 58 * 60) == (found.step, found.start)
    [rates] = await store.run(series.types("q", 60))
    first, last = rates.slots[-2:]
    assert ("t", 5, 1, 1, 48) == (rates.name, first.processed, first.failed, first.retried, first.spent_ms)
    assert [0, 0, 2, 2, 0, 1] == first.buckets[:6]
    assert (7, 7) == (last.processed, last.buckets[1])


async def test_hours_follow_one_another(store: Store, clock: Clock) -> None:
    """A window goes over their edges, and each has its own key."""
    hour = NOON - NOON % 3600
    for number, minute in enumerate((-60, -1, 0, 59), 1):
        await clock.set(hour + 60 * minute)
        await note(store, processed=number, t=runs(number, _0=number))
    for minutes, expected in ((60, [3, 4]), (61, [2, 3, 4]), (120, [1, 2, 3, 4])):
        found = await store.run(series.rates("q", minutes))
        assert minutes == len(found.slots) == len(found.waits)
        assert expected == [slot.processed for slot in found.slots if slot.processed]
        assert expected == [waits[0] for waits in found.waits if waits[0]]
        [rates] = await store.run(series.types("q", minutes))
        assert expected == [slot.processed for slot in rates.slots if slot.processed]


async def test_a_day_is_told_in_steps_of_ten_minutes(store: Store, clock: Clock) -> None:
    """The same numbers, fewer slots."""
    six = NOON - NOON % 21600
    await clock.set(six - 61)
    await note(store, processed=1, t=runs(1, _0=1))
    await clock.set(six + 599)
    await note(store, processed=2, t=runs(2, _0=2))
    await clock.set(six + 600)
    await note(store, processed=4, t=runs(4, _0=4))
    found = await store.run(series.rates("q", 1440))
    assert (600, 144) == (found.step, len(found.slots))
    assert [1, 2, 4] == [slot.processed for slot in found.slots[-3:]]
    assert [1, 2, 4] == [waits[0] for waits in found.waits[-3:]]
    [rates] = await store.run(series.types("q", 1440))
    assert [1, 2, 4] == [slot.processed for slot in rates.slots[-3:]]
    assert six - 600 - 141 * 600 == rates.start == found.start


async def test_all_queues_together_have_series_of_their_own(store: Store, clock: Clock) -> None:
    """Which no name of a queue can mean."""
    await note(store, None, processed=5, t=runs(5, _0=5))
    await note(store, "all", processed=2)
    assert 5 == (await store.run(series.rates(None, 60))).slots[-1].processed
    assert 2 == (await store.run(series.rates("all", 60))).slots[-1].processed
    assert ["t"] == [rates.name for rates in await store.run(series.types(None, 60))]


async def test_types_beyond_fifty_are_counted_together(store: Store, clock: Clock) -> None:
    """Those that came first keep their names."""
    for number in range(60):
        await add(store, "q", 1, 0, {f"t{number}": runs(_0=1)})
    await note(store, t0=runs(_0=1))
    found = {
        rates.name: sum(slot.processed for slot in rates.slots) for rates in await store.run(series.types("q", 60))
    }
    assert 51 == len(found)
    assert (2, 10) == (found["t0"], found[OTHER])


async def test_a_type_that_was_not_seen_for_long_makes_room(store: Store, clock: Clock) -> None:
    """After a day and six hours, when nothing of it is left."""
    for number in range(50):
        await add(store, "q", 1, 0, {f"t{number}": runs(_0=1)})
    await clock.advance(30 * 3600 + 1)
    await note(store, new=runs(_0=1))
    assert ["new"] == [rates.name for rates in await store.run(series.types("q", 60))]


async def test_counters_stop_at_their_greatest(store: Store, clock: Clock) -> None:
    """And do not run into one another."""
    for _ in range(2):
        await note(store, processed=2**32 - 2, failed=1, t=runs(2**24 - 2, 1, 0, 2**32 - 2, _0=2**24 - 2, _1=1))
    found = await store.run(series.rates("q", 1))
    assert (2**32 - 1, 2) == (found.slots[0].processed, found.slots[0].failed)
    [rates] = await store.run(series.types("q", 1))
    last = rates.slots[0]
    assert (2**24 - 1, 2, 2**32 - 1) == (last.processed, last.failed, last.spent_ms)
    assert [2**24 - 1, 2, 0] == last.buckets[:3]


async def test_what_is_beyond_the_last_bucket_belongs_to_it(store: Store, clock: Clock) -> None:
    """A task that ran for a week, too."""
    await note(store, t=runs(3, _23=1, _30=2))
    [rates] = await store.run(series.types("q", 1))
    assert 3 == rates.slots[0].buckets[BUCKETS - 1]


async def test_every_key_expires(store: Store, clock: Clock) -> None:
    """Minutes before three hours are over, all else before a day and a half."""
    await note(store, t=runs(_0=1))
    lives: dict[str, Any] = {}
    for key in ("rate", "wait:60", "wait:600", "run:60", "run:600"):
        span = 21600 if key.endswith("600") else 3600
        name = f"{keys.own_root('q')}{key}:{NOON - NOON % span}{':t' if key.startswith('run') else ''}"
        lives[key] = await store.command("TTL", name)
    assert 0 < lives["wait:60"] == lives["run:60"] <= 3 * 3600
    assert 0 < lives["wait:600"] == lives["run:600"] <= 30 * 3600
    assert 0 < lives["rate"] <= 25 * 3600
    assert 0 < await store.command("TTL", f"{keys.own_root('q')}types") <= 30 * 3600


async def test_sparks_of_many_queues_are_read_at_once(store: Store, clock: Clock) -> None:
    """None of those of which nothing was written, or whose key is no string; "(zero)" is not nothing."""
    await store.command("RPUSH", f"{keys.own_root('odd')}rate:{NOON - NOON % 3600}", "x")
    hour = NOON - NOON % 3600
    await clock.set(hour - 1)
    await note(store, "a", processed=1)
    await clock.set(hour + 60)
    await note(store, "a", processed=2, failed=1)
    await note(store, "b", processed=3)
    now_s, found = await store.run(series.sparks(["a", "none", "odd", "b"], 4)) if not store.is_spread else (0, [])
    if store.is_spread:
        for name in ("a", "none", "odd", "b"):
            now_s, [one] = await store.run(series.sparks([name], 4))
            found.append(one)
    assert hour + 60 == now_s
    assert [((0, 1, 0, 2), (0, 0, 0, 1)), None, None, ((0, 0, 0, 3), (0, 0, 0, 0))] == found


async def test_a_damaged_hour_is_read_as_far_as_it_goes(store: Store, clock: Clock) -> None:
    """A string that is too short or too long moves no minute, and keeps no page from being shown."""
    await note(store, processed=3)
    hour = NOON - NOON % 3600
    await store.command("SET", f"onebeat:{{q}}:rate:{hour - 3600}", "x" * 999)
    _, [found] = await store.run(series.sparks(["q"], 2))
    assert found is not None
    assert 3 == found[0][-1]
    await store.command("DEL", f"onebeat:{{q}}:rate:{hour - 3600}")
    await store.command("SET", f"onebeat:{{q}}:rate:{hour}", "\0")
    assert [((0, 0), (0, 0))] == (await store.run(series.sparks(["q"], 2)))[1]
