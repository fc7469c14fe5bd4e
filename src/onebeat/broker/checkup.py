"""What a doctor asks of the store: how queues and schedules fare, what is damaged; and how damage is mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onebeat.broker.call import Argument, Call

SAMPLE_BYTES = 65_536
"""The largest task that is looked into."""

QUEUES_STEP, STEP = 10, 200
"""Queues, and entries, that one script looks at."""

MEND_STEP = 20
"""Items that one script mends: each may have to be searched for in a long list."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One task that was looked into; its type is "" if its bytes are no message."""

    id: str
    type: str
    error: str
    is_unknown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """
    How a queue fares. Instants are seconds since 1970 of the store's clock; None where there is none.

    Attributes:
        paused_at: Since when it is paused; None: it is not.

        oldest_since: Since when the task waits that runs next; None: none waits, or nobody wrote it.

        leases, lapsed, long_lapsed: Leases in all, those past for 45 seconds, and those past for two minutes.

        oldest_lease: When the first lapses, or has.

        latest_lease: When the last does, and whether Onebeat wrote it.

        seen: When upkeep was last seen here.

        schedules, declared: How many there are, and when an instance last declared one.

        schedule_due: The next tick of all.

        stuck, stuck_since: Calendars that want ticks, and since when the first does.

        first_scheduled, first_retry, first_completed, first_set: When the first of each is due, or is to be deleted or
            returned.

        archive_size: What its archive keeps; None: as asynq, 9,999.

        waiting, failing: Samples of what is pending, and of what waits to be retried.
    """

    queue: str
    paused_at: int | None
    pending: int
    active: int
    scheduled: int
    retry: int
    archived: int
    completed: int
    groups: int
    sets: int
    processed: int
    failed: int
    oldest_since: float | None
    leases: int
    lapsed: int
    long_lapsed: int
    oldest_lease: int | None
    latest_lease: int | None
    latest_is_ours: bool
    seen: float | None
    schedules: int
    declared: float | None
    schedule_due: float | None
    stuck: int
    stuck_since: float | None
    first_scheduled: int | None
    first_retry: int | None
    first_completed: int | None
    first_set: int | None
    archive_size: int | None
    waiting: tuple[Sample, ...]
    failing: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Checkups:
    """Some queues at an instant, in seconds since 1970; and those that could not be looked at, with why."""

    now: float
    queues: list[Checkup]
    failed: dict[str, str]


def checkup(queues: Sequence[str], samples: int) -> Call[Checkups]:
    """Look at some queues, and into some tasks of each: in a cluster one at a time, as others may lie elsewhere."""

    def interpret(answer: Any) -> Checkups:
        now, *rows = answer
        found, failed = [], {}
        for queue, row in zip(queues, rows, strict=True):
            if isinstance(row, bytes):
                failed[queue] = _text(row).removeprefix("error ")
            else:
                found.append(_checkup(queue, _fields(row)))
        return Checkups(int(now) / 1_000_000, found, failed)

    return Call("checkup", queues[0], [samples, SAMPLE_BYTES, *queues], interpret)


def _fields(row: Sequence[Any]) -> dict[str, Any]:
    return {_text(row[i]): row[i + 1] for i in range(0, len(row), 2)}


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _whole(value: Any) -> int | None:
    """Read a number; what another program spoiled counts as none."""
    try:
        return int(float(value))
    except (ValueError, TypeError, OverflowError):
        return None


def _ms(value: Any) -> float | None:
    number = _whole(value)
    return None if number is None else number / 1000


def _ns(value: Any) -> float | None:
    return int(value) / 1_000_000_000 if isinstance(value, bytes) and value.isdigit() else None


def _checkup(queue: str, f: dict[str, Any]) -> Checkup:
    leases = _fields(f["leases"])
    counts = {
        name: _whole(f[name]) or 0
        for name in (
            "pending", "active", "scheduled", "retry", "archived", "completed", "groups", "sets", "processed", "failed",
            "schedules", "stuck",
        )
    }  # fmt: skip
    return Checkup(
        queue=queue,
        paused_at=None if f["paused"] == b"" else _whole(f["paused"]) or 0,
        oldest_since=_ns(f["oldest"]),
        leases=_whole(leases["count"]) or 0,
        lapsed=_whole(leases["lapsed"]) or 0,
        long_lapsed=_whole(leases["long_lapsed"]) or 0,
        oldest_lease=_whole(leases["first"]),
        latest_lease=_whole(leases["latest"]),
        latest_is_ours=bool(leases["is_ours"]),
        seen=_ms(f["seen"]),
        declared=_ms(f["declared"]),
        schedule_due=_ms(f["schedule_due"]),
        stuck_since=_ms(f["stuck_since"]),
        archive_size=_whole(f["archive_size"]),
        waiting=_samples(f["waiting"]),
        failing=_samples(f["failing"]),
        first_scheduled=_whole(f["first_scheduled"]),
        first_retry=_whole(f["first_retry"]),
        first_completed=_whole(f["first_completed"]),
        first_set=_whole(f["first_set"]),
        **counts,
    )


def _samples(rows: Sequence[Any]) -> tuple[Sample, ...]:
    return tuple(
        Sample(_text(f["id"]), _text(f["type"]), _text(f["error"]), bool(f["unknown"])) for f in map(_fields, rows)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a schedule fares. Instants are seconds since 1970; None where there is none."""

    id: str
    queue: str
    state: str
    error: str
    spec: str
    app: str
    missed: int
    skipped: int
    fired: int
    declared: float
    due: float | None
    stuck: float | None


def plans(queue: str, offset: int) -> Call[tuple[int, list[Plan]]]:
    """Look at some schedules of a queue: how many there were, and how each fares."""

    def interpret(answer: Any) -> tuple[int, list[Plan]]:
        seen, *rows = answer
        return int(seen), [_plan(queue, _fields(row)) for row in rows]

    return Call("plans", queue, (offset, STEP), interpret)


def _plan(queue: str, f: dict[str, Any]) -> Plan:
    return Plan(
        id=_text(f["id"]),
        queue=queue,
        state=_text(f["state"]),
        error=_text(f["error"]),
        spec=_text(f["spec"]),
        app=_text(f["app"]),
        missed=_whole(f["missed"]) or 0,
        skipped=_whole(f["skipped"]) or 0,
        fired=_whole(f["fired"]) or 0,
        declared=_ms(f["declared"]) or 0.0,
        due=_ms(f["due"]),
        stuck=_ms(f["stuck"]),
    )


Item = tuple[str, bytes]
"""Something that may be damaged: a kind and a name, as scripts/mend.lua takes them."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some entries of one list or set of a queue, from so many on; of `groups` from a cursor on."""

    queue: str
    place: str
    start: int | str
    limit: int


@dataclass(frozen=True, slots=True)
class Glance:
    """Entries that were looked at, where a cursor goes on, and what seems damaged."""

    queue: str
    seen: int
    cursor: str
    suspects: list[Item]


def glance(stretches: Sequence[Stretch]) -> Call[list[Glance]]:
    """Walk over some entries: in a cluster of one queue at a time, as others may lie elsewhere."""

    def interpret(answer: Any) -> list[Glance]:
        return [_glance(stretch.queue, *row) for stretch, row in zip(stretches, answer, strict=True)]

    words: list[Argument] = []
    for one in stretches:
        words += (one.queue, one.place, one.start, one.limit)
    return Call("glance", stretches[0].queue, words, interpret)


def _glance(queue: str, seen: int, cursor: bytes, *rest: bytes) -> Glance:
    return Glance(queue, int(seen), _text(cursor), [(_text(rest[i]), rest[i + 1]) for i in range(0, len(rest), 2)])


Record = tuple[str, bytes]
"""A queue, and the id of a task."""


def stray(records: Sequence[Record]) -> Call[tuple[list[Record], list[Record]]]:
    """
    Look where some records are: in a cluster those of one queue at a time.

    Returns:
        Those that are not where they say, and those that are pending in a list too long to be searched for each.
    """

    def interpret(answer: Any) -> tuple[list[Record], list[Record]]:
        told = list(zip(records, answer, strict=True))
        return [record for record, word in told if word == 1], [record for record, word in told if word == 2]

    words: list[Argument] = []
    for record in records:
        words += record
    return Call("stray", records[0][0], words, interpret)


@dataclass(frozen=True, slots=True)
class Wound:
    """
    What is wrong with one item of a queue.

    Attributes:
        problem: Which damage it is, "" if none.

        deed: What makes it right, in a word, and perhaps more.
    """

    queue: str
    kind: str
    name: bytes
    problem: str
    deed: str

    @property
    def shown(self) -> str:
        """Its name as text."""
        return self.name.partition(b"\0")[0].decode("utf-8", "replace")


def mend(queue: str, items: Sequence[Item], *, does: bool) -> Call[list[Wound]]:
    """Say what is wrong with some items, at most `MEND_STEP`; with `does` also make it right."""

    def interpret(answer: Any) -> list[Wound]:
        found = []
        for (kind, name), text in zip(items, map(_text, answer), strict=True):
            problem, _, deed = text.partition(" ")
            found.append(Wound(queue, kind, name, problem, deed))
        return found

    words: list[Argument] = ["mend" if does else "look"]
    for item in items:
        words += item
    return Call("mend", queue, words, interpret, durable=does)
