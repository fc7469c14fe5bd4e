"""`onebeat schedule`: its verbs."""

from __future__ import annotations

import click

from onebeat.cli import completing
from onebeat.cli.common import Decorator, Noun, url_option
from onebeat.cli.documents import json_option
from onebeat.cli.loops import run_async
from onebeat.cli.writing import write_options
from onebeat.documents.schedules import Coming, History, Schedule, ScheduleDetails

STATES = ("live", "paused", "waiting", "orphaned", "done", "error")

one_schedule: Decorator = click.argument("schedule_id", metavar="ID", shell_complete=completing.schedules)
some_schedules: Decorator = click.argument("ids", nargs=-1, shell_complete=completing.schedules)
all_schedules: Decorator = click.option("--all", "every", is_flag=True, help="All schedules of Onebeat.")
one_queue: Decorator = click.option("-q", "--queue", help="Only those of this queue.", shell_complete=completing.queues)


@click.group(cls=Noun)
def schedule() -> None:
    """When schedules fire and fired; pause, resume, run."""


@schedule.command("ls")
@url_option
@click.argument("patterns", nargs=-1, shell_complete=completing.schedules)
@one_queue
@click.option(
    "-s",
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only those in this state, or another that is named. May be repeated.",
)
@json_option("schedule ls", list[Schedule], streams=True)
def schedule_ls(
    url: str | None,
    patterns: tuple[str, ...],
    queue: str | None,
    states: tuple[str, ...],
    as_json: bool,
    as_lines: bool,
) -> None:
    """List the schedules, Onebeat's and Go's, next to fire first; only those that PATTERNS fit, if there are any."""
    from onebeat.cli.schedules.listing import list_schedules

    run_async(list_schedules(url, patterns, queue=queue, states=states, as_json=as_json, as_lines=as_lines))


@schedule.command("show")
@url_option
@one_schedule
@json_option("schedule show", ScheduleDetails)
def schedule_show(url: str | None, schedule_id: str, as_json: bool) -> None:
    """Show all of a schedule: its definition, how it stands and why, its counts, and who declares it."""
    from onebeat.cli.schedules.showing import show_schedule

    run_async(show_schedule(url, schedule_id, as_json=as_json))


@schedule.command("next")
@url_option
@one_schedule
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@json_option("schedule next", Coming)
def schedule_next(url: str | None, schedule_id: str, count: int, as_json: bool) -> None:
    """Show the coming ticks of a schedule, in UTC and in its own time zone."""
    from onebeat.cli.schedules.showing import show_coming

    run_async(show_coming(url, schedule_id, count=count, as_json=as_json))


@schedule.command("history")
@url_option
@click.argument("ids", nargs=-1, required=True, shell_complete=completing.schedules)
@click.option("--page", type=int, default=1, show_default=True, help="From 1; 0 is the last.")
@click.option("--size", type=int, default=30, show_default=True, help="Fires per page; 0 is all that are kept, 50.")
@json_option("schedule history", list[History], streams=True)
def schedule_history(
    url: str | None, ids: tuple[str, ...], page: int, size: int, as_json: bool, as_lines: bool
) -> None:
    """Show when schedules fired, how late, and what became of the tasks, the latest first."""
    from onebeat.cli.schedules.showing import show_history

    run_async(show_history(url, ids, page=page, size=size, as_json=as_json, as_lines=as_lines))


@schedule.command("pause")
@url_option
@some_schedules
@all_schedules
@one_queue
@write_options
def schedule_pause(
    url: str | None, ids: tuple[str, ...], every: bool, queue: str | None, yes: bool, dry_run: bool
) -> None:
    """Let schedules fire at no tick until they are resumed, over restarts and deploys; IDS may be patterns."""
    from onebeat.cli.schedules.changing import pause_schedules

    run_async(pause_schedules(url, ids, every=every, queue=queue, yes=yes, dry_run=dry_run))


@schedule.command("resume")
@url_option
@some_schedules
@all_schedules
@one_queue
@click.option(
    "--missed",
    type=click.Choice(["skip", "once", "all"]),
    default="skip",
    show_default=True,
    help="Of the ticks that passed: fire none, the latest, or all of up to 1,000, the oldest first.",
)
@write_options
def schedule_resume(
    url: str | None, ids: tuple[str, ...], every: bool, queue: str | None, missed: str, yes: bool, dry_run: bool
) -> None:
    """Let paused schedules fire again, in their old phase; IDS may be patterns."""
    from onebeat.cli.schedules.changing import resume_schedules

    run_async(resume_schedules(url, ids, every=every, queue=queue, missed=missed, yes=yes, dry_run=dry_run))


@schedule.command("run")
@url_option
@one_schedule
@click.option("-l", "--payload", help="In place of its own, as it is: JSON for tasks that are declared.")
@click.option("--key", help="The same key does not run it twice while the first task exists. Default: a random one.")
@write_options
def schedule_run(
    url: str | None, schedule_id: str, payload: str | None, key: str | None, yes: bool, dry_run: bool
) -> None:
    """Enqueue the task of a schedule now, beside its ticks; a paused one, too."""
    from onebeat.cli.schedules.changing import run_schedule

    run_async(run_schedule(url, schedule_id, payload=payload, key=key, yes=yes, dry_run=dry_run))
