"""Looking for tasks within bounds: some of those that fit, how far it came, and where to go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from onebeat.broker.browse import QueueStats, readable
from onebeat.inspector import jobs
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.searching import Visible, Where
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.web import consoles, parts
from onebeat.web.reading import kept
from onebeat.web.scope import seen, sight, visible
from onebeat.web.showing.bars import STATES

ROWS = 50
"""Tasks on a page."""

SCAN = 20_000
"""Tasks that are looked at for one page."""

LISTED = frozenset({"queue", "state"})
"""Words that say which lists tasks are in: such a filter is a list, and every task in it fits."""


@dataclass(frozen=True, slots=True)
class Looked:
    """
    What was found.

    Attributes:
        tasks: Some, the first of them.

        scanned, total: How many were looked at, from the first page on, of how many.

        cursor: Where to go on; "" if all were looked at.

        unread: What could not be looked at, a sentence each.
    """

    tasks: tuple[TaskInfo, ...]
    scanned: int
    total: int
    cursor: str
    unread: tuple[str, ...] = ()


def is_listed(filter: Filter, group: str) -> bool:
    """Whether a filter names lists alone, so that no task in them needs to be looked at to know that it fits."""
    return not group and all(word.name in LISTED for word in filter.words)


def one_id(filter: Filter) -> str:
    """Return the id that a filter asks for and nothing else, so that it can be looked up; "" if it is no such one."""
    if len(filter.words) != 1:
        return ""
    [word] = filter.words
    is_exact = word.name == "id" and not word.is_negated and len(word.values) == 1 and len(word.values[0].pieces) == 1
    return word.values[0].text if is_exact else ""


async def look(request: Request, filter: Filter, *, group: str = "", cursor: str = "") -> Looked:
    """Read a page of what fits, once for all who look at the same within some seconds; who reloads looks again."""
    console = consoles.of(request)
    inspector = await console.inspector()
    listed, queues = is_listed(filter, group), visible(request)
    key = ("tasks", str(filter), group, cursor, sight(request))

    async def read() -> Looked:
        return await _read(inspector, filter, jobs.in_group(group, look=seen(request)), queues, cursor)

    looked = await console.reads.get(key, read, seconds=1.0 if listed else kept(request, 10.0))
    parts.note(request, looked.unread)
    return looked


async def _read(
    inspector: Inspector, filter: Filter, where: Where | None, queues: Visible | None, cursor: str
) -> Looked:
    found: list[TaskInfo] = []
    scanned = total = 0
    next_cursor = ""
    unread: tuple[str, ...] = ()
    search = inspector.search(filter, limit=ROWS, scan=SCAN, cursor=cursor, where=where, queues=queues, latest=True)
    async for part in search:
        found += part.tasks
        scanned, total, next_cursor, unread = part.scanned, part.total, part.cursor, part.unread
    return Looked(tuple(found), scanned, total, next_cursor, unread)


async def figures(request: Request) -> Mapping[str, QueueStats]:
    """Return what each queue that the viewer sees holds, as far as it can be read."""
    inspector = await consoles.of(request).inspector()
    stats = await parts.part(request, "stats", inspector.stats_each) or {}
    sees = visible(request)
    known = {name: readable(found) for name, found in stats.items() if sees is None or sees(name)}
    return {name: found for name, found in known.items() if found is not None}


def counts(stats: Mapping[str, QueueStats], filter: Filter) -> dict[TaskState, int]:
    """Count the tasks of each state in the queues that a filter may find tasks in."""
    wanted = [found for name, found in stats.items() if filter.may_be("queue", name)]
    return {state: sum(int(getattr(found, state.value)) for found in wanted) for state in STATES}
