"""
Charts as inline SVG, made of numbers: no script, no style attribute, nothing that a browser must compute.

A chart is as wide as its place. Only what is drawn stretches: texts stand beside it, in drawings that do not scale.
Colours come from classes (`s-active`), a chart says in a sentence what it shows, and has a table of its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup

from onebeat.web.showing.bars import bars, composition, histogram
from onebeat.web.showing.elements import element, joined
from onebeat.web.showing.instants import absolute, clock
from onebeat.web.showing.scales import (
    BYTES,
    COUNT,
    PER_SECOND,
    SECONDS,
    SHARE,
    Mark,
    Unit,
    axis,
    clock_marks,
    finite,
    lines,
    relative_marks,
)
from onebeat.web.showing.strips import day_axis, day_strip
from onebeat.web.showing.tables import numbers

__all__ = [
    "BYTES",
    "COUNT",
    "PER_SECOND",
    "SECONDS",
    "SHARE",
    "Series",
    "Unit",
    "area_chart",
    "bars",
    "composition",
    "day_axis",
    "day_strip",
    "histogram",
]

_WIDTH = 1000
"""Of a drawing that stretches, in its own units."""

_LETTER = 6.7
"""Pixels of a letter of the labels, 12 px high."""

_APART = 14
"""Pixels between two labels at line ends."""

_TOP = 8
"""Pixels above the highest line, for half a label."""

_RELATIVE = timedelta(hours=2)
"""Spans up to this are labelled by how far they lie behind."""


@dataclass(frozen=True, slots=True)
class Series:
    """
    A line of a chart.

    Attributes:
        name: What its end is labelled with, beside its last value; "" where the chart's title says it.

        values: One for each step, the last one newest; None where nothing was written.

        tone: The state whose colour it has, or "accent".
    """

    name: str
    values: Sequence[float | None]
    tone: str = "completed"


def area_chart(
    series: Sequence[Series],
    *,
    label: str,
    until: datetime,
    step: timedelta,
    unit: Unit = COUNT,
    place: tzinfo = UTC,
    height: int = 144,
    hints: bool = True,
    is_under_way: bool = False,
) -> Markup:
    """
    Return lines over time, each with its area, and the table of their numbers.

    Args:
        series: All of the same length, the greatest first.

        label: What is shown, as the beginning of a sentence: "Attempts a minute, last 30 minutes".

        until: The instant of the newest values; of values of a time such as a minute, when that begins.

        step: Between two values.

        unit: What the numbers are.

        place: The viewer's time zone.

        height: Of the drawing in pixels, without the labels below.

        hints: Whether a pointer is told the numbers of where it is.

        is_under_way: The time of the newest values is not over. They are no end of the line, where a count would look
            like a slump: a count so far is a pale column beside it, anything else is joined to it by dashes.
    """
    length = max((len(one.values) for one in series), default=0)
    series = [replace(one, values=list(map(finite, one.values))) for one in series]
    known = [value for one in series for value in one.values if value is not None]
    grid = lines(max(known, default=0), unit)
    times = [until - (length - 1 - i) * step for i in range(length)]
    field = _Field(length, height, grid[-1])
    over = series if not is_under_way else [replace(one, values=[*one.values[:-1], None]) for one in series]
    shapes = [_grid(field, grid), *(_shape(one, field) for one in over)]
    if is_under_way:
        shapes += [_open(one, field, is_count=unit is COUNT) for one in series]
    if hints:
        shapes.append(_columns(field, _hints(series, times, unit, place, is_under_way)))
    drawing = element(
        "svg",
        *shapes,
        class_="chart-lines",
        viewBox=f"0 0 {_WIDTH} {height}",
        height=height,
        preserveAspectRatio="none",
    )
    none = [] if known else [element("p", "Nothing written in this time.", class_="chart-none")]
    middle = element("div", drawing, axis(_marks(times, step, place)), *none, class_="chart-field")
    plot = element(
        "div",
        _left(field, grid, unit),
        middle,
        _right(field, over, unit),
        class_="chart-plot",
        role="img",
        aria_label=f"{label}. {_sentence(over, unit)}{_so_far(series, unit) if is_under_way else ''}",
    )
    columns = [(one.name or "value", one.values) for one in series]
    table = numbers(label, times, columns, unit.full, step, place, is_under_way=is_under_way)
    return element("figure", plot, table, class_="chart")


class _Field:
    """Where values lie in a drawing of a given height, whose top line is at a given value."""

    def __init__(self, length: int, height: int, top: float) -> None:
        self.length, self.height, self.top = length, height, top

    def x(self, at: int) -> float:
        return _WIDTH / 2 if self.length < 2 else at * _WIDTH / (self.length - 1)

    def y(self, value: float) -> float:
        inside = self.height - _TOP - 1
        return _TOP + inside * (1 - min(max(value / self.top, 0), 1))


def _marks(times: Sequence[datetime], step: timedelta, place: tzinfo) -> list[Mark]:
    span = step * max(len(times) - 1, 0)
    return relative_marks(span, step) if span <= _RELATIVE else clock_marks(times[0], times[-1], place)


def _grid(field: _Field, grid: Sequence[float]) -> Markup:
    return element("path", class_="chart-grid", d="".join(f"M0 {field.y(value):.1f}H{_WIDTH}" for value in grid))


def _left(field: _Field, grid: Sequence[float], unit: Unit) -> Markup:
    texts = [unit.brief(value) for value in grid]
    width = _width(texts)
    rows = (
        element("text", text, x=width - 8, y=f"{field.y(value) + 4:.1f}", text_anchor="end")
        for value, text in zip(grid, texts, strict=True)
    )
    return element("svg", *rows, class_="chart-side", width=width, height=field.height)


def _width(texts: Sequence[str]) -> int:
    return round(max(map(len, texts), default=0) * _LETTER) + 8


def _shape(one: Series, field: _Field) -> Markup:
    area, line, dots = [], [], []
    for run in _runs(one.values):
        points = [f"{field.x(at):.1f} {field.y(value):.1f}" for at, value in run]
        if len(points) == 1:  # a line without length, whose round ends are a dot
            dots.append(f"M{points[0]}h0")
            continue
        foot = f"{field.y(0):.1f}"
        line.append(f"M{'L'.join(points)}")
        area.append(f"M{field.x(run[0][0]):.1f} {foot}L{'L'.join(points)}L{field.x(run[-1][0]):.1f} {foot}Z")
    paths = (("chart-area", area), ("chart-line", line), ("chart-line chart-dot", dots))
    return element(
        "g", *(element("path", class_=name, d="".join(path)) for name, path in paths if path), class_=_tone(one)
    )


def _open(one: Series, field: _Field, *, is_count: bool) -> Markup:
    """Draw what there is so far of the step that is not over."""
    *before, last = [None, *one.values]
    if not last and (is_count or last is None):
        return Markup()
    start, end, y = field.x(field.length - 2), field.x(field.length - 1), f"{field.y(last):.1f}"
    if is_count:
        foot, gap = f"{field.y(0):.1f}", (end - start) / 6
        path, name = f"M{start + gap:.1f} {foot}V{y}H{end:.1f}V{foot}Z", "chart-part"
    elif before[-1] is None:
        path, name = f"M{end:.1f} {y}h0", "chart-line chart-dot chart-part"
    else:
        path, name = f"M{start:.1f} {field.y(before[-1]):.1f}L{end:.1f} {y}", "chart-line chart-part"
    return element("g", element("path", class_=name, d=path), class_=_tone(one))


def _tone(one: Series) -> str:
    """Return the class of a line: zero is grey."""
    return f"s-{one.tone}" if any(one.values) else "s-zero"


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Split values where nothing was written."""
    runs: list[list[tuple[int, float]]] = []
    is_open = False
    for at, value in enumerate(values):
        if value is not None:
            if not is_open:
                runs.append([])
            runs[-1].append((at, value))
        is_open = value is not None
    return runs


def _columns(field: _Field, hints: Iterable[str]) -> Markup:
    """Draw what a pointer meets: a column around each step, which says its numbers."""
    wide = _WIDTH / max(field.length - 1, 1)
    return joined(
        element(
            "rect",
            element("title", text),
            class_="chart-hint",
            x=f"{field.x(at) - wide / 2:.1f}",
            width=f"{wide:.1f}",
            height=field.height,
        )
        for at, text in enumerate(hints)
    )


def _hints(
    series: Sequence[Series], times: Sequence[datetime], unit: Unit, place: tzinfo, is_under_way: bool
) -> Iterator[str]:
    is_day = len(times) > 1 and times[-1] - times[0] <= timedelta(days=1)
    for at, when in enumerate(times):
        told = [_named(one, at, unit) for one in series]
        said = clock(when, place) if is_day else absolute(when, place)
        open_ = ["not over yet"] if is_under_way and at == len(times) - 1 else []
        yield " · ".join([said, *told, *open_])


def _named(one: Series, at: int, unit: Unit) -> str:
    value = one.values[at] if at < len(one.values) else None
    return f"nothing written {one.name}".rstrip() if value is None else _with_name(unit.full(value), one, value, unit)


def _with_name(text: str, one: Series, value: float, unit: Unit) -> str:
    """Write a value with what it is of: "60 attempts", "1 attempt", "2.0 s p95"."""
    name = one.name.removesuffix("s") if unit is COUNT and value == 1 else one.name
    return f"{text} {name}".rstrip()


def _right(field: _Field, series: Sequence[Series], unit: Unit) -> Markup:
    """Label lines at their ends, far enough from one another to be read."""
    known = ((one, _last(one.values)) for one in series)
    ends = sorted(((last, one) for one, last in known if last is not None), key=lambda end: end[0])
    texts = [_with_name(unit.brief(last), one, last, unit) for last, one in ends]
    rows, lowest = [], float(field.height + _APART)
    for (last, one), text in zip(ends, texts, strict=True):
        lowest = min(field.y(last) + 4, lowest - _APART)
        rows.append(element("text", text, class_=_tone(one) if last else "s-zero", x=8, y=f"{lowest:.1f}"))
    return element("svg", *rows, class_="chart-side", width=_width(texts), height=field.height)


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def _so_far(series: Sequence[Series], unit: Unit) -> str:
    """Say what there is of the step that is not over."""
    told = [
        _with_name(unit.full(last), one, last, unit) for one in series for last in one.values[-1:] if last is not None
    ]
    return f" Since then, so far: {', '.join(told)}." if told else ""


def _sentence(series: Sequence[Series], unit: Unit) -> str:
    told = []
    for one in series:
        known = [value for value in one.values if value is not None]
        said = "nothing written"
        if known:
            said = f"{unit.full(known[-1])} last, between {unit.full(min(known))} and {unit.full(max(known))}"
        told.append(f"{one.name}: {said}" if one.name else said)
    return "; ".join(told) + "." if told else "Nothing is shown."
