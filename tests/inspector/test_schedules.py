"""Schedules as operators see and steer them: paused, resumed, run by hand, reckoned ahead, with their fires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat import (
    Cron,
    DuplicateTask,
    Every,
    InvalidTask,
    PayloadError,
    QueueFull,
    QueueNotFound,
    ScheduleInfo,
    ScheduleNotFound,
    Task,
    TaskIdConflict,
    TaskState,
    WrongState,
)
from onebeat.broker.maintain import Maintained, maintain
from onebeat.broker.store import Store
from onebeat.inspector import schedules
from onebeat.scheduler.entry import Entry, entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.wire.message import decode
from onebeat.wire.records import EntryRecord
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face, check_places, everything

BEGIN = NOON + 40
"""17:47:20; the next minute is 40 s away."""


def at(seconds: float) -> datetime:
    """Return an instant, seconds after BEGIN."""
    return datetime.fromtimestamp(BEGIN + seconds, UTC)


def every(seconds: float, *, id: str = "report", queue: str = "q", payload: Any = b"x", **options: Any) -> Entry:
    return entry(id, Every(seconds), Task("t", payload, queue=queue), options)


def minutely(id: str = "minutely") -> Entry:
    return entry(id, Cron("* * * * *", tz="Europe/Berlin"), Task("t", queue="q"))


async def declare(store: Store, *entries: Entry, app: str = "shop") -> None:
    await Scheduler(store, app=app, entries=entries).declare(store)


async def fired(store: Store, queue: str = "q") -> list[float]:
    """Call upkeep until nothing is due; return the ticks that fired, in seconds after BEGIN."""
    found: list[float] = []
    scheduler = Scheduler(store)
    while True:
        done: Maintained = await store.run(maintain(queue, max_crashes=5))
        await scheduler.report(store, queue, done)
        found += [(tick - BEGIN * 1000) / 1000 for _, tick in done.fired]
        if done.next_due_ms is None or done.next_due_ms * 1000 > done.now_us:
            return found


@pytest.fixture
async def clock(store: Store) -> Clock:
    """Return the clock of `store`, set to `BEGIN`, a multiple of every interval used here."""
    clock = Clock(store)
    await clock.set(BEGIN)
    return clock


# ---- looking


async def test_a_schedule_is_shown_whole(inspector: Face, store: Store, clock: Clock) -> None:
    """Its timing and task as declared, when it fires and fired, how late that was, its counts, and who declares it."""
    await declare(store, every(10, max_retry=3))
    await clock.advance(10.25)
    await fired(store)
    info: ScheduleInfo = await inspector.schedule("report")
    assert ("report", "q", "shop", "@every 10s", None, "t", b"x", ('Queue("q")', "MaxRetry(3)")) == (
        info.id, info.queue, info.application, info.spec, info.zone, info.task_type, info.payload, info.options,
    )  # fmt: skip
    assert ("live", "", at(20), at(10), at(10.25), timedelta(seconds=0.25)) == (
        info.state, info.reason, info.next_at, info.last_tick, info.last_at, info.late_by,
    )  # fmt: skip
    assert (1, 0, 0, 0, None, False, at(0)) == (
        info.fired, info.missed, info.skipped, info.ran, info.paused_at, info.provided, info.declared_at,
    )  # fmt: skip
    [form] = info.forms
    assert (info.rev, at(0), at(0), True) == (form.rev, form.first_seen, form.last_seen, form.in_force)


async def test_while_a_deploy_runs_both_forms_are_shown(inspector: Face, store: Store, clock: Clock) -> None:
    """The one in force first."""
    await declare(store, every(10))
    await clock.advance(1)
    await declare(store, every(4))
    await clock.advance(1)
    await declare(store, every(10))
    info = await inspector.schedule("report")
    assert [(True, at(1)), (False, at(2))] == [(form.in_force, form.last_seen) for form in info.forms]
    assert "@every 4s" == info.spec


async def test_all_states_are_listed_next_first(inspector: Face, store: Store, clock: Clock) -> None:
    """Those that fire, then the others by id, each with the reason why it does not."""
    last = entry("last", Every(10), Task("t", queue="q"))
    await declare(store, every(10), every(5, id="soon", queue="other"), every(10, id="bad"), last, minutely("stuck"))
    await declare(store, every(10, id="old"), app="gone")
    await inspector.pause_schedule("report")
    d = "onebeat:{q}:d:"
    await store.command("HSET", f"{d}bad", "grace", "much")
    await store.command("HSET", f"{d}last", "until", str((BEGIN + 10) * 1000))
    await store.command("HSET", f"{d}old", "state", "orphaned")
    await store.command("ZREM", "onebeat:{q}:due", "stuck", "old")
    await store.command("ZADD", "onebeat:{q}:stuck", BEGIN * 1000, "stuck")
    await clock.advance(10)
    await store.run(maintain("q", max_crashes=5))
    found = await inspector.declared_schedules()
    assert [
        ("soon", "live"), ("bad", "error"), ("last", "done"), ("old", "orphaned"), ("report", "paused"),
        ("stuck", "waiting"),
    ] == [(info.id, info.state) for info in found]  # fmt: skip
    reasons = {info.id: info.reason for info in found}
    assert reasons["bad"].endswith("attempt to compare nil with number")
    assert ("it has no more ticks", "no live instance of application 'gone' declares it any more") == (
        reasons["last"], reasons["old"],
    )  # fmt: skip
    assert ("an operator paused it", "") == (reasons["report"], reasons["soon"])
    assert ["soon"] == [info.id for info in await inspector.declared_schedules("other")]


@pytest.mark.slow
async def test_very_many_are_listed(inspector: Face, store: Store, clock: Clock) -> None:
    """In steps."""
    await declare(store, *(every(10, id=f"s{number}") for number in range(1203)))
    assert {f"s{number}" for number in range(1203)} == {info.id for info in await inspector.declared_schedules()}


async def test_looking_writes_nothing(inspector: Face, store: Store, clock: Clock) -> None:
    """A reader's account will do."""
    await declare(store, every(10), minutely())
    await clock.advance(10)
    await fired(store)
    before = await everything(store)
    await inspector.declared_schedules()
    await inspector.schedule("report")
    await inspector.next_ticks("minutely")
    await inspector.fires("report")
    assert before == await everything(store)


async def test_damage_is_shown_not_raised(inspector: Face, store: Store, clock: Clock) -> None:
    """Whatever stands in the fields."""
    await declare(store, every(10))
    await store.command(
        "HSET", "onebeat:{q}:d:report", "msg", b"\xff", "timing", "{", "options", b"\xc1", "fired", "many",
        "prev", "nan", "state", "odd", "spec", b"\xff", "paused", "inf",
    )  # fmt: skip
    await store.command("HSET", "onebeat:{q}:seen:report", "x", "y")
    info = await inspector.schedule("report")
    assert ("error", "its state is 'odd', which is none", "", (), 0, None) == (
        info.state, info.reason, info.task_type, info.options, info.fired, info.last_tick,
    )  # fmt: skip
    with pytest.raises(WrongState, match="schedule 'report' cannot be reckoned here: timing of a schedule is"):
        await inspector.next_ticks("report")


@pytest.mark.parametrize(
    "method", ["schedule", "next_ticks", "fires", "pause_schedule", "resume_schedule", "run_schedule"]
)
async def test_a_wrong_id_is_told_with_those_near_it(inspector: Face, store: Store, clock: Clock, method: str) -> None:
    """And in an empty store, that there are none; a blank one is refused."""
    with pytest.raises(ScheduleNotFound, match="schedule 'reprot' is not known here: no application has declared any"):
        await getattr(inspector, method)("reprot")
    await declare(store, every(10), every(10, id="clean"))
    with pytest.raises(ScheduleNotFound, match=r"'reprot' is not known here: did you mean report\?"):
        await getattr(inspector, method)("reprot")
    with pytest.raises(ScheduleNotFound, match="'zzz' is not known here: there are clean, report"):
        await getattr(inspector, method)("zzz")
    with pytest.raises(InvalidTask, match="schedule id is"):
        await getattr(inspector, method)(" ")


async def test_an_id_may_be_given_as_asynqs_tools_show_it(inspector: Face, store: Store, clock: Clock) -> None:
    """With its queue before it."""
    await declare(store, every(10))
    assert "report" == (await inspector.schedule("{q}:report")).id


async def test_gos_schedules_can_only_be_read(inspector: Face, store: Store, clock: Clock) -> None:
    """What is asked of one is refused with who keeps it."""
    record = EntryRecord(id="e-1", spec="@every 30s", task_type="t").encode()
    await store.command("RPUSH", "asynq:schedulers:h:1:u", record)
    await store.command("ZADD", "asynq:schedulers", BEGIN + 20, "asynq:schedulers:h:1:u")
    with pytest.raises(WrongState, match=r"schedule 'e-1' is kept by scheduler h:1:u, a process of asynq's"):
        await inspector.pause_schedule("e-1")


async def test_a_queue_that_is_not_known_is_told(inspector: Face, store: Store, clock: Clock) -> None:
    """Rather than an empty list."""
    with pytest.raises(QueueNotFound):
        await inspector.declared_schedules("nowhere")
    assert [] == await inspector.declared_schedules()


# ---- ticks and fires


async def test_coming_ticks_are_those_that_will_fire(inspector: Face, store: Store, clock: Clock) -> None:
    """The one that is due but has not fired first; of a calendar as its zone has them."""
    await declare(store, every(10), minutely())
    await clock.advance(12)
    assert [at(10), at(20), at(30)] == await inspector.next_ticks("report", 3)
    await fired(store)
    assert [at(20), at(30)] == await inspector.next_ticks("report", 2)
    assert [at(40), at(100)] == await inspector.next_ticks("minutely", 2)
    assert 10 == len(await inspector.next_ticks("report"))


async def test_a_paused_schedule_shows_when_it_would_fire(inspector: Face, store: Store, clock: Clock) -> None:
    """From now on."""
    await declare(store, every(10))
    await inspector.pause_schedule("report")
    await clock.advance(25)
    assert [at(30)] == await inspector.next_ticks("report", 1)


@pytest.mark.parametrize("count", [0, 1001, True, "3"])
async def test_a_count_of_ticks_is_a_number(inspector: Face, store: Store, clock: Clock, count: Any) -> None:
    """From 1 to 1,000."""
    with pytest.raises(InvalidTask, match="count is"):
        await inspector.next_ticks("report", count)


async def test_fires_tell_how_late_and_what_became_of_their_tasks(inspector: Face, store: Store, clock: Clock) -> None:
    """The latest first; a run by hand has no tick, a task that is gone no state."""
    await declare(store, every(10))
    await clock.advance(10.5)
    await fired(store)
    await clock.advance(5)
    await inspector.run_schedule("report", key="k")
    await clock.advance(5)
    await fired(store)
    await store.command("DEL", f"asynq:{{q}}:t:report:{(BEGIN + 10) * 1000}")
    found = await inspector.fires("report")
    late = timedelta(seconds=0.5)
    assert [
        (f"report:{(BEGIN + 20) * 1000}", at(20), at(20.5), late, TaskState.PENDING),
        ("report:m:k", None, at(15.5), None, TaskState.PENDING),
        (f"report:{(BEGIN + 10) * 1000}", at(10), at(10.5), late, None),
    ] == [(fire.task_id, fire.tick, fire.fired_at, fire.late_by, fire.state) for fire in found]
    assert ["report:m:k"] == [fire.task_id for fire in await inspector.fires("report", page=2, size=1)]


# ---- pausing


async def test_nothing_fires_while_it_is_paused(inspector: Face, store: Store, clock: Clock) -> None:
    """Its neighbour does; it is shown as paused since then."""
    await declare(store, every(10), every(10, id="other"))
    await clock.advance(10)
    await fired(store)
    info = await inspector.pause_schedule("report")
    assert ("paused", at(10), None) == (info.state, info.paused_at, info.next_at)
    await clock.advance(100)
    await fired(store)
    assert (1, 2) == ((await inspector.schedule("report")).fired, (await inspector.schedule("other")).fired)


@pytest.mark.parametrize(
    ("missed", "now", "firing"),
    [("skip", [], 0), ("once", [50.0], 1), ("all", [10.0, 20.0, 30.0, 40.0, 50.0], 5)],
)
async def test_what_passed_meanwhile_is_for_the_operator_to_say(
    inspector: Face, store: Store, clock: Clock, missed: str, now: list[float], firing: int
) -> None:
    """None, the latest, or all of it, in order; then on as before, in the old phase."""
    await declare(store, every(10))
    await inspector.pause_schedule("report")
    await clock.advance(57)
    done = await inspector.resume_schedule("report", missed)
    assert (5, True, firing, at(60)) == (done.passed, done.is_exact, done.firing, done.next_at)
    assert ("live", None) == (done.schedule.state, done.schedule.paused_at)
    assert now == await fired(store)
    await clock.advance(3)
    assert [60.0] == await fired(store)
    assert 0 == (await inspector.schedule("report")).missed


@pytest.mark.parametrize(
    ("missed", "now"), [("skip", []), ("once", [4000.0 // 60 * 60 - 20]), ("all", [40.0 + 60 * n for n in range(66)])]
)
async def test_calendars_are_resumed_likewise(
    inspector: Face, store: Store, clock: Clock, missed: str, now: list[float]
) -> None:
    """Also when more ticks passed than stood on its tape."""
    await declare(store, minutely())
    await inspector.pause_schedule("minutely")
    await clock.advance(3990)
    done = await inspector.resume_schedule("minutely", missed)
    assert (66, len(now), at(4000)) == (done.passed, done.firing, done.next_at)
    assert now == await fired(store)
    for minute in range(40):
        await clock.set(BEGIN + 4000 + 60 * minute)
        assert [4000.0 + 60 * minute] == await fired(store)


async def test_a_calendar_whose_ticks_ran_out_can_be_paused(inspector: Face, store: Store, clock: Clock) -> None:
    """What its tape lacked fires after it is resumed."""
    await declare(store, minutely())
    await store.command("DEL", "onebeat:{q}:tape:minutely")
    await clock.advance(40)
    await store.run(maintain("q", max_crashes=5))
    assert "waiting" == (await inspector.schedule("minutely")).state
    await inspector.pause_schedule("minutely")
    await clock.advance(120)
    assert 2 == (await inspector.resume_schedule("minutely", "all")).firing
    assert [100.0, 160.0] == await fired(store)


async def test_a_long_pause_is_not_made_up_for_one_by_one(inspector: Face, store: Store, clock: Clock) -> None:
    """It is refused with the number, and nothing is done; "once" goes."""
    await declare(store, every(1))
    await inspector.pause_schedule("report")
    await clock.advance(1001)
    with pytest.raises(WrongState, match=r"1001 ticks passed meanwhile, and at most 1000 .* 'once' or 'skip'"):
        await inspector.resume_schedule("report", "all")
    assert "paused" == (await inspector.schedule("report")).state
    await inspector.resume_schedule("report", "once")
    assert [1001.0] == await fired(store)


@pytest.mark.slow
async def test_the_ticks_of_a_very_long_pause_are_not_all_counted(inspector: Face, store: Store, clock: Clock) -> None:
    """Of a calendar, which has to be walked through; the latest is found all the same."""
    await declare(store, minutely())
    await inspector.pause_schedule("minutely")
    await clock.advance(60 * 20_000)
    done = await inspector.resume_schedule("minutely", "once")
    assert (10_000, False) == (done.passed, done.is_exact)
    assert [60 * 20_000 - 20.0] == await fired(store)


async def test_a_short_pause_loses_nothing(inspector: Face, store: Store, clock: Clock) -> None:
    """If no tick passed, none is due."""
    await declare(store, every(10))
    await clock.advance(10)
    await fired(store)
    await inspector.pause_schedule("report")
    await clock.advance(5)
    for policy in ("all", "once", "skip"):
        assert 0 == (await inspector.resume_schedule("report", policy)).passed
        assert [] == await fired(store)
        await inspector.pause_schedule("report")
    await inspector.resume_schedule("report")
    await clock.advance(5)
    assert [20.0] == await fired(store)


async def test_a_pause_outlives_restarts_and_changes(inspector: Face, store: Store, clock: Clock) -> None:
    """Of its task, of its timing, and of the instances; what is resumed fires as it is declared then."""
    await declare(store, every(10))
    await inspector.pause_schedule("report")
    for form in (every(10), every(10, max_retry=7), every(4), entry("report", Cron("* * * * *"), Task("t", queue="q"))):
        await clock.advance(15)
        await declare(store, form)
        assert [] == await fired(store)
        assert ("paused", at(0)) == (
            (await inspector.schedule("report")).state,
            (await inspector.schedule("report")).paused_at,
        )
    await inspector.resume_schedule("report")
    await clock.set(BEGIN + 100)
    assert [100.0] == await fired(store)


async def test_a_change_of_the_task_keeps_what_passed(inspector: Face, store: Store, clock: Clock) -> None:
    """As it would if it were live."""
    await declare(store, every(10))
    await inspector.pause_schedule("report")
    await clock.advance(25)
    await declare(store, every(10, max_retry=7))
    await inspector.resume_schedule("report", "all")
    assert [10.0, 20.0] == await fired(store)


async def test_a_pause_outlives_being_orphaned(inspector: Face, store: Store, clock: Clock) -> None:
    """Declared again after its application had left it out, it is paused still."""
    await declare(store, every(10), every(10, id="other"))
    await inspector.pause_schedule("report")
    for _ in range(6):
        await clock.advance(15)
        await declare(store, every(10, id="other"))
    info = await inspector.schedule("report")
    assert ("orphaned", at(0)) == (info.state, info.paused_at)
    await declare(store, every(10), every(10, id="other"))
    assert "paused" == (await inspector.schedule("report")).state


async def test_what_is_orphaned_can_be_paused_and_resumed(inspector: Face, store: Store, clock: Clock) -> None:
    """It does not fire either way, until it is declared; then it does, or not."""
    await declare(store, every(10))
    await store.command("HSET", "onebeat:{q}:d:report", "state", "orphaned")
    await store.command("ZREM", "onebeat:{q}:due", "report")
    info = await inspector.pause_schedule("report")
    assert ("orphaned", at(0)) == (info.state, info.paused_at)
    done = await inspector.resume_schedule("report")
    assert ("orphaned", None, None) == (done.schedule.state, done.schedule.paused_at, done.next_at)


async def test_a_pause_moves_along_to_another_queue(inspector: Face, store: Store, clock: Clock) -> None:
    """And no tick around the move fires in either."""
    await declare(store, every(1))
    await inspector.pause_schedule("report")
    await clock.advance(3)
    await declare(store, every(1, queue="other"))
    info = await inspector.schedule("report")
    assert ("other", "paused", at(0)) == (info.queue, info.state, info.paused_at)
    await clock.advance(10)
    assert ([], []) == (await fired(store), await fired(store, "other"))
    await inspector.resume_schedule("report")
    await clock.advance(1)
    assert ([], [14.0]) == (await fired(store), await fired(store, "other"))


async def test_what_was_resumed_after_a_move_stays_so_when_it_moves_back(
    inspector: Face, store: Store, clock: Clock
) -> None:
    """The mark that the old queue still has of it does not count."""
    await declare(store, every(1))
    await inspector.pause_schedule("report")
    await declare(store, every(1, queue="other"))
    await inspector.resume_schedule("report")
    await clock.advance(61)
    await declare(store, every(1))
    assert ("q", "live") == ((await inspector.schedule("report")).queue, (await inspector.schedule("report")).state)


async def test_a_pause_during_a_move_reaches_the_new_queue(inspector: Face, store: Store, clock: Clock) -> None:
    """Also while the index names the old one; and no tick fires in both after a resumption."""
    await declare(store, every(1))
    await declare(store, every(1, queue="other"))
    await store.command("HSET", "onebeat:schedules", "report", "q")  # as if the mover had not come so far
    assert "other" == (await inspector.pause_schedule("report")).queue
    await inspector.resume_schedule("report")
    ticks: list[float] = []
    for _ in range(10):
        await clock.advance(1)
        ticks += [*await fired(store), *await fired(store, "other")]
    assert [float(n) for n in range(1, 11)] == sorted(ticks)


async def test_one_that_is_between_two_queues_is_told(inspector: Face, store: Store, clock: Clock) -> None:
    """With the advice to try again."""
    await declare(store, every(1))
    await store.command("HSET", "onebeat:{q}:d:report", "moved", "other", "until", str((BEGIN + 5) * 1000))
    for method in ("pause_schedule", "run_schedule"):
        with pytest.raises(ScheduleNotFound, match="'report' is not in queue 'other': it is moving"):
            await getattr(inspector, method)("report")


@pytest.mark.parametrize(
    ("first", "method", "told"),
    [
        ([], "resume_schedule", r"'report' is not paused \(live\)"),
        (["pause_schedule"], "pause_schedule", "'report' is paused already, since 2030-03-17 17:47:20 UTC: resume it"),
        (["pause_schedule", "resume_schedule"], "resume_schedule", "nothing to resume"),
    ],
)
async def test_what_is_so_already_is_told(
    inspector: Face, store: Store, clock: Clock, first: list[str], method: str, told: str
) -> None:
    """As an error, so that a script notices."""
    await declare(store, every(10))
    for name in first:
        await getattr(inspector, name)("report")
    with pytest.raises(WrongState, match=told):
        await getattr(inspector, method)("report")


async def test_a_pause_whose_mark_an_older_version_has_lost_can_be_ended(
    inspector: Face, store: Store, clock: Clock
) -> None:
    """It writes definitions without it; what passed is not known then."""
    await declare(store, every(10))
    await inspector.pause_schedule("report")
    await store.command("HDEL", "onebeat:{q}:d:report", "paused", "held")
    await clock.advance(25)
    done = await inspector.resume_schedule("report", "all")
    assert ("live", 0, at(30)) == (done.schedule.state, done.passed, done.schedule.next_at)


async def test_what_is_over_cannot_be_paused(inspector: Face, store: Store, clock: Clock) -> None:
    """It has no more ticks."""
    await declare(store, every(10))
    await store.command("HSET", "onebeat:{q}:d:report", "state", "done")
    with pytest.raises(WrongState, match="no more ticks"):
        await inspector.pause_schedule("report")
    assert [] == await inspector.next_ticks("report")


async def test_a_policy_is_one_of_three(inspector: Face, store: Store, clock: Clock) -> None:
    """Refused before anything is looked at."""
    with pytest.raises(InvalidTask, match=r"missed is 'none': give one of skip, once, all"):
        await inspector.resume_schedule("report", "none")


async def test_a_resumption_is_reckoned_again_when_somebody_comes_between(
    inspector: Face, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was reckoned of another definition is not written."""
    await declare(store, every(10))
    await inspector.pause_schedule("report")
    read: list[Any] = []

    def trigger_of(raw: Any) -> Any:
        read.append(raw)
        if len(read) == 1:  # as if it had been declared anew since
            raw.fields["rev"] = b"older"
        return schedules.trigger_of(raw)

    monkeypatch.setattr("onebeat.inspector.schedule_steering.trigger_of", trigger_of)
    assert "live" == (await inspector.resume_schedule("report")).schedule.state
    assert 2 == len(read)


# ---- running by hand


async def test_run_enqueues_beside_the_ticks(inspector: Face, store: Store, clock: Clock) -> None:
    """At once, with the schedule's options, counted apart; the next tick is what it was."""
    await declare(store, every(10, max_retry=3, process_in=5))
    await clock.advance(2)
    task_id = await inspector.run_schedule("report", key="now")
    info = await inspector.task("q", task_id)
    assert ("report:m:now", "pending", 3, b"x", {"tick": str((BEGIN + 2) * 1000)}) == (
        task_id, info.state, info.max_retry, info.payload, info.headers,
    )  # fmt: skip
    schedule = await inspector.schedule("report")
    assert (1, 0, at(10), None) == (schedule.ran, schedule.fired, schedule.next_at, schedule.last_tick)
    assert 1 == await check_places(store)


async def test_each_run_is_one_of_its_own(inspector: Face, store: Store, clock: Clock) -> None:
    """Unless a key says that it is the same."""
    await declare(store, every(10))
    assert await inspector.run_schedule("report") != await inspector.run_schedule("report")
    await inspector.run_schedule("report", key="a")
    with pytest.raises(TaskIdConflict, match="'report:m:a' is there already; give another key"):
        await inspector.run_schedule("report", key="a")
    assert 3 == (await inspector.schedule("report")).ran


@pytest.mark.parametrize("key", ["", "a b", "x" * 101, "a:b", 3])
async def test_a_key_is_short_and_plain(inspector: Face, store: Store, clock: Clock, key: Any) -> None:
    """As a part of the task's id."""
    with pytest.raises(InvalidTask, match="key is"):
        await inspector.run_schedule("report", key=key)


@pytest.mark.parametrize(("payload", "stored"), [({"day": 2}, b'{"day":2}'), (b"", b""), (None, b"")])
async def test_a_run_may_have_another_payload(
    inspector: Face, store: Store, clock: Clock, payload: Any, stored: bytes
) -> None:
    """None and nothing are payloads, too; the schedule keeps its own."""
    await declare(store, every(10))
    await clock.advance(1)
    task_id = await inspector.run_schedule("report", payload)
    assert stored == (await inspector.task("q", task_id)).payload
    assert b"x" == (await inspector.schedule("report")).payload


async def test_a_payload_that_cannot_be_is_refused(inspector: Face, store: Store, clock: Clock) -> None:
    """Before anything is written."""
    await declare(store, every(10))
    with pytest.raises(PayloadError):
        await inspector.run_schedule("report", object())
    with pytest.raises(PayloadError, match="the limit is"):
        await inspector.run_schedule("report", b"x" * 8_000_001)


async def test_a_paused_or_orphaned_schedule_can_be_run(inspector: Face, store: Store, clock: Clock) -> None:
    """That is what one may want then."""
    await declare(store, every(10))
    await inspector.pause_schedule("report")
    await inspector.run_schedule("report")
    await store.command("HSET", "onebeat:{q}:d:report", "state", "orphaned")
    await inspector.run_schedule("report")
    assert 2 == (await inspector.schedule("report")).ran


async def test_a_run_respects_the_unique_lock(inspector: Face, store: Store, clock: Clock) -> None:
    """It takes it, and is refused where another has it; another payload has a lock of its own, in its message, too."""
    await declare(store, every(10, unique=60))
    first = await inspector.run_schedule("report")
    with pytest.raises(DuplicateTask, match=f"task {first} holds its unique lock") as refused:
        await inspector.run_schedule("report")
    assert first == refused.value.holder
    other = await inspector.run_schedule("report", b"y")
    with pytest.raises(DuplicateTask):
        await inspector.run_schedule("report", b"y")
    message = decode(await store.command("HGET", f"asynq:{{q}}:t:{other}", "msg"))
    assert other.encode() == await store.command("GET", message.unique_key)
    await clock.advance(10)
    assert [] == await fired(store)
    assert 1 == (await inspector.schedule("report")).skipped


async def test_a_run_may_join_a_group(inspector: Face, store: Store, clock: Clock) -> None:
    """As the tick's task would."""
    await declare(store, every(10, group="g"))
    task_id = await inspector.run_schedule("report")
    assert "aggregating" == (await inspector.task("q", task_id)).state
    assert ["g"] == [group.name for group in await inspector.groups("q")]


async def test_a_full_queue_takes_no_run(inspector: Face, store: Store, clock: Clock) -> None:
    """As it takes no tick."""
    await declare(store, every(10))
    for start in range(0, 100_000, 10_000):
        await store.command("RPUSH", "asynq:{q}:pending", *(f"x{n}" for n in range(start, start + 10_000)))
    with pytest.raises(QueueFull, match="100,000 tasks wait in queue 'q'"):
        await inspector.run_schedule("report")


@pytest.mark.parametrize(
    "trigger", [Every(1.5), Cron("0 3 * * *"), Cron("30 2 * * *", tz="Europe/Berlin", gap="shift", overlap="both")]
)
async def test_a_schedule_has_the_trigger_that_was_declared(
    inspector: Face, store: Store, trigger: Cron | Every
) -> None:
    """With its zone and its rules for days on which clocks change."""
    await declare(store, entry("one", trigger, Task("t", queue="q")))
    (found,) = await inspector.declared_schedules()
    assert trigger == found.trigger


async def test_a_schedule_that_cannot_be_read_has_none(inspector: Face, store: Store) -> None:
    """Nothing is made up for it."""
    await declare(store, every(30))
    await store.command("HSET", "onebeat:{q}:d:report", "spec", "@fortnightly", "timing", "{}")
    assert (await inspector.schedule("report")).trigger is None
