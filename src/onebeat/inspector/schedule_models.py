"""What the inspector shows of Onebeat's own schedules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from onebeat.errors import ConfigurationError
from onebeat.scheduler.cron import Gap, Overlap
from onebeat.scheduler.triggers import Cron, Every, parse_spec
from onebeat.states import TaskState


class ScheduleState(StrEnum):
    """How a schedule stands."""

    LIVE = "live"
    """It fires."""

    PAUSED = "paused"
    """An operator paused it: it fires again once it is resumed."""

    WAITING = "waiting"
    """It is a calendar whose coming ticks are not known yet: whoever runs a scheduler computes them."""

    ORPHANED = "orphaned"
    """No live instance of its application declares it any more: it fires again once one does."""

    DONE = "done"
    """It has no more ticks."""

    ERROR = "error"
    """The store could not fire it; see its reason. It is tried again when it is declared, within 15 s."""


class Missed(StrEnum):
    """What becomes of the ticks that passed while a schedule was paused."""

    SKIP = "skip"
    """None of them fires."""

    ONCE = "once"
    """The latest fires."""

    ALL = "all"
    """Each fires, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleForm:
    """
    One form of a schedule that instances declare; while a deploy runs there are two.

    Attributes:
        rev: The digest of all that decides what fires and when.

        first_seen, last_seen: When an instance declared it first, and last.

        in_force: Whether this is how it fires.
    """

    rev: str
    first_seen: datetime
    last_seen: datetime
    in_force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """
    A schedule of Onebeat as its queue has it.

    Attributes:
        id, queue, application: Which, where it enqueues, and whose instances declare it.

        spec: The cron expression, zone included, or interval, as it was given.

        zone: The time zone of a calendar; None: an interval, which has none, or it cannot be read.

        gap, overlap: When a calendar fires for a time that the clock jumps over, or that comes twice; see `Cron`. None,
            as `zone`.

        task_type, payload, options: What it enqueues, with which options, in Go's text form.

        state, reason: How it stands, and why if it does not fire; "" if it does.

        next_at: Its next tick; None: there is none, or none is known.

        last_tick, last_at: Its last tick, and when that fired; None: not yet.

        late_by: By how much that was late; None: not yet.

        fired: Ticks that fired.

        missed: Ticks that did not, as nobody was there to fire them.

        skipped: Ticks that did not, as their unique lock was held, or 100,000 tasks waited.

        ran: Runs by hand, which no tick counts.

        paused_at: Since when it is paused; None: it is not. An orphaned one may be, too.

        provided: Whether it comes from a source, not from code.

        declared_at: When an instance declared it last; None: not known.

        rev: The digest of the form that is in force.

        forms: Those that were declared lately, the one in force first.
    """

    id: str
    queue: str
    application: str
    spec: str
    zone: str | None
    gap: Gap | None
    overlap: Overlap | None
    task_type: str
    payload: bytes
    options: tuple[str, ...]
    state: ScheduleState
    reason: str
    next_at: datetime | None
    last_tick: datetime | None
    last_at: datetime | None
    late_by: timedelta | None
    fired: int
    missed: int
    skipped: int
    ran: int
    paused_at: datetime | None
    provided: bool
    declared_at: datetime | None
    rev: str
    forms: tuple[ScheduleForm, ...]

    @property
    def trigger(self) -> Cron | Every | None:
        """When it fires; None: this Onebeat cannot read it."""
        try:
            if self.gap is not None and self.overlap is not None:
                return Cron(self.spec, gap=self.gap, overlap=self.overlap)
            found = parse_spec(self.spec)
        except ConfigurationError:
            return None
        return found if isinstance(found, (Cron, Every)) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFire:
    """
    That a schedule enqueued a task.

    Attributes:
        task_id: Which; by it one finds the task.

        tick: For which tick; None: it was run by hand.

        fired_at: When.

        late_by: By how much that was later than the tick; None: it was run by hand.

        state: Where the task is; None: it ended and was not retained.
    """

    task_id: str
    tick: datetime | None
    fired_at: datetime
    late_by: timedelta | None
    state: TaskState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleResumed:
    """
    What a resumption found.

    Attributes:
        passed: Ticks that passed while it was paused.

        is_exact: False: there were more; counting ended there.

        firing: How many of them fire now.

        next_at: The first tick after now; None: there is none.

        schedule: It as it is then.
    """

    passed: int
    is_exact: bool
    firing: int
    next_at: datetime | None
    schedule: ScheduleInfo
