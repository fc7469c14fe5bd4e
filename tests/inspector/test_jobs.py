"""Jobs: done to what fits and is still what it was, by one runner at a time, seen and stopped from anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from onebeat.broker import jobs
from onebeat.broker.call import Call
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, BrokerUnavailable, InvalidTask, JobNotFound, QueueNotFound, WrongState
from onebeat.inspector import job_run
from onebeat.inspector.auditing import AuditOutcome
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.job_models import Job, JobState
from onebeat.inspector.job_run import JobRun
from onebeat.inspector.steps import Pause, Procedure, taken
from onebeat.states import TaskState
from onebeat.wire import keys
from tests.conftest import NOON, Clock
from tests.inspector.conftest import STATES, Face, check_places, everything, grab, put, put_in
from tests.inspector.test_error_groups import fail
from tests.inspector.test_searching import write

ALLOWED = {
    "run": {"scheduled", "retry", "archived", "completed", "aggregating"},
    "archive": {"pending", "scheduled", "retry", "aggregating"},
    "delete": {"pending", "scheduled", "retry", "archived", "completed", "aggregating"},
    "cancel": {"pending", "active", "scheduled", "retry", "aggregating"},
}


async def begin(inspector: Any, action: str = "delete", filter: str = "", **options: Any) -> Job:
    found: Job = await inspector.begin_job(action, filter, user="ada", **options)
    return found


@pytest.mark.parametrize("action", list(ALLOWED))
async def test_a_job_does_it_to_all_that_fit(inspector: Face, store: Store, clock: Clock, action: str) -> None:
    """In the states that it is for; what it did is counted, and audited."""
    for state in STATES:
        await put_in(store, state, state, {"n": 1})
        await put_in(store, state, f"not-{state}", {"n": 2})
    job = await begin(inspector, action, "payload.n=1", role="operate", address="::1")
    assert (JobState.RUNNING, None, 0) == (job.state, job.matched, job.changed)
    done = await inspector.run_job(job.id)
    count = len(ALLOWED[action])
    assert (JobState.DONE, count, count, 0, 0, True) == (
        done.state, done.matched, done.changed, done.skipped, done.failed, done.is_whole
    )  # fmt: skip
    assert 2 * count == done.scanned == done.total
    assert done.ended_at is not None
    assert not done.may_go_on
    [record] = (await inspector.audit(job=job.id)).records
    assert ("ada", "operate", "::1", f"task.{action}", "payload.n=1", count, AuditOutcome.DONE, "job") == (
        record.user, record.role, record.address, record.action, record.about, record.count, record.outcome, record.via
    )  # fmt: skip
    left = [info async for part in Inspector(store).search("payload.n=2") for info in part.tasks]
    assert set(left_of(left)) == {(f"not-{state}", state) for state in STATES}
    await check_places(store)


def left_of(found: list[Any]) -> list[tuple[str, str]]:
    return [(info.id, info.state.value) for info in found]


async def test_what_moved_meanwhile_is_skipped(inspector: Face, store: Store, clock: Clock) -> None:
    """What was chosen is acted on only as it was."""
    await put_in(store, "retry", "stays")
    await put_in(store, "retry", "moves")

    async def move(job: Job) -> None:
        if job.matched is not None:
            await Inspector(store).run("q", "moves")

    job = await begin(inspector, "delete", "state:retry")
    done = await stepped(store, job.id, move)
    assert (2, 1, 1, 0) == (done.matched, done.changed, done.skipped, done.failed)
    assert "moves" in {info.id async for part in Inspector(store).search() for info in part.tasks}


async def driven(
    store: Store,
    procedure: Procedure[Job],
    *,
    pause: Callable[[float], None] = lambda _seconds: None,
    before: Callable[[Any], Awaitable[BrokerError | None]] | None = None,
) -> Job:
    """Carry a procedure out without waiting; what `before` returns of a step is what it fails with."""
    try:
        step = next(procedure)
        while True:
            answer: Any = await before(step) if before is not None else None
            if isinstance(step, Pause):
                pause(step.seconds)
            elif answer is None:
                answer = await answered(store, step)
            step = procedure.throw(answer) if isinstance(answer, BrokerError) else procedure.send(answer)
    except StopIteration as end:
        result: Job = end.value
        return result


async def answered(store: Store, step: Any) -> Any:
    try:
        return await taken(store, step)
    except BrokerError as error:
        return error


async def stepped(store: Store, job_id: str, between: Any, **options: Any) -> Job:
    """Run a job, and await something each time that it has said how far it is."""
    told: list[Job] = []

    async def before(_step: Any) -> None:
        while told:
            await between(told.pop(0))

    return await driven(store, JobRun(job_id, progress=told.append, **options).run(), before=before)


async def nothing(_job: Job) -> None:
    pass


async def test_anybody_can_stop_it(
    inspector: Face, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two steps; what was done stays done, and it can be gone on with."""
    monkeypatch.setattr(job_run, "BEAT_S", 0.0)
    await write(store, 450, "archived")

    async def stop(job: Job) -> None:
        if job.changed >= 200 and job.state is JobState.RUNNING:
            assert JobState.STOPPING is (await inspector.stop_job(job.id, user="bob")).state

    job = await begin(inspector)
    stopped = await stepped(store, job.id, stop)
    assert (JobState.STOPPED, "bob", "", True) == (stopped.state, stopped.stopped_by, stopped.error, stopped.may_go_on)
    assert 200 <= stopped.changed < 450
    [record] = (await inspector.audit(job=job.id)).records
    assert (stopped.changed, "stopped") == (record.count, record.why)
    done = await inspector.run_job(job.id)
    assert (JobState.DONE, 450, "") == (done.state, done.changed, done.stopped_by)
    assert [450 - stopped.changed, stopped.changed] == [
        one.count for one in (await inspector.audit(job=job.id)).records
    ]


async def test_an_order_to_stop_is_heard_by_a_runner_that_begins_after_it(
    inspector: Face, store: Store, clock: Clock
) -> None:
    """Nothing is done then; who goes on with it later does it."""
    await write(store, 5, "archived")
    job = await begin(inspector)
    assert JobState.STOPPING is (await inspector.stop_job(job.id, user="bob")).state
    stopped = await inspector.run_job(job.id)
    assert (JobState.STOPPED, 0, "bob") == (stopped.state, stopped.changed, stopped.stopped_by)
    assert (JobState.DONE, 5, "") == ((done := await inspector.run_job(job.id)).state, done.changed, done.stopped_by)


async def test_its_own_process_can_stop_it(inspector: Face, store: Store, clock: Clock) -> None:
    """As it ends."""
    await write(store, 50, "archived")
    job = await begin(inspector)
    stopped = await inspector.run_job(job.id, stopping=lambda: True)
    assert (JobState.STOPPED, "its console was ended: go on with it", 0) == (
        stopped.state, stopped.error, stopped.changed
    )  # fmt: skip


async def test_a_runner_that_is_silent_leaves_it_lost(inspector: Face, store: Store, clock: Clock) -> None:
    """It says when it was last heard of, and somebody else may go on; the first leaves it to them then."""
    await write(store, 250, "archived")
    job = await begin(inspector)
    left: list[Job] = []

    async def fall_silent(job: Job) -> None:
        if job.matched is None or left:
            return
        await clock.set(NOON + 16)
        lost = await inspector.job(job.id)
        assert (JobState.LOST, NOON, True, False) == (
            lost.state, int(lost.seen_at.timestamp()), lost.may_go_on, lost.is_under_way
        )  # fmt: skip
        left.append(await inspector.run_job(job.id))

    with pytest.raises(WrongState, match="is run by somebody else by now"):
        await stepped(store, job.id, fall_silent, monotonic=iter(range(10_000)).__next__)
    assert (JobState.DONE, 250) == (left[0].state, left[0].changed)
    assert left[0] == await inspector.job(job.id)


async def test_one_runner_at_a_time(inspector: Face, store: Store, clock: Clock) -> None:
    """Another is refused; and a job that is done stays done."""
    await write(store, 250, "archived")
    job = await begin(inspector)
    refused: list[str] = []

    async def also(job: Job) -> None:
        with pytest.raises(WrongState, match="is run by somebody else: stop it there first") as error:
            await inspector.run_job(job.id)
        refused.append(str(error.value))

    await stepped(store, job.id, also, monotonic=iter(range(10_000)).__next__)
    assert refused
    with pytest.raises(WrongState, match="is done: begin another one"):
        await inspector.run_job(job.id)


async def test_one_that_nobody_began_to_run_is_lost_too(inspector: Face, clock: Clock) -> None:
    """And stopped at once by an order."""
    job = await begin(inspector)
    await clock.set(NOON + 16)
    assert JobState.LOST is (await inspector.job(job.id)).state
    assert JobState.STOPPED is (await inspector.stop_job(job.id, user="bob")).state
    assert JobState.STOPPED is (await inspector.stop_job(job.id, user="bob")).state


async def test_a_group_of_errors_is_acted_on_alone(inspector: Face, store: Store, clock: Clock) -> None:
    """Never another's tasks, even if the filter finds them."""
    await fail(store, "mine", "no user 7")
    await fail(store, "also", "no user 8")
    await fail(store, "other", "no user 7 and no mail")
    group = next(one for one in (await inspector.errors()).groups if one.count == 2)
    found = [info.id for part in await inspector.search(group.filter) for info in part.tasks]
    assert {"mine", "also", "other"} == set(found)
    preview = await inspector.preview("delete", group.filter, group=group.key)
    assert (2, 3, True) == (preview.count, preview.scanned, preview.is_whole)
    job = await begin(inspector, "delete", group.filter, group=group.key)
    assert 2 == (await inspector.run_job(job.id)).changed
    assert ["other"] == [info.id for part in await inspector.search() for info in part.tasks]


async def test_a_limit_ends_it_in_all_its_runs(inspector: Face, store: Store, clock: Clock) -> None:
    """And it says that there may be more."""
    await write(store, 30, "archived")
    job = await begin(inspector, limit=10)
    done = await inspector.run_job(job.id)
    assert (JobState.DONE, 10, 10, False, 10) == (done.state, done.matched, done.changed, done.is_whole, done.limit)
    await store.command("HSET", f"onebeat:job:{job.id}", "state", "stopped")
    assert 10 == (await inspector.run_job(job.id)).changed
    assert 20 == (await Inspector(store).stats("q")).archived


async def test_a_rate_is_kept_and_one_speaks_while_one_waits(inspector: Face, store: Store, clock: Clock) -> None:
    """In small steps; however slow it is, nobody takes it for lost."""
    await write(store, 4, "archived")
    job = await begin(inspector, rate=0.1)
    now, seen = [0.0], [0.0]

    def pause(seconds: float) -> None:
        assert seconds <= 1
        now[0] += seconds

    run = JobRun(job.id, progress=lambda _job: seen.append(now[0]), monotonic=lambda: now[0]).run()
    done = await driven(store, run, pause=pause)
    assert (JobState.DONE, 4) == (done.state, done.changed)
    assert 30 == pytest.approx(now[0])
    assert max(b - a for a, b in pairwise(seen)) <= 1.001


async def together(store: Store, clock: Clock, *runs: Procedure[Job]) -> tuple[list[Job], float]:
    """Carry several runs out at once, on the clock of the store; returns how they ended, and after how long."""
    until = dict.fromkeys(range(len(runs)), 0.0)
    steps: dict[int, Any] = {number: next(run) for number, run in enumerate(runs)}
    done: dict[int, Job] = {}
    begun, now = clock.now, 0.0
    while steps:
        number = min(steps, key=lambda one: until[one])
        now = max(now, until[number])
        await clock.set(begun + now)
        step, answer = steps.pop(number), None
        if not isinstance(step, Pause):
            answer = await answered(store, step)
        try:
            steps[number] = runs[number].send(answer)
        except StopIteration as end:
            done[number] = end.value
            continue
        follows = steps[number]
        until[number] = now + (follows.seconds if isinstance(follows, Pause) else 0.0)
    return [done[number] for number in sorted(done)], now


async def test_all_jobs_together_keep_their_limit(inspector: Face, store: Store, clock: Clock) -> None:
    """Three at once take as long as one that does all of it."""
    for queue in ("a", "b", "c"):
        for number in range(20):
            await put(store, f"{queue}{number}", queue=queue)
    begun = [await begin(inspector, "archive", f"queue:{queue}") for queue in ("a", "b", "c")]
    runs = [JobRun(job.id, per_minute=60, monotonic=lambda: clock.now).run() for job in begun]
    done, took = await together(store, clock, *runs)
    assert [(JobState.DONE, 20)] * 3 == [(job.state, job.changed) for job in done]
    assert 59 <= took <= 61


async def test_a_job_that_waits_for_the_limit_of_all_says_so(inspector: Face, store: Store, clock: Clock) -> None:
    """While it does, and for which; not when it has ended, and not where its own rate is lower."""
    for number in range(9):
        await put(store, f"a{number}", queue="a")
    seen: list[Job] = []
    job = await begin(inspector, "archive", "queue:a", limit=4)
    run = JobRun(job.id, per_minute=15, monotonic=lambda: clock.now, progress=seen.append).run()
    [done], _ = await together(store, clock, run)
    assert (JobState.DONE, 4, None) == (done.state, done.changed, done.waits_for)
    assert {None, 15} == {one.waits_for for one in seen}
    slow = await begin(inspector, "archive", "queue:a", limit=4, rate=0.2)
    await clock.advance(60)
    seen.clear()
    run = JobRun(slow.id, per_minute=15, monotonic=lambda: clock.now, progress=seen.append).run()
    [done], _ = await together(store, clock, run)
    assert (4, {None}) == (done.changed, {one.waits_for for one in seen})


async def test_one_that_waits_for_the_limit_of_all_stops_within_a_second(
    inspector: Face, store: Store, clock: Clock
) -> None:
    """However long it would have waited."""
    for number in range(5):
        await put(store, f"a{number}", queue="a")
    told: list[float] = []

    def stop(job: Job) -> None:
        if job.waits_for and not told:
            told.append(clock.now)

    job = await begin(inspector, "archive", "queue:a")
    run = JobRun(job.id, per_minute=1, monotonic=lambda: clock.now, progress=stop, stopping=lambda: bool(told)).run()
    [stopped], _ = await together(store, clock, run)
    assert (JobState.STOPPED, 1, None) == (stopped.state, stopped.changed, stopped.waits_for)
    assert clock.now - told[0] <= 1


async def test_a_job_without_that_limit_takes_no_turns(inspector: Face, store: Store, clock: Clock) -> None:
    """So it writes none."""
    await put(store, "a")
    await inspector.run_job((await begin(inspector, "archive")).id)
    assert 0 == await store.command("EXISTS", keys.JOB_TURNS)


@pytest.mark.parametrize("per_minute", [0, -1, 1.5, True, "60", 10**10])
async def test_a_limit_that_is_none_is_refused(inspector: Face, clock: Clock, per_minute: Any) -> None:
    """Before the job is taken."""
    job = await begin(inspector)
    with pytest.raises(InvalidTask, match=r"per_minute is .*: give a whole number from 1"):
        await inspector.run_job(job.id, per_minute=per_minute)
    assert JobState.RUNNING is (await inspector.job(job.id)).state


async def test_why_it_is_done_stays_with_it(inspector: Face, store: Store, clock: Clock) -> None:
    """In the job, in the list, and in the record of what it did; cut at 200 letters."""
    await put(store, "a")
    job = await begin(inspector, "delete", reason="supplier resent them " + "x" * 300)
    assert ("supplier resent them x", 200, "…") == (job.reason[:22], len(job.reason), job.reason[-1])
    done = await inspector.run_job(job.id)
    assert job.reason == done.reason == (await inspector.jobs())[0].reason
    [record] = (await inspector.audit(job=job.id)).records
    assert (job.reason, "") == (record.reason, record.why)


async def test_jobs_of_before_have_no_reason(inspector: Face, store: Store, clock: Clock) -> None:
    """And read as they did."""
    job = await begin(inspector)
    await store.command("HDEL", f"onebeat:job:{job.id}", "reason", "waits_for")
    assert ("", None) == ((found := await inspector.job(job.id)).reason, found.waits_for)


async def test_a_store_that_is_away_for_a_while_is_waited_for(inspector: Face, store: Store, clock: Clock) -> None:
    """What was done and not heard of is left alone then."""
    await write(store, 150, "archived")
    job = await begin(inspector)
    failing = [BrokerUnavailable("away")] * 3
    pauses: list[float] = []

    async def before(step: Any) -> BrokerError | None:
        if isinstance(step, Call) and step.script == "steer" and failing:
            await taken(store, step)  # it took place, and the answer was lost
            return failing.pop()
        return None

    done = await driven(store, JobRun(job.id).run(), pause=pauses.append, before=before)
    assert (JobState.DONE, 3, 150, 0) == (done.state, len(pauses), done.changed + done.skipped, done.failed)
    assert 0 == (await Inspector(store).stats("q")).archived


async def test_a_store_that_stays_away_leaves_it_lost(inspector: Face, store: Store, clock: Clock) -> None:
    """Nobody could write that it failed."""
    await write(store, 5, "archived")
    job = await begin(inspector)

    async def before(step: Any) -> BrokerError | None:
        return BrokerUnavailable("away") if isinstance(step, Call) and step.script == "search" else None

    with pytest.raises(BrokerUnavailable, match="away"):
        await driven(store, JobRun(job.id).run(), before=before)
    await clock.set(NOON + 16)
    assert JobState.LOST is (await inspector.job(job.id)).state


async def test_an_error_ends_it_with_its_sentence(inspector: Face, store: Store, clock: Clock) -> None:
    """It can be gone on with, once what was wrong is mended."""
    job = await begin(inspector, "delete", "queue:q")
    failed = await inspector.run_job(job.id)
    assert (JobState.FAILED, True) == (failed.state, failed.may_go_on)
    assert failed.error.startswith("queue 'q' is not known here")
    [record] = (await inspector.audit(job=job.id)).records
    assert (AuditOutcome.FAILED, failed.error) == (record.outcome, record.why)
    await put_in(store, "archived", "a")
    assert (JobState.DONE, "") == ((again := await inspector.run_job(job.id)).state, again.error)


async def test_queues_that_may_not_be_seen_are_left_alone(inspector: Face, store: Store, clock: Clock) -> None:
    """By the job, its preview and any search."""
    await put(store, "a", queue="open")
    await put(store, "b", queue="secret")

    def queues(queue: str) -> bool:
        return queue == "open"

    preview = await inspector.preview("delete", "", queues=queues)
    assert (1, 1, {("open", TaskState.PENDING): 1}) == (preview.count, preview.total, preview.counts)
    assert ["a"] == [info.id for part in await inspector.search(queues=queues) for info in part.tasks]
    assert ["a"] == [one.id for one in (await inspector.select("delete", "", queues=queues)).tasks]
    with pytest.raises(QueueNotFound, match=r"there are open$"):
        await inspector.preview("delete", "queue:secret", queues=queues)
    job = await begin(inspector)
    assert 1 == (await inspector.run_job(job.id, queues=queues)).changed
    assert 1 == (await Inspector(store).stats("secret")).pending


async def test_a_preview_says_how_far_it_looked(inspector: Face, store: Store, clock: Clock) -> None:
    """And changes nothing; of lists alone the count is theirs."""
    await write(store, 1000, "archived", every=10)
    before = await everything(store)
    part = await inspector.preview("run", "error:refused", scan=600)
    assert (60, 600, 1000, False, 10) == (part.count, part.scanned, part.total, part.is_whole, len(part.first))
    whole = await inspector.preview("run", "error:refused")
    assert (100, 1000, True) == (whole.count, whole.scanned, whole.is_whole)
    listed = await inspector.preview("run", "state:archived queue:q", scan=200)
    assert (1000, True, 10) == (listed.count, listed.is_whole, len(listed.first))
    assert listed.scanned < 1000
    with pytest.raises(InvalidTask, match="run cannot be done to what filter 'state:active' finds"):
        await inspector.preview("run", "state:active")
    assert before == await everything(store)


@pytest.mark.parametrize("filter", ["state:archived", "state:archived type:*", "-id:no queue:q state:archived"])
async def test_entries_without_a_record_are_said_and_do_not_count(
    inspector: Face, store: Store, clock: Clock, filter: str
) -> None:
    """Nothing can be done to them, so a preview, a choice and a job are as whole as without them."""
    await write(store, 3, "archived")
    await store.command("ZADD", "asynq:{q}:archived", NOON, "gone")
    lost = "queue 'q': task 'gone' in archived has no record that can be read; onebeat doctor says why, and what helps"
    preview = await inspector.preview("run", filter)
    assert (3, {("q", "archived"): 3}, True) == (preview.count, preview.counts, preview.is_whole)
    assert ((), (lost,)) == (preview.unread, preview.lost)
    chosen = await inspector.select("run", filter)
    assert (3, True, (), (lost,)) == (len(chosen.tasks), chosen.is_whole, chosen.unread, chosen.lost)
    part = await inspector.select("run", filter, limit=2)
    assert (2, False, ()) == (len(part.tasks), part.is_whole, part.lost)
    done = await inspector.run_job((await begin(inspector, "run", filter, limit=2)).id)
    assert (2, False, "") == (done.changed, done.is_whole, done.why)
    done = await inspector.run_job((await begin(inspector, "run", filter)).id)
    assert (1, 0, True, lost) == (done.changed, done.failed, done.is_whole, done.why)
    preview = await inspector.preview("run", filter)
    assert (0, {}, True, (lost,)) == (preview.count, preview.counts, preview.is_whole, preview.lost)


async def test_tasks_are_chosen_by_name_as_they_were_seen(inspector: Face, store: Store, clock: Clock) -> None:
    """Those that are gone, elsewhere, or of a state that it is not for are left out."""
    for state in ("retry", "archived", "pending"):
        await put_in(store, state, state)
    await put_in(store, "active", "active")
    named = [("q", "retry", "retry"), ("q", "archived", ""), ("q", "pending", "retry"), ("q", "active", ""),
             ("q", "gone", ""), ("other", "retry", "")]  # fmt: skip
    chosen = await inspector.choose("delete", named)
    assert ["retry", "archived"] == [one.id for one in chosen.tasks] == [info.id for info in chosen.first]
    await inspector.run("q", "retry")
    [report] = await inspector.apply(chosen)
    assert (1, 1) == (report.done, report.skipped)
    await grab(store, "retry")
    for bad in ([("q", "a")], ["x"], [("q", "a", "nothing")], [("", "a", "")]):
        with pytest.raises(InvalidTask):
            await inspector.choose("delete", bad)


async def test_jobs_are_listed_the_latest_first(inspector: Face, store: Store, clock: Clock) -> None:
    """As many as are kept; what is forgotten is not among them."""
    ids = []
    for number in range(3):
        await clock.set(NOON + number)
        ids.append((await begin(inspector)).id)
    assert ids[::-1] == [job.id for job in await inspector.jobs()]
    await store.command("DEL", f"onebeat:job:{ids[1]}")
    assert [ids[2], ids[0]] == [job.id for job in await inspector.jobs()]
    assert 2 == await store.command("ZCARD", "onebeat:jobs")
    assert 0 < await store.command("TTL", f"onebeat:job:{ids[0]}") <= jobs.STANDS_S
    with pytest.raises(JobNotFound, match="remembered for 2 days"):
        await inspector.job(ids[1])
    with pytest.raises(JobNotFound):
        await inspector.run_job(ids[1])
    with pytest.raises(JobNotFound):
        await inspector.stop_job(ids[1], user="ada")


async def test_the_list_is_bounded(inspector: Face, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go."""
    monkeypatch.setattr(jobs, "LISTED", 2)
    ids = []
    for number in range(4):
        await clock.set(NOON + number)
        ids.append((await begin(inspector)).id)
    assert [ids[3], ids[2]] == [job.id for job in await inspector.jobs()]


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        (("update", ""), {}, "action is 'update': give one of run, archive, delete, cancel"),
        (("run", "state:active"), {}, "run cannot be done to"),
        (("run", ""), {"user": " "}, "user is ' '"),
        (("run", ""), {"limit": 0}, "limit is 0: give a whole number from 1"),
        (("run", ""), {"limit": True}, "limit is True"),
        (("run", ""), {"rate": 0}, "rate is 0: give tasks per second"),
        (("run", ""), {"group": 7}, "group is 7"),
    ],
)
async def test_a_bad_order_is_refused(
    inspector: Face, store: Store, words: tuple[str, str], options: dict[str, Any], said: str
) -> None:
    """Before anything is written."""
    before = await everything(store)
    with pytest.raises(InvalidTask, match=said):
        await inspector.begin_job(*words, **{"user": "ada", **options})
    assert before == await everything(store)


@pytest.mark.slow
async def test_a_cancelled_runner_leaves_it_to_others(store: Store, clock: Clock) -> None:
    """What it did is whole, and another goes on."""
    await write(store, 40, "archived")
    inspector = Inspector(store)
    job = await begin(inspector, rate=20)
    chosen = asyncio.Event()
    task = asyncio.create_task(inspector.run_job(job.id, progress=lambda _job: chosen.set()))
    await chosen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await clock.set(NOON + 16)
    done = await stepped(store, job.id, nothing)
    assert JobState.DONE is done.state
    assert 0 == (await inspector.stats("q")).archived
    await check_places(store)
