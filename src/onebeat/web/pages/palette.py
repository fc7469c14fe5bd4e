"""What the command palette finds beside pages: queues by a part of their name, tasks by their id."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from onebeat.broker.browse import QueueStats
from onebeat.errors import OnebeatError
from onebeat.inspector.inspector import Inspector
from onebeat.web import consoles
from onebeat.web.links import url
from onebeat.web.rights import sees
from onebeat.web.showing import words

MOST = 8
"""Queues that are named at a time."""

LONGEST = 200
"""Characters of a question that are looked at."""

SHORTEST_ID = 8
"""What is shorter is not looked for among the ids of tasks: every queue is asked for one."""

Item = dict[str, str]


async def palette(request: Request) -> Response:
    """Answer with what fits what is typed."""
    console = consoles.of(request)
    asked = request.query_params.get("q", "").strip()[:LONGEST]
    try:
        inspector = await console.inspector()
        stats = await console.reads.get("stats", inspector.stats_each)
        names = [name for name in stats if sees(request, name)]
        tasks = await _tasks(request, inspector, asked, set(names))
    except OnebeatError:  # the page says that the store is away; pages can still be gone to
        return JSONResponse({"items": []})
    queues = (_queue(request, name, stats[name]) for name in _fitting(asked, names))
    return JSONResponse({"items": [*tasks, *queues, *_search(request, asked)]})


def _fitting(asked: str, names: list[str]) -> list[str]:
    low = asked.lower()
    found = [name for name in names if low in name.lower()]
    return sorted(found, key=lambda name: (not name.lower().startswith(low), name))[:MOST]


def _queue(request: Request, name: str, stats: object) -> Item:
    hint = words.counted(stats.size, "task") if isinstance(stats, QueueStats) else "damaged"
    return {"kind": "queue", "text": name, "hint": hint, "href": url(request, "/queue", name=name)}


async def _tasks(request: Request, inspector: Inspector, asked: str, names: set[str]) -> list[Item]:
    if len(asked) < SHORTEST_ID or any(letter.isspace() for letter in asked):
        return []
    return [
        {
            "kind": "task",
            "text": found.id,
            "hint": f"{found.type} · {found.state.value} · {found.queue}",
            "href": url(request, "/task", queue=found.queue, id=found.id),
        }
        for found in await inspector.locate(asked)
        if found.queue in names
    ]


def _search(request: Request, asked: str) -> Iterator[Item]:
    if asked:
        yield {"kind": "search", "text": f"Tasks: {asked}", "href": url(request, "/tasks", q=asked)}


routes: list[Route] = [Route("/palette", palette)]
