"""`onebeat schedule ls`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import click

from onebeat.cli import output
from onebeat.cli.documents import show_list
from onebeat.cli.output import BAD, DIM, WARN, Cell, count_cell
from onebeat.cli.schedules.choosing import gos
from onebeat.documents.schedules import Schedule
from onebeat.inspector.inspector import Inspector

STYLES = {"paused": WARN, "waiting": WARN, "orphaned": WARN, "error": BAD, "done": DIM}
"""How states stand out; those that are not here do not."""

LATE_MS = 10_000
"""The lateness that stands out."""

OVERDUE_S = 5.0
"""For so long a tick may be past before it is called overdue: upkeep looks every second, and clocks differ."""


async def list_schedules(
    url: str | None,
    patterns: Sequence[str],
    *,
    queue: str | None,
    states: Sequence[str],
    as_json: bool,
    as_lines: bool,
) -> None:
    async with Inspector(url) as inspector:
        rows = [Schedule.of(info) for info in await inspector.declared_schedules(queue)]
        rows += [row for row in map(Schedule.of_go, await gos(inspector)) if queue is None or row.queue == queue]
        where = inspector.store.endpoint.shown
    kept = [
        row
        for row in rows
        if (not states or row.state in states)
        and (not patterns or any(fnmatchcase(row.id, pattern) for pattern in patterns))
    ]
    kept.sort(key=lambda row: (row.next is None, row.next or datetime.max.replace(tzinfo=UTC), row.id))
    if as_json or as_lines:
        show_list(kept, as_lines=as_lines)
        return
    if not rows:
        click.echo(
            f"No schedules in {output.visible(where)}: no application with any has run, nor a scheduler of Go's."
        )
        return
    if not kept:
        click.echo(f"None of {output.counted(len(rows), 'schedule')} is so.")
        return
    _show(kept)


def _show(rows: Sequence[Schedule]) -> None:
    now = datetime.now(UTC)
    columns = ["id", "queue", "fires", "state", "next", "last", "late", "missed"]
    cells = [
        [
            Cell(row.id), Cell(row.queue or "-"), Cell(row.words), state_cell(row), next_cell(row, now),
            Cell(output.ago(row.last, now)), late_cell(row.late_ms), missed_cell(row.missed),
        ]
        for row in rows
    ]  # fmt: skip
    output.show_table(columns, cells, numbers=["late", "missed"], whole=["id", "state", "next"])
    notes = [f"{row.id}: {row.reason}" for row in rows if row.reason and row.state not in ("paused", "done")]
    if notes:
        output.note("\n".join(notes[:10]) + (f"\n… and {len(notes) - 10:,} more" if len(notes) > 10 else ""))


def state_cell(row: Schedule) -> Cell:
    told = f"{row.state} (Go)" if row.kept_by == "asynq" else row.state
    return Cell(told, STYLES.get(row.state, ""))


def next_cell(row: Schedule, now: datetime) -> Cell:
    """Say when it fires next, or that it should have."""
    if row.next is None:
        return Cell("-", DIM)
    overdue = (now - row.next).total_seconds()
    if overdue > OVERDUE_S:
        return Cell(f"overdue by {output.duration(overdue)}", BAD)
    return Cell("now" if overdue >= 0 else output.ago(row.next, now))


def late_cell(late_ms: float | None) -> Cell:
    """Say by how much a fire was late."""
    if late_ms is None:
        return Cell("-", DIM)
    told = f"{late_ms:.0f} ms" if late_ms < 1000 else output.duration(late_ms / 1000)
    return Cell(told, WARN if late_ms >= LATE_MS else "")


def missed_cell(missed: int | None) -> Cell:
    return Cell("-", DIM) if missed is None else count_cell(missed, WARN)
