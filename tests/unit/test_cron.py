"""Cron in every zone: against an independent engine, against a walk of every minute, and by properties."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from onebeat.scheduler import zones
from onebeat.scheduler.cron import parse
from onebeat.scheduler.triggers import Cron

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Europe/Dublin",
    "Africa/Casablanca", "Asia/Kolkata", "Pacific/Apia", "America/Havana", "Asia/Tehran", "Asia/Beirut",
]  # fmt: skip

CHANGES = [
    ("Europe/Berlin", "2026-03-29"), ("Europe/Berlin", "2026-10-25"), ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"), ("America/Santiago", "2026-04-05"), ("America/Santiago", "2026-09-06"),
    ("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04"), ("Europe/Dublin", "2026-03-29"),
    ("Africa/Casablanca", "2026-02-15"), ("Africa/Casablanca", "2026-03-22"), ("America/Havana", "2026-11-01"),
    ("Asia/Beirut", "2026-03-29"),
]  # fmt: skip


def local(zone: str, tick_ms: int) -> str:
    return datetime.fromtimestamp(tick_ms / 1000, UTC).astimezone(zones.zone(zone)).strftime("%Y-%m-%d %H:%M %z")


def epoch_ms(zone: str, day: str) -> int:
    return round(datetime.fromisoformat(day).replace(tzinfo=zones.zone(zone)).timestamp() * 1000)


def random_field(chance: random.Random, low: int, high: int) -> str:
    kind = chance.randrange(5)
    if kind == 0:
        return "*"
    if kind == 1:
        return f"*/{chance.randint(1, (high - low) // 2)}"
    if kind == 2:
        first, last = sorted(chance.sample(range(low, high + 1), 2))
        return f"{first}-{last}/{chance.randint(1, 5)}"
    return ",".join(str(chance.randint(low, high)) for _ in range(chance.randint(1, 3)))


def random_expression(chance: random.Random) -> str:
    """Make five fields whose day rule means the same to cronsim: never both day fields, no stepped stars there."""
    day = chance.choice(["*", "*", str(chance.randint(1, 28)), "1,15", "10-20/3"])
    week = "*" if day != "*" else chance.choice(["*", "1-5", "0", "2,4", "6"])
    return f"{random_field(chance, 0, 59)} {random_field(chance, 0, 23)} {day} {random_field(chance, 1, 12)} {week}"


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_agrees_with_an_independent_engine(zone: str) -> None:
    """A hundred random expressions in each zone give the ticks that cronsim gives, clock changes included."""
    chance = random.Random(zone)
    for _ in range(100):
        expression = random_expression(chance)
        start = datetime(2026, chance.randint(1, 12), chance.randint(1, 28), chance.randint(0, 23), 7, tzinfo=UTC)
        oracle = islice(CronSim(expression, start.astimezone(zones.zone(zone))), 40)
        expected = [round(moment.timestamp() * 1000) for moment in oracle]
        assert expected == Cron(expression, zone).ticks_after(round(start.timestamp() * 1000), 40), expression


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize("expression", ["*/7 * * * *", "* */3 * * *", "*/30 1-3 * * *", "15 * * * *"])
def test_a_clock_expression_matches_every_real_minute(zone: str, day: str, expression: str) -> None:
    """Around each clock change the ticks are exactly the real minutes whose wall time matches: no double, no hole."""
    fields, begin = parse(expression), epoch_ms(zone, day) - 86_400_000
    end = begin + 3 * 86_400_000
    expected = []
    for tick in range(begin + 60_000, end, 60_000):
        wall = datetime.fromtimestamp(tick / 1000, UTC).astimezone(zones.zone(zone))
        if wall.minute in fields.minute.values and wall.hour in fields.hour.values:
            expected.append(tick)
    assert expected == [tick for tick in Cron(expression, zone).ticks_after(begin, 5000) if tick < end]


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize("time", ["0 0", "30 0", "0 1", "30 1", "0 2", "30 2", "45 2", "0 3", "59 23"])
def test_a_time_of_day_fires_once_on_every_day(zone: str, day: str, time: str) -> None:
    """Whether the clock jumps over it or shows it twice, each calendar day has exactly one tick."""
    begin = epoch_ms(zone, day) - 3 * 86_400_000
    days = [local(zone, tick)[:10] for tick in Cron(f"{time} * * *", zone).ticks_after(begin, 7)]
    first = datetime.fromisoformat(days[0])
    assert [(first + timedelta(days=n)).strftime("%Y-%m-%d") for n in range(7)] == days


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("run_after", ["2026-03-29 03:00 +0200"]), ("skip", []), ("shift", ["2026-03-29 03:30 +0200"])],
)
def test_the_gap_rule_can_be_chosen(rule: str, expected: list[str]) -> None:
    """02:30 on the day Berlin's clocks jump from 02:00 to 03:00."""
    trigger = Cron("30 2 * * *", "Europe/Berlin", gap=rule)  # type: ignore[arg-type] # parametrised
    found = [local("Europe/Berlin", tick) for tick in trigger.ticks_after(epoch_ms("Europe/Berlin", "2026-03-29"), 1)]
    assert expected == [text for text in found if text.startswith("2026-03-29")]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("first", ["01:30 -0400"]), ("second", ["01:30 -0500"]), ("both", ["01:30 -0400", "01:30 -0500"])],
)
def test_the_overlap_rule_can_be_chosen(rule: str, expected: list[str]) -> None:
    """01:30 on the day New York has it twice."""
    trigger = Cron("30 1 * * *", "America/New_York", overlap=rule)  # type: ignore[arg-type] # parametrised
    found = [
        local("America/New_York", tick) for tick in trigger.ticks_after(epoch_ms("America/New_York", "2026-11-01"), 2)
    ]
    assert expected == [text[11:] for text in found if text.startswith("2026-11-01")]


def test_times_in_one_gap_fire_together_once() -> None:
    """02:10, 02:50 and 03:00 on the day the clock jumps from 02:00 to 03:00 are one tick."""
    trigger = Cron("0,10,50 2,3 * * *", "Europe/Berlin")
    found = [
        local("Europe/Berlin", tick)[11:16] for tick in trigger.ticks_after(epoch_ms("Europe/Berlin", "2026-03-29"), 3)
    ]
    assert found == ["03:00", "03:10", "03:50"]


def test_a_day_that_a_country_skipped() -> None:
    """Samoa had no 30 December 2011: its 02:30 fires as the 31st begins, before that day's own."""
    trigger = Cron("30 2 * * *", "Pacific/Apia")
    begin = epoch_ms("Pacific/Apia", "2011-12-29")
    found = [local("Pacific/Apia", tick)[:16] for tick in trigger.ticks_after(begin, 3)]
    assert found == ["2011-12-29 02:30", "2011-12-31 00:00", "2011-12-31 02:30"]


MOMENTS = st.integers(1_600_000_000_000, 2_400_000_000_000)
CHANCES = st.randoms(use_true_random=False)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(CHANCES, st.sampled_from(ZONES), MOMENTS)
def test_ticks_rise_and_lie_ahead(chance: random.Random, zone: str, after: int) -> None:
    """Ticks are strictly rising and greater than the instant asked for."""
    found = Cron(random_expression(chance), zone).ticks_after(after, 20)
    assert all(earlier < later for earlier, later in zip([after, *found], found, strict=False))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(CHANCES, st.sampled_from(ZONES), MOMENTS, st.floats(0, 1))
def test_the_next_tick_does_not_depend_on_when_one_asks(
    chance: random.Random, zone: str, after: int, share: float
) -> None:
    """Asked at any instant before it, the next tick is the same one."""
    trigger = Cron(random_expression(chance), zone)
    [tick] = trigger.ticks_after(after, 1)
    between = after + int((tick - 1 - after) * share)
    assert [tick] == trigger.ticks_after(between, 1)


def test_zones_are_not_the_hosts() -> None:
    """They come from the tzdata package, whose version is known."""
    assert isinstance(zones.zone("Europe/Kyiv"), ZoneInfo)
    assert zones.VERSION >= "2025"
