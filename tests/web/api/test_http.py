"""What the API does with HTTP: methods, tags, sizes, refusals; and that nothing makes it fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from onebeat.broker.store import Store
from onebeat.errors import BrokerUnavailable, NotReplicated
from onebeat.inspector.inspector import Inspector
from onebeat.web import console
from onebeat.web.api import limits, problems, serving
from onebeat.web.api.limits import Rate
from onebeat.web.api.operation import PREFIX, Operation
from onebeat.web.api.problems import KINDS, Refused
from onebeat.web.api.table import OPERATIONS
from onebeat.web.security.roles import ALWAYS
from tests.inspector.conftest import everything
from tests.web.api.conftest import Api
from tests.web.conftest import ORIGIN

JSON = {"Content-Type": "application/json"}
READS = [one for one in OPERATIONS if one.method == "GET"]
WRITES = [one for one in OPERATIONS if one.method == "POST"]


def name(operation: Operation) -> str:
    return operation.name


async def problem(api: Api, method: str, path: str, status: int, **how: Any) -> dict[str, Any]:
    """Ask for something that is refused; return the problem."""
    answer = await api.http.request(method, PREFIX + path, **how)
    assert (status, problems.CONTENT_TYPE) == (answer.status_code, answer.headers["content-type"]), answer.text
    found: dict[str, Any] = answer.json()
    assert (status, f"{PREFIX}/#{found['code']}") == (found["status"], found["type"])
    return found


async def test_what_is_read_again_unchanged_is_not_sent_again(api: Api) -> None:
    """By its tag, or by any of several, also where a proxy made it a weak one."""
    tag = (await api.http.get(f"{PREFIX}/queues")).headers["etag"]
    for sent in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
        answer = await api.http.get(f"{PREFIX}/queues", headers={"If-None-Match": sent})
        assert (304, b"", tag) == (answer.status_code, answer.content, answer.headers["etag"])


async def test_what_has_changed_is_sent(api: Api) -> None:
    """With another tag."""
    tag = (await api.http.get(f"{PREFIX}/queues")).headers["etag"]
    await api.post("/queue/pause", queue="q")
    answer = await api.http.get(f"{PREFIX}/queues", headers={"If-None-Match": tag})
    assert 200 == answer.status_code
    assert tag != answer.headers["etag"]


async def test_nothing_is_kept_on_the_way(api: Api) -> None:
    """By no proxy, nor in a browser's store."""
    for answer in (await api.http.get(f"{PREFIX}/queues"), await api.http.get(f"{PREFIX}/none")):
        assert "no-store" == answer.headers["cache-control"]


async def test_head_says_what_get_would_and_sends_nothing(api: Api) -> None:
    """Its size and its tag."""
    whole = await api.http.get(f"{PREFIX}/whoami")
    head = await api.http.head(f"{PREFIX}/whoami")
    assert (200, b"") == (head.status_code, head.content)
    for each in ("etag", "content-type", "content-length"):
        assert whole.headers[each] == head.headers[each]


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
async def test_options_say_what_there_is(api: Api, operation: Operation) -> None:
    """Of each path."""
    answer = await api.http.options(PREFIX + operation.path)
    assert 204 == answer.status_code
    assert operation.method in answer.headers["allow"].split(", ")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "BREW"])
async def test_other_methods_are_refused(api: Api, method: str) -> None:
    """With those that there are."""
    answer = await api.http.request(method, f"{PREFIX}/queue/pause")
    assert (405, "OPTIONS, POST") == (answer.status_code, answer.headers["allow"])
    assert f"knows no method {method}: use OPTIONS, POST" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/none", "/queue/", "/queue/pause/x", "/openapi.json/", "/%00", "/ü"])
async def test_what_there_is_not_is_said(api: Api, path: str) -> None:
    """As a problem, not as a page."""
    assert "no-such-operation" == (await problem(api, "GET", path, 404))["code"]


@pytest.mark.parametrize("operation", READS, ids=name)
async def test_a_parameter_that_is_unknown_is_refused(api: Api, operation: Operation) -> None:
    """Whoever mistypes one learns so, and is not answered something else."""
    found = await problem(api, "GET", operation.path, 422, params={"nme": "q"})
    assert "parameter 'nme' is unknown" in found["detail"]


async def test_a_parameter_that_is_nearly_known_is_guessed(api: Api) -> None:
    """So that a slip is seen at once."""
    assert "did you mean name?" in (await problem(api, "GET", "/queue", 422, params={"nme": "q"}))["detail"]


@pytest.mark.parametrize("query", ["name=%ff", "name=a&name=b", "name=a%00&" + "&".join(f"x{i}=" for i in range(300))])
async def test_a_query_that_cannot_be_read_is_refused(api: Api, query: str) -> None:
    """No UTF-8, a parameter twice, or too many."""
    assert "malformed" == (await problem(api, "GET", f"/queue?{query}", 400))["code"]


@pytest.mark.parametrize("operation", WRITES, ids=name)
@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b"", ["malformed"]),
        (b"{", ["malformed"]),
        (b'{"queue":"\xff"}', ["malformed"]),
        (b'{"queue":"\\ud800"}', ["malformed", "invalid"]),
        (b'{"queue":' + b"[" * 30_000, ["malformed", "invalid"]),
        (b"[]", ["invalid"]),
        (b"5", ["invalid"]),
        (b'{"colour":"red"}', ["invalid"]),
    ],
)
async def test_a_body_that_cannot_be_read_changes_nothing(
    api: Api, filled: Store, operation: Operation, body: bytes, codes: list[str]
) -> None:
    """Whatever it is; of one that is wrong in two ways, the first is told."""
    before = await everything(filled)
    answer = await api.http.post(PREFIX + operation.path, content=body, headers=JSON)
    assert answer.json()["code"] in codes
    assert before == await everything(filled)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_form_is_no_change(api: Api, kind: str) -> None:
    """A page of another site can send forms and plain texts; JSON it cannot send unasked."""
    found = await problem(api, "POST", "/queue/pause", 415, content=b'{"queue":"q"}', headers={"Content-Type": kind})
    assert "not-json" == found["code"]


async def test_json_may_name_its_encoding(api: Api) -> None:
    """As many clients do."""
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = await api.http.post(f"{PREFIX}/queue/pause", content=b'{"queue":"q"}', headers=headers)
    assert 200 == answer.status_code


@pytest.mark.parametrize("operation", WRITES, ids=name)
async def test_a_body_that_is_too_large_is_refused_before_it_is_read(api: Api, operation: Operation) -> None:
    """By its announced length, and where none is announced as soon as it is too long."""
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 1
            yield b" " * 100_000

    headers = {**JSON, "Content-Length": str(operation.most + 1)}
    assert "too-large" == (await problem(api, "POST", operation.path, 413, content=b"{", headers=headers))["code"]
    assert "too-large" == (await problem(api, "POST", operation.path, 413, content=endless(), headers=JSON))["code"]
    assert read <= operation.most // 100_000 + 2


async def test_a_payload_of_eight_megabytes_is_taken(api: Api) -> None:
    """As much as a task takes; one byte more is refused by the rule of tasks."""
    await api.post("/tasks", 201, type="t", payload={"text": "x" * 8_000_000})
    found = await api.post("/tasks", 422, type="t", payload={"text": "x" * 8_000_001})
    assert "invalid-payload" == found["code"]


@pytest.mark.parametrize("operation", [one for one in WRITES if one.action not in ALWAYS], ids=name)
async def test_a_console_that_is_read_only_changes_nothing(filled: Store, operation: Operation) -> None:
    """Whatever is asked of it."""
    transport = httpx2.ASGITransport(console(filled, read_only=True))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        job = await Inspector(filled).begin_job("run", "", user="ann")
        before = await everything(filled)
        body = {name: job.id if value == "job" else value for name, value in EXAMPLES[operation.name].items()}
        found = await problem(Api(http), "POST", operation.path, 403, json=body)
        assert "read-only" in found["detail"]
        assert before == await everything(filled)


TASK = {"queue": "q", "id": "retry"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "pause_queue": {"queue": "q"},
    "resume_queue": {"queue": "q"},
    "remove_queue": {"queue": "q", "force": True},
    "run_task": TASK,
    "archive_task": TASK,
    "delete_task": TASK,
    "cancel_task": TASK,
    "update_task": {**TASK, "max_retry": 1},
    "clone_task": TASK,
    "enqueue_task": {"type": "t"},
    "run_tasks": {"q": ""},
    "archive_tasks": {"q": ""},
    "cancel_tasks": {"q": ""},
    "delete_tasks": {"q": ""},
    "stop_job": {"id": "job"},
    "continue_job": {"id": "job"},
    "pause_schedule": {"id": "report"},
    "resume_schedule": {"id": "nightly"},
    "run_schedule": {"id": "report"},
    "drain_server": {"server": "one"},
    "stop_server": {"server": "one"},
    "resume_server": {"server": "one"},
    "repair_health": {},
    "end_sessions": {"user": "somebody"},
    "save_view": {"name": "failed", "q": "state:archived"},
    "delete_view": {"name": "failed"},
    "share_view": {"name": "failed", "q": "state:archived"},
    "unshare_view": {"name": "failed"},
}


def test_every_change_has_an_example() -> None:
    """So that none is left out above."""
    assert {operation.name for operation in WRITES} == EXAMPLES.keys()


async def test_the_store_that_is_away_is_said_to_be(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, with when to try again."""

    async def fail(self: Inspector) -> list[str]:
        raise BrokerUnavailable("store redis://x cannot be reached: refused; start it")

    monkeypatch.setattr(Inspector, "queues", fail)
    answer = await api.http.get(f"{PREFIX}/queues")
    assert (503, "2", "store-away") == (answer.status_code, answer.headers["retry-after"], answer.json()["code"])


async def test_what_was_done_and_not_confirmed_is_not_to_be_repeated(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a code of its own, and no time to try again."""

    async def fail(self: Inspector, queue: str) -> None:
        raise NotReplicated("it was done")

    monkeypatch.setattr(Inspector, "pause", fail)
    answer = await api.http.post(f"{PREFIX}/queue/pause", json={"queue": "q"})
    assert (503, "not-replicated", None) == (
        answer.status_code, answer.json()["code"], answer.headers.get("retry-after"),
    )  # fmt: skip


async def test_what_takes_too_long_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """And said to be."""

    async def wait(self: Inspector) -> list[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(Inspector, "queues", wait)
    monkeypatch.setattr(serving, "WITHIN_S", 0.01)
    assert "took-too-long" == (await problem(api, "GET", "/queues", 503))["code"]


async def test_a_mistake_of_our_own_tells_nothing_of_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the log."""

    async def fail(self: Inspector) -> list[str]:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Inspector, "queues", fail)
    found = await problem(api, "GET", "/queues", 500)
    assert "secret" not in json.dumps(found)
    assert "GET /api/v1/queues failed" in caplog.text


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_asks_too_often_has_to_wait() -> None:
    """After a burst as fast as the rate allows; others are not kept."""
    clock = Hands()
    rate = Rate(rate=2, burst=3, monotonic=clock)
    for _ in range(3):
        rate.take("ann")
    with pytest.raises(Refused) as caught:
        rate.take("ann")
    assert ("too-many-requests", "1") == (caught.value.code, caught.value.headers["Retry-After"])
    rate.take("bob")
    clock.now += 0.5
    rate.take("ann")
    with pytest.raises(Refused):
        rate.take("ann")


def test_who_looks_at_much_waits_longer() -> None:
    """One request counts as several; what does not fit in takes nothing."""
    clock = Hands()
    rate = Rate(rate=2, burst=12, monotonic=clock)
    rate.take("ann", 10)
    with pytest.raises(Refused) as caught:
        rate.take("ann", 10)
    assert "4" == caught.value.headers["Retry-After"]
    rate.take("ann", 2)


def test_a_bucket_does_not_overflow() -> None:
    """However long somebody was quiet."""
    clock = Hands()
    rate = Rate(rate=2, burst=2, monotonic=clock)
    rate.take("ann")
    clock.now += 1e6
    rate.take("ann")
    rate.take("ann")
    with pytest.raises(Refused):
        rate.take("ann")


def test_only_so_many_users_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was quiet longest is forgotten."""
    monkeypatch.setattr("onebeat.web.api.limits.MOST", 2)
    rate = Rate(rate=1, burst=1, monotonic=Hands())
    for who in ("a", "b", "c", "a"):
        rate.take(who)
    with pytest.raises(Refused):
        rate.take("c")


async def test_what_looks_at_much_counts_as_ten(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP."""
    monkeypatch.setattr(limits, "RATE", 0.001)
    monkeypatch.setattr(limits, "BURST", 19.0)
    transport = httpx2.ASGITransport(console(filled))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        statuses = [(await http.get(f"{PREFIX}{path}")).status_code for path in ("/tasks", "/errors", "/whoami")]
    assert [200, 429, 200] == statuses


async def test_who_asks_too_often_is_told_over_http(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """429, with when to go on."""
    monkeypatch.setattr(limits, "RATE", 0.001)
    monkeypatch.setattr(limits, "BURST", 2.0)
    board = console(filled)
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        answers = [await http.get(f"{PREFIX}/health/checks") for _ in range(3)]
    assert [200, 200, 429] == [answer.status_code for answer in answers]
    assert 900 < int(answers[2].headers["retry-after"]) <= 1000


def test_every_code_has_one_status_and_a_remedy() -> None:
    """As the page lists them."""
    assert set(problems.CODES.values()) <= KINDS.keys()
    assert all(kind.remedy.endswith((".", "`.")) for kind in KINDS.values())


def test_problems_leave_out_what_does_not_apply() -> None:
    """As RFC 9457 has it: members that are not there, rather than null."""
    found = msgspec.to_builtins(problems.problem("invalid", "x", "/api/v1/"))
    assert {"type", "title", "status", "detail", "code"} == found.keys()


@pytest.mark.slow
async def test_it_works_wherever_it_is_mounted(filled: Store) -> None:
    """The document and problems name the place."""
    outer = Starlette(routes=[Mount("/a/b", console(filled))])
    transport = httpx2.ASGITransport(outer)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        assert 200 == (await http.get("/a/b/api/v1/queue", params={"name": "q"})).status_code
        assert 200 == (await http.post("/a/b/api/v1/queue/pause", json={"queue": "q"})).status_code
        assert [{"url": "/a/b/api/v1"}] == (await http.get("/a/b/api/v1/openapi.json")).json()["servers"]
        assert "/a/b/api/v1/#no-such-operation" == (await http.get("/a/b/api/v1/none")).json()["type"]
        assert 'href="/a/b/api/v1/openapi.json"' in (await http.get("/a/b/api/v1/")).text
        assert 'href="/a/b/api/v1/openapi.json"' in (await http.get("/a/b/api/v1")).text
