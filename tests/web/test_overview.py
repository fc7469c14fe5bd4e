"""The first page."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx2

from onebeat.broker.consume import take
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.web import Console
from tests.conftest import Clock
from tests.inspector.test_fleet import list_server, server


async def test_an_empty_store_teaches_the_first_command(web: httpx2.AsyncClient) -> None:
    """Where there is no queue the page says how to make one."""
    answer = await web.get("/")
    assert 200 == answer.status_code
    assert "onebeat task enqueue" in answer.text


async def test_a_queue_without_servers_is_what_the_verdict_says(
    web: httpx2.AsyncClient, client: Client, store: Store, board: Console, clock: Clock
) -> None:
    """The first sentence names the queue and why; where no server lives at all, that is the cause."""
    await client.enqueue(Task("email:welcome", {"user_id": 42}), queue="reports")
    assert "No server lives, and 1 task of queue “reports” waits for one" in (await web.get("/")).text
    await list_server(store, 1, server(1, queues={"other": 1}).encode(), {})
    board.reads.forget()
    for path in ("/", "/servers"):
        assert "Queue “reports” has no workers for 1 task; the oldest has waited <time" in (await web.get(path)).text


async def test_a_task_that_is_not_due_waits_for_no_server(
    web: httpx2.AsyncClient, client: Client, board: Console, clock: Clock
) -> None:
    """It is said to come; once it is past its time it waits as any other."""
    await client.enqueue(Task("email:welcome"), queue="reports", process_in=timedelta(hours=1))
    for path, said in (
        ("/", "Queue “reports” has no workers for 1 task still to come due"),
        ("/servers", "No server lives; nothing waits for one"),
    ):
        assert said in (await web.get(path)).text
    await clock.advance(2 * 3600)
    board.reads.forget()
    for path in ("/", "/servers"):
        assert "No server lives, and 1 task of queue “reports” waits for one" in (await web.get(path)).text


async def test_a_waiting_task_does_not_change_the_page_while_it_waits(
    web: httpx2.AsyncClient, client: Client, board: Console, clock: Clock
) -> None:
    """How long it has waited is left to a script: a poll an hour later is answered 304, on every page that tells it."""
    await client.enqueue(Task("email:welcome"), queue="reports")
    polls = {"HX-Request": "true"}
    for path in ("/", "/queue?name=reports", "/servers", "/tasks", "/tasks?q=state:pending"):
        board.reads.forget()
        first = await web.get(path, headers=polls)
        assert "data-" in first.text
        await clock.advance(3600)
        board.reads.forget()
        assert 304 == (await web.get(path, headers={**polls, "HX-PTag": first.headers["HX-PTag"]})).status_code, path


async def test_tasks_of_a_server_that_died_are_not_called_well(
    web: httpx2.AsyncClient, client: Client, store: Store
) -> None:
    """Where no server lives, what one ran waits, though no queue has a task that does."""
    await client.enqueue(Task("email:welcome"), queue="reports")
    await store.run(take("reports", server="h:1:s", sequence=1, limit=1, lease_ms=30_000))
    for path in ("/", "/servers"):
        assert "No server lives, and 1 task of queue “reports” waits for one" in (await web.get(path)).text


async def test_a_form_pauses_a_queue_and_the_next_page_says_so(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """A form works without script: it answers with the page to go to, and the page has the sentence, once."""
    await client.enqueue(Task("email:welcome"), queue="reports")
    answer = await web.post("/queue/pause", data={"queue": "reports"})
    assert (303, "/") == (answer.status_code, answer.headers["location"])
    assert (await inspector.stats("reports")).paused
    assert "Queue “reports” is paused" in (await web.get("/")).text
    assert "Queue “reports” is paused" not in (await web.get("/")).text


async def test_what_did_not_change_is_not_sent_again(web: httpx2.AsyncClient, client: Client) -> None:
    """A poll with the tag of what is shown is answered 304, and by the new page once something changed."""
    polls = {"HX-Request": "true"}
    first = await web.get("/", headers=polls)
    assert "<html" not in first.text
    tagged = {**polls, "HX-PTag": first.headers["HX-PTag"]}
    assert 304 == (await web.get("/", headers=tagged)).status_code
    await client.enqueue(Task("email:welcome"), queue="reports")
    await web.post("/queue/pause", data={"queue": "reports"})
    assert 200 == (await web.get("/", headers=tagged)).status_code


async def test_a_page_that_is_not_there_says_so(web: httpx2.AsyncClient) -> None:
    """An unknown address is answered by a page, with its status."""
    answer = await web.get("/nothing")
    assert 404 == answer.status_code
    assert "There is no such page." in answer.text


def named(page: str) -> list[str]:
    """Return the names of the queues that the table has, in order."""
    return re.findall(r'<tr id="queue-([^"]+)"', page)


async def test_one_queue_of_many_is_found_by_a_part_of_its_name(web: httpx2.AsyncClient, client: Client) -> None:
    """With more queues than one overlooks there is a field, and what does not fit is left out, whatever the case."""
    for number in range(9):
        await client.enqueue(Task("email:welcome"), queue=f"tenant-{number}")
    assert 'name="find"' in (await web.get("/")).text
    assert ["tenant-7"] == named((await web.get("/?find=NT-7")).text)
    assert "No queue with “mail”" in (await web.get("/?find=mail")).text


async def test_few_queues_have_no_field(web: httpx2.AsyncClient, client: Client) -> None:
    """Where all are seen at once, nothing asks for a name."""
    await client.enqueue(Task("email:welcome"), queue="mail")
    assert 'name="find"' not in (await web.get("/")).text


async def test_queues_are_sorted_by_what_is_asked_for(web: httpx2.AsyncClient, client: Client) -> None:
    """The most first, equal ones by name; by name alone; and not by what is no column."""
    for queue, number in (("a", 1), ("b", 3), ("c", 1)):
        await client.enqueue_many([Task("email:welcome") for _ in range(number)], queue=queue)
    assert ["b", "a", "c"] == named((await web.get("/?sort=size")).text)
    assert ["a", "b", "c"] == named((await web.get("/?sort=name")).text)
    assert 400 == (await web.get("/?sort=colour")).status_code
