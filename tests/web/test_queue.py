"""The page of a queue: what it holds, who works on it, what it did, and what can be done to it."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import httpx2

from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from tests.conftest import NOON, Clock
from tests.inspector.conftest import STATES, everything, put, put_in
from tests.inspector.test_fleet import list_server, server, worker
from tests.web.test_tasks import HOSTILE

QUEUE = HOSTILE.replace("{", "").replace("}", "")


async def show(web: httpx2.AsyncClient, name: str = "q") -> str:
    answer = await web.get("/queue", params={"name": name})
    assert 200 == answer.status_code, answer.text
    return html.unescape(answer.text)


async def test_it_shows_what_a_queue_holds(web: httpx2.AsyncClient, store: Store) -> None:
    """Each state with its count, as a link to its tasks; the verdict counts those that a server could work on now."""
    for state in STATES:
        await put_in(store, state, state)
    page = await show(web)
    assert "It has no workers for 3 tasks" in page
    for state in STATES:
        assert f'/tasks?q=queue%3Dq%20state%3A{state}"><b>1</b>' in page
    assert "7 tasks" in page
    assert "<h2>Groups</h2>" in page
    assert "about " in page  # its memory


async def test_it_names_the_servers_that_take_its_tasks(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """With the part of their looks that it gets, and how many of its tasks they run; Go's are told apart."""
    await put(store, "a")
    runs = {"one": worker(1, "one").encode(), "other": replace(worker(1, "other"), queue="low").encode()}
    await list_server(store, 1, server(1, concurrency=7, active_worker_count=2).encode(), runs)
    page = await show(web)
    assert ["3", "75 %", "1", "2 of 7"] == re.findall(r'<td class="n">(.*?)</td>', page.partition("server-id1")[2])[:4]
    assert ">Go<" in page


async def test_its_days_are_listed(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """Two weeks of them, whoever counted; minutes that nobody wrote are said to be missing."""
    await put(store, "a")
    await store.command("SET", "asynq:{q}:processed:2030-03-17", 200)
    await store.command("SET", "asynq:{q}:failed:2030-03-17", 50)
    await store.command("SET", "asynq:{q}:processed", 200)
    assert NOON == clock.now
    page = await show(web)
    assert "25.0 %" in page
    assert "2030-03-04" in page
    assert "2030-03-03" not in page
    assert "which keep counts per day alone" in page


async def test_a_day_that_failed_does_not_look_well(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """A bar has what failed in its own colour, as wide as it is many."""
    await put(store, "a")
    await store.command("SET", "asynq:{q}:processed:2030-03-17", 200)
    await store.command("SET", "asynq:{q}:failed:2030-03-17", 100)
    page = await show(web)
    assert 'aria-label="200 attempts, 100 failed"' in page
    assert 'class="s-archived" x="50.00%" width="50.00%"' in page
    assert "Share failed" in page


async def test_it_is_paused_and_resumed(web: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """By forms that come back to it."""
    await put(store, "a", queue=QUEUE)
    for action, is_paused in (("pause", True), ("resume", False)):
        answer = await web.post(f"/queue/{action}", data={"queue": QUEUE, "back": "queue"})
        assert 303 == answer.status_code
        page = html.unescape((await web.get(answer.headers["location"])).text)
        assert f"is {action}d" in page
        assert is_paused is (await inspector.stats(QUEUE)).paused


async def test_it_is_removed_once_its_name_is_typed(
    web: httpx2.AsyncClient, store: Store, clock: Clock, inspector: Inspector
) -> None:
    """Else nothing is done; one that holds tasks wants a second word."""
    await put(store, "a", queue=QUEUE)
    await inspector.sample_sizes()  # else the page notes it
    before = await everything(store)
    answer = await web.post("/queue/remove", data={"queue": QUEUE, "typed": "yes", "force": "yes"})
    assert "Type the queue's name" in html.unescape((await web.get(answer.headers["location"])).text)
    assert before == await everything(store)
    answer = await web.post("/queue/remove", data={"queue": QUEUE, "typed": QUEUE})
    assert 409 == answer.status_code
    answer = await web.post("/queue/remove", data={"queue": QUEUE, "typed": QUEUE, "force": "yes"})
    assert "is removed, with 1 task." in html.unescape((await web.get(answer.headers["location"])).text)
    assert [] == await inspector.queues()


async def test_a_hostile_name_is_shown_as_it_is(web: httpx2.AsyncClient, store: Store) -> None:
    """In its title, its links and its forms."""
    await put(store, "a", queue=QUEUE)
    page = (await web.get("/queue", params={"name": QUEUE})).text
    assert "<script>alert" not in page
    assert "\u202e" not in re.sub(r'="[^"]*"', "", page)


async def test_one_that_is_not_known_is_said(web: httpx2.AsyncClient, store: Store) -> None:
    """With those that are."""
    await put(store, "a")
    answer = await web.get("/queue", params={"name": "nowhere"})
    assert 404 == answer.status_code
    assert "there are q" in html.unescape(answer.text)


async def test_what_did_not_change_is_not_sent_again(web: httpx2.AsyncClient, store: Store, clock: Clock) -> None:
    """A poll is answered 304 until something does."""
    await put(store, "a")
    polls = {"HX-Request": "true"}
    first = await web.get("/queue", params={"name": "q"}, headers=polls)
    tagged = {**polls, "HX-PTag": first.headers["HX-PTag"]}
    assert 304 == (await web.get("/queue", params={"name": "q"}, headers=tagged)).status_code
    await web.post("/queue/pause", data={"queue": "q"})
    assert 200 == (await web.get("/queue", params={"name": "q"}, headers=tagged)).status_code
