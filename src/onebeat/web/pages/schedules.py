"""Schedules: all that fire or should, Onebeat's and Go's, and the coming day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.inspector.checks.schedules import kept_twice
from onebeat.inspector.models import ScheduleEntry, ServerInfo
from onebeat.inspector.schedule_models import ScheduleInfo
from onebeat.web import consoles, viewer
from onebeat.web.forms import query
from onebeat.web.page import render
from onebeat.web.paging import paged
from onebeat.web.parts import part
from onebeat.web.rights import may, sees
from onebeat.web.showing import plans
from onebeat.web.showing.calendar import Day, go_row, row
from onebeat.web.showing.concerns import serving
from onebeat.web.showing.fleets import Standing, place_of
from onebeat.web.showing.plans import Firers
from onebeat.web.showing.strips import day_axis
from onebeat.wire import gotext


@dataclass(frozen=True, slots=True)
class Row:
    """A schedule of Onebeat as the table shows it."""

    info: ScheduleInfo
    words: str
    standing: Standing
    firers: Firers


@dataclass(frozen=True, slots=True)
class GoRow:
    """An entry of a scheduler of Go's as the table shows it."""

    entry: ScheduleEntry
    queue: str
    words: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Schedules:
    """What is known of schedules: Onebeat's, Go's, and the servers, at an instant of the store's clock."""

    infos: list[ScheduleInfo]
    entries: list[ScheduleEntry]
    servers: list[ServerInfo]
    now: datetime


def firing(servers: Iterable[ServerInfo]) -> list[str]:
    """Name the servers that fire Onebeat's schedules: any of Onebeat's does."""
    return [place_of(one) for one in servers if one.sheet is not None]


async def look(request: Request) -> Schedules:
    """Read schedules and servers, once for all viewers; of queues that this one may see."""
    console = consoles.of(request)
    inspector = await console.inspector()
    infos = await part(request, "schedules", inspector.declared_schedules) or []
    entries = await part(request, "entries", inspector.schedules) or []
    servers = await part(request, "servers", inspector.servers) or []
    return Schedules(
        [info for info in infos if sees(request, info.queue)],
        [one for one in entries if not one.scheduler.startswith("{") and sees(request, queue_of(one))],
        servers,
        await console.reads.get("now", inspector.now),
    )


def queue_of(entry: ScheduleEntry) -> str:
    """Return the queue that an entry of Go's enqueues into, out of its options."""
    named = [found[1] for found in map(gotext.parse_option, entry.options) if found and found[0] == "Queue"]
    return str(named[0]) if named else "default"


async def schedules(request: Request) -> Response:
    """Show all schedules."""
    known = await look(request)
    now = known.now
    names, served, twice = firing(known.servers), serving(known.servers), kept_twice(known.entries)
    rows = [row_of(info, names, served, now) for info in known.infos]
    find = query(request).text("find").strip()
    asked = find.lower()
    wanted = [one for one in rows if asked in _words(one).lower()]
    wanted.sort(key=lambda one: (one.standing.kind != "bad", one.standing.kind != "warn"))
    page = paged(request, wanted)
    go = [one for one in go_rows(known.entries, now) if asked in _words(one).lower()]
    gone = paged(request, go, name="go")
    standings = [(one.info.id, one.standing) for one in rows]
    kind, sentence = plans.verdict(standings, twice, len(known.entries))
    day = Day.coming(now, viewer.of(request).zone)
    return render(
        request,
        "schedules.html",
        place="schedules",
        kind=kind,
        sentence=sentence,
        rows=page.rows,
        page=page,
        go=gone.rows,
        go_page=gone,
        known=len(known.infos) + len(known.entries),
        find=find,
        calendar=[row(one.info, day) for one in page.rows] + [go_row(one.entry, day) for one in gone.rows],
        axis=day_axis(day.start, day.end, day.place),
        late=plans.LATE,
        now=now,
        shortly=lambda at: plans.shortly(at, now, day.place),
        may=lambda action, queue: may(request, action, queue),
    )


def row_of(info: ScheduleInfo, names: Collection[str], served: Mapping[str, int], now: datetime) -> Row:
    """Put together what a page shows of a schedule."""
    return Row(
        info,
        plans.when(info.trigger, info.spec),
        plans.standing(info, now, served),
        plans.firers(names, info.declared_at, info.application, now),
    )


def go_rows(entries: Iterable[ScheduleEntry], now: datetime) -> list[GoRow]:
    """Put together what a page shows of entries of Go's, the worst first."""
    entries = list(entries)
    again = {id(entry): len(found) for found in kept_twice(entries) for entry in found}
    rows = [
        GoRow(
            entry,
            queue_of(entry),
            plans.when(plans.trigger_of(entry), entry.spec),
            plans.go_standing(entry, now, again.get(id(entry), 1)),
        )
        for entry in entries
    ]
    return sorted(rows, key=lambda one: (one.standing.kind != "bad", one.standing.kind != "warn"))


def _words(one: Row | GoRow) -> str:
    """Return all that a schedule may be found by."""
    if isinstance(one, GoRow):
        entry = one.entry
        return (
            f"{entry.id} {entry.task_type} {one.queue} {entry.spec} {one.words} {entry.scheduler} {one.standing.word}"
        )
    info = one.info
    return f"{info.id} {info.task_type} {info.queue} {info.application} {info.spec} {one.words} {one.standing.word}"


routes: list[Route] = [Route("/schedules", schedules)]
