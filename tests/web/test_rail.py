"""What stands beside the names in the rail."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerError
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.web import Role, User, console, rail
from onebeat.web.rail import HEADER
from tests.web.conftest import ORIGIN

POLL = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pages wait for what they count: a machine with other work takes longer than they do."""
    monkeypatch.setattr(rail, "WITHIN_S", 60.0)


def tallies(page: str) -> dict[str, tuple[str, str, str]]:
    """Return number, kind and words beside the names of a page's rail."""
    found = re.findall(r'data-page="(\w+)"[^>]*? data-tally="([\d,]+)" data-tally-kind="(\w*)" title="([^"]*)"', page)
    return {name: (number, kind, words) for name, number, kind, words in found}


async def test_the_rail_counts_on_every_page(web: httpx2.AsyncClient, client: Client, inspector: Inspector) -> None:
    """Queues to look at, failed tasks, servers: the same wherever one is."""
    for queue in ("mail", "reports"):
        await client.enqueue(Task("email:welcome"), queue=queue)
    archived = await client.enqueue(Task("email:welcome"), queue="mail")
    await inspector.archive("mail", archived.id)
    for path in ("/", "/settings", "/tasks", "/nothing"):
        found = tallies((await web.get(path)).text)
        assert ("2", "bad", "2 of 2 queues to look at") == found["overview"], path
        assert ("1", "", "1 task in retry or archived") == found["errors"], path
        assert ("0", "", "0 servers") == found["servers"], path


async def test_an_empty_store_counts_nothing(web: httpx2.AsyncClient) -> None:
    """Where there is nothing yet, no zeros stand in the rail."""
    assert {} == tallies((await web.get("/")).text)


async def test_a_page_that_did_not_change_tells_of_those_that_did(web: httpx2.AsyncClient, client: Client) -> None:
    """A poll that is answered 304 carries the tallies nevertheless."""
    await client.enqueue(Task("email:welcome"), queue="mail")
    first = await web.get("/settings", headers=POLL)
    again = await web.get("/settings", headers={**POLL, "HX-PTag": first.headers["HX-PTag"]})
    assert 304 == again.status_code
    assert [1, "bad", "1 of 1 queue to look at"] == json.loads(again.headers[HEADER])["overview"]


async def test_what_is_hidden_is_not_counted(store: Store, client: Client) -> None:
    """Of queues that a viewer may not see, and of servers, the rail says nothing."""
    for queue in ("mail", "reports"):
        await client.enqueue(Task("email:welcome"), queue=queue)
    board = console(store, auth=lambda _request: User("ann", None, queues={"mail": Role.VIEW}))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN) as web:
        found = tallies((await web.get("/")).text)
    assert "1 of 1 queue to look at" == found["overview"][2]
    assert "servers" not in found


@pytest.mark.parametrize("kind", ["refuses", "hangs"])
async def test_a_page_does_without_what_the_store_does_not_give(
    web: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A store that refuses, or lets one wait, takes the tallies from a page and nothing else."""
    was_asked = asyncio.Event()

    async def read(_inspector: Inspector) -> Any:
        was_asked.set()
        if kind == "refuses":
            raise BrokerError("no")
        await asyncio.Event().wait()

    for name in ("stats_each", "declared_schedules"):
        monkeypatch.setattr(Inspector, name, read)
    if kind == "hangs":
        monkeypatch.setattr(rail, "WITHIN_S", 0.05)
    answer = await web.get("/settings")
    assert was_asked.is_set()
    assert (200, {}) == (answer.status_code, tallies(answer.text))
