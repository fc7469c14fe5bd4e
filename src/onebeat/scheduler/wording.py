"""
When a schedule fires, in words: "every 1.5 s", "03:00 on weekdays, Europe/Berlin".

Told of the very numbers that an expression matches, not of how it is written: `*/7` is no "every 7 minutes", since the
hour ends between :56 and :00.
"""

from __future__ import annotations

from collections.abc import Sequence

from onebeat.scheduler.cron import Expression, parse
from onebeat.scheduler.triggers import Cron, Every, Trigger

MOST_TIMES = 6
"""Times of day that are written one by one."""

MOST_NUMBERS = 8
"""Numbers that are written one by one."""

_DAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December")  # fmt: skip
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"))


def in_words(trigger: Trigger) -> str:
    """Say when a trigger fires."""
    if isinstance(trigger, Every):
        return f"every {_span(trigger.interval_ms)}"
    if not isinstance(trigger, Cron):
        return trigger.spec
    expression = parse(trigger.expression)
    time, is_of_day = _time(expression.minute.values, expression.hour.values)
    parts = [part for part in (time, _days(expression), _months(expression.month.values)) if part]
    has_date = is_of_day or len(parts) > 1
    return " ".join(parts) + (f", {trigger.tz}" if has_date else "")


def _span(ms: int) -> str:
    parts = []
    for size, unit in _UNITS:
        if ms >= size:
            parts.append(f"{ms // size} {unit}")
            ms %= size
    if ms:
        parts.append(f"{ms / 1000:g} s")
    return " ".join(parts)


def _step(values: Sequence[int], whole: int) -> int | None:
    """Return the step of numbers that go around evenly, from 0 on; None if they do not."""
    step = whole // len(values)
    return step if whole % len(values) == 0 and list(values) == list(range(0, whole, step)) else None


def _time(minutes: Sequence[int], hours: Sequence[int]) -> tuple[str, bool]:
    """Say at which times of day, and whether these are times of a day at all."""
    if len(hours) == 24:
        return _in_each_hour(minutes), False
    if len(minutes) * len(hours) <= MOST_TIMES:
        return _and([f"{hour:02}:{minute:02}" for hour in hours for minute in minutes]), True
    if len(minutes) == 1 and (step := _step(hours, 24)) is not None:
        past = f" at :{minutes[0]:02}" if minutes[0] else ""
        return f"every {step} hours{past}", True
    if _is_run(hours) and (len(minutes) == 1 or _step(minutes, 60) is not None):
        first, last = f"{hours[0]:02}:{minutes[0]:02}", f"{hours[-1]:02}:{minutes[-1]:02}"
        return f"{_every_minutes(minutes)} from {first} to {last}", True
    if len(minutes) == 60:
        return f"every minute of {_hours(hours)}", True
    return f"{_in_each(minutes)} of {_hours(hours)}", True


def _every_minutes(minutes: Sequence[int]) -> str:
    step = _step(minutes, 60)
    if len(minutes) == 1:
        return "every hour"
    return "every minute" if step == 1 else f"every {step} minutes"


def _in_each_hour(minutes: Sequence[int]) -> str:
    if _step(minutes, 60) is not None:
        return _every_minutes(minutes)
    return f"{_in_each(minutes)} of every hour"


def _in_each(minutes: Sequence[int]) -> str:
    if len(minutes) > MOST_NUMBERS:
        return f"{len(minutes)} minutes (:{minutes[0]:02}, :{minutes[1]:02} … :{minutes[-1]:02})"
    return _and([f":{minute:02}" for minute in minutes])


def _hours(hours: Sequence[int]) -> str:
    if _is_run(hours):
        return f"hours {hours[0]} to {hours[-1]}"
    return f"hours {_and([str(hour) for hour in hours])}" if len(hours) > 1 else f"hour {hours[0]}"


def _days(expression: Expression) -> str:
    month = "" if len(expression.day.values) == 31 else _month_days(expression.day.values)
    week = "" if len(expression.weekday.values) == 7 else _weekdays(expression.weekday.values)
    if expression.day.is_star or expression.weekday.is_star:
        return month or week
    return f"{month} or {week}" if month and week else ""  # either may match, and one of them always does


def _month_days(days: Sequence[int]) -> str:
    if len(days) == 1:
        return f"on day {days[0]}"
    if _is_run(days):
        return f"on days {days[0]} to {days[-1]}"
    if len(days) > MOST_NUMBERS:
        return f"on {len(days)} days of the month ({days[0]}, {days[1]} … {days[-1]})"
    return f"on days {_and([str(day) for day in days])}"


def _weekdays(days: Sequence[int]) -> str:
    if list(days) == [1, 2, 3, 4, 5]:
        return "on weekdays"
    if list(days) == [0, 6]:
        return "at weekends"
    return f"on {_and([_DAYS[day] for day in (*(day for day in days if day), *(day for day in days if not day))])}"


def _months(months: Sequence[int]) -> str:
    if len(months) == 12:
        return ""
    if len(months) > 2 and _is_run(months):
        return f"from {_MONTHS[months[0] - 1]} to {_MONTHS[months[-1] - 1]}"
    return f"in {_and([_MONTHS[month - 1] for month in months])}"


def _is_run(values: Sequence[int]) -> bool:
    return len(values) > 1 and list(values) == list(range(values[0], values[-1] + 1))


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
