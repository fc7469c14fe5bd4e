"""job_turn.lua: the turns that steps of all jobs take, and how long each is waited for."""

from __future__ import annotations

import pytest

from onebeat.broker import jobs
from onebeat.broker.store import Store
from onebeat.wire import keys
from tests.conftest import NOON, Clock


async def test_turns_follow_one_another_at_the_limit(store: Store, clock: Clock) -> None:
    """The first step begins at once; each later one behind those before it, whoever asks."""
    assert [0, 1000, 2000, 2500] == [await store.run(jobs.turn(count, 600)) for count in (10, 10, 5, 1)]


async def test_time_that_passes_is_waited_no_more(store: Store, clock: Clock) -> None:
    """A step that comes later waits for what is left; one that comes when all are over, not at all."""
    assert 0 == await store.run(jobs.turn(10, 600))
    await clock.advance(0.4)
    assert 600 == await store.run(jobs.turn(10, 600))
    await clock.advance(30)
    assert 0 == await store.run(jobs.turn(10, 600))


async def test_nothing_is_saved_up_while_no_job_runs(store: Store, clock: Clock) -> None:
    """Within any minute no more is handed out than the limit, and one step."""
    await store.run(jobs.turn(1, 600))
    await clock.advance(3600)
    waits = [await store.run(jobs.turn(100, 600)) for _ in range(8)]
    assert 7 == sum(wait <= 60_000 for wait in waits)
    assert [10_000 * number for number in range(8)] == waits


async def test_parts_of_milliseconds_add_up(store: Store, clock: Clock) -> None:
    """However high the limit is: 1,000 steps at half a millisecond take half a second."""
    waits = [await store.run(jobs.turn(1, 120_000)) for _ in range(1001)]
    assert (0, 1, 1, 2, 2) == tuple(waits[:5])
    assert 500 == waits[-1]


async def test_consoles_with_other_limits_share_the_turns(store: Store, clock: Clock) -> None:
    """Each step takes as long as its own limit says, and none is passed over."""
    assert [0, 1000, 1100] == [await store.run(jobs.turn(10, limit)) for limit in (600, 6000, 600)]


async def test_no_turn_is_early_however_many_wait(store: Store, clock: Clock) -> None:
    """At one a minute the hundredth waits for more than an hour; and one key holds them all."""
    assert [60_000 * number for number in range(100)] == [await store.run(jobs.turn(1, 1)) for _ in range(100)]
    await clock.set(NOON + 60)
    assert 60_000 * 99 == await store.run(jobs.turn(1, 1))
    assert len(await store.command("GET", keys.JOB_TURNS)) < 40


@pytest.mark.parametrize("back", [1, 7200, 40 * 86_400])
async def test_a_clock_that_was_set_back_holds_nobody_longer(store: Store, clock: Clock, back: int) -> None:
    """And lets nobody go sooner: the line is as long as it was when it was written."""
    await clock.set(NOON + back)
    assert [0, 1000] == [await store.run(jobs.turn(10, 600)) for _ in range(2)]
    await clock.set(NOON)
    assert [2000, 3000] == [await store.run(jobs.turn(10, 600)) for _ in range(2)]
    await clock.set(NOON + 4)
    assert 0 == await store.run(jobs.turn(10, 600))


@pytest.mark.parametrize("written", ["soon", "", "inf", "nan", "inf inf", "nan 1", "1e300 1", "1 2", "1 2 3"])
async def test_what_is_no_turn_counts_as_none(store: Store, clock: Clock, written: str) -> None:
    """Whoever wrote it."""
    await store.command("SET", keys.JOB_TURNS, written)
    assert [0, 1000] == [await store.run(jobs.turn(10, 600)) for _ in range(2)]


async def test_the_key_goes_a_minute_after_the_last_turn(store: Store, clock: Clock) -> None:
    """So nothing is left where no job runs."""
    await store.run(jobs.turn(10, 600))
    left = await store.command("PTTL", keys.JOB_TURNS)
    assert 60_000 < left <= 61_000
