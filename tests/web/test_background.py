"""The jobs that a console runs by itself: how many at once, and how that is said."""

from __future__ import annotations

import asyncio

import pytest

from onebeat.errors import WrongState
from onebeat.web import background
from onebeat.web.background import Background


@pytest.mark.parametrize(("most", "expected"), [(1, "1 job runs in this"), (2, "2 jobs run in this")])
async def test_how_many_jobs_run_is_said_as_one_says_it(
    monkeypatch: pytest.MonkeyPatch, most: int, expected: str
) -> None:
    """One job runs; two jobs run."""
    monkeypatch.setattr(background, "MOST", most)
    jobs = Background()
    ended = asyncio.Event()

    async def run() -> None:
        await ended.wait()

    tasks = [asyncio.create_task(run()) for _ in range(most)]
    jobs._running.update(tasks)
    with pytest.raises(WrongState, match=expected):
        jobs.check()
    ended.set()
    await asyncio.gather(*tasks)
