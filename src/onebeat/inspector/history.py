"""Looking at the past: attempts at a task, and series. Each a procedure for both inspectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from onebeat.broker import series as broker
from onebeat.broker.call import Call
from onebeat.broker.series import BUCKETS, Runs, Slot, TypeRates
from onebeat.clock import EPOCH
from onebeat.errors import BrokerError, InvalidTask, shown
from onebeat.inspector import reading
from onebeat.inspector.series_models import (
    Attempt,
    Distribution,
    Series,
    SeriesPoint,
    Spark,
    TypePoint,
    TypeSeries,
)
from onebeat.inspector.steps import Procedure, ask_each, command
from onebeat.options import text
from onebeat.wire import attempts as wire
from onebeat.wire import keys

T = TypeVar("T")

SPARK_MINUTES = 60
SPARKS_STEP = 250
"""Queues whose minutes one script reads."""

QUEUES_STEP = 250
"""Queues whose series are read in one round trip."""


def attempts(queue: str, task_id: str) -> Procedure[list[Attempt]]:
    key = keys.task(text("queue name", queue), text("task id", task_id))
    state, field = yield from command("HMGET", key, "state", wire.FIELD)
    if state is None:
        raise reading.not_found(queue, task_id)
    return kept(field)


def kept(field: bytes | None) -> list[Attempt]:
    """Read the attempts that a record keeps, the oldest first."""
    return [_attempt(one) for one in wire.read(field)]


def _attempt(one: wire.Kept) -> Attempt:
    about = one.about
    return Attempt(
        number=one.number,
        outcome=one.outcome,
        started_at=_at_ms(about.started) if about.started else None,
        ended_at=_at_ms(about.ended),
        waited=timedelta(milliseconds=about.waited) if about.waited is not None else None,
        server=about.server,
        error=about.error,
        error_type=about.kind,
        traceback=about.trace,
    )


def _at_ms(instant: int) -> datetime:
    return EPOCH + timedelta(milliseconds=instant)


def series(queues: object, minutes: object) -> Procedure[Series]:
    found = yield from _of_each(queues, broker.rates, _minutes(minutes, broker.MINUTES))
    if not found:
        return Series(step=timedelta(minutes=1), is_recorded=False, points=())
    start, step = max(rates.start for rates in found), found[0].step
    slots: list[list[tuple[Slot, list[int]]]] = [[] for _ in found[0].slots]
    for rates in found:
        for place, slot in enumerate(zip(rates.slots, rates.waits, strict=True), (rates.start - start) // step):
            if place >= 0:  # an answer that was a moment earlier may begin a slot before the others
                slots[place].append(slot)
    return Series(
        step=timedelta(seconds=step),
        is_recorded=any(rates.is_recorded for rates in found),
        points=tuple(_point(start + place * step, those) for place, those in enumerate(slots)),
    )


def _point(at: int, those: Sequence[tuple[Slot, list[int]]]) -> SeriesPoint:
    return SeriesPoint(
        at=EPOCH + timedelta(seconds=at),
        processed=sum(slot.processed for slot, _ in those),
        failed=sum(slot.failed for slot, _ in those),
        waits=_added([waits for _, waits in those]),
    )


def types(queues: object, minutes: object) -> Procedure[list[TypeSeries]]:
    found = yield from _of_each(queues, broker.types, _minutes(minutes, broker.MINUTES))
    by_name: dict[str, list[TypeRates]] = {}
    for rates in found:
        for one in rates:
            by_name.setdefault(one.name, []).append(one)
    those = [_type_series(name, rates) for name, rates in by_name.items()]
    return sorted((one for one in those if one.processed), key=lambda one: (-one.processed, one.type))


def _type_series(name: str, found: Sequence[TypeRates]) -> TypeSeries:
    start, step = max(rates.start for rates in found), found[0].step
    slots: list[list[Runs]] = [[] for _ in found[0].slots]
    for rates in found:
        for place, runs in enumerate(rates.slots, (rates.start - start) // step):
            if place >= 0:
                slots[place].append(runs)
    return TypeSeries(
        type=name,
        step=timedelta(seconds=step),
        points=tuple(_type_point(start + place * step, those) for place, those in enumerate(slots)),
    )


def _type_point(at: int, those: Sequence[Runs]) -> TypePoint:
    return TypePoint(
        at=EPOCH + timedelta(seconds=at),
        processed=sum(runs.processed for runs in those),
        failed=sum(runs.failed for runs in those),
        retried=sum(runs.retried for runs in those),
        spent=timedelta(milliseconds=sum(runs.spent_ms for runs in those)),
        runs=_added([runs.buckets for runs in those]),
    )


def _added(those: Sequence[Sequence[int]]) -> Distribution:
    return Distribution(tuple(map(sum, zip(*those, strict=True))) if those else (0,) * BUCKETS)


def _of_each(queues: object, call: Callable[[str | None, int], Call[T]], minutes: int) -> Procedure[list[T]]:
    """Read the series of all queues together, or of some; of one that is damaged nothing is known."""
    if queues is None:
        return [(yield from _single(call(None, minutes)))]
    names = reading.names_of([queues] if isinstance(queues, str) else queues)
    found: list[T] = []
    for start in range(0, len(names), QUEUES_STEP):
        answers = yield from ask_each([call(name, minutes) for name in names[start : start + QUEUES_STEP]])
        found += [answer for answer in answers if not isinstance(answer, BrokerError)]
    return found


def _single(call: Call[T]) -> Procedure[T]:
    answer: T = yield call
    return answer


def sparks(queues: object, minutes: object, *, is_spread: bool) -> Procedure[dict[str, Spark | None]]:
    number = _minutes(minutes, SPARK_MINUTES)
    wanted = (yield from reading.queues()) if queues is None else reading.names_of(queues)
    each = 1 if is_spread else SPARKS_STEP
    parts = [wanted[start : start + each] for start in range(0, len(wanted), each)]
    found: dict[str, Spark | None] = {}
    if not parts:
        return found
    answers = yield from ask_each([broker.sparks(part, number) for part in parts])
    for part, answer in zip(parts, answers, strict=True):
        those: Sequence[broker.Spark | None] = [None] * len(part) if isinstance(answer, BrokerError) else answer[1]
        for name, numbers in zip(part, those, strict=True):
            found[name] = Spark(*numbers) if numbers is not None else None
    return found


def _minutes(minutes: object, most: int) -> int:
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 1 <= minutes <= most:
        raise InvalidTask(f"minutes is {shown(minutes)}: give a whole number from 1 to {most}")
    return minutes
