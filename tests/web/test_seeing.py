"""What a user sees and may do on the pages of tasks, who has roles on some queues alone."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.inspector.auditing import AuditRecord
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.job_models import JobState
from onebeat.web import Redaction, Role, User, console
from tests.conftest import Clock
from tests.inspector.conftest import everything, put
from tests.inspector.test_error_groups import fail
from tests.inspector.test_searching import write
from tests.web.test_acting import ended, fields
from tests.web.test_tasks import names

ORIGIN = "http://127.0.0.1:8080"
CLERK = User("clerk", None, {"open": "operate", "look": "view"})


@contextlib.asynccontextmanager
async def asking(store: Store, user: User, **settings: object) -> AsyncIterator[httpx2.AsyncClient]:
    board = console(store, auth=lambda _request: user, **settings)  # type: ignore[arg-type]
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(board), base_url=ORIGIN, headers={"Origin": ORIGIN}
    ) as client:
        client.board = board  # type: ignore[attr-defined]
        yield client


async def fill(store: Store) -> None:
    for queue in ("open", "look", "secret-queue"):
        await put(store, f"p-{queue}", queue=queue)
        await fail(store, f"f-{queue}", f"no {queue}", queue=queue)


async def test_queues_that_are_hidden_are_on_no_page(store: Store, clock: Clock, inspector: Inspector) -> None:
    """Neither their tasks, nor counts, nor errors, nor names."""
    await fill(store)
    await inspector.record_audit(AuditRecord(user="root", action="task.run", queue="secret-queue", about="x"))
    await inspector.record_audit(AuditRecord(user="root", action="task.run", about="queue:secret-queue"))
    await inspector.record_audit(AuditRecord(user="root", action="task.run", queue="open", about="seen"))
    await inspector.begin_job("run", "queue:secret-queue", user="root")
    async with asking(store, CLERK) as web:
        for path in ("/tasks", "/tasks?q=age>0s", "/tasks?q=f-*", "/errors", "/audit", "/jobs", "/tasks/complete",
                     "/queue?name=open", "/tasks?q=queue:nowhere", "/errors?q=queue:nowhere"):  # fmt: skip
            page = (await web.get(path)).text
            assert "secret-queue" not in page, path
        assert {"p-open", "f-open", "p-look", "f-look"} == set(names((await web.get("/tasks")).text))
        assert "4 tasks" in (await web.get("/tasks")).text
        assert "seen" in (await web.get("/audit")).text
        assert 403 == (await web.get("/queue", params={"name": "secret-queue"})).status_code
        assert "No task has the id" in html.unescape((await web.get("/tasks", params={"q": "p-secret-queue"})).text)
        answer = await web.get("/tasks", params={"q": "queue:secret-queue"})
        assert (404, 404) == (answer.status_code, (await web.get("/tasks", params={"q": "queue:x"})).status_code)
        assert "there are look, open" in html.unescape(answer.text)


@pytest.mark.parametrize("queue", ["look", "secret-queue"])
async def test_what_may_not_be_done_is_refused(store: Store, clock: Clock, queue: str) -> None:
    """The whole of it, though some of it might; nothing is changed but the audit, which has it."""
    await fill(store)
    named = [json.dumps(["open", "f-open", "archived"]), json.dumps([queue, f"f-{queue}", "archived"])]
    async with asking(store, CLERK) as web:
        before = await everything(store)
        answer = await web.post("/act", data={"action": "run", "task": named})
        assert 403 == answer.status_code
        after = {key: value for key, value in (await everything(store)).items() if key != b"onebeat:audit"}
        assert before == after
        [record] = (await Inspector(store).audit()).records
        assert ("clerk", "task.run", "refused") == (record.user, record.action, record.outcome)


async def test_all_that_fit_are_those_that_one_may_act_on(store: Store, clock: Clock) -> None:
    """The preview counts no others, and none is touched."""
    await fill(store)
    async with asking(store, CLERK) as web:
        page = (await web.get("/act", params={"action": "run", "q": "state:archived"})).text
        assert "1 archived of" in html.unescape(page)
        answer = await web.post("/act", data=fields(page))
        assert 303 == answer.status_code
    stats = await Inspector(store).stats_each()
    assert {"open": 0, "look": 1, "secret-queue": 1} == {name: found.archived for name, found in stats.items()}  # type: ignore[union-attr]


async def test_who_may_nothing_is_refused(store: Store, clock: Clock) -> None:
    """And is offered nothing."""
    await fill(store)
    async with asking(store, User("eye", "view")) as web:
        page = (await web.get("/tasks")).text
        assert 'name="task"' not in page
        assert 'href="/act' not in page
        assert 'action="/queue' not in (await web.get("/queue", params={"name": "open"})).text
        before = await everything(store)
        assert 403 == (await web.post("/act", data={"action": "run", "confirmed": "yes"})).status_code
        assert 403 == (await web.post("/queue/remove", data={"queue": "open", "typed": "open"})).status_code
        after = {key: value for key, value in (await everything(store)).items() if key != b"onebeat:audit"}
        assert before == after


async def test_to_delete_is_for_admins(store: Store, clock: Clock) -> None:
    """Who operates runs and archives."""
    await fill(store)
    async with asking(store, User("op", Role.OPERATE)) as web:
        page = (await web.get("/tasks")).text
        assert 'value="run"' in page
        assert 'value="delete"' not in page
        named = json.dumps(["open", "f-open", "archived"])
        assert 403 == (await web.post("/act", data={"action": "delete", "task": named})).status_code


async def test_a_job_acts_where_its_beginner_may(store: Store, clock: Clock, inspector: Inspector) -> None:
    """And is looked at and stopped by who began it, and by who may do so on all its queues; others find nothing."""
    await write(store, 150, "archived", queue="open")
    await write(store, 150, "archived", queue="secret-queue")
    async with asking(store, CLERK) as web:
        page = (await web.get("/act", params={"action": "run", "q": "state:archived"})).text
        assert "150 tasks" in page
        answer = await web.post("/act", data={**fields(page), "rate": "1"})
        address = answer.headers["location"]
        [job] = await inspector.jobs()
        async with asking(store, User("eye", "view", {"open": None})) as eye:
            assert 404 == (await eye.get(address)).status_code
        async with asking(store, User("eye", "view")) as eye:
            assert 200 == (await eye.get(address)).status_code
            assert 403 == (await eye.post("/job/stop", data={"id": job.id})).status_code
        assert 303 == (await web.post("/job/stop", data={"id": job.id})).status_code
        stopped = await ended(inspector, job.id, web.board)  # type: ignore[attr-defined]
        assert (JobState.STOPPED, "clerk", 150) == (stopped.state, stopped.stopped_by, stopped.matched)
    assert 150 == (await inspector.stats("secret-queue")).archived


async def test_what_is_hidden_stands_on_no_page_and_is_not_searched_for(store: Store, clock: Clock) -> None:
    """In payloads, errors, groups of errors, previews; a filter tells nothing of it either."""
    await put(store, "p", {"password": "hunter2", "n": 1})
    await fail(store, "f", "login failed: password=hunter2", payload=b'{"password":"hunter2"}')
    async with asking(store, User("ann", "admin"), redaction=Redaction()) as web:
        for path in ("/tasks", "/errors", "/act?action=delete&q=", "/tasks?q=n", "/tasks/complete"):
            assert "hunter2" not in (await web.get(path)).text, path
        assert [] == names((await web.get("/tasks", params={"q": "payload:hunter2"})).text)
        assert [] == names((await web.get("/tasks", params={"q": "error:hunter2"})).text)
        assert 400 == (await web.get("/tasks", params={"q": "payload.password:hunter2"})).status_code
        assert ["p"] == names((await web.get("/tasks", params={"q": "payload.n=1"})).text)
        answer = await web.post("/act", data={"action": "run", "q": "error:hunter2", "confirmed": "yes"})
        assert 303 == answer.status_code
    assert 1 == (await Inspector(store).stats("q")).archived


async def test_an_unknown_zone_is_named_as_it_was_written(web: httpx2.AsyncClient) -> None:
    """With a name that may stand there, as it is spelled."""
    answer = await web.post("/settings", data={"zone": "Mars/Base"})
    assert 400 == answer.status_code
    assert "Time zone &#39;Mars/Base&#39; is unknown: write an IANA name such as &#39;Europe/Kyiv&#39;." in answer.text


async def test_settings_that_cannot_be_kept_stay_in_the_form(web: httpx2.AsyncClient) -> None:
    """All that was chosen, with what is wrong beside its field; nothing is kept."""
    said = {"zone": "Europe/Kiew", "theme": "dark", "density": "compact", "refresh": "15"}
    answer = await web.post("/settings", data=said)
    assert "set-cookie" not in answer.headers
    assert "Nothing was kept: look at what is marked" in answer.text
    field = re.search(r'<input id="zone"[^>]*>', answer.text)
    assert field is not None
    assert 'value="Europe/Kiew"' in field[0]
    assert 'aria-invalid="true"' in field[0]
    assert "did you mean &#39;Europe/Kiev&#39;?" in answer.text
    assert ["15", "dark", "compact"] == re.findall(r'<option value="([^"]*)" selected>', answer.text)
