"""`onebeat queue inspect` and `history`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from onebeat.cli import output
from onebeat.cli.choosing import chosen
from onebeat.cli.documents import show, show_list
from onebeat.cli.output import BAD, DIM, WARN, Cell, count_cell
from onebeat.cli.queues.listing import COLUMN_STYLES
from onebeat.documents.queues import Day, Details
from onebeat.inspector.inspector import Inspector
from onebeat.states import TaskState

TYPES, GROUPS = 10, 20
"""How many are shown; JSON has all."""


async def inspect_queues(url: str | None, names: Sequence[str], *, every: bool, sample: int, as_json: bool) -> None:
    """Show queues one after another, as they are read."""
    async with Inspector(url) as inspector:
        found: list[Details] = []
        for i, name in enumerate(await chosen(inspector, names, every=every)):
            slot, nodes = await inspector.key_slot(name), await inspector.nodes(name)
            details = Details.of(await inspector.details(name, sample=sample), slot, nodes)
            if as_json:
                found.append(details)
                continue
            if i:
                click.echo()
            _show(details, is_cluster=inspector.store.is_spread)
    if as_json:
        show(found)


def _show(found: Details, *, is_cluster: bool) -> None:
    now, counts = datetime.now(UTC), found.counts
    facts: list[tuple[str, Cell]] = [
        ("queue", Cell(found.queue, "bold")),
        ("is", _condition(found, now)),
        ("size", Cell(output.counted(counts.size, "task"))),
        *((state.value, _count(counts, state.value)) for state in TaskState if getattr(counts, state.value)),
        *([("staged", count_cell(counts.staged))] if counts.staged else []),
        ("oldest pending", _oldest(counts.latency_ms, counts.pending)),
        ("next due", Cell(output.ago(found.next_due, now))),
        ("today", _attempts(counts.processed_today, counts.failed_today)),
        ("in all", _attempts(counts.processed, counts.failed)),
        ("memory", _memory(found)),
        ("served by", _servers(found)),
    ]
    if is_cluster:
        facts.append(("kept by", Cell(f"{', '.join(found.nodes)}, in slot {found.key_slot}")))
    if found.sampled:
        facts.append((f"types of the next {found.sampled:,}", _types(found)))
    if found.groups:
        facts.append((output.counted(len(found.groups), "group"), _groups(found)))
    output.show_facts(facts)
    for sentence in found.unread:
        output.note(f"Not shown: {sentence}", matters=True)


def _count(counts: object, state: str) -> Cell:
    return count_cell(getattr(counts, state), COLUMN_STYLES.get(state, ""))


def _condition(found: Details, now: datetime) -> Cell:
    if not found.counts.paused:
        return Cell("running")
    since = f" for {output.duration((now - found.paused_since).total_seconds())}" if found.paused_since else ""
    return Cell(f"paused{since}: servers take no tasks of it", WARN)


def _oldest(latency_ms: int, pending: int) -> Cell:
    if latency_ms:
        return Cell(f"has waited {output.duration(latency_ms / 1000)}")
    return Cell("since nobody knows when" if pending else "-")


def _attempts(processed: int, failed: int) -> Cell:
    if not processed:
        return Cell("no attempts", DIM)
    told = f"{output.counted(processed, 'attempt')}, {failed:,} failed ({output.share(failed, processed)})"
    return Cell(told, WARN if failed else "")


def _memory(found: Details) -> Cell:
    if found.memory_bytes is None:
        return Cell(f"unknown: {found.memory_refusal}", DIM)
    return Cell(f"about {output.size(found.memory_bytes)}")


def _servers(found: Details) -> Cell:
    if not found.servers:
        return Cell("nobody: no live server serves it", BAD if found.counts.pending else WARN)
    return Cell(
        "; ".join(
            f"{server.host}:{server.pid} with weight {server.weight}{' of strict' if server.strict_priority else ''}, "
            f"{server.active_workers} of {server.concurrency} at work"
            + ("" if server.status == "active" else f" ({server.status})")
            for server in found.servers
        )
    )


def _types(found: Details) -> Cell:
    told = [f"{kind.type or 'unreadable'} {kind.count:,}" for kind in found.types[:TYPES]]
    if len(found.types) > TYPES:
        told.append(f"and {len(found.types) - TYPES:,} more types")
    return Cell(", ".join(told))


def _groups(found: Details) -> Cell:
    told = [f"{group.name} {group.size:,}" for group in found.groups[:GROUPS]]
    if len(found.groups) > GROUPS:
        told.append(f"and {len(found.groups) - GROUPS:,} more")
    return Cell(", ".join(told))


async def show_history(
    url: str | None, names: Sequence[str], *, every: bool, days: int, as_json: bool, as_lines: bool
) -> None:
    """Show a table of days, of all queues that were chosen."""
    async with Inspector(url) as inspector:
        queues = await chosen(inspector, names, every=every)
        found = [Day.of(day) for name in queues for day in await inspector.history(name, days)]
    if as_json or as_lines:
        show_list(found, as_lines=as_lines)
        return
    if not found:
        click.echo("There are no queues.")
        return
    rows = [
        [
            Cell(day.queue), Cell(day.day.isoformat()), count_cell(day.processed), count_cell(day.failed, WARN),
            Cell(output.share(day.failed, day.processed)),
        ]
        for day in found
    ]  # fmt: skip
    columns = ["queue", "day (UTC)", "processed", "failed", "error rate"]
    output.show_table(columns, rows, numbers=columns[2:], whole=columns[:2])
