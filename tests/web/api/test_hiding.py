"""What the API does not show: secrets, and queues that are hidden from who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from onebeat import Task
from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.entry import entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.scheduler.triggers import Every
from onebeat.web import User, console
from onebeat.web.api.operation import PREFIX, Operation
from onebeat.web.api.table import OPERATIONS
from onebeat.web.security.roles import OWN
from onebeat.web.security.ways import Tokens
from onebeat.wire import gotext
from tests.inspector.conftest import everything, put
from tests.inspector.test_error_groups import fail
from tests.web.api.conftest import Api
from tests.web.api.filling import ODD
from tests.web.api.test_http import EXAMPLES
from tests.web.conftest import ORIGIN

SECRET = b'{"user":{"password":"hunter2hunter2","id":9007199254740993}}'
SHOWN = '{"user":{"password":"[hidden]","id":9007199254740993}}'


@pytest.fixture
async def secret(filled: Store) -> Store:
    """Return a store in which secrets stand."""
    await put(filled, "secret", SECRET, headers={"authorization": "Bearer abc", "trace": "x"})
    await put(filled, "packed", b"\x81\xa8password\xa7hunter2\xff")
    await Scheduler(filled, app="shop", entries=[entry("hush", Every(60), Task("t", SECRET, queue="q"), {})]).declare(
        filled
    )
    return filled


async def test_secrets_in_a_payload_are_hidden(api: Api, secret: Store) -> None:
    """Each number beside them stays digit by digit; what is hidden is said."""
    [row] = (await api.get("/tasks", q="id=secret"))["tasks"]
    assert (SHOWN, ["payload", "headers"]) == (row["payload"]["text"], row["redacted"])
    assert {"authorization": "[hidden]", "trace": "x"} == row["headers"]
    assert len(SECRET) == row["payload_bytes"]


async def test_secrets_are_hidden_in_json_as_well(api: Api, secret: Store) -> None:
    """Which stays JSON."""
    found = await api.get("/task/payload", queue="q", id="secret")
    assert (True, SHOWN, "[hidden]") == (found["is_redacted"], found["text"], found["json"]["user"]["password"])


async def test_bytes_that_nothing_can_look_into_are_hidden_as_a_whole(api: Api, secret: Store) -> None:
    """If the word of a rule stands in them."""
    found = await api.get("/task/payload", queue="q", id="packed")
    assert ("[hidden]", None, True) == (found["text"], found["base64"], found["is_redacted"])


async def test_a_record_in_which_secrets_stand_is_not_shown(api: Api, secret: Store) -> None:
    """Since the message has the payload in it."""
    found = await api.get("/task", queue="q", id="secret", raw=True)
    assert (None, True) == (found["raw"], "raw" in found["redacted"])


async def test_what_errors_say_is_told_without_secrets(api: Api, filled: Store) -> None:
    """Where all of a group say the very same but for what is hidden; else not at all."""
    for number in range(2):
        await fail(filled, f"same-{number}", f"AuthError: no entry with password=hunter{number} in row 7", kind="same")
        await fail(
            filled, f"other-{number}", f"AuthError: no entry with password=hunter2 in row {number}", kind="other"
        )
    found = await api.get("/errors", q="type:same,other")
    assert "hunter" not in str(found)
    assert {
        ("same", "no entry with password=[hidden]", "no entry with password=[hidden] in row <n>"),
        ("other", "", "no entry with password=[hidden] in row <n>"),
    } == {(group["type"], group["words"], group["message"]) for group in found["groups"]}


async def test_secrets_of_a_schedule_are_hidden(api: Api, secret: Store) -> None:
    """In the payload that it enqueues."""
    assert SHOWN == (await api.get("/schedule", id="hush"))["payload"]["text"]


async def test_what_is_hidden_is_not_written_back(api: Api, secret: Store) -> None:
    """Whoever reads a task, changes it and writes it back would lose the secrets that were not read."""
    [row] = (await api.get("/tasks", q="id=secret"))["tasks"]
    given = {"queue": "q", "id": "secret"}
    for changed in ({"payload": {"text": row["payload"]["text"]}}, {"headers": row["headers"]}):
        for path in ("/task/update", "/task/clone"):
            assert "[hidden] stands for" in (await api.post(path, 422, **given, **changed))["detail"]
    assert SECRET == (await Inspector(secret).task("q", "secret")).payload


async def test_secrets_of_the_headers_of_a_schedule_are_hidden(api: Api, filled: Store) -> None:
    """Which are among its options."""
    declared = entry("token", Every(60), Task("t", queue="q", headers={"authorization": "hunter2", "trace": "x"}), {})
    await Scheduler(filled, app="shop", entries=[declared]).declare(filled)
    found = (await api.get("/schedule", id="token"))["options"]
    assert {gotext.header("authorization", "[hidden]"), gotext.header("trace", "x")} <= set(found)


async def test_what_is_hidden_cannot_be_searched_for(api: Api, secret: Store) -> None:
    """Not letter by letter either, nor by what does not fit."""
    for path in ("/tasks", "/errors"):
        found = await api.get(path, 422, q="payload.user.password:h*")
        assert "nobody may search for what stands in it" in found["detail"]
    for q in ("payload:*hunter2*", "payload:hunter2"):
        assert [] == (await api.get("/tasks", q=q))["tasks"]
    assert "secret" in {task["id"] for task in (await api.get("/tasks", q="-payload:hunter2"))["tasks"]}


async def test_a_secret_is_not_cut_open(api: Api, filled: Store) -> None:
    """A long payload is looked into beyond what is shown of it."""
    await put(filled, "long", b'{"a":"' + b"x" * 3980 + b'","password":"' + b"hunter2" * 20_000 + b'"}')
    [row] = (await api.get("/tasks", q="id=long"))["tasks"]
    assert "hunter" not in row["payload"]["text"]
    assert {"payload"} == set(row["cut"])


TOKENS = {name: f"ob_{name}_0123456789abcdefghij" for name in ("viewer", "ops", "half", "nobody")}
USERS = {
    "viewer": User("viewer", "view"),
    "ops": User("ops", "operate"),
    "half": User("half", None, {"q": "operate"}),
    "nobody": User("nobody", None, {"other": "view"}),
}


@pytest.fixture
async def asks(filled: Store) -> AsyncIterator[Any]:
    """Return what makes an `Api` of a user."""
    board = console(filled, auth=Tokens([(TOKENS[name], user) for name, user in USERS.items()]))
    opened: list[httpx2.AsyncClient] = []

    def of(name: str) -> Api:
        headers = {"Authorization": f"Bearer {TOKENS.get(name, name)}"}
        opened.append(httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN, headers=headers))
        return Api(opened[-1])

    yield of
    for client in opened:
        await client.aclose()


async def test_who_is_not_known_is_told_how_to_say_who_one_is(asks: Any) -> None:
    """401, as a problem, with a challenge."""
    answer = await asks("wrong").http.get(f"{PREFIX}/queues")
    assert (401, "not-authenticated", "Bearer") == (
        answer.status_code, answer.json()["code"], answer.headers["www-authenticate"],
    )  # fmt: skip


async def test_who_asks_is_known_by_the_token(asks: Any) -> None:
    """With the roles on each queue."""
    found = await asks("half").get("/whoami")
    assert ("half", None, {"q": "operate"}) == (found["name"], found["role"], found["queues"])


async def test_hidden_queues_are_in_no_list(asks: Any) -> None:
    """Nor in sums, searches, servers' weights, schedules, errors."""
    half = asks("half")
    assert ["q"] == [row["queue"] for row in (await half.get("/queues"))["queues"]]
    assert (1, ["q"]) == ((s := await half.get("/stats"))["totals"]["queues"], [row["queue"] for row in s["queues"]])
    assert {"q"} == {task["queue"] for task in (await half.get("/tasks"))["tasks"]}
    assert {"q"} == {row["queue"] for row in (await half.get("/schedules"))["schedules"]}
    nobody = asks("nobody")
    for path, name in (("/queues", "queues"), ("/tasks", "tasks"), ("/schedules", "schedules"), ("/errors", "groups")):
        assert [] == (await nobody.get(path))[name]


HIDDEN: list[tuple[str, dict[str, str], int]] = [
    ("/queue", {"name": ODD}, 403),
    ("/queue", {"name": "nowhere"}, 403),
    ("/queue/history", {"name": ODD}, 403),
    ("/groups", {"queue": ODD}, 403),
    ("/tasks", {"q": f'queue="{ODD}"'}, 404),
    ("/task", {"queue": ODD, "id": "odd/1"}, 403),
    ("/task/payload", {"queue": ODD, "id": "odd/1"}, 403),
    ("/task/result", {"queue": ODD, "id": "odd/1"}, 403),
    ("/task/attempts", {"queue": ODD, "id": "odd/1"}, 403),
    ("/schedules", {"queue": ODD}, 403),
    ("/series", {"queue": ODD}, 403),
    ("/series/types", {"queue": ODD}, 403),
    ("/servers", {}, 403),
    ("/server", {"server": "one"}, 403),
    ("/store", {}, 403),
    ("/health", {}, 403),
    ("/health", {"queue": ODD}, 403),
    ("/health/repair", {}, 403),
]


@pytest.mark.parametrize(("path", "query", "status"), HIDDEN, ids=[f"{path}-{query}" for path, query, _ in HIDDEN])
async def test_what_is_hidden_is_refused_and_nothing_is_said_of_it(
    asks: Any, path: str, query: dict[str, str], status: int
) -> None:
    """Whether it is there or not."""
    found = await asks("half").get(path, status, **query)
    assert "go-1" not in found["detail"]


async def test_a_schedule_of_a_hidden_queue_is_not_found(asks: Any, filled: Store) -> None:
    """As one that is not there: the sentences are the same."""
    nobody = asks("nobody")
    for path in ("/schedule", "/schedule/next", "/schedule/fires"):
        hidden, missing = [(await nobody.get(path, 404, id=id_))["detail"] for id_ in ("report", "none")]
        assert hidden == missing
    for path in ("/schedule/pause", "/schedule/resume", "/schedule/run"):
        assert "schedule-not-found" == (await nobody.post(path, 404, id="report"))["code"]


WRITES = [operation for operation in OPERATIONS if operation.writes and operation.action not in OWN]


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.name)
async def test_who_only_looks_changes_nothing(asks: Any, filled: Store, operation: Operation) -> None:
    """403, with the role that it needs; only that it was refused is written down."""
    job = await Inspector(filled).begin_job("run", "", user="ann")
    before = {key: value for key, value in (await everything(filled)).items() if key != b"onebeat:audit"}
    body = {name: job.id if value == "job" else value for name, value in EXAMPLES[operation.name].items()}
    found = await asks("viewer").post(operation.path, 403, **body)
    assert ("forbidden", True) == (found["code"], "needs the role" in found["detail"])
    after = {key: value for key, value in (await everything(filled)).items() if key != b"onebeat:audit"}
    assert before == after


async def test_a_role_on_one_queue_is_none_on_another(asks: Any, filled: Store) -> None:
    """Neither by moving nor by cloning a task there."""
    half = asks("half")
    await half.post("/task/run", queue="q", id="archived")
    assert "forbidden" == (await half.post("/task/run", 403, queue=ODD, id="odd/1"))["code"]
    assert "forbidden" == (await half.post("/task/update", 403, queue="q", id="retry", move_to=ODD))["code"]
    assert "forbidden" == (await half.post("/task/clone", 403, queue="q", id="retry", to_queue=ODD))["code"]
    assert "forbidden" == (await half.post("/tasks", 403, type="t", queue=ODD))["code"]
    assert 1 == (await Inspector(filled).stats(ODD)).size


async def test_a_job_acts_where_one_may_alone(asks: Any, filled: Store) -> None:
    """A filter that finds more is narrowed; one that names another queue is refused."""
    half = asks("half")
    assert 1 == (await half.get("/jobs/preview", action="run", q="state:archived"))["count"]
    assert "forbidden" == (await half.post("/tasks/run", 403, q=f'queue="{ODD}"'))["code"]
    job = await half.post("/tasks/archive", 201, q="state:pending")
    while not (found := await half.get("/job", id=job["id"]))["ended"]:
        assert found["state"] in ("running", "done")
        await asyncio.sleep(0.05)  # who asks more than fifty times a second for long is refused
    assert 1 == (await Inspector(filled).stats(ODD)).pending


async def test_jobs_of_others_are_hidden_from_who_sees_a_part(asks: Any, filled: Store) -> None:
    """Their filters may name what is hidden."""
    job = await Inspector(filled).begin_job("run", "", user="ann")
    half = asks("half")
    assert [] == (await half.get("/jobs"))["jobs"]
    for path in ("/job/stop", "/job/continue"):
        assert "job-not-found" == (await half.post(path, 404, id=job.id))["code"]
    assert 1 == len((await asks("viewer").get("/jobs"))["jobs"])


async def test_the_audit_shows_ones_own_and_what_one_sees(asks: Any, filled: Store) -> None:
    """No record of a hidden queue."""
    await asks("ops").post("/queue/pause", queue=ODD)
    await asks("ops").post("/queue/pause", queue="q")
    half = asks("half")
    await half.post("/queue/pause", 403, queue=ODD)
    assert {("ops", "q")} == {(one["user"], one["queue"]) for one in (await half.get("/audit"))["records"]}


async def test_the_document_says_that_one_has_to_say_who_one_is(asks: Any) -> None:
    """By a token, or by a session."""
    assert [{"token": []}, {"session": []}] == (await asks("viewer").get("/openapi.json"))["security"]


@pytest.mark.parametrize("given", [{"set": {"user.password": "x"}}, {"set": {"user": {}}}, {"payload": {"json": {}}}])
async def test_what_is_hidden_is_replaced_by_an_administrator_alone(
    asks: Any, secret: Store, given: dict[str, Any]
) -> None:
    """Since nobody sees what is lost; what is seen is changed by an operator."""
    body = {"queue": "q", "id": "secret"}
    refused = await asks("ops").post("/task/update", 403, **body, **given)
    assert "task.replace_hidden needs the role admin on queue 'q'" in refused["detail"]
    await asks("ops").post("/task/update", **body, set={"user.id": 7})
    assert b'{"user":{"password":"hunter2hunter2","id":7}}' == (await Inspector(secret).task("q", "secret")).payload
