"""What the API tells: each operation that reads, over a store with something of everything."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onebeat.broker.store import Store
from onebeat.web.api.paging import write
from tests.inspector.conftest import STATES, put
from tests.web.api.conftest import Api
from tests.web.api.filling import ODD, PAYLOAD


async def test_stats_are_those_of_the_command_line(api: Api) -> None:
    """All queues, their sums, and the store."""
    found = await api.get("/stats")
    assert [ODD, "q"] == [row["queue"] for row in found["queues"]]
    assert {"queues": 2, "retry": 1} == {name: found["totals"][name] for name in ("queues", "retry")}
    assert found["info"]["address"] == found["store"]


async def test_the_store_says_what_it_is(api: Api) -> None:
    """Its kind, its memory."""
    found = await api.get("/store")
    assert found["kind"] in ("redis", "valkey")
    assert found["memory_bytes"] > 0


async def test_whoever_asks_nobody_is_told_so(api: Api) -> None:
    """A console on this machine alone asks nobody who they are, and lets everybody do all."""
    found = await api.get("/whoami")
    assert ("admin", {}, False) == (found["role"], found["queues"], found["read_only"])


async def test_queues_come_in_parts(api: Api) -> None:
    """By name, each with a cursor that leads to the next."""
    first = await api.get("/queues", limit=1)
    second = await api.get("/queues", limit=1, cursor=first["cursor"])
    assert ([ODD], ["q"], None) == (
        [row["queue"] for row in first["queues"]], [row["queue"] for row in second["queues"]], second["cursor"],
    )  # fmt: skip


async def test_queues_are_found_by_a_pattern(api: Api) -> None:
    """As a shell's."""
    found = await api.get("/queues", like="a/*")
    assert [ODD] == [row["queue"] for row in found["queues"]]


async def test_a_queue_that_cannot_be_read_is_named_and_the_others_are_read(api: Api, filled: Store) -> None:
    """With why."""
    await filled.command("SADD", "asynq:queues", "broken")
    await filled.command("SET", "asynq:{broken}:pending", "no list")
    found = await api.get("/queues")
    assert ["broken"] == [one["queue"] for one in found["unreadable"]]
    assert [ODD, "q"] == [row["queue"] for row in found["queues"]]


async def test_one_queue_comes_with_groups_servers_and_types(api: Api) -> None:
    """As `queue inspect --json` has it."""
    found = await api.get("/queue", name="q")
    assert {"go-1", "web-1"} == {server["host"] for server in found["servers"]}
    assert [{"queue": "q", "name": "g", "size": 1, "staged": 0}] == found["groups"]
    assert [{"type": "t", "count": found["sampled"]}] == found["types"]


async def test_history_has_a_row_for_each_day(api: Api) -> None:
    """Today first."""
    found = await api.get("/queue/history", name="q", days=3)
    assert ["2030-03-17", "2030-03-16", "2030-03-15"] == [day["day"] for day in found["days"]]


async def test_groups_are_listed(api: Api) -> None:
    """Of one queue."""
    found = await api.get("/groups", queue="q")
    assert ["g"] == [group["name"] for group in found["groups"]]


async def test_tasks_are_found_by_a_filter(api: Api) -> None:
    """In all queues and states."""
    found = await api.get("/tasks", q="payload.user.id=9007199254740993 state:retry,archived")
    assert ({"retry", "archived"}, None) == ({task["id"] for task in found["tasks"]}, found["cursor"])
    assert PAYLOAD.decode() == found["tasks"][0]["payload"]["text"]


async def test_a_search_goes_on_where_it_stopped(api: Api) -> None:
    """By its cursor, with the same filter, until all was looked at."""
    ids, cursor, rounds = [], "", 0
    while cursor is not None:
        found = await api.get("/tasks", limit=2, cursor=cursor)
        ids += [task["id"] for task in found["tasks"]]
        cursor, rounds = found["cursor"], rounds + 1
    assert sorted([*STATES, "bytes", "odd/1", "report:m:first"]) == sorted(ids)
    assert rounds > 3


async def test_a_search_looks_at_no_more_than_it_is_told(api: Api) -> None:
    """And says how far it came."""
    found = await api.get("/tasks", q="type:none", scan=1)
    assert ([], 1) == (found["tasks"], found["scanned"])
    assert found["cursor"]


async def test_a_list_shows_the_beginning_of_a_long_payload(api: Api, filled: Store) -> None:
    """And says so; the task alone shows more."""
    await put(filled, "long", b"\xc3\xbc" * 3000)
    [row] = (await api.get("/tasks", q="id=long"))["tasks"]
    assert ("ü" * 2000, 6000, ["payload"]) == (row["payload"]["text"], row["payload_bytes"], row["cut"])
    whole = await api.get("/task", queue="q", id="long")
    assert ("ü" * 3000, []) == (whole["payload"]["text"], whole["cut"])


@pytest.mark.parametrize("state", STATES)
async def test_a_task_of_each_state_is_read_with_all_that_is_known(api: Api, state: str) -> None:
    """Its lock among it."""
    found = await api.get("/task", queue="q", id=state)
    assert (state, {"trace": "x"}) == (found["state"], found["headers"])
    assert found["lock"]["key"].startswith("asynq:{q}:unique:t:")


async def test_a_task_of_a_queue_that_no_path_could_hold_is_read(api: Api) -> None:
    """Names and ids stand in the query."""
    found = await api.get("/task", queue=ODD, id="odd/1")
    assert {"text": '{"to":"ü"}'} == found["payload"]


async def test_the_record_is_shown_if_asked_for(api: Api) -> None:
    """As it stands in the store."""
    assert (await api.get("/task", queue="q", id="retry"))["raw"] is None
    found = await api.get("/task", queue="q", id="retry", raw=True)
    assert {"text": "retry"} == found["raw"]["state"]
    assert "base64" in found["raw"]["msg"] or "text" in found["raw"]["msg"]


async def test_a_payload_has_every_digit(api: Api) -> None:
    """In `json` as well: the bytes of the answer have the numbers as they were written."""
    answer = await api.http.get("/api/v1/task/payload", params={"queue": "q", "id": "pending"})
    assert b'"json":' + PAYLOAD in answer.content
    assert len(PAYLOAD) == answer.json()["bytes"]


async def test_bytes_that_are_no_text_come_as_base64(api: Api) -> None:
    """And are neither text nor JSON."""
    found = await api.get("/task/payload", queue="q", id="bytes")
    assert (None, None, "/wA=") == (found["json"], found["text"], found["base64"])


@pytest.mark.parametrize("payload", [b"NaN", b"[1,", b"", b'{"a":' * 3000])
async def test_what_is_nearly_json_is_text(api: Api, filled: Store, payload: bytes) -> None:
    """Nothing is put into the answer that would make it none."""
    await put(filled, "odd", payload)
    found = await api.get("/task/payload", queue="q", id="odd")
    assert (None, payload.decode()) == (found["json"], found["text"])


async def test_a_result_is_read(api: Api) -> None:
    """Of a completed task."""
    found = await api.get("/task/result", queue="q", id="completed")
    assert "result" == found["text"]


async def test_a_task_without_a_result_says_so(api: Api) -> None:
    """And what would have kept it."""
    found = await api.get("/task/result", 404, queue="q", id="pending")
    assert "task 'pending' of queue 'q' has no result: it is pending" in found["detail"]


async def test_schedules_of_both_kinds_are_listed(api: Api) -> None:
    """Onebeat's in whatever state, and Go's."""
    found = await api.get("/schedules")
    assert [("e-1", "asynq", "live"), ("nightly", "onebeat", "paused"), ("report", "onebeat", "live")] == [
        (row["id"], row["kept_by"], row["state"]) for row in found["schedules"]
    ]


async def test_schedules_of_one_queue_are_listed(api: Api) -> None:
    """Go's name theirs among their options."""
    found = await api.get("/schedules", queue="q", limit=1)
    again = await api.get("/schedules", queue="q", limit=1, cursor=found["cursor"])
    assert (["nightly"], ["report"]) == tuple([row["id"] for row in part["schedules"]] for part in (found, again))


@pytest.mark.parametrize(("id", "kept_by"), [("report", "onebeat"), ("e-1", "asynq")])
async def test_one_schedule_is_read(api: Api, id: str, kept_by: str) -> None:
    """Onebeat's, and Go's."""
    assert kept_by == (await api.get("/schedule", id=id))["schedule"]["kept_by"]


async def test_coming_ticks_are_reckoned(api: Api) -> None:
    """As many as are asked for."""
    found = await api.get("/schedule/next", id="report", count=3)
    assert 3 == len(found["ticks"])
    assert "every 1 min" == found["words"]


async def test_fires_are_listed(api: Api) -> None:
    """The latest first, runs by hand among them."""
    found = await api.get("/schedule/fires", id="report")
    assert ([("report:m:first", True)], None) == (
        [(fire["task_id"], fire["by_hand"]) for fire in found["fires"]], found["cursor"],
    )  # fmt: skip
    assert [] == (await api.get("/schedule/fires", id="e-1"))["fires"]


async def test_fires_come_in_parts(api: Api, filled: Store) -> None:
    """A part that is full leads to the next."""
    await api.post("/schedule/run", 201, id="report", key="second")
    first = await api.get("/schedule/fires", id="report", limit=1)
    second = await api.get("/schedule/fires", id="report", limit=1, cursor=first["cursor"])
    assert ["report:m:second", "report:m:first"] == [part["fires"][0]["task_id"] for part in (first, second)]


async def test_servers_are_listed(api: Api) -> None:
    """Go's among them."""
    found = await api.get("/servers")
    assert [("go-1", "asynq"), ("web-1", "onebeat")] == [(row["host"], row["library"]) for row in found["servers"]]


@pytest.mark.parametrize("name", ["one", "web-1:41"])
async def test_one_server_is_read_with_what_it_runs(api: Api, name: str) -> None:
    """By its id, or by host and process."""
    found = await api.get("/server", server=name)
    assert [("active", {"text": PAYLOAD.decode()})] == [(one["task_id"], one["payload"]) for one in found["workers"]]


async def test_health_says_what_doctor_says(api: Api) -> None:
    """With a verdict."""
    found = await api.get("/health", queue="q")
    assert ("diagnosis", True) == (found["kind"], bool(found["verdict"]))


async def test_one_check_is_made_alone(api: Api) -> None:
    """By its name; two by naming both."""
    found = await api.http.get("/api/v1/health?check=store-version&check=store-memory&budget=10")
    assert {"store-version", "store-memory"} == set(found.json()["checked"])


async def test_checks_are_listed(api: Api) -> None:
    """With what can be mended."""
    found = await api.get("/health/checks")
    assert {True, False} == {check["can_repair"] for check in found["checks"]}


MISSING: list[tuple[str, dict[str, Any], str]] = [
    ("/queue", {"name": "nowhere"}, "queue-not-found"),
    ("/queue/history", {"name": "nowhere"}, "queue-not-found"),
    ("/groups", {"queue": "nowhere"}, "queue-not-found"),
    ("/tasks", {"q": "queue:nowhere"}, "queue-not-found"),
    ("/task", {"queue": "q", "id": "none"}, "task-not-found"),
    ("/task/payload", {"queue": "q", "id": "none"}, "task-not-found"),
    ("/task/result", {"queue": "q", "id": "none"}, "task-not-found"),
    ("/schedules", {"queue": "nowhere"}, "queue-not-found"),
    ("/schedule", {"id": "none"}, "schedule-not-found"),
    ("/schedule/next", {"id": "none"}, "schedule-not-found"),
    ("/schedule/fires", {"id": "none"}, "schedule-not-found"),
    ("/jobs/preview", {"action": "run", "q": "queue:nowhere"}, "queue-not-found"),
    ("/errors", {"q": "queue:nowhere"}, "queue-not-found"),
    ("/task/attempts", {"queue": "q", "id": "none"}, "task-not-found"),
    ("/server", {"server": "none"}, "server-not-found"),
    ("/health", {"queue": "nowhere"}, "queue-not-found"),
]


@pytest.mark.parametrize(("path", "query", "code"), MISSING, ids=[path for path, _, _ in MISSING])
async def test_what_is_not_there_is_named(api: Api, path: str, query: dict[str, str], code: str) -> None:
    """As a problem with a code of its own."""
    found = await api.get(path, 404, **query)
    assert code == found["code"]
    assert list(query.values())[-1].removeprefix("queue:") in found["detail"]


@pytest.mark.parametrize("path", ["/queues", "/schedules", "/servers"])
async def test_a_cursor_of_another_list_is_refused(api: Api, path: str) -> None:
    """And one that is none; a place of another kind as well."""
    for cursor in ("zzz", write("other", "x"), write(path[1:] + " ", 5), write("servers", None)):
        found = await api.get(path, 422, cursor=cursor)
        assert f"cursor is {cursor!r}" in found["detail"]


async def test_a_damaged_record_is_no_error_of_the_console(api: Api, filled: Store) -> None:
    """What is asked for itself is answered 409, with what stands in the store; of a queue the rest is told."""
    await filled.command("DEL", "asynq:{q}:paused", "asynq:{q}:retry", "asynq:{q}:t:archived")
    await filled.command("SET", "asynq:{q}:retry", "no sorted set")
    await filled.command("SET", "asynq:{q}:t:archived", "no hash")
    found = await api.get("/task", 409, queue="q", id="archived")
    assert ("damaged", True) == (found["code"], "asynq:{q}:t:archived is a string" in found["detail"])
    found = await api.get("/queue", name="q")
    assert (1, 0, 1) == (found["counts"]["archived"], found["counts"]["retry"], len(found["unread"]))


async def test_the_answer_is_json_for_any_reader(api: Api) -> None:
    """Also where a payload stands in it as it is."""
    answer = await api.http.get("/api/v1/task/payload", params={"queue": "q", "id": "pending"})
    assert 9007199254740993 == json.loads(answer.content)["json"]["user"]["id"]


async def test_jobs_are_listed_and_read(api: Api) -> None:
    """With how far each is."""
    begun = await api.post("/tasks/run", 201, q="state:archived", rate=5)
    found = await api.get("/job", id=begun["id"])
    assert ("run", "state:archived", 5.0) == (found["action"], found["filter"], found["rate"])
    assert [begun["id"]] == [job["id"] for job in (await api.get("/jobs"))["jobs"]]


async def test_a_job_that_is_not_there_is_named(api: Api) -> None:
    """With how long jobs are remembered."""
    assert "job 'none' is not known" in (await api.get("/job", 404, id="none"))["detail"]


async def test_a_preview_counts_and_does_nothing(api: Api, filled: Store) -> None:
    """By queue and state."""
    found = await api.get("/jobs/preview", action="delete", q="queue:q state:retry,archived")
    assert (2, True) == (found["count"], found["is_whole"])
    assert {("q", "retry", 1), ("q", "archived", 1)} == {tuple(one.values()) for one in found["counts"]}
    assert 1 == await filled.command("ZCARD", "asynq:{q}:retry")


async def test_what_cannot_be_done_to_what_is_found_is_said(api: Api) -> None:
    """As the inspector says it."""
    found = await api.get("/jobs/preview", 422, action="archive", q="state:completed")
    assert "archive cannot be done" in found["detail"]


async def test_errors_come_in_groups(api: Api) -> None:
    """With a filter and a key that find them again."""
    found = await api.get("/errors")
    assert found["tasks"] == sum(group["count"] for group in found["groups"]) > 0
    group = found["groups"][0]
    assert (
        group["count"] == (await api.get("/jobs/preview", action="run", q=group["filter"], group=group["key"]))["count"]
    )


async def test_the_audit_has_the_key_of_a_group_of_errors(api: Api) -> None:
    """Which no filter says; as it has where the page of errors began it."""
    group = (await api.get("/errors"))["groups"][0]
    job = await api.post("/tasks/run", 201, q=group["filter"], group=group["key"])
    begun = (await api.get("/audit", action="task.run"))["records"]
    assert [f"errors {group['key']} among {group['filter']}"] == [
        record["about"] for record in begun if record["job"] == job["id"] and record["via"] == "api"
    ]


async def test_the_audit_tells_what_was_done_and_by_which_way(api: Api) -> None:
    """The latest first, and what was refused; in parts."""
    await api.post("/queue/pause", queue="q")
    await api.post("/queue/pause", 409, queue="q")
    found = await api.get("/audit", limit=1)
    assert [("queue.pause", "q", "api", "refused")] == [
        (one["action"], one["queue"], one["via"], one["outcome"]) for one in found["records"]
    ]
    again = await api.get("/audit", limit=1, cursor=found["cursor"])
    assert ["done"] == [one["outcome"] for one in again["records"]]


async def test_the_audit_is_asked_for_one_queue(api: Api) -> None:
    """Or for one user, action or job."""
    await api.post("/queue/pause", queue="q")
    assert [] == (await api.get("/audit", queue=ODD))["records"]
    assert 1 == len((await api.get("/audit", queue="q", action="queue.pause"))["records"])


async def test_attempts_of_a_task_are_listed(api: Api) -> None:
    """None, where no server has kept any."""
    assert {"attempts": []} == await api.get("/task/attempts", queue="q", id="retry")


async def test_series_have_a_slot_for_each_minute(api: Api) -> None:
    """Of all queues, or of some; whether anything was recorded is said."""
    found = await api.get("/series", minutes=5)
    assert (60.0, 5, False) == (found["step_s"], len(found["slots"]), found["is_recorded"])
    answer = await api.http.get("/api/v1/series", params=[("queue", "q"), ("queue", ODD), ("minutes", "1440")])
    assert 600.0 == answer.json()["step_s"]


async def test_series_of_types_are_listed(api: Api) -> None:
    """None, where nothing was recorded."""
    assert {"types": []} == await api.get("/series/types", queue="q")
