"""What a trigger has in store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onebeat.scheduler.outlook import ClockChange, clock_changes, outlook
from onebeat.scheduler.triggers import Cron, Every

DAY_MS = 86_400_000
MIDNIGHT = int(datetime(2026, 11, 26, tzinfo=UTC).timestamp())
YEAR = MIDNIGHT // 86_400


@pytest.mark.parametrize(
    ("trigger", "count"),
    [
        (Every(2), 43_200),
        (Every(86_400), 1),
        (Every(10 * 86_400), 0),
        (Cron("* * * * *"), 1440),
        (Cron("*/5 * * * *"), 288),
        (Cron("0 3 * * *", tz="Europe/Berlin"), 1),
        (Cron("0 3 29 2 *"), 0),
    ],
)
def test_all_ticks_of_a_day_are_counted(trigger: Cron | Every, count: int) -> None:
    """However frequent, the first are given one by one, as the trigger reckons them."""
    start = MIDNIGHT * 1000
    found = outlook(trigger, start, start + DAY_MS, 10)
    assert (count, True) == (found.count, found.is_exact)
    assert tuple(trigger.ticks_after(start - 1, min(10, count))) == found.ticks


def test_the_first_instant_is_of_the_span_and_the_last_is_not() -> None:
    """So days lie side by side, and no tick is in two of them."""
    assert (0, 5000) == outlook(Every(5), 0, 10_000, 10).ticks


def test_a_span_with_too_many_ticks_says_that_there_are_more() -> None:
    """A week of minutes is counted in part."""
    found = outlook(Cron("* * * * *"), 0, 7 * DAY_MS, 10)
    assert (1600, False) == (found.count, found.is_exact)


def moments(changes: tuple[ClockChange, ...]) -> list[tuple[str, str, str, bool, tuple[str, ...]]]:
    return [
        (f"{datetime.fromtimestamp(one.at_s, UTC):%Y-%m-%d %H:%M}", one.before, one.after, one.is_gap, one.times)
        for one in changes
    ]


def test_a_time_that_clocks_jump_over_and_repeat_is_told() -> None:
    """With the instant, and what clocks show before and after."""
    assert [
        ("2027-03-28 01:00", "02:00", "03:00", True, ("02:30",)),
        ("2027-10-31 01:00", "03:00", "02:00", False, ("02:30",)),
    ] == moments(clock_changes(Cron("30 2 * * *", tz="Europe/Berlin"), YEAR, 366))


@pytest.mark.parametrize(
    "trigger",
    [
        Every(60),
        Cron("30 2 * * *"),
        Cron("0 8 * * *", tz="Europe/Berlin"),
        Cron("*/30 * * * *", tz="Europe/Berlin"),
        Cron("30 2 * * MON-FRI", tz="Europe/Berlin"),
    ],
)
def test_who_is_not_touched_is_told_nothing(trigger: Cron | Every) -> None:
    """Intervals, zones without changes, other hours, stars, and days on which no clock changes."""
    assert () == clock_changes(trigger, YEAR, 366)


def test_every_time_that_a_change_touches_is_told() -> None:
    """Of a calendar of every half hour by name, both of the hour that is missing, and of the one that comes twice."""
    spring, autumn = clock_changes(Cron("0,30 0-23 * * *", tz="Europe/Berlin"), YEAR, 366)
    assert (("02:00", "02:30"), ("02:00", "02:30")) == (spring.times, autumn.times)
