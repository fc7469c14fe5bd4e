"""
Cron expressions: five fields, read exactly as asynq reads them (robfig/cron v3), and the walk through time.

What is different from asynq is told in docs/compatibility.md: an expression that can never fire is refused
rather than silent, and the two days a year on which clocks change follow a rule of their own (`Calendar`).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NoReturn
from zoneinfo import ZoneInfo

from onebeat.errors import ConfigurationError, shown

Gap = Literal["run_after", "skip", "shift"]
Overlap = Literal["first", "second", "both"]

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1
    )
}
_DAYS = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])}
_LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

MAX_DIGITS = 18
"""Of a number in a field: Go reads no longer one."""

LAST_YEAR = 9998
"""Where the calendar of Python ends. What can never fire is refused, so no search is longer than eight years."""

DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field of an expression.

    Attributes:
        values: The numbers it matches, rising.

        is_star: It is a star without a step, so it restricts nothing.

        starts_with_star: It is written with a star at its front, with or without a step.
    """

    values: tuple[int, ...]
    is_star: bool
    starts_with_star: bool


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    low: int
    high: int
    names: dict[str, int]
    hint: str = ""


_KINDS = (
    _Kind("minute", 0, 59, {}),
    _Kind("hour", 0, 23, {}),
    _Kind("day of month", 1, 31, {}),
    _Kind("month", 1, 12, _MONTHS),
    _Kind("day of week", 0, 6, _DAYS, "; Sunday is 0 or SUN"),
)


@dataclass(frozen=True, slots=True)
class Expression:
    """Five parsed fields."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    @property
    def is_wildcard(self) -> bool:
        """Whether it fires by the running clock ("every half hour") rather than at times of day."""
        return self.minute.starts_with_star or self.hour.starts_with_star

    def matches_day(self, day: date) -> bool:
        """
        Say whether it fires on a day at all.

        If either day field is a star the other decides; if both are restricted, either may match. A star
        with a step counts as restricted, unlike in Vixie cron (robfig: spec.go dayMatches).
        """
        by_month = day.day in self.day.values
        by_week = day.isoweekday() % 7 in self.weekday.values
        if self.day.is_star or self.weekday.is_star:
            return by_month and by_week
        return by_month or by_week


def parse(text: str) -> Expression:
    """
    Parse five fields or a descriptor.

    Raises:
        ConfigurationError: It is neither, or can never fire; the sentence names the field and the value.
    """
    stripped = text.strip()
    if stripped.startswith("@"):
        if stripped.startswith("@every "):  # in a spec, this is none of ours
            _refuse(text, "@every is an interval and no calendar", "give it as a number, such as Every(90)")
        if stripped not in DESCRIPTORS:
            _refuse(
                text,
                f"{stripped.split()[0]} is no descriptor",
                f"write one of {', '.join(DESCRIPTORS)}, @every 90s, or five fields",
            )
        stripped = DESCRIPTORS[stripped]
    parts = stripped.split()
    if len(parts) != len(_KINDS):
        _refuse(text, f"it has {len(parts)} fields", "write five: minute, hour, day of month, month, day of week")
    expression = Expression(*(_field(part, kind, text) for part, kind in zip(parts, _KINDS, strict=True)))
    _check_possible(expression, text)
    return expression


def _refuse(text: str, what: str, remedy: str) -> NoReturn:
    raise ConfigurationError(f"cron expression {shown(text)}: {what}; {remedy}")


def _field(text: str, kind: _Kind, whole: str) -> Field:
    """Parse a comma list. Empty parts are skipped, as robfig does."""
    values: set[int] = set()
    is_star = False
    for part in text.split(","):
        if part:
            numbers, star = _part(part, kind, whole)
            values.update(numbers)
            is_star = is_star or star
    return Field(tuple(sorted(values)), is_star, text[:1] in ("*", "?"))


def _part(text: str, kind: _Kind, whole: str) -> tuple[range, bool]:
    """Parse `*`, `?`, `n` or `a-b`, each with an optional step. What follows `*-` is ignored, as robfig does."""
    span, *steps = text.split("/")
    low_text, *high_texts = span.split("-")
    if len(steps) > 1 or (len(high_texts) > 1 and low_text not in ("*", "?")):
        _refuse(whole, f"{shown(text)} in the {kind.name} field has too many signs", "write a-b/step at most")
    step = _number(steps[0], kind, whole, names=False) if steps else 1
    if step == 0:
        _refuse(whole, f"{text!r} in the {kind.name} field has step 0", "write a step from 1")
    if low_text in ("*", "?"):
        return range(kind.low, kind.high + 1, step), step == 1
    low = _number(low_text, kind, whole)
    high = _number(high_texts[0], kind, whole) if high_texts else kind.high if steps else low
    if not kind.low <= low <= kind.high or not kind.low <= high <= kind.high:
        _refuse(
            whole,
            f"{text!r} in the {kind.name} field is out of range",
            f"write {kind.low} to {kind.high}{kind.hint}",
        )
    if low > high:
        _refuse(
            whole,
            f"{text!r} in the {kind.name} field runs backwards",
            f"write two ranges, {low}-{kind.high},{kind.low}-{high}",
        )
    return range(low, high + 1, step), False


def _number(text: str, kind: _Kind, whole: str, *, names: bool = True) -> int:
    if names and text.upper() in kind.names:
        return kind.names[text.upper()]
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        words = f" or {', '.join(kind.names)}" if kind.names and names else ""
        _refuse(
            whole,
            f"{shown(text)} in the {kind.name} field is no number",
            f"write {kind.low} to {kind.high}{words}",
        )
    return int(text)


def _check_possible(expression: Expression, text: str) -> None:
    if not expression.minute.values or not expression.hour.values or not expression.month.values:
        _refuse(text, "a field matches nothing", "write a number or a star")
    by_month = any(
        day <= _LONGEST_MONTH[month - 1] for month in expression.month.values for day in expression.day.values
    )
    by_week = bool(expression.weekday.values)
    both_needed = expression.day.is_star or expression.weekday.is_star
    if not (by_month and by_week if both_needed else by_month or by_week):
        _refuse(text, "no such day ever comes", "write a day that its months have")


class Calendar:
    """
    The instants at which an expression fires in a zone.

    On the days that clocks change, an expression that names times of day fires once for each: a time that
    the clock jumps over fires as soon as it has jumped (`gap`), one that comes twice fires the first time
    (`overlap`). One that runs by the clock (a star in front of its minute or hour) fires at every real
    instant that matches, without doubles or holes.

    Args:
        expression: What to match.

        zone: Whose wall clock.

        gap: "run_after" the jump, "skip", or "shift" by its length.

        overlap: "first", "second" or "both" copies of a time.
    """

    def __init__(self, expression: Expression, zone: ZoneInfo, gap: Gap, overlap: Overlap) -> None:
        self._expression = expression
        self._zone = zone
        self._gap: Gap = "skip" if expression.is_wildcard else gap
        self._overlap: Overlap = "both" if expression.is_wildcard else overlap
        self._times = [(hour, minute) for hour in expression.hour.values for minute in expression.minute.values]
        self._seconds = [hour * 3600 + minute * 60 for hour, minute in self._times]

    def after(self, second: int) -> Iterator[int]:
        """
        Yield the seconds since 1970 at which it fires, rising, all greater than `second`.

        Clocks may jump over midnight, so what one day gives is held back until it is clear that the next
        gives nothing earlier.
        """
        held: list[int] = []
        last = second
        for day in self._days(datetime.fromtimestamp(second, self._zone).date() - timedelta(days=1)):
            begin = self._instant(day, 0, 0, fold=0)
            while held and held[0] < begin:
                tick = heapq.heappop(held)
                if tick > last:
                    yield tick
                    last = tick
            for tick in self._ticks_of(day, begin, last):
                heapq.heappush(held, tick)
        while held:
            tick = heapq.heappop(held)
            if tick > last:
                yield tick
                last = tick

    def _days(self, first: date) -> Iterator[date]:
        """Yield the matching days, whole months at a time where the month does not match."""
        day = first
        while day.year <= LAST_YEAR:
            if day.month not in self._expression.month.values:
                day = day.replace(day=1) + timedelta(days=monthrange(day.year, day.month)[1])
                continue
            if self._expression.matches_day(day):
                yield day
            day += timedelta(days=1)

    def _ticks_of(self, day: date, begin: int, last: int) -> list[int]:
        """Return the instants of one day; those up to `last` may be left out."""
        following = self._instant(day + timedelta(days=1), 0, 0, fold=0)
        if following - begin == 86_400:  # no clock changes today
            return [begin + seconds for seconds in self._seconds[bisect_left(self._seconds, last - begin) :]]
        return sorted({tick for hour, minute in self._times for tick in self._resolve(day, hour, minute)})

    def _resolve(self, day: date, hour: int, minute: int) -> list[int]:
        """Return when a wall time comes on a day that may lack it or have it twice."""
        early, late = (self._instant(day, hour, minute, fold=fold) for fold in (0, 1))
        if early == late:
            return [early]
        if early < late:
            return {"first": [early], "second": [late], "both": [early, late]}[self._overlap]
        return {"skip": [], "shift": [early], "run_after": [self._jump(late, early)]}[self._gap]

    def _instant(self, day: date, hour: int, minute: int, *, fold: int) -> int:
        return int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone, fold=fold).timestamp())

    def _jump(self, before: int, after: int) -> int:
        """Find the second at which the clock jumps, known to lie after `before` and at or before `after`."""
        old = self._offset(before)
        while after - before > 1:
            middle = (before + after) // 2
            if self._offset(middle) == old:
                before = middle
            else:
                after = middle
        return after

    def _offset(self, second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, UTC).astimezone(self._zone).utcoffset()
