"""The audit: who did what, the latest first, bounded in every way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat.broker import audit
from onebeat.broker.store import Store
from onebeat.errors import InvalidTask
from onebeat.inspector.auditing import LENGTHS, AuditOutcome, AuditRecord
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face


def record(number: int = 0, **fields: Any) -> AuditRecord:
    return AuditRecord(**{"user": "ada", "action": "run", "about": f"t{number}", **fields})


async def test_a_record_is_read_as_it_was_written(inspector: Face, clock: Clock) -> None:
    """With its id, and when that was, by the store's clock."""
    given = record(
        role="operate", queue="low", count=3, outcome=AuditOutcome.REFUSED, reason="they asked", why="no", via="page",
        address="::1", job="j",
    )  # fmt: skip
    written = await inspector.record_audit(given)
    assert replace(given, id=f"{NOON}000-0", at=datetime.fromtimestamp(NOON, UTC)) == written
    page = await inspector.audit()
    assert ((written,), "") == (page.records, page.cursor)


async def test_a_record_of_before_has_no_reason(inspector: Face, store: Store, clock: Clock) -> None:
    """And reads as it did."""
    words = ["user", "ada", "action", "run", "about", "t", "outcome", "done", "count", "2", "of", ""]
    await store.command("XADD", "onebeat:audit", "1-0", *words)
    [found] = (await inspector.audit()).records
    assert ("ada", "run", "t", 2, "", "") == (
        found.user, found.action, found.about, found.count, found.reason, found.why
    )  # fmt: skip


async def test_the_latest_come_first_also_where_time_stands_or_steps_back(inspector: Face, clock: Clock) -> None:
    """A record never comes before an earlier one."""
    for number, seconds in enumerate((NOON, NOON, NOON - 60, NOON + 1)):
        await clock.set(seconds)
        await inspector.record_audit(record(number))
    assert ["t3", "t2", "t1", "t0"] == [one.about for one in (await inspector.audit()).records]


async def test_pages_follow_one_another(inspector: Face, clock: Clock) -> None:
    """Nothing comes twice and nothing is left out, also by a filter."""
    for number in range(25):
        await inspector.record_audit(record(number, user="ada" if number % 2 else "bob"))
    for user, wanted in (("", range(24, -1, -1)), ("ada", range(23, -1, -2))):
        found: list[str] = []
        cursor = ""
        while True:
            page = await inspector.audit(user=user, size=4, cursor=cursor)
            found += [one.about for one in page.records]
            cursor = page.cursor
            if not cursor:
                break
        assert [f"t{number}" for number in wanted] == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"user": "bob"}, ["t1"]), ({"action": "delete"}, ["t2"]), ({"queue": "low"}, ["t3"]), ({"job": "j"}, ["t4"]),
        ({"user": "bob", "queue": "low"}, []), ({"where": lambda one: one.count == 7}, ["t5"]),
    ],
)  # fmt: skip
async def test_it_is_filtered(inspector: Face, clock: Clock, asked: dict[str, Any], found: list[str]) -> None:
    """By whole fields, or by a function."""
    given: list[dict[str, Any]] = [
        {}, {"user": "bob"}, {"action": "delete"}, {"queue": "low"}, {"job": "j"}, {"count": 7},
    ]  # fmt: skip
    for number, fields in enumerate(given):
        await inspector.record_audit(record(number, **fields))
    assert found == [one.about for one in (await inspector.audit(**asked)).records]


async def test_what_became_of_a_deed_is_told_with_it(inspector: Face, clock: Clock) -> None:
    """As one record; of what was killed in between, that it was begun."""
    begun = await inspector.record_audit(record(1, outcome=AuditOutcome.BEGUN, queue="q"))
    await inspector.record_audit(record(2, outcome=AuditOutcome.BEGUN))
    await inspector.record_audit(replace(begun, outcome=AuditOutcome.FAILED, why="full", count=3))
    two, one = (await inspector.audit()).records
    assert ("t2", AuditOutcome.BEGUN) == (two.about, two.outcome)
    assert replace(begun, outcome=AuditOutcome.FAILED, why="full", count=3) == one
    [only] = (await inspector.audit(size=1)).records
    page = await inspector.audit(size=1, cursor=only.id)
    assert (one,) == page.records


async def test_fields_are_bounded(inspector: Face, clock: Clock) -> None:
    """And a filter by what is longer finds it; what UTF-8 cannot hold is replaced."""
    long: dict[str, Any] = dict.fromkeys(LENGTHS, "ä\ud800" + "x" * 100_000)
    written = await inspector.record_audit(AuditRecord(**long, count=2**70))
    assert {name: len(getattr(written, name)) for name in LENGTHS} == LENGTHS
    assert written.user.startswith("ä?x")
    assert (written,) == (await inspector.audit(queue=long["queue"])).records


async def test_the_oldest_go(inspector: Face, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are kept."""
    monkeypatch.setattr(audit, "KEPT", 3)
    for number in range(5):
        await inspector.record_audit(record(number))
    assert ["t4", "t3", "t2"] == [one.about for one in (await inspector.audit()).records]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"size": 0}, "size is 0: give a whole number from 1 to 500"),
        ({"size": 501}, "size is 501"),
        ({"cursor": "x"}, "cursor is 'x': give one that a page"),
        ({"cursor": "1-1; DEL"}, "cursor is '1-1; DEL'"),
        ({"cursor": 7}, "cursor is 7"),
    ],
)
async def test_a_bad_question_is_refused(inspector: Face, asked: dict[str, Any], said: str) -> None:
    """With what it may be."""
    with pytest.raises(InvalidTask, match=said):
        await inspector.audit(**asked)


@pytest.mark.parametrize("fields", [{"user": " "}, {"action": ""}])
async def test_a_record_names_who_and_what(inspector: Face, store: Store, fields: dict[str, Any]) -> None:
    """Else nothing is written."""
    with pytest.raises(InvalidTask, match=f"audit {next(iter(fields))} is"):
        await inspector.record_audit(record(**fields))
    assert () == (await inspector.audit()).records
