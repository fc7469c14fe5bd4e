"""`onebeat task enqueue`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from onebeat.cli.documents import show
from onebeat.cli.output import ago, counted, visible
from onebeat.cli.tasks.payloads import bound, find_app, joined, pairs, raw, read_payload
from onebeat.cli.terminal import is_terminal
from onebeat.cli.writing import agreed
from onebeat.clock import SystemClock
from onebeat.documents.tasks import enqueued_row
from onebeat.preparing import Enqueued
from onebeat.states import TaskState
from onebeat.task import Task

log: logging.Logger = logging.getLogger("onebeat.cli")


@dataclass(frozen=True)
class Wanted:
    """What is to be enqueued, as it was given."""

    type: str
    words: Sequence[str]
    payload: str | None
    app: str | None
    raw: bool
    count: int
    options: Mapping[str, Any]


async def enqueue(url: str | None, wanted: Wanted, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Make the task, checked if it is declared, and enqueue it."""
    from onebeat.client import Client
    from onebeat.preparing import prepare

    task = make(wanted, is_told=not as_json and is_terminal(err=True))
    prepared = prepare(task, wanted.options)  # what cannot be is refused before anybody is asked
    if wanted.count > 1:
        _check_many(wanted)
    what = counted(wanted.count, "task") if wanted.count > 1 else "a task"
    if not agreed(f"enqueue {what} of type {wanted.type} to queue {prepared.queue}", yes=yes, dry_run=dry_run):
        return
    rows: list[Enqueued] = []
    async with Client(url) as client:
        for _ in range(wanted.count):
            rows.append(await client.enqueue(task, **wanted.options))
            if not as_json:
                _say(rows[-1])
    if as_json:
        show([enqueued_row(row) for row in rows])


def _check_many(wanted: Wanted) -> None:
    """Refuse many of what there can be but one of."""
    for name, option in (("task_id", "--id"), ("unique", "--unique")):
        if wanted.options.get(name) is not None:
            told = f"{option} lets one such task in: leave it out, or --count {wanted.count}."
            raise click.UsageError(told, click.get_current_context(silent=True))


def make(wanted: Wanted, *, is_told: bool) -> Task[Any]:
    """
    Make the task that was given.

    Args:
        is_told: Somebody looks who is told that there was no application to check it.

    Raises:
        PayloadError: Its arguments do not fit what the application declares.
    """
    words = pairs(wanted.words)
    if words and wanted.payload is not None:
        raise click.UsageError("Give arguments, or --payload: not both.", click.get_current_context())
    payload = None if wanted.payload is None else read_payload(wanted.payload)
    app = None if wanted.raw else find_app(wanted.app)
    declared = app.tasks.get(wanted.type) if app is not None else None
    if declared is not None:
        return bound(declared, words, payload)
    if app is not None:
        click.echo(
            f"onebeat: type {visible(wanted.type)!r} is not declared by application {app.name!r}, so its payload was "
            "not checked; --raw says that you know",
            err=True,
        )
    elif is_told and not wanted.raw:
        told = "no application is named, so type and payload were not checked: --app names one"
        click.echo(f"onebeat: {told}, --raw says that you know", err=True)
    if payload is None and words:
        return Task(wanted.type, joined({name: raw(text) for name, text in words.items()}))
    return Task(wanted.type, payload)


def _say(enqueued: Enqueued) -> None:
    told = f"Enqueued task {visible(enqueued.id)} to queue {visible(enqueued.queue)}"
    if enqueued.state is TaskState.SCHEDULED:
        told += f", due {ago(enqueued.process_at, SystemClock().now())}"
    elif enqueued.state is TaskState.AGGREGATING:
        told += ", where it waits in its group"
    click.echo(f"{told}.")
