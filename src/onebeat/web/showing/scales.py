"""Axes: round numbers to draw lines at, and what is written beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count as numbers_from

from markupsafe import Markup

from onebeat.web.showing import words
from onebeat.web.showing.elements import element

LINES = 4
"""Lines of a grid, the one at zero among them."""

_WHOLE = (1, 2, 3, 4, 5, 6, 8)
_TENTHS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
_SECONDS = (1, 2, 3, 4, 5, 10, 15, 20, 30)
_MINUTES = (1, 2, 3, 4, 5, 10, 15, 20, 30)
_HOURS = (1, 2, 3, 4, 6, 8, 12)
_LABELS = 6
"""Labels below an axis of time, at most."""

_STEPS = tuple(
    [timedelta(minutes=n) for n in (1, 2, 5, 10, 15, 20, 30)]
    + [timedelta(hours=n) for n in (1, 2, 3, 4, 6, 8, 12)]
    + [timedelta(days=n) for n in (1, 2, 5, 7, 10, 14, 30, 60, 90, 180, 365)]
)


@dataclass(frozen=True, slots=True)
class Unit:
    """
    What the numbers of a chart are.

    Attributes:
        brief: Writes one beside an axis.

        full: Writes one in a table.

        steps: Yields the distances that lines may have, rising without end.
    """

    brief: Callable[[float], str]
    full: Callable[[float], str]
    steps: Callable[[], Iterator[float]]


def _counts() -> Iterator[float]:
    yield from _WHOLE
    for power in numbers_from(1):
        yield from (step * 10**power for step in _TENTHS)


def _any_size() -> Iterator[float]:
    for power in numbers_from(-3):
        yield from (step * 10.0**power for step in _TENTHS)


def _durations() -> Iterator[float]:
    for power in (-4, -3, -2, -1):
        yield from (step * 10**power for step in (1, 2, 3, 4, 5))
    for size, steps in ((1, _SECONDS), (60, _MINUTES), (3_600, _HOURS)):
        yield from (step * size for step in steps)
    yield from (86_400 * step for step in _counts())


def _parts() -> Iterator[float]:
    yield from (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1 / 3)
    yield from _any_size()


def _percent(part: float) -> str:
    return f"{100 * part:.2f}".rstrip("0").rstrip(".") + " %"


COUNT = Unit(words.brief, words.count, _counts)
"""Whole numbers."""

PER_SECOND = Unit(lambda value: f"{words.brief(value)}/s" if value else "0", lambda value: f"{value:,.2f}/s", _any_size)
"""How often a second."""

SECONDS = Unit(lambda value: words.duration(value).replace(".0 ", " ") if value else "0", words.duration, _durations)
"""Durations, in seconds."""

BYTES = Unit(lambda value: words.size(value).replace(".0 ", " ") if value else "0", words.size, _counts)
"""Sizes, in bytes."""

SHARE = Unit(lambda value: _percent(value) if value else "0", _percent, _parts)
"""Parts of a whole, from 0 to 1."""


def finite(value: float | None) -> float | None:
    """Return a number that can be drawn; None for what cannot."""
    return value if value is not None and math.isfinite(value) else None


def lines(greatest: float, unit: Unit) -> list[float]:
    """Return where the lines of a grid are: evenly, from 0 to at least the greatest value, at round numbers."""
    wanted = greatest / (LINES - 1) * (1 - 1e-9)
    if not math.isfinite(wanted) or wanted > 1e300:  # beyond what steps and floats reach
        wanted = 0
    step = next(step for step in unit.steps() if step >= wanted)
    return [step * i for i in range(LINES)]


@dataclass(frozen=True, slots=True)
class Mark:
    """A label below an axis of time: where, from 0 to 1, and what it says."""

    at: float
    text: str


def relative_marks(span: timedelta, slack: timedelta = timedelta(0)) -> list[Mark]:
    """Label an axis that ends now: "−30m", "−20m", "−10m", "now"; one that lies out by the slack is put at the edge."""
    if span <= timedelta(0):
        return [Mark(1, "now")]
    step = next((step for step in _STEPS if span / step <= _LABELS - 2), _STEPS[-1])
    last = int((span + slack) / step)
    found = [Mark(max(1 - i * step / span, 0), f"−{words.duration(i * step)}") for i in range(last, 0, -1)]
    return [*found, Mark(1, "now")]


def clock_marks(start: datetime, end: datetime, place: tzinfo = UTC, *, most: int = _LABELS) -> list[Mark]:
    """Label an axis at round times of a viewer's day, or at days if it spans many."""
    span = end - start
    if span <= timedelta(0):
        return []
    step = next((step for step in _STEPS if span / step <= most), _STEPS[-1])
    return [Mark((at - start) / span, _told(at.astimezone(place), step)) for at in round_times(start, end, step, place)]


def round_times(start: datetime, end: datetime, step: timedelta, place: tzinfo) -> Sequence[datetime]:
    """Return the instants in a span at which the viewer's clock shows a multiple of a step, counted from midnight."""
    days = max(step.days, 1)
    there = start.astimezone(place)
    midnight = datetime(there.year, there.month, there.day)  # noqa: DTZ001 - a time on the viewer's wall
    found: list[datetime] = []
    if step < timedelta(days=1):
        walls = (midnight + i * step for i in numbers_from(0))
    else:
        walls = (midnight + timedelta(days=i * days) for i in numbers_from(0))
    for wall in walls:
        at = wall.replace(tzinfo=place).astimezone(UTC)
        if at > end:
            return found
        if (
            at >= start and at.astimezone(place).replace(tzinfo=None) == wall
        ):  # not in the hour that a spring leaves out
            found.append(at)
    raise AssertionError(step)


def _told(at: datetime, step: timedelta) -> str:
    if step >= timedelta(days=1) or (at.hour, at.minute) == (0, 0):
        return f"{at:%b} {at.day}"
    return f"{at:%H:%M}"


def axis(marks: Sequence[Mark]) -> Markup:
    """Return the labels below a drawing; every second one goes where it is narrow."""
    texts = []
    for i, mark in enumerate(reversed(marks)):
        side = "start" if mark.at < 0.04 else "end" if mark.at > 0.96 else "middle"
        more = "chart-more" if i % 2 else None
        texts.append(element("text", mark.text, x=f"{mark.at * 100:.2f}%", y=14, text_anchor=side, class_=more))
    return element("svg", *texts, class_="chart-axis", height=18, aria_hidden="true")
