"""`onebeat task ls`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from onebeat.cli import output
from onebeat.cli.documents import Listing
from onebeat.cli.output import Cell, state_cell
from onebeat.cli.progress import Progress
from onebeat.cli.tasks.where import Where
from onebeat.documents.tasks import task_row
from onebeat.states import TaskState
from onebeat.task import TaskInfo

if TYPE_CHECKING:
    from onebeat.inspector.found import Found
    from onebeat.inspector.inspector import Inspector

Column = tuple[str, Callable[[TaskInfo, datetime], str]]


def _ago(get: Callable[[TaskInfo], datetime | None]) -> Callable[[TaskInfo, datetime], str]:
    return lambda info, now: output.ago(get(info), now)


_ERROR: Column = ("last error", lambda info, _: output.readable(info.last_error.encode()))
_DUE = _ago(lambda info: info.next_process_at)
_FAILED: Column = ("last failed", _ago(lambda info: info.last_failed_at))
_RETRIED: Column = ("retried", lambda info, _: f"{info.retried}/{info.max_retry}")

COLUMNS: dict[TaskState, Sequence[Column]] = {
    TaskState.PENDING: (("waits since", _ago(lambda info: info.pending_since)), _RETRIED),
    TaskState.ACTIVE: (("orphaned", lambda info, _: "yes" if info.is_orphaned else "-"), _RETRIED),
    TaskState.SCHEDULED: (("process in", _DUE),),
    TaskState.RETRY: (("next retry", _DUE), _RETRIED, _FAILED, _ERROR),
    TaskState.ARCHIVED: (_FAILED, _RETRIED, _ERROR),
    TaskState.COMPLETED: (
        ("completed", _ago(lambda info: info.completed_at)),
        ("result", lambda info, _: output.readable(info.result or b"")),
    ),
    TaskState.AGGREGATING: (("group", lambda info, _: info.group),),
}
"""What a table shows beside id, type and payload, by state: as asynq's, and how often a task was retried."""

MANY = 2_000
"""Tasks to look at, from which on it is said how far a search is."""

FOLDED = ("payload", "last error", "result")


async def list_tasks(
    url: str | None, where: Where, words: Sequence[str], *, limit: int, scan: int | None, cursor: str,
    page: int | None, size: int, as_json: bool, as_lines: bool,
) -> None:  # fmt: skip
    """Search, or read one page of a state, and show what is found."""
    from onebeat.inspector.inspector import Inspector

    chosen = where.filter(words)  # what cannot be read is refused before the store is asked
    async with Inspector(url) as inspector:
        if page is not None:
            await _show_page(inspector, where, words, page, size, as_json=as_json, as_lines=as_lines)
            return
        found: list[TaskInfo] = []
        last: Found | None = None
        steps = inspector.search(chosen, limit=limit or None, scan=scan, cursor=cursor)
        if as_json or as_lines:
            with Listing(as_lines=as_lines) as listing:
                async for last in steps:
                    for info in last.tasks:
                        listing.add(task_row(info))
                        found.append(info)
        else:
            with Progress("shown") as progress:
                async for last in steps:
                    found += last.tasks
                    if last.total >= MANY:
                        progress(last.scanned, last.total)
            show_tasks(found, nothing=f"No tasks that fit {chosen}." if chosen.words else "No tasks.")
        _say_how_far(last, len(found))


async def _show_page(
    inspector: Inspector, where: Where, words: Sequence[str], page: int, size: int, *, as_json: bool, as_lines: bool
) -> None:
    is_plain = not (words or where.types or where.older or where.error or where.where)
    if not is_plain or len(where.queues) != 1 or len(where.states) != 1:
        raise click.UsageError(
            "--page is for one --queue and one --state, without a filter: asynq's pages. Otherwise use --limit and "
            "--cursor.",
            click.get_current_context(),
        )
    [queue], [state] = where.queues, where.states
    found = await inspector.page(queue, state=state, group=where.group or "", page=page, size=size)
    if as_json or as_lines:
        with Listing(as_lines=as_lines) as listing:
            for info in found:
                listing.add(task_row(info))
        return
    show_tasks(found, nothing=f"No {state} tasks in queue {output.visible(queue)} on page {page}.")


def _say_how_far(last: Found | None, count: int) -> None:
    if last is None:
        return
    total = max(last.total, last.scanned)
    told = f"{output.counted(count, 'task')} found; looked at {last.scanned:,} of {total:,}."
    if last.cursor:
        told += f" There may be more: --limit shows more at once, --cursor {last.cursor} goes on."
    output.note(told, matters=bool(last.cursor))
    for sentence in last.unread:
        output.note(f"Left out: {sentence}", matters=True)


def show_tasks(found: Sequence[TaskInfo], *, nothing: str) -> None:
    """Print a table for each state that there is a task of."""
    if not found:
        click.echo(output.visible(nothing))
        return
    now = datetime.now(UTC)
    states = [state for state in TaskState if any(info.state is state for info in found)]
    with_queue = len({info.queue for info in found}) > 1
    for state in states:
        some = [info for info in found if info.state is state]
        if len(states) > 1:
            click.echo(f"{'' if state is states[0] else chr(10)}{state.value} ({len(some)})")
        _show_table(state, some, now, with_queue=with_queue)


def _show_table(state: TaskState, some: Sequence[TaskInfo], now: datetime, *, with_queue: bool) -> None:
    more = COLUMNS[state]
    columns = ["id", *(["queue"] if with_queue else []), "type", "payload", *(name for name, _ in more)]
    rows = [
        [
            Cell(info.id, state_cell(state.value).style),
            *([info.queue] if with_queue else []),
            info.type or "(no message)",
            output.readable(info.payload),
            *(show(info, now) for _, show in more),
        ]
        for info in some
    ]
    output.show_table(columns, rows, whole=[name for name in columns if name not in FOLDED], least=20)
