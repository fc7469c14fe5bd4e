"""`onebeat task`: its verbs that change tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from onebeat.cli import completing
from onebeat.cli.common import url_option
from onebeat.cli.loops import run_async
from onebeat.cli.tasks.times import MOMENT, SPAN, ParamType
from onebeat.cli.tasks.where import Where, where_options
from onebeat.cli.writing import write_options


class Rate(ParamType):
    """So many a second: 50, 50/s, 300/m."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        number, _, unit = str(value).partition("/")
        try:
            rate = float(number) / {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}[unit]
        except (ValueError, KeyError):
            rate = 0.0
        if not 0 < rate < float("inf"):
            self.fail(f"{value!r} is no rate: write 50/s or 300/m", param, ctx)
        return rate


def choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a verb take which tasks, and how."""
    options: list[Callable[[Any], Any]] = [
        url_option,
        click.argument("ids", nargs=-1, shell_complete=completing.task_ids),
        click.option("-i", "--id", "more_ids", multiple=True, help="A task's id, as asynq has it."),
        where_options,
        click.option(
            "--all", "every", is_flag=True, help="All tasks that it applies to, of the --queue if one is named."
        ),
        click.option("-n", "--limit", type=click.IntRange(1), help="Of so many at most."),
        click.option(
            "--rate", type=Rate(), metavar="N/s", help="So many a second at most. Default: as fast as it goes."
        ),
        write_options,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _act(action: str, given: dict[str, Any]) -> None:
    from onebeat.cli.tasks.acting import How, act

    url, ids, every = given.pop("url"), [*given.pop("ids"), *given.pop("more_ids")], given.pop("every")
    run_async(act(url, action, ids, Where.taken(given), every=every, how=How(**given)))


@click.command("run")
@choosing
def task_run(**given: Any) -> None:
    """
    Make tasks pending now: scheduled, retry, archived, completed ones, or those of a group.

    Name them by IDS (- reads some from standard input), or say which by --state, --where and so on.
    """
    _act("run", given)


@click.command("archive")
@choosing
def task_archive(**given: Any) -> None:
    """
    Put tasks that wait into the archive.

    Name them by IDS (- reads some from standard input), or say which by --state, --where and so on.
    """
    _act("archive", given)


@click.command("rm")
@choosing
def task_rm(**given: Any) -> None:
    """
    Delete tasks that do not run, and free their locks.

    Name them by IDS (- reads some from standard input), or say which by --state, --where and so on.
    """
    _act("delete", given)


@click.command("cancel")
@choosing
def task_cancel(**given: Any) -> None:
    """
    Stop tasks for good: waiting ones are deleted, running ones end in the archive as "cancelled".

    Name them by IDS (- reads some from standard input), or say which by --state, --where and so on.
    """
    _act("cancel", given)


@click.command("update")
@choosing
@click.option("-l", "--payload", help="The new payload: itself, @file, or - for standard input.")
@click.option(
    "--set", "sets", multiple=True, metavar="PATH=VALUE", help="A field of the payload, user.id=42. May be repeated."
)
@click.option("--edit", is_flag=True, help="Edit the payload of one task with $EDITOR.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header beside those it has.")
@click.option("--retry", "--max-retry", "max_retry", type=int, help="How often it is retried.")
@click.option("--timeout", type=SPAN, help="How long an attempt may take.")
@click.option("--deadline", type=MOMENT, help="Until when it may run.")
@click.option("--process-in", type=SPAN, help="In how long it is due; 0: now.")
@click.option("--process-at", type=MOMENT, help="When it is due.")
@click.option("--expires", type=SPAN, help="How long it is worth starting, from when it is due.")
@click.option("--retention", type=SPAN, help="How long it is kept once it is completed.")
@click.option("--move-to", shell_complete=completing.queues, metavar="QUEUE", help="Another queue.")
@click.option("--app", help="The application (module:app) whose declarations count. Default: the project's.")
@click.option("--raw", is_flag=True, help="Do not check the payload against any declaration.")
def task_update(**given: Any) -> None:
    """
    Change tasks that wait or are archived: payload, options, time, queue. What becomes of a payload is shown before.

    Name them by IDS (- reads some from standard input), or say which by --state, --where and so on. A payload of a
    task that the application declares must fit its signature.
    """
    from onebeat.cli.tasks.acting import How
    from onebeat.cli.tasks.updating import Edits, update

    url, ids, every = given.pop("url"), [*given.pop("ids"), *given.pop("more_ids")], given.pop("every")
    where = Where.taken(given)
    how = How(**{name: given.pop(name) for name in ("yes", "dry_run", "limit", "rate")})
    edits = {name: given.pop(name) for name in ("payload", "sets", "headers", "edit", "app", "raw")}
    options = {name: value for name, value in given.items() if value is not None}
    run_async(update(url, ids, where, Edits(**edits, options=options), every=every, how=how))
