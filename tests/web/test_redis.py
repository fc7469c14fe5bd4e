"""The page Redis."""

from __future__ import annotations

import html
import re

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.task import Task
from onebeat.web import User, console
from onebeat.web.pages import store as page_of_store
from tests.anywhere import calls, everywhere
from tests.engines import Topology
from tests.web.conftest import ORIGIN
from tests.web.managed import managed


def asking(source: object, **settings: object) -> httpx2.AsyncClient:
    """Return what asks a console of a store."""
    transport = httpx2.ASGITransport(console(source, **settings))  # type: ignore[arg-type]
    return httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN})


def words(answer: httpx2.Response) -> str:
    """Return what a page says, without its marks."""
    text = re.sub(r"<[^>]*>", " ", answer.text)
    return " ".join(html.unescape(text).split())


async def test_the_page_says_what_runs_and_how_it_fares(web: httpx2.AsyncClient, client: Client, store: Store) -> None:
    """Version, policy, replication, and the keys that are ours."""
    await client.enqueue(Task("t"))
    page = await web.get("/redis")
    assert 200 == page.status_code
    said = words(page)
    for node in store.primaries():
        assert (store.is_spread and node in said) or "noeviction" in said
    assert re.search(r"Valkey|Redis \d", said)
    assert "asynq:queues names of queues 1" in said
    assert "What the store does not tell" not in said


async def test_each_node_of_several_is_shown_when_it_is_named(web: httpx2.AsyncClient, store: Store) -> None:
    """And the only one at once."""
    for node in store.primaries():
        said = words(await web.get("/redis", params={"node": node}))
        assert "When it is full noeviction it refuses new tasks" in said
        assert "Persistence Append-only file no" in said
    answer = await web.get("/redis", params={"node": "10.0.0.9:1"})
    assert 404 == answer.status_code
    assert "is no primary of this store" in answer.text


async def test_a_store_that_evicts_is_what_the_verdict_says(web: httpx2.AsyncClient, store: Store) -> None:
    """With what to do about it."""
    await everywhere(store, "CONFIG", "SET", "maxmemory", str(2**31))
    await everywhere(store, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        said = words(await web.get("/redis"))
    finally:
        await everywhere(store, "CONFIG", "SET", "maxmemory-policy", "noeviction")
        await everywhere(store, "CONFIG", "SET", "maxmemory", "0")
    assert "Redis Its memory once full, it evicts keys (allkeys-lru), and tasks with them" in said
    assert "danger Its memory once full" in said
    assert "Set maxmemory-policy noeviction." in said


async def test_what_a_managed_store_refuses_breaks_nothing(topology: Topology, client: Client, store: Store) -> None:
    """The page names it, with a dash in its place."""
    await client.enqueue(Task("t"))
    async with managed(topology, "-info", "-memory", "-cluster") as (limited, _), asking(limited) as web:
        answer = await web.get("/redis")
    assert 200 == answer.status_code
    said = words(answer)
    assert "What the store does not tell" in said
    for what in ("INFO", "CONFIG GET", "MEMORY USAGE asynq:queues", *(["CLUSTER NODES"] if store.is_spread else [])):
        assert what in said
    assert "asynq:queues names of queues 1 –" in said
    assert re.search(r"Redis The store( on 3 primaries)? answers in", said)


async def test_ten_viewers_ask_the_store_once(
    web: httpx2.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For some seconds what it said is good for all."""
    monkeypatch.setattr(page_of_store, "KEPT_S", 3600.0)  # ten pages may take longer
    before = await calls(store)
    pages = [await web.get("/redis") for _ in range(10)]
    assert {200} == {page.status_code for page in pages}
    assert len(store.primaries()) == (await calls(store) - before)["dbsize"]


async def test_who_may_only_see_a_queue_does_not_see_the_store(store: Store) -> None:
    """It belongs to no queue."""
    bob = User("bob", None, {"mail": "view"})
    async with asking(store, auth=lambda _request: bob) as web:
        assert 403 == (await web.get("/redis")).status_code
