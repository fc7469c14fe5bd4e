"""Whether a backlog grows: pure, from what was noted of it minute by minute."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onebeat.inspector.series_models import Backlog, SizePoint
from onebeat.web.showing.growth import MOST_QUEUES, Growth, growth, of_backlog, of_points, to_ask
from tests.web.showing.test_concerns import stats

HOUR = 60
START, MINUTE = datetime(2026, 11, 26, 8, tzinfo=UTC), timedelta(minutes=1)
Noted = Sequence[int | None]


def rising(minutes: int, pace: int = 86, start: int = 4096) -> list[int]:
    """Return an hour at whose end a backlog grew evenly, for so many minutes."""
    return [start] * (HOUR - 1 - minutes) + [start + pace * minute for minute in range(minutes + 1)]


def judged(pending: Noted, attempts: int | None = None) -> Growth | None:
    return growth(pending, [attempts] * len(pending))


def told(pending: Noted, attempts: int | None = None) -> str:
    found = judged(pending, attempts)
    return found.told if found is not None else ""


@pytest.mark.parametrize(
    ("pending", "expected"),
    [
        (rising(14), "has grown for 14 minutes, by 1,204 to 5,300 tasks, 86 a minute"),
        (rising(10, start=0), "has grown for 10 minutes, by 860 to 860 tasks, 86 a minute"),
        (rising(40, pace=3, start=0), "has grown for 40 minutes, by 120 to 120 tasks, 3.0 a minute"),
        (rising(59), "has grown for 59 minutes or longer, by 5,074 to 9,170 tasks, 86 a minute"),
        ([9000 - 100 * minute for minute in range(40)] + [5100 + 50 * minute for minute in range(20)],
         "has grown for 19 minutes, by 950 to 6,050 tasks, 50 a minute"),
    ],
)  # fmt: skip
def test_what_grows_is_said_with_its_numbers(pending: Noted, expected: str) -> None:
    """For how long, by how much to how much, and how fast; since it was lowest, if it fell before."""
    assert expected == told(pending)


@pytest.mark.parametrize(
    ("name", "before"),
    [("lay still", [4050, 4096, 4070, 4080, 4096, 4090] * 6), ("jumped", [*[50] * 35, 3000])],
)
def test_it_is_said_since_when_it_grows(name: str, before: list[int]) -> None:
    """What lay still before, or came at once, is no part of its time or its pace."""
    found = judged([*before, *range(4100, 6500, 100)])
    assert found is not None, name
    assert 23 <= found.minutes <= 25, name
    assert 95 <= found.pace <= 105, name


def batch(minutes: int, done: int = 1000) -> list[int]:
    """Return an hour in which 100,000 tasks came at once, so many minutes ago, and are worked off."""
    return [0] * (HOUR - minutes) + [100_000 - done * minute for minute in range(minutes)]


@pytest.mark.parametrize(
    ("name", "pending"),
    [
        ("a minute less than ten", rising(9)),
        ("a nightly batch that is worked off", batch(20)),
        ("a batch that came just now", batch(1)),
        ("a batch that nobody works off", batch(20, done=0)),
        ("a batch that came in two parts", [*batch(20, done=0)[:50], *[180_000] * 10]),
        ("a burst of two minutes now", [50] * 58 + [4000, 8000]),
        ("a burst of two minutes, and little more each minute", [50] * 46 + [4000, *range(8000, 8013)]),
        ("a tiny queue", rising(14, pace=5, start=0)),
        ("a large one by little", rising(14, pace=20, start=50_000)),
        ("growth that ended", [*range(1000, 4000, 100), *[4000] * 30]),
        ("growth that ended some minutes ago", [*range(1000, 6000, 100), *[6000] * 7]),
        ("what fell in the last minutes", [*range(1000, 6000, 100), *range(6000, 5500, -100)]),
        ("what came in waves and was done each time", [1000, 800, 600, 400, 200, 0] * 10),
        ("nothing", [0] * HOUR),
        ("one minute alone", [None] * 59 + [500]),
        ("an hour of no console", [None] * HOUR),
    ],
)  # fmt: skip
def test_nothing_is_said_of_what_does_not_grow(name: str, pending: Noted) -> None:
    """Bursts, batches, tiny queues, and what is over."""
    assert "" == told(pending), name


def without(pending: Noted, *minutes: int) -> list[int | None]:
    """Leave minutes out, counted from the last one."""
    gone = {HOUR - 1 - minute for minute in minutes}
    return [None if minute in gone else tasks for minute, tasks in enumerate(pending)]


def test_a_short_gap_is_bridged() -> None:
    """Minutes of which some were not noted grow as well."""
    assert "has grown for 14 minutes, by 1,204 to 5,300 tasks, 86 a minute" == told(without(rising(14), 2, 5, 6, 7, 11))


def test_nothing_is_guessed_over_a_long_gap() -> None:
    """What was before it is not part of the growth, as nobody saw whether it grew then."""
    pending = rising(30)
    assert "" == told(without(pending, *range(4, 10)))
    assert "has grown for 12 minutes, by 1,032 to 6,676 tasks, 86 a minute" == told(without(pending, *range(13, 19)))


def test_what_nobody_noted_lately_is_not_said() -> None:
    """A console that ended took its word with it."""
    pending = rising(30)
    assert told(without(pending, 0, 1, 2))
    assert "" == told(without(pending, 0, 1, 2, 3))


@pytest.mark.parametrize(
    ("attempts", "ahead"),
    [
        (8000, "; at this pace it is slow in about 30 minutes"),
        (5500, "; at this pace it is slow in about 3 minutes"),
        (5250, "; at this pace it is slow in about 1 minute"),
        (5000, ""),
        (None, ""),
    ],
)
def test_when_it_is_slow_is_said_where_it_is_known(attempts: int | None, ahead: str) -> None:
    """Once more waits than comes in a minute; not where that is so, or nobody counted."""
    assert f"has grown for 14 minutes, by 1,204 to 5,300 tasks, 86 a minute{ahead}" == told(rising(14), attempts)


@pytest.mark.parametrize(("attempts", "is_soon"), [(None, True), (15_000, True), (16_000, False), (900_000, False)])
def test_what_will_not_be_slow_for_hours_is_none_to_look_at(attempts: int | None, is_soon: bool) -> None:
    """A thousand tasks that wait are a second's work of a queue that does a million a minute."""
    found = judged(rising(14), attempts)
    assert found is not None
    assert is_soon is found.is_soon


@pytest.mark.parametrize(("pace", "amplitude", "expected"), [(0, 100, 0), (0, 250, 0), (0, 400, 0), (90, 50, 500)])
def test_chance_is_no_growth_and_hides_none(pace: int, amplitude: int, expected: int) -> None:
    """Of 500 hours in which a backlog of 900 went up and down by chance; and of as many that also grew."""
    chance = random.Random(40)
    hours = [[int(max(0, chance.gauss(900 + pace * at, amplitude))) for at in range(HOUR)] for _ in range(500)]
    assert expected == sum(judged(hour) is not None for hour in hours)


def test_many_and_one_are_judged_alike() -> None:
    """By what is read of a queue's page, and of many: without the minute that is not noted yet, too."""
    pending: list[int | None] = [*rising(14)[1:], None]
    processed: list[int | None] = [8000] * HOUR
    points = [
        SizePoint(at=START + place * MINUTE, pending=one, active=0, retry=0, archived=0, processed=8000, failed=0)
        for place, one in enumerate(pending[:-1])
    ]
    found = of_backlog(Backlog(start=START, pending=tuple(pending), processed=tuple(processed)))
    assert found is not None
    assert found == of_points(points)
    assert None is of_backlog(None)


def test_who_is_asked_about() -> None:
    """Queues in which something waits, and that are not paused; those that hold most, if there are many."""
    of = {"few": stats(pending=99), "some": stats(pending=100), "later": stats(scheduled=500)}
    assert ["some"] == to_ask(of | {"paused": stats(pending=500, paused=1)})
    many = {f"{number:03}": stats(pending=1000 + number) for number in range(MOST_QUEUES + 2)}
    assert [f"{number:03}" for number in range(2, MOST_QUEUES + 2)] == to_ask(of | many)


def test_a_pace_that_is_small_has_a_place_behind_the_point() -> None:
    """And one that is large has none."""
    found = Growth(minutes=40, tasks=500, added=100, before=400, attempts=None)
    assert (", 2.5 a minute", ", 12 a minute") == (
        found.amount.removeprefix("has grown for 40 minutes, by 100"),
        replace(found, added=480).amount.removeprefix("has grown for 40 minutes, by 480"),
    )
