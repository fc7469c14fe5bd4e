"""What is hidden from a viewer is on no page of the fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from onebeat import Every, Task
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.scheduler.entry import entry
from onebeat.web import console
from onebeat.web.security.roles import Role, User
from onebeat.wire.records import EntryRecord
from onebeat.wire.sheet import SheetRecord
from tests.conftest import Clock
from tests.web.conftest import ORIGIN
from tests.web.fleet.conftest import declare, keep, lists

MAIL_ONLY = User("bob", None, {"mail": Role.VIEW})
NO_PAYROLL = User("eve", Role.VIEW, {"payroll": None})
OPERATOR = User("ann", Role.OPERATE)


@asynccontextmanager
async def seen_by(user: User, store: Store) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask a console as somebody."""
    transport = httpx2.ASGITransport(console(store, auth=lambda _request: user))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as client:
        yield client


@pytest.fixture
async def filled(store: Store, noon: Clock) -> Store:
    """Return a store in which queue "payroll" has something of everything."""
    await lists(store, 1, sheet=SheetRecord(version="0.6.0", application="shop"), queues={"payroll": 1, "mail": 1})
    for queue in ("payroll", "mail"):
        await declare(store, entry(f"{queue}-report", Every(60), Task("t", queue=queue)), app=queue)
        async with Client(store) as client:
            await client.enqueue(Task("t"), queue=queue, group=f"{queue}-digest")
            await client.enqueue(Task("t"), queue=f"{queue}-unserved" if queue == "mail" else queue)
    await keep(store, 1, EntryRecord(id="e-1", spec="@daily", task_type="go:t", enqueue_options=('Queue("payroll")',)))
    return store


@pytest.mark.parametrize("path", ["/schedules", "/servers", "/groups", "/server?id=id1"])
async def test_a_hidden_queue_is_on_no_page(filled: Store, path: str) -> None:
    """Neither its name, nor what is in it."""
    async with seen_by(NO_PAYROLL, filled) as client:
        answer = await client.get(path)
        assert 200 == answer.status_code
        assert "mail" in answer.text
        assert "payroll" not in answer.text
        assert "go:t" not in answer.text


@pytest.mark.parametrize("name", ["payroll-report", "payroll-repo", "e-1"])
@pytest.mark.parametrize("path", ["/schedule", "/schedule/run", "/schedule/resume"])
async def test_a_hidden_schedule_is_as_if_there_were_none(filled: Store, name: str, path: str) -> None:
    """Nor is it suggested for a name that is nearly its own."""
    async with seen_by(NO_PAYROLL, filled) as client:
        answer = await client.get(path, params={"id": name})
        assert 404 == answer.status_code
        assert "not known here, or not for you to see" in answer.text
        assert (name == "payroll-report") == ("payroll-report" in answer.text)  # what was asked for is repeated


async def test_who_sees_some_queues_only_sees_no_servers(filled: Store) -> None:
    """They belong to no queue; schedules and groups of the queue are shown."""
    async with seen_by(MAIL_ONLY, filled) as client:
        for path in ("/servers", "/server?id=id1", "/server/stop?id=id1"):
            assert 403 == (await client.get(path)).status_code
        assert "mail-report" in (await client.get("/schedules")).text
        assert "mail-digest" in (await client.get("/groups")).text


async def test_buttons_are_those_that_the_viewer_may_press(filled: Store) -> None:
    """A viewer none; an operator those of schedules, and not those of servers."""
    async with seen_by(NO_PAYROLL, filled) as client:
        text = (await client.get("/schedules")).text + (await client.get("/servers")).text
        assert "/schedule/run" not in text
        assert "/server/drain" not in text
    async with seen_by(OPERATOR, filled) as client:
        assert "/schedule/run" in (await client.get("/schedules")).text
        assert "/server/drain" not in (await client.get("/servers")).text
