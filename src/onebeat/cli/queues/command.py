"""`onebeat queue`: its verbs."""

from __future__ import annotations

import click

from onebeat.cli import completing
from onebeat.cli.common import Decorator, Noun, url_option
from onebeat.cli.documents import json_option
from onebeat.cli.loops import run_async
from onebeat.cli.queues.listing import SORTS, list_queues
from onebeat.cli.writing import write_options
from onebeat.documents.queues import Day, Details, QueueCounts
from onebeat.states import TaskState

some_queues: Decorator = click.argument("queues", nargs=-1, shell_complete=completing.queues)
all_queues: Decorator = click.option("--all", "every", is_flag=True, help="All queues.")


@click.group(cls=Noun)
def queue() -> None:
    """What queues hold and who serves them; pause, resume, remove."""


@queue.command("ls")
@url_option
@click.argument("patterns", nargs=-1, shell_complete=completing.queues)
@click.option("--sort", type=click.Choice(list(SORTS)), default="name", show_default=True, help="Numbers fall.")
@click.option("-n", "--limit", type=click.IntRange(1), help="How many to show at most. Default: all.")
@click.option(
    "-s",
    "--state",
    "states",
    type=click.Choice([state.value for state in TaskState]),
    multiple=True,
    help="Only those that hold tasks in this state, or another that is named. May be repeated.",
)
@click.option("--paused/--running", default=None, help="Only those that are paused, or are not.")
@json_option("queue ls", list[QueueCounts], streams=True)
def queue_ls(
    url: str | None,
    patterns: tuple[str, ...],
    sort: str,
    limit: int | None,
    states: tuple[str, ...],
    paused: bool | None,
    as_json: bool,
    as_lines: bool,
) -> None:
    """List the queues and what they hold; only those that PATTERNS fit, such as 'mail-*', if there are any."""
    run_async(
        list_queues(
            url, patterns, sort=sort, limit=limit, states=states, paused=paused, as_json=as_json, as_lines=as_lines
        )
    )


@queue.command("inspect")
@url_option
@some_queues
@all_queues
@click.option(
    "--sample",
    type=click.IntRange(0, 10_000),
    default=500,
    show_default=True,
    help="Of how many pending tasks the types are counted.",
)
@json_option("queue inspect", list[Details])
def queue_inspect(url: str | None, queues: tuple[str, ...], every: bool, sample: int, as_json: bool) -> None:
    """Show all of QUEUES: their tasks, oldest and next, memory, types, groups, and who serves them."""
    from onebeat.cli.queues.inspecting import inspect_queues

    run_async(inspect_queues(url, queues, every=every, sample=sample, as_json=as_json))


@queue.command("history")
@url_option
@some_queues
@all_queues
@click.option("-x", "--days", type=click.IntRange(1, 3650), default=10, show_default=True, help="Kept are 90.")
@json_option("queue history", list[Day], streams=True)
def queue_history(
    url: str | None, queues: tuple[str, ...], every: bool, days: int, as_json: bool, as_lines: bool
) -> None:
    """Show what QUEUES did on each of the last days (UTC), today first."""
    from onebeat.cli.queues.inspecting import show_history

    run_async(show_history(url, queues, every=every, days=days, as_json=as_json, as_lines=as_lines))


@queue.command("pause")
@url_option
@some_queues
@all_queues
@write_options
def queue_pause(url: str | None, queues: tuple[str, ...], every: bool, yes: bool, dry_run: bool) -> None:
    """Stop servers from taking tasks of QUEUES. What runs goes on."""
    from onebeat.cli.queues.changing import set_paused

    run_async(set_paused(url, queues, paused=True, every=every, yes=yes, dry_run=dry_run))


@queue.command("resume")
@url_option
@some_queues
@all_queues
@write_options
def queue_resume(url: str | None, queues: tuple[str, ...], every: bool, yes: bool, dry_run: bool) -> None:
    """Let servers take tasks of QUEUES again."""
    from onebeat.cli.queues.changing import set_paused

    run_async(set_paused(url, queues, paused=False, every=every, yes=yes, dry_run=dry_run))


@queue.command("rm")
@url_option
@some_queues
@all_queues
@click.option("-f", "--force", is_flag=True, help="Also if tasks wait in it, are archived, or retained.")
@write_options
def queue_rm(url: str | None, queues: tuple[str, ...], every: bool, force: bool, yes: bool, dry_run: bool) -> None:
    """Remove QUEUES and all that is their own: tasks, counters, locks, groups, schedules."""
    from onebeat.cli.queues.changing import remove_queues

    run_async(remove_queues(url, queues, every=every, force=force, yes=yes, dry_run=dry_run))
