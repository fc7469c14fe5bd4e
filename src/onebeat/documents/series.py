"""The past: attempts at a task, and what queues and types did, slot by slot."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

import msgspec

from onebeat.documents.values import Instant
from onebeat.inspector.series_models import (
    Attempt,
    Distribution,
    Series,
    SeriesPoint,
    SizePoint,
    TypePoint,
    TypeSeries,
)


class AttemptDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    A past attempt at a task.

    Attributes:
        number: Which of those that were kept, from 1.

        outcome: "retried", "archived", "cancelled", "completed", "returned" or "recovered".

        started, ended: When it was taken, null if that is not known; and when its handler ended.

        waited_ms, ran_ms: How long the task had been due by then, and how long it ran; null: not known.

        server: Which made it: "host:pid:id".

        error, error_type, traceback: What it failed with, the class of that, and where; "" if it did not.
    """

    number: int
    outcome: str
    started: Instant | None
    ended: Instant
    waited_ms: float | None
    ran_ms: float | None
    server: str
    error: str
    error_type: str
    traceback: str

    @classmethod
    def of(cls, one: Attempt) -> Self:
        return cls(
            number=one.number,
            outcome=one.outcome,
            started=one.started_at,
            ended=one.ended_at,
            waited_ms=_ms(one.waited),
            ran_ms=_ms(one.ran),
            server=one.server,
            error=one.error,
            error_type=one.error_type,
            traceback=one.traceback,
        )


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """
    How long tasks waited, or ran.

    Attributes:
        count: How many there are.

        p50_ms, p95_ms, p99_ms: What a half, 95 % and 99 % of them do not exceed, to within a power of two; null: there
            are none.

        counts: How many were below 1 ms, below 2, 4, 8 …; the last count is of all beyond.
    """

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    counts: list[int]

    @classmethod
    def of(cls, found: Distribution) -> Self:
        return cls(
            count=found.total,
            p50_ms=_ms(found.percentile(0.5)),
            p95_ms=_ms(found.percentile(0.95)),
            p99_ms=_ms(found.percentile(0.99)),
            counts=list(found.counts),
        )


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """What was done in a slot of time that begins at `at`: attempts, failed ones, and how long tasks had waited."""

    at: Instant
    processed: int
    failed: int
    waited: Spread

    @classmethod
    def of(cls, point: SeriesPoint) -> Self:
        return cls(at=point.at, processed=point.processed, failed=point.failed, waited=Spread.of(point.waits))


class SizeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    How much work queues held in a minute.

    Attributes:
        at: When the minute begins.

        pending, active, retry, archived: Tasks in these states; null: nobody noted it.

        processed, failed: Attempts since the minute before, Go's servers' as well; null: not known.
    """

    at: Instant
    pending: int | None
    active: int | None
    retry: int | None
    archived: int | None
    processed: int | None
    failed: int | None

    @classmethod
    def of(cls, point: SizePoint) -> Self:
        return cls(
            at=point.at,
            pending=point.pending,
            active=point.active,
            retry=point.retry,
            archived=point.archived,
            processed=point.processed,
            failed=point.failed,
        )


class SeriesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    What queues did in the last minutes or hours.

    Attributes:
        step_s: How long each slot is.

        is_recorded: Whether servers have written anything in this time: Go's never do.

        processed, failed, waited: Of all slots together.

        slots: The oldest first; the last one is not over yet.
    """

    step_s: float
    is_recorded: bool
    processed: int
    failed: int
    waited: Spread
    slots: list[Slot]

    @classmethod
    def of(cls, found: Series) -> Self:
        return cls(
            step_s=found.step.total_seconds(),
            is_recorded=found.is_recorded,
            processed=found.processed,
            failed=found.failed,
            waited=Spread.of(found.waits),
            slots=[Slot.of(point) for point in found.points],
        )


class TypeSlot(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts at tasks of a type in a slot: how many, failed, retried; how long together, and how long each ran."""

    at: Instant
    processed: int
    failed: int
    retried: int
    spent_ms: float
    ran: Spread

    @classmethod
    def of(cls, point: TypePoint) -> Self:
        return cls(
            at=point.at,
            processed=point.processed,
            failed=point.failed,
            retried=point.retried,
            spent_ms=round(point.spent.total_seconds() * 1000, 3),
            ran=Spread.of(point.runs),
        )


class TypeSeriesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    What attempts at tasks of one type did in the last minutes or hours.

    Attributes:
        type: Which; "(other)" stands for those beyond the first fifty of a queue.

        step_s: How long each slot is.

        processed, failed, retried, spent_ms, ran: Of all slots together.

        slots: The oldest first; the last one is not over yet.
    """

    type: str
    step_s: float
    processed: int
    failed: int
    retried: int
    spent_ms: float
    ran: Spread
    slots: list[TypeSlot]

    @classmethod
    def of(cls, found: TypeSeries) -> Self:
        return cls(
            type=found.type,
            step_s=found.step.total_seconds(),
            processed=found.processed,
            failed=found.failed,
            retried=found.retried,
            spent_ms=round(found.spent.total_seconds() * 1000, 3),
            ran=Spread.of(found.runs),
            slots=[TypeSlot.of(point) for point in found.points],
        )


def _ms(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds() * 1000, 3)
