"""The pages of servers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.server.context import Context
from onebeat.task import Task
from onebeat.wire.sheet import SheetRecord
from tests.conftest import Clock
from tests.server.conftest import Bench, until
from tests.web.fleet.conftest import browsing, lists

SHEET = SheetRecord(version="0.6.0", application="shop", patterns=("video:",), clock_ahead_ms=0.0, lease_ms=30_000)


async def test_no_server_teaches_the_command(web: httpx2.AsyncClient) -> None:
    """Where none lives the page says how to start one."""
    answer = await web.get("/servers")
    assert "No server lives; nothing waits for one" in answer.text
    assert "onebeat run myapp:app" in answer.text


async def test_the_command_names_the_embedded_store_where_that_is_looked_at(tmp_path: Path) -> None:
    """Without a word of it `onebeat run` would refuse to guess a store."""
    async with await Store.open(f"embedded://{tmp_path}/store") as store, browsing(store) as http:
        assert "onebeat run myapp:app --embedded" in (await http.get("/servers")).text


async def test_servers_of_both_kinds_come_with_slots_and_queues(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """Onebeat's can be told something; why Go's cannot is said."""
    await lists(store, 1, sheet=SHEET, workers=("t-1", "t-2"))
    await lists(store, 2, strict_priority=True)
    text = (await web.get("/servers")).text
    assert "All is well: 2 servers, 2 of 20 slots busy" in text
    assert "shop · Onebeat 0.6.0" in text
    assert "Go asynq" in text
    assert "hears no orders" in text
    assert 1 == text.count('action="/server/drain"')
    assert "2 of 10 slots are busy" in text
    assert "strict" in text


async def test_what_runs_is_listed_with_a_link_and_a_button(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Type, id, where it runs, since when."""
    await lists(store, 1, sheet=SHEET, workers=("t-1",))
    text = (await web.get("/servers")).text
    assert 'href="/task?queue=q&amp;id=t-1"' in text
    assert "video:encode" in text
    assert 'datetime="2030-03-17T17:46:10.000Z"' in text


async def test_a_server_that_fell_silent_is_called_out(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """First, and with its last sign of life; its own page says so, too."""
    await lists(store, 1, sheet=SHEET)
    await lists(store, 2, sheet=SHEET, until=-5)
    text = (await web.get("/servers")).text
    assert "web-2:42 fell silent without leaving" in text
    assert "2030-03-17T17:46:25.000Z" in text
    page = await web.get("/server", params={"id": "id2"})
    assert 404 == page.status_code
    assert "It fell silent without leaving" in page.text


async def test_a_queue_that_nobody_serves_comes_first(web: httpx2.AsyncClient, store: Store, client: Client) -> None:
    """With the command that serves it."""
    await lists(store, 1, sheet=SHEET)
    await client.enqueue(Task("t"), queue="bounces")
    text = (await web.get("/servers")).text
    assert "Queue “bounces” has no workers for 1 task" in text
    assert "onebeat run myapp:app --queue bounces" in text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"loop_blocked_ms": 8000.0}, "its event loop has had no turn for 8.0 s"),
        ({"given_up": 6}, "6 handlers did not end although stopped"),
        ({"clock_ahead_ms": -90_000.0}, "its clock is 1m 30s behind the store&#39;s"),
        ({"loop_lag_ms": 2500.0}, "its event loop was 2.5 s late with its last turn"),
    ],
)
async def test_what_is_wrong_with_a_server_is_the_verdict(
    web: httpx2.AsyncClient, store: Store, noon: Clock, fields: dict[str, Any], sentence: str
) -> None:
    """As its sheet has it."""
    await lists(store, 1, sheet=SheetRecord(version="0.6.0", application="shop", **fields))
    assert sentence in (await web.get("/servers")).text
    assert sentence in (await web.get("/server", params={"id": "id1"})).text


async def test_a_loop_between_two_turns_is_no_trouble(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Every server has that when it is asked while it works."""
    await lists(store, 1, sheet=SheetRecord(version="0.6.0", application="shop", loop_blocked_ms=0.2))
    assert "no turn for" not in (await web.get("/server", params={"id": "id1"})).text


async def test_the_command_is_not_all_that_is_said_where_servers_are_drained(
    web: httpx2.AsyncClient, store: Store, client: Client, noon: Clock
) -> None:
    """One of them can be taken back."""
    await client.enqueue(Task("mail:send"), queue="mail")
    await lists(store, 1, queues={"mail": 1}, status="stopped")
    assert "take back one of the servers that serve it" in (await web.get("/servers")).text


async def test_a_server_has_a_page_with_all_that_it_says(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Shares of its queues, what it handles, when it aggregates; by its id or its place."""
    sheet = SheetRecord(
        version="0.6.0", application="shop", patterns=("video:",), groups=("digest:",), rules=((60_000, 600_000, 50),)
    )
    await lists(store, 1, sheet=sheet)
    for name in ("id1", "web-1:41"):
        text = (await web.get("/server", params={"id": name})).text
        assert "75 %" in text
        assert "video:" in text
        assert "1m after the last joined, 10m after the first at most, at 50 tasks" in text


async def test_a_server_of_go_has_a_page_that_says_what_it_cannot(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """It hears no orders; the signals are named."""
    await lists(store, 2)
    text = (await web.get("/server", params={"id": "id2"})).text
    assert "kill -TSTP 42" in text
    assert 'action="/server/drain"' not in text
    stop = (await web.get("/server/stop", params={"id": "id2"})).text
    assert "hears no orders" in stop
    assert 'action="/server/stop"' not in stop


async def test_an_order_to_a_server_of_go_is_refused(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """With the signal that does it."""
    await lists(store, 2)
    answer = await web.post("/server/drain", data={"id": "id2"})
    assert 409 == answer.status_code
    assert "kill -TSTP 42" in answer.text


@pytest.mark.parametrize("path", ["/server", "/server/stop"])
async def test_a_server_that_is_none_is_said(web: httpx2.AsyncClient, path: str) -> None:
    """As a page, with its status."""
    answer = await web.get(path, params={"id": "<b>nobody"})
    assert 404 == answer.status_code
    assert "<b>nobody" not in answer.text


@pytest.mark.slow
async def test_two_hundred_servers_are_shown_in_pages(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Fifty each; one is found by a word."""
    for number in range(200):
        await lists(store, number, sheet=SHEET)
    first = (await web.get("/servers")).text
    assert 50 == first.count('id="server-id')
    assert "1 of 4" in first
    found = (await web.get("/servers", params={"find": "web-137:"})).text
    assert 1 == found.count('id="server-id')
    last = (await web.get("/servers", params={"page": "99"})).text
    assert "4 of 4" in last


async def test_an_order_drains_a_server_that_runs_and_takes_it_back(
    bench: Bench, live: httpx2.AsyncClient, steering: Inspector
) -> None:
    """A real one: the page says draining while a task runs, and active once it is taken back."""
    go = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        await go.wait()

    task_id = await bench.enqueue("t")
    async with bench.serving() as serving:
        await bench.reaches(active=1)
        await until(lambda: says(live, serving.id))  # it may have taken its first task before it has said who it is
        answer = await live.post("/server/drain", data={"id": serving.id, "back": "server"})
        assert (303, f"/server?id={serving.id}") == (answer.status_code, answer.headers["location"])
        await until(lambda: says(live, "draining"))
        page = await live.get("/server", params={"id": serving.id})
        assert "takes no more tasks, and ends the 1 task that it runs" in page.text
        assert task_id in page.text
        await live.post("/server/resume", data={"id": serving.id})
        await until(lambda: says(live, ">active<"))
        assert f":{os.getpid()} {serving.id}" in (await live.get("/audit")).text
        go.set()


async def says(live: httpx2.AsyncClient, word: str) -> bool:
    return word in (await live.get("/servers")).text


@pytest.mark.slow
async def test_a_task_that_runs_is_cancelled(bench: Bench, live: httpx2.AsyncClient) -> None:
    """By the button beside it: its handler is stopped, and it is archived."""
    begun = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    task_id = await bench.enqueue("t")
    async with bench.serving():
        await begun.wait()
        answer = await live.post("/server/cancel", data={"queue": "default", "id": task_id})
        assert (303, "/servers") == (answer.status_code, answer.headers["location"])
        assert "is told to stop, and will be archived" in (await live.get("/servers")).text
        await bench.reaches(archived=1)


async def test_a_server_is_stopped(bench: Bench, live: httpx2.AsyncClient, steering: Inspector) -> None:
    """After the page that asks; it ends, and leaves."""
    async with bench.serving() as serving:
        await until(lambda: says(live, serving.id))
        asks = await live.get("/server/stop", params={"id": serving.id})
        assert 'action="/server/stop"' in asks.text
        await live.post("/server/stop", data={"id": serving.id})
        await until(lambda: gone(steering))


async def gone(steering: Inspector) -> bool:
    return not await steering.servers() or all(one.status != "active" for one in await steering.servers())


async def test_a_console_that_is_read_only_has_no_buttons(store: Store, noon: Clock) -> None:
    """And refuses what is sent all the same."""
    await lists(store, 1, sheet=SHEET, workers=("t-1",))
    async with browsing(store, read_only=True) as client:
        text = (await client.get("/servers")).text
        assert '<form method="post"' not in text
        assert "/server/stop" not in text
        assert 403 == (await client.post("/server/drain", data={"id": "id1"})).status_code
