"""One queue: what it holds, who works on it, what it did, and pausing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.broker.browse import NOTHING, QueueStats, readable
from onebeat.errors import BrokerError, BrokerUnavailable
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.models import QueueDetails, ServerInfo
from onebeat.inspector.series_models import Series
from onebeat.states import TaskState
from onebeat.web import consoles, past, reasons, viewer
from onebeat.web.acting import perform
from onebeat.web.forms import read
from onebeat.web.page import redirect, render
from onebeat.web.parts import note, part
from onebeat.web.rights import check_sees, may
from onebeat.web.showing import charts, growth, instants, pace, signs
from onebeat.web.showing.bars import STATES
from onebeat.web.showing.concerns import LATELY, Concern, concerns, serving
from onebeat.web.showing.words import counted

DAYS = 14
"""Days of history that are shown."""

SAMPLED = 200
"""Pending tasks whose types are counted."""

LISTED = 50
"""Servers, and groups, that are shown."""


@dataclass(frozen=True, slots=True)
class Serving:
    """
    A server that takes tasks of the queue.

    Attributes:
        weight, share: Of the queue on this server: its number, and in which part of its looks it comes first.

        runs: How many tasks of the queue run on it.
    """

    info: ServerInfo
    weight: int
    share: str
    runs: int


async def queue(request: Request) -> Response:
    """Show a queue."""
    name = request.query_params.get("name", "")
    check_sees(request, name)
    return await _show(request, name)


async def _show(request: Request, name: str, *, fault: str = "", reason: str = "", status: int = 200) -> Response:
    """
    Show a queue.

    Args:
        fault: What is wrong with the reason for which it was to be removed; "": nothing was asked for.

        reason: What was said.
    """
    inspector = await consoles.of(request).inspector()
    told = await _stats(request, inspector, name)
    stats = readable(told) or NOTHING
    details = await part(request, ("details", name), lambda: _details(inspector, name), seconds=15)
    note(request, details.unread if details is not None else ())
    history = await part(request, ("history", name), lambda: inspector.history(name, DAYS), seconds=15) or []
    series = await part(request, ("series", name), lambda: inspector.series(name, minutes=60), seconds=5)
    servers = await part(request, "servers", inspector.servers)
    here = [server for server in servers or () if name in server.queues]
    minutes = series.points[-LATELY:] if series is not None else ()
    lately = sum(point.processed for point in minutes), sum(point.failed for point in minutes)
    served = None if servers is None else serving(servers)
    sizes = await past.sizes(request, (name,))
    alive = None if servers is None else len(servers)
    found = concerns(name, told, served, lately, servers=alive, growth=growth.of_points(sizes))
    zone = viewer.of(request).zone
    return render(
        request,
        "queue.html",
        status=status,
        place="overview",
        polls=not fault,
        queue=name,
        shown_name=signs.plain(name),
        stats=stats,
        kind="bad" if fault else found[0].kind if found else "good",
        sentence=fault or (_it(found[0], zone) if found else _well(stats, here, zone)),
        fault=fault,
        reason=reason,
        more_concerns=[(one.kind, _it(one, zone)) for one in found[1:]],
        counts=[(state.value, int(getattr(stats, state.value)), _in_state(name, state)) for state in STATES],
        details=details,
        days=history,
        most=max((day.processed for day in history), default=0),
        series=series,
        chart=_chart(request, series) if series is not None and series.is_recorded else None,
        sizes=sizes,
        pace=pace,
        servers=[_serving(server, name) for server in here[:LISTED]],
        more_servers=len(here) - LISTED,
        q=str(Filter().narrowed("queue", name, operator="=")),
        may_pause=may(request, "queue.resume" if stats.paused else "queue.pause", name),
        may_remove=may(request, "queue.remove", name),
        listed=LISTED,
        written=signs.visible,
        needs_reason=reasons.needs(consoles.of(request).settings, "queue.remove"),
    )


async def _details(inspector: Inspector, name: str) -> QueueDetails:
    return await inspector.details(name, sample=SAMPLED)


async def _stats(request: Request, inspector: Inspector, name: str) -> QueueStats | BrokerError:
    """Count what the queue holds; of one that is damaged the error, which has the counts that could be read."""
    try:
        return await consoles.of(request).reads.get(("queue", name), lambda: inspector.stats(name))
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        note(request, [str(error)])
        return error


def _in_state(name: str, state: TaskState) -> str:
    return str(Filter().narrowed("queue", name, operator="=").narrowed("state", state.value))


def _it(one: Concern, zone: tzinfo) -> Markup:
    return Markup("It {}").format(one.told(zone))


def _well(stats: QueueStats, here: list[ServerInfo], zone: tzinfo) -> str | Markup:
    if not here:
        return "No server takes its tasks; none waits"
    told = f"All is well: {counted(len(here), 'server')}, {counted(stats.active, 'task')} running"
    if stats.pending_since is None:
        return told
    return Markup("{}, the next has waited {}").format(told, instants.waited(stats.pending_since, zone))


def _serving(server: ServerInfo, name: str) -> Serving:
    weight, total = server.queues[name], sum(server.queues.values())
    share = f"{100 * weight / total:.0f} %" if total else "-"
    if server.strict_priority:
        higher = sum(other > weight for other in server.queues.values())
        share = "first" if not higher else f"after {counted(higher, 'queue')}"
    return Serving(server, weight, share, sum(worker.queue == name for worker in server.workers))


def _chart(request: Request, series: Series) -> Markup:
    """Draw what it did minute by minute, the one under way among them."""
    points = series.points
    return charts.area_chart(
        [
            charts.Series("attempts", [point.processed for point in points]),
            charts.Series("failed", [point.failed for point in points], tone="archived"),
        ],
        label="Attempts a minute, last hour",
        until=points[-1].at,
        step=series.step,
        place=viewer.of(request).zone,
        is_under_way=True,
    )


async def remove(request: Request) -> Response:
    """Remove a queue, once its name was typed."""
    form = await read(request)
    name = form.get("queue")
    check_sees(request, name)
    if form.get("typed") != name:
        return redirect(
            request, "/queue", "Type the queue's name to remove it: nothing was done.", kind="bad", name=name
        )
    console, reason = consoles.of(request), form.get("reason")
    fault = reasons.fault(console.settings, "queue.remove", reason)
    if fault and may(request, "queue.remove", name):  # else that is said first
        return await _show(request, name, fault=fault, reason=reason, status=422)
    inspector = await console.inspector()
    is_forced = form.get("force") == "yes"
    removed = await perform(
        request, "queue.remove", queue=name, about="with its tasks" if is_forced else "",
        reason=reason,
        deed=lambda: inspector.remove_queue(name, force=is_forced),
    )  # fmt: skip
    return redirect(request, "/", f"Queue {signs.quoted(name)} is removed, with {counted(removed, 'task')}.")


routes: list[Route] = [Route("/queue", queue), Route("/queue/remove", remove, methods=["POST"])]
