"""What the API changes: each operation that writes, and that it says what came of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat.broker.store import Store
from onebeat.errors import TaskNotFound
from onebeat.inspector.inspector import Inspector
from onebeat.web.api import queues
from onebeat.web.api.operation import PREFIX
from onebeat.wire import keys
from tests.conftest import NOON
from tests.inspector.conftest import everything, put, put_in
from tests.web.api.conftest import Api
from tests.web.api.filling import ODD, PAYLOAD


@pytest.fixture
def inspector(filled: Store) -> Inspector:
    """Return what looks at what was done."""
    return Inspector(filled)


async def test_a_queue_is_paused_and_resumed(api: Api, inspector: Inspector) -> None:
    """And says what it is then."""
    assert {"queue": ODD, "paused": True} == await api.post("/queue/pause", queue=ODD)
    assert (await inspector.stats(ODD)).paused
    assert {"queue": ODD, "paused": False} == await api.post("/queue/resume", queue=ODD)
    assert not (await inspector.stats(ODD)).paused


async def test_views_are_saved_replaced_and_deleted(api: Api) -> None:
    """Of this console, which asks nobody who they are, all are shared; what is taken is replaced if that is asked."""
    view: dict[str, Any] = {"name": "failed", "q": "state:archived  age<1d"}
    said = {**view, "shared": True, "saved_by": "local", "problem": ""}
    saved = await api.post("/views/save", **view)
    assert said == {key: value for key, value in saved.items() if key != "saved"}
    assert [saved] == (await api.get("/views"))["views"]
    found = await api.post("/views/share", 409, name="failed", q="state:retry")
    assert ("wrong-state", True) == (found["code"], "is taken" in found["detail"])
    replaced = await api.post("/views/share", name="failed", q="state:retry", replace=True)
    assert [replaced] == (await api.get("/views"))["views"]
    assert {"deleted": True} == await api.post("/views/unshare", name="failed")
    assert {"deleted": False} == await api.post("/views/delete", name="failed")
    assert [] == (await api.get("/views"))["views"]


@pytest.mark.parametrize(
    ("name", "q", "code"),
    [("v", "state:asleep", "invalid-filter"), ("a\u200bb", "state:retry", "invalid"), (" ", "state:retry", "invalid"),
     ("v", " ", "invalid"), ("v", "payload.password:x", "invalid-filter"), ("x" * 61, "state:retry", "invalid")],
)  # fmt: skip
async def test_a_view_that_cannot_be_kept_is_refused(api: Api, name: str, q: str, code: str) -> None:
    """Before anything is written."""
    assert code == (await api.post("/views/save", 422, name=name, q=q))["code"]
    assert [] == (await api.get("/views"))["views"]


async def test_what_is_so_already_is_refused(api: Api) -> None:
    """As the command line refuses it."""
    found = await api.post("/queue/resume", 409, queue="q")
    assert "wrong-state" == found["code"]


async def test_a_queue_is_removed(api: Api, inspector: Inspector) -> None:
    """With its tasks, if that is asked for."""
    assert "queue-not-empty" == (await api.post("/queue/remove", 409, queue=ODD))["code"]
    assert {"queue": ODD, "tasks": 1} == await api.post("/queue/remove", queue=ODD, force=True)
    assert ["q"] == await inspector.queues()


async def test_a_large_queue_is_not_removed_within_a_request(
    api: Api, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left alone, and the way that can is named."""
    monkeypatch.setattr(queues, "MOST_REMOVED", 0)
    found = await api.post("/queue/remove", 409, queue=ODD, force=True)
    assert "it holds 1 tasks, and a request removes 0 at most" in found["detail"]
    assert [ODD, "q"] == await inspector.queues()


@pytest.mark.parametrize(
    ("action", "id", "became"),
    [
        ("run", "archived", "pending"),
        ("archive", "retry", "archived"),
        ("delete", "completed", "deleted"),
        ("cancel", "scheduled", "deleted"),
        ("cancel", "active", "stopping"),
        ("cancel", "completed", "ended"),
    ],
)
async def test_a_task_is_steered(api: Api, inspector: Inspector, action: str, id: str, became: str) -> None:
    """And says what became of it."""
    assert {"queue": "q", "id": id, "became": became} == await api.post(f"/task/{action}", queue="q", id=id)
    if became == "deleted":
        with pytest.raises(TaskNotFound):
            await inspector.task("q", id)
    else:
        state = {"stopping": "active", "ended": "completed"}.get(became, became)
        assert state == (await inspector.task("q", id)).state


@pytest.mark.parametrize(("action", "id"), [("run", "pending"), ("archive", "active"), ("delete", "active")])
async def test_what_its_state_forbids_is_refused(api: Api, inspector: Inspector, action: str, id: str) -> None:
    """And nothing is changed."""
    found = await api.post(f"/task/{action}", 409, queue="q", id=id)
    assert ("wrong-state", id) == (found["code"], (await inspector.task("q", id)).state)


@pytest.mark.parametrize("action", ["run", "archive", "delete", "cancel", "update", "clone"])
async def test_a_task_that_is_not_there_is_named(api: Api, action: str) -> None:
    """With its queue."""
    more = {"max_retry": 1} if action == "update" else {}
    found = await api.post(f"/task/{action}", 404, queue="q", id="none", **more)
    assert ("task-not-found", True) == (found["code"], "'none'" in found["detail"])


async def test_a_task_is_enqueued_with_all_options(api: Api, filled: Store, inspector: Inspector) -> None:
    """Each named as the documents name it, with its unit."""
    deadline = datetime.fromtimestamp(NOON + 9000, UTC)
    found = await api.post(
        "/tasks", 201, type="mail:send", payload={"json": {"n": 1}}, queue=ODD, task_id="mine", max_retry=3,
        timeout_s=1.5, deadline=deadline.isoformat(), process_in_s=60, expires_in_s=600, retention_s=30,
        headers={"a": "b"}, unique_s=5, unique_until="start", unique_key="k",
    )  # fmt: skip
    assert {"id": "mine", "queue": ODD, "type": "mail:send", "state": "scheduled"} == {
        name: found[name] for name in ("id", "queue", "type", "state")
    }
    record = await inspector.record(ODD, "mine")
    info = record.info
    assert (3, timedelta(seconds=1.5), deadline, timedelta(seconds=30), {"a": "b"}, b'{"n":1}') == (
        info.max_retry, record.timeout, info.deadline, info.retention, info.headers, info.payload,
    )  # fmt: skip
    assert record.lock is not None


async def test_a_number_is_enqueued_digit_by_digit(api: Api, inspector: Inspector) -> None:
    """As it was written, without the spaces around it; and what Go escapes is escaped."""
    body = b'{"type":"t","task_id":"n","payload":{"json": {"n" : 9007199254740993, "p": 0.10, "s": "<a b>"} }}'
    answer = await api.http.post(f"{PREFIX}/tasks", content=body, headers={"Content-Type": "application/json"})
    assert 201 == answer.status_code
    payload = (await inspector.task("default", "n")).payload
    assert b'{"n":9007199254740993,"p":0.10,"s":"\\u003ca b\\u003e"}' == payload


@pytest.mark.parametrize(
    ("payload", "data"), [({"text": "ü "}, "ü ".encode()), ({"base64": "/wA="}, b"\xff\x00"), (None, b"")]
)
async def test_a_payload_is_given_in_three_ways(api: Api, inspector: Inspector, payload: Any, data: bytes) -> None:
    """Or not at all."""
    await api.post("/tasks", 201, type="t", task_id="n", payload=payload)
    assert data == (await inspector.task("default", "n")).payload


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ({"payload": {}}, "invalid-payload", "payload is given in 0 ways"),
        ({"payload": {"text": "a", "json": 1}}, "invalid-payload", "payload is given in 2 ways"),
        ({"payload": {"base64": "é"}}, "invalid-payload", "payload.base64 is no base64"),
        ({"payload": 5}, "invalid", "field 'payload'"),
        ({"type": " "}, "invalid", "task type is ' '"),
        ({"queue": "{q}"}, "invalid", "leave out braces"),
        ({"process_in_s": -1}, "invalid", "field 'process_in_s'"),
        ({"process_in_s": 1, "process_at": "2030-01-01T00:00:00Z"}, "invalid", "give one of them"),
        ({"expires_in_s": 1, "expires_at": "2030-01-01T00:00:00Z"}, "invalid", "give one of them"),
        ({"process_at": "2030-01-01T00:00:00"}, "invalid", "timezone"),
        ({"unique_key": "k"}, "invalid", "without unique_s"),
        ({"headers": {"": "x"}}, "invalid", "header name is ''"),
        ({"priority": 1}, "invalid", "field 'priority' is unknown"),
        ({"task_id": "pending", "queue": "q"}, "task-id-conflict", "'pending' is taken"),
    ],
)
async def test_what_cannot_be_enqueued_is_refused(
    api: Api, filled: Store, body: dict[str, Any], code: str, told: str
) -> None:
    """With a sentence that names the field; nothing is written."""
    before = await written(filled)
    found = await api.post("/tasks", 409 if code.endswith("conflict") else 422, **{"type": "t", **body})
    assert code == found["code"]
    assert told in found["detail"]
    assert before == await written(filled)


async def written(store: Store) -> dict[bytes, bytes]:
    """Read the whole database, but for what clients were answered last, and what they tried."""
    found = await everything(store)
    return {key: value for key, value in found.items() if b":c:" not in key and key != b"onebeat:audit"}


async def test_a_duplicate_names_who_holds_the_lock(api: Api) -> None:
    """So that a script can wait for it."""
    first = await api.post("/tasks", 201, type="t", payload={"json": 1}, unique_s=60)
    found = await api.post("/tasks", 409, type="t", payload={"json": 1}, unique_s=60)
    assert ("duplicate-task", first["id"]) == (found["code"], found["holder"])


async def test_a_task_is_enqueued_once_more(api: Api, inspector: Inspector) -> None:
    """With what it had, but its lock; the one that is there stays."""
    found = await api.post("/task/clone", 201, queue="q", id="archived")
    info = await inspector.task("q", found["id"])
    assert ("pending", PAYLOAD, {"trace": "x"}, timedelta(hours=1), 0) == (
        info.state, info.payload, info.headers, info.retention, info.retried,
    )  # fmt: skip
    assert "archived" == (await inspector.task("q", "archived")).state


async def test_a_clone_may_be_otherwise(api: Api, inspector: Inspector) -> None:
    """In its payload, its queue, its options."""
    found = await api.post(
        "/task/clone", 201, queue="q", id="active", to_queue="other", payload={"json": [1]}, max_retry=7, headers={}
    )
    info = await inspector.task("other", found["id"])
    assert (b"[1]", 7, {}) == (info.payload, info.max_retry, info.headers)


async def test_a_clone_of_a_task_of_a_group_joins_it(api: Api) -> None:
    """As the one did that is there."""
    assert "aggregating" == (await api.post("/task/clone", 201, queue="q", id="aggregating"))["state"]


async def test_a_deadline_that_is_over_does_not_pass_to_a_clone(api: Api, filled: Store, inspector: Inspector) -> None:
    """It could never run; one that is to come does."""
    await put(filled, "late", deadline=datetime(2001, 1, 1, tzinfo=UTC))
    await put(filled, "early", deadline=datetime(2201, 1, 1, tzinfo=UTC))
    late, early = [(await api.post("/task/clone", 201, queue="q", id=one))["id"] for one in ("late", "early")]
    assert (await inspector.task("q", late)).deadline is None
    assert 2201 == (await inspector.task("q", early)).deadline.year  # type: ignore[union-attr]


async def test_a_task_is_changed(api: Api, inspector: Inspector) -> None:
    """All of it in one step; it is answered as it is then."""
    found = await api.post(
        "/task/update", queue="q", id="retry", payload={"json": {"a": 1}}, max_retry=2, process_in_s=0
    )
    assert ("pending", {"text": '{"a":1}'}, 2) == (found["state"], found["payload"], found["max_retry"])
    assert b'{"a":1}' == (await inspector.task("q", "retry")).payload


async def test_a_task_is_moved(api: Api, inspector: Inspector) -> None:
    """To another queue."""
    found = await api.post("/task/update", queue="q", id="pending", move_to=ODD)
    assert (ODD, "pending") == (found["queue"], (await inspector.task(ODD, "pending")).state)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"id": "retry"}, 422, "nothing to change"),
        ({"id": "active", "max_retry": 1}, 409, "it is running"),
        ({"id": "retry", "move_to": "{x}"}, 422, "leave out braces"),
    ],
)
async def test_what_cannot_be_changed_is_refused(api: Api, body: dict[str, Any], status: int, told: str) -> None:
    """With what keeps it."""
    assert told in (await api.post("/task/update", status, queue="q", **body))["detail"]


async def test_a_schedule_is_paused_and_resumed(api: Api, inspector: Inspector) -> None:
    """And says what it is then."""
    assert "paused" == (await api.post("/schedule/pause", id="report"))["state"]
    found = await api.post("/schedule/resume", id="report", missed="once")
    assert (0, True, "live") == (found["passed"], found["is_exact"], found["schedule"]["state"])


async def test_a_schedule_is_run_by_hand(api: Api, inspector: Inspector) -> None:
    """Once for each key; with another payload if one is given."""
    found = await api.post("/schedule/run", 201, id="nightly", key="k", payload={"json": {"day": 1}})
    assert {"queue": "q", "task_id": "nightly:m:k"} == found
    assert b'{"day":1}' == (await inspector.task("q", "nightly:m:k")).payload
    assert "task-id-conflict" == (await api.post("/schedule/run", 409, id="nightly", key="k"))["code"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/schedule/pause", {"id": "nightly"}, 409),
        ("/schedule/pause", {"id": "e-1"}, 409),
        ("/schedule/pause", {"id": "none"}, 404),
        ("/schedule/resume", {"id": "report"}, 409),
        ("/schedule/resume", {"id": "nightly", "missed": "some"}, 422),
        ("/schedule/run", {"id": "report", "key": "a b"}, 422),
        ("/schedule/run", {"id": "none"}, 404),
    ],
)
async def test_what_a_schedule_cannot_do_is_refused(api: Api, path: str, body: dict[str, Any], status: int) -> None:
    """Because of its state, of who keeps it, or of what was said."""
    await api.post(path, status, **body)


@pytest.mark.parametrize(("word", "order"), [("drain", "drain"), ("stop", "stop"), ("resume", "take")])
async def test_a_server_is_told(api: Api, filled: Store, word: str, order: str) -> None:
    """It is answered as it was; the order stands in the store."""
    found = await api.post(f"/server/{word}", server="web-1:41")
    assert "one" == found["id"]
    assert order in (await filled.command("GET", keys.order("web-1:41:one"))).decode()


@pytest.mark.parametrize("word", ["drain", "stop", "resume"])
async def test_a_server_of_go_hears_no_orders(api: Api, word: str) -> None:
    """It is refused, and one that does not live is not found."""
    assert "wrong-state" == (await api.post(f"/server/{word}", 409, server="two"))["code"]
    assert "server-not-found" == (await api.post(f"/server/{word}", 404, server="none"))["code"]


async def test_damage_is_mended_only_if_that_is_said(api: Api, filled: Store, inspector: Inspector) -> None:
    """Else it is a dry run."""
    await filled.command("LREM", "asynq:{q}:pending", 0, "pending")
    dry = await api.get("/health/repair", queue="q")
    assert (True, [("pending", False)]) == (dry["dry_run"], [(one["name"], one["is_done"]) for one in dry["repaired"]])
    done = await api.post("/health/repair", queues=["q"])
    assert [("pending", True)] == [(one["name"], one["is_done"]) for one in done["repaired"]]
    assert 1 == await filled.command("LREM", "asynq:{q}:pending", 0, "pending")


async def test_a_check_that_is_none_is_refused(api: Api) -> None:
    """With those that there are."""
    assert "check 'none' is none" in (await api.post("/health/repair", 422, checks=["none"]))["detail"]


async def test_a_read_after_a_change_shows_it(api: Api) -> None:
    """Answers that are shared for a second are forgotten by each change."""
    assert not (await api.get("/queue", name="q"))["counts"]["paused"]
    await api.post("/queue/pause", queue="q")
    assert (await api.get("/queue", name="q"))["counts"]["paused"]


async def reached(api: Api, id: str, field: str = "ended") -> dict[str, Any]:
    """Wait until a field of a job is set, and return the job."""
    while True:
        found: dict[str, Any] = await api.get("/job", id=id)
        if found[field]:
            return found
        await asyncio.sleep(0.05)  # who asks more than fifty times a second for long is refused


@pytest.mark.parametrize(
    ("action", "q", "left"),
    [
        ("run", "state:archived", "archived"),
        ("archive", "state:retry", "retry"),
        ("delete", "state:completed", "completed"),
        ("cancel", "state:scheduled", "scheduled"),
    ],
)
async def test_something_is_done_to_all_that_fit(
    api: Api, inspector: Inspector, action: str, q: str, left: str
) -> None:
    """By a job, which says how far it is."""
    job = await api.post(f"/tasks/{action}", 201, q=q)
    assert ("local", "admin", action, q) == (job["user"], job["role"], job["action"], job["filter"])
    done = await reached(api, job["id"])
    assert ("done", 1, True) == (done["state"], done["changed"], done["is_whole"])
    assert 0 == getattr(await inspector.stats("q"), left)


async def test_all_tasks_have_to_be_asked_for(api: Api) -> None:
    """Who forgets the filter does nothing."""
    assert "field 'q' is missing" in (await api.post("/tasks/delete", 422))["detail"]


@pytest.mark.slow
async def test_a_job_is_stopped_and_gone_on_with(api: Api, filled: Store) -> None:
    """What was done stays done, and the rest is chosen anew."""
    for number in range(5):
        await put_in(filled, "archived", f"more{number}")
    job = await api.post("/tasks/run", 201, q="state:archived", rate=0.01)  # it does one, and is at the next for long
    await reached(api, job["id"], "changed")
    assert (await api.post("/job/stop", id=job["id"]))["state"] in ("stopping", "stopped")
    stopped = await reached(api, job["id"])
    assert ("stopped", "local") == (stopped["state"], stopped["stopped_by"])
    assert 0 < stopped["changed"] < 6
    await api.post("/job/continue", id=job["id"])
    await api.post("/job/stop", id=job["id"])
    await reached(api, job["id"])


async def test_a_job_that_has_ended_is_not_gone_on_with(api: Api) -> None:
    """Nor is it changed by being stopped."""
    job = await api.post("/tasks/run", 201, q="state:archived")
    await reached(api, job["id"])
    assert "is done: there is nothing to go on with" in (await api.post("/job/continue", 409, id=job["id"]))["detail"]
    assert "done" == (await api.post("/job/stop", id=job["id"]))["state"]


async def test_fields_are_set_and_taken_away(api: Api, filled: Store, inspector: Inspector) -> None:
    """All others stay byte for byte; the audit tells their names."""
    await put(filled, "a", b'{ "id":9007199254740993, "user":{"password":"hunter2","e.mail":"a"}, "old":1 }')
    sets = {"/user/e.mail": "b", "tags": [1]}
    found = await api.post("/task/update", queue="q", id="a", set=sets, unset=["old"])
    assert (
        '{ "id":9007199254740993, "user":{"password":"[hidden]","e.mail":"b"},"tags":[1]}' == found["payload"]["text"]
    )
    expected = b'{ "id":9007199254740993, "user":{"password":"hunter2","e.mail":"b"},"tags":[1]}'
    assert expected == (await inspector.task("q", "a")).payload
    [record] = (await inspector.audit()).records
    assert ("task.update", "payload (/user/e.mail, tags, old)") == (record.action, record.changes)
    assert record.changes == (await api.get("/audit"))["records"][0]["changes"]


async def test_a_clone_is_set_by_field(api: Api, filled: Store, inspector: Inspector) -> None:
    """With the secret of the first."""
    await put(filled, "a", b'{"n":1,"password":"hunter2"}')
    made = await api.post("/task/clone", 201, queue="q", id="a", set={"n": 2})
    assert b'{"n":2,"password":"hunter2"}' == (await inspector.task("q", made["id"])).payload


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        ({"set": {"n.x": 1}}, "payload has nothing to set at 'n.x'"),
        ({"unset": ["z"]}, "payload has nothing to take away at 'z'"),
        ({"set": {"n": "[hidden]"}}, "stands for a hidden value"),
        ({"set": {"n": 1}, "payload": {"json": 1}}, "payload is given, and set or unset"),
    ],
)
async def test_fields_that_cannot_be_set_are_named(
    api: Api, filled: Store, inspector: Inspector, given: dict[str, Any], detail: str
) -> None:
    """And nothing is changed."""
    await put(filled, "a", b'{"n":1}')
    assert detail in (await api.post("/task/update", 422, queue="q", id="a", **given))["detail"]
    assert b'{"n":1}' == (await inspector.task("q", "a")).payload
