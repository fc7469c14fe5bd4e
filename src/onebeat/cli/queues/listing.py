"""`onebeat queue ls`, and the table of queues that `stats` shows, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from onebeat.cli import output
from onebeat.cli.choosing import chosen
from onebeat.cli.documents import Listing
from onebeat.cli.output import BAD, WARN, Cell, count_cell
from onebeat.cli.terminal import console, is_terminal
from onebeat.documents.queues import QueueCounts, Totals, Unreadable, split
from onebeat.states import TaskState


def _falling(name: str) -> Callable[[QueueCounts], Any]:
    return lambda row: -getattr(row, name)


SORTS: dict[str, Callable[[QueueCounts], Any]] = {
    "name": lambda row: row.queue,
    "size": _falling("size"),
    **{state.value: _falling(state.value) for state in TaskState},
    "latency": _falling("latency_ms"),
    "processed": _falling("processed_today"),
    "failed": _falling("failed_today"),
}
"""By what queues may be sorted: names rise, numbers fall."""

SLOW_MS = 60_000
"""The latency that stands out."""

COLUMN_STYLES = {"retry": WARN, "archived": BAD}

EXPENDABLE = (
    "completed", "aggregating", "scheduled", "processed", "failed", "active", "archived", "retry", "failed/s", "size",
    "latency", "attempts/s",
)  # fmt: skip
"""Columns that a narrow screen goes without, in that order: no number is ever cut off."""


async def list_queues(
    url: str | None,
    patterns: Sequence[str],
    *,
    sort: str,
    limit: int | None,
    states: Sequence[str],
    paused: bool | None,
    as_json: bool,
    as_lines: bool,
) -> None:
    from onebeat.inspector.inspector import Inspector

    async with Inspector(url) as inspector:
        names = await chosen(inspector, patterns) if patterns else None
        rows, broken = split(await inspector.stats_each(names))
        where = inspector.store.endpoint.shown
    kept = [
        row
        for row in sorted(rows, key=lambda row: row.queue)
        if (paused is None or row.paused == paused) and (not states or any(getattr(row, state) for state in states))
    ]
    kept.sort(key=SORTS[sort])
    shown = kept if limit is None else kept[:limit]
    if as_json or as_lines:
        with Listing(as_lines=as_lines) as listing:
            for row in shown:
                listing.add(row)
    elif not rows and not broken:
        click.echo(f"No queues in {where} yet: nothing was enqueued.")
    elif not kept:
        click.echo(f"None of {output.counted(len(rows), 'queue')} is so.")
    else:
        show_queues(shown)
        if len(shown) < len(kept):
            output.note(f"{len(kept) - len(shown):,} more are not shown; --limit shows more.", matters=True)
    complain(broken)


def complain(broken: Sequence[Unreadable]) -> None:
    """Say which queues cannot be read, and end with status 1 if there are any."""
    for found in broken:
        click.echo(f"onebeat: queue {found.queue!r} cannot be read: {' '.join(found.error.split())}", err=True)
    if broken:
        raise SystemExit(1)


def show_queues(rows: Sequence[QueueCounts], totals: Totals | None = None) -> None:
    """
    Print a table of queues, without the states that hold no task, and a last row with their sums; on a narrow terminal
    without some more.
    """
    columns, cells = queue_table(rows, totals)
    told = "States that hold no task are left out; processed and failed count today's attempts (UTC)."
    if is_terminal():
        columns, cells, gone = fitting(columns, cells, console().width)
        told += f" A wider terminal has {output.listed(gone)} as well." if gone else ""
    output.show_table(columns, cells, numbers=columns[1:], whole=columns[:1])
    output.note(told)


def fitting(columns: list[str], cells: list[list[Cell]], width: int) -> tuple[list[str], list[list[Cell]], list[str]]:
    """Leave out columns until a table of queues fits; returns their names, too."""
    gone: list[str] = []
    for name in EXPENDABLE:
        if output.least_width(columns, cells, set(columns)) <= width:
            break
        if name in columns:
            i = columns.index(name)
            columns, cells = columns[:i] + columns[i + 1 :], [line[:i] + line[i + 1 :] for line in cells]
            gone.append(name)
    return columns, cells, gone


def queue_table(
    rows: Sequence[QueueCounts], totals: Totals | None = None, *, every: bool = False
) -> tuple[list[str], list[list[Cell]]]:
    """Return the columns and cells of a table of queues; `every` keeps states that hold no task."""
    states = [
        state.value for state in TaskState if every or any(getattr(row, state.value) for row in (*rows, totals) if row)
    ]
    columns = ["queue", "size", *states, "processed", "failed", "latency"]
    cells = [[_name(row), *_numbers(row, states)] for row in rows]
    if totals is not None and totals.queues > 1:
        cells.append([Cell("total", "bold"), *_numbers(totals, states)])
    return columns, cells


def _name(row: QueueCounts) -> Cell:
    return Cell(f"{row.queue} (paused)", WARN) if row.paused else Cell(row.queue)


def _numbers(row: QueueCounts | Totals, states: Sequence[str]) -> list[Cell]:
    latency = output.duration(row.latency_ms / 1000) if row.latency_ms else "-"
    return [
        count_cell(row.size),
        *(count_cell(getattr(row, state), COLUMN_STYLES.get(state, "")) for state in states),
        count_cell(row.processed_today),
        count_cell(row.failed_today, WARN),
        Cell(latency, WARN if row.latency_ms >= SLOW_MS else ""),
    ]
