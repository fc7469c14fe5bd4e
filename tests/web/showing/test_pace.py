"""How queues and types fare, in charts and words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from onebeat.inspector.series_models import Distribution, Series, SeriesPoint, Spark, TypePoint, TypeSeries
from onebeat.web.showing import pace

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def counted(**counts: int) -> Distribution:
    """Return a distribution: `_3=2` is two in bucket 3."""
    found = [0] * 24
    for name, number in counts.items():
        found[int(name[1:])] = number
    return Distribution(tuple(found))


def series(*counts: tuple[int, int], is_recorded: bool = True, step: timedelta = MINUTE) -> Series:
    points = [
        SeriesPoint(at=NOON + n * step, processed=processed, failed=failed, waits=counted(_4=processed))
        for n, (processed, failed) in enumerate(counts)
    ]
    return Series(step=step, is_recorded=is_recorded, points=tuple(points))


def type_series(name: str, *counts: tuple[int, int], bucket: int = 4) -> TypeSeries:
    points = [
        TypePoint(
            at=NOON + n * MINUTE,
            processed=processed,
            failed=failed,
            retried=0,
            spent=MINUTE,
            runs=counted(**{f"_{bucket}": processed}),
        )
        for n, (processed, failed) in enumerate(counts)
    ]
    return TypeSeries(type=name, step=MINUTE, points=tuple(points))


@pytest.mark.parametrize(
    ("given", "types", "kind", "sentence"),
    [
        (series((0, 0), is_recorded=False), (), "", "No server of Onebeat has recorded anything in the last hour"),
        (series((0, 0)), (), "", "No attempt in the last hour"),
        (series((1, 0)), (), "good", "1 attempt in the last hour, none failed"),
        (
            series((100, 4)),
            (type_series("a", (50, 2)), type_series("b", (50, 2))),
            "good",
            "100 attempts in the last hour, 4 failed (4.0 %)",
        ),
        (
            series((100, 10)),
            (type_series("a", (50, 2)), type_series("b", (50, 8))),
            "warn",
            "100 attempts in the last hour, 10 failed (10 %), most of them b",
        ),
        (series((2, 1)), (), "bad", "2 attempts in the last hour, 1 failed (50 %)"),
        (series((100_000, 1)), (), "good", "100,000 attempts in the last hour, 1 failed (<0.1 %)"),
    ],
)
def test_the_verdict(given: Series, types: tuple[TypeSeries, ...], kind: str, sentence: str) -> None:
    """How many, how many failed, and which type is to be looked at."""
    assert (kind, sentence) == pace.verdict(given, types, 60)


def test_where_nothing_fails_the_slowest_type_is_named() -> None:
    """By its p95."""
    types = (type_series("fast", (9, 0), bucket=2), type_series("slow", (1, 0), bucket=11))
    _, sentence = pace.verdict(series((10, 0)), types, 360)
    assert "10 attempts in the last 6 hours, none failed; slowest is slow, p95 2.0 s" == sentence


def test_a_minute_that_is_not_over_is_told_apart() -> None:
    """As the end of the line it would look like a slump."""
    drawn = pace.throughput(series((60, 0), (60, 0), (1, 0)), 60, UTC)
    assert "attempts: 60 last, between 60 and 60" in drawn
    assert "Since then, so far: 1 attempt, 0 failed." in drawn


def test_of_ten_minutes_a_chart_shows_how_many_a_minute() -> None:
    """So that it can be compared with that of an hour."""
    drawn = pace.throughput(series((600, 30), (0, 0), step=10 * MINUTE), 1440, UTC)
    assert "attempts: 60 last" in drawn
    assert "failed: 3 last" in drawn


def test_nothing_recorded_is_not_zero() -> None:
    """In charts and in rows."""
    assert "Nothing written in this time." in pace.throughput(series((0, 0), (0, 0), is_recorded=False), 60, UTC)
    assert "attempts: 0 last" in pace.throughput(series((0, 0), (0, 0)), 60, UTC)
    assert "Nothing was recorded" in pace.spark(None)
    assert "0 in all" in pace.spark(Spark((0, 0), (0, 0)))


def test_where_no_task_was_taken_there_is_no_wait() -> None:
    """Not one of zero."""
    drawn = pace.waiting(series((4, 0), (0, 0), (9, 0)), 60, UTC)
    assert "nothing written" in drawn


def test_a_distribution_is_of_the_buckets_between_which_there_are_any() -> None:
    """With one empty on each side, and its percentiles."""
    drawn = pace.distribution(counted(_10=5, _12=5), label="How long", tone="active")
    rows = re.findall(r'<th scope="row">(.*?)</th><td class="n">(\d+)</td>', drawn)
    assert ["0", "5", "0", "5", "0"] == [number for _, number in rows]
    assert "10 in all, p50 1.0 s, p95" in drawn
    assert "over" not in rows[-1][0]
    assert "over" in pace.distribution(counted(_23=1), label="How long")
    assert "0 in all" in pace.distribution(Distribution(), label="How long")


def test_a_trend_has_at_most_sixty_bars() -> None:
    """Of more slots several are one bar."""
    drawn = pace.trend(type_series("t", *[(1, 0)] * 144))
    assert "144 in all, at most 3 at once, 0 failed" in drawn


@pytest.mark.parametrize(
    ("failed", "processed", "expected"),
    [
        (9999, 10_000, ">99.9 %"), (10_000, 10_000, "100 %"), (1, 100_000, "<0.1 %"), (996, 1000, "99.6 %"),
        (12, 100, "12 %"), (3, 100, "3.0 %"), (0, 10, ""),
    ],
)  # fmt: skip
def test_a_share_is_neither_all_nor_nothing_unless_it_is(failed: int, processed: int, expected: str) -> None:
    """One that succeeded among 10,000 is not nothing."""
    assert expected == pace.share_of(failed, processed)
