"""`perform`: the role, the record, the deed, what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2
import pytest
from starlette.requests import Request

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.auditing import AuditOutcome, AuditRecord
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.web import Role, User, acting, console
from tests.web.conftest import ORIGIN

Browser = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
async def browser(store: Store, client: Client) -> Browser:
    """Return what asks a console as a user; the queues mail and reports have a task each."""
    for queue in ("mail", "reports"):
        await client.enqueue(Task("t"), queue=queue)

    @asynccontextmanager
    async def open_as(user: User, *, read_only: bool = False) -> AsyncIterator[httpx2.AsyncClient]:
        def authenticate(_request: Request) -> User:
            return user

        transport = httpx2.ASGITransport(console(store, auth=authenticate, read_only=read_only))
        async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as opened:
            yield opened

    return open_as


async def trail(inspector: Inspector) -> list[AuditRecord]:
    return list((await inspector.audit()).records)


async def test_what_is_done_is_written_down(browser: Browser, inspector: Inspector) -> None:
    """Who, as what, from where, what, to which queue, and what became of it."""
    async with browser(User("bob", "view", {"mail": "operate"})) as client:
        assert 303 == (await client.post("/queue/pause", data={"queue": "mail"})).status_code
    [record] = await trail(inspector)
    assert ("bob", "operate", "queue.pause", "mail", AuditOutcome.DONE, "page", "127.0.0.1") == (
        record.user, record.role, record.action, record.queue, record.outcome, record.via, record.address
    )  # fmt: skip


async def test_what_is_refused_is_written_down_and_not_done(browser: Browser, inspector: Inspector) -> None:
    """With the sentence that the user read."""
    async with browser(User("bob", "view", {"mail": "operate"})) as client:
        answer = await client.post("/queue/pause", data={"queue": "reports"})
    assert 403 == answer.status_code
    assert "queue.pause needs the role operate" in answer.text
    assert not (await inspector.stats("reports")).paused
    [record] = await trail(inspector)
    assert (AuditOutcome.REFUSED, "view", "reports") == (record.outcome, record.role, record.queue)
    assert record.why.startswith("queue.pause needs the role operate on queue 'reports'")


async def test_what_cannot_be_done_is_written_down(browser: Browser, inspector: Inspector) -> None:
    """That it was begun, and why it was left alone."""
    async with browser(User("ann", "admin")) as client:
        assert 400 == (await client.post("/queue/pause", data={"queue": " "})).status_code
    [record] = await trail(inspector)
    assert AuditOutcome.REFUSED == record.outcome
    assert "queue" in record.why


async def test_nobody_writes_lines_of_the_log(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    """Nor a secret into it: what is typed stands there as in the audit, and in one line."""
    caplog.set_level("INFO", "onebeat.web")
    about = "x\nann: queue.remove payroll password=hunter2"
    async with browser(User("bob", "admin")) as client:
        await client.post("/server/cancel", data={"queue": "mail", "id": about})
    [line] = [record.getMessage() for record in caplog.records if "task.cancel" in record.getMessage()]
    assert ("\n" in line, "hunter2" in line) == (False, False)


async def test_refusals_do_not_push_out_what_was_done(browser: Browser, inspector: Inspector) -> None:
    """Of one user so many are written within a minute."""
    async with browser(User("bob")) as client:
        for _ in range(acting.REFUSALS + 5):
            assert 403 == (await client.post("/queue/pause", data={"queue": "mail"})).status_code
    assert acting.REFUSALS == len(await trail(inspector))


async def test_a_read_only_console_writes_nothing(browser: Browser, inspector: Inspector) -> None:
    """Neither the change nor that it was asked for: its store may allow no writing."""
    async with browser(User("ann", Role.ADMIN), read_only=True) as client:
        answer = await client.post("/queue/pause", data={"queue": "mail"})
        assert "Pause</button>" not in (await client.get("/")).text
    assert 403 == answer.status_code
    assert "This console is read-only" in answer.text
    assert not (await inspector.stats("mail")).paused
    assert [] == await trail(inspector)


async def test_a_queue_that_is_hidden_is_not_there(browser: Browser) -> None:
    """Neither in the list nor in any sum."""
    async with browser(User("bob", "view", {"reports": None})) as client:
        page = (await client.get("/")).text
    assert "mail" in page
    assert "reports" not in page


async def test_what_a_user_may_not_do_is_not_offered(browser: Browser) -> None:
    """The button stands at the queue where it may be pressed."""
    async with browser(User("bob", "view", {"mail": "operate"})) as client:
        page = (await client.get("/")).text
    assert 1 == page.count("/queue/pause")
