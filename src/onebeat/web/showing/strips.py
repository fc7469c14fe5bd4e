"""A day as a strip: when something is due, each of a column of schedules under one axis."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup

from onebeat.web.showing.elements import element
from onebeat.web.showing.instants import clock
from onebeat.web.showing.scales import Mark, axis, round_times
from onebeat.web.showing.words import counted

_SLOTS = 288
"""Parts of a strip; what falls into neighbouring ones is drawn as one."""

_LEAST = 0.5
"""Percent of the strip that a single instant takes."""


def day_strip(
    instants: Sequence[datetime],
    *,
    start: datetime,
    end: datetime,
    label: str,
    place: tzinfo = UTC,
    tone: str = "scheduled",
    more: bool = False,
) -> Markup:
    """
    Return instants as marks on a strip from `start` to `end`; those that lie close together become a band.

    Args:
        instants: Rising; what lies outside is left out.

        label: Whose: "nightly-report".

        place: The viewer's time zone.

        more: There are more than are given, which is said.
    """
    inside = [at for at in instants if start <= at < end]
    span = end - start
    hours = (
        element("line", class_="chart-hour", x1=at, x2=at, y1=0, y2=16)
        for at in (
            f"{100 * ((hour - start) / span):.2f}%" for hour in round_times(start, end, timedelta(hours=6), place)
        )
    )
    rects = (_rect(run, start, span, place, tone) for run in _runs(inside, start, span))
    times = f", first at {clock(inside[0], place)}, last at {clock(inside[-1], place)}" if inside else ""
    said = f"{label}: {'at least ' if more else ''}{counted(len(inside), 'time')}{times}"
    return element("svg", *hours, *rects, class_="strip", height=16, role="img", aria_label=said)


def _runs(inside: Sequence[datetime], start: datetime, span: timedelta) -> list[list[datetime]]:
    runs: list[list[datetime]] = []
    before = -2
    for at in inside:
        slot = int((at - start) / span * _SLOTS)
        if slot > before + 1:
            runs.append([])
        runs[-1].append(at)
        before = slot
    return runs


def _rect(run: Sequence[datetime], start: datetime, span: timedelta, place: tzinfo, tone: str) -> str:
    x = 100 * ((run[0] - start) / span)
    wide = min(max(100 * ((run[-1] - run[0]) / span), _LEAST), 100 - x)
    told = clock(run[0], place)
    if len(run) > 1:
        told = f"{len(run):,} times from {told} to {clock(run[-1], place)}"
    return element(
        "rect",
        element("title", told),
        class_=f"s-{tone} {'strip-band' if len(run) > 1 else 'strip-tick'}",
        x=f"{x:.2f}%",
        width=f"{wide:.2f}%",
        y=2,
        height=12,
    )


def day_axis(start: datetime, end: datetime, place: tzinfo = UTC) -> Markup:
    """Return the hours above a column of strips, in the viewer's time zone."""
    hours = round_times(start, end, timedelta(hours=3), place)
    return axis([Mark((hour - start) / (end - start), f"{hour.astimezone(place):%H:%M}") for hour in hours])
