"""`onebeat stats` and `onebeat queue`."""

from __future__ import annotations

import dataclasses

import click

from onebeat.cli import output
from onebeat.cli.common import url_option
from onebeat.cli.loops import run_async
from onebeat.states import TaskState


@click.command()
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(url: str | None, as_json: bool) -> None:
    """Count the tasks of all queues."""
    run_async(_stats(url, as_json))


@click.group()
def queue() -> None:
    """Queues."""


@queue.command("ls")
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def queue_ls(url: str | None, as_json: bool) -> None:
    """List the queues and what they hold."""
    run_async(_stats(url, as_json, totals=False))


async def _stats(url: str | None, as_json: bool, *, totals: bool = True) -> None:
    from onebeat.inspector.inspector import Inspector

    async with Inspector(url) as inspector:
        found = {name: await inspector.stats(name) for name in await inspector.queues()}
        where = inspector.store.endpoint.shown
    if as_json:
        rows = [{"queue": name, "size": item.size, **dataclasses.asdict(item)} for name, item in found.items()]
        output.show_json({"store": where, "queues": rows} if totals else rows)
        return
    if not found:
        click.echo(f"No queues in {where} yet: nothing was enqueued.")
        return
    states = [state.value for state in TaskState if any(getattr(item, state.value) for item in found.values())]
    columns = ["queue", "size", *states, "processed", "failed", "latency"]
    rows_shown = [
        [
            f"{name} (paused)" if item.paused else name,
            item.size,
            *(getattr(item, state) for state in states),
            item.processed_today,
            item.failed_today,
            output.duration(item.latency_ms / 1000) if item.latency_ms else "-",
        ]
        for name, item in found.items()
    ]
    if totals and len(found) > 1:
        rows_shown.append(["total", *(sum(int(row[i]) for row in rows_shown) for i in range(1, len(columns) - 1)), ""])
    output.show_table(columns, rows_shown, numbers=columns[1:])
    click.echo("States that hold no task are left out; processed and failed count today's attempts (UTC).")
