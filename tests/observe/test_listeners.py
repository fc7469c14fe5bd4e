"""Listeners: called for what they name, in their order, off the path of the tasks, and never in its way."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker.consume import take
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.clock import EPOCH
from onebeat.errors import ConfigurationError
from onebeat.events import (
    AttemptEnded,
    Event,
    TaskArchived,
    TaskCompleted,
    TaskEnqueued,
    TaskEvent,
    TaskRetried,
    TaskStarted,
)
from onebeat.observe.listeners import Listeners
from onebeat.server.context import Context
from onebeat.server.server import Server, ServerSettings
from onebeat.sync import SyncClient
from onebeat.task import Task
from onebeat.upkeep.maintainer import Maintainer
from tests.conftest import NOON, Clock
from tests.server.conftest import Bench, until

Ctx = Context[Any]


def shop(url: str | None = None, **settings: Unpack[ServerSettings]) -> tuple[Onebeat[Any], Any, Any]:
    """Return an application with a task that works and one that fails for good."""
    app = Onebeat(url=url, server=settings)

    @app.task("works")
    async def works() -> None: ...

    @app.task("fails", max_retry=0)
    async def fails() -> None:
        raise ValueError("no")

    return app, works, fails


async def holds(condition: Callable[[], bool]) -> None:
    async def held() -> bool:
        return condition()

    await until(held)


async def test_listeners_are_called_for_what_they_name() -> None:
    """Async or plain, in their order; under the test kit by the end of a drain."""
    app, works, fails = shop()
    told: list[str] = []
    loop_threads: set[bool] = set()

    @app.on(TaskArchived, TaskCompleted)
    async def first(event: Event) -> None:
        loop_threads.add(threading.current_thread() is threading.main_thread())
        await asyncio.sleep(0)
        told.append(f"first {event.name}")

    @app.on(AttemptEnded)
    def second(event: Event) -> None:
        told.append(f"second {event.name}")

    @app.on_archived
    def dead(event: TaskArchived) -> None:
        told.append(f"dead {event.type}: {event.error}")

    async with app.testing() as t:
        await works.enqueue()
        await fails.enqueue()
        await t.drain()
        assert ["first completed", "second completed", "first archived", "dead fails: ValueError: no"] == told
    assert {True} == loop_threads


async def test_what_a_listener_enqueues_runs(url: str) -> None:
    """Within the same drain of the test kit."""
    app, _, fails = shop()
    ran: list[str] = []

    @app.task("mourn")
    async def mourn(task_id: str) -> None:
        ran.append(task_id)

    @app.on_archived
    async def dead(event: TaskArchived) -> None:
        await mourn.enqueue(event.task_id)

    async with app.testing() as t:
        handle = await fails.enqueue()
        await t.drain()
        assert [handle.id] == ran


async def test_a_listener_that_hangs_harms_nothing(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The next is called, and tasks go on."""
    app, works, _ = shop(url, hook_timeout=0.05)
    told: list[str] = []

    @app.on(TaskCompleted)
    async def hangs(event: Event) -> None:
        await asyncio.sleep(60)  # it hangs: it is cut off long before

    @app.on(TaskCompleted)
    async def hears(event: TaskEvent) -> None:
        told.append(event.task_id)

    async with app, app.serving():
        task_id = (await works.enqueue()).id
        await holds(lambda: told == [task_id])
    assert 1 == caplog.text.count("does not end within 0.05 s")


async def test_a_listener_that_raises_harms_nothing(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it raises."""
    app, works, _ = shop(url)
    told: list[str] = []

    @app.on(TaskCompleted)
    async def raises(event: Event) -> None:
        raise TimeoutError("of its own")

    @app.on(TaskCompleted)
    def cancels(event: Event) -> None:
        raise asyncio.CancelledError

    @app.on(TaskCompleted)
    async def hears(event: TaskEvent) -> None:
        told.append(event.task_id)

    async with app, app.serving():
        task_id = (await works.enqueue()).id
        await holds(lambda: told == [task_id])
    assert 2 == caplog.text.count("called for completed of queue default, raised")


async def test_what_does_not_fit_is_dropped_and_said(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Tasks do not wait for listeners."""
    listeners = Listeners(size=2)
    gate, told = asyncio.Event(), list[Event]()

    @listeners.on(TaskStarted)
    async def slow(event: Event) -> None:
        told.append(event)
        await gate.wait()

    async with await Store.open(url) as store, Client(store) as client:
        bench = Bench(store, client)

        @bench.mux.handle("t")
        async def t(ctx: Ctx, task: Task[Any]) -> None: ...

        async with Server(store, observers=[listeners], concurrency=1).serving(bench.mux):
            await bench.enqueue("t")
            await holds(lambda: len(told) == 1)
            for _ in range(9):
                await bench.enqueue("t")
            await bench.reaches(processed=10)
            assert 7 == listeners.dropped
            gate.set()
    assert 3 == len(told)
    assert 1 == caplog.text.count("events are dropped, 1 so far: 2 wait already")


async def test_what_waits_is_called_as_the_server_stops(url: str) -> None:
    """Also for the tasks that were returned as it did."""
    app, works, _ = shop(url)
    told: list[str] = []

    @app.on(Event)
    async def hears(event: Event) -> None:
        await asyncio.sleep(0.001)
        told.append(event.name)

    async with app, app.serving():
        for _ in range(20):
            await works.enqueue()
        await holds(lambda: "completed" in told)
    assert 20 == told.count("enqueued")
    assert told.count("started") == told.count("completed")


async def test_a_server_does_not_wait_long_for_listeners(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """What they have not heard within `hook_timeout` is counted."""
    app, works, _ = shop(url, hook_timeout=0.2)

    @app.on(TaskCompleted)
    async def hangs(event: Event) -> None:
        await asyncio.sleep(60)  # it hangs: it is cut off long before

    async with app, app.serving() as serving:
        for _ in range(30):
            await works.enqueue()
        await holds(lambda: not serving._server.executor.running)
    assert "after the server had ended" in caplog.text


async def test_who_waits_no_longer_for_listeners_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    """As where the machine stood still until the last of the time was over: they are counted, and their work ends."""
    listeners, begun = Listeners(), asyncio.Event()

    @listeners.on(TaskCompleted)
    async def hangs(event: Event) -> None:
        begun.set()
        await asyncio.sleep(60)  # it hangs: it is cut off long before

    before = asyncio.all_tasks()
    life = listeners.serving(60)
    await life.__aenter__()
    for id_ in ("a", "b", "c"):
        listeners.event(TaskCompleted(queue="q", at=EPOCH, task_id=id_, type="t", retried=0, seconds=1.0))
    await begun.wait()
    ending = asyncio.ensure_future(life.__aexit__(None, None, None))
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert 3 == listeners.dropped
    assert "after the server had ended" in caplog.text
    assert before == asyncio.all_tasks()


async def test_the_dead_letter_hook_hears_of_what_recovery_archives(store: Store, clock: Clock) -> None:
    """By any server of the application that recovers."""
    app, _, _ = shop()
    told: list[TaskArchived] = []

    @app.on_archived
    async def dead(event: TaskArchived) -> None:
        told.append(event)

    async with Client(store) as client:
        await client.enqueue(Task("works"), task_id="a", queue="q")
    maintainer = Maintainer(store, ["q"], max_crashes=1, audience=app.audience)
    async with app.audience.serving(5.0):
        await maintainer.look("q")
        await store.run(take("q", server="s", sequence=1, limit=1, lease_ms=15_000))
        for second in range(4, 28, 4):
            await clock.set(NOON + second)
            await maintainer.look("q")
    [event] = told
    assert ("a", "works", "TaskCrashed", "crashed 1 times") == (
        event.task_id,
        event.type,
        event.error_type,
        event.error,
    )


def test_a_process_without_a_server_calls_them_in_a_thread(url: str) -> None:
    """One thread, which lets all be heard before the process ends."""
    listeners, told, threads = Listeners(), list[str](), set[str]()

    @listeners.on(TaskEnqueued)
    async def hears(event: TaskEnqueued) -> None:
        threads.add(threading.current_thread().name)
        await asyncio.sleep(0)
        told.append(event.task_id)

    @listeners.on(TaskEnqueued)
    def plain(event: TaskEnqueued) -> None:
        threads.add(threading.current_thread().name)

    with SyncClient(url, observers=[listeners]) as client:
        ids = [client.enqueue(Task("t")).id for _ in range(5)]
    listeners._stop_thread()
    assert ids == told
    assert {"onebeat-listeners"} == threads


PROGRAM = """
import sys
from onebeat import Onebeat
from onebeat.events import TaskEnqueued
app = Onebeat(url=sys.argv[1])

@app.task("t")
async def t() -> None: ...

@app.on(TaskEnqueued)
def hears(event):
    print(event.name, flush=True)

t.enqueue_sync()
t.enqueue_sync()
"""


@pytest.mark.one_store
@pytest.mark.slow
def test_a_short_process_lets_its_listeners_hear_all(url: str, tmp_path: Path) -> None:
    """At its very end."""
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, url], capture_output=True, text=True, timeout=50, env=environment
    )
    assert ("enqueued\nenqueued\n", "") == (done.stdout, done.stderr)


def test_what_cannot_listen_is_refused() -> None:
    """Where it is written."""
    app = Onebeat()
    for wrong in (ValueError, "archived", object()):
        with pytest.raises(ConfigurationError, match="kind of event"):
            app.on(wrong)  # type: ignore[arg-type] # that is what is refused
    with pytest.raises(ConfigurationError, match="names no kind"):
        app.on()
    with pytest.raises(ConfigurationError, match="give a function of the event"):
        app.on(TaskRetried)(lambda: None)
    with pytest.raises(ConfigurationError, match="size is 0"):
        Listeners(size=0)
