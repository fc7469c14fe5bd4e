"""`onebeat stats`, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from onebeat.cli import output
from onebeat.cli.documents import show, show_line
from onebeat.cli.output import BAD, WARN, Cell, count_cell
from onebeat.cli.queues.listing import COLUMN_STYLES, complain, show_queues
from onebeat.documents.queues import Stats, Store
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.models import ServerInfo
from onebeat.states import TaskState


async def read(inspector: Inspector) -> Stats:
    """Count all queues."""
    return Stats.of(await inspector.stats_each(), await inspector.store_info(), datetime.now(UTC))


async def show_once(url: str | None, *, as_json: bool, as_lines: bool) -> None:
    """Show three tables: tasks by state, by queue, and of today; then the store."""
    async with Inspector(url) as inspector:
        found, servers = await read(inspector), await inspector.servers()
    if as_json:
        show(found)
    elif as_lines:
        show_line(found)
    elif not found.queues and not found.unreadable:
        click.echo(f"No queues in {found.store} yet: nothing was enqueued.")
    else:
        _show(found, servers)
    complain(found.unreadable)


def _show(found: Stats, servers: Sequence[ServerInfo]) -> None:
    """The longest first: the sums are what one still sees where the rows have scrolled away."""
    states = [state.value for state in TaskState]
    totals = found.totals
    show_queues(found.queues, totals)
    click.echo()
    sums = [count_cell(getattr(totals, name), COLUMN_STYLES.get(name, "")) for name in states]
    output.show_table(["all queues", *states], [[Cell("tasks"), *sums]], numbers=states, whole=["all queues"])
    click.echo()
    counts = [count_cell(totals.processed_today), count_cell(totals.failed_today, WARN)]
    columns = ["today (UTC)", "processed", "failed", "error rate"]
    row = [Cell(f"{found.at:%Y-%m-%d}"), *counts, Cell(output.share(totals.failed_today, totals.processed_today))]
    output.show_table(columns, [row], numbers=columns[1:], whole=columns[:1])
    click.echo()
    output.show_facts([("servers", _servers(servers)), ("store", store_line(found.info))])


def _servers(servers: Sequence[ServerInfo]) -> Cell:
    """Say how many live, and how much of what they can do they do."""
    if not servers:
        return Cell("none lives: nothing is run", BAD)
    busy, slots = sum(one.active_workers for one in servers), sum(one.concurrency for one in servers)
    return Cell(f"{len(servers):,} live; tasks run in {busy:,} of {output.counted(slots, 'slot')}")


def store_line(info: Store) -> str:
    """Say of a store what one asks first."""
    of = f" of {output.size(info.memory_limit_bytes)}" if info.memory_limit_bytes else ""
    cluster = ""
    if info.cluster_state is not None:
        cluster = f", cluster {info.cluster_state}: {info.cluster_size} primaries, {info.cluster_nodes} nodes; this one"
    return (
        f"{info.kind} {info.version} at {info.address}{cluster}, up {output.duration(info.uptime_s)}, "
        f"memory {output.size(info.memory_bytes)}{of} (peak {output.size(info.memory_peak_bytes)}), "
        f"{output.counted(info.clients, 'client')}"
    )
