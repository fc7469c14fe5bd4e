"""Groups: tasks that wait to be aggregated, in all queues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import BrokerError
from onebeat.inspector.models import GroupInfo, GroupsFound, ServerInfo
from onebeat.web import consoles
from onebeat.web.forms import query
from onebeat.web.page import render
from onebeat.web.paging import paged
from onebeat.web.parts import note, part
from onebeat.web.rights import may, sees
from onebeat.web.showing import gatherings
from onebeat.web.showing.gatherings import Due


@dataclass(frozen=True, slots=True)
class Row:
    """A group as the table shows it."""

    info: GroupInfo
    due: Due


async def groups(request: Request) -> Response:
    """Show all groups."""
    found, servers, now = await look(request)
    rows = [Row(info, gatherings.due(info, servers, now)) for info in found.groups]
    asked = query(request).text("find").strip()
    wanted = [row for row in rows if asked.lower() in f"{row.info.queue} {row.info.name}".lower()]
    wanted.sort(key=lambda row: (row.due.kind != "bad", row.due.kind != "warn", -row.info.size))
    page = paged(request, wanted)
    kind, sentence = gatherings.verdict([(row.info, row.due) for row in rows], found.cut)
    return render(
        request,
        "groups.html",
        place="groups",
        kind=kind,
        sentence=sentence,
        rows=page.rows,
        page=page,
        found=found,
        find=asked,
        waiting=sum(info.size for info in found.groups),
        staged=sum(info.staged for info in found.groups),
        of=gatherings.filter_of,
        may=lambda action, queue: may(request, action, queue),
    )


async def look(request: Request) -> tuple[GroupsFound, Sequence[ServerInfo], datetime]:
    """Read the groups of all queues that have some, the servers, and the store's time, once for all viewers."""
    console = consoles.of(request)
    inspector = await console.inspector()
    stats = await part(request, "stats", inspector.stats_each) or {}
    names = tuple(
        name
        for name, one in stats.items()
        if sees(request, name) and (isinstance(one, BrokerError) or one.groups or one.staged)
    )
    servers = await part(request, "servers", inspector.servers) or []
    found = await console.reads.get(("groups", names), lambda: inspector.groups_each(names))
    note(request, found.failed.values())
    return found, servers, await console.reads.get("now", inspector.now)


routes: list[Route] = [Route("/groups", groups)]
