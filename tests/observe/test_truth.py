"""Events say what is in the store: once, whatever is repeated, and nothing that was not written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker import browse
from onebeat.broker.consume import take
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.clock import SystemClock
from onebeat.errors import BrokerUnavailable, DuplicateTask
from onebeat.events import ScheduleFired, ScheduleMissed
from onebeat.scheduler.entry import entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.scheduler.triggers import Every
from onebeat.server.context import Context
from onebeat.server.server import Server
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.upkeep.maintainer import Maintainer
from onebeat.upkeep.telling import tell
from tests.conftest import NOON, Clock
from tests.observe.conftest import Notes
from tests.server.conftest import Bench, until
from tests.server.faulty import Fault, FaultyStore

Ctx = Context[Any]


@pytest.fixture
async def faulty(url: str) -> AsyncIterator[FaultyStore]:
    async with await FaultyStore.open(url) as store:
        yield store


@asynccontextmanager
async def observed(store: Store, notes: Notes) -> AsyncIterator[Bench]:
    """Serve on a store, and enqueue there, observed; type "t" works and "fails" fails."""
    async with Client(store, observers=[notes]) as client:
        bench = Bench(store, client)

        @bench.mux.handle("t")
        async def t(ctx: Ctx, task: Task[Any]) -> None: ...

        @bench.mux.handle("fails")
        async def fails(ctx: Ctx, task: Task[Any]) -> None:
            raise ValueError("no")

        async with Server(store, shutdown_timeout=2.0, observers=[notes]).serving(bench.mux):
            yield bench


async def tells(notes: Notes, task_id: str, *names: str) -> None:
    """Wait until so much was told of a task, and check that it is this; a client may hear late of what it enqueued."""

    async def is_told() -> bool:
        return len(notes.names(task_id)) >= len(names)

    await until(is_told)
    assert sorted(names) == sorted(notes.names(task_id))
    assert [name for name in names if name != "enqueued"] == [
        name for name in notes.names(task_id) if name != "enqueued"
    ]


@pytest.mark.parametrize("script", ["enqueue", "take", "finish"])
@pytest.mark.parametrize("type_", ["t", "fails"])
@pytest.mark.parametrize("retention", [0, 60])
async def test_what_is_repeated_is_told_once(
    faulty: FaultyStore, notes: Notes, script: str, type_: str, retention: int
) -> None:
    """The answer was lost, the operation had taken place: its repeat tells of it, and nothing else does."""
    faulty.faults.append(Fault(script, times=2, when=lambda answer: script != "take" or bool(answer.tasks)))
    async with observed(faulty, notes) as bench:
        task_id = await bench.enqueue(type_, retention=retention, max_retry=0)
        end = "completed" if type_ == "t" else "archived"
        await tells(notes, task_id, "enqueued", "started", end)
    assert [] == faulty.faults
    assert 3 == len(notes.names(task_id))


async def test_what_never_reached_the_store_is_not_told(faulty: FaultyStore, notes: Notes) -> None:
    """Neither a task that could not be enqueued, nor one that was refused."""
    faulty.faults.append(Fault("enqueue", times=1000, is_lost_on_the_way=True))
    async with Client(faulty, observers=[notes], give_up_after=0) as client:
        with pytest.raises(BrokerUnavailable):
            await client.enqueue(Task("t"), task_id="away")
        faulty.faults.clear()
        await client.enqueue(Task("t"), task_id="first", unique=60)
        with pytest.raises(DuplicateTask):
            await client.enqueue(Task("t"), task_id="second", unique=60)
    assert ["enqueued"] == notes.names("first")
    assert [] == notes.names("away") + notes.names("second")


async def test_an_outcome_is_not_told_before_the_store_has_it(faulty: FaultyStore, notes: Notes) -> None:
    """While it cannot be written, the task is one that was started."""
    faulty.gates["finish"] = asyncio.Event()
    async with observed(faulty, notes) as bench:
        task_id = await bench.enqueue("t")

        async def is_sent() -> bool:
            return "finish" in faulty.calls

        await until(is_sent)
        assert ["enqueued", "started"] == notes.names(task_id)
        faulty.gates["finish"].set()
        await tells(notes, task_id, "enqueued", "started", "completed")


async def test_a_lost_task_is_told_as_that(bench: Bench, notes: Notes) -> None:
    """Another server has it: what this one's handler did is not told."""
    gate, entered = asyncio.Event(), asyncio.Event()

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None:
        entered.set()
        await gate.wait()

    async with Server(bench.store, shutdown_timeout=2.0, observers=[notes]).serving(bench.mux):
        task_id = await bench.enqueue("t")
        await entered.wait()
        await bench.store.command("HSET", f"asynq:{{default}}:t:{task_id}", "ob_own", "other:1")
        gate.set()
        await tells(notes, task_id, "enqueued", "started", "lease_lost")


async def test_a_task_that_is_cancelled_while_it_runs(bench: Bench, notes: Notes) -> None:
    """It is told as cancelled, once."""
    entered = asyncio.Event()

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None:
        entered.set()
        await asyncio.sleep(60)

    async with Server(bench.store, shutdown_timeout=2.0, observers=[notes]).serving(bench.mux):
        task_id = await bench.enqueue("t")
        await entered.wait()
        await bench.store.run(browse.cancel("default", [task_id]))
        await tells(notes, task_id, "enqueued", "started", "cancelled")


async def test_a_failure_of_a_task_that_is_to_be_cancelled_is_a_cancellation(faulty: FaultyStore, notes: Notes) -> None:
    """The store archives it instead of waiting for a retry, and says so again when it is asked again."""
    faulty.gates["finish"] = asyncio.Event()
    faulty.faults.append(Fault("finish"))
    async with observed(faulty, notes) as bench:
        task_id = await bench.enqueue("fails")

        async def is_sent() -> bool:
            return "finish" in faulty.calls

        await until(is_sent)
        await bench.store.run(browse.cancel("default", [task_id]))
        faulty.gates["finish"].set()
        await tells(notes, task_id, "enqueued", "started", "cancelled")


@pytest.mark.parametrize(
    ("crashes", "is_cancelled", "expected"),
    [
        (1, False, [("recovered", TaskState.PENDING)]),
        (2, False, [("recovered", TaskState.PENDING), ("recovered", TaskState.RETRY)]),
        (1, True, [("recovered", TaskState.ARCHIVED), ("cancelled", None)]),
    ],
)
async def test_what_recovery_does_is_told(
    store: Store, clock: Clock, notes: Notes, crashes: int, is_cancelled: bool, expected: Any
) -> None:
    """By the server that recovers, with the type of the task."""
    async with Client(store) as client:
        await client.enqueue(Task("mail"), task_id="a", queue="q")
    now = await crash(store, clock, notes, crashes, is_cancelled=is_cancelled)
    assert now > 0
    assert expected == [(event.name, getattr(event, "state", None)) for event in notes.of("a")]
    assert {"mail"} == {event.type for event in notes.of("a")}


async def test_a_task_that_recovery_archives_is_told_as_archived(store: Store, clock: Clock, notes: Notes) -> None:
    """With the error that stands in the store, and a class of its own."""
    async with Client(store) as client:
        await client.enqueue(Task("mail"), task_id="a", queue="q")
    await crash(store, clock, notes, 1, max_crashes=1)
    [recovered, archived] = notes.of("a")
    assert TaskState.ARCHIVED is recovered.state
    assert ("mail", 0, "crashed 1 times", "TaskCrashed", None) == (
        archived.type, archived.retried, archived.error, archived.error_type, archived.seconds,
    )  # fmt: skip


async def crash(
    store: Store, clock: Clock, notes: Notes, times: int, *, is_cancelled: bool = False, max_crashes: int = 5
) -> float:
    """Have a server die with what is pending, and another recover it, so often."""
    maintainer = Maintainer(store, ["q"], max_crashes=max_crashes, audience=notes.audience())
    now = float(NOON)
    for number in range(times):
        await store.run(maintain("q", max_crashes=max_crashes))
        taken = await store.run(take("q", server=f"s{number}", sequence=1, limit=1, lease_ms=15_000))
        assert 1 == len(taken.tasks)
        if is_cancelled:
            await store.run(browse.cancel("q", ["a"]))
        for _ in range(6):
            now += 4
            await clock.set(now)
            await maintainer.look("q")
    return now


async def test_a_schedule_that_fires_is_told(url: str, notes: Notes) -> None:
    """With the instant it fired for, and how late that was."""
    app = Onebeat(url=url)
    app.observe(notes)

    @app.every(0.2, id="beat")
    @app.task()
    async def beat() -> None: ...

    async def has_fired() -> bool:
        return sum(isinstance(event, ScheduleFired) for event in notes.events) >= 2

    async with app.serving():
        await until(has_fired)
    first, second = [event for event in notes.events if isinstance(event, ScheduleFired)][:2]
    assert ("beat", "default") == (first.schedule, first.queue)
    assert timedelta(0) == (second.tick - first.tick) % timedelta(seconds=0.2)  # some may be late, and fall together
    assert first.tick < second.tick
    assert first.late >= 0


async def test_ticks_that_became_no_task_are_told(url: str, notes: Notes) -> None:
    """Nobody was there; or the task is unique and another one held its lock."""
    app = Onebeat(url=url)
    app.observe(notes)

    @app.every(0.1, id="busy")
    @app.task(unique=60)
    async def busy() -> None:
        await asyncio.sleep(60)

    def locked() -> list[ScheduleMissed]:  # on a machine with other work some are late before
        return [event for event in notes.events if isinstance(event, ScheduleMissed) and event.reason == "locked"]

    async def are_missed() -> bool:
        return bool(locked())

    async with app.serving(shutdown_timeout=0.0):
        await until(are_missed)
    missed = locked()[0]
    assert ("busy", 1) == (missed.schedule, missed.ticks)


async def test_ticks_that_nobody_fired_are_told(store: Store, clock: Clock, notes: Notes) -> None:
    """As late, and how many."""
    await Scheduler(store, entries=[entry("s", Every(10), Task("t"), {"queue": "q"})]).declare(store)
    await clock.set(NOON + 1000)
    done = await store.run(maintain("q", max_crashes=5))
    tell(notes.audience(), "q", done, SystemClock().now())
    [fired, missed] = notes.events
    assert isinstance(fired, ScheduleFired)
    assert isinstance(missed, ScheduleMissed)
    assert ("s", "late") == (missed.schedule, missed.reason)
    assert missed.ticks >= 98


async def test_groups_are_told_by_their_combined_task(url: str, notes: Notes) -> None:
    """The members were enqueued; their server enqueues one task for all of them."""
    app = Onebeat(url=url)
    app.observe(notes)

    @app.task("mail")
    async def mail(texts: list[str]) -> None: ...

    @app.task("line", group="g")
    async def line(text: str) -> None: ...

    @app.aggregate("g", max_size=3)
    def together(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        return mail.bind([str(len(tasks))])

    async def is_done() -> bool:
        return any(event.name == "completed" for event in notes.events)

    async with app, app.serving():
        ids = [(await line.enqueue("x")).id for _ in range(3)]
        await until(is_done)
    assert [["enqueued"]] * 3 == [notes.names(id_) for id_ in ids]
    assert {TaskState.AGGREGATING} == {notes.of(id_)[0].state for id_ in ids}
    others = [event for event in notes.events if getattr(event, "type", "") == "mail"]
    assert ["enqueued", "started", "completed"] == [event.name for event in others]


async def test_members_of_a_group_that_is_given_up_are_told_as_archived(url: str, notes: Notes) -> None:
    """With what their aggregator failed with."""
    app = Onebeat(url=url, server={"group_max_failures": 1})
    app.observe(notes)

    @app.task("line", group="g")
    async def line(text: str) -> None: ...

    @app.aggregate("g", grace=0.05)
    def together(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        raise KeyError("no")

    async with app, app.serving():
        id_ = (await line.enqueue("x")).id
        await tells(notes, id_, "enqueued", "archived")
    archived = notes.of(id_)[1]
    assert ("line", "KeyError: 'no'", "KeyError") == (archived.type, archived.error, archived.error_type)
