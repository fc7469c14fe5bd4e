"""What a server keeps of attempts, as an inspector reads it."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import timedelta

import pytest

from onebeat import Retry, SemaphoreFull, SkipRetry, TaskNotFound
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.series_models import Attempt
from onebeat.server.context import Context
from onebeat.task import Task
from onebeat.wire.attempts import MAX_BYTES
from tests.server.conftest import Bench


def broken(n: int) -> None:
    raise ValueError(f"order {n} is unknown")


async def attempts(bench: Bench, task_id: str) -> list[Attempt]:
    return await Inspector(bench.store).attempts("default", task_id)


async def test_an_attempt_that_failed_is_kept(bench: Bench) -> None:
    """When it began, how long the task had waited, who made it, what it failed with and where."""

    @bench.mux.handle("broken")
    async def handler(ctx: Context[None], task: Task[object]) -> None:
        broken(7)

    task_id = await bench.enqueue("broken")
    async with bench.serving() as serving:
        await bench.reaches(retry=1)
        server = serving.id
    [found] = await attempts(bench, task_id)
    assert (1, "retried", "ValueError") == (found.number, found.outcome, found.error_type)
    assert "ValueError: order 7 is unknown" == found.error
    assert f"{socket.gethostname()}:{os.getpid()}:{server}" == found.server
    assert found.waited is not None
    assert found.ran is not None
    assert timedelta(0) <= found.waited < timedelta(minutes=1)
    assert timedelta(0) <= found.ran < timedelta(minutes=1)
    lines = found.traceback.splitlines()
    assert "Traceback (most recent call last):" == lines[0]
    assert lines[1].endswith(", in handler")
    assert "    broken(7)" == lines[2]
    assert "ValueError: order 7 is unknown" == lines[-1]


async def test_each_attempt_has_its_line_and_the_last_says_how_it_ended(bench: Bench) -> None:
    """Two failures, then the archive; a run by hand goes on with the numbers."""

    @bench.mux.handle("broken")
    async def handler(ctx: Context[None], task: Task[object]) -> None:
        raise Retry("soon", delay=0.001)

    task_id = await bench.enqueue("broken", max_retry=2)
    async with bench.serving():
        await bench.reaches(archived=1)
        assert ["retried", "retried", "archived"] == [one.outcome for one in await attempts(bench, task_id)]
        await Inspector(bench.store).run("default", task_id)
        await bench.reaches(archived=1, processed=6)
    found = await attempts(bench, task_id)
    assert [1, 2, 3, 4, 5, 6] == [one.number for one in found]
    assert "archived" == found[-1].outcome


async def test_at_most_twenty_are_kept_and_the_others_counted(bench: Bench) -> None:
    """The oldest go first."""

    @bench.mux.handle("broken")
    async def handler(ctx: Context[None], task: Task[object]) -> None:
        raise Retry("soon", delay=0.001)

    task_id = await bench.enqueue("broken", max_retry=23)
    async with bench.serving():
        await bench.reaches(archived=1)
    assert list(range(5, 25)) == [one.number for one in await attempts(bench, task_id)]


async def test_long_errors_and_traces_are_cut(bench: Bench) -> None:
    """In the middle, so that the beginning and the error remain; many of them take 16 kB at most."""

    def deep(n: int) -> None:
        if n:
            deep(n - 1)
        raise ValueError("\x00" * 50_000)

    @bench.mux.handle("broken")
    async def handler(ctx: Context[None], task: Task[object]) -> None:
        try:
            deep(60)
        except ValueError as error:
            raise Retry("x" * 50_000, delay=0.001) from error

    task_id = await bench.enqueue("broken", max_retry=5)
    async with bench.serving():
        await bench.reaches(archived=1)
    field = await bench.field(task_id, "ob_attempts")
    assert field is not None
    assert len(field) <= 16_400
    found = await attempts(bench, task_id)
    assert 6 == found[-1].number
    assert "x" * 1000 == found[-1].error
    assert "are left out here" in found[-1].traceback
    assert max(map(len, field.split(b"\n"))) <= MAX_BYTES + len("archived ")


async def test_what_waits_for_its_turn_has_not_failed(bench: Bench) -> None:
    """A task that found a semaphore full leaves nothing."""

    @bench.mux.handle("waits")
    async def handler(ctx: Context[None], task: Task[object]) -> None:
        raise SemaphoreFull("no token is free", delay=60.0)

    task_id = await bench.enqueue("waits")
    async with bench.serving():
        await bench.reaches(retry=1)
    assert [] == await attempts(bench, task_id)


@pytest.mark.slow
async def test_a_cancelled_task_says_so(bench: Bench) -> None:
    """Its attempt is kept as that, without a traceback."""
    began = asyncio.Event()

    @bench.mux.handle("long")
    async def handler(ctx: Context[None], task: Task[object]) -> None:
        began.set()
        await asyncio.Event().wait()

    task_id = await bench.enqueue("long")
    async with bench.serving():
        await began.wait()
        await Inspector(bench.store).cancel("default", task_id)
        await bench.reaches(archived=1)
    [found] = await attempts(bench, task_id)
    assert ("cancelled", "cancelled", "") == (found.outcome, found.error, found.traceback)


async def test_what_cannot_be_decoded_is_kept_with_the_reason(bench: Bench) -> None:
    """In the record that is set aside."""
    task_id = await bench.enqueue("x")
    await bench.store.command("HSET", f"asynq:{{default}}:t:{task_id}", "msg", b"\xff\xff")
    async with bench.serving():
        await bench.reaches(archived=1)
    [found] = await attempts(bench, task_id)
    assert ("archived", "UndecodableMessage") == (found.outcome, found.error_type)


@pytest.mark.parametrize(
    ("keeps", "outcomes"), [("failures", ["retried"]), ("all", ["retried", "completed"]), ("none", [])]
)
async def test_the_setting_says_which_are_kept(bench: Bench, keeps: str, outcomes: list[str]) -> None:
    """Failures unless told otherwise; of a retained task its success as well; or none."""

    @bench.mux.handle("second")
    async def handler(ctx: Context[None], task: Task[object]) -> None:
        if not ctx.retried:
            raise Retry("once more", delay=0.001)

    task_id = await bench.enqueue("second", retention=60)
    async with bench.serving(attempts=keeps):
        await bench.reaches(completed=1)
    assert outcomes == [one.outcome for one in await attempts(bench, task_id)]


async def test_a_task_that_is_done_leaves_nothing(bench: Bench) -> None:
    """Neither itself nor its attempts; who asks is told that it is gone."""

    @bench.mux.handle("second")
    async def handler(ctx: Context[None], task: Task[object]) -> None:
        if not ctx.retried:
            raise Retry("once more", delay=0.001)

    task_id = await bench.enqueue("second")
    async with bench.serving():
        await bench.reaches(processed=2, retry=0, active=0)
    assert 0 == await bench.store.command("EXISTS", f"asynq:{{default}}:t:{task_id}")
    with pytest.raises(TaskNotFound):
        await attempts(bench, task_id)


async def test_an_error_without_a_text_is_an_outcome_all_the_same(bench: Bench) -> None:
    """Its class is kept, and where its text was to be, why there is none."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    @bench.mux.handle("mute")
    async def handler(ctx: Context[None], task: Task[object]) -> None:
        raise SkipRetry("enough") from MuteError()

    task_id = await bench.enqueue("mute")
    async with bench.serving():
        await bench.reaches(archived=1)
    [found] = await attempts(bench, task_id)
    assert ("archived", "enough", "SkipRetry") == (found.outcome, found.error, found.error_type)
    assert found.traceback
