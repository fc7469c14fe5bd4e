"""The coming day of schedules: a row for each, with a mark at each of its ticks, or a band where they are many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup

from onebeat.inspector.models import ScheduleEntry
from onebeat.inspector.schedule_models import ScheduleInfo, ScheduleState
from onebeat.scheduler.outlook import COUNTED, Outlook, outlook
from onebeat.scheduler.triggers import Every
from onebeat.scheduler.wording import in_words
from onebeat.web.showing.elements import element
from onebeat.web.showing.instants import clock
from onebeat.web.showing.plans import trigger_of
from onebeat.web.showing.scales import round_times
from onebeat.web.showing.strips import day_strip
from onebeat.web.showing.words import counted

DAY = timedelta(days=1)
STEP_S = 300
"""The day begins at a multiple of this, so that the drawing stays the same for a while."""

MARKS = 48
"""Ticks of a day that are drawn one by one."""

APART = timedelta(minutes=45)
"""Ticks closer than this are drawn as one band, where they are many."""

_RESTS = frozenset({ScheduleState.PAUSED, ScheduleState.ORPHANED, ScheduleState.ERROR})
"""States whose ticks are those that would be."""


@dataclass(frozen=True, slots=True)
class Day:
    """From when to when, and in whose zone."""

    start: datetime
    end: datetime
    place: tzinfo

    @classmethod
    def coming(cls, now: datetime, place: tzinfo) -> Day:
        """Return the 24 hours from now."""
        start = datetime.fromtimestamp(int(now.timestamp()) // STEP_S * STEP_S, UTC)
        return cls(start, start + DAY, place)


@dataclass(frozen=True, slots=True)
class DayRow:
    """
    The coming day of one schedule.

    Attributes:
        name: What the page of the schedule is asked by.

        label: What is written beside it.

        strip: The drawing.

        told: How often it fires: "3 times", "288 times", "every 2 s".

        rests: It does not fire now; the ticks are those that would be.
    """

    name: str
    label: str
    strip: Markup
    told: str
    rests: bool = False


def row(info: ScheduleInfo, day: Day) -> DayRow:
    """Draw the coming day of a schedule of Onebeat."""
    trigger, rests = info.trigger, info.state in _RESTS
    if trigger is None or info.state is ScheduleState.DONE:
        return _row(info.id, info.id, Outlook((), 0), day, rests=rests, every="")
    found = outlook(trigger, _ms(day.start), _ms(day.end), 0 if _is_dense(trigger) else COUNTED)
    return _row(info.id, info.id, found, day, rests=rests, every=in_words(trigger) if _is_dense(trigger) else "")


def go_row(entry: ScheduleEntry, day: Day) -> DayRow:
    """
    Draw the coming day of an entry of Go's: an interval counts from its next tick on.

    Of a calendar in a zone that its scheduler alone knows, only the next tick is known.
    """
    trigger, label = trigger_of(entry), f"{entry.task_type} (Go)"
    if entry.next_at is None or trigger is None:
        return _row(entry.id, label, Outlook((), 0), day, rests=False, every="")
    first = _ms(entry.next_at)
    if isinstance(trigger, Every):
        count = max(0, (_ms(day.end) - 1 - first) // trigger.interval_ms + 1)
        dense = _is_dense(trigger)
        ticks = () if dense else tuple(first + at * trigger.interval_ms for at in range(count))
        return _row(entry.id, label, Outlook(ticks, count), day, rests=False, every=in_words(trigger) if dense else "")
    found = outlook(trigger, _ms(day.start), _ms(day.end), COUNTED)
    if first < _ms(day.end) and first not in found.ticks:
        found = Outlook((first,), 1, is_exact=False)
    return _row(entry.id, label, found, day, rests=False, every="")


def _is_dense(trigger: object) -> bool:
    return isinstance(trigger, Every) and trigger.interval_ms * MARKS < DAY // timedelta(milliseconds=1)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _row(name: str, label: str, found: Outlook, day: Day, *, rests: bool, every: str) -> DayRow:
    told = every or f"{'' if found.is_exact else 'at least '}{counted(found.count, 'time')}"
    tone = "zero" if rests else "accent"
    instants = [datetime.fromtimestamp(tick / 1000, UTC) for tick in found.ticks]
    if every:
        strip = _bands([(day.start, day.end)], day, f"{label}: {told}", tone)
    elif found.count > MARKS:
        strip = _bands(_runs(instants), day, f"{label}: {told}", tone)
    else:
        strip = day_strip(instants, start=day.start, end=day.end, label=label, place=day.place, tone=tone)
    return DayRow(name, label, strip, told if found.count else "none", rests)


def _runs(instants: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    runs: list[tuple[datetime, datetime]] = []
    for at in instants:
        if runs and at - runs[-1][1] < APART:
            runs[-1] = (runs[-1][0], at)
        else:
            runs.append((at, at))
    return runs


def _bands(runs: Sequence[tuple[datetime, datetime]], day: Day, said: str, tone: str) -> Markup:
    """Draw from when to when ticks follow each other closely."""
    lines = (
        element("line", class_="chart-hour", x1=at, x2=at, y1=0, y2=16)
        for at in (
            f"{100 * ((hour - day.start) / DAY):.2f}%"
            for hour in round_times(day.start, day.end, timedelta(hours=6), day.place)
        )
    )
    rects = (
        element(
            "rect",
            element("title", f"from {clock(first, day.place)} to {clock(last, day.place)}"),
            class_=f"s-{tone} strip-band",
            x=f"{100 * ((first - day.start) / DAY):.2f}%",
            width=f"{max(100 * ((last - first) / DAY), 0.5):.2f}%",
            y=2,
            height=12,
        )
        for first, last in runs
    )
    return element("svg", *lines, *rects, class_="strip", height=16, role="img", aria_label=said)
