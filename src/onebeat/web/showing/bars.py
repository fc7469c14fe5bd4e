"""Bars: a small row of them for a table, the composition of a queue, a distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, isfinite, isinf

from markupsafe import Markup

from onebeat.states import TaskState
from onebeat.web.showing.elements import element
from onebeat.web.showing.scales import SECONDS, Mark, Unit, axis, finite
from onebeat.web.showing.tables import table
from onebeat.web.showing.words import count, share

ORDER = (
    TaskState.ACTIVE,
    TaskState.PENDING,
    TaskState.SCHEDULED,
    TaskState.AGGREGATING,
    TaskState.RETRY,
    TaskState.ARCHIVED,
)
"""States of a composition, from left to right. Completed is left out: what retention keeps would drown the rest."""

STATES = (*ORDER, TaskState.COMPLETED)
"""States as every page lists them."""

_LEAST = 0.015
"""The part of a bar that a state has which has any tasks at all."""

_LABELS = 8
"""Labels below a distribution, at most."""


def bars(
    values: Sequence[float | None],
    *,
    label: str,
    part: Sequence[float | None] = (),
    tone: str = "completed",
    part_tone: str = "archived",
    width: int = 120,
    height: int = 20,
    is_under_way: bool = False,
) -> Markup:
    """
    Return a small row of bars, without labels: what happened lately, in a cell of a table.

    Args:
        values: The last one newest; None where nothing was written. Zero is a grey line.

        label: What is shown, as the beginning of a sentence: "Attempts each minute of the last hour".

        part: What of each value is shown in another colour, such as failures.

        tone, part_tone: States whose colours they have.

        is_under_way: The time of the last one is not over: it is pale, since it may still grow.
    """
    values, part = list(map(finite, values)), list(map(finite, part))
    top = max((value for value in values if value is not None), default=0)
    wide = width / max(len(values), 1)
    names = ("chart-zero", f"s-{tone}", f"s-{part_tone}")
    shapes: dict[str, list[str]] = {f"{name}{pale}": [] for pale in ("", " chart-part") for name in names}
    for i, value in enumerate(values):
        pale = " chart-part" if is_under_way and i == len(values) - 1 else ""
        if value is None:
            continue
        room = (i * wide, max(wide - 1, wide * 0.7))
        bad = (part[i] if i < len(part) else None) or 0
        tall = _tall(value, top, height)
        low = min(max(height * bad / top, 0.5), tall) if top else 0  # a few failures are no red foot under all bars
        shapes[f"s-{tone}{pale}" if value else f"chart-zero{pale}"].append(_bar(*room, tall if value else 1, height))
        if bad:
            shapes[f"s-{part_tone}{pale}"].append(_bar(*room, low, height))
    paths = (element("path", class_=name, d="".join(path)) for name, path in shapes.items() if path)
    newest = values[-1] if is_under_way and values else None
    open_ = f", {count(newest)} of them in the last, which is not over" if newest else ""
    said = f"{label}: {_summary(values, part)}{open_}"
    return element(
        "svg",
        *paths,
        class_="chart-bars",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=said,
    )


def _tall(value: float, top: float, height: int) -> float:
    return max(height * value / top, 2) if value > 0 and top > 0 else 0


def _bar(x: float, wide: float, tall: float, height: int) -> str:
    return f"M{x:.1f} {height}v{-tall:.1f}h{wide:.1f}v{tall:.1f}z"


def _summary(values: Sequence[float | None], part: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "nothing written"
    bad = sum(value for value in part if value is not None)
    told = f"{count(sum(known))} in all, at most {count(max(known))} at once"
    return f"{told}, {count(bad)} failed" if part else told


def composition(counts: Mapping[str, int], *, label: str = "") -> Markup:
    """
    Return what a queue holds, as parts of a bar as wide as its place; completed tasks are left out, and that is said.

    A state that has any tasks can be seen, however few they are.

    Args:
        counts: Tasks of each state.

        label: Of what: "default".
    """
    held = [(state.value, counts.get(state, 0)) for state in ORDER if counts.get(state, 0) > 0]
    whole = sum(number for _, number in held)
    kept = counts.get(TaskState.COMPLETED, 0)
    left_out = f"{count(kept)} completed, not drawn" if kept else ""
    told = ", ".join(f"{count(number)} {state}" for state, number in held)
    said = "; ".join(filter(None, [told, left_out])) or "no tasks"
    parts, x = [element("title", left_out)] if kept else [], 0.0
    for (state, number), wide in zip(held, _parts([number for _, number in held]), strict=True):
        told = element("title", f"{count(number)} {state}, {share(number, whole)}")
        place = {"x": f"{100 * x:.2f}%", "width": f"{100 * wide:.2f}%", "height": 8}
        parts.append(element("rect", told, class_=f"s-{state}", **place))
        x += wide
    name = f"{label}: {said}" if label else said
    return element("svg", *parts, class_="composition", height=8, role="img", aria_label=name)


def parted(well: float, failed: float, most: float) -> Markup:
    """
    Return attempts as a bar beside others, what failed in its own colour.

    Args:
        well, failed: How many did not fail, and did.

        most: What a whole bar is: the greatest of those that stand below one another.
    """
    well, failed = max(well, 0), max(failed, 0)
    parts, x = [], 0.0
    for name, number, tone in (("done", well, "completed"), ("failed", failed, "archived")):
        if number:
            wide = 100 * max(number / max(most, well + failed), _LEAST)
            place = {"x": f"{min(x, 100 - wide):.2f}%", "width": f"{wide:.2f}%", "height": 8}
            parts.append(element("rect", element("title", f"{count(number)} {name}"), class_=f"s-{tone}", **place))
            x += wide
    said = f"{count(well + failed)} attempts, {count(failed)} failed"
    return element("svg", *parts, class_="composition", height=8, role="img", aria_label=said)


def _parts(numbers: Sequence[int]) -> list[float]:
    """Return parts of 1 that are nearly as the numbers are, none of them too small to be seen."""
    whole = sum(numbers)
    floor = [max(number / whole, _LEAST) for number in numbers]
    return [part / sum(floor) for part in floor]


def histogram(
    buckets: Sequence[tuple[float, float]],
    *,
    label: str,
    unit: Unit = SECONDS,
    marks: Mapping[str, float | None] | None = None,
    tone: str = "active",
    height: int = 120,
) -> Markup:
    """
    Return a distribution, each bucket as wide as the others, and the table of its numbers.

    Args:
        buckets: The upper bound of each, rising, the last one may be infinite; and how many fell into it.

        label: What is shown, as the beginning of a sentence: "Durations of email:welcome, last hour".

        unit: What the bounds are.

        marks: Values to be marked by a line with a name: {"p95": 0.42}; None is left out.
    """
    names = _names(buckets, unit)
    known = {name: value for name, value in (marks or {}).items() if value is not None and buckets}
    foot = element("line", class_="chart-foot", x1=0, x2="100%", y1=height - 0.5, y2=height - 0.5)
    columns = _columns(buckets, names, tone, height)
    drawing = element("svg", foot, *columns, *_lines(known, buckets, height), class_="chart-columns", height=height)
    marked = "".join(f", {name} {unit.full(value)}" for name, value in known.items())
    said = f"{label}. {count(sum(number for _, number in buckets))} in all{marked}."
    rows = [(name, count(number)) for (_, number), name in zip(buckets, names, strict=True)]
    plot = element("div", drawing, _bounds(buckets, unit), role="img", aria_label=said)
    return element("figure", plot, table(label, ["Between", "count"], rows), class_="chart")


def _columns(buckets: Sequence[tuple[float, float]], names: Sequence[str], tone: str, height: int) -> Iterator[Markup]:
    top = max((number for _, number in buckets), default=0)
    wide = 100 / max(len(buckets), 1)
    for i, ((_, number), name) in enumerate(zip(buckets, names, strict=True)):
        tall = _tall(number, top, height - 16)  # names of marks stand above
        if tall:
            yield element(
                "rect",
                element("title", f"{name}: {count(number)}"),
                class_=f"s-{tone}",
                x=f"{(i + 0.06) * wide:.2f}%",
                width=f"{wide * 0.88:.2f}%",
                y=f"{height - tall:.1f}",
                height=f"{tall:.1f}",
            )


def _names(buckets: Sequence[tuple[float, float]], unit: Unit) -> list[str]:
    names, before = [], 0.0
    for bound, _ in buckets:
        names.append(f"{unit.full(before)} to {unit.full(bound)}" if isfinite(bound) else f"over {unit.full(before)}")
        before = bound
    return names


def _lines(marks: Mapping[str, float], buckets: Sequence[tuple[float, float]], height: int) -> Iterator[Markup]:
    free = -100.0
    for name, value in sorted(marks.items(), key=lambda mark: mark[1]):
        at = _place(value, buckets)
        yield element("line", class_="chart-mark", x1=f"{at:.2f}%", x2=f"{at:.2f}%", y1=14, y2=height)
        if at - free >= 4:  # else its name would lie on the one before
            side = "start" if at < 4 else "end" if at > 96 else "middle"
            more = "chart-more" if at - free < 12 else None  # where it is narrow, it would
            yield element("text", name, x=f"{at:.2f}%", y=10, text_anchor=side, class_=more)
            free = at


def _place(value: float, buckets: Sequence[tuple[float, float]]) -> float:
    """Return where a value lies, in percent: in its bucket as far as it is between its bounds."""
    before = 0.0
    for i, (bound, _) in enumerate(buckets):
        if value <= bound:
            inside = 0.5 if isinf(bound) else (value - before) / (bound - before) if bound > before else 1
            return 100 * (i + min(max(inside, 0), 1)) / len(buckets)
        before = bound
    return 100


def _bounds(buckets: Sequence[tuple[float, float]], unit: Unit) -> Markup:
    bounds = [
        Mark((i + 1) / len(buckets), unit.brief(bound)) for i, (bound, _) in enumerate(buckets) if isfinite(bound)
    ]
    every = max(ceil(len(bounds) / _LABELS), 1)
    return axis(bounds[every - 1 :: every])
