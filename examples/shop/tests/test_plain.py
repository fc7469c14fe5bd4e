"""The plain form and the web application, on a store of their own in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from shop.api import api
from shop.plain import enqueue, mux, run_archived, scheduler
from shop.tasks import app, send_welcome

from onebeat import Inspector, Server


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Return the URL of an embedded store of the test's own."""
    return f"embedded://{tmp_path}"


async def test_images_are_served(url: str) -> None:
    """A result is the bytes that the handler gave."""
    async with Inspector(url) as inspector, Server(url, queues={"low": 1}).serving(mux):
        task_id = await enqueue(url)
        async with asyncio.timeout(60):
            while (await inspector.task("low", task_id)).result is None:
                await asyncio.sleep(0.01)  # the plain form has no handles to wait by
        assert b"\x00\x01" == (await inspector.task("low", task_id)).result
        assert 0 == await run_archived(url, "low")


async def test_a_schedule_fires(url: str) -> None:
    """Every 1.5 s, onto the queue that it is registered with."""
    async with Inspector(url) as inspector, asyncio.timeout(60):
        firing = asyncio.create_task(scheduler(url).run())
        while "low" not in await inspector.queues() or not (await inspector.stats("low")).pending:
            await asyncio.sleep(0.01)  # likewise
        firing.cancel()
        await asyncio.wait([firing])


def test_the_web_application_runs_its_own_tasks(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """202 at once, and the greeting two seconds later."""
    monkeypatch.setattr(app, "url", url)
    with TestClient(api) as browser:
        answer = browser.post("/users/42")
        assert (202, {"greeting": "hi:42"}) == (answer.status_code, answer.json())
        assert browser.portal is not None
        assert "sent" == browser.portal.call(lambda: send_welcome.handle("hi:42", queue="critical").result(60))
