"""Time moves from due instant to due instant; what is due then runs then, in the order of time, without sleeping."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat import (
    ConfigurationError,
    Cron,
    DuplicateTask,
    Inspector,
    Onebeat,
    Retry,
    TaskState,
    Unique,
    current,
    exponential,
)
from onebeat.testing import Testing

NOON = datetime(2030, 3, 17, 12, tzinfo=UTC)


@pytest.fixture
def app() -> Onebeat[Any]:
    return Onebeat("shop")


def seconds_of(times: list[datetime]) -> list[float]:
    return [(at - NOON).total_seconds() for at in times]


async def test_time_stands_still_until_it_is_moved(app: Onebeat[Any]) -> None:
    """The kit begins where it is told to, and only advance moves it."""
    async with app.testing(start=NOON) as t:
        assert NOON == t.now
        await t.drain()
        assert NOON == t.now
        await t.advance(1.5)
        await t.advance(timedelta(minutes=1))
        assert NOON + timedelta(seconds=61.5) == t.now
        await t.advance_to(NOON + timedelta(hours=1))
        assert NOON + timedelta(hours=1) == t.now


async def test_a_kit_begins_now_unless_told_otherwise(app: Onebeat[Any]) -> None:
    """Without start= instants of the code under test mean what they say."""
    async with app.testing() as t:
        assert abs(datetime.now(UTC) - t.now) < timedelta(minutes=1)


async def test_delayed_tasks_run_at_their_instants_in_the_order_of_time(app: Onebeat[Any]) -> None:
    """A handler that runs at an instant sees it, whatever order they were enqueued in."""
    ran: list[tuple[str, float]] = []

    @app.task("t")
    async def handler(name: str) -> None:
        ran.append((name, (t.now - NOON).total_seconds()))

    async with app.testing(start=NOON) as t:
        await handler.options(process_in=20).enqueue("late")
        await handler.options(process_in=0.25).enqueue("soon")
        await handler.options(process_at=NOON + timedelta(seconds=7)).enqueue("between")
        await handler.enqueue("now")
        assert 3 == (await t.advance(19.999)).completed
        assert [("now", 0.0), ("soon", 0.25), ("between", 7.0)] == ran
        assert 1 == (await t.advance(0.001)).completed
        assert ("late", 20.0) == ran[-1]


async def test_draining_runs_what_is_pending_and_what_comes_of_it(app: Onebeat[Any]) -> None:
    """Tasks that handlers enqueue run, too; what is delayed waits."""

    @app.task("t")
    async def handler(depth: int) -> None:
        if depth:
            await handler.enqueue(depth - 1)
        await handler.options(process_in=5).enqueue(0)

    async with app.testing(start=NOON) as t:
        await handler.enqueue(3)
        assert 4 == (await t.drain()).completed
        assert NOON == t.now
        assert 4 == len(t.waiting())


async def test_a_failing_task_is_retried_with_its_backoff_and_then_archived(app: Onebeat[Any]) -> None:
    """Every attempt runs at the instant that its back-off says."""
    times: list[datetime] = []

    @app.task("t", max_retry=3, backoff=exponential(2))
    async def handler() -> None:
        times.append(t.now)
        raise ValueError("no luck")

    async with app.testing(start=NOON) as t:
        await handler.enqueue()
        done = await t.advance(60)
        assert [0.0, 2.0, 6.0, 14.0] == seconds_of(times)
        assert (3, 1, 0) == (done.retried, done.archived, done.completed)
        assert ["retry", "retry", "retry", "archived"] == [attempt.state for attempt in done.attempts]
        assert [0, 1, 2, 3] == [attempt.retried for attempt in done.attempts]
        assert "ValueError: no luck" == done.attempts[0].error == t.archived[0].last_error
        with pytest.raises(ValueError, match="no luck"):
            done.raise_errors()


async def test_a_minute_runs_the_first_retry_and_no_other(app: Onebeat[Any]) -> None:
    """The default back-off has its dice, and the kit's fall the same each time: 40, 70, 91 s."""
    times: list[datetime] = []

    @app.task("t")
    async def handler() -> None:
        times.append(t.now)
        raise OSError

    for _ in range(2):
        times.clear()
        async with app.testing(start=NOON) as t:
            await handler.enqueue()
            assert 2 == (await t.advance(60)).retried
            assert 2 == (await t.advance(60 + 70 + 91)).retried
        assert [0.0, 40.0, 110.0, 201.0] == seconds_of(times)


async def test_a_handler_that_asks_for_a_retry_gets_it_then(app: Onebeat[Any]) -> None:
    """Retry(delay=) is kept to the millisecond; what counts=False asks for is no failure."""
    seen: list[tuple[float, int]] = []

    @app.task("t")
    async def handler() -> None:
        seen.append(((t.now - NOON).total_seconds(), current().retried))
        if len(seen) < 3:
            raise Retry(delay=0.5, counts=len(seen) > 1)

    async with app.testing(start=NOON) as t:
        await handler.enqueue()
        done = await t.advance(1)
        done.raise_errors()
        assert [(0.0, 0), (0.5, 0), (1.0, 1)] == seen


async def test_an_interval_ticks_at_its_multiples(app: Onebeat[Any]) -> None:
    """Ticks come when they would in production, and their task knows which it is of."""
    ticks: list[datetime | None] = []

    @app.every(1.5)
    @app.task("tick")
    async def tick() -> None:
        assert t.now == current().tick
        ticks.append(current().tick)

    async with app.testing(start=NOON + timedelta(seconds=0.2)) as t:
        done = await t.advance(6)
        done.raise_errors()
    assert [NOON + timedelta(seconds=after) for after in (1.5, 3, 4.5, 6)] == ticks


@pytest.mark.slow
async def test_a_calendar_keeps_the_wall_clock_over_a_change_of_it(app: Onebeat[Any]) -> None:
    """At three in Berlin is two hours before UTC's five in summer and one in winter; a month needs tapes refilled."""
    times: list[datetime] = []

    @app.cron("0 3 * * *", tz="Europe/Berlin")
    @app.task("nightly")
    def nightly() -> None:
        times.append(t.now)

    async with app.testing(start=datetime(2030, 3, 1, tzinfo=UTC)) as t:
        assert 59 == (await t.advance_to(datetime(2030, 4, 29, 0, tzinfo=UTC))).completed
    assert {(2, at.day) for at in times if at < datetime(2030, 3, 31, tzinfo=UTC)} == {(2, day) for day in range(1, 31)}
    assert {1} == {at.hour for at in times if at >= datetime(2030, 3, 31, tzinfo=UTC)}


async def test_a_day_of_schedules_is_in_the_order_of_time(app: Onebeat[Any]) -> None:
    """Intervals and calendars of one day, together."""

    @app.every(timedelta(hours=6))
    @app.task("six")
    async def six() -> None: ...

    @app.task("named")
    async def named(city: str) -> None: ...

    app.schedule("noon-lviv", Cron("30 12 * * *"), named.bind("Lviv"))
    async with app.testing(start=datetime(2030, 1, 1, 0, 0, 1, tzinfo=UTC)) as t:
        done = await t.advance(86_400)
        instants = [attempt.at for attempt in done.attempts]
        assert sorted(instants) == instants
        assert ["six", "six", "named", "six", "six"] == [attempt.type for attempt in done.attempts]
        assert [12] == [attempt.at.hour for attempt in done.of(named)]


async def test_schedules_can_be_left_out(app: Onebeat[Any]) -> None:
    """A test of something else is not disturbed by them."""

    @app.every(1)
    @app.task("tick")
    async def tick() -> None: ...

    async with app.testing(schedules=False) as t:
        assert () == (await t.advance(60)).attempts


async def test_a_unique_lock_lapses_when_its_time_has_come(app: Onebeat[Any]) -> None:
    """Not before, however long the test takes; and at once when the task is done."""

    @app.task("t")
    async def handler(name: str = "") -> None: ...

    for_a_minute = handler.options(unique=Unique(60, until="ttl"))
    async with app.testing() as t:
        await for_a_minute.enqueue()
        await t.advance(59.999)
        with pytest.raises(DuplicateTask):
            await for_a_minute.enqueue()
        await t.advance(0.001)
        await for_a_minute.enqueue()
        await handler.options(unique=3600).enqueue("done")
        with pytest.raises(DuplicateTask):
            await handler.options(unique=3600).enqueue("done")
        await t.drain()
        await handler.options(unique=3600).enqueue("done")


@pytest.mark.parametrize("move_to", [None, "low"])
async def test_a_lock_that_an_update_moves_lapses_when_its_time_has_come(
    app: Onebeat[Any], move_to: str | None
) -> None:
    """On another payload, or in another queue, it holds for as long as it would have; its old place is free."""

    @app.task("t")
    async def handler(name: str = "") -> None: ...

    queue = move_to or "default"
    async with app.testing() as t, Inspector(t.store) as inspector:
        first = await handler.options(unique=60, process_in=30).enqueue("old")
        await inspector.update("default", first.id, payload={"name": "new"}, move_to=queue)
        await inspector.archive(queue, first.id)
        await handler.options(unique=60).enqueue("old")
        await t.advance(89.999)
        with pytest.raises(DuplicateTask):
            await handler.options(unique=60, queue=queue).enqueue("new")
        await t.advance(0.001)
        await handler.options(unique=60, queue=queue).enqueue("new")


async def test_a_task_that_expires_is_archived_without_being_run(app: Onebeat[Any]) -> None:
    """It is no attempt, and told of."""

    @app.task("t")
    async def handler(name: str) -> None: ...

    async with app.testing() as t:
        store_s_time = t.now
        await handler.options(process_in=10, expires=store_s_time + timedelta(seconds=5)).enqueue("late")
        await handler.options(process_in=10, expires=5).enqueue("in time")
        done = await t.advance(10)
        assert (1, 1, 1) == (done.completed, done.archived, done.expired)
        assert "expired" == t.archived[0].last_error


async def test_results_are_kept_as_long_as_they_should_be(app: Onebeat[Any]) -> None:
    """Retention ends with the kit's time."""

    @app.task("t")
    async def handler() -> int:
        return 5

    async with app.testing() as t:
        await handler.enqueue()
        await t.advance(3599)
        assert [b"5"] == [info.result for info in t.completed]
        await t.advance(2)
        assert [] == t.tasks(TaskState.COMPLETED)


async def test_a_schedule_that_is_declared_later_fires_from_then_on(app: Onebeat[Any]) -> None:
    """A test may add one."""

    async with app.testing(start=NOON) as t:

        @app.every(10)
        @app.task("tick")
        async def tick() -> None: ...

        assert 3 == (await t.advance(30)).completed


async def test_time_does_not_go_back(app: Onebeat[Any]) -> None:
    """The sentence says what to do."""
    async with app.testing(start=NOON) as t:
        with pytest.raises(ConfigurationError, match="time does not go back; begin earlier"):
            await t.advance_to(NOON - timedelta(seconds=1))
        with pytest.raises(ValueError, match="option advance is -1"):
            await t.advance(-1)
        assert isinstance(t, Testing)


@pytest.mark.slow
async def test_only_the_schedules_that_are_named_fire(app: Onebeat[Any]) -> None:
    """By their task or their id; a long simulated time need not run the others."""

    @app.every(1)
    @app.task("often")
    async def often() -> None: ...

    @app.every(3600)
    @app.every(60, id="by-minute")
    @app.task("seldom")
    async def seldom() -> None: ...

    async with app.testing(start=NOON, schedules=[seldom]) as t:
        assert {"seldom": 60 + 1} == Counter(attempt.type for attempt in (await t.advance(3600)).attempts)
    async with app.testing(start=NOON, schedules=["by-minute"]) as t:
        assert 60 == (await t.advance(3600)).completed
    with pytest.raises(ConfigurationError, match=r"schedules names 'never'.*choose from by-minute, often, seldom"):
        app.testing(schedules=["never"])
    with pytest.raises(ConfigurationError, match=r"schedules is 'often': give True, False, or a list"):
        app.testing(schedules="often")


async def test_an_archived_task_that_is_run_again_has_all_its_retries(app: Onebeat[Any]) -> None:
    """A new life: what an operator brings back after an outage is not archived by its next failure."""

    @app.task("t", max_retry=2, backoff=lambda failures: 1)
    async def handler() -> None:
        raise ConnectionError

    async with app.testing() as t:
        await handler.options(task_id="a").enqueue()
        assert (2, 1) == ((done := await t.advance(60)).retried, done.archived)
        async with Inspector(t.store) as inspector:
            await inspector.run("default", "a")
        assert (2, 1) == ((done := await t.advance(60)).retried, done.archived)
