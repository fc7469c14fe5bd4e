"""Whether something hidden exists is told by no status, no sentence, no number and no record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from onebeat import Every, Task
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.entry import entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.web import User, console
from onebeat.web.api.operation import PREFIX
from onebeat.web.api.table import OPERATIONS
from onebeat.wire import keys
from onebeat.wire.records import EntryRecord
from tests.inspector.conftest import put
from tests.web.api.test_http import EXAMPLES
from tests.web.conftest import ORIGIN
from tests.web.security.rights import PAGES, pages

THERE, NONE = "payrollqueue", "payroll-none"
"""A queue that is there, and one that is not; both are hidden from these."""

USERS = {
    "admin of the rest": User("bob", "admin", {"payroll*": None}),
    "of one": User("bob", None, {"mail": "admin"}),
}

NAMES = {
    "queue": (THERE, NONE), "task": ("hiddentask1", "absenttask1"), "schedule": ("payplan", "nayplan"),
    "go": ("gopay-1", "gonay-1"),
}  # fmt: skip
"""What is there and hidden, and what is not there, of the same length as far as sentences count."""


@pytest.fixture
async def filled(store: Store, client: Client) -> tuple[Store, str]:
    """Return a store with much that is hidden, and the id of a job that somebody else has."""
    await put(store, "open", {"to": "a"}, queue="mail")
    await client.enqueue(Task("salary", {"a": 1}), queue=THERE, task_id="hiddentask1")
    await Scheduler(store, app="pay", entries=[entry("payplan", Every(60), Task("t", queue=THERE), {})]).declare(store)
    go = EntryRecord(id="gopay-1", spec="@every 60s", task_type="t", enqueue_options=[f'Queue("{THERE}")'])
    await store.command("RPUSH", "asynq:schedulers:h:1:u", go.encode())
    await store.command("ZADD", "asynq:schedulers", "inf", "asynq:schedulers:h:1:u")
    job = await Inspector(store).begin_job("archive", f"queue:{THERE}", user="ann")
    return store, job.id


def asked(job: str) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield what is asked in twos: of what is hidden, and of what is not there."""
    names = {**NAMES, "job": (job, "f" * len(job))}
    for method, path, given in shapes():
        for kind, (there, none) in names.items():
            for key in given:
                if key not in ("queue", "name", "id", "q", "task", "to_queue", "move_to", "queue_of", "group"):
                    continue
                if (kind == "queue") != (key in ("queue", "name", "q", "to_queue", "move_to", "queue_of")):
                    continue
                yield method, path, fill(given, key, there), fill(given, key, none)
    for method, path, given in shapes():
        for key in ("queue", "queue_of"):
            if key in given and "id" in given:
                both = [
                    {**given, key: queue, "id": name} for queue, name in zip(NAMES["queue"], NAMES["task"], strict=True)
                ]
                yield method, path, both[0], both[1]


def fill(given: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    """Put a name where a field has one."""
    if key == "q":
        return {**given, "q": f"queue={name}"}
    if key == "task":
        return {**given, "task": json.dumps([name, "hiddentask1", "pending"])}
    return {**given, key: name}


def shapes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every page, form and operation, with fields that name something."""
    for path in sorted(pages() - {"/login"}):
        for given in ({"queue": "mail", "id": "open"}, {"name": "mail"}, {"id": "open"}, {"q": "x"}):
            yield "GET", path, dict(given)
        yield "GET", path, {"action": "run", "q": "x", "do": "run"}
    for change in PAGES:
        yield "POST", change.path, dict(change.said)
    for operation in OPERATIONS:
        if operation.writes:
            said = EXAMPLES[operation.name]
            yield "POST", PREFIX + operation.path, dict(said)
            if operation.name in ("update_task", "clone_task"):
                key = "move_to" if operation.name == "update_task" else "to_queue"
                yield "POST", PREFIX + operation.path, {**said, "queue": "mail", "id": "open", key: "mail"}
        else:
            for given in ({"queue": "mail", "id": "open"}, {"name": "mail"}, {"id": "open"}, {"q": "x"}):
                yield "GET", PREFIX + operation.path, dict(given)
            yield "GET", PREFIX + operation.path, {"action": "run", "q": "x"}


@pytest.mark.slow
@pytest.mark.parametrize("user", USERS.values(), ids=USERS.keys())
async def test_what_is_hidden_answers_as_what_is_not_there(
    filled: tuple[Store, str], user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every page, form and operation, whatever names it."""
    monkeypatch.setattr("onebeat.web.api.limits.Rate.take", lambda *_given: None)
    monkeypatch.setattr("onebeat.web.acting.REFUSALS", 100_000)
    monkeypatch.setattr("onebeat.web.rail.WITHIN_S", 60.0)  # else one of two pages may come without what is counted
    store, job = filled
    board = console(store, auth=lambda _request: user)
    told: dict[str, None] = {}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(board), base_url=ORIGIN, headers={"Origin": ORIGIN}
    ) as http:
        for method, path, there, none in asked(job):
            seen = []
            for given in (there, none):
                seen.append(await answer(http, method, path, given))
                if method == "POST" and "/views/" in path:
                    await forget_views(store, user)
            if plain(seen[0], there) != plain(seen[1], none):
                told[f"{method} {path} {there}: {differing(plain(seen[0], there), plain(seen[1], none))}"] = None
    await board.aclose()
    assert "" == "\n".join(told)


async def forget_views(store: Store, user: User) -> None:
    """Leave none: a name that was just saved is taken for the next, whatever it is."""
    for key in (keys.VIEWS, keys.views(user.name)):
        await store.command("DEL", key)


async def answer(http: httpx2.AsyncClient, method: str, path: str, given: dict[str, Any]) -> httpx2.Response:
    """Ask once, as a browser that was told nothing yet."""
    http.cookies.clear()
    if method == "GET":
        return await http.get(path, params=given)
    if path.startswith(PREFIX):
        return await http.post(path, json=given)
    return await http.post(path, data=given)


def differing(one: tuple[int, str], other: tuple[int, str]) -> str:
    """Say where two answers differ."""
    at = next((at for at, (a, b) in enumerate(zip(one[1], other[1], strict=False)) if a != b), 0)
    return f"{one[0]} {one[1][max(0, at - 30) : at + 60]!r} and {other[0]} {other[1][max(0, at - 30) : at + 60]!r}"


def plain(answer: httpx2.Response, given: dict[str, Any]) -> tuple[int, str]:
    """Return what an answer says, without what was typed, and without what is another each time."""
    text = answer.text + answer.headers.get("location", "") + (answer.cookies.get("onebeat_notice") or "")
    for name in sorted({n for value in given.values() for n in re.split(r'[":\[\], =]+', str(value)) if len(n) > 2}):
        text = text.replace(name, "…")
    return answer.status_code, re.sub(r"[0-9T:.-]{8,}Z?|%22|\d+(\.\d+)? ?ms|[0-9a-f]{24,}", "", text)


async def test_the_audit_of_a_refusal_is_the_same(filled: tuple[Store, str]) -> None:
    """Who was refused something hidden may read one's own records: they say no more than the answer did."""
    store, _ = filled
    board = console(store, auth=lambda _request: USERS["of one"])
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        for name in (THERE, NONE):
            await http.post(f"{PREFIX}/queue/pause", json={"queue": name})
            await http.post("/act", data={"action": "archive", "confirmed": "yes", "q": f"queue:{name}"})
        found = (await http.get(f"{PREFIX}/audit")).json()["records"]
    shown = [(one["action"], one["why"].replace(THERE, "…").replace(NONE, "…")) for one in found]
    assert shown[: len(shown) // 2] == shown[len(shown) // 2 :]
