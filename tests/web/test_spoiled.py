"""Every key that Onebeat and asynq have, spoiled by another program: what is whole is shown, the rest is named."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from onebeat.broker import spoiled
from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.web import Console, console
from onebeat.web.api.limits import Rate
from onebeat.web.api.operation import PREFIX
from tests.conftest import NOON, Clock
from tests.inspector.conftest import put
from tests.web.api.filling import fill
from tests.web.api.test_hostile import DAMAGE, QUERIES, READS
from tests.web.conftest import ORIGIN

WRONG: dict[str, tuple[str, ...]] = {
    "string": ("SET", "KEY", "foreign"),
    "list": ("RPUSH", "KEY", "foreign"),
    "hash": ("HSET", "KEY", "foreign", "x"),
    "set": ("SADD", "KEY", "foreign"),
    "zset": ("ZADD", "KEY", "1", "foreign"),
}
"""How a key comes to be of a type."""

QUEUE = (
    "asynq:{q}:pending", "asynq:{q}:active", "asynq:{q}:lease", "asynq:{q}:scheduled", "asynq:{q}:retry",
    "asynq:{q}:archived", "asynq:{q}:completed", "asynq:{q}:aggregation_sets", "asynq:{q}:groups", "asynq:{q}:paused",
    "asynq:{q}:processed", "asynq:{q}:failed", "onebeat:{q}:exact", "onebeat:{q}:due", "onebeat:{q}:stuck",
    "onebeat:{q}:declared", "onebeat:{q}:groups", "onebeat:{q}:joined", "onebeat:{q}:sets", "onebeat:{q}:out",
    "onebeat:{q}:limits", "onebeat:{q}:beat", "onebeat:{q}:retired", "onebeat:{q}:types",
)  # fmt: skip
"""Keys of a queue that there is one of."""

SHARED = (
    "asynq:queues", "asynq:servers", "asynq:workers", "asynq:schedulers", "onebeat:schedules", "onebeat:sched-queues",
    "onebeat:audit", "onebeat:jobs", "asynq:servers:{web-1:41:one}", "asynq:workers:{web-1:41:one}",
    "onebeat:{web-1:41:one}:sheet",
)  # fmt: skip
"""Keys of all queues, and of a server."""

SINGLE = (
    "asynq:{q}:g:g", "asynq:{q}:t:retry", "asynq:{q}:t:active", "asynq:{q}:t:pending", "asynq:{q}:t:completed",
    "asynq:{q}:t:aggregating", "asynq:{q}:unique:", "asynq:{q}:processed:2030-03-17", "asynq:{q}:failed:2030-03-17",
    "asynq:schedulers:h:1:u", "asynq:scheduler_history:{q}:report", "asynq:scheduler_history:e-1",
    "onebeat:{q}:d:report", "onebeat:{q}:seen:report", "onebeat:{q}:tape:nightly", "onebeat:{q}:app:shop",
    "onebeat:job:job", "onebeat:series:{all}:types", "onebeat:series:{all}:rate:1899997200",
    "onebeat:{q}:rate:1899997200",
)  # fmt: skip
"""Keys of a task, a schedule, a group, a day, a job."""

PAGES: tuple[tuple[str, dict[str, str]], ...] = (
    ("/", {}), ("/queue", {"name": "ok"}), ("/queue", {"name": "q"}), ("/tasks", {}), ("/tasks", {"q": "state:retry"}),
    ("/tasks", {"q": "state:active age>1s"}), ("/tasks", {"q": "queue:ok"}), ("/tasks", {"q": "type:t is:orphaned"}),
    ("/tasks", {"q": "fine"}), ("/tasks/complete", {"q": "type:"}), ("/task", {"queue": "ok", "id": "fine"}),
    ("/errors", {}), ("/schedules", {}), ("/servers", {}), ("/groups", {}),
    ("/metrics", {}), ("/metrics", {"queue": "ok"}), ("/health", {}), ("/health/repair", {"check": "lost-record"}),
    ("/redis", {}), ("/audit", {}), ("/settings", {}), ("/jobs", {}), ("/palette", {"q": "ok"}),
    ("/act", {"action": "run", "q": "state:retry"}), ("/act", {"action": "delete", "q": ""}),
)  # fmt: skip
"""Pages that are about more than one thing, or about one that is whole."""

ONE: tuple[tuple[str, dict[str, str]], ...] = (
    ("/task", {"queue": "q", "id": "retry"}), ("/task", {"queue": "q", "id": "active"}),
    ("/task", {"queue": "q", "id": "completed"}), ("/task/edit", {"queue": "q", "id": "retry"}),
    ("/task/clone", {"queue": "q", "id": "retry"}), ("/download", {"queue": "q", "id": "retry", "what": "payload"}),
    ("/schedule", {"id": "report"}), ("/schedule", {"id": "nightly"}),
    ("/schedule", {"id": "e-1"}), ("/schedule/run", {"id": "report"}),
    ("/schedule/resume", {"id": "nightly"}), ("/server", {"id": "one"}), ("/server/stop", {"id": "one"}),
    ("/job", {"id": "job"}),
)  # fmt: skip
"""Pages about one thing, which may be what is spoiled, or what is needed to find it."""

MANY = ("search_tasks", "preview_tasks", "list_errors", "get_health")
"""Operations of the API that read many things, and must not fail because of one."""


@pytest.fixture
async def mixed(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store with something of everything in queue "q", and a queue "ok"."""
    monkeypatch.setattr(Rate, "take", lambda self, who, cost=1: None)
    await fill(store, NOON)
    await put(store, "fine", {"a": 1}, queue="ok")
    return store


@pytest.fixture
async def web(mixed: Store) -> AsyncIterator[httpx2.AsyncClient]:
    """Return what asks a console that has read nothing yet."""
    board: Console = console(mixed)
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as client:
        yield client
    await board.aclose()


async def spoil(store: Store, key: str, kind: str) -> None:
    """Put a key of another type in place of one."""
    await store.command("DEL", key)
    await store.command(*(key if word == "KEY" else word for word in WRONG[kind]))


async def lock_of(store: Store) -> str:
    """Return the key of the lock of the task "retry"."""
    keys = [key.decode() for key in await store.command("KEYS", "asynq:{q}:unique:*")]
    held: list[str] = [key for key in keys if await store.command("GET", key) == b"retry"]
    return held[0]


async def faults(web: httpx2.AsyncClient) -> list[str]:
    """Ask for every page and all that the API reads, and return what did not answer as it must."""
    found: list[str] = []
    for path, query in PAGES:
        answer = await web.get(path, params=query)
        if answer.status_code not in (200, 303):
            found.append(f"{answer.status_code} {path} {query}: {words(answer.text)[:300]}")
    for path, query in ONE:
        answer = await web.get(path, params=query)
        if answer.status_code not in (200, 303, 404, 409):
            found.append(f"{answer.status_code} {path} {query}: {words(answer.text)[:300]}")
        elif answer.status_code == 409 and "WRONGTYPE" in answer.text and "redis-cli RENAMENX" not in answer.text:
            found.append(f"{path} {query} says no remedy: {words(answer.text)[:300]}")
    for one in READS:
        answer = await web.get(PREFIX + one.path, params=QUERIES.get(one.name))
        allowed = (200,) if one.name in MANY else (200, 303, 404, 409)
        if answer.status_code not in allowed:
            found.append(f"{answer.status_code} {one.name}: {answer.text[-300:]}")
    return found


def words(page: str) -> str:
    """Return what a page says."""
    found = re.search(r"<main.*</main>", page, re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[0] if found else page)).split())


async def others(store: Store, key: str) -> list[str]:
    """Return types that a key has not by right."""
    right = spoiled.wanted(key) or (await store.command("TYPE", key)).decode()
    return [kind for kind in WRONG if kind != right]


@pytest.mark.slow
@pytest.mark.one_store
@pytest.mark.parametrize("key", [*QUEUE, *SHARED, *SINGLE])
async def test_a_key_of_a_foreign_type_takes_nothing_else_along(
    mixed: Store, web: httpx2.AsyncClient, key: str
) -> None:
    """Each page and each operation answers, and those about many things show the others."""
    if key.endswith(":unique:"):
        key = await lock_of(mixed)
    kinds = await others(mixed, key)
    await spoil(mixed, key, kinds[len(key) % len(kinds)])  # one of them: a store refuses all alike
    assert [] == await faults(web)


@pytest.mark.slow
@pytest.mark.one_store
@pytest.mark.parametrize(
    ("what", "command"), [one for one in DAMAGE if one[1][-1] != "no such type"], ids=lambda one: str(one)[:20]
)
async def test_garbage_takes_nothing_else_along(
    mixed: Store, web: httpx2.AsyncClient, what: str, command: tuple[Any, ...]
) -> None:
    """Bytes that are no message, states and numbers that are none, leases without a task."""
    await mixed.command(*command)
    await mixed.command("ZADD", "asynq:{q}:lease", "1", "nobody")
    await mixed.command("HSET", "asynq:{q}:t:empty", "foreign", "x")
    await mixed.command("LPUSH", "asynq:{q}:pending", "empty", b"\xff\xfe")
    assert [] == await faults(web)


@pytest.mark.one_store
@pytest.mark.parametrize("key", [*QUEUE, *SHARED])
async def test_health_names_each_key(mixed: Store, key: str) -> None:
    """With what moves it out of the way; a stream is a type that no key but the audit has."""
    await mixed.command("DEL", key)
    await mixed.command(*(("SADD", key, "x") if spoiled.wanted(key) != "set" else ("RPUSH", key, "x")))
    found = [one for one in (await Inspector(mixed).diagnose()).findings if one.check == "key-damaged"]
    assert [f"redis-cli RENAMENX {_quoted(key)} {_quoted(spoiled.away(key))}"] == [one.remedies[0] for one in found]
    assert found[0].text.startswith(f"key {key} is a ")


def _quoted(name: str) -> str:
    return f"'{name}'" if "{" in name else name


async def test_the_remedy_mends_it_and_loses_nothing(mixed: Store) -> None:
    """The foreign key is moved away, in a cluster within its slot, and the queue can be read again."""
    await spoil(mixed, "asynq:{q}:retry", "string")
    found = (await Inspector(mixed).stats_each())["q"]
    assert isinstance(found, spoiled.Spoiled)
    assert (
        "queue 'q' cannot be read whole: asynq:{q}:retry is a string, where a sorted set belongs (WRONGTYPE). Once you "
        "know who wrote it, move it away: redis-cli RENAMENX 'asynq:{q}:retry' 'moved:asynq:{q}:retry'"
    ) == str(found)
    assert (0, 1) == (found.rest.retry, found.rest.archived)
    await mixed.command("RENAMENX", "asynq:{q}:retry", "moved:asynq:{q}:retry")
    assert 1 == (await Inspector(mixed).stats("q")).archived
    assert b"foreign" == await mixed.command("GET", "moved:asynq:{q}:retry")


async def test_a_search_shows_what_is_whole_and_says_what_is_not(mixed: Store, web: httpx2.AsyncClient) -> None:
    """In the list of all queues the rest of the damaged queue stands, and why some of it does not."""
    await spoil(mixed, "asynq:{q}:retry", "string")
    page = words((await web.get("/tasks")).text)
    assert "Not all could be read. Of the rest: 10 tasks" in page
    assert "Queue 'q' cannot be read whole: asynq:{q}:retry is a string, where a sorted set belongs" in page
    found = (await web.get(f"{PREFIX}/tasks")).json()
    assert {"archived", "fine", "odd/1"} < {one["id"] for one in found["tasks"]}
    assert ["queue 'q' cannot be read whole"] == [one.partition(":")[0] for one in found["unread"]]


async def test_a_list_says_which_of_its_tasks_cannot_be_read(mixed: Store, web: httpx2.AsyncClient) -> None:
    """Its count and its rows differ by that task."""
    await spoil(mixed, "asynq:{q}:t:archived", "string")
    for path, query in (("/tasks", {"q": "state:archived"}), ("/tasks", {"q": "state:archived error:x"})):
        page = words((await web.get(path, params=query)).text)
        assert "Queue 'q': task 'archived' in archived has no record that can be read; onebeat doctor" in page
    found = (await web.get(f"{PREFIX}/jobs/preview", params={"action": "run", "q": "state:archived"})).json()
    assert (0, True, 0, 1) == (found["count"], found["is_whole"], len(found["unread"]), len(found["lost"]))


async def test_a_preview_says_that_it_is_not_whole(mixed: Store, web: httpx2.AsyncClient) -> None:
    """What cannot be read is not acted on, and who asks is told so first."""
    await spoil(mixed, "asynq:{q}:scheduled", "hash")
    found = (await web.get(f"{PREFIX}/jobs/preview", params={"action": "run"})).json()
    assert (False, 1) == (found["is_whole"], len(found["unread"]))
    page = words((await web.get("/act", params={"action": "run"})).text)
    assert "as far as could be read" in page
    assert "Queue 'q' cannot be read whole: asynq:{q}:scheduled is a hash" in page


async def test_an_index_of_servers_that_is_none_leaves_the_queues(mixed: Store, web: httpx2.AsyncClient) -> None:
    """The overview shows them, and the sentence names the key."""
    await spoil(mixed, "asynq:servers", "list")
    page = (await web.get("/")).text
    assert 'id="queue-ok"' in page
    assert "asynq:servers is a list, where a sorted set belongs" in html.unescape(page)


async def test_a_queue_shows_what_can_be_read_of_it(mixed: Store, web: httpx2.AsyncClient) -> None:
    """Its other states, and its verdict names the key."""
    await spoil(mixed, "asynq:{q}:processed", "list")
    page = words((await web.get("/queue", params={"name": "q"})).text)
    assert "It cannot be read whole: asynq:{q}:processed is a list, where a string belongs" in page
    assert "1 archived" in page


async def test_a_schedule_that_is_damaged_is_listed_as_such(mixed: Store) -> None:
    """Beside the others, in error, with the key."""
    await spoil(mixed, "onebeat:{q}:d:report", "list")
    found = {one.id: one for one in await Inspector(mixed).declared_schedules()}
    assert {"nightly", "report"} == found.keys()
    assert ("error", "paused") == (found["report"].state, found["nightly"].state)
    assert "onebeat:{q}:d:report is a list, where a hash belongs" in found["report"].reason
