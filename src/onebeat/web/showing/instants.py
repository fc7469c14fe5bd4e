"""Instants as a viewer reads them: absolute in a zone of choice, within `<time>`, which a script turns into words."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo

from markupsafe import Markup

from onebeat.errors import ConfigurationError
from onebeat.scheduler.zones import zone as _zone
from onebeat.web.showing.words import relative

NONE = Markup('<span class="none">-</span>')
"""In place of an instant that there is none of."""


def zone(name: str | None) -> tzinfo:
    """Return a zone by its IANA name; UTC for one that there is not, or that somebody made up."""
    try:
        return _zone(name) if name else UTC
    except ConfigurationError:
        return UTC


def exact(at: datetime) -> str:
    """Write an instant for machines, in UTC, to the millisecond: "2026-11-26T08:34:49.204Z"."""
    return _moved(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def absolute(at: datetime, place: tzinfo = UTC, *, ms: bool = False) -> str:
    """
    Write an instant with its zone: "2026-11-26 08:34:49 UTC", "2026-11-26 09:34:49 CET".

    Args:
        place: The viewer's zone.

        ms: Whether to write milliseconds too.
    """
    there = _moved(at, place)
    fraction = f".{there.microsecond // 1000:03}" if ms else ""
    return f"{_day(there)} {there:%H:%M:%S}{fraction} {_name(there)}"


def clock(at: datetime, place: tzinfo = UTC, *, ms: bool = False) -> str:
    """Write the time of day: "08:34:49", with milliseconds "08:34:49.204"."""
    there = _moved(at, place)
    return f"{there:%H:%M:%S}" + (f".{there.microsecond // 1000:03}" if ms else "")


def day(at: datetime | date, place: tzinfo = UTC) -> str:
    """Write a day: "2026-11-26"."""
    return _day(_moved(at, place) if isinstance(at, datetime) else at)


def time(at: datetime | None, place: tzinfo = UTC, *, words: bool = True, ms: bool = False) -> Markup:
    """
    Return an instant as `<time>`, absolute in the viewer's zone.

    The text does not change while time passes, so that an unchanged page stays unchanged.

    Args:
        at: None shows as "-".

        words: A script may turn it into relative words ("3 min. ago"), and keeps the absolute ones as its title.

        ms: Whether to write milliseconds too.
    """
    if at is None:
        return NONE
    told = absolute(at, place, ms=ms)
    mark = Markup(" data-words") if words else ""
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(exact(at), told, mark, told)


def waited(since: datetime, place: tzinfo = UTC, *, brief: bool = False) -> Markup:
    """
    Return for how long something has waited, as `<time>`: "since 2026-11-26 08:34:49 UTC".

    A script says it as a duration ("4m 12s"), which ticks; the text does not, so that an unchanged page stays so. Both
    follow "has waited".

    Args:
        since: Since when.

        place: The viewer's zone.

        brief: Without the day and the zone, for a table; they stand in its title all the same.
    """
    told = absolute(since, place)
    text = clock(since, place) if brief else told
    return Markup('<time datetime="{}" title="since {}" data-span>since {}</time>').format(exact(since), told, text)


def clock_time(at: datetime | None, place: tzinfo = UTC, *, ms: bool = True, today: datetime | None = None) -> Markup:
    """
    Return an instant as `<time>` that shows the time of day, with the whole of it as its title.

    Args:
        today: Now: an instant of another day has its day in front, "Nov 24 08:34:49".
    """
    if at is None:
        return NONE
    told = clock(at, place, ms=ms)
    if today is not None and day(at, place) != day(today, place):
        told = f"{_moved(at, place):%b} {_moved(at, place).day} {told}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact(at), absolute(at, place, ms=ms), told)


def ago(at: datetime, now: datetime) -> str:
    """Say how far away an instant is, where the server itself must: "4m 12s ago", "in 3h"."""
    return relative((now - at).total_seconds())


def _moved(at: datetime, place: tzinfo) -> datetime:
    """Move an instant into a zone; one without a zone is in UTC, and one at the edge of time stays in UTC."""
    known = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    try:
        return known.astimezone(place)
    except (OverflowError, ValueError):
        return known.replace(tzinfo=UTC)


def _day(at: date) -> str:
    return f"{at.year:04}-{at.month:02}-{at.day:02}"  # strftime's %Y has no zeros in front everywhere


def _name(at: datetime) -> str:
    """Name the zone: its letters, or its offset where it has none."""
    name = at.tzname() or "UTC"
    return name if name.isalpha() else f"UTC{name.removeprefix('UTC')}"
