"""A backlog that grows: said where the queue is judged, from what consoles noted, and at no more than is allowed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from onebeat.broker.call import Call
from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.web import Console, rail
from onebeat.web.reading import SharedReads
from onebeat.web.sampling import EVERY_S
from onebeat.web.showing.concerns import FAILING_LEAST
from onebeat.web.showing.growth import LEAST_TASKS, MOST_QUEUES
from onebeat.wire import keys
from tests.conftest import NOON, Clock
from tests.inspector.test_fleet import list_server, server
from tests.web.test_rail import tallies

FOREVER = 10**9

SAID = "has grown for 12 minutes, by 1,200 to 2,000 tasks, 100 a minute"


async def hold(store: Store, queue: str, tasks: int) -> None:
    """Have so many tasks more wait in a queue; of none is it written since when."""
    await store.command("SADD", keys.QUEUES, queue)
    await store.command("LPUSH", f"{keys.root(queue)}pending", *(f"task-{number}" for number in range(tasks)))


async def grow(store: Store, clock: Clock, inspector: Inspector, queue: str = "mail", *, minutes: int = 12) -> None:
    """Have a served queue noted for some minutes, in which it takes in 100 tasks a minute more than it completes."""
    await list_server(store, 1, server(1, queues={queue: 1}).encode(), {}, until=FOREVER)
    await hold(store, queue, 800)
    await inspector.sample_sizes()
    for _ in range(minutes):
        await clock.advance(60)
        await hold(store, queue, 100)
        await store.command("INCRBY", f"{keys.root(queue)}processed", 5000)
        await inspector.sample_sizes()


async def verdicts(web: httpx2.AsyncClient, path: str) -> list[str]:
    """Return the sentences of judgement that a page has."""
    page = html.unescape((await web.get(path)).text)
    found = re.findall(r'<p class="verdict[^"]*"[^>]*>(.*?)</p>', page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", "", one).split()) for one in found]


async def test_it_is_said_on_the_first_page_and_on_the_queues_own(
    web: httpx2.AsyncClient, store: Store, clock: Clock, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same words, with when it will be slow; beside its name, and in the rail's ring."""
    monkeypatch.setattr(rail, "WITHIN_S", 60.0)  # a busy machine takes longer than a page waits
    await grow(store, clock, inspector)
    whole = f"{SAID}; at this pace it is slow in about 30 minutes"
    assert [f"Queue “mail” {whole}"] == await verdicts(web, "/")
    assert [f"It {whole}"] == await verdicts(web, "/queue?name=mail")
    page = (await web.get("/")).text
    assert ">growing<" in page
    assert ("1", "warn", "1 of 1 queue to look at") == tallies(page)["overview"]


async def empties(store: Store, clock: Clock) -> None:
    await store.command("LTRIM", f"{keys.root('mail')}pending", 0, 899)


async def pauses(store: Store, clock: Clock) -> None:
    await store.command("SET", f"{keys.root('mail')}paused", 1)


async def loses_its_server(store: Store, clock: Clock) -> None:
    await store.command("ZREM", keys.SERVERS, "asynq:servers:{web-1:41:id1}")


async def is_noted_no_more(store: Store, clock: Clock) -> None:
    await clock.advance(10 * 60)


@pytest.mark.parametrize("turn", [empties, pauses, loses_its_server, is_noted_no_more])
@pytest.mark.parametrize("path", ["/", "/queue?name=mail"])
async def test_it_is_not_said_of_what_does_not_grow_any_more(
    web: httpx2.AsyncClient, store: Store, clock: Clock, inspector: Inspector, turn: Callable[..., Any], path: str
) -> None:
    """Once it is worked off, paused, or without servers, that alone counts; and old notes say nothing of now."""
    await grow(store, clock, inspector)
    await turn(store, clock)
    said = await verdicts(web, path)
    assert said
    assert not [one for one in said if "grown" in one]


async def test_a_slow_queue_says_whether_it_gets_worse(
    web: httpx2.AsyncClient, store: Store, clock: Clock, inspector: Inspector
) -> None:
    """In the one sentence that it has."""
    await grow(store, clock, inspector)
    oldest = await store.command("LINDEX", f"{keys.root('mail')}pending", -1)
    since = NOON * 10**9
    await store.command("HSET", keys.task("mail", oldest.decode()), "pending_since", since)
    [said] = await verdicts(web, "/queue?name=mail")
    expected = "It is slow: 2,000 tasks wait, and it has grown for 12 minutes, by 1,200, 100 a minute; the oldest has"
    assert said.startswith(expected)


async def test_a_queue_of_gos_servers_is_judged_alike(
    web: httpx2.AsyncClient, store: Store, clock: Clock, inspector: Inspector
) -> None:
    """They write no series; sizes, and asynq's own counters, are noted whoever serves it."""
    await grow(store, clock, inspector)
    assert not (await inspector.series("mail")).is_recorded
    assert SAID in (await verdicts(web, "/"))[0]


async def test_tasks_that_are_not_due_are_no_backlog(
    web: httpx2.AsyncClient, store: Store, clock: Clock, inspector: Inspector
) -> None:
    """However many are scheduled."""
    await list_server(store, 1, server(1, queues={"mail": 1}).encode(), {}, until=FOREVER)
    await hold(store, "mail", 200)
    for minute in range(14):
        due = [word for number in range(100) for word in (NOON + 10**7, f"later-{minute}-{number}")]
        await store.command("ZADD", f"{keys.root('mail')}scheduled", *due)
        await inspector.sample_sizes()
        await clock.advance(60)
    await inspector.sample_sizes()
    assert ["All is well: 1 server, 0 tasks running"] == await verdicts(web, "/")


class Trips:
    """Counts how often a store is asked, and waited for; many at once are one."""

    def __init__(self, store: Store, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.calls: list[Call[Any]] = []
        for name in ("run", "run_each", "command", "commands"):
            patch.setattr(store, name, self._counted(name, getattr(store, name)))

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        async def asked(*arguments: Any) -> Any:
            self.asked.append(f"{name} {arguments!s:.60}")
            self.calls += arguments[0] if name == "run_each" else []
            return await real(*arguments)

        return asked


@pytest.mark.one_store
async def test_a_thousand_queues_that_grow_take_ten_round_trips(
    web: httpx2.AsyncClient,
    board: Console,
    store: Store,
    clock: Clock,
    inspector: Inspector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With all else that the page shows, read anew but for the rail's schedules; growth is one, about a few."""
    names, now = [f"q{number:03}" for number in range(1000)], [0.0]
    board.reads = SharedReads(lambda: now[0])
    await list_server(store, 1, server(1, queues=dict.fromkeys(names, 1)).encode(), {}, until=FOREVER)
    await store.command("SADD", keys.QUEUES, *names)
    await store.commands([("LPUSH", f"{keys.root(name)}pending", *range(LEAST_TASKS)) for name in names])
    await store.command("SET", f"{keys.root(names[0])}failed:2030-03-17", FAILING_LEAST)
    await web.get("/")
    now[0] = EVERY_S - 1
    trips = Trips(store, monkeypatch)
    assert 200 == (await web.get("/")).status_code
    assert 10 >= len(trips.asked), trips.asked
    [call] = [call for call in trips.calls if call.script == "sparks" and call.arguments[1] == "size"]
    assert MOST_QUEUES == len(call.arguments[2:])
