"""How queues and types fare, from the series that servers write: charts, sparklines, and a sentence about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta, tzinfo

from markupsafe import Markup

from onebeat.inspector.series_models import Distribution, Series, SizePoint, Spark, TypePoint, TypeSeries, bounds
from onebeat.web.showing import charts, instants, words
from onebeat.web.showing.charts import COUNT, SECONDS
from onebeat.web.showing.concerns import kind_of
from onebeat.web.showing.elements import element

LEAST = 2
"""Minutes that make a line."""

SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def span(minutes: int) -> str:
    """Say over how long: "last hour", "last 6 hours"."""
    hours = round(minutes / 60)
    return "last hour" if hours == 1 else f"last {hours} hours"


def seconds(length: timedelta | None) -> float | None:
    return length.total_seconds() if length is not None else None


def percentile(of: Distribution, share: float) -> float | None:
    """Return a percentile in seconds; None if there is nothing to have one."""
    return seconds(of.percentile(share))


def throughput(series: Series, minutes: int, place: tzinfo) -> Markup:
    """Return the chart of attempts a minute, and of those that failed."""
    points = series.points
    per_minute = series.step / timedelta(minutes=1)
    known = [(point.processed / per_minute, point.failed / per_minute) for point in points]
    ran: list[float | None] = [number if series.is_recorded else None for number, _ in known]
    failed: list[float | None] = [number if series.is_recorded else None for _, number in known]
    return charts.area_chart(
        [charts.Series("attempts", ran, "completed"), charts.Series("failed", failed, "archived")],
        label=f"Attempts a minute, {span(minutes)}",
        until=series.points[-1].at,
        step=series.step,
        unit=COUNT,
        place=place,
        is_under_way=True,
    )


def waiting(series: Series, minutes: int, place: tzinfo) -> Markup:
    """Return the chart of how long tasks had waited when they were taken."""
    points = series.points
    return charts.area_chart(
        [
            charts.Series("p95", [percentile(point.waits, 0.95) for point in points], "pending"),
            charts.Series("p50", [percentile(point.waits, 0.5) for point in points], "active"),
        ],
        label=f"How long tasks waited, {span(minutes)}",
        until=series.points[-1].at,
        step=series.step,
        unit=SECONDS,
        place=place,
        is_under_way=True,
    )


def is_charted(points: Sequence[SizePoint]) -> bool:
    """Whether enough was noted for a line."""
    return sum(point.pending is not None for point in points) >= LEAST


def noted(points: Sequence[SizePoint], place: tzinfo) -> Markup:
    """Return when the last of them was noted, "as of 14:03": figures beside them may be of a minute later."""
    last = max((point.at for point in points if point.pending is not None), default=None)
    if last is None:
        return Markup("")
    return Markup("as of ") + element("time", instants.clock(last, place)[:5], datetime=instants.exact(last))


def backlog(points: Sequence[SizePoint], place: tzinfo) -> Markup:
    """Return the chart of how many tasks waited for a server, and how many for another try."""
    waited = [
        charts.Series("pending", [point.pending for point in points], "pending"),
        charts.Series("retry", [point.retry for point in points], "retry"),
    ]
    return _by_minute("Tasks that waited, last hour", waited, points, place)


def counted(points: Sequence[SizePoint], place: tzinfo) -> Markup:
    """Return the chart of attempts a minute as asynq's counters have them, whoever made them."""
    done = [
        charts.Series("attempts", [point.processed for point in points], "completed"),
        charts.Series("failed", [point.failed for point in points], "archived"),
    ]
    return _by_minute("Attempts a minute, last hour", done, points, place)


def _by_minute(label: str, series: Sequence[charts.Series], points: Sequence[SizePoint], place: tzinfo) -> Markup:
    until, step = points[-1].at, timedelta(minutes=1)
    return charts.area_chart(series, label=label, until=until, step=step, unit=COUNT, place=place)


def running(one: TypeSeries, minutes: int, place: tzinfo) -> Markup:
    """Return the chart of how long attempts at tasks of a type ran."""
    points = one.points
    tones = {"p99": "archived", "p95": "retry", "p50": "active"}
    return charts.area_chart(
        [
            charts.Series(name, [percentile(point.runs, share) for point in points], tones[name])
            for name, share in reversed(SHARES)
        ],
        label=f"How long {one.type} ran, {span(minutes)}",
        until=one.points[-1].at,
        step=one.step,
        unit=SECONDS,
        place=place,
        is_under_way=True,
    )


def attempts(one: TypeSeries, minutes: int, place: tzinfo) -> Markup:
    """Return the chart of attempts at tasks of a type, and of those that failed."""
    per_minute = one.step / timedelta(minutes=1)
    points: Sequence[TypePoint] = one.points
    return charts.area_chart(
        [
            charts.Series("attempts", [point.processed / per_minute for point in points], "completed"),
            charts.Series("failed", [point.failed / per_minute for point in points], "archived"),
        ],
        label=f"Attempts a minute at {one.type}, {span(minutes)}",
        until=one.points[-1].at,
        step=one.step,
        unit=COUNT,
        place=place,
        is_under_way=True,
    )


def distribution(of: Distribution, *, label: str, tone: str = "active") -> Markup:
    """Return how many took how long, with the percentiles; only the buckets between which there are any."""
    used = [bucket for bucket, number in enumerate(of.counts) if number]
    first, last = (max(used[0] - 1, 0), min(used[-1] + 1, len(of.counts) - 1)) if used else (0, len(of.counts) - 1)
    buckets = [(_upper(bucket), float(of.counts[bucket])) for bucket in range(first, last + 1)]
    if first:  # what is below the first that is shown: nothing, but its bound is where the first begins
        buckets[0] = (_upper(first), 0.0)
    marks = {name: percentile(of, share) for name, share in SHARES}
    return charts.histogram(buckets, label=label, unit=SECONDS, marks=marks, tone=tone)


def _upper(bucket: int) -> float:
    high = bounds(bucket)[1]
    return high.total_seconds() if high is not None else math.inf


def spark(found: Spark | None) -> Markup:
    """Return the last hour of a queue as a row of bars."""
    if found is None:
        return Markup(
            '<span class="zero" title="Nothing was recorded: no server of Onebeat has served it lately">–</span>'
        )
    label = "Attempts each minute of the last hour"
    return charts.bars(found.processed, label=label, part=found.failed, is_under_way=True)


def trend(one: TypeSeries) -> Markup:
    """Return what a type did as a row of bars, at most sixty of them."""
    points = one.points
    each = max(1, math.ceil(len(points) / 60))
    groups = [points[start : start + each] for start in range(0, len(points), each)]
    return charts.bars(
        [sum(point.processed for point in group) for group in groups],
        label=f"Attempts at {one.type}",
        part=[sum(point.failed for point in group) for group in groups],
        is_under_way=True,
    )


def share_of(failed: int, processed: int) -> str:
    """Say which part failed; "" of none."""
    if not failed or not processed:
        return ""
    part = 100 * failed / processed
    return f"{part:.0f} %" if 9.5 <= part < 99.5 or part == 100 else words.share(failed, processed)


def verdict(series: Series, types: Sequence[TypeSeries], minutes: int) -> tuple[str, str]:
    """
    Judge in a sentence what was done.

    Returns:
        "good", "warn", "bad" or "", and the sentence.
    """
    when = span(minutes)
    if not series.is_recorded:
        return "", f"No server of Onebeat has recorded anything in the {when}"
    if not series.processed:
        return "", f"No attempt in the {when}"
    told = f"{words.counted(series.processed, 'attempt')} in the {when}"
    if not series.failed:
        return "good", f"{told}, none failed{_slowest(types)}"
    part = share_of(series.failed, series.processed)
    worst = max(types, key=lambda one: one.failed, default=None)
    most = f", most of them {worst.type}" if worst is not None and worst.failed * 2 > series.failed else ""
    kind = kind_of(series.failed, series.processed) or "good"
    return kind, f"{told}, {series.failed:,} failed ({part}){most}"


def _slowest(types: Sequence[TypeSeries]) -> str:
    found = [(length, one.type) for one in types if (length := percentile(one.runs, 0.95)) is not None]
    if not found:
        return ""
    length, name = max(found)
    return f"; slowest is {name}, p95 {words.duration(length)}"
