"""`onebeat group`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from onebeat.cli import completing, output
from onebeat.cli.choosing import chosen
from onebeat.cli.common import Noun, url_option
from onebeat.cli.documents import Listing, json_option
from onebeat.cli.loops import run_async
from onebeat.cli.output import count_cell
from onebeat.documents.queues import Group


@click.group(cls=Noun)
def group() -> None:
    """Groups of tasks that wait to be aggregated."""


@group.command("ls")
@url_option
@click.option(
    "-q", "--queue", "queues", multiple=True, shell_complete=completing.queues,
    help="Only of this queue, or of those that a pattern fits. May be repeated. Default: all queues.",
)  # fmt: skip
@json_option("group ls", list[Group], streams=True)
def group_ls(url: str | None, queues: tuple[str, ...], as_json: bool, as_lines: bool) -> None:
    """List the groups: how many tasks wait in each, and how many are being aggregated."""
    run_async(_list(url, queues, as_json=as_json, as_lines=as_lines))


async def _list(url: str | None, queues: Sequence[str], *, as_json: bool, as_lines: bool) -> None:
    from onebeat.inspector.inspector import Inspector

    async with Inspector(url) as inspector:
        names = await chosen(inspector, queues, every=not queues)
        if as_json or as_lines:
            with Listing(as_lines=as_lines) as listing:
                for name in names:
                    for info in await inspector.groups(name):
                        listing.add(Group.of(info))
            return
        found = [info for name in names for info in await inspector.groups(name)]
    if not found:
        click.echo(f"No groups in {output.listed(queues) if queues else 'any queue'}.")
        return
    columns = ["queue", "group", "waiting", "being aggregated"]
    rows = [[info.queue, info.name, count_cell(info.size), count_cell(info.staged)] for info in found]
    output.show_table(columns, rows, numbers=columns[2:], whole=columns[:2])
