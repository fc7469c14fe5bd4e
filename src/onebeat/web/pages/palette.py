"""
What the command palette finds beside pages: saved views, queues, and pausing them, schedules, servers, errors, tasks by
their id, and the form for a new one.

Each kind is looked for alone: what the store refuses of one, or the viewer may not see, is no reason to find nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from onebeat.broker.browse import QueueStats
from onebeat.errors import OnebeatError
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.web import consoles, views
from onebeat.web.links import url
from onebeat.web.pages import errors as failed
from onebeat.web.pages import schedules
from onebeat.web.rights import may, may_somewhere, sees
from onebeat.web.scope import hidden
from onebeat.web.showing import words
from onebeat.web.showing.fleets import maker, place_of
from onebeat.web.showing.signs import short

MOST, FEW = 8, 4
"""Queues that are named at a time; and of everything else."""

LONGEST = 200
"""Characters of a question that are looked at."""

SHORTEST_ID = 8
"""What is shorter is not looked for among the ids of tasks: every queue is asked for one."""

SHORTEST = 2
"""What is shorter names too many schedules, servers and errors to be of use."""

ENQUEUE = "Enqueue a task"

VERBS = {"pause": "Pause", "resume": "Resume"}

Item = dict[str, str]


async def palette(request: Request) -> Response:
    """Answer with what fits what is typed; `what=errors` looks among errors, which takes longer."""
    asked = request.query_params.get("q", "").strip()[:LONGEST]
    is_slow = request.query_params.get("what") == "errors"
    items: list[Item] = []
    for kind in (_errors,) if is_slow else (_tasks, _views, _queues, _schedules, _servers):
        try:
            items += await kind(request, asked)
        except OnebeatError:  # the page says what is wrong; all else can still be gone to
            continue
    if not is_slow:
        items += _new(request, asked)
        items += _search(request, asked)
    return JSONResponse({"items": items})


async def _views(request: Request, asked: str) -> list[Item]:
    """Find saved views by their names; of those that all share and one's own, one's own first."""
    fitting = [one.view for one in await views.shown(request) if one.filter is not None and _fits(asked, one.view.name)]
    return [
        {"kind": "view", "text": view.name, "hint": short(view.query, 36), "href": url(request, "/tasks", q=view.query)}
        for view in fitting[:FEW]
    ]


async def _queues(request: Request, asked: str) -> list[Item]:
    """Find queues, and what can be done to them: "rep", "pause rep"."""
    console = consoles.of(request)
    stats = await console.reads.get("stats", (await console.inspector()).stats_each)
    names = [name for name in stats if sees(request, name)]
    verbs, rest = _verbs(asked)
    found = [_queue(request, name, stats[name]) for name in _fitting(asked, names)]
    near = _fitting(rest, names) if verbs else _fitting(asked, names)[:FEW] if len(asked) >= SHORTEST else []
    return found + [item for name in near for item in _acts(request, name, stats[name], verbs or set(VERBS))]


def _verbs(asked: str) -> tuple[set[str], str]:
    """Split what is typed into what is to be done, of which it may be the beginning, and the rest."""
    parts = asked.lower().split()
    found = {verb: part for verb in VERBS for part in parts if len(part) >= SHORTEST and verb.startswith(part)}
    return set(found), " ".join(part for part in parts if part not in found.values())


def _acts(request: Request, name: str, stats: object, verbs: Iterable[str]) -> Iterator[Item]:
    if not isinstance(stats, QueueStats):
        return
    action = "resume" if stats.paused else "pause"
    if action in verbs and may(request, f"queue.{action}", name):
        hint = "paused" if stats.paused else words.counted(stats.pending, "pending task")
        address = url(request, f"/queue/{action}", queue=name)
        yield {"kind": "act", "text": f"{VERBS[action]} queue {name}…", "hint": hint, "href": address, "asks": "yes"}


async def _schedules(request: Request, asked: str) -> list[Item]:
    """Find schedules by id and type, Go's entries by type."""
    if len(asked) < SHORTEST:
        return []
    known = await schedules.look(request)
    every = [(info.id, info.task_type, info.queue, info.id) for info in known.infos]
    every += [(one.task_type, "Go's", schedules.queue_of(one), one.id) for one in known.entries]
    fitting = [one for one in every if _fits(asked, one[0], one[1])]
    return [
        {"kind": "schedule", "text": text, "hint": f"{type_} → {queue}", "href": url(request, "/schedule", id=id_)}
        for text, type_, queue, id_ in fitting[:FEW]
    ]


async def _servers(request: Request, asked: str) -> list[Item]:
    if len(asked) < SHORTEST or not sees(request, None):
        return []
    console = consoles.of(request)
    living = await console.reads.get("servers", (await console.inspector()).servers)
    fitting = [one for one in living if _fits(asked, place_of(one), one.id)]
    return [
        {"kind": "server", "text": place_of(one), "hint": maker(one), "href": url(request, "/server", id=one.id)}
        for one in fitting[:FEW]
    ]


async def _errors(request: Request, asked: str) -> list[Item]:
    """Find groups of errors, among as many tasks as the page of errors looks at first."""
    if len(asked) < SHORTEST:
        return []
    found, rules = await failed.look(request, Filter(), failed.SCAN), hidden(request)
    items: list[Item] = []
    for group in found.groups:
        text = rules.text(": ".join(part for part in (group.error_class, group.message) if part))
        if text and _fits(asked, text, group.type):
            address = url(request, "/tasks", q=group.filter, group=group.key)
            hint = f"{words.counted(group.count, 'task')} · {group.type}"
            items.append({"kind": "error", "text": short(text, 80), "hint": hint, "href": address})
    return items[:FEW]


def _fits(asked: str, *texts: str) -> bool:
    whole = " ".join(texts).lower()
    return all(part in whole for part in asked.lower().split())


def _fitting(asked: str, names: list[str]) -> list[str]:
    low = asked.lower()
    found = [name for name in names if low in name.lower()]
    return sorted(found, key=lambda name: (not name.lower().startswith(low), name))[:MOST]


def _queue(request: Request, name: str, stats: object) -> Item:
    hint = words.counted(stats.size, "task") if isinstance(stats, QueueStats) else "damaged"
    return {"kind": "queue", "text": name, "hint": hint, "href": url(request, "/queue", name=name)}


async def _tasks(request: Request, asked: str) -> list[Item]:
    if len(asked) < SHORTEST_ID or any(letter.isspace() for letter in asked):
        return []
    inspector: Inspector = await consoles.of(request).inspector()
    return [
        {
            "kind": "task",
            "text": found.id,
            "hint": f"{found.type} · {found.state.value} · {found.queue}",
            "href": url(request, "/task", queue=found.queue, id=found.id),
        }
        for found in await inspector.locate(asked)
        if sees(request, found.queue)
    ]


def _new(request: Request, asked: str) -> Iterator[Item]:
    """Find the form for a new task, of each type that the application declares: "enqueue pay"."""
    if len(asked) < SHORTEST or not may_somewhere(request, "task.enqueue"):
        return
    if _fits(asked, ENQUEUE):
        yield {"kind": "act", "text": f"{ENQUEUE}…", "href": url(request, "/task/new")}
    app = consoles.of(request).app
    if app is None:
        return
    for name in [one for one in sorted(app.tasks) if _fits(asked, f"Enqueue {one}")][:FEW]:
        yield {"kind": "act", "text": f"Enqueue {name}…", "href": url(request, "/task/new", type=name)}


def _search(request: Request, asked: str) -> Iterator[Item]:
    if asked:
        yield {"kind": "search", "text": f"Tasks: {asked}", "href": url(request, "/tasks", q=asked)}


routes: list[Route] = [Route("/palette", palette)]
