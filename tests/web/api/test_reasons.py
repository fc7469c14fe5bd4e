"""Why something is done, through the API: taken, given back, needed; and the limit that all jobs share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.web import console
from onebeat.web.api.operation import PREFIX
from onebeat.web.api.table import OPERATIONS
from onebeat.web.security.roles import LOSING
from tests.inspector.conftest import everything
from tests.web.api.conftest import Api
from tests.web.api.filling import ODD
from tests.web.api.test_changing import reached
from tests.web.api.test_http import EXAMPLES
from tests.web.conftest import ORIGIN

WHY = "mail provider is down, ticket 4711"

TAKING = [one for one in OPERATIONS if one.body is not None and "reason" in one.body.__struct_fields__]
"""Operations that take a reason."""

LACKING = [one for one in TAKING if one.action in LOSING or one.path.startswith("/tasks/")]
"""Those of them that need one where it is required."""


@pytest.fixture
async def strict(filled: Store) -> AsyncIterator[Api]:
    """Return what asks a console that wants to know why."""
    made = console(filled, require_reason=True)
    transport = httpx2.ASGITransport(made)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        yield Api(http)
    await made.aclose()


async def test_a_job_has_it(api: Api, filled: Store) -> None:
    """It, its list, and the records of what it did."""
    job = await api.post("/tasks/run", 201, q="state:archived", reason=WHY)
    done = await reached(api, job["id"])
    assert WHY == job["reason"] == done["reason"] == (await api.get("/jobs"))["jobs"][0]["reason"]
    records = (await api.get("/audit", action="task.run"))["records"]
    assert [WHY, WHY] == [one["reason"] for one in records]


async def test_the_audit_has_it(api: Api) -> None:
    """Of whatever takes one; "" where nothing was said."""
    await api.post("/queue/pause", queue="q", reason=f" {WHY} ")
    await api.post("/schedule/pause", id="report", reason="nobody reads it")
    await api.post("/task/run", queue="q", id="retry")
    reasons = [one["reason"] for one in (await api.get("/audit"))["records"]]
    assert ["", "nobody reads it", WHY] == reasons


async def test_whatever_changes_something_takes_one(api: Api) -> None:
    """A new task, a clone, an edit, a repair, the end of sessions too."""
    await api.post("/tasks", 201, type="t", queue="q", reason="1")
    await api.post("/task/clone", 201, queue="q", id="retry", reason="2")
    await api.post("/task/update", queue="q", id="retry", max_retry=3, reason="3")
    await api.post("/health/repair", reason="4")
    await api.post("/sessions/end", user="ann", reason="5")
    assert list("54321") == [one["reason"] for one in (await api.get("/audit"))["records"]]


async def test_what_is_no_line_is_refused(api: Api, filled: Store) -> None:
    """Before anything is done."""
    before = await everything(filled)
    assert "control character U+000A" in (await api.post("/queue/pause", 422, queue="q", reason="a\nb"))["detail"]
    assert "reason" in (await api.post("/queue/pause", 422, queue="q", reason="x" * 201))["detail"]
    assert 422 == (await api.http.post(f"{PREFIX}/tasks/run", json={"q": "", "reason": "a\x00b"})).status_code
    assert before == await everything(filled)


def test_there_are_operations_that_need_one() -> None:
    """Of tasks, of many, of queues, of servers."""
    assert {"/task/delete", "/task/cancel", "/tasks/run", "/tasks/delete", "/queue/remove", "/server/stop"} <= {
        one.path for one in LACKING
    }
    assert all(one in TAKING for one in OPERATIONS if one.action in LOSING and not one.path.startswith("/job/"))


@pytest.mark.parametrize("operation", LACKING, ids=[one.path for one in LACKING])
async def test_where_it_is_needed_nothing_is_done_without(strict: Api, filled: Store, operation: Any) -> None:
    """The problem has a code of its own, and says what to send."""
    before = await everything(filled)
    found = await strict.post(operation.path, 422, **EXAMPLES[operation.name])
    assert "reason-missing" == found["code"]
    assert f"{operation.action} needs a reason here" in found["detail"]
    assert before == await everything(filled)


async def test_with_it_it_is_done(strict: Api, filled: Store) -> None:
    """And what can be undone needs none; nor does stopping a job, or going on with it."""
    await strict.post("/task/delete", queue="q", id="retry", reason=WHY)
    await strict.post("/queue/pause", queue="q")
    await strict.post("/task/run", queue="q", id="archived")
    job = await strict.post("/tasks/archive", 201, q="state:pending", reason=WHY, rate=0.001)
    await strict.post("/job/stop", id=job["id"])
    assert "stopped" == (await reached(strict, job["id"]))["state"]
    await strict.post("/job/continue", id=job["id"])
    await strict.post("/job/stop", id=job["id"])


async def test_who_may_not_is_told_that_first(filled: Store) -> None:
    """And not that a reason is missing."""
    from onebeat.web import User

    made = console(filled, require_reason=True, auth=lambda _request: User("bob", "view"))
    transport = httpx2.ASGITransport(made)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        assert "forbidden" == (await Api(http).post("/queue/remove", 403, queue="q"))["code"]
    await made.aclose()


async def test_who_asks_is_told_whether_it_is_needed(api: Api, strict: Api) -> None:
    """So that scripts need not find out."""
    assert (False, True) == tuple([(await one.get("/whoami"))["require_reason"] for one in (api, strict)])


@pytest.mark.parametrize(("per_minute", "takes_s"), [(60_000, 1), (2, 30), (None, None)])
async def test_a_preview_says_how_long_it_takes(filled: Store, per_minute: int | None, takes_s: int | None) -> None:
    """By the limit of all jobs; null if there is none."""
    made = console(filled, bulk_per_minute=per_minute)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(made), base_url=ORIGIN) as http:
        found = await Api(http).get("/jobs/preview", action="archive", q=f'queue="{ODD}" state:pending')
        assert (1, per_minute, takes_s) == (found["count"], found["per_minute"], found["takes_s"])
    await made.aclose()


async def test_a_job_says_that_it_waits_for_the_limit_of_all(api: Api, filled: Store) -> None:
    """Tasks per minute, while it does."""
    inspector = Inspector(filled)
    job = await inspector.begin_job("run", "", user="local")
    assert (await api.get("/job", id=job.id))["waits_for"] is None
    await filled.command("HSET", f"onebeat:job:{job.id}", "waits_for", "3000")
    assert 3000 == (await api.get("/job", id=job.id))["waits_for"]
    assert [3000] == [one["waits_for"] for one in (await api.get("/jobs"))["jobs"] if one["id"] == job.id]
    await filled.command("HSET", f"onebeat:job:{job.id}", "state", "done")
    found = await inspector.job(job.id)
    assert found.waits_for is None
