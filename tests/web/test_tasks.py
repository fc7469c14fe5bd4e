"""The page of tasks: what fits a query, within bounds, and what can be done to it."""

from __future__ import annotations

import html
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.task import Task
from onebeat.web.pages import finding
from tests.conftest import NOON, Clock
from tests.inspector.conftest import STATES, put, put_in
from tests.inspector.test_error_groups import fail
from tests.inspector.test_searching import write

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}\u202e"


def names(page: str) -> list[str]:
    """Return the ids that the page's rows name, in order."""
    return [json.loads(html.unescape(value))[1] for value in re.findall(r'name="task" value="([^"]*)"', page)]


def link(page: str, text: str) -> str:
    """Return where the link of a text leads."""
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{text}', page)
    assert found is not None, f"no link {text!r}"
    return html.unescape(found.group(1))


async def get(web: httpx2.AsyncClient, path: str = "/tasks", **query: str) -> str:
    answer = await web.get(path, params=query)
    assert 200 == answer.status_code, answer.text
    return answer.text


async def test_an_empty_store_teaches_the_first_command(web: httpx2.AsyncClient) -> None:
    """Where there is no task the page says how to make one."""
    page = await get(web)
    assert "onebeat task enqueue" in page
    assert "No tasks" in page


async def test_every_state_has_a_tab_with_its_count_and_its_rows(web: httpx2.AsyncClient, store: Store) -> None:
    """And the verdict counts them."""
    for state in STATES:
        await put_in(store, state, f"{state}-task")
    page = await get(web)
    assert "7 tasks" in page
    assert {f"{state}-task" for state in STATES} == set(names(page))
    for state in STATES:
        page = await get(web, q=f"state:{state}")
        assert [f"{state}-task"] == names(page)
        assert f"1 {state} task" in page


async def test_a_query_says_how_far_it_came_and_goes_on(
    web: httpx2.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within its bound; nothing comes twice, nothing is left out."""
    monkeypatch.setattr(finding, "SCAN", 400)
    monkeypatch.setattr(finding, "ROWS", 7)
    await write(store, 1000, "archived", every=50)
    page = await get(web, q="error:refused")
    assert "7 shown; looked at 350 of 1,000" in page
    found = names(page)
    while 'rel="next"' in page:
        address = html.unescape(re.findall(r'href="([^"]*)" rel="next"', page)[0])
        page = (await web.get(address)).text
        found += names(page)
    assert [f"{number:06}" for number in range(0, 1000, 50)] == found
    page = await get(web, q="error:nothing-such")
    assert "None of the 400 tasks looked at fits; there are 600 more." in page


async def test_the_latest_come_first(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """What was archived last is what one looks for."""
    for number in range(3):
        await fail(store, f"t{number}", "no", at=NOON + number)
    assert ["t2", "t1", "t0"] == names(await get(web, q="state:archived"))


async def test_an_id_alone_leads_to_its_task(web: httpx2.AsyncClient, store: Store) -> None:
    """Without any search; of two queues both are shown; of none one is told where else to look."""
    await put(store, "one", queue="a")
    await put(store, "both", queue="a")
    await put(store, "both", queue="b")
    for q in ("one", "id:one", "id=one"):
        answer = await web.get("/tasks", params={"q": q})
        assert (303, "/task?queue=a&id=one") == (answer.status_code, answer.headers["location"])
    page = await get(web, q="both")
    assert "2 tasks of the id" in page
    assert 2 == page.count(">both<")
    page = await get(web, q="none")
    assert "No task has the id" in page
    assert "/tasks?q=type%3A%2Anone%2A" in page


async def test_what_cannot_be_read_is_said(web: httpx2.AsyncClient, store: Store) -> None:
    """With the word; what was typed is still there."""
    for q, said in (
        ("error:x foo", "has no name and value"),
        ("state:nothing", "is none: choose from"),
        ("queue:nowhere", "is not known here"),
    ):
        answer = await web.get("/tasks", params={"q": q})
        assert answer.status_code in (400, 404)
        assert said in html.unescape(answer.text)
        assert f'value="{html.escape(q)}"' in answer.text
    answer = await web.get("/tasks", params={"q": "state:retry", "cursor": "nonsense"})
    assert 400 == answer.status_code
    assert "cursor is" in html.unescape(answer.text).lower()


async def test_words_can_be_left_out(web: httpx2.AsyncClient, store: Store) -> None:
    """Each by a link to the rest; a tab puts its state in the place of another."""
    await put_in(store, "retry", "a")
    page = await get(web, q="state:retry type:t id:*")
    assert {"q": ["type:t id:*"]} == parse_qs(urlsplit(link(page, "<code>state:retry")).query)
    assert {"q": ["state:retry id:*"]} == parse_qs(urlsplit(link(page, "<code>type:t")).query)
    assert {"q": ["type:t id:* state:archived"]} == parse_qs(
        urlsplit(link(page, '<span class="state s-archived">')).query
    )


async def test_buttons_say_to_how_many(web: httpx2.AsyncClient, store: Store) -> None:
    """Of a list it is counted; of what was not looked through no number is told."""
    await write(store, 1200, "archived", every=10)
    page = await get(web, q="state:archived")
    assert "Run 1,200…" in page
    assert "Delete 1,200…" in page
    assert ">Archive" not in page  # archived ones cannot be archived
    page = await get(web, q="error:refused")
    assert "Run…" in page
    page = await get(web, q="error:refused id:0001*")
    assert "Delete 10…" in page


async def test_names_that_are_markup_are_shown_as_they_are(web: httpx2.AsyncClient, store: Store) -> None:
    """Of queues, types and ids, payloads and errors; and links to them lead there."""
    await fail(store, HOSTILE, HOSTILE, queue=HOSTILE.replace("{", "").replace("}", ""), kind=HOSTILE)
    await put(store, "binary", b"\xff\xfe\x00" * 20)
    page = await get(web)
    assert "<script>alert" not in page
    assert "\u202e" not in re.sub(r'="[^"]*"', "", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "60 B: ff fe 00" in page
    assert HOSTILE in names(page)
    address = link(page, "<bdi>&lt;script")
    assert [HOSTILE] == parse_qs(urlsplit(address).query)["id"]


async def test_a_large_payload_is_one_short_line(web: httpx2.AsyncClient, client: Client) -> None:
    """Whatever its size."""
    await client.enqueue(Task("t", {"text": "x" * 500_000}))
    assert len(await get(web)) < 20_000


async def test_a_group_of_errors_is_shown_alone(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """Not what its filter finds besides."""
    await fail(store, "a", "no user 7")
    await fail(store, "b", "no user 7 and no mail")
    page = await get(web, "/errors")
    [address] = [html.unescape(found) for found in re.findall(r'href="(/tasks\?[^"]*)">Show<', page)][:1]
    shown = (await web.get(address)).text
    assert 1 == len(names(shown))
    assert "one group of errors" in shown


async def test_an_island_can_ask_what_there_is(web: httpx2.AsyncClient, store: Store) -> None:
    """Names of words, queues, types, states, and fields of payloads; never their values."""
    await put(store, "a", {"user": {"name": "secret-value"}, "n": 1, "bad key": 2}, queue="mail")
    await put(store, "b", b"\xff", queue="low")
    answer = (await web.get("/tasks/complete")).json()
    assert ["low", "mail"] == answer["queues"]
    assert ["t"] == answer["types"]
    assert {"payload.user", "payload.user.name", "payload.n"} == set(answer["fields"])
    assert list(STATES) == sorted(answer["states"], key=list(STATES).index)
    assert {"type", "error", "age"} <= set(answer["names"])
    assert "secret" not in json.dumps(answer)


async def test_a_list_is_looked_at_again_by_itself_and_a_search_is_not(web: httpx2.AsyncClient, store: Store) -> None:
    """A search costs the store more than a look."""
    await put_in(store, "archived", "a")
    polls: Any = re.compile(r"<div id=.live.[^>]*data-polls")
    assert polls.search(await get(web, q="state:archived"))
    assert not polls.search(await get(web, q="error:x"))
