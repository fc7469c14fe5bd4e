"""The page of errors: groups of one kind, and the way to what is in them."""

from __future__ import annotations

import html

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.web import Redaction, Role, User
from onebeat.web.pages import errors
from tests.conftest import NOON, Clock
from tests.inspector.conftest import put_in
from tests.inspector.test_error_groups import fail
from tests.web.test_seeing import asking
from tests.web.test_tasks import HOSTILE


async def show(web: httpx2.AsyncClient, **query: str) -> str:
    answer = await web.get("/errors", params=query)
    assert 200 == answer.status_code, answer.text
    return html.unescape(answer.text)


async def test_where_nothing_failed_it_says_so(web: httpx2.AsyncClient, store: Store) -> None:
    """And what would stand there."""
    page = await show(web)
    assert "Nothing failed" in page
    assert "then it stands here" in page


async def test_it_says_in_how_many_ways_how_many_failed(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """Texts of Python's and Go's servers alike, the largest group first."""
    for number in range(3):
        await fail(store, f"a{number}", f"dial tcp 10.0.0.{number}:5432: connect: connection refused", queue="mail")
    for number in (7, 8):
        await fail(store, f"b{number}", f"ValueError: no user {number}", state="retry", at=NOON - 7200)
    page = await show(web)
    assert "5 tasks failed in 2 ways; 60.0 % of them: dial tcp <address>: connect: connection refused" in page
    assert "<b>ValueError</b>: <bdi>no user <n></bdi>" in page
    assert page.index("connection refused</bdi>") < page.index("no user")
    assert "dial tcp 10.0.0.2:5432: connect: connection refused" in page  # one as it was written
    assert 'title="Run 3 tasks of this group"' in page
    assert "looked at 5 of 5" in page


async def test_what_all_say_is_said_as_it_is(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """In the sentence, in the row and to the palette: of `KeyError: <text>` nobody knows which."""
    for number in range(2):
        await fail(store, f"{number}", "KeyError: 'customer_id'")
    page = await show(web)
    assert "2 tasks failed in 1 way" in page
    assert "<b>KeyError</b>: <bdi>'customer_id'</bdi>" in page
    assert "<text>" not in page
    items = (await web.get("/palette", params={"q": "customer_id", "what": "errors"})).json()["items"]
    assert ["KeyError: 'customer_id'"] == [item["text"] for item in items]


async def test_what_is_hidden_stays_hidden_where_all_say_it(store: Store, clock: Clock) -> None:
    """A word that rules hide is none that all say."""
    rules = Redaction(patterns=["sk-[a-z]+"])
    await fail(store, "1", "KeyError: 'sk-abcdef'")
    async with asking(store, User("ada", Role.ADMIN), redaction=rules) as web:
        page = await show(web)
    assert "sk-abcdef" not in page
    assert "<b>KeyError</b>: <bdi>'[hidden]'</bdi>" in page


async def test_it_is_narrowed_by_a_query(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """What cannot be read is said, and what was typed is still there."""
    await fail(store, "a", "no", queue="mail")
    await fail(store, "b", "nay", queue="low")
    page = await show(web, q="queue:low")
    assert "1 task failed in 1 way" in page
    assert "No error fits" in await show(web, q="queue:low error:no")
    answer = await web.get("/errors", params={"q": "queue:nowhere"})
    assert 404 == answer.status_code
    assert "is not known here" in html.unescape(answer.text)
    assert 400 == (await web.get("/errors", params={"q": "x"})).status_code


async def test_it_says_how_far_it_looked_and_looks_further(
    web: httpx2.AsyncClient, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than count all of a hundred thousand for a first look."""
    monkeypatch.setattr(errors, "SCAN", 20)
    monkeypatch.setattr(errors, "SCANS", (20, 100))
    for number in range(60):
        await fail(store, f"{number}", "no")
    page = await show(web)
    assert "looked at 20 of 60" in page
    assert "Look at 60" in page
    assert 'title="Run all tasks of this group"' in page
    assert "60 tasks failed in 1 way" in await show(web, scan="100")


async def test_what_was_archived_by_hand_is_no_error(web: httpx2.AsyncClient, store: Store) -> None:
    """It is said how many there are."""
    await put_in(store, "scheduled", "a")
    await web.post("/act", data={"action": "archive", "task": '["q","a","scheduled"]'})
    assert "1 task of them never failed: archived by hand." in (await show(web)).replace("\n", " ")


async def test_errors_that_are_markup_are_shown_as_they_are(
    web: httpx2.AsyncClient, store: Store, clock: Clock
) -> None:
    """Types, queues, messages and samples."""
    await fail(store, HOSTILE, f"ValueError: {HOSTILE} \x00\x1b[31m", kind=HOSTILE, queue="q'\"<i>")
    page = (await web.get("/errors")).text
    assert "<script>alert" not in page
    assert "<i>" not in page.replace("<i ", "")
    assert "&lt;script&gt;" in page


async def test_a_queue_that_cannot_be_read_fails_alone(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """The others are shown."""
    await fail(store, "a", "no")
    await store.command("SADD", "asynq:queues", "bad")
    await store.command("SET", "asynq:{bad}:retry", "x")
    page = await show(web)
    assert "1 task failed in 1 way" in page
    assert "bad could not be read" in page
