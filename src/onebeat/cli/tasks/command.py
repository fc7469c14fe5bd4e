"""`onebeat task`: its verbs that look, and `enqueue`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from onebeat.cli import completing
from onebeat.cli.common import Noun, url_option
from onebeat.cli.documents import json_option
from onebeat.cli.loops import run_async
from onebeat.cli.tasks.times import MOMENT, SPAN
from onebeat.cli.tasks.verbs import task_archive, task_cancel, task_rm, task_run, task_update
from onebeat.cli.tasks.where import Where, where_options
from onebeat.cli.writing import write_options
from onebeat.documents.tasks import EnqueuedRow, TaskDetails, TaskRow

ALIASES = {"retry": "run", "runall": "run", "archiveall": "archive", "deleteall": "rm"}


@click.group(cls=Noun, aliases=ALIASES)
def task() -> None:
    """Find, show, enqueue, change, run, archive, cancel, delete."""


@task.command("ls")
@url_option
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@where_options
@click.option("-n", "--limit", type=click.IntRange(0), default=50, show_default=True, help="Tasks to find; 0: all.")
@click.option("--scan", type=click.IntRange(1), help="Tasks to look at, at most.")
@click.option("--cursor", default="", help="Go on where a search by the same filter ended.")
@click.option("--page", type=int, help="A page of one queue and state, numbered as asynq does: from 1; 0 is the last.")
@click.option("--size", type=int, default=30, show_default=True, help="Tasks per --page.")
@json_option("task ls", list[TaskRow], streams=True)
def task_ls(url: str | None, words: tuple[str, ...], **given: Any) -> None:
    """
    Find tasks: what waits, runs, was retained, or was archived and why. Failed ones are in retry and archived.

    FILTER is words such as type:mail:* state:archived age>2h payload.user.id=42, all of which must fit.
    """
    from onebeat.cli.tasks.listing import list_tasks

    run_async(list_tasks(url, Where.taken(given), words, **given))


@task.command("show")
@url_option
@click.argument("ids", nargs=-1, shell_complete=completing.task_ids)
@click.option("-i", "--id", "more_ids", multiple=True, help="The task's id, as asynq has it.")
@click.option("-q", "--queue", shell_complete=completing.queues, help="Its queue. Default: looked for in all.")
@click.option("--full", is_flag=True, help="Tracebacks of past attempts as well, and payloads to their end.")
@click.option("--raw", is_flag=True, help="Its record as well, as it stands in the store.")
@json_option("task show", list[TaskDetails])
def task_show(
    url: str | None, ids: tuple[str, ...], more_ids: tuple[str, ...], queue: str | None,
    full: bool, raw: bool, as_json: bool,
) -> None:  # fmt: skip
    """
    Show all that is known of tasks: state, times, failures, payload, result, lock, who runs them, schedule, attempts.
    """
    from onebeat.cli.tasks.showing import show_tasks

    if not ids and not more_ids:
        raise click.UsageError("Name a task by its id: `onebeat task ls` lists them.", click.get_current_context())
    run_async(show_tasks(url, [*ids, *more_ids], queue, full=full, raw=raw, as_json=as_json))


@task.command("enqueue")
@url_option
@click.argument("words", nargs=-1, metavar="[TYPE] [NAME=VALUE]...")
@click.option("-t", "--type", "--type-name", "type_name", help="The task's type, if it is not the first word.")
@click.option("-l", "--payload", help="The payload: itself, @file, or - for standard input.")
@click.option("-q", "--queue", shell_complete=completing.queues, help="Default: its declaration's, or default.")
@click.option("--id", "task_id", help="Its id. Default: a new one.")
@click.option("--retry", "--max-retry", "max_retry", type=int, help="How often it is retried.")
@click.option("--timeout", type=SPAN, help="How long an attempt may take.")
@click.option("--deadline", type=MOMENT, help="Until when it may run.")
@click.option("--unique", type=SPAN, help="For how long no other of its type and payload is accepted.")
@click.option("--process-at", type=MOMENT, help="When it is due.")
@click.option("--process-in", type=SPAN, help="In how long it is due.")
@click.option("--expires", type=SPAN, help="How long it is worth starting, from when it is due.")
@click.option("--retention", type=SPAN, help="How long it is kept once it is completed.")
@click.option("--group", help="The group it waits in to be aggregated.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header. May be repeated.")
@click.option("--count", type=click.IntRange(1, 100_000), default=1, help="How many of it.")
@click.option("--app", help="The application (module:app) whose declarations count. Default: the project's.")
@click.option("--raw", is_flag=True, help="Do not check it against any declaration.")
@json_option("task enqueue", list[EnqueuedRow])
@write_options
def task_enqueue(
    url: str | None, words: tuple[str, ...], type_name: str | None, payload: str | None,
    headers: tuple[str, ...], count: int, app: str | None, raw: bool, as_json: bool, yes: bool, dry_run: bool,
    **options: str | int | datetime | timedelta | None,
) -> None:  # fmt: skip
    """
    Enqueue a task: its TYPE, and its arguments by name, or a payload.

    Arguments of a task that the application declares are checked against its signature. Without a declaration, what
    is JSON among them is taken as such, and anything else as text.
    """
    from onebeat.cli.tasks.enqueueing import Wanted, enqueue
    from onebeat.cli.tasks.payloads import pairs

    if type_name is None and (not words or "=" in words[0]):
        raise click.UsageError(
            "Name the task's type: `onebeat task enqueue mail:send to=ada`.", click.get_current_context()
        )
    type_name, words = (words[0], words[1:]) if type_name is None else (type_name, words)
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if headers:
        given["headers"] = pairs(headers)
    wanted = Wanted(type_name, words, payload, app, raw, count, given)
    run_async(enqueue(url, wanted, yes=yes, dry_run=dry_run, as_json=as_json))


for _verb in (task_run, task_archive, task_cancel, task_rm, task_update):
    task.add_command(_verb)
