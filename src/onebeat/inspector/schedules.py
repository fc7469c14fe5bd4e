"""Looking at Onebeat's own schedules: each a procedure for both inspectors. Nothing is written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches

from google.protobuf.message import DecodeError

from onebeat.broker import schedule_admin
from onebeat.broker.schedule_admin import RawSchedule
from onebeat.errors import ConfigurationError, InvalidTask, OnebeatError, ScheduleNotFound, WrongState, shown
from onebeat.inspector import fleet
from onebeat.inspector.reading import check_queue
from onebeat.inspector.schedule_models import ScheduleFire, ScheduleForm, ScheduleInfo, ScheduleState
from onebeat.inspector.showing import at
from onebeat.inspector.steps import Procedure, ask, command
from onebeat.options import text
from onebeat.scheduler.entry import rebuild
from onebeat.scheduler.triggers import Cron, Trigger
from onebeat.states import TaskState
from onebeat.wire import keys
from onebeat.wire.message import TaskMessage

CHUNK = 500
"""Entries of the index that one command reads."""

MAX_NAMES = 10_000
"""Of more schedules none is suggested for a name that is wrong."""

MAX_TICKS = 1000
"""Coming ticks that may be asked for."""


_STATES = frozenset(state.value for state in TaskState)


def plain_id(schedule_id: object) -> str:
    """Return an id as it was declared, also if it was given as asynq's tools show it, "{queue}:id"."""
    given = text("schedule id", schedule_id)
    return given.partition("}:")[2] or given if given.startswith("{") else given


def _homes() -> Procedure[dict[str, str]]:
    """Return the queue of every schedule, by id."""
    found: dict[str, str] = {}
    cursor: object = 0
    while True:
        cursor, part = yield from command("HSCAN", keys.SCHEDULES, str(int(str(cursor))), "COUNT", CHUNK)
        found |= {id_.decode("utf-8", "replace"): queue.decode("utf-8", "replace") for id_, queue in part.items()}
        if not int(str(cursor)):
            return found


def declared(queue: object) -> Procedure[list[ScheduleInfo]]:
    if queue is not None:
        yield from check_queue(queue)
    by_queue: defaultdict[str, list[str]] = defaultdict(list)
    for id_, home in (yield from _homes()).items():
        if queue is None or home == queue:
            by_queue[home].append(id_)
    found: list[ScheduleInfo] = []
    for home, ids in by_queue.items():
        for start in range(0, len(ids), schedule_admin.MAX_DESCRIBED):
            chunk = ids[start : start + schedule_admin.MAX_DESCRIBED]
            described = yield from ask(schedule_admin.describe(home, chunk))
            found += [info_of(home, raw) for raw in described.schedules]
    return sorted(found, key=lambda one: (one.next_at is None, one.next_at or 0, one.id))


def home_of(schedule_id: object) -> Procedure[tuple[str, str]]:
    """
    Find the queue of a schedule; returns its plain id, and that.

    Raises:
        ScheduleNotFound: There is none; the message names those with similar ids.
        WrongState: It is an entry of a scheduler of Go.
    """
    id_ = plain_id(schedule_id)
    queue = yield from command("HGET", keys.SCHEDULES, id_)
    if queue is not None:
        return id_, queue.decode("utf-8", "replace")
    for entry in (yield from fleet.schedules()):
        if entry.id == id_:
            raise WrongState(
                f"schedule {shown(id_)} is kept by scheduler {entry.scheduler}, a process of asynq's that fires it "
                "from its own memory: it can only be looked at from here; change it where it is registered"
            )
    raise (yield from _unknown(id_))


def _unknown(id_: str) -> Procedure[ScheduleNotFound]:
    count = int((yield from command("HLEN", keys.SCHEDULES)))
    if not count:
        return ScheduleNotFound(f"schedule {shown(id_)} is not known here: no application has declared any yet")
    if count > MAX_NAMES:
        return ScheduleNotFound(f"schedule {shown(id_)} is not known here; {count} others are: list them")
    names = sorted((yield from _homes()))
    near = get_close_matches(id_, names, n=5, cutoff=0.5)
    told = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names[:20])}"
    return ScheduleNotFound(f"schedule {shown(id_)} is not known here: {told}")


@dataclass(frozen=True, slots=True)
class Found:
    """A schedule, its queue, and when that was so (ms)."""

    queue: str
    now_ms: int
    raw: RawSchedule


def find(schedule_id: object) -> Procedure[Found]:
    """
    Read a schedule where it is, also if it has just moved there.

    Raises:
        ScheduleNotFound, WrongState: As `home_of`; or it is on its way.
    """
    id_, queue = yield from home_of(schedule_id)
    described = yield from ask(schedule_admin.describe(queue, [id_]))
    if id_ in described.moved:
        queue = described.moved[id_]
        described = yield from ask(schedule_admin.describe(queue, [id_]))
    if not described.schedules:
        raise not_there(id_, queue)
    return Found(queue, described.now_ms, described.schedules[0])


def not_there(id_: str, queue: str) -> ScheduleNotFound:
    return ScheduleNotFound(
        f"schedule {shown(id_)} is not in queue {shown(queue)}: it is moving to another one, or that was removed; "
        "try again in a few seconds"
    )


def schedule(schedule_id: object) -> Procedure[ScheduleInfo]:
    found = yield from find(schedule_id)
    return info_of(found.queue, found.raw)


def coming(schedule_id: object, count: object) -> Procedure[list[datetime]]:
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_TICKS:
        raise InvalidTask(f"count is {shown(count)}: give a whole number from 1 to {MAX_TICKS}")
    found = yield from find(schedule_id)
    if found.raw.text("state") == "done":
        return []
    after = found.now_ms if found.raw.next_ms is None else found.raw.next_ms - 1
    return [at(tick / 1000) for tick in trigger_of(found.raw).ticks_after(after, count)]


def trigger_of(raw: RawSchedule) -> Trigger:
    """
    Make the trigger of a schedule, of what stands in the store.

    Raises:
        WrongState: It cannot be read here.
    """
    try:
        return rebuild(raw.text("timing"))
    except ConfigurationError as error:
        raise WrongState(f"schedule {shown(raw.id)} cannot be reckoned here: {error}") from error


def template_of(raw: RawSchedule) -> TaskMessage:
    """
    Read the task of a schedule, which has no id.

    Raises:
        WrongState: Its bytes are none.
    """
    try:
        return TaskMessage.FromString(raw.fields.get("msg", b""))
    except DecodeError as error:
        raise WrongState(f"schedule {shown(raw.id)} has no task that can be read: {error}; declare it again") from error


def fires(schedule_id: object, page: object, size: object) -> Procedure[list[ScheduleFire]]:
    found = yield from find(schedule_id)
    id_, queue = found.raw.id, found.queue
    events = yield from fleet.events(f"{{{queue}}}:{id_}", page, size)
    states: list[str] = []
    for start in range(0, len(events), schedule_admin.MAX_STATES):
        chunk = events[start : start + schedule_admin.MAX_STATES]
        states += yield from ask(schedule_admin.states(queue, [event.task_id for event in chunk]))
    return [_fire(id_, event.task_id, event.enqueued_at, state) for event, state in zip(events, states, strict=True)]


def _fire(id_: str, task_id: str, fired_at: datetime, state: str) -> ScheduleFire:
    digits = task_id.removeprefix(f"{id_}:")
    tick = at(int(digits) / 1000) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
    return ScheduleFire(
        task_id=task_id,
        tick=tick,
        fired_at=fired_at,
        late_by=None if tick is None else fired_at - tick,
        state=TaskState(state) if state in _STATES else None,
    )


def info_of(queue: str, raw: RawSchedule) -> ScheduleInfo:
    """Put what stands in the store into a `ScheduleInfo`; no bytes make it fail."""
    try:
        message = template_of(raw)
    except WrongState:
        message = TaskMessage()
    state, calendar = _state(raw), _calendar(raw)
    tick, fired_ms = raw.number("prev"), raw.number("prev_at")
    has_fired = tick is not None and fired_ms is not None
    return ScheduleInfo(
        id=raw.id,
        queue=queue,
        application=raw.text("app"),
        spec=raw.text("spec"),
        zone=None if calendar is None else calendar.tz,
        gap=None if calendar is None else calendar.gap,
        overlap=None if calendar is None else calendar.overlap,
        task_type=message.type,
        payload=message.payload,
        options=raw.options,
        state=state,
        reason=_reason(raw, state),
        next_at=_instant(raw.next_ms),
        last_tick=_instant(tick),
        last_at=_instant(fired_ms),
        late_by=timedelta(milliseconds=fired_ms - tick) if has_fired else None,  # type: ignore[operator] # both are there
        fired=raw.number("fired") or 0,
        missed=raw.number("missed") or 0,
        skipped=raw.number("skipped") or 0,
        ran=raw.number("ran") or 0,
        paused_at=_instant(raw.number("paused")),
        provided=raw.text("provided") != "",
        declared_at=_instant(raw.declared_ms),
        rev=raw.text("rev"),
        forms=_forms(raw),
    )


def _instant(ms: int | None) -> datetime | None:
    return None if ms is None else at(ms / 1000)


def _calendar(raw: RawSchedule) -> Cron | None:
    try:
        trigger = rebuild(raw.text("timing"))
    except OnebeatError:
        return None
    return trigger if isinstance(trigger, Cron) else None


def _state(raw: RawSchedule) -> ScheduleState:
    if raw.text("state") == "live":
        return ScheduleState.LIVE if raw.next_ms is not None else ScheduleState.WAITING
    try:
        return ScheduleState(raw.text("state"))
    except ValueError:  # written by somebody else
        return ScheduleState.ERROR


def _reason(raw: RawSchedule, state: ScheduleState) -> str:
    if state is ScheduleState.ERROR:
        return raw.text("error").removeprefix("error ") or f"its state is {raw.text('state')!r}, which is none"
    return {
        ScheduleState.LIVE: "",
        ScheduleState.PAUSED: "an operator paused it",
        ScheduleState.WAITING: "its coming ticks are not known: an instance that runs its application computes them",
        ScheduleState.ORPHANED: f"no live instance of application {raw.text('app')!r} declares it any more",
        ScheduleState.DONE: "it has no more ticks",
    }[state]


def _forms(raw: RawSchedule) -> tuple[ScheduleForm, ...]:
    found = [
        ScheduleForm(rev=rev, first_seen=at(first / 1000), last_seen=at(last / 1000), in_force=rev == raw.text("rev"))
        for rev, (first, last) in raw.forms.items()
    ]
    return tuple(sorted(found, key=lambda form: (not form.in_force, -form.last_seen.timestamp(), form.rev)))
