"""`onebeat task`."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import click

from onebeat.cli import output
from onebeat.cli.common import url_option
from onebeat.cli.loops import run_async
from onebeat.states import TaskState

STATES = click.Choice([state.value for state in TaskState if state is not TaskState.AGGREGATING])


@click.group()
def task() -> None:
    """Tasks."""


@task.command("ls")
@url_option
@click.option("-q", "--queue", "queue_name", help="Default: all queues.")
@click.option("-s", "--state", "states", type=STATES, multiple=True, help="May be repeated. Default: all states.")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="Tasks per queue and state.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def task_ls(url: str | None, queue_name: str | None, states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List tasks: what waits, runs, was retained, or was archived and why. Failed ones are in retry and archived."""
    run_async(_task_ls(url, queue_name, states, limit, as_json))


async def _task_ls(url: str | None, queue_name: str | None, chosen: tuple[str, ...], limit: int, as_json: bool) -> None:
    from onebeat.inspector.inspector import Inspector

    states = [TaskState(state) for state in chosen or STATES.choices]
    found, is_cut = [], False
    async with Inspector(url) as inspector:
        if queue_name is not None:
            await inspector.check_queue(queue_name)
        for name in [queue_name] if queue_name is not None else await inspector.queues():
            for wanted in states:
                shown = 0
                async for info in inspector.tasks(name, state=wanted):
                    found.append(info)
                    shown += 1
                    if shown == limit:
                        is_cut = True
                        break
    if as_json:
        output.show_json([dataclasses.asdict(info) for info in found])
        return
    if not found:
        click.echo(
            f"No {' or '.join(chosen)} tasks{f' in queue {queue_name}' if queue_name else ''}.".replace("  ", " ")
        )
        return
    now = datetime.now(UTC)
    output.show_table(
        ["id", "queue", "type", "state", "retried", "due", "payload", "last error"],
        [
            [
                info.id, info.queue, info.type, info.state.value, f"{info.retried}/{info.max_retry}",
                output.ago(info.next_process_at, now) if info.state in (TaskState.SCHEDULED, TaskState.RETRY) else "-",
                output.readable(info.payload), output.readable(info.last_error.encode()),
            ]
            for info in found
        ],
        whole=("id", "queue", "type", "state", "retried", "due"),
    )  # fmt: skip
    if is_cut:
        click.echo(f"No more than {limit} of a queue and state are shown; -n shows more, `onebeat stats` counts them.")


@task.command("cancel")
@url_option
@click.option("-q", "--queue", "queue_name", required=True, help="The tasks' queue.")
@click.argument("ids", nargs=-1, required=True)
def task_cancel(url: str | None, queue_name: str, ids: tuple[str, ...]) -> None:
    """Stop tasks for good: waiting ones are deleted, running ones end in the archive as "cancelled"."""
    run_async(_task_cancel(url, queue_name, ids))


async def _task_cancel(url: str | None, queue_name: str, ids: tuple[str, ...]) -> None:
    from onebeat.inspector.inspector import Inspector

    async with Inspector(url) as inspector:
        await inspector.check_queue(queue_name)
        for task_id in ids:
            done = await inspector.cancel(queue_name, task_id)
            click.echo(f"task {task_id} of queue {queue_name}: {done.value}")


@task.command("run")
@url_option
@click.option("-q", "--queue", "queue_name", required=True, help="The tasks' queue.")
@click.option(
    "-s",
    "--state",
    type=click.Choice(["scheduled", "retry", "archived", "completed"]),
    help="All tasks of this state.",
)
@click.argument("ids", nargs=-1)
def task_run(url: str | None, queue_name: str, state: str | None, ids: tuple[str, ...]) -> None:
    """Make tasks pending now, by their IDS or all of a --state: also archived ones."""
    if bool(ids) == bool(state):
        output.fail("name tasks by their ids, or all of a state with --state; `onebeat task ls` lists them", status=2)
    run_async(_task_run(url, queue_name, state, ids))


async def _task_run(url: str | None, queue_name: str, state: str | None, ids: tuple[str, ...]) -> None:
    from onebeat.inspector.inspector import Inspector

    async with Inspector(url) as inspector:
        await inspector.check_queue(queue_name)
        if state is not None:
            count = await inspector.run_all(queue_name, state)
            click.echo(f"{count} task{'' if count == 1 else 's'} of queue {queue_name} now pending")
            return
        for task_id in ids:
            await inspector.run(queue_name, task_id)
            click.echo(f"task {task_id} of queue {queue_name} is now pending")
