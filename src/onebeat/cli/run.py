"""`onebeat run`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from onebeat.cli.common import URL_HELP, URL_NAMES, named_url
from onebeat.cli.loops import LOOPS

if TYPE_CHECKING:
    from onebeat.cli.processes.orders import Orders

LEVELS = ("debug", "info", "warning", "error")


def server_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take what a server process is told."""
    options = [
        click.option(*URL_NAMES, callback=lambda ctx, _parameter, value: named_url(ctx, value), help=URL_HELP),
        click.option(
            "-c",
            "--concurrency",
            type=click.IntRange(1),
            default=64,
            show_default=True,
            envvar="ONEBEAT_CONCURRENCY",
            help="Tasks at the same time, in each process.",
        ),
        click.option(
            "-q",
            "--queue",
            "queues",
            multiple=True,
            envvar="ONEBEAT_QUEUES",
            help="Queue to serve, with its weight: critical=6. May be repeated. Default: all the application names.",
        ),
        click.option(
            "--strict/--no-strict", help="Serve a queue only while those of higher weight are empty. Default: no."
        ),
        click.option(
            "--lease",
            type=float,
            default=30.0,
            show_default=True,
            envvar="ONEBEAT_LEASE",
            help="Seconds after which a dead server's tasks run again.",
        ),
        click.option(
            "--log-level",
            type=click.Choice(LEVELS),
            default="info",
            show_default=True,
            envvar="ONEBEAT_LOG_LEVEL",
            help="The least important lines of the log to show.",
        ),
        click.option(
            "--loop",
            type=click.Choice(LOOPS),
            default="auto",
            show_default=True,
            envvar="ONEBEAT_LOOP",
            help="The event loop; auto is uvloop where it is installed.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def metrics_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command answer over HTTP."""
    port = click.option(
        "--metrics-port",
        type=click.IntRange(0, 65_535),
        envvar="ONEBEAT_METRICS_PORT",
        help="Answer over HTTP at this port: probes at /livez and /readyz, Prometheus at /metrics, autoscalers at "
        "/scale. 0: any that is free. Default: none.",
    )
    host = click.option(
        "--metrics-host",
        default="127.0.0.1",
        show_default=True,
        envvar="ONEBEAT_METRICS_HOST",
        help="The address to do so at: 0.0.0.0 or :: is every one of this machine, as probes of a container need.",
    )
    queues = click.option(
        "--metrics-queues/--no-metrics-queues",
        default=True,
        show_default=True,
        envvar="ONEBEAT_METRICS_QUEUES",
        help="Have /metrics tell of all queues, too: no where `onebeat metrics` does.",
    )
    return port(host(queues(function)))


@click.command()
@click.argument("application", required=False, envvar="ONEBEAT_APP")
@server_options
@metrics_options
@click.option("--embedded", is_flag=True, help="Use the embedded store of the project when no URL is given.")
@click.option(
    "-p",
    "--processes",
    type=click.IntRange(1, 256),
    envvar="ONEBEAT_PROCESSES",
    help="Server processes under a parent that keeps them running. Default: this process alone, without a parent.",
)
@click.option(
    "--shutdown-timeout",
    type=float,
    default=8.0,
    show_default=True,
    envvar="ONEBEAT_SHUTDOWN_TIMEOUT",
    help="Seconds that running tasks are given to end before they are stopped and put back.",
)
@click.option(
    "--events/--no-events",
    envvar="ONEBEAT_EVENTS",
    help="Write what happens to a stream in the store, for `onebeat events`. Default: no.",
)
@click.option(
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    envvar="ONEBEAT_LOG_FORMAT",
    help="Lines for people, or each a document of JSON.",
)
@click.pass_context
def run(
    ctx: click.Context,
    /,
    application: str | None,
    embedded: bool,
    processes: int | None,
    shutdown_timeout: float,
    **given: Any,
) -> None:
    """
    Run the tasks and schedules of APPLICATION (module:app).

    It goes on until Ctrl-C or SIGTERM. What is not given is taken from the environment (ONEBEAT_CONCURRENCY and so
    on), then from [tool.onebeat] in pyproject.toml, then from the application's own Onebeat(server=...).
    """
    if application is None:
        raise click.UsageError("Missing argument 'APPLICATION': name module:app, or set app in [tool.onebeat].", ctx)
    fallback = ctx.obj.settings.get("url") or ("embedded://" if embedded else None)
    told = orders(ctx, application, given, fallback=fallback, shutdown_timeout=shutdown_timeout)
    if processes is None:
        from onebeat.cli.serving import serve_here

        serve_here(told)
    else:
        from onebeat.cli.processes.parent import run_processes

        raise SystemExit(run_processes(told, processes))


def orders(ctx: click.Context, application: str, given: dict[str, Any], **more: Any) -> Orders:
    """Turn what was given into orders; `more` are further orders, or settings of the server."""
    from onebeat.cli.processes.orders import Orders

    offered = {name: given[name] for name in ("concurrency", "strict", "lease")}
    offered |= {name: more.pop(name) for name in ("shutdown_timeout", "grace") if name in more}
    settings = {name: value for name, value in offered.items() if not _is_default(ctx, name)}
    if given["queues"]:
        settings["queues"] = _weights(given["queues"])
    return Orders(
        app=application,
        folder=str(folder_of(ctx)),
        url=given["url"],
        settings=settings,
        events=given.get("events", False),
        log_level=given["log_level"],
        log_format=given.get("log_format", "text"),
        loop=given["loop"],
        metrics_port=given["metrics_port"],
        metrics_host=given["metrics_host"],
        metrics_queues=given["metrics_queues"],
        **more,
    )


def _is_default(ctx: click.Context, name: str) -> bool:
    """Whether nobody has said it: then it is for the application to say (`Onebeat(server=…)`)."""
    return ctx.get_parameter_source(name) is ParameterSource.DEFAULT


def folder_of(ctx: click.Context) -> Path:
    """Where the application is looked for: one that the project names, and nobody else, in the project's folder."""
    named_by_project = ctx.get_parameter_source("application") is ParameterSource.DEFAULT_MAP
    return ctx.obj.folder if named_by_project else Path.cwd()


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
