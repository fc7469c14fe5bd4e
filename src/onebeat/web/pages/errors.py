"""What failed, in groups of one kind: how many, since when, and doing something to one group alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import InvalidFilter, InvalidTask, QueueNotFound
from onebeat.inspector.error_groups import ErrorGroup, ErrorGroups
from onebeat.inspector.filters import Filter
from onebeat.web import consoles
from onebeat.web.failures import status_of
from onebeat.web.links import url
from onebeat.web.page import render
from onebeat.web.pages.tasks import WORDS
from onebeat.web.parts import note
from onebeat.web.reading import kept
from onebeat.web.rights import may
from onebeat.web.scope import hidden, seen, sight, visible, wanted
from onebeat.web.showing import payloads
from onebeat.web.showing.redaction import Redaction
from onebeat.web.showing.signs import short
from onebeat.web.showing.signs import visible as written_out
from onebeat.web.showing.words import count, counted, share

GROUPS = 100
"""Groups on a page."""

SCAN = 5_000
"""Tasks that are looked at for a first look: half a second of the console."""

SCANS = (SCAN, 20_000, 100_000, 500_000)
"""How many may be looked at."""

KEPT_S, FRESH_S = 60.0, 5.0
"""How long what was found is shown, of many tasks and of few: 20,000 take the store a quarter of a second."""

FEW = 1_000

ACTIONS = ("run", "archive", "delete")


@dataclass(frozen=True, slots=True)
class Row:
    """A group as the table shows it."""

    group: ErrorGroup
    type: Markup
    error_class: Markup
    message: Markup
    sample: Markup
    queues: Sequence[tuple[Markup, int]]
    link: str
    acts: Sequence[tuple[str, str]]
    samples: Sequence[tuple[Markup, str]]


async def errors(request: Request) -> Response:
    """Show the groups of what failed."""
    asked = request.query_params.get("q", "").strip()
    scan = _scan(request.query_params.get("scan", ""))
    try:
        found = await look(request, wanted(request, asked), scan)
    except (InvalidFilter, InvalidTask, QueueNotFound) as error:
        return render(
            request, "errors.html", status=status_of(error), place="errors", polls=False, q=asked, found=None, rows=[],
            kind="bad", sentence=f"{str(error)[:1].upper()}{str(error)[1:]}", wider=None, scan=scan,
        )  # fmt: skip
    kind, sentence = verdict(found, hidden(request))
    return render(
        request,
        "errors.html",
        place="errors",
        q=asked,
        found=found,
        rows=[_row(request, group) for group in found.groups],
        kind=kind,
        sentence=sentence,
        wider=next((number for number in SCANS if number > scan), None) if not found.is_whole else None,
        scan=scan,
    )


async def look(request: Request, chosen: Filter, scan: int) -> ErrorGroups:
    """Read the groups of what failed, once for all viewers who see the same queues."""
    console = consoles.of(request)
    inspector = await console.inspector()
    queues, look = visible(request), seen(request)

    async def read() -> ErrorGroups:
        return await inspector.errors(chosen, limit=GROUPS, scan=scan, queues=queues, look=look)

    key = ("errors", str(chosen), scan, sight(request))
    found = await console.reads.get(key, read, seconds=kept(request, KEPT_S))
    if found.scanned <= FEW:
        found = await console.reads.get(key, read, seconds=kept(request, FRESH_S))
    note(request, found.refused.values())
    return found


def _scan(said: str) -> int:
    return int(said) if said in {str(number) for number in SCANS} else SCAN


def verdict(found: ErrorGroups, rules: Redaction) -> tuple[str, str]:
    """Return the kind and the sentence that stand first."""
    if not found.tasks:
        if not found.total:
            return "good", "Nothing failed: no task waits for another try, and none is archived"
        where = "" if found.is_whole else f" among the {count(found.scanned)} looked at"
        return "good", f"No error fits{where}"
    ways = len(found.groups) + found.left_out
    most = found.groups[0]
    told = f"{counted(found.tasks, 'task')} failed in {counted(ways, 'way')}"
    if ways > 1:
        name = short(rules.text(said(most) or most.type), 60)
        told += f"; {share(most.count, found.tasks)} of them: {name}"
    if not found.is_whole:
        told += f" · looked at {count(found.scanned)} of {count(found.total)}"
    lately = sum(sum(group.hours[-2:]) for group in found.groups)
    return ("bad" if lately else "warn"), told


def said(group: ErrorGroup) -> str:
    """Return what an error is called: its class, and what it says, as it is where all say the very same."""
    return ": ".join(part for part in (group.error_class, group.words or group.message) if part)


def _row(request: Request, group: ErrorGroup) -> Row:
    rules = hidden(request)
    return Row(
        group=group,
        type=written_out(group.type) or Markup("no message"),
        error_class=written_out(group.error_class),
        message=payloads.line(group.words or group.message, rules=rules, most=300),
        sample=payloads.block(group.sample, rules=rules),
        queues=[(written_out(queue), number) for queue, number in list(group.queues.items())[:3]],
        link=url(request, "/tasks", q=group.filter, group=group.key),
        acts=[
            (WORDS[action], url(request, "/act", action=action, q=group.filter, group=group.key))
            for action in ACTIONS
            if any(may(request, f"task.{action}", queue) for queue in group.queues)
        ],
        samples=[(written_out(id_), url(request, "/task", queue=queue, id=id_)) for queue, id_ in group.samples],
    )


routes: list[Route] = [Route("/errors", errors)]
