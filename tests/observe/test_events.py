"""Events: told once, in order, by whoever brought them about, and only when the store has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat.errors import Retry, RevokeTask, SkipRetry
from onebeat.events import Event, Observer
from onebeat.server.context import Context
from onebeat.server.server import Server
from onebeat.server.serving import Serving
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.wire import keys
from tests.observe.conftest import Notes
from tests.server.conftest import Bench, until

Ctx = Context[Any]


@asynccontextmanager
async def serving(bench: Bench, *observers: Observer, **given: Any) -> AsyncIterator[Serving]:
    """Serve with observers."""
    async with Server(bench.store, shutdown_timeout=2.0, observers=observers, **given).serving(bench.mux) as running:
        yield running


def raising(bench: Bench, error: BaseException) -> None:
    @bench.mux.handle("fails")
    async def fails(ctx: Ctx, task: Task[Any]) -> None:
        raise error


async def test_a_task_is_enqueued_started_and_completed(bench: Bench, notes: Notes) -> None:
    """In this order, each once, with how long it waited and ran."""

    @bench.mux.handle("works")
    async def works(ctx: Ctx, task: Task[Any]) -> None: ...

    async with serving(bench, notes):
        task_id = await bench.enqueue("works")
        await bench.reaches(processed=1)
    assert ["enqueued", "started", "completed"] == notes.names(task_id)
    enqueued, started, completed = notes.of(task_id)
    assert (TaskState.PENDING, None) == (enqueued.state, enqueued.process_at)
    assert ("works", "default", 0) == (started.type, started.queue, started.retried)
    assert started.waited >= 0
    assert completed.seconds >= 0
    assert completed.at.tzinfo is UTC


async def test_a_delayed_task_is_told_with_its_time(bench: Bench, notes: Notes) -> None:
    """As the store has it."""
    at = datetime(2100, 1, 1, tzinfo=UTC)
    task_id = await bench.enqueue("later", process_at=at)
    [enqueued] = notes.of(task_id)
    assert (TaskState.SCHEDULED, at) == (enqueued.state, enqueued.process_at)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no"), ("retried", "ValueError: no", "ValueError", 3600.5, True)),
        (Retry("later", delay=3600.5, counts=False), ("retried", "later", "Retry", 3600.5, False)),
    ],
)
async def test_a_failure_that_is_retried(bench: Bench, notes: Notes, error: Exception, expected: Any) -> None:
    """With its error as the store has it, its class, and the delay."""
    raising(bench, error)
    async with serving(bench, notes, retry_delay=lambda _n, _error: 3600.5):
        task_id = await bench.enqueue("fails")
        await bench.reaches(retry=1)
    [retried] = notes.of(task_id)[2:]
    assert expected == (retried.name, retried.error, retried.error_type, retried.delay, retried.counts)
    assert 0 == retried.retried


async def test_a_failure_for_good(bench: Bench, notes: Notes) -> None:
    """It is archived, and told as that."""
    raising(bench, SkipRetry("never"))
    async with serving(bench, notes):
        task_id = await bench.enqueue("fails")
        await bench.reaches(archived=1)
    [archived] = notes.of(task_id)[2:]
    assert ("archived", "never", "SkipRetry", 0) == (
        archived.name,
        archived.error,
        archived.error_type,
        archived.retried,
    )


async def test_a_revoked_task_is_completed(bench: Bench, notes: Notes) -> None:
    """As its handler wished."""
    raising(bench, RevokeTask())
    async with serving(bench, notes):
        task_id = await bench.enqueue("fails")
        await bench.reaches(processed=1)
    assert ["enqueued", "started", "completed"] == notes.names(task_id)


async def test_two_observers_are_told_in_their_order(bench: Bench) -> None:
    """Of each event the first before the second."""
    told: list[tuple[int, Event]] = []

    class Numbered(Observer):
        def __init__(self, number: int) -> None:
            self.number = number

        def event(self, event: Event) -> None:
            told.append((self.number, event))

    @bench.mux.handle("works")
    async def works(ctx: Ctx, task: Task[Any]) -> None: ...

    async with serving(bench, Numbered(1), Numbered(2)):
        await bench.enqueue("works")
        await bench.reaches(processed=1)
    assert [1, 2, 1, 2] == [number for number, _ in told]
    assert told[0][1] is told[1][1]


async def test_a_task_of_an_unknown_type_is_told_as_retried(bench: Bench, notes: Notes) -> None:
    """It was never started."""
    async with serving(bench, notes):
        task_id = await bench.enqueue("unknown")
        await bench.reaches(retry=1)
    assert ["enqueued", "retried"] == notes.names(task_id)
    [_, retried] = notes.of(task_id)
    assert ("HandlerNotFound", False) == (retried.error_type, retried.counts)


async def test_an_expired_task_is_told_as_archived(bench: Bench, notes: Notes) -> None:
    """By the server that met it."""

    @bench.mux.handle("works")
    async def works(ctx: Ctx, task: Task[Any]) -> None: ...

    task_id = await bench.enqueue("works", expires=timedelta(milliseconds=1))
    await until(lambda: _is_over(bench))
    async with serving(bench, notes):
        await bench.reaches(archived=1)

        async def is_told() -> bool:
            return len(notes.of(task_id)) > 1

        await until(is_told)
    assert ["enqueued", "archived"] == notes.names(task_id)
    assert ("expired", "TaskExpired", None) == (
        notes.of(task_id)[1].error,
        notes.of(task_id)[1].error_type,
        notes.of(task_id)[1].seconds,
    )


@pytest.mark.parametrize("failures", [b"inf", b"nan", b"0x7", b"\xff"])
async def test_a_message_that_counts_no_failures_stops_no_server(bench: Bench, notes: Notes, failures: bytes) -> None:
    """Whatever its bytes have in that place, where a server looks at them to tell of an expired task."""
    task_id = await bench.enqueue("works", expires=timedelta(milliseconds=1))
    message = await bench.field(task_id, "msg")
    assert message is not None
    poison = message + bytes([6 << 3 | 2, len(failures)]) + failures
    await bench.store.command("HSET", keys.task("default", task_id), "msg", poison)
    await until(lambda: _is_over(bench))
    async with serving(bench, notes):

        async def is_told() -> bool:
            return len(notes.of(task_id)) > 1

        await until(is_told)
    assert ["enqueued", "archived"] == notes.names(task_id)
    assert 0 == notes.of(task_id)[1].retried


async def _is_over(bench: Bench) -> bool:
    """Some milliseconds have passed at the store."""
    await bench.store.command("PING")
    now = await bench.store.command("TIME")
    begun: tuple[int, int] = getattr(bench, "_begun", None) or tuple(now)
    bench._begun = begun  # type: ignore[attr-defined]
    return int(now[0]) * 10**6 + int(now[1]) > int(begun[0]) * 10**6 + int(begun[1]) + 5000
