"""Cron as asynq reads it (protocol §10.7), and where Onebeat differs on purpose."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onebeat.errors import ConfigurationError
from onebeat.scheduler.triggers import Cron, Every, parse_spec


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def ticks(spec: str, after: str, count: int = 3) -> list[str]:
    found = parse_spec(spec).ticks_after(ms(after), count)
    return [datetime.fromtimestamp(tick / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") for tick in found]


VECTORS = [
    (
        "*/15 * * * *",
        "2024-01-31T23:50:30.5",
        ["2024-02-01T00:00:00", "2024-02-01T00:15:00", "2024-02-01T00:30:00"],
    ),
    (
        "0 0 13 * FRI",
        "2024-09-01T00:00",
        ["2024-09-06T00:00:00", "2024-09-13T00:00:00", "2024-09-20T00:00:00"],
    ),
    (
        "0 0 */2 * 1",
        "2024-09-01T00:00",
        ["2024-09-02T00:00:00", "2024-09-03T00:00:00", "2024-09-05T00:00:00"],
    ),
    (
        "0 0 */1 * 1",
        "2024-09-01T00:00",
        ["2024-09-02T00:00:00", "2024-09-09T00:00:00", "2024-09-16T00:00:00"],
    ),
    (
        "0 9 * * MON-FRI",
        "2024-08-30T09:00",
        ["2024-09-02T09:00:00", "2024-09-03T09:00:00", "2024-09-04T09:00:00"],
    ),
    (
        "30 5/6 * * *",
        "2024-01-01T05:30",
        ["2024-01-01T11:30:00", "2024-01-01T17:30:00", "2024-01-01T23:30:00"],
    ),
    ("0 0 29 2 *", "2024-02-29T00:00", ["2028-02-29T00:00:00", "2032-02-29T00:00:00", "2036-02-29T00:00:00"]),
    ("0 0 29 2 *", "2096-02-29T00:00", ["2104-02-29T00:00:00", "2108-02-29T00:00:00"]),
    ("@weekly", "2024-01-03T10:00", ["2024-01-07T00:00:00", "2024-01-14T00:00:00", "2024-01-21T00:00:00"]),
    (
        "CRON_TZ=Asia/Tokyo 0 9 * * *",
        "2024-01-01T00:00",
        ["2024-01-02T00:00:00", "2024-01-03T00:00:00", "2024-01-04T00:00:00"],
    ),
    (
        "TZ=America/New_York 0 * * * *",
        "2024-11-03T05:00",
        ["2024-11-03T06:00:00", "2024-11-03T07:00:00", "2024-11-03T08:00:00"],
    ),
]


@pytest.mark.parametrize(("spec", "after", "expected"), VECTORS)
def test_next_times_are_asynqs(spec: str, after: str, expected: list[str]) -> None:
    """§10.7, as far as both agree."""
    assert expected == ticks(spec, after)[: len(expected)]


def test_a_time_that_does_not_exist_fires_after_the_jump() -> None:
    """asynq skips 02:30 on 10 March in New York; here it fires at 03:00 that day (07:00 UTC)."""
    expected = ["2024-03-10T07:00:00", "2024-03-11T06:30:00", "2024-03-12T06:30:00"]
    assert expected == ticks("TZ=America/New_York 30 2 * * *", "2024-03-10T05:00")


def test_a_time_that_comes_twice_fires_once() -> None:
    """asynq fires 01:30 twice on 3 November in New York; here it fires the first time only."""
    expected = ["2024-11-03T05:30:00", "2024-11-04T06:30:00"]
    assert expected == ticks("TZ=America/New_York 30 1 * * *", "2024-11-03T04:00", 2)


def test_every_keeps_milliseconds_and_counts_from_1970() -> None:
    """asynq cuts 1.5 s to 1 s and counts from the start of the process."""
    assert parse_spec("@every 1.5s").ticks_after(ms("2024-01-01T00:00:00.75"), 2) == [
        1_704_067_201_500,
        1_704_067_203_000,
    ]
    assert Every(1.5) == parse_spec("@every 1500ms")


REFUSED = [
    "", "   ", "* * * *", "* * * * * *", "* * * * 7", "60 * * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *",
    "* * * 13 *",
    "*/0 * * * *", "5-1 * * * *", "5-* * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "-1 * * * *", "a * * * *",
    "* * * * SUNDAY", "@reboot", "@EVERY 1s", "@every  5s", "@every abc", "TZ=No/Where 0 0 * * *", "TZ=UTC",
    "0 24 * * *",
]  # fmt: skip


@pytest.mark.parametrize("spec", REFUSED)
def test_what_asynq_refuses_is_refused(spec: str) -> None:
    """One sentence names what is wrong and how to write it."""
    with pytest.raises(ConfigurationError, match=r": |\?$"):
        parse_spec(spec)


@pytest.mark.parametrize(
    "spec", ["0 0 31 2 *", ", * * * *", "* * , * *", "0 0 30 2 *", "@every 0s", "@every -5s", "@every 1ns"]
)
def test_what_could_never_fire_is_refused(spec: str) -> None:
    """asynq accepts these: the first never fires, the last it stretches to a second."""
    with pytest.raises(ConfigurationError):
        parse_spec(spec)


ACCEPTED = [
    "*-5 * * * *", "1,,2 * * * *", "? * ? * MON-FRI", "*/1000 * * * *", "  0 0 * * *  ", "0 0 * jan,Feb,MAR sun-TUE",
    "@yearly", "@annually", "@monthly", "@daily", "@midnight", "@hourly", "@every 90s",
]  # fmt: skip


@pytest.mark.parametrize("spec", ACCEPTED)
def test_what_asynq_accepts_is_accepted(spec: str) -> None:
    """§10.7, the odd ones among them."""
    assert len(parse_spec(spec).ticks_after(ms("2024-01-01T00:00"), 3)) == 3


def test_a_zone_given_twice_must_be_the_same() -> None:
    """`tz=` and `CRON_TZ=` that differ are refused; one of them is enough."""
    with pytest.raises(ConfigurationError, match="give one"):
        Cron("CRON_TZ=Europe/Kyiv 0 0 * * *", tz="Europe/Paris")
    assert Cron("CRON_TZ=Europe/Kyiv 0 0 * * *") == Cron("0 0 * * *", tz="Europe/Kyiv")


def test_a_zone_is_corrected_when_misspelled() -> None:
    """The message suggests the nearest name."""
    with pytest.raises(ConfigurationError, match="did you mean 'Europe/Kyiv'"):
        Cron("0 0 * * *", tz="Europe/Kyyiv")


@pytest.mark.parametrize("bad", [0, -1, 0.005, True, float("nan"), float("inf"), "1", None, 1.0005, 1e30])
def test_intervals_that_cannot_be_are_refused(bad: object) -> None:
    """Under 10 ms, fractions of a millisecond, and what is no duration."""
    with pytest.raises(ConfigurationError, match="interval is"):
        Every(bad)  # type: ignore[arg-type] # that is what is tested
