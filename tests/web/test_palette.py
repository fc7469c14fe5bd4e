"""What the command palette is answered."""

from __future__ import annotations

import httpx2

from onebeat.client import Client
from onebeat.task import Task


async def found(web: httpx2.AsyncClient, words: str) -> list[tuple[str, str]]:
    """Return kind and text of what fits."""
    answer = await web.get("/palette", params={"q": words})
    assert 200 == answer.status_code
    return [(item["kind"], item["text"]) for item in answer.json()["items"]]


async def test_queues_are_found_by_a_part_of_their_name(web: httpx2.AsyncClient, client: Client) -> None:
    """Those that begin with it come first; what was typed can be searched for."""
    for queue in ("daily-reports", "mail", "reports"):
        await client.enqueue(Task("a"), queue=queue)
    expected = [("queue", "reports"), ("queue", "daily-reports"), ("search", "Tasks: REPORT")]
    assert expected == await found(web, "REPORT")


async def test_a_task_is_found_by_its_id(web: httpx2.AsyncClient, client: Client) -> None:
    """In each queue that has one."""
    for queue in ("mail", "reports"):
        await client.enqueue(Task("a"), queue=queue, task_id="welcome:42")
    assert [("task", "welcome:42")] * 2 == (await found(web, "welcome:42"))[:2]


async def test_addresses_of_queues_are_whole(web: httpx2.AsyncClient, client: Client) -> None:
    """Whatever stands in a name."""
    await client.enqueue(Task("a"), queue="a/b?&c")
    items = (await web.get("/palette")).json()["items"]
    assert ["/queue?name=a%2Fb%3F%26c"] == [item["href"] for item in items]
