"""Schedules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Self

import msgspec

from onebeat.documents.values import Bytes, Instant
from onebeat.errors import ConfigurationError
from onebeat.inspector.models import ScheduleEntry, ScheduleEvent
from onebeat.inspector.schedule_models import ScheduleFire, ScheduleForm, ScheduleInfo
from onebeat.scheduler.triggers import parse_spec
from onebeat.scheduler.wording import in_words


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """
    A schedule.

    Attributes:
        id: By which it is named. Those of Go are new with each start of their scheduler.

        kept_by: "onebeat": in the store, fired by any server; "asynq": in the memory of one scheduler of Go.

        scheduler: Of Go's, which: "host:pid:uuid"; else null.

        queue, application: Where it enqueues, and whose instances declare it; null: not known.

        spec, words, zone: When it fires, as it was given and in words; the time zone of a calendar, else null.

        type: The type of its tasks.

        state, reason: live, paused, waiting (for its calendar to be computed), orphaned, done or error; and why it does
            not fire, null if it does.

        next, last: Its next tick, and when it fired last; null: there is none.

        late_ms: By how much its last fire was late; null: not known.

        fired, missed, skipped, ran: Ticks that fired, that nobody was there for, that a lock or a full queue stopped,
            and runs by hand; null: not known.

        paused_since: Since when it is paused; null: it is not.
    """

    id: str
    kept_by: str
    scheduler: str | None
    queue: str | None
    application: str | None
    spec: str
    words: str
    zone: str | None
    type: str
    state: str
    reason: str | None
    next: Instant | None
    last: Instant | None
    late_ms: float | None
    fired: int | None
    missed: int | None
    skipped: int | None
    ran: int | None
    paused_since: Instant | None

    @classmethod
    def of(cls, info: ScheduleInfo) -> Self:
        return cls(
            id=info.id,
            kept_by="onebeat",
            scheduler=None,
            queue=info.queue,
            application=info.application,
            spec=info.spec,
            words=words(info.spec),
            zone=info.zone,
            type=info.task_type,
            state=info.state.value,
            reason=info.reason or None,
            next=info.next_at,
            last=info.last_at,
            late_ms=_ms(info.late_by),
            fired=info.fired,
            missed=info.missed,
            skipped=info.skipped,
            ran=info.ran,
            paused_since=info.paused_at,
        )

    @classmethod
    def of_go(cls, entry: ScheduleEntry) -> Self:
        return cls(
            id=entry.id,
            kept_by="asynq",
            scheduler=entry.scheduler,
            queue=_queue(entry.options),
            application=None,
            spec=entry.spec,
            words=words(entry.spec),
            zone=None,
            type=entry.task_type,
            state="live",
            reason=None,
            next=entry.next_at,
            last=entry.last_at,
            late_ms=None,
            fired=None,
            missed=None,
            skipped=None,
            ran=None,
            paused_since=None,
        )


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A form of it that instances declare: its digest, when that was first and last, and whether it is in force."""

    rev: str
    first_seen: Instant
    last_seen: Instant
    in_force: bool

    @classmethod
    def of(cls, form: ScheduleForm) -> Self:
        return cls(rev=form.rev, first_seen=form.first_seen, last_seen=form.last_seen, in_force=form.in_force)


class ScheduleDetails(msgspec.Struct, frozen=True, kw_only=True):
    """
    All of one schedule.

    Attributes:
        schedule: As `schedule ls` has it.

        payload, options: Of its tasks; options in Go's text form.

        last_tick: The tick that fired last; null: not yet, or it is Go's.

        provided: Whether it comes from a source, not from code; null: it is Go's.

        declared: When an instance declared it last; null: not known.

        rev, forms: The digest of the form in force, and the forms that were declared lately.
    """

    schedule: Schedule
    payload: Bytes
    options: list[str]
    last_tick: Instant | None
    provided: bool | None
    declared: Instant | None
    rev: str | None
    forms: list[Form]

    @classmethod
    def of(cls, info: ScheduleInfo) -> Self:
        return cls(
            schedule=Schedule.of(info),
            payload=Bytes.of(info.payload),
            options=list(info.options),
            last_tick=info.last_tick,
            provided=info.provided,
            declared=info.declared_at,
            rev=info.rev,
            forms=[Form.of(form) for form in info.forms],
        )

    @classmethod
    def of_go(cls, entry: ScheduleEntry) -> Self:
        return cls(
            schedule=Schedule.of_go(entry),
            payload=Bytes.of(entry.payload),
            options=list(entry.options),
            last_tick=None,
            provided=None,
            declared=None,
            rev=None,
            forms=[],
        )


class Coming(msgspec.Struct, frozen=True, kw_only=True):
    """The coming ticks of a schedule; one that is not live fires at none of them as it is."""

    id: str
    state: str
    spec: str
    words: str
    zone: str | None
    ticks: list[Instant]

    @classmethod
    def of(cls, info: ScheduleInfo, ticks: Sequence[datetime]) -> Self:
        return cls(
            id=info.id,
            state=info.state.value,
            spec=info.spec,
            words=words(info.spec),
            zone=info.zone,
            ticks=list(ticks),
        )


class Fire(msgspec.Struct, frozen=True, kw_only=True):
    """
    That it enqueued a task.

    Attributes:
        task_id: Which.

        fired_at: When.

        by_hand: Whether it was run by hand; null: it is Go's.

        tick, late_ms: For which tick, and how much later; null: none, or it is Go's.

        state: Where the task is; null: it ended and was not retained, or it is not known.
    """

    task_id: str
    fired_at: Instant
    by_hand: bool | None
    tick: Instant | None
    late_ms: float | None
    state: str | None

    @classmethod
    def of(cls, fire: ScheduleFire) -> Self:
        return cls(
            task_id=fire.task_id,
            fired_at=fire.fired_at,
            by_hand=fire.tick is None,
            tick=fire.tick,
            late_ms=_ms(fire.late_by),
            state=None if fire.state is None else fire.state.value,
        )

    @classmethod
    def of_go(cls, event: ScheduleEvent) -> Self:
        return cls(task_id=event.task_id, fired_at=event.enqueued_at, by_hand=None, tick=None, late_ms=None, state=None)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a schedule's fires, the latest first, and its counts; null: it is Go's."""

    id: str
    fired: int | None
    missed: int | None
    skipped: int | None
    ran: int | None
    fires: list[Fire]

    @classmethod
    def of(cls, info: ScheduleInfo, fires: Iterable[ScheduleFire]) -> Self:
        return cls(
            id=info.id,
            fired=info.fired,
            missed=info.missed,
            skipped=info.skipped,
            ran=info.ran,
            fires=[Fire.of(fire) for fire in fires],
        )

    @classmethod
    def of_go(cls, entry: ScheduleEntry, events: Iterable[ScheduleEvent]) -> Self:
        fires = [Fire.of_go(event) for event in events]
        return cls(id=entry.id, fired=None, missed=None, skipped=None, ran=None, fires=fires)


def words(spec: str) -> str:
    """Say when a spec fires, in words; what cannot be read stays as it is."""
    try:
        return in_words(parse_spec(spec))
    except ConfigurationError:
        return spec


def _ms(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds() * 1000, 3)


def _queue(options: Sequence[str]) -> str | None:
    found = [option[7:-2] for option in options if option.startswith('Queue("') and option.endswith('")')]
    return found[-1] if found else "default"
