"""Attempts that the kit keeps with their tasks, as servers do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onebeat import Inspector, Onebeat
from onebeat.inspector.series_models import Attempt
from onebeat.testing import Testing


@pytest.fixture
def app() -> Onebeat:
    """Return an application whose task fails."""
    app = Onebeat("shop")

    @app.task("pay", max_retry=3)
    async def pay(n: int) -> None:
        raise ValueError(f"no such order: {n}")

    return app


async def enqueue(app: Onebeat, t: Testing) -> None:
    await app.tasks["pay"].options(task_id="a", process_in=10).enqueue(7)


async def kept(t: Testing) -> list[Attempt]:
    async with Inspector(t.store) as inspector:
        return await inspector.attempts("default", "a")


async def test_failed_attempts_are_kept_in_the_time_of_the_kit(app: Onebeat) -> None:
    """With what they failed with and where."""
    async with app.testing() as t:
        await enqueue(app, t)
        began = t.now
        await t.advance(10)
        await t.advance(3600)
        first, *others = await kept(t)
        assert (1, "retried", began + timedelta(seconds=10), timedelta(0), "ValueError") == (
            first.number, first.outcome, first.started_at, first.ran, first.error_type,
        )  # fmt: skip
        assert "ValueError: no such order: 7" == first.error
        assert "raise ValueError" in first.traceback
        assert len(t.ran) == 1 + len(others)
        assert [attempt.at for attempt in t.ran] == [first.ended_at, *(one.ended_at for one in others)]


async def test_an_attempt_that_died_with_its_server_is_kept(app: Onebeat) -> None:
    """With when it began, as those that recovered it know."""
    async with app.testing() as t:
        t.crash("pay")
        await enqueue(app, t)
        began = t.now
        await t.advance(300)
        first = (await kept(t))[0]
        assert ("recovered", began + timedelta(seconds=10)) == (first.outcome, first.started_at)
