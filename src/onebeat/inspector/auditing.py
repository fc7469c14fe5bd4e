"""Who did what: records of what operators did, and reading them; procedures for both inspectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from onebeat.broker import audit
from onebeat.broker.audit import Entry
from onebeat.errors import InvalidTask, shown
from onebeat.inspector.showing import at
from onebeat.inspector.steps import Procedure, ask, command
from onebeat.options import text
from onebeat.wire.message import clean_text

CHUNK = 500
"""Records that one round trip reads."""

AHEAD = 200
"""Records that are looked through behind a page for what became of its deeds."""

MAX_SIZE = 500

LENGTHS = {
    "user": 200, "role": 40, "action": 60, "queue": 300, "about": 500, "changes": 500, "reason": 200, "why": 500,
    "via": 20, "address": 100, "job": 60,
}  # fmt: skip
"""Characters that are kept of each field."""


class AuditOutcome(StrEnum):
    """What became of something that an operator did."""

    BEGUN = "begun"
    """It was begun; that it ended was not written: it is under way, or who did it was killed."""

    DONE = "done"
    REFUSED = "refused"
    """It was not allowed, or not possible, and nothing was changed."""

    FAILED = "failed"
    """It ended with an error; some of it may have been done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """
    That somebody did something, or was refused it. It holds no payloads.

    Attributes:
        user, role: Who, as what: at most 200 and 40 characters are kept.

        action: What was done, in a word or two: "run", "pause queue".

        queue: In which queue; "" if in several, or in none.

        about: To what: the id of a task, a filter, a schedule, a server; at most 500 characters.

        changes: Of a task that was changed or cloned, the names of the options and fields that are others: "payload
            (user.email), max_retry"; no values, and at most 500 characters.

        reason: Why, in the words of who did it; "" if they gave none, and at most 200 characters.

        count: To how many tasks; None where tasks are not counted.

        outcome: What became of it.

        why: Of what was refused or failed, the sentence that said so.

        via: By which way: "page", "api", "cli", "job".

        address: From where.

        job: The id of the job that did it, or that was begun.

        id: The record's own; "" until it is written.

        at: When it was written, by the store's clock; None until then.
    """

    user: str
    action: str
    role: str = ""
    queue: str = ""
    about: str = ""
    changes: str = ""
    reason: str = ""
    count: int | None = None
    outcome: AuditOutcome = AuditOutcome.DONE
    why: str = ""
    via: str = ""
    address: str = ""
    job: str = ""
    id: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """
    Some records.

    Attributes:
        records: The latest first.

        cursor: What `audit` goes on with behind the last of them; "" if there are no older ones.

        kept: How many records are kept in all; older ones are gone.
    """

    records: tuple[AuditRecord, ...]
    cursor: str
    kept: int = audit.KEPT


def record(given: AuditRecord) -> Procedure[AuditRecord]:
    """
    Write a record; one that has an id by now says what became of that one.

    Raises:
        InvalidTask: It names no user or no action.
    """
    text("audit user", clean_text(str(given.user)))
    text("audit action", clean_text(str(given.action)))
    kept = {name: cut(name, getattr(given, name)) for name in LENGTHS}
    fields = {
        **kept,
        "count": "" if given.count is None else str(int(given.count)),
        "outcome": AuditOutcome(given.outcome).value,
        "of": given.id,
    }
    written = yield from ask(audit.append(fields))
    record_id = given.id or written
    return replace(_of((record_id, fields)), outcome=given.outcome)


def cut(name: str, value: object) -> str:
    """Return what is kept of a field."""
    most, found = LENGTHS[name], clean_text(str(value))
    return found if len(found) <= most else f"{found[: most - 1]}…"


def _when(record_id: str) -> datetime:
    return at(int(record_id.partition("-")[0]) / 1000)


class Reading:
    """
    One page of the trail.

    Args:
        user, action, queue, job: Records that name these; "": any.

        kind: Records of actions that begin with this and a dot; "": any.

        where: A function of a record: whether it is wanted.

        size: Records at most.

        cursor: Behind which record to go on.

    Raises:
        InvalidTask: The size is none, or the cursor is none.
    """

    def __init__(
        self,
        wanted: dict[str, str],
        where: Callable[[AuditRecord], bool] | None,
        size: object,
        cursor: object,
        kind: str = "",
    ) -> None:
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_SIZE:
            raise InvalidTask(f"size is {shown(size)}: give a whole number from 1 to {MAX_SIZE}")
        if not isinstance(cursor, str) or (cursor and not audit.ID.fullmatch(cursor)):
            raise InvalidTask(f"cursor is {shown(cursor)}: give one that a page of the audit has")
        self._wanted = {name: cut(name, value) for name, value in wanted.items() if value}
        self._kind = f"{kind}." if kind else ""
        self._where, self._size, self._cursor = where, size, cursor
        self._ends: dict[str, dict[str, str]] = {}
        self._found: list[AuditRecord] = []

    def page(self) -> Procedure[AuditPage]:
        """Read on until the page is full, or there are no more."""
        if self._cursor:
            for _id, fields in audit.entries((yield from command(*audit.after(self._cursor, AHEAD)))):
                self._ends.setdefault(fields.get("of", ""), fields)
        at_id = self._cursor
        while part := audit.entries((yield from command(*audit.before(at_id, CHUNK)))):
            for at_id, fields in part:
                self._take(at_id, fields)
                if len(self._found) == self._size:
                    return AuditPage(records=tuple(self._found), cursor=at_id)
        return AuditPage(records=tuple(self._found), cursor="")

    def _take(self, record_id: str, fields: dict[str, str]) -> None:
        if of := fields.get("of"):
            self._ends.setdefault(of, fields)
            return
        if any(fields.get(name, "") != value for name, value in self._wanted.items()):
            return
        if not fields.get("action", "").startswith(self._kind):
            return
        one = _of((record_id, {**fields, **_end(self._ends.get(record_id))}))
        if self._where is None or self._where(one):
            self._found.append(one)


def _end(fields: dict[str, str] | None) -> dict[str, str]:
    """Return what the end of a deed says that its beginning did not know."""
    return {name: fields[name] for name in ("outcome", "why", "count", "job") if fields.get(name)} if fields else {}


def _of(entry: Entry) -> AuditRecord:
    record_id, fields = entry
    count, outcome = fields.get("count", ""), fields.get("outcome", "")
    return AuditRecord(
        **{name: fields.get(name, "") for name in LENGTHS},
        count=int(count) if count.isdigit() else None,
        outcome=AuditOutcome(outcome) if outcome in list(AuditOutcome) else AuditOutcome.BEGUN,
        id=record_id,
        at=_when(record_id),
    )
