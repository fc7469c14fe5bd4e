"""Servers: who lives, how each stands, what runs on it; and what one may tell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.broker.browse import QueueStats
from onebeat.errors import BrokerError, ServerNotFound
from onebeat.inspector.models import LostServer, ServerInfo, WorkerInfo
from onebeat.states import Cancellation, TaskState
from onebeat.web import consoles, reasons, viewer
from onebeat.web.acting import perform
from onebeat.web.forms import query, read
from onebeat.web.page import redirect, render
from onebeat.web.pages import act
from onebeat.web.paging import paged
from onebeat.web.parts import part
from onebeat.web.rights import check_sees, may, sees
from onebeat.web.showing import fleets
from onebeat.web.showing.concerns import Concern, concerns, serving
from onebeat.web.showing.fleets import Standing

RUNNING = 50
"""Running tasks on a page."""

QUEUES = 6
"""Queues of a server that its row names."""

ENDS = {
    Cancellation.STOPPING: "is told to stop, and will be archived",
    Cancellation.DELETED: "waited again, and is deleted",
    Cancellation.ENDED: "had ended before, and was left alone",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A server as the table shows it."""

    info: ServerInfo
    standing: Standing
    queues: list[tuple[str, int, str]]


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is known of servers."""

    living: list[ServerInfo]
    lost: list[LostServer]
    stats: Mapping[str, QueueStats | BrokerError]
    now: datetime


async def look(request: Request) -> Fleet:
    """Read the servers that live, those that fell silent, and the figures of queues, once for all viewers."""
    check_sees(request, None)
    console = consoles.of(request)
    inspector = await console.inspector()
    living = await part(request, "servers", inspector.servers) or []
    lost = await part(request, "lost", inspector.lost_servers, seconds=5) or []
    stats = await part(request, "stats", inspector.stats_each) or {}
    return Fleet(living, lost, stats, await console.reads.get("now", inspector.now))


async def servers(request: Request) -> Response:
    """Show all servers."""
    fleet = await look(request)
    unserved = [one for one in lonely(fleet) if sees(request, one.queue)]
    kind, sentence = fleets.verdict(fleet.living, fleet.lost, unserved, fleet.now, viewer.of(request).zone)
    asked = query(request).text("find").strip()
    wanted = [one for one in fleet.living if _is_meant(request, one, asked)]
    wanted.sort(key=lambda one: fleets.standing(one).kind != "bad")
    page = paged(request, wanted)
    running = _running(request, fleet.living)
    return render(
        request,
        "servers.html",
        place="servers",
        kind=kind,
        sentence=sentence,
        servers=fleet.living,
        rows=[_row(request, one) for one in page.rows],
        page=page,
        find=asked,
        lost=fleet.lost,
        unserved=unserved,
        running=running[:RUNNING],
        more_running=len(running) - RUNNING,
        resting={name for one in fleet.living if one.status != "active" for name in one.queues},
        slots=sum(one.concurrency for one in fleet.living),
        busy=sum(one.active_workers for one in fleet.living),
        makers=_makers(fleet.living),
        most_queues=QUEUES,
        place_of=fleets.place_of,
        may_steer=may(request, "server.drain"),
        may_cancel=lambda queue: may(request, "task.cancel", queue),
    )


def _row(request: Request, one: ServerInfo) -> Row:
    return Row(one, fleets.standing(one), [share for share in fleets.shares(one) if sees(request, share[0])])


def _is_meant(request: Request, one: ServerInfo, asked: str) -> bool:
    words = [fleets.place_of(one), one.id, fleets.maker(one), *(name for name in one.queues if sees(request, name))]
    if one.sheet is not None:
        words.append(one.sheet.application)
    return any(asked.lower() in word.lower() for word in words)


def _makers(living: Iterable[ServerInfo]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in living:
        name = "asynq" if one.sheet is None else one.sheet.version
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def lonely(fleet: Fleet) -> list[Concern]:
    """Return the queues whose tasks wait, and which nobody takes from; the worst first."""
    served, servers = serving(fleet.living), len(fleet.living)
    every = (one for name, found in fleet.stats.items() for one in concerns(name, found, served, servers=servers))
    found = (one for one in every if one.badge == "no workers" and one.kind == "bad")
    return sorted(found, key=lambda one: one.order)


def _running(request: Request, living: Iterable[ServerInfo]) -> list[WorkerInfo]:
    """Return what runs, the longest running first; of queues that the viewer may see."""
    found = [worker for one in living for worker in one.workers if sees(request, worker.queue)]
    return sorted(found, key=lambda worker: (worker.started_at, worker.task_id))


async def server(request: Request) -> Response:
    """Show one server."""
    fleet = await look(request)
    name = query(request).needed("id")
    found = [one for one in fleet.living if name in (one.id, fleets.place_of(one))]
    if not found:
        return _gone(request, fleet, name)
    one = found[0]
    standing = fleets.standing(one)
    running = _running(request, [one])
    return render(
        request,
        "server.html",
        place="servers",
        one=one,
        standing=standing,
        troubles=fleets.troubles(one),
        blocked=fleets.BLOCKED,
        queues=[(queue, *rest, _stats(fleet, queue)) for queue, *rest in fleets.shares(one) if sees(request, queue)],
        running=running[:RUNNING],
        more_running=len(running) - RUNNING,
        maker=fleets.maker(one),
        place_of=fleets.place_of,
        may_steer=may(request, "server.drain"),
        may_cancel=lambda queue: may(request, "task.cancel", queue),
    )


def _stats(fleet: Fleet, queue: str) -> QueueStats | None:
    found = fleet.stats.get(queue)
    return found if isinstance(found, QueueStats) else None


def _gone(request: Request, fleet: Fleet, name: str) -> Response:
    """Say what became of a server that is not there any more: the page may have been open when it left."""
    silent = [one for one in fleet.lost if name in (one.id, fleets.place_of(one))]
    if not silent:
        raise ServerNotFound(f"server {name!r} does not live: it left, or never was here")
    return render(request, "server_lost.html", status=404, place="servers", one=silent[0], place_of=fleets.place_of)


async def ask_stop(request: Request) -> Response:
    """Ask whether a server is to be stopped."""
    check_sees(request, None)
    return await _ask_stop(request, query(request).needed("id"))


async def _ask_stop(request: Request, name: str, *, fault: str = "", reason: str = "", status: int = 200) -> Response:
    inspector = await consoles.of(request).inspector()
    one = await inspector.server(name)
    return render(
        request,
        "server_stop.html",
        status=status,
        fault=fault,
        reason=reason,
        place="servers",
        polls=False,
        one=one,
        place_of=fleets.place_of,
        queues=[name for name in sorted(one.queues) if sees(request, name)],
        may=may(request, "server.stop"),
        needs_reason=reasons.needs(consoles.of(request).settings, "server.stop"),
    )


async def steer(request: Request) -> Response:
    """Drain or stop a server, or have it take tasks again."""
    form = await read(request)
    name, word, reason = form.needed("id"), request.url.path.rpartition("/")[2], form.get("reason")
    fault = reasons.fault(consoles.of(request).settings, f"server.{word}", reason)
    if fault and word == "stop" and may(request, "server.stop"):  # else that is said first
        return await _ask_stop(request, name, fault=fault, reason=reason, status=422)
    inspector = await consoles.of(request).inspector()
    deeds = {
        "drain": lambda: inspector.drain_server(name),
        "stop": lambda: inspector.drain_server(name, stop=True),
        "resume": lambda: inspector.resume_server(name),
    }
    living = await consoles.of(request).reads.get("servers", inspector.servers)
    about = next((f"{fleets.place_of(one)} {one.id}" for one in living if one.id == name), name)
    one = await perform(request, f"server.{word}", about=about, reason=reason, deed=deeds[word])
    told = {
        "drain": "is told to take no more tasks, and ends those that it runs",
        "stop": "is told to end once nothing runs on it any more",
        "resume": "is told to take tasks again",
    }
    back = "/server" if form.get("back") == "server" else "/servers"
    notice = f"Server {fleets.place_of(one)} {told[word]}."
    return redirect(request, back, notice, id=name if back == "/server" else None)


async def cancel(request: Request) -> Response:
    """Cancel a task that runs."""
    form = await read(request)
    queue, task_id, reason = form.needed("queue"), form.needed("id"), form.get("reason")
    fault = reasons.fault(consoles.of(request).settings, "task.cancel", reason)
    if fault and may(request, "task.cancel", queue):  # else that is said first
        named = (queue, task_id, TaskState.ACTIVE.value)
        order = act.Order("cancel", "", "", (named,), None, None, reason, back="task")
        return await act.show(request, order, error=fault, status=422)
    inspector = await consoles.of(request).inspector()
    done = await perform(
        request, "task.cancel", queue=queue, about=task_id, reason=reason,
        deed=lambda: inspector.cancel(queue, task_id),
    )  # fmt: skip
    server_id = form.get("server")
    notice = f"Task {task_id} of queue {queue} {ENDS[done]}."
    return redirect(request, "/server" if server_id else "/servers", notice, id=server_id or None)


routes: list[Route] = [
    Route("/servers", servers),
    Route("/server", server),
    Route("/server/stop", ask_stop),
    *(Route(f"/server/{word}", steer, methods=["POST"]) for word in ("drain", "stop", "resume")),
    Route("/server/cancel", cancel, methods=["POST"]),
]
