"""
What stands beside the names in the rail: how many there are, or how many somebody should look at.

It is the same on every page, and holds none up: figures are up to ten seconds old, and where the store does not give
them at once, a page comes without. Answers to polls carry them in a header, so that an unchanged page stays 304.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onebeat.errors import OnebeatError
from onebeat.inspector.models import ScheduleEntry
from onebeat.inspector.schedule_models import ScheduleInfo
from onebeat.web import consoles
from onebeat.web.pages import overview, schedules
from onebeat.web.parts import quiet_part
from onebeat.web.rights import sees
from onebeat.web.security import gate
from onebeat.web.showing import fleets, plans
from onebeat.web.showing.concerns import serving
from onebeat.web.showing.words import counted

HEADER: Final = "Onebeat-Tallies"
"""Of answers to polls: by the name of a page its number, kind and words, as JSON."""

STATS_S, SCHEDULES_S = 10.0, 30.0
"""Seconds for which figures of queues and servers are good, and those of schedules, which take more to read."""

WITHIN_S = 0.25
"""How long a page waits for them; what comes later is for the next look."""


NO_PAGES: Final = ("/palette", "/tasks/complete", "/download")
"""What answers with no page."""


@dataclass(frozen=True, slots=True)
class Tally:
    """
    What stands beside a name.

    Attributes:
        number: How many.

        kind: "bad" or "warn" where they are to be looked at, else "".

        words: The number with what it counts.
    """

    number: int
    kind: str
    words: str


class Tallying:
    """
    Reads the tallies for a page before it is made.

    Args:
        app: The pages.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_page(scope):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        found = await _in_time(request)
        request.state.tallies = found

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = json.dumps({name: [one.number, one.kind, one.words] for name, one in found.items()})
            await send(message)

        await self._app(scope, receive, told if request.headers.get("hx-request") == "true" else send)


def _is_page(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or gate.path_of(scope) in NO_PAGES:
        return False
    request = Request(scope)
    return gate.identity(request) is not None and not gate.is_script(request)


def of(request: Request) -> Mapping[str, Tally]:
    """Return the tallies of a page; none where there are none."""
    found: Mapping[str, Tally] = getattr(request.state, "tallies", {})
    return found


async def _in_time(request: Request) -> Mapping[str, Tally]:
    parts = [asyncio.ensure_future(part(request)) for part in (_of_queues, _of_schedules)]
    done, late = await asyncio.wait(parts, timeout=WITHIN_S)
    for one in late:
        one.cancel()  # what was asked of the store is shared, goes on, and is there for the next look
    await asyncio.gather(*late, return_exceptions=True)
    found: dict[str, Tally] = {}
    for one in done:
        found |= one.result()
    return found


def _alone(read: Callable[[Request], Awaitable[dict[str, Tally]]]) -> Callable[[Request], Awaitable[dict[str, Tally]]]:
    """Let each part fail alone: the page itself says what is wrong."""

    async def part(request: Request) -> dict[str, Tally]:
        try:
            return await read(request)
        except OnebeatError:
            return {}

    return part


@_alone
async def _of_queues(request: Request) -> dict[str, Tally]:
    rows, servers = await overview.judged(request, seconds=STATS_S, read=quiet_part)
    if not rows:
        return {}
    queues, concerns = counted(len(rows), "queue"), [row.concern.kind for row in rows if row.concern is not None]
    failed = sum(row.counts["retry"] + row.counts["archived"] for row in rows)
    groups = sum(row.stats.groups for row in rows if row.stats is not None)
    found = {
        "overview": _judged(len(rows), concerns, queues),
        "errors": Tally(failed, "", f"{counted(failed, 'task')} in retry or archived"),
        "groups": Tally(groups, "", counted(groups, "group")),
    }
    if servers is not None and sees(request, None):
        kinds = [fleets.standing(one).kind for one in servers]
        found["servers"] = _judged(len(servers), kinds, counted(len(servers), "server"))
    return found


@_alone
async def _of_schedules(request: Request) -> dict[str, Tally]:
    console = consoles.of(request)
    inspector = await console.inspector()

    async def read() -> tuple[list[ScheduleInfo], list[ScheduleEntry], datetime]:
        """Read all at one time: of figures that are older than the clock, ticks would seem to be overdue."""
        return await inspector.declared_schedules(), await inspector.schedules(), await inspector.now()

    infos, entries, now = await console.reads.get("tallied schedules", read, seconds=SCHEDULES_S)
    servers = await console.reads.get("servers", inspector.servers, seconds=STATS_S)
    served = serving(servers)
    own = [plans.standing(info, now, served).kind for info in infos if sees(request, info.queue)]
    go = sum(not one.scheduler.startswith("{") and sees(request, schedules.queue_of(one)) for one in entries)
    number = len(own) + go
    return {"schedules": _judged(number, own, counted(number, "schedule"))} if number else {}


def _judged(number: int, kinds: Iterable[str], words: str) -> Tally:
    """Count those that somebody should look at; all where there are none such."""
    found = [kind for kind in kinds if kind in ("bad", "warn")]
    if not found:
        return Tally(number, "", words)
    return Tally(len(found), "bad" if "bad" in found else "warn", f"{len(found):,} of {words} to look at")
