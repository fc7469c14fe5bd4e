"""TICK: each tick of a schedule is enqueued exactly once, whoever calls `maintain` and however often."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker import schedules
from onebeat.broker.maintain import Maintained, maintain
from onebeat.broker.schedules import Declaration
from onebeat.broker.store import Store
from onebeat.errors import ConfigurationError
from onebeat.options import Unique
from onebeat.scheduler.entry import Entry, entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.scheduler.triggers import Cron, Every
from onebeat.task import Task
from onebeat.wire.message import decode
from tests.anywhere import everywhere
from tests.conftest import Clock

NOON = 1_900_000_200
"""A multiple of every interval used here, so that ticks are easy to name."""

Q = "beat"
TASK: Task[Any] = Task("report", {"city": "Kyiv"}, queue=Q)


@pytest.fixture
async def clock(store: Store) -> Clock:
    """Return the clock of `store`, set to `NOON`."""
    clock = Clock(store)
    await clock.set(NOON)
    return clock


def every(seconds: float, *, id: str = "report", **options: Any) -> Entry:
    return entry(id, Every(seconds), TASK, options)


async def declare(store: Store, *entries: Entry, app: str = "shop") -> None:
    await Scheduler(store, app=app, entries=entries).declare(store)


async def look(store: Store, queue: str = Q) -> Maintained:
    return await store.run(maintain(queue, max_crashes=5))


async def state(store: Store, id: str = "report", queue: str = Q) -> str:
    return str((await store.command("HGET", f"onebeat:{{{queue}}}:d:{id}", "state")).decode())


async def pending(store: Store, queue: str = Q) -> list[str]:
    return [id_.decode() for id_ in reversed(await store.command("LRANGE", f"asynq:{{{queue}}}:pending", 0, -1))]


async def test_fires_once_per_tick_however_many_call(store: Store, clock: Clock) -> None:
    """Fifty callers at once enqueue one task for one tick."""
    await declare(store, every(1.5))
    await clock.set(NOON + 1.5)
    await asyncio.gather(*(look(store) for _ in range(50)))
    assert [f"report:{(NOON * 1000) + 1500}"] == await pending(store)


async def test_never_fires_early(store: Store, clock: Clock) -> None:
    """A millisecond before the tick nothing is enqueued, and `maintain` says when it is due."""
    await declare(store, every(1.5))
    await clock.set(NOON + 1.499)
    done = await look(store)
    assert done.fired == []
    assert done.next_due_ms == NOON * 1000 + 1500


async def test_ticks_are_multiples_of_the_interval_since_1970(store: Store, clock: Clock) -> None:
    """The phase does not depend on when a schedule was declared."""
    await clock.set(NOON + 0.7)
    await declare(store, every(1.5))
    await clock.set(NOON + 60)
    ticks = [tick for _, tick in (await look(store)).fired]
    assert all(tick % 1500 == 0 for tick in ticks)


async def test_the_phase_survives_restarts_and_added_instances(store: Store, clock: Clock) -> None:
    """Declaring again, by any number of instances at any time, moves no tick."""
    fired = []
    for step in range(200):
        await clock.set(NOON + step * 0.1)
        if step % 7 == 0:
            await declare(store, every(1.5))
        fired += [tick for _, tick in (await look(store)).fired]
    assert [NOON * 1000 + 1500 * n for n in range(1, 14)] == fired


async def test_the_task_says_which_tick_it_is(store: Store, clock: Clock) -> None:
    """The tick stands in the id, in the header `tick` and in `ob_tick`; the rest of the message is the template's."""
    await declare(store, every(60, max_retry=2))
    await clock.set(NOON + 60)
    await look(store)
    [task_id] = await pending(store)
    fields = dict.fromkeys(["msg", "state", "ob_tick"])
    for name in fields:
        fields[name] = await store.command("HGET", f"asynq:{{{Q}}}:t:{task_id}", name)
    assert fields["msg"] is not None
    message = decode(fields["msg"])
    tick = task_id.partition(":")[2]
    assert (b"pending", tick.encode()) == (fields["state"], fields["ob_tick"])
    assert (
        message.type,
        message.payload,
        message.queue,
        message.retry,
        message.timeout,
    ) == ("report", b'{"city":"Kyiv"}', Q, 2, 1800)
    assert {"tick": tick} == dict(message.headers)


async def test_missed_ticks_fire_once_and_the_phase_is_kept(store: Store, clock: Clock) -> None:
    """After an outage longer than the grace only the latest tick fires, and the missed ones are counted."""
    await declare(store, every(1.5))
    await clock.set(NOON + 31)
    assert (await look(store)).fired == [("report", NOON * 1000 + 30_000)]
    await clock.set(NOON + 31.5)
    assert (await look(store)).fired == [("report", NOON * 1000 + 31_500)]
    assert await store.command("HGET", f"onebeat:{{{Q}}}:d:report", "missed") == b"19"


async def test_a_tick_within_its_grace_is_late_not_missed(store: Store, clock: Clock) -> None:
    """Two ticks that are late by less than an interval both fire, one per call."""
    await declare(store, every(1.5))
    await clock.set(NOON + 2.9)
    assert (await look(store)).fired == [("report", NOON * 1000 + 1500)]
    await clock.set(NOON + 3.0)
    assert (await look(store)).fired == [("report", NOON * 1000 + 3000)]


async def test_a_clock_that_steps_back_fires_nothing_twice(store: Store, clock: Clock) -> None:
    """After a step back the schedule waits until time has caught up."""
    await declare(store, every(1.5))
    await clock.set(NOON + 3)
    assert [(await look(store)).fired[0][1] - NOON * 1000 for _ in range(2)] == [1500, 3000]
    await clock.set(NOON)
    assert (await look(store)).fired == []
    await clock.set(NOON + 4.5)
    assert [tick for _, tick in (await look(store)).fired] == [NOON * 1000 + 4500]


async def test_history_is_what_go_reads_and_is_bounded(store: Store, clock: Clock) -> None:
    """At most 50 events are kept under the entry id `{q}:id`."""
    await declare(store, every(1))
    for second in range(1, 61):
        await clock.set(NOON + second)
        await look(store)
    key = f"asynq:scheduler_history:{{{Q}}}:report"
    assert await store.command("ZCARD", key) == 50
    newest = (await store.command("ZREVRANGE", key, 0, 0))[0]
    assert f"report:{NOON * 1000 + 60_000}".encode() in newest


async def test_unique_schedules_skip_while_the_lock_is_held(store: Store, clock: Clock) -> None:
    """A tick whose unique lock is held enqueues nothing and is counted as skipped."""
    await declare(store, every(10, unique=3600))
    for tick in (10, 20, 30):
        await clock.set(NOON + tick)
        await look(store)
    assert [f"report:{NOON * 1000 + 10_000}"] == await pending(store)
    assert await store.command("HGET", f"onebeat:{{{Q}}}:d:report", "skipped") == b"2"


async def test_process_in_delays_from_the_tick(store: Store, clock: Clock) -> None:
    """`process_in` makes the task scheduled, exactly so long after its tick."""
    await declare(store, every(10, process_in=2.5))
    await clock.set(NOON + 10)
    await look(store)
    assert await pending(store) == []
    assert (
        int(await store.command("ZSCORE", f"onebeat:{{{Q}}}:exact", f"report:{NOON * 1000 + 10_000}"))
        == NOON * 1000 + 12_500
    )
    await clock.set(NOON + 12.5)
    assert (await look(store)).forwarded == 1


async def test_a_missing_definition_is_dropped(store: Store, clock: Clock) -> None:
    """A due id without a definition goes, and its neighbour fires."""
    await declare(store, every(1))
    await store.command("ZADD", f"onebeat:{{{Q}}}:due", (NOON - 5) * 1000, "ghost")
    await clock.set(NOON + 1)
    assert (await look(store)).fired == [("report", NOON * 1000 + 1000)]
    assert None is await store.command("ZSCORE", f"onebeat:{{{Q}}}:due", "ghost")


async def test_one_bad_schedule_does_not_stop_its_queue(store: Store, clock: Clock) -> None:
    """A schedule that raises is set aside as `error` with the reason; the others fire."""
    await declare(store, every(1), every(1, id="bad"))
    await store.command("HSET", f"onebeat:{{{Q}}}:d:bad", "grace", "much")
    await clock.set(NOON + 1)
    done = await look(store)
    assert done.fired == [("report", NOON * 1000 + 1000)]
    assert await state(store, "bad") == "error"
    assert any("bad" in text for text in done.errors)


async def test_a_full_queue_skips_ticks(store: Store, clock: Clock) -> None:
    """With 100,000 tasks waiting a tick is skipped and counted, not added."""
    await declare(store, every(1))
    for start in range(0, 100_000, 10_000):
        await store.command("RPUSH", f"asynq:{{{Q}}}:pending", *(f"x{n}" for n in range(start, start + 10_000)))
    await clock.set(NOON + 1)
    assert (await look(store)).fired == []
    assert await store.command("HGET", f"onebeat:{{{Q}}}:d:report", "skipped") == b"1"


async def test_no_schedule_fires_into_a_full_store(store: Store, clock: Clock) -> None:
    """While memory is full a tick waits, unharmed; when there is room again it fires (mechanism-rules 4)."""
    await declare(store, every(10))
    await clock.set(NOON + 10)
    await everywhere(store, "CONFIG", "SET", "maxmemory", "1")
    try:
        done = await look(store)
    finally:
        await everywhere(store, "CONFIG", "SET", "maxmemory", "0")
    assert ([], ["schedules wait: the store's memory is full"]) == (done.fired, done.errors)
    assert "live" == await state(store)
    assert [("report", NOON * 1000 + 10_000)] == (await look(store)).fired


async def test_many_due_at_once_fire_in_steps(store: Store, clock: Clock) -> None:
    """A call fires at most 100 schedules and says that there may be more."""
    await declare(store, *(every(60, id=f"s{n}") for n in range(130)))
    await clock.set(NOON + 60)
    first, second = await look(store), await look(store)
    assert (len(first.fired), len(second.fired)) == (100, 30)
    assert (first.was_full, second.was_full) == (True, False)


# ---- which form of a schedule is in force


async def test_a_deploy_wins_at_once(store: Store, clock: Clock) -> None:
    """The form that was first seen latest is in force as soon as it is declared."""
    await declare(store, every(10))
    await clock.advance(5)
    await declare(store, every(4))
    await clock.set(NOON + 8)
    assert (await look(store)).fired == [("report", NOON * 1000 + 8000)]


async def test_an_old_instance_does_not_flip_it_back(store: Store, clock: Clock) -> None:
    """While a newer form is live, declaring the older one, also after a restart, changes nothing."""
    await declare(store, every(10))
    await clock.advance(1)
    await declare(store, every(4))
    for _ in range(10):
        await clock.advance(15)
        await declare(store, every(4))
        await declare(store, every(10))
    assert await store.command("HGET", f"onebeat:{{{Q}}}:d:report", "every") == b"4000"


async def test_a_roll_back_wins_once_the_newer_form_is_gone(store: Store, clock: Clock) -> None:
    """The older form is in force again when no instance declared the newer for a minute."""
    await declare(store, every(10))
    await clock.advance(1)
    await declare(store, every(4))
    await clock.advance(61)
    await declare(store, every(10))
    assert await store.command("HGET", f"onebeat:{{{Q}}}:d:report", "every") == b"10000"


async def test_a_change_that_keeps_the_timing_keeps_the_next_tick(store: Store, clock: Clock) -> None:
    """A new payload or option does not skip the tick that is due."""
    await declare(store, every(10))
    await clock.set(NOON + 10.5)
    await declare(store, every(10, max_retry=7))
    assert (await look(store)).fired == [("report", NOON * 1000 + 10_000)]


async def test_what_nobody_declares_any_more_is_parked(store: Store, clock: Clock) -> None:
    """After a minute of live instances without it, a schedule stops firing but is kept; declared again it revives."""
    await declare(store, every(10), every(10, id="old"))
    for _ in range(6):
        await clock.advance(15)
        await declare(store, every(10))
    assert await state(store, "old") == "orphaned"
    assert await state(store) == "live"
    await declare(store, every(10), every(10, id="old"))
    assert await state(store, "old") == "live"


async def test_nothing_is_parked_while_no_instance_lives(store: Store, clock: Clock) -> None:
    """A night without any server orphans nothing: the first instance to come back starts the minute anew."""
    await declare(store, every(10), every(10, id="old"))
    await clock.advance(40_000)
    await declare(store, every(10))
    assert await state(store, "old") == "live"


async def test_another_application_is_left_alone(store: Store, clock: Clock) -> None:
    """Instances of one application never park the schedules of another."""
    await declare(store, every(10, id="theirs"), app="other")
    for _ in range(8):
        await clock.advance(15)
        await declare(store, every(10))
    assert await state(store, "theirs") == "live"


# ---- moving to another queue


async def test_moving_to_another_queue_loses_and_doubles_nothing(store: Store, clock: Clock) -> None:
    """Every tick around the move fires once, on the one queue or the other."""
    moved = entry("report", Every(1), Task("report", {"city": "Kyiv"}, queue="other"))
    await declare(store, every(1))
    ticks: list[int] = []
    for step in range(1, 31):
        await clock.set(NOON + step)
        if step == 10:
            await declare(store, moved)
        if step in (20, 25):
            await declare(store, moved)
        for queue in (Q, "other"):
            ticks += [tick for _, tick in (await look(store, queue)).fired]
    assert [NOON * 1000 + 1000 * n for n in range(1, 31)] == sorted(ticks)
    assert await store.command("HGET", "onebeat:schedules", "report") == b"other"


@pytest.mark.parametrize("trigger", [Every(1), Cron("* * * * *")])
async def test_an_outage_after_a_move_doubles_nothing(store: Store, clock: Clock, trigger: Every | Cron) -> None:
    """The latest tick that was missed is one of each queue's own, not the same in both."""
    old, new = (entry("report", trigger, Task("report", queue=queue)) for queue in (Q, "other"))
    await declare(store, old)
    await clock.set(NOON + 57)  # a minute is within the five seconds of the old queue
    await declare(store, new)
    await clock.set(NOON + 200)
    ticks = [tick for queue in (Q, "other") for _, tick in (await look(store, queue)).fired]
    assert [True, False] == [tick <= (NOON + 62) * 1000 for tick in ticks]


async def test_an_interrupted_move_goes_on_with_the_same_boundary(store: Store, clock: Clock) -> None:
    """Whoever repeats the first step of a move is given the boundary of the first try."""
    await declare(store, every(1))
    new = entry("report", Every(1), Task("report", queue="other"))
    first = await store.run(schedules.handoff(Q, "report", new.rev, "other"))
    await clock.advance(2)
    again = await store.run(schedules.handoff(Q, "report", new.rev, "other"))
    assert first is not None
    assert again is not None
    assert first.boundary_ms == again.boundary_ms == NOON * 1000 + 5000


async def test_an_old_instance_does_not_move_it_back(store: Store, clock: Clock) -> None:
    """While the new form is live the old one's queue does not get the schedule back."""
    old, new = every(1), entry("report", Every(1), Task("report", queue="other"))
    await declare(store, old)
    await clock.advance(1)
    await declare(store, new)
    for _ in range(5):
        await clock.advance(15)
        await declare(store, new)
        await declare(store, old)
    assert await store.command("HGET", "onebeat:schedules", "report") == b"other"


# ---- calendars


@pytest.mark.slow
async def test_calendars_fire_from_their_tape(store: Store, clock: Clock) -> None:
    """A cron schedule fires each minute of an hour once, its tape refilled as it runs low."""
    calendar = entry("hourly", Cron("* * * * *"), TASK)
    scheduler = Scheduler(store, app="shop", entries=[calendar])
    await scheduler.declare(store)
    fired = []
    for second in range(0, 7200, 20):
        await clock.set(NOON + second)
        done = await look(store)
        fired += [tick for _, tick in done.fired]
        await scheduler.report(store, Q, done)
    first = (NOON // 60 + 1) * 60_000
    assert [first + 60_000 * n for n in range(len(fired))] == fired
    assert 119 <= len(fired) <= 120


async def test_a_calendar_comes_back_from_a_long_outage(store: Store, clock: Clock) -> None:
    """After a day without anybody one missed tick fires, then the calendar goes on in phase."""
    scheduler = Scheduler(store, app="shop", entries=[entry("minutely", Cron("* * * * *"), TASK)])
    await scheduler.declare(store)
    await clock.set(NOON + 86_400)
    fired = []
    for _ in range(4):
        done = await look(store)
        fired += [tick for _, tick in done.fired]
        await scheduler.report(store, Q, done)
    assert len(fired) <= 3
    await clock.set(NOON + 86_400 + 60)
    done = await look(store)
    assert [tick for _, tick in done.fired] == [((NOON + 86_400 + 60) // 60) * 60_000]


async def test_a_refill_is_done_once(store: Store, clock: Clock) -> None:
    """Of two instances that refill at the same time the second changes nothing."""
    await declare(store, entry("minutely", Cron("* * * * *"), TASK))
    end = await store.run(schedules.tape(Q, "minutely"))
    assert end is not None
    ticks = Cron("* * * * *").ticks_after(end.last_ms, 32)
    assert await store.run(schedules.refill(Q, "minutely", end, ticks))
    assert not await store.run(schedules.refill(Q, "minutely", end, ticks))


async def test_an_ended_calendar_fires_its_last_tick_and_is_done(store: Store, clock: Clock) -> None:
    """The tick before the end mark fires, and the schedule is `done`, not stuck."""
    calendar = entry("last", Cron("* * * * *"), TASK)
    first = (NOON // 60 + 1) * 60_000
    await store.run(
        schedules.declare(Q, "shop", [Declaration("last", calendar.rev, calendar.definition, [first, None])])
    )
    await clock.set(first / 1000)
    assert [("last", first)] == (await look(store)).fired
    assert await state(store, "last") == "done"


async def test_a_tape_that_ran_out_waits_aside(store: Store, clock: Clock) -> None:
    """Without further ticks the due one fires, and the schedule asks for more from outside `due`."""
    calendar = entry("short", Cron("* * * * *"), TASK)
    first = (NOON // 60 + 1) * 60_000
    await store.run(schedules.declare(Q, "shop", [Declaration("short", calendar.rev, calendar.definition, [first])]))
    await clock.set(first / 1000)
    done = await look(store)
    assert ([("short", first)], ["short"]) == (done.fired, list(dict.fromkeys(done.low)))
    assert None is await store.command("ZSCORE", f"onebeat:{{{Q}}}:due", "short")


# ---- what asynq's tools see, and what is refused


async def test_entries_are_shown_to_asynqs_tools_by_one_instance_at_a_time(store: Store, clock: Clock) -> None:
    """One list per queue, listed in `asynq:schedulers` until 20 s from now."""
    scheduler = Scheduler(store, app="shop", entries=[every(30)])
    await scheduler.declare(store)
    await scheduler.show(store)
    await scheduler.show(store)
    assert await store.command("LLEN", f"asynq:schedulers:{{{Q}}}") == 1
    assert int(await store.command("ZSCORE", "asynq:schedulers", f"asynq:schedulers:{{{Q}}}")) == NOON + 20
    assert 0 < await store.command("TTL", f"asynq:schedulers:{{{Q}}}") <= 20


@pytest.mark.parametrize("option", [{"task_id": "x"}, {"deadline": None, "headers": {"tick": "1"}}])
def test_options_that_cannot_be_on_a_schedule_are_refused(option: dict[str, Any]) -> None:
    """Fixed ids and our own header are refused when the schedule is made."""
    with pytest.raises(Exception, match="schedule report"):
        every(10, **option)


@pytest.mark.parametrize("bad", ["", "a b", "x" * 101, "a:b", "é"])
def test_schedule_ids_are_short_and_plain(bad: str) -> None:
    """An id that a key or a tool could stumble over is refused."""
    with pytest.raises(Exception, match="schedule id"):
        entry(bad, Every(1), TASK)


def test_a_declared_schedule_is_named_by_its_tasks_type() -> None:
    """`@app.every` on `report:tick` is the schedule `report-tick`; a second one needs an id of its own."""
    app: Onebeat[Any] = Onebeat("shop")

    @app.every(2)
    @app.task("report:tick")
    async def tick() -> None: ...

    assert list(app.entries) == ["report-tick"]
    with pytest.raises(Exception, match="declared twice"):
        app.every(3)(tick)


@pytest.mark.slow
async def test_random_interleavings_fire_each_tick_once(store: Store, clock: Clock) -> None:
    """Whatever order instances call, declare and pause in, each tick of an hour fires exactly once."""
    chance, fired, now = random.Random(7), [], float(NOON)
    await declare(store, every(1.5))
    while now < NOON + 300:
        now += chance.choice([0.01, 0.2, 0.7, 1.4])
        await clock.set(now)
        if chance.random() < 0.1:
            await declare(store, every(1.5))
        for done in await asyncio.gather(*(look(store) for _ in range(chance.randint(1, 4)))):
            fired += [tick for _, tick in done.fired]
    assert list(range(NOON * 1000 + 1500, int(fired[-1]) + 1, 1500)) == fired


async def test_a_tick_that_is_too_old_is_not_started(store: Store, clock: Clock) -> None:
    """`expires` counts from the tick: after an outage nobody wants yesterday's report."""
    await declare(store, every(10, expires=4))
    await clock.set(NOON + 10)
    await look(store)
    assert str((NOON + 14) * 1000).encode() == await store.command(
        "HGET", f"asynq:{{{Q}}}:t:report:{(NOON + 10) * 1000}", "ob_expires"
    )


@pytest.mark.parametrize(
    ("until", "in_record", "at_start"),
    [("done", True, False), ("start", True, True), ("ttl", False, False)],
)
async def test_the_lock_of_a_tick_lives_as_long_as_it_was_told(
    store: Store, clock: Clock, until: Any, in_record: bool, at_start: bool
) -> None:
    """A fire's record names the lock exactly as an enqueued task's does."""
    await declare(store, every(10, unique=Unique(3600, until)))
    await clock.set(NOON + 10)
    await look(store)
    task = f"asynq:{{{Q}}}:t:report:{(NOON + 10) * 1000}"
    fields = await store.command("HMGET", task, "unique_key", "ob_start")
    assert (in_record, at_start) == (fields[0] is not None, fields[1] is not None)
    assert in_record == bool(decode(await store.command("HGET", task, "msg")).unique_key)
    assert 1 == len(await everywhere(store, "KEYS", f"asynq:{{{Q}}}:unique:*"))


def test_an_instant_at_which_every_tick_would_expire_is_refused() -> None:
    """It is the same for all, and so past for almost all."""
    with pytest.raises(ConfigurationError, match="option expires is the same instant at every tick"):
        every(10, expires=datetime(2030, 1, 1, tzinfo=UTC))
