"""What operators do to Onebeat's own schedules: each a procedure for both inspectors."""

from __future__ import annotations

import re
from typing import Any

from onebeat import codecs
from onebeat.broker import schedule_admin
from onebeat.broker.call import Call
from onebeat.errors import (
    BrokerError,
    DuplicateTask,
    InvalidTask,
    PayloadError,
    QueueFull,
    TaskIdConflict,
    WrongState,
    shown,
)
from onebeat.ids import new_id
from onebeat.inspector.changes import new_lock
from onebeat.inspector.schedule_models import Missed, ScheduleInfo, ScheduleResumed
from onebeat.inspector.schedules import Found, find, info_of, not_there, template_of, trigger_of
from onebeat.inspector.showing import at
from onebeat.inspector.steps import Procedure, ask
from onebeat.preparing import MAX_PAYLOAD
from onebeat.scheduler.entry import TAPE
from onebeat.scheduler.triggers import Every, Trigger, latest
from onebeat.wire.message import TaskMessage, encode

MAX_CATCH_UP = 1000
"""Ticks that a resumption fires one by one."""

MAX_COUNTED = 10_000
"""Ticks of a calendar that a resumption counts."""

TRIES = 10
"""How often a resumption is reckoned again, after others have changed the schedule."""

_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")

NO_PAYLOAD = b"\x12\x00"
"""Field 2 of a TaskMessage with nothing in it: an encoder leaves it out, and the schedule's own would stay."""

KEEP: Any = object()
"""Stands for the payload that the schedule has."""


def pause(schedule_id: object) -> Procedure[ScheduleInfo]:
    found = yield from find(schedule_id)
    id_ = found.raw.id
    answer = yield from ask(schedule_admin.pause(found.queue, id_))
    if answer.startswith("already "):
        since = at(int(answer.removeprefix("already ")) / 1000)
        raise WrongState(f"schedule {shown(id_)} is paused already, since {since:%Y-%m-%d %H:%M:%S} UTC: resume it")
    if answer == "done":
        raise WrongState(f"schedule {shown(id_)} has no more ticks: there is nothing to pause")
    if answer != "paused":  # it left, or was removed, since it was found
        raise not_there(id_, found.queue)
    found = yield from find(schedule_id)
    return info_of(found.queue, found.raw)


def resume(schedule_id: object, missed: object) -> Procedure[ScheduleResumed]:
    policy = _policy(missed)
    for _ in range(TRIES):
        found = yield from find(schedule_id)
        if not found.raw.text("paused") and found.raw.text("state") != "paused":
            state = info_of(found.queue, found.raw).state
            raise WrongState(f"schedule {shown(found.raw.id)} is not paused ({state}): there is nothing to resume")
        plan = _Plan(found, trigger_of(found.raw), policy)
        catch_up_ms = found.now_ms if policy is Missed.ALL else None
        answer = yield from ask(schedule_admin.resume(found.raw, found.queue, plan.ticks, catch_up_ms=catch_up_ms))
        if answer == "resumed" or answer.startswith("marked "):
            found = yield from find(schedule_id)
            return plan.result(info_of(found.queue, found.raw), fires=answer == "resumed")
    raise _too_lively(schedule_id)


def _too_lively(schedule_id: object) -> BrokerError:
    return BrokerError(f"schedule {shown(schedule_id)} was changed by others {TRIES} times meanwhile: try again")


def _policy(missed: object) -> Missed:
    try:
        return Missed(missed)  # type: ignore[arg-type] # whatever it is, it is looked up
    except ValueError:
        raise InvalidTask(f"missed is {shown(missed)}: give one of {', '.join(Missed)}") from None


class _Plan:
    """
    From which tick on a paused schedule goes on.

    Raises:
        WrongState: More ticks passed than are fired one by one.
    """

    def __init__(self, found: Found, trigger: Trigger, policy: Missed) -> None:
        raw, now_ms = found.raw, found.now_ms
        held = raw.number("held")
        self._before = now_ms if held is None else held - 1
        """An instant after which nothing has fired yet."""
        self._coming: list[int] = trigger.ticks_after(max(now_ms, self._before), TAPE + 1)
        last = latest(trigger, self._before, now_ms)
        self.passed, self.is_exact = _count(trigger, self._before, now_ms, last)
        catching_up: list[int] = []
        if last is not None and policy is Missed.ONCE:
            catching_up = [last]
        elif last is not None and policy is Missed.ALL:
            if self.passed > MAX_CATCH_UP:
                raise WrongState(
                    f"schedule {shown(raw.id)} was left paused: {'' if self.is_exact else 'more than '}{self.passed} "
                    f"ticks passed meanwhile, and at most {MAX_CATCH_UP} are made up for one by one; "
                    "resume it with missed 'once' or 'skip'"
                )
            catching_up = trigger.ticks_after(self._before, self.passed)
        self._fires = len(catching_up)
        coming: list[int | None] = [*catching_up, *self._coming]
        self.ticks: list[int | None] = coming if len(self._coming) > TAPE else [*coming, None]
        if isinstance(trigger, Every):
            self.ticks = self.ticks[:1]

    def result(self, schedule: ScheduleInfo, *, fires: bool) -> ScheduleResumed:
        """Say what the resumption found and did."""
        return ScheduleResumed(
            passed=self.passed,
            is_exact=self.is_exact,
            firing=self._fires if fires else 0,
            next_at=at(self._coming[0] / 1000) if fires and self._coming else None,
            schedule=schedule,
        )


def _count(trigger: Trigger, after_ms: int, now_ms: int, last: int | None) -> tuple[int, bool]:
    """Count the ticks up to now, and say whether these are all."""
    if last is None:
        return 0, True
    if isinstance(trigger, Every):
        return (last - trigger.ticks_after(after_ms, 1)[0]) // trigger.interval_ms + 1, True
    counted = sum(tick <= now_ms for tick in trigger.ticks_after(after_ms, MAX_COUNTED + 1))
    return min(counted, MAX_COUNTED), counted <= MAX_COUNTED


def run(schedule_id: object, payload: Any, key: object) -> Procedure[str]:
    name: object = new_id() if key is None else key
    if not isinstance(name, str) or not _KEY.fullmatch(name):
        raise InvalidTask(f"key is {shown(key)}: give 1 to 100 letters, digits, dots, dashes or underscores")
    has_payload = payload is not KEEP
    data = _encoded(payload) if has_payload else b""
    for _ in range(TRIES):
        found = yield from find(schedule_id)
        call = schedule_admin.run(found.queue, found.raw.id, name)
        if has_payload:
            call = _with_payload(found, name, data)
        answer = yield from ask(call)
        if answer == "enqueued":
            return f"{found.raw.id}:m:{name}"
        _check_run(found, name, answer)
    raise _too_lively(schedule_id)


def _encoded(payload: Any) -> bytes:
    data = codecs.encode(payload)
    if len(data) > MAX_PAYLOAD:
        raise PayloadError(
            f"payload has {len(data)} bytes, the limit is {MAX_PAYLOAD}: store it elsewhere and give its address"
        )
    return data


def _with_payload(found: Found, key: str, data: bytes) -> Call[str]:
    raw, queue = found.raw, found.queue
    old = template_of(raw)
    new = TaskMessage()
    new.CopyFrom(old)
    new.payload = data
    old.unique_key = old.unique_key or raw.text("unique_key")
    lock = new_lock(old, new, queue)
    fields = (b"" if data else NO_PAYLOAD) + encode(TaskMessage(payload=data, unique_key=lock))
    return schedule_admin.run(queue, raw.id, key, rev=raw.text("rev"), fields=fields, unique_key=lock)


def _check_run(found: Found, key: str, answer: str) -> None:
    """Raise what an answer means; one after which it may be tried again is none."""
    kind, _, holder = answer.partition(" ")
    id_ = found.raw.id
    name = f"schedule {shown(id_)} was not run"
    if kind == "conflict":
        raise TaskIdConflict(f"{name}: its task {shown(f'{id_}:m:{key}')} is there already; give another key")
    if kind == "duplicate":
        raise DuplicateTask(
            f"{name}: task {holder} holds its unique lock; wait for its end, or cancel it", holder=holder
        )
    if kind == "full":
        raise QueueFull(f"{name}: 100,000 tasks wait in queue {shown(found.queue)}; see why servers do not take them")
