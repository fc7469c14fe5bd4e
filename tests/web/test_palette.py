"""What the command palette is answered."""

from __future__ import annotations

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from tests.broker.test_scripts_series import add, runs
from tests.conftest import Clock
from tests.inspector.test_error_groups import fail
from tests.inspector.test_fleet import list_server, server
from tests.web.fleet.conftest import declare
from tests.web.fleet.test_schedules import nightly
from tests.web.test_seeing import CLERK, asking
from tests.web.test_tasks import HOSTILE


async def found(web: httpx2.AsyncClient, words: str) -> list[tuple[str, str]]:
    """Return kind and text of what fits."""
    answer = await web.get("/palette", params={"q": words})
    assert 200 == answer.status_code
    return [(item["kind"], item["text"]) for item in answer.json()["items"]]


async def test_queues_are_found_by_a_part_of_their_name(web: httpx2.AsyncClient, client: Client) -> None:
    """Those that begin with it come first; what was typed can be searched for."""
    for queue in ("daily-reports", "mail", "reports"):
        await client.enqueue(Task("a"), queue=queue)
    acts = [("act", "Pause queue reports…"), ("act", "Pause queue daily-reports…")]
    expected = [("queue", "reports"), ("queue", "daily-reports"), *acts, ("search", "Tasks: REPORT")]
    assert expected == await found(web, "REPORT")


async def test_a_task_is_found_by_its_id(web: httpx2.AsyncClient, client: Client) -> None:
    """In each queue that has one."""
    for queue in ("mail", "reports"):
        await client.enqueue(Task("a"), queue=queue, task_id="welcome:42")
    assert [("task", "welcome:42")] * 2 == (await found(web, "welcome:42"))[:2]


async def test_types_are_found_by_a_part_of_their_name(
    web: httpx2.AsyncClient, store: Store, client: Client, clock: Clock
) -> None:
    """Those of tasks that queues hold, and those that ran lately and were not kept; once for all letters."""
    await client.enqueue(Task("invoice:render"), queue="pdf")
    await add(store, None, 1, 0, {"invoice:send": runs(1)})
    items = (await web.get("/palette", params={"q": "invoice"})).json()["items"]
    assert [
        ("Tasks of type invoice:render", "/tasks?q=type%3Ainvoice%3Arender"),
        ("Tasks of type invoice:send", "/tasks?q=type%3Ainvoice%3Asend"),
    ] == [(item["text"], item["href"]) for item in items if item["kind"] == "type"]
    assert ("search", "Tasks: invoice") in [(item["kind"], item["text"]) for item in items]
    await client.enqueue(Task("invoice:void"), queue="pdf")
    assert 2 == sum(kind == "type" for kind, _ in await found(web, "invoice"))


async def test_types_in_hidden_queues_are_not_found(store: Store, client: Client, clock: Clock) -> None:
    """Neither of tasks that wait there, nor of those that ran."""
    await client.enqueue(Task("invoice:render"), queue="hidden")
    await client.enqueue(Task("invoice:look"), queue="look")
    for queue in ("hidden", None):
        await add(store, queue, 1, 0, {"invoice:send": runs(1)})
    async with asking(store, CLERK) as web:
        assert ["Tasks of type invoice:look"] == [text for kind, text in await found(web, "invoice") if kind == "type"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("nothing", ["types", "ids", "errors", "payloads"]),
        ("a-1", ["ids", "types", "errors", "payloads"]),
        ("no such user", ["errors", "payloads", "types", "ids"]),
        ("email:nothing", ["types", "ids", "errors", "payloads"]),
    ],
)
async def test_what_nothing_fits_can_be_looked_for(
    web: httpx2.AsyncClient, client: Client, typed: str, offered: list[str]
) -> None:
    """Where it may stand, the likeliest first; each is a query that can be read."""
    await client.enqueue(Task("a"))
    items = (await web.get("/palette", params={"q": typed})).json()["items"]
    assert [f"Look in {where}: {typed}" for where in offered] == [item["text"] for item in items]
    for item in items:
        assert 200 == (await web.get(item["href"])).status_code


@pytest.mark.parametrize("typed", [HOSTILE, "*", '"', "\\", "a,b c", "type:", "-x", "\x00", "'" * 200, "é" * 300])
async def test_whatever_is_typed_is_answered(web: httpx2.AsyncClient, client: Client, typed: str) -> None:
    """With searches that can be made."""
    await client.enqueue(Task("a"))
    items = (await web.get("/palette", params={"q": typed})).json()["items"]
    assert {"search"} == {item["kind"] for item in items}
    assert {200} == {(await web.get(item["href"])).status_code for item in items}


async def test_a_query_is_offered_as_one(web: httpx2.AsyncClient, client: Client) -> None:
    """And as nothing else."""
    await client.enqueue(Task("a"))
    assert [("search", "Tasks: state:retry age>1h")] == await found(web, "state:retry age>1h")


async def test_addresses_of_queues_are_whole(web: httpx2.AsyncClient, client: Client) -> None:
    """Whatever stands in a name."""
    await client.enqueue(Task("a"), queue="a/b?&c")
    items = (await web.get("/palette")).json()["items"]
    assert ["/queue?name=a%2Fb%3F%26c"] == [item["href"] for item in items]


async def test_any_queue_can_be_paused_and_resumed_by_way_of_a_question(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """By a part of its name alone, or with what is to be done; what it is already is not offered."""
    for queue in ("mail", "reports"):
        await client.enqueue(Task("a"), queue=queue)
    assert [("act", "Pause queue reports…")] == await found(web, "pau rep")
    assert ("act", "Pause queue reports…") in await found(web, "reports")
    assert not [text for kind, text in await found(web, "resume rep") if kind == "act"]
    item = (await web.get("/palette", params={"q": "pause rep"})).json()["items"][0]
    question = (await web.get(item["href"])).text
    assert "Pause queue “reports”?" in question
    assert 'action="/queue/pause"' in question
    assert not (await inspector.stats("reports")).paused
    await web.post("/queue/pause", data={"queue": "reports", "back": "queue"})
    assert ("act", "Resume queue reports…") in await found(web, "resume")
    assert "It is paused already" in (await web.get(item["href"])).text


async def test_who_may_not_pause_is_not_offered_it(store: Store, client: Client) -> None:
    """Nor does the question have a button."""
    await client.enqueue(Task("a"), queue="look")
    async with asking(store, CLERK) as web:
        assert [("queue", "look"), ("search", "Tasks: look")] == await found(web, "look")
        assert "You may not pause this queue." in (await web.get("/queue/pause", params={"queue": "look"})).text
        assert 403 == (await web.get("/queue/pause", params={"queue": "hidden"})).status_code


async def test_schedules_are_found_by_id_and_type(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """With what they enqueue, and where."""
    await declare(store, nightly("nightly-report"))
    items = (await web.get("/palette", params={"q": "nightly"})).json()["items"]
    assert ["schedule", "nightly-report", "/schedule?id=nightly-report"] == [
        items[0][name] for name in ("kind", "text", "href")
    ]


async def test_servers_are_found_by_host_process_and_id(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """Unless who asks may not look at servers."""
    await list_server(store, 1, server(1).encode(), {})
    for words in ("web-1", "web 41", "id1"):
        assert ("server", "web-1:41") in await found(web, words)
    async with asking(store, CLERK) as clerk:
        assert ("server", "web-1:41") not in await found(clerk, "web-1")


async def test_errors_are_found_by_their_text_apart_from_all_else(web: httpx2.AsyncClient, store: Store) -> None:
    """They are looked for by a question of their own, as that takes longer."""
    await fail(store, "1", "ValueError: no such address")
    assert {"search"} == {kind for kind, _ in await found(web, "such address")}
    items = (await web.get("/palette", params={"q": "such address", "what": "errors"})).json()["items"]
    assert [("error", "ValueError: no such address")] == [(item["kind"], item["text"]) for item in items]
    assert items[0]["href"].startswith("/tasks?q=")
    assert "&group=" in items[0]["href"]
