"""`onebeat stats`: once, or as it changes."""

from __future__ import annotations

import click

from onebeat.cli.common import url_option
from onebeat.cli.documents import json_option
from onebeat.cli.loops import run_async
from onebeat.documents.queues import Stats


@click.command()
@url_option
@click.option(
    "-w",
    "--watch",
    "seconds",
    type=click.FloatRange(0.1, 3600),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Go on, every so many seconds (2), with rates; q or Ctrl-C ends it. Without a terminal, a line each time.",
)
@json_option("stats", Stats, streams=True)
def stats(url: str | None, seconds: float | None, as_json: bool, as_lines: bool) -> None:
    """Count what waits, runs and fails; with --watch as it changes."""
    if seconds is None:
        from onebeat.cli.stats.once import show_once

        run_async(show_once(url, as_json=as_json, as_lines=as_lines))
    else:
        from onebeat.cli.stats.watch import watch

        run_async(watch(url, seconds, as_lines=as_json or as_lines))
