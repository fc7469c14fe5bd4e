"""The first page: a verdict, the states, and the queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.broker.browse import QueueStats, readable
from onebeat.errors import BrokerError
from onebeat.inspector.models import ServerInfo
from onebeat.web import consoles, past, viewer
from onebeat.web.acting import perform
from onebeat.web.forms import query, read
from onebeat.web.page import redirect, render
from onebeat.web.parts import Reader, part
from onebeat.web.rights import check_sees, may
from onebeat.web.security import gate
from onebeat.web.showing import growth, pace, signs
from onebeat.web.showing.bars import STATES
from onebeat.web.showing.concerns import FAILING_LEAST, LATELY, Concern, concerns, serving, verdict

ROWS = 50
"""Queues on a page."""

FINDABLE = 8
"""From more queues on, there is a field to find one by a part of its name."""


@dataclass(frozen=True, slots=True)
class Row:
    """A queue as the table shows it."""

    name: str
    stats: QueueStats | None
    concerns: Sequence[Concern]

    @property
    def concern(self) -> Concern | None:
        """What hurts most."""
        return self.concerns[0] if self.concerns else None

    @property
    def order(self) -> tuple[object, ...]:
        """What sorts rows: those that somebody should look at first."""
        worst = self.concern
        return worst is None, worst.order if worst is not None else ()

    @property
    def counts(self) -> Mapping[str, int]:
        """Tasks of each state."""
        return {state.value: getattr(self.stats, state.value, 0) for state in STATES}


async def judged(
    request: Request, *, seconds: float = 1.0, read: Reader = part
) -> tuple[list[Row], list[ServerInfo] | None]:
    """
    Read the figures of all queues that the viewer sees, and the servers, None if these cannot be read.

    Args:
        seconds: For how long they are good; they are read once for all viewers.

        read: Reads each part; what it makes of damage.
    """
    inspector = await consoles.of(request).inspector()
    every = await read(request, "stats", inspector.stats_each, seconds=seconds) or {}
    sees = gate.user(request).sees
    stats = {name: found for name, found in every.items() if sees(name)}
    servers = await read(request, "servers", inspector.servers, seconds=seconds)
    served, lately = None if servers is None else serving(servers), await _lately(request, stats)
    whole = {name: found for name, found in stats.items() if isinstance(found, QueueStats)}
    growths = await past.growths(request, growth.to_ask(whole))
    alive = None if servers is None else len(servers)

    def judge(name: str, found: QueueStats | BrokerError) -> Row:
        attempts = lately.get(name, (0, 0))
        said = concerns(name, found, served, attempts, servers=alive, growth=growths.get(name))
        return Row(name, readable(found), said)

    return [judge(name, found) for name, found in stats.items()], servers


Key = Callable[[Row], tuple[object, ...]]


def _by(name: str) -> Key:
    return lambda row: (-getattr(row.stats, name, 0),)


ORDERS: Mapping[str, Key] = {
    "": lambda row: row.order,
    "name": lambda _row: (),
    "size": _by("size"),
    "latency": _by("latency_ms"),
    "processed": _by("processed_today"),
    "failed": _by("failed_today"),
}
"""By what queues are sorted, and in the end by their names; at first those that somebody should look at."""


async def overview(request: Request) -> Response:
    """Show the first page."""
    rows, servers = await judged(request)
    asked = request.query_params.get("find", "").strip()
    wanted = [row for row in rows if asked.lower() in row.name.lower()]
    sort = query(request).choice("sort", ORDERS, "")
    wanted.sort(key=lambda row: (*ORDERS[sort](row), row.name))
    page = _page(request.query_params.get("page", ""), len(wanted))
    whole = [row.stats for row in rows if row.stats is not None]
    totals = {state.value: sum(getattr(found, state.value) for found in whole) for state in STATES}
    shown = wanted[(page - 1) * ROWS : page * ROWS]
    names = past.names_of(request, [row.name for row in rows])
    kind, sentence = verdict(
        [row.concern for row in rows if row.concern is not None],
        servers=None if servers is None else len(servers),
        active=totals["active"],
        queues=len(rows),
        place=viewer.of(request).zone,
    )
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
        findable=FINDABLE,
        sort=sort,
        processed=sum(found.processed_today for found in whole),
        failed=sum(found.failed_today for found in whole),
        servers=servers,
        past=await past.past(request, names),
        sizes=await past.sizes(request, names),
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


def _page(said: str, count: int) -> int:
    wanted = int(said) if said.isascii() and said.isdigit() and len(said) < 7 else 1
    return min(max(wanted, 1), max(1, -(-count // ROWS)))


async def pause(request: Request) -> Response:
    """Pause or resume a queue."""
    form = await read(request)
    queue, action = form.get("queue"), "resume" if request.url.path.endswith("/resume") else "pause"
    inspector = await consoles.of(request).inspector()
    deed = inspector.resume if action == "resume" else inspector.pause
    await perform(request, f"queue.{action}", queue=queue, reason=form.get("reason"), deed=lambda: deed(queue))
    done = "is resumed: servers take its tasks again" if action == "resume" else "is paused: what runs goes on"
    back = "/queue" if form.get("back") == "queue" else "/"
    return redirect(request, back, f"Queue {signs.quoted(queue)} {done}.", name=queue if back == "/queue" else None)


EFFECTS = {
    "pause": "Servers take no more of its tasks; what runs goes on, and what is enqueued waits",
    "resume": "Servers take its tasks again",
}


async def ask_pause(request: Request) -> Response:
    """Ask whether a queue is to be paused or resumed, as the palette does from anywhere."""
    name, action = query(request).needed("queue"), request.url.path.rpartition("/")[2]
    check_sees(request, name)
    console = consoles.of(request)
    inspector = await console.inspector()
    stats = await inspector.stats(name)
    is_so = stats.paused is (action == "pause")
    return render(
        request,
        "queue_ask.html",
        place="overview",
        polls=False,
        queue=name,
        shown_name=signs.plain(name),
        quoted=signs.quoted(name),
        action=action,
        word=action.capitalize(),
        is_so=is_so,
        sentence=f"It is {'paused already' if action == 'pause' else 'not paused'}" if is_so else EFFECTS[action],
        stats=stats,
        servers=serving(await console.reads.get("servers", inspector.servers)).get(name, 0),
        may_do=may(request, f"queue.{action}", name),
    )


routes: list[Route] = [
    Route("/", overview),
    *(Route(f"/queue/{action}", ask_pause) for action in EFFECTS),
    Route("/queue/pause", pause, methods=["POST"]),
    Route("/queue/resume", pause, methods=["POST"]),
]
