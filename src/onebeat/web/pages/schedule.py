"""One schedule: when it fires, what became of its fires, and what one may do to it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import ScheduleNotFound, WrongState, shown
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.models import ScheduleEntry
from onebeat.inspector.schedule_models import Missed, ScheduleInfo, ScheduleResumed
from onebeat.scheduler import zones
from onebeat.scheduler.outlook import outlook
from onebeat.scheduler.triggers import Cron
from onebeat.web import consoles, viewer
from onebeat.web.acting import perform
from onebeat.web.forms import Form, query, read
from onebeat.web.page import redirect, render
from onebeat.web.pages.schedules import firing, go_rows, look, row_of
from onebeat.web.parts import part
from onebeat.web.rights import may, sees, sees_all
from onebeat.web.showing import payloads, plans
from onebeat.web.showing.calendar import Day, go_row, row
from onebeat.web.showing.concerns import serving
from onebeat.web.showing.instants import absolute
from onebeat.web.showing.signs import quoted
from onebeat.web.showing.strips import day_axis
from onebeat.web.showing.words import counted

TICKS, FIRES = 5, 20
"""Coming ticks, and fires, on the page."""

MOST = 20_000
"""Characters of a payload on the page."""

AWAKE = timedelta(seconds=60)
"""Who has declared a form within so long is taken for alive."""


async def schedule(request: Request) -> Response:
    """Show one schedule, Onebeat's or Go's."""
    console, name = consoles.of(request), query(request).needed("id")
    inspector = await console.inspector()
    try:
        info = await find(request, name, is_shared=True)
    except WrongState:
        return await _show_go(request, name)
    servers = await part(request, "servers", inspector.servers) or []
    now = await console.reads.get("now", inspector.now)
    one = row_of(info, firing(servers), serving(servers), now)
    place = viewer.of(request).zone
    day = Day.coming(now, place)
    return render(
        request,
        "schedule.html",
        place="schedules",
        info=info,
        one=one,
        ticks=await part(request, ("ticks", name), lambda: _ticks(inspector, info)) or [],
        fires=await part(request, ("fires", name), lambda: inspector.fires(name, size=FIRES)) or [],
        clocks=plans.clocks(info, now),
        day=row(info, day),
        axis=day_axis(day.start, day.end, place),
        own=_own_zone(info),
        expression=info.trigger.expression if isinstance(info.trigger, Cron) else info.spec,
        payload=_look(request, info.payload),
        options=_options(request, info.options),
        late=plans.LATE,
        awake_since=now - AWAKE,
        clocked=_clocked,
        may=lambda action: may(request, action, info.queue),
    )


def _clocked(tick: datetime, place: tzinfo = UTC) -> str:
    """Write a tick with its weekday: "Fri 2026-11-27 08:00:00 CET"."""
    return f"{tick.astimezone(place):%a} {absolute(tick, place, ms=bool(tick.microsecond))}"


async def _ticks(inspector: Inspector, info: ScheduleInfo) -> list[datetime]:
    try:
        return await inspector.next_ticks(info.id, TICKS)
    except WrongState:  # its timing cannot be read here, which the page says
        return []


def _own_zone(info: ScheduleInfo) -> tzinfo | None:
    """Return the zone of a calendar."""
    return None if info.zone is None else zones.zone(info.zone)


async def find(request: Request, name: str, *, is_shared: bool = False) -> ScheduleInfo:
    """
    Read a schedule of Onebeat that the viewer may see.

    Args:
        is_shared: It is read once for all viewers; whether this one may see it is asked of each.

    Raises:
        ScheduleNotFound: There is none, or it is hidden from the viewer, who is then told of no other either.
        WrongState: It is Go's.
    """
    console = consoles.of(request)
    inspector = await console.inspector()
    try:
        if is_shared:
            info = await console.reads.get(("schedule", name), lambda: inspector.schedule(name))
        else:
            info = await inspector.schedule(name)
    except ScheduleNotFound:
        if sees_all(request):
            raise
        raise _nothing(name) from None
    except WrongState:
        if any(entry.id == name for entry in (await look(request)).entries):
            raise
        raise _nothing(name) from None
    if not sees(request, info.queue):
        raise _nothing(name)
    return info


def _nothing(name: str) -> ScheduleNotFound:
    return ScheduleNotFound(f"schedule {shown(name)} is not known here, or not for you to see")


def _look(request: Request, payload: bytes) -> payloads.Shown | None:
    """Render a payload, what is secret in it hidden; None if it is empty."""
    rules = consoles.of(request).settings.redaction
    return payloads.show(payload, rules=rules, most=MOST) if payload else None


def _options(request: Request, options: Iterable[str]) -> list[str]:
    return plans.options_seen(options, consoles.of(request).settings.redaction)


async def _show_go(request: Request, name: str) -> Response:
    """Show an entry of a scheduler of Go's, with its fires."""
    console, known = consoles.of(request), await look(request)
    inspector, now = await console.inspector(), known.now
    found = [one for one in go_rows(known.entries, now) if one.entry.id == name]
    if not found:
        raise _nothing(name)
    one, place = found[0], viewer.of(request).zone
    day = Day.coming(now, place)
    same = [other.entry for other in go_rows(known.entries, now) if _is_same(other.entry, one.entry)]
    return render(
        request,
        "schedule_go.html",
        place="schedules",
        one=one,
        entry=one.entry,
        same=same,
        events=await part(request, ("events", name), lambda: inspector.events(name, size=FIRES)) or [],
        day=go_row(one.entry, day),
        axis=day_axis(day.start, day.end, place),
        payload=_look(request, one.entry.payload),
        options=_options(request, one.entry.options),
    )


def _is_same(one: ScheduleEntry, other: ScheduleEntry) -> bool:
    return (one.spec, one.task_type, one.payload, one.options) == (
        other.spec, other.task_type, other.payload, other.options,
    )  # fmt: skip


async def ask(request: Request) -> Response:
    """Ask whether a schedule is to be run now or paused, or how it is to be resumed."""
    word = request.url.path.rpartition("/")[2]
    info = await find(request, query(request).needed("id"))
    inspector = await consoles.of(request).inspector()
    return render(
        request,
        f"schedule_{word}.html",
        place="schedules",
        polls=False,
        info=info,
        words_of=plans.when(info.trigger, info.spec),
        passed=_passed(info, await inspector.now()),
        may=may(request, f"schedule.{word}", info.queue),
    )


def _passed(info: ScheduleInfo, now: datetime) -> str:
    """Say how many ticks passed while it was paused; "" if none did, or nobody can tell."""
    if info.trigger is None or info.paused_at is None:
        return ""
    start, end = (round(at.timestamp() * 1000) for at in (info.paused_at, now))
    found = outlook(info.trigger, start + 1, end + 1, 0)
    return f"{'' if found.is_exact else 'more than '}{counted(found.count, 'tick')}" if found.count else ""


async def run(request: Request) -> Response:
    """Enqueue the task of a schedule now."""
    info, inspector, form = await _meant(request)
    task = await perform(
        request, "schedule.run", queue=info.queue, about=info.id, reason=form.get("reason"),
        deed=lambda: inspector.run_schedule(info.id),
    )  # fmt: skip
    return redirect(request, "/schedule", f"Schedule {quoted(info.id)} was run: task {task} is enqueued.", id=info.id)


async def pause(request: Request) -> Response:
    """Let a schedule fire no more."""
    info, inspector, form = await _meant(request)
    await perform(
        request, "schedule.pause", queue=info.queue, about=info.id, reason=form.get("reason"),
        deed=lambda: inspector.pause_schedule(info.id),
    )  # fmt: skip
    back = "/schedules" if form.get("back") == "schedules" else "/schedule"
    notice = f"Schedule {quoted(info.id)} is paused: no tick fires until it is resumed."
    return redirect(request, back, notice, id=info.id if back == "/schedule" else None)


async def resume(request: Request) -> Response:
    """Let a schedule fire again."""
    form = await read(request)
    inspector = await consoles.of(request).inspector()
    info = await find(request, form.needed("id"))
    missed = form.choice("missed", [one.value for one in Missed], Missed.SKIP.value)
    done: ScheduleResumed = await perform(
        request,
        "schedule.resume",
        queue=info.queue,
        about=f"{info.id} missed={missed}",
        reason=form.get("reason"),
        deed=lambda: inspector.resume_schedule(info.id, missed),
    )
    passed = f"{'' if done.is_exact else 'more than '}{counted(done.passed, 'tick')} passed meanwhile"
    fire = f"{done.firing:,} of them fire{'s' if done.firing == 1 else ''} now" if done.firing else "none of them fires"
    return redirect(request, "/schedule", f"Schedule {quoted(info.id)} fires again; {passed}, {fire}.", id=info.id)


async def _meant(request: Request) -> tuple[ScheduleInfo, Inspector, Form]:
    """Read which schedule a form is about."""
    form = await read(request)
    inspector = await consoles.of(request).inspector()
    return await find(request, form.needed("id")), inspector, form


routes: list[Route] = [
    Route("/schedule", schedule),
    Route("/schedule/run", ask),
    Route("/schedule/pause", ask),
    Route("/schedule/resume", ask),
    Route("/schedule/run", run, methods=["POST"]),
    Route("/schedule/pause", pause, methods=["POST"]),
    Route("/schedule/resume", resume, methods=["POST"]),
]
