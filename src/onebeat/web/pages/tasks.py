"""Tasks of all queues and states: a query, what fits it, and what can be done to that."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from onebeat.errors import InvalidFilter, OnebeatError, shown
from onebeat.inspector import acting
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.models import ServerInfo
from onebeat.inspector.payloads import Payload
from onebeat.inspector.terms import NAMES
from onebeat.inspector.words import Word
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.web import consoles
from onebeat.web.links import url
from onebeat.web.page import redirect, render
from onebeat.web.pages import finding, views
from onebeat.web.pages.finding import Looked
from onebeat.web.pages.rows import rows
from onebeat.web.parts import part, silent
from onebeat.web.rights import may, may_somewhere
from onebeat.web.scope import hidden, sight, visible, wanted
from onebeat.web.showing.bars import STATES
from onebeat.web.showing.redaction import Redaction
from onebeat.web.showing.signs import short
from onebeat.web.showing.words import count, counted

WORDS = {"run": "Run", "archive": "Archive", "cancel": "Cancel", "delete": "Delete"}
FINAL = frozenset({"cancel", "delete"})
"""What cannot be undone."""

POLLED_QUEUES = 50
"""With more queues a list of all of them is not looked at again by itself: each is counted."""

SIMPLE = (
    ("failed in the last hour", "failed>-1h"),
    ("archived today", "state:archived age<1d"),
    ("waiting for 10 minutes", "state:pending age>10m"),
    ("orphaned", "is:orphaned"),
)
"""Queries to begin with."""

NARROWED = 6
"""Queues that are offered to look into alone."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to look at instead: a tab, a word to leave out, a queue."""

    word: str
    q: str
    number: int | None = None
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done: to what is selected, and to all that fit."""

    action: str
    word: str
    number: int | None
    is_final: bool


async def tasks(request: Request) -> Response:
    """Show what fits a query."""
    asked = request.query_params.get("q", "").strip()
    if is_bare(asked):
        return await _by_id(request, asked, asked)
    try:
        chosen = wanted(request, asked)
    except InvalidFilter as error:
        saved = await views.row(request, None)
        return _page(request, asked, Filter(), None, error=str(error), status=400, saved=saved)
    if id_ := finding.one_id(chosen):
        return await _by_id(request, asked, id_)
    group, cursor = request.query_params.get("group", ""), request.query_params.get("cursor", "")
    saved = await views.row(request, None if group else chosen)
    try:
        looked = await finding.look(request, chosen, group=group, cursor=cursor)
    except OnebeatError as error:
        if cursor or asked:
            status = _status(error)
            return _page(request, asked, chosen, None, error=str(error), status=status, group=group, saved=saved)
        raise
    stats = await finding.figures(request)
    servers: Sequence[ServerInfo] = []
    if TaskState.ACTIVE in chosen.states:
        console = consoles.of(request)
        servers = await part(request, "servers", (await console.inspector()).servers) or []
    by_state = finding.counts(stats, chosen)
    listed = finding.is_listed(chosen, group)
    number = sum(by_state[state] for state in chosen.states) if listed else None
    queues = sum(chosen.may_be("queue", name) for name in stats)
    return _page(
        request,
        asked,
        chosen,
        looked,
        group=group,
        found=rows(request, looked.tasks, servers=servers),
        tabs=_tabs(chosen, by_state if _is_of_queues(chosen, group) else {}),
        narrow=_narrow(chosen, stats),
        acts=_acts(request, chosen, looked, by_state if listed else None, stats, cursor=cursor),
        number=number,
        polls=listed and not cursor and queues <= POLLED_QUEUES,
        cursor=cursor,
        saved=saved,
        may_save=not group and views.may_save(request, chosen, saved),
    )


def is_bare(asked: str) -> bool:
    """Whether what is asked is a single word without a name: the id of a task, most likely."""
    return bool(asked) and not any(sign in asked for sign in ":=<>\"' \t\n") and not asked.startswith("-")


async def _by_id(request: Request, asked: str, id_: str) -> Response:
    """Go to the task of an id; where there are several, or none, say so."""
    console = consoles.of(request)
    sees = visible(request)
    located = await part(request, ("located", id_), partial((await console.inspector()).locate, id_)) or []
    found = [info for info in located if sees is None or sees(info.queue)]
    if len(found) == 1:
        return redirect(request, "/task", queue=found[0].queue, id=found[0].id)
    words = [
        Choice("its type", str(Filter().narrowed("type", f"*{id_}*", pattern=True))),
        Choice("its id, anywhere", str(Filter().narrowed("id", f"*{id_}*", pattern=True))),
        Choice("its last error", str(Filter().narrowed("error", id_))),
        Choice("its payload", str(Filter().narrowed("payload", id_))),
    ]
    looked = Looked(tuple(found), len(found), len(found), "")
    return _page(
        request, asked, Filter().narrowed("id", id_, operator="="), looked,
        found=rows(request, found), elsewhere=words,
        verdict=("", f"{counted(len(found), 'task')} of the id {shown(id_)}, each of another queue")
        if found else ("warn", f"No task has the id {shown(id_)}: it ended and was not kept, or never was"),
    )  # fmt: skip


def _page(
    request: Request,
    asked: str,
    filter: Filter,
    looked: Looked | None,
    *,
    error: str = "",
    status: int = 200,
    verdict: tuple[str, str] | None = None,
    **given: Any,
) -> Response:
    states = filter.states
    values: dict[str, Any] = {
        "group": "", "found": [], "tabs": _tabs(filter, {}), "narrow": [], "acts": [], "number": None, "polls": False,
        "cursor": "", "elsewhere": [], "saved": None, "may_save": False,
    } | given  # fmt: skip
    if error:
        verdict = ("bad", f"{error[:1].upper()}{error[1:]}")
    kind, sentence = verdict or _verdict(looked, values["number"], filter, values["cursor"])
    return render(
        request,
        "tasks.html",
        status=status,
        place="tasks",
        q=asked,
        looked=looked,
        kind=kind,
        sentence=sentence,
        words_of=_chips(filter) if not error else [],
        simple=SIMPLE if not asked or error else (),
        only=states[0].value if len(states) == 1 else "",
        short=short,
        error=error,
        may_enqueue=may_somewhere(request, "task.enqueue"),
        **values,
    )


def _status(error: OnebeatError) -> int:
    from onebeat.web.failures import status_of

    return status_of(error)


def _verdict(looked: Looked | None, number: int | None, filter: Filter, cursor: str) -> tuple[str, str]:
    if looked is None:
        return "", ""
    if number is not None:
        named = " and ".join(states) if len(states := [state.value for state in filter.states]) <= 2 else ""
        return (
            "",
            f"{counted(number, f'{named} task' if named else 'task')}"
            if number
            else f"No {named} tasks".replace("  ", " "),
        )
    if not looked.cursor:
        more = "more " if cursor else ""
        found = f"{counted(len(looked.tasks), f'{more}task')} found" if looked.tasks else f"No {more}task fits"
        return "", f"{found}; all {count(looked.total)} were looked at"
    return "", f"{len(looked.tasks)} shown; looked at {count(looked.scanned)} of {count(looked.total)}"


def _is_of_queues(filter: Filter, group: str) -> bool:
    return not group and all(word.name in finding.LISTED for word in filter.words)


def without(filter: Filter, *left_out: Word) -> str:
    """Write a filter without some of its words."""
    return " ".join(str(word) for word in filter.words if word not in left_out)


def _chips(filter: Filter) -> list[Choice]:
    return [Choice(short(str(word), 80), without(filter, word)) for word in filter.words]


def _tabs(filter: Filter, numbers: Mapping[TaskState, int]) -> list[Choice]:
    stated = [word for word in filter.words if word.name == "state"]
    rest = without(filter, *stated)
    total = sum(numbers.values()) if numbers else None
    tabs = [Choice("all", rest, total, not stated)]
    for state in STATES:
        q = f"{rest} state:{state.value}".strip()
        tabs.append(Choice(state.value, q, numbers.get(state), bool(stated) and filter.states == (state,)))
    return tabs


def _narrow(filter: Filter, stats: Mapping[str, Any]) -> list[Choice]:
    """Offer the queues that hold most of what is looked at, unless one is asked for."""
    if any(word.name == "queue" for word in filter.words):
        return []
    sums = {name: sum(int(getattr(found, state.value)) for state in filter.states) for name, found in stats.items()}
    most = sorted((item for item in sums.items() if item[1]), key=lambda item: (-item[1], item[0]))
    if len(most) < 2:
        return []
    return [
        Choice(short(name, 40), str(filter.narrowed("queue", name, operator="=")), number)
        for name, number in most[:NARROWED]
    ]


def _acts(
    request: Request,
    filter: Filter,
    looked: Looked,
    by_state: Mapping[TaskState, int] | None,
    stats: Iterable[str],
    *,
    cursor: str,
) -> list[Act]:
    """Say what can be done to some of what fits, by who looks."""
    queues = {info.queue for info in looked.tasks} or {name for name in stats if filter.may_be("queue", name)}
    acts: list[Act] = []
    for action, word in WORDS.items():
        states = [state for state in acting.ACTIONS[action] if state in filter.states]
        if not states or not looked.tasks or not any(may(request, f"task.{action}", queue) for queue in queues):
            continue
        if by_state is not None:
            number: int | None = sum(by_state[state] for state in states)
        elif looked.cursor or cursor:
            number = None
        else:
            number = sum(info.state in states for info in looked.tasks)
        acts.append(Act(action, word, number, action in FINAL))
    return acts


SAMPLED, SAMPLED_QUEUES = 40, 25
MAX_FIELDS = 200


async def complete(request: Request) -> Response:
    """Answer with what a query may be made of: names, and queues, types, states and fields that there are."""
    console = consoles.of(request)
    inspector = await console.inspector()
    sees = visible(request)

    async def read() -> Mapping[str, list[str]]:
        known = await silent(inspector.queues())
        return await _sampled(inspector, [name for name in known if sees is None or sees(name)], hidden(request))

    sampled = await console.reads.get(("completions", sight(request)), read, seconds=30)
    return JSONResponse(
        {
            "names": [*NAMES, "payload.", "header."],
            "states": [state.value for state in STATES],
            "is": ["orphaned", "undecodable"],
            **sampled,
        }
    )


async def _sampled(inspector: Inspector, queues: list[str], rules: Redaction) -> Mapping[str, list[str]]:
    """Look at a few tasks of each state of the first queues, for their types and the fields of their payloads."""
    searches = [_some(inspector, queue) for queue in queues[:SAMPLED_QUEUES]]
    infos = [info for found in await asyncio.gather(*searches) for info in found]
    types = Counter(info.type for info in infos if info.type)
    fields = Counter(field for info in infos for field in fields_of(info) if not rules.hides_part_of(field))
    groups = sorted({info.group for info in infos if info.group})
    return {
        "queues": queues[:1000],
        "types": [name for name, _ in types.most_common(500)],
        "fields": [name for name, _ in fields.most_common(MAX_FIELDS)],
        "groups": groups[:200],
    }


async def _some(inspector: Inspector, queue: str) -> list[TaskInfo]:
    found: list[TaskInfo] = []
    for state in (TaskState.PENDING, TaskState.RETRY, TaskState.ARCHIVED, TaskState.COMPLETED):
        found += await silent(inspector.page(queue, state=state, size=SAMPLED // 4))
    return found


def fields_of(info: TaskInfo) -> list[str]:
    """Name the fields of a payload, those of objects in it too, two deep."""
    found = Payload(info).at(())
    value = found[0] if isinstance(found, tuple) else None
    names: list[str] = []
    for name, inner in _fields(value):
        names.append(f"payload.{name}")
        names += [f"payload.{name}.{deeper}" for deeper, _ in _fields(inner)]
    return names[:50]


def _fields(value: object) -> list[tuple[str, object]]:
    if not isinstance(value, dict):
        return []
    return [
        (name, inner) for name, inner in list(value.items())[:50]
        if isinstance(name, str) and name.isidentifier() and len(name) <= 60
    ]  # fmt: skip


def to_tasks(request: Request, filter: Filter | str, *, group: str = "") -> str:
    """Return the address of the page with what fits a filter."""
    return url(request, "/tasks", q=str(filter) or None, group=group or None)


routes: list[Route] = [Route("/tasks", tasks), Route("/tasks/complete", complete)]
