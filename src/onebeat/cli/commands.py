"""The commands and their options; what they do is in the rooms below."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from onebeat import __version__
from onebeat.cli import output
from onebeat.errors import OnebeatError
from onebeat.states import TaskState

STATES = click.Choice([state.value for state in TaskState if state is not TaskState.AGGREGATING])
URL_HELP = "Where the store is: redis://, rediss://, valkey://, unix:// or embedded://. Default: $ONEBEAT_URL."


class Failing(click.Group):
    """A group whose commands end with one sentence, not a traceback, when Onebeat or click refuses something."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            _misused(error)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OnebeatError as error:
            output.fail(str(error))
        except click.UsageError as error:
            _misused(error)


def _misused(error: click.UsageError) -> NoReturn:
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        raise error
    path = error.ctx.command_path if error.ctx is not None else "onebeat"
    message = " ".join(error.format_message().split())
    output.fail(f"{message} Try `{path} --help`.", status=error.exit_code)


def url_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a verb take `--url` as well as the command before it."""

    def remember(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        return value or ctx.find_root().params.get("url") or os.environ.get("ONEBEAT_URL")

    return click.option("--url", callback=remember, help=URL_HELP)(function)


def run_async(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


@click.group(cls=Failing, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="onebeat")
@click.option("--url", help=URL_HELP)
def cli(url: str | None) -> None:
    """One beat, any number of servers: tasks and schedules on Redis or Valkey."""


@cli.command()
@click.argument("application")
@url_option
@click.option("--embedded", is_flag=True, help="Use the embedded store of the project when no URL is given.")
@click.option(
    "-c",
    "--concurrency",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Tasks at the same time.",
)
@click.option(
    "-q",
    "--queue",
    "queues",
    multiple=True,
    help="Queue to serve, with its weight: critical=6. May be repeated.",
)
@click.option("--strict", is_flag=True, help="Serve a queue only while those of higher weight are empty.")
@click.option(
    "--lease",
    type=float,
    default=30.0,
    show_default=True,
    help="Seconds after which a dead server's tasks run again.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def run(
    application: str,
    url: str | None,
    embedded: bool,
    concurrency: int,
    queues: tuple[str, ...],
    strict: bool,
    lease: float,
    log_level: str,
) -> None:
    """Run the tasks and schedules of APPLICATION (module:app) until Ctrl-C or SIGTERM."""
    from onebeat.app.serving import serve
    from onebeat.cli.load import application as load

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    app = load(application)
    where = url or app.url
    if where is None and not embedded:
        output.fail(
            "no store is named, and other processes would not find one that is started here by chance: "
            "give --url redis://…, set ONEBEAT_URL, or add --embedded"
        )
    settings: dict[str, Any] = {"concurrency": concurrency, "strict": strict, "lease": lease}
    if queues:
        settings["queues"] = _weights(queues)
    run_async(serve(app, url=where or "embedded://", **settings))


def _weights(texts: Sequence[str]) -> dict[str, int]:
    weights: dict[str, int] = {}
    for text in texts:
        name, equals, weight = text.partition("=")
        if equals and not (weight.isascii() and weight.isdigit() and len(weight) < 10):
            raise click.BadParameter(f"weight of queue {name!r} is {weight!r}: write {name}=3.", param_hint="--queue")
        if name in weights:
            raise click.BadParameter(f"queue {name!r} is given twice: give it once.", param_hint="--queue")
        weights[name] = int(weight) if equals else 1
    return weights


@cli.command()
@click.option("--seconds", type=click.IntRange(6, 3600), default=20, show_default=True, help="How long it plays.")
@click.option("--servers", type=click.IntRange(2, 20), default=3, show_default=True, help="Server processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, and nothing else.")
@click.option("--ledger", type=click.Path(file_okay=False, path_type=Path), help="Keep every process's raw rows here.")
def demo(seconds: int, servers: int, as_json: bool, ledger: Path | None) -> None:
    """Watch a whole system at work: real processes on a store of its own, one of which is killed half way."""
    from onebeat.cli.demo.play import play

    raise SystemExit(asyncio.run(play(seconds=seconds, servers=servers, as_json=as_json, ledger=ledger)))


@cli.command()
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(url: str | None, as_json: bool) -> None:
    """Count the tasks of all queues."""
    run_async(_stats(url, as_json))


@cli.group()
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


@cli.group()
def task() -> None:
    """Tasks."""


@task.command("ls")
@url_option
@click.option("-q", "--queue", "queue_name", help="Default: all queues.")
@click.option("-s", "--state", type=STATES, help="Default: all states.")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="Tasks per queue and state.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def task_ls(url: str | None, queue_name: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List tasks: what waits, runs, was retained, or was archived and why."""
    run_async(_task_ls(url, queue_name, state, limit, as_json))


async def _task_ls(url: str | None, queue_name: str | None, state: str | None, limit: int, as_json: bool) -> None:
    from onebeat.inspector.inspector import Inspector

    states = [TaskState(state)] if state else [state for state in TaskState if state is not TaskState.AGGREGATING]
    found = []
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
                        break
    if as_json:
        output.show_json([dataclasses.asdict(info) for info in found])
        return
    if not found:
        click.echo(f"No {state or ''} tasks{f' in queue {queue_name}' if queue_name else ''}.".replace("  ", " "))
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
