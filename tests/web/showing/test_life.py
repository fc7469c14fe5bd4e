"""The life of a task, told of its record and the attempts that are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat.inspector.recording import TaskRecord
from onebeat.inspector.series_models import Attempt
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.web.showing.kept import Kept
from onebeat.web.showing.life import life, verdict
from onebeat.web.showing.payloads import Shown, show
from onebeat.web.showing.redaction import OFF

AT = datetime(2026, 11, 26, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)

INFO = TaskInfo(
    id="a", queue="q", type="t", payload=b"", state=TaskState.RETRY, max_retry=25, retried=2, last_error="TypeError: b",
    last_failed_at=AT, timeout=SECOND, deadline=None, next_process_at=AT + 9 * SECOND, retention=timedelta(0),
    completed_at=None, result=None, headers={}, group="", crashes=0, progress=None,
)  # fmt: skip


def record(**fields: Any) -> TaskRecord:
    return TaskRecord(
        info=replace(INFO, **fields), lock=None, lease_until=None, worker=None, timeout=SECOND, tick=None, schedule="",
        archived_at=AT, fields={},
    )  # fmt: skip


def attempt(number: int, outcome: str = "retried", **fields: Any) -> Attempt:
    given: dict[str, Any] = {
        "started_at": AT - 10 * SECOND, "ended_at": AT, "waited": timedelta(milliseconds=15),
        "server": "web-1:41:id1", "error": "b", "error_type": "TypeError", "traceback": "",
    }  # fmt: skip
    return Attempt(number=number, outcome=outcome, **{**given, **fields})


def told(found: TaskRecord, *attempts: Attempt) -> list[str]:
    return [f"{step.title} {step.told}".strip() for step in life(found, attempts, lambda text: text)]


def test_each_attempt_is_told_with_its_server_and_its_end() -> None:
    """How long it had waited and ran, and what it failed with."""
    assert [
        "Enqueued to q · no later than this: the instant itself is not kept",
        "Attempt 1 on web-1:41 · waited 15 ms",
        "Failed after 10 s – TypeError: b",
        "Next attempt retry 2 of 25",
    ] == told(record(), attempt(1))


def test_attempts_that_are_no_longer_kept_are_counted() -> None:
    """By the numbers of those that are."""
    assert "3 earlier attempts no longer kept" in told(record(), attempt(4))


def test_a_failure_on_a_server_that_keeps_none_is_told_by_the_wire() -> None:
    """After one on a server that does, in a mixed fleet; and where there are no others, how often it failed."""
    later = record(last_failed_at=AT + timedelta(minutes=1), last_error="smtp: no")
    assert "Failed smtp: no" in told(later, attempt(1))
    assert "Failed smtp: no · 2 failures in all; servers of Go keep no attempts" in told(later)


def test_a_task_that_expired_did_not_fail() -> None:
    """Nor did one that was cancelled before it ran."""
    assert "Expired" in told(record(state=TaskState.ARCHIVED, last_error="expired", retried=0))
    assert "Cancelled" in told(record(state=TaskState.ARCHIVED, last_error="cancelled", retried=0))


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("archived", "Failed for good after 10 s – TypeError: b"),
        ("cancelled", "Cancelled after 10 s – TypeError: b"),
        ("returned", "Returned to its queue after 10 s – the server stopped"),
        ("recovered", "Recovered its server died, or was silent for longer than its lease"),
        ("dreamt", "Dreamt after 10 s – TypeError: b"),
    ],
)
def test_the_end_of_an_attempt_has_a_word(outcome: str, words: str) -> None:
    """One that is not known yet has its own."""
    assert words in told(record(), attempt(1, outcome))


@pytest.mark.parametrize(
    ("kind", "sentence", "fields"),
    [
        ("warn", "Failed 2 of 26 attempts: TypeError: b", {}),
        ("bad", "Archived after 3 failed attempts: TypeError: b", {"state": TaskState.ARCHIVED}),
        ("bad", "Archived", {"state": TaskState.ARCHIVED, "last_error": "", "retried": 0}),
        ("bad", "Archived after 2 failed attempts: TypeError: b",
         {"state": TaskState.ARCHIVED, "last_failed_at": AT - 9 * SECOND}),
        ("bad", "Archived: expired", {"state": TaskState.ARCHIVED, "last_error": "expired", "retried": 0}),
        ("bad", "Archived: crashed 3 times",
         {"state": TaskState.ARCHIVED, "last_error": "crashed 3 times", "retried": 0}),
        ("", "Waits for a server after 2 failures", {"state": TaskState.PENDING}),
        ("", "Waits until it is due", {"state": TaskState.SCHEDULED}),
        ("", "Taken; no server that lives has said that it runs it", {"state": TaskState.ACTIVE}),
        ("bad", "No server holds it any more; it will be recovered and run again",
         {"state": TaskState.ACTIVE, "is_orphaned": True}),
        ("good", "Completed", {"state": TaskState.COMPLETED}),
        ("", "Waits in group g to be aggregated", {"state": TaskState.AGGREGATING, "group": "g"}),
        ("bad", "Its bytes are no message: no server can run it", {"type": ""}),
    ],
)  # fmt: skip
def test_the_first_sentence_says_how_a_task_stands(kind: str, sentence: str, fields: dict[str, Any]) -> None:
    """And how bad that is."""
    assert (kind, sentence) == verdict(record(**fields), lambda text: text)


def test_who_archives_a_task_that_waits_adds_no_failure_to_it() -> None:
    """Its last attempt was to be retried."""
    found = record(state=TaskState.ARCHIVED, last_failed_at=None)
    assert "Archived after 2 failed attempts: TypeError: b" == verdict(found, str, [attempt(2, "retried")])[1]
    assert "Archived after 3 failed attempts: TypeError: b" == verdict(found, str, [attempt(3, "archived")])[1]


@pytest.mark.parametrize(
    ("found", "attempts", "words", "at"),
    [
        (record(last_failed_at=None), [], "to q · asynq's format does not keep when", None),
        (record(), [], "to q · no later than this: the instant itself is not kept", AT),
        (record(last_failed_at=None, pending_since=AT - SECOND), [],
         "to q · no later than this: the instant itself is not kept", AT - SECOND),
        (record(), [attempt(1)], "to q · no later than this: the instant itself is not kept",
         AT - 10 * SECOND - timedelta(milliseconds=15)),
        (record(id="017f22e2-79b0-7cc3-98c4-dc0c0c07398f"), [], "to q · by the time in its id, a UUIDv7",
         datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)),
        (record(id="0f0e0d0c-ac96-474b-bcce-b302099a8057", last_failed_at=None), [],
         "to q · asynq's format does not keep when", None),
    ],
)  # fmt: skip
def test_when_a_task_was_enqueued_is_told_as_far_as_it_is_known(
    found: TaskRecord, attempts: list[Attempt], words: str, at: datetime | None
) -> None:
    """By its id; else by the first that is known of it, which is said; else why it is not."""
    first = life(found, attempts, str)[0]
    assert (words, at) == (first.told, first.at)


@pytest.mark.parametrize(
    ("fields", "attempts", "cause"),
    [
        ({"last_error": "expired"}, [], "it was too late to begin"),
        ({"last_error": "cancelled"}, [], "it was cancelled"),
        ({"last_error": "crashed 3 times"}, [], "its process died too often"),
        ({"last_error": "", "last_failed_at": None}, [], "by an operator"),
        ({}, [attempt(2, "retried")], "by an operator"),
        ({"retried": 25}, [], "no retry of 25 is left"),
        ({"retried": 0, "max_retry": 0}, [attempt(1, "archived")], "no retry was allowed"),
        ({}, [attempt(3, "archived")], "its error is one after which nothing is retried"),
        ({"type": ""}, [], "its bytes are no message"),
    ],
)
def test_an_archived_task_says_why(fields: dict[str, Any], attempts: list[Attempt], cause: str) -> None:
    """As far as its record and its attempts tell."""
    last = life(record(state=TaskState.ARCHIVED, **fields), attempts, str)[-1]
    assert ("Archived", f"{cause}; it runs no more by itself") == (last.title, last.told)


def test_what_comes_next_is_told() -> None:
    """Of a scheduled task its group, of one in a group what becomes of it, and until when each is worth beginning."""
    found = record(state=TaskState.SCHEDULED, group="g", last_failed_at=None, expires_at=AT + 99 * SECOND)
    assert ["Due then it joins group g", "Expires unless it has begun by then"] == told(found)[1:]
    waiting = replace(record(state=TaskState.AGGREGATING, group="g", last_failed_at=None), joined_at=AT)
    steps = life(waiting, (), str)
    assert [("Enqueued", AT, False), ("Aggregating", AT, False), ("Aggregated", None, True)] == [
        (step.title, step.at, step.is_ahead) for step in steps
    ]
    begun = record(state=TaskState.AGGREGATING, group="g", last_failed_at=None)
    assert ["Aggregating with others of group g, now"] == told(begun)[1:]
    assert "Expires" not in " ".join(told(record(state=TaskState.ACTIVE, expires_at=AT)))


def test_a_retention_to_the_end_of_time_has_no_end() -> None:
    """Rather than an error."""
    found = record(state=TaskState.COMPLETED, completed_at=AT, retention=timedelta.max)
    assert life(found, (), str)[-1].at is None


def test_a_large_payload_is_rendered_once() -> None:
    """For all who look at it, until others have pushed it out."""
    seen: list[int] = []

    def counted(data: bytes, **given: Any) -> Shown:
        seen.append(len(data))
        return show(data, **given)

    kept = Kept(counted)
    large = [b"x" * size for size in range(3000, 3017)]
    assert kept(large[0], "json", OFF) is kept(large[0], "json", OFF)
    assert [3000] == seen
    for data in large:
        kept(data, "json", OFF)
    kept(large[0], "json", OFF)
    assert 2 == seen.count(3000)
