"""Why something is done: asked, kept, shown as it was said, and needed where the console is told so."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from onebeat import Every, Task
from onebeat.broker.store import Store
from onebeat.inspector.auditing import AuditOutcome, AuditRecord
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.job_models import JobState
from onebeat.scheduler.entry import entry
from onebeat.web import Console, Redaction, User, console
from onebeat.web.security.roles import ACTIONS, LOSING
from onebeat.wire.sheet import SheetRecord
from tests.conftest import Clock
from tests.inspector.conftest import everything, put, put_in
from tests.inspector.test_searching import write
from tests.web.conftest import ORIGIN
from tests.web.fleet.conftest import declare, lists
from tests.web.forms import fields_of
from tests.web.test_acting import ended, fields, ticked, told

WHY = "mail provider is down, ticket 4711"
NOTED = re.compile(rb"^onebeat:(\{[^}]*\}:size|series):")
FIELD = re.compile(r'<input class="reason"[^>]*>')
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}\u202e"


@asynccontextmanager
async def browsing(board: Console) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask a console, which ends with the block."""
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as client:
        yield client
    await board.aclose()


@pytest.fixture
def strict(store: Store) -> Console:
    """Return a console that wants to know why."""
    return console(store, require_reason=True)


@pytest.fixture
async def asks(strict: Console) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser of it."""
    async with browsing(strict) as client:
        yield client


async def latest(inspector: Inspector) -> AuditRecord:
    return (await inspector.audit()).records[0]


async def whole(store: Store) -> dict[bytes, bytes]:
    """Read the whole database, but for the sizes that a console notes of what it shows."""
    return {key: value for key, value in (await everything(store)).items() if not NOTED.search(key)}


async def declared(store: Store) -> None:
    await declare(store, entry("report", Every(3600), Task("t", queue="q")))


async def test_it_stands_in_the_job_and_in_the_audit(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, board: Console
) -> None:
    """On the page of the job, in the list of jobs, beside what was done, and in what the job itself wrote."""
    await write(store, 150, "archived")
    page = (await web.get("/act", params={"action": "run", "q": "state:archived"})).text
    answer = await web.post("/act", data={**fields(page), "reason": f"  {WHY} "})
    job_id = answer.headers["location"].partition("id=")[2]
    done = await ended(inspector, job_id, board)
    assert (JobState.DONE, WHY) == (done.state, done.reason)
    assert [WHY, WHY] == [one.reason for one in (await inspector.audit(action="task.run")).records]
    for address in (f"/job?id={job_id}", "/jobs", "/audit"):
        assert WHY in (await web.get(address)).text


async def test_it_stands_in_the_audit_of_what_is_done_at_once(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector
) -> None:
    """To one task, to some, to all that fit."""
    for name in "abc":
        await put_in(store, "archived", name)
    asked = (await web.post("/act", data={"action": "delete", "task": ticked(("q", "a", "")), "back": "task"})).text
    await told(web, await web.post("/act", data={**fields(asked), "reason": "one"}))
    assert "one" == (await latest(inspector)).reason
    page = (await web.get("/act", params={"action": "run", "q": "state:archived"})).text
    await told(web, await web.post("/act", data={**fields(page), "reason": "all"}))
    assert ("all", 2) == ((found := await latest(inspector)).reason, found.count)


@pytest.mark.parametrize(
    ("page", "said", "action"),
    [
        ("/queue/pause?queue=q", {"queue": "q"}, "queue.pause"),
        ("/schedule/run?id=report", {"id": "report"}, "schedule.run"),
        ("/schedule/pause?id=report", {"id": "report"}, "schedule.pause"),
    ],
)
async def test_pages_that_ask_take_it(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, page: str, said: dict[str, str], action: str
) -> None:
    """Unless one likes to say nothing."""
    await put(store, "a")
    await declared(store)
    [field] = FIELD.findall((await web.get(page)).text)
    assert "required" not in field
    assert 303 == (await web.post(page.partition("?")[0], data={**said, "reason": WHY})).status_code
    assert (action, WHY) == ((found := await latest(inspector)).action, found.reason)


async def test_what_is_resumed_takes_it(web: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """A queue and a schedule."""
    await put(store, "a")
    await declared(store)
    await inspector.pause("q")
    await inspector.pause_schedule("report")
    for page, said in (("/queue/resume?queue=q", {"queue": "q"}), ("/schedule/resume?id=report", {"id": "report"})):
        assert FIELD.search((await web.get(page)).text)
        assert 303 == (await web.post(page.partition("?")[0], data={**said, "reason": WHY})).status_code
        assert WHY == (await latest(inspector)).reason


async def test_nobody_is_asked_twice_where_nothing_may_be_done(web: httpx2.AsyncClient, store: Store) -> None:
    """A page that only says so has no form."""
    await put(store, "a")
    await declared(store)
    await web.post("/queue/pause", data={"queue": "q"})
    await web.post("/schedule/pause", data={"id": "report"})
    for page in ("/queue/pause?queue=q", "/schedule/pause?id=report"):
        text = (await web.get(page)).text
        assert not FIELD.search(text)
        assert f'action="{page.partition("?")[0]}"' not in text


async def test_what_is_hidden_is_hidden_in_it_too(store: Store, inspector: Inspector) -> None:
    """Before it is kept: in the audit, and in the job."""
    await write(store, 150, "archived")
    board = console(store, redaction=Redaction(patterns=[r"\b\d{16}\b"]))
    async with browsing(board) as web:
        page = (await web.get("/act", params={"action": "run", "q": "state:archived"})).text
        answer = await web.post("/act", data={**fields(page), "reason": "card 4111111111111111 was charged twice"})
        job_id = answer.headers["location"].partition("id=")[2]
        await ended(inspector, job_id, board)
        kept = [(await inspector.job(job_id)).reason, *(one.reason for one in (await inspector.audit()).records)]
        assert 3 == len(kept)
        assert all("4111" not in one and "was charged twice" in one for one in kept)
    for value in (await everything(store)).values():
        assert "4111111111111111" not in str(value)


async def test_it_is_shown_as_what_it_is(web: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """Whatever is in it: no element, and signs that reorder others are named."""
    await put(store, "a")
    await web.post("/queue/pause", data={"queue": "q", "reason": HOSTILE})
    job = await inspector.begin_job("run", "", user="local", reason=HOSTILE)
    assert HOSTILE == (await latest(inspector)).reason
    for address in ("/audit", "/jobs", f"/job?id={job.id}"):
        page = (await web.get(address)).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "49" not in re.findall(r"alert\(1\)[^ ]*", page)[0]
        assert "U+202E" in page


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("x" * 201, "reason has 201 characters: give at most 200"),
        ("a\nb", "reason has the control character U+000A: give one line"),
        ("a\x1b[31mb", "reason has the control character U+001B"),
        ("a\u2028b", "reason has the control character U+2028"),
    ],
)
async def test_what_cannot_be_kept_is_refused(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, reason: str, said: str
) -> None:
    """Before anything is done or written down."""
    await put_in(store, "archived", "a")
    await write(store, 150, "retry", queue="many")
    before = await whole(store)
    for path, data in (
        ("/queue/pause", {"queue": "q"}),
        ("/act", {"do": "run", "q": "state:archived", "confirmed": "yes"}),
        ("/act", {"do": "run", "q": "state:retry", "confirmed": "yes"}),
        ("/queue/remove", {"queue": "q", "typed": "q", "force": "yes"}),
    ):
        answer = await web.post(path, data={**data, "reason": reason})
        assert 422 == answer.status_code
        assert said in html.unescape(answer.text)
    assert before == await whole(store)


def test_what_needs_a_reason_is_what_can_be_done() -> None:
    """Each of it is an action."""
    assert set(ACTIONS) >= LOSING


async def test_where_it_is_needed_the_form_says_so(asks: httpx2.AsyncClient, store: Store) -> None:
    """Of what loses something, and of all that fits; not of what can be undone."""
    await put_in(store, "archived", "a")
    await lists(store, 1)
    for address, is_needed in (
        ("/act?action=run&q=state:archived", True),
        ("/act?action=delete&q=state:archived", True),
        ("/queue?name=q", True),
        ("/queue/pause?queue=q", False),
    ):
        [field] = FIELD.findall((await asks.get(address)).text)
        assert is_needed is ("required" in field)
    page = await asks.post("/act", data={"action": "delete", "task": ticked(("q", "a", ""))})
    assert "required" in FIELD.findall(page.text)[0]
    assert "required of whoever deletes" in (await asks.get("/settings")).text


@pytest.mark.parametrize(
    ("path", "said", "action"),
    [
        ("/act", {"do": "run", "q": "state:archived", "confirmed": "yes"}, "task.run"),
        ("/act", {"do": "delete", "q": "state:archived", "confirmed": "yes", "typed": "delete"}, "task.delete"),
        ("/act", {"do": "delete", "task": ticked(("q", "a", "")), "confirmed": "yes"}, "task.delete"),
        ("/queue/remove", {"queue": "q", "typed": "q", "force": "yes"}, "queue.remove"),
        ("/server/cancel", {"queue": "q", "id": "a"}, "task.cancel"),
        ("/server/stop", {"id": "id1"}, "server.stop"),
    ],
)
async def test_without_it_nothing_is_done(
    asks: httpx2.AsyncClient, store: Store, path: str, said: dict[str, Any], action: str
) -> None:
    """And that is said; spaces are none."""
    await put_in(store, "archived", "a")
    await lists(store, 1)
    before = await whole(store)
    for reason in ({}, {"reason": "  "}):
        answer = await asks.post(path, data={**said, **reason})
        assert 422 == answer.status_code
        assert f"{action} needs a reason here: say why, in a line" in answer.text
    assert before == await whole(store)


@pytest.mark.parametrize(
    ("path", "said", "action"),
    [
        ("/act", {"do": "delete", "task": ticked(("q", "a", "archived")), "confirmed": "yes"}, "task.delete"),
        ("/queue/remove", {"queue": "q", "typed": "q", "force": "yes"}, "queue.remove"),
        ("/server/cancel", {"queue": "q", "id": "t1"}, "task.cancel"),
        ("/server/stop", {"id": "id1"}, "server.stop"),
    ],
)
@pytest.mark.parametrize(
    ("reason", "why"),
    [("", "needs a reason here"), ("x" * 201, "has 201 characters"), ("\u200b", "needs a reason here")],
)
async def test_the_form_is_shown_again_with_what_was_said(
    asks: httpx2.AsyncClient, store: Store, clock: Clock, path: str, said: dict[str, Any], action: str, reason: str,
    why: str,
) -> None:  # fmt: skip
    """The sentence says what is wrong, and all of it can be sent again."""
    await put_in(store, "archived", "a")
    await put_in(store, "active", "t1")
    await lists(store, 1, sheet=SheetRecord(version="0.6.0", application="shop"), workers=("t1",))
    answer = await asks.post(path, data={**said, "reason": reason})
    assert (422, True) == (answer.status_code, why in answer.text)
    to = "/act" if path == "/server/cancel" else path
    again = fields_of(answer.text, to)
    assert reason == again["reason"]
    assert "required" in FIELD.findall(answer.text)[0]
    sent = {**again, **({"typed": "q", "force": "yes"} if path == "/queue/remove" else {}), "reason": WHY}
    if path != "/queue/remove":  # which is refused while a server takes its tasks
        assert 303 == (await asks.post(to, data=sent)).status_code
        assert (action, WHY) == ((found := await latest(Inspector(store))).action, found.reason)


@pytest.mark.parametrize("reason", ["\u200b", "\u2060 \u00a0\u202e"])
async def test_what_cannot_be_seen_is_no_reason(asks: httpx2.AsyncClient, store: Store, reason: str) -> None:
    """It would satisfy nobody who reads the audit next morning."""
    await put_in(store, "archived", "a")
    answer = await asks.post(
        "/act", data={"do": "delete", "task": ticked(("q", "a", "archived")), "confirmed": "yes", "reason": reason}
    )
    assert 422 == answer.status_code
    assert "needs a reason here" in answer.text
    assert 1 == await store.command("EXISTS", "asynq:{q}:t:a")


@pytest.mark.parametrize(
    "said", [{"task": ticked(("q", "a", ""))}, {"q": "queue:q"}, {"q": ""}], ids=["ticked", "named", "all"]
)
async def test_who_may_not_is_told_that_first(store: Store, inspector: Inspector, said: dict[str, Any]) -> None:
    """And it is written down, as it is where no reason is needed."""
    await put_in(store, "archived", "a")
    board = console(store, require_reason=True, auth=lambda _request: User("bob", "view"))
    async with browsing(board) as client:
        answer = await client.post("/act", data={"do": "delete", "confirmed": "yes", "typed": "delete", **said})
        assert 403 == answer.status_code
    assert ("bob", "task.delete", AuditOutcome.REFUSED) == (
        (found := await latest(inspector)).user, found.action, found.outcome
    )  # fmt: skip


async def test_where_nothing_fits_none_is_needed(asks: httpx2.AsyncClient, store: Store) -> None:
    """That it does not is what is said."""
    await put_in(store, "retry", "a")
    data = {"do": "delete", "q": "state:archived", "confirmed": "yes"}
    assert "Nothing was done: no such task fits." in await told(asks, await asks.post("/act", data=data))


async def test_with_it_it_is_done(asks: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """What was refused before."""
    await put_in(store, "archived", "a")
    data = {"do": "delete", "q": "state:archived", "confirmed": "yes"}
    refused = await asks.post("/act", data=data)
    assert ["Delete tasks"] == re.findall(r"<h1>([^<]*)", refused.text)
    assert "1 task deleted." in await told(asks, await asks.post("/act", data={**fields(refused.text), "reason": WHY}))
    assert WHY == (await latest(inspector)).reason


async def test_what_can_be_undone_needs_none(asks: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """To pause, or to run what was ticked, nobody has to think of a sentence."""
    await put_in(store, "archived", "a")
    assert 303 == (await asks.post("/queue/pause", data={"queue": "q"})).status_code
    assert 303 == (await asks.post("/act", data={"action": "run", "task": ticked(("q", "a", ""))})).status_code
    assert ["", ""] == [one.reason for one in (await inspector.audit()).records]


async def test_a_job_is_stopped_and_gone_on_with_without(
    asks: httpx2.AsyncClient, store: Store, inspector: Inspector, strict: Console
) -> None:
    """It has the reason of who began it."""
    await write(store, 150, "archived")
    data = {"do": "run", "q": "state:archived", "confirmed": "yes", "reason": WHY, "rate": "0.1"}
    job_id = (await asks.post("/act", data=data)).headers["location"].partition("id=")[2]
    assert 303 == (await asks.post("/job/stop", data={"id": job_id})).status_code
    assert JobState.STOPPED is (await ended(inspector, job_id, strict)).state
    await store.command("HSET", f"onebeat:job:{job_id}", "rate", "")
    assert 303 == (await asks.post("/job/continue", data={"id": job_id})).status_code
    done = await ended(inspector, job_id, strict)
    assert (JobState.DONE, WHY) == (done.state, done.reason)


async def test_where_it_is_needed_a_running_task_is_cancelled_by_a_page_that_asks(
    asks: httpx2.AsyncClient, web: httpx2.AsyncClient, store: Store, clock: Clock
) -> None:
    """Where it is not, by its button."""
    await lists(store, 1, workers=("t1",))
    for browser, is_asked in ((asks, True), (web, False)):
        page = html.unescape((await browser.get("/servers")).text)
        assert is_asked is ("/act?do=cancel&task=" in page)
        assert is_asked is not ('action="/server/cancel"' in page)


@pytest.mark.parametrize(
    ("path", "asked", "typed", "action"),
    [
        ("/task/new", {}, {"type": "t", "queue": "q"}, "task.enqueue"),
        ("/task/clone", {"queue": "q", "id": "a"}, {}, "task.clone"),
        ("/task/edit", {"queue": "q", "id": "a"}, {"max_retry": "3"}, "task.update"),
        ("/health/repair", {"check": "dangling-id"}, {}, "health.repair"),
    ],
)
async def test_forms_that_ask_anyway_ask_why(
    asks: httpx2.AsyncClient, store: Store, inspector: Inspector, path: str, asked: dict[str, str],
    typed: dict[str, str], action: str,
) -> None:  # fmt: skip
    """Nobody has to say it, even where reasons are required; what is no line is refused, and what was typed stays."""
    await put(store, "a")
    await store.command("LPUSH", "asynq:{q}:pending", "ghost")
    page = (await asks.get(path, params=asked)).text
    assert "required" not in FIELD.findall(page)[0]
    form = {**fields_of(page, path), **typed}
    refused = await asks.post(path, data={**form, "reason": "a\u2028b"})
    assert 400 <= refused.status_code < 500
    assert "reason has the control character U+2028" in refused.text
    assert "a\u2028b" == fields_of(refused.text, path)["reason"]
    assert 0 == len((await inspector.audit()).records)
    assert 303 == (await asks.post(path, data={**form, "reason": f" {WHY} "})).status_code
    assert (action, WHY) == ((found := await latest(inspector)).action, found.reason)
    assert 303 == (await asks.post(path, data={**form, "reason": ""})).status_code
    assert "" == (await latest(inspector)).reason
