"""Metrics: what queues and types did in the last hour, six hours or day, from the series that servers write."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.broker.series import OTHER
from onebeat.inspector.filters import Filter
from onebeat.inspector.series_models import TypeSeries
from onebeat.web import consoles, past
from onebeat.web.forms import query
from onebeat.web.page import render
from onebeat.web.paging import paged
from onebeat.web.parts import part
from onebeat.web.rights import check_sees, sees
from onebeat.web.showing import pace

SPANS = (("1h", 60, "1 hour"), ("6h", 360, "6 hours"), ("24h", 1440, "24 hours"))
"""What one may look at: its name in the address, minutes, words."""

CHOICES = 100
"""Queues that one chooses from a list; of more, one types the name."""

Key = Callable[[TypeSeries], float]

ORDERS: Mapping[str, Key] = {
    "attempts": lambda one: -one.processed,
    "failed": lambda one: -one.failed,
    "p50": lambda one: -(pace.percentile(one.runs, 0.5) or 0),
    "p95": lambda one: -(pace.percentile(one.runs, 0.95) or 0),
    "p99": lambda one: -(pace.percentile(one.runs, 0.99) or 0),
    "time": lambda one: -one.spent.total_seconds(),
    "type": lambda _one: 0,
}
"""By what types are sorted, and in the end by their names."""


async def metrics(request: Request) -> Response:
    """Show what was done, of all queues or of one, and of one type more."""
    asked = query(request)
    inspector = await consoles.of(request).inspector()
    span = asked.choice("span", [name for name, _, _ in SPANS], "1h")
    sort = asked.choice("sort", ORDERS, "attempts")
    minutes = next(minutes for name, minutes, _ in SPANS if name == span)
    queue = asked.text("queue")
    if queue:
        check_sees(request, queue)
        await part(request, ("known", queue), lambda: inspector.check_queue(queue))
    known = await part(request, "queues", inspector.queues, seconds=past.KEPT_S) or []
    visible = [name for name in known if sees(request, name)]
    names = (queue,) if queue else past.names_of(request, visible)
    found = await past.past(request, names, minutes)
    series = found.series
    types = await past.types(request, names, minutes) if series is not None and series.is_recorded else []
    types = sorted(types, key=lambda one: (ORDERS[sort](one), one.type))
    chosen = next((one for one in types if one.type == asked.text("type")), None)
    is_bare = series is None or not series.is_recorded
    kind, sentence = ("bad", found.failure) if series is None else pace.verdict(series, types, minutes)
    return render(
        request,
        "metrics.html",
        place="metrics",
        kind=kind,
        sentence=sentence,
        series=series,
        page=paged(request, types),
        types=types,
        chosen=chosen,
        minutes=minutes,
        span=span,
        spans=SPANS,
        sort=sort,
        queue=queue,
        choices=visible if len(visible) <= CHOICES else (),
        queues=len(visible),
        is_cut=names is not None and not queue and len(visible) > len(names),
        days=await past.days(request, [queue] if queue else visible) if is_bare else (),
        days_of=1 if queue else min(len(visible), past.DAILY_QUEUES),
        tasks_of=_tasks_of,
        pace=pace,
    )


def _tasks_of(name: str) -> str | None:
    """Return the filter that means the tasks of a type; None of those that are counted together."""
    return None if name == OTHER else str(Filter().narrowed("type", name))


routes: list[Route] = [Route("/metrics", metrics)]
