"""The page of groups."""

from __future__ import annotations

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.models import GroupInfo
from onebeat.task import Task
from onebeat.web import Console
from onebeat.web.showing.gatherings import filter_of
from onebeat.wire.sheet import SheetRecord
from tests.conftest import Clock
from tests.server.conftest import Bench, until
from tests.web.fleet.conftest import browsing, lists

DIGESTS = SheetRecord(
    version="0.6.0",
    application="shop",
    groups=("digest:big:", "digest:"),
    rules=((60_000, 0, 2), (60_000, 90_000, 0)),
)


async def join(store: Store, group: str, *, queue: str = "q", count: int = 1) -> None:
    async with Client(store) as client:
        for number in range(count):
            await client.enqueue(Task("note", {"n": number}), queue=queue, group=group)


async def test_no_group_teaches_the_command(web: httpx2.AsyncClient) -> None:
    """Where no task waits in one."""
    text = (await web.get("/groups")).text
    assert "No task waits in a group" in text
    assert "--group digest:42" in text


async def test_a_group_comes_with_its_tasks_its_age_and_its_time(
    web: httpx2.AsyncClient, board: Console, store: Store, noon: Clock
) -> None:
    """By the rule of the longest start that fits, as its server's sheet has it."""
    await lists(store, 1, sheet=DIGESTS, until=1000)
    await join(store, "digest:7")
    await noon.advance(20)
    await join(store, "digest:7")
    text = (await web.get("/groups")).text
    assert "All is well: 2 tasks wait in 1 group, in 1 queue" in text
    assert 'datetime="2030-03-17T17:46:40.000Z"' in text
    assert 'datetime="2030-03-17T17:48:00.000Z"' in text
    assert "1m after the last joined" in text
    await noon.advance(50)
    await join(store, "digest:7")
    board.reads.forget()
    text = (await web.get("/groups")).text
    assert 'datetime="2030-03-17T17:48:10.000Z"' in text
    assert "1m 30s after the first joined, at most" in text


async def test_a_full_group_is_due_now(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """By the size that its server says."""
    await lists(store, 1, sheet=DIGESTS)
    await join(store, "digest:big:1", count=2)
    assert "it is full: 2 tasks" in (await web.get("/groups")).text


async def test_a_group_that_nobody_aggregates_is_the_verdict(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """Its server has no function for it."""
    await lists(store, 1, sheet=DIGESTS)
    await join(store, "orphans")
    text = (await web.get("/groups")).text
    assert "Group “orphans” of queue “q”: no server of its queue has a function for groups of this name" in text
    assert "no aggregator" in text


async def test_a_group_whose_queue_nobody_serves_is_the_verdict(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """It waits for ever."""
    await join(store, "digest:7")
    assert "Group “digest:7” of queue “q”: its queue has no workers" in (await web.get("/groups")).text


async def test_a_group_of_go_says_what_is_not_known(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Go's servers say neither whether they aggregate nor when."""
    await lists(store, 1)
    await join(store, "digest:7")
    assert "Go&#39;s servers do not say whether, nor when" in (await web.get("/groups")).text


async def test_a_group_that_is_long_past_its_time_is_overdue(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """Its aggregation fails, or waits."""
    await lists(store, 1, sheet=DIGESTS, until=1000)
    await join(store, "digest:7")
    await noon.advance(200)
    text = (await web.get("/groups")).text
    assert "its aggregation failed and it rests, or waits for its turn" in text


@pytest.mark.parametrize("name", ["digest:7", 'a "b" c', "a*b", "a\\b", "a,b", "<i>", "-x"])
async def test_the_tasks_of_a_group_are_a_filter_away(
    store: Store, noon: Clock, inspector: Inspector, name: str
) -> None:
    """Of any name, and of no other group."""
    await join(store, name, count=2)
    await join(store, "digest:70")
    info = GroupInfo(queue="q", name=name, size=2, staged=0)
    found = [task async for step in inspector.search(Filter(filter_of(info))) for task in step.tasks]
    assert [name, name] == [task.group for task in found]


async def test_all_of_a_group_is_run_archived_or_deleted_by_the_page_that_asks(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """With the filter that means it."""
    await lists(store, 1, sheet=DIGESTS)
    await join(store, "digest:7")
    text = (await web.get("/groups")).text
    for action in ("run", "archive", "delete"):
        assert f"/act?action={action}&amp;q=state%3Aaggregating%20queue%3D%22q%22%20group%3D%22digest%3A7%22" in text


async def test_two_hundred_groups_are_shown_in_pages(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Fifty each, the largest first; one is found by a word."""
    await lists(store, 1, sheet=DIGESTS)
    async with Client(store) as client:
        for number in range(200):
            await client.enqueue(Task("note"), queue="q", group=f"digest:{number:03}")
    await join(store, "digest:142")
    text = (await web.get("/groups")).text
    assert 50 == text.count('id="group-q-digest')
    assert "1 of 4" in text
    assert text.index("digest:142<") < text.index("digest:000<")
    assert 1 == (await web.get("/groups", params={"find": "digest:077"})).text.count('id="group-q-digest')


async def test_a_damaged_queue_is_named_and_hides_no_other(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Its figures cannot be read either, so it is not asked for groups."""
    await lists(store, 1, sheet=DIGESTS)
    await join(store, "digest:7")
    await store.command("SADD", "asynq:queues", "bad")
    await store.command("SET", "asynq:{bad}:groups", "no set")
    assert "digest:7" in (await web.get("/groups")).text


async def test_a_console_that_is_read_only_has_no_buttons(store: Store, noon: Clock) -> None:
    """Not even those that lead to the page that asks."""
    await join(store, "digest:7")
    async with browsing(store, read_only=True) as client:
        assert "/act?" not in (await client.get("/groups")).text


async def test_a_server_that_runs_says_when_its_groups_are_due(bench: Bench, live: httpx2.AsyncClient) -> None:
    """A real one: its rules are its own, and else its settings."""

    @bench.mux.aggregate("digest:", max_size=40)
    def digest(group: str, tasks: list[Task[object]]) -> Task[object]:
        return Task("send")

    await bench.enqueue("note", group="digest:7")
    async with bench.serving(group_grace=600, group_max_delay=900):

        async def says() -> bool:
            return "10m after the last joined, or at 40 tasks" in (await live.get("/groups")).text

        await until(says)
