"""What a trigger has in store: its ticks of a span of time, and the days on which its clocks change. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from onebeat.scheduler import zones
from onebeat.scheduler.cron import parse
from onebeat.scheduler.triggers import Cron, Every

COUNTED = 1600
"""Ticks of a calendar that are counted: all of a day, whatever its length."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """
    The ticks of a span of time.

    Attributes:
        ticks: The first of them, in milliseconds since 1970.

        count: How many there are in all.

        is_exact: False: there are more; counting ended there.
    """

    ticks: tuple[int, ...]
    count: int
    is_exact: bool = True


@lru_cache(2048)
def outlook(trigger: Cron | Every, start_ms: int, end_ms: int, most: int) -> Outlook:
    """
    Reckon the ticks from one instant until before another.

    Args:
        most: How many of them are wanted one by one.
    """
    if isinstance(trigger, Every):
        first = trigger.ticks_after(start_ms - 1, 1)[0]
        count = max(0, (end_ms - 1 - first) // trigger.interval_ms + 1)
        return Outlook(tuple(trigger.ticks_after(start_ms - 1, min(count, most))), count)
    found = [tick for tick in trigger.ticks_after(start_ms - 1, most + 1) if tick < end_ms]
    if len(found) <= most:
        return Outlook(tuple(found), len(found))
    counted = sum(tick < end_ms for tick in trigger.ticks_after(start_ms - 1, COUNTED + 1))
    return Outlook(tuple(found[:most]), min(counted, COUNTED), counted <= COUNTED)


@dataclass(frozen=True, slots=True)
class ClockChange:
    """
    A change of clocks that a calendar's times of day fall into.

    Attributes:
        at_s: When, in seconds since 1970.

        before, after: What the clock shows then, and what instead: "02:00", "03:00".

        is_gap: The clock jumps ahead, and times are missing; else it goes back, and times come twice.

        times: Those of the calendar among them: "02:30".
    """

    at_s: int
    before: str
    after: str
    is_gap: bool
    times: tuple[str, ...]


@lru_cache(512)
def clock_changes(trigger: Cron | Every, first: int, days: int) -> tuple[ClockChange, ...]:
    """
    Find the changes of clocks that touch a calendar; one that runs by the clock itself is touched by none.

    Args:
        first: A day since 1970, in UTC.

        days: How many days are looked at from there.
    """
    if isinstance(trigger, Every) or trigger.tz is None:
        return ()
    expression, zone = parse(trigger.expression), zones.zone(trigger.tz)
    if expression.is_wildcard:
        return ()
    found = []
    for at, old, new in _transitions(zone, first * 86_400, days):
        low, high = sorted((at + old, at + new))
        walls = [
            datetime.fromtimestamp(wall, UTC)
            for wall in range(low - low % 60, high, 60)
            if wall >= low and _fits(expression.minute.values, expression.hour.values, wall)
        ]
        times = tuple(f"{wall:%H:%M}" for wall in walls if expression.matches_day(wall.date()) and
                      wall.month in expression.month.values)  # fmt: skip
        if times:
            before, after = (f"{datetime.fromtimestamp(at + offset, UTC):%H:%M}" for offset in (old, new))
            found.append(ClockChange(at, before, after, new > old, times))
    return tuple(found)


def _fits(minutes: tuple[int, ...], hours: tuple[int, ...], wall: int) -> bool:
    return wall // 60 % 60 in minutes and wall // 3600 % 24 in hours


def _transitions(zone: ZoneInfo, start: int, days: int) -> Iterator[tuple[int, int, int]]:
    """Yield when a zone's offset changes, in seconds since 1970, with the old offset and the new."""
    before = _offset(zone, start)
    for low in range(start, start + days * 86_400, 86_400):
        high = low + 86_400
        after = _offset(zone, high)
        if after != before:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            yield high, before, after
        before = after


def _offset(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    return (offset or timedelta(0)) // timedelta(seconds=1)
