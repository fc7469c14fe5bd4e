"""The API where things go wrong: the store away, records damaged, everybody changing everything at once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.web import console
from onebeat.web.api.limits import Rate
from onebeat.web.api.operation import PREFIX, Operation
from onebeat.web.api.table import OPERATIONS
from tests import engines
from tests.web.api.conftest import Api, check
from tests.web.api.filling import fill
from tests.web.api.test_http import EXAMPLES
from tests.web.conftest import ORIGIN

QUERIES: dict[str, dict[str, Any]] = {
    "get_queue": {"name": "q"}, "get_queue_history": {"name": "q"}, "list_groups": {"queue": "q"},
    "get_task": {"queue": "q", "id": "retry", "raw": True}, "get_task_payload": {"queue": "q", "id": "retry"},
    "get_task_result": {"queue": "q", "id": "completed"}, "list_task_attempts": {"queue": "q", "id": "retry"},
    "get_schedule": {"id": "report"}, "get_schedule_next": {"id": "report"}, "list_schedule_fires": {"id": "report"},
    "get_server": {"server": "one"}, "get_job": {"id": "job"}, "preview_tasks": {"action": "run"},
}  # fmt: skip
"""What each operation that reads is asked."""

STORELESS = {"get_whoami", "list_health_checks", "get_openapi", "show_api"}
"""What is answered without the store."""


async def ask(http: httpx2.AsyncClient, operation: Operation) -> httpx2.Response:
    """Ask for one thing that is there as a rule."""
    if operation.method == "GET":
        return await http.get(PREFIX + operation.path, params=QUERIES.get(operation.name))
    return await http.post(PREFIX + operation.path, json=EXAMPLES[operation.name])


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody ask too often."""
    monkeypatch.setattr(Rate, "take", lambda self, who, cost=1: None)


@pytest.fixture
def lost(tmp_path: Path) -> str:
    """Return the URL of a store that was there and is no more."""
    topology = engines.start("one", tmp_path)
    topology.end()
    return topology.url


@pytest.mark.slow
@pytest.mark.one_store
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_the_store_is_away(lost: str, operation: Operation) -> None:
    """503, with when to try again; what needs no store is answered."""
    board = console(lost)
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        answer = await ask(http, operation)
    await board.aclose()
    if operation.name in STORELESS:
        assert 200 == answer.status_code
    else:
        check(answer, operation.method, operation.path, 503)
        assert ("store-away", "2") == (answer.json()["code"], answer.headers["retry-after"])


DAMAGE: list[tuple[str, tuple[str | bytes | int, ...]]] = [
    (key, ("SET", key, "no such type"))
    for key in (
        "asynq:{q}:pending", "asynq:{q}:active", "asynq:{q}:lease", "asynq:{q}:scheduled", "asynq:{q}:retry",
        "asynq:{q}:archived", "asynq:{q}:completed", "asynq:{q}:groups", "asynq:{q}:g:g", "asynq:{q}:t:retry",
        "asynq:{q}:processed:2030-03-17", "asynq:queues", "asynq:servers", "asynq:workers", "asynq:schedulers",
        "onebeat:{q}:due", "onebeat:{q}:exact", "onebeat:{q}:d:report", "onebeat:schedules", "onebeat:sched-queues",
        "onebeat:jobs", "onebeat:audit", "onebeat:{q}:declared",
    )
] + [
    ("message", ("HSET", "asynq:{q}:t:retry", "msg", b"\xff\x00no message")),
    ("empty message", ("HSET", "asynq:{q}:t:retry", "msg", b"")),
    ("state", ("HSET", "asynq:{q}:t:retry", "state", "elsewhere")),
    ("no record", ("DEL", "asynq:{q}:t:retry")),
    ("times", ("HSET", "asynq:{q}:t:retry", "pending_since", "99999999999999999999999", "completed_at", "nan")),
    ("scores", ("ZADD", "asynq:{q}:retry", "inf", "retry")),
    ("scores below", ("ZADD", "asynq:{q}:archived", "-inf", "archived")),
    ("counts", ("SET", "asynq:{q}:processed", "many")),
    ("server", ("SET", "asynq:servers:{web-1:41:one}", b"\xff\xff")),
    ("worker", ("HSET", "asynq:workers:{web-1:41:one}", "active", b"\xff\xff")),
    ("sheet", ("SET", "onebeat:{web-1:41:one}:sheet", b"{")),
    ("schedule", ("HSET", "onebeat:{q}:d:report", "spec", "never", "msg", b"\xff")),
    ("schedule times", ("HSET", "onebeat:{q}:d:report", "last_fired", "x", "next", "y", "fired", "z")),
    ("entry", ("RPUSH", "asynq:schedulers:h:1:u", b"\xff\xff")),
    ("no job", ("HSET", "onebeat:job:job", "state", "odd")),
    ("job", ("HSET", "onebeat:job:job", "action", "run", "state", "odd", "rate", "quick", "created", "x")),
    ("result", ("HSET", "asynq:{q}:t:completed", "result", b"\xff" * 100)),
    ("progress", ("HSET", "asynq:{q}:t:active", "ob_progress", "nan", "progress", "{")),
    ("attempts", ("HSET", "asynq:{q}:t:retry", "ob_attempts", b"\xff\xffnone")),
    ("name", ("SADD", "asynq:queues", b"\xff\xfe")),
    ("names", ("SADD", "asynq:queues", "", "{", "a\0b", "x" * 5000)),
]  # fmt: skip
"""What may be wrong in a store that others write, too."""


@pytest.mark.slow
@pytest.mark.one_store
@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(("what", "command"), DAMAGE, ids=[what for what, _ in DAMAGE])
async def test_what_is_damaged_is_never_an_error_of_ours(
    api: Api, filled: Store, what: str, command: tuple[Any, ...]
) -> None:
    """Each operation answers as the document says, and none with an error of the server's."""
    if command[0] == "SET" and command[2] == "no such type":
        await filled.command("DEL", command[1])
    await filled.command(*command)
    failed: list[str] = []
    for operation in [*READS, *WRITES]:
        answer = await ask(api.http, operation)
        if operation.path != "/":
            check(answer, operation.method, operation.path, answer.status_code)
        if answer.status_code >= 500:
            failed.append(f"{operation.name}: {answer.text[:300]}")
    assert [] == failed


READS = [one for one in OPERATIONS if one.method == "GET"]
WRITES = sorted((one for one in OPERATIONS if one.method == "POST"), key=lambda one: "delete" in one.name)
"""Those that delete come last, so that there is something left for the others."""


@pytest.fixture
async def busy(url: str, calm: None) -> AsyncIterator[httpx2.AsyncClient]:
    """Return what asks a console of a filled store, whose clock is its own."""
    async with await Store.open(url) as store:
        now, _ = await store.command("TIME")
        await fill(store, int(now))
    board = console(url)
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}, timeout=60) as http:
        yield http
    await board.aclose()


@pytest.mark.slow
async def test_everybody_changes_everything_at_once(busy: httpx2.AsyncClient) -> None:
    """Each is answered as the document says, whoever was faster; and what is left can be read."""
    choose = random.Random(11)
    statuses: Counter[int] = Counter()

    async def someone() -> None:
        for _ in range(25):
            operation = choose.choice([one for one in OPERATIONS if one.path not in ("/", "/health", "/health/repair")])
            answer = await ask(busy, operation)
            if answer.status_code != 304:
                check(answer, operation.method, operation.path, answer.status_code)
            statuses[answer.status_code] += 1

    await asyncio.gather(*(someone() for _ in range(16)))
    assert {200, 201, 404, 409} <= statuses.keys()
    assert not {500, 502, 503} & statuses.keys(), statuses
    found = (await busy.get(f"{PREFIX}/stats")).json()
    assert [] == found["unreadable"]


async def test_who_leaves_does_not_spoil_it_for_others(api: Api, filled: Store) -> None:
    """A read that several wait for goes on when one of them is gone."""
    one, two = (asyncio.create_task(api.http.get(f"{PREFIX}/stats")) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert 200 == (await two).status_code
