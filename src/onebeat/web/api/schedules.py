"""Schedules: those in the store, which any server fires, and those in the memory of a scheduler of Go."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from onebeat.documents.schedules import Coming, History, Schedule, ScheduleDetails
from onebeat.documents.values import Instant
from onebeat.errors import ScheduleNotFound, WrongState, shown
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.models import ScheduleEntry
from onebeat.inspector.schedule_models import ScheduleInfo
from onebeat.inspector.schedule_steering import KEEP
from onebeat.web.api import paging
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import BODY_WITH_PAYLOAD, Operation
from onebeat.web.api.paging import Cursor, Limit, MaybeName, Name, Reason
from onebeat.web.api.payloads import GivenPayload
from onebeat.web.showing.plans import options_seen


class SchedulesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which schedules.

    Attributes:
        queue: Only those of this queue.

        limit: How many at most.

        cursor: Where to go on: `cursor` of the answer before.
    """

    queue: MaybeName = ""
    limit: Limit = 100
    cursor: Cursor = ""


class SchedulePage(msgspec.Struct, frozen=True, kw_only=True):
    """Schedules by id, and where the list goes on, null at its end."""

    schedules: list[Schedule]
    cursor: str | None


class ScheduleQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which schedule.

    Attributes:
        id: Its id.
    """

    id: Name


class ComingQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which schedule.

    Attributes:
        id: Its id.

        count: How many ticks.
    """

    id: Name
    count: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10


class FiresQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which schedule.

    Attributes:
        id: Its id.

        limit: How many fires at most.

        cursor: Where to go on: `cursor` of the answer before.
    """

    id: Name
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50
    cursor: Cursor = ""


class FirePage(History, frozen=True, kw_only=True):
    """A page of a schedule's fires, the latest first, and its counts; where it goes on, null at its end."""

    cursor: str | None


class ScheduleNamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which schedule.

    Attributes:
        id: Its id.

        reason: Why, in a line: it stands in the audit.
    """

    id: Name
    reason: Reason = ""


class ScheduleResumption(ScheduleNamed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which schedule is to fire again.

    Attributes:
        id: Its id.

        missed: What becomes of the ticks that passed meanwhile: "skip" them, fire "once" for the latest, or "all" of
            them, at most 1,000.

        reason: Why, in a line: it stands in the audit.
    """

    missed: Literal["skip", "once", "all"] = "skip"


class ScheduleRun(ScheduleNamed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which schedule is to be run by hand.

    Attributes:
        id: Its id.

        payload: In place of its own.

        key: Letters, digits, dots, dashes and underscores: the same key does not run it twice while the first task
            exists. Default: a random one.

        reason: Why, in a line: it stands in the audit.
    """

    payload: GivenPayload | None = None
    key: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,100}$")] | None = None


class ScheduleResumedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a resumption found.

    Attributes:
        passed: Ticks that passed while it was paused; `is_exact` false: there were more.

        firing: How many of them fire now.

        next: The first tick after now; null: there is none.

        schedule: It as it is then.
    """

    passed: int
    is_exact: bool
    firing: int
    next: Instant | None
    schedule: Schedule


class ScheduleRan(msgspec.Struct, frozen=True, kw_only=True):
    """The task that a run by hand enqueued."""

    queue: str
    task_id: str


async def list_schedules(asked: Asked, query: SchedulesQuery) -> SchedulePage:
    """List schedules, Onebeat's in whatever state and Go's, by id."""
    queue = query.queue or None
    if queue is not None:
        asked.check_sees(queue)

    async def read(inspector: Inspector) -> list[Schedule]:
        rows = [Schedule.of(info) for info in await inspector.declared_schedules(queue)]
        return rows + [row for row in map(Schedule.of_go, await gos(inspector)) if queue in (None, row.queue)]

    rows = [row for row in await asked.read("schedules", queue, read=read) if asked.sees(row.queue)]
    found, cursor = paging.part(
        rows,
        lambda row: f"{row.id}\0{row.queue}",
        of=f"schedules {query.queue}",
        limit=query.limit,
        cursor=query.cursor,
    )
    return SchedulePage(schedules=found, cursor=cursor)


async def gos(inspector: Inspector) -> list[ScheduleEntry]:
    """Return the entries of Go's schedulers."""
    return [entry for entry in await inspector.schedules() if not entry.scheduler.startswith("{")]


async def _find(asked: Asked, id: str) -> ScheduleInfo | ScheduleEntry:
    """Read a schedule, Go's or Onebeat's, which who asks may look at."""

    async def read(inspector: Inspector) -> ScheduleInfo | ScheduleEntry:
        try:
            return await inspector.schedule(id)
        except WrongState:
            found = [entry for entry in await gos(inspector) if entry.id == id]
            if not found:
                raise
            return found[0]

    found = await asked.read("schedule", id, read=read)
    _check_sees(asked, id, found.queue if isinstance(found, ScheduleInfo) else Schedule.of_go(found).queue)
    return found


def _check_sees(asked: Asked, id: str, queue: str | None) -> None:
    """Say of a schedule that is hidden from who asks what is said of one that is not there."""
    if not asked.sees(queue):
        raise ScheduleNotFound(f"schedule {shown(id)} is not known")


async def get_schedule(asked: Asked, query: ScheduleQuery) -> ScheduleDetails:
    """Read one schedule: when it fires, what it enqueues, and which forms of it are declared."""
    found = await _find(asked, query.id)
    details = ScheduleDetails.of(found) if isinstance(found, ScheduleInfo) else ScheduleDetails.of_go(found)
    options = options_seen(details.options, asked.rules)
    return msgspec.structs.replace(details, payload=asked.seen(found.payload).bytes, options=options)


async def get_schedule_next(asked: Asked, query: ComingQuery) -> Coming:
    """Reckon the coming ticks of a schedule of Onebeat; one that is not live fires at none of them as it is."""
    await _find(asked, query.id)

    async def read(inspector: Inspector) -> Coming:
        return Coming.of(await inspector.schedule(query.id), await inspector.next_ticks(query.id, query.count))

    return await asked.read("coming", query.id, query.count, read=read)


async def list_schedule_fires(asked: Asked, query: FiresQuery) -> FirePage:
    """List when a schedule fired, the latest first, and what became of the tasks; the last 50 are kept."""
    found = await _find(asked, query.id)
    of = f"fires {query.limit} {query.id}"
    page = paging.read(query.cursor, of, int) if query.cursor else 1

    async def read(inspector: Inspector) -> History:
        if isinstance(found, ScheduleInfo):
            return History.of(found, await inspector.fires(query.id, page=page, size=query.limit))
        return History.of_go(found, await inspector.events(query.id, page=page, size=query.limit))

    history = await asked.read("fires", query.id, query.limit, page, read=read)
    cursor = paging.write(of, page + 1) if len(history.fires) == query.limit else None
    return FirePage(**msgspec.structs.asdict(history), cursor=cursor)


async def pause_schedule(asked: Asked, body: ScheduleNamed) -> Schedule:
    """
    Let a schedule fire at no tick until it is resumed; answers it as it is then.

    It stays paused over restarts, deploys and changes of its definition. It can still be run by hand.
    """
    queue = await _queue(asked, body.id)
    info = await asked.perform(
        "schedule.pause",
        lambda inspector: inspector.pause_schedule(body.id),
        queue=queue,
        about=body.id,
        reason=body.reason,
    )
    return Schedule.of(info)


async def resume_schedule(asked: Asked, body: ScheduleResumption) -> ScheduleResumedDocument:
    """Let a paused schedule fire again, in its old phase."""
    queue = await _queue(asked, body.id)
    done = await asked.perform(
        "schedule.resume",
        lambda inspector: inspector.resume_schedule(body.id, body.missed),
        queue=queue,
        about=body.id,
        reason=body.reason,
    )
    return ScheduleResumedDocument(
        passed=done.passed,
        is_exact=done.is_exact,
        firing=done.firing,
        next=done.next_at,
        schedule=Schedule.of(done.schedule),
    )


async def run_schedule(asked: Asked, body: ScheduleRun) -> ScheduleRan:
    """Enqueue the task of a schedule now, in whatever state that is; its ticks stay as they are."""
    queue = await _queue(asked, body.id)
    payload: Any = KEEP if body.payload is None else body.payload.data()
    task_id = await asked.perform(
        "schedule.run",
        lambda inspector: inspector.run_schedule(body.id, payload, key=body.key),
        queue=queue,
        about=body.id,
        reason=body.reason,
    )
    return ScheduleRan(queue=queue, task_id=task_id)


async def _queue(asked: Asked, id: str) -> str:
    """
    Return the queue of a schedule of Onebeat that is to be changed.

    Raises:
        ScheduleNotFound: There is none that who asks may look at.
        WrongState: It is Go's.
    """
    inspector = await asked.inspector()
    try:
        found = await inspector.schedule(id)
    except WrongState:
        for entry in await gos(inspector):
            if entry.id == id:
                _check_sees(asked, id, Schedule.of_go(entry).queue)
        raise
    _check_sees(asked, id, found.queue)
    return found.queue


OPERATIONS = (
    Operation("GET", "/schedules", list_schedules, refusals=(404,)),
    Operation("GET", "/schedule", get_schedule, refusals=(404,)),
    Operation("GET", "/schedule/next", get_schedule_next, refusals=(404,)),
    Operation("GET", "/schedule/fires", list_schedule_fires, refusals=(404,)),
    Operation("POST", "/schedule/pause", pause_schedule, "schedule.pause", refusals=(404,)),
    Operation("POST", "/schedule/resume", resume_schedule, "schedule.resume", refusals=(404,)),
    Operation(
        "POST", "/schedule/run", run_schedule, "schedule.run", refusals=(404,), status=201, most=BODY_WITH_PAYLOAD
    ),
)
