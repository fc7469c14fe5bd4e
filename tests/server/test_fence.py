"""Lost answers, late words and two servers that believe in one task, replayed one by one (rules 1, 2, 5 to 8, 14)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from onebeat.broker.consume import Finished, Outcome, Taken, finish, take
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable
from onebeat.server.context import Context
from onebeat.task import Task
from tests.server.conftest import Bench, until
from tests.server.faulty import Fault, FaultyStore

Ctx = Context[Any]


@pytest.fixture
async def bench(url: str) -> AsyncIterator[Bench]:
    """Return a bench on a store that can be made to lose answers."""
    async with await FaultyStore.open(url) as store, Client(store) as client:
        yield Bench(store, client)


def faults(bench: Bench) -> FaultyStore:
    assert isinstance(bench.store, FaultyStore)
    return bench.store


def runs_at_once(bench: Bench) -> None:
    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)


def waits(bench: Bench) -> tuple[asyncio.Event, asyncio.Event]:
    """Handle "t" by a coroutine that says when it began and waits until it may go on."""
    began, go = asyncio.Event(), asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)
        began.set()
        await go.wait()

    return began, go


def took_some(taken: Taken) -> bool:
    return bool(taken.tasks)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_lost_answer_of_a_fetch_strands_nothing(bench: Bench, times: int) -> None:
    """The batch is asked for again by its number: every task runs once, and none is charged with a crash."""
    runs_at_once(bench)
    await bench.client.enqueue_many(Task("t") for _ in range(20))
    fault = Fault("take", times=times, when=took_some)
    faults(bench).faults.append(fault)
    async with bench.serving():
        await bench.reaches(processed=20, active=0)
    assert times == len(fault.seen)
    assert 20 == len(bench.ran) == len(set(bench.ran))


@pytest.mark.parametrize("is_lost_on_the_way", [True, False])
async def test_a_lost_answer_of_an_outcome_is_no_second_run(bench: Bench, is_lost_on_the_way: bool) -> None:
    """Whether it was written or not: it is repeated, "gone" is then taken for done, and no lease counts as lost."""
    runs_at_once(bench)
    await bench.enqueue("t")
    faults(bench).faults.append(Fault("finish", times=3, is_lost_on_the_way=is_lost_on_the_way))
    async with bench.serving() as serving:
        await bench.reaches(processed=1, active=0)
        await until(lambda: _is_settled(serving))
        assert 0 == serving.acknowledger.lease_lost
    assert [] == faults(bench).faults
    assert 1 == len(bench.ran)
    assert 1 == (await bench.stats()).processed


async def _is_settled(serving: Any) -> bool:
    return not serving.acknowledger.unanswered


@pytest.mark.slow
async def test_an_outcome_that_was_not_written_keeps_its_lease(bench: Bench) -> None:
    """While it is repeated the keeper extends: three leases later the task is still ours (SE-01)."""
    runs_at_once(bench)
    gate = faults(bench).gates["finish"] = asyncio.Event()
    task_id = await bench.enqueue("t")
    async with bench.serving(lease=1.0, allow_short_lease=True):
        await bench.reaches(active=1)
        first = await bench.field(task_id, "ob_lease")

        async def three_leases_later() -> bool:
            return int(await bench.field(task_id, "ob_lease") or 0) >= int(first or 0) + 3

        await until(three_leases_later)
        gate.set()
        await bench.reaches(processed=1, active=0)
    assert 1 == len(bench.ran)


@pytest.mark.parametrize("is_lost_on_the_way", [True, False])
async def test_a_lost_answer_of_an_enqueue_is_one_task(bench: Bench, is_lost_on_the_way: bool) -> None:
    """Repeated by its number: the caller gets the first answer, also for ids and locks."""
    for options in ({}, {"task_id": "mine"}, {"unique": 60}):
        faults(bench).faults.append(Fault("enqueue", times=2, is_lost_on_the_way=is_lost_on_the_way))
        enqueued = await bench.client.enqueue(Task("t"), **options)
        assert "pending" == enqueued.state
    assert 3 == (await bench.stats()).pending


async def test_a_task_that_ran_and_is_gone_is_not_enqueued_again(bench: Bench) -> None:
    """The answer is lost, the task runs and its record is deleted: the repeat does not bring it back (rule 7)."""
    runs_at_once(bench)
    gate = asyncio.Event()
    store = faults(bench)
    store.faults.append(Fault("enqueue"))
    producer = await FaultyStore.open(bench.store.endpoint.shown)
    producer.faults.append(Fault("enqueue"))
    async with producer, Client(producer) as client:
        producer.gates["enqueue"] = gate
        gate.set()
        enqueuing = asyncio.create_task(client.enqueue(Task("t"), task_id="mine"))
        await bench.reaches(pending=1)
        gate.clear()
        async with bench.serving():
            await bench.reaches(processed=1, pending=0, active=0)
            gate.set()
            await enqueuing
            await bench.reaches(processed=1, pending=0, active=0)
    assert ["mine"] == bench.ran


def let_it_sleep(serving: Any) -> None:
    """Keep the server from extending, as if its process had been stopped."""
    serving.keeper._extend_all = lambda _held: None


async def recovered(store: Store) -> None:
    """Let the lease of everything active lapse, and have it recovered as after a quiet minute."""
    for task_id in await store.command("LRANGE", "asynq:{default}:active", 0, -1):
        await store.command("ZADD", "asynq:{default}:lease", 1, task_id)
        await store.command("HSET", b"asynq:{default}:t:" + task_id, "ob_lease", 1)
    seconds, _ = await store.command("TIME")
    await store.command("HSET", "onebeat:{default}:beat", "last", int(seconds) * 1000, "hold_until", 0)
    await store.run(maintain("default", max_crashes=5))


async def test_a_late_success_completes_a_task_that_nobody_took_again(bench: Bench) -> None:
    """Recovered, but still pending: the first run's success counts, and the task does not run twice (rule 5)."""
    began, go = waits(bench)
    await bench.enqueue("t")
    async with bench.serving(concurrency=1) as serving:
        let_it_sleep(serving)
        await began.wait()
        await bench.store.command("SET", "asynq:{default}:paused", "1")  # so that we do not take it ourselves
        await recovered(bench.store)
        assert (1, 0) == ((await bench.stats()).pending, (await bench.stats()).active)
        go.set()
        await bench.reaches(processed=1, pending=0, active=0)
        assert 0 == serving.acknowledger.lease_lost
    assert 1 == len(bench.ran)


async def test_of_two_servers_that_believe_in_a_task_one_counts(bench: Bench) -> None:
    """Recovered and taken by another: the first outcome is refused and counted as a lost lease, the second stands."""
    began, go = waits(bench)
    task_id = await bench.enqueue("t", max_retry=0)
    async with bench.serving(concurrency=1) as serving:
        let_it_sleep(serving)
        await began.wait()
        await recovered(bench.store)
        other = await bench.store.run(take("default", server="other", sequence=1, limit=1, lease_ms=60_000))
        assert [task_id] == [task.id for task in other.tasks]
        go.set()
        await until(lambda: _has_lost(serving))
        assert (1, 0) == ((await bench.stats()).active, (await bench.stats()).processed)
        assert b"other:1" == await bench.field(task_id, "ob_own")


async def _has_lost(serving: Any) -> bool:
    return bool(serving.acknowledger.lease_lost == 1 and not serving.executor.running)


async def test_a_stop_awaits_the_fetch_under_way(bench: Bench) -> None:
    """What it brings is put back at once: nothing is stranded until its lease ends, nothing is charged (rule 6)."""
    runs_at_once(bench)
    gate = faults(bench).slow_answers["take"] = asyncio.Event()
    serving = bench.serving(shutdown_timeout=10.0)
    task_id = await bench.enqueue("t")
    server = await serving.__aenter__()
    await bench.reaches(active=1)
    stopping = asyncio.create_task(serving.__aexit__(None, None, None))
    await until(lambda: _stops(server))
    gate.set()
    await stopping
    assert (1, 0) == ((await bench.stats()).pending, (await bench.stats()).active)
    assert None is await bench.field(task_id, "ob_crash")
    assert [] == bench.ran


async def _stops(server: Any) -> bool:
    return bool(server.fetcher._stopping)


async def test_a_poisoned_outcome_does_not_hold_up_its_batch(bench: Bench) -> None:
    """One that the store refuses by itself is set aside and repeated alone; it is written once that is mended."""
    began, go = waits(bench)

    @bench.mux.handle("kept")
    async def kept(ctx: Ctx, task: Task[Any]) -> str:
        await go.wait()
        return "x"

    await bench.store.command("SET", "asynq:{default}:completed", "no zset")
    await bench.enqueue("t")
    kept_id = await bench.enqueue("kept", retention=60)
    async with bench.serving():
        await bench.store.command("LLEN", "asynq:{default}:active")
        await began.wait()
        await until(lambda: _is_active(bench, kept_id))
        go.set()
        await until(lambda: _counted(bench, 1))
        assert b"active" == await bench.field(kept_id, "state")
        await bench.enqueue("t")
        await until(lambda: _counted(bench, 2))
        await bench.store.command("DEL", "asynq:{default}:completed")
        await bench.reaches(completed=1, processed=3)


async def _is_active(bench: Bench, task_id: str) -> bool:
    return await bench.field(task_id, "state") == b"active"


async def _counted(bench: Bench, number: int) -> bool:
    return int(await bench.store.command("GET", "asynq:{default}:processed") or 0) == number


async def test_too_many_unwritten_outcomes_stop_the_taking(bench: Bench) -> None:
    """With outcomes that cannot be written a server takes no more than 4 × concurrency and one round (rule 14)."""
    runs_at_once(bench)
    gate = faults(bench).gates["finish"] = asyncio.Event()
    await bench.client.enqueue_many(Task("t") for _ in range(100))
    async with bench.serving(concurrency=2) as serving:
        await until(lambda: _is_full(serving))
        taken = len(bench.ran)
        for _ in range(20):
            await asyncio.sleep(0)
        assert taken == len(bench.ran)
        assert 8 < taken <= 10
        gate.set()
        await bench.reaches(processed=100, active=0)


async def _is_full(serving: Any) -> bool:
    return serving._room() == 0 and not serving.executor.running


async def test_an_enqueue_that_gives_up_says_that_the_task_may_exist(url: str) -> None:
    """Not a silent loss, not a false refusal: BrokerUnavailable, after the time that the client was given."""
    async with await FaultyStore.open(url) as store, Client(store, give_up_after=0.05) as client:
        store.faults.append(Fault("enqueue", times=1_000))
        with pytest.raises(BrokerUnavailable):
            await client.enqueue(Task("t"))


async def test_a_task_that_is_gone_at_its_end_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """ "Gone" at the first try is no repeat: the record was deleted under its handler, which is counted and logged."""
    began, go = waits(bench)
    task_id = await bench.enqueue("t")
    async with bench.serving() as serving:
        await began.wait()
        await bench.store.command("DEL", f"asynq:{{default}}:t:{task_id}")
        go.set()
        await until(lambda: _has_lost(serving))
    assert "came too late: the task is gone" in caplog.text


@pytest.mark.slow
async def test_a_stop_keeps_leases_until_its_outcomes_are_written(bench: Bench) -> None:
    """The keeper stops last: three leases into the stop the task is still ours, and its outcome counts (rule 2)."""
    runs_at_once(bench)
    gate = faults(bench).gates["finish"] = asyncio.Event()
    task_id = await bench.enqueue("t")
    serving = bench.serving(lease=1.0, allow_short_lease=True, shutdown_timeout=30.0)
    server = await serving.__aenter__()
    await bench.reaches(active=1)
    first = int(await bench.field(task_id, "ob_lease") or 0)
    stopping = asyncio.create_task(serving.__aexit__(None, None, None))
    await until(lambda: _stops(server))

    async def three_leases_later() -> bool:
        return int(await bench.field(task_id, "ob_lease") or 0) >= first + 3

    await until(three_leases_later)
    gate.set()
    await stopping
    assert (1, 0, 0) == ((await bench.stats()).processed, (await bench.stats()).active, server.unwritten)


@pytest.mark.slow
async def test_a_paused_queue_is_not_peeked(bench: Bench) -> None:
    """A peek would answer at once, again and again: a paused queue with tasks costs a look of the survey (rule 22)."""
    runs_at_once(bench)
    await bench.enqueue("t")
    await bench.store.command("SET", "asynq:{default}:paused", "1")
    store = faults(bench)
    async with bench.serving():
        await until(lambda: surveyed(store, 3))
        assert store.calls.count("take") <= 2
        await bench.store.command("DEL", "asynq:{default}:paused")
        await bench.reaches(processed=1)


async def surveyed(store: FaultyStore, times: int) -> bool:
    return store.calls.count("survey") >= times


async def test_a_queue_that_cannot_be_fetched_from_does_not_slow_the_others(bench: Bench) -> None:
    """A foreign type where `active` should be: that queue is tried once a second, the others run on."""
    runs_at_once(bench)
    await bench.store.command("SET", "asynq:{odd}:active", "no list")
    await bench.store.command("LPUSH", "asynq:{odd}:pending", "x")
    store, waited = faults(bench), 0
    async with bench.serving(queues={"odd": 1, "default": 1}):
        for number in range(1, 31):
            looks = store.calls.count("survey")
            await bench.enqueue("t")
            await bench.reaches(processed=number)
            waited += store.calls.count("survey") > looks
    assert waited < 15  # a machine that stands still may have a look fall into any of them


async def test_a_server_that_takes_its_own_running_task_goes_on_with_it(bench: Bench) -> None:
    """It slept over the lease, and has free slots: the handler runs on under the new token, and not a second time."""
    began, go = waits(bench)
    task_id = await bench.enqueue("t")
    async with bench.serving(concurrency=4) as serving:
        let_it_sleep(serving)
        await began.wait()
        first = await bench.field(task_id, "ob_own")
        await recovered(bench.store)
        await bench.reaches(active=1)
        assert first != await bench.field(task_id, "ob_own")
        go.set()
        await bench.reaches(processed=1, active=0, pending=0)
        assert 0 == serving.acknowledger.lease_lost
    assert 1 == len(bench.ran)


async def test_a_server_that_takes_its_own_ended_task_writes_its_outcome(bench: Bench) -> None:
    """The outcome was on its way: refused under the first token, it is written under the second, without a run."""
    runs_at_once(bench)
    gate = faults(bench).gates["finish"] = asyncio.Event()
    await bench.enqueue("t", retention=60)
    async with bench.serving(concurrency=4) as serving:
        let_it_sleep(serving)
        await bench.reaches(active=1)
        await until(lambda: _ended(serving))
        await recovered(bench.store)
        await bench.reaches(active=1)
        await until(lambda: _has_taken(serving))
        gate.set()
        await bench.reaches(completed=1, processed=1)
        assert 0 == serving.acknowledger.lease_lost
    assert 1 == len(bench.ran)


async def test_a_refused_outcome_is_remembered_until_the_answer_of_the_fetch(bench: Bench) -> None:
    """The same, but the refusal comes before the answer of the fetch that has brought the task again."""
    began, go = waits(bench)
    await bench.enqueue("t", retention=60)
    async with bench.serving(concurrency=4) as serving:
        let_it_sleep(serving)
        await began.wait()
        slow = faults(bench).slow_answers["take"] = asyncio.Event()
        await recovered(bench.store)
        await bench.reaches(active=1)
        go.set()
        await until(lambda: _has_lost(serving))
        slow.set()
        await bench.reaches(completed=1, processed=1)
    assert 1 == len(bench.ran)


async def _ended(serving: Any) -> bool:
    return not serving.executor.running


async def _has_taken(serving: Any) -> bool:
    return any(attempt.retaken for attempt in serving.acknowledger.unanswered)


async def test_an_outcome_that_was_refused_long_ago_is_not_written(bench: Bench) -> None:
    """Another server had the task; when it comes back later, retried, it is run, whatever its first run had come to."""
    began, go = waits(bench)
    task_id = await bench.enqueue("t", max_retry=5)
    async with bench.serving(concurrency=1) as serving:
        let_it_sleep(serving)
        await began.wait()
        await bench.store.command("SET", "asynq:{default}:paused", "1")
        await recovered(bench.store)
        await bench.store.command("DEL", "asynq:{default}:paused")
        [other] = (await bench.store.run(take("default", server="o", sequence=1, limit=1, lease_ms=60_000))).tasks
        go.set()
        await until(lambda: _has_lost(serving))
        await bench.store.run(finish("default", [Finished(other.id, "o:1", Outcome.PENDING)]))
        await bench.reaches(processed=1, pending=0, active=0)
    assert [task_id, task_id] == bench.ran
