"""Numbers in words, as every page of the console writes them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebeat.web.showing import words


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("0 s", 0),
        ("<0.1 ms", 0.000001),
        ("0.4 ms", 0.0004),
        ("15 ms", 0.0154),
        ("99 ms", 0.0994),
        ("0.1 s", 0.0996),
        ("0.3 s", 0.3),
        ("9.9 s", 9.94),
        ("10 s", 9.96),
        ("59 s", 59.4),
        ("1m", 59.6),
        ("4m 12s", 252),
        ("5m", 300),
        ("1h", 3599.7),
        ("3h 5m", 11_100),
        ("1d", 86_400),
        ("2d 4h", 187_200),
        ("1,000d", 86_400_000),
        ("-4m 12s", -252),
        ("-", None),
        ("-", float("nan")),
        ("-", float("inf")),
        ("1m 30s", timedelta(seconds=90)),
    ],
)
def test_a_duration_has_two_units_at_most(told: str, seconds: float | timedelta | None) -> None:
    """Those that matter."""
    assert told == words.duration(seconds)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_every_duration_has_words(seconds: float) -> None:
    """Short ones."""
    assert len(words.duration(seconds)) <= 20


@pytest.mark.parametrize(
    ("told", "seconds"), [("4m 12s ago", 252), ("in 3h", -10_800), ("now", 0), ("now", -0.01), ("0.3 s ago", 0.3)]
)
def test_an_instant_is_told_from_now(told: str, seconds: float) -> None:
    """What lies behind is positive."""
    assert told == words.relative(seconds)


@pytest.mark.parametrize(
    ("told", "number"), [("0", 0), ("10,612", 10_612), ("0.4", 0.4), ("1,234", 1234.4), ("-", None), ("-3", -3)]
)
def test_a_count_is_thousands_apart(told: str, number: float | None) -> None:
    """With one place where it is no whole number and small."""
    assert told == words.count(number)


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ("0", 0),
        ("840", 840),
        ("0.25", 0.25),
        ("1k", 1_000),
        ("1k", 999.96),
        ("1.2k", 1_234),
        ("35.7k", 35_660),
        ("120k", 120_000),
        ("2M", 2_000_000),
        ("1.5G", 1.5e9),
        ("-", float("nan")),
    ],
)
def test_a_count_is_brief_beside_an_axis(told: str, number: float) -> None:
    """In the unit that fits."""
    assert told == words.brief(number)


@pytest.mark.parametrize(
    ("told", "number", "seconds"),
    [("12/s", 720, 60), ("1.5/s", 90, 60), ("3.4/min", 3.4, 60), ("2/h", 2, 3600), ("0/h", 0, 60), ("-", 3, 0)],
)
def test_a_rate_is_in_the_unit_that_reads_best(told: str, number: float, seconds: float) -> None:
    """The smallest in which it is one at least."""
    assert told == words.rate(number, seconds)


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ("1 task", words.counted(1, "task")),
        ("2,000 tasks", words.counted(2_000, "task")),
        ("0 queries", words.counted(0, "query", "queries")),
        ("142 B", words.size(142)),
        ("5.0 MB", words.size(5_000_000)),
        ("250 kB", words.size(250_000)),
        ("1.3 %", words.share(13, 1_000)),
        ("-", words.share(0, 0)),
    ],
)
def test_plurals_sizes_and_shares(told: str, written: str) -> None:
    """As the command line has them, whose words they are too."""
    assert told == written
