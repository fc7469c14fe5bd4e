"""The first page: a verdict, the states, and the queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.broker.browse import QueueStats, readable
from onebeat.errors import BrokerError
from onebeat.inspector.models import ServerInfo
from onebeat.web import consoles, past
from onebeat.web.acting import perform
from onebeat.web.forms import read
from onebeat.web.page import redirect, render
from onebeat.web.parts import part
from onebeat.web.security import gate
from onebeat.web.showing import pace
from onebeat.web.showing.bars import STATES
from onebeat.web.showing.concerns import FAILING_LEAST, LATELY, Concern, concern, serving, verdict

ROWS = 50
"""Queues on a page."""


@dataclass(frozen=True, slots=True)
class Row:
    """A queue as the table shows it."""

    name: str
    stats: QueueStats | None
    concern: Concern | None
    servers: int

    @property
    def counts(self) -> Mapping[str, int]:
        """Tasks of each state."""
        return {state.value: getattr(self.stats, state.value, 0) for state in STATES}


async def look(request: Request) -> tuple[Mapping[str, QueueStats | BrokerError], list[ServerInfo] | None]:
    """Read the figures of all queues and the servers, None if these cannot be read, once for all viewers."""
    inspector = await consoles.of(request).inspector()
    every = await part(request, "stats", inspector.stats_each) or {}
    sees = gate.user(request).sees
    stats = {name: found for name, found in every.items() if sees(name)}
    servers = await part(request, "servers", inspector.servers)
    return stats, servers


async def overview(request: Request) -> Response:
    """Show the first page."""
    stats, servers = await look(request)
    served = None if servers is None else serving(servers)
    lately = await _lately(request, stats)
    rows = [_row(name, found, served, lately.get(name, (0, 0))) for name, found in stats.items()]
    asked = request.query_params.get("find", "").strip()
    wanted = [row for row in rows if asked.lower() in row.name.lower()]
    wanted.sort(key=lambda row: (row.concern is None or row.concern.kind != "bad", row.concern is None, row.name))
    page = _page(request.query_params.get("page", ""), len(wanted))
    concerns = [row.concern for row in rows if row.concern is not None]
    whole = [counted for found in stats.values() if (counted := readable(found)) is not None]
    totals = {state.value: sum(getattr(found, state.value) for found in whole) for state in STATES}
    shown = wanted[(page - 1) * ROWS : page * ROWS]
    kind, sentence = verdict(concerns, None if servers is None else len(servers), totals["active"], len(rows))
    return render(
        request,
        "overview.html",
        place="overview",
        kind=kind,
        sentence=sentence,
        totals=totals,
        rows=shown,
        found=len(wanted),
        queues=len(rows),
        page=page,
        pages=max(1, -(-len(wanted) // ROWS)),
        find=asked,
        processed=sum(found.processed_today for found in whole),
        failed=sum(found.failed_today for found in whole),
        servers=servers,
        past=await past.past(request, past.names_of(request, list(stats))),
        sparks=await past.sparks(request, [row.name for row in shown]),
        pace=pace,
    )


async def _lately(request: Request, stats: Mapping[str, QueueStats | BrokerError]) -> dict[str, tuple[int, int]]:
    """Read attempts and failures of the last minutes, of the queues that failed most today."""
    failures = {name: found.failed_today for name, found in stats.items() if isinstance(found, QueueStats)}
    most = sorted((name for name in failures if failures[name] >= FAILING_LEAST), key=lambda name: -failures[name])
    sparks = await past.sparks(request, sorted(most[:ROWS])) if most else {}
    return {
        name: (sum(spark.processed[-LATELY:]), sum(spark.failed[-LATELY:]))
        for name, spark in sparks.items()
        if spark is not None
    }


def _row(name: str, found: QueueStats | BrokerError, served: Mapping[str, int] | None, lately: tuple[int, int]) -> Row:
    return Row(
        name, readable(found), concern(name, found, served, lately), served.get(name, 0) if served is not None else 0
    )


def _page(said: str, count: int) -> int:
    wanted = int(said) if said.isascii() and said.isdigit() and len(said) < 7 else 1
    return min(max(wanted, 1), max(1, -(-count // ROWS)))


async def pause(request: Request) -> Response:
    """Pause or resume a queue."""
    form = await read(request)
    queue, action = form.get("queue"), "resume" if request.url.path.endswith("/resume") else "pause"
    inspector = await consoles.of(request).inspector()
    deed = inspector.resume if action == "resume" else inspector.pause
    await perform(request, f"queue.{action}", queue=queue, deed=lambda: deed(queue))
    done = "is resumed: servers take its tasks again" if action == "resume" else "is paused: what runs goes on"
    back = "/queue" if form.get("back") == "queue" else "/"
    return redirect(request, back, f"Queue {queue} {done}.", name=queue if back == "/queue" else None)


routes: list[Route] = [
    Route("/", overview),
    Route("/queue/pause", pause, methods=["POST"]),
    Route("/queue/resume", pause, methods=["POST"]),
]
